import numpy as np
import pytest
from scipy import ndimage

from bloodseg_lib.network.white_cells import (
    INPUT_PX,
    WhiteCellNetwork,
    _convolution,
    at_reference,
    blocks,
    companion,
    reduced,
    seen,
)


@pytest.fixture
def weights():
    rng, values = np.random.default_rng(0), {}
    for i, layer in enumerate(layer for block in blocks() for layer in block):
        spread = (2 / (np.prod(layer.shape) / layer.outputs)) ** 0.5
        values[f"conv{i}/kernel"] = rng.normal(0, spread, layer.shape).astype(np.float32)
        values[f"conv{i}/bias"] = rng.normal(0, 0.1, layer.outputs)
    return {**values, "dense/kernel": rng.normal(0, 0.1, (320, 5)), "dense/bias": np.zeros(5)}


def written(folder, weights):
    path = companion(folder / "network.npz")
    np.savez(path, **weights)
    return path


def a_cell():
    rows, columns = np.indices((INPUT_PX, INPUT_PX)) - INPUT_PX // 2
    mask = (rows**2 + columns**2 < 400).astype(np.float32)
    density = np.random.default_rng(1).uniform(0.2, 1.5, (INPUT_PX, INPUT_PX, 3))
    return density.astype(np.float32), mask


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_a_correlation_padded_to_the_same_size(stride):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(1, 9, 9, 1)), rng.normal(size=(3, 3, 1, 1))
    expected = ndimage.correlate(x[0, :, :, 0], kernel[:, :, 0, 0], mode="constant")
    np.testing.assert_allclose(
        _convolution(x, kernel, stride)[0, :, :, 0], expected[::stride, ::stride]
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_a_kernel_of_each_channel_is_a_convolution_that_mixes_none(stride):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 8, 8, 3)), rng.normal(size=(5, 5, 3))
    mixing = kernel[:, :, :, None] * np.eye(3)
    expected = _convolution(x, mixing, stride)
    np.testing.assert_allclose(_convolution(x, kernel, stride), expected, atol=1e-12)


def test_the_network_is_efficientnet_lite0():
    """By the number of its parameters, with the head and the thousand classes that are left out."""
    layers = [layer for block in blocks() for layer in block]
    kernels = sum(int(np.prod(layer.shape)) for layer in layers) + 320 * 1280
    normalisation = 2 * (sum(layer.outputs for layer in layers) + 1280)
    assert kernels + normalisation + 1280 * 1000 + 1000 == 4_652_008


def test_an_even_side_is_padded_below_and_right_as_keras_does():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    # the windows begin at 0 and 2, the second reaches one line beyond the end
    found = _convolution(x, np.ones((3, 3, 1, 1)), stride=2)[0, :, :, 0]
    np.testing.assert_array_equal(found, [[45, 39], [66, 50]])


def test_how_a_cell_is_turned_does_not_matter(tmp_path, weights):
    network = WhiteCellNetwork(written(tmp_path, weights))
    cell = seen(*a_cell())[None]
    expected = network.probabilities(cell)
    assert expected.shape == (1, 5)
    assert expected.sum() == pytest.approx(1, abs=1e-5)
    turned = network.probabilities(np.rot90(cell, 1, (1, 2)))
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_how_strongly_each_channel_is_stained_hardly_matters():
    """But for the constant that keeps a colourless cell from being divided by nothing."""
    density, mask = a_cell()
    stronger = at_reference(density * np.array([1.5, 0.9, 2.0], np.float32), mask)
    np.testing.assert_allclose(stronger, at_reference(density, mask), rtol=0.05)


def test_outside_the_cell_all_is_white():
    density, mask = a_cell()
    assert (seen(density, mask)[mask == 0] == 1).all()
    assert (seen(density, mask)[mask == 1] < 1).all()


def test_a_square_of_any_size_is_brought_to_the_input():
    for side in (30, 64, 500):
        density, mask = reduced(np.ones((side, side, 3), np.float32), np.ones((side, side)))
        assert density.shape == (INPUT_PX, INPUT_PX, 3) and mask.shape == (INPUT_PX, INPUT_PX)
        np.testing.assert_allclose(density, 1, atol=1e-5)


@pytest.mark.parametrize("damage", ["cut", "name", "shape", "nan", "bomb"])
def test_a_damaged_file_is_refused_by_name(tmp_path, weights, damage):
    if damage == "name":
        del weights["conv2/bias"]
    elif damage == "shape":
        weights["dense/kernel"] = np.zeros((320, 6))
    elif damage == "nan":
        weights["conv1/bias"] = np.full(32, np.nan)
    path = written(tmp_path, weights)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "bomb":
        np.savez_compressed(path, **weights, more=np.zeros(2**24, np.uint8))
    with pytest.raises(ValueError, match=r"network_white_cells\.npz: expected the weights"):
        WhiteCellNetwork(path)
