"""Fields whose light falls to one side or to the corners."""

import numpy as np
import pytest
from disc_fields import field, grid

from bloodseg_lib.optics import background_colour
from bloodseg_lib.prediction import results
from bloodseg_lib.prediction.light import EVEN, Light
from bloodseg_lib.prediction.preprocessing import Correction
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import PredictionConfig, segment_image

FIELD = field(*grid(), slide=(228, 222, 230))
ROWS, COLUMNS = np.indices(FIELD.shape[:2]) / np.array(FIELD.shape[:2])[:, None, None]
FAR = np.hypot(ROWS - 0.5, COLUMNS - 0.5)
LIGHTS = {
    "from the left": 0.6 + 0.4 * COLUMNS,
    "from below": 0.55 + 0.45 * ROWS,
    "from a corner": 0.6 + 0.2 * ROWS + 0.2 * COLUMNS,
    "vignette": 1 - 0.8 * FAR**2,
}


def lit(light, image=FIELD):
    return (image * light[..., None]).astype(np.uint8)


def evened(image):
    light = Light.of(image)
    return light.evened(image) if light else image


@pytest.mark.parametrize("name", LIGHTS)
def test_the_slide_gets_one_brightness_and_cells_keep_what_they_absorb(name):
    image = lit(LIGHTS[name])
    before = image.copy()
    even = evened(image)
    np.testing.assert_array_equal(image, before)
    brightest = even.astype(float) / FIELD
    assert brightest.std() < 0.03
    assert background_colour(even) == pytest.approx(background_colour(FIELD), rel=0.06)
    assert evened(even) is even


def test_a_coloured_light_is_evened_channel_by_channel():
    """A lamp that is redder at its darker side."""
    fall = 0.6 + 0.4 * COLUMNS
    light = np.stack([1 - 0.1 * COLUMNS, np.ones_like(ROWS), 0.9 + 0.1 * COLUMNS], axis=2)
    light *= fall[..., None]
    ratio = evened((FIELD * light).astype(np.uint8)).astype(float) / FIELD
    assert (ratio.std(axis=(0, 1)) < 0.03).all()


@pytest.mark.parametrize("darkest", [EVEN + 0.05, 1.0])
def test_a_field_that_is_nearly_even_stays_the_same_object(darkest):
    image = lit(darkest + (1 - darkest) * COLUMNS)
    assert evened(image) is image


def test_many_cells_at_one_side_are_no_darkness():
    crowded = field(*[c for c in grid(26) if c[0] < 200], slide=(228, 222, 230))
    assert evened(crowded) is crowded


@pytest.mark.parametrize("seed", range(5))
def test_where_cells_hide_the_slide_of_one_half_its_light_is_not_guessed(seed):
    """At the edge of a smear; the light of the other half bends a little."""
    rng = np.random.default_rng(seed)
    half = lit(1 - 0.5 * (COLUMNS - 0.2) ** 2)
    half[:, 180:] = np.array([190, 150, 120]) + rng.integers(-9, 10, (300, 220, 1))
    assert evened(half) is half


def test_where_hardly_any_slide_shows_nothing_is_divided():
    """The brightness of cells says nothing of the light."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(60, 200, (10, 10, 1)).repeat(40, 0).repeat(50, 1)
    image = np.repeat(blocks, 3, axis=2).astype(np.uint8)
    assert evened(image) is image


def test_what_lies_outside_an_eyepiece_is_not_the_light_of_the_field():
    dark = lit(LIGHTS["from the left"])
    dark[FAR > 0.48] = 0
    even = evened(dark)
    inside = FAR < 0.45
    assert (even[inside] / FIELD[inside]).std() < 0.03
    assert (even[FAR > 0.48] == 0).all()


def test_frames_are_taken_away_before_the_light_is_measured():
    framed = np.full((400, 520, 3), 128, np.uint8)
    framed[50:350, 60:460] = lit(LIGHTS["from below"])
    seen = Correction.of(framed).applied(framed)
    assert (seen[:40] == 0).all()
    assert (seen[50:350, 60:460] / FIELD)[20:-20, 20:-20].std() < 0.03


@pytest.mark.parametrize("preprocess", [True, False])
def test_cells_are_judged_in_the_picture_that_the_network_saw(preprocess, monkeypatch):
    image, seen, judged = lit(LIGHTS["vignette"]), [], []

    def background(tiles):
        seen.append(tiles)
        return np.tile(np.eye(10, dtype=np.float32)[0], (*tiles.shape[:3], 1))

    judge = results.judge
    monkeypatch.setattr(results, "judge", lambda *found: judged.append(found[0]) or judge(*found))
    config = PredictionConfig(preprocess=preprocess)
    found = segment_image(image, background, AT_40X, config)
    results.count_field(found, image)
    assert (judged[0] is image) != preprocess
    levels, height = found.preprocessing.levels, min(224, image.shape[0])
    prepared = np.stack([levels[judged[0][:height, :224, c], c] for c in range(3)], axis=-1)
    np.testing.assert_array_equal(seen[0][0][:height, :224], prepared)
