"""An image of any size through a network: resampled to 40x, cut into overlapping tiles, blended
without seams and resampled back, band by band, so that memory grows with its width alone.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import scipy

from bloodseg_lib.classes import NUM_CLASSES

TILE_PX = 224
LARGEST_TILE_PX = 896
MULTIPLE_PX = 32
"""Of a tile's sides: required by networks of up to six levels."""

_BAND_BYTES = 2**28  # of the probabilities of one row of tiles
_CHUNK_ROWS = 64  # rows of the image that are resampled at once
# Extra time of a tile that passes through the network alone, measured on CPUs with oneDNN.
_ALONE = 0.7

Predict = Callable[[np.ndarray], np.ndarray]
"""A network: tiles ``(B, H, W, 3) uint8`` RGB, sides multiples of 32, to class probabilities
``(B, H, W, 10)``.
"""


class ResampledImage:
    """An image, ``(H, W, 3) uint8`` RGB, which may be memory-mapped, at 40x by the factor of its
    :class:`bloodseg_lib.prediction.scale.Scale`, made band by band through a table of grey levels,
    ``(256, 3) uint8``, of :class:`bloodseg_lib.prediction.preprocessing.Preprocessing`.
    """

    def __init__(self, image: np.ndarray, factor: float, levels: np.ndarray):
        self._image, self._levels = image, np.ascontiguousarray(levels[None])
        self.height, self.width = (max(1, round(side * factor)) for side in image.shape[:2])
        self._same = (self.height, self.width) == image.shape[:2]

    def rows(self, top: int, bottom: int, columns: int) -> np.ndarray:
        """Rows at 40x, ``(bottom - top, columns, 3) uint8``, continued to the right and below by
        reflection.
        """
        end = min(bottom, self.height)
        if self._same:
            part = self._read(slice(top, end))
        else:
            matrix = _resampling(self._image.shape[0], self.height, smooth=True)
            needed, weights = _window(matrix, top, end)
            source = self._read(needed)
            flat = weights @ source.reshape(len(source), -1).astype(np.float32)
            part = cv2.resize(
                flat.reshape(end - top, -1, 3),
                (self.width, end - top),
                interpolation=cv2.INTER_AREA
                if self.width < self._image.shape[1]
                else cv2.INTER_CUBIC,
            )
            part = np.clip(part + 0.5, 0, 255).astype(np.uint8)
        return np.pad(part, [(0, bottom - end), (0, columns - self.width), (0, 0)], mode="reflect")

    def _read(self, rows: slice) -> np.ndarray:
        return cv2.LUT(np.ascontiguousarray(self._image[rows]), self._levels)

    def resampled_back(self, bands: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Bands of probabilities at 40x as bands of the image, ``(rows, W, 10) float32``.

        Probabilities are interpolated; a label map never is.
        """
        if self._same:
            for band in bands:
                for first in range(0, len(band), _CHUNK_ROWS):
                    yield band[first : first + _CHUNK_ROWS]
            return
        height, width = self._image.shape[:2]
        matrix = _resampling(self.height, height, smooth=False)
        last_needed = matrix.indices[matrix.indptr[1:] - 1]
        done, start, held = 0, 0, np.empty((0, self.width, NUM_CLASSES), np.float32)
        for band in bands:
            held = np.concatenate([held, band])
            # rows of the image that need no later band
            ready = int(np.searchsorted(last_needed, start + len(held)))
            for first in range(done, ready, _CHUNK_ROWS):
                end = min(first + _CHUNK_ROWS, ready)
                needed, weights = _window(matrix, first, end)
                part = held[needed.start - start : needed.stop - start]
                flat = weights @ part.reshape(len(part), -1)
                yield _resized_across(flat.reshape(end - first, self.width, NUM_CLASSES), width)
            done = ready
            if done < height:
                keep = int(matrix.indices[matrix.indptr[done]])
                start, held = keep, held[keep - start :].copy()


def _resized_across(rows: np.ndarray, width: int) -> np.ndarray:
    """``(rows, W, 10) float32`` with another width."""
    if width >= rows.shape[1]:
        return cv2.resize(rows, (width, len(rows)), interpolation=cv2.INTER_LINEAR)
    # OpenCV averages areas of at most four channels.
    parts = [np.ascontiguousarray(rows[:, :, i : i + 2]) for i in range(0, NUM_CLASSES, 2)]
    return np.concatenate(
        [cv2.resize(part, (width, len(rows)), interpolation=cv2.INTER_AREA) for part in parts],
        axis=2,
    )


def _resampling(length: int, wanted: int, smooth: bool) -> scipy.sparse.csr_array:
    """The matrix ``(wanted, length) float32`` that resamples a column: area averages to shrink,
    cubic (``smooth``) or linear interpolation to enlarge.

    It does what OpenCV's resize does, but row by row: a band does not depend on where it was cut.
    """
    step = length / wanted
    if wanted < length:
        left = np.arange(wanted)[:, None] * step
        taps = np.floor(left).astype(int) + np.arange(int(np.ceil(step)) + 1)
        weights = np.clip(np.minimum(taps + 1, left + step) - np.maximum(taps, left), 0, None)
    else:
        middle = (np.arange(wanted)[:, None] + 0.5) * step - 0.5
        taps = np.floor(middle).astype(int) + (np.arange(-1, 3) if smooth else np.arange(2))
        away = np.abs(middle - taps)
        # Keys 1981, a = -0.75
        near = (1.25 * away - 2.25) * away**2 + 1
        far = ((-0.75 * away + 3.75) * away - 6) * away + 3
        weights = np.where(away <= 1, near, far) if smooth else 1 - away
    rows = np.repeat(np.arange(wanted), taps.shape[1])
    matrix = scipy.sparse.coo_array(
        (weights.ravel(), (rows, taps.clip(0, length - 1).ravel())), shape=(wanted, length)
    ).tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    matrix.data /= np.repeat(np.asarray(matrix.sum(axis=1)).ravel(), np.diff(matrix.indptr))
    return matrix.astype(np.float32)


def _window(
    matrix: scipy.sparse.csr_array, top: int, bottom: int
) -> tuple[slice, scipy.sparse.csr_array]:
    """Rows of a resampling matrix, and the span of input rows that they need."""
    part = matrix[top:bottom]
    span = slice(int(part.indices.min()), int(part.indices.max()) + 1)
    return span, part[:, span]


def tile_side(length: int, overlap_px: int, largest_px: int = LARGEST_TILE_PX) -> int:
    """The side of the tiles, in pixels at 40x, that cover ``length`` pixels: as few tiles as the
    largest side allows, and no larger than needed. It is a multiple of 32 from 224, as the largest
    is; more than ``length`` where one tile suffices.

    Examples:
        >>> tile_side(length=1000, overlap_px=64)
        544
    """
    count = max(1, -(-(length - overlap_px) // (largest_px - overlap_px)))
    side = -(-(length + (count - 1) * overlap_px) // count)
    return max(TILE_PX, -(-side // MULTIPLE_PX) * MULTIPLE_PX)


def _starts(length: int, overlap_px: int, tile_px: int) -> list[int]:
    """First pixel of each tile along a side."""
    last = length - tile_px
    count = 1 + -(-last // (tile_px - overlap_px))
    return [round(i * last / (count - 1)) for i in range(count)] if count > 1 else [0]


def tile_windows(
    length: int, overlap_px: int, tile_px: int = TILE_PX
) -> list[tuple[int, np.ndarray]]:
    """The tiles along one side of an image: the start of each, in order, and the weight of each of
    its pixels, ``(tile_px,) float32``.

    Two neighbours share ``overlap_px``, 0..112, or more. From a tile's end inwards, its weight is 0
    for a quarter of the overlap, because there the network's own padding disturbs it, then rises to
    1 as sin² over half the overlap. At the image's edges, which no neighbour covers, it stays 1.
    The weights of all tiles at a pixel sum to 1.
    """
    last, starts = length - tile_px, _starts(length, overlap_px, tile_px)
    position = np.arange(tile_px) + 0.5
    total, windows = np.zeros(length), []
    for start in starts:
        window = np.ones(tile_px)
        if overlap_px:
            rise = np.clip((position - overlap_px / 4) / (overlap_px / 2), 0, 1)
            ramp = np.sin(rise * np.pi / 2) ** 2
            window = window * ramp if start > 0 else window
            window = window * ramp[::-1] if start < last else window
        windows.append(window)
        total[start : start + tile_px] += window
    return [
        (start, (window / total[start : start + tile_px]).astype(np.float32))
        for start, window in zip(starts, windows, strict=True)
    ]


def tile_layout(
    width: int, height: int, overlap_px: int, at_once_px: int, largest_px: int = LARGEST_TILE_PX
) -> tuple[int, int, int]:
    """Width and height, multiples of 32 from 224, of the tiles that take the least time for an
    image at 40x, and how many are a batch of ``at_once_px``: few pixels twice, and no tile alone
    where that can be avoided. No side is above ``largest_px``, such a multiple too.
    """
    affordable = max(TILE_PX, _BAND_BYTES // (4 * NUM_CLASSES * width) // MULTIPLE_PX * MULTIPLE_PX)
    sides = range(TILE_PX, largest_px + 1, MULTIPLE_PX)
    wides = sorted({tile_side(width, overlap_px, side) for side in sides})
    highs = sorted({tile_side(height, overlap_px, min(side, affordable)) for side in sides})
    best, least = (wides[0], highs[0], 1), np.inf
    for wide in wides:
        across = len(_starts(max(width, wide), overlap_px, wide))
        for high in highs:
            if wide * high > max(at_once_px, TILE_PX**2):
                continue
            together = min(across, max(1, at_once_px // (wide * high)))
            alone = across if together == 1 else across % together == 1
            down = len(_starts(max(height, high), overlap_px, high))
            cost = down * wide * high * (across + _ALONE * alone)
            if cost < least:
                best, least = (wide, high, together), cost
    return best


def blended_rows(
    image: ResampledImage,
    predict: Predict,
    overlap_px: int,
    at_once_px: int,
    largest_px: int,
    on_progress: Callable[[float], None],
) -> Iterator[np.ndarray]:
    """Predict an image at 40x tile by tile, see :func:`tile_layout`, and blend: only one row of
    tiles is held at a time. ``on_progress`` receives the fraction of tiles that are done, 0..1.

    Yields probabilities ``(rows, W, 10) float32`` from top to bottom; each is overwritten
    afterwards.

    Raises:
        ValueError: the network returns probabilities of another shape.
    """
    wide, high, batch = tile_layout(image.width, image.height, overlap_px, at_once_px, largest_px)
    columns, bottom = max(wide, image.width), max(high, image.height)
    down, across = tile_windows(bottom, overlap_px, high), tile_windows(columns, overlap_px, wide)
    band = np.zeros((high, columns, NUM_CLASSES), np.float32)
    for row, (y, window_y) in enumerate(down):
        strip = image.rows(y, y + high, columns)
        for i in range(0, len(across), batch):
            part = across[i : i + batch]
            tiles = np.stack([strip[:, x : x + wide] for x, _ in part])
            predicted = predict(tiles)
            expected = (len(part), high, wide, NUM_CLASSES)
            if predicted.shape != expected:
                raise ValueError(
                    f"Expected a network that gives {expected} for {tiles.shape}. "
                    f"It gave {predicted.shape}."
                )
            for tile, (x, window_x) in zip(predicted, part, strict=True):
                band[:, x : x + wide] += tile * (window_y[:, None] * window_x)[:, :, None]
            on_progress((row * len(across) + i + len(part)) / (len(down) * len(across)))
        # rows that no further tile covers, without the reflection
        ready = down[row + 1][0] - y if row + 1 < len(down) else high
        yield band[: min(ready, image.height - y), : image.width]
        band[: high - ready] = band[ready:].copy()
        band[high - ready :] = 0
