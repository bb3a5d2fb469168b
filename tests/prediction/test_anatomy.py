from dataclasses import replace

import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import (
    BACKGROUND,
    HEALTHY_RBC,
    INFECTED_RBC,
    LYMPHOCYTE,
    MONOCYTE,
    THROMBOCYTE,
    WBC_IDS,
)
from bloodseg_lib.prediction import anatomy
from bloodseg_lib.prediction.anatomy import mend_cells, missed, red_stain, without_nucleus
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.scale import AT_40X, Scale

SLIDE, RED, TWO_RED, NUCLEUS = (250, 250, 250), (190, 160, 200), (145, 103, 160), (120, 40, 150)
LEVELS = Preprocessing.none().levels
MIDDLE = (120, 120)


def a_field(colour=NUCLEUS, radius=15, class_id=HEALTHY_RBC, cells=9):
    """Red cells in rows, and in the middle a disc of a colour within a pale body, all labelled as
    red cells; probabilities of 0.6 for the label, and 0.3 for lymphocytes.
    """
    image = np.full((240, 240, 3), SLIDE, np.uint8)
    labels = np.zeros((240, 240), np.uint8)
    places = [(x, y) for y in (30, 120, 210) for x in (30, 120, 210)][:cells]
    for place in places:
        cv2.circle(image, place, 18, RED, -1)
        cv2.circle(labels, place, 18, HEALTHY_RBC, -1)
    cv2.circle(image, MIDDLE, 20, (225, 205, 235), -1)
    cv2.circle(labels, MIDDLE, 20, class_id, -1)
    cv2.circle(image, MIDDLE, radius, colour, -1)
    probabilities = np.full((240, 240, 10), 0.1 / 8, np.float32)
    probabilities[..., LYMPHOCYTE] = 0.3
    np.put_along_axis(probabilities, labels[:, :, None].astype(int), 0.6, axis=2)
    return image, labels, (probabilities / probabilities.sum(2, keepdims=True)).astype(np.float16)


def mended(image, labels, probabilities, scale=AT_40X, preparation=None, written=None):
    mend_cells(image, labels, probabilities, scale, preparation or Preprocessing.none(), written)
    return labels


@pytest.mark.parametrize(
    ("class_id", "radius", "is_white"),
    [
        (HEALTHY_RBC, 15, True),
        (HEALTHY_RBC, 6, False),  # a platelet on a red cell, or a parasite
        (INFECTED_RBC, 15, False),  # a parasite may fill its cell
        (INFECTED_RBC, 20, True),  # but is not larger than one
        (BACKGROUND, 15, False),
    ],
)
def test_a_nucleus_that_is_taken_for_a_red_cell_is_of_a_white_one(class_id, radius, is_white):
    image, labels, probabilities = a_field(radius=radius, class_id=class_id)
    before = labels.copy()
    mended(image, labels, probabilities)
    if not is_white:
        np.testing.assert_array_equal(labels, before)
        return
    white = labels == LYMPHOCYTE
    disc = cv2.circle(np.zeros((240, 240), np.uint8), MIDDLE, radius, 1, -1) > 0
    assert white[disc].mean() > 0.97
    assert 1 <= white.sum() / disc.sum() < 2.2  # the body around it may be found or not
    np.testing.assert_array_equal(labels[~white], before[~white])
    sums = probabilities[white].astype(float)
    np.testing.assert_allclose(sums.sum(axis=1), 1, atol=0.01)
    np.testing.assert_allclose(sums[:, WBC_IDS].sum(axis=1), 1, atol=0.01)
    assert (sums.argmax(axis=1) == LYMPHOCYTE).all()


@pytest.mark.parametrize(
    "colour",
    [
        TWO_RED,  # they overlap: twice as dense, of their hue
        (60, 60, 60),  # dirt
        (165, 110, 175),  # not dense enough
    ],
)
def test_what_is_no_nucleus_stays(colour):
    image, labels, probabilities = a_field(colour)
    before = labels.copy()
    np.testing.assert_array_equal(mended(image, labels, probabilities), before)


def test_the_same_at_any_scale_and_in_255ths():
    image, labels, probabilities = (each.repeat(3, 0).repeat(3, 1) for each in a_field())
    bytes_ = np.rint(probabilities.astype(float) * 255).astype(np.uint8)
    third = mended(image, labels, bytes_, Scale.of_factor(1 / 3)) == LYMPHOCYTE
    whole = mended(*a_field()) == LYMPHOCYTE
    assert third.sum() / 9 == pytest.approx(whole.sum(), rel=0.1)
    assert (bytes_[third][:, WBC_IDS].sum(axis=1) > 250).all()


def test_nothing_where_nothing_is_to_be_seen():
    image, labels, probabilities = a_field()
    before, written = labels.copy(), np.zeros(labels.shape, bool)
    written[100:140, 100:140] = True
    mended(image, labels, probabilities, written=written)
    np.testing.assert_array_equal(labels, before)
    outside = np.zeros((24, 24), bool)
    outside[9:15, 9:15] = True
    mended(image, labels, probabilities, preparation=replace(Preprocessing.none(), outside=outside))
    np.testing.assert_array_equal(labels, before)
    lines = replace(Preprocessing.none(), border=(0, 140, 0, 0))
    mended(image, labels, probabilities, preparation=lines)
    np.testing.assert_array_equal(labels, before)


def test_without_red_cells_nothing_is_known_of_their_stain():
    image, labels, probabilities = a_field(cells=0)
    labels[labels == HEALTHY_RBC] = MONOCYTE
    assert red_stain(image, labels, AT_40X, LEVELS) is None
    before = labels.copy()
    np.testing.assert_array_equal(mended(image, labels, probabilities), before)


def test_the_stain_of_red_cells_by_hand():
    image, labels, _ = a_field(RED)
    labels[labels == LYMPHOCYTE] = BACKGROUND
    np.testing.assert_allclose(
        red_stain(image, labels, AT_40X, LEVELS), -np.log(np.array(RED) / 250), atol=1e-5
    )


@pytest.mark.parametrize(("colour", "is_pale"), [((240, 235, 245), True), (NUCLEUS, False)])
def test_a_white_cell_without_a_nucleus_becomes_the_next_it_may_be(colour, is_pale):
    image, labels, probabilities = a_field(colour, radius=20, class_id=MONOCYTE)
    probabilities[..., BACKGROUND] = 0.2
    red = red_stain(image, labels, AT_40X, LEVELS)
    assert len(without_nucleus(image, labels, AT_40X, LEVELS, red)) == is_pale
    white = labels == MONOCYTE
    mended(image, labels, probabilities)
    assert (labels[white] == (BACKGROUND if is_pale else MONOCYTE)).all()
    if is_pale:
        assert (probabilities[white][:, WBC_IDS] == 0).all()


def test_a_nucleus_at_the_edge_of_the_picture():
    image, labels, _ = (np.roll(each, (-105, -105), (0, 1)) for each in a_field())
    red = red_stain(image, labels, AT_40X, LEVELS)
    (cell,) = missed(image, labels, AT_40X, LEVELS, red, np.ones((120, 120), bool))
    assert (cell.box.x, cell.box.y) == (0, 0)
    assert cell.box.right <= 240 and cell.mask.shape == (cell.box.height, cell.box.width)


@pytest.mark.parametrize(("colour", "is_fragment"), [((235, 225, 240), True), (RED, False)])
def test_a_fragment_beside_a_white_cell_is_none_where_no_red_cell_tells(colour, is_fragment):
    image, labels, probabilities = a_field(radius=20, class_id=MONOCYTE, cells=0)
    cv2.circle(image, (190, 60), 18, colour, -1)
    cv2.circle(labels, (190, 60), 18, MONOCYTE, -1)
    probabilities[..., BACKGROUND] = 0.2
    mended(image, labels, probabilities)
    assert labels[60, 190] == (BACKGROUND if is_fragment else MONOCYTE)
    assert labels[MIDDLE] == MONOCYTE


@pytest.mark.parametrize(
    ("colour", "radius", "is_red"),
    [
        (RED, 18, True),
        ((205, 185, 215), 18, True),  # a paler one
        (RED, 10, False),  # small
        ((170, 90, 190), 18, False),  # granules
        ((240, 238, 242), 18, False),  # hardly anything
    ],
)
def test_a_platelet_as_large_as_a_red_cell_and_of_its_stain_is_one(colour, radius, is_red):
    image, labels, probabilities = a_field(RED, class_id=HEALTHY_RBC)
    platelet = cv2.circle(np.zeros((240, 240), np.uint8), (75, 75), radius, 1, -1) > 0
    image[platelet], labels[platelet] = colour, THROMBOCYTE
    probabilities[platelet] = 0.02
    probabilities[platelet, THROMBOCYTE] = 0.8
    probabilities[platelet, INFECTED_RBC] = 0.04
    mended(image, labels, probabilities)
    assert (labels[platelet] == (HEALTHY_RBC if is_red else THROMBOCYTE)).all()
    if is_red:
        assert (probabilities[platelet][:, THROMBOCYTE] == 0).all()
        np.testing.assert_allclose(probabilities[platelet, HEALTHY_RBC], 0.84, atol=0.01)


@pytest.mark.parametrize("band", [20, 30, 64])
def test_the_same_cells_in_bands_of_any_height(monkeypatch, band):
    image, labels, _ = a_field()
    image, labels = np.vstack([image] * 2), np.vstack([labels] * 2)
    red = red_stain(image, labels, AT_40X, LEVELS)
    seen = np.ones((240, 120), bool)
    at_once = missed(image, labels, AT_40X, LEVELS, red, seen)
    assert len(at_once) == 2
    monkeypatch.setattr(anatomy, "_BAND", band)
    monkeypatch.setattr(anatomy, "_OVERLAP", 20)
    in_bands = missed(image, labels, AT_40X, LEVELS, red, seen)
    assert [cell.box for cell in in_bands] == [cell.box for cell in at_once]


def test_what_was_surely_of_a_white_cell_without_a_nucleus_is_background():
    image, labels, probabilities = a_field((240, 235, 245), radius=20, class_id=MONOCYTE)
    white = labels == MONOCYTE
    probabilities[white] = np.eye(10)[MONOCYTE]
    mended(image, labels, probabilities)
    assert (labels[white] == BACKGROUND).all()
    np.testing.assert_array_equal(probabilities[white][:, BACKGROUND], 1)
