"""KAGGLE: the NIH's single red cells, infected with Plasmodium falciparum or not, cut out on black.

Layout: ``cell_images/Parasitized`` and ``cell_images/Uninfected``; Kaggle's archive holds a second
    copy of both in ``cell_images/cell_images``, which is left
alone. There are no masks: what is not black is the cell. The outermost pixels of the crops show the
    slide, pink, cream or grey: its colour is estimated from
those of all crops of a patient. Names start with slide and patient: ``C99P60ThinF_IMG_...``,
    ``C68P29N_ThinF_...``,
``C51AP12thinF_...``, ``C39P4thinF_original_...``; those of healthy people have a slide only:
``C201ThinF_...``.

Licence: work of the US government, public domain; please cite.
Citation: S. Rajaraman et al., "Pre-trained convolutional neural networks as feature extractors
    toward improved malaria parasite detection in thin blood smear
images", PeerJ 6, 2018, e4568. Where:
https://www.kaggle.com/datasets/iarunava/cell-images-for-detecting-malaria or
https://lhncbc.nlm.nih.gov (malaria datasheet). Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, RBC_DIAMETER_PX
from bloodseg_lib.samples.extraction.masks import (
    NO_CELL,
    TOO_LARGE,
    TOO_RAGGED,
    TWO_CELLS,
    LeftOut,
    check_shape,
    class_folders,
    colour_image,
    eroded,
    image_files,
    largest,
    opened,
)
from bloodseg_lib.samples.sample import CellSample, Skipped, make_sample

SOURCE = "kaggle"
CLASS_FOLDERS = {"Parasitized": INFECTED_RBC, "Uninfected": HEALTHY_RBC}
LAYOUT = "'cell_images/Parasitized' and 'cell_images/Uninfected'"
SOURCE_RBC_DIAMETER_PX = 120.0
"""Measured:

brings the median area of the accepted uninfected cells to that of a disc of 37 pixels across.
"""
BLACK = 24
"""A pixel whose brightest channel is no brighter than this is outside the cell."""
CROPS_PER_SLIDE = 40
"""So many crops of a patient, at least, are looked at for the colour of the slide."""
LEAST_CONTRAST = 8
"""Grey values of green by which the rim must be brighter than the cell to be slide."""
RIM_PX = 4
"""What is taken off the mask: the outermost pixels of the crops show the slide around the cell."""


def read(root: Path | str, rejections: list[Skipped] | None = None) -> Iterator[CellSample]:
    """Read the crops whose cell is whole, single and not ragged.

    Args:
        root: the folder ``cell_images``, or the one above it.
        rejections: gets one entry for everything that is left out.

    Yields:
        samples at 40x; group is the patient.

    Raises:
        FileNotFoundError, ValueError: the folders are not as they should be.
    """
    root = Path(root)
    rejections = [] if rejections is None else rejections
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder. Expected {LAYOUT}. Give the folder that the database was unpacked to."
        )
    inside = (
        root
        if any(p.name.lower() in ("parasitized", "uninfected") for p in root.iterdir())
        else root / "cell_images"
    )
    files = [
        (path, class_id)
        for folder, class_id in class_folders(inside, CLASS_FOLDERS, LAYOUT, also=("cell_images",))
        for path in image_files(folder, SOURCE, class_id, rejections)
    ]
    by_patient: dict[str, list[Path]] = defaultdict(list)
    for path, _ in files:
        by_patient[patient(path.name)].append(path)
    slides: dict[str, np.ndarray | None] = {}
    for path, class_id in files:
        who = patient(path.name)
        if who not in slides:
            slides[who] = _slide(by_patient[who])
        try:
            sample = _cell(path, class_id, slides[who])
        except LeftOut as error:
            rejections.append(error.rejection(SOURCE, class_id, path))
        else:
            yield sample


def patient(name: str) -> str:
    """The patient that a file's name tells, ``"P60"`` of ``C99P60ThinF_...``;

    else the slide, ``"C201"``; else the name itself.
    """
    found = re.match(r"C\d+[A-Z]?(P\d+)", name) or re.match(r"(C\d+)", name)
    return found[1] if found else Path(name).stem


def _slide(paths: Sequence[Path]) -> np.ndarray | None:
    """Colour of the empty slide, RGB, from the rims of a patient's crops; None where no rim is
    brighter than its cell.

    The rim is cell, slide and what lies between: its brightest twentieth, and the brighter half of
        the crops, are the slide.
    """
    colours = []
    for path in paths[:: max(1, len(paths) // CROPS_PER_SLIDE)]:
        try:
            image = colour_image(path)
        except LeftOut:
            continue  # reported when it is read for good
        mask = image.max(axis=2) > BLACK
        inner = eroded(mask, RIM_PX)
        rim = image[mask & ~inner]
        if inner.sum() < 100 or len(rim) < 100:
            continue
        brightest = rim[rim[:, 1] >= np.percentile(rim[:, 1], 95)]
        colour = np.median(brightest, axis=0)
        if colour[1] > np.median(image[inner][:, 1]) + LEAST_CONTRAST:
            colours.append(colour)
    if not colours:
        return None
    colours = np.array(colours)
    return np.median(colours[colours[:, 1] >= np.median(colours[:, 1])], axis=0).astype(np.float32)


def _cell(path: Path, class_id: int, slide: np.ndarray | None) -> CellSample:
    image = colour_image(path)
    scale = RBC_DIAMETER_PX / SOURCE_RBC_DIAMETER_PX
    bright = image.max(axis=2) > BLACK
    if not bright.any():
        raise LeftOut(NO_CELL, f"{path}: nothing but black. Download or copy it again.")
    mask = largest(bright)
    try:
        check_shape(mask, scale, path, (450, 1900), 0.92, 0.6)
    except LeftOut as error:
        if error.reason in (TOO_LARGE, TOO_RAGGED) and mask.sum() * scale**2 > 1500:
            raise LeftOut(TWO_CELLS, error.detail) from error
        raise
    inner = largest(opened(eroded(mask, RIM_PX), 21))
    return make_sample(image, inner, class_id, SOURCE, patient(path.name), path.stem, scale, slide)
