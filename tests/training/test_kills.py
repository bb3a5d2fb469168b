"""Killed at any moment, also within the writing of a checkpoint, a training goes on as if nothing
had been.

Three kills; ``BLOODSEG_KILLS=25`` makes it as many as you like.
"""

import dataclasses
import os
import signal
import time

import numpy as np
import pytest
from tiny_training import CONFIG, TinyDataset, bits, run, start

from bloodseg_lib.network.checkpoint import read_sidecar
from bloodseg_lib.network.config import UNetConfig

# Wide enough for oneDNN's convolutions, and with everything that has a state: dropout, batch
# normalisation, warm-up, augmentation, AdamW.
UNET = UNetConfig(width=8, levels=3, normalization="batch")
TRAINING = dataclasses.replace(
    CONFIG,
    schedule="cosine",
    warmup_steps=4,
    weight_decay=0.01,
    stain=0.1,
    brightness=0.1,
    blur_px=1.0,
    epochs=4,
    half_size_epochs=2,
)
DATASET = {"size": 64, "pause_s": 0.1}
KILLS = int(os.environ.get("BLOODSEG_KILLS", "3"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), TinyDataset(size=64), UNET, TRAINING)


def without_times(history):
    return [
        {
            name: value
            for name, value in record.to_dict().items()
            if name not in ("time_s", "images_per_s")
        }
        for record in history
    ]


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_a_random_moment_it_goes_on_bit_for_bit(undisturbed, tmp_path, number):
    """Every other kill comes within the writing of a checkpoint, with half of it on the disk;

    the others at a time drawn anew in every run.
    """
    rng = np.random.default_rng()
    options = {"unet": UNET.to_dict(), "config": TRAINING.to_dict(), "dataset": DATASET}
    writing = number % 2 == 0
    if writing:
        # epochs that are no best write one
        process = start(
            tmp_path, die_writing=int(rng.integers(1, len(undisturbed.history) + 2)), **options
        )
    else:
        process = start(tmp_path, **options)
        deadline = time.monotonic() + 120
        while not (tmp_path / "latest.npz").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 1.1))  # the three epochs left take 1.2 s in pauses alone
        process.kill()
    output = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, output
    if writing:
        # the half
        assert any(path.name.startswith((".best-", ".latest-")) for path in tmp_path.iterdir())
    done = read_sidecar(tmp_path / "latest.npz").epoch if (tmp_path / "latest.npz").exists() else 0
    assert done < TRAINING.epochs

    result = run(tmp_path, TinyDataset(size=64), UNET, TRAINING)

    assert without_times(result.history) == without_times(undisturbed.history)
    for checkpoint in ("latest", "best"):
        got, expected = getattr(result, checkpoint), getattr(undisturbed, checkpoint)
        assert bits(got) == bits(expected)
        for name in (
            "epoch",
            "learning_rate",
            "max_valid_accuracy",
            "min_valid_loss",
            "mean",
            "std",
        ):
            assert getattr(read_sidecar(got), name) == getattr(read_sidecar(expected), name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.json",
        "best.npz",
        "latest.json",
        "latest.npz",
        "log.csv",
    ]
