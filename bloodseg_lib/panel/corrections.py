"""Corrections by hand: a cell gets another class, is deleted, or is drawn. Nothing is overwritten,
and every change is on record.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, NUM_CLASSES, UNKNOWN, class_by_key
from bloodseg_lib.panel.drawn import Outline, drawn_cell
from bloodseg_lib.prediction.counts import Cell, Counts

UNIDENTIFIED = NUM_CLASSES
"""In the place of a class: a cell that a person looked at and could not name. It counts neither as
a red nor as a white cell.
"""


@dataclass(frozen=True)
class Correction:
    """One change by hand.

    Attributes:
        cell: number of the cell, from 1, in the order of ``Counts.cells``, which is that of the
            rows in the CSV; behind them come the drawn cells.
        class_id: its new class, 1..9, :data:`UNIDENTIFIED`, or ``None``: there is no cell, it was
            deleted.
        time: in UTC.
        step: number of the step, from 1; corrections made at once are one step.
        action: ``""``, or ``"undo"`` or ``"redo"`` of an earlier step.
        outline: of a cell that is drawn by this correction; else empty.
        by: who made it; empty where nobody said.
    """

    cell: int
    class_id: int | None
    time: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    step: int = 0
    action: str = ""
    outline: Outline = ()
    by: str = ""

    def __post_init__(self) -> None:
        if self.class_id is not None and not 1 <= self.class_id <= UNIDENTIFIED:
            raise ValueError(
                f"Expected the id of a class of cells, 1 to {NUM_CLASSES - 1}, {UNIDENTIFIED} for "
                f"unidentified, or None for no cell. Received {self.class_id}."
            )


class ListedCell(NamedTuple):
    """A cell as the network found it or a person drew it, with its class after the corrections.

    Attributes:
        number: of the cell, from 1.
        found: the cell as the network found it or the person drew it.
        class_id: its class now, 1..9, :data:`UNIDENTIFIED`, or ``None``: deleted.
        named: whether a person gave it its class, be it the one that was found.
        drawn: whether a person drew it.
    """

    number: int
    found: Cell
    class_id: int | None
    named: bool = False
    drawn: bool = False

    @property
    def mark(self) -> str:
        """``"deleted"``, ``"drawn"``, ``"changed"`` or empty."""
        if self.class_id is None:
            return "deleted"
        if self.drawn:
            return "drawn"
        return "changed" if self.class_id != self.found.class_id else ""

    @property
    def uncertain(self) -> str:
        """Why the network could not name it, and nobody has; empty: somebody could."""
        return "" if self.named else self.found.uncertain

    @property
    def certainty(self) -> float:
        """The probability of its class times the fraction of its pixels that agree, 0..1; 1 of a
        drawn cell.
        """
        if self.drawn:
            return 1.0
        return (self.found.confidence or 0) * self.found.agreement


def listed_cells(counts: Counts, corrections: Sequence[Correction]) -> list[ListedCell]:
    """The cells that were found and drawn, with their classes after all corrections. Of several
    corrections of one cell the last holds. A drawn cell without a class is one whose drawing was
    undone.

    Raises:
        ValueError: a correction of a cell that does not exist.
    """
    cells = [ListedCell(n, cell, cell.class_id) for n, cell in enumerate(counts.cells, start=1)]
    for correction in corrections:
        if correction.outline:
            cells.append(_drawn(counts, correction, len(cells) + 1))
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


def _drawn(counts: Counts, correction: Correction, number: int) -> ListedCell:
    """A cell before the correction that draws it gives it its class."""
    assert counts.label_map is not None
    like = counts.cells[0] if counts.cells else None
    shape = counts.label_map.shape[:2]
    cell = drawn_cell(correction.outline, shape, correction.class_id or 0, like)
    return ListedCell(number, replace(cell, number=number), None, drawn=True)


def present_cells(counts: Counts, corrections: Sequence[Correction]) -> list[ListedCell]:
    """The cells of :func:`listed_cells` without those whose drawing was undone."""
    cells = listed_cells(counts, corrections)
    return [cell for cell in cells if not (cell.drawn and cell.class_id is None)]


def corrected_labels(counts: Counts, corrections: Sequence[Correction]) -> np.ndarray:
    """The label map, ``(H, W) uint8``, after corrections by hand of cells with their pixels: a
    deleted cell is background, an unidentified one :data:`~bloodseg_lib.classes.UNKNOWN`.
    """
    assert counts.label_map is not None
    labels = counts.label_map.copy()
    for cell in present_cells(counts, corrections):
        if cell.mark:
            shown = UNKNOWN if cell.class_id == UNIDENTIFIED else cell.class_id or 0
            labels[cell.found.box.window][cell.found.mask] = shown
    return labels


def corrected(counts: Counts, corrections: Sequence[Correction]) -> Counts:
    """The counts after corrections by hand, in their order. Deleted and unidentified cells are left
    out.

    Cells, their numbers per class, the differential and the parasitaemia change; a class that a
    person gave has no confidence. Connected components and areas are measured on the label map,
    which stays as it is.

    Raises:
        ValueError: a correction of a cell that does not exist.
    """
    if not corrections:
        return counts
    cells = tuple(
        replace(
            cell.found,
            class_id=cell.class_id,
            uncertain=cell.uncertain,
            confidence=None if cell.mark == "changed" else cell.found.confidence,
        )
        for cell in listed_cells(counts, corrections)
        if cell.class_id is not None and cell.class_id != UNIDENTIFIED
    )
    tally = Counter(cell.class_id for cell in cells)
    return replace(counts, cells=cells, watershed={c.key: tally[c.id] for c in CELL_CLASSES})


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
