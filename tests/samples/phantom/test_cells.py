"""Drawn cells:

each test states one thing that must hold for every class, or one mark by which a student tells two
classes apart.
"""

import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import (
    BASOPHIL,
    CELL_CLASSES,
    CLASSES,
    EOSINOPHIL,
    HEALTHY_RBC,
    INFECTED_RBC,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    NUM_CLASSES,
)
from bloodseg_lib.samples.phantom import cells as phantom

MANY = {c.id: 40 if c.group == "WBC" else 120 for c in CELL_CLASSES}


@pytest.fixture(scope="module")
def cells():
    """Drawn cells by class id."""
    drawn = {class_id: [] for class_id in MANY}
    for sample in phantom.read(MANY, seed=5):
        drawn[sample.class_id].append(sample)
    return drawn


def inner_pixels(sample):
    """RGB of the pixels more than two pixels inside the cell, ``(n, 3)`` float."""
    alpha = np.pad(sample.rgba[:, :, 3], 1)
    inner = cv2.erode(alpha, np.ones((5, 5), np.uint8))[1:-1, 1:-1] > 0
    return sample.rgba[inner][:, :3].astype(float)


each_class = pytest.mark.parametrize("class_id", list(MANY), ids=lambda i: CLASSES[i].key)


@each_class
def test_same_seed_class_and_number_give_the_same_pixels(class_id):
    first, second = (list(phantom.read({class_id: 2}, seed=3)) for _ in range(2))
    assert all(np.array_equal(a.rgba, b.rgba) for a, b in zip(first, second, strict=True))


@each_class
def test_cell_does_not_depend_on_how_many_others_are_drawn(class_id):
    alone = phantom.draw_cell(class_id, np.random.default_rng([3, class_id, 1]))
    assert np.array_equal(
        alone.rgba, list(phantom.read({HEALTHY_RBC: 1, class_id: 2}, seed=3))[-1].rgba
    )


@each_class
def test_other_seeds_give_other_cells(class_id):
    a, b = (next(iter(phantom.read({class_id: 1}, seed=seed))) for seed in (0, 1))
    assert not np.array_equal(a.rgba, b.rgba)


@each_class
def test_cells_cover_the_area_they_are_drawn_for(class_id):
    wanted = CLASSES[class_id].mean_area_px
    areas = [
        phantom.draw_cell(class_id, np.random.default_rng([class_id, i]), area_px=wanted).area_px
        for i in range(10)
    ]
    assert np.mean(areas) == pytest.approx(wanted, rel=0.03)


@each_class
def test_mean_area_is_that_of_the_original_project(cells, class_id):
    areas = np.array([s.area_px for s in cells[class_id]])
    # four standard errors: one set of cells in 16,000 is further off
    chance = 4 * areas.std() / np.sqrt(len(areas))
    assert (
        abs(areas.mean() - CLASSES[class_id].mean_area_px)
        < chance + 0.02 * CLASSES[class_id].mean_area_px
    )


@each_class
def test_areas_spread_as_documented(cells, class_id):
    areas = np.array([s.area_px for s in cells[class_id]])
    expected = phantom.AREA_VARIATION.get(class_id, phantom.WBC_AREA_VARIATION)
    assert areas.std() / areas.mean() == pytest.approx(expected, rel=0.35)


@each_class
def test_alpha_is_zero_or_255(cells, class_id):
    assert all(set(np.unique(s.rgba[:, :, 3])) <= {0, 255} for s in cells[class_id])


@each_class
def test_cell_is_in_one_piece(cells, class_id):
    assert all(
        cv2.connectedComponents(s.rgba[:, :, 3], connectivity=8)[0] == 2 for s in cells[class_id]
    )


@each_class
def test_crop_is_tight(cells, class_id):
    alphas = [s.rgba[:, :, 3] > 0 for s in cells[class_id]]
    assert all(a[0].any() and a[-1].any() and a[:, 0].any() and a[:, -1].any() for a in alphas)


def test_no_two_cells_share_a_group(cells):
    groups = [s.group for samples in cells.values() for s in samples]
    assert len(set(groups)) == len(groups)


def test_infected_cell_holds_a_spot_darker_than_any_healthy_one(cells):
    def darkness(sample):
        green = inner_pixels(sample)[:, 1]
        return np.median(green) - green.min()

    infected, healthy = ([darkness(s) for s in cells[c]] for c in (INFECTED_RBC, HEALTHY_RBC))
    assert np.percentile(infected, 5) > np.percentile(healthy, 95)


def test_tint_does_not_betray_the_infection(cells):
    infected, healthy = (
        np.array([np.median(inner_pixels(s), axis=0) for s in cells[c]])
        for c in (INFECTED_RBC, HEALTHY_RBC)
    )
    assert np.abs(infected.mean(axis=0) - healthy.mean(axis=0)).max() < healthy.std(axis=0).min()


def test_red_cells_are_paler_in_the_middle_than_around_it(cells):
    def pallor(sample):
        rgb = sample.rgba[:, :, :3].astype(float).sum(axis=2)
        h, w = rgb.shape
        y, x = np.mgrid[:h, :w]
        share = np.hypot((y - h / 2) / h, (x - w / 2) / w) * 2
        return rgb[share < 0.2].mean() - rgb[(share > 0.6) & (share < 0.8)].mean()

    assert np.mean([pallor(s) > 0 for s in cells[HEALTHY_RBC]]) > 0.9


def test_basophil_is_darker_than_any_other_white_cell(cells):
    brightness = {
        c: np.mean([inner_pixels(s).mean() for s in cells[c]])
        for c in (EOSINOPHIL, BASOPHIL, NEUTROPHIL, LYMPHOCYTE, MONOCYTE)
    }
    assert min(brightness, key=brightness.get) == BASOPHIL


def test_eosinophil_is_redder_than_any_other_white_cell(cells):
    def redness(sample):
        rgb = inner_pixels(sample)
        return np.mean(rgb[:, 0] - rgb[:, 2])

    by_class = {
        c: np.mean([redness(s) for s in cells[c]])
        for c in (EOSINOPHIL, BASOPHIL, NEUTROPHIL, LYMPHOCYTE, MONOCYTE)
    }
    assert max(by_class, key=by_class.get) == EOSINOPHIL


def test_nucleus_fills_more_of_a_lymphocyte_than_of_a_neutrophil(cells):
    def dark_share(sample):
        green = inner_pixels(sample)[:, 1]
        return np.mean(green < (green.min() + green.max()) / 2)

    assert (
        np.mean([dark_share(s) for s in cells[LYMPHOCYTE]])
        > np.mean([dark_share(s) for s in cells[NEUTROPHIL]]) + 0.2
    )


def test_cells_of_one_class_differ_in_stain(cells):
    tints = np.array([inner_pixels(s).mean(axis=0) for s in cells[HEALTHY_RBC]])
    assert tints.std(axis=0).min() > 5


@pytest.mark.parametrize("class_id", [0, NUM_CLASSES, -1])
def test_unknown_class_is_refused_by_naming_the_legal_ones(class_id):
    with pytest.raises(
        ValueError, match=rf"1 \(eosinophil\).*9 \(healthy_rbc\)\. Received {class_id}"
    ):
        phantom.draw_cell(class_id, np.random.default_rng(0))


def test_unknown_class_in_read_is_refused_before_anything_is_drawn():
    with pytest.raises(ValueError, match="Received 12"):
        next(phantom.read({NEUTROPHIL: 1, 12: 1}))


def test_negative_number_of_cells_is_refused():
    with pytest.raises(ValueError, match="Received seed 0 and cells per class -1"):
        next(phantom.read(-1))
