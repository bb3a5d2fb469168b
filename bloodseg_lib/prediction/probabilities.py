"""The class probabilities of an image: those of a large one packed into a file that is gone when
nobody needs it, and their means over cells.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from bloodseg_lib.classes import NUM_CLASSES

CHUNK_ROWS = 64
"""Rows of an image that are held at once."""

_IN_MEMORY_BYTES = 2**26


class PackedProbabilities:
    """The class probabilities of an image in 255ths, packed a few rows at a time into a temporary
    file, so that memory does not grow with the image.

    Most of a smear is surely background: a pixel takes about a byte instead of the 20 of ten
        float16.

    Args:
        height, width: of the image in pixels.

    Attributes:
        shape: ``(height, width, 10)``.
    """

    def __init__(self, height: int, width: int):
        self.shape = (height, width, NUM_CLASSES)
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - it lives as long as this object
        weakref.finalize(self, self._file.close)
        self._parts: list[tuple[int, int, int]] = []  # first row, offset and bytes in the file
        self._rows = 0

    def append(self, rows: np.ndarray) -> None:
        """Add the next rows from top to bottom, ``(n, width, 10)`` float, 0..1.

        Raises:
            ValueError: rows of another width, or more than there are.
        """
        if rows.shape[1:] != self.shape[1:] or self._rows + len(rows) > self.shape[0]:
            raise ValueError(
                f"Expected up to {self.shape[0] - self._rows} rows of shape {self.shape[1:]}. Received {rows.shape}."
            )
        for first in range(0, len(rows), CHUNK_ROWS):
            part = rows[first : first + CHUNK_ROWS]
            steps = (part.astype(np.float32) * 255 + 0.5).astype(np.uint8)
            # class by class: long runs of the same
            packed = zlib.compress(np.ascontiguousarray(np.moveaxis(steps, 2, 0)), 1)
            self._parts.append((self._rows, self._file.tell(), len(packed)))
            self._file.write(packed)
            self._rows += len(part)

    def chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        """First row and probabilities ``(n, width, 10) float32``, 0..1, of a few rows after
        another, from top to bottom.
        """
        ends = [first for first, _, _ in self._parts[1:]] + [self._rows]
        for (first, offset, size), end in zip(self._parts, ends, strict=True):
            self._file.seek(offset)
            steps = np.frombuffer(zlib.decompress(self._file.read(size)), np.uint8).reshape(
                NUM_CLASSES, end - first, self.shape[1]
            )
            yield first, np.moveaxis(steps, 0, 2) / np.float32(255)


def chunks_of(probabilities: np.ndarray | PackedProbabilities) -> Iterator[tuple[int, np.ndarray]]:
    """First row and probabilities ``(n, W, 10)`` of a few rows after another, of an array or of
    packed ones.
    """
    if isinstance(probabilities, PackedProbabilities):
        yield from probabilities.chunks()
        return
    for first in range(0, len(probabilities), CHUNK_ROWS):
        yield first, probabilities[first : first + CHUNK_ROWS]


def mean_probabilities(
    probabilities: np.ndarray | PackedProbabilities, masks: Sequence[tuple[int, int, np.ndarray]]
) -> np.ndarray:
    """The mean probability of each class over the pixels of each cell, in one pass from top to
    bottom.

    Args:
        probabilities: ``(H, W, 10)``, 0..1, or packed ones.
        masks: of each cell top, left and ``(h, w) bool`` mask.

    Returns:
        ``(cells, 10) float64``. Of packed probabilities within 0.002, for they are kept in 255ths.
    """
    sums = np.zeros((len(masks), NUM_CLASSES))
    waiting = sorted(range(len(masks)), key=lambda i: -masks[i][0])  # the topmost last
    begun: list[int] = []
    for first, rows in chunks_of(probabilities):
        end = first + len(rows)
        while waiting and masks[waiting[-1]][0] < end:
            begun.append(waiting.pop())
        for i in begun:
            top, left, mask = masks[i]
            here = mask[max(0, first - top) : end - top]
            start = max(0, top - first)
            sums[i] += rows[start : start + len(here), left : left + mask.shape[1]][here].sum(
                axis=0, dtype=np.float64
            )
        begun = [i for i in begun if masks[i][0] + len(masks[i][2]) > end]
    return sums / np.array([mask.sum() for _, _, mask in masks]).reshape(-1, 1)


def class_picture(
    probabilities: np.ndarray | PackedProbabilities, class_id: int, width: int, height: int
) -> np.ndarray:
    """The probability of one class, reduced to a picture by leaving pixels out.

    Args:
        probabilities: ``(H, W, 10)`` or packed ones.
        class_id: 0..9.
        width, height: of the picture, no larger than the image.

    Returns:
        ``(height, width) float32``, 0..1.
    """
    rows_wanted = ((np.arange(height) + 0.5) * probabilities.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * probabilities.shape[1] / width).astype(int)
    picture = np.empty((height, width), np.float32)
    for first, rows in chunks_of(probabilities):
        inside = (rows_wanted >= first) & (rows_wanted < first + len(rows))
        picture[inside] = rows[rows_wanted[inside] - first][:, columns, class_id]
    return picture
