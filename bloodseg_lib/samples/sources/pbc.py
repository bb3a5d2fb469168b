"""PBC of Barcelona: 17,092 images of single white blood cells and platelets, 360 x 363, of people
without infection; no masks.

Layout: ``<class>/NAME.jpg`` as published, with the classes ``basophil``, ``eosinophil``,
    ``erythroblast``, ``ig``, ``lymphocyte``, ``monocyte``,
``neutrophil``, ``platelet``, or images of names that begin with the class:
``basophil___BA_298210.jpg``. The cell in the middle is the labelled one. Immature granulocytes
(``ig``) and erythroblasts are none of our classes. No patients are told, so each image is a group
of its own.

Licence: CC BY 4.0.
Citation: A. Acevedo, A. Merino, S. Alferez, A. Molina, L. Boldu, J. Rodellar, "A dataset of
    microscopic peripheral blood cell images for development of
automatic recognition systems", Data in Brief 30, 2020, 105474.
Where: https://data.mendeley.com/datasets/snkd93bnjr/1, by hand.
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
from bloodseg_lib.samples.extraction.clusters import stack_samples
from bloodseg_lib.samples.extraction.masks import (
    NO_CELL,
    NO_MASK,
    SAME_NAME,
    LeftOut,
    check_shape,
    colour_image,
    image_files,
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
from bloodseg_lib.samples.sources.own_fields import Box, cut_box

SOURCE = "pbc"
CLASS_NAMES = {
    "eosinophil": EOSINOPHIL,
    "basophil": BASOPHIL,
    "neutrophil": NEUTROPHIL,
    "lymphocyte": LYMPHOCYTE,
    "monocyte": MONOCYTE,
    "platelet": THROMBOCYTE,
}
OTHER_CLASSES = ("erythroblast", "ig")
LAYOUT = f"<class>/NAME.jpg, or images named <class>_..., <class> one of {', '.join([*CLASS_NAMES, *OTHER_CLASSES])}"
SOURCE_RBC_DIAMETER_PX = 73.0
"""Measured:

the median of the free-lying round red cells, 70 to 76; images with enough of them get their own.
"""
NOT_OUR_CLASS = "not one of our classes"
_PLATELET_BOX = 0.85
"""Side of the box in the middle that a platelet is looked for in, in diameters of a red cell."""


def read(
    root: Path | str,
    rejections: list[Skipped] | None = None,
    healthy: bool = True,
    automatic_masks: bool = False,
) -> Iterator[CellSample]:
    """Read the labelled cells, and the red cells beside them.

    Args:
        root: the folder that holds the classes' folders, or the images.
        rejections: gets one entry for everything that is left out.
        healthy: whether to read red cells, free-lying ones and stacks. All donors were free of
            infection.
        automatic_masks: whether the white cells are segmented automatically, for nobody masked
            them; their names end with ``_auto``. Else they are left out. Platelets, which are cut
            out by a threshold, are read in any case.

    Yields:
        samples at 40x; each image is its own group.

    Raises:
        FileNotFoundError: there is no such folder, or no image of a known class in it.
    """
    rejections = [] if rejections is None else rejections
    groups = set()
    for path, class_id in labelled(root, rejections):
        try:
            if path.stem in groups:
                raise LeftOut(
                    SAME_NAME,
                    f"{path}: another image has this name. Delete one of them, or rename it.",
                )
            groups.add(path.stem)
            image = colour_image(path)
        except LeftOut as error:
            rejections.append(error.rejection(SOURCE, class_id, path))
            continue
        red = red_cells(image, SOURCE_RBC_DIAMETER_PX)
        diameter = measured_rbc_diameter(red, SOURCE_RBC_DIAMETER_PX)
        try:
            yield _cell(image, path, class_id, diameter, automatic_masks)
        except LeftOut as error:
            rejections.append(error.rejection(SOURCE, class_id, path))
        if healthy:
            yield from healthy_samples(image, red, path, SOURCE, path.stem, diameter, rejections)
            yield from stack_samples(image, red, SOURCE, path.stem, diameter)


def labelled(
    root: Path | str, rejections: list[Skipped] | None = None
) -> Iterator[tuple[Path, int]]:
    """The images of our classes, each with its class.

    Args:
        root: see :func:`read`.
        rejections: gets one entry for every other file.

    Raises:
        FileNotFoundError: there is no such folder, or no image of a known class in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder. Expected {LAYOUT}. Give the folder that the database was unpacked to."
        )
    rejections = [] if rejections is None else rejections
    folders = [
        root / name for name in sorted((*CLASS_NAMES, *OTHER_CLASSES)) if (root / name).is_dir()
    ]
    any_known = False
    for folder in (root, *folders):
        others: list[Skipped] = []
        for path in image_files(folder, SOURCE, CLASS_NAMES.get(folder.name, 0), others):
            name = next(
                (
                    n
                    for n in (path.stem.split("_")[0].lower(), folder.name)
                    if n in CLASS_NAMES or n in OTHER_CLASSES
                ),
                "",
            )
            any_known |= bool(name)
            if name in CLASS_NAMES:
                yield path, CLASS_NAMES[name]
            else:
                rejections.append(
                    Skipped(
                        SOURCE,
                        0,
                        path,
                        NOT_OUR_CLASS,
                        f"{path}: expected {LAYOUT}. Received {name or 'none of them'}.",
                    )
                )
        rejections.extend(r for r in others if r.path not in folders)
    if not any_known:
        raise FileNotFoundError(
            f"{root}: no image of a known class. Expected {LAYOUT}. Give the folder that the database was unpacked to."
        )


def _cell(
    image: np.ndarray, path: Path, class_id: int, rbc_diameter_px: float, automatic: bool
) -> CellSample:
    """The labelled cell of an image, in its middle."""
    height, width = image.shape[:2]
    if class_id == THROMBOCYTE:
        side = round(_PLATELET_BOX * rbc_diameter_px)
        box = Box(path.name, (width - side) // 2, (height - side) // 2, side, side, class_id)
        return cut_box(image, box, path, SOURCE, path.stem, rbc_diameter_px)
    if not automatic:
        raise LeftOut(
            NO_MASK,
            f"{path}: nobody masked the cells of this database. Switch automatic masks on to have them segmented.",
        )
    cell = min(white_cells(image, class_id, rbc_diameter_px), key=_off_centre)
    if _off_centre(cell) > rbc_diameter_px:
        raise LeftOut(NO_CELL, f"{path}: nothing in its middle is stained like a nucleus.")
    scale = RBC_DIAMETER_PX / rbc_diameter_px
    check_shape(cell, scale, path, (800, 16000), 0.85, 0.1)
    colour = background_colour(image, window_of(cell), reach_px=round(REACH * rbc_diameter_px))
    return make_sample(
        image, cell, class_id, SOURCE, path.stem, f"{path.stem}{AUTOMATIC}", scale, colour
    )


def _off_centre(cell: np.ndarray) -> float:
    """How far the centroid of a mask lies from the middle of the image, pixels."""
    moments = cv2.moments(cell.astype(np.uint8), binaryImage=True)
    height, width = cell.shape
    return float(
        np.hypot(
            moments["m10"] / moments["m00"] - width / 2,
            moments["m01"] / moments["m00"] - height / 2,
        )
    )
