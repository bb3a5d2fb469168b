"""One training on other devices:

several, another backend, several processes. Each in processes of its own.
"""

import dataclasses
import importlib.util
import re
import shutil
import socket
import subprocess

import numpy as np
import pytest
from tiny_training import CONFIG, UNET, TinyDataset, run, start

from bloodseg_lib.network.checkpoint import read_sidecar
from bloodseg_lib.network.devices import free_memory, is_out_of_memory

pytestmark = pytest.mark.slow

# Without dropout, whose masks differ between devices and backends. Batches of 5, so that a device
# gets an image too few, and a last one of 2.
PLAIN = dataclasses.replace(UNET, dropout=0.0, width=4)
ONE_EPOCH = dataclasses.replace(CONFIG, epochs=1)
OPTIONS = {"unet": PLAIN.to_dict(), "config": CONFIG.to_dict()}

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None,
    reason="JAX is not installed: pip install 'bloodseg-lib[jax]'",
)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A first epoch on one device, from which all go on:

    so all have the same weights, whatever their backend would have drawn.
    """
    folder = tmp_path_factory.mktemp("begun")
    run(folder, unet=PLAIN, config=ONE_EPOCH)
    return folder


@pytest.fixture(scope="module")
def expected(begun, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one") / "training"
    shutil.copytree(begun, folder)
    return run(folder, unet=PLAIN)


def finished(process):
    try:
        output = process.communicate(timeout=600)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(process.communicate()[0])
    assert process.returncode == 0, output
    return int(re.search(r"devices: (\d+)", output).group(1))


def check_same_curve(folder, expected):
    history = read_sidecar(folder / "latest.npz").history
    assert len(history) == 3
    for name in ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy"):
        np.testing.assert_allclose(
            [r[name] for r in history],
            [getattr(r, name) for r in expected.history],
            rtol=2e-3,
            atol=2e-3,
            err_msg=name,
        )


@pytest.mark.parametrize("parts", [1, 2])
def test_two_devices_of_one_host_train_as_one(begun, expected, tmp_path, parts):
    folder = tmp_path / "training"
    shutil.copytree(begun, folder)
    assert finished(start(folder, logical_cpus=2, parts=parts, **OPTIONS)) == 2
    check_same_curve(folder, expected)


@pytest.mark.parametrize("parts", [1, 2])
def test_two_devices_take_every_batch_of_a_long_epoch(tmp_path, parts):
    """More batches than are fetched ahead; with a weight decay and a rate that falls."""
    config = dataclasses.replace(ONE_EPOCH, weight_decay=1.0, schedule="cosine")
    one = run(tmp_path / "one", TinyDataset(train=62), PLAIN, config)
    options = {"unet": PLAIN.to_dict(), "config": config.to_dict(), "dataset": {"train": 62}}
    assert finished(start(tmp_path / "two", logical_cpus=2, parts=parts, **options)) == 2
    with np.load(one.latest) as expected, np.load(tmp_path / "two" / "latest.npz") as got:
        assert sorted(got.files) == sorted(expected.files)
        assert int(got["optimizer/adam/iteration"]) == 13
        for name in set(got.files) - {"sidecar"}:
            np.testing.assert_allclose(got[name], expected[name], atol=2e-3, err_msg=name)


def test_two_devices_train_a_network_with_dropout_and_batch_normalisation(tmp_path):
    unet = dataclasses.replace(UNET, normalization="batch")
    assert (
        finished(start(tmp_path, logical_cpus=2, unet=unet.to_dict(), config=CONFIG.to_dict())) == 2
    )
    losses = [record["train_loss"] for record in read_sidecar(tmp_path / "latest.npz").history]
    assert losses[2] < losses[0]


@needs_jax
@pytest.mark.parametrize("parts", [1, 2])
def test_jax_goes_on_with_a_training_of_tensorflow(begun, expected, tmp_path, parts):
    folder = tmp_path / "training"
    shutil.copytree(begun, folder)
    assert finished(start(folder, {"KERAS_BACKEND": "jax"}, parts=parts, **OPTIONS)) == 1
    check_same_curve(folder, expected)
    assert "jax" in read_sidecar(folder / "latest.npz").versions


@needs_jax
def test_two_processes_train_as_one(begun, expected, tmp_path):
    folder = tmp_path / "training"
    shutil.copytree(begun, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = {
        "KERAS_BACKEND": "jax",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    processes = [
        start(folder, {**common, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)}, **OPTIONS)
        for number in (0, 1)
    ]
    try:
        assert [finished(process) for process in processes] == [2, 2]
    finally:
        for process in processes:
            process.kill()
    check_same_curve(folder, expected)
    assert read_sidecar(folder / "best.npz").epoch >= 1


def test_what_says_that_memory_ran_out():
    import tensorflow as tf

    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    )
    assert not is_out_of_memory(tf.errors.InvalidArgumentError(None, None, "shapes"))
    assert not is_out_of_memory(ValueError("RESOURCE_EXHAUSTED"))


def test_some_memory_is_free():
    free = free_memory()
    assert free is None or free > 1 << 20


def test_the_tiny_dataset_is_cut_unevenly():
    assert len(TinyDataset().names("train")) % CONFIG.batch_size == 2
    assert CONFIG.batch_size % 2 == 1
