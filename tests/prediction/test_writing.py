"""Rectangles for letters, on a plain slide: which are writing, and which pixels."""

import cv2
import numpy as np
import pytest

from bloodseg_lib.prediction.writing import burnt_in

BLACK, HEIGHT, WIDTH = (20, 20, 20), 420, 520
SEVEN = np.ones((7, 7), np.uint8)


def slide(*parts, background=(240, 240, 240)):
    """A picture with rectangles of (rows, columns, colour)."""
    image = np.full((HEIGHT, WIDTH, 3), background, np.uint8)
    for rows, columns, colour in parts:
        image[slice(*rows), slice(*columns)] = colour
    return image


def rectangle(rows, columns):
    """One and the three pixels around it."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[max(0, rows[0] - 3) : rows[1] + 3, max(0, columns[0] - 3) : columns[1] + 3] = True
    return mask


LETTER = ((100, 110), (150, 170))


@pytest.mark.parametrize(
    ("colour", "found"),
    [
        ((40, 40, 40), True),
        ((41, 41, 41), False),  # as dark as a nucleus
        ((12, 240, 100), True),
        ((13, 240, 100), False),
        ((12, 239, 100), False),
    ],
)
def test_black_and_pure_colours_are_writing_with_three_pixels_around(colour, found):
    written = burnt_in(slide((*LETTER, colour)))
    assert np.array_equal(written, rectangle(*LETTER)) if found else written is None


@pytest.mark.parametrize(
    ("green", "white", "expected"),
    [(220, 255, True), (220, 254, False), (234, 255, True), (236, 255, False)],
)
def test_white_is_writing_on_a_slide_that_is_not_white_and_black_beside_it_too(
    green, white, expected
):
    other = ((200, 210), (300, 320))
    image = slide((*LETTER, (white,) * 3), (*other, BLACK), background=(240, green, 240))
    both = rectangle(*other) | rectangle(*LETTER)
    assert np.array_equal(burnt_in(image), both if expected else rectangle(*other))


def test_beyond_the_field_of_view_is_no_writing():
    """The map is reduced by 4: its first 30 columns are the first 120."""
    outside = np.zeros((HEIGHT // 4, WIDTH // 4), bool)
    outside[:, :40] = True
    within = ((100, 110), (160, 180))
    image = slide(((100, 110), (50, 70), BLACK), (*within, BLACK))
    assert np.array_equal(burnt_in(image, outside), rectangle(*within))
    assert burnt_in(slide(), outside) is None


@pytest.mark.parametrize(("lines", "found"), [(3, False), (4, True)])
def test_a_frame_of_half_a_hundredth_of_the_sides_is_no_writing(lines, found):
    """Of 420 and of 520 pixels it is 2, and one more."""
    frame = slide()
    frame[:lines] = frame[-lines:] = frame[:, :lines] = frame[:, -lines:] = BLACK
    assert (burnt_in(frame) is not None) == found


@pytest.mark.parametrize("side", [((0, 13), (150, 170)), ((100, 110), (0, 16))])
def test_what_reaches_into_the_picture_begins_behind_the_frame(side):
    rows, columns = ((max(3, begin), end) for begin, end in side)
    assert np.array_equal(burnt_in(slide((*side, BLACK))), rectangle(rows, columns))


@pytest.mark.parametrize(
    "side",
    [
        ((4, 12), (150, 170)),
        ((100, 110), (5, 15)),
        ((HEIGHT - 12, HEIGHT - 4), (150, 170)),
        ((100, 110), (WIDTH - 15, WIDTH - 5)),
    ],
)
def test_specks_in_the_margin_are_left_from_a_frame(side):
    assert burnt_in(slide((*side, BLACK))) is None
    assert np.array_equal(burnt_in(slide((*side, BLACK), (*LETTER, BLACK))), rectangle(*LETTER))


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([((100, 106), (150, 160))], True),  # 60 pixels
        ([((100, 106), (150, 159))], False),  # 54
        ([((100, 103), (20 * i, 20 * i + 4)) for i in range(2, 7)], True),  # five of 12
        ([((100, 101), (20 * i, 20 * i + 11)) for i in range(2, 9)], False),  # strokes of 11: dirt
        ([((100, 204), (150, 255))], True),  # 10,920 of 218,400 pixels: a twentieth
        ([((100, 200), (150, 260))], False),  # 5.04 %
    ],
)
def test_a_few_dark_specks_and_a_large_dark_part_are_no_writing(parts, found):
    image = slide(*((rows, columns, BLACK) for rows, columns in parts))
    assert (burnt_in(image) is not None) == found


@pytest.mark.parametrize(("grey", "found"), [(100, True), (91, True), (89, False)])
def test_a_picture_that_light_does_not_pass_has_no_writing(grey, found):
    assert (burnt_in(slide((*LETTER, BLACK), background=(grey,) * 3)) is not None) == found


def test_the_frame_of_a_large_picture_is_wider():
    """Of 1000 x 2000 pixels: 6 and 11; three around the writing."""
    image = np.full((1000, 2000, 3), 240, np.uint8)
    image[:60, 900:940] = image[500:540, :120] = BLACK
    expected = np.zeros(image.shape[:2], bool)
    expected[3:63, 897:943] = expected[497:543, 8:123] = True
    assert np.array_equal(burnt_in(image), expected)


def barred(length, thickness=3, grey=120, width=WIDTH, turned=False):
    """A picture, so wide, with a bar."""
    image = np.full((width, 400, 3) if turned else (400, width, 3), 240, np.uint8)
    bar = image.swapaxes(0, 1) if turned else image
    bar[200 : 200 + thickness, 100 : 100 + length] = grey
    return image


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("bar", "found"),
    [
        ({"length": 24}, True),
        ({"length": 23}, False),
        ({"length": 60, "thickness": 1}, True),
        ({"length": 60, "thickness": 6}, True),
        ({"length": 60, "thickness": 7}, False),  # no line
        ({"length": 60, "grey": 199}, True),
        ({"length": 60, "grey": 200}, False),  # 40 levels darker
    ],
)
def test_a_thin_grey_line_is_a_scale_bar(bar, found, turned):
    written = burnt_in(barred(**bar, turned=turned))
    assert (written is not None) == found
    if found:
        assert np.array_equal(
            written,
            cv2.dilate((barred(**bar, turned=turned)[..., 0] < 240).astype(np.uint8), SEVEN) > 0,
        )


@pytest.mark.parametrize(("length", "found"), [(90, True), (89, False)])
def test_the_scale_bar_of_a_wide_picture_is_longer(length, found):
    """4.5 % of 2000 pixels."""
    assert (burnt_in(barred(length, width=2000)) is not None) == found


def test_pale_letters_beside_a_scale_bar_are_writing_and_others_are_not():
    """As far beside as half the least length of a bar; 21 grey levels darker, and not 20."""
    image = barred(60)
    image[208:212, 110:114] = image[208:212, 400:404] = 219
    image[208:212, 130:134] = 220
    expected = np.zeros(image.shape[:2], np.uint8)
    expected[200:203, 100:160] = expected[208:212, 110:114] = 1
    assert np.array_equal(burnt_in(image), cv2.dilate(expected, SEVEN) > 0)


@pytest.mark.parametrize(("rise", "found"), [(11, True), (12, False)])
def test_a_line_that_bends_like_the_rim_of_a_cell_is_no_scale_bar(rise, found):
    """Three pixels thick, it may reach over fourteen rows."""
    image = barred(60)
    for step in range(1, rise + 1):
        image[200 + step : 203 + step, 160 + 2 * step - 2 : 160 + 2 * step] = 120
    assert (burnt_in(image) is not None) == found
