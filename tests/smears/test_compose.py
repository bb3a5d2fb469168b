from dataclasses import replace

import numpy as np
import pytest
from discs import disc
from hypothesis import given, settings
from hypothesis import strategies as st
from small_smears import SMALL

from bloodseg_lib.classes import (
    BACKGROUND_CROP_PX,
    HEALTHY_RBC,
    INFECTED_RBC,
    LYMPHOCYTE,
    NEUTROPHIL,
    RBC_DIAMETER_PX,
    THROMBOCYTE,
    WBC_IDS,
)
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample
from bloodseg_lib.smears.canvas import Canvas, PlacedCell
from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.pool import Pool
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.smear import Smear


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("ii", {INFECTED_RBC}), ("nn", {HEALTHY_RBC}), ("ni", {HEALTHY_RBC, INFECTED_RBC})],
)
def test_a_background_holds_only_the_rbcs_of_its_kind(pool, kind, expected):
    background = compose_background(pool, kind, SMALL, np.random.default_rng(0))
    assert set(np.unique(background.labels)) - {0} == expected


def test_a_background_is_of_one_source():
    samples = [
        (f"{source}{i}", disc(HEALTHY_RBC, i, source=source))
        for source in ("a", "b")
        for i in range(3)
    ]
    background = compose_background(Pool(samples), "nn", SMALL, np.random.default_rng(1))
    assert len({cell.sample_path[0] for cell in background.cells}) == 1


def test_red_cells_of_a_background_are_matched_to_one_stain_where_the_recipe_says_so():
    samples = [
        ("a", disc(HEALTHY_RBC, 120, source="a")),
        ("b", disc(HEALTHY_RBC, 180, source="b")),
        ("c", disc(INFECTED_RBC, 150, source="c")),
    ]
    recipe = replace(SMALL, stain_match=1.0)
    examples = set()
    for seed in range(8):
        background = compose_background(Pool(samples), "ni", recipe, np.random.default_rng(seed))
        # healthy and infected ones of different sources
        assert {cell.sample_path for cell in background.cells} in ({"a", "c"}, {"b", "c"})
        healthy, infected = (
            np.median(background.image[background.labels == c], axis=0)
            for c in (HEALTHY_RBC, INFECTED_RBC)
        )
        assert np.abs(healthy - infected).max() <= 1
        examples.add(round(float(healthy[1])))
    assert examples <= {119, 120, 121, 179, 180, 181}
    assert len(examples) > 1


@pytest.mark.parametrize("number", [60, 200])  # green
def test_only_white_cells_and_platelets_get_the_nuclear_density_of_the_recipe(number):
    pool = Pool([("wbc", disc(NEUTROPHIL, number)), ("rbc", disc(HEALTHY_RBC, 150))])
    recipe = replace(SMALL, edge_softness_px=0, nuclear_od=(0.3, 0.35))
    background = compose_background(pool, "nn", recipe, np.random.default_rng(0))
    smear = compose_smear(background, (NEUTROPHIL,), pool, recipe, np.random.default_rng(0))
    greens = {
        class_id: np.median(smear.image[smear.labels == class_id][:, 1])
        for class_id in (NEUTROPHIL, HEALTHY_RBC)
    }
    assert 255 * np.exp(-0.35) - 1 <= greens[NEUTROPHIL] <= 255 * np.exp(-0.3) + 1
    assert greens[HEALTHY_RBC] == 150


def test_clusters_replace_healthy_cells_where_the_recipe_says_so():
    cells = [(f"a/{i}", disc(c, i)) for c in (HEALTHY_RBC, INFECTED_RBC) for i in range(3)]
    pool = Pool(
        [
            *cells,
            (
                f"healthy/x{CLUSTER}.png",
                replace(disc(HEALTHY_RBC, 0, radius_px=30), name=f"x{CLUSTER}"),
            ),
        ]
    )
    recipe = replace(SMALL, clusters=0.8)

    def clusters(recipe, kind, seed):
        return sum(
            CLUSTER in cell.sample_path
            for cell in compose_background(pool, kind, recipe, np.random.default_rng(seed)).cells
        )

    assert sum(clusters(recipe, "nn", seed) for seed in range(5)) > 5
    assert sum(clusters(recipe, "ii", seed) for seed in range(5)) == 0
    assert sum(clusters(SMALL, "nn", seed) for seed in range(5)) == 0


def test_a_crop_of_a_field_is_the_background_where_the_recipe_says_so():
    rng = np.random.default_rng(0)
    rgba = np.dstack(
        [
            rng.integers(0, 256, (BACKGROUND_CROP_PX, BACKGROUND_CROP_PX, 3)),
            np.where(rng.uniform(size=(BACKGROUND_CROP_PX,) * 2) < 0.4, 255, 0),
        ]
    ).astype(np.uint8)
    crop = CellSample(rgba, HEALTHY_RBC, "field", "g", f"g{BACKGROUND_CROP}")
    pool = Pool(
        [
            *(
                (f"a/{i}", disc(c, i))
                for c in (HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL)
                for i in range(3)
            ),
            ("crop.png", crop),
        ]
    )
    recipe = replace(SMALL, background_crops=1.0)
    background = compose_background(pool, "nn", recipe, rng)
    assert [cell.sample_path for cell in background.cells] == ["crop.png"]
    turned = [np.rot90(side, k) for side in (rgba, rgba[:, ::-1]) for k in range(4)]
    assert any(
        (background.image == t[:, :, :3]).all()
        and ((background.labels == HEALTHY_RBC) == (t[:, :, 3] > 0)).all()
        for t in turned
    )
    smear = compose_smear(background, [NEUTROPHIL], pool, replace(recipe, scale_jitter=0.2), rng)
    assert set(np.unique(smear.labels)) == {0, HEALTHY_RBC, NEUTROPHIL}
    for kind, other in (("ni", recipe), ("ii", recipe), ("nn", SMALL)):
        assert "crop.png" not in {
            cell.sample_path for cell in compose_background(pool, kind, other, rng).cells
        }
    with pytest.raises(
        ValueError, match=r"Recipe.scale_jitter: expected at most 0.22 with background crops"
    ):
        replace(recipe, scale_jitter=0.3)


def test_cells_of_a_rouleau_cover_half_of_the_cell_before(monkeypatch, pool):
    centres = []
    paste = Canvas.paste

    def noted(self, rgba, cell, y, x):
        centres.append((y + rgba.shape[0] / 2, x + rgba.shape[1] / 2))
        paste(self, rgba, cell, y, x)

    monkeypatch.setattr(Canvas, "paste", noted)
    for rouleaux, fraction in ((0.0, 0.0), (1.0, 0.5)):
        centres.clear()
        together = 0
        for seed in range(20):
            begin = len(centres)
            compose_background(
                pool, "nn", replace(SMALL, rouleaux=rouleaux), np.random.default_rng(seed)
            )
            steps = np.linalg.norm(np.diff(centres[begin:], axis=0), axis=1)
            together += np.count_nonzero(
                (steps > 0.2 * RBC_DIAMETER_PX) & (steps < 0.8 * RBC_DIAMETER_PX)
            ) / len(steps)
        # in 336 x 336 a cell comes so near to the one before by chance now and then
        assert together / 20 == pytest.approx(fraction, abs=0.12)


def test_the_mean_number_of_white_cells_on_a_background_is_that_of_the_recipe(pool):
    # a quarter of the area of 1000 x 1000, so 10 of them
    recipe = Recipe(background_size_px=500, white_cells=40)
    counts = np.zeros(10, int)
    for seed in range(12):
        background = compose_background(pool, "nn", recipe, np.random.default_rng(seed))
        counts += np.bincount([cell.class_id for cell in background.cells], minlength=10)
    assert 80 <= counts[list(WBC_IDS)].sum() <= 160  # 120 on average, standard deviation 11
    assert counts[list(WBC_IDS)].min() > 8  # of each class about 24
    assert not counts[[INFECTED_RBC, THROMBOCYTE]].any()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_smear_has_what_was_asked_for_within_its_borders(pool, seed):
    rng = np.random.default_rng(seed)
    background = compose_background(pool, "ni", SMALL, rng)
    smear = compose_smear(background, (LYMPHOCYTE, THROMBOCYTE), pool, SMALL, rng)
    assert smear.image.shape == (224, 224, 3)
    assert [cell.class_id for cell in smear.cells[-2:]] == [LYMPHOCYTE, THROMBOCYTE]
    for cell in smear.visible():
        x, y, width, height = (cell["box"][key] for key in ("x", "y", "width", "height"))
        inside = smear.instances[y : y + height, x : x + width]
        own = [i + 1 for i, c in enumerate(smear.cells) if c.sample_path == cell["sample"]]
        assert 0 <= x < x + width <= 224
        assert 0 <= y < y + height <= 224
        assert np.isin(inside, own).sum() >= cell["area_px"]


def test_affixed_cells_are_above_the_background(pool):
    background = compose_background(pool, "nn", SMALL, np.random.default_rng(0))
    smear = compose_smear(background, (NEUTROPHIL,), pool, SMALL, np.random.default_rng(0))
    seen = next(cell for cell in smear.visible() if cell["class"] == "neutrophil")
    whole = disc(NEUTROPHIL, 0).area_px
    # a rotated disc keeps its area but for its rim
    assert seen["area_px"] == pytest.approx(whole, rel=0.03)


def test_the_same_generator_gives_the_same_smear(pool):
    first, second = (
        compose_background(pool, "ni", SMALL, np.random.default_rng(5)) for _ in range(2)
    )
    assert first.image.tobytes() == second.image.tobytes()


def test_a_cell_larger_than_the_smear_is_placed_all_the_same():
    pool = Pool([("a", disc(HEALTHY_RBC, 0)), ("b", disc(NEUTROPHIL, 0, radius_px=150))])
    background = compose_background(pool, "nn", SMALL, np.random.default_rng(0))
    smear = compose_smear(background, (NEUTROPHIL,), pool, SMALL, np.random.default_rng(0))
    assert (smear.labels == NEUTROPHIL).sum() > 20_000


@pytest.mark.parametrize("seed", range(3))
def test_a_rescaled_smear_shows_no_cell_that_its_background_does_not(pool, seed):
    """Between cells 1 and 3 nothing is interpolated: there would be a cell 2."""
    instances = np.where(np.arange(336)[:, None] % 8 < 4, 1, 3).astype(np.uint16).repeat(336, 1)
    cells = tuple(PlacedCell(HEALTHY_RBC, name) for name in "abc")
    background = Smear(np.full((336, 336, 3), 200, np.uint8), instances, cells)
    recipe = Recipe(background_size_px=336, scale_jitter=0.3)
    smear = compose_smear(background, [], pool, recipe, np.random.default_rng(seed))
    assert set(np.unique(smear.instances)) == {1, 3}
