import dataclasses
import json
import shutil

import numpy as np
import pytest

from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.checkpoint import (
    load_model,
    read_sidecar,
    restore_checkpoint,
    save_checkpoint,
    write_compact,
)
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.sidecar import Sidecar
from bloodseg_lib.network.unet import build_unet

CONFIG = UNetConfig(width=2, levels=3, normalization="batch", mean=(10.0, 20.0, 30.0))


def a_sidecar(unet=CONFIG, epoch=3):
    return Sidecar(
        epoch=epoch,
        batch_size=4,
        learning_rate=0.001,
        mean=unet.mean,
        std=unet.std,
        max_valid_accuracy=0.5,
        min_valid_loss=1.5,
        history=[{"epoch": 1, "valid_accuracy": 0.5, "zero_recall": ["basophil"]}],
        unet=unet.to_dict(),
        training={"batch_size": 4},
        dataset="abc",
    )


@pytest.fixture(scope="module")
def model():
    return build_unet(CONFIG, seed=7)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "best.npz"
    save_checkpoint(path, model, a_sidecar())
    return path


@pytest.fixture
def copy(saved, tmp_path):
    """A checkpoint that a test may damage."""
    for path in (saved, saved.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path / "best.npz"


def test_a_loaded_network_predicts_the_same_bits(model, saved):
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    loaded, sidecar = load_model(saved)
    np.testing.assert_array_equal(np.asarray(loaded(image)), np.asarray(model(image)))
    assert sidecar == a_sidecar()


def test_the_json_may_be_named_instead_of_the_weights(saved):
    assert read_sidecar(saved.with_suffix(".json")).epoch == 3


def test_the_files_hold_no_pickle_and_no_optimizer(model, saved):
    with np.load(saved, allow_pickle=False) as arrays:
        names = set(arrays.files)
        assert arrays["down0_conv1/kernel"].shape == (3, 3, 3, 2)
        parameters = sum(arrays[name].size for name in names - {"sidecar"})
    assert parameters == model.count_params()
    assert json.loads(saved.with_suffix(".json").read_text()) == a_sidecar().to_dict()


def test_optimizer_and_dropout_come_back(tmp_path):
    def trained(steps, optimizer, network):
        network.compile(optimizer, "sparse_categorical_crossentropy")
        rng = np.random.default_rng(1)
        for _ in range(steps):
            network.train_on_batch(
                rng.integers(0, 256, (1, 16, 16, 3)).astype(np.uint8),
                rng.integers(0, 10, (1, 16, 16)).astype(np.uint8),
            )

    network, adam = build_unet(CONFIG), keras.optimizers.Adam(name="adam")
    trained(2, adam, network)
    save_checkpoint(tmp_path / "latest.npz", network, a_sidecar(), adam)
    other, other_adam = build_unet(CONFIG, seed=99), keras.optimizers.Adam(name="adam")
    restore_checkpoint(tmp_path / "latest.npz", other, other_adam)
    assert int(other_adam.iterations) == 2
    for a, b in zip(adam.variables, other_adam.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    state = other.get_layer("down2_dropout").seed_generator.state.numpy()
    np.testing.assert_array_equal(
        state, network.get_layer("down2_dropout").seed_generator.state.numpy()
    )


def test_a_compact_network_has_kernels_in_half_precision_and_nothing_to_go_on_from(tmp_path):
    model = build_unet(CONFIG)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    save_checkpoint(tmp_path / "latest.npz", model, a_sidecar(), optimizer)
    write_compact(tmp_path / "latest.npz", tmp_path / "network.npz")
    with np.load(tmp_path / "network.npz") as compact:
        kinds = {name.endswith("/kernel"): compact[name].dtype for name in compact if "/" in name}
        assert kinds == {True: np.float16, False: np.float32}
        assert not any(name.startswith("optimizer") for name in compact)
    loaded, sidecar = load_model(tmp_path / "network.npz")
    assert sidecar == read_sidecar(tmp_path / "latest.npz")
    for exact, halved in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(halved, exact, rtol=2**-11, atol=2**-24)


def test_a_checkpoint_to_go_on_from_also_predicts(model, tmp_path):
    adam = keras.optimizers.Adam(name="adam")
    adam.build(model.trainable_variables)
    save_checkpoint(tmp_path / "latest.npz", model, a_sidecar(), adam)
    loaded, _ = load_model(tmp_path / "latest.npz")
    for a, b in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_weights_alone_are_no_checkpoint_to_go_on_from(saved):
    with pytest.raises(
        ValueError,
        match=r"expected a checkpoint with the state of its optimizer. Received weights only",
    ):
        restore_checkpoint(saved, build_unet(CONFIG), keras.optimizers.Adam(name="adam"))


def test_without_the_json_the_copy_inside_counts(copy):
    copy.with_suffix(".json").unlink()
    assert read_sidecar(copy) == a_sidecar()


def test_a_json_one_save_behind_is_not_used(copy):
    copy.with_suffix(".json").write_text(json.dumps(a_sidecar(epoch=2).to_dict()))
    assert load_model(copy)[1].epoch == 3


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r"best.npz: expected the weights of a trained network, there are none. Run "
        r"notebooks/03",
    ):
        load_model(tmp_path / "best.npz")


def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path):
    with pytest.raises(
        ValueError, match=r"best.h5: expected a checkpoint, a file whose name ends in .npz"
    ):
        load_model(tmp_path / "best.h5")


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_cut_weights_are_refused(copy, keep):
    data = copy.read_bytes()
    copy.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(
        ValueError,
        match=r"best.npz: expected a checkpoint of this package, received another or a damaged "
        r"file",
    ):
        load_model(copy)


def test_flipped_bits_in_the_weights_are_noticed(copy):
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 255
    copy.write_bytes(data)
    with pytest.raises(ValueError, match=r"best.npz: expected"):
        load_model(copy)


@pytest.mark.parametrize(
    "value",
    [
        np.float32("nan"),
        np.float32("inf"),
        np.float32("-inf"),
        np.float64(1e300),  # infinite once it is float32
        np.complex64(1),
        np.bool_(True),
        np.datetime64("2026-01-01"),
    ],
)
def test_weights_that_are_not_finite_numbers_are_refused(copy, value):
    with np.load(copy) as stored:
        arrays = dict(stored)
    bias = next(name for name in arrays if name.endswith("/beta"))
    arrays[bias] = np.full(arrays[bias].shape, value)
    np.savez(copy, **arrays)
    with pytest.raises(
        ValueError, match=rf"best\.npz: .*variable {bias} holds a value that is not a finite number"
    ):
        load_model(copy)


@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_normalization_that_is_not_finite_is_refused(copy, name, value):
    """In the second channel: ``min`` of a list whose second number is NaN may be any of them."""
    with np.load(copy) as stored:
        arrays = dict(stored)
    sidecar = json.loads(arrays["sidecar"].tobytes())
    sidecar["unet"][name][1] = value
    arrays["sidecar"] = np.frombuffer(json.dumps(sidecar).encode(), np.uint8)
    np.savez(copy, **arrays)
    with pytest.raises(ValueError, match=rf"best\.npz: .*{name}.* finite numbers"):
        load_model(copy)


def test_a_cut_sidecar_is_refused_with_the_mend(copy):
    beside = copy.with_suffix(".json")
    beside.write_text(beside.read_text()[:200])
    with pytest.raises(
        ValueError,
        match=r"best.json: expected the sidecar of best.npz, received a damaged or cut file. "
        r"Delete it",
    ):
        load_model(copy)


def test_a_sidecar_that_lacks_a_key_is_refused(copy):
    values = a_sidecar().to_dict()
    del values["unet"], values["epoch"]
    copy.with_suffix(".json").write_text(json.dumps(values))
    with pytest.raises(
        ValueError,
        match=r"best.json: expected a sidecar with epoch, .*. Received none of epoch, unet",
    ):
        load_model(copy)


def test_a_sidecar_of_another_network_is_refused(copy):
    copy.with_suffix(".json").write_text(
        json.dumps(a_sidecar(dataclasses.replace(CONFIG, width=4)).to_dict())
    )
    with pytest.raises(
        ValueError,
        match=r"best.json: expected the sidecar of best.npz, .*Received that of another network",
    ):
        load_model(copy)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (dataclasses.replace(CONFIG, width=4), "shape"),
        (dataclasses.replace(CONFIG, normalization="none"), "one in the network, received none"),
    ],
)
def test_weights_of_another_shape_are_refused(model, tmp_path, other, message):
    save_checkpoint(tmp_path / "best.npz", model, a_sidecar(other))
    with pytest.raises(
        ValueError,
        match=rf"best.npz: expected weights of the network its sidecar describes .*{message}",
    ):
        load_model(tmp_path / "best.npz")


def test_a_save_that_fails_leaves_the_old_checkpoint_and_no_other_file(copy, model, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(copy, model, a_sidecar(epoch=4))
    assert load_model(copy)[1].epoch == 3
    assert sorted(path.name for path in copy.parent.iterdir()) == ["best.json", "best.npz"]
