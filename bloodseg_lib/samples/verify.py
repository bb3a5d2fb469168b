"""Checking a sample bank on disk: is every file there and as it was written, and can what is tested
on have been trained on?

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.io import read_rgba
from bloodseg_lib.samples.bank import BankEntry, SampleBank
from bloodseg_lib.samples.duplicates import near_identical, thumbnail
from bloodseg_lib.samples.sources import catalog

MOST_SHOWN = 20


@dataclass
class Verification:
    """What was found.

    Attributes:
        folder: what was checked.
        checked: what was looked at, in sentences.
        problems: what is not as it should be, in sentences that name the file; empty: all is well.
        proven: what is certain of leakage between the splits.
        unknown: what cannot be known of it.
    """

    folder: Path
    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    proven: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def report(self) -> str:
        """All of it for people to read."""
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
    """Check that every sample is there and as the index says, and what is known of leakage between
    the splits.
    """
    bank = SampleBank(folder)
    found = Verification(bank.folder)
    readable: list[BankEntry] = []
    thumbnails = []
    for entry in tqdm(bank.entries, unit="cell", desc="verifying", disable=not progress):
        path = bank.folder / entry.path
        try:
            rgba = read_rgba(path)
        except (OSError, ValueError) as error:
            found.problems.append(str(error))
            continue
        if (digest := hashlib.sha256(path.read_bytes()).hexdigest()) != entry.sha256:
            found.problems.append(
                f"{path}: expected sha256 {entry.sha256}, received {digest}. The file was changed: build the bank again."
            )
        if (area := int(np.count_nonzero(rgba[:, :, 3]))) != entry.area_px:
            found.problems.append(
                f"{path}: expected a cell of {entry.area_px} pixels, received {area}. Build the bank again."
            )
        readable.append(entry)
        thumbnails.append(thumbnail(rgba))
    listed = {entry.path for entry in bank.entries}
    for path in sorted(bank.folder.glob("*/*.png")):
        if path.relative_to(bank.folder).as_posix() not in listed:
            found.problems.append(
                f"{path}: the index does not know this file. Delete it, or build the bank again."
            )
    found.checked.append(f"{len(bank.entries)} samples: files, digests and areas.")
    _leakage(bank, readable, thumbnails, found)
    return found


def _leakage(
    bank: SampleBank, entries: list[BankEntry], thumbnails: list[np.ndarray], found: Verification
) -> None:
    groups, pictures = defaultdict(set), defaultdict(set)
    for entry in bank.entries:
        groups[entry.source, entry.group].add(entry.split)
        pictures[entry.sha256].add(entry.split)
    split = [
        f"group {source}/{group} is in {' and '.join(sorted(splits))}."
        for (source, group), splits in groups.items()
        if len(splits) > 1
    ]
    twice = [
        f"a crop of sha256 {digest[:12]}... is in {' and '.join(sorted(splits))}."
        for digest, splits in pictures.items()
        if len(splits) > 1
    ]
    keys, areas = list(range(len(entries))), [entry.area_px for entry in entries]
    pairs = near_identical(
        keys, areas, thumbnails, lambda i: read_rgba(bank.folder / entries[i].path)
    )
    alike, apart = 0, []
    for one, other in ((entries[i], entries[j]) for i, j in pairs):
        alike += 1
        if one.split != other.split:
            apart.append(
                f"{one.path} ({one.split}) and {other.path} ({other.split}) show one cell."
            )
    for name, bad, good in (
        (
            "group",
            split,
            f"No group (patient, slide or field, as far as the source tells) is in two splits: {len(groups)} groups.",
        ),
        ("copy", twice, f"No crop is in two splits, to the byte: {len(pictures)} different crops."),
        (
            "twin",
            apart,
            f"No two nearly identical crops are in two splits: {alike} such pairs, each in one.",
        ),
    ):
        found.problems += [f"Leakage, {name}: {sentence} Build the bank again." for sentence in bad]
        if not bad:
            found.proven.append(good)
    for source in sorted({entry.source for entry in bank.entries}):
        known = next(
            (database.grouping for database in catalog.DATABASES if database.key == source), ""
        )
        found.unknown.append(
            f"{source}: {known or 'what a group is, and whether two of them are of one patient.'}"
        )
    found.unknown.append(
        "Cells of one patient in two databases, and one cell photographed twice, turned or at another scale, cannot be told."
    )
