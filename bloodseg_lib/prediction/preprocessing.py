"""Preprocessing of a photographed field before a network sees it: the dark border and everything
outside the field of view become background, the background becomes white, and the stain of the red
cells is brought to a reference.

All were measured to matter more than longer training. A network that never saw the dark lines at
the border of a video frame classifies them as another dark object, a white cell as long as the
border; in the yellow light of a halogen lamp everything looks stained; and red cells that are
stained as densely as white cells elsewhere are taken for them.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from bloodseg_lib.classes import BACKGROUND, NUM_CLASSES
from bloodseg_lib.optics import (
    GREY_DENSITIES,
    WHITE,
    background_colour,
    channel_extremes,
    white_levels,
)
from bloodseg_lib.prediction.ahead import beside
from bloodseg_lib.prediction.light import Light
from bloodseg_lib.prediction.surround import Surround
from bloodseg_lib.samples.extraction.stain import REFERENCE_DENSITY, UNKNOWN_STAIN, Stain

# Of a line's pixels: a line through crowded cells still shows some background between them.
_BACKGROUND_QUANTILE = 0.9
_DARK = 0.75  # a border line's background is darker than this fraction of the field's
_SOFT_PX = 1  # lines beside the border that its blur has darkened
_MOST = 0.25  # largest fraction of a side that a border takes; more darkness is something else
# Of the background's brightness: darker is outside an eyepiece; stained nuclei transmit more blue.
_BLACK = 0.35
_LEAST_OUTSIDE = 0.002  # fraction of the image; smaller dark things at the border are cells, debris
_ONE_CELL_PX = (400, 1900)  # area at 40x of a cell that is cut out on black
_ONE_CELL_SIDE_PX = 80  # of its picture
_OUTSIDE_A_CELL = 24  # grey level of the brightest channel
_SEARCH_PX = 1024  # size at which the field of view is searched
_LARGEST_CORRECTED = 2**28  # bytes
_HALO = 1 / 128  # of the longer side: the blurred rim of the eyepiece


@dataclass(frozen=True)
class Correction:
    """What is put right in an image before anything is measured in it: found once, so that whoever
    looks at it later sees what the network saw.

    Attributes:
        surround: what a program put around the field, which becomes black.
        light: that is evened.
    """

    surround: Surround | None = None
    light: Light | None = None

    @classmethod
    def of(cls, image: np.ndarray) -> Correction:
        """The correction that ``(H, W, 3) uint8`` RGB needs; a large one, memory-mapped, which is
        not to be copied, gets none.
        """
        if image.nbytes > _LARGEST_CORRECTED:
            return cls()
        surround = Surround.of(image)
        return cls(surround, Light.of(cls(surround).applied(image)))

    def applied(self, image: np.ndarray) -> np.ndarray:
        """The image it was made of, corrected; the same object where nothing is to be."""
        if self.surround:
            image = self.surround.blackened(image)
        return self.light.evened(image) if self.light else image


@dataclass(frozen=True)
class Preprocessing:
    """How an image is preprocessed.

    Attributes:
        border: dark lines at the top, bottom, left and right.
        outside: ``(h, w) bool``, the image within the border, reduced: True outside the field of
            view, as beyond an eyepiece; None: it is all in view.
        levels: ``(256, 3) uint8``, a lookup table of the grey levels of red, green and blue.
        white: ``(256, 3) uint8``, those that only make the background white.
        stain: that the red cells had.
        one_cell: it shows one red cell cut out on black, whose background is not known.
        correction: that was applied first.

    Examples:
        >>> image = np.full((40, 60, 3), 200, np.uint8)
        >>> image[:2] = 0
        >>> Preprocessing.of(image).border
        (3, 0, 0, 0)
    """

    border: tuple[int, int, int, int]
    outside: np.ndarray | None
    levels: np.ndarray
    white: np.ndarray
    stain: Stain = UNKNOWN_STAIN
    one_cell: bool = False
    correction: Correction = Correction()

    @classmethod
    def of(
        cls, image: np.ndarray, scale: float = 1.0, reference_stain: bool = True
    ) -> Preprocessing:
        """The preprocessing that a corrected image needs, ``(H, W, 3) uint8`` RGB, of which little
        is read, if it is memory-mapped. ``scale`` is the factor that resamples it to 40x.
        """
        levels = _one_cell_levels(image, scale)
        if levels is not None:
            return cls((0, 0, 0, 0), outside_view(image), levels, levels, one_cell=True)
        border = dark_border(image)
        field = _within(image, border)
        white = white_levels(background_colour(field))
        with beside(outside_view, field) as outside:
            stain = Stain.of(field, scale, white) if reference_stain else UNKNOWN_STAIN
        levels = white
        if stain.density is not None:
            density = GREY_DENSITIES[white] - GREY_DENSITIES[WHITE]
            stained = WHITE * np.exp(-density * stain.factors)
            levels = np.clip(stained + 0.5, 0, 255).astype(np.uint8)
        return cls(border, outside.result(), levels, white, stain)

    @classmethod
    def none(cls) -> Preprocessing:
        """No border, all in view, and every grey level unchanged."""
        levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        return cls((0, 0, 0, 0), None, levels, levels)

    def within_border(self, image: np.ndarray) -> np.ndarray:
        """The image without its dark border, a view."""
        return _within(image, self.border)

    def in_view(self, height: int, width: int, step: int = 1) -> np.ndarray:
        """Which pixels of an image of this size show the field, every ``step``-th of every
        ``step``-th row, bool: neither its dark border nor what is outside the field of view.
        """
        above, below, left, right = self.border
        rows, columns = np.arange(0, height, step) - above, np.arange(0, width, step) - left
        tall, wide = height - above - below, width - left - right
        seen = ((rows >= 0) & (rows < tall))[:, None] & ((columns >= 0) & (columns < wide))
        if self.outside is not None:
            down = np.clip(rows, 0, tall - 1) * self.outside.shape[0] // tall
            across = np.clip(columns, 0, wide - 1) * self.outside.shape[1] // wide
            seen &= ~self.outside[down][:, across]
        return seen

    def outside_rows(self, top: int, bottom: int, height: int, width: int) -> np.ndarray | None:
        """Which pixels of the rows from ``top`` to ``bottom`` are outside the field of view,
        ``(bottom - top, width) bool``; None: none. All is counted within the border.
        """
        if self.outside is None:
            return None
        rows = np.arange(top, bottom) * self.outside.shape[0] // height
        columns = np.arange(width) * self.outside.shape[1] // width
        return self.outside[rows][:, columns]

    def with_border(
        self, bands: Iterable[np.ndarray], height: int, width: int
    ) -> Iterator[np.ndarray]:
        """Bands of probabilities, ``(rows, w, 10) float32`` from top to bottom within the border,
        with border and everything outside the field of view as background; height and width are the
        image's.
        """
        above, below, left, right = self.border
        background = np.eye(NUM_CLASSES, dtype=np.float32)[BACKGROUND]
        line = np.tile(background, (1, width, 1))
        yield from [line] * above
        top = 0
        for band in bands:
            bottom = top + len(band)
            outside = self.outside_rows(top, bottom, height - above - below, width - left - right)
            if outside is not None and outside.any():
                band = np.where(outside[:, :, None], background, band)
            if left or right:
                sides = [np.tile(background, (len(band), lines, 1)) for lines in (left, right)]
                band = np.concatenate([sides[0], band, sides[1]], axis=1)
            yield band
            top = bottom
        yield from [line] * below


def _within(image: np.ndarray, border: tuple[int, int, int, int]) -> np.ndarray:
    above, below, left, right = border
    return image[above : image.shape[0] - below, left : image.shape[1] - right]


def dark_border(image: np.ndarray) -> tuple[int, int, int, int]:
    """Width of the dark border of ``(H, W, 3) uint8`` RGB: lines at the top, bottom, left and
    right; 0 where there is none. Of a memory-mapped one only its border and some rows are read.
    """
    limit, turned = _DARK * _brightness(image), image.swapaxes(0, 1)
    top, bottom, left, right = (
        _dark_lines(lines, limit, int(_MOST * len(lines)))
        for lines in (image, image[::-1], turned, turned[::-1])
    )
    return top, bottom, left, right


def outside_view(image: np.ndarray) -> np.ndarray | None:
    """The field-of-view mask, inverted: the large black areas that reach the border of ``(H, W, 3)
    uint8`` RGB, as outside an eyepiece; ``(h, w) bool``, of the image reduced to at most 1024
    pixels a side; None if there are none.
    """
    step = -(-max(image.shape[:2]) // _SEARCH_PX)
    brightest = channel_extremes(np.ascontiguousarray(image[::step, ::step]))[1]
    light = cv2.GaussianBlur(brightest, (5, 5), 0)
    black = (light < _BLACK * _brightness(image)).astype(np.uint8)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(black)
    at_border = np.unique(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]]))
    least = _LEAST_OUTSIDE * black.size
    kept = [i for i in range(1, count) if i in at_border and stats[i, cv2.CC_STAT_AREA] >= least]
    if not kept:
        return None
    halo = 1 + 2 * round(_HALO * max(black.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (halo, halo))
    return cv2.dilate(np.isin(numbers, kept).astype(np.uint8), disc) > 0


def _one_cell_levels(image: np.ndarray, scale: float) -> np.ndarray | None:
    """Levels, ``(256, 3) uint8``, for the one red cell that an image shows cut out on black, as
    those of the NIH's malaria database do; None if it shows anything else.

    Its background is not known, so the cell itself is brought to the reference stain, and the black
    becomes background.
    """
    if max(image.shape[:2]) * scale > _ONE_CELL_SIDE_PX:
        return None
    cell = (channel_extremes(image)[1] > _OUTSIDE_A_CELL).astype(np.uint8)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(cell)
    if len(stats) < 2 or cell.mean() > 0.9:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    area_px = stats[largest, cv2.CC_STAT_AREA]
    if not _ONE_CELL_PX[0] <= area_px * scale**2 <= _ONE_CELL_PX[1] or area_px < 0.9 * cell.sum():
        return None
    colour = np.median(image[numbers == largest], axis=0)
    levels = white_levels(colour / np.exp(-np.array(REFERENCE_DENSITY)))
    levels[: _OUTSIDE_A_CELL + 1] = WHITE
    return levels


def _brightness(image: np.ndarray) -> float:
    """Brightness of an image's background: the median over its rows."""
    rows = np.linspace(0, image.shape[0] - 1, min(image.shape[0], 64)).astype(int)
    return float(np.median([_line_brightness(image[row]) for row in rows]))


def _dark_lines(lines: Iterable[np.ndarray], limit: float, most: int) -> int:
    """Number of lines, from the border inwards, that are darker than ``limit``, and of those that
    their blur has darkened; 0 if more than ``most``.
    """
    for count, line in enumerate(lines):
        if count > most:
            return 0
        if _line_brightness(line) >= limit:
            return min(count + _SOFT_PX, most) if count else 0
    return 0


def _line_brightness(line: np.ndarray) -> float:
    """Brightness of the background on a line, ``(N, 3) uint8``, by its brightest channel."""
    return float(np.quantile(line.max(axis=-1), _BACKGROUND_QUANTILE))
