"""Confusion matrix -> every score. Pure NumPy, used by training and evaluation alike.

Confusion matrices of parts add up to that of the whole, so scores of any number of images cost no
memory. Taught by ``notebooks/04_evaluation.ipynb``.
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
            called *j*.

    Raises:
        ValueError: the shapes differ, or an id is not 0..9.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise ValueError(
            f"predicted: expected the shape of the truth, {truth.shape}. Received {predicted.shape}."
        )
    for name, ids in (("truth", truth), ("predicted", predicted)):
        if not np.issubdtype(ids.dtype, np.integer) or (
            ids.size and not 0 <= ids.min() <= ids.max() < NUM_CLASSES
        ):
            raise ValueError(
                f"{name}: expected integer class ids 0..{NUM_CLASSES - 1}. Received {ids.dtype} up to {ids.max() if ids.size else '-'}."
            )
    # at most 99
    pairs = (
        truth.astype(np.uint8).ravel() * np.uint8(NUM_CLASSES) + predicted.astype(np.uint8).ravel()
    )
    return (
        np.bincount(pairs, minlength=NUM_CLASSES**2)
        .reshape(NUM_CLASSES, NUM_CLASSES)
        .astype(np.int64)
    )


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says.

    Attributes:
        pixel_accuracy: share of pixels that got their class, 0..1.
        background_share: share of pixels that are background: what a network that calls everything
            background would score.
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
        """The scores as JSON can hold them:

        those of a class under its key, undefined ones ``None``.
        """

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
    """
    confusion = np.asarray(confusion, dtype=np.int64)
    if confusion.shape != (NUM_CLASSES, NUM_CLASSES) or not confusion.any():
        raise ValueError(
            f"confusion: expected ({NUM_CLASSES}, {NUM_CLASSES}) counts of at least one pixel. Received {confusion.shape}, all zero or not."
        )
    hit = np.diagonal(confusion).astype(np.float64)  # TP
    support = confusion.sum(axis=1)  # TP + FN
    called = confusion.sum(axis=0)  # TP + FP
    iou = _ratio(hit, support + called - hit)
    present = support > 0
    return Scores(
        pixel_accuracy=float(hit.sum() / support.sum()),
        background_share=float(support[BACKGROUND] / support.sum()),
        mean_iou=float(iou[present].mean()),
        iou=iou,
        dice=_ratio(2 * hit, support + called),
        precision=_ratio(hit, called),
        recall=_ratio(hit, support),
        support=support,
        zero_recall=tuple(np.flatnonzero(present & (hit == 0)).tolist()),
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(NUM_CLASSES, np.nan), where=whole > 0)
