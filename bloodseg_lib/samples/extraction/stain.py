"""The reference stain: the red cells of every image are brought to one optical density.

Laboratories differ in stain more than in anything else, and a network that learned on some of them
takes the dense red cells of another for white cells. Every smear has red cells, and they hold no
nucleus, so they tell how strongly a slide was stained and its camera sees it. Images that are
predicted and the samples that smears are composed of are brought to the reference by the same
function. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import skimage

from bloodseg_lib.optics import FLOOR, GREY_DENSITIES, WHITE, nuclear_density, windows_at_40x

REFERENCE_DENSITY = (0.25, 0.37, 0.22)
"""Median optical density of red, green and blue in the red cells of an image that a network sees.
About the middle of six public databases, where it is 0 to 0.41, 0.27 to 0.73 and 0.16 to 0.35.
"""

_FACTORS = (0.2, 2.5)  # more would turn the noise of a cell into colours, less is no stain
_LEAST_RED_CELL_PX = 1600  # one and a half red cells
_LEAST_CONTRAST = 0.04  # optical density; less is the noise of an empty slide
_DENSITIES = (0.08, 1.1)  # of green; what is paler or denser is no red cell


@dataclass(frozen=True)
class Stain:
    """The stain of the red cells in an image, and what brings it to :data:`REFERENCE_DENSITY`.

    An image is brought to the reference by multiplying the optical density of each channel, as if
    it had been stained for longer or shorter.

    Attributes:
        density: median optical density of the red cells in red, green and blue; None: too few red
            cells were found to tell, and the image is left as it is.

    Examples:
        >>> Stain((0.5, 0.37, 0.05)).factors.round(2).tolist()
        [0.5, 1.0, 2.5]
    """

    density: tuple[float, float, float] | None

    @property
    def factors(self) -> np.ndarray:
        """``(3,) float32``: the optical density of each channel is multiplied by it, 0.2 to 2.5."""
        if self.density is None:
            return np.ones(3, np.float32)
        factors = np.array(REFERENCE_DENSITY) / np.maximum(self.density, FLOOR)
        return np.clip(factors, *_FACTORS).astype(np.float32)

    def __str__(self) -> str:
        if self.density is None:
            return "stain left as it is: too few red blood cells were found to measure it"
        measured = ", ".join(f"{value:.2f}" for value in self.density)
        factors = ", ".join(f"{value:.2f}" for value in self.factors)
        return (
            f"stain multiplied by {factors}: red blood cells have an optical density of {measured} "
            "in red, green and blue"
        )

    def to_text(self) -> str:
        """For a table: three numbers, or nothing where it is unknown."""
        return " ".join(f"{value:.4f}" for value in self.density or ())

    @classmethod
    def from_text(cls, text: str) -> Stain:
        """What :meth:`to_text` gave.

        Raises:
            ValueError: anything else.
        """
        if not text:
            return UNKNOWN_STAIN
        red, green, blue = (float(value) for value in text.split())
        return cls((red, green, blue))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        density = None if self.density is None else [round(value, 4) for value in self.density]
        factors = [round(float(value), 4) for value in self.factors]
        return {"density": density, "factors": factors, "words": str(self)}

    @classmethod
    def of(cls, image: np.ndarray, scale: float, levels: np.ndarray) -> Stain:
        """Measure the stain of an image of any size.

        Args:
            image: ``(H, W, 3) uint8`` RGB; may be memory-mapped: of a large one nine windows are
                read.
            scale: factor that resamples it to 40x.
            levels: ``(256, 3) uint8`` that make its background white, see :func:`white_levels`.
        """
        parts = (part for _, part in windows_at_40x(image, scale, levels))
        with ThreadPoolExecutor(2) as pool:
            measured = pool.map(_red_cell_density, parts)
        found = [(*density, weight) for density, weight in measured if density is not None]
        if not found:
            return UNKNOWN_STAIN
        densities = np.array(found)
        # of the window in the middle by weight, so that all three channels are of one place
        order = densities[:, 1].argsort()
        middle = np.searchsorted(densities[order, 3].cumsum(), densities[:, 3].sum() / 2)
        red, green, blue = densities[order[middle], :3].tolist()
        return cls((red, green, blue))


UNKNOWN_STAIN = Stain(None)


def _red_cell_density(image: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Median optical densities ``(3,)`` of the red cells in an image, None where too few are seen,
    and how many pixels showed them.

    Red cells are what is stained and lies neither at the rim of a cell nor within a radius of a
    nucleus. A nucleus, unlike a red cell, absorbs red light: clearly more than the palest of
    what is stained.

    Args:
        image: ``(H, W, 3) uint8`` RGB at 40x on a white background.
    """
    soft = cv2.GaussianBlur(image, (0, 0), 1.5)
    density = GREY_DENSITIES[soft] - GREY_DENSITIES[WHITE]
    red, green = density[:, :, 0], density[:, :, 1]
    in_view = green < 1.8  # without the black around the field of an eyepiece
    if in_view.mean() < 0.1:
        return None, 0
    # Clipped, so that the threshold separates background and cells, and not cells and nuclei.
    clipped = np.minimum(green[in_view], 0.5)
    threshold = skimage.filters.threshold_otsu(clipped) if np.ptp(clipped) else 0.0
    stained = (green > threshold).astype(np.uint8)
    inner = cv2.erode(stained, _disc(9), borderValue=1) > 0
    if threshold < _LEAST_CONTRAST or inner.sum() < _LEAST_RED_CELL_PX:
        return None, 0
    nuclear = red > nuclear_density(red[inner], 0.25)
    opened = cv2.morphologyEx(nuclear.astype(np.uint8), cv2.MORPH_OPEN, _disc(7))
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(opened)
    nuclei = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] > 250)  # smaller ones are parasites
    near = cv2.dilate(np.isin(numbers, nuclei).astype(np.uint8), _disc(41)) > 0
    used = inner & ~near
    if used.sum() < _LEAST_RED_CELL_PX:
        return None, 0
    median = np.median(density[used], axis=0)
    plausible = _DENSITIES[0] <= median[1] <= _DENSITIES[1]
    return (median, int(used.sum())) if plausible else (None, 0)


def _disc(size_px: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size_px, size_px))
