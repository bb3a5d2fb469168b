"""Pictures of a batch that look the same."""

import cv2
import numpy as np
import pytest
from drawn_fields import drawn_field
from PIL import Image

from bloodseg_lib.io import read_image
from bloodseg_lib.prediction.likeness import Alike, looks_of


def test_a_jpeg_of_a_field_is_alike_and_a_field_of_other_cells_is_not(tmp_path):
    field = drawn_field()
    Image.fromarray(field).save(tmp_path / "a.jpg", quality=50)
    alike = Alike()
    assert alike.note("a.png", looks_of(field)) == ()
    assert alike.note("moved.png", looks_of(np.roll(field, 35, axis=1))) == ()
    (note,) = alike.note("a.jpg", looks_of(read_image(tmp_path / "a.jpg")))
    assert "the same as a.png" in note


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [1, -1])
@pytest.mark.parametrize("size", [1, 0.5, 1.7])
def test_a_field_is_alike_turned_mirrored_and_of_another_size(turns, mirrored, size):
    alike, field = Alike(), drawn_field()
    other = cv2.resize(np.rot90(field[:, ::mirrored], turns), None, fx=size, fy=size)
    assert alike.note("a", looks_of(field)) == ()
    assert "the same as a" in alike.note("b", looks_of(other))[0]


def test_pictures_of_two_shapes_or_unknown_looks_are_never_alike():
    alike, field = Alike(), drawn_field()
    for looks in (looks_of(field), looks_of(field[:-8]), "", ""):
        assert alike.note("x", looks) == ()


def grey(level, width=60, height=40):
    return np.full((height, width, 3), level, np.uint8)


def test_looks_are_the_size_and_256_greens():
    image = np.dstack([grey(1)[:, :, 0], grey(77)[:, :, 0], grey(2)[:, :, 0]])
    assert looks_of(image) == "60x40 " + "4d" * 256  # 77 = 0x4d


def test_alike_are_two_grey_levels_and_the_first_one_is_named():
    alike = Alike()
    assert alike.note("a", looks_of(grey(100))) == ()
    same = "It looks the same as a: if it is, its cells count twice in what is pooled."
    assert alike.note("b", looks_of(grey(102))) == (same,)
    assert alike.note("c", looks_of(grey(98))) == (same,)
    assert alike.note("d", looks_of(grey(105))) == ()
    assert "the same as d" in alike.note("e", looks_of(grey(107)))[0]


def test_of_a_large_picture_every_second_pixel_is_looked_at():
    image = grey(100, width=2048)
    image[:, 1::2] = 0
    assert looks_of(image) == looks_of(grey(100, width=2048))
    tall = grey(100, height=2048)
    tall[1::2] = 0
    assert looks_of(tall) == looks_of(grey(100, height=2048))
    small = grey(100, width=1024)
    small[:, 1::2] = 0
    assert looks_of(small) == "1024x40 " + "32" * 256  # half of 100
