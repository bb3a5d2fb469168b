"""What a recipe varies: worked out on plain discs, on an empty background."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from discs import disc
from hypothesis import given, settings
from hypothesis import strategies as st

from bloodseg_lib.classes import (
    BACKGROUND_CROP_PX,
    HEALTHY_RBC,
    INFECTED_RBC,
    LYMPHOCYTE,
    NEUTROPHIL,
    THROMBOCYTE,
    UNKNOWN,
)
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CellSample
from bloodseg_lib.smears.canvas import Canvas, PlacedCell
from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.pool import FieldChoice, Pool
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.smear import Smear

SHARP = Recipe(background_size_px=336, edge_softness_px=0)
MATCHED = replace(SHARP, stain_match=0.01)  # so that two sources may lie on one background
SEEDS = settings(max_examples=20)
EMPTY = Smear(np.full((336, 336, 3), 255, np.uint8), np.zeros((336, 336), np.uint16), ())


def smear_of(sample, recipe, seed=0, background=EMPTY):
    """One sample on a background."""
    rng = np.random.default_rng(seed)
    return compose_smear(background, [sample.class_id], Pool([("a", sample)]), recipe, rng)


def rectangle(width, height, class_id=NEUTROPHIL, colour=(90, 90, 90)):
    """A sample that is dark in its left half."""
    rgba = np.full((height + 4, width + 4, 4), 255, np.uint8)
    rgba[..., 3] = 0
    rgba[2:-2, 2:-2] = (*colour, 255)
    rgba[2:-2, 2 : 2 + width // 2, :3] = 10
    return CellSample(rgba, class_id, "drawn", "g", "r")


def sides(smear):
    """Length and breadth in pixels of the only cell: those of a rectangle of its second moments."""
    points = np.argwhere(smear.instances > 0)
    return np.sqrt(12 * np.linalg.eigvalsh(np.cov(points.T)))[::-1]


def two_stains(healthy, infected):
    """Red cells of two sources, of these values of green."""
    kinds = ((HEALTHY_RBC, healthy, "a"), (INFECTED_RBC, infected, "b"))
    return Pool([(source, disc(kind, green, source=source)) for kind, green, source in kinds])


def greens(smear):
    """Median green of healthy and of infected red cells."""
    return [np.median(smear.image[smear.labels == c][:, 1]) for c in (HEALTHY_RBC, INFECTED_RBC)]


@SEEDS
@given(seed=st.integers(0, 2**32 - 1))
def test_without_jitter_a_cell_keeps_its_size(seed):
    assert sides(smear_of(rectangle(60, 30), SHARP, seed)) == pytest.approx((60, 30), abs=1.5)


def test_cells_are_stretched_by_up_to_the_fraction_of_the_recipe_each_side_by_itself():
    recipe = replace(SHARP, shape_jitter=0.2)
    found = np.array([sides(smear_of(rectangle(80, 40), recipe, seed)) for seed in range(60)])
    factors = found / (80, 40)
    assert factors.min() == pytest.approx(0.8, abs=0.05)
    assert factors.max() == pytest.approx(1.2, abs=0.05)
    assert factors.mean() == pytest.approx(1, abs=0.05)  # standard deviation of the mean 0.01
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.4  # of 60 independent pairs: 0.13


def test_half_of_the_cells_are_mirrored():
    """From a dark corner to the bright one beside it is a turn to the left, or to the right."""
    sample = rectangle(60, 30)
    sample.rgba[2:17, 2:32, :3] = 60  # of the dark half, a quarter of the cell is darkest
    turns = []
    for seed in range(40):
        smear = smear_of(sample, replace(SHARP, shape_jitter=0.01), seed)
        tone = smear.image[..., 0]
        black, grey, bright = (
            np.argwhere((tone >= low) & (tone < high) & (smear.instances > 0)).mean(axis=0)
            for low, high in ((0, 30), (50, 70), (85, 95))
        )
        (a, b), (c, d) = grey - black, bright - black
        turns.append(a * d - b * c > 0)
    assert 10 <= sum(turns) <= 30  # 20 on average, standard deviation 3.2


@SEEDS
@given(seed=st.integers(0, 2**32 - 1))
def test_one_scale_is_for_the_cells_of_the_background_and_for_those_affixed(seed):
    instances = np.zeros((336, 336), np.uint16)
    instances[np.arange(336) % 20 < 10] = 1  # stripes 20 pixels apart
    background = replace(EMPTY, instances=instances, cells=(PlacedCell(HEALTHY_RBC, "b"),))
    recipe = replace(SHARP, scale_jitter=0.3, affixed_overlap=0)
    smear = smear_of(rectangle(60, 30), recipe, seed, background)
    lines = np.flatnonzero((smear.instances == 1).any(axis=1))
    starts = lines[np.diff(lines, prepend=-9) > 1][1:]  # the border cuts the first
    scale = np.diff(starts).mean() / 20
    assert 0.68 <= scale <= 1.32
    area = np.count_nonzero(smear.instances == 2)
    assert area == pytest.approx(60 * 30 * scale**2, rel=0.08)


def test_smears_are_as_much_larger_and_smaller_as_the_recipe_says():
    recipe = replace(SHARP, scale_jitter=0.3)
    scales = [sides(smear_of(rectangle(60, 30), recipe, seed))[0] / 60 for seed in range(60)]
    assert min(scales) == pytest.approx(0.7, abs=0.05)
    assert max(scales) == pytest.approx(1.3, abs=0.05)


def test_a_stain_matched_by_half_is_halfway():
    """Optical densities log(255 / 120) and log(255 / 180): halfway is their geometric mean."""
    # the healthy cell is the example
    recipe = replace(SHARP, stain_match=0.5)
    background = compose_background(two_stains(120, 180), "ni", recipe, np.random.default_rng(0))
    halfway = 255 * np.exp(-np.sqrt(np.log(255 / 120) * np.log(255 / 180)))
    assert greens(background) == pytest.approx((120, halfway), abs=1)


@pytest.mark.parametrize(
    ("example", "infected", "factor"),
    [(25, 230, 2.5), (230, 25, 0.4)],  # 22 and 1/22 would be a full match
)
def test_a_match_changes_no_density_more_than_two_and_a_half_times(example, infected, factor):
    recipe = replace(SHARP, stain_match=1.0)
    pool = two_stains(example, infected)
    background = compose_background(pool, "ni", recipe, np.random.default_rng(0))
    expected = 255 * (infected / 255) ** factor
    assert greens(background) == pytest.approx((example, expected), abs=1)


@pytest.mark.parametrize(
    ("green", "expected"),
    [
        (200, 255 * (200 / 255) ** 1.6),  # would need 4.1 times its density: 1.6 at most
        (100, 255 * np.exp(-1.0)),  # 0.94 before
        (5, 255 * (5 / 255) ** (1 / 2.5)),  # 3.9 before, of which 2.5 count
    ],
)
def test_a_nucleus_gets_the_density_of_the_recipe_within_bounds(green, expected):
    smear = smear_of(disc(NEUTROPHIL, green), replace(SHARP, nuclear_od=(1.0, 1.0)))
    assert np.median(smear.image[smear.instances > 0][:, 1]) == pytest.approx(expected, abs=1.5)


def test_only_white_cells_and_platelets_are_blurred_alone():
    recipe = replace(SHARP, cell_blur_px=4.0)
    sharp, blurred = (
        [np.unique(smear_of(rectangle(60, 30, c), recipe, seed).image).size for seed in range(8)]
        for c in (HEALTHY_RBC, NEUTROPHIL)
    )
    assert max(sharp) < np.mean(blurred)
    assert len(set(blurred)) > 3  # each differently


@pytest.mark.parametrize(
    "varied",
    [
        {"stain_jitter": 0.3},
        {"debris": 30.0},
        {"illumination": 1.0},
        {"blur_px": 2.0},
        {"noise": 8.0},
        {"jpeg": 1.0},
    ],
    ids=lambda varied: next(iter(varied)),
)
def test_what_a_recipe_asks_for_is_seen_and_no_label_moves(varied):
    cell, recipe = rectangle(60, 30, colour=(200, 90, 60)), replace(SHARP, **varied)
    seen = 0
    for seed in range(6):
        smear, plain = smear_of(cell, recipe, seed), smear_of(cell, SHARP, seed)
        if "stain_jitter" not in varied:  # which draws numbers before the place of the cell
            assert np.array_equal(smear.instances, plain.instances)
        seen += not set(np.unique(smear.image)) <= set(np.unique(plain.image))
    assert seen >= 3


def test_noise_of_smears_has_any_standard_deviation_up_to_that_of_the_recipe():
    grey, recipe = (
        replace(EMPTY, image=np.full((336, 336, 3), 128, np.uint8)),
        replace(SHARP, noise=8),
    )
    found = [
        compose_smear(grey, [], Pool([]), recipe, np.random.default_rng(seed)).image.std()
        for seed in range(30)
    ]
    assert max(found) == pytest.approx(8, abs=1)
    assert np.mean(found) == pytest.approx(4, abs=1.5)  # standard deviation 0.4


def test_a_crop_of_a_labelled_field_is_imaged_too_and_is_as_frequent_as_the_recipe_says():
    labels = np.full((300, 300), UNKNOWN, np.uint8)
    labels[100:200, 100:200] = NEUTROPHIL
    field = LabelledField(np.full((300, 300, 3), 128, np.uint8), labels, "chula", "g", "g")
    choice = FieldChoice("fields/g.png", "chula", "neutrophil", lambda: field)
    pool = Pool([("a", disc(NEUTROPHIL, 0))], [choice])
    recipe = replace(SHARP, real_fraction=0.5, noise=8.0)
    smears = [
        compose_smear(EMPTY, [NEUTROPHIL], pool, recipe, np.random.default_rng(seed))
        for seed in range(40)
    ]
    real = [smear for smear in smears if smear.is_real]
    assert 10 <= len(real) <= 30  # 20 on average, standard deviation 3.2
    assert sum(smear.image.std() > 0.5 for smear in real) > 0.8 * len(real)


def test_the_mean_number_of_platelets_is_that_of_the_recipe_and_they_may_cover_cells():
    recipe = Recipe(background_size_px=500, platelets=40)
    cells = [disc(HEALTHY_RBC, 150), disc(THROMBOCYTE, 20), disc(LYMPHOCYTE, 20)]
    pool = Pool([(f"{i}", cell) for i, cell in enumerate(cells)])
    backgrounds = [
        compose_background(pool, "nn", recipe, np.random.default_rng(seed)) for seed in range(12)
    ]
    classes = [cell.class_id for background in backgrounds for cell in background.cells]
    # a quarter of the area of 1000 x 1000, so 10 of them; 120, standard deviation 11
    assert 80 <= classes.count(THROMBOCYTE) <= 160
    assert LYMPHOCYTE not in classes


def test_rouleaux_turn_little_and_lead_in_all_directions(monkeypatch):
    """A turn has a standard deviation of 0.3 radians; of 200, one in a thousand is beyond 1."""
    centres = []
    paste = Canvas.paste

    def noted(self, rgba, cell, y, x):
        centres.append((y + rgba.shape[0] / 2, x + rgba.shape[1] / 2))
        paste(self, rgba, cell, y, x)

    monkeypatch.setattr(Canvas, "paste", noted)
    directions, turns = [], []
    for seed in range(40):
        centres.clear()
        pool = Pool([("a", disc(HEALTHY_RBC, 150))])
        compose_background(pool, "nn", replace(SHARP, rouleaux=1.0), np.random.default_rng(seed))
        steps = np.diff(centres, axis=0)
        near = np.linalg.norm(steps, axis=1) < 30
        angles = np.arctan2(*steps.T)
        directions += list(angles[near])
        turns += list(np.diff(angles)[near[1:] & near[:-1]])
    turns = (np.array(turns) + np.pi) % (2 * np.pi) - np.pi
    assert np.median(np.abs(turns)) == pytest.approx(0.3 * 0.674, rel=0.25)
    assert np.histogram(directions, 8, (-np.pi, np.pi))[0].min() > len(directions) / 24


@pytest.mark.parametrize(("side", "expected"), [(336, 28), (500, 62), (1000, 250)])
def test_red_cells_are_as_many_as_the_recipe_says_for_the_area(side, expected):
    """250 on 1000 x 1000: 250 x 0.336^2 = 28.2 and 250 / 4 = 62.5, which rounds to even."""
    recipe = Recipe(background_size_px=side, rbc_count=(250, 250))
    pool = Pool([("a", disc(HEALTHY_RBC, 150, radius_px=4))])
    background = compose_background(pool, "nn", recipe, np.random.default_rng(0))
    assert len(background.cells) == expected


def test_numbers_and_overlaps_of_backgrounds_reach_from_the_least_to_the_greatest(monkeypatch):
    overlaps = set()
    place = Canvas.place

    def noted(self, rgba, cell, rng, overlap, margin, above=0):
        overlaps.add(overlap)
        return place(self, rgba, cell, rng, overlap, margin, above)

    monkeypatch.setattr(Canvas, "place", noted)
    recipe = Recipe(background_size_px=500, rbc_count=(20, 28), rbc_overlap=0.3)
    pool = Pool([("a", disc(HEALTHY_RBC, 150))])
    counts = {
        len(compose_background(pool, "nn", recipe, np.random.default_rng(seed)).cells)
        for seed in range(60)
    }
    assert counts == {5, 6, 7}  # a quarter of 20 to 28; a whole number is drawn, then rounded
    assert len(overlaps) == 60  # one for each background
    assert min(overlaps) == pytest.approx(0.1, abs=0.02)
    assert max(overlaps) == pytest.approx(0.3, abs=0.02)


def test_a_crop_of_a_field_is_shown_in_all_eight_symmetries():
    rgba = np.random.default_rng(0).integers(1, 256, (BACKGROUND_CROP_PX,) * 2 + (4,), np.uint8)
    crop = CellSample(rgba, HEALTHY_RBC, "field", "g", f"g{BACKGROUND_CROP}")
    pool = Pool([("a", disc(HEALTHY_RBC, 150)), ("crop.png", crop)])
    recipe = replace(SHARP, background_crops=1.0)
    seen = {
        compose_background(pool, "nn", recipe, np.random.default_rng(seed)).image.tobytes()
        for seed in range(80)
    }
    turned = [np.rot90(side, k) for side in (rgba, rgba[:, ::-1]) for k in range(4)]
    assert seen == {np.ascontiguousarray(t[:, :, :3]).tobytes() for t in turned}


def test_out_of_focus_an_infected_cell_is_of_no_known_class_and_a_healthy_one_still_is():
    pool = two_stains(120, 180)
    sharp, blurred = (replace(MATCHED, defocus=value) for value in (0.0, 1.0))
    background = compose_background(pool, "ni", MATCHED, np.random.default_rng(0))
    smears = [
        compose_smear(background, [], pool, recipe, np.random.default_rng(1))
        for recipe in (sharp, blurred)
    ]
    before, after = (smear.labels for smear in smears)
    assert set(np.unique(before)) == {0, HEALTHY_RBC, INFECTED_RBC}
    assert np.array_equal(after == UNKNOWN, before == INFECTED_RBC)
    assert np.array_equal(after == HEALTHY_RBC, before == HEALTHY_RBC)
    steep = [np.abs(np.diff(smear.image[..., 1].astype(int), axis=1)).max() for smear in smears]
    assert steep[1] < 0.5 * steep[0]  # the edge of a disc, blurred by more than a pixel


def test_a_fraction_of_the_smears_is_out_of_focus():
    pool = two_stains(120, 180)
    background = compose_background(pool, "ni", MATCHED, np.random.default_rng(0))
    recipe = replace(MATCHED, defocus=0.3)
    unknown = [
        UNKNOWN in compose_smear(background, [], pool, recipe, np.random.default_rng(seed)).labels
        for seed in range(100)
    ]
    assert 15 <= sum(unknown) <= 45  # 30 on average, standard deviation 4.6


def test_rims_are_for_all_red_cells_of_a_background_or_for_none():
    """Neither class may be told by them."""
    pool, rimmed = two_stains(120, 180), []
    recipe = replace(MATCHED, rims=0.5)
    for seed in range(30):
        smear = compose_background(pool, "ni", recipe, np.random.default_rng(seed))
        dark = smear.image[..., 1] < 80
        shares = [dark[smear.labels == c].mean() for c in (HEALTHY_RBC, INFECTED_RBC)]
        assert (shares[0] > 0.01) == (shares[1] > 0.01)
        assert max(shares) < 0.2  # of a disc of 37 pixels, a rim of one is a tenth
        rimmed.append(shares[0] > 0.01)
    assert 7 <= sum(rimmed) <= 23  # 15 on average, standard deviation 2.7


def test_parasites_are_drawn_on_healthy_cells_of_any_laboratory():
    """Plain discs have none of their own."""
    pool = two_stains(120, 180)
    recipe = Recipe(edge_softness_px=0, drawn_parasites=0.5, rbc_overlap=0, rbc_count=(60, 60))
    smear = compose_background(pool, "ii", recipe, np.random.default_rng(0))
    drawn, plain = [], []
    for number, cell in enumerate(smear.cells, start=1):
        inner = cv2.erode((smear.instances == number).astype(np.uint8), np.ones((7, 7))) > 0
        if inner.any():
            spread = smear.image[inner].std(axis=0).max()
            (drawn if cell.sample_path == "a" else plain).append(spread)
    assert {cell.class_id for cell in smear.cells} == {INFECTED_RBC}
    assert 0.3 < len(drawn) / (len(drawn) + len(plain)) < 0.7
    assert max(plain) < 1 < np.quantile(drawn, 0.1)


def test_without_healthy_cells_no_parasites_are_drawn():
    pool = Pool([("b", disc(INFECTED_RBC, 180))])
    recipes = (SHARP, replace(SHARP, drawn_parasites=1.0))
    plain, drawn = (
        compose_background(pool, "ii", recipe, np.random.default_rng(0)).labels
        for recipe in recipes
    )
    assert set(np.unique(drawn)) == set(np.unique(plain)) == {0, INFECTED_RBC}
