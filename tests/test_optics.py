import numpy as np
import pytest

from bloodseg_lib.optics import (
    GREY_DENSITIES,
    background_colour,
    background_map,
    density_exceeded_by,
    field_transmittance,
    optical_density,
    scale_density,
)


def test_density_is_minus_the_logarithm_down_to_one_grey_level():
    densities = optical_density(np.array([1.0, 1 / np.e, 1 / 255, 0.0]))
    np.testing.assert_allclose(densities, [0, 1, np.log(255), np.log(255)])


def test_grey_levels_have_the_density_of_their_fraction_of_white():
    np.testing.assert_allclose(GREY_DENSITIES[[255, 51]], [0, np.log(5)], rtol=1e-6)


def field(glint=0):
    """Background (240, 230, 220), four fifths of it covered by a stain, and a glint."""
    image = np.full((50, 50, 3), (240, 230, 220), np.uint8)
    image[:40] = (200, 120, 160)
    image[45:, 50 - glint :] = 255
    return image


@pytest.mark.parametrize("glint", [0, 4])
def test_the_background_is_found_beside_many_cells_and_a_glint(glint):
    np.testing.assert_array_equal(background_colour(field(glint)), (240, 230, 220))


def test_around_a_cell_the_background_is_that_of_its_surroundings():
    image = np.full((40, 80, 3), 200, np.uint8)
    image[:, 40:] = 240
    window = np.s_[10:20, 10:20]
    np.testing.assert_array_equal(background_colour(image, window, reach_px=5), (200, 200, 200))


def test_uneven_light_is_divided_away():
    light = np.linspace(180, 240, 400).round().astype(np.uint8)
    image = np.tile(light[None, :, None], (100, 1, 3))
    assert background_map(image, rbc_diameter_px=10).shape == image.shape
    assert field_transmittance(image, rbc_diameter_px=10).min() > 0.93


def sample(*greys):
    rgba = np.zeros((1, len(greys), 4), np.uint8)
    rgba[0, :, :3] = np.array(greys)[:, None]
    rgba[..., 3] = 255
    return rgba


def test_twice_the_stain_squares_the_transmittance():
    doubled = scale_density(sample(255, 51), 2.0)
    # 255 * (51 / 255)**2 = 10.2
    np.testing.assert_array_equal(doubled[0, :, 0], [255, 10])
    assert (doubled[..., 3] == 255).all()


def test_the_density_that_a_fraction_exceeds_is_of_the_pixels_inside():
    rgba = sample(10, 51, 255, 0)
    rgba[0, 3, 3] = 0  # outside
    np.testing.assert_allclose(density_exceeded_by(rgba, 0.5), np.full(3, np.log(5)), rtol=1e-6)
