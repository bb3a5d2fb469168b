"""Whole fields with boxes that a person drew around single cells: one's own photographs, and the
fields of MAMIC.

Layout: the fields, and ``boxes.csv`` with the columns ``field,x,y,width,height,class``: the field's
file name, whole pixels, and ``infected``, ``healthy`` or the key of any class (``thrombocyte``,
``platelet_clump``, ``neutrophil`` ...), or a name that the command ``boxes`` knows. For fields of
one's own (:func:`read`) a column ``rbc_diameter_px`` gives the approximate diameter of a red cell,
one for all boxes of a field; where enough isolated red cells are found, their measured median sets
the scale. The command ``boxes`` writes the table of what other tools draw (COCO, YOLO, Pascal VOC,
labelme, GeoJSON). Masks are thresholds within the boxes. Fields of one's own without a box of an
infected cell count as free of malaria: their isolated red cells become healthy samples, and
clusters and background crops are cut out of them as well. To prevent that, box one infected cell of
the field, or switch ``healthy`` off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bloodseg_lib.classes import INFECTED_RBC
from bloodseg_lib.io import spelled
from bloodseg_lib.samples.extraction.boxes import BOXES, NO_IMAGE, CellBox, by_field, read_boxes
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.masks import Unusable
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "own"
LAYOUT = f"fields and '{BOXES}' with the columns field,x,y,width,height,class,rbc_diameter_px"


def read(root: Path | str, healthy: bool = True) -> Iterator[CellSample | Skipped]:
    """Read the boxed cells of one's own fields.

    Args:
        root: the folder that contains the fields and ``boxes.csv``.
        healthy: whether the red cells of fields without a box of an infected cell are samples of
            healthy ones.

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
    yield from read_fields(root, root / BOXES, SOURCE, None, healthy)


def read_fields(
    folder: Path | str,
    boxes_csv: Path | str,
    source: str,
    rbc_diameter_px: float | None,
    healthy: bool = False,
) -> Iterator[CellSample | Skipped]:
    """Read the boxed cells of a folder of fields, of whatever origin.

    Args:
        folder: of the fields.
        boxes_csv: see :func:`~bloodseg_lib.samples.extraction.boxes.read_boxes`.
        source: of the samples, e.g. ``"own"``.
        rbc_diameter_px: diameter of a red cell in these fields, to within a third; it is the scale
            of fields with too few isolated red cells to measure. None: the table has a column of
            that name.
        healthy: whether the red cells of fields without a box of an infected cell are samples of
            healthy ones.

    Yields:
        samples at 40x; group is the field.

    Raises:
        FileNotFoundError, ValueError: the folder or the boxes are not as they should be, or
            ``rbc_diameter_px`` is not above 0.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: no such folder. Expected a folder of fields. "
            "Give the folder that the boxes were drawn in."
        )
    if rbc_diameter_px is not None and not rbc_diameter_px > 0:
        raise ValueError(
            "Expected the diameter of a red cell in these fields, above 0 pixels. "
            f"Received {rbc_diameter_px}."
        )
    for name, boxes in by_field(read_boxes(boxes_csv, with_rbc=rbc_diameter_px is None)).items():
        path = _path(folder, name)
        try:
            if not path.is_file():
                raise Unusable(NO_IMAGE, _missing(path, boxes_csv))
            image = folders.colour_image(path)
        except Unusable as error:
            yield from (error.skipped(source, cell.class_id, path) for cell in boxes)
            continue
        expected = rbc_diameter_px or boxes[0].rbc_diameter_px or 0.0
        boxed = tuple(cell.box for cell in boxes)
        field = Field(image, source, folders.group_of(name), path, expected, boxed=boxed)
        yield from map(field.box, boxes)
        if healthy and not any(cell.class_id == INFECTED_RBC for cell in boxes):
            yield from field.red_cell_samples()


def labelled(root: Path | str) -> Iterator[tuple[Path, list[CellBox]] | Skipped]:
    """The fields that somebody drew boxes in, by name, each with its boxes; missing ones skipped.

    Args:
        root: the folder that contains ``boxes.csv``, and the fields or their folder ``fields``.

    Raises:
        FileNotFoundError, ValueError: the boxes are not as they should be.
    """
    root = Path(root)
    for name, boxes in sorted(by_field(read_boxes(root / BOXES)).items()):
        path = _path(root, name)
        if path.is_file():
            yield path, boxes
        else:
            yield Skipped(SOURCE, 0, path, NO_IMAGE, _missing(path, root / BOXES))


def _path(root: Path, name: str) -> Path:
    """Where a field is: beside the table, or in the folder ``fields`` there."""
    path, inside = spelled(root, name), spelled(root / "fields", name)
    return inside if inside.is_file() and not path.is_file() else path


def _missing(path: Path, boxes_csv: Path | str) -> str:
    return (
        f"{path}: {boxes_csv} names this field, but it is not there. Add it, or delete its lines."
    )
