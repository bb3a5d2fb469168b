"""Platelets, and grains of stain, which may be smaller, lie anywhere. On a red cell they pass for a
parasite. How many do by chance, those on the slide between the cells tell.

Taught by ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from bloodseg_lib.classes import (
    BACKGROUND,
    INFECTED_RBC,
    PLATELET_IDS,
    RBC_DIAMETER_PX,
    RBC_IDS,
    WBC_IDS,
)
from bloodseg_lib.optics import GREY_DENSITIES, WHITE, windows_at_40x
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.finding import Finding
from bloodseg_lib.prediction.segmenter import Segmentation

BY_CHANCE, LEAST_INFECTED = 3.0, 3
"""So many times the red cells that have a platelet or a grain of stain on them by chance: of fewer
infected ones, if there are these at least, many may be such. Of 45 fields of LISC, whose people
have no malaria and in which 3 or more cells are called infected, it is 0.2 to 2.8 times in 38; in
15 fields of MAMIC, with malaria, 3.7 and more.
"""
BY_SPECKS = 1.5
"""The same with specks too small for platelets, of which not all pass for parasites: 1.8 times and
more in the 15 fields of MAMIC, 0.1 to 1.3 in 22 fields of people without malaria that 60 or 150
grains were drawn on.
"""

_DARK = 0.5  # optical density in green of a speck above the slide's
_SPECK_PX = (4, 61)  # area at 40x; larger ones are counted as platelets
_CELL_PX, _RIM_PX = 9, 9  # less is no cell; what is nearer to one may be its rim


def of_chance(
    image: np.ndarray, segmentation: Segmentation, cells: Sequence[Cell]
) -> Iterator[Finding]:
    """A finding, if what lies on cells by chance can be what is taken for parasites."""
    infected = sum(cell.class_id == INFECTED_RBC for cell in cells)
    if infected < LEAST_INFECTED:
        return
    by_chance = covered_by_chance(segmentation, cells)
    doubtful = infected <= BY_CHANCE * by_chance
    if not doubtful:
        red = sum(cell.class_id in RBC_IDS for cell in cells)
        by_chance += red * float(1 - np.exp(-specks_on_a_cell(image, segmentation)))
        doubtful = infected <= BY_SPECKS * by_chance
    if doubtful:
        words = (
            "Platelets or grains of stain lie so densely that about "
            f"{by_chance:.0f} red cells have one on them by chance: of the {infected} called "
            "infected, look at each."
        )
        yield Finding("chance", "warning", by_chance, words)


def covered_by_chance(segmentation: Segmentation, cells: Sequence[Cell]) -> float:
    """The expected number of red cells that a platelet, or what passes for one, lies on."""
    labels, scale = segmentation.labels, segmentation.scale.factor
    outside = segmentation.preprocessing.outside
    beyond = 0.0 if outside is None else float(outside.mean())
    slide_px = float(np.count_nonzero(labels == BACKGROUND)) - beyond * labels.size
    platelets = sum(cell.class_id in PLATELET_IDS for cell in cells)
    red = sum(cell.class_id in RBC_IDS for cell in cells)
    if slide_px <= 0:
        return 0.0
    red_px = np.pi / 4 * (RBC_DIAMETER_PX / scale) ** 2
    return float(red * platelets / slide_px * red_px)


def specks_on_a_cell(image: np.ndarray, segmentation: Segmentation) -> float:
    """The expected number of dark specks, too small for platelets, on a red cell of a picture,
    ``(H, W, 3) uint8`` RGB; of a large one nine windows are read.
    """
    specks, slide_px = 0, 0
    levels = segmentation.preprocessing.white
    for place, window in windows_at_40x(image, segmentation.scale.factor, levels):
        size = window.shape[1], window.shape[0]
        labels = cv2.resize(segmentation.labels[place], size, interpolation=cv2.INTER_NEAREST)
        stained = np.isin(labels, (*WBC_IDS, *RBC_IDS)).astype(np.uint8)
        square = np.ones((_CELL_PX, _CELL_PX), np.uint8)
        cells = cv2.morphologyEx(stained, cv2.MORPH_OPEN, square)
        slide = cv2.dilate(cells, np.ones((_RIM_PX, _RIM_PX), np.uint8)) == 0
        if segmentation.written is not None:
            written = segmentation.written[place].astype(np.uint8)
            slide &= cv2.resize(written, size, interpolation=cv2.INTER_NEAREST) == 0
        dark = (GREY_DENSITIES[window[:, :, 1]] - GREY_DENSITIES[WHITE] > _DARK) & slide
        areas = cv2.connectedComponentsWithStats(dark.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
        specks += int(np.count_nonzero((areas >= _SPECK_PX[0]) & (areas < _SPECK_PX[1])))
        slide_px += int(np.count_nonzero(slide))
    return specks / max(slide_px, 1) * np.pi / 4 * RBC_DIAMETER_PX**2
