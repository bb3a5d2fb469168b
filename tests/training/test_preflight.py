import dataclasses
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
from tiny_training import CONFIG, UNET, TinyDataset, run

from bloodseg_lib.network.backend import has_gpu
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.unet import build_unet
from bloodseg_lib.runs import MIB
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.preflight import NoGPUError, memory_needed, preflight
from bloodseg_lib.training.state import TrainingState

Disk = namedtuple("Disk", "free")


@pytest.mark.parametrize(
    "unet",
    [UNetConfig(), UNetConfig(width=3, levels=2), UNetConfig(width=2, normalization="batch")],
)
def test_the_parameters_are_counted_without_building(unet):
    assert unet.parameters == build_unet(unet).count_params()


def test_memory_of_a_step_by_hand():
    unet = UNetConfig(width=2, levels=2, dropout=0.0)
    # Values kept of an image of 4 x 4. Level 0, 16 pixels: two convolutions down (2 + 2), dropout
    # (2), two up (2 + 2), transposed (2), joined (4); level 1, 4 pixels of 4 channels: pooled (2),
    # two convolutions (4 + 4), dropout (4). Underway: twice 16 x 4.
    kept, underway, classes = 16 * 16 + 4 * 14, 2 * 16 * 4, 3 * 10 * 16
    expected = int(1.1 * 5 * 4 * (kept + underway + classes)) + 6 * 4 * unet.parameters + 128 * MIB
    assert memory_needed(unet, 5, 4, 4) == expected


@pytest.mark.slow
def test_the_estimate_is_near_and_above_what_a_step_really_takes():
    """Peak memory of a process before and after two steps of the network in width 8, 8 images."""
    program = """
from pathlib import Path
import numpy as np
from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.loss import WeightedCrossEntropy
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.unet import build_unet
model = build_unet(UNetConfig(width=8))
learner = keras.Model(model.input, model.get_layer("logits").output)
learner.compile(keras.optimizers.Adam(0.001), WeightedCrossEntropy(np.ones(10)), jit_compile=False)
images = np.zeros((8, 224, 224, 3), np.uint8)
def peak():  # not getrusage's, which a child inherits of its parent
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
def iter_of(images):
    for _ in range(2):
        yield images, images[..., 0]
before = peak()
for _ in range(2):
    learner.fit(iter_of(images), steps_per_epoch=1, shuffle=False, verbose=0)
print(peak() - before)
"""
    if not sys.platform.startswith("linux") or has_gpu():
        pytest.skip(
            "peak memory of the process is known in KiB on Linux, and is that of the training "
            "without a GPU"
        )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    estimate = memory_needed(UNetConfig(width=8), 8, 224, 224)
    assert 0.6 * estimate < int(out) * 1024 < 1.05 * estimate


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_a_demanded_gpu_that_is_missing_is_refused_before_anything(tmp_path):
    with pytest.raises(
        NoGPUError, match=r"Expected a GPU, as demanded. Received .* on the CPU .*no GPU found"
    ):
        run(tmp_path / "new", require_gpu=True)
    assert not (tmp_path / "new").exists()


def test_too_small_a_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(free=10 * MIB))
    assert preflight(TinyDataset(), UNET, CONFIG, tmp_path).disk_needed < MIB
    # 11 * 4 bytes * 7,760,394
    with pytest.raises(
        OSError, match=r"expected 326 MiB of disk for checkpoints. Received 10 MiB free; make room"
    ):
        preflight(TinyDataset(size=32), UNetConfig(), CONFIG, tmp_path)


def test_a_batch_that_does_not_fit_is_taken_in_parts_and_said(tmp_path, monkeypatch, capsys):
    free = memory_needed(UNET, 3, 32, 32)
    monkeypatch.setattr(sys.modules["bloodseg_lib.training.preflight"], "free_memory", lambda: free)
    assert preflight(TinyDataset(), UNET, CONFIG, tmp_path).parts == 2  # 5 images: 3 at a time
    assert (
        preflight(TinyDataset(), UNET, dataclasses.replace(CONFIG, batch_size=3), tmp_path).parts
        == 1
    )
    result = run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    assert result.history[0].parts == 2
    assert (
        "Each batch is taken in 2 parts, whose gradients are summed up, so a step is still one of "
        "5 images." in capsys.readouterr().out
    )


def test_not_even_one_image_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys.modules["bloodseg_lib.training.preflight"], "free_memory", lambda: 50 * MIB
    )
    with pytest.raises(
        MemoryError,
        match=r"Expected memory for one image, 128 MiB as estimated. Received 50 MiB free",
    ):
        preflight(TinyDataset(), UNET, CONFIG, tmp_path)


def test_where_nobody_knows_the_memory_the_batch_is_tried_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["bloodseg_lib.training.preflight"], "free_memory", lambda: None)
    assert preflight(TinyDataset(), UNET, TrainingConfig(), tmp_path).parts == 1


def test_dataset_and_checkpoint_that_do_not_fit_are_refused(tmp_path):
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    unet = dataclasses.replace(UNET, mean=(100.0, 110.0, 120.0), std=(50.0, 51.0, 52.0))
    assert preflight(TinyDataset(), unet, CONFIG, tmp_path).parts == 1
    with pytest.raises(ValueError, match="Received one with width 2, not 4"):
        TrainingState.open(tmp_path, TinyDataset(), dataclasses.replace(unet, width=4), CONFIG)
    with pytest.raises(ValueError, match=r"digest other. Received one on tiny"):
        TrainingState.open(tmp_path, TinyDataset(digest="other"), unet, CONFIG)
    with pytest.raises(ValueError, match="multiples of 16 px"):
        preflight(TinyDataset(size=24), UNetConfig(width=2), CONFIG, tmp_path)
    with pytest.raises(
        ValueError, match=r"images_per_epoch: expected at most the 12 images.*Received 13"
    ):
        preflight(TinyDataset(), unet, dataclasses.replace(CONFIG, images_per_epoch=13), tmp_path)
