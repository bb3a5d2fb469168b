"""MAMIC (also MOMIC): thin smears with Plasmodium falciparum; red cells, platelets and clumps, cut
out by hand.

Layout, either or both: ``crops/infected`` and ``crops/healthy``, single RBCs of up to 80 x 80 on
    white with neighbours at the edges, named
``<slide>_<field>_<number>.jpg``; and ``fields`` with ``boxes.csv`` (see
:mod:`bloodseg_lib.samples.sources.own_fields`), whole fields with boxes drawn around single cells.
The database has no masks: they come from thresholds.

Licence: not stated; nothing of it is redistributed.
Citation: WebMicroscope, Institute for Molecular Medicine Finland (FIMM); N. Linder et al., "A
    malaria diagnostic tool based on computer vision screening and
visualization of Plasmodium falciparum candidate areas in digitized blood smears", PLoS ONE 9(8),
2014, e104855. Where: http://fimm.webmicroscope.net/Research/Momic, by hand. Taught by
``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, RBC_DIAMETER_PX
from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction.masks import (
    LeftOut,
    check_clean,
    check_shape,
    class_folders,
    colour_image,
    eroded,
    image_files,
    rbc_mask,
)
from bloodseg_lib.samples.sample import CellSample, Skipped, make_sample
from bloodseg_lib.samples.sources.own_fields import AREAS_PX, BOXES, read_boxes, read_fields

SOURCE = "mamic"
CLASS_FOLDERS = {"infected": INFECTED_RBC, "healthy": HEALTHY_RBC}
LAYOUT = f"'crops/infected' and 'crops/healthy', or 'fields' with '{BOXES}' beside it, or both"
SOURCE_RBC_DIAMETER_PX = 68.0
"""Measured:

the median is 67 over about 1150 free-lying round RBCs of 15 fields, and 69 over the crops.
"""


def read(root: Path | str, rejections: list[Skipped] | None = None) -> Iterator[CellSample]:
    """Read the crops and the boxed cells of the fields.

    Args:
        root: the folder that holds ``crops``, ``fields`` or both.
        rejections: gets one entry for everything that is left out.

    Yields:
        samples at 40x; group is slide and field.

    Raises:
        FileNotFoundError, ValueError: the folders or the boxes are not as they should be.
    """
    root = Path(root)
    rejections = [] if rejections is None else rejections
    crops, fields = root / "crops", root / "fields"
    if not crops.is_dir() and not fields.is_dir():
        raise FileNotFoundError(
            f"{root}: neither 'crops' nor 'fields' is there. Expected {LAYOUT}. Give the folder that holds them."
        )
    folders = class_folders(crops, CLASS_FOLDERS, LAYOUT) if crops.is_dir() else []
    if fields.is_dir():
        # so that a mistake in it shows at once and not after thousands of crops
        read_boxes(root / BOXES)
    for folder, class_id in folders:
        for path in image_files(folder, SOURCE, class_id, rejections):
            try:
                sample = _crop(path, class_id)
            except LeftOut as error:
                rejections.append(error.rejection(SOURCE, class_id, path))
            else:
                yield sample
    if fields.is_dir():
        yield from read_fields(fields, root / BOXES, SOURCE, SOURCE_RBC_DIAMETER_PX, rejections)


def _crop(path: Path, class_id: int) -> CellSample:
    image = colour_image(path)
    try:
        mask = rbc_mask(image)
    except LeftOut as error:
        raise LeftOut(error.reason, f"{path}: {error.detail}") from error
    scale = RBC_DIAMETER_PX / SOURCE_RBC_DIAMETER_PX
    check_shape(mask, scale, path, AREAS_PX[class_id], 0.93, 0.4)
    check_clean(image, mask, path)
    field = re.match(r"(\d+_\d+)_\d+$", path.stem)
    group = field[1] if field else path.stem
    return make_sample(
        image, eroded(mask, 1), class_id, SOURCE, group, path.stem, scale, background_colour(image)
    )
