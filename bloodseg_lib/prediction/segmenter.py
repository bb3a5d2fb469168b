"""From a checkpoint to the segmentation of an image of any size, the only path to a prediction.

Every layer of the network is a convolution, which takes any size. An image is covered with
overlapping tiles, as few and as large as memory allows, whose probabilities are blended, so that no
seam shows; one smaller than 224 x 224 is continued by reflection. All is computed in bands of rows:
memory grows with the image's width alone.
Taught by ``notebooks/04_evaluation.ipynb`` and ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.config import Config
from bloodseg_lib.network.cell_view import VIEWS, companion
from bloodseg_lib.network.inference import load_network
from bloodseg_lib.network.pretrained import checkpoint_path
from bloodseg_lib.network.single_cell import SingleCellNetwork
from bloodseg_lib.prediction.anatomy import mend_cells
from bloodseg_lib.prediction.journal import file_digest
from bloodseg_lib.prediction.preprocessing import Correction, Preprocessing
from bloodseg_lib.prediction.probabilities import label_map_and_probabilities, over_symmetries
from bloodseg_lib.prediction.rim import trim_white_cells
from bloodseg_lib.prediction.scale import Scale, by_white_cell, find_scale
from bloodseg_lib.prediction.second_look import look_again
from bloodseg_lib.prediction.tiling import (
    LARGEST_TILE_PX,
    MULTIPLE_PX,
    TILE_PX,
    Predict,
    ResampledImage,
    blended_rows,
)
from bloodseg_lib.prediction.writing import burnt_in, without_writing

KEPT_PX = 2**22
"""Probabilities of images of more pixels than this are kept on disk unless asked for otherwise: in
memory they would take 20 bytes a pixel.
"""


@dataclass(frozen=True)
class PredictionConfig(Config):
    """The options of a prediction.

    Attributes:
        overlap_px: least overlap of neighbouring tiles at 40x, 0..112; see
            :func:`bloodseg_lib.prediction.tiling.tile_windows`.
        batch_size: in tiles of 224 x 224; fewer of larger ones.
        tile_px: the largest side of a tile, a multiple of 32 from 224.
        keep_probabilities: keep them in memory (True) or in a temporary file (False); None: in
            memory up to :data:`KEPT_PX` pixels.
        preprocess: remove the dark border and make the background white, see
            :mod:`bloodseg_lib.prediction.preprocessing`.
        reference_stain: bring the stain of the red cells to a reference too, see the same.
        test_time_augmentation: average over the eight symmetries of a square, in eight times the
            time, see :func:`bloodseg_lib.prediction.probabilities.over_symmetries`.
        second_look: where the network has others beside it that look at single cells, ask them,
            see :mod:`bloodseg_lib.prediction.anatomy` and ``second_look`` beside it.
        precision, engine: of the network, see :func:`bloodseg_lib.network.inference.load_network`.

    Examples:
        >>> PredictionConfig(overlap_px=200)
        Traceback (most recent call last):
        ValueError: PredictionConfig.overlap_px: expected 0 to 112. Received 200.
    """

    overlap_px: int = 64
    batch_size: int = 8
    tile_px: int = LARGEST_TILE_PX
    keep_probabilities: bool | None = None
    preprocess: bool = True
    reference_stain: bool = True
    test_time_augmentation: bool = False
    second_look: bool = True
    precision: str = "float32"
    engine: str = "auto"

    def check(self) -> None:
        self.expect(0 <= self.overlap_px <= TILE_PX // 2, "overlap_px", f"0 to {TILE_PX // 2}")
        self.expect(self.batch_size >= 1, "batch_size", "at least 1")
        self.expect(
            self.tile_px >= TILE_PX and self.tile_px % MULTIPLE_PX == 0,
            "tile_px",
            f"a multiple of {MULTIPLE_PX}, {TILE_PX} or more",
        )


@dataclass(frozen=True, eq=False)
class Segmentation:
    """An image with a class for each pixel.

    Attributes:
        labels: ``(H, W) uint8``, the id of the most probable class of each pixel.
        probabilities: ``(H, W, 10) float16``, the network's softmax; over the classes they sum to
            1, up to rounding. Of a large image ``uint8``, in 255ths, in a temporary file.
        scale: that the image was resampled to 40x with.
        preprocessing: that the network saw it after.
        written: ``(H, W) bool``, where something is burnt into the image; the network saw it filled
            with what is around. None: nowhere.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    scale: Scale
    preprocessing: Preprocessing = field(default_factory=Preprocessing.none)
    written: np.ndarray | None = None

    @property
    def confidence(self) -> np.ndarray:
        """``(H, W) uint8``, the probability of each pixel's class in 255ths."""
        highest = self.probabilities.max(axis=2)
        if highest.dtype != np.uint8:
            highest = np.rint(highest.astype(np.float32) * 255).astype(np.uint8)
        return highest

    def of_file(self, pixel_um: float | None) -> Segmentation:
        """The same, with the micrometres of a pixel that the image's file tells."""
        return replace(self, scale=replace(self.scale, file_um=pixel_um))


class Segmenter:
    """A trained network, ready to segment images of any size; of several threads one at a time.
    Where it is unpickled, the checkpoint is read again.

    Args:
        checkpoint: the weights file of a checkpoint, e.g. ``runs/tutorial/training/best.npz``, or
            ``"released"``, the network that comes with the package.
        config: the options; the defaults if not given.

    Raises:
        FileNotFoundError, ValueError: the checkpoint is missing, damaged or of another shape.
    """

    def __init__(self, checkpoint: Path | str = "released", config: PredictionConfig | None = None):
        self.checkpoint = checkpoint_path(checkpoint)
        self.config = config or PredictionConfig()
        self._alone = threading.RLock()  # a network computes for one at a time
        self.network = load_network(self.checkpoint, self.config.precision, self.config.engine)
        self.single_cells = [
            SingleCellNetwork(path, view)
            for view in VIEWS
            if self.config.second_look and (path := companion(self.checkpoint, view)).is_file()
        ]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.checkpoint, self.config)

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """What tells this segmenter from others, for JSON: digest of the weights, and options."""
        views = [network.view for network in self.single_cells]
        return {
            "network": file_digest(self.checkpoint.with_suffix(".npz")),
            **{view.name: file_digest(companion(self.checkpoint, view)) for view in views},
            "options": self.config.to_dict(),
        }

    def predict(self, tiles: np.ndarray) -> np.ndarray:
        """Class probabilities of tiles.

        Args:
            tiles: ``(B, H, W, 3) uint8`` RGB at 40x, height and width multiples of 32.

        Returns:
            ``(B, H, W, 10) float32``, softmax over the last axis.
        """
        with self._alone:
            if self.config.test_time_augmentation:
                return over_symmetries(self.network.predict, tiles)
            return self.network.predict(tiles)

    def segment(
        self,
        image: np.ndarray,
        scale: Scale | None = None,
        *,
        progress: bool = False,
        on_progress: Callable[[float], None] | None = None,
    ) -> Segmentation:
        """Segment one image, see :func:`segment_image`, and look at its cells again."""
        with self._alone:
            found = segment_image(
                image, self.predict, scale, self.config, progress=progress, on_progress=on_progress
            )
            self.network.release()
            prepared = found.preprocessing
            looked = prepared.correction.applied(image), found.labels, found.probabilities
            if self.single_cells:
                mend_cells(*looked, found.scale, prepared, found.written)
                look_again(*looked, found.scale, prepared.levels, self.single_cells)
                trim_white_cells(*looked, found.scale, prepared.levels)
            for network in self.single_cells:
                network.release()
        return found


def segment_image(
    image: np.ndarray,
    predict: Predict,
    scale: Scale | None = None,
    config: PredictionConfig | None = None,
    *,
    progress: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Segmentation:
    """Segment an image of any size with overlapping tiles.

    It is resampled to 40x, segmented there, and the probabilities are resampled back to its size.
    An image of 224 x 224 at scale 1 is one tile: its result is exactly the output of ``predict``.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped.
        predict: tiles to probabilities, see :data:`bloodseg_lib.prediction.tiling.Predict`.
        scale: of the image; None: measure it. One that nobody gave gives way to the white cell of a
            close-up, see :func:`bloodseg_lib.prediction.scale.by_white_cell`.
        config: the options; the defaults if not given.
        progress: show a tqdm bar.
        on_progress: called after each batch of tiles with the fraction that is done, 0..1.

    Raises:
        ValueError: an image of another shape or dtype, no scale, or a network that returns another
            shape.

    Examples:
        >>> def background(tiles):
        ...     return np.tile(np.eye(10, dtype=np.float32)[0], (*tiles.shape[:3], 1))
        >>> image = np.full((30, 50, 3), 240, np.uint8)
        >>> segment_image(image, background, Scale.of_factor(1)).labels.shape
        (30, 50)
    """
    config, (height, width) = config or PredictionConfig(), _checked_image(image).shape[:2]
    if not isinstance(scale, Scale | None):
        raise ValueError(
            "Expected a scale: Scale.given(diameter of a red cell in pixels), Scale.of_factor(f), "
            f"or None to measure it. Received {scale!r}."
        )
    correction = Correction.of(image) if config.preprocess else Correction()
    corrected, keep = correction.applied(image), config.keep_probabilities
    on_disk = height * width > KEPT_PX if keep is None else not keep

    def at(scale: Scale, progress: bool) -> Segmentation:
        seen, preparation, written = corrected, Preprocessing.none(), None
        if config.preprocess:
            preparation = Preprocessing.of(seen, scale.factor, config.reference_stain)
            preparation = replace(preparation, correction=correction)
            written = burnt_in(seen, preparation.outside)
            seen = seen if written is None else without_writing(seen, written)
        resampled = ResampledImage(
            preparation.within_border(seen), scale.factor, preparation.levels
        )
        at_once_px = config.batch_size * TILE_PX**2
        with _progress(progress, on_progress) as advance:
            bands = blended_rows(
                resampled, predict, config.overlap_px, at_once_px, config.tile_px, advance
            )
            bands = preparation.with_border(resampled.resampled_back(bands), height, width)
            labels, probabilities = label_map_and_probabilities(bands, height, width, on_disk)
        return Segmentation(labels, probabilities, scale, preparation, written)

    found = at(scale or find_scale(corrected), progress)
    while not on_disk and (closer := by_white_cell(found.scale, found.labels)):
        found = at(closer, progress=False)
    return found


def _checked_image(image: np.ndarray) -> np.ndarray:
    is_array = isinstance(image, np.ndarray)
    is_rgb = is_array and image.ndim == 3 and image.shape[2] == 3
    if is_rgb and image.size and image.dtype == np.uint8:
        return image
    received = f"{image.shape} {image.dtype}" if is_array else type(image).__name__
    raise ValueError(
        f"Expected an image of shape (H, W, 3) and dtype uint8, RGB. Received {received}. "
        "bloodseg_lib.io.read_image reads any picture's file so."
    )


@contextlib.contextmanager
def _progress(
    progress: bool, on_progress: Callable[[float], None] | None
) -> Iterator[Callable[[float], None]]:
    """A function that advances a tqdm bar, with ``progress``, and calls ``on_progress``."""
    with tqdm(total=100, desc="Segmenting", unit="%", disable=not progress) as bar:

        def advance(fraction: float) -> None:
            bar.update(round(100 * fraction) - bar.n)
            if on_progress:
                on_progress(fraction)

        yield advance
