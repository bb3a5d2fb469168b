"""The whole fields of a sample bank, ``<bank>/fields``: each a picture and its label map, with
``fields.csv``.

A field is in the split of its group's cells; a group without cells is for training only.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import CLASSES, NUM_CLASSES
from bloodseg_lib.io import csv_rows, png_bytes, read_image, read_label_map, write_bytes, write_csv
from bloodseg_lib.runs import within
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.splits import SPLITS

FIELDS = "fields"
FIELD_INDEX = "fields.csv"
LABELS = "_labels"
_COLUMNS = ("path", "source", "group", "split", "rarest", "sha256")


@dataclass(frozen=True)
class FieldEntry:
    """One line of the index of a bank's fields.

    Attributes:
        path: of the picture, relative to the bank; its label map ends with ``_labels``.
        source, group: see :class:`~bloodseg_lib.samples.labelled_field.LabelledField`.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        rarest: key of the class of the fewest pixels that are known in it, but for background: what
            it is drawn for.
        sha256: of the two files.
    """

    path: str
    source: str
    group: str
    split: str
    rarest: str
    sha256: str

    @property
    def labels_path(self) -> str:
        """Of the label map, relative to the bank."""
        return str(Path(self.path).with_name(f"{Path(self.path).stem}{LABELS}.png").as_posix())


def digest_of(*indices: Path) -> str:
    """The sha256 of those of the files that are there."""
    digest = hashlib.sha256()
    for index in indices:
        if index.is_file():
            digest.update(index.read_bytes())
    return digest.hexdigest()


def write_field(bank: Path, field: LabelledField, splits: Mapping[str, str]) -> FieldEntry:
    """Write one field.

    Args:
        bank: the folder of the bank.
        field: the field.
        splits: ``"<source>/<group>"`` -> split of the groups that have cells.
    """
    name = f"{field.source}__" + re.sub(r"[^\w.()-]+", "_", field.name)
    picture, labels = png_bytes(field.image), png_bytes(field.labels)
    split = splits.get(f"{field.source}/{field.group}", "train")
    digest = hashlib.sha256(picture + labels).hexdigest()
    entry = FieldEntry(
        f"{FIELDS}/{name}.png", field.source, field.group, split, _rarest(field.labels), digest
    )
    write_bytes(bank / entry.path, picture)
    write_bytes(bank / entry.labels_path, labels)
    return entry


def _rarest(labels: np.ndarray) -> str:
    pixels = np.bincount(labels.ravel(), minlength=NUM_CLASSES)[:NUM_CLASSES]
    cells = [class_id for class_id in range(1, NUM_CLASSES) if pixels[class_id]]
    return CLASSES[min(cells, key=lambda class_id: pixels[class_id], default=0)].key


def write_field_index(bank: Path, entries: list[FieldEntry]) -> None:
    """Write the index of a bank's fields; last, so that a stopped build has none."""
    write_csv(bank / FIELD_INDEX, _COLUMNS, map(astuple, sorted(entries, key=lambda e: e.path)))


def index_rows(index: Path) -> list[dict[str, str]]:
    """The lines of an index of a bank, by column.

    Raises:
        ValueError: it is no table.
    """
    try:
        return list(csv_rows(index.read_bytes().decode("utf-8")))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{index}: expected a table as CSV in UTF-8. Received {error}. Build the bank again."
        ) from error


def read_field_index(bank: Path) -> list[FieldEntry]:
    """The fields of a bank; none where it has no index of them.

    Raises:
        ValueError: a line of the index is wrong.
    """
    index = bank / FIELD_INDEX
    if not index.is_file():
        return []
    entries = []
    for row in index_rows(index):
        whole = set(row) == set(_COLUMNS) and None not in row.values()
        if not whole or row["split"] not in SPLITS or not row["path"].endswith(".png"):
            raise ValueError(
                f"{index}: expected the columns {', '.join(_COLUMNS)}. "
                f"Received {','.join(map(str, row.values()))}. Build the bank again."
            )
        entries.append(FieldEntry(**row))
    return entries


def read_field(bank: Path, entry: FieldEntry) -> LabelledField:
    """The field of an entry.

    Raises:
        FileNotFoundError, ValueError: a file of it is missing, damaged, or not of the other's size.
    """
    image: np.ndarray = read_image(within(bank, entry.path))
    labels = read_label_map(within(bank, entry.labels_path), unknown=True)
    if labels.shape != image.shape[:2]:
        raise ValueError(
            f"{bank / entry.labels_path}: expected the size of its picture, {image.shape[:2]}. "
            f"Received {labels.shape}. Build the bank again."
        )
    return LabelledField(image, labels, entry.source, entry.group, Path(entry.path).stem)
