"""From database folders to a sample bank with whole labelled fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from bloodseg_lib.io import delete_leftovers
from bloodseg_lib.runs import check_room, owned
from bloodseg_lib.samples.bank import INDEX, SampleBank
from bloodseg_lib.samples.collect import collect, room_needed
from bloodseg_lib.samples.field_bank import FIELD_INDEX, FieldEntry, write_field, write_field_index
from bloodseg_lib.samples.sample import Skipped
from bloodseg_lib.samples.sources import catalog


def build_bank(
    roots: Mapping[str, Path | str], folder: Path | str, fields: bool = False, **options: Any
) -> str:
    """:func:`collect` and, where ``fields``, :func:`add_fields`, which goes on with a bank that is
    there; ``options`` are those of :func:`collect`.

    Returns:
        the report.
    """
    words = ""
    if not fields or not (Path(folder) / INDEX).exists():
        bank, collection = collect(roots, folder, **options)
        words = f"{collection.report(bank)}\n{len(bank.entries)} samples in {folder}."
    if fields:
        bank, skipped = add_fields(roots, folder)
        words += f"\n{len(bank.fields)} whole fields in {folder}, {len(skipped)} left out."
    return words.strip()


def add_fields(
    roots: Mapping[str, Path | str], folder: Path | str, progress: bool = True
) -> tuple[SampleBank, list[Skipped]]:
    """Add whole labelled fields of databases to a sample bank; those that it had are replaced.

    Args:
        roots: key of the database -> its folder; databases without labelled fields are
            left out.
        folder: of the bank.
        progress: show a progress bar.

    Returns:
        the bank, and the fields that were left out.

    Raises:
        ValueError: an unknown database, or two fields of one name.
        OSError: the disk has too little room.
        BlockingIOError: another command is writing there.
        FileNotFoundError: there is no bank, or a database's folder is not laid out as it should be.
    """
    readers = {key: read for key in roots if (read := catalog.field_reader(key))}
    bank, skipped = SampleBank(folder), list[Skipped]()
    # five databases of 140 MB gave whole fields of 234 MB
    check_room(folder, 2 * room_needed({key: roots[key] for key in readers}), "the fields")
    splits = {entry.group_key: entry.split for entry in bank.entries}
    entries: dict[str, FieldEntry] = {}
    with owned(folder), tqdm(unit="field", desc="fields", disable=not progress) as bar:
        for key, read in readers.items():
            for item in read(roots[key]):
                if isinstance(item, Skipped):
                    skipped.append(item)
                    continue
                entry = write_field(bank.folder, item, splits)
                if entry.path in entries:
                    raise ValueError(
                        f"{bank.folder / entry.path}: two fields of this name. "
                        "Give the fields of one source names of their own."
                    )
                entries[entry.path] = entry
                bar.update()
        written = [FIELD_INDEX, *(p for e in entries.values() for p in (e.path, e.labels_path))]
        delete_leftovers(bank.folder / name for name in written)
        write_field_index(bank.folder, list(entries.values()))
    return SampleBank(folder), skipped
