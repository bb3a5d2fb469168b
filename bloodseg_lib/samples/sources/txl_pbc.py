"""TXL-PBC: fields of three databases with a box around every white cell, red cell and platelet.

Layout: ``images/NAME.png``, ``labels/NAME.txt`` (YOLO: kind and box in fractions of the image; 0
white cell, 1 red cell, 2 platelet), and ``images.csv`` with the columns ``image``, ``source``
(``Raabin-WBC``, ``BCCD``, ``BCDD``), ``original_name`` and ``class_of_the_largest_white_cell``,
which Raabin-WBC tells. Nobody in them has malaria. A group is a slide, which the names of
Raabin-WBC begin with (of photographs named by time, a day), else an image: patients are not known.
In Raabin-WBC the class goes with slide and camera: scores on it say little of other slides.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, THROMBOCYTE, WBC_IDS, Box, class_by_key
from bloodseg_lib.samples.extraction.boxes import CellBox
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.label_maps import labelled_field
from bloodseg_lib.samples.extraction.masks import ShapeLimits, Unusable
from bloodseg_lib.samples.extraction.platelets import SEGMENTED_PLATELET, platelet_in
from bloodseg_lib.samples.extraction.white_cells import white_cell_in
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import AUTOMATIC, CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "txl_pbc"
LAYOUT = "'images/NAME.png', 'labels/NAME.txt' and 'images.csv'"
TABLE = "images.csv"
COLUMNS = ("image", "source", "original_name", "class_of_the_largest_white_cell")
SOURCE_RBC_DIAMETER_PX = {"Raabin-WBC": 130.0, "BCCD": 105.0, "BCDD": 64.0}
WHITE_CELL, RED_CELL, PLATELET = range(3)
NO_LABEL, WRONG_BOXES = "no class label", "unreadable boxes"
_WHOLE = ShapeLimits((800, 16000), 0.93, 0.1)


class KindBox(NamedTuple):
    """A box of the database: :data:`WHITE_CELL`, :data:`RED_CELL` or :data:`PLATELET`."""

    kind: int
    box: Box


@dataclass(frozen=True)
class _Row:
    """A line of the table: source, slide or image, and class of the largest white cell, or 0."""

    source: str
    group: str
    class_id: int


def read(
    root: Path | str, healthy: bool = True, automatic_masks: bool = False
) -> Iterator[CellSample | Skipped]:
    """Read the white cells of a known class, the platelets, and the red cells.

    Args:
        root: the folder that contains ``images``.
        healthy: whether to read red cells, isolated ones, clusters and background crops.
        automatic_masks: whether white cells, which nobody masked, are segmented automatically;
            their names end with ``_auto``. Else they are skipped.

    Yields:
        samples at 40x; group is the slide or the image.

    Raises:
        FileNotFoundError, ValueError: a folder or the table is missing or not as it should be.
    """
    rows = _table(root)
    cells = partial(_cells, rows=rows, healthy=healthy, automatic=automatic_masks)
    yield from folders.read_each(
        folders.image_files(Path(root) / "images", SOURCE, 0), SOURCE, cells
    )


def _table(root: Path | str) -> dict[str, _Row]:
    """The lines of the table by the stem of their image."""
    root = folders.database_folder(root, LAYOUT)
    table = root / TABLE
    for path in (root / "images", root / "labels", table):
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: not there. Expected {LAYOUT}. "
                "Give the folder that the database was unpacked to."
            )
    rows = {}
    with open(table, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                image, source, original, key = (row[column] for column in COLUMNS)
                class_id = class_by_key(key).id if key else 0
                if source not in SOURCE_RBC_DIAMETER_PX or class_id not in (0, *WBC_IDS):
                    raise ValueError("no such source or class")
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"{table}, line {reader.line_num}: expected {','.join(COLUMNS)}; source one "
                    f"of {', '.join(SOURCE_RBC_DIAMETER_PX)}, class that of a white cell or "
                    f"empty. Received {','.join(map(str, row.values()))}. Correct the line."
                ) from error
            stem = Path(image).stem
            rows[stem] = _Row(source, slide(original) if source == "Raabin-WBC" else stem, class_id)
    return rows


def slide(name: str) -> str:
    """The slide in a file name of Raabin-WBC; of a photograph named by its time, the day.

    Examples:
        >>> slide("95-8-8-3_178_1.jpg"), slide("20190527_112201_0.jpg")
        ('95-8-8-3', '20190527')
    """
    found = re.match(r"[\d-]+(?=_)", name)
    return found[0] if found else Path(name).stem


def _cells(
    path: Path, _: int, rows: dict[str, _Row], healthy: bool, automatic: bool
) -> Iterator[CellSample | Skipped]:
    """The cells of a field."""
    field, boxes = _field(path, rows)
    for box, class_id in boxes:
        try:
            yield _sample(field, box, class_id, automatic)
        except Unusable as error:
            yield error.skipped(SOURCE, class_id, path)
    if healthy:
        yield from field.red_cell_samples()


def fields(root: Path | str) -> Iterator[LabelledField | Skipped]:
    """The fields with their label maps; white cells of no known class are unknown.

    Raises:
        FileNotFoundError, ValueError: see :func:`read`.
    """
    rows = _table(root)

    def labelled(path: Path, _: int) -> Iterator[LabelledField]:
        field, boxes = _field(path, rows)
        known, unknown = [], [box for box, class_id in boxes if not class_id]
        for box, class_id in boxes:
            if class_id:
                try:
                    known.append((_mask(field, box, class_id), class_id))
                except Unusable:
                    unknown.append(box)
        yield labelled_field(field, path.stem, known, unknown)

    yield from folders.read_each(
        folders.image_files(Path(root) / "images", SOURCE, 0), SOURCE, labelled
    )


def labelled(root: Path | str) -> Iterator[tuple[Path, list[CellBox]] | Skipped]:
    """The fields, by name, each with the boxes of its red cells, its platelets, and the white cells
    of a known class.

    Raises:
        FileNotFoundError, ValueError: see :func:`read`.
    """
    rows = _table(root)

    def boxed(path: Path, _: int) -> Iterator[tuple[Path, list[CellBox]]]:
        field, others = _field(path, rows)
        boxes = _boxes(_labels_of(path), field.image.shape[:2])
        red = [(box, HEALTHY_RBC) for kind, box in boxes if kind == RED_CELL]
        known = [(box, class_id) for box, class_id in (*others, *red) if class_id]
        yield path, [CellBox(path.name, box, class_id) for box, class_id in known]

    yield from folders.read_each(
        folders.image_files(Path(root) / "images", SOURCE, 0), SOURCE, boxed
    )


def _field(path: Path, rows: dict[str, _Row]) -> tuple[Field, list[tuple[Box, int]]]:
    """A field, and the boxes of its white cells and platelets with their classes, or 0."""
    if path.stem not in rows:
        raise Unusable(NO_LABEL, f"{path}: {TABLE} has no line for it. Add the line.")
    row, image = rows[path.stem], folders.colour_image(path)
    boxes = _boxes(_labels_of(path), image.shape[:2])
    white = [box for kind, box in boxes if kind == WHITE_CELL]
    largest = max(white, key=lambda box: box.width * box.height, default=None)
    others = [
        (box, THROMBOCYTE if kind == PLATELET else row.class_id if box == largest else 0)
        for kind, box in boxes
        if kind != RED_CELL
    ]
    boxed = tuple(box for box, _ in others)
    expected = SOURCE_RBC_DIAMETER_PX[row.source]
    return Field(image, SOURCE, row.group, path, expected, boxed=boxed), others


def _labels_of(path: Path) -> Path:
    return path.parent.parent / "labels" / f"{path.stem}.txt"


def _mask(field: Field, box: Box, class_id: int) -> np.ndarray:
    """The white cell or platelet in a box, ``(H, W)`` bool."""
    if class_id == THROMBOCYTE:
        mask = platelet_in(field.image, field.transmittance, box, field.rbc_diameter_px)
    else:
        mask = white_cell_in(field.image, box, class_id, field.rbc_diameter_px)
    field.check_shape(mask, SEGMENTED_PLATELET if class_id == THROMBOCYTE else _WHOLE)
    return mask


def _sample(field: Field, box: Box, class_id: int, automatic: bool) -> CellSample:
    """The white cell or platelet in a box."""
    where = f"{field.path}, box {','.join(map(str, box))}"
    name = f"{field.path.stem}_{box.x}_{box.y}"
    if not class_id:
        raise Unusable(NO_LABEL, f"{where}: the database does not tell the class of this cell.")
    if class_id == THROMBOCYTE:
        return field.sample(_mask(field, box, class_id), class_id, name)
    if not automatic:
        raise Unusable(
            folders.NO_MASK,
            f"{where}: nobody masked this cell. Switch automatic masks on to have it segmented.",
        )
    return field.sample(_mask(field, box, class_id), class_id, f"{name}{AUTOMATIC}")


def _boxes(path: Path, shape: tuple[int, ...]) -> list[KindBox]:
    """The boxes of a field in whole pixels."""
    if not path.is_file():
        raise Unusable(WRONG_BOXES, f"{path}: not there. Add it, or delete its image.")
    height, width = shape
    boxes = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            kind, x, y, w, h = (float(value) for value in line.split()[:5])
            if kind not in (WHITE_CELL, RED_CELL, PLATELET) or not (0 < w <= 1 and 0 < h <= 1):
                raise ValueError("no such kind, or a box without size")
        except ValueError as error:
            raise Unusable(
                WRONG_BOXES,
                f"{path}, line {number}: expected 'kind x y width height', kind 0..2, fractions "
                f"of the image. Received {line!r}. Correct the line.",
            ) from error
        left, top = max(0, round((x - w / 2) * width)), max(0, round((y - h / 2) * height))
        right = min(width, round((x + w / 2) * width))
        bottom = min(height, round((y + h / 2) * height))
        boxes.append(KindBox(int(kind), Box(left, top, right - left, bottom - top)))
    return boxes
