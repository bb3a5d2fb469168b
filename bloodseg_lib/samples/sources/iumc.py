"""IUMC (Isfahan University of Medical Sciences): labelled single white blood cells with binary
masks; no basophils.

Layout: ``images/<Class>/NAME.*`` and ``masks/<Class>/NAME.*``, the mask in any colours on one
other, and of the image's size, with the classes ``Eosi``, ``Lymp``, ``Mono``, ``Neut`` and
``Baso``, or some of them. The original project used the database in this form; bring what you have
of it, or any cells of your own, into this form.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import (
    BASOPHIL,
    CLASSES,
    EOSINOPHIL,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    RBC_DIAMETER_PX,
)
from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.masks import Unusable, disc, eroded, largest
from bloodseg_lib.samples.extraction.white_cells import MARKED
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "iumc"
_LEVELS = 8  # more values than these are of a JPEG, of smooth edges or of a picture
_MOST_BESIDE = 0.02  # of the pixels, that are beside the cell and no background
_SPECKS, _EDGE_PX = 24, 3  # of JPEGs: how far from black, and how wide edges are
CLASS_FOLDERS = {
    "Eosi": EOSINOPHIL,
    "Lymp": LYMPHOCYTE,
    "Mono": MONOCYTE,
    "Neut": NEUTROPHIL,
    "Baso": BASOPHIL,
}
LAYOUT = (
    "'images/<Class>/NAME.*' and 'masks/<Class>/NAME.*', <Class> Eosi, Lymp, Mono, Neut, Baso, "
    "those that you have"
)


def read(root: Path | str, rbc_diameter_px: float | None = None) -> Iterator[CellSample | Skipped]:
    """Read the pairs of image and mask.

    Args:
        root: the folder that contains ``images`` and ``masks``.
        rbc_diameter_px: of a red cell in these images. Leave it out where it is unknown: the scale
            is then the one that makes the classes' mean areas those at 40x, and all masks are read
            once before.

    Yields:
        samples at 40x; the database does not name patients, so each image is its own group.

    Raises:
        FileNotFoundError, ValueError: the folders are not as they should be, or ``rbc_diameter_px``
            is not above 0.
    """
    if rbc_diameter_px is not None and not rbc_diameter_px > 0:
        raise ValueError(
            "Expected the diameter of a red cell in these images, above 0 pixels, or None. "
            f"Received {rbc_diameter_px}."
        )
    root = folders.database_folder(root, LAYOUT)
    images = folders.class_folders(root / "images", CLASS_FOLDERS, LAYOUT, all_needed=False)
    classes = {folder.name: class_id for folder, class_id in images}
    marked = folders.class_folders(root / "masks", classes, LAYOUT, also=tuple(CLASS_FOLDERS))
    masks = {class_id: folder for folder, class_id in marked}
    diameter = rbc_diameter_px or _rbc_diameter(images, masks)

    cells = partial(_cells, masks=masks, rbc_diameter_px=diameter)
    for folder, class_id in images:
        yield from folders.read_each(folders.image_files(folder, SOURCE, class_id), SOURCE, cells)
        yield from folders.masks_without_image(masks[class_id], folder, SOURCE, class_id)


def _cells(
    path: Path, class_id: int, masks: dict[int, Path], rbc_diameter_px: float
) -> Iterator[CellSample]:
    """The cell of an image."""
    image, mask = _pair(path, masks[class_id])
    group = f"{path.parent.name}_{path.stem}"
    field = Field(image, SOURCE, group, path, rbc_diameter_px, measure=False)
    field.check_shape(mask, MARKED)
    yield field.sample(mask, class_id, group, background=background_colour(image))


def _pair(path: Path, masks: Path) -> tuple[np.ndarray, np.ndarray]:
    """An image, and the mask of its cell."""
    image = folders.colour_image(path)
    mask = folders.mask_of(
        folders.one_file(masks, path.stem), path, image.shape[:2], f"{masks / path.stem}.*"
    )
    return image, _cell_of(mask, masks / path.stem)


def _cell_of(mask: np.ndarray, where: Path) -> np.ndarray:
    """The cell, ``(H, W) bool``, of a mask that may have levels, as of nucleus and cytoplasm, or
    the cell's own colours, and, saved as a JPEG, grey specks and edges: from half the level of its
    faintest part on.
    """
    if len(np.unique(mask)) <= _LEVELS:
        return largest(mask > 0)
    cell = largest(mask > _SPECKS)
    inside = mask[eroded(cell, _EDGE_PX) & (mask > _SPECKS)]
    cell = largest(mask > np.percentile(inside, 2) / 2) if inside.size else cell
    near = cv2.dilate(cell.astype(np.uint8), disc(2 * _EDGE_PX)) > 0
    if np.count_nonzero(mask[~near] > _SPECKS) > _MOST_BESIDE * mask.size:
        raise Unusable(
            folders.NO_MASK,
            f"{where}.*: expected a mask, of one colour beside the cell. Received a picture. Save "
            "the mask in its place.",
        )
    return cell


def _rbc_diameter(images: list[tuple[Path, int]], masks: dict[int, Path]) -> float:
    """The diameter of a red cell with which the mean areas of the classes are those at 40x, each
    class counting alike; that at 40x where nothing is readable.
    """
    areas: dict[int, list[int]] = defaultdict(list)
    for folder, class_id in images:
        for file in folders.image_files(folder, SOURCE, class_id):
            if not isinstance(file, Skipped):
                with contextlib.suppress(Unusable):  # is reported when its sample is read
                    _, mask = _pair(file[0], masks[class_id])
                    areas[class_id].append(int(mask.sum()))
    logs = [
        np.log(CLASSES[class_id].mean_area_px / np.mean(found)) for class_id, found in areas.items()
    ]
    return RBC_DIAMETER_PX / float(np.exp(np.mean(logs) / 2)) if logs else RBC_DIAMETER_PX
