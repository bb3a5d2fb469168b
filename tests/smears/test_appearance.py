import numpy as np
import pytest

from bloodseg_lib.optics import density_exceeded_by, scale_density
from bloodseg_lib.smears.appearance import blur_cell, jitter_stain


def cell(*colours):
    """A sample of one row: a pixel of each colour, and one of another beside the mask."""
    rgba = np.full((1, len(colours) + 1, 4), 7, np.uint8)
    rgba[0, :-1, :3], rgba[0, :-1, 3], rgba[0, -1, 3] = colours, 255, 0
    return rgba


def test_density_is_the_logarithm_of_the_absorbance_under_the_mask():
    rgba = cell((51, 102, 255), (51, 102, 255), (255, 204, 255))
    assert density_exceeded_by(rgba, 0.5) == pytest.approx(np.log([5, 2.5, 1]), abs=1e-6)
    assert density_exceeded_by(rgba, 1.0) == pytest.approx(np.log([1, 1.25, 1]), abs=1e-6)


def test_twice_the_density_squares_the_transmittance():
    twice = scale_density(cell((51, 102, 255)), 2)
    # 255 * 0.2 ** 2, 255 * 0.4 ** 2; white stays white, the mask as it is
    assert twice[0, 0].tolist() == [10, 41, 255, 255]
    assert twice[0, 1, 3] == 0
    assert scale_density(cell((51, 102, 204)), np.array([1, 2, 0.5]))[0, 0].tolist() == [
        51,
        41,
        228,
        255,
    ]


def test_a_blur_of_a_cell_alone_leaves_its_mask_and_its_rim():
    rgba = np.full((20, 20, 4), 90, np.uint8)
    rgba[5:15, 5:15, 3], rgba[10, 10, 0] = 255, 250
    blurred = blur_cell(rgba, 1.0)
    assert np.array_equal(blurred[:, :, 3], rgba[:, :, 3])
    assert 90 < blurred[10, 9, 0] < blurred[10, 10, 0] < 250
    assert (blurred[:, :, 1:3] == 90).all()
    assert blur_cell(rgba, 0.1) is rgba


def test_stain_jitter_leaves_white_and_the_mask():
    rgba = cell((255, 255, 255), (120, 90, 200))
    varied = jitter_stain(rgba, np.random.default_rng(0), 0.3)
    assert varied[0, 0].tolist() == [255, 255, 255, 255]
    assert varied[0, :, 3].tolist() == [255, 255, 0]
    assert varied[0, 1].tolist() != rgba[0, 1].tolist()


def test_stain_jitter_of_a_cell_and_of_its_colours_are_the_same():
    rgba = cell((10, 128, 250), (120, 90, 200))
    varied = jitter_stain(rgba, np.random.default_rng(5), 0.3)
    colours = jitter_stain(np.ascontiguousarray(rgba[:, :, :3]), np.random.default_rng(5), 0.3)
    assert np.array_equal(varied[:, :, :3], colours)
