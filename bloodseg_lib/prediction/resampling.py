"""An image brought to 40x band by band, and what was found there brought back, so that at no time
all of it is in memory.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from scipy import sparse

from bloodseg_lib.classes import NUM_CLASSES

_CHUNK_ROWS = 64


class At40x:
    """An image as it would be at 40x, made band by band: at no time is all of it there.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped.
        scale: factor that brings it to 40x.
        levels: ``(256, 3) uint8``, the new grey level of each grey level, see
            :class:`bloodseg_lib.prediction.preprocessing.Standard`.
    """

    def __init__(self, image: np.ndarray, scale: float, levels: np.ndarray | None = None):
        self.image, self._levels = (
            image,
            None if levels is None else np.ascontiguousarray(levels[None]),
        )
        self.height, self.width = (max(1, round(side * scale)) for side in image.shape[:2])
        self.same = (self.height, self.width) == image.shape[:2]
        self._there = None if self.same else _resampling(image.shape[0], self.height, smooth=True)
        self._across = cv2.INTER_AREA if self.width < image.shape[1] else cv2.INTER_CUBIC

    def rows(self, top: int, bottom: int, columns: int) -> np.ndarray:
        """Rows of the image at 40x, ``(bottom - top, columns, 3) uint8``, continued by reflection
        to the right and below.
        """
        end = min(bottom, self.height)
        if self._there is None:
            part = self._read(slice(top, end))
        else:
            needed, weights = _window(self._there, top, end)
            source = self._read(needed)
            part = (weights @ source.reshape(len(source), -1).astype(np.float32)).reshape(
                end - top, -1, 3
            )
            part = cv2.resize(part, (self.width, end - top), interpolation=self._across)
            part = np.clip(part + 0.5, 0, 255).astype(np.uint8)
        return np.pad(part, [(0, bottom - end), (0, columns - self.width), (0, 0)], mode="reflect")

    def _read(self, rows: slice) -> np.ndarray:
        part = np.ascontiguousarray(self.image[rows])
        return part if self._levels is None else cv2.LUT(part, self._levels)

    def bring_back(
        self, bands: Iterator[tuple[int, np.ndarray]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Turn bands of rows at 40x into bands of rows of the image.

        Probabilities are interpolated; a label map never is.
        """
        if self.same:
            for top, band in bands:
                for first in range(0, len(band), _CHUNK_ROWS):
                    yield top + first, band[first : first + _CHUNK_ROWS]
            return
        height, width = self.image.shape[:2]
        back = _resampling(self.height, height, smooth=False)
        last_needed = back.indices[back.indptr[1:] - 1]
        done, start, held = 0, 0, np.empty((0, self.width, NUM_CLASSES), np.float32)
        for top, band in bands:
            held = np.concatenate([held, band])
            # rows of the image that need no row to come
            ready = int(np.searchsorted(last_needed, top + len(band)))
            for first in range(done, ready, _CHUNK_ROWS):
                end = min(first + _CHUNK_ROWS, ready)
                needed, weights = _window(back, first, end)
                part = held[needed.start - start : needed.stop - start]
                part = (weights @ part.reshape(len(part), -1)).reshape(
                    end - first, self.width, NUM_CLASSES
                )
                yield first, _resized_across(part, width)
            done = ready
            if done < height:
                keep = int(back.indices[back.indptr[done]])
                start, held = keep, held[keep - start :].copy()


def _resized_across(rows: np.ndarray, width: int) -> np.ndarray:
    """``(rows, W, 10) float32`` with another width."""
    if width >= rows.shape[1]:
        return cv2.resize(rows, (width, len(rows)), interpolation=cv2.INTER_LINEAR)
    # Averaging over areas, OpenCV takes four channels at most.
    parts = [np.ascontiguousarray(rows[:, :, i : i + 2]) for i in range(0, NUM_CLASSES, 2)]
    return np.concatenate(
        [cv2.resize(part, (width, len(rows)), interpolation=cv2.INTER_AREA) for part in parts],
        axis=2,
    )


def _resampling(here: int, there: int, smooth: bool) -> sparse.csr_array:
    """The matrix ``(there, here) float32`` that resamples a column: area averages to shrink, cubic
    (``smooth``) or linear interpolation to enlarge.

    As OpenCV's resize does it, but row by row: what a band becomes does not depend on where it was
    cut.
    """
    step = here / there
    if there < here:
        left = np.arange(there) * step
        taps = np.floor(left).astype(int)[:, None] + np.arange(int(np.ceil(step)) + 1)
        weights = np.clip(
            np.minimum(taps + 1, left[:, None] + step) - np.maximum(taps, left[:, None]), 0, None
        )
    else:
        middle = (np.arange(there) + 0.5) * step - 0.5
        taps = np.floor(middle).astype(int)[:, None] + (
            np.arange(-1, 3) if smooth else np.arange(2)
        )
        away = np.abs(middle[:, None] - taps)
        # Keys 1981, a = -0.75
        near, far = (
            (1.25 * away - 2.25) * away**2 + 1,
            ((-0.75 * away + 3.75) * away - 6) * away + 3,
        )
        weights = np.where(away <= 1, near, far) if smooth else 1 - away
    rows = np.repeat(np.arange(there), taps.shape[1])
    matrix = sparse.coo_array(
        (weights.ravel(), (rows, taps.clip(0, here - 1).ravel())), shape=(there, here)
    ).tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    matrix.data /= np.repeat(np.asarray(matrix.sum(axis=1)).ravel(), np.diff(matrix.indptr))
    return matrix.astype(np.float32)


def _window(matrix: sparse.csr_array, top: int, bottom: int) -> tuple[slice, sparse.csr_array]:
    """Rows of a resampling matrix, and the span of input rows that they need."""
    part = matrix[top:bottom]
    span = slice(int(part.indices.min()), int(part.indices.max()) + 1)
    return span, part[:, span]
