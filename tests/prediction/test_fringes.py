"""Discs of one colour, and the same whose red and blue lie beside green."""

import cv2
import numpy as np
import pytest
from drawn_fields import scattered

from bloodseg_lib.prediction.fringes import fringes, of_fringes


def moved(px, image=None):
    image = scattered() if image is None else image
    red, green, blue = cv2.split(image)
    return cv2.merge([np.roll(red, px, 1), green, np.roll(blue, -px, 0)])


@pytest.mark.parametrize(("px", "warned"), [(0, False), (1, False), (3, True), (5, True)])
def test_colours_beside_each_other_are_warned_of(px, warned):
    assert [f.level for f in of_fringes(moved(px), 1.0)] == ["warning"] * warned


@pytest.mark.parametrize("px", [2, 4, 6])
def test_how_far_they_are_apart(px):
    grows, apart_px = fringes(moved(px), 1.0)
    assert apart_px == px and grows > 0


def test_the_same_at_any_scale_and_the_words_count_pixels_of_the_picture():
    large = moved(4).repeat(2, 0).repeat(2, 1)
    (finding,) = of_fringes(large, 0.5)
    assert "Red or blue lies 8 pixels beside green" in finding.sentence
    assert fringes(large, 0.5)[0] == pytest.approx(fringes(moved(4), 1.0)[0], rel=0.1)


@pytest.mark.parametrize("shape", [(60, 400, 3), (1, 1, 3), (95, 95, 3)])
def test_of_a_small_picture_nothing_is_known(shape):
    assert fringes(np.full(shape, 200, np.uint8), 1.0) == (0.0, 0.0)


def test_of_an_empty_slide_nothing_is_said():
    assert not list(of_fringes(np.full((300, 300, 3), 230, np.uint8), 1.0))
    noise = np.random.default_rng(0).normal(230, 3, (300, 300, 3)).astype(np.uint8)
    assert not list(of_fringes(noise, 1.0))


def test_channels_that_show_other_things_lie_nowhere_upon_each_other():
    image = scattered()
    image[:, :, 0] = np.roll(scattered()[::-1, ::-1, 0], (17, 31), (0, 1))
    assert fringes(image, 1.0)[0] < 0.01
