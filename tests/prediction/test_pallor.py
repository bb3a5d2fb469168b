import cv2
import numpy as np
import pytest

from bloodseg_lib.prediction.pallor import fill_pale_centres

CELL = cv2.circle(np.zeros((80, 80), np.uint8), (40, 40), 30, 1, -1)


def cell_with_hole(hole):
    mask = CELL.copy()
    mask[30 : 30 + hole.shape[0], 30 : 30 + hole.shape[1]] &= 1 - hole
    return mask


ROUND = cv2.circle(np.zeros((21, 21), np.uint8), (10, 10), 9, 1, -1)
POINTED = np.zeros((21, 21), np.uint8)  # between three discs: concave on all sides
POINTED[10], POINTED[:, 10] = 1, 1
LONG = np.ones((3, 20), np.uint8)


def is_filled(hole, *limits, **options):
    return np.array_equal(fill_pale_centres(cell_with_hole(hole), *limits, **options), CELL)


def test_a_round_hole_is_filled_and_a_pointed_gap_stays():
    assert is_filled(ROUND, 10) and not is_filled(POINTED, 10)


def test_a_tiny_hole_is_filled_whatever_its_shape():
    assert is_filled(POINTED, int(POINTED.sum()))


@pytest.mark.parametrize(
    ("hole", "options"), [(ROUND, {"largest_px": 100}), (LONG, {"elongation": 2.2})]
)
def test_a_hole_beyond_a_limit_stays(hole, options):
    assert is_filled(hole, 10) and not is_filled(hole, 10, **options)


def test_what_is_open_to_the_border_is_not_a_hole():
    mask = np.ones((20, 20), np.uint8)
    mask[:5, 8:12] = 0
    np.testing.assert_array_equal(fill_pale_centres(mask, 1000), mask)


@pytest.mark.parametrize("edge", ["left", "top", "right", "bottom", "inside"])
def test_a_hole_that_the_edge_of_the_picture_cuts_stays(edge):
    mask = np.ones((30, 50), np.uint8)
    rows, columns = {
        "left": np.s_[10:14, 0:4],
        "top": np.s_[0:4, 20:24],
        "right": np.s_[10:14, 46:50],
        "bottom": np.s_[26:30, 20:24],
        "inside": np.s_[1:5, 1:5],
    }[edge]
    mask[rows, columns] = 0
    assert (fill_pale_centres(mask, 100).all()) == (edge == "inside")
