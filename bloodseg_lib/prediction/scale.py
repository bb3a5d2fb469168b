"""How large a red blood cell is in an image, measured in the image itself, so that it can be
brought to 40x. No network is needed.

Cells are told from the slide by their density to green light, which haemoglobin and every stain
absorb. From the middle of each, rays go out to its rim; where at least half of them meet the slide
at about the same distance, their mean square gives the diameter - also of a cell that touches
another or is cut by the border. Cells with a nucleus are left out, and of the rest the most
frequent size is taken, by area. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu

from bloodseg_lib.classes import RBC_DIAMETER_PX

LEAST_CELLS = 3
"""Cells of about the same size that a measurement needs."""

NEAR_ENOUGH = 0.1
"""A measured factor this near to 1 is taken for 1:

resampling would cost sharpness, and the measurement itself is no better.
"""

# of all that is no slide, red cells must cover so much: in photographs of other things a few round
# spots of one size turn up too
_LEAST_SHARE = 0.2
# smaller things are grain or dirt, and cells so small have nothing left to tell them apart
_LEAST_PX = 12
# the side of what is looked at; larger images are reduced, or seen through windows
_LOOKED_AT_PX = 1024
_WHOLE_PX = 4096  # above this an image is never read as a whole
# cells that appear smaller than this in the reduced image are measured again in windows of full
# size
_FINE_PX = 20
# the threshold lies inside the soft rim: composed smears, whose cells are known to measure 37, read
# 35.5
_RIM = 1.04
# (72, 2): x, y
_DIRECTIONS = np.stack(
    [np.cos(a := np.linspace(0, 2 * np.pi, 72, endpoint=False)), np.sin(a)], axis=1
)


@dataclass(frozen=True)
class Scale:
    """The factor that brings an image to 40x, and where it comes from.

    Attributes:
        factor: 1 for an image at 40x, where a red blood cell measures 37 pixels.
        how: ``"given"`` by a person, ``"measured"`` in the image, or ``"assumed"`` because it could
            not be measured.
        rbc_diameter_px: of a red blood cell in the image, in its own pixels; ``None`` when assumed.
        cells: red blood cells that a measurement rests on.
    """

    factor: float
    how: Literal["given", "measured", "assumed"] = "given"
    rbc_diameter_px: float | None = None
    cells: int = 0

    def __str__(self) -> str:
        if self.how == "assumed":
            return f"scale {self.factor:.3g} assumed: fewer than {LEAST_CELLS} red blood cells of one size were found to measure; give their diameter"
        if self.how == "measured":
            return f"scale {self.factor:.3g}: red blood cells measure {self.rbc_diameter_px:.1f} pixels, the mean of {self.cells} cells in the image"
        return f"scale {self.factor:.3g} as given: red blood cells measure {RBC_DIAMETER_PX / self.factor:.1f} pixels"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        diameter = None if self.rbc_diameter_px is None else round(self.rbc_diameter_px, 2)
        return {
            "factor": round(self.factor, 5),
            "how": self.how,
            "rbc_diameter_px": diameter,
            "cells": self.cells,
            "words": str(self),
        }


def find_scale(image: np.ndarray) -> Scale:
    """The scale of an image by its red blood cells; 1.0, assumed, where they cannot be measured.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped, and is then read in windows.
    """
    diameter, cells = measure_rbc_diameter(image)
    if diameter is None:
        return Scale(1.0, "assumed", None, cells)
    factor = RBC_DIAMETER_PX / diameter
    return Scale(1.0 if abs(factor - 1) <= NEAR_ENOUGH else factor, "measured", diameter, cells)


def measure_rbc_diameter(image: np.ndarray) -> tuple[float | None, int]:
    """Measure the red blood cells of an image.

    Args:
        image: ``(H, W, 3) uint8`` RGB, of any size; may be memory-mapped.

    Returns:
        their diameter in pixels, or ``None`` when fewer than three of one size were found, and the
        number of cells it rests on.
    """
    longer = max(image.shape[:2])
    if longer <= _LOOKED_AT_PX:
        return _common_diameter(*_discs(np.ascontiguousarray(image)))
    window = longer if longer <= _WHOLE_PX else 2 * _LOOKED_AT_PX
    reduction = _LOOKED_AT_PX / window
    diameter, cells = _common_diameter(*_discs_in_windows(image, window, reduction))
    if diameter is None or diameter * reduction < _FINE_PX:
        finer, more = _common_diameter(*_discs_in_windows(image, _LOOKED_AT_PX, 1.0))
        if finer is not None:
            return finer, more
    return diameter, cells


def _discs_in_windows(image: np.ndarray, window: int, reduction: float) -> tuple[np.ndarray, float]:
    """Discs in up to 3 x 3 windows spread over an image, and the area of all that is no slide
    there.
    """
    starts = [
        sorted({round(share * max(0, side - window)) for share in (0.5, 0.1, 0.9)})
        for side in image.shape[:2]
    ]
    found, covered = [], 0.0
    for top in starts[0]:
        for left in starts[1]:
            part = np.ascontiguousarray(image[top : top + window, left : left + window])
            if reduction < 1:
                part = cv2.resize(
                    part, None, fx=reduction, fy=reduction, interpolation=cv2.INTER_AREA
                )
            discs, area = _discs(part)
            discs[:, 0] /= reduction
            found.append(discs)
            covered += area / reduction**2
    return np.concatenate(found), covered


def _common_diameter(discs: np.ndarray, covered_px: float) -> tuple[float | None, int]:
    """The most frequent diameter of discs, as :func:`_discs` finds them;

    discs count by area, so that dirt does not decide.
    """
    if len(discs) < LEAST_CELLS:
        return None, len(discs)
    logarithm, weight = np.log(discs[:, 0]), discs[:, 0] ** 2 * discs[:, 1]
    sizes = np.linspace(logarithm.min(), logarithm.max(), 400)
    order = np.argsort(
        -(np.exp(-0.5 * ((sizes[:, None] - logarithm) / 0.08) ** 2) @ weight), kind="stable"
    )
    for size in sizes[order]:  # the first peak may be a single white cell
        near = np.abs(logarithm - size) < 0.2
        if not near.any():
            continue
        diameter = float(np.exp(np.average(logarithm[near], weights=weight[near]))) * _RIM
        share = np.pi / 4 * (discs[near, 0] ** 2).sum() / max(1.0, covered_px)
        if (
            near.sum() >= LEAST_CELLS
            and weight[near].sum() >= 0.25 * weight.sum()
            and diameter >= _LEAST_PX
            and share >= _LEAST_SHARE
        ):
            return diameter, int(near.sum())
    return None, 0


def _discs(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Round things without a nucleus, ``(n, 2)``:

    diameter in pixels, share of the rim seen. And the pixels that are no slide.
    """
    soft = cv2.GaussianBlur(image, (0, 0), 1.0)
    green = _density(soft[:, :, 1])
    on_slide = green < 1.5  # without the black around the field of an eyepiece
    if min(image.shape[:2]) < 8 or on_slide.mean() < 0.1:
        return np.empty((0, 2)), 0.0
    # Clipped, so that the threshold parts slide and cells, and not cells and nuclei.
    threshold = (
        threshold_otsu(np.minimum(green, 0.5)[on_slide])
        if np.ptp(np.minimum(green, 0.5)[on_slide])
        else 0.0
    )
    if threshold < 0.03:  # nothing but noise
        return np.empty((0, 2)), 0.0
    mask = _without_pale_centres((green > threshold).astype(np.uint8))
    # Haemoglobin lets red light pass, nuclei do not.
    nucleus = (_density(soft[:, :, 0]) > 0.75).astype(np.float32)
    # Beyond the border the cells are continued, else one that is cut would pass for a small one.
    beyond = max(mask.shape) // 4
    continued = cv2.copyMakeBorder(mask, beyond, beyond, beyond, beyond, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(continued, cv2.DIST_L2, 5)[
        beyond : beyond + mask.shape[0], beyond : beyond + mask.shape[1]
    ]
    depth = cv2.GaussianBlur(depth, (0, 0), 1.0)
    peaks = peak_local_max(depth, min_distance=3, threshold_abs=3.5, exclude_border=False)
    peaks = peaks[np.argsort(-depth[peaks[:, 0], peaks[:, 1]], kind="stable")]
    taken = np.empty((0, 3))
    found = []
    for y, x in peaks:
        radius = depth[y, x] + 0.5
        if (
            (taken[:, 0] - y) ** 2 + (taken[:, 1] - x) ** 2
            < (0.8 * np.maximum(taken[:, 2], radius)) ** 2
        ).any():
            continue
        taken = np.append(taken, [[y, x, radius]], axis=0)
        rays = _rays(mask, y, x, radius)
        if len(rays) < len(_DIRECTIONS) / 2:
            continue
        mean = np.sqrt(np.mean(rays**2))
        if rays.std() < 0.13 * mean and _share_in_disc(nucleus, y, x, radius) < 0.2:
            found.append((2 * mean, len(rays) / len(_DIRECTIONS)))
    return np.array(found).reshape(-1, 2), float((mask.astype(bool) & on_slide).sum())


def _density(channel: np.ndarray) -> np.ndarray:
    """Optical density against the slide, whose grey level is that of the brightest twentieth."""
    slide = max(1.0, float(np.percentile(channel, 95)))
    return np.maximum(0, np.log(slide / np.maximum(channel.astype(np.float32), 1)))


def _rays(mask: np.ndarray, y: int, x: int, radius: float) -> np.ndarray:
    """Distances from a point to the rim, in the directions where the slide is met within 1.4 radii."""
    steps = np.arange(0.6 * radius, 1.4 * radius + 0.5, 0.5)
    columns = np.rint(x + steps[:, None] * _DIRECTIONS[:, 0]).astype(int)
    rows = np.rint(y + steps[:, None] * _DIRECTIONS[:, 1]).astype(int)
    height, width = mask.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    # (steps, directions): 1 cell, 0 slide, 2 beyond
    seen = np.where(inside, mask[rows.clip(0, height - 1), columns.clip(0, width - 1)], 2)
    left = seen != 1
    first = left.argmax(axis=0)
    met = left.any(axis=0) & (np.take_along_axis(seen, first[None], axis=0)[0] == 0)
    return steps[first[met]]


def _share_in_disc(values: np.ndarray, y: int, x: int, radius: float) -> float:
    reach = int(radius)
    top, left = max(0, y - reach), max(0, x - reach)
    window = values[top : y + reach + 1, left : x + reach + 1]
    rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
    return float(window[(rows + top - y) ** 2 + (columns + left - x) ** 2 < radius**2].mean())


def _without_pale_centres(mask: np.ndarray) -> np.ndarray:
    """``mask`` with round holes filled; gaps between cells, which are pointed, stay."""
    _, found, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    filled = mask.copy()
    for number, (x, y, width, height, area) in enumerate(stats[1:], start=1):
        at_border = x == 0 or y == 0 or x + width == mask.shape[1] or y + height == mask.shape[0]
        if at_border or max(width, height) > 2.2 * min(width, height) + 2:
            continue
        hole = found[y : y + height, x : x + width] == number
        if area > 30:
            outline = max(
                cv2.findContours(hole.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[
                    0
                ],
                key=len,
            )
            if cv2.contourArea(outline) < 0.85 * cv2.contourArea(cv2.convexHull(outline)):
                continue
        filled[y : y + height, x : x + width][hole] = 1
    return filled
