"""Preprocessing of photographs: the dark border, the background's colour, and that the one path to
a prediction corrects both.
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bloodseg_lib.optics import background_colour
from bloodseg_lib.prediction.preprocessing import (
    WHITE,
    Preprocessing,
    dark_border,
    outside_view,
    white_levels,
)
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import PredictionConfig, segment_image
from bloodseg_lib.samples.extraction.stain import REFERENCE_DENSITY, UNKNOWN_STAIN

SLIDE, CELL = (240, 230, 200), (150, 90, 120)


def field(height=200, width=260, slide=SLIDE):
    """Cells of 20 x 20 with 20 of slide between them and at the border."""
    image = np.full((height, width, 3), slide, np.uint8)
    for y in range(20, height - 30, 40):
        for x in range(20, width - 30, 40):
            image[y : y + 20, x : x + 20] = CELL
    return image


def borderd(image, top=0, bottom=0, left=0, right=0, colour=20):
    image = image.copy()
    height, width = image.shape[:2]
    for part in (np.s_[:top], np.s_[height - bottom :], np.s_[:, :left], np.s_[:, width - right :]):
        image[part] = colour
    return image


def darkness(tiles):
    """A network to which everything darker than 200 in green is a neutrophil."""
    dark = tiles[:, :, :, 1] < 200
    return np.eye(10, dtype=np.float32)[np.where(dark, 3, 0)]


@pytest.mark.parametrize("border", [(0, 0, 0, 0), (2, 0, 0, 0), (0, 3, 0, 1), (5, 4, 3, 2)])
def test_a_dark_border_is_measured_and_a_line_beside_it_belongs_to_it(border):
    expected = tuple(lines + 1 if lines else 0 for lines in border)
    assert dark_border(borderd(field(), *border)) == expected


def test_a_border_that_cuts_through_cells_is_no_border():
    crowded = np.full((60, 60, 3), CELL, np.uint8)
    crowded[:, ::7] = SLIDE  # a seventh of each row is slide; whole columns are cell
    crowded[::7] = SLIDE
    assert dark_border(crowded) == (0, 0, 0, 0)


def test_half_a_picture_in_the_dark_is_no_border():
    assert dark_border(borderd(field(), left=130)) == (0, 0, 0, 0)


def test_an_empty_black_picture_has_no_border():
    assert dark_border(np.zeros((50, 50, 3), np.uint8)) == (0, 0, 0, 0)


@pytest.mark.parametrize("slide", [(255, 255, 255), SLIDE, (255, 247, 120), (140, 150, 130)])
def test_the_slide_becomes_white_and_cells_keep_their_transmittance(slide):
    levels = white_levels(background_colour(field(slide=slide)))
    channels = np.arange(3)
    assert np.abs(levels[list(slide), channels].astype(int) - WHITE).max() <= 1
    half = [value // 2 for value in slide]
    assert np.abs(levels[half, channels].astype(int) - WHITE // 2).max() <= 2


def test_a_picture_without_light_is_kept_as_it_is():
    assert np.array_equal(white_levels(np.array([40.0, 60.0, 50.0])), Preprocessing.none().levels)


def test_a_border_is_background_and_the_field_within_is_where_it_was():
    image = borderd(field(300, 330), top=2, bottom=1, right=4)
    found = segment_image(image, darkness, AT_40X)
    inside = np.s_[3:298, :325]  # a line more on each side that has a border
    assert np.array_equal(found.labels[inside] == 3, image[inside][:, :, 1] == CELL[1])
    outside = np.ones(image.shape[:2], bool)
    outside[inside] = False
    assert not found.labels[outside].any()
    assert (found.probabilities[outside][:, 0] == 1).all()
    plain = PredictionConfig(preprocess=False)
    assert segment_image(image, darkness, AT_40X, plain).labels[0].all()  # else it is one long cell


def test_yellow_light_changes_nothing():
    white = field(slide=(250, 250, 250))
    yellow = (white * np.array([1.0, 0.97, 0.5])).astype(np.uint8)
    a, b = (segment_image(image, darkness, AT_40X) for image in (white, yellow))
    assert np.array_equal(a.labels, b.labels)


def through_an_eyepiece(size=400, radius=180):
    y, x = np.mgrid[:size, :size] - size / 2
    beyond = np.hypot(y, x) > radius
    image = field(size, size)
    image[beyond] = 12
    return image, beyond


def test_what_lies_beyond_the_eyepiece_is_background():
    image, beyond = through_an_eyepiece()
    found = segment_image(image, darkness, AT_40X)
    # slivers of the rim, where it touches the border
    assert np.count_nonzero(found.labels[beyond]) < 20
    inside = np.hypot(*(np.mgrid[:400, :400] - 200)) < 170  # away from the rim
    assert np.array_equal(found.labels[inside] == 3, image[inside][:, 1] == CELL[1])
    assert (found.labels[inside] == 3).sum() > 20_000


def test_a_large_picture_is_looked_at_reduced():
    image, beyond = through_an_eyepiece(2400, 1100)
    outside = outside_view(image)
    assert outside.shape == (800, 800)
    dark = replace(Preprocessing.none(), outside=outside).outside_rows(0, 2400, 2400, 2400)
    assert (dark[beyond]).mean() > 0.999
    assert not dark[np.hypot(*(np.mgrid[:2400, :2400] - 1200)) < 1060].any()


@pytest.mark.parametrize("step", [1, 3, 7])
def test_what_is_in_view_is_neither_border_nor_outside(step):
    outside = np.zeros((20, 30), bool)
    outside[:4, :6] = True  # of 100 x 90 pixels within the border: 20 rows of 18
    preparation = replace(Preprocessing.none(), border=(5, 2, 3, 1), outside=outside)
    expected = np.zeros((107, 94), bool)
    expected[5:105, 3:93] = True
    expected[5:25, 3:21] = False
    seen = preparation.in_view(107, 94, step)
    np.testing.assert_array_equal(seen, expected[::step, ::step])


def test_dark_cells_at_the_border_are_no_outside():
    image = field()
    image[:20, 60:75] = (60, 20, 110)  # a nucleus: dark, but blue
    image[190:, 100:104] = 5  # dirt
    assert outside_view(image) is None


def red_cells():
    """Eighty discs of a red cell's size on white, of half the transmittance in green."""
    image = np.full((400, 500, 3), 250, np.uint8)
    for y in range(25, 400, 50):
        for x in range(25, 500, 50):
            cv2.circle(image, (x, y), 17, (200, 125, 180), -1)
    return image


def test_cells_are_brought_to_the_reference_and_white_stays_white():
    prepared = Preprocessing.of(red_cells())
    cell = cv2.LUT(red_cells(), prepared.levels[None])[25, 25]
    assert cell == pytest.approx(WHITE * np.exp(-np.array(REFERENCE_DENSITY)), abs=1.5)
    assert prepared.levels[250].tolist() == [WHITE] * 3
    assert prepared.stain.density == pytest.approx(
        np.log(250 / np.array([200, 125, 180])), abs=0.01
    )
    assert (np.diff(prepared.levels.astype(int), axis=0) >= 0).all()


def test_without_the_reference_stain_only_the_background_is_corrected():
    plain = Preprocessing.of(red_cells(), reference_stain=False)
    assert plain.stain == UNKNOWN_STAIN and plain.levels is plain.white
    assert Preprocessing.of(red_cells()).white.tolist() == plain.white.tolist()


@pytest.mark.parametrize(
    ("radii", "expected"),
    [
        ((17,), True),  # of 908 pixels
        ((9,), False),  # 254: less than a red cell
        ((26,), False),  # 2124: more than one
        ((16, 12), False),  # two cells
        ((), False),
    ],
)
def test_one_cell_on_black_is_told_from_what_else_a_small_picture_shows(radii, expected):
    image = np.zeros((70, 70, 3), np.uint8)
    for radius, x in zip(radii, (20, 54) if len(radii) == 2 else (35,), strict=False):
        cv2.circle(image, (x, 35), radius, (215, 150, 145), -1)
    prepared = Preprocessing.of(image)
    assert prepared.one_cell == expected
    assert not expected or prepared.border == (0, 0, 0, 0)


def test_a_small_picture_without_black_is_no_cell_cut_out():
    assert not Preprocessing.of(np.full((40, 40, 3), 200, np.uint8)).one_cell


@pytest.mark.parametrize("turns", range(4))
def test_what_is_outside_turns_with_the_picture(turns):
    """An eyepiece beside the middle, in a picture that is wider than high."""
    y, x = np.ogrid[:200, :260]
    image = field()
    image[(y - 120) ** 2 + (x - 110) ** 2 > 100**2] = 0
    turned = outside_view(np.ascontiguousarray(np.rot90(image, turns)))
    # OpenCV's small ellipses are not round
    assert (turned != np.rot90(outside_view(image), turns)).mean() < 0.01
