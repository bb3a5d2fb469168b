"""The batches of a training, augmented and cut for the memory and the devices there are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.devices import process
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.augmentation import at_half_size, augmented, four_in_one
from bloodseg_lib.training.config import TrainingConfig

Batch = tuple[np.ndarray, ...]
"""Images ``(B, H, W, 3) uint8``, label maps ``(B, H, W) uint8`` and, where some images only fill a
batch up, sample weights ``(B, 1, 1) float32``.
"""


def batches(
    dataset: Dataset, config: TrainingConfig, epoch: int, done: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch but the first ``done``, a pure function of (seed, epoch)."""
    half_size = epoch <= config.half_size_epochs
    parts = range(4 * epoch - 3, 4 * epoch + 1) if half_size else (epoch,)
    size, per_epoch = config.batch_size, config.images_per_epoch
    orders = (
        dataset.batches("train", size, config.seed, part, images_per_epoch=per_epoch)
        for part in parts
    )
    for number, together in enumerate(zip(*orders, strict=True)):
        if number < done:
            continue
        images, labels = (np.concatenate(values) for values in zip(*together, strict=True))
        if half_size:
            images, labels = at_half_size(images, labels)
        rng = np.random.default_rng([config.seed, epoch, number])
        images, labels = augmented(images, labels, rng, config)
        yield four_in_one(images, labels) if half_size else (images, labels)


def micro_batches(
    images: np.ndarray, labels: np.ndarray, size: int, count: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cut a batch into ``count`` micro-batches of ``size``, the last ones filled up with images of
    weight 0.

    Keras means the loss over a micro-batch, filling included, and the gradients over the
    micro-batches; so an image of a batch of B has weight ``size * count / B``, and the step is that
    of the whole batch.

    Args:
        images: ``(B, H, W, 3) uint8``.
        labels: ``(B, H, W) uint8``.
        size: of a micro-batch, a multiple of the number of devices.
        count: how many; ``size * count`` is at least B.

    Yields:
        Images, label maps and weights ``(size, 1, 1) float32``.

    Examples:
        >>> images, labels = np.zeros((3, 1, 1, 3), np.uint8), np.zeros((3, 1, 1), np.uint8)
        >>> [w.ravel().tolist() for _, _, w in micro_batches(images, labels, size=2, count=3)]
        [[2.0, 2.0], [2.0, 0.0], [0.0, 0.0]]
    """
    weights = np.zeros((size * count, 1, 1), np.float32)
    weights[: len(images)] = size * count / len(images)
    chosen = np.resize(np.arange(len(images)), size * count)
    for start in range(0, size * count, size):
        micro = chosen[start : start + size]
        yield images[micro], labels[micro], weights[start : start + size]


def one_ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches, each made ready in a thread while the one before is learned from.

    TensorFlow's own ``prefetch`` makes them one after the other once it must be deterministic, and
    Keras on JAX has none.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch


class Feed:
    """Batches as Keras takes them, which does not let their errors through as they are.

    Args:
        source: begins the batches, each time anew.
        size: of the micro-batches that all devices take at once; 0: whole batches.
        count: micro-batches a batch.
        even: no batch is shorter than the others.
    """

    def __init__(
        self,
        source: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]],
        size: int,
        count: int,
        even: bool,
    ):
        self._source, self._size, self._count = source, size, count
        self._even = even or bool(size)  # micro-batches are filled up
        self._error: Exception | None = None

    def batches(self) -> Any:
        """For ``fit`` and ``evaluate``; each process gets its part of each batch."""
        if keras.backend.backend() != "tensorflow":
            return self._generate()
        import tensorflow as tf

        # Of a generator Keras takes the number of images as unknown, and the step it compiles then
        # is slower. With a strategy it first reads on to learn the shapes, which takes batches
        # away from a generator; this begins anew.
        shapes = tuple(
            tf.TensorSpec(values.shape if self._even else (None, *values.shape[1:]), values.dtype)
            for values in next(self._generate())
        )
        dataset = tf.data.Dataset.from_generator(self._generate, output_signature=shapes)
        # There is nothing to tune. The thread that would is waited for when the iterator ends: when
        # it misses its call, until its next round, up to a minute later.
        options = tf.data.Options()
        options.autotune.enabled = False
        return dataset.prefetch(2).with_options(options)

    def _generate(self) -> Iterator[Batch]:
        mine, processes = process()
        try:
            for images, labels in one_ahead(self._source()):
                if not self._size:
                    yield images, labels
                    continue
                for micro in micro_batches(images, labels, self._size, self._count):
                    yield tuple(np.split(values, processes)[mine] for values in micro)
        except Exception as error:
            self._error = error
            raise

    @contextlib.contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raise an error of the batches as itself, not as the backend's report of it."""
        try:
            yield
        except Exception as error:
            if self._error is not None and error is not self._error:
                raise self._error from None
            raise
