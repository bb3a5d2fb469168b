"""Fields whose cells a person corrected in the panel: what a network is taught by, and compared on.

Layout: the folder where the panel keeps its results, with a folder for each field:
``NAME_picture.png``, ``NAME_corrected.png`` (label map), ``NAME_cells.csv`` and
``NAME_counts.json``. Where several fields are of one patient, ``patients.csv`` beside these folders
says so, with the columns ``field`` and ``patient``; else each field is a group of its own.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import hashlib
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from bloodseg_lib.classes import CLASSES, RBC_DIAMETER_PX, Box, class_by_key
from bloodseg_lib.io import (
    IMAGE_SUFFIXES,
    folded,
    read_image,
    read_json,
    read_label_map,
    read_table,
    resized,
)
from bloodseg_lib.optics import field_transmittance
from bloodseg_lib.samples.bank import SampleBank, write_bank
from bloodseg_lib.samples.extraction.boxes import CellBox
from bloodseg_lib.samples.field_bank import FIELD_INDEX, write_field, write_field_index
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.phantom import cells as phantom

SOURCE = "own"
PICTURE, LABELS, CELLS, COUNTS = "_picture.png", "_corrected.png", "_cells.csv", "_counts.json"
"""Endings of the files of a field."""

PATIENTS = "patients.csv"
DRAWN_CELLS = 20
"""Cells of each class that are drawn, to compose smears of beside the fields."""

_COLUMNS = ("x", "y", "width", "height", "class", "correction")
_BY_HAND = ("changed", "deleted", "drawn", "confirmed")
_HELD_OUT = 3  # every third group


@dataclass(frozen=True)
class CorrectedField:
    """A field with the cells that a person corrected.

    Attributes:
        name: of its folder.
        group: the patient, or the field.
        files: beginning of the paths of its files.
        scale: factor from the field to 40x.
        by_hand: the cells that the person named, drew or deleted; class 0: there is no cell.
        others: the cells that nobody touched, as the network found them.
    """

    name: str
    group: str
    files: str
    scale: float
    by_hand: tuple[CellBox, ...]
    others: tuple[CellBox, ...]

    @property
    def picture(self) -> Path:
        """The field's picture."""
        return Path(f"{self.files}{PICTURE}")

    def digest(self) -> str:
        """The sha256 of what it teaches."""
        files = [Path(f"{self.files}{ending}") for ending in (PICTURE, LABELS, CELLS)]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def read(root: Path | str) -> list[CorrectedField]:
    """The corrected fields in a folder, by name.

    Raises:
        FileNotFoundError: there is no such folder, or a file of a field is missing.
        ValueError: no field in it was corrected, or a file is damaged.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: expected the folder where the panel keeps its results, there is none."
        )
    patients = _patients(root / PATIENTS)
    paths = sorted(root.rglob(f"*{COUNTS}"))
    fields = [_field(path, patients) for path in paths]
    corrected = [field for field in fields if field and field.by_hand]
    if not corrected:
        raise ValueError(
            f"{root}: expected fields with cells that were corrected in the panel, received none "
            f"among {len(fields)} results. Correct some cells, then try again."
        )
    names = {folded(n) for p in paths for n in (p.parent.name, p.name.removesuffix(COUNTS))}
    unknown = sorted(patients.keys() - names)
    if unknown and (unnamed := [field.name for field in corrected if field.group == field.name]):
        raise ValueError(
            f"{root / PATIENTS}: expected the patient of {unnamed[0]}, or only names of fields "
            f"that were segmented. Received {unknown[0]}, and no field is called that. Correct the "
            "name, or delete the line: fields of one patient must not teach and be compared on."
        )
    return corrected


def _patients(table: Path) -> dict[str, str]:
    """The patients of fields by their folded names, without the ending of a picture's file."""
    rows = read_table(table, ("field", "patient")) if table.is_file() else []
    found = {}
    for _, row in rows:
        path = PurePosixPath(row["field"].replace("\\", "/"))
        name = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
        found[folded(name)] = unicodedata.normalize("NFC", row["patient"])
    return found


def _field(path: Path, patients: dict[str, str]) -> CorrectedField | None:
    """The field of a summary; None where nothing was corrected, or a person left the field out."""
    summary, name = read_json(path), path.parent.name
    corrected = isinstance(summary, dict) and summary.get("corrections")
    if not corrected or summary.get("excluded"):
        return None
    files = str(path).removesuffix(COUNTS)
    for ending in (PICTURE, LABELS, CELLS):
        if not Path(f"{files}{ending}").is_file():
            raise FileNotFoundError(
                f"{files}{ending}: not there, and {path.name} tells of corrections. Open the image "
                "in the panel and segment it again, which writes it."
            )
    by_hand: list[CellBox] = []
    others: list[CellBox] = []
    table = Path(f"{files}{CELLS}")
    for line, row in read_table(table, _COLUMNS):
        if row["class"] == "unidentified":
            continue
        try:
            box = Box(*(int(row[side]) for side in _COLUMNS[:4]))
            class_id = class_by_key(row["class"]).id if row["class"] else 0
        except ValueError as error:
            raise ValueError(
                f"{table}, line {line}: expected a box in pixels and the class of a cell, or none. "
                f"Received {','.join(row.values())}. Segment the image in the panel again."
            ) from error
        cells = by_hand if row["correction"] in _BY_HAND else others
        cells.append(CellBox(name, box, class_id))
    try:
        stem, scale = str(summary["image"]), float(summary["scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected the summary that the panel writes. Received one without name or "
            f"scale ({error!r}). Segment the image in the panel again."
        ) from error
    group = patients.get(folded(stem)) or patients.get(folded(name)) or name
    return CorrectedField(name, group, files, scale, tuple(by_hand), tuple(others))


def divided(fields: Sequence[CorrectedField]) -> tuple[list[CorrectedField], list[CorrectedField]]:
    """Fields to teach with, and those of every third group to compare on.

    Raises:
        ValueError: all are of one group.

    Examples:
        >>> fields = [CorrectedField(name, name, "", 1.0, (), ()) for name in "abcde"]
        >>> [[field.name for field in part] for part in divided(fields)]
        [['a', 'c', 'd'], ['b', 'e']]
    """
    sizes: dict[str, int] = {}
    for field in fields:
        sizes[field.group] = sizes.get(field.group, 0) + len(field.by_hand)
    groups = sorted(sizes, key=lambda group: (-sizes[group], group))
    if len(groups) < 2:
        raise ValueError(
            f"Expected corrected fields of two patients or more: some to teach with, others to "
            f"compare on. Received {len(fields)} of {len(groups)}. Correct some cells of another."
        )
    held = set(groups[1::_HELD_OUT])
    return (
        [field for field in fields if field.group not in held],
        [field for field in fields if field.group in held],
    )


def labelled(field: CorrectedField) -> LabelledField:
    """A corrected field with its label map, at 40x on a white background. What nobody touched
    counts as right: the person looked at the field. What nobody could name is
    :data:`~bloodseg_lib.classes.UNKNOWN`.

    Raises:
        FileNotFoundError, ValueError: a file of it is missing or damaged.
    """
    image = read_image(field.picture)
    labels = read_label_map(f"{field.files}{LABELS}", unknown=True)
    if labels.shape != image.shape[:2]:
        raise ValueError(
            f"{field.files}{LABELS}: expected the size of its picture, {image.shape[:2]}. "
            f"Received {labels.shape}. Segment the image in the panel again."
        )
    light = field_transmittance(image, RBC_DIAMETER_PX / field.scale)
    height, width = labels.shape
    size = (max(1, round(width * field.scale)), max(1, round(height * field.scale)))
    picture = resized((255 * light + 0.5).astype(np.uint8), size)
    labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
    return LabelledField(picture, labels, SOURCE, field.group, field.name)


def write(fields: Iterable[CorrectedField], folder: Path | str, seed: int = 0) -> SampleBank:
    """A bank of corrected fields, all for training, and of drawn cells. A finished one is opened.

    Args:
        fields: to teach with. A field is listed once for each class that the person gave.
        folder: of the bank.
        seed: of the drawn cells.
    """
    folder = Path(folder)
    if (folder / FIELD_INDEX).is_file():
        return SampleBank(folder)
    shutil.rmtree(folder, ignore_errors=True)  # of a build that was stopped
    write_bank(phantom.read(DRAWN_CELLS, seed), folder)
    entries = []
    for field in fields:
        entry = write_field(folder, labelled(field), {})
        named = sorted({cell.class_id for cell in field.by_hand if cell.class_id})
        entries += [replace(entry, rarest=CLASSES[class_id].key) for class_id in named] or [entry]
    write_field_index(folder, entries)
    return SampleBank(folder)
