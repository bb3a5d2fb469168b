"""The edges of boxes as people draw them, before they are whole pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

_FARTHEST_PX = 1e7

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
