"""A picture as the bytes of a PNG, and resized. OpenCV's BGR exists only inside this module."""

from __future__ import annotations

import cv2
import numpy as np

_TO_BGR = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}


def png_bytes(image: np.ndarray) -> bytes:
    """The PNG of ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA ``uint8``.

    The bytes are deterministic for one version of OpenCV; another may compress differently.

    Raises:
        ValueError: another shape or dtype, or no pixel.
    """
    channels = image.shape[2] if image.ndim == 3 else 1
    shaped = image.ndim in (2, 3) and channels in _TO_BGR and image.size
    if image.dtype != np.uint8 or not shaped:
        raise ValueError(
            "Expected a picture to write, (H, W), (H, W, 3) or (H, W, 4) uint8 with a pixel. "
            f"Received {image.shape} {image.dtype}."
        )
    code = _TO_BGR[channels]
    return cv2.imencode(".png", image if code is None else cv2.cvtColor(image, code))[1].tobytes()


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image to a width and height in pixels: area averaging to shrink it, cubic
    interpolation to enlarge it.
    """
    shrinks = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
