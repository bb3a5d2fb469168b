"""The steps of a person who corrects: what each adds to the record.

The record only grows. An undo is a step of its own, so that what was done can be read later. A cut
deletes a cell and draws two, a merger deletes several and draws one.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from bloodseg_lib.classes import CELL_CLASSES, NUM_CLASSES
from bloodseg_lib.panel.corrections import (
    Correction,
    ListedCell,
    change_words,
    class_name,
    listed_cells,
)
from bloodseg_lib.panel.drawn import Outline, cut, instance_of, joined
from bloodseg_lib.prediction.counts import Counts

NO_CELL = "Expected a cell, none is chosen. Click one in the picture, or choose it from the list."

Step = tuple[tuple[Correction, ...], str]
"""Corrections, none if nothing is to be changed, and the change in words."""


def changing(
    counts: Counts, corrections: Sequence[Correction], cells: Sequence[int], class_id: int | None
) -> Step:
    """Give cells a class, or delete them.

    Raises:
        ValueError: no cell, or one that is not there.
    """
    if not any(cells):
        raise ValueError(NO_CELL)
    step = [Correction(cell, class_id) for cell in cells]
    listed_cells(counts, [*corrections, *step])  # refuses cells that are not there
    now = listed_cells(counts, corrections)
    if any(now[cell - 1].drawn and now[cell - 1].class_id is None for cell in cells):
        raise ValueError(NO_CELL)  # its drawing was undone
    step = [c for c in step if (n := now[c.cell - 1]).class_id != class_id or n.uncertain]
    if not step:
        subject = f"Cell {cells[0]} is" if len(cells) == 1 else f"{len(cells)} cells are"
        return (), f"{subject} that already; nothing was changed."
    return tuple(step), change_words({now[c.cell - 1].class_id for c in step}, class_id)


def restoring(cells: Iterable[ListedCell | None]) -> Step:
    """Give cells the classes that the network found.

    Raises:
        ValueError: no cell.
    """
    chosen = list(cells)
    if None in chosen or not chosen:
        raise ValueError(NO_CELL)
    changed = [cell for cell in chosen if cell and cell.class_id != cell.found.class_id]
    step = tuple(Correction(cell.number, cell.found.class_id) for cell in changed)
    return step, "as found again" if step else "As found already; nothing was changed."


def drawing(
    counts: Counts, corrections: Sequence[Correction], outline: Outline, class_id: int | None
) -> Step:
    """Add a cell.

    Raises:
        ValueError: no class of cells, or an outline without pixels.
    """
    if class_id is None or not 1 <= class_id < NUM_CLASSES:
        raise ValueError(
            f"Expected a class of cells, one of {', '.join(c.name for c in CELL_CLASSES)}. "
            f"Received {class_name(class_id)}: draw the cell as what it is most like, then change "
            "it."
        )
    return (_drawn(counts, corrections, outline, class_id),), f"drawn as {class_name(class_id)}"


def splitting(
    counts: Counts, corrections: Sequence[Correction], cell: ListedCell | None, line: Outline
) -> Step:
    """Cut a cell in two by a line.

    Raises:
        ValueError: no cell, or the line does not cross it.
    """
    if cell is None or cell.class_id is None:
        raise ValueError(NO_CELL)
    gone = Correction(cell.number, None)
    made = [gone]
    for outline in cut(cell.found, line):
        made.append(_drawn(counts, [*corrections, *made], outline, _class_of(cell)))
    return tuple(made), f"cell {cell.number} was cut in two"


def merging(
    counts: Counts, corrections: Sequence[Correction], cells: Iterable[ListedCell | None]
) -> Step:
    """Make one cell of several; it has the class of the largest.

    Raises:
        ValueError: fewer than two cells.
    """
    there = [cell for cell in cells if cell and cell.class_id is not None]
    if len(there) < 2:
        raise ValueError(
            f"Expected two cells or more. Received {len(there)}: choose the others too, with Ctrl "
            "or Shift and a click."
        )
    largest = max(there, key=lambda cell: cell.found.area_px)
    outline = joined([cell.found for cell in there])
    gone = [Correction(cell.number, None) for cell in there]
    made = _drawn(counts, [*corrections, *gone], outline, _class_of(largest))
    numbers = " and ".join(str(cell.number) for cell in there)
    return (*gone, made), f"cells {numbers} were made one"


def _drawn(
    counts: Counts, corrections: Sequence[Correction], outline: Outline, class_id: int
) -> Correction:
    """The correction that draws the next cell."""
    assert counts.label_map is not None
    height, width = counts.label_map.shape
    box = instance_of(outline, (height, width)).box
    if counts.config.border_rule and (box.bottom == height or box.right == width):
        raise ValueError(
            "Expected a cell that does not touch the bottom or right border: those that do are not "
            "counted. Received one that does; draw it within the picture."
        )
    number = len(listed_cells(counts, corrections)) + 1
    return Correction(number, class_id, outline=outline)


def _class_of(cell: ListedCell) -> int:
    """Its class; of an unidentified one, what the network took it for."""
    known = cell.class_id is not None and cell.class_id < NUM_CLASSES
    return cell.class_id if known and cell.class_id else cell.found.class_id


def undone(counts: Counts | None, corrections: Sequence[Correction]) -> Step:
    """Take back the last step that holds."""
    done, _ = _stacks(corrections)
    if not done or counts is None:
        return (), "There is nothing to undo."
    start, changes = done[-1]
    # a cell that this step drew was none before
    before = {cell.number: cell.class_id for cell in listed_cells(counts, corrections[:start])}
    return tuple(Correction(c.cell, before.get(c.cell), action="undo") for c in changes), "undone"


def redone(corrections: Sequence[Correction]) -> Step:
    """Do again what was undone last."""
    _, taken_back = _stacks(corrections)
    if not taken_back:
        return (), "There is nothing to redo."
    changes = taken_back[-1][1]
    return tuple(Correction(c.cell, c.class_id, action="redo") for c in changes), "done again"


_Placed = tuple[int, tuple[Correction, ...]]


def _stacks(corrections: Sequence[Correction]) -> tuple[list[_Placed], list[_Placed]]:
    """The steps that hold and those that were undone, each with its place in the record."""
    done: list[_Placed] = []
    taken_back: list[_Placed] = []
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
