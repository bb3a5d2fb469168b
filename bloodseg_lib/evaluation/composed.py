"""Scores on composed smears, pixel by pixel: one confusion matrix over a split of a dataset.

Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bloodseg_lib.classes import CLASSES, NUM_CLASSES
from bloodseg_lib.evaluation.report import Report, predicted_batches
from bloodseg_lib.io import csv_text
from bloodseg_lib.network.metrics import Scores, confusion_matrix, scores
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.prediction.tiling import Predict
from bloodseg_lib.smears.dataset import Dataset

CAVEAT = (
    "Scored on composed smears, made as the training images were: this flatters. "
    "Smears that nobody composed are harder."
)


@dataclass(frozen=True, eq=False)
class ComposedReport(Report):
    """The scores of a network on a split of a dataset.

    Attributes:
        scores: of all pixels together.
        confusion: ``(10, 10) int64`` pixels, rows truth, columns predicted.
        image_accuracy: ``(n,) float64``, fraction of correctly classified pixels of each image, in
            the order of the dataset.
        names: of the images.
        seconds: how long the prediction took.
        checkpoint: the weights file, or empty.
        split: of the dataset.
    """

    stem: ClassVar[str] = "report"
    scores: Scores
    confusion: np.ndarray
    image_accuracy: np.ndarray
    names: tuple[str, ...]
    seconds: float
    checkpoint: str
    split: str

    def worst(self, count: int = 3) -> list[int]:
        """Indices of the images with the lowest pixel accuracy, worst first."""
        return np.argsort(self.image_accuracy, kind="stable")[:count].tolist()

    def best(self, count: int = 3) -> list[int]:
        """Indices of the images with the highest pixel accuracy, best first."""
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

    def tables(self) -> dict[str, str]:
        """``per_class.csv``: a row for each class, empty where a score is undefined."""
        columns = ("class", "iou", "dice", "precision", "recall", "pixels")
        rows = ([c.key, *self._row(c.id, ""), int(self.scores.support[c.id])] for c in CLASSES)
        return {"per_class.csv": csv_text(columns, rows)}

    def to_markdown(self) -> str:
        """The report for people."""
        s = self.scores
        total = max(1, int(s.support.sum()))
        rows = (
            f"| {c.name} | {' | '.join(self._row(c.id, '-'))} | {s.support[c.id] / total:.2%} |"
            for c in CLASSES
        )
        never = f"**Never found:** {', '.join(CLASSES[i].name for i in s.zero_recall)}."
        lines = [
            f"# Evaluation on the {self.split} split: {len(self.names)} images",
            "",
            f"Pixel accuracy **{s.pixel_accuracy:.2%}**; a network that sees background everywhere "
            f"would have {s.background_share:.2%}. "
            f"Mean IoU **{s.mean_iou:.3f}** over {int((s.support > 0).sum())} classes.",
            "",
            *([never, ""] if s.zero_recall else []),
            CAVEAT,
            "",
            "| class | IoU | Dice | precision | recall | share of pixels |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Checkpoint: `{self.checkpoint or 'not given'}`. "
            f"Prediction took {self.seconds:.1f} s. Not for diagnosis.",
            "",
        ]
        return "\n".join(lines)

    def _row(self, class_id: int, undefined: str) -> list[str]:
        s = self.scores
        values = (column[class_id] for column in (s.iou, s.dice, s.precision, s.recall))
        return [f"{value:.4f}" if np.isfinite(value) else undefined for value in values]


def evaluate_dataset(
    segmenter: Segmenter | Predict,
    dataset: Dataset,
    split: str = "test",
    limit: int | None = None,
    *,
    progress: bool = True,
) -> ComposedReport:
    """Predict the images of a split and compare every pixel with the truth.

    Args:
        segmenter: a :class:`bloodseg_lib.prediction.segmenter.Segmenter`, or a function that
            predicts tiles as its ``predict`` does.
        dataset: composed smears.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        limit: only the first images, at most this many; ``None``: all.
        progress: show a tqdm bar.

    Raises:
        ValueError: an unknown split, one without images, or a limit below 1.
    """
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64)
    accuracy: list[float] = []
    started = time.perf_counter()
    for labels, probabilities in predicted_batches(
        segmenter, dataset, split, limit, title="Evaluating", progress=progress
    ):
        predicted = probabilities.argmax(axis=-1)
        confusion += confusion_matrix(labels, predicted)
        accuracy.extend((predicted == labels).mean(axis=(1, 2)).tolist())
    return ComposedReport(
        scores=scores(confusion),
        confusion=confusion,
        image_accuracy=np.array(accuracy),
        names=tuple(dataset.names(split)[:limit]),
        seconds=time.perf_counter() - started,
        checkpoint=str(getattr(segmenter, "checkpoint", "")),
        split=split,
    )
