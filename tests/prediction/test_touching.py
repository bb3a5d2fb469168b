import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.prediction import cells
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.touching import (
    _basins,
    _distance_to_rim,
    _necks,
    _outstanding,
    _without_gaps_between_cells,
    separated,
)

NOT_CUT = ((False, False), (False, False))


def surface(*rows):
    return np.array(rows, np.float32)


def test_distances_to_the_rim_are_exact():
    mask = np.ones((5, 9), np.uint8)
    mask[0, 0] = 0
    distance = _distance_to_rim(mask, 3, NOT_CUT)
    assert distance[2, 4] == 3 and distance[1, 1] == np.sqrt(np.float32(2))
    # cut at the top: continued upwards, the nearest rim is below
    cut_above = ((True, False), (False, False))
    assert _distance_to_rim(np.ones((5, 9), np.uint8), 9, cut_above)[0, 4] == 5


def test_a_neck_is_where_two_basins_meet_farthest_from_the_rim():
    basins = np.array([[1, 1, 2], [1, 2, 2], [3, 3, 0]])
    distance = surface([4, 3, 5], [2, 2, 6], [1, 1, 0])
    assert _necks(basins, distance) == [(1, 2, 3.0), (1, 3, 1.0), (2, 3, 1.0)]


@pytest.mark.parametrize(("least", "tops"), [(0.5, [1, 2, 3]), (1.5, [1, 3]), (3, [1])])
def test_a_top_stands_out_by_its_height_above_the_neck_to_a_higher_one(least, tops):
    # tops of 9, 6 and 8; 2 stands out by 1 above the neck to 3, and 3 by 3 above that to 1
    necks = _necks(np.array([[1, 1, 2, 2, 3, 3]]), surface([9, 5, 5, 6, 5, 8]))
    assert _outstanding(necks, np.array([0.0, 9, 6, 8]), least) == tops


def crowd(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros((160, 160), np.uint8)
    for x, y, radius in zip(*rng.integers(20, 140, (2, 8)), rng.integers(10, 22, 8), strict=True):
        cv2.circle(mask, (int(x), int(y)), int(radius), 1, -1)
    return mask


def numbered_tops(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    distance = _distance_to_rim(crowd(seed), 18, NOT_CUT)
    tops = local_maxima(distance) & (distance > 0)
    count, numbers = cv2.connectedComponents(tops.astype(np.uint8))
    heights = np.zeros(count)
    heights[numbers[tops]] = distance[tops]
    return distance, numbers, heights


@given(st.integers(0, 2**32 - 1))
def test_as_many_tops_stand_out_as_by_reconstruction(seed):
    """h-maxima, Soille 2003: lowered by the height and filled up again, a surface has a maximum
    only where the old one stood out as much.
    """
    distance, numbers, heights = numbered_tops(seed)
    basins, slopes = _basins(distance, numbers)
    found = _outstanding(_necks(basins, distance), np.append(heights, slopes), 0.9)
    filled = reconstruction(distance - 0.9, distance)
    kept, _ = cv2.connectedComponents((local_maxima(filled) & (distance > 0)).astype(np.uint8))
    # where nothing stands out, a whole component is one top of the filled surface, and has one here
    assert len(found) == kept - 1


@given(st.integers(0, 2**32 - 1), st.floats(0, 6))
def test_the_same_tops_stand_out_as_of_basins_that_are_flooded(seed, least):
    distance, numbers, heights = numbered_tops(seed)
    flooded = watershed(-distance, numbers, connectivity=2, mask=distance > 0)
    basins, slopes = _basins(distance, numbers)
    found = _outstanding(_necks(basins, distance), np.append(heights, slopes), least)
    assert found == _outstanding(_necks(flooded, distance), heights, least)


def test_a_pixel_goes_up_to_its_top_and_a_flat_place_on_a_slope_is_a_basin_of_its_own():
    distance = np.sqrt(surface([9, 4, 1, 1, 0]))
    basins, slopes = _basins(distance, np.array([[1, 0, 0, 0, 0]], np.int32))
    assert basins.tolist() == [[1, 1, 1, 2, 0]] and slopes.tolist() == [1.0]


def test_two_rings_that_touch_are_two_cells_of_all_their_pixels():
    mask = np.zeros((60, 100), np.uint8)
    for x in (30, 62):
        cv2.circle(mask, (x, 30), 18, 1, -1)
        cv2.circle(mask, (x, 30), 6, 0, -1)  # the pale centre, called background
    parts = separated(mask > 0, 0.05, 1040, NOT_CUT)
    assert np.array_equal(parts > 0, mask > 0)
    left, right = np.count_nonzero(parts == 1), np.count_nonzero(parts == 2)
    assert parts.max() == 2 and abs(left - right) < 0.1 * left


def test_a_mask_that_the_border_cuts_on_all_sides_is_one_cell():
    """It has no rim, and no distance to it."""
    everywhere = ((True, True), (True, True))
    assert separated(np.ones((90, 120), bool), 0.05, 1040, everywhere).max() == 1


def test_a_part_of_which_the_mask_has_nothing_costs_the_others_nothing(monkeypatch):
    """A top within a pale centre that is called background."""
    labels = np.zeros((80, 120), np.uint8)
    labels[20:60, 10:110] = HEALTHY_RBC
    first_and_third = np.where(np.arange(100) < 50, 1, 3) * np.ones((40, 1), np.int32)
    monkeypatch.setattr(cells, "separated", lambda *_: first_and_third)
    found = cells.find_instances(labels, cells.GROUPS[2], AT_40X, cells.CountingConfig())
    assert [instance.box for instance in found] == [(10, 20, 50, 40), (60, 20, 50, 40)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_a_picture_turned_by_a_quarter_has_as_many_cells(seed, turns):
    mask = crowd(seed) > 0
    once, turned = (
        separated(np.ascontiguousarray(m), 0.05, 1040, NOT_CUT).max()
        for m in (mask, np.rot90(mask, turns))
    )
    assert once == turned


def tops(*placed, size=(60, 60)):
    """Arguments of ``_without_gaps_between_cells``: tops of (row, column, radius)."""
    numbers = np.zeros(size, np.int32)
    for number, (y, x, _) in enumerate(placed, 1):
        numbers[y, x] = number
    return list(range(1, 1 + len(placed))), numbers, np.array([0, *(r for *_, r in placed)], float)


@pytest.mark.parametrize("x", [6, 30, 53])  # beside a border too, where the discs are cut
@pytest.mark.parametrize("transposed", [False, True])
def test_a_disc_that_others_cover_is_a_gap_and_of_two_alike_one_stays(x, transposed):
    def kept(*placed):
        turned = [(b, a, r) if transposed else (a, b, r) for a, b, r in placed]
        return _without_gaps_between_cells(*tops(*turned))

    assert kept((30, x, 10), (30, x + 1, 10)) == [2]
    assert kept((30, x, 10), (31, x, 10), (32, x, 10)) == [3]
    assert kept((20, x, 10), (40, x, 10)) == [1, 2]
    # the large one hides nothing that the two small ones do not show
    assert kept((26, x, 7), (30, x, 8), (34, x, 7)) == [1, 3]
