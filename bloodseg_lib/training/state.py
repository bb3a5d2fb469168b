"""What is on disk of a training: opened once, asked, kept after each epoch."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

from tqdm.auto import tqdm

from bloodseg_lib.io import delete_leftovers, write_json
from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.checkpoint import read_sidecar, save_checkpoint
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.devices import process
from bloodseg_lib.network.pretrained import checkpoint_path
from bloodseg_lib.network.sidecar import Sidecar
from bloodseg_lib.runs import check_free
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.log import LOG, write_log
from bloodseg_lib.training.record import EpochRecord
from bloodseg_lib.training.unfinished import UNFINISHED, Unfinished, forget

BEST, LATEST = "best.npz", "latest.npz"


class TrainingState:
    """A training's folder: the checkpoints ``latest.npz`` and ``best.npz``, and ``log.csv``.

    Attributes:
        folder: where it is.
        best: checkpoint of the epoch with the highest validation accuracy.
        latest: checkpoint to resume from.
        unet: shape of the network, with the mean and standard deviation it is trained with.
        config: how to train from here on.
        history: the epochs so far.
        writes: whether this process writes the files: the first one does.
        parts: into how many parts a batch of this size was cut in the last epoch because memory was
            short; what was too much then is not tried again.
    """

    def __init__(
        self, folder: Path, dataset: Dataset, unet: UNetConfig, config: TrainingConfig
    ) -> None:
        self.folder, self.config, self.unet = folder, config, unet
        self.best, self.latest = folder / BEST, folder / LATEST
        self.history: tuple[EpochRecord, ...] = ()
        self.writes, self.parts = process()[0] == 0, 1
        self._digest: str = dataset.manifest["digest"]

    @classmethod
    def open(
        cls, folder: Path | str, dataset: Dataset, unet: UNetConfig, config: TrainingConfig
    ) -> TrainingState:
        """Read the training in a folder, or begin one; prints what will be done with it.

        Raises:
            ValueError: the folder holds a training of another network or dataset, or one that
                started from another checkpoint, or other files that would be replaced; or
                ``config.start_from`` is of another shape.
            FileNotFoundError: ``config.start_from`` is missing.
        """
        state = cls(Path(folder), dataset, unet, config)
        before = read_sidecar(state.latest) if state.latest.exists() else None
        state.unet = _with_statistics(state, dataset, before)
        if state.writes:
            if before is None and not state._is_begun():
                check_free(state.folder, [BEST, "best.json", "latest.json", LOG])
            npz = [state.folder / name for name in (BEST, LATEST, UNFINISHED)]
            json = [path.with_suffix(".json") for path in npz]
            delete_leftovers([*npz, *json, state.folder / LOG])
        if before is not None:
            state._take_up(before)
        return state

    def _is_begun(self) -> bool:
        """Whether a kill came after this training's first best network, before it was resumable."""
        try:
            return read_sidecar(self.best).dataset == self._digest
        except (OSError, ValueError):
            return False

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to do; :attr:`why` says why."""
        return bool(self.why)

    @property
    def why(self) -> str:
        """Why no epoch is left to do, in words; empty if one is."""
        config, history = self.config, self.history
        if len(history) >= config.epochs:
            return f"{len(history)} epochs"
        if not history:
            return ""
        accuracies = [record.valid_accuracy for record in history]
        waited = len(history) - 1 - accuracies.index(max(accuracies))
        if config.patience and waited >= config.patience:
            return (
                f"{len(history)} epochs, the last {waited} of them no better than the best before"
            )
        spent_s = sum(record.time_s for record in history)
        if config.max_minutes and spent_s + history[-1].time_s > 60 * config.max_minutes:
            return (
                f"{len(history)} epochs and {spent_s / 60:.1f} minutes, "
                "with another one longer than max_minutes"
            )
        return ""

    def keep(
        self, record: EpochRecord, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> bool:
        """Keep an epoch: the best network if it is, the log, and the checkpoint to resume from.

        Returns:
            Whether its validation accuracy is the best so far.

        Raises:
            OSError: it cannot be written, for example because the disk is full. The epoch before
                stays.
        """
        better = record.valid_accuracy > max((r.valid_accuracy for r in self.history), default=-1.0)
        self.history = (*self.history, record)
        if self.writes:
            sidecar = self.sidecar()
            try:
                if better:
                    save_checkpoint(self.best, model, sidecar)
                write_log(self.folder, self.history)
                # last: from here on the epoch counts as done
                save_checkpoint(self.latest, model, sidecar, optimizer)
                forget(self.folder)
            except OSError as error:
                raise self._not_kept(error) from error
        return better

    def keep_unfinished(
        self, where: Unfinished, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        """Keep the state within an epoch, in ``unfinished.npz``; the epoch before stays as it is.

        Raises:
            OSError: it cannot be written.
        """
        save_checkpoint(self.folder / UNFINISHED, model, self.sidecar(where), optimizer)

    def sidecar(self, *unfinished: Unfinished) -> Sidecar:
        """Describe the training as it stands; its history ends with an epoch that is not done."""
        history = self.history
        return Sidecar(
            epoch=self.epoch,
            batch_size=self.config.batch_size,
            learning_rate=history[-1].learning_rate if history else self.config.learning_rate,
            mean=self.unet.mean,
            std=self.unet.std,
            max_valid_accuracy=max((record.valid_accuracy for record in history), default=0.0),
            min_valid_loss=min((record.valid_loss for record in history), default=0.0),
            history=[record.to_dict() for record in history] + [e.to_dict() for e in unfinished],
            unet=self.unet.to_dict(),
            training=self.config.to_dict(),
            dataset=self._digest,
        )

    def _not_kept(self, error: OSError) -> OSError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "Make room on the disk" if full else "Make the folder writable"
        kept = f"goes on after epoch {self.epoch - 1}" if self.epoch > 1 else "begins again"
        return OSError(
            f"{error.filename or self.folder}: expected to write epoch {self.epoch}. "
            f"Received: {error.strerror or error}. {mend}; the same command then {kept}."
        )

    def _take_up(self, before: Sidecar) -> None:
        """Check that the training on disk is this one, and go on with it."""
        self._check_same(before)
        self.history = tuple(map(EpochRecord.from_dict, before.history))
        if before.batch_size == self.config.batch_size:
            self.parts = self.history[-1].parts or 1
        if self.writes:
            # a kill may have come between the .npz and these
            write_json(self.latest.with_suffix(".json"), before.to_dict())
            write_log(self.folder, self.history)
        then, now = _settings(before), self.config.to_dict()
        changed = ", ".join(f"{n} {then[n]} -> {now[n]}" for n in now if then[n] != now[n])
        if not self.finished:
            words = f"going on after epoch {self.epoch}."
            words += f" Changed: {changed}." if changed else ""
        else:
            words = f"the training is finished ({self.why}), nothing to do."
            if changed:
                words += (
                    f" Changed without effect: {changed}. To train with it, choose another folder, "
                    "or delete this one."
                )
        tqdm.write(f"{self.folder}: {words}")

    def _check_same(self, before: Sidecar) -> None:
        if before.dataset != self._digest:
            raise ValueError(
                f"{self.folder}: expected a training on the dataset with digest {self._digest}. "
                f"Received one on {before.dataset}. Choose another folder, or delete this one."
            )
        then, now = UNetConfig.from_dict(before.unet).to_dict(), self.unet.to_dict()
        if then != now:
            differing = ", ".join(f"{n} {then[n]}, not {now[n]}" for n in now if then[n] != now[n])
            raise ValueError(
                f"{self.folder}: expected a training of the same network. "
                f"Received one with {differing}. Choose another folder, or delete this one."
            )


def _settings(sidecar: Sidecar) -> dict[str, object]:
    """Of a training on disk; earlier versions had fewer parameters."""
    return {**TrainingConfig().to_dict(), **sidecar.training}


def _with_statistics(state: TrainingState, dataset: Dataset, before: Sidecar | None) -> UNetConfig:
    """The network with mean and standard deviation of the training set, or, fine-tuned, of the
    network it starts from, whose weights fit those.

    Raises:
        ValueError, FileNotFoundError: see :meth:`TrainingState.open`.
    """
    config, unet = state.config, state.unet
    if before is not None and (begun := _settings(before)["start_from"]) != config.start_from:
        raise ValueError(
            f"{state.folder}: expected start_from {begun!r}, as this training began. "
            f"Received {config.start_from!r}. Choose another folder, or delete this one."
        )
    if not config.start_from:
        return dataclasses.replace(unet, **{k: dataset.manifest[k] for k in ("mean", "std")})
    start = state.latest if before else checkpoint_path(config.start_from)
    pretrained = UNetConfig.from_dict((before or read_sidecar(start)).unet)
    wanted, found = (
        f"width {u.width}, {u.levels} levels and normalization {u.normalization}"
        for u in (unet, pretrained)
    )
    if wanted != found:
        raise ValueError(
            f"{start}: expected a network of {wanted}. Received one of {found}; "
            "ask for the same shape, or start from another."
        )
    return dataclasses.replace(unet, mean=pretrained.mean, std=pretrained.std)
