"""Whether a picture is a grey one that was tinted, as sepia or pink: all of its colours lie on one
curve from dark to light. Two stains never do.
"""

from __future__ import annotations

import cv2
import numpy as np

ON_THE_CURVE = 2.9
"""Distance of a channel from its mean at the same brightness, in grey levels, that one pixel in a
hundred exceeds: 3.7 at least in 1,452 stained pictures of seven databases; less in grey ones made
sepia or pink, 37 each, and in 72 of these 74 saved as a JPEG of quality 85.
"""

_SMOOTH_PX = 2.0  # standard deviation: against a JPEG's noise; a curve that is cut off needs none
_SAMPLED_PX = 120_000
_FEWEST_ALIKE = 8  # pixels of one brightness, for a mean of theirs
_MOST_ALIKE = 0.3  # fraction of the pixels of one brightness
_MOST_EVEN = 0.42  # fraction of the pixels that are as their neighbours: of a drawing more
_FEWEST_PX = 2000


def is_tinted_grey(image: np.ndarray) -> bool:
    """Whether the brightness of a pixel tells its colour, in ``(H, W, 3) uint8`` RGB as it came. Of
    a drawing, in flat colours, and of a picture too small it cannot be told: no.

    Examples:
        >>> grey = np.random.default_rng(0).integers(0, 255, (90, 90)).astype(float)
        >>> is_tinted_grey(np.dstack([grey, 0.9 * grey, 0.7 * grey]).astype(np.uint8))
        True
        >>> is_tinted_grey(np.dstack([grey, grey.T, grey]).astype(np.uint8))
        False
    """
    if min(image.shape[:2]) < 2:
        return False
    corner = image[:-1, :-1]
    even = ((corner == image[1:, :-1]) & (corner == image[:-1, 1:])).all(axis=2)
    if even.mean() > _MOST_EVEN:
        return False
    step = max(1, int((image.shape[0] * image.shape[1] / _SAMPLED_PX) ** 0.5))
    smooth = cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), _SMOOTH_PX)
    return any(_off_the_curve(each[::step, ::step]) <= ON_THE_CURVE for each in (image, smooth))


def _off_the_curve(image: np.ndarray) -> float:
    """The distance that one pixel in a hundred exceeds; infinite where it cannot be told."""
    pixels = image.reshape(-1, 3).astype(np.int32)
    brightness = pixels.sum(axis=1)
    alike = np.bincount(brightness)
    known = alike[brightness] >= _FEWEST_ALIKE
    if known.sum() < _FEWEST_PX or alike.max() > _MOST_ALIKE * len(pixels):
        return np.inf
    off = np.zeros(len(pixels))
    for channel in pixels.T:
        mean = np.bincount(brightness, channel) / np.maximum(alike, 1)
        np.maximum(off, np.abs(channel - mean[brightness]), out=off)
    return float(np.percentile(off[known], 99))
