"""Watching a training: the line and the warning of each epoch, the log as CSV, curves in the
notebook and in TensorBoard.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from bloodseg_lib.io import write_bytes

LOG, EVENTS = "log.csv", "tensorboard"
COLLAPSE_EPOCHS = 2
COLLAPSE_MARGIN = 1e-3


def collapse_warning(record: dict[str, Any]) -> str:
    """What is wrong with an epoch that learned nothing of some classes, in words;

    empty if all is well.
    """
    if abs(record["valid_accuracy"] - record["background_share"]) < COLLAPSE_MARGIN:
        return (
            f"Warning: collapse. The validation accuracy {record['valid_accuracy']:.2%} is just the share of background pixels: the network may see no "
            f"cell at all. Not one pixel found of: {', '.join(record['zero_recall']) or '-'}. Wait an epoch or two; then lower the learning rate or raise weight_exponent."
        )
    if record["zero_recall"]:
        return f"Warning: not one validation pixel found of: {', '.join(record['zero_recall'])}."
    return ""


def tell(record: dict[str, Any], epochs: int, better: bool, progress: bool) -> None:
    """Print the line of an epoch, if ``progress``, and its warning in any case."""
    if progress:
        tqdm.write(
            f"epoch {record['epoch']}/{epochs}: training loss {record['train_loss']:.3f}, accuracy {record['train_accuracy']:.2%}; "
            f"validation loss {record['valid_loss']:.3f}, accuracy {record['valid_accuracy']:.2%} (all background: {record['background_share']:.2%}), "
            f"mean IoU {record['mean_iou']:.3f}; {record['images_per_s']:.1f} images/s, {record['time_s']:.0f} s{', best so far' if better else ''}"
        )
    if record["epoch"] >= COLLAPSE_EPOCHS and (warning := collapse_warning(record)):
        tqdm.write(warning)


def write_log(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write the history as ``log.csv``, one row an epoch."""
    table = io.StringIO()
    # earlier versions recorded less
    columns = list(dict.fromkeys(name for record in history for name in record))
    writer = csv.DictWriter(table, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {**record, "zero_recall": " ".join(record["zero_recall"])} for record in history
    )
    write_bytes(folder / LOG, table.getvalue().encode())


class EventLog:
    """The history for TensorBoard, in ``tensorboard/`` beside ``log.csv``: ``tensorboard --logdir
    FOLDER``.

    Written anew from the history by every process that goes on with a training, so no epoch is in
    it twice, whatever was killed.

    Args:
        folder: of the training.
        history: the epochs so far.

    Raises:
        ImportError: the package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: Path, history: list[dict[str, Any]]):
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise ImportError(
                "tensorboard=True: expected the package tensorboard. Received an environment without it; pip install tensorboard."
            ) from error
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder = folder / EVENTS
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = EventFileWriter(str(folder))
        for record in history:
            self.add(record)

    def add(self, record: dict[str, Any]) -> None:
        """Write the numbers of one epoch, under the names they have in the history, and flush."""
        numbers = {
            name: value
            for name, value in record.items()
            if isinstance(value, int | float) and name != "epoch"
        }
        numbers["zero_recall_classes"] = len(record["zero_recall"])
        values = [
            self._summary.Value(tag=name, simple_value=value) for name, value in numbers.items()
        ]
        self._writer.add_event(
            self._event(step=record["epoch"], summary=self._summary(value=values))
        )
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()


class LiveCurve:
    """The learning curve in a notebook, drawn anew after each epoch: ``train(...,
    on_epoch=LiveCurve(folder))``. Close it before you show the whole curve.

    It shows all epochs, also those before a restart: they are read from ``latest.json``, which is
        written before it is called.

    Args:
        folder: of the training.
    """

    def __init__(self, folder: Path | str):
        self._latest = Path(folder) / "latest.npz"
        self._handle: Any = None

    def __call__(self, _record: dict[str, Any]) -> None:
        """Draw.

        In place of the last drawing, without clearing the output, which would take the lines of the
        epochs with it.
        """
        from IPython.display import display
        from matplotlib import pyplot as plt

        from bloodseg_lib.figures.charts import learning_curve_figure
        from bloodseg_lib.network.checkpoint import read_sidecar

        figure = learning_curve_figure(read_sidecar(self._latest).history)
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
        plt.close(figure)

    def close(self) -> None:
        """Take the drawing away."""
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(""))
            self._handle = None
