"""From database folders to a sample bank, with a report of what was accepted, what was skipped, and
why.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from bloodseg_lib.classes import CELL_CLASSES, CLASSES
from bloodseg_lib.io import (
    ENCODING,
    delete_leftovers,
    read_json,
    write_bytes,
    write_csv,
    write_json,
)
from bloodseg_lib.runs import check_free, check_room, owned
from bloodseg_lib.samples.bank import INDEX, BankWriter, SampleBank, is_a_bank
from bloodseg_lib.samples.collection import REJECTIONS, Collection
from bloodseg_lib.samples.extraction.boxes import BOXES
from bloodseg_lib.samples.phantom import cells as phantom
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import catalog
from bloodseg_lib.samples.splits import SPLIT_FRACTIONS, SPLITS

CLAIM = "bank.json"
"""Databases and options that a bank is built of, written first: it marks the folder as a bank's."""
_FAILED = {"failed": True}  # in their place: the next command may be another

REPORT = "report.md"
DRAWN_SEED = 1_000_003
"""Added to the seed of cells drawn for empty splits, so that they differ from those that
``phantom=N`` draws.
"""


def collect(
    roots: Mapping[str, Path | str],
    folder: Path | str,
    draw_missing: int = 0,
    seed: int = 0,
    progress: bool = True,
    automatic_masks: bool = False,
) -> tuple[SampleBank, Collection]:
    """Read databases into a new sample bank. Killed at any moment, the same call begins anew and
    ends with the same bytes; a finished bank of the same databases and options is opened as it is.

    Args:
        roots: key of the database -> its folder; for ``"phantom"`` the number of cells to draw of
            each class.
        folder: where to make the bank; ``report.md`` and ``rejections.csv`` are written beside its
            index.
        draw_missing: the number of cells to draw of a class over all splits, for the splits where
            it has no sample; each gets its fraction of them, at least one. 0: they stay empty.
        seed: of the drawn cells and of the split.
        progress: show a progress bar.
        automatic_masks: segment cells that no expert masked, with the readers that can.

    Returns:
        the bank, and what the readers yielded.

    Raises:
        ValueError: an unknown database, or a folder that is another bank.
        OSError: the disk has too little room.
        BlockingIOError: another command is writing there.
        FileNotFoundError: a folder is missing, or not laid out as its database is.
    """
    # a misspelt key is refused before hours of reading
    readers = {key: catalog.reader(key) for key in roots}
    collection = Collection()
    with tqdm(unit="cell", desc="collecting", disable=not progress) as bar:

        def items() -> Iterator[CellSample | Skipped]:
            for key, root in roots.items():
                if key == phantom.SOURCE:
                    yield from phantom.read(_number(root), seed)
                else:
                    offered = signature(readers[key]).parameters
                    wanted = automatic_masks and "automatic_masks" in offered
                    options = {"automatic_masks": True} if wanted else {}
                    yield from readers[key](Path(root), **options)

        def fill(class_id: int, split: str) -> Iterator[CellSample]:
            for cell in _drawn(class_id, split, draw_missing, seed + DRAWN_SEED):
                yield cell
                count(cell)

        def count(item: CellSample | Skipped) -> None:
            collection.add(item)
            bar.update(isinstance(item, CellSample))

        settings = {
            "roots": [[key, str(root)] for key, root in roots.items()],
            "draw_missing": draw_missing,
            "seed": seed,
            "automatic_masks": automatic_masks,
            "boxes": _boxes(roots),
        }
        if not (Path(folder) / INDEX).exists():
            check_room(folder, room_needed(roots), "the cells")
        with owned(folder), _claimed(Path(folder), settings) as finished:
            if finished:
                bank = SampleBank(folder)
                collection = Collection.of(bank)
                tqdm.write(f"{folder}: the bank is finished, nothing to do.")
            else:
                writer = BankWriter(folder)
                for item in items():
                    if isinstance(item, CellSample):
                        writer.add(item)
                    count(item)
                _write_rejections(writer.folder, collection)
                try:
                    bank = writer.close(seed, fill if draw_missing else None)
                except ValueError as error:
                    if collection.accepted:
                        raise
                    raise ValueError(_nothing_usable(writer.folder, collection)) from error
            if not (bank.folder / REPORT).exists():  # of a finished one too: killed before this
                write_bytes(bank.folder / REPORT, collection.report(bank).encode())
    return bank, collection


def room_needed(roots: Mapping[str, Path | str]) -> int:
    """Estimate the bytes of a bank's cells: 11 kB a drawn one, and else as much as the databases'
    files have. Seven databases of 205 MB gave cells of 145 MB.
    """
    return sum(
        _number(root) * len(CELL_CLASSES) * 11_000
        if key == phantom.SOURCE
        else sum(path.stat().st_size for path in Path(root).rglob("*") if path.is_file())
        for key, root in roots.items()
    )


@contextlib.contextmanager
def _claimed(folder: Path, settings: dict[str, Any]) -> Iterator[bool]:
    """Mark a folder that this process owns as the bank of these settings.

    Yields:
        whether it is finished. What a killed process left of it is deleted.

    Raises:
        ValueError: the folder is another bank, or has something else that would be replaced.
    """
    claim, keys = folder / CLAIM, [cell_class.key for cell_class in CELL_CLASSES]
    delete_leftovers(folder / name for name in (CLAIM, INDEX, REJECTIONS, REPORT))
    if claim.exists():
        before = read_json(claim)
        # of before: without them
        if before != _FAILED and {"boxes": settings["boxes"]} | before != settings:
            raise ValueError(
                f"{folder}: holds a bank of other databases or options, or of other boxes, see "
                f"{CLAIM} in it. Choose another folder, or delete this one."
            )
        if (folder / INDEX).exists():
            yield True
            return
        for key in keys:
            shutil.rmtree(folder / key, ignore_errors=True)
        (folder / REPORT).unlink(missing_ok=True)
    elif (folder / INDEX).exists():
        raise is_a_bank(folder)
    else:
        check_free(folder, [*keys, REJECTIONS, REPORT])
    write_json(claim, settings)
    try:
        yield False
    except Exception:  # it has told why
        if not (folder / INDEX).exists():
            with contextlib.suppress(OSError):
                write_json(claim, _FAILED)
        raise


def _boxes(roots: Mapping[str, Path | str]) -> dict[str, str]:
    """The sha256 of the tables of boxes, which people correct and then make the bank again."""
    tables = {key: Path(root) / BOXES for key, root in roots.items()}
    return {
        key: hashlib.sha256(table.read_bytes()).hexdigest()
        for key, table in tables.items()
        if table.is_file()
    }


def _nothing_usable(folder: Path, collection: Collection) -> str:
    if not collection.skipped:
        return (
            f"{folder}: expected at least one usable sample. Received none, and nothing that was "
            "left out: the databases are empty. Look into their folders and tables."
        )
    reasons = Counter(skipped.reason for skipped in collection.skipped)
    listed = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common())
    return (
        f"{folder}: expected at least one usable sample, received none. Reasons: {listed}; each "
        f"with its file in {folder / REJECTIONS}. For example: {collection.skipped[0].detail}"
    )


def _write_rejections(folder: Path, collection: Collection) -> None:
    rows = (
        (s.source, CLASSES[s.class_id].key if s.class_id else "", s.path, s.reason, s.detail)
        for s in collection.skipped
    )
    columns = ("source", "class", "file", "reason", "detail")
    write_csv(folder / REJECTIONS, columns, rows, ENCODING)


def _drawn(class_id: int, split: str, number: int, seed: int) -> list[CellSample]:
    """Cells for a split that has none of a class: its fraction of ``number``, at least one."""
    before = sum(SPLIT_FRACTIONS[s] for s in SPLITS[: SPLITS.index(split)])
    first = round(number * before)
    count = max(1, round(number * (before + SPLIT_FRACTIONS[split])) - first)
    # Behind those of the splits before it: no drawn cell is there twice.
    cells = list(phantom.read({class_id: first + count}, seed))[first:]
    return [replace(cell, name=f"missing-{cell.name}") for cell in cells]


def _number(value: Path | str) -> int:
    if not str(value).isdigit() or int(str(value)) < 1:
        raise ValueError(
            "phantom: expected the number of cells to draw of each class, e.g. phantom=100. "
            f"Received {str(value)!r}."
        )
    return int(str(value))
