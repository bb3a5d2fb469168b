"""Prediction over a split of a dataset -> one confusion matrix -> scores and a report.

Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import CLASSES, NUM_CLASSES
from bloodseg_lib.io import write_bytes, write_json
from bloodseg_lib.network.metrics import Scores, confusion_matrix, scores
from bloodseg_lib.prediction.segmenter import PredictionConfig
from bloodseg_lib.prediction.tiling import Predict

if TYPE_CHECKING:
    from bloodseg_lib.prediction.segmenter import Segmenter
    from bloodseg_lib.smears.dataset import Dataset

CAVEAT = "Scored on composed smears, made as the training images were: this flatters. Smears that nobody composed are harder."


@dataclass(frozen=True, eq=False)
class Report:
    """How well a network does on a split of a dataset.

    Attributes:
        scores: of all pixels together.
        confusion: ``(10, 10) int64`` pixels, rows truth, columns predicted.
        image_accuracy: ``(n,) float64``, share of right pixels of each image, in the order of the
            dataset.
        names: of the images.
        seconds: how long the prediction took.
        checkpoint: the weights file, or empty.
        split: of the dataset.
    """

    scores: Scores
    confusion: np.ndarray
    image_accuracy: np.ndarray
    names: tuple[str, ...]
    seconds: float
    checkpoint: str
    split: str

    def worst(self, count: int = 3) -> list[int]:
        """Indices of the images with the fewest right pixels, worst first."""
        return np.argsort(self.image_accuracy, kind="stable")[:count].tolist()

    def best(self, count: int = 3) -> list[int]:
        """Indices of the images with the most right pixels, best first."""
        return np.argsort(-self.image_accuracy, kind="stable")[:count].tolist()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        listed = {
            which: [
                {"index": i, "name": self.names[i], "accuracy": float(self.image_accuracy[i])}
                for i in indices
            ]
            for which, indices in (("worst", self.worst()), ("best", self.best()))
        }
        return {
            "caveat": CAVEAT,
            "split": self.split,
            "images": len(self.names),
            "checkpoint": self.checkpoint,
            "seconds": round(self.seconds, 2),
            "scores": self.scores.to_dict(),
            "confusion": self.confusion.tolist(),
            **listed,
        }

    def per_class_csv(self) -> str:
        """One row a class; empty where a score is undefined."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["class", "iou", "dice", "precision", "recall", "pixels"])
        for c in CLASSES:
            writer.writerow(
                [
                    c.key,
                    *(_number(v[c.id], "") for v in self._columns()),
                    int(self.scores.support[c.id]),
                ]
            )
        return table.getvalue()

    def to_markdown(self) -> str:
        """The report for people."""
        s = self.scores
        total = max(1, int(s.support.sum()))
        lines = [
            f"# Evaluation on the {self.split} split: {len(self.names)} images",
            "",
            f"Pixel accuracy **{s.pixel_accuracy:.2%}**; a network that sees background everywhere would have {s.background_share:.2%}. "
            f"Mean IoU **{s.mean_iou:.3f}** over {int((s.support > 0).sum())} classes.",
            "",
        ]
        if s.zero_recall:
            lines += [f"**Never found:** {', '.join(CLASSES[i].name for i in s.zero_recall)}.", ""]
        lines += [
            CAVEAT,
            "",
            "| class | IoU | Dice | precision | recall | share of pixels |",
            "|---|---|---|---|---|---|",
        ]
        for c in CLASSES:
            cells = [_number(v[c.id], "-") for v in self._columns()]
            lines.append(f"| {c.name} | {' | '.join(cells)} | {s.support[c.id] / total:.2%} |")
        lines += [
            "",
            f"Checkpoint: `{self.checkpoint or 'not given'}`. Prediction took {self.seconds:.1f} s. Not for diagnosis.",
            "",
        ]
        return "\n".join(lines)

    def save(self, folder: Path | str) -> None:
        """Write ``report.json``, ``report.md`` and ``per_class.csv`` into a folder."""
        folder = Path(folder)
        write_json(folder / "report.json", self.to_dict())
        write_bytes(folder / "per_class.csv", self.per_class_csv().encode())
        write_bytes(folder / "report.md", self.to_markdown().encode())

    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.scores.iou, self.scores.dice, self.scores.precision, self.scores.recall


def evaluate(
    segmenter: Segmenter | Predict,
    dataset: Dataset,
    split: str = "test",
    progress: bool = True,
    limit: int | None = None,
) -> Report:
    """Predict the images of a split and compare every pixel with the truth.

    Args:
        segmenter: a :class:`bloodseg_lib.prediction.segmenter.Segmenter`, or anything that predicts
            tiles as one does.
        dataset: what to evaluate on.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        progress: show a tqdm bar.
        limit: only the first so many images.

    Raises:
        ValueError: an unknown split, one with no images, or a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1 image, or None for all. Received {limit}.")
    names = tuple(dataset.names(split)[:limit])
    if not names:
        raise ValueError(
            f"{split}: expected a split with at least one image. Received an empty one; build the dataset with more."
        )
    predict: Predict = getattr(segmenter, "predict", segmenter)
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64)
    accuracy = []
    started = time.perf_counter()
    with tqdm(
        total=len(names), desc=f"Evaluating {split}", unit="image", disable=not progress
    ) as bar:
        for images, labels in dataset.batches(
            split, getattr(segmenter, "config", PredictionConfig()).batch_size, shuffle=False
        ):
            images, labels = (
                images[: len(names) - len(accuracy)],
                labels[: len(names) - len(accuracy)],
            )
            predicted = np.asarray(predict(images)).argmax(axis=-1)
            confusion += confusion_matrix(labels, predicted)
            accuracy.extend((predicted == labels).mean(axis=(1, 2)).tolist())
            bar.update(len(images))
            if len(accuracy) == len(names):
                break
    seconds = time.perf_counter() - started
    return Report(
        scores(confusion),
        confusion,
        np.array(accuracy),
        names,
        seconds,
        str(getattr(segmenter, "checkpoint", "")),
        split,
    )


def _number(value: float, undefined: str) -> str:
    return f"{value:.4f}" if np.isfinite(value) else undefined
