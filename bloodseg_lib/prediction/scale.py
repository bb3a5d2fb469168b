"""The size of the red blood cells in an image, measured in the image itself. No network is needed.

Red cells are separated from the background by their optical density in green, which haemoglobin and
every stain absorb. Rays run from the centre of each cell to its rim; where at least half of them
reach background at about the same distance, their mean square gives the diameter, also of a cell
that touches another or is cut by the border. Nucleated cells are left out, and the most frequent
size of the rest, weighted by area, is the diameter.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu

from bloodseg_lib.classes import RBC_DIAMETER_PX
from bloodseg_lib.optics import optical_density
from bloodseg_lib.prediction.pallor import fill_pale_centres

LEAST_CELLS = 3
"""Cells of about the same size that a measurement needs."""

NEAR_ENOUGH = 0.1
"""A measured factor this close to 1 counts as 1: resampling would cost sharpness, and the
measurement is no more accurate.
"""

# Red cells must cover this fraction of the foreground: photographs of other things also have a few
# round spots of one size.
_LEAST_FRACTION = 0.2
_LEAST_PX = 12  # smaller things are noise or debris, and cells this small have no texture left
_SEARCH_PX = 1024  # side of the searched image; larger ones are reduced, or searched in windows
_WHOLE_PX = 4096  # larger images are never read as a whole
_FINE_PX = 20  # cells that are smaller after reduction are measured again in full-size windows
# The threshold is inside the soft rim: composed smears, whose cells measure 37, read 35.5.
_RIM = 1.04
_ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)  # (72, 2): x, y


@dataclass(frozen=True)
class Scale:
    """The factor that resamples an image to 40x, and its origin.

    Attributes:
        factor: 1 for an image at 40x, where a red blood cell measures 37 pixels; 0.01 to 20.
        how: ``"given"`` by a person, ``"measured"`` in the image, or ``"assumed"`` because it could
            not be measured.
        rbc_diameter_px: of a red blood cell in the image, in its own pixels; ``None`` when assumed.
        cells: number of red blood cells measured.
        file_um: micrometres of a pixel, as the image's file tells; ``None``: it does not. See
            :class:`bloodseg_lib.prediction.pixel_size.PixelSize`.

    Raises:
        ValueError: a factor out of range.

    Examples:
        >>> print(Scale.given(rbc_diameter_px=74))
        scale 0.5 as given: red blood cells measure 74.0 pixels
        >>> Scale.of_factor(0.5).rbc_diameter_px
        74.0
    """

    factor: float
    how: Literal["given", "measured", "assumed"] = "given"
    rbc_diameter_px: float | None = None
    cells: int = 0
    file_um: float | None = None

    def __post_init__(self) -> None:
        if not 0.01 <= self.factor <= 20:
            raise ValueError(
                f"scale: expected the factor that brings the image to 40x, 0.01 to 20. "
                f"Received {self.factor}."
            )

    @classmethod
    def given(cls, rbc_diameter_px: float) -> Scale:
        """The scale of an image in which a red blood cell measures ``rbc_diameter_px``.

        Raises:
            ValueError: a diameter below 2 or above 2000 pixels, which no image of cells has.
        """
        if not 2 <= rbc_diameter_px <= 2000:
            raise ValueError(
                "Expected the diameter of a red blood cell in pixels, 2 to 2000. "
                f"Received {rbc_diameter_px}."
            )
        return cls(RBC_DIAMETER_PX / rbc_diameter_px, "given", float(rbc_diameter_px))

    @classmethod
    def of_factor(cls, factor: float) -> Scale:
        """The scale with a known factor; 1 for an image at 40x."""
        return cls(factor, "given", RBC_DIAMETER_PX / factor if factor else None)

    def __str__(self) -> str:
        if self.how == "assumed":
            return (
                f"scale {self.factor:.3g} assumed: fewer than {LEAST_CELLS} red blood cells of one "
                "size were found to measure; give their diameter"
            )
        if self.how == "measured":
            return (
                f"scale {self.factor:.3g}: red blood cells measure {self.rbc_diameter_px:.1f} "
                f"pixels, the mean of {self.cells} cells in the image"
            )
        diameter = RBC_DIAMETER_PX / self.factor
        return f"scale {self.factor:.3g} as given: red blood cells measure {diameter:.1f} pixels"

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


AT_40X = Scale.of_factor(1.0)
"""The scale of composed smears, and of every image in which a red blood cell measures 37 pixels."""


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
        number of cells measured.
    """
    longer = max(image.shape[:2])
    if longer <= _SEARCH_PX:
        return _common_diameter(*_discs(np.ascontiguousarray(image)))
    window = longer if longer <= _WHOLE_PX else 2 * _SEARCH_PX
    reduction = _SEARCH_PX / window
    diameter, cells = _common_diameter(*_discs_in_windows(image, window, reduction))
    if diameter is None or diameter * reduction < _FINE_PX:
        finer, more = _common_diameter(*_discs_in_windows(image, _SEARCH_PX, 1.0))
        if finer is not None:
            return finer, more
    return diameter, cells


def _discs_in_windows(image: np.ndarray, window: int, reduction: float) -> tuple[np.ndarray, float]:
    """Discs in up to 3 x 3 windows spread over an image, and the foreground area there."""
    starts = [
        sorted({round(part * max(0, side - window)) for part in (0.5, 0.1, 0.9)})
        for side in image.shape[:2]
    ]
    found, covered = [np.empty((0, 2))], 0.0
    for top in starts[0]:
        for left in starts[1]:
            part = np.ascontiguousarray(image[top : top + window, left : left + window])
            if min(part.shape[:2]) * reduction <= 0.5:
                continue  # a strip, of which reducing leaves nothing
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
    """The most frequent diameter of the discs of :func:`_discs`, and how many discs have it.

    Discs are weighted by area, so that debris does not decide.
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
        fraction = np.pi / 4 * (discs[near, 0] ** 2).sum() / max(1.0, covered_px)
        if (
            near.sum() >= LEAST_CELLS
            and weight[near].sum() >= 0.25 * weight.sum()
            and diameter >= _LEAST_PX
            and fraction >= _LEAST_FRACTION
        ):
            return diameter, int(near.sum())
    return None, 0


def _discs(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Round objects without a nucleus, ``(n, 2)``: diameter in pixels and visible fraction of the
    rim; and the foreground area in pixels.
    """
    soft = cv2.GaussianBlur(image, (0, 0), 1.0)
    green = _density(soft[:, :, 1])
    in_view = green < 1.5  # without the black around the field of an eyepiece
    if min(image.shape[:2]) < 8 or in_view.mean() < 0.1:
        return np.empty((0, 2)), 0.0
    # Clipped, so that the threshold separates background and cells, and not cells and nuclei.
    clipped = np.minimum(green, 0.5)[in_view]
    threshold = threshold_otsu(clipped) if np.ptp(clipped) else 0.0
    if threshold < 0.03:  # nothing but noise
        return np.empty((0, 2)), 0.0
    # A larger hole is the slide in the field of an eyepiece.
    largest = 0.1 * float(in_view.sum())
    mask = fill_pale_centres((green > threshold).astype(np.uint8), 30, largest, elongation=2.2)
    # Haemoglobin lets red light pass, nuclei do not.
    nucleus = (_density(soft[:, :, 0]) > 0.75).astype(np.float32)
    # The cells are continued beyond the border; else one that is cut would look like a small one.
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
        if rays.std() < 0.13 * mean and _mean_in_disc(nucleus, y, x, radius) < 0.2:
            found.append((2 * mean, len(rays) / len(_DIRECTIONS)))
    return np.array(found).reshape(-1, 2), float((mask.astype(bool) & in_view).sum())


def _density(channel: np.ndarray) -> np.ndarray:
    """Optical density against the background, the 95th percentile of the channel."""
    background = np.float32(max(1.0, float(np.percentile(channel, 95))))
    return np.maximum(0, optical_density(channel.astype(np.float32) / background))


def _rays(mask: np.ndarray, y: int, x: int, radius: float) -> np.ndarray:
    """Distances from a point to the rim, of the directions that reach background within 1.4
    radii.
    """
    steps = np.arange(0.6 * radius, 1.4 * radius + 0.5, 0.5)
    columns = np.rint(x + steps[:, None] * _DIRECTIONS[:, 0]).astype(int)
    rows = np.rint(y + steps[:, None] * _DIRECTIONS[:, 1]).astype(int)
    height, width = mask.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    # (steps, directions): 1 cell, 0 background, 2 outside the image
    seen = np.where(inside, mask[rows.clip(0, height - 1), columns.clip(0, width - 1)], 2)
    left = seen != 1
    first = left.argmax(axis=0)
    met = left.any(axis=0) & (np.take_along_axis(seen, first[None], axis=0)[0] == 0)
    return steps[first[met]]


def _mean_in_disc(values: np.ndarray, y: int, x: int, radius: float) -> float:
    reach = int(radius)
    top, left = max(0, y - reach), max(0, x - reach)
    window = values[top : y + reach + 1, left : x + reach + 1]
    rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
    return float(window[(rows + top - y) ** 2 + (columns + left - x) ** 2 < radius**2].mean())
