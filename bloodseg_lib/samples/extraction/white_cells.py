"""Segmenting the labelled white cells of a field that nobody masked: nuclei by their stain, the
cell around them by watershed.

Intersection over union with the 31 expert masks of LISC at hand, mean and worst: basophils 0.95 and
0.94, eosinophils 0.88 and 0.74, lymphocytes 0.90 and 0.83, monocytes 0.83 and 0.60, neutrophils
0.92 and 0.89; mean of all 0.89. Pale cytoplasm of monocytes on a white background is hardest. The
constants below were chosen on those masks. Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.segmentation import watershed

from bloodseg_lib.classes import BASOPHIL, LYMPHOCYTE, MONOCYTE, Box
from bloodseg_lib.optics import background_colour, optical_density
from bloodseg_lib.samples.extraction.masks import NO_CELL, ShapeLimits, Unusable, disc, largest
from bloodseg_lib.samples.extraction.red_cells import purpleness

MARKED = ShapeLimits((800, 16000), 0.75, 0.35)
"""A white cell that an expert marked."""
SEGMENTED = ShapeLimits((800, 16000), 0.85, 0.1)
"""A white cell that :func:`white_cells` segmented."""


@dataclass(frozen=True)
class _Look:
    """How the cells of a class are found. Lengths are in diameters of a red cell.

    Attributes:
        stain: where between the stain of red cells, 0, and the deepest of the field, 1, nuclei
            begin.
        rim: width around the nucleus that always belongs to the cell, so that the edge of the
            nucleus is not taken for the edge of the cell.
        reach: width around the nucleus beyond which everything is background.
        clear: greatest optical density of the empty background.
        spur: narrower parts are removed from the cell.
    """

    stain: float = 0.4
    rim: float = 0.06
    reach: float = 0.6
    clear: float = 0.06
    spur: float = 0.24


_LOOKS = {
    BASOPHIL: _Look(stain=0.55, rim=0.03, reach=0.4),  # granules hide the nucleus and fill the cell
    LYMPHOCYTE: _Look(stain=0.55, rim=0.04, reach=0.4),  # little cytoplasm
    MONOCYTE: _Look(rim=0.15, clear=0.03, spur=0.6),  # much and pale cytoplasm
}
_LOBES_APART = 0.3
_LEAST_LOBE, _LEAST_NUCLEUS = 0.1, 0.25  # areas, in squares of a red cell's diameter
_LEAST_STAIN = 0.15
_SEEN = 0.15  # optical density of green
_MARGIN_PX = 4


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
    look = _LOOKS.get(class_id, _Look())
    transmittance = np.minimum(cv2.GaussianBlur(image, (5, 5), 0) / background_colour(image), 1)
    density = optical_density(transmittance).astype(np.float32)
    green, blue = density[:, :, 1], density[:, :, 2]
    # Nuclei and granules absorb green and transmit blue; red cells of such a stain absorb all three
    # channels alike, even where they overlap.
    stain = cv2.GaussianBlur(
        np.maximum(purpleness(density), 0.7 * (green - blue)), (0, 0), rbc_diameter_px / 25
    )
    deepest = float(np.percentile(stain, 99.7))
    seen = stain[green > _SEEN]  # nearly all of it is red cells, violet in some fields
    violet = max(0.0, float(np.median(seen))) if seen.size else 0.0
    threshold = max(_LEAST_STAIN, violet + look.stain * (deepest - violet))
    nuclei = _nuclei(stain > threshold, rbc_diameter_px)
    if not nuclei:
        raise Unusable(NO_CELL, "Nothing in this field is stained like a nucleus.")
    return [_around(image, density, nucleus, look, rbc_diameter_px) for nucleus in nuclei]


def _nuclei(stained: np.ndarray, rbc_px: float) -> list[np.ndarray]:
    """The nuclei, each with its lobes joined, top to bottom."""
    lobes = cv2.morphologyEx(stained.astype(np.uint8), cv2.MORPH_OPEN, disc(int(0.08 * rbc_px)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lobes)
    large = stats[:, cv2.CC_STAT_AREA] > _LEAST_LOBE * rbc_px**2
    large[0] = False
    joined = _closed(large[labels], _LOBES_APART * rbc_px, rbc_px)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    least = max(_LEAST_NUCLEUS * rbc_px**2, 0.5 * areas.max())
    return [labels == i for i in range(1, count) if areas[i] > least]


def _closed(mask: np.ndarray, radius_px: float, rbc_px: float) -> np.ndarray:
    """A mask without bays and gaps narrower than a disc, ``(H, W) uint8``; nothing is beyond the
    border.
    """
    pad = round(rbc_px)
    padded = np.pad(mask, pad).astype(np.uint8)
    return cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc(int(radius_px)))[pad:-pad, pad:-pad]


def _around(
    image: np.ndarray, density: np.ndarray, nucleus: np.ndarray, look: _Look, rbc_px: float
) -> np.ndarray:
    """The cell around a nucleus, ``(H, W)`` bool."""
    reach, box = look.reach * rbc_px, Box.of_mask(nucleus)
    margin = round(reach) + _MARGIN_PX
    near = (
        slice(max(0, box.y - margin), box.bottom + margin),
        slice(max(0, box.x - margin), box.right + margin),
    )
    core = nucleus[near]
    distance = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5)
    blurred = cv2.GaussianBlur(image[near], (0, 0), rbc_px / 30).astype(np.float32) / 255
    lab = cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB)
    edges = np.zeros(core.shape, np.float32)
    for channel in cv2.split(lab):
        for axis in ((1, 0), (0, 1)):
            edges += cv2.Sobel(channel, cv2.CV_32F, *axis) ** 2
    markers = np.zeros(core.shape, np.int32)
    markers[distance <= look.rim * rbc_px] = 1
    markers[(distance > reach) | (density[near].max(axis=2) < look.clear) & (distance > 2)] = 2
    cell = (watershed(edges, markers) == 1).astype(np.uint8)
    cell = cv2.morphologyEx(cell, cv2.MORPH_OPEN, disc(int(look.spur / 2 * rbc_px)))
    whole = np.zeros(nucleus.shape, bool)
    whole[near] = _closed((cell > 0) | core, 0.3 * rbc_px, rbc_px) > 0
    return largest(whole)
