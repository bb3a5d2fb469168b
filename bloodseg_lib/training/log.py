"""Reports a training while it runs: a line and a warning for each epoch, the log as CSV, curves in
the notebook and in TensorBoard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from bloodseg_lib.io import write_csv
from bloodseg_lib.training.record import EpochRecord

LOG, EVENTS = "log.csv", "tensorboard"
_OURS = ".training"  # ends the names of our files of events
COLLAPSE_EPOCHS = 2
COLLAPSE_MARGIN = 1e-3


def collapse_warning(record: EpochRecord) -> str:
    """Say which classes an epoch did not learn; empty if it learned all.

    Examples:
        >>> good = EpochRecord(1, 0.001, 0.9, 0.7, 0.8, valid_accuracy=0.9, background_share=0.6)
        >>> collapse_warning(good)
        ''
    """
    missing = ", ".join(record.zero_recall)
    background = record.background_share
    if background is not None and abs(record.valid_accuracy - background) < COLLAPSE_MARGIN:
        return (
            f"Warning: collapse. The validation accuracy {record.valid_accuracy:.2%} is just the "
            "fraction of background pixels: the network may see no cell at all. "
            f"Not one pixel found of: {missing or '-'}. Wait an epoch or two; "
            "then lower the learning rate or raise weight_exponent."
        )
    return f"Warning: not one validation pixel found of: {missing}." if missing else ""


def tell(record: EpochRecord, epochs: int, better: bool, progress: bool) -> None:
    """Print the line of an epoch, if ``progress``, and its warning in any case."""
    if progress:
        tqdm.write(
            f"epoch {record.epoch}/{epochs}: "
            f"training loss {record.train_loss:.3f}, accuracy {record.train_accuracy:.2%}; "
            f"validation loss {record.valid_loss:.3f}, accuracy {record.valid_accuracy:.2%} "
            f"(all background: {record.background_share:.2%}), mean IoU {record.mean_iou:.3f}; "
            f"{record.images_per_s:.1f} images/s, {record.time_s:.0f} s"
            f"{', best so far' if better else ''}"
        )
    if record.epoch >= COLLAPSE_EPOCHS and (warning := collapse_warning(record)):
        tqdm.write(warning)


def write_log(folder: Path, history: Sequence[EpochRecord]) -> None:
    """Write the history as ``log.csv``, one row an epoch."""
    rows = [{**r.to_dict(), "zero_recall": " ".join(r.zero_recall)} for r in history]
    # earlier versions recorded less
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(folder / LOG, columns, ([row.get(name, "") for name in columns] for row in rows))


class EventLog:
    """The history for TensorBoard, in ``tensorboard/`` beside ``log.csv``: ``tensorboard --logdir
    FOLDER``.

    Every process that resumes a training writes it anew from the history, so that no epoch is in it
    twice.

    Args:
        folder: of the training.
        history: the epochs so far.

    Raises:
        ImportError: the package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: Path, history: Sequence[EpochRecord]):
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise ImportError(
                "tensorboard=True: expected the package tensorboard. Received an environment "
                "without it; pip install tensorboard."
            ) from error
        self._event, self._summary = Event, Summary
        folder = folder / EVENTS
        for old in folder.glob(f"events.out.tfevents.*{_OURS}"):
            old.unlink()
        self._writer = EventFileWriter(str(folder), filename_suffix=_OURS)
        for record in history:
            self.add(record)

    def add(self, record: EpochRecord) -> None:
        """Write the numbers of one epoch, under the names they have in the history, and flush."""
        numbers = record.to_dict() | {"zero_recall_classes": len(record.zero_recall)}
        values = [
            self._summary.Value(tag=name, simple_value=value)
            for name, value in numbers.items()
            if isinstance(value, int | float) and name != "epoch"
        ]
        self._writer.add_event(self._event(step=record.epoch, summary=self._summary(value=values)))
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()


class LiveCurve:
    """The learning curve in a notebook, drawn anew after each epoch: ``train(...,
    on_epoch=LiveCurve(folder))``. Close it before you show the whole curve.

    It shows all epochs, also those before a restart: they are read from ``latest.npz``, which is
    written before it is called.

    Args:
        folder: of the training.
    """

    def __init__(self, folder: Path | str):
        self._latest = Path(folder) / "latest.npz"
        self._handle: Any = None

    def __call__(self, _record: EpochRecord) -> None:
        """Draw in place of the last drawing; clearing the output would clear the epochs' lines."""
        from IPython.display import display
        from matplotlib import pyplot as plt

        from bloodseg_lib.figures.charts import learning_curve_figure
        from bloodseg_lib.network.checkpoint import read_sidecar

        figure = learning_curve_figure(
            [EpochRecord.from_dict(entry) for entry in read_sidecar(self._latest).history]
        )
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
        plt.close(figure)

    def close(self) -> None:
        """Remove the drawing."""
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(""))
            self._handle = None
