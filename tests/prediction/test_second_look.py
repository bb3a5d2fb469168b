import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, WBC_IDS
from bloodseg_lib.network.cell_view import RED_CELLS, WHITE_CELLS
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.probabilities import label_map_and_probabilities
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.second_look import look_again, together

EOSINOPHIL, _, NEUTROPHIL, *_ = WBC_IDS
IMAGE = np.full((120, 160, 3), 200, np.uint8)
LEVELS = Preprocessing.none().levels


class Says:
    """A second network that is sure of one class, and keeps what it saw."""

    def __init__(self, class_id):
        self.view = next(v for v in (WHITE_CELLS, RED_CELLS) if class_id in v.class_ids)
        ids = self.view.class_ids
        self.answer = np.eye(len(ids), dtype=np.float32)[ids.index(class_id)]
        self.seen = []

    def probabilities(self, cells):
        self.seen = cells
        return np.tile(self.answer, (len(cells), 1))


def a_field():
    """A white cell, half eosinophil and half neutrophil, each sure to 0.6, and a red cell."""
    labels = np.zeros((120, 160), np.uint8)
    labels[30:90, 30:60], labels[30:90, 60:90] = EOSINOPHIL, NEUTROPHIL
    labels[40:70, 120:150] = HEALTHY_RBC
    probabilities = np.full((120, 160, 10), 0.4 / 9)
    np.put_along_axis(probabilities, labels[:, :, None].astype(int), 0.6, axis=2)
    return labels, probabilities.astype(np.float16)


def test_a_white_cell_gets_one_class_and_all_else_stays():
    labels, probabilities = a_field()
    before, chances = labels.copy(), probabilities.copy()
    look_again(IMAGE, labels, probabilities, AT_40X, LEVELS, [Says(NEUTROPHIL)])
    white = np.isin(before, WBC_IDS)
    assert (labels[white] == NEUTROPHIL).all()
    np.testing.assert_array_equal(labels[~white], before[~white])
    np.testing.assert_array_equal(probabilities[~white], chances[~white])
    # how probable it is that a pixel is of a white cell at all
    np.testing.assert_allclose(
        probabilities[white][:, WBC_IDS].sum(axis=1), chances[white][:, WBC_IDS].sum(axis=1), 0.01
    )


def test_both_networks_together_by_hand():
    labels, probabilities = a_field()
    look_again(IMAGE, labels, probabilities, AT_40X, LEVELS, [Says(NEUTROPHIL)])
    # the first: half of 0.6 and 0.4 / 9 of two, 0.4 / 9 of three; the second: 1 and 0
    first, second = np.array([29, 4, 29, 4, 4]) / 70, np.array([0, 0, 1, 0, 0])
    both = (0.2 * first + 0.8 * second) ** 1.4
    white = 0.6 + 4 * 0.4 / 9
    expected = white * both / both.sum()
    np.testing.assert_allclose(probabilities[60, 45, list(WBC_IDS)], expected, atol=1e-3)


def test_the_mean_of_two_distributions_is_one():
    both = together(np.array([0.8, 0.2]), np.array([0.2, 0.8]), 0.5)
    np.testing.assert_allclose(both, [0.5, 0.5])
    both = together(np.array([0.9, 0.1]), np.array([0.9, 0.1]), 0.3)
    np.testing.assert_allclose(both, [0.9, 0.1], atol=1e-3)


@pytest.mark.parametrize(("first", "second", "infected"), [(0.38, 0.38, False), (0.2, 0.7, True)])
def test_a_red_cell_is_infected_where_both_together_find_it_likelier(first, second, infected):
    """Their odds are multiplied, each to the power of a half, and by 1.6."""
    labels = np.zeros((120, 160), np.uint8)
    labels[40:75, 60:95] = HEALTHY_RBC
    probabilities = np.zeros((120, 160, 10), np.float16)
    probabilities[..., INFECTED_RBC], probabilities[..., HEALTHY_RBC] = first, 1 - first
    network = Says(INFECTED_RBC)
    network.answer = np.where(network.answer > 0, second, 1 - second)
    look_again(IMAGE, labels, probabilities, AT_40X, LEVELS, [network])
    odds = 1.6 * (first / (1 - first) * second / (1 - second)) ** 0.5
    assert labels[60, 80] == (INFECTED_RBC if infected else HEALTHY_RBC)
    assert probabilities[60, 80, INFECTED_RBC] == pytest.approx(odds / (1 + odds), abs=2e-3)


def test_probabilities_in_255ths_too():
    labels, probabilities = a_field()
    bytes_ = np.rint(probabilities.astype(float) * 255).astype(np.uint8)
    fractions = (bytes_ / 255).astype(np.float16)  # the same, so that only the result is rounded
    look_again(IMAGE, labels, bytes_, AT_40X, LEVELS, [Says(EOSINOPHIL)])
    look_again(IMAGE, *a_field()[:1], fractions, AT_40X, LEVELS, [Says(EOSINOPHIL)])
    assert (labels[30:90, 30:90] == EOSINOPHIL).all()
    np.testing.assert_allclose(bytes_ / 255, fractions.astype(float), atol=0.003)


def test_probabilities_on_disk_are_changed_and_then_read_only_again():
    labels, probabilities = a_field()
    bands = iter([probabilities.astype(np.float32)])
    labels, on_disk = label_map_and_probabilities(bands, *labels.shape, on_disk=True)
    look_again(IMAGE, labels, on_disk, AT_40X, LEVELS, [Says(NEUTROPHIL)])
    assert (labels[30:90, 30:90] == NEUTROPHIL).all()
    assert on_disk[60, 45, NEUTROPHIL] > on_disk[60, 45, EOSINOPHIL]
    assert not on_disk.flags.writeable


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_it_sees_the_cell_in_the_middle_and_none_of_what_is_around(scale):
    labels, probabilities = a_field()
    # a step of two pixels, so that a cell at half the scale is the same
    enlarged = round(1 / scale)
    labels = labels.repeat(enlarged, 0).repeat(enlarged, 1)
    probabilities = probabilities.repeat(enlarged, 0).repeat(enlarged, 1)
    image = np.full((*labels.shape, 3), 200, np.uint8)
    image[np.isin(labels, WBC_IDS)] = (90, 40, 120)
    network = Says(NEUTROPHIL)
    look_again(image, labels, probabilities, Scale.of_factor(scale), LEVELS, [network])
    (blurs,) = network.seen
    assert len(blurs) == len(WHITE_CELLS.blurs_px)
    for cell in blurs:
        dark = cell[:, :, 1] < 0
        rows, columns = np.nonzero(dark)
        assert dark.sum() == pytest.approx(60 * 60, rel=0.06)
        assert (
            abs(rows.mean() - WHITE_CELLS.side_px / 2) < 1
            and abs(columns.mean() - WHITE_CELLS.side_px / 2) < 1
        )
        assert (cell[:8] == 1).all()


def test_a_white_cell_is_seen_sharp_and_blurred():
    labels, probabilities = a_field()
    image = IMAGE.copy()
    image[:, ::2] //= 2  # stripes of a pixel
    network = Says(NEUTROPHIL)
    look_again(image, labels, probabilities, AT_40X, LEVELS, [network])
    sharp, weakly, blurred = (np.ptp(cell[45:51, 20:76, 1]) for cell in network.seen[0])
    assert sharp > 0.5
    assert sharp > 10 * weakly > 100 * blurred


@pytest.mark.parametrize("beside", [0, 30])
def test_a_cell_larger_than_the_square_and_cut_by_the_border_is_looked_at(beside):
    labels = np.zeros((200 + 2 * beside, 230 + 2 * beside), np.uint8)
    cell = np.s_[beside : beside + 200, beside : beside + 230]
    labels[cell] = NEUTROPHIL
    probabilities = np.full((*labels.shape, 10), 0.1, np.float16)
    image = np.full((*labels.shape, 3), 100, np.uint8)
    look_again(image, labels, probabilities, AT_40X, LEVELS, [Says(EOSINOPHIL)])
    assert (labels[cell] == EOSINOPHIL).all() and np.count_nonzero(labels) == 200 * 230


@pytest.mark.parametrize("turns", range(4))
def test_a_cell_in_a_corner_is_seen_to_its_last_pixel(turns):
    labels = np.zeros((120, 160), np.uint8)
    labels[:40, :50] = NEUTROPHIL
    labels = np.ascontiguousarray(np.rot90(labels, turns))
    image = np.where(labels[:, :, None] > 0, (90, 40, 120), (200, 200, 200)).astype(np.uint8)
    probabilities = np.full((*labels.shape, 10), 0.1, np.float16)
    network = Says(NEUTROPHIL)
    look_again(image, labels, probabilities, AT_40X, LEVELS, [network])
    assert np.count_nonzero(network.seen[0, 0, :, :, 1] < 0) == 40 * 50


def test_a_field_without_white_cells_asks_nothing():
    labels, network = np.zeros((50, 50), np.uint8), Says(NEUTROPHIL)
    look_again(
        IMAGE[:50, :50], labels, np.zeros((50, 50, 10), np.float16), AT_40X, LEVELS, [network]
    )
    assert not labels.any() and network.seen == []


@pytest.mark.parametrize(
    ("infected", "answer", "class_id"),
    [
        (0.3, INFECTED_RBC, INFECTED_RBC),
        (0.3, HEALTHY_RBC, HEALTHY_RBC),
        (0.9, HEALTHY_RBC, HEALTHY_RBC),
        (0.015, INFECTED_RBC, HEALTHY_RBC),  # the first is sure: nobody is asked
        (0.999, HEALTHY_RBC, HEALTHY_RBC),  # it is never sure of a parasite
    ],
)
def test_a_red_cell_is_infected_by_both_networks(infected, answer, class_id):
    labels = np.zeros((120, 160), np.uint8)
    probabilities = np.zeros((120, 160, 10), np.float16)
    probabilities[:, :, 0] = 1
    cell = np.s_[40:75, 60:95]
    labels[cell] = INFECTED_RBC if infected >= 0.5 else HEALTHY_RBC
    probabilities[cell] = 0
    probabilities[(*cell, INFECTED_RBC)] = infected * 0.9
    probabilities[(*cell, HEALTHY_RBC)] = (1 - infected) * 0.9
    network = Says(answer)
    look_again(IMAGE, labels, probabilities, AT_40X, LEVELS, [Says(NEUTROPHIL), network])
    assert (labels[cell] == class_id).all() and np.count_nonzero(labels) == 35 * 35
    assert len(network.seen) == (0 if infected < 0.02 else 1)
    total = probabilities[cell][:, :, [INFECTED_RBC, HEALTHY_RBC]].astype(float).sum(axis=2)
    np.testing.assert_allclose(total, 0.9, atol=2e-3)


@pytest.mark.parametrize("enlarged", [1, 2, 3])
def test_red_cells_that_touch_are_asked_about_one_by_one_at_any_scale(enlarged):
    labels = np.zeros((120, 160), np.uint8)
    for x in (50, 82):
        cv2.circle(labels, (x, 60), 18, HEALTHY_RBC, -1)
    labels = labels.repeat(enlarged, 0).repeat(enlarged, 1)
    probabilities = np.zeros((*labels.shape, 10), np.float16)
    probabilities[..., INFECTED_RBC], probabilities[..., HEALTHY_RBC] = 0.3, 0.7
    image = np.full((*labels.shape, 3), 200, np.uint8)
    network, scale = Says(INFECTED_RBC), Scale.of_factor(1 / enlarged)
    look_again(image, labels, probabilities, scale, LEVELS, [network])
    assert len(network.seen) == 2
    red = np.isin(labels, (INFECTED_RBC, HEALTHY_RBC))
    assert (labels[red] == INFECTED_RBC).mean() > 0.98
    assert red.sum() == pytest.approx(2 * np.pi * 18**2 * enlarged**2, rel=0.08)


@pytest.mark.parametrize("enlarged", [1, 2, 3])
def test_each_of_two_cells_that_touch_gets_its_own_class_and_the_background_stays(enlarged):
    labels = np.zeros((120, 160), np.uint8)
    for centre in ((50, 45), (74, 69)):
        cv2.circle(labels, centre, 18, HEALTHY_RBC, -1)
    labels = labels.repeat(enlarged, 0).repeat(enlarged, 1)
    before, half = labels.copy(), 119 * enlarged  # x + y of the line between the centres
    probabilities = np.zeros((*labels.shape, 10), np.float16)
    probabilities[..., INFECTED_RBC], probabilities[..., HEALTHY_RBC] = 0.3, 0.7
    image = np.full((*labels.shape, 3), 200, np.uint8)
    network = Says(INFECTED_RBC)
    network.probabilities = lambda cells: np.stack([network.answer, network.answer[::-1]])
    look_again(image, labels, probabilities, Scale.of_factor(1 / enlarged), LEVELS, [network])
    np.testing.assert_array_equal(labels > 0, before > 0)
    first = np.add.outer(np.arange(labels.shape[0]), np.arange(labels.shape[1])) < half
    wrong = [(labels[part & (before > 0)] == INFECTED_RBC).mean() for part in (first, ~first)]
    assert sorted(wrong) == pytest.approx([0, 1], abs=0.02)


@pytest.mark.parametrize("enlarged", [1, 3])
def test_specks_are_no_red_cells_at_any_scale(enlarged):
    labels = np.zeros((120, 160), np.uint8)
    cv2.circle(labels, (60, 60), 3, HEALTHY_RBC, -1)
    labels = labels.repeat(enlarged, 0).repeat(enlarged, 1)
    probabilities = np.full((*labels.shape, 10), 0.1, np.float16)
    image, network = np.full((*labels.shape, 3), 200, np.uint8), Says(INFECTED_RBC)
    look_again(image, labels, probabilities, Scale.of_factor(1 / enlarged), LEVELS, [network])
    assert network.seen == []
