"""Whole fields with boxes that a person drew around single cells: how MAMIC's cells, LISC's
platelets and one's own photographs are read.

Layout: the fields, and ``boxes.csv`` with the columns ``field,x,y,width,height,class``: the field's
    file name, whole pixels, and ``infected``,
``healthy`` or the key of any class (``thrombocyte``, ``platelet_clump``, ``neutrophil`` ...). For
fields of one's own (:func:`read`) a column ``rbc_diameter_px`` says about how large a red cell is
in that field; where there are enough free-lying ones, their measured median sets the scale. Masks
come from thresholds within the boxes. Fields of one's own without a box of an infected cell are
taken for free of malaria: their free-lying red cells become healthy ones. Stacks and patches are
cut of them as well. Box one infected cell of a field, or switch ``healthy`` off, to prevent that.

Licence and citation: those of the fields.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import (
    CELL_CLASSES,
    HEALTHY_RBC,
    INFECTED_RBC,
    PLATELET_CLUMP,
    PLATELET_IDS,
    RBC_DIAMETER_PX,
    THROMBOCYTE,
)
from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction.background_crops import patch_samples
from bloodseg_lib.samples.extraction.clusters import stack_samples
from bloodseg_lib.samples.extraction.masks import (
    CUT,
    NO_IMAGE,
    TOUCHING,
    LeftOut,
    check_clean,
    check_shape,
    colour_image,
    edge_contact,
    eroded,
    platelet_mask,
    rbc_mask,
)
from bloodseg_lib.samples.extraction.red_cells import (
    REACH,
    RedCell,
    healthy_samples,
    measured_rbc_diameter,
    red_cells,
)
from bloodseg_lib.samples.sample import CellSample, Skipped, make_sample

SOURCE = "own"
BOXES = "boxes.csv"
LAYOUT = f"fields and '{BOXES}' with the columns field,x,y,width,height,class,rbc_diameter_px"
BOX_COLUMNS = ("field", "x", "y", "width", "height", "class")
RBC_COLUMN = "rbc_diameter_px"
AREAS_PX = {
    THROMBOCYTE: (40, 900),
    PLATELET_CLUMP: (150, 30000),
    INFECTED_RBC: (450, 1900),
    HEALTHY_RBC: (450, 1900),
}
"""Least and greatest area at 40x that is believed."""

_WHITE_CELL_AREAS_PX = (800, 16000)
_LEAST_SOLIDITY = {THROMBOCYTE: 0.8, PLATELET_CLUMP: 0.5}
_CLASS_NAMES = {"infected": INFECTED_RBC, "healthy": HEALTHY_RBC} | {
    c.key: c.id for c in CELL_CLASSES
}


@dataclass(frozen=True)
class Box:
    """A box that a person drew around one cell of a field.

    Attributes:
        field: name of the field's file.
        x, y: left and upper edge, pixels.
        width, height: pixels.
        class_id: 1..9.
        rbc_diameter_px: of a red cell in this field, where the table tells it, else None.
    """

    field: str
    x: int
    y: int
    width: int
    height: int
    class_id: int
    rbc_diameter_px: float | None = None


def read(
    root: Path | str, rejections: list[Skipped] | None = None, healthy: bool = True
) -> Iterator[CellSample]:
    """Read the boxed cells of one's own fields.

    Args:
        root: the folder that holds the fields and ``boxes.csv``.
        rejections: gets one entry for everything that is left out.
        healthy: whether the free-lying red cells of fields without a box of an infected cell are
            samples of healthy ones.

    Yields:
        samples at 40x; group is the field.

    Raises:
        FileNotFoundError, ValueError: the folder or the boxes are not as they should be.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder. Expected {LAYOUT}. Give the folder that holds them."
        )
    yield from read_fields(root, root / BOXES, SOURCE, None, rejections, healthy)


def read_fields(
    folder: Path | str,
    boxes_csv: Path | str,
    source: str,
    rbc_diameter_px: float | None,
    rejections: list[Skipped] | None = None,
    healthy: bool = False,
) -> Iterator[CellSample]:
    """Read the boxed cells of a folder of fields, of whatever origin.

    Args:
        folder: of the fields.
        boxes_csv: ``field,x,y,width,height,class``; class is ``infected``, ``healthy`` or the key
            of any class.
        source: the samples' source, e.g. ``"own"``.
        rbc_diameter_px: how large a red cell is in these fields, to within a third; the scale of a
            field with fewer than 8 free-lying red cells to measure. None: the table has a column of
            that name.
        rejections: gets one entry for everything that is left out.
        healthy: whether the free-lying red cells of fields without a box of an infected cell are
            samples of healthy ones.

    Yields:
        samples at 40x; group is the field.

    Raises:
        FileNotFoundError, ValueError: the folder or the boxes are not as they should be, or
            ``rbc_diameter_px`` is not above 0.
    """
    folder = Path(folder)
    rejections = [] if rejections is None else rejections
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: no such folder. Expected a folder of fields. Give the folder that the boxes were drawn in."
        )
    if rbc_diameter_px is not None and not rbc_diameter_px > 0:
        raise ValueError(
            f"Expected the diameter of a red cell in these fields, above 0 pixels. Received {rbc_diameter_px}."
        )
    by_field: dict[str, list[Box]] = {}
    for box in read_boxes(boxes_csv, with_rbc=rbc_diameter_px is None):
        by_field.setdefault(box.field, []).append(box)
    for field, boxes in by_field.items():
        path = folder / field
        try:
            if not path.is_file():
                raise LeftOut(
                    NO_IMAGE,
                    f"{path}: {boxes_csv} names this field, but it is not there. Add it, or delete its lines.",
                )
            image = colour_image(path)
        except LeftOut as error:
            rejections.extend(error.rejection(source, box.class_id, path) for box in boxes)
            continue
        expected = rbc_diameter_px or boxes[0].rbc_diameter_px
        cells = red_cells(image, expected)
        diameter = measured_rbc_diameter(cells, expected)
        for box in boxes:
            try:
                sample = cut_box(image, box, path, source, group_of(field), diameter)
            except LeftOut as error:
                rejections.append(error.rejection(source, box.class_id, path))
            else:
                yield sample
        if healthy and not any(box.class_id == INFECTED_RBC for box in boxes):
            free = [cell for cell in cells if not any(_within(cell, box) for box in boxes)]
            yield from healthy_samples(
                image, free, path, source, group_of(field), diameter, rejections
            )
            yield from stack_samples(image, free, source, group_of(field), diameter)
            yield from patch_samples(image, free, source, group_of(field), diameter)


def _within(cell: RedCell, box: Box) -> bool:
    """Whether the middle of a cell lies in a box."""
    rows, columns = cell.window
    return (
        box.x <= (columns.start + columns.stop) / 2 <= box.x + box.width
        and box.y <= (rows.start + rows.stop) / 2 <= box.y + box.height
    )


def group_of(field: str) -> str:
    """The group of a field's cells: its name without ending, folders joined by underscores."""
    return Path(field).with_suffix("").as_posix().replace("/", "_")


def read_boxes(path: Path | str, class_id: int | None = None, with_rbc: bool = False) -> list[Box]:
    """Read a table of boxes.

    Args:
        path: CSV with the columns ``field,x,y,width,height`` and, unless ``class_id`` is given,
            ``class``.
        class_id: of all boxes.
        with_rbc: whether there must be the column ``rbc_diameter_px`` as well.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, a line is not readable, or is there twice.
    """
    path = Path(path)
    columns = (BOX_COLUMNS if class_id is None else BOX_COLUMNS[:-1]) + (
        (RBC_COLUMN,) if with_rbc else ()
    )
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file. Expected a CSV with the columns {', '.join(columns)}, one line for each boxed cell. Write it."
        )
    boxes: dict[Box, None] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise ValueError(
                f"{path}: expected the columns {', '.join(columns)}. Missing: {', '.join(missing)}. Write them in the first line."
            )
        for row in reader:
            try:
                box = _box(row, class_id, with_rbc)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}, line {reader.line_num}: expected {', '.join(columns)}: whole pixels, sizes above 0, a class out of "
                    f"{', '.join(_CLASS_NAMES)}. Received {','.join(str(value) for value in row.values())}. Correct the line."
                ) from error
            if box in boxes:
                raise ValueError(
                    f"{path}, line {reader.line_num}: this box is there already. Delete the line."
                )
            boxes[box] = None
    return list(boxes)


def _box(row: dict[str, str], class_id: int | None, with_rbc: bool) -> Box:
    sizes = [int(row[column]) for column in BOX_COLUMNS[1:5]]
    diameter = float(row[RBC_COLUMN]) if with_rbc else None
    if (
        sizes[2] < 1
        or sizes[3] < 1
        or not row["field"]
        or (diameter is not None and not diameter > 0)
    ):
        raise ValueError("a box without field or size")
    return Box(
        row["field"], *sizes, _CLASS_NAMES[row["class"]] if class_id is None else class_id, diameter
    )


def cut_box(
    image: np.ndarray, box: Box, path: Path, source: str, group: str, rbc_diameter_px: float
) -> CellSample:
    """Cut the cell in a box out of its field. Its mask is a threshold within the box, a little
    enlarged.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        box: around the cell.
        path: of the field, for the reasons.
        source, group: see :class:`~bloodseg_lib.samples.sample.CellSample`; the name is the group
            with the box's position.
        rbc_diameter_px: of a red cell in the field.

    Raises:
        LeftOut: no whole cell was found in the box.
    """
    where = f"{path}, box {box.x},{box.y},{box.width},{box.height}"
    height, width = image.shape[:2]
    pad = max(2, round(0.1 * max(box.width, box.height)))
    left, top = max(0, box.x - pad), max(0, box.y - pad)
    right, bottom = min(width, box.x + box.width + pad), min(height, box.y + box.height + pad)
    if (
        box.x < 0
        or box.y < 0
        or box.x >= width
        or box.y >= height
        or right - left < 5
        or bottom - top < 5
    ):
        raise LeftOut(
            NO_IMAGE,
            f"{where}: the box lies outside the field of {width} x {height}. Correct its line.",
        )
    crop = image[top:bottom, left:right]
    scale = RBC_DIAMETER_PX / rbc_diameter_px
    platelet = box.class_id in PLATELET_IDS
    try:
        mask = platelet_mask(crop) if platelet else rbc_mask(crop)
    except LeftOut as error:
        raise LeftOut(error.reason, f"{where}: {error.detail}") from error
    at_border = left == 0 or top == 0 or right == width or bottom == height
    if (contact := edge_contact(mask)) > 0.3:
        raise LeftOut(
            CUT if at_border else TOUCHING,
            f"{where}: what was found leaves the box over {contact:.2f} diameters > 0.3.",
        )
    check_shape(
        mask,
        scale,
        where,
        AREAS_PX.get(box.class_id, _WHITE_CELL_AREAS_PX),
        {PLATELET_CLUMP: 0.5, THROMBOCYTE: 0.8}.get(box.class_id, 0.9),
        0.3,
    )
    if not platelet:
        check_clean(crop, mask, where)
        mask = eroded(mask, 1)
    colour = background_colour(
        image, np.s_[top:bottom, left:right], reach_px=round(REACH * rbc_diameter_px)
    )
    return make_sample(
        crop, mask, box.class_id, source, group, f"{group}_{box.x}_{box.y}", scale, colour
    )
