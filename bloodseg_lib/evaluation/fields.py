"""Scores on annotated real fields: which labelled cells are detected, and correctly classified?

Scores on composed smears flatter a network. Here it meets whole fields as
:mod:`bloodseg_lib.evaluation.annotated` reads them, on the same code path as any image, with the
scale measured in the field or given. Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import BACKGROUND, CLASSES, NUM_CLASSES, PLATELET_IDS, WBC_IDS, Box
from bloodseg_lib.evaluation.annotated import AnnotatedField
from bloodseg_lib.evaluation.report import Report
from bloodseg_lib.io import csv_text, read_image
from bloodseg_lib.prediction.proportion import wilson_interval
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.samples.extraction.boxes import check_inside
from bloodseg_lib.samples.extraction.masks import Unusable
from bloodseg_lib.samples.sample import Skipped
from bloodseg_lib.samples.sources.folders import UNREADABLE

MIN_CELL_PX = 60
"""Objects of fewer pixels are not a detected cell."""
MIN_CELL_FRACTION = 0.3
"""Fraction of the centre of a box that must be a cell for the box to count as detected."""


@dataclass(frozen=True)
class FieldScore:
    """One annotated cell.

    Attributes:
        source: key of the database.
        field: name of the image's file.
        true_id: its class.
        predicted_id: the class it was given; 0: not detected.
        iou: intersection over union of its mask with the detected object, whatever its class; None
            without a mask.
    """

    source: str
    field: str
    true_id: int
    predicted_id: int
    iou: float | None = None


@dataclass(frozen=True)
class FieldsReport(Report):
    """The scores of a network on annotated real fields.

    Attributes:
        scores: one of each annotated cell.
        skipped: fields and boxes that could not be scored, and why.

    Examples:
        >>> scores = FieldScore("lisc", "a.bmp", 3, 3), FieldScore("lisc", "b.bmp", 3, 4)
        >>> FieldsReport(scores).to_dict()["lisc"]["right_class"]
        0.5
    """

    stem: ClassVar[str] = "fields"
    scores: tuple[FieldScore, ...]
    skipped: tuple[Skipped, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Database -> number of annotated cells, fractions that were detected and that were
        classified correctly, mean IoU (None without masks).
        """
        return {source: _summary(scores) for source, scores in self._by_source().items()}

    def to_markdown(self) -> str:
        """A table for people: a row for each class of each database, and for the database."""
        lines = [
            "| database | class | cells | found | named rightly | 95 % interval | mean IoU "
            "| most often called |",
            "|---|---|---:|---:|---:|---|---:|---|",
        ]
        for source, scores in self._by_source().items():
            classes = sorted({score.true_id for score in scores})
            for class_id in classes:
                of_class = [score for score in scores if score.true_id == class_id]
                lines.append(_row(source, CLASSES[class_id].name, of_class))
            if len(classes) > 1:
                lines.append(_row(source, "**all**", scores))
        if self.skipped:
            lines += ["", f"Not scored: {len(self.skipped)}.", ""]
            lines += [f"- {skipped.source}: {skipped.detail}" for skipped in self.skipped]
        return "\n".join(lines) + "\n"

    def tables(self) -> dict[str, str]:
        """``fields.csv``: a row for each annotated cell; ``skipped.csv``: for each that could not
        be scored, if there are any.
        """
        rows = (
            (
                score.source,
                score.field,
                CLASSES[score.true_id].key,
                CLASSES[score.predicted_id].key if score.predicted_id else "",
                "" if score.iou is None else f"{score.iou:.4f}",
            )
            for score in self.scores
        )
        tables = {"fields.csv": csv_text(("database", "field", "class", "called", "iou"), rows)}
        if self.skipped:
            reasons = ((s.source, s.path.name, s.reason, s.detail) for s in self.skipped)
            columns = ("database", "field", "reason", "detail")
            tables["skipped.csv"] = csv_text(columns, reasons)
        return tables

    def _by_source(self) -> dict[str, list[FieldScore]]:
        by_source: dict[str, list[FieldScore]] = {}
        for score in self.scores:
            by_source.setdefault(score.source, []).append(score)
        return by_source


def _summary(scores: Sequence[FieldScore]) -> dict[str, float | None]:
    ious = [score.iou for score in scores if score.iou is not None]
    return {
        "cells": len(scores),
        "found": sum(score.predicted_id > 0 for score in scores) / len(scores),
        "right_class": sum(score.predicted_id == score.true_id for score in scores) / len(scores),
        "mean_iou": float(np.mean(ious)) if ious else None,
    }


def _row(source: str, name: str, scores: Sequence[FieldScore]) -> str:
    figures, n = _summary(scores), len(scores)
    correct = sum(score.predicted_id == score.true_id for score in scores)
    low, high = wilson_interval(correct, n)
    iou = "-" if figures["mean_iou"] is None else f"{figures['mean_iou']:.3f}"
    predicted = np.bincount([score.predicted_id for score in scores], minlength=NUM_CLASSES)
    words = ", ".join(
        f"{CLASSES[i].key if i else 'nothing'} {predicted[i]}"
        for i in np.argsort(-predicted, kind="stable")[:3]
        if predicted[i]
    )
    return (
        f"| {source} | {name} | {n} | {figures['found']:.1%} | {figures['right_class']:.1%} "
        f"| {low:.1%} to {high:.1%} | {iou} | {words} |"
    )


def evaluate_fields(
    segmenter: Segmenter,
    fields: Iterable[AnnotatedField | Skipped],
    rbc_diameter_px: float | None = None,
    *,
    progress: bool = True,
) -> FieldsReport:
    """Segment annotated fields and compare with their annotations. A field that cannot be read
    costs the others nothing.

    Args:
        segmenter: a trained network.
        fields: see :func:`bloodseg_lib.evaluation.annotated.read`.
        rbc_diameter_px: of a red blood cell in all of these fields; None: measured in each.
        progress: show a tqdm bar.
    """
    scale = None if rbc_diameter_px is None else Scale.given(rbc_diameter_px)
    scores: list[FieldScore] = []
    skipped: list[Skipped] = []
    for field in tqdm(fields, unit="field", disable=not progress):
        if isinstance(field, Skipped):
            skipped.append(field)
            continue
        try:
            labels = segmenter.segment(read_image(field.path), scale).labels
        except (OSError, ValueError) as error:
            skipped.append(
                Skipped(field.source, field.class_id, field.path, UNREADABLE, str(error))
            )
            continue
        for item in _scores(field, labels):
            (skipped if isinstance(item, Skipped) else scores).append(item)  # type: ignore[arg-type]
    return FieldsReport(tuple(scores), tuple(skipped))


def _scores(field: AnnotatedField, labels: np.ndarray) -> Iterator[FieldScore | Skipped]:
    """The scores of one field's annotations."""
    name = field.path.name
    for cell_box in field.boxes:
        try:
            check_inside(cell_box, labels.shape, field.path)
        except Unusable as error:
            yield error.skipped(field.source, cell_box.class_id, field.path)
        else:
            predicted = class_in_box(labels, cell_box.box)
            yield FieldScore(field.source, name, cell_box.class_id, predicted)
    if not field.boxes:
        predicted, cell = labelled_cell(labels, field.class_id)
        iou = None
        if (mask := field.mask) is not None:
            iou = float(np.count_nonzero(mask & cell) / np.count_nonzero(mask | cell))
        yield FieldScore(field.source, name, field.class_id, predicted, iou)


def labelled_cell(labels: np.ndarray, class_id: int) -> tuple[int, np.ndarray]:
    """The cell, ``(H, W) bool``, that a field's label is about: the largest object of white cells,
    or of platelets, in a predicted label map, ``(H, W) uint8``; before it the most frequent class
    of its pixels, 0 if there is no such object.

    Examples:
        >>> labels = np.zeros((20, 20), np.uint8)
        >>> labels[2:12, 2:12], labels[2:4, 2:12] = 3, 4  # a neutrophil, partly called lymphocyte
        >>> predicted, cell = labelled_cell(labels, class_id=3)
        >>> predicted, int(cell.sum())
        (3, 100)
    """
    group = WBC_IDS if class_id in WBC_IDS else PLATELET_IDS
    of_group = np.isin(labels, group)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(of_group.astype(np.uint8))
    if count < 2 or stats[1:, cv2.CC_STAT_AREA].max() < MIN_CELL_PX:
        return BACKGROUND, np.zeros_like(of_group)
    cell = numbers == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    return int(np.bincount(labels[cell], minlength=NUM_CLASSES).argmax()), cell


def class_in_box(labels: np.ndarray, box: Box) -> int:
    """The most frequent class of the label map, ``(H, W) uint8``, in the centre of a box, half its
    width and height; 0 where too few pixels of the centre are a cell.
    """
    centre = labels[
        box.y + box.height // 4 : box.y + 3 * box.height // 4,
        box.x + box.width // 4 : box.x + 3 * box.width // 4,
    ]
    cells = np.bincount(centre.ravel(), minlength=NUM_CLASSES)[1:]
    detected = cells.any() and cells.sum() >= MIN_CELL_FRACTION * centre.size
    return int(cells.argmax()) + 1 if detected else BACKGROUND
