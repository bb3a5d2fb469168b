"""Checks a sample bank on disk: whether every file is there and unchanged, and whether training and
testing share a cell.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.io import read_rgba
from bloodseg_lib.runs import within
from bloodseg_lib.samples.bank import BankEntry, SampleBank
from bloodseg_lib.samples.duplicates import near_duplicates, thumbnail
from bloodseg_lib.samples.field_bank import FieldEntry
from bloodseg_lib.samples.sources import catalog

MOST_SHOWN = 20
_NO_GROUPING = "what a group is, and whether two of them are of one patient."
_NEVER_KNOWN = (
    "Cells of one patient in two databases, and one cell photographed twice, turned or at another "
    "scale, cannot be recognised."
)


@dataclass
class Verification:
    """The result of a check.

    Attributes:
        folder: the bank or dataset.
        checked: the checks made, in sentences.
        problems: in sentences that name the file; empty if there is none.
        proven: what is certain of leakage between the splits.
        unknown: what cannot be known of it.

    Examples:
        >>> print(Verification(Path("bank"), checked=["2 samples."]).report())
        bank: All is as it should be.
        2 samples.
    """

    folder: Path
    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    proven: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def report(self) -> str:
        """All of it for people to read; of the problems the first :data:`MOST_SHOWN`."""
        shown = self.problems[:MOST_SHOWN]
        if len(self.problems) > MOST_SHOWN:
            shown.append(f"... and {len(self.problems) - MOST_SHOWN} more.")
        verdict = f"{len(self.problems)} problems." if self.problems else "All is as it should be."
        lines = [f"{self.folder}: {verdict}", *self.checked]
        for title, sentences in (
            ("Problems", shown),
            ("Leakage: proven", self.proven),
            ("Leakage: not known", self.unknown),
        ):
            if sentences:
                lines += ["", title, *(f"- {sentence}" for sentence in sentences)]
        return "\n".join(lines)


def verify_bank(folder: Path | str, progress: bool = True) -> Verification:
    """Check the files of a bank against its index, and its splits for leakage.

    Args:
        folder: of the bank.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: it is not a finished bank.
        ValueError: its index is damaged.
    """
    bank = SampleBank(folder)
    result = Verification(bank.folder, [f"{len(bank.entries)} samples: files, digests and areas."])
    readable: list[BankEntry] = []
    thumbnails = []
    for entry in tqdm(bank.entries, unit="cell", desc="verifying", disable=not progress):
        try:
            rgba = read_rgba(bank.file(entry))
        except (OSError, ValueError) as error:
            result.problems.append(str(error))
            continue
        result.problems += _changes(bank.folder / entry.path, rgba, entry)
        readable.append(entry)
        thumbnails.append(thumbnail(rgba))
    listed = {entry.path for entry in bank.entries}
    for whole in bank.fields:
        result.problems += _field_changes(bank.folder, whole)
        listed |= {whole.path, whole.labels_path}
    result.problems += [
        f"{path}: the index does not know this file. Delete it, or build the bank again."
        for path in sorted(bank.folder.glob("*/*.png"))
        if path.relative_to(bank.folder).as_posix() not in listed
    ]
    for kind, (leaks, proof) in {
        "group": _divided_groups(bank.entries),
        "copy": _divided_copies(bank.entries),
        "near-duplicate": _divided_duplicates(bank.folder, readable, thumbnails),
    }.items():
        result.problems += [f"Leakage, {kind}: {leak} Build the bank again." for leak in leaks]
        result.proven += [] if leaks else [proof]
    groupings = {database.key: database.grouping for database in catalog.DATABASES}
    result.unknown += [
        f"{source}: {groupings.get(source) or _NO_GROUPING}"
        for source in sorted({entry.source for entry in bank.entries})
    ]
    result.unknown.append(_NEVER_KNOWN)
    return result


def _field_changes(bank: Path, entry: FieldEntry) -> Iterable[str]:
    """How the two files of a field differ from its line in the index."""
    digest = hashlib.sha256()
    try:
        for path in (entry.path, entry.labels_path):
            digest.update(within(bank, path).read_bytes())
    except (OSError, ValueError) as error:
        yield str(error)
        return
    if digest.hexdigest() != entry.sha256:
        yield (
            f"{bank / entry.path}: expected sha256 {entry.sha256} with its label map, received "
            f"{digest.hexdigest()}. Add the fields again."
        )


def _changes(path: Path, rgba: np.ndarray, entry: BankEntry) -> Iterable[str]:
    """How a file differs from its line in the index."""
    if (digest := hashlib.sha256(path.read_bytes()).hexdigest()) != entry.sha256:
        yield (
            f"{path}: expected sha256 {entry.sha256}, received {digest}. "
            "The file was changed: build the bank again."
        )
    if (area := int(np.count_nonzero(rgba[:, :, 3]))) != entry.area_px:
        yield (
            f"{path}: expected a cell of {entry.area_px} pixels, received {area}. "
            "Build the bank again."
        )


def _divided(keyed: Iterable[tuple[Hashable, str]]) -> tuple[dict[Hashable, str], int]:
    """The keys that are in several splits, with the splits' names, and how many keys there are."""
    splits: dict[Hashable, set[str]] = defaultdict(set)
    for key, split in keyed:
        splits[key].add(split)
    divided = {key: " and ".join(sorted(names)) for key, names in splits.items() if len(names) > 1}
    return divided, len(splits)


def _divided_groups(entries: list[BankEntry]) -> tuple[list[str], str]:
    divided, number = _divided((e.group_key, e.split) for e in entries)
    return [f"group {group} is in {splits}." for group, splits in divided.items()], (
        "No group (patient, slide or field, as far as the source names them) is in two splits: "
        f"{number} groups."
    )


def _divided_copies(entries: list[BankEntry]) -> tuple[list[str], str]:
    divided, number = _divided((e.sha256, e.split) for e in entries)
    return [f"a crop of sha256 {digest:.12}... is in {s}." for digest, s in divided.items()], (
        f"No crop is in two splits, to the byte: {number} different crops."
    )


def _divided_duplicates(
    folder: Path, entries: list[BankEntry], thumbnails: list[np.ndarray]
) -> tuple[list[str], str]:
    areas = [entry.area_px for entry in entries]
    pairs = list(near_duplicates(entries, areas, thumbnails, lambda e: read_rgba(folder / e.path)))
    return [
        f"{one.path} ({one.split}) and {other.path} ({other.split}) show one cell."
        for one, other in pairs
        if one.split != other.split
    ], f"No near-duplicates are in two splits: {len(pairs)} such pairs, each in one."
