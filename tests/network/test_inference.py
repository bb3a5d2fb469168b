"""Every engine gives the probabilities of the network that Keras builds."""

import os
import subprocess
import sys

import numpy as np
import pytest

from bloodseg_lib.network import inference
from bloodseg_lib.network.checkpoint import load_model, save_checkpoint
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.inference import load_network
from bloodseg_lib.network.pretrained import checkpoint_path
from bloodseg_lib.network.sidecar import Sidecar
from bloodseg_lib.network.unet import build_unet
from bloodseg_lib.runs import give_back_memory

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")


@pytest.fixture
def tiles():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)


def checkpoint(path, config):
    """A network with weights, offsets and statistics that are all different."""
    model, rng = build_unet(config), np.random.default_rng(1)
    for variable in model.weights:
        if "seed" not in variable.path:
            values = np.abs(rng.normal(0.5, 0.2, variable.shape))
            variable.assign(variable.numpy() + 0.1 * values if variable.ndim == 4 else values)
    about = Sidecar(
        *(1, 1, 0.1, config.mean, config.std, 0.1, 1.0, [], config.to_dict(), {}, "none")
    )
    save_checkpoint(path, model, about)
    return path


@pytest.mark.parametrize("normalization", ["none", "batch"])
@pytest.mark.parametrize("levels", [2, 4])
def test_openvino_computes_what_keras_computes(tmp_path, tiles, normalization, levels):
    config = UNetConfig(
        width=4, levels=levels, normalization=normalization, mean=(200.0, 180.0, 190.0)
    )
    path = checkpoint(tmp_path / "best.npz", config)
    expected = np.asarray(load_model(path)[0].predict_on_batch(tiles))
    assert expected.std(axis=(0, 1, 2)).max() > 1e-3  # else it would show nothing
    found = load_network(path, engine="openvino").predict(tiles)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_released_network_gives_the_same_label_maps_on_either_engine(tiles):
    by_keras = load_network(checkpoint_path(), engine="keras").predict(tiles).argmax(-1)
    by_openvino = load_network(checkpoint_path(), engine="openvino").predict(tiles).argmax(-1)
    assert (by_keras != by_openvino).mean() <= 1e-4


def test_a_network_that_gave_its_memory_back_says_the_same(tiles):
    network = load_network(checkpoint_path(), engine="openvino")
    expected = network.predict(tiles)
    network.release()
    give_back_memory()
    np.testing.assert_array_equal(network.predict(tiles), expected)
    load_network(checkpoint_path(), engine="keras").release()  # which has nothing to give back


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which Linux has")
def test_the_memory_of_a_large_tile_is_given_back():
    code = (
        "import numpy as np\n"
        "from bloodseg_lib.network.inference import load_network\n"
        "from bloodseg_lib.network.pretrained import checkpoint_path\n"
        "from bloodseg_lib.runs import give_back_memory\n"
        "network = load_network(checkpoint_path(), engine='openvino')\n"
        "def kept():\n"
        "    give_back_memory()\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "before = kept()\n"
        "network.predict(np.zeros((1, 640, 640, 3), np.uint8))\n"
        "taken = kept() - before\n"
        "network.release()\n"
        "print((kept() - before) / taken)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5


def test_predictions_do_not_share_their_memory(tiles):
    predict = load_network(checkpoint_path(), engine="openvino").predict
    first = predict(tiles)
    kept = first.copy()
    predict(255 - tiles)
    assert np.array_equal(first, kept)


def test_without_openvino_keras_predicts_and_says_so_once(monkeypatch, capsys, tiles):
    monkeypatch.setattr(inference.importlib.util, "find_spec", lambda name: None)
    inference._best_engine.cache_clear()
    assert (
        load_network(checkpoint_path()).engine == load_network(checkpoint_path()).engine == "keras"
    )
    assert capsys.readouterr().err.count("OpenVINO is not installed") == 1
    inference._best_engine.cache_clear()


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match=r"engine: expected one of auto, openvino, keras. Rec"):
        load_network(checkpoint_path(), engine="onnx")


def test_predicting_by_openvino_starts_neither_keras_nor_tensorflow():
    code = (
        "import sys, numpy as np; from bloodseg_lib.prediction.segmenter import *;"
        "Segmenter(config=PredictionConfig(engine='openvino')).segment("
        "np.full((64, 64, 3), 240, np.uint8));"
        "print([m for m in ('keras', 'tensorflow', 'matplotlib') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_network_is_compiled_while_scipy_is_imported():
    """Which takes a fifth of a start: ``import scipy`` loads ``scipy.ndimage`` at its first use."""
    code = (
        "import sys; from bloodseg_lib.prediction import Segmenter, predict_files; Segmenter();"
        "print([m for m in ('scipy.ndimage', 'skimage.segmentation') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_ctrl_c_is_heard_after_a_network_ended_in_another_thread():
    """OpenVINO has given the thread that compiled it a stack for signals, and freed that."""
    code = (
        "import faulthandler, signal, threading; faulthandler.enable();"
        "from bloodseg_lib.network.inference import load_network;"
        "from bloodseg_lib.network.pretrained import checkpoint_path;"
        "signal.signal(signal.SIGINT, lambda *_: print('heard'));"
        "networks = [load_network(checkpoint_path(), engine='openvino')];"
        "ending = threading.Thread(target=networks.clear); ending.start(); ending.join();"
        "signal.raise_signal(signal.SIGINT)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, "heard")
