"""Zheng et al.: single white blood cells with masks of nucleus and cytoplasm.

Layout: ``Dataset 1/NNN.bmp`` (120 x 120, yellowish stain) and ``Dataset 2/NNN.bmp`` (300 x 300,
CellaVision), each with its mask ``NNN.png`` beside it (255 nucleus, 128 cytoplasm, 0 elsewhere),
and the classes in ``Class Labels of Dataset 1.csv`` and ``... 2.csv``: 1 neutrophil, 2 lymphocyte,
3 monocyte, 4 eosinophil, 5 basophil. The database does not name patients, so each image is its own
group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import BASOPHIL, EOSINOPHIL, LYMPHOCYTE, MONOCYTE, NEUTROPHIL
from bloodseg_lib.io import read_table
from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction.boxes import NO_IMAGE
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.masks import ShapeLimits, Unusable, largest
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "zheng"
LABELS = {"1": NEUTROPHIL, "2": LYMPHOCYTE, "3": MONOCYTE, "4": EOSINOPHIL, "5": BASOPHIL}
LAYOUT = (
    "'Dataset 1/NNN.bmp' with 'Dataset 1/NNN.png' and 'Class Labels of Dataset 1.csv', "
    "and the same of Dataset 2"
)
SOURCE_RBC_DIAMETER_PX = {1: 35.5, 2: 68.0}
"""Dataset 2: the median of the isolated round red cells beside the white cells, which are then a
fifth wider than the original project's. Dataset 1 shows only pale ghosts of red cells, about 34
pixels by eye: with 35.5 the classes' mean areas are those of the original project."""
COLUMNS = ("image ID", "class label")
NO_LABEL = "no class label"
_MARKED = ShapeLimits((800, 20000), 0.75, 0.35)


def read(
    root: Path | str, datasets: tuple[int, ...] = (1, 2), healthy: bool = True
) -> Iterator[CellSample | Skipped]:
    """Read the labelled cells, and the isolated red cells beside them, which Dataset 2 shows.

    Args:
        root: the folder that contains ``Dataset 1``.
        datasets: which of the two.
        healthy: whether to read the red cells. No malaria is reported for Dataset 2.

    Yields:
        samples at 40x; each image is its own group.

    Raises:
        FileNotFoundError, ValueError: a folder or table is missing or not as it should be.
    """
    root = Path(root)
    for number, labels in [(number, _labels(root, number)) for number in datasets]:
        folder = root / f"Dataset {number}"
        files = [
            file if isinstance(file, Skipped) else (file[0], labels.get(file[0].stem, 0))
            for file in folders.image_files(folder, SOURCE, 0, (".bmp",))
        ]
        yield from folders.read_each(
            files, SOURCE, partial(_cells, number=number, healthy=healthy and number == 2)
        )
        stems = {file[0].stem for file in files if not isinstance(file, Skipped)}
        yield from _without_image(folder, number, stems, labels)


def _cells(path: Path, class_id: int, number: int, healthy: bool) -> Iterator[CellSample | Skipped]:
    """The labelled cell of an image, and the red cells beside it."""
    if not class_id:
        table = _table(path.parent.parent, number)
        raise Unusable(
            NO_LABEL,
            f"{path}: {table} has no line for {path.stem}. Add the line, or delete the image.",
        )
    image, group = folders.colour_image(path), f"{number}_{path.stem}"
    field = Field(image, SOURCE, group, path, SOURCE_RBC_DIAMETER_PX[number], measure=False)
    mask = _mask(path, image.shape[:2])
    field.check_shape(mask, _MARKED)
    yield field.sample(mask, class_id, group, background=background_colour(image))
    if healthy:
        yield from field.red_cell_samples()


def labelled(root: Path | str) -> Iterator[tuple[Path, int, np.ndarray] | Skipped]:
    """The images that have a label, each with its class and the ``(H, W) bool`` mask of its cell.
    An image or mask that is missing or not as it should be is skipped.

    Raises:
        FileNotFoundError, ValueError: a folder or table is missing or not as it should be.
    """
    for number in (1, 2):
        for stem, class_id in sorted(_labels(Path(root), number).items()):
            path = Path(root) / f"Dataset {number}" / f"{stem}.bmp"
            try:
                yield path, class_id, _mask(path, folders.colour_image(path).shape[:2])
            except Unusable as error:
                yield error.skipped(SOURCE, class_id, path)


def _mask(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The mask of an image's cell, nucleus and cytoplasm, ``(H, W) bool``."""
    mask_path = path.with_suffix(".png")
    return largest(
        folders.mask_of(mask_path if mask_path.is_file() else None, path, shape, str(mask_path))
    )


def _without_image(
    folder: Path, number: int, images: set[str], labels: Mapping[str, int]
) -> Iterator[Skipped]:
    """The masks and labels whose image is missing."""
    for path in sorted(folder.glob("*.png")):
        if path.stem not in images:
            detail = (
                f"{path}: there is no image {path.stem}.bmp beside this mask. "
                "Add the image, or delete the mask."
            )
            yield Skipped(SOURCE, labels.get(path.stem, 0), path, NO_IMAGE, detail)
    for stem, class_id in labels.items():
        path = folder / f"{stem}.bmp"
        if stem not in images and not path.with_suffix(".png").is_file():
            table = _table(folder.parent, number)
            detail = f"{path}: {table} names it, but it is not there. Add it."
            yield Skipped(SOURCE, class_id, path, NO_IMAGE, detail)


def _table(root: Path, number: int) -> Path:
    return root / f"Class Labels of Dataset {number}.csv"


def _labels(root: Path, number: int) -> dict[str, int]:
    """The classes of the images of one dataset by their stems."""
    folders.database_folder(root / f"Dataset {number}", LAYOUT)
    table = _table(root, number)
    if not table.is_file():
        raise FileNotFoundError(f"{table}: no such file. Expected {LAYOUT}. Download it again.")
    labels = {}
    for line, row in read_table(table, COLUMNS):
        if row[COLUMNS[1]] not in LABELS:
            raise ValueError(
                f"{table}, line {line}: expected an image's number and a class 1..5. "
                f"Received {','.join(row.values())}. Correct the line."
            )
        labels[row[COLUMNS[0]]] = LABELS[row[COLUMNS[1]]]
    return labels
