"""What a program put around a field is outside of it."""

import cv2
import numpy as np
import pytest
from disc_fields import field, grid

from bloodseg_lib.prediction.scale import find_scale, measure_rbc_diameter
from bloodseg_lib.prediction.surround import Surround, of_panels

FIELD = field(*grid(), slide=(228, 222, 230))
WHITE, GREY, LETTERBOX, BLACK = (255,) * 3, (128,) * 3, (114,) * 3, (0,) * 3


def on_black(image):
    surround = Surround.of(image)
    return surround.blackened(image) if surround else image


def padded(colour, edge=70):
    """The field in a frame, and where the field is."""
    image = cv2.copyMakeBorder(FIELD, *[edge] * 4, cv2.BORDER_CONSTANT, value=colour)
    inside = np.zeros(image.shape[:2], bool)
    inside[edge:-edge, edge:-edge] = True
    return image, inside


def rounded(colour):
    inside = np.zeros(FIELD.shape[:2], np.uint8)
    cv2.circle(inside, (200, 150), 145, 1, -1)
    return np.where(inside[..., None] > 0, FIELD, np.uint8(colour)), inside > 0


def turned(colour):
    matrix = cv2.getRotationMatrix2D((200, 150), 25, 1)
    how = {"flags": cv2.INTER_NEAREST}
    image = cv2.warpAffine(FIELD, matrix, (400, 300), borderValue=colour, **how)
    inside = cv2.warpAffine(np.ones(FIELD.shape[:2], np.uint8), matrix, (400, 300), **how)
    return image, inside > 0


def windowed(colour):
    """In the window of a program, with its title and a button."""
    image, inside = padded(colour)
    image[:20] = (45, 62, 80)
    cv2.rectangle(image, (100, 30), (140, 50), (200, 20, 20), -1)
    return image, inside


@pytest.mark.parametrize("put", [padded, rounded, turned, windowed])
@pytest.mark.parametrize("colour", [WHITE, GREY, LETTERBOX])
def test_all_around_the_field_becomes_black_and_nothing_within(put, colour):
    image, inside = put(colour)
    before = image.copy()
    seen = on_black(image)
    np.testing.assert_array_equal(image, before)
    assert (seen[~inside] == 0).all()
    well_within = cv2.erode(inside.astype(np.uint8), np.ones((9, 9))) > 0
    np.testing.assert_array_equal(seen[well_within], image[well_within])


def test_the_jpeg_of_a_frame_becomes_black_too():
    image, inside = padded(GREY)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    seen = on_black(cv2.imdecode(data, cv2.IMREAD_COLOR))
    assert (seen[~inside] == 0).mean() > 0.97


@pytest.mark.parametrize("colour", [WHITE, GREY, BLACK])
@pytest.mark.parametrize("rows", [1, 2])
def test_the_panels_of_a_figure_are_fields_all_of_them(colour, rows):
    row = np.concatenate([padded(colour, edge=10)[0], padded(colour, edge=10)[0]], axis=1)
    inside = np.tile(padded(colour, edge=10)[1], (rows, 2))
    image = np.concatenate([row] * rows)
    assert Surround.of(image).fields == 2 * rows
    assert f"{2 * rows} fields" in next(of_panels(Surround.of(image))).sentence
    seen = on_black(image)
    assert (seen[~inside] == 0).all()
    well_within = cv2.erode(inside.astype(np.uint8), np.ones((9, 9))) > 0
    np.testing.assert_array_equal(seen[well_within], image[well_within])


def test_black_around_one_field_stays_as_it_is():
    image, _ = padded(BLACK)
    assert Surround.of(image) is None


def test_a_small_copy_beside_the_field_is_around_it():
    """As the overview in the corner of a viewer."""
    image, inside = padded(GREY, edge=120)
    small = cv2.resize(FIELD, None, fx=0.25, fy=0.25)
    image[10 : 10 + small.shape[0], 10 : 10 + small.shape[1]] = small
    assert Surround.of(image).fields == 1
    assert not list(of_panels(Surround.of(image)))
    assert (on_black(image)[~inside] == 0).all()


def test_a_picture_as_a_camera_makes_it_stays_the_same_object():
    assert on_black(FIELD) is FIELD


def test_the_slide_of_cells_that_were_composed_on_one_colour_stays():
    """A slide of one exact colour, as composed smears have, lies between the cells."""
    flat = np.full((300, 400, 3), 255, np.uint8)
    for x, y, radius, colour in grid():
        cv2.circle(flat, (x, y), radius, colour, -1)
    assert on_black(flat) is flat


def test_one_cell_cut_out_on_white_keeps_its_slide():
    image = np.full((200, 200, 3), 255, np.uint8)
    cv2.circle(image, (100, 100), 70, (190, 150, 200), -1)
    cv2.circle(image, (90, 100), 30, (90, 40, 120), -1)
    assert on_black(image) is image


def test_a_bright_slide_that_is_clipped_stays():
    """White within a picture whose slide is white nearly everywhere is no frame."""
    bright = np.clip(FIELD.astype(int) + 40, 0, 255).astype(np.uint8)
    framed = cv2.copyMakeBorder(bright, 0, 0, 80, 80, cv2.BORDER_CONSTANT, value=WHITE)
    assert on_black(bright) is bright
    assert on_black(framed) is framed


@pytest.mark.parametrize("put", [padded, rounded, turned])
def test_the_scale_is_measured_within_the_black(put):
    expected, _ = measure_rbc_diameter(FIELD)
    found = find_scale(on_black(put(WHITE)[0]))
    assert found.how == "measured"
    assert found.rbc_diameter_px == pytest.approx(expected, rel=0.03)
