"""Boxes that a person drew around single cells: their table, and the cell in a box."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    HEALTHY_RBC,
    INFECTED_RBC,
    PLATELET_CLUMP,
    PLATELET_IDS,
    THROMBOCYTE,
    Box,
)
from bloodseg_lib.io import ENCODING, read_table, write_csv
from bloodseg_lib.samples.annotation.class_names import ClassNames
from bloodseg_lib.samples.extraction import masks
from bloodseg_lib.samples.extraction.masks import Unusable

BOXES = "boxes.csv"
BOX_COLUMNS = ("field", "x", "y", "width", "height", "class")
RBC_COLUMN = "rbc_diameter_px"

TOUCHING = "touching a neighbour"
NO_IMAGE = "mask without image"
OUTSIDE = "box outside the field"

RBC_AREAS_PX = (450, 1900)
"""Least and greatest area of a red cell at 40x."""
_LIMITS = {
    THROMBOCYTE: masks.ShapeLimits((40, 900), 0.8, 0.3),
    PLATELET_CLUMP: masks.ShapeLimits((150, 30000), 0.5, 0.3),
    INFECTED_RBC: masks.ShapeLimits(RBC_AREAS_PX, 0.9, 0.3),
    HEALTHY_RBC: masks.ShapeLimits(RBC_AREAS_PX, 0.9, 0.3),
}
_LEAST_INSIDE = 0.75  # of a box's area; a box may reach a little beyond the field
_WHITE_CELL = masks.ShapeLimits((800, 16000), 0.9, 0.3)
_FARTHEST_PX = 1e7
_NAMES = ClassNames({})


@dataclass(frozen=True)
class CellBox:
    """A box that a person drew around one cell of a field.

    Attributes:
        field: name of the field's file.
        box: around the cell, in whole pixels.
        class_id: 1..9.
        rbc_diameter_px: diameter of a red cell in this field; None where the table has no such
            column.
        line: of the table; 0: of none.

    Examples:
        >>> cell = CellBox("smear 1.png", Box(10, 20, 40, 30), THROMBOCYTE)
        >>> cell.box.window
        (slice(20, 50, None), slice(10, 50, None))
    """

    field: str
    box: Box
    class_id: int
    rbc_diameter_px: float | None = None
    line: int = dataclasses.field(default=0, compare=False)


def read_boxes(
    path: Path | str, class_id: int | None = None, with_rbc: bool = False
) -> list[CellBox]:
    """Read a table of boxes.

    Args:
        path: CSV with the columns ``field,x,y,width,height`` and, unless ``class_id`` is given,
            ``class``.
        class_id: of all boxes.
        with_rbc: whether the column ``rbc_diameter_px`` is required as well.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a column is missing, a line is unreadable or repeated, or a field has two
            diameters of a red cell.

    Examples:
        >>> import tempfile
        >>> table = Path(tempfile.mkdtemp()) / "boxes.csv"
        >>> write_boxes(table, [CellBox("smear 1.png", Box(10, 20, 40, 30), THROMBOCYTE)])
        >>> [(cell.field, tuple(cell.box), cell.class_id) for cell in read_boxes(table)]
        [('smear 1.png', (10, 20, 40, 30), 6)]
    """
    path = Path(path)
    columns: tuple[str, ...] = BOX_COLUMNS if class_id is None else BOX_COLUMNS[:-1]
    columns += (RBC_COLUMN,) if with_rbc else ()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file. Expected a CSV with the columns {', '.join(columns)}, "
            "one line for each boxed cell. Write it."
        )
    boxes: dict[CellBox, None] = {}
    diameters: dict[str, float | None] = {}
    for line, row in read_table(path, columns):
        try:
            box = dataclasses.replace(_cell_box(row, class_id, with_rbc), line=line)
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"{path}, line {line}: expected {', '.join(columns)}: whole pixels, sizes above 0, "
                f"a class out of infected, healthy, {', '.join(c.key for c in CELL_CLASSES)}. "
                f"Received {','.join(row.values())}. Correct the line."
            ) from error
        if box in boxes:
            raise ValueError(f"{path}, line {line}: this box is there already. Delete the line.")
        known = diameters.setdefault(box.field, box.rbc_diameter_px)
        if known != box.rbc_diameter_px:
            raise ValueError(
                f"{path}, line {line}: expected one diameter of a red cell for each field. "
                f"Received {box.rbc_diameter_px} for {box.field}, and {known} before. Correct one."
            )
        boxes[box] = None
    return list(boxes)


def _cell_box(row: dict[str, str], class_id: int | None, with_rbc: bool) -> CellBox:
    numbers = [_number(row[column]) for column in BOX_COLUMNS[1:5]]
    if not all(number.is_integer() and abs(number) < _FARTHEST_PX for number in numbers):
        raise ValueError("no whole pixels")
    box = Box(*map(int, numbers))  # spreadsheet programs write 12 as 12.0
    diameter = _number(row[RBC_COLUMN]) if with_rbc else None
    sized = min(box.width, box.height) >= 1 and (diameter is None or 0 < diameter < _FARTHEST_PX)
    if not row["field"] or not sized:
        raise ValueError("a box without field or size")
    known = _NAMES.id_of(row["class"]) if class_id is None else class_id
    return CellBox(PurePosixPath(row["field"]).as_posix(), box, known, diameter)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def write_boxes(path: Path | str, boxes: Iterable[CellBox]) -> None:
    """Write a table of boxes, atomically; see :func:`read_boxes`."""
    rows = ((b.field, *b.box, CLASSES[b.class_id].key, b.rbc_diameter_px or "") for b in boxes)
    write_csv(path, [*BOX_COLUMNS, RBC_COLUMN], rows, ENCODING)


def check_new(path: Path | str) -> None:
    """Refuse to write a table of boxes where there is one.

    Raises:
        ValueError: there is.
    """
    if Path(path).exists():
        raise ValueError(
            f"{path}: is there already, perhaps with a person's corrections. "
            "Choose another name, or delete it."
        )


def by_field(boxes: Iterable[CellBox]) -> dict[str, list[CellBox]]:
    """Boxes by the name of their field, in the order of the table."""
    found: dict[str, list[CellBox]] = {}
    for box in boxes:
        found.setdefault(box.field, []).append(box)
    return found


def check_inside(cell: CellBox, size: tuple[int, ...], where: Path | str) -> None:
    """Refuse a box that is not, or hardly, within its field.

    Args:
        cell: the box.
        size: height and width of the field.
        where: the field's file, for the message.

    Raises:
        Unusable: more than a quarter of it is outside.
    """
    height, width = size[:2]
    box, inside = cell.box, cell.box.cut(size)
    area = max(0, inside.width) * max(0, inside.height)
    if area < _LEAST_INSIDE * box.width * box.height:
        line = f", line {cell.line} of the table" if cell.line else ""
        raise Unusable(
            OUTSIDE,
            f"{where}{line}: expected a box within the field of {width} x {height}. Received "
            f"{','.join(map(str, box))}. Correct the line: was it drawn on another size, or on the "
            "picture turned?",
        )


def mask_in_box(
    image: np.ndarray, cell: CellBox, scale: float, path: Path
) -> tuple[Box, np.ndarray]:
    """The mask of the cell in a box, by a threshold within the box and a little margin.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        cell: the box and the class of its cell.
        scale: factor from the field to 40x.
        path: of the field, for the message.

    Returns:
        the box with its margin, and the mask there, ``(h, w)`` bool.

    Raises:
        Unusable: the box does not hold one whole cell.
    """
    height, width = image.shape[:2]
    where = f"{path}, box {','.join(map(str, cell.box))}"
    check_inside(cell, image.shape, where)
    pad = max(2, round(0.1 * max(cell.box.width, cell.box.height)))
    around = cell.box.cut(image.shape, pad)
    crop = image[around.window]
    platelet = cell.class_id in PLATELET_IDS
    try:
        mask = masks.platelet_mask(crop) if platelet else masks.rbc_mask(crop)
    except Unusable as error:
        raise Unusable(error.reason, f"{where}: {error.detail}") from error
    limits = _LIMITS.get(cell.class_id, _WHITE_CELL)
    if (contact := masks.edge_contact(mask)) > limits.most_contact:
        at_border = 0 in around[:2] or around.right == width or around.bottom == height
        raise Unusable(
            masks.CUT if at_border else TOUCHING,
            f"{where}: what was found leaves the box over {contact:.2f} diameters > "
            f"{limits.most_contact}.",
        )
    masks.check_shape(mask, scale, where, limits)
    if platelet:
        return around, mask
    masks.check_debris(crop, mask, where)
    return around, masks.eroded(mask, 1)
