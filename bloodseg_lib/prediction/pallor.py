"""The pale centres of red cells, which a threshold or a network takes for background.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np


def fill_pale_centres(
    mask: np.ndarray,
    sure_px: float,
    largest_px: float = math.inf,
    elongation: float = math.inf,
) -> np.ndarray:
    """Fill, in a copy, the round holes of a mask, ``(H, W) uint8``, 0 or 1: the pale centres of red
    cells, which look like background.

    The gap between cells that touch is pointed and stays open: filled, it would look like a cell. A
    hole up to the area ``sure_px`` is filled whatever its shape; one of more than ``largest_px``,
    or longer than ``elongation`` times its width (and 2 pixels), stays.
    """
    filled = mask.copy()
    _, holes, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    for number, (x, y, width, height, area) in enumerate(stats[1:], start=1):
        at_border = x == 0 or y == 0 or x + width == mask.shape[1] or y + height == mask.shape[0]
        too_long = max(width, height) > elongation * min(width, height) + 2
        if at_border or too_long or area > largest_px:
            continue
        hole = holes[y : y + height, x : x + width] == number
        if area <= sure_px or _solidity(hole) >= 0.85:
            filled[y : y + height, x : x + width][hole] = 1
    return filled


def _solidity(mask: np.ndarray) -> float:
    """Area within the outline of a connected mask, as a fraction of its convex hull; 1 for a line,
    which has no area.
    """
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    hull = cv2.contourArea(cv2.convexHull(outline))
    return cv2.contourArea(outline) / hull if hull else 1.0
