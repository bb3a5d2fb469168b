"""From a checkpoint to the segmentation of an image of any size: the only code path to a
prediction.

The network has seen 224 x 224 pixels in training, but every layer of it is a convolution: it takes
    any size. An image is covered with overlapping
tiles, as few and as large as memory allows, whose probabilities are blended, so that no seam shows
where one ends; an image smaller than 224 is continued by reflection. Everything goes through in
bands of rows, so that memory grows with the image's width and not with its area. Taught by
``notebooks/04_evaluation.ipynb`` and ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import BACKGROUND, NUM_CLASSES, RBC_DIAMETER_PX
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction.preprocessing import Standard
from bloodseg_lib.prediction.probabilities import PackedProbabilities, chunks_of
from bloodseg_lib.prediction.resampling import At40x
from bloodseg_lib.prediction.scale import Scale, find_scale
from bloodseg_lib.prediction.tiling import (
    LARGEST_TILE_PX,
    MULTIPLE_PX,
    TILE_PX,
    Predict,
    blended_rows,
    tile_side,
    tile_windows,
)

__all__ = [
    "BATCH_SIZE",
    "KEPT_PX",
    "LARGEST_TILE_PX",
    "OVERLAP_PX",
    "TILE_PX",
    "Predict",
    "Segmentation",
    "Segmenter",
    "open_image",
    "over_symmetries",
    "scale_to_40x",
    "segment_image",
    "tile_side",
    "tile_windows",
]

OVERLAP_PX = 64
BATCH_SIZE = 16
KEPT_PX = 2**24
"""The probabilities of images of more pixels than this are packed unless asked for:

they would take 20 bytes a pixel.
"""

_MAPPED_BYTES = 2**26  # files larger than this are memory-mapped where their format allows


@dataclass(frozen=True, eq=False)
class Segmentation:
    """An image with a class for each pixel.

    Attributes:
        labels: ``(H, W) uint8``, of each pixel the id of its most probable class.
        probabilities: ``(H, W, 10) float16``, the network's softmax; over the classes they sum to
            1, up to rounding. ``None`` for large images.
        scale: the factor that brought the image to 40x before the network saw it.
        found: where the scale comes from: given, measured in the image, or assumed.
        packed: the probabilities of a large image in 255ths, packed into a temporary file.
    """

    labels: np.ndarray
    probabilities: np.ndarray | None
    scale: float = 1.0
    found: Scale | None = None
    packed: PackedProbabilities | None = None

    def __post_init__(self) -> None:
        if self.found is None:
            object.__setattr__(
                self, "found", Scale(self.scale, "given", RBC_DIAMETER_PX / self.scale)
            )

    @property
    def known_probabilities(self) -> np.ndarray | PackedProbabilities | None:
        """The probabilities in whichever form there are, for
        :func:`bloodseg_lib.prediction.counts.count_cells`.
        """
        return self.packed if self.probabilities is None else self.probabilities

    @property
    def confidence(self) -> np.ndarray | None:
        """``(H, W) uint8``, the probability of each pixel's class in 255ths, or ``None`` without
        probabilities.
        """
        if self.known_probabilities is None:
            return None
        found = np.empty(self.labels.shape, np.uint8)
        for first, rows in chunks_of(self.known_probabilities):
            found[first : first + len(rows)] = np.rint(rows.max(axis=2).astype(np.float32) * 255)
        return found


class Segmenter:
    """A trained network, ready to segment images of any size.

    Args:
        checkpoint: the weights file of a checkpoint, e.g. ``runs/tutorial/training/best.npz``.
        batch_size: tiles of 224 x 224 that pass through the network at once; of larger tiles as
            many fewer.
        precision: to compute in, see :func:`bloodseg_lib.network.backend.dtype_policy`.
        test_time_augmentation: average over the eight symmetries of a square, see
            :func:`over_symmetries`; takes eight times as long.

    Raises:
        FileNotFoundError, ValueError: the checkpoint is missing, damaged or of another shape.
    """

    def __init__(
        self,
        checkpoint: Path | str,
        batch_size: int = BATCH_SIZE,
        precision: str = "float32",
        *,
        test_time_augmentation: bool = False,
    ):
        # here, so that importing this module does not start TensorFlow
        from bloodseg_lib.network.checkpoint import load_model

        if batch_size < 1:
            raise ValueError(
                f"Segmenter: expected a batch size of at least 1. Received {batch_size}."
            )
        self.checkpoint = Path(checkpoint)
        self.batch_size = batch_size
        self.test_time_augmentation = test_time_augmentation
        self.model, self.sidecar = load_model(self.checkpoint, precision)

    def predict(self, tiles: np.ndarray) -> np.ndarray:
        """Class probabilities of tiles.

        Args:
            tiles: ``(B, H, W, 3) uint8`` RGB at 40x, height and width multiples of 32.

        Returns:
            ``(B, H, W, 10) float32``, softmax over the last axis.
        """
        return (
            over_symmetries(self._predict_once, tiles)
            if self.test_time_augmentation
            else self._predict_once(tiles)
        )

    def _predict_once(self, tiles: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict_on_batch(tiles), np.float32)

    def segment(
        self,
        image: np.ndarray,
        scale: float | Scale | None = None,
        on_progress: Callable[[float], None] | None = None,
        *,
        overlap_px: int = OVERLAP_PX,
        progress: bool = False,
        keep_probabilities: bool | None = None,
        standardize: bool = True,
    ) -> Segmentation:
        """Segment one image; see :func:`segment_image`.

        Without ``scale`` it is measured in the image, see :mod:`bloodseg_lib.prediction.scale`; and
        it is standardized unless told otherwise.
        """
        return segment_image(
            image,
            self.predict,
            scale,
            overlap_px,
            self.batch_size,
            progress,
            keep_probabilities=keep_probabilities,
            on_progress=on_progress,
            standardize=standardize,
        )


def over_symmetries(predict: Predict, tiles: np.ndarray) -> np.ndarray:
    """Test-time augmentation: predict tiles mirrored and turned in all eight ways, turn the
    predictions back and average them.

    A smear has neither top nor left, so each way is as good as the others and their errors partly
    cancel, as nnU-Net and Cellpose do it too.

    Args:
        predict: what predicts tiles once.
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


def scale_to_40x(rbc_diameter_px: float) -> float:
    """The ``scale`` to segment an image with in which a red blood cell measures
    ``rbc_diameter_px``.

    Raises:
        ValueError: a diameter that no picture of cells has, below 2 or above 2000 pixels.
    """
    if not 2 <= rbc_diameter_px <= 2000:
        raise ValueError(
            f"Expected the diameter of a red blood cell in pixels, 2 to 2000. Received {rbc_diameter_px}."
        )
    return RBC_DIAMETER_PX / rbc_diameter_px


def open_image(path: Path | str) -> np.ndarray:
    """An image to segment: read as :func:`bloodseg_lib.io.read_image` does, or memory-mapped where
    that can be done.

    Files above 64 MiB are mapped if they are ``.npy`` or TIFF without compression, ``(H, W, 3)
    uint8`` RGB: the way to segment what does not fit into memory.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it is no image.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy" and path.is_file():
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise ValueError(
                f"{path}: expected an array of NumPy, received another or a damaged file ({error}). Save it again."
            ) from error
    if (
        path.suffix.lower() in (".tif", ".tiff")
        and path.is_file()
        and path.stat().st_size > _MAPPED_BYTES
    ):
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
    scale: float | Scale | None = 1.0,
    overlap_px: int = OVERLAP_PX,
    batch_size: int = BATCH_SIZE,
    progress: bool = False,
    tile_px: int = LARGEST_TILE_PX,
    keep_probabilities: bool | None = None,
    on_progress: Callable[[float], None] | None = None,
    standardize: bool = False,
) -> Segmentation:
    """Segment an image of any size with overlapping tiles.

    The image is brought to 40x with ``scale``, segmented there, and the probabilities are brought
    back to its own size. An image of 224 x 224 at scale 1 is one tile: its result is exactly what
    ``predict`` says.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped.
        predict: tiles to probabilities, see :data:`Predict`.
        scale: factor that brings the image to 40x, where a red blood cell measures 37 pixels; see
            :func:`scale_to_40x`. Or a scale that :func:`bloodseg_lib.prediction.scale.find_scale`
            found in this image before; ``None``: find it now.
        overlap_px: pixels at 40x that neighbouring tiles share at least, 0..112; see
            :func:`tile_windows`.
        batch_size: tiles of 224 x 224 handed to ``predict`` at once; of larger tiles as many fewer.
        progress: show a tqdm bar.
        tile_px: the largest side of a tile, a multiple of 32 from 224.
        keep_probabilities: return them as an array and not packed; ``None``: up to :data:`KEPT_PX`
            pixels.
        on_progress: is told after each batch of tiles the share of them that is done, 0..1.
        standardize: call the dark around the field background, and bring the slide to white, see
            :mod:`bloodseg_lib.prediction.preprocessing`.

    Raises:
        ValueError: an image of another shape or dtype, or a scale, overlap or tile out of range.
    """
    if (
        not isinstance(image, np.ndarray)
        or image.ndim != 3
        or image.shape[2] != 3
        or image.dtype != np.uint8
        or not image.size
    ):
        received = (
            f"{image.shape} {image.dtype}"
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise ValueError(
            f"Expected an image of shape (H, W, 3) and dtype uint8, RGB. Received {received}."
        )
    found = find_scale(image) if scale is None else scale if isinstance(scale, Scale) else None
    scale = found.factor if found else scale
    if not 0.01 <= scale <= 20:
        raise ValueError(
            f"scale: expected the factor that brings the image to 40x, 0.01 to 20. Received {scale}."
        )
    if not 0 <= overlap_px <= TILE_PX // 2:
        raise ValueError(f"overlap_px: expected 0 to {TILE_PX // 2}. Received {overlap_px}.")
    if tile_px < TILE_PX or tile_px % MULTIPLE_PX:
        raise ValueError(
            f"tile_px: expected a multiple of {MULTIPLE_PX}, {TILE_PX} or more. Received {tile_px}."
        )
    height, width = image.shape[:2]
    if keep_probabilities is None:
        keep_probabilities = height * width <= KEPT_PX
    probabilities = (
        np.empty((height, width, NUM_CLASSES), np.float16) if keep_probabilities else None
    )
    packed = None if keep_probabilities else PackedProbabilities(height, width)
    labels = np.empty((height, width), np.uint8)
    standard = Standard.of(image) if standardize else Standard.as_is()
    above, below, left, right = standard.frame
    work = At40x(image[above : height - below, left : width - right], scale, standard.levels)
    with _watched(progress, on_progress) as watch:
        bands = work.bring_back(
            blended_rows(work, predict, overlap_px, batch_size * TILE_PX**2, tile_px, watch)
        )
        for top, rows in _surrounded(bands, standard, height, width):
            bottom = top + len(rows)
            labels[top:bottom] = rows.argmax(axis=2)
            if probabilities is not None:
                probabilities[top:bottom] = rows
            if packed is not None:
                packed.append(rows)
    return Segmentation(labels, probabilities, scale, found, packed)


def _surrounded(
    bands: Iterator[tuple[int, np.ndarray]], standard: Standard, height: int, width: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Bands of probabilities of what lies within the frame, with the frame around them;

    frame and dark surround are background.
    """
    above, below, left, right = standard.frame
    background = np.eye(NUM_CLASSES, dtype=np.float32)[BACKGROUND]
    if above:
        yield 0, np.tile(background, (above, width, 1))
    for top, rows in bands:
        dark = standard.dark_rows(
            top, top + len(rows), height - above - below, width - left - right
        )
        if dark is not None and dark.any():
            rows = np.where(dark[:, :, None], background, rows)
        if left or right:
            rows = np.concatenate(
                [
                    np.tile(background, (len(rows), left, 1)),
                    rows,
                    np.tile(background, (len(rows), right, 1)),
                ],
                axis=1,
            )
        yield above + top, rows
    if below:
        yield height - below, np.tile(background, (below, width, 1))


@contextlib.contextmanager
def _watched(
    progress: bool, on_progress: Callable[[float], None] | None
) -> Iterator[Callable[[float], None]]:
    """Who is told how far it is: ``on_progress`` and, with ``progress``, a tqdm bar."""
    with tqdm(total=100, desc="Segmenting", unit="%", disable=not progress) as bar:

        def told(share: float) -> None:
            bar.update(round(100 * share) - bar.n)
            if on_progress:
                on_progress(share)

        yield told
