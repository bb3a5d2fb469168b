"""Cells that touch, separated where the distance to the rim shows a neck between them (watershed).

Every top of the distance has a basin; a top that stands out too little above the neck between it
and a higher one is none of a cell. Which do is told by a graph of a few hundred basins, and from
those the pixels are flooded again.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage
from scipy.cluster.hierarchy import DisjointSet
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from bloodseg_lib.prediction.pallor import fill_pale_centres

Cut = tuple[tuple[bool, bool], tuple[bool, bool]]
"""Whether the border of the image cuts a mask: top, bottom; left, right."""


class _Neck(NamedTuple):
    """Where two basins meet, and how far from the rim at most."""

    basin: int
    other: int
    distance: float


def separated(mask: np.ndarray, split_depth: float, cell_area_px: float, cut: Cut) -> np.ndarray:
    """Separate the cells of a connected component.

    Args:
        mask: ``(h, w) bool``, its pixels.
        split_depth: how much narrower than two cells the neck between them is, see
            :class:`bloodseg_lib.prediction.cells.CountingConfig`.
        cell_area_px: of the smallest kind of cell that it may hold, in its pixels.
        cut: where the border of the image cuts it.

    Returns:
        ``(h, w) int32``, the number of each pixel's cell; 0 outside the mask.

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
    tops = local_maxima(distance) & (distance > 0)
    count, numbers = cv2.connectedComponents(tops.astype(np.uint8))
    # eight neighbours, as a top and a neck have: else a basin would hold bumps beyond a valley
    basins = watershed(-distance, numbers, connectivity=2, mask=distance > 0)
    heights = np.zeros(count)
    heights[numbers[tops]] = distance[tops]
    necks = _necks(basins, distance)
    cells = _outstanding(necks, heights, split_depth * radius)
    if len(cells) <= 1:
        return mask.astype(np.int32)
    if len(cells) > 3:
        cells = _without_gaps_between_cells(cells, numbers, heights)
    # four neighbours, so that the pixels of a cell are connected by their sides
    seeds = np.zeros(count, np.int32)
    seeds[cells] = range(1, len(cells) + 1)
    return np.where(mask, watershed(-distance, seeds[numbers], mask=distance > 0), 0)


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


def _necks(basins: np.ndarray, distance: np.ndarray) -> list[_Neck]:
    """The necks between basins, from the widest to the narrowest."""
    around = np.pad(basins, 1)  # so that every pixel has all neighbours
    flat, far, step = around.ravel(), np.pad(distance, 1).ravel(), around.shape[1]
    pixels = np.flatnonzero(flat)
    found = []
    for beside in (1, step - 1, step, step + 1):  # eight neighbours, each pair once
        other = pixels + beside
        meet = (flat[other] > 0) & (flat[other] != flat[pixels])
        here, there = pixels[meet], other[meet]
        pairs = np.sort([flat[here], flat[there]], axis=0)
        found.append(np.vstack([pairs, np.minimum(far[here], far[there])]))
    meetings = np.hstack(found)
    meetings = meetings[:, np.lexsort((meetings[1], meetings[0], -meetings[2]))]
    _, first = np.unique(meetings[:2], axis=1, return_index=True)  # the widest of each pair
    return [_Neck(int(a), int(b), w) for a, b, w in meetings[:, np.sort(first)].T.tolist()]


def _outstanding(necks: Sequence[_Neck], heights: np.ndarray, least: float) -> list[int]:
    """Tops that stand out by more than ``least`` above the neck to the next higher top (their
    persistence, or dynamics), ascending.
    """
    alive = set(range(1, len(heights)))
    islands = DisjointSet(alive)
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
    places, discs = ndimage.find_objects(numbers), []
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
