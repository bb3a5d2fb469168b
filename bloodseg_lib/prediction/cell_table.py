"""The table of cells: a row each, written for spreadsheet programs, and read back.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

from bloodseg_lib.classes import CLASSES, Box, class_by_key
from bloodseg_lib.io import csv_rows, csv_text
from bloodseg_lib.prediction.cells import Cell

NOTICE = "Not for diagnosis."

CELL_COLUMNS = [
    *("field", "cell", "class", "agreement", "confidence", "uncertain", "area_px"),
    *("x", "y", "width", "height", "centroid_x", "centroid_y"),
    *("diameter_px", "perimeter_px", "circularity", "area_um2", "diameter_um", NOTICE),
]
"""``cell`` is the number in its field; the diameter is that of a disc of the same area. The last
column has no values: its heading says it once.
"""


def cell_table(cells: Iterable[Cell], decimal_comma: bool = False) -> str:
    """The table of some cells as CSV, with lengths in pixels of the image, and in micrometres where
    they are known; see :func:`bloodseg_lib.io.csv_text`.
    """
    return csv_text(CELL_COLUMNS, map(_row, cells), decimal_comma)


def _row(cell: Cell) -> list[str | int | Decimal]:
    diameter, um = math.sqrt(4 * cell.area_px / math.pi), cell.pixel_um
    return [
        cell.field,
        cell.number,
        CLASSES[cell.class_id].key,
        decimal(cell.agreement, 4),
        "" if cell.confidence is None else decimal(cell.confidence, 4),
        cell.uncertain,
        cell.area_px,
        *cell.box,
        *(decimal(value, 1) for value in (*cell.centroid, diameter, cell.perimeter_px)),
        decimal(cell.circularity, 3),
        "" if um is None else decimal(cell.area_px * um**2, 2),
        "" if um is None else decimal(diameter * um, 2),
        "",
    ]


def decimal(value: float, places: int) -> Decimal:
    """A number for a table, rounded.

    Examples:
        >>> str(decimal(0.5, 3))
        '0.500'
    """
    return Decimal(f"{value:.{places}f}")


def cells_of(table: str, pixel_um: float | None) -> tuple[Cell, ...]:
    """The cells of a :func:`cell_table` of one field, rounded as in it, without probabilities; the
    micrometres of a pixel are told unrounded.
    """
    return tuple(
        Cell(
            class_id=class_by_key(row["class"]).id,
            area_px=int(row["area_px"]),
            box=Box(*(int(row[name]) for name in ("x", "y", "width", "height"))),
            centroid=(_number(row["centroid_x"]), _number(row["centroid_y"])),
            agreement=_number(row["agreement"]),
            confidence=_number(row["confidence"]) if row["confidence"] else None,
            field=row["field"],
            uncertain=row["uncertain"],
            number=int(row["cell"]),
            perimeter_px=_number(row["perimeter_px"]),
            circularity=_number(row["circularity"]),
            pixel_um=pixel_um,
        )
        for row in csv_rows(table)
    )


def _number(text: str) -> float:
    return float(text.replace(",", "."))
