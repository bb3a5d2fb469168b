"""Confusion matrix -> every score. Pure NumPy, used by training and evaluation alike.

Confusion matrices add up, so scores of any number of images cost no memory. Taught by
``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bloodseg_lib.classes import BACKGROUND, CLASSES, NUM_CLASSES


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count the pixels of each pair of true and predicted class.

    Args:
        truth: integers of any shape, ids 0..9.
        predicted: integers of the same shape, ids 0..9.

    Returns:
        ``(10, 10) int64``: row *i*, column *j* is the number of pixels of class *i* that were
            predicted as *j*.

    Raises:
        ValueError: the shapes differ, or an id is not 0..9.

    Examples:
        >>> confusion = confusion_matrix(np.array([0, 0, 8]), np.array([0, 8, 8]))
        >>> confusion[0, 0].item(), confusion[0, 8].item(), confusion[8, 8].item()
        (1, 1, 1)
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise ValueError(
            f"predicted: expected the shape of the truth, {truth.shape}. Received "
            f"{predicted.shape}."
        )
    for name, ids in (("truth", truth), ("predicted", predicted)):
        if not np.issubdtype(ids.dtype, np.integer) or (
            ids.size and not 0 <= ids.min() <= ids.max() < NUM_CLASSES
        ):
            raise ValueError(
                f"{name}: expected integer class ids 0..{NUM_CLASSES - 1}. Received {ids.dtype} up "
                f"to {ids.max() if ids.size else '-'}."
            )
    tens = truth.astype(np.uint8) * np.uint8(NUM_CLASSES)  # with the other 99 at most
    counts = np.bincount((tens + predicted.astype(np.uint8)).ravel(), minlength=NUM_CLASSES**2)
    return counts.reshape(NUM_CLASSES, NUM_CLASSES).astype(np.int64)


@dataclass(frozen=True)
class Scores:
    """Scores of a confusion matrix.

    Attributes:
        pixel_accuracy: fraction of correctly classified pixels, 0..1.
        background_share: fraction of pixels that are background: the accuracy of a network that
            predicts background everywhere.
        mean_iou: mean of ``iou`` over the classes that occur in the truth, background included.
        iou: ``(10,) float64``, intersection over union, TP / (TP + FP + FN); NaN for a class that
            is neither in the truth nor predicted.
        dice: ``(10,) float64``, 2 TP / (2 TP + FP + FN), the F1 score of the pixels; NaN as
            ``iou``.
        precision: ``(10,) float64``, TP / (TP + FP); NaN for a class that was never predicted.
        recall: ``(10,) float64``, TP / (TP + FN); NaN for a class that is not in the truth.
        support: ``(10,) int64``, pixels of each class in the truth.
        zero_recall: ids of the classes that are in the truth and of which not one pixel was found.
    """

    pixel_accuracy: float
    background_share: float
    mean_iou: float
    iou: np.ndarray
    dice: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    support: np.ndarray
    zero_recall: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The scores for JSON: those of a class under its key, undefined ones ``None``."""

        def by_class(values: np.ndarray) -> dict[str, Any]:
            return {
                c.key: None if np.isnan(value) else value.item()
                for c, value in zip(CLASSES, values, strict=True)
            }

        return {
            "pixel_accuracy": self.pixel_accuracy,
            "background_share": self.background_share,
            "mean_iou": self.mean_iou,
            **{
                name: by_class(getattr(self, name))
                for name in ("iou", "dice", "precision", "recall", "support")
            },
            "zero_recall": [CLASSES[i].key for i in self.zero_recall],
        }


def scores(confusion: np.ndarray) -> Scores:
    """Compute every score of a confusion matrix.

    Args:
        confusion: ``(10, 10)`` counts as :func:`confusion_matrix` returns them, or a sum of such.

    Raises:
        ValueError: another shape, or no pixel at all.

    Examples:
        Of four pixels three are right; of the two predicted as infected (8) one is.

        >>> found = scores(confusion_matrix(np.array([0, 0, 0, 8]), np.array([0, 0, 8, 8])))
        >>> found.pixel_accuracy, found.precision[8].item()
        (0.75, 0.5)
    """
    confusion = np.asarray(confusion, dtype=np.int64)
    if confusion.shape != (NUM_CLASSES, NUM_CLASSES) or not confusion.any():
        raise ValueError(
            f"confusion: expected ({NUM_CLASSES}, {NUM_CLASSES}) counts of at least one pixel. "
            f"Received {confusion.shape}, all zero or not."
        )
    hit = np.diagonal(confusion).astype(np.float64)  # TP
    support = confusion.sum(axis=1)  # TP + FN
    predicted = confusion.sum(axis=0)  # TP + FP
    iou = _ratio(hit, support + predicted - hit)
    present = support > 0
    return Scores(
        pixel_accuracy=float(hit.sum() / support.sum()),
        background_share=float(support[BACKGROUND] / support.sum()),
        mean_iou=float(iou[present].mean()),
        iou=iou,
        dice=_ratio(2 * hit, support + predicted),
        precision=_ratio(hit, predicted),
        recall=_ratio(hit, support),
        support=support,
        zero_recall=tuple(np.flatnonzero(present & (hit == 0)).tolist()),
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(NUM_CLASSES, np.nan), where=whole > 0)
