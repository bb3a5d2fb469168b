"""Clusters of red cells, which touch or overlap, each found as one piece.

They show what pasted single cells lack: how real overlaps look, cells out of focus, cells on edge.
How many cells a cluster has is not known, so that only training smears contain them.
"""

from __future__ import annotations

import cv2
import numpy as np

from bloodseg_lib.classes import Box
from bloodseg_lib.samples.extraction.masks import disc, eroded, sized
from bloodseg_lib.samples.extraction.red_cells import stained

# Areas in those of one red cell, lengths in diameters
_AREAS = (1.4, 16)
_LEAST_NON_RBC = 0.01  # so much that is not red cell spoils a cluster
_PALLOR = 0.2  # a smaller hole is the pale centre of a cell, a larger one background between cells
# If closing adds more than this factor, pale centres were taken for background.
_MOST_OPEN = 1.08
_OPENED, _CLOSED, _RIM = 1 / 8, 1 / 3, 1 / 20


def find_clusters(
    transmittance: np.ndarray, non_rbc: np.ndarray, rbc_diameter_px: float
) -> list[tuple[Box, np.ndarray]]:
    """The clusters of red cells of a field, whole and free of anything else.

    Args:
        transmittance: ``(H, W, 3)``, see :func:`~bloodseg_lib.optics.field_transmittance`.
        non_rbc: ``(H, W)`` bool, see :func:`~bloodseg_lib.samples.extraction.red_cells.non_rbc`.
        rbc_diameter_px: of a red cell.

    Returns:
        of each cluster its box and its mask there, ``(h, w)`` bool.
    """
    cell_area = np.pi / 4 * rbc_diameter_px**2
    dark = without_pallor(stained(transmittance), rbc_diameter_px)
    height, width = dark.shape
    count, components, stats, _ = cv2.connectedComponentsWithStats(dark)
    found = []
    for i in range(1, count):
        *edges, area = stats[i].tolist()
        box = Box(*edges)
        inside = box.x > 0 and box.y > 0 and box.right < width and box.bottom < height
        if inside and _AREAS[0] * cell_area < area < _AREAS[1] * cell_area:
            mask = components[box.window] == i
            if _is_cluster(mask, non_rbc[box.window], rbc_diameter_px):
                found.append((box, mask))
    return found


def without_pallor(dark: np.ndarray, rbc_px: float, pallor: float = _PALLOR) -> np.ndarray:
    """Red cells with their pale centres: a mask without what is thinner than a cell and without
    small holes, ``(H, W) uint8``, 0 or 1.

    Args:
        dark: ``(H, W) uint8``, 0 or 1, where the field is not empty.
        rbc_px: diameter of a red cell.
        pallor: smaller holes are filled; in areas of a red cell.
    """
    dark = cv2.morphologyEx(dark, cv2.MORPH_OPEN, disc(_OPENED * rbc_px))
    holes = sized(1 - dark, most=pallor * np.pi / 4 * rbc_px**2, connectivity=4)
    return dark | holes.astype(np.uint8)


def _is_cluster(mask: np.ndarray, non_rbc: np.ndarray, rbc_px: float) -> bool:
    """Whether a component, ``(H, W)`` bool, is whole, and nothing but red cells."""
    padded = np.pad(mask, round(rbc_px)).astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc(_CLOSED * rbc_px))
    inner = eroded(mask, round(_RIM * rbc_px))
    return bool(
        closed.sum() <= _MOST_OPEN * np.count_nonzero(mask)
        and np.count_nonzero(non_rbc[inner]) < _LEAST_NON_RBC * np.pi / 4 * rbc_px**2
    )
