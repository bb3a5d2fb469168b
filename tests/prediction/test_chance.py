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
from bloodseg_lib.optics import WHITE
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.chance import covered_by_chance, of_chance, specks_on_a_cell
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


def picture(seen, specks=0, side_px=3, on_cells=0):
    """A white picture of a field, with dark squares on its slide, and on its cells."""
    image = np.full((*seen.labels.shape, 3), WHITE, np.uint8)
    height, width = seen.labels.shape
    for number, first_row in ((specks, height // 2 + 20), (on_cells, 10)):
        for i in range(number):
            y, x = first_row + i // 20 * 2 * side_px, 10 + i % 20 * (width - 20) // 20
            image[y : y + side_px, x : x + side_px] = 100
    return image


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
    findings = list(of_chance(picture(field()), field(), found))
    assert [f.level for f in findings] == ["warning"] * warned
    if warned:
        assert f"about {platelets} red cells have one on them by chance" in findings[0].sentence
        assert f"of the {infected} called infected, look at each." in findings[0].sentence


@pytest.mark.parametrize(
    ("specks", "expected"),
    [
        ({"specks": 20}, 0.2),
        ({"specks": 20, "on_cells": 40}, 0.2),
        ({"specks": 20, "side_px": 1}, 0),  # noise
        ({"specks": 20, "side_px": 8}, 0),  # platelets, which are counted as such
    ],
)
def test_specks_on_the_slide_tell_how_many_lie_on_a_cell(specks, expected):
    """Twenty on the area of a hundred cells."""
    seen = field()
    assert specks_on_a_cell(picture(seen, **specks), seen) == pytest.approx(expected, rel=0.1)


def test_grains_too_small_for_platelets_make_infected_cells_doubtful():
    seen, found = field(), cells(healthy=80, infected=20)
    findings = list(of_chance(picture(seen, specks=20), seen, found))
    assert [finding.level for finding in findings] == ["warning"]
    assert not list(of_chance(picture(seen, specks=3), seen, found))


def test_letters_are_no_specks():
    seen = field()
    image = picture(seen, specks=20)
    written = image.min(axis=2) < WHITE
    lettered = Segmentation(seen.labels, None, seen.scale, seen.preprocessing, written)
    assert specks_on_a_cell(image, lettered) == 0
