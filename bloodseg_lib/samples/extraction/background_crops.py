"""Patches of real fields: the slide with all the red cells that lie on it, for smears to be
composed upon.

What no composing gives is in them: the true density and arrangement of red cells, cells out of
    focus or on edge, the texture of the slide. All red cells of a
field that holds no malaria are known to be healthy; what else lies there is not known, so a patch
holds none of it: small things are painted out, and where larger ones lie no patch is taken. As with
stacks it is not known how many cells a patch has, so that only smears to train on are composed upon
them. Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bloodseg_lib.classes import BACKGROUND_CROP_PX, HEALTHY_RBC, RBC_DIAMETER_PX
from bloodseg_lib.optics import field_transmittance
from bloodseg_lib.samples.extraction.clusters import disc, without_pallor
from bloodseg_lib.samples.extraction.red_cells import (
    LEAST_REFERENCES,
    RedCell,
    clean_ones,
    foreign,
    stained,
)
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CellSample

PATCHES_PER_FIELD = 4
"""The most patches taken of one field, so that no field prevails."""

# Areas in those of one red cell, lengths in diameters
_STRICTNESS = 0.5  # of the threshold between slide and cells: the pale middles are to be in
_LEAST_CELL = 0.3  # what is stained and smaller is none
_MOST_OF_ONE = 1.3  # a smaller piece is a single cell, and as convex as one
_MOST_FOREIGN = 0.15  # what is larger and no red cell may be a white cell or a clump
_MOST_PAINTED = 0.05  # share of a patch
_MARGIN, _RIM, _STEP = 0.2, 0.1, 0.25
_GAP = 1 / 12  # is closed
_PALLOR = 0.35  # larger than in stacks: between cells that touch, little slide is shut in
_DARKEST = 0.08  # transmittance of green; what lies beyond the eyepiece is darker


def patch_samples(
    image: np.ndarray, cells: list[RedCell], source: str, group: str, rbc_diameter_px: float
) -> Iterator[CellSample]:
    """Patches of a field that is known to hold no malaria.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        cells: its free-lying red cells, see
            :func:`~bloodseg_lib.samples.extraction.red_cells.red_cells`.
        source, group: see :class:`~bloodseg_lib.samples.sample.CellSample`; the names end with
            :data:`~bloodseg_lib.samples.sample.BACKGROUND_CROP`.
        rbc_diameter_px: of a red cell in the field, which sets the scale.

    Yields:
        at most :data:`PATCHES_PER_FIELD` samples of
        :data:`~bloodseg_lib.classes.BACKGROUND_CROP_PX` squared at 40x that do not overlap. Unlike
        other samples they show what lies beside the cells too: an empty slide is white, and alpha
        is 255 where red cells are. None where fewer than
        :data:`~bloodseg_lib.samples.extraction.red_cells.LEAST_REFERENCES` clean cells lie free.
    """
    clean = clean_ones(cells)
    side = round(BACKGROUND_CROP_PX * rbc_diameter_px / RBC_DIAMETER_PX)
    margin = round(_MARGIN * rbc_diameter_px)
    rows, columns = image.shape[0] - side - margin, image.shape[1] - side - margin
    if len(clean) < LEAST_REFERENCES or rows < margin or columns < margin:
        return
    light = field_transmittance(image, rbc_diameter_px)
    red, unknown, forbidden = _parted(
        light, foreign(light, clean, rbc_diameter_px), rbc_diameter_px
    )
    found = []
    for y in range(margin, rows + 1, max(1, round(_STEP * rbc_diameter_px))):
        for x in range(margin, columns + 1, max(1, round(_STEP * rbc_diameter_px))):
            there = np.s_[y : y + side, x : x + side]
            painted = float(unknown[there].mean())
            if not forbidden[there].any() and painted <= _MOST_PAINTED:
                found.append((painted, y, x))
    taken: list[tuple[int, int]] = []
    for _, y, x in sorted(found):  # those where the least is painted out first
        if len(taken) < PATCHES_PER_FIELD and all(
            abs(y - top) >= side or abs(x - left) >= side for top, left in taken
        ):
            taken.append((y, x))
            there = np.s_[y : y + side, x : x + side]
            yield _patch(
                light[there], red[there], unknown[there], source, group, f"{group}_{x}_{y}{BACKGROUND_CROP}"
            )


def _parted(
    light: np.ndarray, strange: np.ndarray, rbc_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where red cells lie, where what is unknown and small enough to be painted out, and where no
    patch may be taken. ``(H, W) uint8`` each, 0 or 1.
    """
    cell_area = np.pi / 4 * rbc_px**2
    dark = stained(light, _STRICTNESS)
    red = without_pallor(
        cv2.morphologyEx(dark, cv2.MORPH_CLOSE, disc(_GAP * rbc_px)), rbc_px, _PALLOR
    )
    pieces, areas = _components(red)
    for i in range(1, len(areas)):
        if areas[i] < _LEAST_CELL * cell_area:
            red[pieces == i] = 0
        elif areas[i] < _MOST_OF_ONE * cell_area:
            cv2.fillConvexPoly(
                red, cv2.convexHull(cv2.findNonZero((pieces == i).astype(np.uint8))), 1
            )
    alien = strange.astype(np.uint8)
    spots, areas = _components(alien)
    large = np.isin(spots, np.flatnonzero(areas > _MOST_FOREIGN * cell_area)) & (alien > 0)
    forbidden = (
        np.isin(pieces, np.unique(pieces[large & (red > 0)])) & (red > 0)
        | large
        | (light[:, :, 1] < _DARKEST)
    )
    rim = disc(_RIM * rbc_px)
    unknown = cv2.dilate(alien | (dark & ~cv2.dilate(red, rim)), rim)
    return red, unknown, forbidden.astype(np.uint8)


def _components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the piece that each pixel of a mask belongs to, 0 for none, and of each piece
    its area.
    """
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask)
    return numbers, stats[:, cv2.CC_STAT_AREA]


def _patch(
    light: np.ndarray, red: np.ndarray, unknown: np.ndarray, source: str, group: str, name: str
) -> CellSample:
    """A patch brought to 40x, with the colours of what is around in the place of what is unknown."""
    picture = cv2.inpaint((255 * light + 0.5).astype(np.uint8), unknown, 3, cv2.INPAINT_TELEA)
    size = (BACKGROUND_CROP_PX, BACKGROUND_CROP_PX)
    picture = cv2.resize(
        picture,
        size,
        interpolation=cv2.INTER_AREA if light.shape[0] > BACKGROUND_CROP_PX else cv2.INTER_CUBIC,
    )
    alpha = cv2.resize(255 * red, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return CellSample(np.dstack([picture, alpha]), HEALTHY_RBC, source, group, name)
