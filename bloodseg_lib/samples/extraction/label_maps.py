"""The label map of a whole field, as far as it is known.

Background is where the field is empty, red cells are what is stained and neither purple nor boxed,
cells of a known class are their masks. All else - unlabelled white cells and platelets, parasites
and dirt, and a rim around them - is :data:`~bloodseg_lib.classes.UNKNOWN`, and no loss counts it.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, UNKNOWN, Box
from bloodseg_lib.io import resized
from bloodseg_lib.samples.extraction.background_crops import find_layers
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.masks import disc, sized
from bloodseg_lib.samples.extraction.platelets import granules
from bloodseg_lib.samples.extraction.red_cells import LEAST_REFERENCES
from bloodseg_lib.samples.labelled_field import LabelledField

# Lengths in diameters of a red cell
_RIM = 0.08  # around cells of a known class, where the outline may be off
_LEAST_NUCLEUS, _CYTOPLASM = 0.1, 0.6
_PALLOR = 0.5  # in areas of a red cell
_CLEAR = 0.95  # transmittance of green


def labelled_field(
    field: Field,
    name: str,
    cells: Iterable[tuple[np.ndarray, int]],
    unknown: Iterable[Box] = (),
    malaria: bool = False,
) -> LabelledField:
    """A field with its label map, at 40x.

    Args:
        field: the field; :attr:`~Field.boxed` keeps its white cells and platelets out of the red
            cells that it is measured by.
        name: of the labelled field.
        cells: mask ``(H, W)`` bool and class of each cell that is known.
        unknown: boxes of cells whose class or outline is not known.
        malaria: whether red cells may be infected; then only the known ones are labelled.
    """
    rbc_px = field.rbc_diameter_px
    known, rim = list(cells), disc(_RIM * rbc_px)
    around = np.zeros(field.image.shape[:2], bool)
    for mask, _ in known:
        around |= cv2.dilate(mask.astype(np.uint8), rim) > 0
    if len(field.clean) >= LEAST_REFERENCES:
        purple = field.non_rbc & ~around
    else:
        purple = (granules(field.transmittance, rbc_px) > 0) & ~around
    red, doubtful, forbidden = find_layers(field.transmittance, purple, rbc_px)
    labels = np.where(red > 0, UNKNOWN if malaria else HEALTHY_RBC, 0).astype(np.uint8)
    # where the border cuts cells, background between them was taken for their pale centres
    band = np.ones(labels.shape, bool)
    reach = round(rbc_px / 2)
    band[reach:-reach, reach:-reach] = False
    labels[band & (field.transmittance[:, :, 1] > _CLEAR) & (red > 0)] = UNKNOWN
    # what is large and purple, with the pale cytoplasm that may be around it
    nuclei = sized(purple, least=_LEAST_NUCLEUS * rbc_px**2).astype(np.uint8)
    white = cv2.dilate(nuclei, disc(_CYTOPLASM * rbc_px)) > 0
    labels[(doubtful > 0) | forbidden | white | around] = UNKNOWN
    # background so small that it is rather the pale centre of a cell
    labels[sized(labels == 0, most=_PALLOR * np.pi / 4 * rbc_px**2)] = UNKNOWN
    for box in unknown:
        labels[box.window] = UNKNOWN
    for mask, class_id in known:
        labels[mask] = class_id
    height, width = labels.shape
    size = (round(width * field.scale), round(height * field.scale))
    picture = resized((255 * field.transmittance + 0.5).astype(np.uint8), size)
    labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
    return LabelledField(picture, labels, field.source, field.group, name)
