"""A fine pattern that repeats all over a picture: the dots of a printed page or the pixels of a
screen that was photographed, a camera's raw data, stripes of its electronics. Rims stay sharp, and
parasites are lost among the dots, or seen in them.

No smear repeats, so its spectrum has no narrow peak; those of a JPEG's blocks lie on the axes.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bloodseg_lib.prediction.finding import Finding

PATTERNED = 1.45
"""Logarithm (of 10) by which a peak stands above the spectrum around it: up to 1.15 in 956 pictures
of nine databases, 1.39 in a photograph through an eyepiece; 1.52 at least in 28 pictures printed in
dots of four pixels.
"""

_TILE_PX, _TILES = 128, 6  # side of a tile, and tiles along each side
_LEAST, _OFF_AXIS = 0.12, 0.02  # frequencies, per pixel
_AROUND = 9  # that are smoothed to tell what is usual
_NO_POWER = 1e-3


def of_pattern(image: np.ndarray) -> Iterator[Finding]:
    """A finding, if a fine pattern repeats in a picture, ``(H, W, 3) uint8`` RGB as it came."""
    peak = repetition(image)
    if peak is not None and peak > PATTERNED:
        words = (
            "A fine pattern repeats all over the picture, as of a printed page or a screen that "
            "was photographed, or of a camera's raw data: parasites may be lost in it."
        )
        yield Finding("pattern", "warning", peak, words)


def repetition(image: np.ndarray) -> float | None:
    """By how many powers of ten the highest peak of the spectrum of green stands above what is
    around it; None: the picture, ``(H, W, 3) uint8`` RGB, is too small. Of 36 tiles those are read
    that show most.
    """
    if min(image.shape[:2]) < _TILE_PX:
        return None
    tops, lefts = (np.linspace(0, side - _TILE_PX, _TILES).astype(int) for side in image.shape[:2])
    tiles = np.array(
        [image[y : y + _TILE_PX, x : x + _TILE_PX, 1] for y in tops for x in lefts], np.float32
    )
    order = np.argsort(tiles.std(axis=(1, 2)))
    # their median: a straight edge, which has a spectrum as narrow, is in few of them
    shown = tiles[order[len(order) // 2 :]]
    hann = np.outer(np.hanning(_TILE_PX), np.hanning(_TILE_PX))
    waves = np.fft.rfft2((shown - shown.mean(axis=(1, 2), keepdims=True)) * hann)
    power = np.log10(np.median(np.abs(waves) ** 2, axis=0) + _NO_POWER).astype(np.float32)
    usual = cv2.blur(cv2.medianBlur(power, 5), (_AROUND, _AROUND))
    down, across = np.fft.fftfreq(_TILE_PX)[:, None], np.fft.rfftfreq(_TILE_PX)[None]
    fine = (np.hypot(down, across) > _LEAST) & (np.minimum(abs(down), abs(across)) > _OFF_AXIS)
    return float((power - usual)[fine].max())
