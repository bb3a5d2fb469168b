"""Platelets and clumps of platelets of a field that nobody masked: their granules by their stain,
the platelet around them by its outline.
"""

from __future__ import annotations

import cv2
import numpy as np

from bloodseg_lib.classes import Box
from bloodseg_lib.optics import optical_density
from bloodseg_lib.samples.extraction.masks import NO_CELL, ShapeLimits, Unusable, disc
from bloodseg_lib.samples.extraction.outline import PLATELET, outlined, oval_in
from bloodseg_lib.samples.extraction.red_cells import purpleness

SEGMENTED_PLATELET = ShapeLimits((40, 1700), 0.93, 0.1)
"""A platelet that :func:`platelet` segmented; giant ones are as large as red cells."""
SEGMENTED_CLUMP = ShapeLimits((500, 16000), 0.6, 0.1)
"""A clump that :func:`clump` segmented."""

# Lengths in diameters of a red cell
_GRANULES = 0.35  # where between the stain of red cells, 0, and the deepest, 1, granules begin
_LEAST_STAIN = 0.08
_SEEN = 0.1  # optical density of green
_NOISE = 0.04  # smaller spots are none
_OFF_CENTRE = 0.5
_INNER, _BOXED_GRANULES = 0.75, 0.4  # of the oval in a box; the part of it that is granules
_JOINED = 0.15  # platelets of a clump are nearer


def granules(transmittance: np.ndarray, rbc_diameter_px: float) -> np.ndarray:
    """Where a field is stained like granules or nuclei, ``(H, W) uint8``, 0 or 1.

    Args:
        transmittance: ``(H, W, 3)``, see :func:`~bloodseg_lib.optics.field_transmittance`.
        rbc_diameter_px: of a red cell.
    """
    density = optical_density(transmittance)
    stain = cv2.GaussianBlur(purpleness(density), (0, 0), rbc_diameter_px / 25)
    seen = stain[density[:, :, 1] > _SEEN]  # nearly all of it is red cells
    usual = float(np.median(seen)) if seen.size else 0.0
    deepest = float(np.percentile(stain, 99.7))
    found = stain > max(_LEAST_STAIN, usual + _GRANULES * (deepest - usual))
    return cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, disc(_NOISE * rbc_diameter_px))


def platelet(image: np.ndarray, transmittance: np.ndarray, rbc_diameter_px: float) -> np.ndarray:
    """The platelet in the middle of a picture, ``(H, W)`` bool.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        transmittance: of it, ``(H, W, 3)``.
        rbc_diameter_px: of a red cell.

    Raises:
        Unusable: nothing there is stained like granules.
    """
    found = granules(transmittance, rbc_diameter_px)
    _, labels, _, centres = cv2.connectedComponentsWithStats(found)
    height, width = labels.shape
    away = np.hypot(*(centres - (width / 2, height / 2)).T) / rbc_diameter_px
    away[0] = np.inf  # the background
    nearest = int(away.argmin())
    if away[nearest] > _OFF_CENTRE:
        raise Unusable(NO_CELL, "Nothing in the middle is stained like the granules of a platelet.")
    density = optical_density(transmittance).astype(np.float32)
    return outlined(image, density, labels == nearest, rbc_diameter_px, PLATELET)


def platelet_in(
    image: np.ndarray, transmittance: np.ndarray, box: Box, rbc_diameter_px: float
) -> np.ndarray:
    """The platelet that a person drew a box around, ``(H, W)`` bool, of the whole field; see
    :func:`platelet`. Its granules are the most purple part of the box.
    """
    density = optical_density(transmittance).astype(np.float32)
    stain = cv2.GaussianBlur(purpleness(density), (0, 0), rbc_diameter_px / 25)
    inner = oval_in(box, stain.shape, _INNER)
    if not inner.any():
        raise Unusable(NO_CELL, "The box is too small to hold a platelet.")
    core = (inner > 0) & (stain >= np.percentile(stain[inner > 0], 100 * (1 - _BOXED_GRANULES)))
    return outlined(image, density, core, rbc_diameter_px, PLATELET, box)


def clump(
    image: np.ndarray, transmittance: np.ndarray, box: Box, rbc_diameter_px: float
) -> np.ndarray:
    """The clump of platelets in a box, ``(H, W)`` bool, of the field; see :func:`platelet`."""
    inside = np.zeros(image.shape[:2], np.uint8)
    inside[box.window] = granules(transmittance, rbc_diameter_px)[box.window]
    joined = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, disc(_JOINED * rbc_diameter_px))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    if len(stats) < 2:
        raise Unusable(NO_CELL, "Nothing in the box is stained like the granules of platelets.")
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    density = optical_density(transmittance).astype(np.float32)
    return outlined(image, density, labels == largest, rbc_diameter_px, PLATELET, box)
