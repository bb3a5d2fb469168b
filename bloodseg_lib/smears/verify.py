"""Checking a sample bank or a dataset on disk: is every file there and as it was written, and can
what is tested on have been trained on?

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import CLASSES, NUM_CLASSES
from bloodseg_lib.io import read_image, read_json, read_label_map, read_rgba
from bloodseg_lib.samples.bank import INDEX, SPLITS, BankEntry, SampleBank
from bloodseg_lib.samples.duplicates import near_duplicates, thumbnail
from bloodseg_lib.samples.sources import catalog
from bloodseg_lib.smears.dataset import FILES, MANIFEST, Dataset, DatasetConfig
from bloodseg_lib.smears.manifest import add_file, sums

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


def verify(folder: Path | str, progress: bool = True) -> Verification:
    """Check a sample bank or a dataset, whichever the folder holds.

    Raises:
        FileNotFoundError: it holds neither.
        ValueError: its index or manifest is damaged.
    """
    folder = Path(folder)
    if (folder / INDEX).is_file():
        return verify_bank(SampleBank(folder), progress)
    if (folder / MANIFEST).is_file():
        return verify_dataset(Dataset(folder), progress)
    raise FileNotFoundError(
        f"{folder}: expected a sample bank ({INDEX}) or a finished dataset ({MANIFEST}); neither is there. Give the folder of one."
    )


def verify_bank(bank: SampleBank, progress: bool = True) -> Verification:
    """Check that every sample is there and as the index says, and what is known of leakage between
    the splits.
    """
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
    pairs = near_duplicates(
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


def verify_dataset(dataset: Dataset, progress: bool = True) -> Verification:
    """Check that every file is there, readable and to the byte as it was written, ids are legal,
    boxes and areas those of the segments, counts those of the manifest."""
    found = Verification(dataset.folder)
    for split in SPLITS:
        expected = dataset.manifest["images"][split]
        parts = {
            part: _stems(dataset.folder / split / part, suffix) for part, suffix in FILES.items()
        }
        names = sorted(set.union(*parts.values()))
        for part, there in parts.items():
            found.problems += [
                f"{dataset.folder / split / part / name}{FILES[part]}: missing. Build the dataset again."
                for name in names
                if name not in there
            ]
        if len(names) != expected:
            found.problems.append(
                f"{dataset.folder / split}: expected {expected} smears, found {len(names)}. Build the dataset again."
            )
        whole = set.intersection(*parts.values())
        unread = 0
        pixels, objects, values = (
            np.zeros(NUM_CLASSES, np.int64),
            Counter(),
            np.zeros((2, 3), np.int64),
        )
        for name in tqdm(
            sorted(whole), unit="smear", desc=f"verifying {split}", disable=not progress
        ):
            try:
                found.problems += _smear_problems(
                    dataset.folder / split, name, pixels, objects, values
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                unread += 1
                found.problems.append(
                    str(error)
                    if isinstance(error, OSError | ValueError)
                    else f"{name}: its label is not as it should be: {error!r}."
                )
        if len(whole) == expected:
            if not unread:
                found.problems += _manifest_problems(dataset, split, pixels, objects, values)
            found.problems += _digest_problems(dataset, split, whole)
        sets = len(dataset.manifest.get("files", {}).get(split, []))
        found.checked.append(
            f"{split}: {len(whole)} smears, {sum(objects.values())} objects, "
            + (
                f"files of {sets} sets of backgrounds by sha256."
                if sets or not whole
                else "no digests of files: built by an older version."
            )
        )
    return found


def _stems(folder: Path, suffix: str) -> set[str]:
    return {path.stem for path in folder.glob(f"*{suffix}")}


def _digest_problems(dataset: Dataset, split: str, names: set[str]) -> Iterable[str]:
    """Sets of backgrounds whose files are not to the byte what was written."""
    config, folder = DatasetConfig.from_dict(dataset.manifest["config"]), dataset.folder / split
    by_number = {int(name.rsplit("_", 1)[1]): name for name in names}
    for number, expected in enumerate(dataset.manifest.get("files", {}).get(split, [])):
        digest, smears = hashlib.sha256(), config.smears_of(split, number)
        for name in (by_number.get(k) for k in smears):
            for part, suffix in FILES.items() if name else ():
                add_file(digest, f"{part}/{name}", (folder / part / f"{name}{suffix}").read_bytes())
        if digest.hexdigest() != expected:
            yield (
                f"{folder}: the files of set {number} of its backgrounds, smears {smears.start:05d} to {smears.stop - 1:05d}, are not those that were "
                f"written: expected sha256 {expected}, received {digest.hexdigest()}. Copy the dataset again, or build it again."
            )


def _smear_problems(
    folder: Path, name: str, pixels: np.ndarray, objects: Counter, values: np.ndarray
) -> Iterable[str]:
    """What is wrong with one smear; adds what it holds to the counts."""
    image = read_image(folder / "images" / f"{name}.png")
    path = folder / "segments" / f"{name}.png"
    labels = read_label_map(path)
    cells = read_json(folder / "labels" / f"{name}.json")["objects"]
    problems = []
    if image.shape[:2] != labels.shape:
        problems.append(
            f"{path}: expected the size of its image, {image.shape[:2]}. Received {labels.shape}."
        )
    counts = np.bincount(labels.ravel(), minlength=NUM_CLASSES)
    pixels += counts
    values += np.array(sums(image))
    objects.update(cell["id"] for cell in cells)
    for cell_class in CLASSES[1:]:
        mine = [cell for cell in cells if cell["id"] == cell_class.id]
        if (area := sum(cell["area_px"] for cell in mine)) != counts[cell_class.id]:
            problems.append(
                f"{path}: its label names {area} pixels of {cell_class.name}. Received {counts[cell_class.id]}."
            )
        for cell in mine:
            problems += _box_problem(labels == cell_class.id, cell, mine, path)
    return problems


def _box_problem(mask: np.ndarray, cell: dict, others: list[dict], path: Path) -> list[str]:
    """A box must hold its cell's pixels;

    where no other box of the class meets it, it must fit them exactly.
    """
    box = cell["box"]
    inside = mask[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]]
    where = f"{path}: box {box['x']},{box['y']},{box['width']},{box['height']} of {CLASSES[cell['id']].name}"
    if inside.shape != (box["height"], box["width"]) or inside.sum() < cell["area_px"]:
        return [f"{where} does not hold the {cell['area_px']} pixels of its cell."]
    alone = all(other is cell or not _meet(box, other["box"]) for other in others)
    edges = inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    if not edges or (alone and inside.sum() != cell["area_px"]):
        return [f"{where} is not the smallest around its {cell['area_px']} pixels."]
    return []


def _meet(one: dict, other: dict) -> bool:
    return (
        one["x"] < other["x"] + other["width"]
        and other["x"] < one["x"] + one["width"]
        and one["y"] < other["y"] + other["height"]
        and other["y"] < one["y"] + one["height"]
    )


def _manifest_problems(
    dataset: Dataset, split: str, pixels: np.ndarray, objects: Counter, values: np.ndarray
) -> Iterable[str]:
    manifest, where = dataset.manifest, dataset.folder / MANIFEST
    for cell_class in CLASSES:
        if (named := manifest["pixels"][split][cell_class.key]) != pixels[cell_class.id]:
            yield f"{where}: names {named} pixels of {cell_class.name} in {split}. Received {pixels[cell_class.id]}. Build the dataset again."
        if (
            cell_class.id
            and (named := manifest["objects"][split][cell_class.key]) != objects[cell_class.id]
        ):
            yield f"{where}: names {named} objects of {cell_class.name} in {split}. Received {objects[cell_class.id]}. Build the dataset again."
    if split == "train" and pixels.sum():
        mean = values[0] / pixels.sum()
        std = np.sqrt(np.maximum(0, values[1] / pixels.sum() - mean**2))
        if not np.allclose(mean, manifest["mean"]) or not np.allclose(std, manifest["std"]):
            yield f"{where}: mean and std of the training images are {mean.round(3).tolist()} and {std.round(3).tolist()}, not as named. Build the dataset again."
