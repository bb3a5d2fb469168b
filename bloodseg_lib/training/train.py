"""The training: from a dataset and a network to a trained network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from bloodseg_lib.network.backend import make_deterministic
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.devices import process
from bloodseg_lib.runs import owned
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.epoch import Trainer
from bloodseg_lib.training.log import EventLog, tell
from bloodseg_lib.training.preflight import preflight
from bloodseg_lib.training.record import EpochRecord
from bloodseg_lib.training.state import TrainingState
from bloodseg_lib.training.unfinished import Unfinished, deferred


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        history: one record an epoch.
        best: the checkpoint of the epoch with the highest validation accuracy.
        latest: the checkpoint to resume from.
    """

    history: tuple[EpochRecord, ...]
    best: Path
    latest: Path


def train(
    dataset: Dataset,
    unet: UNetConfig,
    config: TrainingConfig,
    folder: Path | str,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    *,
    progress: bool = True,
    require_gpu: bool = False,
) -> TrainingResult:
    """Train a network, or resume a training that was stopped.

    After each epoch ``latest.npz`` is replaced, and ``best.npz`` too if the validation accuracy is
    higher than ever before, each with its JSON sidecar (:mod:`bloodseg_lib.network.checkpoint`);
    ``log.csv`` holds the history as a table. Called again after the process died, whenever and
    however it did, the training goes on with the epoch after the last one saved: weights,
    optimizer, learning rate, dropout, order of the images and best score are as if it had never
    stopped, bit for bit on a CPU in float32. ``config`` may differ from before (more epochs,
    another learning rate or batch size), which is printed; network and dataset may not.

    SIGTERM and Ctrl-C take effect after the step under way, which ``unfinished.npz`` keeps: with
    the same ``config`` the epoch goes on from there, else it begins again. Where several processes
    train together they take effect at once, and the epoch is lost.

    Where memory runs out each batch is cut into twice as many parts, whose gradients are
    accumulated, and the epoch begins again; several processes, which would have to agree on it,
    stop instead. All devices of the host share each batch, on JAX those of all processes
    (:func:`bloodseg_lib.network.devices.every_device`).

    Args:
        dataset: with a ``train`` and a ``valid`` split.
        unet: shape of the network. Its ``mean`` and ``std`` are replaced by those of the training
            set, or of ``config.start_from``.
        config: how to train.
        folder: for checkpoints and log. Several processes need one that all of them see; the first
            one writes.
        on_epoch: called with the record of each epoch, once its checkpoint is written.
        progress: show a bar and a line for each epoch. Warnings are printed in any case.
        require_gpu: refuse to train without a GPU.

    Raises:
        ValueError, OSError, MemoryError, NoGPUError: it cannot be trained here, see
            :func:`bloodseg_lib.training.preflight.preflight`.
        FloatingPointError: the loss or a weight is not finite. The checkpoint of the last good
            epoch is kept.
        MemoryError: there is not even enough for one image at a time.
        OSError: an epoch cannot be written, for example to a full disk. The one before is kept.
        BlockingIOError: another command is writing to ``folder``.
        KeyboardInterrupt: Ctrl-C.
        ImportError: ``config.tensorboard`` without the package ``tensorboard``.
    """
    # of several processes the first one writes, and so owns the folder for all of them
    with owned(folder) if process()[0] == 0 else contextlib.nullcontext():
        state = TrainingState.open(folder, dataset, unet, config)
        if not state.finished:
            _train(dataset, state, on_epoch, progress, require_gpu)
        return TrainingResult(state.history, state.best, state.latest)


def _train(
    dataset: Dataset,
    state: TrainingState,
    on_epoch: Callable[[EpochRecord], None] | None,
    progress: bool,
    require_gpu: bool,
) -> None:
    """The epochs that are left to do."""
    config = state.config
    found = preflight(dataset, state.unet, config, state.folder, require_gpu)
    if report := found.report(config.batch_size):
        tqdm.write(report)
    if config.deterministic:
        make_deterministic()
    writes_events = config.tensorboard and state.writes
    events = EventLog(state.folder, state.history) if writes_events else None
    trainer = Trainer(dataset, state, max(found.parts, state.parts), progress)
    while not state.finished:
        with deferred() as asked:
            record = trainer.epoch(state.epoch + 1, asked)
            if isinstance(record, Unfinished):
                state.keep_unfinished(record, trainer.model, trainer.optimizer)
                tqdm.write(
                    f"{state.folder}: stopped in epoch {record.epoch}, after step {record.steps} "
                    f"of {trainer.steps}. Run the same command again to go on from there."
                )
                continue  # at the end of the block the signal takes effect
            better = state.keep(record, trainer.model, trainer.optimizer)
        if state.writes:
            tell(record, config.epochs, better, progress)
        if events:
            events.add(record)
        if on_epoch is not None:
            on_epoch(record)
    if events:
        events.close()
    if state.epoch < config.epochs:
        tqdm.write(f"{state.folder}: stopped after {state.why}.")
