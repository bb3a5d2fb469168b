"""The red cells of a field that do not lie free: stacks of them, cut out as one sample.

What single cells laid over each other lack is in them: how real overlaps look, cells out of focus,
    cells on edge. They show a network what healthy is
but not how many cells there are, so that only smears to train on are composed of them.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, RBC_DIAMETER_PX
from bloodseg_lib.optics import background_colour, field_transmittance
from bloodseg_lib.samples.extraction.red_cells import (
    LEAST_REFERENCES,
    REACH,
    RedCell,
    clean_ones,
    foreign,
    stained,
)
from bloodseg_lib.samples.sample import CLUSTER, CellSample, make_sample

STACKS_PER_FIELD = 12
"""The most stacks taken of one field, so that no field prevails."""

# Areas in those of one red cell, lengths in diameters
_AREAS = (1.4, 16)
_LEAST_STRANGE = 0.01  # so much that is no red cell spoils a stack
_PALLOR = 0.2  # a smaller hole is the pale middle of a cell, a larger one the slide between cells
# what fills up by more than this factor when closed has cells whose pallor was taken for slide
_MOST_OPEN = 1.08
_OPENED, _CLOSED, _RIM = 1 / 8, 1 / 3, 1 / 20


def stack_samples(
    image: np.ndarray, cells: list[RedCell], source: str, group: str, rbc_diameter_px: float
) -> Iterator[CellSample]:
    """Samples of the stacks of a field that is known to hold no malaria: red cells that touch or
    overlap.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        cells: its free-lying red cells, see
            :func:`~bloodseg_lib.samples.extraction.red_cells.red_cells`.
        source, group: see :class:`~bloodseg_lib.samples.sample.CellSample`; the names end with
            :data:`~bloodseg_lib.samples.sample.CLUSTER`.
        rbc_diameter_px: of a red cell in the field, which sets the scale.

    Yields:
        at most :data:`STACKS_PER_FIELD` samples, from all over the field; none where fewer than
        :data:`LEAST_REFERENCES` clean cells lie free.
    """
    clean = clean_ones(cells)
    if len(clean) < LEAST_REFERENCES:
        return
    light = field_transmittance(image, rbc_diameter_px)
    strange = foreign(light, clean, rbc_diameter_px)
    found = [
        (window, mask)
        for window, mask in _pieces(stained(light), rbc_diameter_px)
        if _is_stack(mask, strange[window], rbc_diameter_px)
    ]
    if len(found) > STACKS_PER_FIELD:
        found = [
            found[i] for i in np.linspace(0, len(found) - 1, STACKS_PER_FIELD).round().astype(int)
        ]
    for window, mask in found:
        name = f"{group}_rbc_{window[1].start}_{window[0].start}{CLUSTER}"
        colour = background_colour(image, window, reach_px=round(REACH * rbc_diameter_px))
        yield make_sample(
            image[window],
            mask,
            HEALTHY_RBC,
            source,
            group,
            name,
            RBC_DIAMETER_PX / rbc_diameter_px,
            colour,
        )


def _pieces(dark: np.ndarray, rbc_px: float) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """What hangs together, is larger than a cell and lies within the field:

    its window, and its mask there.
    """
    cell_area = np.pi / 4 * rbc_px**2
    dark = without_pallor(dark, rbc_px)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(dark)
    for i in range(1, count):
        x, y, width, height, area = stats[i].tolist()
        inside = x > 0 and y > 0 and x + width < dark.shape[1] and y + height < dark.shape[0]
        if inside and _AREAS[0] * cell_area < area < _AREAS[1] * cell_area:
            window = np.s_[y : y + height, x : x + width]
            yield window, numbers[window] == i


def without_pallor(dark: np.ndarray, rbc_px: float, pallor: float = _PALLOR) -> np.ndarray:
    """Where red cells lie, from where the slide is not empty, ``(H, W) uint8``, 0 or 1:

    nothing thinner than a cell, and no hole up to ``pallor`` cells large.
    """
    dark = cv2.morphologyEx(dark, cv2.MORPH_OPEN, disc(_OPENED * rbc_px))
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(1 - dark, connectivity=4)
    holes = [
        i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] < pallor * np.pi / 4 * rbc_px**2
    ]
    return dark | np.isin(numbers, holes).astype(np.uint8)


def _is_stack(mask: np.ndarray, strange: np.ndarray, rbc_px: float) -> bool:
    """Whether a piece is whole, and nothing but red cells.

    Args:
        mask: ``(H, W)`` bool.
        strange: ``(H, W)`` bool, what no red cell of the field shows.
        rbc_px: diameter of a red cell.
    """
    area, mask = np.count_nonzero(mask), mask.astype(np.uint8)
    closed = cv2.morphologyEx(np.pad(mask, round(rbc_px)), cv2.MORPH_CLOSE, disc(_CLOSED * rbc_px))
    inner = cv2.erode(np.pad(mask, 1), disc(_RIM * rbc_px))[1:-1, 1:-1] > 0
    return (
        closed.sum() <= _MOST_OPEN * area
        and np.count_nonzero(strange[inner]) < _LEAST_STRANGE * np.pi / 4 * rbc_px**2
    )


def disc(radius_px: float) -> np.ndarray:
    """A disc to open, close or dilate with, ``(2 r + 1, 2 r + 1) uint8``, 0 or 1."""
    side = 2 * round(radius_px) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
