"""The edges of boxes as people draw them, until they are whole pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bloodseg_lib.classes import Box
from bloodseg_lib.samples.extraction.masks import Unusable

EMPTY = "without width or height"
_FARTHEST_PX = 1e7
_LEAST_PX = 0.5
_ROUNDED_PX = 0.05  # as fractions of six digits are, in a large picture

Edges = tuple[float, float, float, float]
"""Left, upper, right and lower."""


def check_numbers(values: Iterable[Any]) -> None:
    """Refuse what is no number of pixels, with ValueError."""
    # NaN is not less than anything
    if not all(type(value) in (int, float) and abs(value) < _FARTHEST_PX for value in values):
        raise ValueError("no numbers of pixels")


def around(points: Iterable[Any]) -> Edges:
    """The box around points."""
    across, down = zip(*([x, y] for x, y, *_ in points), strict=True)
    check_numbers((*across, *down))
    return min(across), min(down), max(across), max(down)


def turned(edges: Edges, degrees: float) -> Edges:
    """The box around one that is turned about its centre, as CVAT's may be."""
    check_numbers([degrees])
    if not degrees:
        return edges
    left, top, right, bottom = edges
    turn = complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    corners = [complex(x, y) for x in (left, right) for y in (top, bottom)]
    centre = sum(corners) / 4
    corners = [centre + (corner - centre) * turn for corner in corners]
    return around((corner.real, corner.imag) for corner in corners)


def whole(edges: Edges, scale: tuple[int, int], where: str) -> Box:
    """The box in whole pixels, rounded outward.

    Args:
        edges: of it.
        scale: width and height of the picture that edges are fractions of; else 1 and 1.
        where: it stands in its file.
    """
    left, top, right, bottom = (n * side for n, side in zip(edges, 2 * scale, strict=True))
    x, y = math.floor(left + _ROUNDED_PX), math.floor(top + _ROUNDED_PX)
    box = Box(x, y, math.ceil(right - _ROUNDED_PX) - x, math.ceil(bottom - _ROUNDED_PX) - y)
    if min(right - left, bottom - top) < _LEAST_PX:
        told = f"{left:g}, {top:g} to {right:g}, {bottom:g}"
        mend = "Draw it anew, or export pixels, not fractions of the picture."
        raise Unusable(EMPTY, f"{where}: expected a box of pixels. Received {told}. {mend}")
    return box
