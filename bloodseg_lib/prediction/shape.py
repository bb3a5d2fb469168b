"""The shape of a cell: its outline as other programs draw it, how long that is, and how round.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import skimage

_PART_PX = 2**20
_SUBSAMPLED_PX = 2**22  # larger masks are no cell's, and would take much memory


def perimeter_and_circularity(mask: np.ndarray) -> tuple[float, float]:
    """How long the outer outline of a cell, ``(H, W) bool``, is in pixels, and how round the cell
    is: 4 pi times the area through the square of the perimeter, about 1 for a disc, less for
    everything else.

    The length is estimated by Crofton's formula, in four directions, because a line along the
    pixels' edges is longer than what they show. Holes, as the pale centre of a red cell may leave,
    are filled.

    Examples:
        >>> rows, columns = np.ogrid[-30:31, -30:31]
        >>> perimeter, circularity = perimeter_and_circularity(rows**2 + columns**2 <= 20**2)
        >>> round(perimeter / (2 * 20 * math.pi), 1), round(circularity, 1)
        (1.0, 1.0)
    """
    step = math.ceil(math.sqrt(mask.size / _SUBSAMPLED_PX))
    around = np.pad(mask[::step, ::step].astype(np.uint8), 1)
    cv2.floodFill(around, None, (0, 0), 2, flags=4)
    whole = around < 2
    perimeter = max(1.0, float(skimage.measure.perimeter_crofton(whole)))
    return step * perimeter, 4 * math.pi * float(whole.sum()) / perimeter**2


def outline(mask: np.ndarray, x: int = 0, y: int = 0) -> np.ndarray:
    """The outer outline of a cell, ``(H, W) bool``, whose pixels are connected by their sides, as a
    closed polygon half a pixel around their centres: ``(N, 2) float64``, x and y in pixels of the
    image, whose upper left corner is (0, 0); the first point is the last. Its upper left pixel is
    in this column and row.

    Examples:
        >>> points = outline(np.ones((1, 2), bool), x=10, y=5)
        >>> points.min(axis=0).tolist(), points.max(axis=0).tolist()
        ([10.0, 5.0], [12.0, 6.0])
    """
    found = skimage.measure.find_contours(
        np.pad(mask, 1).astype(np.float32), 0.5, fully_connected="low"
    )
    # not the longest, which may be that of a hole
    points = max(found, key=lambda ring: float(np.ptp(ring, axis=0).sum()))[:, ::-1]
    steps = np.diff(points, axis=0)
    turns = np.any(steps != np.roll(steps, 1, axis=0), axis=1)  # the others lie on a straight line
    corners = points[:-1][turns]
    # the padding adds 1, the centre of the first pixel lies at 0.5
    return np.concatenate([corners, corners[:1]]) - 0.5 + (x, y)


def hull(mask: np.ndarray) -> np.ndarray:
    """The convex hull of the pixels of a mask, ``(H, W)``, as ``uint8``, 0 or 1."""
    corners = cv2.convexHull(cv2.findNonZero(mask.astype(np.uint8)))
    return cv2.fillConvexPoly(np.zeros(mask.shape, np.uint8), corners, 1)


def components(mask: np.ndarray, minimum_px: float, border_rule: bool) -> int:
    """How many connected components of a mask, ``(H, W) bool``, have ``minimum_px`` pixels or more
    and, with the border rule, do not touch the bottom or right border.
    """
    if np.count_nonzero(mask) < max(1, minimum_px):
        return 0
    count, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    counted = occurrences(numbers, count) >= minimum_px
    counted[0] = False
    if border_rule:
        counted[numbers[-1]] = counted[numbers[:, -1]] = False
    return int(counted.sum())


def occurrences(numbers: np.ndarray, count: int) -> np.ndarray:
    """How often each number below ``count`` occurs in an array ``(H, W)`` of whole numbers. In
    parts of its rows, because ``bincount`` makes a 64-bit copy.
    """
    parts = np.array_split(numbers, -(-numbers.size // _PART_PX))
    return np.sum([np.bincount(part.ravel(), minlength=count) for part in parts], axis=0)
