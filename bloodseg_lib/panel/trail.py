"""The record of the corrections: written, read, and brought to the cells of another run.

Cells are found again by their boxes: another run of the network, or another scale, may number them
anew.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from bloodseg_lib.panel.corrections import Correction, class_key, class_of_key, listed_cells
from bloodseg_lib.panel.steps import undone
from bloodseg_lib.prediction.counts import Counts

RECORD_SUFFIXES = (".zip", ".json")
"""Endings of the files with corrections that can be loaded."""

SAME_CELL = 0.5
"""A cell is the same when its box and that of before overlap by more than this (intersection over
union).
"""


def trail(counts: Counts, corrections: Sequence[Correction]) -> list[dict[str, Any]]:
    """Every correction for JSON, with the class that the cell had before it, and the cell's box. Of
    a drawn cell, ``drawn`` is its number among these, and its first correction has the outline.
    """
    cells = listed_cells(counts, corrections)
    now = {cell.number: None if cell.drawn else cell.found.class_id for cell in cells}
    steps = []
    for c in corrections:
        before, now[c.cell] = now[c.cell], c.class_id
        change: dict[str, Any] = {
            "cell": c.cell,
            "box": [int(value) for value in cells[c.cell - 1].found.box],
            "from": class_key(before),
            "to": class_key(c.class_id),
            "time": c.time.isoformat(),
            "step": c.step,
            "action": c.action,
        }
        if (drawn := c.cell - len(counts.cells)) > 0:
            change["drawn"] = drawn
        if c.outline:
            change["outline"] = [[float(x), float(y)] for x, y in c.outline]
        if c.by:
            change["by"] = c.by
        steps.append(change)
    return steps


def found_again(
    counts: Counts, steps: Sequence[Mapping[str, Any]]
) -> tuple[tuple[Correction, ...], int]:
    """The corrections of a record, of :func:`trail`, for the cells that the network finds now, and
    how many of the corrected cells are not there.

    Raises:
        ValueError: the record is not one.
    """
    boxes = np.array([cell.box for cell in counts.cells], float).reshape(-1, 4)
    try:
        # drawn cells come behind those that are found now
        places = [
            len(boxes) + int(s["drawn"]) if "drawn" in s else _same(boxes, tuple(s["box"]))
            for s in steps
        ]
        corrections = tuple(
            Correction(
                place,
                class_of_key(s["to"]),
                datetime.fromisoformat(s["time"]),
                int(s["step"]),
                str(s["action"]),
                tuple((float(x), float(y)) for x, y in s.get("outline", ())),
                str(s.get("by", "")),
            )
            for place, s in zip(places, steps, strict=True)
            if place
        )
        lost = {tuple(s["box"]) for place, s in zip(places, steps, strict=True) if not place}
        listed_cells(counts, corrections)  # refuses drawn cells without their outlines
        undone(counts, corrections)  # refuses a record that takes back what nobody did
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            "Expected corrections with box, to, time, step and action, as the panel wrote them. "
            f"Received {error!r}. Take the file as it was."
        ) from error
    return corrections, len(lost)


def _same(boxes: np.ndarray, box: Sequence[float]) -> int:
    """The number of the cell whose box is nearly this one, or 0."""
    if not len(boxes):
        return 0
    x, y, width, height = box
    across = np.minimum(boxes[:, 0] + boxes[:, 2], x + width) - np.maximum(boxes[:, 0], x)
    down = np.minimum(boxes[:, 1] + boxes[:, 3], y + height) - np.maximum(boxes[:, 1], y)
    both = np.clip(across, 0, None) * np.clip(down, 0, None)
    overlap = both / (boxes[:, 2] * boxes[:, 3] + width * height - both)
    best = int(overlap.argmax())
    return best + 1 if overlap[best] > SAME_CELL else 0


def read_record(name: str, data: bytes) -> tuple[str, list[dict[str, Any]]]:
    """The name of the image and the corrections in a zip or JSON that the panel offered.

    Raises:
        ValueError: it is neither, or has no corrections.
    """
    try:
        if name.lower().endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                inside = next(n for n in archive.namelist() if n.endswith("_counts.json"))
                data = archive.read(inside)
        summary = json.loads(data)
        return str(summary["image"]), summary.get("corrections", [])
    except (zipfile.BadZipFile, StopIteration, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{name}: expected the zip or the counts.json of an earlier result of the panel. "
            f"Received something else ({error!r})."
        ) from error
