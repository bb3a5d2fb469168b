"""The sample bank: single cells on disk, split into training, validation and testing.

A bank is a folder ``<bank>/<class>/<source>__<name>.png`` with an ``index.csv``. Samples are split
*before* anything is composed of them, by group (patient, slide or field), so that no cell, and no
two cells of one group, are on both sides of a split.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, class_by_key
from bloodseg_lib.io import png_bytes, read_rgba, write_bytes, write_csv
from bloodseg_lib.runs import owned, within
from bloodseg_lib.samples.duplicates import near_duplicates, thumbnail
from bloodseg_lib.samples.entry import BankEntry, split_entries
from bloodseg_lib.samples.extraction.stain import Stain
from bloodseg_lib.samples.field_bank import FIELD_INDEX, digest_of, index_rows, read_field_index
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.samples.splits import SPLITS

INDEX = "index.csv"
_COLUMNS = ("path", "class", "source", "group", "split", "area_px", "sha256")
_STAIN = "rbc_density"  # a column that older banks do not have


class SampleBank:
    """Samples on disk. The index is read at once; a picture when it is asked for, and then kept.

    Args:
        folder: a bank that :func:`write_bank` made.

    Attributes:
        entries, fields: its samples, and its whole fields with their label maps.
        digest: changes with either.

    Raises:
        FileNotFoundError: there is no ``index.csv``.
        ValueError: a line of an index is wrong.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        index = self.folder / INDEX
        if not index.is_file():
            raise FileNotFoundError(
                f"{index}: not there. Build the bank first: python -m bloodseg_lib bank --help."
            )
        self.fields = read_field_index(self.folder)
        self.digest = digest_of(index, self.folder / FIELD_INDEX)
        rows = enumerate(index_rows(index), start=2)
        self.entries = [_entry(index, number, row) for number, row in rows]
        self._cache: dict[str, np.ndarray] = {}

    def select(self, split: str) -> list[BankEntry]:
        """Entries of one split, in the order of the index."""
        return [entry for entry in self.entries if entry.split == split]

    def sample(self, entry: BankEntry) -> CellSample:
        """The sample of an entry.

        Raises:
            FileNotFoundError: its file is missing.
            ValueError: its file is damaged, or not the one that the index names.
        """
        if entry.path not in self._cache:
            path = self.file(entry)
            rgba = read_rgba(path)
            if (area := int(np.count_nonzero(rgba[:, :, 3]))) != entry.area_px:
                raise ValueError(
                    f"{path}: expected a cell of {entry.area_px} pixels, received {area}. "
                    "Build the bank again."
                )
            self._cache[entry.path] = rgba
        rgba, name = self._cache[entry.path], Path(entry.path).stem
        return CellSample(rgba, entry.class_id, entry.source, entry.group, name, entry.stain)

    def file(self, entry: BankEntry) -> Path:
        """The file of an entry's picture.

        Raises:
            ValueError: it is outside the bank.
        """
        return within(self.folder, entry.path)

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of single cells: class key -> split -> number."""
        numbers = Counter((e.class_id, e.split) for e in self.entries if e.is_single)
        return {c.key: {split: numbers[c.id, split] for split in SPLITS} for c in CELL_CLASSES}


def _entry(index: Path, number: int, row: dict[str, str]) -> BankEntry:
    try:
        if row["split"] not in SPLITS:
            raise ValueError(f"split {row['split']!r}, not one of {SPLITS}")
        path, key, source, group, split, area, digest = (row[column] for column in _COLUMNS)
        stain = Stain.from_text(row.get(_STAIN) or "")
        class_id = class_by_key(key).id
        return BankEntry(path, class_id, source, group, split, int(area), digest, stain)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{index}, line {number}: expected the columns {', '.join(_COLUMNS)}. "
            f"Received {error}. Build the bank again."
        ) from error


def _row(e: BankEntry) -> tuple[str | int, ...]:
    key, stain = CLASSES[e.class_id].key, e.stain.to_text()
    return (e.path, key, e.source, e.group, e.split, e.area_px, e.sha256, stain)


def is_a_bank(folder: Path) -> ValueError:
    """The error of writing where there is a bank already."""
    return ValueError(f"{folder}: is a sample bank already. Delete it, or choose another folder.")


class BankWriter:
    """Writes samples one at a time; :meth:`close` splits them. See :func:`write_bank`."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        if (self.folder / INDEX).exists():
            raise is_a_bank(self.folder)
        self._entries: dict[str, BankEntry] = {}
        self._thumbnails: list[np.ndarray] = []

    def add(self, sample: CellSample, split: str = "") -> None:
        """Write one sample. :meth:`close` finds its split, unless it fills an empty one with it."""
        key, name = CLASSES[sample.class_id].key, re.sub(r"[^\w.()-]+", "_", sample.name)
        path = f"{key}/{sample.source}__{name}.png"
        if path in self._entries:
            raise ValueError(
                f"{self.folder / path}: two samples of this name. "
                "Give the samples of one class and source names of their own."
            )
        data = png_bytes(sample.rgba)
        write_bytes(self.folder / path, data)
        digest, area = hashlib.sha256(data).hexdigest(), sample.area_px
        self._entries[path] = BankEntry(
            *(path, sample.class_id, sample.source, sample.group),
            *(split, area, digest, sample.stain),
        )
        self._thumbnails.append(thumbnail(sample.rgba))

    def close(
        self, seed: int = 0, fill: Callable[[int, str], Iterable[CellSample]] | None = None
    ) -> SampleBank:
        """Split the samples, fill empty splits, write the index, and open the bank."""
        entries = list(self._entries.values())
        paths, areas = [e.path for e in entries], [e.area_px for e in entries]
        duplicates = near_duplicates(
            paths, areas, self._thumbnails, lambda path: read_rgba(self.folder / path)
        )
        splits = split_entries(entries, seed, duplicates)
        self._entries = {e.path: replace(e, split=splits[e.path]) for e in entries}
        present = {(e.class_id, e.split) for e in self._entries.values() if e.is_single}
        for class_id, split in ((c.id, split) for c in CELL_CLASSES for split in SPLITS):
            if fill and (class_id, split) not in present:
                for sample in fill(class_id, split):
                    self.add(sample, split)
        if not self._entries:
            raise ValueError(
                f"{self.folder}: expected at least one sample, received none. "
                "Look at the reasons the readers gave for leaving cells out."
            )
        rows = (_row(entry) for _, entry in sorted(self._entries.items()))
        write_csv(self.folder / INDEX, [*_COLUMNS, _STAIN], rows)
        return SampleBank(self.folder)


def write_bank(
    samples: Iterable[CellSample],
    folder: Path | str,
    seed: int = 0,
    fill: Callable[[int, str], Iterable[CellSample]] | None = None,
) -> SampleBank:
    """Write samples to a new bank, split by group.

    The index is written last: a bank that was interrupted has none, and the same call again
    finishes it. Groups that share a crop, identical or nearly so (see
    :mod:`bloodseg_lib.samples.duplicates`), are joined, whatever their names say, so that no crop
    seen in training is tested on.

    Args:
        samples: of any classes and sources; taken one at a time.
        folder: where; made if needed.
        seed: of the split.
        fill: called with each class id and split that got no sample; the samples it returns go to
            that split.

    Returns:
        the bank, opened.

    Raises:
        ValueError: no samples at all, two of one class, source and name, or a folder that is a
            finished bank already.
        BlockingIOError: another command is writing there.
    """
    with owned(folder):
        writer = BankWriter(folder)
        for sample in samples:
            writer.add(sample)
        return writer.close(seed, fill)
