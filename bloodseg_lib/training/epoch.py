"""One epoch of a training: the batches, what is learnt of them within the memory there is, and its
validation.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import NUM_CLASSES
from bloodseg_lib.network.backend import is_out_of_memory, keras, process
from bloodseg_lib.network.checkpoint import broken_variables, set_state, state_of
from bloodseg_lib.network.metrics import Scores, confusion_matrix, scores
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.augmentation import augmented
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.steps import Steps


@dataclass(frozen=True)
class Run:
    """What every epoch of a training works with; ``latest`` is named in errors, as what is left."""

    dataset: Dataset
    config: TrainingConfig
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    steps: Steps
    latest: Path
    progress: bool


@dataclass(frozen=True)
class Epoch:
    """What an epoch gave:

    means over the training images, scores of the validation split, and the time of its training
    part.
    """

    loss: float
    accuracy: float
    training_s: float
    validation: Scores
    valid_loss: float


def epoch_within_memory(run: Run, epoch: int, parts: int) -> tuple[Epoch, int]:
    """One epoch, each batch in ``parts`` parts, or begun again in twice as many for as long as
    memory runs out. Returns also in how many it was.
    """
    before = state_of(run.model, run.optimizer)
    while True:
        device_batch = -(-run.config.batch_size // (parts * run.steps.devices))
        try:
            return _epoch(run, epoch, device_batch), parts
        except Exception as error:
            # the other processes would not begin again
            if not is_out_of_memory(error) or process()[1] > 1:
                raise
            if device_batch == 1:
                raise MemoryError(
                    "Expected memory for one image at a time. Received none; use a smaller width, or free some."
                ) from error
            set_state(run.model, run.optimizer, before)
            parts *= 2
            tqdm.write(
                f"Out of memory in epoch {epoch}: it begins again, each batch of {run.config.batch_size} in {parts} parts whose gradients are summed up."
            )


def _epoch(run: Run, epoch: int, device_batch: int) -> Epoch:
    """One epoch with its validation, ``device_batch`` images at a time on each device.

    Raises:
        FloatingPointError: a loss or a weight is not finite.
    """
    start = time.perf_counter()
    images = run.config.images_per_epoch or len(run.dataset.names("train"))
    with tqdm(
        total=images,
        unit="image",
        desc=f"epoch {epoch}/{run.config.epochs}",
        disable=not run.progress,
        leave=False,
    ) as bar:
        loss, accuracy = learn(
            run.steps, one_ahead(batches(run.dataset, run.config, epoch)), device_batch, bar
        )
    if not math.isfinite(loss):
        raise _not_finite("training loss", epoch, run.latest)
    # oneDNN's ReLU makes 0 of what is no number, so the loss may not tell
    if broken := broken_variables(run.model):
        raise _not_finite(f"weight {broken[0]}", epoch, run.latest)
    training_s = time.perf_counter() - start
    validation, valid_loss = validate(run.steps, run.dataset, run.config.batch_size, device_batch)
    if not math.isfinite(valid_loss):
        raise _not_finite("validation loss", epoch, run.latest)
    return Epoch(loss, accuracy, training_s, validation, valid_loss)


def learn(
    steps: Steps, batches: Iterator[tuple[np.ndarray, np.ndarray]], device_batch: int, bar: tqdm
) -> tuple[float, float]:
    """One epoch. Returns its mean loss and accuracy, or stops with a loss that is not finite.

    What a step gave is asked for only when the next has been handed over, so that a GPU never waits
    for it.
    """
    images_seen, loss, accuracy = 0, 0.0, 0.0
    pending: list[tuple[Any, Any]] = []
    count = 0
    for images, labels in itertools.chain(batches, [(None, None)]):
        now = [] if images is None else steps.learn(images, labels, device_batch)
        if pending:
            images_seen += count
            loss += count * sum(float(part_loss) for part_loss, _ in pending)
            accuracy += count * sum(float(part_accuracy) for _, part_accuracy in pending)
            if not math.isfinite(loss):
                break
            bar.set_postfix(
                loss=f"{loss / images_seen:.3f}",
                accuracy=f"{accuracy / images_seen:.1%}",
                refresh=False,
            )
            bar.update(count)
        pending, count = now, 0 if images is None else len(images)
    return loss / images_seen, accuracy / images_seen


def batches(
    dataset: Dataset, config: TrainingConfig, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch, a pure function of (seed, epoch)."""
    for number, (images, labels) in enumerate(
        dataset.batches(
            "train", config.batch_size, config.seed, epoch, images_per_epoch=config.images_per_epoch
        )
    ):
        yield augmented(images, labels, np.random.default_rng([config.seed, epoch, number]), config)


def one_ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches, each made ready in a thread while the one before is learnt from."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch


def validate(
    steps: Steps, dataset: Dataset, batch_size: int, device_batch: int
) -> tuple[Scores, float]:
    """Scores and mean loss on the validation split."""
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
    losses = []
    for images, labels in dataset.batches("valid", batch_size, shuffle=False):
        predicted, image_losses = steps.judge(images, labels, device_batch)
        confusion += confusion_matrix(labels, predicted)
        losses.append(image_losses)
    return scores(confusion), float(np.concatenate(losses).mean(dtype=np.float64))


def _not_finite(what: str, epoch: int, latest: Path) -> FloatingPointError:
    kept = f"{latest} still holds the epoch before" if latest.exists() else "no epoch was finished"
    return FloatingPointError(
        f"The {what} is not finite in epoch {epoch}; {kept}. Lower the learning rate or use precision float32, and run again."
    )
