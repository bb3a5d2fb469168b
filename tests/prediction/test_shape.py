"""Perimeter, roundness and outline of a cell."""

import math

import numpy as np
import pytest
from skimage.draw import polygon2mask

from bloodseg_lib.prediction.shape import components, outline, perimeter_and_circularity


def disc(radius):
    rows, columns = np.ogrid[-radius - 4 : radius + 5, -radius - 4 : radius + 5]
    return rows**2 + columns**2 <= radius**2


@pytest.mark.parametrize("radius", [9, 18, 60, 1500])
def test_a_disc_has_the_perimeter_of_a_circle_and_is_round(radius):
    perimeter, circularity = perimeter_and_circularity(disc(radius))
    assert perimeter == pytest.approx(2 * math.pi * radius, rel=0.02)
    assert circularity == pytest.approx(1, abs=0.05)


def test_what_is_long_is_not_round():
    _, circularity = perimeter_and_circularity(np.ones((20, 80), bool))
    assert circularity == pytest.approx(4 * math.pi * 1600 / 200**2, rel=0.15)  # 0.50


def test_a_pale_centre_changes_neither():
    hollow = disc(18)
    hollow[18:27, 18:27] = 0
    assert perimeter_and_circularity(hollow) == perimeter_and_circularity(disc(18))


def test_what_touches_the_border_of_the_image_is_no_component_wherever_the_others_lie():
    mask = np.zeros((30, 40), bool)
    mask[5:9, 10:14] = mask[20:30, 20:24] = mask[10:14, 36:40] = True
    mask[5, 20] = True  # too small
    assert components(mask, 2, border_rule=True) == 1
    assert components(mask, 2, border_rule=False) == 3


def test_where_there_is_too_little_there_is_no_component():
    assert components(np.zeros((5, 5), bool), 0, border_rule=True) == 0


def test_an_outline_holds_the_centres_of_the_cell_s_pixels_and_no_others():
    mask = disc(18) & (np.arange(45) % 44 > 0)
    mask[10:20, 20:] = False  # a bay
    points = outline(mask, x=100, y=50)
    assert (points[0] == points[-1]).all()
    rows_and_columns = points[:, ::-1] - (50, 100) - 0.5  # centres of pixels at whole numbers
    np.testing.assert_array_equal(polygon2mask(mask.shape, rows_and_columns), mask)


def test_an_outline_has_points_at_its_turns_only_and_begins_at_the_corner_of_the_image():
    """A rectangle of 5 x 3 pixels, its four corners cut from one half of a pixel's side to the
    next."""
    points = outline(np.ones((3, 5), bool))
    cut = {(0, 0.5), (0.5, 0), (4.5, 0), (5, 0.5), (5, 2.5), (4.5, 3), (0.5, 3), (0, 2.5)}
    assert {tuple(point) for point in points.tolist()} == cut and len(points) == 9


def test_an_outline_is_the_outer_one_and_not_that_of_a_hole():
    ring = np.ones((9, 9), bool)
    ring[1:8, 1:8] = False
    ring[2:7, 4] = True  # within the hole, a wall makes two of it
    comb = np.ones((20, 20), bool)  # whose hole has a longer outline
    comb[2:18:2, 2:18] = comb[2:18, 2] = False
    for mask in (ring, comb):
        assert outline(mask).min() == 0 and outline(mask).max() == len(mask)


def test_components_meet_by_their_sides_and_count_from_the_smallest_area():
    mask = np.zeros((20, 30), bool)
    mask[2:4, 2:4] = mask[4:6, 4:6] = True  # 4 pixels each, which meet by a corner
    mask[10:13, 0:3] = mask[0:3, 10:13] = True  # 9 at the left and the top border
    mask[17:20, 10:13] = mask[8:11, 27:30] = True  # 9 at the bottom and the right border
    mask[10, 15] = True
    assert components(mask, 4, border_rule=False) == 6
    assert components(mask, 4, border_rule=True) == 4
    assert components(mask, 5, border_rule=True) == 2
    assert components(mask, 1, border_rule=True) == 5
    assert components(np.zeros((5, 5), bool), 1, border_rule=True) == 0
