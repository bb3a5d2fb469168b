"""The outline of one stained cell around its core - the nucleus of a white cell, the granules of a
platelet - by GrabCut (Rother, Kolmogorov & Blake 2004, *ACM Transactions on Graphics* 23:309), as
OpenCV has it.

The colours of the field beyond the reach of the cell - red cells and background - are those that
the cell does not have. So granules are no edge, and red cells that touch the cell stay out, where
their colour differs.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from bloodseg_lib.classes import RBC_DIAMETER_PX, Box
from bloodseg_lib.io import resized
from bloodseg_lib.samples.extraction.masks import disc, largest


class Reach(NamedTuple):
    """How far a cell goes beyond its core, in diameters of a red cell.

    Attributes:
        surely: everything so near is the cell.
        likely: where GrabCut begins.
        at_most: nothing beyond is the cell.
        spur: narrower parts are removed.
    """

    surely: float
    likely: float
    at_most: float
    spur: float


WHITE_CELL = Reach(surely=0.06, likely=0.5, at_most=1.0, spur=0.4)
PLATELET = Reach(surely=0.0, likely=0.12, at_most=0.35, spur=0.12)

_AROUND = 2.0  # diameters beyond the reach, whose colours are those of the surroundings
_ITERATIONS = 4
_CLEAR = 0.03  # greatest optical density of the empty background
_BAY = 0.15  # narrower bays and gaps are filled


def outlined(
    image: np.ndarray,
    density: np.ndarray,
    core: np.ndarray,
    rbc_diameter_px: float,
    reach: Reach = WHITE_CELL,
    within: Box | None = None,
) -> np.ndarray:
    """The cell around a core, ``(H, W)`` bool.

    It is found at 40x, so that it takes the same time at any resolution.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        density: ``(H, W, 3) float32``, its optical density.
        core: ``(H, W)`` bool, not empty.
        rbc_diameter_px: of a red cell.
        reach: how far the cell goes beyond the core.
        within: a box that a person drew around the cell: nothing outside it is the cell, and
            GrabCut begins with the ellipse in it, so that pale cytoplasm is not left out.
    """
    box, factor = Box.of_mask(core), RBC_DIAMETER_PX / rbc_diameter_px
    margin = round((reach.at_most + _AROUND) * rbc_diameter_px)
    near = box.cut(core.shape, margin).window
    height, width = core[near].shape
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.GaussianBlur(resized(image[near], size), (0, 0), 0.8)
    inner = cv2.resize(core[near].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    if not inner.any():
        return largest(core)
    clear = resized(density[near].max(axis=2), size) < _CLEAR
    distance = cv2.distanceTransform(1 - inner, cv2.DIST_L2, 5) / RBC_DIAMETER_PX
    labels = np.full(inner.shape, cv2.GC_PR_BGD, np.uint8)
    labels[distance < reach.likely] = cv2.GC_PR_FGD
    labels[(distance > reach.at_most) | clear] = cv2.GC_BGD
    if within is not None:
        whole_box = np.zeros(core.shape, np.uint8)
        whole_box[within.window] = 1
        boxed, oval = (
            cv2.resize(mask[near], size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
            for mask in (whole_box, oval_in(within, core.shape))
        )
        labels[:] = np.where(oval, cv2.GC_PR_FGD, np.where(boxed, cv2.GC_PR_BGD, cv2.GC_BGD))
    labels[(distance <= reach.surely) & ~clear | (inner > 0)] = cv2.GC_FGD
    whole = np.zeros(core.shape, bool)
    cell = _smooth(_cut(small, labels), inner, reach.spur).astype(np.float32)
    # interpolated, not nearest: blocks of pixels are no outline
    whole[near] = cv2.resize(cell, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return largest(whole if whole.any() else core)


def oval_in(box: Box, shape: tuple[int, ...], fraction: float = 1.0) -> np.ndarray:
    """The ellipse in a box, or so large a fraction of it, ``(H, W) uint8``, 0 or 1."""
    oval = np.zeros(shape, np.uint8)
    middle = (box.x + box.width // 2, box.y + box.height // 2)
    axes = (round(fraction * box.width / 2), round(fraction * box.height / 2))
    return cv2.ellipse(oval, middle, axes, 0, 0, 360, 1, cv2.FILLED)


def _cut(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """GrabCut's foreground, ``(H, W) uint8``, 0 or 1."""
    sure = labels == cv2.GC_FGD
    if not ((labels == cv2.GC_BGD) | (labels == cv2.GC_PR_BGD)).any():
        return np.ones(labels.shape, np.uint8)
    cv2.setRNGSeed(0)  # its k-means draws at random: the same cell, the same outline
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, labels, (0, 0, 1, 1), *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return (sure | (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)


def _smooth(cell: np.ndarray, core: np.ndarray, spur: float) -> np.ndarray:
    """The component of a cut with its bays filled and its spurs removed, ``(H, W)`` bool; nothing
    is beyond the border, which a cell may lean on.
    """
    pad = round(RBC_DIAMETER_PX)
    cell, core = (np.pad(mask, pad) for mask in (cell, core))
    bay = disc(_BAY * RBC_DIAMETER_PX)
    filled = largest(cv2.morphologyEx(cell, cv2.MORPH_CLOSE, bay)).astype(np.uint8)
    cell = cv2.morphologyEx(filled, cv2.MORPH_OPEN, disc(spur / 2 * RBC_DIAMETER_PX)) | core
    return largest(cv2.morphologyEx(cell, cv2.MORPH_CLOSE, bay))[pad:-pad, pad:-pad]
