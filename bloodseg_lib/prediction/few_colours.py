"""Few colours: what a palette (GIF, indexed PNG) leaves of a picture, even in a JPEG of it.

A palette is chosen for what there is much of, slide and red cells; a parasite or the granules of a
white cell get the nearest of their colours and are gone, while every rim stays sharp. A photograph
has thousands of colours, however dim or compressed it is, and a grey one each level of its range. A
JPEG of few colours has thousands, too, but in heaps.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from bloodseg_lib.classes import BACKGROUND
from bloodseg_lib.optics import WHITE, channel_extremes, window_places
from bloodseg_lib.prediction.finding import FRACTIONS, Finding, doubt
from bloodseg_lib.prediction.segmenter import Segmentation

FEW, TOO_FEW = 128, 32
"""Colours of a picture: 1540 and more in 1048 fields of five databases, 131 and more in 200 single
cells on black. With a palette of 128 the parasitaemia of four fields of MAMIC stayed in its
interval, with 64 it left it in half of them, of 24 pictures of 32 colours or fewer in 19.
"""
FEW_GREYS, TOO_FEW_GREYS = 24, 12
"""Levels of a picture without colour, or of one tint. With 15 to 24 one of eight such fields left
the interval, with 12 or fewer most.
"""
EVEN = 0.3
"""Fraction of the pixels, but for those of the most frequent colour, that are as the one beside
them: less where colours that lie far apart were dithered, which keeps what is small.
"""
HEAPED, LOST_IN_HEAPS = 0.09, 0.15
"""Roughness of the histogram of the cells: 0.06 at most in 191 fields of five databases, 0.09 at
least in 47 of 48 of 8 colours and in 30 of 48 of 16 that were then saved as a JPEG of quality 85.
"""

_SAMPLE_PX = 2**16
_INSIDE_PX, _FEWEST_PX, _LEAST_SPREAD = 5, 500, 8  # less spread has no room for heaps
_FEWEST_CELLS = 30  # of fewer, each is a heap; they are too few for a parasitaemia anyway
_FINE, _COARSE = 1.5, 4.0  # levels, standard deviations, that the histogram is smoothed by
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_FEWEST_ROWS = 32
_TINTED, _GAPLESS = 1.5, 0.7  # colours for a level; levels that occur in the range of most pixels
_GREY = 6  # levels by which a pixel's channels differ


class Colours(NamedTuple):
    """Of a sample of a picture's pixels.

    Attributes:
        number: how many there are.
        grey: they are grey, or those of one tint with few gaps.
        even: fraction of the pixels, but for those of the most frequent colour, that are of exactly
            the colour of the one beside them.
    """

    number: int
    grey: bool
    even: float

    @classmethod
    def of(cls, image: np.ndarray) -> Colours:
        """Count them in ``(H, W, 3) uint8`` RGB as it came; of a memory-mapped one some rows are
        read.

        Examples:
            >>> Colours.of(np.tile(np.arange(9, dtype=np.uint8)[None, :, None], (5, 1, 3))).number
            9
        """
        height, width = image.shape[:2]
        rows = min(height, max(_FEWEST_ROWS, _SAMPLE_PX // width))
        sample = image[np.linspace(0, height - 1, rows).astype(int)]
        codes = sample.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
        values, times = np.unique(codes, return_counts=True)
        least, greatest = channel_extremes(sample)
        colourless = float(np.percentile(greatest - least, 99)) <= _GREY
        others = codes[:, :-1] != values[times.argmax()]
        alike = (codes[:, :-1] == codes[:, 1:])[others]
        return cls(
            len(values),
            colourless or any(_scale(sample[..., i], len(values)) for i in range(3)),
            float(alike.mean()) if len(alike) else 1.0,
        )


def _scale(plane: np.ndarray, colours: int) -> bool:
    """Whether the levels of a channel, ``uint8``, are a scale that tells of the colours."""
    times = np.bincount(plane.ravel(), minlength=256)
    levels = np.count_nonzero(times)
    low, high = np.searchsorted(times.cumsum(), [0.005 * plane.size, 0.995 * plane.size])
    inner = times[low : high + 1]
    return bool(colours <= _TINTED * levels and np.count_nonzero(inner) >= _GAPLESS * len(inner))


def of_few_colours(image: np.ndarray) -> Iterator[Finding]:
    """A finding, if a picture, ``(H, W, 3) uint8`` RGB as it came, has too few for what is small to
    be seen in it.
    """
    colours = Colours.of(image)
    few, too_few = (FEW_GREYS, TOO_FEW_GREYS) if colours.grey else (FEW, TOO_FEW)
    if not 1 < colours.number <= few:  # of one colour is an empty slide
        return
    lost = colours.number <= too_few and colours.even > EVEN
    words = (
        f"Only {colours.number} {'levels of grey' if colours.grey else 'colours'} are left of the "
        f"picture, as in a GIF: parasites and granules {'are' if lost else 'may be'} lost in it. "
        "Save it again, from the camera, in full colour."
    )
    yield doubt("colours", colours.number, words, lost, FRACTIONS)


def of_heaps(image: np.ndarray, segmentation: Segmentation, cells: int) -> Iterator[Finding]:
    """A finding, if the colours of the cells of a picture, ``(H, W, 3) uint8`` RGB as it came, lie
    in heaps. Of a large one nine windows are read; of few cells nothing is said.
    """
    if cells < _FEWEST_CELLS:
        return
    inside, square = [], np.ones((_INSIDE_PX, _INSIDE_PX), np.uint8)
    for place in window_places(image.shape, segmentation.scale.factor):
        within = (segmentation.labels[place] != BACKGROUND).astype(np.uint8)
        pixels = image[place][cv2.erode(within, square) > 0]
        inside.append(pixels[:: 1 + len(pixels) // _SAMPLE_PX])
    rough = roughness(np.concatenate(inside))
    if rough is not None and rough > HEAPED:
        lost = rough > LOST_IN_HEAPS
        words = (
            "The colours of the cells lie in heaps, as of a GIF that was saved as a JPEG, or of a "
            f"strongly compressed picture: parasites and granules {'are' if lost else 'may be'} "
            "lost in it. Save it again, from the camera, in full colour."
        )
        yield doubt("colours", rough, words, lost, FRACTIONS)


def roughness(pixels: np.ndarray) -> float | None:
    """How far the histogram of ``(N, 3) uint8`` RGB is from a smooth one, by brightness and along
    the axis on which they differ most, the lesser of the two, 0..1; None: they are too few or too
    alike. What is clipped is left out.
    """
    kept = pixels[((pixels > 0) & (pixels < WHITE)).all(axis=1)].astype(np.float32)
    if len(kept) < _FEWEST_PX or (brightness := kept @ _LUMA).std() < _LEAST_SPREAD:
        return None
    _, axes = np.linalg.eigh(np.cov((kept - kept.mean(axis=0)).T))
    across = (kept - kept.mean(axis=0)) @ axes[:, 2] + WHITE / 2
    found = []
    for values in (brightness, across):
        levels = np.bincount(np.rint(values).clip(0, WHITE).astype(int), minlength=256)
        row = (levels / len(kept)).astype(np.float32)[None]
        fine, coarse = (
            cv2.GaussianBlur(row, (0, 0), px, borderType=cv2.BORDER_REPLICATE)
            for px in (_FINE, _COARSE)
        )
        found.append(float(np.abs(fine - coarse).sum()) / 2)
    return min(found)
