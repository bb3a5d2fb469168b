"""Part of a picture is blank: of exactly one colour, because a download broke off, somebody erased
it, or a tile of a mosaic is missing. Its cells are not counted, and nothing in the figures tells.

A camera never writes one exact colour over a rectangle: where it is clipped, cells lie in between.
What is around a field on all sides, or as much on both, was put there by a program, and nothing is
lost. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.finding import Finding

NOTED, MUCH = 0.03, 0.2
"""Fraction of a picture that is blank."""

_SEARCH_PX = 256  # size at which it is searched
_FULL = 0.97  # of its bounding box
_CENTRED = 0.03  # of the sides: how far from the middle what lies around a field may be
_FEWEST_CELLS = 5  # of one cell cut out, what is around it is its slide


def of_blank(image: np.ndarray, cells: Sequence[Cell]) -> Iterator[Finding]:
    """A finding, if part of a picture, ``(H, W, 3) uint8`` RGB as it came, of more than a few cells
    is blank.
    """
    if len(cells) >= _FEWEST_CELLS and (fraction := blank_fraction(image)) >= NOTED:
        words = (
            f"Part of the picture, {fraction:.0%}, is of exactly one colour: it was lost or "
            "erased, or never filled. The figures are of the rest."
        )
        yield Finding("blank", "warning" if fraction >= MUCH else "note", fraction, words)


def blank_fraction(image: np.ndarray) -> float:
    """How much of a picture, ``(H, W, 3) uint8`` RGB, is rectangles of one colour, and strips along
    its borders; 0 if that lies around a field, or is all of it. Every so many pixels are read.

    Examples:
        >>> image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
        >>> image[60:] = 128
        >>> round(blank_fraction(image), 2)
        0.33
    """
    step = -(-max(image.shape[:2]) // _SEARCH_PX)
    reduced = np.ascontiguousarray(image[::step, ::step]).astype(np.int32)
    codes = reduced @ np.array([1 << 16, 1 << 8, 1], np.int32)
    blank = np.zeros(codes.shape, bool)
    for colour in _colours(codes):
        mask = codes == colour
        part = _rectangles(mask)
        # where the slide is clipped to one colour, or drawn in it, a strip of it may have no cell
        if part.mean() >= MUCH or np.count_nonzero(mask & ~part) < np.count_nonzero(part):
            blank |= part
    fraction = float(blank.mean())
    return 0.0 if fraction < NOTED or _around_a_field(blank) else fraction


def _colours(codes: np.ndarray) -> set[int]:
    """Of which connected areas are that are large enough."""
    inner = codes[:-1, :-1]
    even = ((inner == codes[1:, :-1]) & (inner == codes[:-1, 1:])).astype(np.uint8)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(even, connectivity=4)
    large = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= NOTED / 2 * even.size)
    found = set()
    for number in large:
        values, times = np.unique(inner[numbers == number], return_counts=True)
        found.add(int(values[times.argmax()]))
    return found


def _rectangles(mask: np.ndarray) -> np.ndarray:
    """The rectangles in a mask, and its full lines along the borders, ``(h, w) bool``."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    _, _, width, height, area = stats.T
    full = (area >= NOTED * mask.size) & (area >= _FULL * width * height)
    full[0] = False
    blank = full[numbers]
    for turned, result in ((mask, blank), (mask.T, blank.T)):
        lines = np.asarray(turned.all(axis=1))
        result[: _run(lines)] = True
        result[len(lines) - _run(lines[::-1]) :] = True
    return blank


def _run(lines: np.ndarray) -> int:
    """How many are True before the first that is not."""
    return len(lines) if lines.all() else int(lines.argmin())


def _around_a_field(blank: np.ndarray) -> bool:
    """Whether what is blank lies along opposite borders, as much on both, or is everything."""
    if blank.all():
        return True
    edges = (blank[0], blank[-1], blank[:, 0], blank[:, -1])
    above, below, left, right = (bool(edge.all()) for edge in edges)
    middles = [places.mean() for places in np.nonzero(blank)]
    centred = [
        abs(middle + 0.5 - side / 2) <= _CENTRED * side
        for middle, side in zip(middles, blank.shape, strict=True)
    ]
    return all(centred) and ((above and below) or (left and right))
