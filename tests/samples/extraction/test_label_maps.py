"""Label maps of drawn fields: red cells 40 across on a clear background."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL, UNKNOWN, Box
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.label_maps import labelled_field

BACKGROUND, RED_CELL, PURPLE = (245, 240, 245), (190, 150, 185), (120, 40, 150)
CELLS = [(x, y) for y in (40, 110, 180) for x in (40, 110, 180, 250)]
NUCLEUS = (180, 110)


@pytest.fixture
def field():
    """Eleven red cells, and something purple of radius 20 in place of a twelfth; 74 pixels, twice
    the scale of 40x, are two red cells beside each other.
    """
    image = np.full((220, 290, 3), BACKGROUND, np.uint8)
    for centre in CELLS:
        cv2.circle(image, centre, 20, PURPLE if centre == NUCLEUS else RED_CELL, -1)
    return Field(image, "s", "g", Path("f.png"), 40.0, measure=False)


def at(labels, x, y):
    return labels[round(y * 37 / 40), round(x * 37 / 40)]


def test_red_cells_are_healthy_and_what_is_empty_is_background(field):
    labels = labelled_field(field, "f", ()).labels
    assert labels.shape == (round(220 * 37 / 40), round(290 * 37 / 40))
    assert {at(labels, *centre) for centre in CELLS if centre != NUCLEUS} == {HEALTHY_RBC}
    assert at(labels, 75, 75) == 0


def test_where_malaria_is_known_only_known_red_cells_are_labelled(field):
    mask = cv2.circle(np.zeros((220, 290), np.uint8), CELLS[0], 20, 1, -1) > 0
    labels = labelled_field(field, "f", [(mask, HEALTHY_RBC)], malaria=True).labels
    assert at(labels, *CELLS[0]) == HEALTHY_RBC
    assert at(labels, *CELLS[1]) == UNKNOWN


def test_a_purple_thing_that_nobody_labelled_and_what_may_be_its_cytoplasm_are_unknown(field):
    labels = labelled_field(field, "f", ()).labels
    assert at(labels, *NUCLEUS) == at(labels, NUCLEUS[0] + 30, NUCLEUS[1]) == UNKNOWN


def test_a_known_cell_has_its_class_and_an_unknown_rim(field):
    mask = cv2.circle(np.zeros((220, 290), np.uint8), NUCLEUS, 25, 1, -1) > 0
    labels = labelled_field(field, "f", [(mask, NEUTROPHIL)]).labels
    assert at(labels, *NUCLEUS) == at(labels, NUCLEUS[0] + 23, NUCLEUS[1]) == NEUTROPHIL
    assert at(labels, NUCLEUS[0] + 27, NUCLEUS[1]) == UNKNOWN
    assert at(labels, NUCLEUS[0] + 35, NUCLEUS[1]) == 0


def test_a_box_of_no_known_class_is_unknown(field):
    labels = labelled_field(field, "f", (), [Box(60, 60, 30, 30)]).labels
    assert at(labels, 75, 75) == UNKNOWN


def test_the_open_centre_of_a_pale_cell_is_not_called_background(field):
    image = field.image.copy()
    cv2.circle(image, CELLS[0], 14, BACKGROUND, -1)
    pale = Field(image, "s", "g", Path("f.png"), 40.0, measure=False)
    assert at(labelled_field(pale, "f", ()).labels, *CELLS[0]) != 0
