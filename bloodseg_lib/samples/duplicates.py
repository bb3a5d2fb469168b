"""Finding crops of the same cell that are not the same to the byte: saved again, cut a little
otherwise, brought to scale twice.

Two looks: pictures of 8 x 8 that hardly differ, among cells of nearly one area; and of those, whose
    grain - what is finer than a few pixels - agrees. Plain red
cells of one slide pass the first look by the thousand and never the second.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import cv2
import numpy as np

Key = TypeVar("Key")

THUMBNAIL_PX = 8
AREA_SHARE = 0.05
"""Crops of one cell differ in area by no more than this share."""
LEAST_DIFFERENCE = 8.0
"""Root mean square difference of two thumbnails in grey values from which on they are of two cells.
"""
LEAST_AGREEMENT = 0.8
"""Correlation of grain from which on two crops are of one cell."""
GRAIN_PX = 32

_BLOCK = 1024


def thumbnail(rgba: np.ndarray) -> np.ndarray:
    """A sample's picture at 8 x 8, ``(256,) uint8``."""
    return cv2.resize(rgba, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).reshape(-1)


def near_identical(
    keys: Sequence[Key],
    areas: Sequence[int],
    thumbnails: Sequence[np.ndarray],
    load: Callable[[Key], np.ndarray],
) -> Iterator[tuple[Key, Key]]:
    """Pairs of samples that show one cell.

    Args:
        keys: of the samples.
        areas: of the samples, in pixels.
        thumbnails: of the samples, see :func:`thumbnail`.
        load: key -> ``(H, W, 4) uint8``; called for those that are alike at first look.

    Yields:
        pairs of keys.
    """
    if not keys:
        return
    order = np.argsort(areas, kind="stable")
    size = np.asarray(areas, np.float64)[order]
    small = np.asarray(thumbnails, np.float32)[order]  # (N, 256)
    norm = (small**2).sum(axis=1)
    limit = LEAST_DIFFERENCE**2 * small.shape[1]
    grains: dict[int, np.ndarray] = {}
    for start in range(0, len(order), _BLOCK):
        stop = min(start + _BLOCK, len(order))
        last = int(np.searchsorted(size, size[stop - 1] * (1 + AREA_SHARE), "right"))
        squares = (
            norm[start:stop, None]
            + norm[None, start:last]
            - 2 * small[start:stop] @ small[start:last].T
        )
        for i, j in zip(*np.nonzero(squares < limit), strict=True):
            if j <= i or size[start + j] > size[start + i] * (1 + AREA_SHARE):
                continue
            pair = [int(order[start + i]), int(order[start + j])]
            for k in pair:
                if k not in grains:
                    grains[k] = grain(load(keys[k]))
            one, other = (grains[k] for k in pair)
            if one.shape == other.shape and float(one @ other) > LEAST_AGREEMENT:
                yield keys[pair[0]], keys[pair[1]]


def grain(rgba: np.ndarray) -> np.ndarray:
    """What is finer than a few pixels in a sample, less what all round cells share: how it changes
    from the edge inwards.

    Returns:
        ``(1024,)`` or, of large cells, ``(4096,) float32`` of length 1; 0 where there is no grain.
    """
    height, width = rgba.shape[:2]
    side = (GRAIN_PX * (2 if max(height, width) > 2 * GRAIN_PX else 1),) * 2
    grey = cv2.resize(
        cv2.cvtColor(np.ascontiguousarray(rgba[:, :, :3]), cv2.COLOR_RGB2GRAY).astype(np.float32),
        side,
        interpolation=cv2.INTER_AREA,
    )
    inner = (cv2.resize(rgba[:, :, 3], side, interpolation=cv2.INTER_AREA) == 255).astype(np.uint8)
    inner = cv2.erode(np.pad(inner, 1), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))[
        1:-1, 1:-1
    ]
    fine = cv2.GaussianBlur(grey, (0, 0), 0.5) - cv2.GaussianBlur(grey, (0, 0), 1.5)
    depth = (
        cv2.distanceTransform(np.pad(inner, 1), cv2.DIST_L2, 5)[1:-1, 1:-1].astype(np.intp).ravel()
    )
    at_depth = np.bincount(depth, fine.ravel()) / np.maximum(1, np.bincount(depth))
    fine = np.where(inner.ravel() > 0, fine.ravel() - at_depth[depth], 0)
    length = np.linalg.norm(fine)
    return (fine / length if length > 1e-3 else np.zeros_like(fine)).astype(np.float32)
