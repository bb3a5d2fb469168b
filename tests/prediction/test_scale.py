import cv2
import numpy as np
import pytest
from drawn_fields import untidy_field
from skimage import data

from bloodseg_lib.classes import HEALTHY_RBC, MONOCYTE, NEUTROPHIL
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction import scale as scale_module
from bloodseg_lib.prediction.scale import (
    Scale,
    by_white_cell,
    find_scale,
    measure_rbc_diameter,
)

SLIDE, RED, NUCLEUS = (240, 238, 235), (205, 140, 150), (70, 30, 110)


def near(diameter_px):
    """The measurement allows for soft rims;

    discs as sharp as these read 4 % and half a pixel too large.
    """
    return pytest.approx(1.05 * diameter_px + 0.7, rel=0.06)


def smear(diameter_px, size=(600, 600), step=1.6, slide=SLIDE):
    """Cells of one size on a grid, softly rimmed; those at the edges are cut."""
    image = np.full((*size, 3), slide, np.uint8)
    for y in np.arange(0, size[0] + diameter_px, step * diameter_px):
        for x in np.arange(0, size[1] + diameter_px, step * diameter_px):
            cv2.circle(
                image,
                (round(x * 16), round(y * 16)),
                round(diameter_px * 8),
                RED,
                -1,
                cv2.LINE_AA,
                4,
            )
    return cv2.GaussianBlur(image, (0, 0), diameter_px / 50)


@pytest.mark.parametrize("diameter_px", [13, 16, 25, 37, 70, 120])
def test_a_known_diameter_is_found(diameter_px):
    found, cells = measure_rbc_diameter(smear(diameter_px))
    assert found == near(diameter_px) and cells >= 3


@pytest.mark.parametrize("slide", [(255, 255, 255), (252, 229, 205), (219, 222, 210)])
def test_the_colour_of_the_slide_does_not_matter(slide):
    assert measure_rbc_diameter(smear(40, slide=slide))[0] == near(40)


def test_cells_that_touch_are_measured_one_by_one():
    image = np.full((400, 400, 3), SLIDE, np.uint8)
    for y in (60, 160, 260, 360):
        for x in range(60, 360, 34):  # chains of cells that overlap by 6 of 40 pixels
            cv2.circle(image, (x, y), 20, RED, -1, cv2.LINE_AA)
    assert measure_rbc_diameter(image)[0] == near(41)


def test_a_pale_centre_belongs_to_its_cell():
    image = smear(60)
    for y in np.arange(0, 660, 96):
        for x in np.arange(0, 660, 96):
            cv2.circle(image, (int(x), int(y)), 10, SLIDE, -1, cv2.LINE_AA)
    assert measure_rbc_diameter(image)[0] == near(60)


def test_white_cells_and_dirt_do_not_decide():
    image = smear(30, size=(300, 300), step=2.4)
    rng = np.random.default_rng(0)
    for _ in range(60):
        cv2.circle(image, rng.integers(300, size=2).tolist(), 3, NUCLEUS, -1)
    cv2.circle(image, (110, 110), 45, (190, 150, 190), -1)
    cv2.circle(image, (110, 110), 35, NUCLEUS, -1)
    assert measure_rbc_diameter(image)[0] == near(30)


def single_white_cell():
    image = np.full((120, 120, 3), SLIDE, np.uint8)
    cv2.circle(image, (60, 60), 45, (190, 150, 190), -1)
    cv2.circle(image, (60, 60), 30, NUCLEUS, -1)
    return image


@pytest.mark.parametrize(
    "image",
    [
        np.full((300, 300, 3), 240, np.uint8),
        np.zeros((50, 60, 3), np.uint8),
        np.full((1, 1, 3), 9, np.uint8),
        single_white_cell(),
    ],
)
def test_where_it_cannot_tell_it_says_so_and_assumes_40x(image):
    assert measure_rbc_diameter(image)[0] is None
    found = find_scale(image)
    assert (
        found.how == "assumed"
        and found.factor == 1.0
        and found.rbc_diameter_px is None
        and "give their diameter" in str(found)
    )


@pytest.mark.parametrize("name", ["chelsea", "gravel", "grass", "astronaut", "rocket"])
def test_a_photograph_of_something_else_has_no_scale(name):
    """A cat, among others: scikit-image brings them along."""
    found = find_scale(
        getattr(data, name)()
        if name in ("chelsea", "astronaut", "rocket")
        else np.dstack([getattr(data, name)()] * 3)
    )
    assert found.how == "assumed" and "give their diameter" in str(found)


def test_the_factor_brings_the_diameter_to_37():
    found = find_scale(smear(74))
    assert found.how == "measured" and found.factor == 37 / found.rbc_diameter_px == pytest.approx(
        0.5, rel=0.08
    )
    assert f"{found.cells} cells" in str(found) and found.to_dict()["how"] == "measured"


def test_an_image_near_40x_is_left_as_it_is():
    found = find_scale(smear(38))
    assert found.how == "measured" and found.factor == 1.0 and found.rbc_diameter_px == near(38)


def test_the_factor_is_37_over_a_given_diameter():
    assert Scale.given(74) == Scale.of_factor(0.5) == Scale(0.5, "given", 74.0)
    with pytest.raises(ValueError, match="2 to 2000"):
        Scale.given(0)


def test_a_given_scale_says_so():
    assert str(Scale(0.5)) == "scale 0.5 as given: red blood cells measure 74.0 pixels"


@pytest.mark.parametrize("diameter_px", [30, 100])
def test_a_large_image_is_seen_through_windows(diameter_px, monkeypatch):
    monkeypatch.setattr(scale_module, "_WHOLE_PX", 1200)
    monkeypatch.setattr(scale_module, "_SEARCH_PX", 400)
    image = smear(diameter_px, size=(1500, 1600))
    assert measure_rbc_diameter(image)[0] == near(diameter_px)


def test_small_cells_in_a_large_image_are_measured_at_full_size():
    assert measure_rbc_diameter(smear(20, size=(2000, 2100), step=3))[0] == near(20)


@pytest.mark.parametrize(
    ("pattern", "expected"), [("mamic/fields/*.jpg", 70), ("clumps/eyepiece_photo.jpg", 120)]
)
def test_real_fields_are_measured_as_by_eye(real_data, pattern, expected):
    for path in sorted(real_data.glob(pattern))[:4]:
        assert measure_rbc_diameter(read_image(path))[0] == pytest.approx(expected, rel=0.15), (
            path.name
        )


def test_crops_of_a_single_white_cell_are_not_measured(real_data):
    paths = sorted((real_data / "zheng" / "Dataset 1").glob("*.bmp"))[::15]
    assert sum(measure_rbc_diameter(read_image(path))[0] is not None for path in paths) <= 1


@pytest.mark.parametrize("shape", [(1, 10000, 3), (10000, 1, 3), (2, 3000, 3)])
def test_a_strip_has_no_cells_to_measure(shape):
    assert find_scale(np.full(shape, 230, np.uint8)).how == "assumed"


def separate(diameter_px, size, step, rows):
    """Sharp discs that no border cuts, and how many there are."""
    image, count = np.full((*size, 3), SLIDE, np.uint8), 0
    for y in range(rows, size[0] - rows // 2, rows):
        for x in range(rows, size[1] - rows // 2, step):
            cv2.circle(image, (x, y), diameter_px // 2, RED, -1, cv2.LINE_AA)
            count += 1
    return image, count


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("step", [33, 47])
def test_every_separate_cell_is_measured_once(step, turns):
    image, count = separate(30, (200, 520), step, rows=step)
    found = find_scale(np.rot90(image, turns))
    assert found.cells == found.to_dict()["cells"] == count
    assert f"the mean of {count} cells" in str(found)


def test_cells_close_together_are_measured_like_cells_apart():
    """Discs of 30 pixels in chains, 23 to 60 apart, are as many and as large."""
    diameters = []
    for step in (23, 31, 60):
        image, count = separate(30, (300, 420), step, rows=60)
        diameter, cells = measure_rbc_diameter(image)
        assert cells == count
        diameters.append(diameter)
    assert np.ptp(diameters) < 2


@pytest.mark.parametrize("whole_px", [1200, 3000])
def test_cells_too_large_for_a_window_at_full_size_are_measured_in_reduced_ones(
    whole_px, monkeypatch
):
    monkeypatch.setattr(scale_module, "_WHOLE_PX", whole_px)
    monkeypatch.setattr(scale_module, "_SEARCH_PX", 400)
    assert measure_rbc_diameter(smear(260, size=(1700, 2300)))[0] == near(260)


def test_windows_cover_the_middle_and_the_sides_of_a_large_image(monkeypatch):
    """Cells at one side only are seen: a window is as wide there as elsewhere."""
    monkeypatch.setattr(scale_module, "_WHOLE_PX", 400)
    monkeypatch.setattr(scale_module, "_SEARCH_PX", 400)
    for turns in range(4):
        image = np.full((1400, 1400, 3), SLIDE, np.uint8)
        image[:, :500] = smear(40, size=(1400, 500))
        assert measure_rbc_diameter(np.rot90(image, turns))[0] == near(40)


def test_many_dark_nuclei_do_not_hide_pale_red_cells():
    """Cells of an optical density of 0.18, and as many nuclei of 2 between them."""
    pale = 0.4 * smear(40, size=(400, 500), step=2.2) + 0.6 * np.array(SLIDE)
    image = np.rint(pale).astype(np.uint8)
    for y in range(44, 400, 88):
        for x in range(44, 500, 88):
            cv2.circle(image, (x, y), 22, NUCLEUS, -1, cv2.LINE_AA)
    assert measure_rbc_diameter(image)[0] == near(40)


def test_where_nothing_is_one_size_no_cell_is_counted():
    image = np.full((300, 300, 3), SLIDE, np.uint8)
    for i, radius in enumerate((9, 16, 29, 52)):
        cv2.circle(image, (60 + 150 * (i % 2), 60 + 150 * (i // 2)), radius, RED, -1)
    assert measure_rbc_diameter(image) == (None, 0)


def test_a_scale_as_json_and_the_least_and_greatest_that_is_taken():
    scale = Scale(0.512345678, "measured", 72.2222, 40)
    assert scale.to_dict() == {
        "factor": 0.51235,
        "how": "measured",
        "rbc_diameter_px": 72.22,
        "cells": 40,
        "words": str(scale),
    }
    assert str(scale).startswith("scale 0.512: red blood cells measure 72.2 pixels")
    assert Scale.given(2).factor == 18.5 and Scale.given(2000).factor == 0.0185
    for refused in (1.9, 2001):
        with pytest.raises(ValueError, match="2 to 2000"):
            Scale.given(refused)
    assert Scale(0.01).factor == 0.01 and Scale(20).factor == 20
    for refused in (0.0099, 20.1):
        with pytest.raises(ValueError, match=r"0\.01 to 20"):
            Scale(refused)


def test_three_cells_of_one_size_are_enough_and_two_are_not():
    for count in (2, 3):
        image = np.full((120, 300, 3), SLIDE, np.uint8)
        for i in range(count):
            cv2.circle(image, (50 + 100 * i, 60), 20, RED, -1, cv2.LINE_AA)
        found = find_scale(image)
        assert found.cells == count and found.how == ("assumed", "measured")[count == 3]


def discs_of(*cells):
    """Round cells without a nucleus: x, y and diameter in pixels."""
    image = np.full((400, 575, 3), SLIDE, np.uint8)
    for x, y, diameter_px in cells:
        cv2.circle(image, (x, y), diameter_px // 2, RED, -1, cv2.LINE_AA)
    return image


WHITE_CELL = (200, 200, 280)


@pytest.mark.parametrize(
    ("cells", "expected_px"),
    [
        ([WHITE_CELL, (450, 90, 130)], 130),
        ([WHITE_CELL, (450, 90, 140), (460, 280, 120)], 131),
        ([(120, 120, 130), (400, 250, 128)], 129),
        ([WHITE_CELL], 165),
        ([WHITE_CELL, (450, 90, 40)], 165),  # a platelet
        ([(200, 200, 110)], None),  # a white cell at 40x, or a red one
        ([(120, 120, 50), (400, 250, 50)], None),  # 40x is as good a guess
    ],
)
def test_one_or_two_cells_far_from_40x_let_the_scale_be_guessed(cells, expected_px):
    """As in pictures of one white cell; it is no measurement, and figures are withheld."""
    image = discs_of(*cells)
    assert measure_rbc_diameter(image)[0] is None
    found = find_scale(image)
    assert found.how == "assumed" and found.rbc_diameter_px is None
    if expected_px is None:
        assert found.factor == 1 and "by" not in str(found)
    else:
        assert 37 / found.factor == near(expected_px)
        assert f"by {found.cells} round cell" in str(found)
        larger = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        assert 37 / find_scale(larger).factor == near(3 * expected_px)


def test_of_two_sizes_one_is_measured_and_not_their_mean():
    """Two rows of 30 pixels cover about as much as one of 40."""
    image = np.full((300, 520, 3), SLIDE, np.uint8)
    for y, radius_px in ((50, 15), (150, 20), (250, 15)):
        for x in range(50, 500, 60):
            cv2.circle(image, (x, y), radius_px, RED, -1, cv2.LINE_AA)
    assert measure_rbc_diameter(image)[0] in (near(40), near(30))


def test_faint_cells_are_measured():
    """They absorb 7 % of the green light."""
    faint = np.rint(0.18 * smear(40) + 0.82 * np.array(SLIDE)).astype(np.uint8)
    assert measure_rbc_diameter(faint)[0] == near(40)


@pytest.mark.parametrize(("radius_px", "how"), [(8, "measured"), (9, "assumed")])
def test_a_nucleus_of_a_fifth_of_a_cell_makes_it_no_red_one(radius_px, how):
    """With the blurred rim, 8 of 20 pixels are 17 % of the area, 9 are 22 %."""
    image, _ = separate(40, (240, 360), 60, rows=60)
    for y in range(60, 210, 60):
        for x in range(60, 330, 60):
            cv2.circle(image, (x, y), radius_px, (40, 138, 140), -1, cv2.LINE_AA)
    assert find_scale(image).how == how


def test_each_cell_of_a_reduced_image_counts_once():
    image, count = separate(60, (500, 1300), 120, rows=120)
    diameter, cells = measure_rbc_diameter(image)
    assert diameter == near(60) and cells == count


@pytest.mark.parametrize("place", [slice(110, 310), slice(650, 950), slice(1230, 1480)])
def test_cells_in_the_middle_and_in_two_corners_of_a_large_image_are_seen(place, monkeypatch):
    monkeypatch.setattr(scale_module, "_WHOLE_PX", 400)
    monkeypatch.setattr(scale_module, "_SEARCH_PX", 200)
    image = np.full((1600, 1600, 3), SLIDE, np.uint8)
    image[place, place] = smear(30, size=(place.stop - place.start,) * 2)
    assert measure_rbc_diameter(image)[0] == near(30)


def test_cells_of_which_reducing_leaves_nothing_are_measured_at_full_size(monkeypatch):
    """Reduced by five, cells of 16 pixels are 3."""
    monkeypatch.setattr(scale_module, "_WHOLE_PX", 2000)
    monkeypatch.setattr(scale_module, "_SEARCH_PX", 240)
    assert measure_rbc_diameter(smear(16, size=(1200, 1200), step=1.8))[0] == near(16)


@pytest.mark.parametrize("black", [0, 30])
@pytest.mark.parametrize(("side", "radius_px"), [(600, 280), (600, 150), (1000, 200)])
def test_the_field_of_an_eyepiece_is_measured_in_black_on_all_sides(side, radius_px, black):
    image = smear(30, size=(side, side))
    y, x = np.ogrid[:side, :side]
    image[(y - side // 2) ** 2 + (x - side // 2) ** 2 > radius_px**2] = black
    assert measure_rbc_diameter(image)[0] == near(30)


@pytest.mark.parametrize("soft_px", [3, 10, 20])
def test_a_soft_edge_of_the_field_is_no_cell(soft_px):
    """As in a photograph by a telephone, held by hand to the eyepiece."""
    image, (y, x) = smear(30, size=(700, 900)), np.ogrid[:700, :900]
    light = 1 / (1 + np.exp((np.hypot(x - 430, y - 360) - 300) / soft_px))
    image = (image * light[..., None] + 12 * (1 - light[..., None])).astype(np.uint8)
    assert measure_rbc_diameter(image)[0] == near(30)


@pytest.mark.parametrize("turns", range(4))
def test_cells_that_the_border_cuts_are_measured_as_if_whole(turns):
    image = np.full((200, 400, 3), SLIDE, np.uint8)
    for x in range(40, 380, 50):
        cv2.circle(image, (x, 8), 15, RED, -1, cv2.LINE_AA)  # a quarter is cut
    assert measure_rbc_diameter(np.rot90(image, turns)) == (near(30), 7)


def test_cells_are_seen_in_green_and_noise_does_not_matter():
    image = smear(40)
    image[..., 0], image[..., 2] = SLIDE[0], SLIDE[2]
    assert measure_rbc_diameter(image)[0] == near(40)
    noise = np.random.default_rng(0).normal(0, 25, image.shape)
    noisy = np.clip(smear(40) + noise, 0, 255).astype(np.uint8)
    assert measure_rbc_diameter(noisy)[0] == near(40)


def test_cells_that_are_not_round_count_once():
    image, count = np.full((300, 400, 3), SLIDE, np.uint8), 0
    for y in range(50, 280, 70):
        for i, x in enumerate(range(50, 380, 70)):
            cv2.ellipse(image, (x, y), (30, 22), 20 * i, 0, 360, RED, -1, cv2.LINE_AA)
            count += 1
    diameter, cells = measure_rbc_diameter(image)
    assert cells == count and diameter == near(2 * (30 * 22) ** 0.5)


def test_of_three_sizes_that_cover_as_much_each_one_is_measured():
    image = np.full((420, 640, 3), SLIDE, np.uint8)
    for y, radius_px, step in (
        *((40, 10, 33), (100, 10, 33), (160, 10, 33)),
        *((200, 17, 62), (260, 17, 62), (340, 29, 100)),
    ):
        for x in range(50, 600, step):
            cv2.circle(image, (x, y), radius_px, RED, -1, cv2.LINE_AA)
    assert measure_rbc_diameter(image)[0] in (near(20), near(34), near(58))


@pytest.mark.parametrize(("width", "found"), [(300, True), (400, False)])
def test_red_cells_are_a_fifth_of_all_that_is_stained(width, found):
    """Twelve of 1,450 pixels, beside 60,000 or 80,000 of something else."""
    image = np.full((200, 400 + width, 3), SLIDE, np.uint8)
    image[:, :400], count = separate(40, (200, 400), 60, rows=60)
    image[:, 400:] = RED
    diameter, cells = measure_rbc_diameter(image)
    assert (diameter is not None) == found and cells == (count if found else 0)
    larger = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    assert not found or measure_rbc_diameter(larger)[1] == count, "nor when it is reduced"


@pytest.mark.parametrize("times", [1, 2, 3])
def test_red_cells_that_a_stain_makes_dense_and_bluish_are_no_nuclei(times):
    """They absorb as much red light as nuclei of other stains; a nucleus beside them more."""
    density = times * np.array([0.35, 0.25, 0.1])
    image = np.repeat(smear(40)[:, :, :1] < 222, 3, axis=2)  # cells
    colour = np.array(SLIDE) * np.exp(-density)
    image = np.where(image, colour, SLIDE).astype(np.uint8)
    dark = image.copy()
    cv2.circle(dark, (300, 300), 45, tuple((np.array(SLIDE) * np.exp(-4 * density)).tolist()), -1)
    for field in (image, dark):
        found, cells = measure_rbc_diameter(cv2.GaussianBlur(field, (0, 0), 0.8))
        assert found == near(40) and cells >= 50


def one_cell(diameter_px, side_px=300, class_id=NEUTROPHIL):
    """The label map of a picture of one white cell, of two colours."""
    labels = np.zeros((side_px, side_px), np.uint8)
    middle = (side_px // 2, side_px // 2)
    cv2.circle(labels, middle, diameter_px // 2, class_id, -1)
    cv2.circle(labels, middle, diameter_px // 5, MONOCYTE if class_id == NEUTROPHIL else 0, -1)
    return labels


GUESS = Scale(1.0, "assumed")


@pytest.mark.parametrize("factor", [1.0, 0.8])
def test_a_guessed_scale_gives_way_to_the_width_of_the_white_cell(factor):
    found = by_white_cell(Scale(factor, "assumed"), one_cell(240))
    assert found.how == "assumed" and found.factor == pytest.approx(72 / 240, rel=0.02)
    assert by_white_cell(found, one_cell(240)) is None, "it fits now"
    assert "by 1 round cell" in str(found)


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        (Scale.of_factor(1.0), one_cell(240)),  # somebody gave it
        (Scale(1.0, "measured", 37.0, 12), one_cell(240)),  # red cells enough
        (GUESS, one_cell(100)),  # as wide as the widest are
        (Scale(1.0, "measured", 37.0, 5), one_cell(120)),
        (GUESS, one_cell(240, side_px=900)),  # no picture of one cell: it may be several
        (GUESS, one_cell(240, class_id=HEALTHY_RBC)),
        (GUESS, np.zeros((300, 300), np.uint8)),
        (Scale(1.0, "measured", 37.0, 10), one_cell(240)),
        (Scale(1.0, "measured", 37.0, 5), one_cell(120, side_px=200)),  # measured: not so wide
        (GUESS, np.pad(np.hstack([one_cell(110, side_px=150)] * 2), ((0, 150), (0, 0)))),  # two
    ],
)
def test_a_scale_stays_where_no_white_cell_contradicts_it(scale, labels):
    assert by_white_cell(scale, labels) is None


def test_a_scale_of_few_red_cells_gives_way_to_a_white_one_wider_than_any():
    found = by_white_cell(Scale(1.0, "measured", 37.0, 5), one_cell(200))
    assert found.how == "assumed" and found.factor == pytest.approx(72 / 200, rel=0.02)


def test_scattered_white_pixels_are_no_wide_cell():
    labels = np.zeros((300, 300), np.uint8)
    labels[::2, ::2] = NEUTROPHIL
    labels[:, 150:] = 0
    assert by_white_cell(GUESS, labels) is None


def in_rows(diameters_px):
    """Discs of these diameters, each in a square of its own."""
    side, across = 2 * max(diameters_px), int(np.ceil(np.sqrt(len(diameters_px))))
    image = np.full((across * side, across * side, 3), SLIDE, np.uint8)
    for i, diameter_px in enumerate(diameters_px):
        middle = (side // 2 + side * (i % across), side // 2 + side * (i // across))
        cv2.circle(image, middle, diameter_px // 2, RED, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), 1)


@pytest.mark.parametrize(
    ("image", "how", "factor", "cells"),
    [
        (in_rows([30] * 3 + [32] * 2 + [38] * 2 + [50] * 2 + [90]), "measured", 1, 7),
        (in_rows([*range(20, 36, 2), *range(36, 60, 4)]), "measured", 0.679194, 4),
        (in_rows([12] * 4), "measured", 2.64447, 4),
        (in_rows([10] * 4), "measured", 3.03998, 4),
        (in_rows([14] * 3 + [60]), "assumed", 1, 0),
        (in_rows([50] * 3 + [100] * 2), "measured", 0.693057, 3),
        (in_rows([50] * 4 + [150]), "measured", 0.693057, 4),
        (in_rows([50] * 4 + [170]), "measured", 0.693057, 4),
        (in_rows([50] * 4 + [200]), "assumed", 0.31209, 1),
        (in_rows([24] * 3 + [30] * 3 + [37] * 3), "measured", 1, 6),
        (in_rows([24] * 6 + [60, 70, 80]), "measured", 0.485733, 3),
        (in_rows([24] * 5 + [90]), "measured", 1.39225, 5),
        (in_rows([120]), "assumed", 0.517666, 1),
        (in_rows([150, 90]), "assumed", 0.388586, 1),
        (in_rows([150, 100, 104]), "assumed", 0.343678, 2),
        (in_rows([200, 60]), "assumed", 0.311655, 1),
        (in_rows([210, 208, 90]), "assumed", 0.169072, 2),
        (in_rows([260, 120, 110]), "assumed", 0.304682, 2),
        (in_rows([300, 220]), "assumed", 0.160574, 1),
        (in_rows([100, 76]), "assumed", 0.457875, 1),
        (untidy_field(0), "measured", 0.827829, 121),
        (untidy_field(1), "measured", 0.849775, 117),
        (untidy_field(2), "measured", 0.841923, 129),
        (np.tile(untidy_field(3), (2, 3, 1)), "measured", 0.833326, 760),
        (np.tile(untidy_field(3)[::2, ::2], (3, 13, 1)), "measured", 1.67211, 3106),
        (np.tile(untidy_field(3), (1, 6, 1)), "measured", 0.831845, 718),
    ],
)
def test_the_scale_of_a_picture_is_as_ever(image, how, factor, cells):
    """Where the scale moves, all figures of all pictures move: nobody does that unawares."""
    found = find_scale(image)
    assert (found.how, found.cells) == (how, cells)
    assert found.factor == pytest.approx(factor, rel=2e-4)


@pytest.mark.parametrize(("width_px", "height_px"), [(151, 151), (135, 100)])
def test_a_white_cell_from_a_seventh_of_the_picture_on_tells_the_scale(width_px, height_px):
    """The second covers 15 % to the pixel."""
    labels = np.zeros((300, 300), np.uint8)
    labels[50 : 50 + height_px, 50 : 50 + width_px] = NEUTROPHIL
    wide_px = np.sqrt(4 / np.pi * width_px * height_px)
    assert by_white_cell(GUESS, labels).factor == pytest.approx(72 / wide_px)


def test_a_scale_that_is_assumed_says_by_how_many_cells():
    assert "assumed, by 1 round cell:" in str(Scale(0.5, "assumed", None, 1))
    assert "assumed, by 2 round cells:" in str(Scale(0.5, "assumed", None, 2))


@pytest.mark.parametrize(("dirt_px", "cells"), [(480, 1), (790, 0)])
def test_a_cell_of_a_twentieth_of_all_that_is_stained_tells_the_scale(dirt_px, cells):
    """One of 6 or 4 % of it."""
    image = np.full((800, 800, 3), SLIDE, np.uint8)
    cv2.circle(image, (200, 200), 65, RED, -1, cv2.LINE_AA)
    image[400:, :dirt_px] = RED
    factor = find_scale(cv2.GaussianBlur(image, (0, 0), 1)).factor
    assert factor == (pytest.approx(0.4777, rel=1e-3) if cells else 1)


def test_of_two_cells_the_one_that_is_cut_counts_for_less():
    found = find_scale(discs_of((20, 120, 150), (400, 250, 120)))
    assert found.cells == 2 and 37 / found.factor == pytest.approx(143.18, rel=2e-4)


def test_what_cells_cover_of_a_large_image_is_measured_as_in_a_small_one():
    """Forty cells at its border, which full-size windows do not see, are three in ten of what is
    stained.
    """
    image = np.full((2000, 2000, 3), SLIDE, np.uint8)
    image[660:1340, 660:1340] = RED
    for i in range(10):
        for x, y in ((100 + 180 * i, 60), (100 + 180 * i, 1940), (60, 190 + 180 * i)):
            cv2.circle(image, (x, y), 40, RED, -1, cv2.LINE_AA)
        cv2.circle(image, (1940, 190 + 180 * i), 40, RED, -1, cv2.LINE_AA)
    assert measure_rbc_diameter(image) == (near(80), 40)
