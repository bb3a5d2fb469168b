"""PBC of Barcelona: 17,092 images of single white blood cells and platelets, 360 x 363, of people
without infection; no masks.

Layout: ``PBC_dataset_normal_DIB/<class>/NAME.jpg`` as published, or the folders of the classes
alone: ``basophil``, ``eosinophil``, ``erythroblast``, ``ig``, ``lymphocyte``, ``monocyte``,
``neutrophil``, ``platelet``, or images whose names begin with the class:
``basophil___BA_298210.jpg``. The cell in the middle is the labelled one. Immature granulocytes
(``ig``) and erythroblasts are none of our classes. Beside the folder of the classes may lie a table
of boxes around platelets that touch, ``platelet_groups.csv`` (``file,x,y,width,height,grade``):
those of grade ``A`` are clumps. The database does not name patients, so each image is its own
group: cells of one person may be in training and testing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import CLASSES, MONOCYTE, PLATELET_CLUMP, THROMBOCYTE, WBC_IDS, Box
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.label_maps import labelled_field
from bloodseg_lib.samples.extraction.masks import NO_CELL, ShapeLimits, Unusable
from bloodseg_lib.samples.extraction.platelets import (
    SEGMENTED_CLUMP,
    SEGMENTED_PLATELET,
    clump,
    platelet,
)
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import AUTOMATIC, CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "pbc"
CLASS_NAMES = {CLASSES[class_id].key: class_id for class_id in WBC_IDS} | {"platelet": THROMBOCYTE}
OTHER_CLASSES = ("erythroblast", "ig")
FOLDER = "PBC_dataset_normal_DIB"
GROUPS = "platelet_groups.csv"
IN_A_CLUMP = "in a clump"
LAYOUT = (
    "<class>/NAME.jpg, or images named <class>_..., <class> one of "
    f"{', '.join([*CLASS_NAMES, *OTHER_CLASSES])}"
)
SOURCE_RBC_DIAMETER_PX = 73.0
"""Measured: the median of the isolated round red cells, 70 to 76; images with enough of them get
their own.
"""
NOT_OUR_CLASS = "not one of our classes"
# A red cell or a second cell beside a white cell makes it less convex, as pseudopods do a monocyte,
# see docs/decisions/2026-11-25-outlines.md.
_WHOLE = ShapeLimits((800, 16000), 0.95, 0.1)
_WHOLE_MONOCYTE = ShapeLimits((800, 16000), 0.9, 0.1)


def read(
    root: Path | str, healthy: bool = True, automatic_masks: bool = False
) -> Iterator[CellSample | Skipped]:
    """Read the labelled cells, and the red cells beside them.

    Args:
        root: the folder that contains the folders of the classes, or the images.
        healthy: whether to read red cells, isolated ones and clusters. All donors were free of
            infection.
        automatic_masks: whether white cells, which nobody masked, are segmented automatically;
            their names end with ``_auto``. Else they are skipped. Platelets and clumps, which are
            segmented automatically, are read in any case.

    Yields:
        samples at 40x; each image is its own group.

    Raises:
        FileNotFoundError: the folder does not exist, or contains no image of a known class.
    """
    groups: set[str] = set()
    cells = partial(
        _cells, groups=groups, clumps=_clumps(root), healthy=healthy, automatic=automatic_masks
    )
    yield from folders.read_each(_files(root), SOURCE, cells)


def fields(root: Path | str) -> Iterator[LabelledField | Skipped]:
    """The images with their label maps: the labelled cell, healthy red cells, all else unknown.

    Raises:
        FileNotFoundError: see :func:`read`.
    """
    clumps = _clumps(root)

    def labelled_image(path: Path, class_id: int) -> Iterator[LabelledField]:
        field = Field(folders.colour_image(path), SOURCE, path.stem, path, SOURCE_RBC_DIAMETER_PX)
        mask = _mask(field, class_id, clumps.get(path.stem, ()))
        yield labelled_field(field, path.stem, [(mask, class_id)])

    yield from folders.read_each(_files(root), SOURCE, labelled_image)


def labelled(root: Path | str) -> Iterator[tuple[Path, int, None]]:
    """The images of our classes, each with its class and, as nobody masked the cells, None.

    Raises:
        FileNotFoundError: see :func:`read`.
    """
    for file in _files(root):
        if not isinstance(file, Skipped):
            yield *file, None


def _files(root: Path | str) -> Iterator[tuple[Path, int] | Skipped]:
    """The images with their classes; those of other classes are skipped."""
    root = _class_root(root)
    names = (*CLASS_NAMES, *OTHER_CLASSES)
    inside = [root / name for name in sorted(names) if (root / name).is_dir()]
    any_known = False
    for folder in (root, *inside):
        for file in folders.image_files(folder, SOURCE, CLASS_NAMES.get(folder.name, 0)):
            if isinstance(file, Skipped):
                if file.path not in inside and file.path.name != GROUPS:
                    yield file
                continue
            path = file[0]
            beginning = path.stem.split("_")[0].lower()
            name = next((name for name in (beginning, folder.name) if name in names), "")
            any_known |= bool(name)
            if name in CLASS_NAMES:
                yield path, CLASS_NAMES[name]
            else:
                detail = f"{path}: expected {LAYOUT}. Received {name or 'none of them'}."
                yield Skipped(SOURCE, 0, path, NOT_OUR_CLASS, detail)
    if not any_known:
        raise FileNotFoundError(
            f"{root}: no image of a known class. Expected {LAYOUT}. "
            "Give the folder that the database was unpacked to."
        )


def _class_root(root: Path | str) -> Path:
    """The folder that contains the folders of the classes."""
    root = folders.database_folder(root, LAYOUT)
    return root / FOLDER if (root / FOLDER).is_dir() else root


def _clumps(root: Path | str) -> dict[str, list[Box]]:
    """The boxes of clumps, by the stem of their image; none where there is no table."""
    inside = _class_root(root)
    table = next((f / GROUPS for f in (inside, inside.parent) if (f / GROUPS).is_file()), None)
    boxes: dict[str, list[Box]] = {}
    if table is None:
        return boxes
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                box = Box(*(int(row[column]) for column in ("x", "y", "width", "height")))
                if row["grade"] == "A":
                    boxes.setdefault(Path(row["file"]).stem, []).append(box)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{table}, line {rows.line_num}: expected file,x,y,width,height,grade. "
                    f"Received {','.join(map(str, row.values()))}. Correct the line."
                ) from error
    return boxes


def _cells(
    path: Path,
    class_id: int,
    groups: set[str],
    clumps: Mapping[str, Sequence[Box]],
    healthy: bool,
    automatic: bool,
) -> Iterator[CellSample | Skipped]:
    """The labelled cell of an image, and the red cells beside it."""
    if path.stem in groups:
        raise Unusable(
            folders.SAME_NAME,
            f"{path}: another image has this name. Delete one of them, or rename it.",
        )
    groups.add(path.stem)
    field = Field(folders.colour_image(path), SOURCE, path.stem, path, SOURCE_RBC_DIAMETER_PX)
    boxes = clumps.get(path.stem, ())
    labelled = [(class_id, partial(_labelled_cell, field, class_id, boxes, automatic))]
    for wanted, cell in [*labelled, *((PLATELET_CLUMP, partial(_clump, field, b)) for b in boxes)]:
        try:
            yield cell()
        except Unusable as error:
            yield error.skipped(SOURCE, wanted, path)
    if healthy:
        yield from field.red_cell_samples()


def _labelled_cell(
    field: Field, class_id: int, clumps: Sequence[Box], automatic: bool
) -> CellSample:
    """The cell in the middle of an image."""
    if class_id != THROMBOCYTE and not automatic:
        raise Unusable(
            folders.NO_MASK,
            f"{field.path}: nobody masked the cells of this database. "
            "Switch automatic masks on to have them segmented.",
        )
    ending = "" if class_id == THROMBOCYTE else AUTOMATIC
    return field.sample(_mask(field, class_id, clumps), class_id, f"{field.group}{ending}")


def _mask(field: Field, class_id: int, clumps: Sequence[Box]) -> np.ndarray:
    """The cell in the middle of an image, ``(H, W)`` bool."""
    if class_id == THROMBOCYTE:
        height, width = field.image.shape[:2]
        if any(box.holds(width / 2, height / 2) for box in clumps):
            raise Unusable(IN_A_CLUMP, f"{field.path}: a box of a clump lies in its middle.")
        mask = platelet(field.image, field.transmittance, field.rbc_diameter_px)
        field.check_shape(mask, SEGMENTED_PLATELET)
        return mask
    mask = min(field.white_cells(class_id), key=_off_centre)
    if _off_centre(mask) > field.rbc_diameter_px:
        raise Unusable(NO_CELL, f"{field.path}: nothing in its middle is stained like a nucleus.")
    field.check_shape(mask, _WHOLE_MONOCYTE if class_id == MONOCYTE else _WHOLE)
    return mask


def _clump(field: Field, box: Box) -> CellSample:
    """The clump of platelets in a box."""
    mask = clump(field.image, field.transmittance, box, field.rbc_diameter_px)
    field.check_shape(mask, SEGMENTED_CLUMP)
    return field.sample(mask, PLATELET_CLUMP, f"{field.group}_clump_{box.x}_{box.y}")


def _off_centre(mask: np.ndarray) -> float:
    """Distance of the centroid of a mask from the middle of the image, in pixels."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    height, width = mask.shape
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    return float(np.hypot(x - width / 2, y - height / 2))
