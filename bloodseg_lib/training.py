"""The training: epochs, what is recorded of each, and how it goes on after it was stopped.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.checkpoint import Sidecar, read_sidecar, restore_checkpoint, save_checkpoint
from bloodseg_lib.classes import CLASSES, NUM_CLASSES
from bloodseg_lib.config import Config
from bloodseg_lib.dataset import Dataset
from bloodseg_lib.device import PRECISIONS, keras, make_deterministic
from bloodseg_lib.files import write_bytes, write_json
from bloodseg_lib.metrics import Scores, confusion_matrix, scores
from bloodseg_lib.unet import UNetConfig, build_unet
from bloodseg_lib.weights import class_weights

BEST, LATEST, LOG = "best.npz", "latest.npz", "log.csv"
COLLAPSE_EPOCHS = 2
COLLAPSE_MARGIN = 1e-3


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How to train. The defaults are those of the full-size training.

    Attributes:
        batch_size: images a step.
        epochs: passes through the training set.
        schedule: ``"step"``: ``learning_rate`` for ``drop_after_epochs`` epochs, then ``later_learning_rate``. ``"cosine"``: from
            ``learning_rate`` along half a cosine down to 0 at the last step.
        learning_rate: of Adam, see ``schedule``.
        later_learning_rate, drop_after_epochs: of the schedule ``"step"``.
        warmup_steps: over so many first steps the learning rate rises evenly from 0 to what the schedule says.
        weight_exponent: how strongly rare classes are weighed, see :func:`bloodseg_lib.weights.class_weights`.
        flips: show each image mirrored and turned by quarter turns at random; a smear has no up or down.
        precision: ``"float32"``, ``"bfloat16"`` or ``"auto"``, see :func:`bloodseg_lib.device.dtype_policy`.
        jit: compile each step with XLA.
        deterministic: use only operations that give the same bits each time.
        max_minutes: start no epoch that would end later than this, counted over all restarts; 0: no limit.
        seed: of the first weights, the order of the images, the flips and the dropout.
    """

    batch_size: int = 100
    epochs: int = 35
    schedule: Literal["step", "cosine"] = "step"
    learning_rate: float = 0.001
    later_learning_rate: float = 0.0001
    drop_after_epochs: int = 5
    warmup_steps: int = 0
    weight_exponent: float = 1.0
    flips: bool = False
    precision: str = "float32"
    jit: bool = False
    deterministic: bool = True
    max_minutes: float = 0.0
    seed: int = 0

    def check(self) -> None:
        for field in ("batch_size", "epochs"):
            self.expect(getattr(self, field) >= 1, field, "at least 1")
        for field in ("drop_after_epochs", "warmup_steps", "weight_exponent", "max_minutes", "seed"):
            self.expect(0 <= getattr(self, field) < math.inf, field, "at least 0")
        for field in ("learning_rate", "later_learning_rate"):
            self.expect(0 < getattr(self, field) < math.inf, field, "above 0")
        self.expect(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}")
        self.expect(
            not (self.jit and self.deterministic), "jit", "False while deterministic is True, because XLA lacks some deterministic operations"
        )


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        history: one record an epoch, see :func:`train`.
        best: the checkpoint of the epoch with the highest validation accuracy.
        latest: the checkpoint to go on from.
    """

    history: list[dict[str, Any]]
    best: Path
    latest: Path


def learning_rates(config: TrainingConfig, steps_per_epoch: int) -> np.ndarray:
    """The learning rate of every step of the training, ``(epochs * steps_per_epoch,) float64``."""
    step = np.arange(config.epochs * steps_per_epoch)
    if config.schedule == "cosine":
        rates = config.learning_rate * (1 + np.cos(np.pi * step / len(step))) / 2
    else:
        rates = np.where(step < config.drop_after_epochs * steps_per_epoch, config.learning_rate, config.later_learning_rate)
    if config.warmup_steps:
        rates = rates * np.minimum(1, (step + 1) / config.warmup_steps)
    return rates


class WeightedCrossEntropy(keras.losses.Loss):
    """Mean over all pixels of weight times cross-entropy.

    ``loss = 1/n * sum over pixels of w[y] * -log softmax(logits)[y]``, the energy function of the U-Net paper (arXiv 1505.04597, equation 1).
    The sum is divided by the number of pixels, not by the sum of the weights: over the training set the two are the same, because there
    the weights have mean 1. The weight map is looked up on the device, so that only ids travel there.

    Args:
        weights: ``(10,)`` as :func:`bloodseg_lib.weights.class_weights` returns them.
    """

    def __init__(self, weights: np.ndarray):
        super().__init__(name="weighted_cross_entropy")
        self.weights = np.asarray(weights, dtype=np.float32)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each pixel, ``(B, H, W) float32``, of ids ``(B, H, W)`` and logits ``(B, H, W, 10)``."""
        labels = keras.ops.cast(y_true, "int32")  # (B, H, W)
        weights = keras.ops.take(keras.ops.convert_to_tensor(self.weights), labels, axis=0)  # (B, H, W), the weight map
        return weights * keras.ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)


def flipped(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mirror and turn each image, and its label map alike, into one of its eight symmetries at random.

    Args:
        images: ``(B, H, W, 3) uint8``.
        labels: ``(B, H, W) uint8``.
        rng: what decides. Images that are not square are turned by half turns only.

    Returns:
        Copies of the same shapes.
    """
    turns, mirrors = rng.integers(4, size=len(images)), rng.integers(2, size=len(images))
    if images.shape[1] != images.shape[2]:
        turns = turns // 2 * 2
    turned_images, turned_labels = np.empty_like(images), np.empty_like(labels)
    for i, (turn, mirror) in enumerate(zip(turns, mirrors, strict=True)):
        for source, target in ((images, turned_images), (labels, turned_labels)):
            turned = np.rot90(source[i], turn)
            target[i] = turned[:, ::-1] if mirror else turned
    return turned_images, turned_labels


def train(
    dataset: Dataset,
    unet: UNetConfig,
    config: TrainingConfig,
    folder: Path | str,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a network, or go on with a training that was stopped.

    After each epoch ``latest.npz`` is replaced, and ``best.npz`` too if the validation accuracy is higher than ever before, each with its
    JSON sidecar (:mod:`bloodseg_lib.checkpoint`); ``log.csv`` holds the history as a table. Called again after the process died, whenever
    and however it did, the training goes on with the epoch after the last one saved: weights, optimizer, learning rate, dropout, order of
    the images and best score are as if it had never stopped, bit for bit on a CPU in float32. ``config`` may differ from before
    (more epochs, another learning rate or batch size), which is said; network and dataset may not.

    A record of the history holds: ``epoch`` (from 1), ``learning_rate`` (at its end), ``train_loss``, ``train_accuracy`` (pixel
    accuracy 0..1, the mean over the epoch while the network learned), ``valid_loss``, ``valid_accuracy``, ``mean_iou``, ``background_share``
    (of the validation pixels: what calling everything background would score), ``zero_recall`` (keys of the classes of which not
    one validation pixel was found), ``time_s`` (of the epoch, with its validation) and ``images_per_s`` (of its training part).

    Args:
        dataset: with a ``train`` and a ``valid`` split.
        unet: shape of the network. Its ``mean`` and ``std`` are replaced by those of the training set.
        config: how to train.
        folder: for checkpoints and log.
        on_epoch: called with the record of each epoch, once its checkpoint is written.
        progress: show a bar and a line for each epoch. What the user must know is printed in any case.

    Raises:
        ValueError: the folder holds a training of another network or dataset; a split is empty; the images do not suit the network.
        FloatingPointError: the loss is not finite. The checkpoint of the last good epoch is kept.
    """
    folder = Path(folder)
    result = TrainingResult([], folder / BEST, folder / LATEST)
    unet = dataclasses.replace(unet, mean=_three(dataset.manifest["mean"]), std=_three(dataset.manifest["std"]))
    images = {split: _checked_count(dataset, split, unet) for split in ("train", "valid")}
    _delete_leftovers(folder)
    if result.latest.exists():
        result.history.extend(_take_up(result.latest, dataset, unet, config))
        if _finished(config, result.history):
            return result

    if config.deterministic:
        make_deterministic()
    steps = -(-images["train"] // config.batch_size)  # of an epoch; the last one may be of fewer images
    rates = learning_rates(config, steps)
    schedule = _Schedule(rates)
    model = build_unet(unet, seed=config.seed, precision=config.precision)
    learner = keras.Model(model.input, model.get_layer("logits").output)  # softmax and logarithm are safe only when computed together
    loss = WeightedCrossEntropy(class_weights(dataset.pixel_counts("train"), config.weight_exponent))
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    learner.compile(keras.optimizers.Adam(schedule, name="adam"), loss, metrics=[accuracy], jit_compile=config.jit)
    judge = _judge(model, loss)
    if result.history:
        restore_checkpoint(result.latest, model, learner.optimizer)
        schedule.first_step = int(learner.optimizer.iterations) - len(result.history) * steps  # not 0 if the batch size was another

    while not _finished(config, result.history):
        epoch = len(result.history) + 1
        start = time.perf_counter()
        with tqdm(total=images["train"], unit="image", desc=f"epoch {epoch}/{config.epochs}", disable=not progress, leave=False) as bar:
            learnt = _learn(learner, _batches(dataset, config, epoch), bar)
        if not math.isfinite(learnt["loss"]):
            raise _not_finite("training loss", epoch, result.latest)
        training_s = time.perf_counter() - start
        validation, valid_loss = _validate(judge, dataset, config.batch_size)
        if not math.isfinite(valid_loss):
            raise _not_finite("validation loss", epoch, result.latest)
        record = {
            "epoch": epoch,
            "learning_rate": float(rates[epoch * steps - 1]),
            "train_loss": learnt["loss"],
            "train_accuracy": learnt["accuracy"],
            "valid_loss": valid_loss,
            "valid_accuracy": validation.pixel_accuracy,
            "mean_iou": validation.mean_iou,
            "background_share": validation.background_share,
            "zero_recall": [CLASSES[i].key for i in validation.zero_recall],
            "time_s": round(time.perf_counter() - start, 3),
            "images_per_s": round(images["train"] / training_s, 2),
        }
        better = record["valid_accuracy"] > max((r["valid_accuracy"] for r in result.history), default=-1.0)
        result.history.append(record)
        sidecar = _sidecar(config, unet, dataset, result.history)
        if better:
            save_checkpoint(result.best, model, sidecar)
        _write_log(folder, result.history)
        save_checkpoint(result.latest, model, sidecar, learner.optimizer)  # last: from here on the epoch counts as done
        _tell(record, config, better, progress)
        if on_epoch is not None:
            on_epoch(record)
    return result


def collapse_warning(record: dict[str, Any]) -> str:
    """What is wrong with an epoch that learned nothing of some classes, in words; empty if all is well."""
    if abs(record["valid_accuracy"] - record["background_share"]) < COLLAPSE_MARGIN:
        return (
            f"Warning: collapse. The validation accuracy {record['valid_accuracy']:.2%} is just the share of background pixels: the network may see no "
            f"cell at all. Not one pixel found of: {', '.join(record['zero_recall']) or '-'}. Wait an epoch or two; then lower the learning rate or raise weight_exponent."
        )
    if record["zero_recall"]:
        return f"Warning: not one validation pixel found of: {', '.join(record['zero_recall'])}."
    return ""


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Looks the learning rate up in a table, so that it is a pure function of the step, which the optimizer counts and saves."""

    def __init__(self, rates: np.ndarray):
        self.rates = rates
        self.first_step = 0

    def __call__(self, step: Any) -> Any:
        index = keras.ops.clip(keras.ops.cast(step, "int32") - self.first_step, 0, len(self.rates) - 1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.rates, dtype="float32"), index)


def _learn(learner: keras.Model, batches: Iterator[tuple[np.ndarray, np.ndarray]], bar: tqdm) -> dict[str, float]:
    """One epoch. Returns its mean loss and accuracy, or stops at once with a loss that is not finite.

    Batch by batch rather than with ``fit``: fed by a generator, ``fit`` compiles for images of unknown size, which on a CPU takes a good half more time.
    """
    learner.reset_metrics()
    logs = {"loss": math.nan, "accuracy": math.nan}
    for images, labels in batches:
        logs = {name: float(value) for name, value in learner.train_on_batch(images, labels, return_dict=True).items()}
        if not math.isfinite(logs["loss"]):
            break
        bar.set_postfix(loss=f"{logs['loss']:.3f}", accuracy=f"{logs['accuracy']:.1%}", refresh=False)
        bar.update(len(images))
    return logs


def _batches(dataset: Dataset, config: TrainingConfig, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch, a pure function of (seed, epoch)."""
    for number, (images, labels) in enumerate(dataset.batches("train", config.batch_size, seed=config.seed, epoch=epoch)):
        if config.flips:
            images, labels = flipped(images, labels, np.random.default_rng([config.seed, epoch, number]))
        yield images, labels


def _judge(model: keras.Model, loss: WeightedCrossEntropy) -> keras.Model:
    """A model from images and truth to predicted ids and loss of each image, so that no probabilities travel back from the device."""
    labels = keras.Input(model.input.shape[1:3], dtype="uint8", name="labels")  # (B, H, W)
    logits = model.get_layer("logits").output  # (B, H, W, 10)
    predicted = keras.ops.cast(keras.ops.argmax(logits, axis=-1), "uint8")  # (B, H, W)
    return keras.Model([model.input, labels], [predicted, keras.ops.mean(loss.call(labels, logits), axis=(1, 2))])


def _validate(judge: keras.Model, dataset: Dataset, batch_size: int) -> tuple[Scores, float]:
    """Scores and mean loss on the validation split."""
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
    losses = []
    for images, labels in dataset.batches("valid", batch_size, shuffle=False):
        predicted, image_losses = judge.predict_on_batch([images, labels])
        confusion += confusion_matrix(labels, predicted)
        losses.append(image_losses)
    return scores(confusion), float(np.concatenate(losses).mean(dtype=np.float64))


def _sidecar(config: TrainingConfig, unet: UNetConfig, dataset: Dataset, history: list[dict[str, Any]]) -> Sidecar:
    return Sidecar(
        epoch=len(history),
        batch_size=config.batch_size,
        learning_rate=history[-1]["learning_rate"],
        mean=unet.mean,
        std=unet.std,
        max_valid_accuracy=max(record["valid_accuracy"] for record in history),
        min_valid_loss=min(record["valid_loss"] for record in history),
        history=list(history),
        unet=unet.to_dict(),
        training=config.to_dict(),
        dataset=dataset.manifest["digest"],
    )


def _take_up(latest: Path, dataset: Dataset, unet: UNetConfig, config: TrainingConfig) -> list[dict[str, Any]]:
    """The history of a training that was stopped or is finished, if it is of this network and dataset. Says what will be done."""
    before = read_sidecar(latest)
    _check_same(before, dataset, unet, latest.parent)
    write_json(latest.with_suffix(".json"), before.to_dict())  # a kill may have come between the .npz and these
    _write_log(latest.parent, before.history)
    if _finished(config, before.history):
        tqdm.write(f"{latest.parent}: the training is finished ({before.epoch} epochs), nothing to do.")
    else:
        changed = [f"{name} {before.training.get(name)} -> {value}" for name, value in config.to_dict().items() if before.training.get(name) != value]
        tqdm.write(f"{latest.parent}: going on after epoch {before.epoch}." + (f" Changed: {', '.join(changed)}." if changed else ""))
    return before.history


def _finished(config: TrainingConfig, history: list[dict[str, Any]]) -> bool:
    if len(history) >= config.epochs:
        return True
    spent_s = sum(record["time_s"] for record in history)
    return bool(config.max_minutes and history and spent_s + history[-1]["time_s"] > 60 * config.max_minutes)


def _checked_count(dataset: Dataset, split: str, unet: UNetConfig) -> int:
    images, _ = dataset.arrays(split)
    if not len(images):
        raise ValueError(f"The dataset's split {split!r}: expected at least one image. Received none; build the dataset with some.")
    if any(side % unet.multiple_px for side in images.shape[1:3]):
        raise ValueError(
            f"The dataset's split {split!r}: expected height and width in multiples of {unet.multiple_px} px, as {unet.levels} levels need. "
            f"Received {images.shape[1]} x {images.shape[2]}; use fewer levels or other images."
        )
    return len(images)


def _check_same(before: Sidecar, dataset: Dataset, unet: UNetConfig, folder: Path) -> None:
    if before.dataset != dataset.manifest["digest"]:
        raise ValueError(
            f"{folder}: expected a training on the dataset with digest {dataset.manifest['digest']}. Received one on {before.dataset}. "
            "Choose another folder, or delete this one."
        )
    now = unet.to_dict()
    if before.unet != now:
        differing = ", ".join(f"{name} {before.unet.get(name)}, not {value}" for name, value in now.items() if before.unet.get(name) != value)
        raise ValueError(
            f"{folder}: expected a training of the same network. Received one with {differing}. Choose another folder, or delete this one."
        )


def _delete_leftovers(folder: Path) -> None:
    """Delete temporary files that a process killed while writing a checkpoint left behind."""
    for name in (BEST, LATEST):
        stem = Path(name).stem
        for leftover in [*folder.glob(f".{stem}-*.npz"), *folder.glob(f".{stem}-*.json")]:
            leftover.unlink()


def _write_log(folder: Path, history: list[dict[str, Any]]) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**record, "zero_recall": " ".join(record["zero_recall"])} for record in history)
    write_bytes(folder / LOG, table.getvalue().encode())


def _tell(record: dict[str, Any], config: TrainingConfig, better: bool, progress: bool) -> None:
    if progress:
        tqdm.write(
            f"epoch {record['epoch']}/{config.epochs}: training loss {record['train_loss']:.3f}, accuracy {record['train_accuracy']:.2%}; "
            f"validation loss {record['valid_loss']:.3f}, accuracy {record['valid_accuracy']:.2%} (all background: {record['background_share']:.2%}), "
            f"mean IoU {record['mean_iou']:.3f}; {record['images_per_s']:.1f} images/s, {record['time_s']:.0f} s{', best so far' if better else ''}"
        )
    if record["epoch"] >= COLLAPSE_EPOCHS and (warning := collapse_warning(record)):
        tqdm.write(warning)


def _not_finite(what: str, epoch: int, latest: Path) -> FloatingPointError:
    kept = f"{latest} still holds the epoch before" if latest.exists() else "no epoch was finished"
    return FloatingPointError(f"The {what} is not finite in epoch {epoch}; {kept}. Lower the learning rate or use precision float32, and run again.")


def _three(values: list[float]) -> tuple[float, float, float]:
    return tuple(float(value) for value in values)
