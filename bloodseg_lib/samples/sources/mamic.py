"""MAMIC (also MOMIC): thin smears with Plasmodium falciparum; red cells, platelets and clumps, cut
out by hand, of WebMicroscope (Institute for Molecular Medicine Finland, FIMM).

Layout, either or both: ``crops/infected`` and ``crops/healthy``, single red cells of up to 80 x 80
on white with neighbours at the edges, named ``<slide>_<field>_<number>.jpg``; and ``fields`` with
``boxes.csv`` (see :mod:`bloodseg_lib.samples.sources.own_fields`), whole fields with boxes drawn
around single cells. The database has no masks: they are segmented by thresholds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction import masks
from bloodseg_lib.samples.extraction.boxes import BOXES, RBC_AREAS_PX, by_field, read_boxes
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.label_maps import labelled_field
from bloodseg_lib.samples.extraction.masks import Unusable
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import folders
from bloodseg_lib.samples.sources.own_fields import read_fields

SOURCE = "mamic"
CLASS_FOLDERS = {"infected": INFECTED_RBC, "healthy": HEALTHY_RBC}
LAYOUT = f"'crops/infected' and 'crops/healthy', or 'fields' with '{BOXES}' beside it, or both"
SOURCE_RBC_DIAMETER_PX = 68.0
"""Measured: the median is 67 over about 1150 isolated round red cells of 15 fields, and 69 over the
crops.
"""
_CROP = masks.ShapeLimits(RBC_AREAS_PX, 0.93, 0.4)


def read(root: Path | str) -> Iterator[CellSample | Skipped]:
    """Read the crops and the boxed cells of the fields.

    Args:
        root: the folder that contains ``crops``, ``fields`` or both.

    Yields:
        samples at 40x; group is slide and field.

    Raises:
        FileNotFoundError, ValueError: the folders or the boxes are not as they should be.
    """
    crops, fields = Path(root) / "crops", Path(root) / "fields"
    if not crops.is_dir() and not fields.is_dir():
        raise FileNotFoundError(
            f"{root}: neither 'crops' nor 'fields' is there. Expected {LAYOUT}. "
            "Give the folder that holds them."
        )
    classes = folders.class_folders(crops, CLASS_FOLDERS, LAYOUT) if crops.is_dir() else []
    if fields.is_dir():
        # so that a mistake in it shows at once and not after thousands of crops
        read_boxes(Path(root) / BOXES)
    for folder, class_id in classes:
        yield from folders.read_each(folders.image_files(folder, SOURCE, class_id), SOURCE, _cells)
    if fields.is_dir():
        yield from read_fields(fields, Path(root) / BOXES, SOURCE, SOURCE_RBC_DIAMETER_PX)


def fields(root: Path | str) -> Iterator[LabelledField | Skipped]:
    """The fields with their label maps: the boxed cells; other red cells may be infected, and are
    unknown.

    Raises:
        FileNotFoundError, ValueError: see :func:`read`.
    """
    boxes = by_field(read_boxes(Path(root) / BOXES))

    def labelled(path: Path, _: int) -> Iterator[LabelledField]:
        image, group = folders.colour_image(path), folders.group_of(path.name)
        boxed = tuple(cell.box for cell in boxes[path.name])
        field = Field(image, SOURCE, group, path, SOURCE_RBC_DIAMETER_PX, boxed=boxed)
        known, unknown = [], []
        for cell in boxes[path.name]:
            try:
                known.append((field.mask_in(cell), cell.class_id))
            except Unusable:
                unknown.append(cell.box)
        yield labelled_field(field, group, known, unknown, malaria=True)

    files = folders.image_files(Path(root) / "fields", SOURCE, 0)
    boxed = (f for f in files if isinstance(f, Skipped) or f[0].name in boxes)
    yield from folders.read_each(boxed, SOURCE, labelled)


def _cells(path: Path, class_id: int) -> Iterator[CellSample]:
    """The cell of a crop."""
    image = folders.colour_image(path)
    try:
        mask = masks.rbc_mask(image)
    except Unusable as error:
        raise Unusable(error.reason, f"{path}: {error.detail}") from error
    known = re.match(r"(\d+_\d+)_\d+$", path.stem)
    group = known[1] if known else path.stem
    field = Field(image, SOURCE, group, path, SOURCE_RBC_DIAMETER_PX, measure=False)
    field.check_shape(mask, _CROP)
    masks.check_debris(image, mask, path)
    yield field.sample(
        masks.eroded(mask, 1), class_id, path.stem, background=background_colour(image)
    )
