"""What a person changes in the cells that were found: another class, or no cell at all. Nothing is
overwritten, every change is on record.

The class map and the overlay stay what the network said; the corrected figures stand beside them,
with the list of corrections. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, NUM_CLASSES
from bloodseg_lib.prediction.counts import Counts

PICTURES_NOTE = (
    "The class map and the overlay show what the network found, without the corrections."
)


@dataclass(frozen=True)
class Correction:
    """One change that a person made.

    Attributes:
        cell: number of the cell, from 1, in the order of ``Counts.cells``, which is that of the
            rows in the CSV.
        class_id: the class it was given, 1..9, or ``None``: there is no cell, it was deleted.
        time: when, in UTC.
    """

    cell: int
    class_id: int | None
    time: datetime = dataclasses.field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0)
    )

    def __post_init__(self) -> None:
        if self.class_id is not None and not 1 <= self.class_id < NUM_CLASSES:
            raise ValueError(
                f"Expected the id of a class of cells, 1 to {NUM_CLASSES - 1}, or None for no cell. Received {self.class_id}."
            )


def final_classes(counts: Counts, corrections: Sequence[Correction]) -> list[int | None]:
    """The class of each cell when all corrections are made, ``None`` for a deleted one. Of several
    corrections of a cell the last holds.

    Raises:
        ValueError: a correction of a cell that is not there.
    """
    classes: list[int | None] = [cell.class_id for cell in counts.cells]
    for correction in corrections:
        if not 1 <= correction.cell <= len(classes):
            raise ValueError(
                f"Expected the number of a cell, 1 to {len(classes)}. Received {correction.cell}."
            )
        classes[correction.cell - 1] = correction.class_id
    return classes


def corrected(counts: Counts, corrections: Sequence[Correction]) -> Counts:
    """The counts after a person's corrections.

    Cells, their numbers per class, the differential and the parasitaemia change. Connected pieces
    and areas are measured on the class map, which nobody changed, and stay.

    Args:
        counts: what was found.
        corrections: in the order in which they were made.

    Raises:
        ValueError: a correction of a cell that is not there.
    """
    if not corrections:
        return counts
    classes = final_classes(counts, corrections)
    cells = tuple(
        dataclasses.replace(cell, class_id=class_id)
        for cell, class_id in zip(counts.cells, classes, strict=True)
        if class_id is not None
    )
    tally = Counter(classes)
    return dataclasses.replace(
        counts, cells=cells, watershed={c.key: tally[c.id] for c in CELL_CLASSES}
    )


def corrected_files(
    counts: Counts, files: Mapping[str, bytes], stem: str, corrections: Sequence[Correction]
) -> dict[str, bytes]:
    """The files of :func:`bloodseg_lib.prediction.results.result_files` after a person's
    corrections.

    ``<stem>_cells.csv`` keeps a row for each cell that was found, so that it tells what was
    changed: the column ``class`` is the corrected class, empty where the cell was deleted, and
    three columns are added: ``found_class``, ``correction`` (``changed``, ``deleted``, ``restored``
    or empty) and ``corrected_at`` (UTC). ``<stem>_counts.json`` has the corrected figures and every
    correction in the order it was made.

    Args:
        counts: what was found, before corrections.
        files: what was made of it.
        stem: what their names begin with.
        corrections: in the order in which they were made. Without any, the files come back as they
            are.

    Raises:
        ValueError: a correction of a cell that is not there.
    """
    if not corrections:
        return dict(files)
    summary = json.loads(files[f"{stem}_counts.json"])
    summary |= corrected(counts, corrections).to_dict()
    summary |= {"corrections": _trail(counts, corrections), "corrections_note": PICTURES_NOTE}
    return {
        **files,
        f"{stem}_cells.csv": _table(counts, corrections).encode(),
        f"{stem}_counts.json": (json.dumps(summary, indent=1) + "\n").encode(),
    }


def _trail(counts: Counts, corrections: Sequence[Correction]) -> list[dict[str, Any]]:
    """Every correction, with the class that the cell had before it."""
    now = final_classes(counts, ())
    trail = []
    for correction in corrections:
        before, now[correction.cell - 1] = now[correction.cell - 1], correction.class_id
        trail.append(
            {
                "cell": correction.cell,
                "from": _key(before),
                "to": _key(correction.class_id),
                "time": correction.time.isoformat(),
            }
        )
    return trail


def _table(counts: Counts, corrections: Sequence[Correction]) -> str:
    """The CSV of the cells with its three columns of corrections."""
    rows = list(csv.reader(io.StringIO(counts.to_csv())))
    column = rows[0].index("class")
    last = {correction.cell: correction for correction in corrections}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*rows[0], "found_class", "correction", "corrected_at"])
    for number, row in enumerate(rows[1:], start=1):
        found, correction = row[column], last.get(number)
        if correction is None:
            writer.writerow([*row, found, "", ""])
            continue
        row[column] = _key(correction.class_id)
        what = (
            "deleted"
            if correction.class_id is None
            else "restored"
            if row[column] == found
            else "changed"
        )
        writer.writerow([*row, found, what, correction.time.isoformat()])
    return table.getvalue()


def _key(class_id: int | None) -> str:
    return "" if class_id is None else CLASSES[class_id].key
