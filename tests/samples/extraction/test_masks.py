import numpy as np
import pytest

from bloodseg_lib.samples.extraction.masks import (
    CUT,
    NO_CELL,
    TOO_LARGE,
    TOO_RAGGED,
    TOO_SMALL,
    ShapeLimits,
    Unusable,
    central,
    check_shape,
    edge_contact,
    eroded,
    largest,
    opened,
    smooth,
    solidity,
)

SQUARE = np.s_[10:30, 10:30]


def marked(*windows, size=(40, 50)):
    mask = np.zeros(size, bool)
    for window in windows:
        mask[window] = True
    return mask


def test_largest_fills_holes_and_drops_the_rest():
    mask = marked(SQUARE, np.s_[0:5, 0:5])
    mask[18:22, 18:22] = False
    np.testing.assert_array_equal(largest(mask), marked(SQUARE))


def test_largest_of_nothing_is_unusable():
    with pytest.raises(Unusable, match="Nothing stands out") as error:
        largest(marked())
    assert error.value.reason == NO_CELL


def test_central_is_the_component_in_the_middle_and_not_the_largest():
    middle, side = np.s_[15:25, 20:30], np.s_[0:40, 0:10]
    np.testing.assert_array_equal(central(marked(middle, side)), marked(middle))
    with pytest.raises(Unusable, match="in the middle"):
        central(marked(side))


def test_opened_removes_what_is_thin():
    hair = np.s_[20:21, 30:45]
    assert not opened(marked(SQUARE, hair), 5)[20, 32:].any()


def test_smooth_fills_narrow_bays():
    notched = marked(SQUARE)
    notched[20:21, 10:20] = False
    assert smooth(notched, 5)[20, 14:20].all()


def test_a_cell_cut_by_the_border_keeps_its_corners():
    half = marked(np.s_[10:30, 0:20])
    np.testing.assert_array_equal(opened(half, 9)[:, 0], half[:, 0])


def test_eroded_loses_its_outermost_pixels_also_along_the_border():
    inner = marked(np.s_[2:7, 2:7], size=(9, 9))
    np.testing.assert_array_equal(eroded(np.ones((9, 9), bool), 2), inner)


def test_solidity_is_the_fraction_of_the_convex_hull():
    assert solidity(marked(SQUARE)) == 1
    corner = marked(SQUARE)
    corner[10:20, 20:30] = False  # 300 of 400 pixels; the hull has about half of the missing 100
    assert solidity(corner) == pytest.approx(300 / 350, abs=0.03)


def test_edge_contact_is_in_diameters():
    # 20 pixels on the border; a disc of 400 pixels is 22.57 across
    assert edge_contact(marked(np.s_[10:30, 0:20])) == pytest.approx(20 / 22.57, abs=0.001)
    assert edge_contact(marked(SQUARE)) == 0


@pytest.mark.parametrize(
    ("window", "limits", "reason"),
    [
        (SQUARE, ShapeLimits((401, 900), 0.5, 1), TOO_SMALL),
        (SQUARE, ShapeLimits((10, 399), 0.5, 1), TOO_LARGE),
        (np.s_[10:30, 0:20], ShapeLimits((10, 900), 0.5, 0.3), CUT),
    ],
)
def test_a_shape_beyond_a_limit_is_unusable(window, limits, reason):
    with pytest.raises(Unusable, match=r"f\.png") as error:
        check_shape(marked(window), 1, "f.png", limits)
    assert error.value.reason == reason


def test_a_ragged_shape_is_unusable_and_a_whole_one_is_not():
    check_shape(marked(SQUARE), 1, "f.png", ShapeLimits((400, 400), 1, 0))
    hairy = marked(SQUARE, np.s_[20:21, 30:48])
    with pytest.raises(Unusable, match=r"solidity 0\.\d\d < 0.9") as error:
        check_shape(hairy, 1, "f.png", ShapeLimits((10, 900), 0.9, 0))
    assert error.value.reason == TOO_RAGGED
