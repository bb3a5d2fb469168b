"""Even light: a field that is darker at one side, or towards its corners, is divided by a smooth
surface through the brightness of its slide (flat-field correction).

A network and the measures of stain, scale and focus know one brightness of the slide. Where it
falls by a third across the field, slide is taken for stain and parasites are lost. Taught by
``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from bloodseg_lib.optics import WHITE

EVEN = 0.85
"""Brightness of the darkest part of the slide as a fraction of that of the brightest; a field that
is more even is left as it is.
"""

_SEARCH_PX = 512  # size at which the light is measured
_TILES = 10  # along each side
_SLIDE = 0.95  # quantile of a tile's brightness that is slide, where any is in it
_IN_VIEW = 0.35  # of the brightest tile; darker is outside an eyepiece
_DARKER = 0.06  # logarithm; a tile so far beneath the surface shows no slide
_ROUNDS = 8
_LEAST_TILES = 0.4  # of those in view
_FIT = 0.03  # logarithm, standard deviation of the tiles about the surface
_GUESSED = 1.1  # factor by which the surface leaves what was measured, where no slide shows
_TINTED = 0.12  # logarithm, of one channel by another; no lamp differs so much, but cells do
_DARKEST = 0.35  # of the surface; where it is less it is a guess
_CLIPPED = 252  # grey level; slide as bright as this is not measured


@dataclass(frozen=True, eq=False)
class Light:
    """How the light falls off over a picture.

    Attributes:
        surface: ``(6, 3)``, coefficients of the logarithm of the light in each channel.

    Examples:
        >>> lamp = np.linspace(0.6, 1, 300)[None, :, None]
        >>> picture = (np.full((200, 300, 3), 230) * lamp).astype(np.uint8)
        >>> int(np.ptp(Light.of(picture).evened(picture)[:, :, 1])) < 12
        True
    """

    surface: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> Light | None:
        """The light of a picture, ``(H, W, 3) uint8`` RGB; None where it is even, or too little
        slide shows.
        """
        if min(image.shape[:2]) < 4 * _TILES:
            return None
        step = -(-max(image.shape[:2]) // _SEARCH_PX)
        reduced = cv2.GaussianBlur(np.ascontiguousarray(image[::step, ::step]), (3, 3), 0)
        surface = _surface(*_tiles(reduced))
        return None if surface is None else cls(surface)

    def evened(self, image: np.ndarray) -> np.ndarray:
        """A copy of the picture in even light."""
        height, width = image.shape[:2]
        x, y = np.meshgrid((np.arange(64) + 0.5) / 64, (np.arange(64) + 0.5) / 64)
        light = np.exp(_terms(x, y) @ self.surface)
        relative = np.maximum(light / light.max(axis=(0, 1)), _DARKEST).astype(np.float32)
        full = cv2.resize(relative, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.clip(image / full + 0.5, 0, WHITE).astype(np.uint8)


def _tiles(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The brightest of each tile that may be slide, ``(N, 3)``, and where it is, ``(N, 6)``."""
    tiles = (image[window].reshape(-1, 3) for window in windows(image, _TILES, _TILES))
    values = np.array([np.quantile(tile, _SLIDE, axis=0) for tile in tiles])
    middles = (np.arange(_TILES) + 0.5) / _TILES
    return np.maximum(values, 1), _terms(*map(np.ravel, np.meshgrid(middles, middles)))


def windows(image: np.ndarray, down: int, across: int) -> Iterator[tuple[slice, slice]]:
    """So many windows, row by row, that cover an image."""
    rows, columns = (
        [slice(i * side // n, (i + 1) * side // n) for i in range(n)]
        for side, n in zip(image.shape[:2], (down, across), strict=True)
    )
    return product(rows, columns)


def _terms(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of a surface of the second degree, with x and y from 0 to 1."""
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _surface(brightness: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """Coefficients of the logarithm of the light in each channel, ``(6, 3)``; None where it is even
    or cannot be told.
    """
    green = brightness[:, 1]
    in_view = green > _IN_VIEW * np.quantile(green, 0.98)
    kept = in_view.copy()
    logarithm = np.log(brightness)
    for _ in range(_ROUNDS):
        if kept.sum() < max(12, _LEAST_TILES * in_view.sum()):
            return None
        found, *_ = np.linalg.lstsq(places[kept], logarithm[kept], rcond=None)
        below = (places @ found - logarithm)[:, 1]
        again = in_view & (below < _DARKER)
        if (again == kept).all():
            break
        kept = again
    light, measured = np.exp(places @ found)[in_view], np.exp(places @ found)[kept]
    spread = (places @ found - logarithm)[kept].std(axis=0).max()
    uneven = (light.min(axis=0) / light.max(axis=0)).min()
    clipped = np.median(green[kept]) >= _CLIPPED
    guessed = max(
        (measured.min(axis=0) / light.min(axis=0)).max(),
        (light.max(axis=0) / measured.max(axis=0)).max(),
    )
    tints = np.log(light / light[:, 1:2])
    tinted = np.abs(tints - np.median(tints, axis=0)).max()
    untold = spread > _FIT or clipped or guessed > _GUESSED or tinted > _TINTED
    return None if uneven > EVEN or untold else found
