"""The training: epochs, what is recorded of each, and how it goes on after it was stopped.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from bloodseg_lib.classes import CLASSES
from bloodseg_lib.io import wait_for_room, write_json
from bloodseg_lib.network.backend import every_device, keras, make_deterministic, process
from bloodseg_lib.network.checkpoint import (
    Sidecar,
    read_sidecar,
    restore_checkpoint,
    restore_weights,
    save_checkpoint,
)
from bloodseg_lib.network.class_weights import class_weights
from bloodseg_lib.network.loss import WeightedCrossEntropy
from bloodseg_lib.network.pretrained import checkpoint_path
from bloodseg_lib.network.unet import UNetConfig, build_unet
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.epoch import Run, epoch_within_memory
from bloodseg_lib.training.log import EventLog, collapse_warning, tell, write_log
from bloodseg_lib.training.preflight import check_images, check_same, network_for, preflight
from bloodseg_lib.training.schedule import TableSchedule, adam, learning_rates
from bloodseg_lib.training.steps import Steps

__all__ = [
    "TrainingConfig",
    "TrainingResult",
    "WeightedCrossEntropy",
    "collapse_warning",
    "learning_rates",
    "train",
]

BEST, LATEST = "best.npz", "latest.npz"


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


def train(
    dataset: Dataset,
    unet: UNetConfig,
    config: TrainingConfig,
    folder: Path | str,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    progress: bool = True,
    require_gpu: bool = False,
) -> TrainingResult:
    """Train a network, or go on with a training that was stopped.

    After each epoch ``latest.npz`` is replaced, and ``best.npz`` too if the validation accuracy is
    higher than ever before, each with its JSON sidecar (:mod:`bloodseg_lib.network.checkpoint`);
    ``log.csv`` holds the history as a table. Called again after the process died, whenever and
    however it did, the training goes on with the epoch after the last one saved: weights,
    optimizer, learning rate, dropout, order of the images and best score are as if it had never
    stopped, bit for bit on a CPU in float32. ``config`` may differ from before (more epochs,
    another learning rate or batch size), which is said; network and dataset may not.

    A record of the history holds: ``epoch`` (from 1), ``learning_rate`` (at its end),
        ``train_loss``, ``train_accuracy`` (pixel
    accuracy 0..1, the mean over the epoch while the network learned), ``valid_loss``,
    ``valid_accuracy``, ``mean_iou``, ``background_share`` (of the validation pixels: what calling
    everything background would score), ``zero_recall`` (keys of the classes of which not one
    validation pixel was found), ``time_s`` (of the epoch, with its validation), ``images_per_s``
    (of its training part) and ``parts`` (in how many a batch was taken, one after the other, for
    want of memory; 1: whole).

    Where the disk is full when an epoch is to be saved, it waits up to an hour for room. Where
    memory runs out the batch is taken in twice as many parts, whose gradients are summed up, and
    the epoch begins again from where it began; several processes, which would have to agree on it,
    stop instead. All devices of the host share each batch, on JAX those of all processes
    (:func:`bloodseg_lib.network.backend.every_device`).

    Args:
        dataset: with a ``train`` and a ``valid`` split.
        unet: shape of the network. Its ``mean`` and ``std`` are replaced by those of the training
            set, or of ``config.start_from``.
        config: how to train.
        folder: for checkpoints and log. Several processes need one that all of them see; the first
            one writes.
        on_epoch: called with the record of each epoch, once its checkpoint is written.
        progress: show a bar and a line for each epoch. What the user must know is printed in any
            case.
        require_gpu: refuse to train without a GPU.

    Raises:
        ValueError, OSError, MemoryError, NoGPUError: it cannot be trained so here, see
            :func:`bloodseg_lib.training.preflight.preflight`.
        FloatingPointError: the loss or a weight is not finite. The checkpoint of the last good
            epoch is kept.
        MemoryError: there is not even enough for one image at a time.
        ImportError: ``config.tensorboard`` without the package ``tensorboard``.
    """
    folder = Path(folder)
    result = TrainingResult([], folder / BEST, folder / LATEST)
    unet = network_for(unet, dataset, config, result.latest)
    writes = process()[0] == 0
    if writes:
        _delete_leftovers(folder)
    if result.latest.exists():
        result.history.extend(_take_up(result.latest, dataset, unet, config, writes))
        if _why_finished(config, result.history):
            return result
    found = preflight(dataset, unet, config, folder, require_gpu)
    parts = max(found.parts, _parts_before(result.latest, config))
    if found.report(config.batch_size):
        tqdm.write(found.report(config.batch_size))
    events = EventLog(folder, result.history) if config.tensorboard and writes else None

    if config.deterministic:
        make_deterministic()
    images = config.images_per_epoch or check_images(dataset, "train", unet)
    steps_per_epoch = -(-images // config.batch_size)  # the last one may be of fewer images
    rates = learning_rates(config, steps_per_epoch)
    schedule = TableSchedule(rates)
    with every_device():
        model = build_unet(unet, seed=config.seed, precision=config.precision)
        optimizer = adam(schedule, config.weight_decay)
        # softmax and logarithm are safe only when computed together
        learner = keras.Model(model.input, model.get_layer("logits").output)
        loss = WeightedCrossEntropy(
            class_weights(dataset.pixel_counts("train"), config.weight_exponent)
        )
        run = Run(
            dataset,
            config,
            model,
            optimizer,
            Steps(learner, loss, optimizer, config.jit),
            result.latest,
            progress,
        )
    if result.history:
        restore_checkpoint(result.latest, model, optimizer)
        # not 0 if the batch size was another
        schedule.first_step = (
            int(optimizer.iterations.numpy()) - len(result.history) * steps_per_epoch
        )
    elif config.start_from:
        restore_weights(checkpoint_path(config.start_from), model)

    while not _why_finished(config, result.history):
        epoch = len(result.history) + 1
        start = time.perf_counter()
        learnt, parts = epoch_within_memory(run, epoch, parts)
        record = {
            "epoch": epoch,
            "learning_rate": float(rates[epoch * steps_per_epoch - 1]),
            "train_loss": learnt.loss,
            "train_accuracy": learnt.accuracy,
            "valid_loss": learnt.valid_loss,
            "valid_accuracy": learnt.validation.pixel_accuracy,
            "mean_iou": learnt.validation.mean_iou,
            "background_share": learnt.validation.background_share,
            "zero_recall": [CLASSES[i].key for i in learnt.validation.zero_recall],
            "time_s": round(time.perf_counter() - start, 3),
            "images_per_s": round(images / learnt.training_s, 2),
            "parts": parts,
        }
        better = record["valid_accuracy"] > max(
            (r["valid_accuracy"] for r in result.history), default=-1.0
        )
        result.history.append(record)
        if writes:
            _keep_epoch(result, run, _sidecar(config, unet, dataset, result.history), better)
            tell(record, config.epochs, better, progress)
        if events:
            events.add(record)
        if on_epoch is not None:
            on_epoch(record)
    if events:
        events.close()
    if len(result.history) < config.epochs:
        tqdm.write(f"{folder}: stopped after {_why_finished(config, result.history)}.")
    return result


def _keep_epoch(result: TrainingResult, run: Run, sidecar: Sidecar, better: bool) -> None:
    """Write checkpoints and log of an epoch, which may have taken hours, as soon as there is room."""

    def write() -> None:
        if better:
            save_checkpoint(result.best, run.model, sidecar)
        write_log(result.latest.parent, result.history)
        # last: from here on the epoch counts as done
        save_checkpoint(result.latest, run.model, sidecar, run.optimizer)

    wait_for_room(
        write,
        f"{result.latest.parent}: the disk is full, and epoch {sidecar.epoch} is not kept yet.",
    )


def _sidecar(
    config: TrainingConfig, unet: UNetConfig, dataset: Dataset, history: list[dict[str, Any]]
) -> Sidecar:
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


def _take_up(
    latest: Path, dataset: Dataset, unet: UNetConfig, config: TrainingConfig, writes: bool
) -> list[dict[str, Any]]:
    """The history of a training that was stopped or is finished, if it is of this network and
    dataset. Says what will be done.
    """
    before = read_sidecar(latest)
    check_same(before, dataset, unet, latest.parent)
    if writes:
        # a kill may have come between the .npz and these
        write_json(latest.with_suffix(".json"), before.to_dict())
        write_log(latest.parent, before.history)
    if why := _why_finished(config, before.history):
        tqdm.write(f"{latest.parent}: the training is finished ({why}), nothing to do.")
    else:
        # earlier versions had fewer parameters
        then = {**TrainingConfig().to_dict(), **before.training}
        changed = [
            f"{name} {then[name]} -> {value}"
            for name, value in config.to_dict().items()
            if then[name] != value
        ]
        tqdm.write(
            f"{latest.parent}: going on after epoch {before.epoch}."
            + (f" Changed: {', '.join(changed)}." if changed else "")
        )
    return before.history


def _parts_before(latest: Path, config: TrainingConfig) -> int:
    """In how many parts a batch of this size was taken in the end;

    what was too much then is not tried again.
    """
    if not latest.exists():
        return 1
    sidecar = read_sidecar(latest)
    return sidecar.history[-1].get("parts", 1) if sidecar.batch_size == config.batch_size else 1


def _why_finished(config: TrainingConfig, history: list[dict[str, Any]]) -> str:
    """After how much, in words, if nothing is left to do; else empty."""
    if len(history) >= config.epochs:
        return f"{len(history)} epochs"
    accuracies = [record["valid_accuracy"] for record in history]
    if (
        config.patience
        and history
        and (waited := len(history) - 1 - accuracies.index(max(accuracies))) >= config.patience
    ):
        return f"{len(history)} epochs, the last {waited} of them no better than the best before"
    spent_s = sum(record["time_s"] for record in history)
    if config.max_minutes and history and spent_s + history[-1]["time_s"] > 60 * config.max_minutes:
        return f"{len(history)} epochs and {spent_s / 60:.1f} minutes, with another one longer than max_minutes"
    return ""


def _delete_leftovers(folder: Path) -> None:
    """Delete temporary files that a process killed while writing a checkpoint left behind."""
    for name in (BEST, LATEST):
        stem = Path(name).stem
        for leftover in [*folder.glob(f".{stem}-*.npz"), *folder.glob(f".{stem}-*.json")]:
            leftover.unlink()
