import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from bloodseg_lib.network.cell_view import RED_CELLS, WHITE_CELLS, companion
from bloodseg_lib.network.single_cell import SingleCellNetwork, _convolution, blocks

SIDE_PX = WHITE_CELLS.side_px


@pytest.fixture
def weights():
    rng, values = np.random.default_rng(0), {}
    for i, layer in enumerate(layer for block in blocks() for layer in block):
        spread = (2 / (np.prod(layer.shape) / layer.outputs)) ** 0.5
        values[f"conv{i}/kernel"] = rng.normal(0, spread, layer.shape).astype(np.float32)
        values[f"conv{i}/bias"] = rng.normal(0, 0.1, layer.outputs)
    return {**values, "dense/kernel": rng.normal(0, 0.1, (320, 5)), "dense/bias": np.zeros(5)}


def written(folder, weights):
    path = companion(folder / "network.npz", WHITE_CELLS)
    np.savez(path, **weights)
    return path


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
    network = SingleCellNetwork(written(tmp_path, weights), WHITE_CELLS)
    shape = (1, 1, SIDE_PX, SIDE_PX, 3)
    cell = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    expected = network.probabilities(cell)
    assert expected.shape == (1, 5)
    assert expected.sum() == pytest.approx(1, abs=1e-5)
    turned = network.probabilities(np.rot90(cell, 1, (2, 3)))
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_the_blurs_of_a_cell_count_alike(tmp_path, weights):
    network = SingleCellNetwork(written(tmp_path, weights), WHITE_CELLS)
    shape = (2, 2, SIDE_PX, SIDE_PX, 3)
    cells = np.random.default_rng(3).uniform(-1, 1, shape).astype(np.float32)
    alone = [network.probabilities(cells[:, [blur]]) for blur in (0, 1)]
    assert not np.allclose(*alone, atol=1e-5)
    np.testing.assert_allclose(network.probabilities(cells), np.mean(alone, axis=0), atol=1e-6)


@pytest.mark.parametrize("view", [WHITE_CELLS, RED_CELLS], ids=lambda view: view.name)
def test_openvino_and_numpy_say_the_same(tmp_path, weights, monkeypatch, view):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    number = len(view.class_ids)
    weights |= {"dense/kernel": weights["dense/kernel"][:, :number], "dense/bias": np.ones(number)}
    np.savez(tmp_path / "cells.npz", **weights)
    shape = (3, len(view.blurs_px), view.side_px, view.side_px, 3)
    cells = np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)
    by_openvino = SingleCellNetwork(tmp_path / "cells.npz", view).probabilities(cells)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    by_numpy = SingleCellNetwork(tmp_path / "cells.npz", view).probabilities(cells)
    np.testing.assert_allclose(by_openvino, by_numpy, atol=1e-5)
    assert by_numpy.std(axis=0).max() > 1e-4  # they tell cells apart


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
    with pytest.raises(
        ValueError,
        match=r"network_white_cells\.npz: expected the weights of a network of white cells",
    ):
        SingleCellNetwork(path, WHITE_CELLS)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which Linux has")
def test_the_memory_of_many_cells_is_given_back():
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    code = (
        "import numpy as np\n"
        "from bloodseg_lib.network.cell_view import WHITE_CELLS, companion\n"
        "from bloodseg_lib.network.pretrained import checkpoint_path\n"
        "from bloodseg_lib.network.single_cell import SingleCellNetwork\n"
        "from bloodseg_lib.runs import give_back_memory\n"
        "network = SingleCellNetwork(companion(checkpoint_path(), WHITE_CELLS), WHITE_CELLS)\n"
        "def kept():\n"
        "    give_back_memory()\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "def look(cells):\n"
        "    network.probabilities(np.zeros((cells, 1, 96, 96, 3), np.float32))\n"
        "look(1)\n"
        "before = kept()\n"
        "look(32)\n"
        "taken = kept() - before\n"
        "network.release()\n"
        "print((kept() - before) / taken)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5
