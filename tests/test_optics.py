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
    white_levels,
    windows_at_40x,
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


def flat(height, width, colour):
    return np.full((height, width, 3), colour, np.uint8)


def test_a_background_has_the_green_that_is_frequent_not_the_blue():
    image = flat(50, 50, (200, 120, 220))
    image[:20] = (240, 230, 220)
    colour = background_colour(image)
    assert colour.tolist() == [240, 230, 220] and colour.dtype == np.float32


def test_a_glint_of_less_than_two_in_a_hundred_pixels_is_no_background():
    image = flat(50, 100, 225)
    image[20:30, 40:51] = 255  # further above than the span of 24 grey levels
    assert background_colour(image).tolist() == [225, 225, 225]


@pytest.mark.parametrize("channels", [3, 4])
def test_scaled_densities_are_grey_levels_again(channels):
    assert scale_density(np.full((2, 2, channels), 200, np.uint8), 1.5).dtype == np.uint8


def test_no_background_is_below_one_so_that_it_can_be_divided_by():
    assert background_colour(flat(20, 20, 0)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("rows", "reach", "expected"),
    [
        (slice(20, 24), 0, 200),
        (slice(20, 24), 8, 210),  # 8 rows of 210 before it
        (slice(26, 30), 8, 220),  # 8 rows of 220 after it
        (slice(0, 4), 8, 230),  # the margin ends with the image
    ],
)
def test_around_a_cell_a_background_is_searched_within_reach_of_its_window(rows, reach, expected):
    image = flat(60, 40, 60)
    for begin, end, value in ((0, 4, 230), (12, 20, 210), (20, 24, 200), (30, 38, 220)):
        image[begin:end] = value
    columns = slice(0, 40)
    assert background_colour(image, (rows, columns), reach).tolist() == [expected] * 3
    turned = np.ascontiguousarray(image.transpose(1, 0, 2))
    assert background_colour(turned, (columns, rows), reach).tolist() == [expected] * 3


@pytest.mark.parametrize("turned", [False, True])
def test_a_background_map_has_the_colour_of_each_tile_and_between_them_a_mean(turned):
    # a red cell of 10 px: tiles of 100 px
    field = np.hstack([flat(100, 100, 200), flat(100, 100, 240)])
    found = background_map(field.transpose(1, 0, 2) if turned else field, 10)
    assert found.shape == ((200, 100, 3) if turned else (100, 200, 3))
    line = found[:, 50, 1] if turned else found[50, :, 1]
    np.testing.assert_allclose(line[[20, 49, 100, 150, 190]], [200, 200, 220.2, 240, 240], atol=0.5)


def test_a_tile_beyond_the_eyepiece_takes_the_colour_of_the_brightest_in_green():
    brightest, bluer, dark = (200, 220, 100), (200, 200, 180), (120, 100, 90)  # 100 < 0.6 * 220
    field = np.hstack([flat(100, 100, colour) for colour in (brightest, bluer, dark)])
    assert background_map(field, 10)[50, 299].tolist() == list(brightest)


def test_transmittance_of_a_field_is_its_fraction_of_the_background_and_one_at_most():
    image = flat(90, 90, 200)
    image[20:40, 20:40] = 100
    image[60:64, 60:64] = 250
    found = field_transmittance(image, 10)
    assert found[30, 30].tolist() == [0.5] * 3
    assert found[10, 10].tolist() == found[62, 62].tolist() == [1] * 3


def test_white_levels_make_a_background_white_and_keep_the_fractions():
    levels = white_levels(np.array([125, 250, 50]))
    assert levels.shape == (256, 3) and levels.dtype == np.uint8
    # 250 / 125, 250 / 250, and 250 / 60 of a channel with almost no light
    assert levels[[0, 10, 50, 100]].tolist() == [
        [0, 0, 0],
        [20, 10, 42],
        [100, 50, 208],
        [200, 100, 255],
    ]


@pytest.mark.parametrize(("brightest", "changed"), [(89, False), (90, True)])
def test_white_levels_of_what_no_transmitted_light_leaves_change_nothing(brightest, changed):
    levels = white_levels(np.array([20, brightest, 30]))
    assert (levels.tolist() != [[level] * 3 for level in range(256)]) == changed
    assert levels.dtype == np.uint8


def test_windows_are_at_most_nine_spread_over_the_image_at_40x():
    image = flat(3000, 700, 100)
    levels = np.repeat(np.arange(1, 257).clip(max=255).astype(np.uint8)[:, None], 3, axis=1)
    found = list(windows_at_40x(image, 1.0, levels))
    corners = [(place[0].start, place[1].start) for place, _ in found]
    assert corners == [(top, left) for top in (0, 1164, 2328) for left in (0, 28)]
    assert {window.shape for _, window in found} == {(672, 672, 3)}
    assert {int(value) for _, window in found for value in np.unique(window)} == {101}


def test_windows_of_a_small_image_are_the_whole_of_it_at_40x():
    (place, window), *others = windows_at_40x(flat(400, 600, 9), 0.5, np.zeros((256, 3), np.uint8))
    assert not others and (place[0].start, place[1].start) == (0, 0)
    assert window.shape == (200, 300, 3)


def test_windows_are_means_where_they_shrink_and_interpolated_where_they_grow():
    same = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    image = flat(8, 8, 0)
    image[:, ::4] = 100  # one column in four
    ((_, shrunk),) = windows_at_40x(image, 0.25, same)
    assert np.unique(shrunk).tolist() == [25]
    image[:, 4:], image[:, :4] = 100, 0
    ((_, grown),) = windows_at_40x(image, 2.0, same)
    assert grown[5, 6:10, 0].tolist() == [0, 25, 75, 100]


def test_the_density_that_a_fraction_exceeds_is_one_of_a_pixel_inside_channel_by_channel():
    rgba = np.array(
        [[[10, 100, 200, 255], [20, 110, 210, 128], [30, 120, 220, 255], [0, 0, 0, 127]]], np.uint8
    )
    half = density_exceeded_by(rgba, 0.5)
    assert half.tolist() == GREY_DENSITIES[[20, 110, 210]].tolist()
    # not between two pixels
    assert density_exceeded_by(rgba, 0.1).tolist() == GREY_DENSITIES[[10, 100, 200]].tolist()
