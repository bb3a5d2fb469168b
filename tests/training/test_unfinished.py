"""A signal within an epoch: the training stops after a step, and goes on from there."""

import dataclasses
import os
import signal
import sys
import time

import pytest
from tiny_training import CONFIG, TinyDataset, bits, run, start

from bloodseg_lib.network.checkpoint import read_sidecar

TRAINING = dataclasses.replace(CONFIG, batch_size=2, epochs=2, brightness=0.1)  # 6 steps an epoch

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends a signal to this process")


class InterruptedDataset(TinyDataset):
    """Sends Ctrl-C, once, while a batch of a split is made, in an epoch."""

    def __init__(self, split, epoch, number):
        super().__init__()
        self.when = (split, epoch, number)
        self.epochs = {"train": 0, "valid": 0}

    def batches(self, split, *values, **options):
        self.epochs[split] += 1
        for number, batch in enumerate(super().batches(split, *values, **options)):
            # twice an epoch: the first time to learn the shape of the first
            if self.when == (split, -(-self.epochs[split] // 2), number):
                self.when = None
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)
            yield batch


def interrupt(folder, *when, training=TRAINING):
    with pytest.raises(KeyboardInterrupt):
        run(folder, InterruptedDataset(*when), config=training)
    return read_sidecar(folder / "unfinished.npz").history[-1]


def history(trained):
    timeless = {"time_s": 0.0, "images_per_s": None}
    return [dataclasses.replace(record, **timeless) for record in trained.history]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), config=TRAINING)


@pytest.mark.parametrize(
    ("split", "epoch", "number"), [("train", 1, 3), ("train", 2, 3), ("valid", 2, 2)]
)
def test_interrupted_within_an_epoch_it_goes_on_bit_for_bit(
    undisturbed, tmp_path, capsys, split, epoch, number
):
    stopped = interrupt(tmp_path, split, epoch, number)
    assert stopped["epoch"] == epoch
    assert stopped["steps"] == 6 if split == "valid" else 0 < stopped["steps"] < 6
    assert (
        f"stopped in epoch {epoch}, after step {stopped['steps']} of 6" in capsys.readouterr().out
    )

    resumed = run(tmp_path, config=TRAINING)

    assert f"going on in epoch {epoch}, after step {stopped['steps']}" in capsys.readouterr().out
    assert history(resumed) == history(undisturbed)
    for name in ("latest", "best"):
        assert bits(getattr(resumed, name)) == bits(getattr(undisturbed, name))
    assert not list(tmp_path.glob("unfinished*"))


def test_interrupted_twice_in_one_epoch_in_parts_it_goes_on_bit_for_bit(tmp_path, monkeypatch):
    module = sys.modules["bloodseg_lib.training.train"]
    monkeypatch.setattr(module, "preflight", in_two_parts(module.preflight))
    once = dataclasses.replace(TRAINING, epochs=1)
    first = interrupt(tmp_path, "train", 1, 1, training=once)
    second = interrupt(tmp_path, "train", 1, 4, training=once)
    assert 0 < first["steps"] < second["steps"] < 6
    resumed, expected = (run(folder, config=once) for folder in (tmp_path, tmp_path / "whole"))
    assert history(resumed) == history(expected)
    assert bits(resumed.latest) == bits(expected.latest)


def in_two_parts(preflight):
    """As where memory is short: each batch is cut into two parts."""
    return lambda *values: dataclasses.replace(preflight(*values), parts=2)


def test_with_other_settings_the_epoch_begins_again(tmp_path, capsys):
    once = dataclasses.replace(TRAINING, epochs=1)
    other = dataclasses.replace(once, learning_rate=0.02)
    interrupt(tmp_path, "train", 1, 3, training=once)
    changed = run(tmp_path, config=other)
    assert "of other settings" in capsys.readouterr().out
    assert history(changed) == history(run(tmp_path / "anew", config=other))


def test_a_damaged_file_of_an_unfinished_epoch_is_refused_in_words(tmp_path):
    interrupt(tmp_path, "train", 1, 3)
    path = tmp_path / "unfinished.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"unfinished.npz: expected a checkpoint"):
        run(tmp_path, config=TRAINING)


@pytest.mark.slow
def test_sigterm_ends_the_process_by_sigterm_once_the_step_is_kept(tmp_path):
    process = start(tmp_path, config=TRAINING.to_dict(), dataset={"pause_s": 0.3})
    deadline = time.monotonic() + 120
    while not (tmp_path / "latest.npz").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)  # the second epoch takes 1.8 s in pauses alone
    process.terminate()
    output = process.communicate()[0]
    assert process.returncode == -signal.SIGTERM, output
    assert "stopped in epoch 2, after step" in output
    assert (tmp_path / "unfinished.npz").exists()
