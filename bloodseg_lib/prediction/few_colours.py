"""Few colours: what a palette (GIF, indexed PNG) leaves of a picture.

A palette is chosen for what there is much of, slide and red cells; a parasite or the granules of a
white cell get the nearest of their colours and are gone, while every rim stays sharp. A photograph
has thousands of colours, however dim or compressed it is, and a grey one each level of its range.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bloodseg_lib.optics import channel_extremes
from bloodseg_lib.prediction.finding import FRACTIONS, Finding, doubt

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

_SAMPLE_PX = 2**16
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
