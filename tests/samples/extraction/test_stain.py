"""The reference stain: measured on red cells, never on white ones, and left alone where too few are
seen.
"""

import cv2
import numpy as np
import pytest

from bloodseg_lib.optics import GREY_DENSITIES, WHITE, white_levels
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.samples.extraction.stain import REFERENCE_DENSITY, UNKNOWN_STAIN, Stain

AS_IS = white_levels(np.array([WHITE] * 3))


def smear(red_cells, density, nucleus=0, size=(400, 500), background=(WHITE,) * 3):
    """Discs of 37 pixels of one optical density on a plain background; one large dark nucleus."""
    image = np.full((*size, 3), background, np.uint8)
    colour = np.array(background) * np.exp(-np.array(density))
    spots = [(x, y) for y in range(30, size[0] - 20, 50) for x in range(30, size[1] - 20, 50)]
    for x, y in spots[:red_cells]:
        cv2.circle(image, (x, y), 18, colour.round().tolist(), -1)
    if nucleus:
        cv2.circle(image, (size[1] // 2, size[0] // 2), nucleus, (60, 30, 110), -1)
    return image


@pytest.mark.parametrize("density", [(0.25, 0.37, 0.22), (0.5, 0.8, 0.4), (0.1, 0.2, 0.1)])
def test_the_density_of_the_red_cells_is_measured_in_every_channel(density):
    found = Stain.of(smear(60, density), 1.0, AS_IS)
    assert found.density == pytest.approx(density, abs=0.02)


def test_a_white_cell_does_not_count_even_where_it_is_larger_than_all_red_cells():
    plain = Stain.of(smear(10, (0.3, 0.4, 0.2)), 1.0, AS_IS)
    with_nucleus = Stain.of(smear(10, (0.3, 0.4, 0.2), nucleus=90), 1.0, AS_IS)
    assert with_nucleus.density == pytest.approx(plain.density, abs=0.02)


@pytest.mark.parametrize("red_cells", [0, 1])
def test_a_stain_that_too_few_red_cells_show_is_left_as_it_is(red_cells):
    found = Stain.of(smear(red_cells, (0.3, 0.4, 0.2)), 1.0, AS_IS)
    assert found == UNKNOWN_STAIN
    assert found.factors.tolist() == [1, 1, 1]
    assert "too few" in str(found)


def test_the_stain_does_not_depend_on_the_magnification():
    image = smear(60, (0.4, 0.6, 0.3))
    enlarged = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert Stain.of(enlarged, 0.5, AS_IS).density == pytest.approx(
        Stain.of(image, 1.0, AS_IS).density, abs=0.03
    )


def test_a_large_image_is_measured_in_windows_all_over_it():
    image = smear(10**6, (0.4, 0.6, 0.3), size=(2600, 3000))
    assert Stain.of(image, 1.0, AS_IS).density == pytest.approx((0.4, 0.6, 0.3), abs=0.02)


def test_factors_are_clipped():
    assert Stain((2.5, 0.37, 0.01)).factors == pytest.approx([0.2, 1, 2.5])


def test_preprocessing_brings_the_red_cells_to_the_reference_and_keeps_the_background_white():
    image = smear(60, (0.5, 0.7, 0.4), background=(230, 220, 180))
    levels = Preprocessing.of(image).levels
    seen = cv2.LUT(image, levels[None])
    cell, background = seen[30, 30], seen[0, 0]
    assert (GREY_DENSITIES[cell] - GREY_DENSITIES[WHITE]) == pytest.approx(
        REFERENCE_DENSITY, abs=0.02
    )
    assert background == pytest.approx([WHITE] * 3, abs=1)


def test_without_reference_stain_only_the_background_becomes_white():
    image = smear(60, (0.5, 0.7, 0.4), background=(230, 220, 180))
    plain = Preprocessing.of(image, reference_stain=False)
    assert plain.stain == UNKNOWN_STAIN
    cell = cv2.LUT(image, plain.levels[None])[30, 30]
    density = GREY_DENSITIES[cell] - GREY_DENSITIES[WHITE]
    assert density == pytest.approx([0.5, 0.7, 0.4], abs=0.02)
