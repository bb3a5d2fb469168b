"""Platelets, and grains of stain, which pass for them, lie anywhere. On a red cell they pass for a
parasite. How many do by chance, those on the slide between the cells tell.

Taught by ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bloodseg_lib.classes import (
    BACKGROUND,
    INFECTED_RBC,
    PLATELET_IDS,
    RBC_DIAMETER_PX,
    RBC_IDS,
)
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.finding import Finding
from bloodseg_lib.prediction.segmenter import Segmentation

BY_CHANCE, LEAST_INFECTED = 3.0, 3
"""So many times the red cells that have a platelet or a grain of stain on them by chance: of fewer
infected ones, if there are these at least, many may be such. Of 45 fields of LISC, whose people
have no malaria and in which 3 or more cells are called infected, it is 0.2 to 2.8 times in 38; in
15 fields of MAMIC, with malaria, 3.7 and more.
"""


def of_chance(segmentation: Segmentation, cells: Sequence[Cell]) -> Iterator[Finding]:
    """A finding, if what lies on cells by chance can be what is taken for parasites."""
    infected = sum(cell.class_id == INFECTED_RBC for cell in cells)
    by_chance = covered_by_chance(segmentation, cells)
    if infected >= LEAST_INFECTED and infected <= BY_CHANCE * by_chance:
        words = (
            "Platelets or grains of stain lie so densely that about "
            f"{by_chance:.0f} red cells have one on them by chance: of the {infected} called "
            "infected, look at each."
        )
        yield Finding("chance", "warning", by_chance, words)


def covered_by_chance(segmentation: Segmentation, cells: Sequence[Cell]) -> float:
    """The expected number of red cells that a platelet, or what passes for one, lies on.

    Args:
        segmentation: of a field.
        cells: found in it.
    """
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
