"""LISC: fields of 720 x 576 at 100x with one labelled white blood cell each, and experts' masks.

Layout: ``Main Dataset/<Class>/N.*`` and ``Ground Truth
Segmentation/<Class>/areaforexpert1/N_expert.*`` with the classes ``Baso``, ``Eosi``, ``Lymp``,
``Mono``, ``Neut``. The database's own masks are 712 x 568, 4 px short on each side, and coded: 50
basophil, 75/100 cytoplasm and nucleus of eosinophils, 125/150 of lymphocytes, 175/200 of monocytes,
225/255 of neutrophils. Masks of the field's own size with 0 and 255 are read as well. Fields of the
folder ``mixt`` show several classes and are skipped. ``platelet_boxes.csv``
(``field,x,y,width,height``, field as ``Neut/11``), which anybody may draw, adds thrombocytes; it is
not part of the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import CLASSES, THROMBOCYTE, WBC_IDS, Box
from bloodseg_lib.samples.extraction.boxes import NO_IMAGE, CellBox, by_field, read_boxes
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.label_maps import labelled_field
from bloodseg_lib.samples.extraction.masks import Unusable, filled, largest, outlines, smooth
from bloodseg_lib.samples.extraction.white_cells import MARKED, SEGMENTED
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import AUTOMATIC, CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "lisc"
CLASS_FOLDERS = dict(sorted((CLASSES[class_id].code, class_id) for class_id in WBC_IDS))
LAYOUT = (
    "'Main Dataset/<Class>/N.*' and "
    "'Ground Truth Segmentation/<Class>/areaforexpert1/N_expert.*', "
    "<Class> one of Baso, Eosi, Lymp, Mono, Neut"
)
FIELDS, MASKS, MIXED = "Main Dataset", "Ground Truth Segmentation", "mixt"
EXPERT = "areaforexpert1"
PLATELET_BOXES = "platelet_boxes.csv"
MASK_BORDER_PX = 4
SOURCE_RBC_DIAMETER_PX = 40.0
"""Measured: the median over about 3000 isolated round red cells of 185 fields. Fields differ by
slide, from 37 to 48: those with enough such cells get their own.
"""
LEAST_COMPONENT_PX = 500
"""Smaller components of a mask are specks."""
REACH_PX = 8
"""How far a mask may be off its cell."""

MIXED_FIELD = "several classes in one field"
OTHER_CLASS = "mask of another class"
_CODED = tuple(CLASS_FOLDERS.values())
"""The classes by the codes of the masks: 1..50, 51..100, ..."""


def read(
    root: Path | str, platelets: bool = True, healthy: bool = True, automatic_masks: bool = False
) -> Iterator[CellSample | Skipped]:
    """Read the white cells that have an expert's mask, healthy red cells, and thrombocytes where
    there is ``platelet_boxes.csv``.

    Args:
        root: the folder that contains ``Main Dataset``.
        platelets: whether to read the boxes.
        healthy: whether to read red cells: isolated ones, clusters and background crops. No malaria
            is reported for this database.
        automatic_masks: whether the white cells of fields without an expert's mask are segmented
            automatically; their names end with ``_auto``.

    Yields:
        samples at 40x; group is the field.

    Raises:
        FileNotFoundError, ValueError: the folders are not as they should be, or the boxes are not
            readable.
    """
    root = folders.database_folder(root, LAYOUT)
    fields, marked = (
        folders.class_folders(root / name, CLASS_FOLDERS, LAYOUT, also=(MIXED,))
        for name in (FIELDS, MASKS)
    )
    masks = {class_id: folder / EXPERT for folder, class_id in marked}
    table = root / PLATELET_BOXES
    boxes = read_boxes(table, THROMBOCYTE) if platelets and table.is_file() else []
    cells = partial(_cells, masks=masks, healthy=healthy, automatic=automatic_masks)
    for folder, class_id in fields:
        if not masks[class_id].is_dir():
            raise FileNotFoundError(
                f"{masks[class_id]}: no such folder. Expected {LAYOUT}. Unpack the database again."
            )
        yield from folders.read_each(folders.image_files(folder, SOURCE, class_id), SOURCE, cells)
        yield from folders.masks_without_image(masks[class_id], folder, SOURCE, class_id, "_expert")
    for folder in (root / FIELDS).iterdir():
        if folder.name.lower() == MIXED:
            yield from folders.read_each(folders.image_files(folder, SOURCE, 0), SOURCE, _mixed)
    for name, of_field in by_field(boxes).items():
        yield from _platelets(root, name, of_field)


def labelled(root: Path | str) -> Iterator[tuple[Path, int, np.ndarray | None] | Skipped]:
    """The fields of one class, each with its class and the ``(H, W) bool`` mask of its cells, None
    where no expert marked them. A field or mask that is not as it should be is skipped.

    Raises:
        FileNotFoundError, ValueError: a folder is not as it should be.
    """
    for folder, class_id in folders.class_folders(
        Path(root) / FIELDS, CLASS_FOLDERS, LAYOUT, also=(MIXED,)
    ):
        masks = Path(root) / MASKS / folder.name / EXPERT
        for file in folders.image_files(folder, SOURCE, class_id):
            if isinstance(file, Skipped):
                continue
            path, mask = file[0], None
            try:
                if _mask_file(path, masks):
                    marked = marked_cells(folders.colour_image(path), path, masks, class_id)
                    mask = np.logical_or.reduce(marked)
                yield path, class_id, mask
            except Unusable as error:
                yield error.skipped(SOURCE, class_id, path)


def fields(root: Path | str) -> Iterator[LabelledField | Skipped]:
    """The fields of one class with their label maps: the white cells, marked or segmented
    automatically, and red cells, which are healthy.

    Raises:
        FileNotFoundError, ValueError: see :func:`labelled`.
    """

    def mapped(path: Path, class_id: int, mask: np.ndarray | None) -> Iterator[LabelledField]:
        field = _field(path)
        cells = field.white_cells(class_id) if mask is None else [mask]
        yield labelled_field(field, field.group, [(cell, class_id) for cell in cells])

    yield from folders.read_each(labelled(root), SOURCE, mapped)


def _field(path: Path) -> Field:
    group = f"{path.parent.name}_{path.stem}"
    return Field(folders.colour_image(path), SOURCE, group, path, SOURCE_RBC_DIAMETER_PX)


def _cells(
    path: Path, class_id: int, masks: Mapping[int, Path], healthy: bool, automatic: bool
) -> Iterator[CellSample | Skipped]:
    """The labelled cells of a field, and its red cells."""
    field = _field(path)
    yield from _white_cells(field, class_id, masks[class_id], automatic)
    if healthy:
        yield from field.red_cell_samples()


def _mixed(path: Path, class_id: int) -> Iterator[CellSample]:
    raise Unusable(MIXED_FIELD, f"{path}: fields of '{MIXED}' have no single class.")


def _white_cells(
    field: Field, class_id: int, masks: Path, automatic: bool
) -> Iterator[CellSample | Skipped]:
    """The labelled cells of one field."""
    segmented = automatic and _mask_file(field.path, masks) is None
    limits, ending = (SEGMENTED, AUTOMATIC) if segmented else (MARKED, "")
    try:
        if segmented:
            found = field.white_cells(class_id)
        else:
            found = marked_cells(field.image, field.path, masks, class_id)
    except Unusable as error:
        yield error.skipped(SOURCE, class_id, field.path)
        return
    for number, mask in enumerate(found, start=1):
        name = field.group if len(found) == 1 else f"{field.group}_{number}"
        try:
            field.check_shape(mask, limits)
            yield field.sample(mask, class_id, f"{name}{ending}")
        except Unusable as error:
            yield error.skipped(SOURCE, class_id, field.path)


def _mask_file(path: Path, masks: Path) -> Path | None:
    """The expert's mask of a field, or None."""
    return folders.one_file(masks, f"{path.stem}_expert")


def marked_cells(image: np.ndarray, path: Path, masks: Path, class_id: int) -> list[np.ndarray]:
    """The cells marked in a field's expert mask.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        path: of the field.
        masks: folder of the class's masks.
        class_id: of the field.

    Returns:
        ``(H, W)`` bool for each cell, top to bottom, shifted to its position in the field.

    Raises:
        Unusable: the mask is missing, or not of this field.
    """
    mask_path = _mask_file(path, masks)
    expected = f"{masks / path.stem}_expert.*"
    mask = folders.mask_of(mask_path, path, image.shape[:2], expected, border=MASK_BORDER_PX)
    codes = np.unique(mask[mask > 0])
    coded = codes.tolist() != [255]
    if coded and {_CODED[min(4, (int(code) - 1) // 50)] for code in codes} != {class_id}:
        raise Unusable(
            OTHER_CLASS,
            f"{mask_path}: expected the codes of {path.parent.name}. Received {codes.tolist()}. "
            "Get the mask anew.",
        )
    top_down = sorted(outlines(mask), key=lambda o: (o[:, 0, 1].min(), o[:, 0, 0].min()))
    components = [filled(outline, mask.shape) for outline in top_down]
    cells = [component for component in components if component.sum() >= LEAST_COMPONENT_PX]
    if not cells:
        raise Unusable(
            folders.EMPTY_MASK,
            f"{mask_path}: no part of at least {LEAST_COMPONENT_PX} pixels is marked. "
            "Get the mask anew.",
        )
    return [cell if coded else _fitted(image, cell) for cell in cells]


def _fitted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``mask``, shifted to where it separates the cell best from its surroundings, without the
    white background under its rim.

    For masks of 0 and 255, whose origin is unknown: those in circulation are about 4 px, the border
    that the database's own masks lack, too high and too far left. The database's own fit.
    """
    red, green, blue = (image[:, :, i].astype(np.float32) for i in range(3))
    stain = 255 - 2 * green + (red + blue) / 2  # darkness of green, and purple
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.float32) - mask
    kernel = (mask / np.float32(mask.sum()) - ring / ring.sum()).astype(np.float32)
    box = Box.of_mask(ring)
    around = cv2.copyMakeBorder(stain, REACH_PX, REACH_PX, REACH_PX, REACH_PX, cv2.BORDER_REPLICATE)
    around = around[box.y : box.bottom + 2 * REACH_PX, box.x : box.right + 2 * REACH_PX]
    # [REACH_PX, REACH_PX]: no shift
    fit = cv2.matchTemplate(around, kernel[box.window], cv2.TM_CCORR)
    down, right = (int(i) - REACH_PX for i in np.unravel_index(fit.argmax(), fit.shape))
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = mask.shape[::-1]
    shifted = cv2.warpAffine(mask.astype(np.uint8), shift, size, flags=cv2.INTER_NEAREST)
    return largest(smooth((shifted > 0) & (green < 0.95 * np.percentile(green, 95)), 7))


def _platelets(root: Path, name: str, boxes: list[CellBox]) -> Iterator[CellSample | Skipped]:
    """The boxed platelets of one field."""
    found = folders.one_file(root / FIELDS / Path(name).parent, Path(name).name)
    path = found or root / FIELDS / name
    try:
        if found is None:
            raise Unusable(
                NO_IMAGE,
                f"{path}.*: {PLATELET_BOXES} names this field, but it is not there. "
                "Add it, or delete its lines.",
            )
        image = folders.colour_image(path)
    except Unusable as error:
        yield from (error.skipped(SOURCE, THROMBOCYTE, path) for _ in boxes)
        return
    field = Field(image, SOURCE, folders.group_of(name), path, SOURCE_RBC_DIAMETER_PX)
    yield from map(field.box, boxes)
