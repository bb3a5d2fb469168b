"""What lies on red cells by chance, as on the slide between them."""

import numpy as np
import pytest

from bloodseg_lib.classes import (
    HEALTHY_RBC,
    INFECTED_RBC,
    NEUTROPHIL,
    PLATELET_CLUMP,
    RBC_DIAMETER_PX,
    THROMBOCYTE,
    Box,
)
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.chance import covered_by_chance, of_chance
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmentation

CELL_PX = np.pi / 4 * RBC_DIAMETER_PX**2


def cells(**number):
    ids = {
        "healthy": HEALTHY_RBC,
        "infected": INFECTED_RBC,
        "white": NEUTROPHIL,
        "platelets": THROMBOCYTE,
        "clumps": PLATELET_CLUMP,
    }
    names = [name for name, times in number.items() for _ in range(times)]
    return [Cell(ids[name], 1000, Box(0, 0, 9, 9), (4.0, 4.0), 1.0, 0.9) for name in names]


def field(slide_cells=100, scale=1.0):
    """A field with as much empty slide as a number of red cells cover, and as much that is not."""
    side = round((2 * slide_cells * CELL_PX) ** 0.5 / scale)
    labels = np.zeros((side, side), np.uint8)
    labels[: side // 2] = HEALTHY_RBC
    prepared = Preprocessing.none()
    return Segmentation(labels, None, Scale.of_factor(scale), prepared)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_as_many_lie_on_the_cells_as_on_as_much_slide(scale):
    """Twenty on the area of a hundred cells: ten on fifty cells, whatever the magnification."""
    found = cells(healthy=45, infected=5, white=9, platelets=15, clumps=5)
    assert covered_by_chance(field(scale=scale), found) == pytest.approx(10, rel=0.02)


def test_without_a_slide_or_platelets_nothing_is_known_of_it():
    found = cells(healthy=50, infected=5)
    assert covered_by_chance(field(), found) == 0
    full = field()
    full.labels[:] = HEALTHY_RBC
    assert covered_by_chance(full, cells(healthy=5, platelets=5)) == 0


def test_what_is_outside_the_view_is_no_slide():
    whole = field()
    outside = np.zeros((100, 100), bool)
    outside[75:] = True  # half of what is background
    prepared = Preprocessing((0, 0, 0, 0), outside, *[Preprocessing.none().levels] * 2)
    seen = Segmentation(whole.labels, None, whole.scale, prepared)
    found = cells(healthy=50, platelets=20)
    assert covered_by_chance(seen, found) == pytest.approx(
        2 * covered_by_chance(whole, found), 0.03
    )


@pytest.mark.parametrize(
    ("infected", "platelets", "warned"),
    [(59, 20, True), (61, 20, False), (3, 3, True), (2, 3, False), (25, 0, False)],
)
def test_few_infected_cells_among_many_platelets_are_to_be_looked_at(infected, platelets, warned):
    """Twenty platelets on as much slide as a hundred cells: up to 60 of these are doubted."""
    found = cells(healthy=100 - infected, infected=infected, platelets=platelets)
    findings = list(of_chance(field(), found))
    assert [f.level for f in findings] == ["warning"] * warned
    if warned:
        assert f"about {platelets} red cells have one on them by chance" in findings[0].sentence
        assert f"of the {infected} called infected, look at each." in findings[0].sentence
