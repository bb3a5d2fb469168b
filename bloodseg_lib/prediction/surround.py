"""What a program put around a field: padding to a square, the corners of a turned picture, white or
grey around the round field of an eyepiece, the window of a viewer.

A camera never writes one exact colour over a large area but where it is clipped, as a bright slide
is. So an area around a field is one of a single colour that reaches the border of the picture, and
leaves a convex part in which there are several things; or several such parts, the panels of a
figure. It is made black, which is outside the view everywhere.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from bloodseg_lib.optics import WHITE, background_colour
from bloodseg_lib.prediction.finding import Finding
from bloodseg_lib.prediction.shape import hull

_SEARCH_PX = 512  # size at which it is searched
_LEAST = 0.02  # of the picture; less changes nothing
_LEAST_PX = 50  # of a part of it
_LEAST_FIELD, _LEAST_FIELDS = 0.1, 0.2  # of the picture: the largest, and all together
_PANEL = 0.3  # of the largest part: another one is a field too, and no small picture beside it
_CONVEX = 0.96  # of its convex hull
_FEWEST_THINGS = 5  # in the field: of one cell cut out, white around it is its slide
_THING_PX = 12  # at the size of the search
_UNLIKE = 8  # grey levels between the area and the slide
_EDGE_PX = 3  # that smoothing and compression have changed
_ALIKE = 6  # grey levels that compression changes one colour by


@dataclass(frozen=True, eq=False)
class Surround:
    """What of a picture is not the field.

    Attributes:
        around: ``(h, w) bool``, the picture reduced.
        colour: ``(3,) uint8``, that it is filled with.
        fields: how many it leaves: of a figure, its panels.

    Examples:
        >>> Surround.of(np.full((40, 60, 3), 200, np.uint8)) is None  # a slide without a cell
        True
    """

    around: np.ndarray
    colour: np.ndarray
    fields: int = 1

    @classmethod
    def of(cls, image: np.ndarray) -> Surround | None:
        """What is around the field of a picture, ``(H, W, 3) uint8`` RGB; None: nothing."""
        step = -(-max(image.shape[:2]) // _SEARCH_PX)
        reduced = np.ascontiguousarray(image[::step, ::step])
        edges = np.concatenate([reduced[0], reduced[-1], reduced[:, 0], reduced[:, -1]])
        colours, times = np.unique(edges, axis=0, return_counts=True)
        often = np.argsort(-times)[: np.sum(times >= len(edges) / 10)]  # a tenth at least
        for colour in colours[often]:
            fields = _fields(reduced, colour)
            if fields:
                return cls(~np.any(fields, axis=0), colour, len(fields))
        return None

    def blackened(self, image: np.ndarray) -> np.ndarray:
        """A copy of the picture with black in place of it."""
        height, width = image.shape[:2]
        full = cv2.resize(
            self.around.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
        )
        reach = 2 * (_EDGE_PX + -(-max(height, width) // _SEARCH_PX)) + 1
        near = cv2.dilate(full, np.ones((reach, reach), np.uint8)) > 0
        alike = cv2.absdiff(image, np.broadcast_to(self.colour, image.shape)) <= _ALIKE
        result = image.copy()
        result[(full > 0) | (near & alike.all(axis=2))] = 0
        return result


def _fields(image: np.ndarray, colour: np.ndarray) -> list[np.ndarray]:
    """The largest field and others nearly as large, each ``(h, w) bool``; none if the colour is not
    that of an area around one, or black around a single one, as it is to be.
    """
    area = (image == colour).all(axis=2).astype(np.uint8)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(area, connectivity=4)
    edges = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    kept = [i for i in np.unique(edges) if i and stats[i, cv2.CC_STAT_AREA] >= _LEAST_PX]
    rest = (~np.isin(numbers, kept)).astype(np.uint8)
    if not 0 < rest.sum() <= (1 - _LEAST) * rest.size:
        return []
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=4)
    sizes = stats[:, cv2.CC_STAT_AREA]
    sizes[0] = 0  # the area around
    if sizes.max() < _LEAST_FIELD * rest.size:
        return []
    large = np.flatnonzero(sizes >= _PANEL * sizes.max())
    fields = []
    for i in large[np.argsort(-sizes[large])]:
        field = _filled(numbers == i)
        if field is not None and _shows_a_slide(image, field, colour):
            fields.append(field)
        elif not fields:  # the largest is none
            return []
    enough = np.sum(fields) >= _LEAST_FIELDS * rest.size
    return fields if enough and (colour.any() or len(fields) > 1) else []


def _filled(part: np.ndarray) -> np.ndarray | None:
    """A part of the picture without its holes, ``(h, w) bool``; None: it is not convex."""
    outlines, _ = cv2.findContours(
        part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    field = cv2.drawContours(np.zeros(part.shape, np.uint8), outlines, -1, 1, -1)
    return field > 0 if field.sum() >= _CONVEX * hull(part).sum() else None


def _shows_a_slide(image: np.ndarray, field: np.ndarray, colour: np.ndarray) -> bool:
    """Whether there are several things in a field, on a slide of another colour than around it."""
    inside = cv2.erode(field.astype(np.uint8), np.ones((2 * _EDGE_PX + 1,) * 2)) > 0
    if not inside.any():
        return False
    slide = background_colour(image[inside][None])
    if np.abs(slide - colour).max() < _UNLIKE or slide.max() < WHITE / 3:
        return False
    green = cv2.GaussianBlur(image[:, :, 1], (3, 3), 0)
    level, _ = cv2.threshold(green[inside], 0, 255, cv2.THRESH_OTSU)
    things = ((green <= level) & inside).astype(np.uint8)
    sizes = cv2.connectedComponentsWithStats(things)[2][1:, cv2.CC_STAT_AREA]
    return int(np.sum(sizes >= _THING_PX)) >= _FEWEST_THINGS


def of_panels(surround: Surround | None) -> Iterator[Finding]:
    """A finding, if a picture holds several fields."""
    if surround is not None and surround.fields > 1:
        words = (
            f"The picture holds {surround.fields} fields, as the panels of a figure do: their "
            "cells are counted together."
        )
        yield Finding("panels", "note", surround.fields, words)
