"""Scores on real fields, which nobody composed: is a labelled cell found, named rightly, and
outlined well?

What a network scores on composed smears flatters it. Here it meets whole fields as
:mod:`bloodseg_lib.evaluation.annotated` reads them, on the one code path that everybody's images
take: scale measured in the field, or given. Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import BACKGROUND, CLASSES, NUM_CLASSES, PLATELET_IDS, WBC_IDS
from bloodseg_lib.evaluation.annotated import AnnotatedField
from bloodseg_lib.io import write_bytes, write_json
from bloodseg_lib.prediction.counts import wilson_interval
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmenter, open_image
from bloodseg_lib.samples.sources.own_fields import Box

LEAST_CELL_PX = 60
"""Smaller objects are no found cell."""
LEAST_SHARE = 0.3
"""Of the middle of a box that must be a cell for the box to count as found."""


@dataclass(frozen=True)
class FieldScore:
    """One annotated cell.

    Attributes:
        source: key of the database.
        field: name of the image's file.
        true_id: class it has.
        called_id: class it was given; 0: not found.
        iou: of its mask, intersection over union with the object found, whatever its class; None
            without a mask.
    """

    source: str
    field: str
    true_id: int
    called_id: int
    iou: float | None = None


def score_fields(
    segmenter: Segmenter,
    fields: Iterable[AnnotatedField],
    rbc_diameter_px: float | None = None,
    progress: bool = True,
) -> list[FieldScore]:
    """Segment annotated fields, and compare with what is known of them.

    Args:
        segmenter: a trained network.
        fields: see :func:`bloodseg_lib.evaluation.annotated.read`.
        rbc_diameter_px: of a red blood cell in all of these fields; None: measured in each.
        progress: show a bar.

    Returns:
        a score for each annotated cell.

    Raises:
        FileNotFoundError, ValueError: a field cannot be read; the message names it.
    """
    scale = None if rbc_diameter_px is None else Scale.given(rbc_diameter_px)
    found = []
    for field in tqdm(fields, unit="field", disable=not progress):
        labels = segmenter.segment(open_image(field.path), scale).labels
        if field.boxes:
            found += [
                FieldScore(field.source, field.path.name, box.class_id, called_in_box(labels, box))
                for box in field.boxes
            ]
        else:
            called, cell = labelled_cell(labels, field.class_id)
            found.append(
                FieldScore(
                    field.source,
                    field.path.name,
                    field.class_id,
                    called,
                    None if field.mask is None else _iou(field.mask, cell),
                )
            )
    return found


def labelled_cell(labels: np.ndarray, class_id: int) -> tuple[int, np.ndarray]:
    """The cell that a field's label is about: the largest object of white cells, or of platelets.

    Args:
        labels: ``(H, W) uint8`` predicted label map.
        class_id: the label, a white cell or a platelet.

    Returns:
        the class that most of its pixels were given, 0 if there is none, and the object, ``(H, W)
        bool``.
    """
    group = WBC_IDS if class_id in WBC_IDS else PLATELET_IDS
    kind = np.isin(labels, group)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(kind.astype(np.uint8))
    if count < 2 or stats[1:, cv2.CC_STAT_AREA].max() < LEAST_CELL_PX:
        return BACKGROUND, np.zeros_like(kind)
    cell = numbers == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    return int(np.bincount(labels[cell], minlength=NUM_CLASSES).argmax()), cell


def called_in_box(labels: np.ndarray, box: Box) -> int:
    """The class that most pixels of the middle of a box were given, half its width and height; 0
    where too few of them are a cell.

    Args:
        labels: ``(H, W) uint8`` predicted label map.
        box: around a cell.
    """
    middle = labels[
        box.y + box.height // 4 : box.y + 3 * box.height // 4,
        box.x + box.width // 4 : box.x + 3 * box.width // 4,
    ]
    counts = np.bincount(middle.ravel(), minlength=NUM_CLASSES)
    cells = counts[1:]
    return (
        int(cells.argmax()) + 1
        if cells.sum() >= LEAST_SHARE * middle.size and cells.any()
        else BACKGROUND
    )


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.count_nonzero(a & b) / np.count_nonzero(a | b))


def to_markdown(found: list[FieldScore]) -> str:
    """A table for people:

    each class of each database, how many cells, how many were found and named rightly, and what the
    others were called.
    """
    lines = [
        "| database | class | cells | found | named rightly | 95 % interval | mean IoU | most often called |",
        "|---|---|---:|---:|---:|---|---:|---|",
    ]
    for source in dict.fromkeys(score.source for score in found):
        of_source = [score for score in found if score.source == source]
        classes = sorted({score.true_id for score in of_source})
        for class_id in classes:
            lines.append(
                _row(
                    source,
                    CLASSES[class_id].name,
                    [score for score in of_source if score.true_id == class_id],
                )
            )
        if len(classes) > 1:
            lines.append(_row(source, "**all**", of_source))
    return "\n".join(lines) + "\n"


def _row(source: str, name: str, scores: list[FieldScore]) -> str:
    n, right = len(scores), sum(score.called_id == score.true_id for score in scores)
    low, high = wilson_interval(right, n)
    ious = [score.iou for score in scores if score.iou is not None]
    called = np.bincount([score.called_id for score in scores], minlength=NUM_CLASSES)
    words = ", ".join(
        f"{CLASSES[i].key if i else 'nothing'} {called[i]}"
        for i in np.argsort(-called, kind="stable")[:3]
        if called[i]
    )
    return (
        f"| {source} | {name} | {n} | {sum(score.called_id > 0 for score in scores) / n:.1%} | {right / n:.1%} | {low:.1%} to {high:.1%} "
        f"| {f'{np.mean(ious):.3f}' if ious else '-'} | {words} |"
    )


def summary(found: list[FieldScore]) -> dict[str, dict[str, float | int | None]]:
    """Database -> number of annotated cells, shares found and named rightly, mean IoU (None without
    masks).
    """
    out = {}
    for source in dict.fromkeys(score.source for score in found):
        scores = [score for score in found if score.source == source]
        ious = [score.iou for score in scores if score.iou is not None]
        out[source] = {
            "cells": len(scores),
            "found": sum(score.called_id > 0 for score in scores) / len(scores),
            "right_class": sum(score.called_id == score.true_id for score in scores) / len(scores),
            "mean_iou": float(np.mean(ious)) if ious else None,
        }
    return out


def save(found: list[FieldScore], folder: Path | str) -> None:
    """Write ``fields.md`` (the table), ``fields.csv`` (a line a cell) and ``fields.json`` (the
    summary) into a folder.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["database", "field", "class", "called", "iou"])
    for score in found:
        called = CLASSES[score.called_id].key if score.called_id else ""
        writer.writerow(
            [
                score.source,
                score.field,
                CLASSES[score.true_id].key,
                called,
                "" if score.iou is None else f"{score.iou:.4f}",
            ]
        )
    folder = Path(folder)
    write_bytes(folder / "fields.csv", table.getvalue().encode())
    write_bytes(folder / "fields.md", to_markdown(found).encode())
    write_json(folder / "fields.json", summary(found))
