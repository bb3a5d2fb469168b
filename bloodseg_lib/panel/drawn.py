"""Cells that a person draws: added where the network saw none, cut in two, or joined.

A drawn cell is kept as its outline, so that the record of the corrections is all that it takes to
have it again. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.segmentation import watershed

from bloodseg_lib.classes import NUM_CLASSES, Box
from bloodseg_lib.prediction.cells import Cell, Instance
from bloodseg_lib.prediction.shape import hull, outline

Outline = tuple[tuple[float, float], ...]
"""x and y of the corners of a cell in pixels of the image, whose upper left corner is (0, 0)."""

LEAST_PX = 9
"""A drawn cell has as many pixels at least; fewer are a slip of the hand."""


@lru_cache(maxsize=4096)
def instance_of(points: Outline, shape: tuple[int, int]) -> Instance:
    """The pixels within an outline of three points or more, as far as they are in the image of this
    height and width.

    Raises:
        ValueError: hardly any pixels are within it.

    Examples:
        >>> instance_of(((1, 1), (5, 1), (5, 5), (1, 5)), (20, 20)).box
        Box(x=1, y=1, width=4, height=4)
    """
    corners = np.array(points, float).reshape(-1, 2)
    corners = np.clip(corners, 0, (shape[1], shape[0]))
    left, top = np.floor(corners.min(axis=0)).astype(int) if len(corners) else (0, 0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) if len(corners) else (0, 0)
    # the centre of the first pixel lies at 0.5
    within = corners[:, ::-1] - 0.5 - (top, left)
    mask = polygon2mask((bottom - top, right - left), within) if len(corners) > 2 else np.zeros(0)
    if mask.sum() < LEAST_PX:
        raise ValueError(
            f"Expected the outline of a cell in the image, {LEAST_PX} pixels or more. "
            f"Received {int(mask.sum())}: draw around the whole cell."
        )
    box = Box.of_mask(mask)
    return Instance(box._replace(x=int(left + box.x), y=int(top + box.y)), mask[box.window])


@lru_cache(maxsize=4096)
def drawn_cell(points: Outline, shape: tuple[int, int], class_id: int, like: Cell | None) -> Cell:
    """The cell within an outline, see :func:`instance_of`; its probabilities are not known. A cell
    of the same image that it is ``like`` knows its name and the size of its pixels.
    """
    fractions = np.eye(NUM_CLASSES + 1)[class_id]
    cell = Cell.of(instance_of(points, shape), fractions)
    return replace(cell, field=like.field, pixel_um=like.pixel_um) if like else cell


def cut(cell: Cell, line: Sequence[tuple[float, float]]) -> tuple[Outline, Outline]:
    """The outlines of the two cells that a line, x and y in pixels of the image, cuts a cell into;
    pixels on the line, and crumbs beside it, go to the nearer one.

    Raises:
        ValueError: the line does not cross the cell.
    """
    mask, box = _mask(cell), cell.box
    drawn = np.zeros(mask.shape, np.uint8)
    points = np.floor(np.array(line) - (box.x, box.y)).astype(np.int32)
    # a line of pixels that touch by their sides: nothing passes it at a corner
    cv2.polylines(drawn, [points.reshape(-1, 1, 2)], False, 1, 1, cv2.LINE_4)
    parts, count = ndimage.label(mask & ~drawn.astype(bool))
    sizes = np.bincount(parts.ravel(), minlength=3)[1:]
    largest = 1 + np.argsort(-sizes, kind="stable")[:2]
    if count < 2 or sizes[largest[1] - 1] < LEAST_PX:
        raise ValueError(
            "Expected a line right across the cell, from one side of it to the other. Received one "
            "that leaves it in one piece; begin and end the line outside of the cell."
        )
    seeds = sum(k * (parts == number) for k, number in enumerate(largest, start=1))
    halves = watershed(np.zeros(mask.shape), seeds, mask=mask)
    one, other = (_outline(halves == k, box) for k in (1, 2))
    return one, other


def joined(cells: Sequence[Cell]) -> Outline:
    """The outline of two cells or more together; where they do not touch, of what bridges them."""
    left, top = (min(getattr(cell.box, axis) for cell in cells) for axis in "xy")
    right, bottom = (max(getattr(cell.box, side) for cell in cells) for side in ("right", "bottom"))
    whole = Box(left, top, right - left, bottom - top)
    mask = np.zeros((whole.height, whole.width), np.uint8)
    for cell in cells:
        window = cell.box._replace(x=cell.box.x - left, y=cell.box.y - top).window
        mask[window] |= _mask(cell)
    if ndimage.label(mask)[1] > 1:
        mask = hull(mask)
    return _outline(mask > 0, whole)


def _mask(cell: Cell) -> np.ndarray:
    if cell.mask is None:
        raise ValueError("Expected a cell with its pixels. Press Segment again.")
    return cell.mask


def _outline(mask: np.ndarray, box: Box) -> Outline:
    corners = outline(ndimage.binary_fill_holes(mask), box.x, box.y)[:-1]
    return tuple((float(x), float(y)) for x, y in corners)
