import numpy as np
import pytest

from bloodseg_lib.network.cell_view import VIEWS, at_reference, resized, seen

SIDE = 64
of_each_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)


def a_cell():
    rows, columns = np.indices((SIDE, SIDE)) - SIDE // 2
    mask = (rows**2 + columns**2 < 400).astype(np.float32)
    density = np.random.default_rng(1).uniform(0.2, 1.5, (SIDE, SIDE, 3))
    return density.astype(np.float32), mask


@of_each_view
def test_how_strongly_each_channel_is_stained_hardly_matters(view):
    """But for the constant that keeps a colourless cell from being divided by nothing."""
    density, mask = a_cell()
    stronger = at_reference(density * np.array([1.5, 0.9, 2.0], np.float32), mask, view)
    np.testing.assert_allclose(stronger, at_reference(density, mask, view), rtol=view.least_density)


def test_outside_the_cell_all_is_white():
    density, mask = a_cell()
    assert (seen(density, mask)[mask == 0] == 1).all()
    assert (seen(density, mask)[mask == 1] < 1).all()


def test_a_square_of_any_size_is_brought_to_the_input():
    for side in (30, 64, 500):
        density, mask = resized(np.ones((side, side, 3), np.float32), np.ones((side, side)), SIDE)
        assert density.shape == (SIDE, SIDE, 3) and mask.shape == (SIDE, SIDE)
        np.testing.assert_allclose(density, 1, atol=1e-5)


@of_each_view
def test_a_channel_without_stain_keeps_its_noise_small(view):
    """The noise of a camera, which is no parasite."""
    density, mask = a_cell()
    density[..., 0] = np.random.default_rng(3).uniform(0, 0.01, mask.shape)
    found = at_reference(density, mask, view)[..., 0]
    assert found.max() < view.reference[0] / 4


def test_a_cell_of_no_pixels_is_no_cell():
    density, mask = a_cell()
    assert not at_reference(density, 0 * mask, VIEWS[0]).any()
