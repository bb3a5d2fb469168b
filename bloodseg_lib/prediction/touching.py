"""Cells that touch, separated where the distance to the rim shows a neck between them (watershed).

Every top of the distance has a basin; a top that stands out too little above the neck between it
and a higher one is none of a cell. Which do is told by a graph of a few hundred basins, and from
those the pixels are flooded.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import scipy
import skimage

from bloodseg_lib.prediction.pallor import fill_pale_centres

Cut = tuple[tuple[bool, bool], tuple[bool, bool]]
"""Whether the border of the image cuts a mask: top, bottom; left, right."""


_NEIGHBOURS = (
    (np.s_[:, :-1], np.s_[:, 1:]),
    (np.s_[:-1], np.s_[1:]),
    (np.s_[:-1, :-1], np.s_[1:, 1:]),
    (np.s_[:-1, 1:], np.s_[1:, :-1]),
)  # the windows of a pixel and of its eight neighbours, each pair once


class _Neck(NamedTuple):
    """Where two basins meet, and how far from the rim at most."""

    basin: int
    other: int
    distance: float


def separated(mask: np.ndarray, split_depth: float, cell_area_px: float, cut: Cut) -> np.ndarray:
    """Separate the cells of a connected component, ``(h, w) bool``: the number of each pixel's
    cell, ``(h, w) int32``, 0 outside of it. The smallest kind of cell that it may hold has
    ``cell_area_px`` pixels; for ``split_depth`` see
    :class:`bloodseg_lib.prediction.cells.CountingConfig`.

    Examples:
        >>> mask = np.zeros((40, 80), np.uint8)
        >>> for x in (20, 52):
        ...     _ = cv2.circle(mask, (x, 20), 17, 1, -1)
        >>> no = (False, False)
        >>> int(separated(mask > 0, 0.05, 900, (no, no)).max())
        2
    """
    radius = math.sqrt(cell_area_px / math.pi)
    filled = fill_pale_centres(mask.astype(np.uint8), cell_area_px / 128, cell_area_px / 4)
    distance = _distance_to_rim(filled, math.ceil(radius), cut)
    tops = skimage.morphology.local_maxima(distance) & (distance > 0)
    count, numbers = cv2.connectedComponents(tops.astype(np.uint8))
    heights = np.zeros(count)
    heights[numbers[tops]] = distance[tops]
    basins, slopes = _basins(distance, numbers)
    heights = np.append(heights, slopes)
    necks = _necks(basins, distance)
    cells = _outstanding(necks, heights, split_depth * radius)
    if len(cells) <= 1:
        return mask.astype(np.int32)
    if len(cells) > 3:
        cells = _without_gaps_between_cells(cells, numbers, heights)
    # four neighbours, so that the pixels of a cell are connected by their sides
    seeds = np.zeros(count, np.int32)
    seeds[cells] = range(1, len(cells) + 1)
    return np.where(
        mask, skimage.segmentation.watershed(-distance, seeds[numbers], mask=distance > 0), 0
    )


def _distance_to_rim(mask: np.ndarray, reach: int, cut: Cut) -> np.ndarray:
    """Distance of each pixel to the rim of a mask, in pixels, ``float32``.

    Where the border of the image cuts the mask, the border is not its rim: the cells are continued
    beyond it by ``reach`` pixels.
    """
    (top, bottom), (left, right) = ([reach if side else 0 for side in sides] for sides in cut)
    around = cv2.copyMakeBorder(mask, top, bottom, left, right, cv2.BORDER_REPLICATE)
    around = np.pad(around, [[int(not side) for side in sides] for sides in cut])
    distance = cv2.distanceTransform(around, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV's last bits differ from run to run, and with them the ties of the watershed. The square
    # of a distance between pixels is a whole number.
    distance = np.sqrt(np.rint(distance**2))
    window = np.s_[top or 1 :, left or 1 :]
    return np.ascontiguousarray(distance[window][: mask.shape[0], : mask.shape[1]])


def _basins(distance: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The basin of each pixel by the distances, ``(h, w) float32``, roots of whole numbers, and the
    numbers of the tops, ``(h, w) int32``, 0 where there is none; and the heights of the basins that
    are more than the tops.

    Every pixel goes up to the greatest of its eight neighbours, until there is none: a top, or a
    flat place on a slope, which is a basin of its own and stands out by nothing. The necks between
    tops are as wide as by flooding, in a fifth of the time.
    """
    size, above = distance.size, 1 << distance.size.bit_length()
    # All differ: of equal neighbours the last is the greatest. What is farther from a rim than any
    # cell's middle is flat, as is a mask without a rim: else its ranks would be no whole numbers.
    squares = np.minimum(np.square(distance, dtype=np.float64), 2**52 // above)
    rank = np.rint(squares) * above + np.arange(size).reshape(distance.shape)
    pixels = np.flatnonzero(distance)
    place = np.zeros(size, np.intp)  # of a pixel in this list
    place[pixels] = np.arange(len(pixels))
    greatest = cv2.dilate(rank, np.ones((3, 3), np.uint8)).ravel()[pixels]
    up = place[greatest.astype(np.intp) & (above - 1)]
    while not np.array_equal(further := up[up], up):
        up = further
    basin = numbers.ravel()[pixels]
    ends = np.flatnonzero(up == np.arange(len(up)))
    slopes = ends[basin[ends] == 0]
    basin[slopes] = np.arange(len(slopes)) + numbers.max() + 1
    basins = np.zeros(size, np.int32)
    basins[pixels] = basin[up]
    return basins.reshape(distance.shape), distance.ravel()[pixels[slopes]]


def _necks(basins: np.ndarray, distance: np.ndarray) -> list[_Neck]:
    """The necks between basins, from the widest to the narrowest."""
    found = []
    for one, other in _NEIGHBOURS:
        here, there = basins[one], basins[other]
        meet = (here != there) & (here > 0) & (there > 0)
        pairs = np.sort([here[meet], there[meet]], axis=0)
        found.append(np.vstack([pairs, np.minimum(distance[one][meet], distance[other][meet])]))
    first, second, width = np.hstack(found)
    order = np.lexsort((-width, second, first))
    first, second, width = first[order], second[order], width[order]
    widest = np.ones(len(order), bool)  # of each pair
    widest[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    first, second, width = first[widest], second[widest], width[widest]
    order = np.lexsort((second, first, -width))
    necks = np.array([first, second, width])[:, order].T.tolist()
    return [_Neck(int(a), int(b), far) for a, b, far in necks]


def _outstanding(necks: Sequence[_Neck], heights: np.ndarray, least: float) -> list[int]:
    """Tops that stand out by more than ``least`` above the neck to the next higher top (their
    persistence, or dynamics), ascending.
    """
    alive = set(range(1, len(heights)))
    islands = scipy.cluster.hierarchy.DisjointSet(alive)
    highest = {top: top for top in alive}  # of the island with this root
    for neck in necks:
        one, other = (highest[islands[basin]] for basin in neck[:2])
        if one == other:
            continue
        lower, higher = sorted((one, other), key=lambda top: (heights[top], -top))
        if heights[lower] - neck.distance <= least:
            alive.discard(lower)
        islands.merge(neck.basin, neck.other)
        highest[islands[neck.basin]] = higher
    return sorted(alive)


def _without_gaps_between_cells(
    cells: Sequence[int], numbers: np.ndarray, heights: np.ndarray
) -> list[int]:
    """Without the tops whose inscribed discs are covered by others: where three cells meet, the
    middle between them is as deep as a cell.
    """
    height, width = numbers.shape
    covered = np.zeros(numbers.shape, np.uint16)
    places, discs = scipy.ndimage.find_objects(numbers), []
    for number in cells:
        top = places[number - 1]
        y, x = np.argwhere(numbers[top] == number)[0] + [top[0].start, top[1].start]
        radius = float(heights[number])
        reach = math.ceil(radius)
        window = np.s_[
            max(0, y - reach) : min(height, y + reach + 1),
            max(0, x - reach) : min(width, x + reach + 1),
        ]
        rows, columns = np.ogrid[window]
        disc = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        covered[window] += disc
        discs.append((radius, number, window, disc))
    kept = set(cells)
    for _, number, window, disc in sorted(discs, key=lambda one: -one[0]):
        if (covered[window][disc] > 1).mean() > 0.9:
            covered[window] -= disc
            kept.discard(number)
    return sorted(kept)
