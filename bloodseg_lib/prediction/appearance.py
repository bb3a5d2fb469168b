"""What can be measured of a picture's light, colour and focus, for a judgement of it.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage

from bloodseg_lib.classes import RBC_IDS
from bloodseg_lib.optics import (
    GREY_DENSITIES,
    WHITE,
    background_colour,
    channel_extremes,
    windows_at_40x,
)
from bloodseg_lib.prediction.light import windows
from bloodseg_lib.prediction.segmenter import Segmentation
from bloodseg_lib.prediction.tint import is_tinted_grey

_EMPTY = 0.06  # optical density; more is stained
_EYEPIECE = 1.8  # optical density of green; more is the black around the field
_MUCH_BLACK = 0.3  # fraction of the picture
_RIM_PX = 200  # fewest pixels of rims
_BLOCK_PX, _FEWEST_BLOCKS = 120, 4  # side at 40x, and number, of what can differ in focus
_LEAST_RED_PX = 4000  # at 40x, within the rims of about ten red cells
_PALE = 0.12  # length of the densities; the direction of smaller ones is noise
_STEP = 0.1  # grey levels, so that a picture of no steps has no blocks
_LEAST_DENSITY = 0.04  # of a red cell, as a divisor


@dataclass(frozen=True)
class Appearance:
    """Measures of a picture; of a large one, of nine windows.

    Attributes:
        brightest: grey level of the brightest channel of its background.
        in_pieces: what is not black is many pieces, as the cells of a negative are, and not one
            field of view.
        one_cell: it shows one cell cut out on black.
        contrast: optical density that separates what is stained from the background, by Otsu.
        empty: fraction of the field of view that is background, 0..1.
        colourful: difference of a pixel's channels, in grey levels, that one in a hundred exceeds;
            0 of a grey picture that was tinted.
        steepness: greatest change of the optical density at the rims of red cells, per pixel at
            40x, as a fraction of the cells' density: 0.2 to 0.4 of sharp pictures; None: too few
            red cells.
        evenness: steepness of the least sharp part but one, as a fraction of that of the sharp
            ones; None: red cells in fewer than four parts, or nothing to be seen of them in green.
        red_density: median optical density of the red cells in red, green and blue, where the
            background has none; None: fewer than about ten.
        hues: degrees between the direction of a pixel's three densities and their median one, that
            one pixel in ten of the red cells exceeds: 20 at most with one stain; None: fewer than
            about ten that are not pale.
        blockiness: how many times as large the steps are at the borders of squares of 8 x 8 pixels,
            which a JPEG is made of, as within them.
    """

    brightest: float
    in_pieces: bool
    one_cell: bool
    contrast: float
    empty: float
    colourful: float
    steepness: float | None
    evenness: float | None
    red_density: tuple[float, ...] | None
    hues: float | None
    blockiness: float

    @classmethod
    def of(cls, image: np.ndarray, segmentation: Segmentation) -> Appearance:
        """Measure a picture, ``(H, W, 3) uint8`` RGB as it came, which may be memory-mapped."""
        preparation = segmentation.preprocessing
        field = preparation.within_border(image)
        labels = preparation.within_border(segmentation.labels)
        scale = segmentation.scale.factor
        contrast, empty, colourful, steepness, blocks, red = zip(
            *(
                _measures(field[window], seen, np.ascontiguousarray(labels[window]))
                for window, seen in windows_at_40x(field, scale, preparation.white)
            ),
            strict=True,
        )
        rims, within = _known(steepness), np.concatenate(red)
        return cls(
            float(background_colour(field).max()),
            _in_pieces(preparation.outside),
            preparation.one_cell,
            max(contrast),
            float(np.median(empty)),
            max(colourful),
            float(np.median(rims)) if len(rims) else None,
            _evenness(_known(itertools.chain(*blocks))),
            tuple(np.median(within, axis=0).tolist()) if len(within) >= _LEAST_RED_PX else None,
            _hues(within),
            _blockiness(field, preparation.border[::2]),
        )


def _blockiness(field: np.ndarray, begins: Sequence[int]) -> float:
    """Of the first 1024 rows and columns, across or down, whichever is less; the field begins at
    these of the picture.
    """
    height, width = (min(1024, length) for length in field.shape[:2])
    green = np.asarray(field[:height, :width, 1], np.int16)
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(green, axis=axis)).mean(axis=1 - axis)
        at_borders = (begins[axis] + np.arange(len(steps))) % 8 == 7
        if at_borders.any():
            between, within = steps[at_borders].mean(), steps[~at_borders].mean()
            found.append((between + _STEP) / (within + _STEP))
    return float(min(found, default=1.0))


def _known(values: Iterable[float]) -> np.ndarray:
    """The numbers among some values, in order of size."""
    found = np.sort(np.fromiter(values, float))
    return found[~np.isnan(found)]


def _hues(within: np.ndarray) -> float | None:
    """How far the directions of some densities, ``(N, 3)``, are from their median one."""
    strength = np.linalg.norm(within, axis=1)
    stained = within[strength > _PALE] / strength[strength > _PALE][:, None]
    if len(stained) < _LEAST_RED_PX:
        return None
    middle = np.median(stained, axis=0)
    cosine = np.percentile(stained @ (middle / np.linalg.norm(middle)), 10)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _evenness(blocks: np.ndarray) -> float | None:
    sharp = float(np.quantile(blocks, 0.75)) if len(blocks) >= _FEWEST_BLOCKS else 0.0
    return float(blocks[1]) / sharp if sharp else None


def _in_pieces(outside: np.ndarray | None) -> bool:
    """Whether the field of view, ``(h, w) bool`` True outside of it, is in pieces."""
    if outside is None or outside.mean() < _MUCH_BLACK:
        return False
    _, _, stats, _ = cv2.connectedComponentsWithStats((~outside).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return not len(areas) or bool(areas.max() < 0.5 * areas.sum())


def _measures(
    original: np.ndarray, seen: np.ndarray, labels: np.ndarray
) -> tuple[float, float, float, float, list[float], np.ndarray]:
    """Contrast, empty fraction, colour and steepness of a window; the steepness of its blocks, NaN
    is none; the densities within its red cells, ``(N, 3)``.
    """
    density = GREY_DENSITIES[cv2.GaussianBlur(seen, (0, 0), 1.0)] - GREY_DENSITIES[WHITE]
    clipped = np.minimum(density[:, :, 1], 0.5)
    contrast = float(skimage.filters.threshold_otsu(clipped)) if np.ptp(clipped) else 0.0
    in_view = max(1, int((density[:, :, 1] < _EYEPIECE).sum()))
    empty = int((channel_extremes(np.abs(density))[1] < _EMPTY).sum()) / in_view
    least, greatest = channel_extremes(original)
    tinted = is_tinted_grey(original)
    colourful = 0.0 if tinted else float(np.percentile(greatest - least, 99))
    shown = cv2.resize(labels, seen.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    rims = _Rims.of(seen, np.isin(shown, RBC_IDS))
    down, across = (max(1, round(side / _BLOCK_PX)) for side in shown.shape)
    blocks = [rims.steepness(block) for block in windows(shown, down, across)]
    return contrast, empty, colourful, rims.steepness(), blocks, density[rims.inside]


class _Rims(NamedTuple):
    """The rims of red cells in a window: where they and the insides of cells are, ``(h, w) bool``;
    the slope of the optical density, per pixel; the density.
    """

    rim: np.ndarray
    inside: np.ndarray
    slope: np.ndarray
    density: np.ndarray

    @classmethod
    def of(cls, seen: np.ndarray, red: np.ndarray) -> _Rims:
        mask, square = red.astype(np.uint8), np.ones((5, 5))
        rim = (cv2.dilate(mask, square) - cv2.erode(mask, square)) > 0
        inside = cv2.erode(mask, np.ones((9, 9))) > 0
        green = GREY_DENSITIES[seen[:, :, 1]] - GREY_DENSITIES[WHITE]
        smooth = cv2.GaussianBlur(green, (0, 0), 0.7)
        across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8
        down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8
        return cls(rim, inside, np.hypot(across, down), green)

    def steepness(self, part: Any = ...) -> float:
        """How steep the rims are in a part of the window; NaN where there are too few."""
        rim, inside = self.rim[part], self.inside[part]
        if min(rim.sum(), inside.sum()) < _RIM_PX:
            return np.nan
        steep = float(np.percentile(self.slope[part][rim], 75))
        return steep / max(_LEAST_DENSITY, float(np.median(self.density[part][inside])))
