"""LISC: fields of 720 x 576 at 100x with one labelled white blood cell each, and experts' masks.

Layout: ``Main Dataset/<Class>/N.*`` and ``Ground Truth
    Segmentation/<Class>/areaforexpert1/N_expert.*`` with the classes ``Baso``, ``Eosi``, ``Lymp``,
``Mono``, ``Neut``. The database's own masks are 712 x 568, 4 px short on each side, and coded: 50
basophil, 75/100 cytoplasm and nucleus of eosinophils, 125/150 of lymphocytes, 175/200 of monocytes,
225/255 of neutrophils. Masks of the field's own size with 0 and 255 are read as well. Fields of the
folder ``mixt`` hold several classes and are left out. ``platelet_boxes.csv``
(``field,x,y,width,height``, field as ``Neut/11``), which anybody may draw, adds thrombocytes; it is
no part of the database.

Licence: free for research and education, with citation.
Citation: S. H. Rezatofighi, H. Soltanian-Zadeh, "Automatic recognition of five types of white blood
    cells in peripheral blood", Computerized Medical
Imaging and Graphics 35(4), 2011, 333-343.
Where: http://users.cecs.anu.edu.au/~hrezatofighi/Data/Leukocyte%20Data.htm, by hand.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import (
    BASOPHIL,
    EOSINOPHIL,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    RBC_DIAMETER_PX,
    THROMBOCYTE,
)
from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction.background_crops import patch_samples
from bloodseg_lib.samples.extraction.clusters import stack_samples
from bloodseg_lib.samples.extraction.masks import (
    EMPTY_MASK,
    NO_IMAGE,
    LeftOut,
    check_shape,
    class_folders,
    colour_image,
    image_files,
    largest,
    mask_of,
    one_file,
    parts,
    smooth,
    window_of,
)
from bloodseg_lib.samples.extraction.red_cells import (
    REACH,
    healthy_samples,
    measured_rbc_diameter,
    red_cells,
)
from bloodseg_lib.samples.extraction.white_cells import white_cells
from bloodseg_lib.samples.sample import AUTOMATIC, CellSample, Skipped, make_sample
from bloodseg_lib.samples.sources.own_fields import Box, cut_box, group_of, read_boxes

SOURCE = "lisc"
CLASS_FOLDERS = {
    "Baso": BASOPHIL,
    "Eosi": EOSINOPHIL,
    "Lymp": LYMPHOCYTE,
    "Mono": MONOCYTE,
    "Neut": NEUTROPHIL,
}
LAYOUT = "'Main Dataset/<Class>/N.*' and 'Ground Truth Segmentation/<Class>/areaforexpert1/N_expert.*', <Class> one of Baso, Eosi, Lymp, Mono, Neut"
FIELDS, MASKS, MIXED = "Main Dataset", "Ground Truth Segmentation", "mixt"
PLATELET_BOXES = "platelet_boxes.csv"
MASK_BORDER_PX = 4
SOURCE_RBC_DIAMETER_PX = 40.0
"""Measured:

the median over about 3000 free-lying round RBCs of 185 fields. Fields differ, from 37 to 48, by
slide: those with enough such cells get their own.
"""
LEAST_PART_PX = 500
"""Smaller parts of a mask are specks."""
REACH_PX = 8
"""How far a mask may lie beside its cell."""

MIXED_FIELD = "several classes in one field"
OTHER_CLASS = "mask of another class"
_CODED = (BASOPHIL, EOSINOPHIL, LYMPHOCYTE, MONOCYTE, NEUTROPHIL)
"""The classes by the codes of the masks: 1..50, 51..100, ..."""


def read(
    root: Path | str,
    rejections: list[Skipped] | None = None,
    platelets: bool = True,
    healthy: bool = True,
    automatic_masks: bool = False,
) -> Iterator[CellSample]:
    """Read the white cells that have an expert's mask, healthy red cells, and thrombocytes where
    there is ``platelet_boxes.csv``.

    Args:
        root: the folder that holds ``Main Dataset``.
        rejections: gets one entry for everything that is left out.
        platelets: whether to read the boxes.
        healthy: whether to read red cells: free-lying ones, stacks and patches. Nobody in this
            database is said to have malaria.
        automatic_masks: whether the white cells of fields without an expert's mask are segmented
            automatically; their names end with ``_auto``.

    Yields:
        samples at 40x; group is the field.

    Raises:
        FileNotFoundError, ValueError: the folders are not as they should be, or the boxes are not
            readable.
    """
    root = Path(root)
    rejections = [] if rejections is None else rejections
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder. Expected {LAYOUT}. Give the folder that the database was unpacked to."
        )
    folders = class_folders(root / FIELDS, CLASS_FOLDERS, LAYOUT, also=(MIXED,))
    mask_folders = dict(class_folders(root / MASKS, CLASS_FOLDERS, LAYOUT, also=(MIXED,)))
    masks_of = {class_id: folder / "areaforexpert1" for folder, class_id in mask_folders.items()}
    boxes = (
        read_boxes(root / PLATELET_BOXES, THROMBOCYTE)
        if platelets and (root / PLATELET_BOXES).is_file()
        else []
    )
    diameters: dict[str, float] = {}
    for folder, class_id in folders:
        if not masks_of[class_id].is_dir():
            raise FileNotFoundError(
                f"{masks_of[class_id]}: no such folder. Expected {LAYOUT}. Unpack the database again."
            )
        fields = set()
        for path in image_files(folder, SOURCE, class_id, rejections):
            fields.add(path.stem)
            try:
                image = colour_image(path)
            except LeftOut as error:
                rejections.append(error.rejection(SOURCE, class_id, path))
                continue
            field = f"{folder.name}_{path.stem}"
            red = red_cells(image, SOURCE_RBC_DIAMETER_PX)
            diameters[field] = measured_rbc_diameter(red, SOURCE_RBC_DIAMETER_PX)
            yield from _white_cells(
                image,
                path,
                masks_of[class_id],
                class_id,
                field,
                diameters[field],
                automatic_masks,
                rejections,
            )
            if healthy:
                yield from healthy_samples(
                    image, red, path, SOURCE, field, diameters[field], rejections
                )
                yield from stack_samples(image, red, SOURCE, field, diameters[field])
                yield from patch_samples(image, red, SOURCE, field, diameters[field])
        for path in image_files(masks_of[class_id], SOURCE, class_id, rejections):
            if path.stem.removesuffix("_expert") not in fields:
                detail = f"{path}: there is no field {folder / path.stem.removesuffix('_expert')}.*. Add the field, or delete the mask."
                rejections.append(Skipped(SOURCE, class_id, path, NO_IMAGE, detail))
    for mixed in (p for p in (root / FIELDS).iterdir() if p.name.lower() == MIXED):
        for path in image_files(mixed, SOURCE, 0, rejections):
            rejections.append(
                Skipped(
                    SOURCE,
                    0,
                    path,
                    MIXED_FIELD,
                    f"{path}: fields of '{MIXED}' have no single class.",
                )
            )
    yield from _platelets(root, boxes, diameters, rejections)


def _white_cells(
    image: np.ndarray,
    path: Path,
    masks: Path,
    class_id: int,
    field: str,
    rbc_diameter_px: float,
    automatic: bool,
    rejections: list[Skipped],
) -> Iterator[CellSample]:
    """Samples of the labelled cells of one field."""
    scale = RBC_DIAMETER_PX / rbc_diameter_px
    mask_path = one_file(masks, f"{path.stem}_expert")
    by_program = automatic and mask_path is None
    try:
        cells = (
            white_cells(image, class_id, rbc_diameter_px)
            if by_program
            else marked_cells(image, path, masks, mask_path, class_id)
        )
    except LeftOut as error:
        rejections.append(error.rejection(SOURCE, class_id, path))
        return
    for number, cell in enumerate(cells, start=1):
        name = field if len(cells) == 1 else f"{field}_{number}"
        colour = background_colour(image, window_of(cell), reach_px=round(REACH * rbc_diameter_px))
        try:
            check_shape(
                cell,
                scale,
                path,
                (800, 16000),
                0.85 if by_program else 0.75,
                0.1 if by_program else 0.35,
            )
            sample = make_sample(
                image,
                cell,
                class_id,
                SOURCE,
                field,
                f"{name}{AUTOMATIC}" if by_program else name,
                scale,
                colour,
            )
        except LeftOut as error:
            rejections.append(error.rejection(SOURCE, class_id, path))
        else:
            yield sample


def marked_cells(
    image: np.ndarray, path: Path, masks: Path, mask_path: Path | None, class_id: int
) -> list[np.ndarray]:
    """The cells marked in a field's expert mask.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        path: of the field, for the reasons.
        masks: folder of the class's masks.
        mask_path: of the field's mask; None where there is none.
        class_id: of the field.

    Returns:
        ``(H, W)`` bool for each cell, top to bottom, moved to where it lies in the field.

    Raises:
        LeftOut: there is no mask, or not one of this field.
    """
    mask = mask_of(
        mask_path, path, image.shape[:2], f"{masks / path.stem}_expert.*", border=MASK_BORDER_PX
    )
    codes = np.unique(mask[mask > 0])
    coded = codes.tolist() != [255]
    if coded and {_CODED[min(4, (int(code) - 1) // 50)] for code in codes} != {class_id}:
        raise LeftOut(
            OTHER_CLASS,
            f"{mask_path}: expected the codes of {path.parent.name}. Received {codes.tolist()}. Get the mask anew.",
        )
    cells = parts(mask, LEAST_PART_PX)
    if not cells:
        raise LeftOut(
            EMPTY_MASK,
            f"{mask_path}: no part of at least {LEAST_PART_PX} pixels is marked. Get the mask anew.",
        )
    return [cell if coded else _fitted(image, cell) for cell in cells]


def _fitted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``mask``, moved to where it parts the cell from its surroundings best, without the white
    slide under its rim.

    For masks of 0 and 255, whose origin is not known: those in circulation lie some 4 px too high
        and too far left, the border that the database's own masks
    lack, and a pixel or two beside that. The database's own lie right.
    """
    red, green, blue = (image[:, :, i].astype(np.float32) for i in range(3))
    stain = 255 - 2 * green + (red + blue) / 2  # darkness of green, and purple
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.float32) - mask
    kernel = mask / np.float32(mask.sum()) - ring / ring.sum()
    rows, columns = np.flatnonzero(ring.any(axis=1)), np.flatnonzero(ring.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    around = cv2.copyMakeBorder(stain, REACH_PX, REACH_PX, REACH_PX, REACH_PX, cv2.BORDER_REPLICATE)
    around = around[
        rows[0] : rows[-1] + 1 + 2 * REACH_PX, columns[0] : columns[-1] + 1 + 2 * REACH_PX
    ]
    # [REACH_PX, REACH_PX]: where it lies
    fit = cv2.matchTemplate(around, kernel[box].astype(np.float32), cv2.TM_CCORR)
    down, right = (int(i) - REACH_PX for i in np.unravel_index(fit.argmax(), fit.shape))
    moved = (
        cv2.warpAffine(
            mask.astype(np.uint8),
            np.float32([[1, 0, right], [0, 1, down]]),
            mask.shape[::-1],
            flags=cv2.INTER_NEAREST,
        )
        > 0
    )
    slide = np.percentile(green, 95)
    return largest(smooth(moved & (green < 0.95 * slide), 7))


def _platelets(
    root: Path, boxes: list[Box], diameters: dict[str, float], rejections: list[Skipped]
) -> Iterator[CellSample]:
    images: dict[str, np.ndarray] = {}
    for box in boxes:
        path = one_file(root / FIELDS / Path(box.field).parent, Path(box.field).name)
        try:
            if path is None:
                path = root / FIELDS / box.field
                raise LeftOut(
                    NO_IMAGE,
                    f"{path}.*: {PLATELET_BOXES} names this field, but it is not there. Add it, or delete its lines.",
                )
            if box.field not in images:
                # boxes come field by field: one is enough to keep
                images = {box.field: colour_image(path)}
            group = group_of(box.field)
            sample = cut_box(
                images[box.field],
                box,
                path,
                SOURCE,
                group,
                diameters.get(group, SOURCE_RBC_DIAMETER_PX),
            )
        except LeftOut as error:
            rejections.append(error.rejection(SOURCE, THROMBOCYTE, path))
        else:
            yield sample
