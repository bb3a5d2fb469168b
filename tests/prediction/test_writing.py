"""Rectangles for letters, on a plain slide: which are writing, and which pixels."""

import cv2
import numpy as np
import pytest
from drawn_fields import photographed, scattered

from bloodseg_lib.classes import NEUTROPHIL
from bloodseg_lib.prediction.writing import burnt_in, of_writing

BLACK, HEIGHT, WIDTH = (20, 20, 20), 420, 520
SEVEN = np.ones((7, 7), np.uint8)


def slide(*parts, background=(250, 250, 250)):
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


def in_a_jpeg(image):
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


LETTER = ((100, 108), (150, 210))  # too thick for a scale bar


@pytest.mark.parametrize(
    ("colour", "found"),
    [
        ((40, 40, 40), True),
        ((41, 41, 41), False),  # as dark as a nucleus
        ((240, 12, 100), True),
        ((240, 13, 100), False),
        ((239, 12, 100), False),
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
    other = ((200, 208), (300, 360))
    image = slide((*LETTER, (white,) * 3), (*other, BLACK), background=(240, green, 240))
    both = rectangle(*other) | rectangle(*LETTER)
    assert np.array_equal(burnt_in(image), both if expected else rectangle(*other))


@pytest.mark.parametrize("colour", [(60, 140, 200), (150, 40, 90), (45, 42, 48)])
def test_a_stroke_of_exactly_one_colour_is_drawn_if_none_is_near_it(colour):
    field = photographed(slide())
    rows, columns = LETTER
    field[slice(*rows), slice(*columns)] = colour
    assert np.array_equal(burnt_in(field), rectangle(*LETTER))
    beside = field.copy()
    beside[200:204, 150:230] = np.add(colour, 13)  # another drawing
    assert burnt_in(beside)[104, 180]
    beside[200:208, 150:230] = np.add(colour, 12)  # as a stain has them, of many shades
    assert burnt_in(beside) is None
    assert burnt_in(slide((*LETTER, colour))) is None  # of few colours: a drawing all of it


def test_much_black_is_what_lies_around_a_field():
    field = photographed(slide())
    field[50:-50, 40:110] = field[50:100, 40:-40] = 0
    assert 0.05 < (field == 0).all(axis=2).mean() < 0.25
    assert burnt_in(field) is None
    field[(field == 0).all(axis=2)] = (60, 140, 200)
    assert burnt_in(field) is not None


def test_neither_a_disc_nor_a_shade_of_the_slide_in_one_colour_is_drawn():
    field = photographed(slide())
    cv2.circle(field, (180, 104), 20, (60, 140, 200), -1)
    field[200:208, 150:210] = (222, 250, 250)
    assert burnt_in(field) is None


@pytest.mark.parametrize(("width", "thick"), [(520, 4), (1500, 12)])
@pytest.mark.parametrize("colour", [(30, 160, 60), (250, 70, 60), (80, 200, 230)])
def test_boxes_of_any_colour_are_drawn_also_in_a_jpeg(colour, width, thick):
    field = photographed(np.full((HEIGHT, width, 3), 245, np.uint8))
    cv2.rectangle(field, (150, 120), (280, 250), colour, thick)
    written = burnt_in(in_a_jpeg(field))
    assert written[[120, 250], 215].all() and written[185, [150, 280]].all()
    assert not written[185, 215]


@pytest.mark.parametrize(
    ("colour", "found"),
    [
        ((220, 40, 45), True),
        ((60, 80, 215), True),
        ((235, 215, 60), True),
        ((40, 160, 70), True),
        ((110, 50, 130), False),  # as a nucleus
        ((225, 140, 120), False),  # as eosin
    ],
)
def test_strokes_of_a_colour_that_no_stain_has_are_drawn_also_in_a_jpeg(colour, found):
    image = scattered()
    cv2.circle(image, (300, 240), 60, colour, 4, cv2.LINE_AA)
    written = burnt_in(in_a_jpeg(image))
    assert (written is not None) == found
    assert not found or (written[240, 240] and not written[240, 300])


@pytest.mark.parametrize(("step", "found"), [(60, True), (18, False)])
def test_boxes_may_cover_more_of_the_picture_than_writing(step, found):
    field = photographed(slide())
    for x in range(20, WIDTH - 20, step):
        field[20:-20, x : x + 8] = (60, 140, 200)
    share = (field == (60, 140, 200)).all(axis=2).mean()
    assert share > 0.05 and (share < 0.25) == found
    assert (burnt_in(field) is not None) == found


def test_beyond_the_field_of_view_is_no_writing():
    """The map is reduced by 4: its first 30 columns are the first 120."""
    outside = np.zeros((HEIGHT // 4, WIDTH // 4), bool)
    outside[:, :40] = True
    within = ((100, 108), (160, 220))
    image = slide(((100, 108), (50, 110), BLACK), (*within, BLACK))
    assert np.array_equal(burnt_in(image, outside), rectangle(*within))
    assert burnt_in(slide(), outside) is None


@pytest.mark.parametrize(("lines", "found"), [(3, False), (4, True)])
def test_a_frame_of_half_a_hundredth_of_the_sides_is_no_writing(lines, found):
    """Of 420 and of 520 pixels it is 2, and one more."""
    frame = slide()
    frame[:lines] = frame[-lines:] = frame[:, :lines] = frame[:, -lines:] = BLACK
    assert (burnt_in(frame) is not None) == found


@pytest.mark.parametrize("side", [((0, 40), (150, 153)), ((100, 103), (0, 40))])
def test_what_reaches_into_the_picture_begins_behind_the_frame(side):
    rows, columns = ((max(3, begin), end) for begin, end in side)
    assert np.array_equal(burnt_in(slide((*side, BLACK))), rectangle(rows, columns))


@pytest.mark.parametrize(
    "side",
    [
        ((4, 8), (150, 180)),
        ((100, 130), (5, 9)),
        ((HEIGHT - 8, HEIGHT - 4), (150, 180)),
        ((100, 130), (WIDTH - 9, WIDTH - 5)),
    ],
)
def test_specks_in_the_margin_are_left_from_a_frame(side):
    assert burnt_in(slide((*side, BLACK))) is None
    assert np.array_equal(burnt_in(slide((*side, BLACK), (*LETTER, BLACK))), rectangle(*LETTER))


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([((100, 103), (150, 170))], True),  # 60 pixels
        ([((100, 103), (150, 169))], False),  # 57
        ([((100, 101), (20 * i, 20 * i + 12)) for i in range(2, 7)], True),  # five of 12
        ([((100, 101), (20 * i, 20 * i + 11)) for i in range(2, 9)], False),  # strokes of 11: dirt
        ([((100, 126), (60, 480))], True),  # 10,920 of 218,400 pixels: a twentieth
        ([((100, 125), (40, 480))], False),  # 5.04 %
    ],
)
def test_a_few_dark_specks_and_a_large_dark_part_are_no_writing(parts, found):
    image = slide(*((rows, columns, BLACK) for rows, columns in parts))
    assert (burnt_in(image) is not None) == found


@pytest.mark.parametrize(("grey", "found"), [(100, True), (91, True), (89, False)])
def test_a_picture_that_light_does_not_pass_has_no_writing(grey, found):
    image = slide((*LETTER, (10, 10, 10)), background=(grey,) * 3)
    assert (burnt_in(image) is not None) == found


def test_the_frame_of_a_large_picture_is_wider():
    """Of 1000 x 2000 pixels: 6 and 11; three around the writing."""
    image = np.full((1000, 2000, 3), 240, np.uint8)
    image[:60, 900:903] = image[500:503, :120] = BLACK
    expected = np.zeros(image.shape[:2], bool)
    expected[3:63, 897:906] = expected[497:506, 8:123] = True
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


def with_shape(*discs, polygon=(), background=250, colour=20):
    """A picture with black discs of (x, y, radius) or a polygon."""
    image = np.full((HEIGHT, WIDTH, 3), background, np.uint8)
    for x, y, radius in discs:
        cv2.circle(image, (x, y), radius, (colour,) * 3, -1)
    if polygon:
        cv2.fillPoly(image, [np.array(polygon)], (colour,) * 3)
    return image


@pytest.mark.parametrize(
    "discs",
    [
        [(200, 200, 14)],
        [(200, 200, 9), (214, 205, 9), (222, 217, 9)],  # lobes that hang together
        [(40 * i, 200, 3) for i in range(2, 12)],  # parasites
    ],
)
def test_a_black_nucleus_is_no_writing(discs):
    """In green light, or once the contrast is stretched, nuclei are as black as letters."""
    assert burnt_in(with_shape(*discs)) is None


def test_a_dot_beside_a_letter_is_writing_and_one_elsewhere_is_not():
    image = slide((*LETTER, BLACK))
    cv2.circle(image, (222, 104), 3, BLACK, -1)
    cv2.circle(image, (400, 300), 3, BLACK, -1)
    written = burnt_in(image)
    assert written[104, 222]
    assert not written[300, 400]


def test_dots_of_black_and_white_are_no_writing():
    """As a printer makes of grey: what is black hangs together all over the picture."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    image[::3] = image[:, ::3] = 0
    assert burnt_in(image) is None


def test_an_arrow_is_writing():
    arrow = [(100, 198), (140, 198), (140, 190), (160, 200), (140, 210), (140, 202), (100, 202)]
    assert burnt_in(with_shape(polygon=arrow))[200, 150]


@pytest.mark.parametrize(("background", "found"), [(250, True), (125, False)])
def test_in_a_dark_picture_writing_is_darker(background, found):
    image = slide((*LETTER, (38, 38, 38)), background=(background,) * 3)
    assert (burnt_in(image) is not None) == found


@pytest.mark.parametrize(
    ("left_out", "counted", "white", "level"),
    [
        (0, 50, False, None),
        (5, 50, False, "note"),
        (5, 50, True, "warning"),
        (15, 50, False, "warning"),
        (51, 50, False, "withheld"),
    ],
)
def test_the_more_cells_writing_touches_the_graver(left_out, counted, white, level):
    labels = np.zeros((20, 20), np.uint8)
    written = np.zeros((20, 20), bool)
    labels[5:10, 5:10] = NEUTROPHIL if white else 0
    written[8:12, 8:12] = True
    found = list(of_writing(labels, written, left_out, counted))
    assert [finding.level for finding in found] == ([level] if level else [])
    assert all(str(left_out) in finding.sentence for finding in found)


def test_a_border_around_the_picture_is_no_scale_bar_and_cells_beside_it_no_letters():
    image = np.full((576, 720, 3), (225, 222, 228), np.uint8)
    for x in range(30, 700, 70):
        for y in (60, 300, 556):
            cv2.circle(image, (x, y), 20, (190, 160, 195), -1)
            cv2.circle(image, (x + 8, y + 2), 3, (120, 60, 130), -1)
    image = cv2.GaussianBlur(image, (0, 0), 1)
    for side in (image, image[::-1], image.swapaxes(0, 1), image.swapaxes(0, 1)[::-1]):
        side[:2], side[2] = 25, 80
    assert burnt_in(image) is None
