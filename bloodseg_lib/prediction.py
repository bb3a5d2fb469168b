"""From a checkpoint to the segmentation of an image of any size: the only code path to a prediction.

The network sees tiles of 224 x 224. A larger image is covered with overlapping tiles whose probabilities are blended, so that no seam shows
where one ends; a smaller one is continued by reflection. Taught by ``notebooks/04_evaluation.ipynb`` and ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import NUM_CLASSES, RBC_DIAMETER_PX

TILE_PX = 224
OVERLAP_PX = 64
BATCH_SIZE = 8

Predict = Callable[[np.ndarray], np.ndarray]
"""What turns tiles ``(B, 224, 224, 3) uint8`` RGB into class probabilities ``(B, 224, 224, 10)``."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """An image with a class for each pixel.

    Attributes:
        labels: ``(H, W) uint8``, of each pixel the id of its most probable class.
        probabilities: ``(H, W, 10) float16``, the network's softmax; over the classes they sum to 1, up to rounding.
        scale: the factor that brought the image to 40x before the network saw it.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    scale: float = 1.0


class Segmenter:
    """A trained network, ready to segment images of any size.

    Args:
        checkpoint: the weights file of a checkpoint, e.g. ``runs/tutorial/training/best.npz``.
        batch_size: tiles that pass through the network at once.
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
            tiles: ``(B, 224, 224, 3) uint8`` RGB at 40x.

        Returns:
            ``(B, 224, 224, 10) float32``, softmax over the last axis.
        """
        return np.asarray(self.model.predict_on_batch(tiles), np.float32)

    def segment(self, image: np.ndarray, scale: float = 1.0, overlap_px: int = OVERLAP_PX, progress: bool = False) -> Segmentation:
        """Segment one image; see :func:`segment_image`."""
        return segment_image(image, self.predict, scale, overlap_px, self.batch_size, progress)


def scale_to_40x(rbc_diameter_px: float) -> float:
    """The ``scale`` to segment an image with in which a red blood cell measures ``rbc_diameter_px``.

    Raises:
        ValueError: a diameter that no picture of cells has, below 2 or above 2000 pixels.
    """
    if not 2 <= rbc_diameter_px <= 2000:
        raise ValueError(f"Expected the diameter of a red blood cell in pixels, 2 to 2000. Received {rbc_diameter_px}.")
    return RBC_DIAMETER_PX / rbc_diameter_px


def segment_image(
    image: np.ndarray,
    predict: Predict,
    scale: float = 1.0,
    overlap_px: int = OVERLAP_PX,
    batch_size: int = BATCH_SIZE,
    progress: bool = False,
) -> Segmentation:
    """Segment an image of any size with overlapping tiles.

    The image is brought to 40x with ``scale``, segmented there, and the probabilities are brought back to its own size. An image of
    224 x 224 at scale 1 is one tile: its result is exactly what ``predict`` says.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        predict: tiles to probabilities, see :data:`Predict`.
        scale: factor that brings the image to 40x, where a red blood cell measures 37 pixels; see :func:`scale_to_40x`.
        overlap_px: pixels at 40x that neighbouring tiles share at least, 0..112; see :func:`tile_windows`.
        batch_size: tiles handed to ``predict`` at once.
        progress: show a tqdm bar over the rows of tiles.

    Raises:
        ValueError: an image of another shape or dtype, or a scale or overlap out of range.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        received = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"Expected an image of shape (H, W, 3) and dtype uint8, RGB. Received {received}.")
    if not 0.01 <= scale <= 20:
        raise ValueError(f"scale: expected the factor that brings the image to 40x, 0.01 to 20. Received {scale}.")
    if not 0 <= overlap_px <= TILE_PX // 2:
        raise ValueError(f"overlap_px: expected 0 to {TILE_PX // 2}. Received {overlap_px}.")
    height, width = image.shape[:2]
    if scale != 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    work_height, work_width = image.shape[:2]
    missing = [(0, max(0, TILE_PX - side)) for side in (work_height, work_width)]
    image = np.pad(image, [*missing, (0, 0)], mode="reflect")
    probabilities = np.empty((work_height, work_width, NUM_CLASSES), np.float16)
    labels = np.empty((work_height, work_width), np.uint8)
    for top, rows in _blended_rows(image, predict, overlap_px, batch_size, progress):
        rows = rows[: max(0, work_height - top), :work_width]  # without the reflection
        probabilities[top : top + len(rows)] = rows
        labels[top : top + len(rows)] = rows.argmax(axis=2)
    if scale != 1.0:
        # Probabilities are interpolated and the labels taken from them; a label map itself is never interpolated.
        back = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_AREA
        full = cv2.resize(probabilities.astype(np.float32), (width, height), interpolation=back)
        probabilities, labels = full.astype(np.float16), full.argmax(axis=2).astype(np.uint8)
    return Segmentation(labels, probabilities, scale)


def tile_windows(length: int, overlap_px: int) -> list[tuple[int, np.ndarray]]:
    """Where tiles start along one side of an image, and how much each counts there.

    Two neighbours share ``overlap_px`` pixels or more. From a tile's end inwards, its weight is 0 for a quarter of the overlap, because there
    the network's own padding disturbs it, then rises to 1 as sin² over half the overlap. At the image's edges, where no neighbour
    takes over, it stays 1. The weights of all tiles at a pixel sum to 1.

    Args:
        length: pixels of the side, at least 224.
        overlap_px: 0..112.

    Returns:
        start and window ``(224,) float32`` of each tile, in order.
    """
    last = length - TILE_PX
    count = 1 + -(-last // (TILE_PX - overlap_px))
    starts = [round(i * last / (count - 1)) for i in range(count)] if count > 1 else [0]
    position = np.arange(TILE_PX) + 0.5
    total = np.zeros(length, np.float64)
    windows = []
    for start in starts:
        window = np.ones(TILE_PX)
        if overlap_px:
            ramp = np.sin(np.clip((position - overlap_px / 4) / (overlap_px / 2), 0, 1) * np.pi / 2) ** 2
            window = window * ramp if start > 0 else window
            window = window * ramp[::-1] if start < last else window
        windows.append(window)
        total[start : start + TILE_PX] += window
    return [(start, (window / total[start : start + TILE_PX]).astype(np.float32)) for start, window in zip(starts, windows, strict=True)]


def _blended_rows(image: np.ndarray, predict: Predict, overlap_px: int, batch_size: int, progress: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(first row, probabilities (rows, W, 10) float32)`` from top to bottom: only one row of tiles is held at a time."""
    down, across = tile_windows(image.shape[0], overlap_px), tile_windows(image.shape[1], overlap_px)
    band = np.zeros((TILE_PX, image.shape[1], NUM_CLASSES), np.float32)
    for row, (y, window_y) in enumerate(tqdm(down, desc="Segmenting", unit="row", disable=not progress)):
        for i in range(0, len(across), batch_size):
            part = across[i : i + batch_size]
            tiles = np.stack([image[y : y + TILE_PX, x : x + TILE_PX] for x, _ in part])
            found = predict(tiles)
            if found.shape != (len(part), TILE_PX, TILE_PX, NUM_CLASSES):
                raise ValueError(
                    f"Expected a network that gives {(len(part), TILE_PX, TILE_PX, NUM_CLASSES)} for {tiles.shape}. It gave {found.shape}."
                )
            for tile, (x, window_x) in zip(found, part, strict=True):
                band[:, x : x + TILE_PX] += tile * (window_y[:, None] * window_x)[:, :, None]
        ready = down[row + 1][0] - y if row + 1 < len(down) else TILE_PX  # rows that no further tile touches
        yield y, band[:ready].copy()
        band[: TILE_PX - ready] = band[ready:]
        band[TILE_PX - ready :] = 0
