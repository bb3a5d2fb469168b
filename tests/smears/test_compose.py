from dataclasses import replace

import cv2
import numpy as np
import pytest
from discs import disc
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bloodseg_lib.classes import (
    BACKGROUND_CROP_PX,
    CELL_CLASSES,
    HEALTHY_RBC,
    INFECTED_RBC,
    LYMPHOCYTE,
    NEUTROPHIL,
    RBC_DIAMETER_PX,
    THROMBOCYTE,
    WBC_IDS,
)
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample
from bloodseg_lib.smears.canvas import Canvas, PlacedCell, rotated
from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.pool import Pool, combinations
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.smear import Smear

SMALL = Recipe(background_size_px=336)


@pytest.fixture(scope="module")
def pool():
    return Pool([(f"{c.key}/{i}", disc(c.id, i)) for c in CELL_CLASSES for i in range(3)])


def test_boxes_and_areas_are_those_of_the_visible_pixels():
    instances = np.zeros((8, 10), np.uint16)
    instances[1:4, 2:7] = 1  # 3 x 5 pixels, of which the second cell hides 2 x 2
    instances[2:4, 5:9] = 2
    smear = Smear(
        np.zeros((8, 10, 3), np.uint8),
        instances,
        (PlacedCell(9, "a"), PlacedCell(8, "b"), PlacedCell(3, "hidden")),
    )
    first, second = smear.visible()
    assert (first["box"], first["area_px"]) == ({"x": 2, "y": 1, "width": 5, "height": 3}, 11)
    assert (second["box"], second["area_px"]) == ({"x": 5, "y": 2, "width": 4, "height": 2}, 8)


def test_labels_are_the_classes_of_the_instances():
    smear = Smear(
        np.zeros((1, 3, 3), np.uint8),
        np.array([[0, 2, 1]], np.uint16),
        (PlacedCell(9, "a"), PlacedCell(4, "b")),
    )
    assert smear.labels.tolist() == [[0, 4, 9]]


def test_all_combinations_of_one_or_two_on_three_backgrounds(pool):
    made = combinations(pool)
    assert len(made) == len(set(made)) == (7 + 7 * 8 // 2) * 3


def test_classes_without_samples_are_left_out_of_the_combinations():
    pool = Pool([("a", disc(NEUTROPHIL, 0)), ("b", disc(HEALTHY_RBC, 0))])
    assert combinations(pool) == [((NEUTROPHIL,), "nn"), ((NEUTROPHIL, NEUTROPHIL), "nn")]


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


def test_red_cells_of_a_background_have_one_colour_where_the_recipe_wants_it():
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
def test_white_cells_and_platelets_alone_are_dyed_anew_where_the_recipe_wants_it(number):
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


def test_stacks_lie_in_the_place_of_healthy_cells_where_the_recipe_wants_them():
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

    def stacked(recipe, kind, seed):
        return sum(
            CLUSTER in cell.sample_path
            for cell in compose_background(pool, kind, recipe, np.random.default_rng(seed)).cells
        )

    assert sum(stacked(recipe, "nn", seed) for seed in range(5)) > 5
    assert sum(stacked(recipe, "ii", seed) for seed in range(5)) == 0
    assert sum(stacked(SMALL, "nn", seed) for seed in range(5)) == 0


def test_a_patch_of_a_field_is_the_background_where_the_recipe_wants_it():
    rng = np.random.default_rng(0)
    rgba = np.dstack(
        [
            rng.integers(0, 256, (BACKGROUND_CROP_PX, BACKGROUND_CROP_PX, 3)),
            np.where(rng.uniform(size=(BACKGROUND_CROP_PX,) * 2) < 0.4, 255, 0),
        ]
    ).astype(np.uint8)
    patch = CellSample(rgba, HEALTHY_RBC, "field", "g", f"g{BACKGROUND_CROP}")
    pool = Pool(
        [
            *(
                (f"a/{i}", disc(c, i))
                for c in (HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL)
                for i in range(3)
            ),
            ("patch.png", patch),
        ]
    )
    recipe = replace(SMALL, background_crops=1.0)
    background = compose_background(pool, "nn", recipe, rng)
    assert [cell.sample_path for cell in background.cells] == ["patch.png"]
    turned = [np.rot90(side, k) for side in (rgba, rgba[:, ::-1]) for k in range(4)]
    assert any(
        (background.image == t[:, :, :3]).all()
        and ((background.labels == HEALTHY_RBC) == (t[:, :, 3] > 0)).all()
        for t in turned
    )
    smear = compose_smear(background, [NEUTROPHIL], pool, replace(recipe, scale_jitter=0.2), rng)
    assert set(np.unique(smear.labels)) == {0, HEALTHY_RBC, NEUTROPHIL}
    for kind, other in (("ni", recipe), ("ii", recipe), ("nn", SMALL)):
        assert "patch.png" not in {
            cell.sample_path for cell in compose_background(pool, kind, other, rng).cells
        }
    with pytest.raises(
        ValueError, match=r"Recipe.scale_jitter: expected at most 0.22 with background crops"
    ):
        replace(recipe, scale_jitter=0.3)


def test_a_patient_with_many_cells_outweighs_no_other_where_the_recipe_wants_it():
    samples = [
        ("one", replace(disc(HEALTHY_RBC, 0), group="one")),
        *((f"many{i}", replace(disc(HEALTHY_RBC, i), group="many")) for i in range(9)),
    ]
    pool, rng = Pool(samples), np.random.default_rng(0)

    def of_one(even):
        return sum(
            pool.draw(HEALTHY_RBC, Recipe(even_groups=even), rng, source)[0] == "one"
            for source in (None, "discs")
            for _ in range(200)
        )

    assert of_one(False) == pytest.approx(40, abs=20)  # a tenth of 400, standard deviation 6
    assert of_one(True) == pytest.approx(200, abs=35)  # half of them, standard deviation 10


def test_an_infected_cell_stays_infected_where_a_translucent_healthy_one_lies_on_it():
    def labels(*classes, translucent=True):
        canvas = Canvas(
            np.full((40, 40, 3), 255, np.uint8),
            np.zeros((40, 40), np.uint16),
            [],
            Recipe(translucent=translucent, edge_softness_px=0),
        )
        for i, class_id in enumerate(classes):
            # each covers a pixel of the one before
            canvas.paste(np.full((1, 3, 4), 255, np.uint8), PlacedCell(class_id, "a"), 7, 2 + 2 * i)
        return [canvas.cells[i - 1].class_id for i in canvas.instances[7, 2 : 3 + 2 * len(classes)]]

    assert labels(INFECTED_RBC, HEALTHY_RBC) == [8, 8, 8, 9, 9]
    assert labels(HEALTHY_RBC, INFECTED_RBC) == [9, 9, 8, 8, 8]
    assert labels(INFECTED_RBC, NEUTROPHIL) == [8, 8, 3, 3, 3]
    assert labels(INFECTED_RBC, HEALTHY_RBC, translucent=False) == [8, 8, 9, 9, 9]


def test_rouleaux_lie_half_on_the_cell_before_and_go_on_in_one_direction(monkeypatch, pool):
    laid = []
    paste = Canvas.paste

    def noted(self, rgba, cell, y, x):
        laid.append((y + rgba.shape[0] / 2, x + rgba.shape[1] / 2))
        paste(self, rgba, cell, y, x)

    monkeypatch.setattr(Canvas, "paste", noted)
    for rouleaux, share in ((0.0, 0.0), (1.0, 0.5)):
        laid.clear()
        together = 0
        for seed in range(20):
            begin = len(laid)
            compose_background(
                pool, "nn", replace(SMALL, rouleaux=rouleaux), np.random.default_rng(seed)
            )
            steps = np.linalg.norm(np.diff(laid[begin:], axis=0), axis=1)
            together += np.count_nonzero(
                (steps > 0.2 * RBC_DIAMETER_PX) & (steps < 0.8 * RBC_DIAMETER_PX)
            ) / len(steps)
        # in 336 x 336 a cell comes so near to the one before by chance now and then
        assert together / 20 == pytest.approx(share, abs=0.12)


def test_white_cells_are_strewn_among_the_red_ones_on_average_as_many_as_asked_for(pool):
    # a quarter of the area of 1000 x 1000, so 10 of them
    recipe = Recipe(background_size_px=500, white_cells=40)
    counts = np.zeros(10, int)
    for seed in range(12):
        background = compose_background(pool, "nn", recipe, np.random.default_rng(seed))
        counts += np.bincount([cell.class_id for cell in background.cells], minlength=10)
    assert 80 <= counts[list(WBC_IDS)].sum() <= 160  # 120 on average, standard deviation 11
    assert counts[list(WBC_IDS)].min() > 8  # of each class about 24
    assert not counts[[INFECTED_RBC, THROMBOCYTE]].any()


@settings(max_examples=20, deadline=None)
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


def test_what_is_affixed_lies_above_the_background(pool):
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


def test_a_quarter_turn_moves_pixels_without_loss():
    rgba = np.zeros((3, 5, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[0, 4, 0] = 200  # top right
    turned = rotated(rgba, 90)
    rows, columns = np.nonzero(turned[..., 3] >= 128)
    cell = turned[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert cell.shape[:2] == (5, 3)
    assert cell[0, 0, 0] == 200  # counter-clockwise: top right becomes top left


def test_a_cell_larger_than_the_smear_is_placed_all_the_same():
    pool = Pool([("a", disc(HEALTHY_RBC, 0)), ("b", disc(NEUTROPHIL, 0, radius_px=150))])
    background = compose_background(pool, "nn", SMALL, np.random.default_rng(0))
    smear = compose_smear(background, (NEUTROPHIL,), pool, SMALL, np.random.default_rng(0))
    assert (smear.labels == NEUTROPHIL).sum() > 20_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"rbc_count": (0, 10)},
        {"rbc_overlap": 1.5},
        {"background_size_px": 300},
        {"edge_softness_px": "soft"},
        {"nuclear_od": (0.0, 2.0)},
    ],
)
def test_a_recipe_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_a_turned_sample_has_the_colours_of_its_edge_as_far_as_a_blur_reaches():
    rgba = np.full((40, 30, 4), (10, 200, 90, 255), np.uint8)
    turned = rotated(rgba, 30, (0.8, -1.1), softness_px=1.0)
    reached = cv2.dilate((turned[..., 3] > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert np.abs(turned[..., :3][reached].astype(int) - (10, 200, 90)).max() <= 1
    assert np.count_nonzero(turned[..., 3] >= 128) == pytest.approx(40 * 30 * 0.8 * 1.1, rel=0.02)


def test_a_cell_is_mixed_with_what_lies_beneath_by_its_matte():
    image, instances = np.full((40, 40, 3), 255, np.uint8), np.zeros((40, 40), np.uint16)
    canvas = Canvas(image, instances, [], Recipe(edge_softness_px=0))
    rgba = np.full((1, 3, 4), 100, np.uint8)
    rgba[0, :, 3] = (255, 128, 51)
    canvas.paste(rgba, PlacedCell(HEALTHY_RBC, "a"), 7, 38)  # the third pixel lies outside
    assert image[7, 38:].tolist() == [[100] * 3, [177] * 3]  # 100, (100 * 128 + 255 * 127) / 255
    assert instances[7, 38:].tolist() == [1, 1]
    assert np.count_nonzero(instances) == 2
    canvas.paste(rgba, PlacedCell(HEALTHY_RBC, "b"), 50, 50)
    assert len(canvas.cells) == 2


def test_translucent_cells_multiply_what_passes():
    image, instances = np.full((9, 9, 3), 204, np.uint8), np.zeros((9, 9), np.uint16)
    canvas = Canvas(image, instances, [], Recipe(edge_softness_px=0, translucent=True))
    canvas.paste(
        np.full((2, 2, 4), (51, 102, 255, 255), np.uint8), PlacedCell(HEALTHY_RBC, "a"), 3, 3
    )
    assert image[3, 3].tolist() == [41, 82, 204]  # 204 / 255 = 0.8 of each


@settings(max_examples=30, deadline=None)
@given(
    instances=arrays(
        np.uint16, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 5)
    )
)
def test_boxes_areas_and_labels_agree_with_counting_pixel_by_pixel(instances):
    smear = Smear(
        np.zeros((*instances.shape, 3), np.uint8),
        instances,
        tuple(PlacedCell(i + 4, str(i)) for i in range(5)),
    )
    found = {cell["sample"]: cell for cell in smear.visible()}
    for i in range(5):
        rows, columns = np.nonzero(instances == i + 1)
        assert (str(i) in found) == bool(len(rows))
        if len(rows):
            x, y = int(columns.min()), int(rows.min())
            box = {
                "x": x,
                "y": y,
                "width": int(columns.max()) - x + 1,
                "height": int(rows.max()) - y + 1,
            }
            assert (found[str(i)]["box"], found[str(i)]["area_px"]) == (box, len(rows))
    assert np.array_equal(smear.labels, np.where(instances > 0, instances + 3, 0))
