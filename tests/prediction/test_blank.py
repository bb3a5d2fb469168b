"""A part of a picture that is of one colour, and what may be."""

import cv2
import numpy as np
import pytest
from drawn_fields import SLIDE, scattered

from bloodseg_lib.classes import HEALTHY_RBC, Box
from bloodseg_lib.prediction.blank import blank_fraction, of_blank
from bloodseg_lib.prediction.cells import Cell

FIELD = scattered()
CELLS = [Cell(HEALTHY_RBC, 1000, Box(0, 0, 9, 9), (4.0, 4.0), 1.0, 0.9)] * 5
SHADES = [(0, 0, 0), (128, 128, 128), (255, 255, 255), SLIDE, (250, 0, 250)]


def said(image, cells=CELLS):
    return [(f.name, f.level, round(f.value, 1)) for f in of_blank(image, cells)]


@pytest.mark.parametrize("colour", SHADES)
@pytest.mark.parametrize("turns", range(4))
def test_rows_that_are_lost_are_told(turns, colour):
    image = FIELD.copy()
    image[288:] = colour
    assert said(np.rot90(image, turns)) == [("blank", "warning", 0.4)]
    (finding,) = of_blank(image, CELLS)
    assert "40%" in finding.sentence and "figures are of the rest" in finding.sentence


@pytest.mark.parametrize("colour", SHADES)
def test_a_few_are_noted_a_tile_that_is_missing_is_warned_of(colour):
    image = FIELD.copy()
    image[432:] = colour
    assert said(image) == [("blank", "note", 0.1)]
    image = FIELD.copy()
    image[:240, 320:] = colour
    assert [finding[:2] for finding in said(image)] == [("blank", "warning")]
    image = FIELD.copy()
    image[100:250, 200:380] = colour  # rubbed out
    assert [finding[:2] for finding in said(image)] == [("blank", "note")]


def test_white_on_a_slide_that_is_clipped_is_told():
    image = np.where(FIELD > 225, 255, FIELD).astype(np.uint8)
    assert said(image) == []
    image[288:] = 255
    assert said(image) == [("blank", "warning", 0.4)]


def padded(above, below, left, right, shade):
    return cv2.copyMakeBorder(
        FIELD, above, below, left, right, cv2.BORDER_CONSTANT, value=(shade,) * 3
    )


@pytest.mark.parametrize("shade", [0, 114, 255])
@pytest.mark.parametrize("around", [(80, 80, 0, 0), (0, 0, 90, 90), (60, 60, 60, 60)])
def test_what_lies_around_a_field_is_not_lost(around, shade):
    assert said(padded(*around, shade)) == []


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_neither_is_what_is_beyond_a_round_field_or_a_turned_one(shade):
    inside = np.zeros(FIELD.shape[:2], np.uint8)
    cv2.circle(inside, (320, 240), 235, 1, -1)
    assert said(np.where(inside[:, :, None] > 0, FIELD, shade).astype(np.uint8)) == []
    matrix = cv2.getRotationMatrix2D((320, 240), 25, 1)
    turned = cv2.warpAffine(FIELD, matrix, (640, 480), borderValue=(shade,) * 3)
    assert said(turned) == []


@pytest.mark.parametrize("shade", [0, 255])
def test_of_cells_cut_out_nothing_is_lost(shade):
    image = np.full((80, 80, 3), shade, np.uint8)
    cv2.circle(image, (30, 50), 22, (190, 150, 195), -1)
    assert said(image, CELLS[:1]) == []


def test_a_picture_of_one_colour_or_of_one_pixel_is_not_partly_so():
    assert blank_fraction(np.full((60, 90, 3), 255, np.uint8)) == 0
    assert blank_fraction(np.zeros((1, 1, 3), np.uint8)) == 0
    assert blank_fraction(FIELD) == 0
