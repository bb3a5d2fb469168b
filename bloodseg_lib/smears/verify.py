"""Checking a dataset on disk: is every file there and as it was written, and do images, label maps,
boxes and counts agree?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, NUM_CLASSES, Box
from bloodseg_lib.io import read_image, read_label_map
from bloodseg_lib.samples.bank import INDEX, SPLITS
from bloodseg_lib.samples.verify import Verification, verify_bank
from bloodseg_lib.smears.cache import leftovers, mapped
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.described import read_cells
from bloodseg_lib.smears.manifest import FILES, MANIFEST, Tally, changed_files


def verify(folder: Path | str, progress: bool = True) -> Verification:
    """Check a sample bank or a dataset, whichever the folder holds.

    Raises:
        FileNotFoundError: it holds neither.
        ValueError: its index or manifest is damaged.
    """
    folder = Path(folder)
    if (folder / INDEX).is_file():
        return verify_bank(folder, progress)
    if (folder / MANIFEST).is_file():
        return verify_dataset(folder, progress)
    raise FileNotFoundError(
        f"{folder}: expected a sample bank ({INDEX}) or a finished dataset ({MANIFEST}); neither "
        "is there. Give the folder of one."
    )


def verify_dataset(folder: Path | str, progress: bool = True) -> Verification:
    """Check that every file of a dataset is there, readable and to the byte as it was written, that
    ids are legal, boxes and areas those of the label maps, and counts those of the manifest.

    Raises:
        FileNotFoundError, ValueError: as :class:`bloodseg_lib.smears.dataset.Dataset`.
    """
    dataset = Dataset(folder)
    found = Verification(dataset.folder)
    for split in SPLITS:
        stems = {
            part: {path.stem for path in (dataset.folder / split / part).glob(f"*{suffix}")}
            for part, suffix in FILES.items()
        }
        found.problems += _missing_files(dataset, split, stems)
        found.problems += [
            f"{path}: {path.stat().st_size >> 20} MiB, left by a process that was killed "
            "while it unpacked the images. Delete it; the next unpacking does."
            for path in leftovers(dataset.folder / split)
        ]
        complete = sorted(set.intersection(*stems.values()))
        tally, unreadable = Tally(), 0
        bar = tqdm(complete, unit="smear", desc=f"verifying {split}", disable=not progress)
        unpacked = _Unpacked(dataset, split)
        for name in bar:
            try:
                found.problems += _smear_problems(dataset.folder / split, name, tally, unpacked)
            except (OSError, ValueError) as error:
                unreadable += 1
                found.problems.append(str(error))
        if len(complete) == dataset.manifest["images"][split]:
            if not unreadable:
                found.problems += _count_problems(dataset, split, tally)
                found.problems += _mean_problems(dataset, split, tally)
            found.problems += changed_files(dataset.folder / split, dataset.manifest, complete)
            found.problems += unpacked.problems
        sets = len(dataset.manifest.get("files", {}).get(split, []))
        digests = (
            f"files of {sets} sets of backgrounds by sha256."
            if sets or not complete
            else "no digests of files: built by an older version."
        )
        found.checked.append(
            f"{split}: {len(complete)} smears, {tally.objects.total()} objects, {digests}"
        )
    return found


class _Unpacked:
    """The unpacked smears of a split, if there are any: each must be what its PNGs hold. Training
    reads nothing else.
    """

    def __init__(self, dataset: Dataset, split: str):
        self.problems: list[str] = []
        self._arrays: dict[Path, np.memmap] = {}
        for path in filter(Path.exists, dataset.unpacked(split)):
            try:
                self._arrays[path] = mapped(path)
            except ValueError as error:
                self.problems.append(str(error))

    def compare(self, name: str, image: np.ndarray, labels: np.ndarray) -> None:
        """Compare a smear with what was unpacked; the first that differs is told of each file."""
        number = int(name.rpartition("_")[2])
        for path, array in list(self._arrays.items()):
            smear = image if array.ndim == 4 else labels
            if number >= len(array) or not np.array_equal(array[number], smear):
                del self._arrays[path]
                self.problems.append(
                    f"{path}: expected the pixels of {name}, received others. Delete the file; it "
                    "is made again."
                )


def _missing_files(dataset: Dataset, split: str, stems: dict[str, set[str]]) -> Iterator[str]:
    folder, expected = dataset.folder / split, dataset.manifest["images"][split]
    names = sorted(set.union(*stems.values()))
    for part, present in stems.items():
        for name in names:
            if name not in present:
                path = folder / part / f"{name}{FILES[part]}"
                yield f"{path}: missing. Build the dataset again."
    if len(names) != expected:
        yield (
            f"{folder}: expected {expected} smears, found {len(names)}. Build the dataset again."
        )


def _smear_problems(folder: Path, name: str, tally: Tally, unpacked: _Unpacked) -> list[str]:
    """What is wrong with one smear; adds what it holds to the tally."""
    image = read_image(folder / "images" / f"{name}.png")
    path = folder / "segments" / f"{name}.png"
    labels = read_label_map(path, unknown=True)
    cells = read_cells(folder / "labels" / f"{name}.json")
    unpacked.compare(name, image, labels)
    areas = np.bincount(labels.ravel(), minlength=NUM_CLASSES)[:NUM_CLASSES].tolist()
    tally.add_image(image)
    tally.pixels.update(dict(enumerate(areas)))
    tally.objects.update(cell["id"] for cell in cells)
    problems = []
    if image.shape[:2] != labels.shape:
        problems.append(
            f"{path}: expected the size of its image, {image.shape[:2]}. Received {labels.shape}."
        )
    for cell_class in CELL_CLASSES:
        own = [cell for cell in cells if cell["id"] == cell_class.id]
        # the areas of a class's cells must add up to its pixels
        named, area = sum(cell["area_px"] for cell in own), areas[cell_class.id]
        if named != area:
            problems.append(
                f"{path}: its label names {named} pixels of {cell_class.name}. Received {area}."
            )
        problems += _box_problems(labels == cell_class.id, own, f"{path}", cell_class.name)
    return problems


def _box_problems(
    mask: np.ndarray, cells: Sequence[dict[str, Any]], path: str, class_name: str
) -> Iterator[str]:
    """A box must hold its cell's pixels; where no other box of the class meets it, it must fit them
    exactly.
    """
    boxes = [Box(**cell["box"]) for cell in cells]
    for i, (cell, box) in enumerate(zip(cells, boxes, strict=True)):
        inside = mask[box.window]
        where = f"{path}: box {box.x},{box.y},{box.width},{box.height} of {class_name}"
        if inside.shape != (box.height, box.width) or inside.sum() < cell["area_px"]:
            yield f"{where} does not hold the {cell['area_px']} pixels of its cell."
            continue
        alone = not any(box.meets(other) for other in boxes[:i] + boxes[i + 1 :])
        fits = inside.any() and Box.of_mask(inside)[2:] == (box.width, box.height)
        if not fits or (alone and inside.sum() != cell["area_px"]):
            yield f"{where} is not the smallest around its {cell['area_px']} pixels."


def _count_problems(dataset: Dataset, split: str, tally: Tally) -> Iterator[str]:
    """The manifest must name the pixels and objects of each class that were counted."""
    for cell_class in CLASSES:
        for things, counted in (("pixels", tally.pixels), ("objects", tally.objects)):
            if things == "objects" and not cell_class.id:
                continue
            named = dataset.manifest[things][split][cell_class.key]
            if named != counted[cell_class.id]:
                yield (
                    f"{dataset.folder / MANIFEST}: names {named} {things} of {cell_class.name} in "
                    f"{split}. Received {counted[cell_class.id]}. Build the dataset again."
                )


def _mean_problems(dataset: Dataset, split: str, tally: Tally) -> Iterator[str]:
    """The manifest must name the mean and std of the training images."""
    if split != "train" or not tally.images:
        return
    mean, std = tally.mean_and_std()
    manifest = dataset.manifest
    if not np.allclose(mean, manifest["mean"]) or not np.allclose(std, manifest["std"]):
        yield (
            f"{dataset.folder / MANIFEST}: mean and std of the training images are "
            f"{np.round(mean, 3).tolist()} and {np.round(std, 3).tolist()}, not as named. "
            "Build the dataset again."
        )
