"""Parts of a picture that are in it twice, and pictures in which nothing is."""

import cv2
import numpy as np
import pytest
from drawn_fields import RED_CELL, SLIDE, photographed, scattered

from bloodseg_lib.prediction.copies import COPIES, _plane, likeness_of_parts, of_copies

FIELD = scattered()


def said(image, rbc_px=36):
    findings = list(of_copies(image, rbc_px))
    assert all((f.name, f.level) == ("copies", "warning") for f in findings)
    return bool(findings)


def alike(image):
    return likeness_of_parts(_plane(image))


def joined(first, second, overlap, axis):
    """The first part of one picture of a field and the second of another, of which a fraction of
    the side is in both.
    """
    side = first.shape[axis]
    end, begin = round(side * (0.5 + overlap / 2)), round(side * (0.5 - overlap / 2))
    parts = np.split(first, [end], axis)[0], np.split(second, [begin], axis)[1]
    return np.concatenate(parts, axis)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("copies", ["two", "three", "mirrored"])
def test_halves_and_thirds_that_are_copies_are_warned_of(axis, copies):
    others = {"two": [FIELD], "three": [FIELD] * 2, "mirrored": [np.flip(FIELD, axis)]}
    image = np.concatenate([FIELD, *others[copies]], axis=axis)
    assert alike(image) > COPIES and said(image)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("overlap", [0.2, 0.3, 0.5])
def test_a_strip_that_is_there_twice_is_warned_of(axis, overlap):
    image = joined(FIELD, FIELD, overlap, axis)
    assert alike(image) < 0.5 and said(image)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_strip_of_a_second_photograph_of_the_same_cells_is_too(axis):
    again = photographed(cv2.GaussianBlur(0.9 * FIELD, (0, 0), 0.7), seed=1)
    assert said(joined(FIELD, again, 0.25, axis))


def test_so_is_a_part_that_was_pasted_beside_itself_saved_as_a_jpeg_and_made_larger():
    image = FIELD.copy()
    image[200:420, 330:560] = FIELD[20:240, 40:270]
    image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 1)
    assert said(image) and said(cv2.resize(image, None, fx=1.7, fy=1.7), 61)


def test_cells_scattered_are_no_copies():
    for seed in range(1, 9):
        image = scattered(seed=seed)
        assert alike(image) < 0.5 and not said(image)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("parts", [(0, 1, 1), (0, 1, 0), (0, 0, 1)])
def test_two_like_thirds_of_three_are_not_three_copies(parts, axis):
    image = np.concatenate([scattered(seed=seed) for seed in parts], axis=axis)
    assert alike(image) < 0.5


def test_cells_that_lie_in_rows_are_no_copies():
    """Of one distance, as in a monolayer, but each of its own width and stain."""
    rng, image = np.random.default_rng(0), np.full((480, 640, 3), SLIDE, np.uint8)
    for y in range(30, 470, 52):
        for x in range(30, 630, 52):
            x, y0 = x + int(rng.integers(-4, 5)), y + int(rng.integers(-4, 5))
            axes = tuple(rng.integers(15, 22, 2).tolist())
            colour = [int(level + rng.integers(-12, 13)) for level in RED_CELL]
            cv2.ellipse(image, (x, y0), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    assert not said(photographed(image))


@pytest.mark.parametrize("margin", [20, 120])
@pytest.mark.parametrize("shade", [0, 128, 255])
def test_panels_of_two_fields_with_like_margins_are_no_copies(margin, shade):
    panels = [
        cv2.copyMakeBorder(field, *(margin,) * 4, cv2.BORDER_CONSTANT, value=(shade,) * 3)
        for field in (FIELD, scattered(seed=1))
    ]
    for axis in (0, 1):
        image = np.concatenate(panels, axis)
        assert alike(image) < 0.7 and not said(image)
    assert said(np.concatenate([panels[0], panels[0]], 1))


@pytest.mark.parametrize("shape", [(1, 1), (50, 50), (4, 300), (300, 4), (300, 300)])
def test_a_plane_of_one_colour_or_of_few_pixels_is_no_copy(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    assert alike(image) == 0 and not said(image)


def test_a_picture_of_100_million_pixels_is_reduced_first(tmp_path):
    image = np.lib.format.open_memmap(tmp_path / "l.npy", "w+", np.uint8, (9000, 9000, 3))
    image[::40] = 255
    assert _plane(image).size <= 2048**2
