"""Background crops: parts of real fields with all their red cells, which smears are composed upon.

They show what composed smears lack: the true density and arrangement of red cells, cells out of
focus or on edge, the texture of the background. In a field without malaria all red cells are
healthy, but nothing is known of the rest: small things are painted out, and crops avoid larger
ones. How many cells a crop has is not known either, so that only training smears are composed upon
it.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bloodseg_lib.classes import BACKGROUND_CROP_PX, RBC_DIAMETER_PX, Box
from bloodseg_lib.io import resized
from bloodseg_lib.samples.extraction.clusters import without_pallor
from bloodseg_lib.samples.extraction.masks import disc, sized
from bloodseg_lib.samples.extraction.red_cells import stained

CROPS_PER_FIELD = 4
"""The most crops of one field, so that no field dominates."""

# Areas in those of one red cell, lengths in diameters
_STRICTNESS = 0.5  # of the threshold between background and cells, to include the pale centres
_LEAST_CELL = 0.3  # smaller stained components are not cells
_MOST_OF_ONE = 1.3  # a smaller component is a single cell, and as convex as one
_MOST_NON_RBC = 0.15  # a larger one may be a white cell or a platelet clump
_MOST_PAINTED = 0.05  # fraction of a crop
_MARGIN, _RIM, _STEP = 0.2, 0.1, 0.25
_GAP = 1 / 12  # is closed
_PALLOR = 0.35  # larger than in clusters: cells that touch enclose little background
_DARKEST = 0.08  # transmittance of green; the black around an eyepiece is darker


def find_background_crops(
    transmittance: np.ndarray, non_rbc: np.ndarray, rbc_diameter_px: float
) -> Iterator[tuple[Box, np.ndarray]]:
    """Background crops of a field without malaria.

    Args:
        transmittance: ``(H, W, 3)``, see :func:`~bloodseg_lib.optics.field_transmittance`.
        non_rbc: ``(H, W)`` bool, see :func:`~bloodseg_lib.samples.extraction.red_cells.non_rbc`.
        rbc_diameter_px: of a red cell.

    Yields:
        at most :data:`CROPS_PER_FIELD` boxes that do not overlap, those with the least to paint out
        first, each with its crop ``(S, S, 4) uint8`` at 40x, S being
        :data:`~bloodseg_lib.classes.BACKGROUND_CROP_PX`: white background, alpha 255 on red cells.
    """
    side = round(BACKGROUND_CROP_PX * rbc_diameter_px / RBC_DIAMETER_PX)
    margin, step = round(_MARGIN * rbc_diameter_px), max(1, round(_STEP * rbc_diameter_px))
    rows, columns = (length - side - margin for length in transmittance.shape[:2])
    if rows < margin or columns < margin:
        return
    red, unknown, forbidden = find_layers(transmittance, non_rbc, rbc_diameter_px)
    found = []
    for y in range(margin, rows + 1, step):
        for x in range(margin, columns + 1, step):
            box = Box(x, y, side, side)
            painted = float(unknown[box.window].mean())
            if not forbidden[box.window].any() and painted <= _MOST_PAINTED:
                found.append((painted, y, box))
    taken: list[Box] = []
    for _, _, box in sorted(found):
        if len(taken) < CROPS_PER_FIELD and not any(box.meets(other) for other in taken):
            taken.append(box)
            yield box, _crop(transmittance[box.window], red[box.window], unknown[box.window])


def find_layers(
    transmittance: np.ndarray, non_rbc: np.ndarray, rbc_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The red cells, the small unknown things to paint out, and where no crop may be taken - black,
    or something large that is no red cell, and what touches it: ``(H, W)`` each, 0 or 1.
    """
    cell_area = np.pi / 4 * rbc_px**2
    dark = stained(transmittance, _STRICTNESS)
    closed = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, disc(_GAP * rbc_px))
    red = without_pallor(closed, rbc_px, _PALLOR)
    _, components, stats, _ = cv2.connectedComponentsWithStats(red)
    areas = stats[:, cv2.CC_STAT_AREA]
    for i in range(1, len(areas)):
        if areas[i] < _LEAST_CELL * cell_area:
            red[components == i] = 0
        elif areas[i] < _MOST_OF_ONE * cell_area:
            points = cv2.findNonZero((components == i).astype(np.uint8))
            cv2.fillConvexPoly(red, cv2.convexHull(points), 1)
    large = sized(non_rbc, least=_MOST_NON_RBC * cell_area)
    touched = np.isin(components, np.unique(components[large & (red > 0)])) & (red > 0)
    forbidden = touched | large | (transmittance[:, :, 1] < _DARKEST)
    rim = disc(_RIM * rbc_px)
    unexplained = (dark > 0) & (cv2.dilate(red, rim) == 0)
    unknown = cv2.dilate((non_rbc | unexplained).astype(np.uint8), rim)
    return red, unknown, forbidden


def _crop(transmittance: np.ndarray, red: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """A crop at 40x in which the colours around unknown things replace them."""
    picture = (255 * transmittance + 0.5).astype(np.uint8)
    size = (BACKGROUND_CROP_PX, BACKGROUND_CROP_PX)
    picture = resized(cv2.inpaint(picture, unknown, 3, cv2.INPAINT_TELEA), size)
    alpha = cv2.resize(255 * red, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.dstack([picture, alpha])
