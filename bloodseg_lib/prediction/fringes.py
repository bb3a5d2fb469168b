"""Fringes of colour: red or blue of a picture lies beside green, as by a bad lens, or a camera that
takes the colours one after the other. Parasites, which are told by their hue, are lost in them.

The optical densities of two channels have the same rims, so that their cross-correlation is
greatest where they lie upon each other.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import scipy

from bloodseg_lib.optics import GREY_DENSITIES
from bloodseg_lib.prediction.finding import Finding

FRINGED, APART_PX = 0.05, 2.5
"""By how much the correlation of a channel with green grows where it is moved, and how far at 40x.
Where red and blue are moved by 3 pixels, 12 of MAMIC's cells are called infected for 24, and it
grows by 0.09 and more; as they are, by 0.02 at most in Chula, MAMIC, PBC and Zheng. A quarter of
LISC's pictures have such fringes.
"""

_SIDE_PX = 768  # of the middle that is looked at, at 40x
_LEAST_PX = 96
_FURTHEST_PX = 8
_ALIKE = 0.8  # correlation where it is greatest; where red hardly absorbs, white cells differ


def of_fringes(image: np.ndarray, factor: float) -> Iterator[Finding]:
    """A finding, if the colours of a picture, ``(H, W, 3) uint8`` RGB, which ``factor`` resamples
    to 40x, lie beside each other.
    """
    grows, apart_px = fringes(image, factor)
    if grows > FRINGED and apart_px > APART_PX:
        words = (
            f"Red or blue lies {apart_px / factor:.0f} pixels beside green, as by a lens with "
            "fringes of colour: parasites may be lost in them."
        )
        yield Finding("fringes", "warning", grows, words)


def fringes(image: np.ndarray, factor: float) -> tuple[float, float]:
    """By how much the correlation of red or blue with green grows at most, where it is moved, and
    by how many pixels at 40x; 0 and 0 where the picture is too small to tell.
    """
    half = round(_SIDE_PX / factor) // 2
    rows, columns = (
        slice(max(0, side // 2 - half), side // 2 + half + 1) for side in image.shape[:2]
    )
    middle = np.ascontiguousarray(image[rows, columns])
    height, width = (round(side * factor) for side in middle.shape[:2])
    if min(height, width) < _LEAST_PX:
        return 0.0, 0.0
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    density = GREY_DENSITIES[cv2.resize(middle, (width, height), interpolation=how)]
    density = cv2.GaussianBlur(density, (0, 0), 1.0)
    density -= density.mean(axis=(0, 1))
    density *= np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)[:, :, None]
    red, green, blue = (scipy.fft.rfft2(density[:, :, channel]) for channel in range(3))
    red_power, green_power, blue_power = np.maximum((density**2).sum(axis=(0, 1)), 1e-6)
    return max(
        _moved(green * np.conj(waves), (height, width), (power * green_power) ** 0.5)
        for waves, power in ((red, red_power), (blue, blue_power))
    )


def _moved(waves: np.ndarray, shape: tuple[int, int], norm: float) -> tuple[float, float]:
    """As :func:`fringes`, of one channel; 0 and 0 where it is unlike green wherever it lies."""
    far = _FURTHEST_PX
    correlation = np.roll(scipy.fft.irfft2(waves, s=shape), (far, far), (0, 1))
    near = correlation[: 2 * far + 1, : 2 * far + 1] / norm
    down, across = np.unravel_index(near.argmax(), near.shape)
    if near.max() < _ALIKE:
        return 0.0, 0.0
    return float(near.max() - near[far, far]), float(np.hypot(down - far, across - far))
