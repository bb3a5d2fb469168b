"""Zheng et al.: single white blood cells with masks of nucleus and cytoplasm.

Layout: ``Dataset 1/NNN.bmp`` (120 x 120, yellowish stain) and ``Dataset 2/NNN.bmp`` (300 x 300,
    CellaVision), each with its mask ``NNN.png`` beside it (255
nucleus, 128 cytoplasm, 0 elsewhere), and the classes in ``Class Labels of Dataset 1.csv`` and ``...
2.csv``: 1 neutrophil, 2 lymphocyte, 3 monocyte, 4 eosinophil, 5 basophil. No patients are told, so
each image is a group of its own.

Licence: GPL-3.
Citation: X. Zheng, Y. Wang, G. Wang, J. Liu, "Fast and robust segmentation of white blood cell
    images by self-supervised learning", Micron 107, 2018, 55-71.
Where: https://github.com/zxaoyou/segmentation_WBC
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import (
    BASOPHIL,
    EOSINOPHIL,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    RBC_DIAMETER_PX,
)
from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction.clusters import stack_samples
from bloodseg_lib.samples.extraction.masks import (
    NO_IMAGE,
    LeftOut,
    check_shape,
    colour_image,
    image_files,
    largest,
    mask_of,
)
from bloodseg_lib.samples.extraction.red_cells import healthy_samples, red_cells
from bloodseg_lib.samples.sample import CellSample, Skipped, make_sample

SOURCE = "zheng"
LABELS = {"1": NEUTROPHIL, "2": LYMPHOCYTE, "3": MONOCYTE, "4": EOSINOPHIL, "5": BASOPHIL}
LAYOUT = "'Dataset 1/NNN.bmp' with 'Dataset 1/NNN.png' and 'Class Labels of Dataset 1.csv', and the same of Dataset 2"
SOURCE_RBC_DIAMETER_PX = {1: 35.5, 2: 68.0}
"""Dataset 2: the median of the free-lying round RBCs beside the cells; its white cells are then a
fifth wider than the original project's, and are so in the images. Dataset 1 shows no RBCs but pale
ghosts of about 34 pixels by eye: measured by the classes' mean areas, which are then those of the
original project."""
NO_LABEL = "no class label"


def read(
    root: Path | str,
    rejections: list[Skipped] | None = None,
    datasets: tuple[int, ...] = (1, 2),
    healthy: bool = True,
) -> Iterator[CellSample]:
    """Read the labelled cells, and the free-lying red cells beside them, which Dataset 2 shows.

    Args:
        root: the folder that holds ``Dataset 1``.
        rejections: gets one entry for everything that is left out.
        datasets: which of the two.
        healthy: whether to read the red cells. Nobody in Dataset 2 is said to have malaria.

    Yields:
        samples at 40x; each image is its own group.

    Raises:
        FileNotFoundError, ValueError: a folder or table is not there or not as it should be.
    """
    root = Path(root)
    rejections = [] if rejections is None else rejections
    labels = {number: _labels(root, number) for number in datasets}
    for number in datasets:
        folder = root / f"Dataset {number}"
        images = [
            p
            for p in image_files(folder, SOURCE, 0, rejections, (".bmp",))
            if p.suffix.lower() == ".bmp"
        ]
        for path in images:
            class_id = labels[number].get(path.stem, 0)
            try:
                sample = _cell(path, class_id, number)
            except LeftOut as error:
                rejections.append(error.rejection(SOURCE, class_id, path))
            else:
                yield sample
                if healthy and number == 2:
                    image = colour_image(path)
                    cells = red_cells(image, SOURCE_RBC_DIAMETER_PX[number])
                    yield from healthy_samples(
                        image,
                        cells,
                        path,
                        SOURCE,
                        sample.group,
                        SOURCE_RBC_DIAMETER_PX[number],
                        rejections,
                    )
                    yield from stack_samples(
                        image, cells, SOURCE, sample.group, SOURCE_RBC_DIAMETER_PX[number]
                    )
        stems = {path.stem for path in images}
        rejections.extend(_without_image(folder, number, stems, labels[number]))


def _cell(path: Path, class_id: int, number: int) -> CellSample:
    table = _table(path.parent.parent, number)
    if not class_id:
        raise LeftOut(
            NO_LABEL,
            f"{path}: {table} has no line for {path.stem}. Add the line, or delete the image.",
        )
    image = colour_image(path)
    cell = _mask(path, image.shape[:2])
    scale = RBC_DIAMETER_PX / SOURCE_RBC_DIAMETER_PX[number]
    check_shape(cell, scale, path, (800, 20000), 0.75, 0.35)
    name = f"{number}_{path.stem}"
    return make_sample(image, cell, class_id, SOURCE, name, name, scale, background_colour(image))


def labelled(root: Path | str, number: int) -> Iterator[tuple[Path, int, np.ndarray]]:
    """The images of one of the two datasets that have a label, each with its class and the ``(H, W)
    bool`` mask of its cell.

    Raises:
        FileNotFoundError, ValueError: a folder, table, image or mask is not there or not as it
            should be.
    """
    root = Path(root)
    for stem, class_id in sorted(_labels(root, number).items()):
        path = root / f"Dataset {number}" / f"{stem}.bmp"
        yield path, class_id, _mask(path, colour_image(path).shape[:2])


def _mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """The mask of an image's cell, nucleus and cytoplasm, ``(H, W) bool``."""
    mask_path = path.with_suffix(".png")
    return largest(mask_of(mask_path if mask_path.is_file() else None, path, shape, str(mask_path)))


def _without_image(
    folder: Path, number: int, images: set[str], labels: dict[str, int]
) -> Iterator[Skipped]:
    """One rejection for each mask and each label that there is no image for."""
    for path in sorted(folder.glob("*.png")):
        if path.stem not in images:
            detail = f"{path}: there is no image {path.stem}.bmp beside this mask. Add the image, or delete the mask."
            yield Skipped(SOURCE, labels.get(path.stem, 0), path, NO_IMAGE, detail)
    for stem, class_id in labels.items():
        path = folder / f"{stem}.bmp"
        if stem not in images and not path.with_suffix(".png").is_file():
            yield Skipped(
                SOURCE,
                class_id,
                path,
                NO_IMAGE,
                f"{path}: {_table(folder.parent, number)} names it, but it is not there. Add it.",
            )


def _table(root: Path, number: int) -> Path:
    return root / f"Class Labels of Dataset {number}.csv"


def _labels(root: Path, number: int) -> dict[str, int]:
    folder, table = root / f"Dataset {number}", _table(root, number)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: no such folder. Expected {LAYOUT}. Give the folder that the database was unpacked to."
        )
    if not table.is_file():
        raise FileNotFoundError(f"{table}: no such file. Expected {LAYOUT}. Download it again.")
    labels = {}
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        next(rows, None)  # the heading: image ID,class label
        for row in rows:
            if len(row) != 2 or row[1].strip() not in LABELS:
                raise ValueError(
                    f"{table}, line {rows.line_num}: expected an image's number and a class 1..5. Received {','.join(row)}. Correct the line."
                )
            labels[row[0].strip()] = LABELS[row[1].strip()]
    return labels
