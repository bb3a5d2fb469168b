"""Corrections by hand: a cell gets another class, or is deleted. Nothing is overwritten, and every
change is on record.

The label map and the overlay stay as the network predicted them; the corrected figures stand beside
them, with the list of corrections. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, NUM_CLASSES, class_by_key
from bloodseg_lib.io import ENCODING, csv_text
from bloodseg_lib.prediction.counts import Cell, Counts

UNIDENTIFIED = NUM_CLASSES
"""In the place of a class: a cell that a person looked at and could not name. It counts neither as
a red nor as a white cell.
"""

PICTURES_NOTE = (
    "The label map and the overlay show what the network found, without the corrections."
)


@dataclass(frozen=True)
class Correction:
    """One change by hand.

    Attributes:
        cell: number of the cell, from 1, in the order of ``Counts.cells``, which is that of the
            rows in the CSV.
        class_id: its new class, 1..9, :data:`UNIDENTIFIED`, or ``None``: there is no cell, it was
            deleted.
        time: in UTC.
        step: number of the step, from 1; corrections made at once are one step.
        action: ``""``, or ``"undo"`` or ``"redo"`` of an earlier step.
    """

    cell: int
    class_id: int | None
    time: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    step: int = 0
    action: str = ""

    def __post_init__(self) -> None:
        if self.class_id is not None and not 1 <= self.class_id <= UNIDENTIFIED:
            raise ValueError(
                f"Expected the id of a class of cells, 1 to {NUM_CLASSES - 1}, {UNIDENTIFIED} for "
                f"unidentified, or None for no cell. Received {self.class_id}."
            )


class ListedCell(NamedTuple):
    """A cell as the network found it, with its class after the corrections.

    Attributes:
        number: of the cell, from 1.
        found: the cell as the network found it.
        class_id: its class now, 1..9, :data:`UNIDENTIFIED`, or ``None``: deleted.
        named: whether a person gave it its class, be it the one that was found.
    """

    number: int
    found: Cell
    class_id: int | None
    named: bool = False

    @property
    def mark(self) -> str:
        """``"deleted"``, ``"changed"`` or empty."""
        if self.class_id is None:
            return "deleted"
        return "changed" if self.class_id != self.found.class_id else ""

    @property
    def uncertain(self) -> bool:
        """Whether the network could not name it, and nobody has."""
        return self.found.uncertain and not self.named

    @property
    def certainty(self) -> float:
        """The probability of its class times the fraction of its pixels that agree, 0..1."""
        return (self.found.confidence or 0) * self.found.agreement


def listed_cells(counts: Counts, corrections: Sequence[Correction]) -> list[ListedCell]:
    """The cells that were found, with their classes after all corrections. Of several corrections
    of one cell the last holds.

    Raises:
        ValueError: a correction of a cell that does not exist.
    """
    cells = [ListedCell(n, cell, cell.class_id) for n, cell in enumerate(counts.cells, start=1)]
    for correction in corrections:
        if not 1 <= correction.cell <= len(cells):
            raise ValueError(
                f"Expected the number of a cell, 1 to {len(cells)}. Received {correction.cell}."
            )
        before = cells[correction.cell - 1]
        # Back to the class that was found, it is as the network left it; from that class to the
        # same one, a person agreed.
        agreed = not before.mark and correction.action != "undo"
        after = before._replace(class_id=correction.class_id)
        cells[correction.cell - 1] = after._replace(named=bool(after.mark) or agreed)
    return cells


def corrected(counts: Counts, corrections: Sequence[Correction]) -> Counts:
    """The counts after corrections by hand. Deleted and unidentified cells are left out.

    Cells, their numbers per class, the differential and the parasitaemia change. Connected
    components and areas are measured on the label map, which stays as it is.

    Args:
        counts: as the network found them.
        corrections: in the order in which they were made.

    Raises:
        ValueError: a correction of a cell that does not exist.
    """
    if not corrections:
        return counts
    cells = tuple(
        replace(cell.found, class_id=cell.class_id, uncertain=cell.uncertain)
        for cell in listed_cells(counts, corrections)
        if cell.class_id is not None and cell.class_id != UNIDENTIFIED
    )
    tally = Counter(cell.class_id for cell in cells)
    return replace(counts, cells=cells, watershed={c.key: tally[c.id] for c in CELL_CLASSES})


def corrected_files(
    counts: Counts, files: Mapping[str, bytes], stem: str, corrections: Sequence[Correction]
) -> dict[str, bytes]:
    """The files of :func:`bloodseg_lib.prediction.results.result_files` after corrections by hand.

    ``<stem>_cells.csv`` keeps a row for each cell that was found: the column ``class`` is the
    corrected class, empty where the cell was deleted, and three columns are added: ``found_class``,
    ``correction`` (``changed``, ``deleted``, ``confirmed``, ``restored`` or empty) and
    ``corrected_at`` (UTC).
    ``<stem>_counts.json`` has the corrected figures and every correction in the order it was made.

    Args:
        counts: as the network found them, before corrections.
        files: the files of ``counts``.
        stem: the beginning of their names.
        corrections: in the order in which they were made. Without any, the files come back as they
            are.

    Raises:
        ValueError: a correction of a cell that does not exist.
    """
    if not corrections:
        return dict(files)
    summary = json.loads(files[f"{stem}_counts.json"])
    summary |= corrected(counts, corrections).to_dict()
    unidentified = sum(c.class_id == UNIDENTIFIED for c in listed_cells(counts, corrections))
    summary |= {"unidentified": unidentified, "corrections": trail(counts, corrections)}
    summary["corrections_note"] = PICTURES_NOTE
    return {
        **files,
        f"{stem}_cells.csv": _table(counts, corrections).encode(ENCODING),
        f"{stem}_counts.json": (json.dumps(summary, indent=1) + "\n").encode(),
    }


def trail(counts: Counts, corrections: Sequence[Correction]) -> list[dict[str, Any]]:
    """Every correction for JSON, with the class that the cell had before it, and the cell's box."""
    now: list[int | None] = [cell.class_id for cell in counts.cells]
    steps = []
    for c in corrections:
        before, now[c.cell - 1] = now[c.cell - 1], c.class_id
        box = [int(value) for value in counts.cells[c.cell - 1].box]
        change = {
            "cell": c.cell,
            "box": box,
            "from": class_key(before),
            "to": class_key(c.class_id),
        }
        steps.append({**change, "time": c.time.isoformat(), "step": c.step, "action": c.action})
    return steps


def _table(counts: Counts, corrections: Sequence[Correction]) -> str:
    """The CSV of the cells with its three columns of corrections."""
    columns, *rows = csv.reader(io.StringIO(counts.to_csv()))
    column, uncertain = columns.index("class"), columns.index("uncertain")
    last = {correction.cell: correction for correction in corrections}
    for cell, row in zip(listed_cells(counts, corrections), rows, strict=True):
        found, correction = row[column], last.get(cell.number)
        if correction is None:
            row += [found, "", ""]
            continue
        row[column] = class_key(cell.class_id)
        row[uncertain] = row[uncertain] if cell.uncertain else ""
        what = cell.mark or ("confirmed" if cell.named else "restored")
        row += [found, what, correction.time.isoformat()]
    return csv_text([*columns, "found_class", "correction", "corrected_at"], rows)


def class_key(class_id: int | None) -> str:
    """The key of a class in files; empty for no cell."""
    if class_id is None:
        return ""
    return "unidentified" if class_id == UNIDENTIFIED else CLASSES[class_id].key


def class_name(class_id: int | None) -> str:
    """The name of a class for people.

    Examples:
        >>> class_name(9), class_name(UNIDENTIFIED), class_name(None)
        ('Healthy RBC', 'Unidentified', 'no cell')
    """
    if class_id is None:
        return "no cell"
    return "Unidentified" if class_id == UNIDENTIFIED else CLASSES[class_id].name


def class_of_key(key: str) -> int | None:
    """The id for a key of :func:`class_key`.

    Raises:
        ValueError: no such key.
    """
    if key in ("", "unidentified"):
        return UNIDENTIFIED if key else None
    return class_by_key(key).id


def change_words(before: Collection[int | None], after: int | None) -> str:
    """What a correction of cells did to their classes.

    Examples:
        >>> change_words({9}, 8), change_words({9}, 9)
        ('Healthy RBC was changed to Infected RBC', 'confirmed as Healthy RBC')
    """
    others = sorted(class_name(class_id) for class_id in before if class_id != after)
    if not others:
        return f"confirmed as {class_name(after)}"
    return f"{' and '.join(others)} was changed to {class_name(after)}"
