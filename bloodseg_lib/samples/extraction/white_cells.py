"""Segmenting the labelled white cells of a field that nobody masked: nuclei by their stain, the
cell around them by its outline.

The constants below were chosen on the expert masks of LISC at hand, see
docs/decisions/2026-11-25-outlines.md.
"""

from __future__ import annotations

import cv2
import numpy as np

from bloodseg_lib.classes import BASOPHIL, LYMPHOCYTE, Box
from bloodseg_lib.optics import background_colour, optical_density
from bloodseg_lib.samples.extraction.masks import (
    NO_CELL,
    ShapeLimits,
    Unusable,
    disc,
    largest,
    sized,
)
from bloodseg_lib.samples.extraction.outline import outlined, oval_in
from bloodseg_lib.samples.extraction.red_cells import purpleness

MARKED = ShapeLimits((800, 16000), 0.75, 0.35)
"""A white cell that an expert marked."""
SEGMENTED = ShapeLimits((800, 16000), 0.85, 0.1)
"""A white cell that :func:`white_cells` segmented."""

# Where between the stain of red cells, 0, and the deepest of the field, 1, nuclei begin: granules
# hide the nucleus of a basophil, and a lymphocyte has little else.
_STAIN = {BASOPHIL: 0.55, LYMPHOCYTE: 0.55}
_USUAL_STAIN = 0.4
_LOBES_APART = 0.3
_LEAST_LOBE, _LEAST_NUCLEUS = 0.1, 0.25  # areas, in squares of a red cell's diameter
_LEAST_STAIN = 0.15
_SEEN = 0.15  # optical density of green
_LEAST_OF_BOX, _OVAL_OF_BOX = 0.7, 0.94  # boxes are a little wider than their cells


def white_cells(image: np.ndarray, class_id: int, rbc_diameter_px: float) -> list[np.ndarray]:
    """The white cells of a field whose white cells are of one class.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        class_id: of the white cells.
        rbc_diameter_px: of a red cell in the field.

    Returns:
        ``(H, W)`` bool for each cell, top to bottom; nuclei of less than half the largest one's
        area count as debris.

    Raises:
        Unusable: nothing is stained like a nucleus.
    """
    density, stained = _stained(image, class_id, rbc_diameter_px)
    nuclei = _nuclei(stained, rbc_diameter_px)
    if not nuclei:
        raise Unusable(NO_CELL, "Nothing in this field is stained like a nucleus.")
    return [outlined(image, density, nucleus, rbc_diameter_px) for nucleus in nuclei]


def white_cell_in(image: np.ndarray, box: Box, class_id: int, rbc_diameter_px: float) -> np.ndarray:
    """The white cell that a person drew a box around, ``(H, W)`` bool; see :func:`white_cells`.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        box: around the cell.
        class_id: of the cell, or 0 where it is not known.
        rbc_diameter_px: of a red cell.

    Raises:
        Unusable: nothing in the box is stained like a nucleus.
    """
    density, stained = _stained(image, class_id, rbc_diameter_px)
    inside = np.zeros(stained.shape, bool)
    inside[box.window] = stained[box.window]
    nuclei = _nuclei(inside, rbc_diameter_px)
    if not nuclei:
        raise Unusable(NO_CELL, "Nothing in the box is stained like a nucleus.")
    nucleus = max(nuclei, key=np.count_nonzero)
    cell = outlined(image, density, nucleus, rbc_diameter_px, within=box)
    found = Box.of_mask(cell)
    if found.width * found.height < _LEAST_OF_BOX * box.width * box.height:
        # Cytoplasm as pale as the background: the person who drew the box saw more than is cut out.
        cell = largest(cell | (oval_in(box, cell.shape, _OVAL_OF_BOX) > 0))
    return cell


def _stained(
    image: np.ndarray, class_id: int, rbc_diameter_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """The optical density of a field, ``(H, W, 3) float32``, and where it is stained like a
    nucleus, ``(H, W)`` bool.
    """
    transmittance = np.minimum(cv2.GaussianBlur(image, (5, 5), 0) / background_colour(image), 1)
    density = optical_density(transmittance).astype(np.float32)
    green, blue = density[:, :, 1], density[:, :, 2]
    # Nuclei and granules absorb green and transmit blue; red cells of such a stain absorb all three
    # channels alike, even where they overlap.
    stain = np.maximum(purpleness(density), 0.7 * (green - blue))
    stain = cv2.GaussianBlur(stain, (0, 0), rbc_diameter_px / 25)
    deepest = float(np.percentile(stain, 99.7))
    seen = stain[green > _SEEN]  # nearly all of it is red cells, violet in some fields
    violet = max(0.0, float(np.median(seen))) if seen.size else 0.0
    threshold = max(_LEAST_STAIN, violet + _STAIN.get(class_id, _USUAL_STAIN) * (deepest - violet))
    return density, stain > threshold


def _nuclei(stained: np.ndarray, rbc_px: float) -> list[np.ndarray]:
    """The nuclei, each with its lobes joined, top to bottom."""
    lobes = cv2.morphologyEx(stained.astype(np.uint8), cv2.MORPH_OPEN, disc(int(0.08 * rbc_px)))
    large = sized(lobes, least=_LEAST_LOBE * rbc_px**2)
    # closed with a margin: nothing is beyond the border
    pad = round(rbc_px)
    padded = np.pad(large, pad).astype(np.uint8)
    bridge = disc(int(_LOBES_APART * rbc_px))
    joined = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, bridge)[pad:-pad, pad:-pad]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    least = max(_LEAST_NUCLEUS * rbc_px**2, 0.5 * areas.max())
    return [labels == i for i in range(1, count) if areas[i] > least]
