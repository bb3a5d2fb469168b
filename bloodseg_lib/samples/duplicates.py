"""Finds near-duplicates: crops of one cell that were saved again, cut differently or resized twice.

Two stages: 8 x 8 thumbnails select candidates of similar area; candidates whose high-frequency
texture correlates are duplicates. Thousands of plain red cells of one slide pass the first stage,
none passes the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import cv2
import numpy as np

Key = TypeVar("Key")

THUMBNAIL_PX = 8
AREA_TOLERANCE = 0.05
"""The largest difference in area between crops of one cell, as a fraction."""
THUMBNAIL_TOLERANCE = 8.0
"""Two thumbnails of one cell differ by less: root mean square in grey levels."""
LEAST_CORRELATION = 0.8
"""Crops of one cell have textures of at least this correlation."""
TEXTURE_PX = 32

_BLOCK = 1024


def thumbnail(rgba: np.ndarray) -> np.ndarray:
    """A sample's picture at 8 x 8, ``(256,) uint8``."""
    return cv2.resize(rgba, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).reshape(-1)


def near_duplicates(
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
        load: key -> ``(H, W, 4) uint8``; called for the candidates only.

    Yields:
        pairs of keys.
    """
    if not keys:
        return
    order = np.argsort(areas, kind="stable")
    size = np.asarray(areas, np.float64)[order]
    small = np.asarray(thumbnails, np.float32)[order]  # (N, 256)
    norm = (small**2).sum(axis=1)
    limit = THUMBNAIL_TOLERANCE**2 * small.shape[1]
    textures: dict[int, np.ndarray] = {}
    for start in range(0, len(order), _BLOCK):
        stop = min(start + _BLOCK, len(order))
        last = int(np.searchsorted(size, size[stop - 1] * (1 + AREA_TOLERANCE), "right"))
        products = 2 * small[start:stop] @ small[start:last].T
        squares = norm[start:stop, None] + norm[None, start:last] - products
        for i, j in zip(*np.nonzero(squares < limit), strict=True):
            if j <= i or size[start + j] > size[start + i] * (1 + AREA_TOLERANCE):
                continue
            pair = [int(order[start + i]), int(order[start + j])]
            for k in pair:
                if k not in textures:
                    textures[k] = texture(load(keys[k]))
            one, other = (textures[k] for k in pair)
            if one.shape == other.shape and float(one @ other) > LEAST_CORRELATION:
                yield keys[pair[0]], keys[pair[1]]


def texture(rgba: np.ndarray) -> np.ndarray:
    """The high-frequency texture of a sample, without its mean at each depth below the edge, which
    all round cells have in common.

    Returns:
        ``(1024,)`` or, for large cells, ``(4096,) float32`` of norm 1; 0 where there is no texture.
    """
    height, width = rgba.shape[:2]
    side = (TEXTURE_PX * (2 if max(height, width) > 2 * TEXTURE_PX else 1),) * 2
    whole = cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY).astype(np.float32)
    grey = cv2.resize(whole, side, interpolation=cv2.INTER_AREA)
    inner = (cv2.resize(rgba[:, :, 3], side, interpolation=cv2.INTER_AREA) == 255).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    inner = cv2.erode(np.pad(inner, 1), disc)[1:-1, 1:-1]
    fine = cv2.GaussianBlur(grey, (0, 0), 0.5) - cv2.GaussianBlur(grey, (0, 0), 1.5)
    depth = cv2.distanceTransform(np.pad(inner, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    depth = depth.astype(np.intp).ravel()
    at_depth = np.bincount(depth, fine.ravel()) / np.maximum(1, np.bincount(depth))
    fine = np.where(inner.ravel() > 0, fine.ravel() - at_depth[depth], 0)
    length = np.linalg.norm(fine)
    return (fine / length if length > 1e-3 else np.zeros_like(fine)).astype(np.float32)
