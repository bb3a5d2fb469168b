"""Class probabilities of an image: one array, in memory or on disk, and means over cells.

In memory they are ``float16``, 0..1; on disk ``uint8``, in 255ths. Both are arrays ``(H, W, 10)``.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from bloodseg_lib.classes import NUM_CLASSES

_LEAST_NORMAL = float(np.finfo(np.float16).smallest_normal)


def over_symmetries(predict: Callable[[np.ndarray], np.ndarray], tiles: np.ndarray) -> np.ndarray:
    """Test-time augmentation, as of nnU-Net: the mean prediction of tiles mirrored and rotated in
    all eight ways. A smear has neither top nor left, so all are equally good.

    Args:
        predict: predicts tiles once.
        tiles: ``(B, H, W, 3) uint8``.

    Returns:
        ``(B, H, W, 10) float32``, as ``predict`` gives them.
    """
    total: np.ndarray | float = 0.0
    for turns in range(4):
        turned = np.rot90(tiles, turns, axes=(1, 2))
        for mirror in (slice(None), slice(None, None, -1)):
            predicted = predict(np.ascontiguousarray(turned[:, :, mirror]))[:, :, mirror]
            total = total + np.rot90(predicted, -turns, axes=(1, 2))
    return np.ascontiguousarray(total / 8, np.float32)


def label_map_and_probabilities(
    bands: Iterable[np.ndarray], height: int, width: int, on_disk: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Collect bands of rows, from top to bottom, each ``(rows, width, 10) float32``, 0..1, of which
    only a copy is kept, into the labels ``(H, W) uint8`` and the probabilities of an image, ``(H,
    W, 10)``: ``float16`` 0..1 in memory, 20 bytes a pixel, or on disk ``uint8`` 0..255 in a
    temporary file of 10 bytes a pixel, which disappears with the array.
    """
    labels = np.empty((height, width), np.uint8)
    shape, top = (height, width, NUM_CLASSES), 0
    if not on_disk:
        probabilities = np.empty(shape, np.float16)

        def keep(first: int, part: np.ndarray) -> None:
            rows = slice(first, first + len(part))
            labels[rows] = part.argmax(axis=2)
            # What float16 can only hold as a subnormal, 0.00006 and less, takes NumPy seven times
            # as long to convert.
            flat = part.reshape(len(part), -1)
            _, flat = cv2.threshold(flat, _LEAST_NORMAL, 0, cv2.THRESH_TOZERO)
            probabilities[rows] = flat.reshape(part.shape)

        with ThreadPoolExecutor(1) as pool:  # one thread for all: a new one has to get its memory
            for band in bands:
                half = (len(band) + 1) // 2
                first = pool.submit(keep, top, band[:half])
                if half < len(band):
                    keep(top + half, band[half:])
                first.result()
                top += len(band)
        return labels, probabilities
    with tempfile.TemporaryFile() as file:  # the map below keeps it until the array is deleted
        for band in bands:
            labels[top : (top := top + len(band))] = band.argmax(axis=2)
            # written and mapped afterwards: pages written through a map would stay in memory
            file.write((band * np.float32(255) + np.float32(0.5)).astype(np.uint8).tobytes())
        file.flush()
        mapped = np.memmap(file, np.uint8, "r+", shape=shape)
    mapped.flags.writeable = False  # see changeable()
    return labels, mapped


def as_fractions(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities, or some of them, as fractions 0..1 whatever their type.

    Examples:
        >>> as_fractions(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    return probabilities / np.float32(255) if probabilities.dtype == np.uint8 else probabilities


@contextlib.contextmanager
def changeable(probabilities: np.ndarray) -> Iterator[None]:
    """Those on disk are read-only otherwise."""
    writeable, probabilities.flags.writeable = probabilities.flags.writeable, True
    try:
        yield
    finally:
        probabilities.flags.writeable = writeable


def put(
    labels: np.ndarray,
    probabilities: np.ndarray,
    window: tuple[slice, slice],
    mask: np.ndarray,
    fractions: np.ndarray,
    class_id: int | None = None,
) -> None:
    """Give the N pixels of a cell, ``mask`` within a window, probabilities ``(N, 10) float32``,
    0..1, and a class; None: each its likeliest.
    """
    part = probabilities[window]
    part[mask] = np.rint(fractions * 255) if part.dtype == np.uint8 else fractions
    labels[window][mask] = fractions.argmax(axis=1) if class_id is None else class_id


def mean_probabilities(
    probabilities: np.ndarray, window: tuple[slice, slice], mask: np.ndarray
) -> np.ndarray:
    """The mean probability of each class over the pixels of a cell, ``(10,) float64``, 0..1; within
    0.002 where the probabilities, ``(H, W, 10)``, are ``uint8``. Its mask, ``(h, w) bool``, is of
    the window.
    """
    return as_fractions(probabilities[window][mask]).mean(axis=0, dtype=np.float64)


def class_picture(probabilities: np.ndarray, class_id: int, width: int, height: int) -> np.ndarray:
    """The probability of one class as a picture, reduced by leaving out pixels.

    Args:
        probabilities: ``(H, W, 10)``, 0..1, or ``uint8`` 0..255.
        class_id: 0..9.
        width, height: of the picture, no larger than the image.

    Returns:
        ``(height, width) float32``, 0..1.
    """
    rows = ((np.arange(height) + 0.5) * probabilities.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * probabilities.shape[1] / width).astype(int)
    picture = probabilities[rows[:, None], columns, class_id]
    return as_fractions(picture).astype(np.float32)
