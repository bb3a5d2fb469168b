"""Pictures of a batch that look the same."""

import numpy as np
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


def test_pictures_of_two_sizes_or_unknown_looks_are_never_alike():
    alike, field = Alike(), drawn_field()
    for looks in (looks_of(field), looks_of(field[:-1]), "", ""):
        assert alike.note("x", looks) == ()
