"""From a checkpoint to the segmentation of an image of any size: the only code path to a prediction.

The network has seen 224 x 224 pixels in training, but every layer of it is a convolution: it takes any size. An image is covered with overlapping
tiles, as few and as large as memory allows, whose probabilities are blended, so that no seam shows where one ends; an image smaller than 224 is
continued by reflection. Everything goes through in bands of rows, so that memory grows with the image's width and not with its area.
Taught by ``notebooks/04_evaluation.ipynb`` and ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy import sparse
from tqdm.auto import tqdm

from bloodseg_lib.classes import NUM_CLASSES, RBC_DIAMETER_PX
from bloodseg_lib.files import read_image
from bloodseg_lib.scale import Scale, find_scale

TILE_PX = 224
LARGEST_TILE_PX = 896
OVERLAP_PX = 64
BATCH_SIZE = 8
KEPT_PX = 2**24
"""Images of more pixels than this come back without probabilities unless asked for: they would take 20 bytes a pixel."""

_MULTIPLE_PX = 32  # of a tile's sides: what networks of up to six levels need
_BAND_BYTES = 2**28  # of the probabilities of one row of tiles
_CHUNK_ROWS = 64
_MAPPED_BYTES = 2**26  # files larger than this are memory-mapped where their format allows

Predict = Callable[[np.ndarray], np.ndarray]
"""What turns tiles ``(B, H, W, 3) uint8`` RGB, whose sides are multiples of 32, into class probabilities ``(B, H, W, 10)``."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """An image with a class for each pixel.

    Attributes:
        labels: ``(H, W) uint8``, of each pixel the id of its most probable class.
        probabilities: ``(H, W, 10) float16``, the network's softmax; over the classes they sum to 1, up to rounding. ``None`` for large images.
        scale: the factor that brought the image to 40x before the network saw it.
        confidence: ``(H, W) uint8``, the probability of the pixel's class in 255ths; taken from ``probabilities`` if not given.
        found: where the scale comes from: given, measured in the image, or assumed.
    """

    labels: np.ndarray
    probabilities: np.ndarray | None
    scale: float = 1.0
    confidence: np.ndarray | None = None
    found: Scale | None = None

    def __post_init__(self) -> None:
        if self.confidence is None and self.probabilities is not None:
            object.__setattr__(self, "confidence", _in_255ths(self.probabilities.max(axis=2)))
        if self.found is None:
            object.__setattr__(self, "found", Scale(self.scale, "given", RBC_DIAMETER_PX / self.scale))


class Segmenter:
    """A trained network, ready to segment images of any size.

    Args:
        checkpoint: the weights file of a checkpoint, e.g. ``runs/tutorial/training/best.npz``.
        batch_size: tiles of 224 x 224 that pass through the network at once; of larger tiles as many fewer.
        precision: to compute in, see :func:`bloodseg_lib.device.dtype_policy`.

    Raises:
        FileNotFoundError, ValueError: the checkpoint is missing, damaged or of another shape.
    """

    def __init__(self, checkpoint: Path | str, batch_size: int = BATCH_SIZE, precision: str = "float32"):
        from bloodseg_lib.checkpoint import load_model  # here, so that importing this module does not start TensorFlow

        if batch_size < 1:
            raise ValueError(f"Segmenter: expected a batch size of at least 1. Received {batch_size}.")
        self.checkpoint = Path(checkpoint)
        self.batch_size = batch_size
        self.model, self.sidecar = load_model(self.checkpoint, precision)

    def predict(self, tiles: np.ndarray) -> np.ndarray:
        """Class probabilities of tiles.

        Args:
            tiles: ``(B, H, W, 3) uint8`` RGB at 40x, height and width multiples of 32.

        Returns:
            ``(B, H, W, 10) float32``, softmax over the last axis.
        """
        return np.asarray(self.model.predict_on_batch(tiles), np.float32)

    def segment(
        self,
        image: np.ndarray,
        scale: float | None = None,
        overlap_px: int = OVERLAP_PX,
        progress: bool = False,
        keep_probabilities: bool | None = None,
    ) -> Segmentation:
        """Segment one image; see :func:`segment_image`. Without ``scale`` it is measured in the image, see :mod:`bloodseg_lib.scale`."""
        return segment_image(image, self.predict, scale, overlap_px, self.batch_size, progress, keep_probabilities=keep_probabilities)


def scale_to_40x(rbc_diameter_px: float) -> float:
    """The ``scale`` to segment an image with in which a red blood cell measures ``rbc_diameter_px``.

    Raises:
        ValueError: a diameter that no picture of cells has, below 2 or above 2000 pixels.
    """
    if not 2 <= rbc_diameter_px <= 2000:
        raise ValueError(f"Expected the diameter of a red blood cell in pixels, 2 to 2000. Received {rbc_diameter_px}.")
    return RBC_DIAMETER_PX / rbc_diameter_px


def open_image(path: Path | str) -> np.ndarray:
    """An image to segment: read as :func:`bloodseg_lib.files.read_image` does, or memory-mapped where that can be done.

    Files above 64 MiB are mapped if they are ``.npy`` or TIFF without compression, ``(H, W, 3) uint8`` RGB: the way to segment what does not fit into memory.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it is no image.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy" and path.is_file():
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise ValueError(f"{path}: expected an array of NumPy, received another or a damaged file ({error}). Save it again.") from error
    if path.suffix.lower() in (".tif", ".tiff") and path.is_file() and path.stat().st_size > _MAPPED_BYTES:
        import tifffile

        try:
            mapped = tifffile.memmap(path, mode="r")
        except (ValueError, OSError):  # compressed, or not TIFF: then it is decoded
            return read_image(path)
        if mapped.ndim == 3 and mapped.shape[2] == 3 and mapped.dtype == np.uint8:
            return mapped
    return read_image(path)


def segment_image(
    image: np.ndarray,
    predict: Predict,
    scale: float | None = 1.0,
    overlap_px: int = OVERLAP_PX,
    batch_size: int = BATCH_SIZE,
    progress: bool = False,
    tile_px: int = LARGEST_TILE_PX,
    keep_probabilities: bool | None = None,
) -> Segmentation:
    """Segment an image of any size with overlapping tiles.

    The image is brought to 40x with ``scale``, segmented there, and the probabilities are brought back to its own size. An image of
    224 x 224 at scale 1 is one tile: its result is exactly what ``predict`` says.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped.
        predict: tiles to probabilities, see :data:`Predict`.
        scale: factor that brings the image to 40x, where a red blood cell measures 37 pixels; see :func:`scale_to_40x`. ``None``: measure it.
        overlap_px: pixels at 40x that neighbouring tiles share at least, 0..112; see :func:`tile_windows`.
        batch_size: tiles of 224 x 224 handed to ``predict`` at once; of larger tiles as many fewer.
        progress: show a tqdm bar over the rows of tiles.
        tile_px: the largest side of a tile, a multiple of 32 from 224.
        keep_probabilities: return them all; ``None``: up to :data:`KEPT_PX` pixels.

    Raises:
        ValueError: an image of another shape or dtype, or a scale, overlap or tile out of range.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        received = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"Expected an image of shape (H, W, 3) and dtype uint8, RGB. Received {received}.")
    found = find_scale(image) if scale is None else None
    scale = found.factor if found else scale
    if not 0.01 <= scale <= 20:
        raise ValueError(f"scale: expected the factor that brings the image to 40x, 0.01 to 20. Received {scale}.")
    if not 0 <= overlap_px <= TILE_PX // 2:
        raise ValueError(f"overlap_px: expected 0 to {TILE_PX // 2}. Received {overlap_px}.")
    if tile_px < TILE_PX or tile_px % _MULTIPLE_PX:
        raise ValueError(f"tile_px: expected a multiple of {_MULTIPLE_PX}, {TILE_PX} or more. Received {tile_px}.")
    height, width = image.shape[:2]
    if keep_probabilities is None:
        keep_probabilities = height * width <= KEPT_PX
    probabilities = np.empty((height, width, NUM_CLASSES), np.float16) if keep_probabilities else None
    labels, confidence = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
    work = _At40x(image, scale)
    for top, rows in work.bring_back(_blended_rows(work, predict, overlap_px, batch_size, progress, tile_px)):
        bottom = top + len(rows)
        labels[top:bottom] = rows.argmax(axis=2)
        confidence[top:bottom] = _in_255ths(rows.max(axis=2))
        if probabilities is not None:
            probabilities[top:bottom] = rows
    return Segmentation(labels, probabilities, scale, confidence, found)


def _in_255ths(probabilities: np.ndarray) -> np.ndarray:
    return np.rint(probabilities.astype(np.float32) * 255).astype(np.uint8)


def tile_side(length: int, overlap_px: int, largest_px: int = LARGEST_TILE_PX) -> int:
    """The side of the tiles that cover ``length`` pixels: as few tiles as the largest allows, and no larger than these need to be.

    Args:
        length: pixels of the image's side, at 40x.
        overlap_px: that two neighbours share at least.
        largest_px: a multiple of 32 from 224.

    Returns:
        a multiple of 32 from 224; more than ``length`` where one tile suffices.
    """
    count = max(1, -(-(length - overlap_px) // (largest_px - overlap_px)))
    side = -(-(length + (count - 1) * overlap_px) // count)
    return max(TILE_PX, -(-side // _MULTIPLE_PX) * _MULTIPLE_PX)


def tile_windows(length: int, overlap_px: int, tile_px: int = TILE_PX) -> list[tuple[int, np.ndarray]]:
    """Where tiles start along one side of an image, and how much each counts there.

    Two neighbours share ``overlap_px`` pixels or more. From a tile's end inwards, its weight is 0 for a quarter of the overlap, because there
    the network's own padding disturbs it, then rises to 1 as sin² over half the overlap. At the image's edges, where no neighbour
    takes over, it stays 1. The weights of all tiles at a pixel sum to 1.

    Args:
        length: pixels of the side, at least ``tile_px``.
        overlap_px: 0..112.
        tile_px: the side of a tile.

    Returns:
        start and window ``(tile_px,) float32`` of each tile, in order.
    """
    last = length - tile_px
    count = 1 + -(-last // (tile_px - overlap_px))
    starts = [round(i * last / (count - 1)) for i in range(count)] if count > 1 else [0]
    position = np.arange(tile_px) + 0.5
    total = np.zeros(length, np.float64)
    windows = []
    for start in starts:
        window = np.ones(tile_px)
        if overlap_px:
            ramp = np.sin(np.clip((position - overlap_px / 4) / (overlap_px / 2), 0, 1) * np.pi / 2) ** 2
            window = window * ramp if start > 0 else window
            window = window * ramp[::-1] if start < last else window
        windows.append(window)
        total[start : start + tile_px] += window
    return [(start, (window / total[start : start + tile_px]).astype(np.float32)) for start, window in zip(starts, windows, strict=True)]


class _At40x:
    """An image as it would be at 40x, made band by band: at no time is all of it there."""

    def __init__(self, image: np.ndarray, scale: float):
        self.image = image
        self.height, self.width = (max(1, round(side * scale)) for side in image.shape[:2])
        self.same = (self.height, self.width) == image.shape[:2]
        self._there = None if self.same else _resampling(image.shape[0], self.height, smooth=True)
        self._across = cv2.INTER_AREA if self.width < image.shape[1] else cv2.INTER_CUBIC

    def rows(self, top: int, bottom: int, columns: int) -> np.ndarray:
        """Rows of the image at 40x, ``(bottom - top, columns, 3) uint8``, continued by reflection to the right and below."""
        end = min(bottom, self.height)
        if self._there is None:
            part = np.ascontiguousarray(self.image[top:end])
        else:
            needed, weights = _window(self._there, top, end)
            source = self.image[needed]
            part = (weights @ source.reshape(len(source), -1).astype(np.float32)).reshape(end - top, -1, 3)
            part = cv2.resize(part, (self.width, end - top), interpolation=self._across)
            part = np.clip(part + 0.5, 0, 255).astype(np.uint8)
        return np.pad(part, [(0, bottom - end), (0, columns - self.width), (0, 0)], mode="reflect")

    def bring_back(self, bands: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        """Turn bands of rows at 40x into bands of rows of the image. Probabilities are interpolated; a label map never is."""
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
            ready = int(np.searchsorted(last_needed, top + len(band)))  # rows of the image that need no row to come
            for first in range(done, ready, _CHUNK_ROWS):
                end = min(first + _CHUNK_ROWS, ready)
                needed, weights = _window(back, first, end)
                part = held[needed.start - start : needed.stop - start]
                part = (weights @ part.reshape(len(part), -1)).reshape(end - first, self.width, NUM_CLASSES)
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
    return np.concatenate([cv2.resize(part, (width, len(rows)), interpolation=cv2.INTER_AREA) for part in parts], axis=2)


def _resampling(here: int, there: int, smooth: bool) -> sparse.csr_array:
    """The matrix ``(there, here) float32`` that resamples a column: area averages to shrink, cubic (``smooth``) or linear interpolation to enlarge.

    As OpenCV's resize does it, but row by row: what a band becomes does not depend on where it was cut.
    """
    step = here / there
    if there < here:
        left = np.arange(there) * step
        taps = np.floor(left).astype(int)[:, None] + np.arange(int(np.ceil(step)) + 1)
        weights = np.clip(np.minimum(taps + 1, left[:, None] + step) - np.maximum(taps, left[:, None]), 0, None)
    else:
        middle = (np.arange(there) + 0.5) * step - 0.5
        taps = np.floor(middle).astype(int)[:, None] + (np.arange(-1, 3) if smooth else np.arange(2))
        away = np.abs(middle[:, None] - taps)
        near, far = (1.25 * away - 2.25) * away**2 + 1, ((-0.75 * away + 3.75) * away - 6) * away + 3  # Keys 1981, a = -0.75
        weights = np.where(away <= 1, near, far) if smooth else 1 - away
    rows = np.repeat(np.arange(there), taps.shape[1])
    matrix = sparse.coo_array((weights.ravel(), (rows, taps.clip(0, here - 1).ravel())), shape=(there, here)).tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    matrix.data /= np.repeat(np.asarray(matrix.sum(axis=1)).ravel(), np.diff(matrix.indptr))
    return matrix.astype(np.float32)


def _window(matrix: sparse.csr_array, top: int, bottom: int) -> tuple[slice, sparse.csr_array]:
    """Rows of a resampling matrix, and the span of input rows that they need."""
    part = matrix[top:bottom]
    span = slice(int(part.indices.min()), int(part.indices.max()) + 1)
    return span, part[:, span]


def _blended_rows(
    work: _At40x, predict: Predict, overlap_px: int, batch_size: int, progress: bool, largest_px: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(first row, probabilities (rows, W, 10) float32)`` from top to bottom: only one row of tiles is held at a time."""
    wide = tile_side(work.width, overlap_px, largest_px)
    affordable = _BAND_BYTES // (4 * NUM_CLASSES * work.width) // _MULTIPLE_PX * _MULTIPLE_PX
    high = tile_side(work.height, overlap_px, max(TILE_PX, min(largest_px, affordable)))
    columns, bottom = max(wide, work.width), max(high, work.height)
    down, across = tile_windows(bottom, overlap_px, high), tile_windows(columns, overlap_px, wide)
    together = max(1, batch_size * TILE_PX**2 // (wide * high))
    band = np.zeros((high, columns, NUM_CLASSES), np.float32)
    for row, (y, window_y) in enumerate(tqdm(down, desc="Segmenting", unit="row", disable=not progress)):
        strip = work.rows(y, y + high, columns)
        for i in range(0, len(across), together):
            part = across[i : i + together]
            tiles = np.stack([strip[:, x : x + wide] for x, _ in part])
            found = predict(tiles)
            if found.shape != (len(part), high, wide, NUM_CLASSES):
                raise ValueError(f"Expected a network that gives {(len(part), high, wide, NUM_CLASSES)} for {tiles.shape}. It gave {found.shape}.")
            for tile, (x, window_x) in zip(found, part, strict=True):
                band[:, x : x + wide] += tile * (window_y[:, None] * window_x)[:, :, None]
        ready = down[row + 1][0] - y if row + 1 < len(down) else high  # rows that no further tile touches
        yield y, band[: min(ready, work.height - y), : work.width]  # without the reflection; it is used before the next row is begun
        band[: high - ready] = band[ready:].copy()
        band[high - ready :] = 0
