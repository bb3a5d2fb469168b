"""IUMC (Isfahan University of Medical Sciences): labelled single white blood cells with binary
masks; no basophils.

Layout: ``images/<Class>/NAME.*`` and ``masks/<Class>/NAME.*``, the mask binary and of the image's
    size, with the classes ``Eosi``, ``Lymp``, ``Mono``, ``Neut``.
That is the form in which the original project used the database; bring what you have of it, or any
cells of your own, into this form.

Licence: ask the authors; research and education.
Citation: O. Sarrafzadeh, H. Rabbani, A. Talebi, H. Usefi Banaem, "Selection of the best features
    for leukocytes classification in blood smear microscopic
images", Proc. SPIE 9041, 2014, 90410P.
Where: https://misp.mui.ac.ir (Medical Image and Signal Processing Research Center), by hand.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

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
from bloodseg_lib.samples.extraction.masks import (
    NO_IMAGE,
    LeftOut,
    check_shape,
    class_folders,
    colour_image,
    image_files,
    largest,
    mask_of,
    one_file,
)
from bloodseg_lib.samples.sample import CellSample, Skipped, make_sample

SOURCE = "iumc"
CLASS_FOLDERS = {"Eosi": EOSINOPHIL, "Lymp": LYMPHOCYTE, "Mono": MONOCYTE, "Neut": NEUTROPHIL}
LAYOUT = "'images/<Class>/NAME.*' and 'masks/<Class>/NAME.*', <Class> one of Eosi, Lymp, Mono, Neut (and Baso, if you have them)"


def read(
    root: Path | str,
    rejections: list[Skipped] | None = None,
    rbc_diameter_px: float | None = None,
) -> Iterator[CellSample]:
    """Read the pairs of image and mask.

    Args:
        root: the folder that holds ``images`` and ``masks``.
        rejections: gets one entry for everything that is left out.
        rbc_diameter_px: of a red cell in these images. Where it is not known, leave it out: the
            scale is then the one that brings the classes' mean areas to those at 40x, and all masks
            are read once before.

    Yields:
        samples at 40x; patients are not told, so each image is its own group.

    Raises:
        FileNotFoundError, ValueError: the folders are not as they should be, or ``rbc_diameter_px``
            is not above 0.
    """
    root = Path(root)
    rejections = [] if rejections is None else rejections
    if rbc_diameter_px is not None and not rbc_diameter_px > 0:
        raise ValueError(
            f"Expected the diameter of a red cell in these images, above 0 pixels, or None. Received {rbc_diameter_px}."
        )
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder. Expected {LAYOUT}. Give the folder that the database was unpacked to."
        )
    basophils = (
        {"Baso": BASOPHIL}
        if any((root / "images" / name).is_dir() for name in ("Baso", "baso", "BASO"))
        else {}
    )
    folders = class_folders(root / "images", CLASS_FOLDERS | basophils, LAYOUT)
    mask_folders = {
        class_id: folder
        for folder, class_id in class_folders(root / "masks", CLASS_FOLDERS | basophils, LAYOUT)
    }
    scale = RBC_DIAMETER_PX / rbc_diameter_px if rbc_diameter_px else _scale(folders, mask_folders)
    for folder, class_id in folders:
        stems = set()
        for path in image_files(folder, SOURCE, class_id, rejections):
            stems.add(path.stem)
            try:
                image, cell = _pair(path, mask_folders[class_id])
                check_shape(cell, scale, path, (800, 16000), 0.75, 0.35)
                name = f"{folder.name}_{path.stem}"
                sample = make_sample(
                    image, cell, class_id, SOURCE, name, name, scale, background_colour(image)
                )
            except LeftOut as error:
                rejections.append(error.rejection(SOURCE, class_id, path))
            else:
                yield sample
        for path in image_files(mask_folders[class_id], SOURCE, class_id, rejections):
            if path.stem not in stems:
                detail = f"{path}: there is no image {folder / path.stem}.* for this mask. Add the image, or delete the mask."
                rejections.append(Skipped(SOURCE, class_id, path, NO_IMAGE, detail))


def _pair(path: Path, masks: Path) -> tuple[np.ndarray, np.ndarray]:
    image = colour_image(path)
    mask = mask_of(one_file(masks, path.stem), path, image.shape[:2], f"{masks / path.stem}.*")
    # masks saved as JPEG have grey specks around them
    return image, largest(mask > 127 if mask.max() > 127 else mask)


def _scale(folders: list[tuple[Path, int]], masks: dict[int, Path]) -> float:
    """The factor that brings the mean area of the classes to 40x, each class counting alike.

    1 where nothing is readable.
    """
    areas: dict[int, list[int]] = defaultdict(list)
    for folder, class_id in folders:
        for path in image_files(folder, SOURCE, class_id, []):
            try:
                _, cell = _pair(path, masks[class_id])
            except LeftOut:
                continue  # reported when it is read for good
            areas[class_id].append(int(cell.sum()))
    logs = [
        np.log(CLASSES[class_id].mean_area_px / np.mean(found)) for class_id, found in areas.items()
    ]
    return float(np.exp(np.mean(logs) / 2)) if logs else 1.0
