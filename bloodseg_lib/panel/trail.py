"""The record of the corrections: undone and done again, read, and brought to the cells of another
run.

The record only grows. An undo is a step of its own, so that what was done can be read later. Cells
are found again by their boxes: another run of the network, or another scale, may number them anew.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np

from bloodseg_lib.panel.corrections import Correction, class_of_key, listed_cells
from bloodseg_lib.prediction.counts import Counts

SAME_CELL = 0.5
"""A cell is the same when its box and that of before overlap by more than this (intersection over
union).
"""


def step_of(
    corrections: Sequence[Correction], cells: Iterable[int], class_id: int | None, action: str = ""
) -> tuple[Correction, ...]:
    """Corrections of some cells as the next step of a record."""
    step = max((c.step for c in corrections), default=0) + 1
    return tuple(Correction(cell, class_id, step=step, action=action) for cell in cells)


def undone(counts: Counts, corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """The step that takes back the last one that holds; empty if there is none."""
    done, _ = _stacks(corrections)
    if not done:
        return ()
    start, changes = done[-1]
    before = listed_cells(counts, corrections[:start])
    now = step_of(corrections, (c.cell for c in changes), None, "undo")
    return tuple(replace(c, class_id=before[c.cell - 1].class_id) for c in now)


def redone(corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """The step that does again what was undone last; empty if there is nothing."""
    _, taken_back = _stacks(corrections)
    changes = taken_back[-1][1] if taken_back else ()
    now = step_of(corrections, (c.cell for c in changes), None, "redo")
    return tuple(replace(c, class_id=old.class_id) for c, old in zip(now, changes, strict=True))


_Step = tuple[int, tuple[Correction, ...]]


def _stacks(corrections: Sequence[Correction]) -> tuple[list[_Step], list[_Step]]:
    """The steps that hold and those that were undone, each with its place in the record."""
    done: list[_Step] = []
    taken_back: list[_Step] = []
    place = 0
    for _, group in groupby(corrections, key=lambda c: c.step):
        changes = tuple(group)
        if changes[0].action == "undo":
            taken_back.append(done.pop())
        elif changes[0].action == "redo":
            done.append(taken_back.pop())
        else:
            done.append((place, changes))
            taken_back.clear()
        place += len(changes)
    return done, taken_back


def found_again(
    counts: Counts, steps: Sequence[Mapping[str, Any]]
) -> tuple[tuple[Correction, ...], int]:
    """The corrections of a record for the cells that are there now, and how many of the corrected
    cells are not.

    Args:
        counts: the cells as the network found them.
        steps: of :func:`bloodseg_lib.panel.corrections.trail`.

    Raises:
        ValueError: the record is not one.
    """
    boxes = np.array([cell.box for cell in counts.cells], float).reshape(-1, 4)
    try:
        numbers = {tuple(s["box"]): _same(boxes, tuple(s["box"])) for s in steps}
        corrections = tuple(
            Correction(
                numbers[tuple(s["box"])],
                class_of_key(s["to"]),
                datetime.fromisoformat(s["time"]),
                int(s["step"]),
                str(s["action"]),
            )
            for s in steps
            if numbers[tuple(s["box"])]
        )
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"Expected corrections with box, to, time, step and action. Received {error!r}."
        ) from error
    return corrections, sum(not number for number in numbers.values())


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
