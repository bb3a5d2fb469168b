"""KAGGLE: the NIH's single red cells, infected with Plasmodium falciparum or not, cut out on black.

Layout: ``cell_images/Parasitized`` and ``cell_images/Uninfected``; Kaggle's archive has a second
copy of both in ``cell_images/cell_images``, which is not read. There are no masks: what is not
black is the cell. The outermost pixels of the crops show the background, pink, cream or grey: its
colour is estimated from those of all crops of a patient. Names start with slide and patient:
``C99P60ThinF_IMG_...``, ``C68P29N_ThinF_...``, ``C51AP12thinF_...``, ``C39P4thinF_original_...``;
those of healthy people have a slide only: ``C201ThinF_...``. The NIH has them at
https://lhncbc.nlm.nih.gov (malaria datasheet) too.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.samples.extraction import masks
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.masks import Unusable
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "kaggle"
CLASS_FOLDERS = {"Parasitized": INFECTED_RBC, "Uninfected": HEALTHY_RBC}
LAYOUT = "'cell_images/Parasitized' and 'cell_images/Uninfected'"
SOURCE_RBC_DIAMETER_PX = 120.0
"""Measured: with it, the median area of the accepted uninfected cells is that of a disc of 37
pixels across.
"""
BLACK = 24
"""A pixel whose brightest channel is not above this is outside the cell."""
CROPS_PER_PATIENT = 40
"""About how many crops of a patient are read to estimate the colour of the background."""
LEAST_CONTRAST = 8
"""Grey values of green by which the rim must be brighter than the cell to be background."""
RIM_PX = 4
"""What is taken off the mask: the outermost pixels of the crops show background."""

TWO_CELLS = "two cells in one crop"
_CROP = masks.ShapeLimits((450, 1900), 0.92, 0.6)
_LEAST_TWO_CELLS_PX = 1500  # area at 40x


def read(root: Path | str) -> Iterator[CellSample | Skipped]:
    """Read the crops whose cell is whole, single and not ragged.

    Args:
        root: the folder ``cell_images``, or the one above it.

    Yields:
        samples at 40x; group is the patient.

    Raises:
        FileNotFoundError, ValueError: the folders are not as they should be.
    """
    root = folders.database_folder(root, LAYOUT)
    if not any(path.name.lower() in ("parasitized", "uninfected") for path in root.iterdir()):
        root = root / "cell_images"
    classes = folders.class_folders(root, CLASS_FOLDERS, LAYOUT, also=("cell_images",))
    files = [file for pair in classes for file in folders.image_files(pair[0], SOURCE, pair[1])]
    crops: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if not isinstance(file, Skipped):
            crops[patient(file[0].name)].append(file[0])
    backgrounds = {group: _background(paths) for group, paths in crops.items()}
    yield from folders.read_each(files, SOURCE, partial(_cells, backgrounds=backgrounds))


def patient(name: str) -> str:
    """The patient in a file's name, else the slide, else the name itself.

    Examples:
        >>> [patient(name) for name in ("C99P60ThinF_IMG_1.png", "C201ThinF_IMG_2.png", "cell.png")]
        ['P60', 'C201', 'cell']
    """
    found = re.match(r"C\d+[A-Z]?(P\d+)", name) or re.match(r"(C\d+)", name)
    return found[1] if found else Path(name).stem


def _background(paths: Sequence[Path]) -> np.ndarray:
    """Colour of the background, ``(3,) float32`` RGB, from the rims of a patient's crops; white,
    which changes no colour, where no rim is brighter than its cell.

    The rim shows cell, background and their mixture: its brightest twentieth, and the brighter half
    of the crops, are background.
    """
    colours = []
    for path in paths[:: max(1, len(paths) // CROPS_PER_PATIENT)]:
        with contextlib.suppress(Unusable):  # is reported when its sample is read
            image = folders.colour_image(path)
            mask = image.max(axis=2) > BLACK
            inner = masks.eroded(mask, RIM_PX)
            rim = image[mask & ~inner]
            if inner.sum() < 100 or len(rim) < 100:
                continue
            brightest = rim[rim[:, 1] >= np.percentile(rim[:, 1], 95)]
            colour = np.median(brightest, axis=0)
            if colour[1] > np.median(image[inner][:, 1]) + LEAST_CONTRAST:
                colours.append(colour)
    if not colours:
        return np.full(3, 255, np.float32)
    bright = np.array(colours)
    return np.median(bright[bright[:, 1] >= np.median(bright[:, 1])], axis=0).astype(np.float32)


def _cells(
    path: Path, class_id: int, backgrounds: Mapping[str, np.ndarray]
) -> Iterator[CellSample]:
    """The cell of a crop."""
    image = folders.colour_image(path)
    bright = image.max(axis=2) > BLACK
    if not bright.any():
        raise Unusable(masks.NO_CELL, f"{path}: nothing but black. Download or copy it again.")
    mask = masks.largest(bright)
    group = patient(path.name)
    field = Field(image, SOURCE, group, path, SOURCE_RBC_DIAMETER_PX, measure=False)
    try:
        field.check_shape(mask, _CROP)
    except Unusable as error:
        area = mask.sum() * field.scale**2
        if error.reason in (masks.TOO_LARGE, masks.TOO_RAGGED) and area > _LEAST_TWO_CELLS_PX:
            raise Unusable(TWO_CELLS, error.detail) from error
        raise
    inner = masks.largest(masks.opened(masks.eroded(mask, RIM_PX), 21))
    yield field.sample(inner, class_id, path.stem, background=backgrounds[group])
