"""Every damage of a checkpoint is one sentence with its name, in no more memory than its file."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bloodseg_lib.network.archive import CheckpointReader
from bloodseg_lib.network.checkpoint import load_model, save_checkpoint
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.sidecar import Sidecar
from bloodseg_lib.network.unet import build_unet

CONFIG = UNetConfig(width=2, levels=2)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a checkpoint."""
    sidecar = Sidecar(
        epoch=1,
        batch_size=4,
        learning_rate=0.001,
        mean=CONFIG.mean,
        std=CONFIG.std,
        max_valid_accuracy=0.5,
        min_valid_loss=1.5,
        history=[],
        unet=CONFIG.to_dict(),
        training={},
        dataset="abc",
    )
    path = tmp_path_factory.mktemp("good") / "best.npz"
    save_checkpoint(path, build_unet(CONFIG), sidecar)
    return path.read_bytes()


@pytest.fixture
def refused(tmp_path):
    def check(data, words=""):
        (tmp_path / "bad.npz").write_bytes(data)
        with pytest.raises(ValueError, match=rf"bad\.npz: .*{words}") as raised:
            load_model(tmp_path / "bad.npz")
        assert "\n" not in str(raised.value)

    return check


def entries(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(contents, compression=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return data.getvalue()


def array(values):
    data = io.BytesIO()
    np.save(data, values)
    return data.getvalue()


def header(text):
    """An array that declares something and holds nothing."""
    line = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line


def with_sidecar(data, change):
    contents = entries(data)
    sidecar = json.loads(np.load(io.BytesIO(contents["sidecar.npy"])).tobytes())
    change(sidecar)
    text = json.dumps(sidecar).encode()
    return zipped(contents | {"sidecar.npy": array(np.frombuffer(text, np.uint8))})


def test_compressed_entries_are_refused_before_they_are_unpacked(good, refused):
    zeros = {f"{i}.npy": bytes(2**20) for i in range(3)}
    refused(zipped(entries(good) | zeros, zipfile.ZIP_DEFLATED), "compressed or encrypted")


def test_encrypted_entries_are_refused(good, refused):
    data = bytearray(good)
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 1)
    refused(bytes(data), "compressed or encrypted")


def test_entries_that_declare_more_than_the_file_holds_are_refused(good, refused):
    data = bytearray(good)
    at = data.find(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 2**31, 2**31)
    refused(bytes(data), "declare more bytes than it holds")


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000000,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,",
        "{'descr': '<f4', 'shape': (9999999999999999999999999,), 'fortran_order': False}",
        "((((((((((",
        "",
    ],
)
def test_a_header_that_is_not_the_variables_is_refused(good, refused, text):
    refused(zipped(entries(good) | {"down0_conv1/bias.npy": header(text)}))


@pytest.mark.parametrize("shape", [(2**40,), (1, 8), ()])
def test_a_sidecar_of_another_shape_is_refused(good, refused, shape):
    declared = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    refused(zipped(entries(good) | {"sidecar.npy": header(declared)}))


def test_a_sidecar_that_is_nested_too_deeply_is_refused(good, refused):
    deep = array(np.frombuffer(b"[" * 100_000, np.uint8))
    refused(zipped(entries(good) | {"sidecar.npy": deep}))


@pytest.mark.parametrize(
    "unet",
    [{"width": 10_000}, {"width": 512, "levels": 8}, {"width": "2"}, {"mean": [10**400, 0, 0]}, 3],
)
def test_a_network_that_the_file_cannot_hold_is_not_built(good, refused, unet):
    def change(sidecar):
        sidecar["unet"] = sidecar["unet"] | unet if isinstance(unet, dict) else unet

    refused(with_sidecar(good, change))


def test_a_history_that_is_none_is_refused(good, refused):
    refused(with_sidecar(good, lambda sidecar: sidecar.update(history=[3])), "history")


@settings(max_examples=60, derandomize=True)
@given(st.data())
def test_random_damage_is_refused_in_words_or_does_no_harm(tmp_path_factory, good, data):
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("fuzz") / "bad.npz"
    path.write_bytes(damaged[: data.draw(st.sampled_from([len(good), len(good) // 2]))])
    try:
        with CheckpointReader(path) as reader:
            values = reader.arrays(CONFIG.weight_shapes())
    except ValueError as error:
        assert str(error).startswith(str(path))
    else:
        assert all(np.isfinite(value).all() for value in values.values())
