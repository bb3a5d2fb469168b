"""What is measured of a picture: drawn discs, whose measures are known."""

import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.prediction.appearance import Appearance
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.quality import BLIND, BLOCKY, UNEVEN
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.segmenter import Segmentation

SLIDE, CELL = (250, 250, 250), (200, 125, 180)
SIZE, RADIUS = (420, 520), 18


def drawn(cell=CELL, background=SLIDE, blur_px=0.8, label=HEALTHY_RBC):
    """A hundred discs; with 2 pixels of blurred rim they cover 100 pi 20^2 / (420 x 520), 58 %."""
    image = np.full((*SIZE, 3), background, np.uint8)
    labels = np.zeros(SIZE, np.uint8)
    for y in range(30, SIZE[0] - 20, 40):
        for x in range(30, SIZE[1] - 20, 50):
            cv2.circle(image, (x, y), RADIUS, cell, -1, cv2.LINE_AA)
            cv2.circle(labels, (x, y), RADIUS, label, -1)
    return cv2.GaussianBlur(image, (0, 0), blur_px), labels


def seen(image, labels, scale=AT_40X, **prepared):
    preparation = Preprocessing.of(image, scale.factor, reference_stain=False)
    for name, value in prepared.items():
        object.__setattr__(preparation, name, value)
    return Appearance.of(image, Segmentation(labels, None, scale, preparation))


def test_measures_of_a_sharp_field():
    found = seen(*drawn())
    assert found.brightest == 250 and not found.in_pieces and not found.one_cell
    assert 0 < found.contrast < np.log(250 / 125)  # between slide and cells, in green
    assert found.empty == pytest.approx(1 - 0.58, abs=0.03)
    assert found.colourful == 200 - 125
    assert 0.2 < found.steepness < 0.4


def test_an_empty_slide_has_no_contrast_no_colour_and_no_rims():
    found = seen(np.full((*SIZE, 3), 250, np.uint8), np.zeros(SIZE, np.uint8))
    assert (found.contrast, found.empty, found.colourful, found.steepness) == (0, 1, 0, None)


@pytest.mark.parametrize("cell", [(250, 228, 250), (228, 228, 228), (250, 250, 20)])
def test_what_any_colour_is_missing_of_is_not_empty(cell):
    """Of 228 the optical density is 0.09, and less at the rims; of 20 it is 2.5."""
    assert seen(*drawn(cell=cell)).empty == pytest.approx(1 - 0.53, abs=0.07)


def test_contrast_and_steepness_are_of_green_light():
    green, other = (seen(*drawn(cell=cell)) for cell in ((250, 125, 250), (150, 250, 150)))
    assert green.contrast > 0.1 and green.steepness == pytest.approx(seen(*drawn()).steepness)
    assert other.contrast == other.steepness == 0 and other.evenness is None


def test_dark_nuclei_do_not_raise_the_contrast_above_the_density_of_pale_cells():
    image, labels = drawn(cell=(220, 200, 215))
    for y in range(30, SIZE[0] - 20, 40):
        for x in range(30, SIZE[1] - 20, 50):
            cv2.circle(image, (x, y), 9, (60, 40, 110), -1)
    assert 0 < seen(image, labels).contrast < np.log(250 / 200)


@pytest.mark.parametrize("axis", [0, 1])
def test_lines_of_a_camera_are_no_stain(axis):
    """Every other line is 210, and its optical density 0.17."""
    image = np.full((*SIZE, 3), 250, np.uint8)
    np.moveaxis(image, axis, 0)[::2] = 210
    assert seen(image, np.zeros(SIZE, np.uint8)).empty == 1


def test_a_blur_makes_rims_less_steep_and_a_stronger_stain_does_not():
    steepness = [seen(*drawn(blur_px=blur)).steepness for blur in (0.8, 1.5, 3.0, 5.0)]
    assert steepness == sorted(steepness, reverse=True) and steepness[3] < 0.5 * steepness[0]
    # 250 (125 / 250)^1.5 = 88: one and a half times as dense; 215: a fifth
    for green in (88, 215):
        other = seen(*drawn(cell=(200, green, 180))).steepness
        assert other == pytest.approx(steepness[0], rel=0.1)


def test_a_rim_is_as_steep_across_as_down():
    image, labels = drawn()
    turned = seen(*(np.ascontiguousarray(np.rot90(a)) for a in (image, labels)))
    assert turned.steepness == pytest.approx(seen(image, labels).steepness, rel=0.02)


def test_a_picture_twice_as_large_has_the_same_measures():
    image, labels = drawn(blur_px=1.5)
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    twice = seen(large, labels.repeat(2, 0).repeat(2, 1), Scale(0.5, "measured", 74.0, 60))
    once = seen(image, labels)
    assert twice.steepness == pytest.approx(once.steepness, rel=0.1)
    assert twice.empty == pytest.approx(once.empty, abs=0.03)


def test_rims_are_those_of_red_cells():
    image, labels = drawn()
    assert seen(image, np.where(labels, 3, 0).astype(np.uint8)).steepness is None
    labels[:, 60:] = 0  # one column of discs has enough of a rim
    assert seen(image, labels).steepness == pytest.approx(seen(*drawn()).steepness, rel=0.1)


@pytest.mark.parametrize("black", [0, 20])
def test_what_is_beyond_the_eyepiece_is_not_empty(black):
    image, labels = drawn()
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    image[(y - 210) ** 2 + (x - 260) ** 2 > 205**2] = black
    found = seen(image, labels)
    assert found.empty == pytest.approx(1 - 0.58, abs=0.1) and not found.in_pieces


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(0, 14)], False),  # 14 of 20 columns are seen, in one piece
        ([(0, 9), (11, 16)], False),  # one of 9 and one of 5: most are in one
        ([(0, 5), (7, 10), (12, 16)], True),  # 5 of 12 are less than half
        ([(0, 5), (6, 11), (12, 17)], False),  # a quarter or less is black: five of twenty
        ([(0, 6), (7, 13)], False),  # two of a half each
        ([(0, 5), (6, 11), (12, 16)], True),  # three tenths are black: six of twenty
        ([], True),
    ],
)
def test_a_field_of_view_in_many_pieces_is_none(parts, expected):
    outside = np.ones((10, 20), bool)
    for begin, end in parts:
        outside[:, begin:end] = False
    assert seen(*drawn(), outside=outside).in_pieces == expected


@pytest.mark.parametrize("part", ["half", "quarter", "tilt"])
def test_a_part_that_is_out_of_focus_makes_a_field_uneven(part):
    image, labels = drawn()
    blurred, (height, width) = cv2.GaussianBlur(image, (0, 0), 2.5), SIZE
    uneven = image.copy()
    if part == "tilt":
        for i in range(1, 7):
            strip = np.s_[:, i * width // 7 : (i + 1) * width // 7]
            uneven[strip] = cv2.GaussianBlur(image, (0, 0), 0.5 * i)[strip]
    else:
        rows = slice(0 if part == "half" else height // 2, None)
        uneven[rows, width // 2 :] = blurred[rows, width // 2 :]
    assert seen(image, labels).evenness > 0.9
    assert seen(blurred, labels).evenness > 0.9  # that is told by its steepness
    assert seen(uneven, labels).evenness < UNEVEN
    assert seen(uneven, labels).steepness > BLIND


def test_of_few_red_cells_nobody_says_whether_they_are_evenly_sharp():
    image, labels = drawn()
    for height, width, known in ((120, 230, False), (240, 240, True), (120, 360, False)):
        part = np.s_[:height, :width]  # of 120 x 120 pixels each: two, four, three
        assert (seen(image[part], labels[part]).evenness is not None) == known


@pytest.mark.parametrize("turned", [False, True])
def test_blocks_are_of_a_jpeg_of_low_quality(turned):
    image = drawn()[0].astype(np.float32)
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 9, image.shape), (0, 0), 1.5)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    image = np.ascontiguousarray(image.swapaxes(0, 1)) if turned else image
    labels = np.zeros(image.shape[:2], np.uint8)
    found = []
    for quality in (95, 50, 8):
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        found.append(seen(cv2.imdecode(data, cv2.IMREAD_COLOR), labels).blockiness)
    assert found == sorted(found) and found[0] < 1.5 and found[2] > BLOCKY


@pytest.mark.parametrize(("across", "down", "expected"), [(8, 8, 11), (8, 0, 1), (0, 8, 1)])
def test_blocks_by_hand(across, down, expected):
    """Steps of one grey level at the borders and none within: 1.1 by 0.1, the less of both ways."""
    y, x = np.mgrid[:128, :160]
    grey = 100 + (x // across if across else 0) + (y // down if down else 0)
    image = np.repeat(np.asarray(grey, np.uint8)[:, :, None], 3, axis=2)
    found = seen(image, np.zeros(image.shape[:2], np.uint8))
    assert found.blockiness == pytest.approx(expected)


def test_the_colour_of_red_cells_is_against_the_slide():
    """250 / 200 in red, 250 / 125 in green and 250 / 180 in blue."""
    expected = np.log(np.array([250 / 200, 250 / 125, 250 / 180]))
    np.testing.assert_allclose(seen(*drawn()).red_density, expected, atol=0.02)
    yellow = tuple(c * s // 250 for c, s in zip(CELL, (250, 200, 120), strict=True))
    cast = seen(*drawn(cell=yellow, background=(250, 200, 120)))
    np.testing.assert_allclose(cast.red_density, expected, atol=0.03)
    image, labels = drawn()
    assert seen(image[:100, :100], labels[:100, :100]).red_density is None


def test_hues_are_angles_between_the_densities_of_red_cells():
    """Half of the cells absorb green alone, half green and blue alike: 45 degrees apart, and the
    median direction is one of the two or between them.
    """
    image, labels = drawn(cell=(250, 125, 250), blur_px=0.5)
    assert seen(image, labels).hues == pytest.approx(0, abs=1)
    image[:220, :, 2] = np.minimum(image[:220, :, 2], image[:220, :, 1])
    assert 20 < seen(image, labels).hues < 46
    assert seen(image, np.zeros_like(labels)).hues is None
    pale, labels = drawn(cell=(250, 235, 245))  # its densities are 0.06 and 0.02
    assert seen(pale, labels).hues is None
