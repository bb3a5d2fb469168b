"""Pictures of few colours, and photographs, which have many though they are dim or pale."""

import cv2
import numpy as np
import pytest
from drawn_fields import scattered
from PIL import Image

from bloodseg_lib.prediction.few_colours import Colours, of_few_colours, of_heaps, roughness
from bloodseg_lib.prediction.finding import FRACTIONS
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import Segmentation

FIELD = cv2.GaussianBlur(scattered(), (0, 0), 1.5)  # as a camera smooths its noise
GREY = np.repeat(cv2.cvtColor(FIELD, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)


def said(image):
    findings = list(of_few_colours(image))
    assert all(f.name == "colours" for f in findings)
    return [(f.level, f.withholds) for f in findings]


def of_palette(number, dither=0):
    return np.array(Image.fromarray(FIELD).quantize(number, dither=dither).convert("RGB"))


@pytest.mark.parametrize("number", [8, 16, 32])
def test_a_palette_of_few_colours_withholds_percentages(number):
    assert Colours.of(of_palette(number)).number <= number
    assert said(of_palette(number)) == [("withheld", FRACTIONS)]
    (finding,) = of_few_colours(of_palette(number))
    assert str(int(finding.value)) in finding.sentence


def test_of_more_colours_or_far_ones_dithered_it_is_warned_of():
    assert said(of_palette(100)) == said(of_palette(64)) == [("warning", ())]
    web = Image.fromarray(FIELD).convert("P", palette=Image.Palette.WEB, dither=3)
    assert said(np.array(web.convert("RGB"))) == [("warning", ())]


@pytest.mark.parametrize("step", [5, 20])
def test_so_is_a_grey_picture_of_few_levels(step):
    few = (GREY // step * step).astype(np.uint8)
    assert [level for level, _ in said(few)] == ["withheld" if step == 20 else "warning"]


SEPIA = (GREY * (1, 0.87, 0.65)).astype(np.uint8)


@pytest.mark.parametrize("picture", [FIELD, GREY])
@pytest.mark.parametrize("light", [1.0, 0.6])
@pytest.mark.parametrize("contrast", [1.0, 0.7])
def test_photographs_have_many_colours(picture, light, contrast):
    altered = (light * (255 - contrast * (255.0 - picture))).astype(np.uint8)
    assert said(altered) == []
    jpeg = cv2.imencode(".jpg", altered, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    assert said(cv2.imdecode(jpeg, 1)) == []


def test_a_tinted_grey_photograph_has_a_colour_for_each_level():
    assert Colours.of(SEPIA).number < 100 and Colours.of(SEPIA).grey
    assert said(SEPIA) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 9000), (9000, 1)])
def test_a_line_is_counted_too(shape):
    assert Colours.of(np.zeros((*shape, 3), np.uint8)).number == 1


def shaded(spread=1.0):
    """Cells of every shade, from thin to dense, in a photograph."""
    shade = np.linspace(-60, 60, 600) * spread
    field = np.array([190, 150, 185]) + shade[None, :, None] * [0.5, 1, 0.6] + np.zeros((300, 1, 1))
    noise = np.random.default_rng(0).normal(0, 3, field.shape)
    return np.clip(field + noise + 0.5, 0, 255).astype(np.uint8)


def in_a_jpeg(image, number):
    few = np.array(Image.fromarray(image).quantize(number, dither=0).convert("RGB"))
    _, data = cv2.imencode(".jpg", few[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    jpeg = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    assert said(jpeg) == []  # thousands of colours
    return jpeg


def of_cells(image, number=30):
    labels = np.ones(image.shape[:2], np.uint8)
    labels[:, ::50] = 0
    return list(of_heaps(image, Segmentation(labels, None, AT_40X, Preprocessing.none()), number))


@pytest.mark.parametrize(("number", "level"), [(6, "withheld"), (14, "warning")])
def test_a_gif_saved_as_a_jpeg_has_its_colours_in_heaps(number, level):
    (finding,) = of_cells(in_a_jpeg(shaded(), number))
    assert (finding.name, finding.level) == ("colours", level)


def test_of_few_cells_each_is_a_heap():
    assert of_cells(in_a_jpeg(shaded(), 6), 29) == []


@pytest.mark.parametrize("light", [1.0, 0.7])
def test_a_photograph_has_none_nor_has_one_that_is_clipped(light):
    assert of_cells((light * shaded()).astype(np.uint8)) == []
    assert of_cells(np.clip(1.4 * shaded().astype(float), 0, 255).astype(np.uint8)) == []


def test_of_few_pixels_or_of_cells_all_alike_heaps_are_not_told():
    heaped = in_a_jpeg(shaded(), 6).reshape(-1, 3)
    rng = np.random.default_rng(0)
    assert roughness(rng.choice(heaped, 499)) is None
    assert roughness(rng.choice(heaped, 5000)) > 0.15
    assert roughness(shaded(0.1).reshape(-1, 3)) is None
