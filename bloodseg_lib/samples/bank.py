"""Single cells, and the sample bank that keeps them on disk, split into training, validation and
testing.

A sample is one cell cut out of an image: RGB plus an alpha channel that is its mask, at 40x scale.
    The bank is a folder
``<bank>/<class>/<source>__<name>.png`` with an ``index.csv``. Samples are split *before* anything
is composed of them, by group (patient, slide or field), so that no cell, and no two cells of one
group, stand on both sides of a split. Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, class_by_key
from bloodseg_lib.io import png_bytes, read_rgba, replacing, write_bytes
from bloodseg_lib.samples.duplicates import near_identical, thumbnail
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample
from bloodseg_lib.samples.splits import SPLIT_SHARES as SPLIT_SHARES
from bloodseg_lib.samples.splits import SPLITS, split_entries
from bloodseg_lib.samples.splits import split_groups as split_groups

INDEX = "index.csv"


@dataclass(frozen=True)
class BankEntry:
    """One line of a bank's index: where a sample lies and what is known of it."""

    path: str
    class_id: int
    source: str
    group: str
    split: str
    area_px: int
    sha256: str

    @property
    def is_single(self) -> bool:
        """Whether it shows one cell, and no stack of them or patch of a field, see :data:`CLUSTER`
        and :data:`BACKGROUND_CROP`.
        """
        return not Path(self.path).stem.endswith((CLUSTER, BACKGROUND_CROP))


_COLUMNS = ("path", "class", "source", "group", "split", "area_px", "sha256")


class SampleBank:
    """Samples on disk. Entries are read at once, pictures when they are asked for, and then kept.

    Args:
        folder: a bank that :func:`write_bank` made.

    Raises:
        FileNotFoundError: there is no ``index.csv``.
        ValueError: a line of it is not as it should be.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        index = self.folder / INDEX
        if not index.is_file():
            raise FileNotFoundError(
                f"{index}: not there. Build the bank first: python -m bloodseg_lib bank --help."
            )
        self.digest = hashlib.sha256(index.read_bytes()).hexdigest()
        with open(index, newline="", encoding="utf-8") as file:
            self.entries = [
                _entry(index, number, row)
                for number, row in enumerate(csv.DictReader(file), start=2)
            ]
        self._cache: dict[str, np.ndarray] = {}

    def select(self, split: str, class_id: int | None = None) -> list[BankEntry]:
        """Entries of one split, and of one class if given, in the order of the index."""
        return [e for e in self.entries if e.split == split and class_id in (None, e.class_id)]

    def sample(self, entry: BankEntry) -> CellSample:
        """The sample of an entry.

        Raises:
            FileNotFoundError, ValueError: its file is missing, damaged or another than the index
                says.
        """
        if entry.path not in self._cache:
            rgba = read_rgba(self.folder / entry.path)
            area = int(np.count_nonzero(rgba[:, :, 3]))
            if area != entry.area_px:
                raise ValueError(
                    f"{self.folder / entry.path}: expected a cell of {entry.area_px} pixels, received {area}. Build the bank again."
                )
            self._cache[entry.path] = rgba
        return CellSample(
            self._cache[entry.path],
            entry.class_id,
            entry.source,
            entry.group,
            Path(entry.path).stem,
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of single cells: class key -> split -> number."""
        found = Counter((e.class_id, e.split) for e in self.entries if e.is_single)
        return {c.key: {split: found[c.id, split] for split in SPLITS} for c in CELL_CLASSES}


def _entry(index: Path, number: int, row: dict[str, str]) -> BankEntry:
    try:
        if row["split"] not in SPLITS:
            raise ValueError(f"split {row['split']!r}, not one of {SPLITS}")
        return BankEntry(
            row["path"],
            class_by_key(row["class"]).id,
            row["source"],
            row["group"],
            row["split"],
            int(row["area_px"]),
            row["sha256"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{index}, line {number}: expected the columns {', '.join(_COLUMNS)}. Received {error}. Build the bank again."
        ) from error


def write_bank(
    samples: Iterable[CellSample],
    folder: Path | str,
    seed: int = 0,
    on_sample: Callable[[CellSample], None] | None = None,
    fill: Callable[[int, str], Iterable[CellSample]] | None = None,
) -> SampleBank:
    """Write samples to a new bank, split by group.

    The index is written last, so a bank that was interrupted is no bank, and the same call again
    finishes it. Groups that share a crop, the same to the byte or nearly so (see
    :mod:`bloodseg_lib.samples.duplicates`), count as one, whatever their names say: what is seen in
    training is never tested.

    Args:
        samples: of any classes and sources; taken one at a time.
        folder: where; made if needed.
        seed: of the split.
        on_sample: called after each sample is written, e.g. to move a progress bar.
        fill: called with each class id and split that got no sample; what it gives goes to that
            split.

    Returns:
        the bank, opened.

    Raises:
        ValueError: no samples at all, two of one class, source and name, or a folder that is a
            finished bank already.
    """
    folder = Path(folder)
    if (folder / INDEX).exists():
        raise ValueError(
            f"{folder}: is a sample bank already. Delete it, or choose another folder."
        )
    rows: dict[str, BankEntry] = {}
    thumbnails: dict[str, np.ndarray] = {}

    def write(sample: CellSample) -> str:
        path = f"{CLASSES[sample.class_id].key}/{sample.source}__{_file_name(sample.name)}.png"
        if path in rows:
            raise ValueError(
                f"{folder / path}: two samples of this name. Give the samples of one class and source names of their own."
            )
        data = png_bytes(sample.rgba)
        write_bytes(folder / path, data)
        rows[path] = BankEntry(
            path,
            sample.class_id,
            sample.source,
            sample.group,
            "",
            sample.area_px,
            hashlib.sha256(data).hexdigest(),
        )
        thumbnails[path] = thumbnail(sample.rgba)
        if on_sample:
            on_sample(sample)
        return path

    for sample in samples:
        write(sample)
    areas = [e.area_px for e in rows.values()]
    twins = near_identical(
        list(rows),
        areas,
        [thumbnails[path] for path in rows],
        lambda path: read_rgba(folder / path),
    )
    splits = split_entries(list(rows.values()), seed, twins)
    if fill:
        there = {(e.class_id, splits[e.path]) for e in rows.values() if e.is_single}
        for cell_class in CELL_CLASSES:
            for split in SPLITS:
                if (cell_class.id, split) not in there:
                    splits.update({write(sample): split for sample in fill(cell_class.id, split)})
    if not rows:
        raise ValueError(
            f"{folder}: expected at least one sample, received none. Look at the reasons the readers gave for leaving cells out."
        )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for path in sorted(rows):
        e = rows[path]
        writer.writerow(
            [e.path, CLASSES[e.class_id].key, e.source, e.group, splits[path], e.area_px, e.sha256]
        )
    with replacing(folder / INDEX) as temporary:
        temporary.write_text(table.getvalue(), encoding="utf-8")
    return SampleBank(folder)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.()-]+", "_", name)
