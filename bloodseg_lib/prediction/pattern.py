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

from bloodseg_lib.optics import window_places
from bloodseg_lib.prediction.finding import Finding

PATTERNED = 1.5
"""Logarithm (of 10) by which a peak stands above the spectrum around it: up to 1.28 in 957 pictures
of nine databases; 1.85 at least in 28 that were printed in dots of four pixels.
"""

_TILE_PX = 128
_LEAST, _OFF_AXIS = 0.12, 0.02  # frequencies, per pixel
_AROUND = 9  # that are smoothed to tell what is usual
_NO_POWER = 1e-3


def of_pattern(image: np.ndarray, scale: float) -> Iterator[Finding]:
    """A finding, if a fine pattern repeats in a picture, ``(H, W, 3) uint8`` RGB as it came, which
    this factor resamples to 40x.
    """
    peak = repetition(image, scale)
    if peak is not None and peak > PATTERNED:
        words = (
            "A fine pattern repeats all over the picture, as of a printed page or a screen that "
            "was photographed, or of a camera's raw data: parasites may be lost in it."
        )
        yield Finding("pattern", "warning", peak, words)


def repetition(image: np.ndarray, scale: float) -> float | None:
    """By how many powers of ten the highest peak of the spectrum of green stands above what is
    around it; None: the picture, ``(H, W, 3) uint8`` RGB, is too small. Of a large one nine windows
    are read.
    """
    side = _TILE_PX
    hann = np.outer(np.hanning(side), np.hanning(side))
    powers = []
    for place in window_places(image.shape, scale):
        green = image[place][:, :, 1].astype(np.float32)
        for top in range(0, green.shape[0] - side + 1, side // 2):
            for left in range(0, green.shape[1] - side + 1, side // 2):
                tile = green[top : top + side, left : left + side]
                powers.append(np.abs(np.fft.rfft2((tile - tile.mean()) * hann)) ** 2)
    if not powers:
        return None
    power = np.log10(np.mean(powers, axis=0) + _NO_POWER).astype(np.float32)
    usual = cv2.blur(cv2.medianBlur(power, 5), (_AROUND, _AROUND))
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    fine = (np.hypot(down, across) > _LEAST) & (np.minimum(abs(down), abs(across)) > _OFF_AXIS)
    return float((power - usual)[fine].max())
