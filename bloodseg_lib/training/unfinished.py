"""An epoch that a signal cut short: the signal waits for the end of a step, and the epoch goes on
from there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from bloodseg_lib.config import Config
from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.checkpoint import read_sidecar, restore_checkpoint
from bloodseg_lib.network.devices import process
from bloodseg_lib.network.sidecar import Sidecar

UNFINISHED = "unfinished.npz"
"""Checkpoint within an epoch that a signal stopped; it is gone when the epoch is done."""


@dataclass(frozen=True)
class Unfinished(Config):
    """Where an epoch was stopped.

    Attributes:
        epoch: number, from 1.
        steps: how many of its steps are done; all of them if it was stopped in its validation.
        parts: into how many parts a batch was cut because memory was short.
        time_s: spent on it.
        train_loss, train_accuracy: means over these steps.
        sums: the values that the means are made of, as Keras keeps them.
    """

    epoch: int
    steps: int
    parts: int
    time_s: float
    train_loss: float
    train_accuracy: float
    sums: tuple[float, ...]


def take_up(
    folder: Path,
    sidecar: Callable[[Unfinished], Sidecar],
    parts: int,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> Unfinished | None:
    """Restore the state within the next epoch, if one is kept; prints that.

    Args:
        folder: of the training.
        sidecar: what the training would write of such an epoch now.
        parts: into how many a batch is cut now.
        model, optimizer: to restore; untouched if nothing is taken up.

    Returns:
        Where the epoch was stopped. ``None``: nothing is kept, or it was done with other settings,
        so that the epoch begins again.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / UNFINISHED
    if not path.exists():
        return None
    kept = read_sidecar(path)
    where = Unfinished.from_dict(kept.history[-1] if kept.history else {})
    if kept != dataclasses.replace(sidecar(where), versions=kept.versions) or where.parts != parts:
        tqdm.write(f"{path}: not used, as it is of another epoch or of other settings.")
        return None
    restore_checkpoint(path, model, optimizer)
    tqdm.write(f"{folder}: going on in epoch {where.epoch}, after step {where.steps}.")
    return where


def forget(folder: Path) -> None:
    """Delete what :func:`take_up` restores."""
    for suffix in (".npz", ".json"):
        (folder / UNFINISHED).with_suffix(suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def deferred() -> Iterator[list[int]]:
    """SIGTERM and Ctrl-C wait for the end of the block and take effect then; a second one acts at
    once.

    Several processes that train together would not stop at the same step, and only the main thread
    is sent signals: elsewhere nothing is deferred.

    Yields:
        The numbers of the signals that wait; empty as long as there is none.
    """
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def wait(number: int, _frame: object) -> None:
        asked.append(number)
        restore()
        # not print, which the signal may have interrupted
        os.write(2, b"\nStopping after this step. Ctrl-C again stops at once.\n")

    if process()[1] > 1 or threading.current_thread() is not threading.main_thread():
        yield asked
        return
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):  # None: of a program that embeds Python
            signal.signal(number, wait)
    try:
        yield asked
    finally:
        if None not in before.values():
            restore()
    if asked:
        signal.raise_signal(asked[0])
        raise KeyboardInterrupt  # where the signal's own handler lets the program go on
