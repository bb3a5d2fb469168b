import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bloodseg_lib import training
from bloodseg_lib.checkpoint import load_model, read_sidecar
from bloodseg_lib.training import TrainingConfig, WeightedCrossEntropy, collapse_warning, flipped, learning_rates, train
from bloodseg_lib.unet import UNetConfig

UNET = UNetConfig(width=2, levels=3)
CONFIG = TrainingConfig(batch_size=5, epochs=3, flips=True, learning_rate=0.01, seed=1)


class TinyDataset:
    """Blocks of 8 x 8 pixels whose brightness tells their class, behind the interface of ``Dataset``."""

    def __init__(self, size=32, train=12, pause_s=0.0, digest="tiny"):
        rng = np.random.default_rng(0)
        self.pause_s, self.splits = pause_s, {}
        for split, count in (("train", train), ("valid", 5)):
            labels = rng.integers(0, 10, (count, size // 8, size // 8), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
            noise = rng.integers(0, 10, (*labels.shape, 3), dtype=np.uint8)
            self.splits[split] = (labels[..., None] * np.uint8(25) + noise, labels)
        self.manifest = {"digest": digest, "mean": [100.0, 110.0, 120.0], "std": [50.0, 51.0, 52.0]}

    def arrays(self, split):
        return self.splits[split]

    def pixel_counts(self, split):
        return np.bincount(self.splits[split][1].ravel(), minlength=10)

    def batches(self, split, batch_size, seed=0, epoch=0, shuffle=True):
        images, labels = self.splits[split]
        order = np.random.default_rng([seed, epoch]).permutation(len(images)) if shuffle else np.arange(len(images))
        for start in range(0, len(order), batch_size):
            time.sleep(self.pause_s)
            yield images[order[start : start + batch_size]], labels[order[start : start + batch_size]]


def run(folder, dataset=None, unet=UNET, config=CONFIG, **options):
    return train(dataset or TinyDataset(), unet, config, folder, progress=False, **options)


def bits(path):
    with np.load(path) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files if name != "sidecar"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder)


def test_the_defaults_are_the_full_size_training():
    config = TrainingConfig()
    rates = learning_rates(config, steps_per_epoch=2)
    assert (config.batch_size, config.epochs, config.weight_exponent, config.flips, config.precision) == (100, 35, 1.0, False, "float32")
    np.testing.assert_array_equal(rates, [0.001] * 10 + [0.0001] * 60)


def test_cosine_schedule_with_warm_up_by_hand():
    config = TrainingConfig(schedule="cosine", learning_rate=0.8, epochs=2, warmup_steps=2)
    # half a cosine over 4 steps: 0.8 * (1, (1 + sqrt(1/2)) / 2, 1/2, (1 - sqrt(1/2)) / 2), of which the first step gets half
    np.testing.assert_allclose(learning_rates(config, steps_per_epoch=2), [0.4, 0.8 * 0.8535534, 0.4, 0.8 * 0.1464466], rtol=1e-6)


def test_the_optimizer_follows_the_table():
    schedule = training._Schedule(np.array([0.5, 0.25, 0.125]))
    assert [float(schedule(step)) for step in range(4)] == [0.5, 0.25, 0.125, 0.125]
    schedule.first_step = 10
    assert float(schedule(11)) == 0.25


def test_loss_of_a_batch_by_hand():
    weights = np.zeros(10)
    weights[1], weights[2] = 0.5, 3
    labels = np.array([[[1, 2]]], dtype=np.uint8)  # (1, 1, 2)
    logits = np.zeros((1, 1, 2, 10), dtype=np.float32)
    logits[0, 0, 1, 2] = np.log(11)  # probability of class 2 there: 11 / (11 + 9) = 0.55; of class 1 in the first pixel: 1/10
    expected = (0.5 * np.log(10) + 3 * -np.log(0.55)) / 2
    assert float(WeightedCrossEntropy(weights)(labels, logits)) == pytest.approx(expected, rel=1e-6)


def test_image_and_label_map_are_flipped_by_one_transform():
    labels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4).repeat(40, axis=0)
    images = np.stack([labels, labels + 1, labels + 2], axis=-1)
    turned_images, turned_labels = flipped(images, labels, np.random.default_rng(0))
    np.testing.assert_array_equal(turned_images[..., 0], turned_labels)
    np.testing.assert_array_equal(turned_images[..., 2], turned_labels + 2)
    assert len({labels.tobytes() for labels in turned_labels}) == 8
    assert (np.sort(turned_labels.reshape(40, -1)) == np.arange(16)).all()


def test_flips_of_oblong_images_keep_their_shape():
    labels = np.arange(8, dtype=np.uint8).reshape(1, 2, 4).repeat(40, axis=0)
    _, turned = flipped(np.stack([labels] * 3, axis=-1), labels, np.random.default_rng(0))
    assert len({labels.tobytes() for labels in turned}) == 4


def test_the_flips_are_a_pure_function_of_seed_and_epoch():
    def batches(epoch):
        return [labels.tobytes() for _, labels in training._batches(TinyDataset(), CONFIG, epoch)]

    assert batches(1) == batches(1)
    assert batches(1) != batches(2)


def test_a_record_of_every_epoch_is_kept(undisturbed):
    folder, result = undisturbed
    assert [record["epoch"] for record in result.history] == [1, 2, 3]
    assert set(result.history[0]) >= {
        *("learning_rate", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "time_s"),
        *("mean_iou", "background_share", "zero_recall"),
    }
    sidecar = read_sidecar(result.latest)
    assert sidecar.history == result.history
    assert sidecar.mean == (100.0, 110.0, 120.0)
    assert sidecar.std == (50.0, 51.0, 52.0)
    assert sidecar.max_valid_accuracy == max(record["valid_accuracy"] for record in result.history)
    assert sidecar.min_valid_loss == min(record["valid_loss"] for record in result.history)
    assert (sidecar.epoch, sidecar.batch_size, sidecar.learning_rate, sidecar.dataset) == (3, 5, 0.01, "tiny")
    with (folder / "log.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [float(row["valid_accuracy"]) for row in rows] == [record["valid_accuracy"] for record in result.history]


def test_the_recorded_validation_is_that_of_the_saved_network(undisturbed):
    _, result = undisturbed
    model, sidecar = load_model(result.best)
    images, labels = TinyDataset().arrays("valid")
    probabilities = np.asarray(model(images))
    record = sidecar.history[-1]
    assert (probabilities.argmax(axis=-1) == labels).mean() == pytest.approx(record["valid_accuracy"])
    counts = TinyDataset().pixel_counts("train")
    weights = counts.sum() / (10 * counts)  # every class occurs
    likelihood = np.take_along_axis(probabilities, labels[..., None].astype(int), axis=-1)[..., 0]
    assert (weights[labels] * -np.log(likelihood)).mean() == pytest.approx(record["valid_loss"], rel=1e-4)


def test_best_is_the_first_epoch_with_the_highest_validation_accuracy(undisturbed):
    _, result = undisturbed
    best = read_sidecar(result.best)
    accuracies = [record["valid_accuracy"] for record in result.history]
    assert best.epoch == 1 + accuracies.index(max(accuracies))


def test_a_finished_training_does_nothing_and_says_so(undisturbed, capsys):
    folder, result = undisturbed
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = run(folder)
    assert "the training is finished (3 epochs), nothing to do" in capsys.readouterr().out
    assert again.history == result.history
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_stopped_after_an_epoch_it_goes_on_bit_for_bit(undisturbed, tmp_path, capsys):
    class StopError(Exception):
        pass

    def stop(record):
        raise StopError

    with pytest.raises(StopError):
        run(tmp_path, on_epoch=stop)
    result = run(tmp_path)
    assert "going on after epoch 1." in capsys.readouterr().out
    assert bits(result.latest) == bits(undisturbed[1].latest)
    assert bits(result.best) == bits(undisturbed[1].best)


@pytest.mark.slow
@pytest.mark.parametrize("write", range(5, 10))
def test_killed_before_any_write_after_the_first_epoch_it_goes_on_bit_for_bit(undisturbed, tmp_path, monkeypatch, write):
    class KilledError(BaseException):
        pass

    real, done = Path.replace, []

    def replace(self, target):
        if len(done) == write:
            raise KilledError
        done.append(Path(target).name)
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        try:
            run(tmp_path)
        except KilledError:
            assert done[:3] == ["best.npz", "best.json", "log.csv"]
        else:
            pytest.fail("the training was to be killed")
    (tmp_path / ".latest-abc.npz").write_bytes(b"half")  # what a kill in the middle of a write leaves
    result = run(tmp_path)
    assert bits(result.latest) == bits(undisturbed[1].latest)
    assert bits(result.best) == bits(undisturbed[1].best)
    assert read_sidecar(result.best).epoch == read_sidecar(undisturbed[1].best).epoch
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.json", "best.npz", "latest.json", "latest.npz", "log.csv"]
    assert json.loads((tmp_path / "latest.json").read_text())["epoch"] == 3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_killed_at_a_random_moment_it_goes_on_bit_for_bit(undisturbed, tmp_path):
    script = "import sys; from test_training import TinyDataset, run; run(sys.argv[1], TinyDataset(pause_s=0.2))"
    tests = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment)
    deadline = time.monotonic() + 120
    while not (tmp_path / "latest.npz").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(np.random.default_rng().uniform(0, 1.5))  # the two epochs left take 1.6 s in pauses alone
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert read_sidecar(tmp_path / "latest.npz").epoch < 3
    result = run(tmp_path)
    assert len(result.history) == 3
    assert bits(result.latest) == bits(undisturbed[1].latest)
    assert bits(result.best) == bits(undisturbed[1].best)


def test_the_best_score_is_remembered_across_a_restart(undisturbed, tmp_path, monkeypatch):
    perfect = training.scores(np.diag(np.arange(1, 11)))
    real = training._validate
    monkeypatch.setattr(training, "_validate", lambda *arguments: (perfect, real(*arguments)[1]))
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    monkeypatch.undo()
    result = run(tmp_path)
    assert read_sidecar(result.best).epoch == 1
    assert read_sidecar(result.latest).max_valid_accuracy == 1


def test_more_epochs_and_another_batch_size_are_taken_and_said(tmp_path, capsys):
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    config = dataclasses.replace(CONFIG, epochs=2, batch_size=4, drop_after_epochs=1)
    result = run(tmp_path, config=config)
    assert "Changed: batch_size 5 -> 4, epochs 1 -> 2, drop_after_epochs 5 -> 1." in capsys.readouterr().out
    assert [record["learning_rate"] for record in result.history] == [0.01, 0.0001]


def test_another_network_or_dataset_in_the_folder_is_refused(undisturbed):
    folder, _ = undisturbed
    with pytest.raises(ValueError, match=r"expected a training of the same network. Received one with width 2, not 4"):
        run(folder, unet=dataclasses.replace(UNET, width=4))
    with pytest.raises(ValueError, match=r"expected a training on the dataset with digest other. Received one on tiny"):
        run(folder, TinyDataset(digest="other"))


def test_images_that_do_not_suit_the_network_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected height and width in multiples of 16 px, as 5 levels need. Received 24 x 24"):
        run(tmp_path, TinyDataset(size=24), UNetConfig(width=2))
    with pytest.raises(ValueError, match=r"split 'train': expected at least one image"):
        run(tmp_path, TinyDataset(train=0))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    kept = bits(tmp_path / "latest.npz")
    with pytest.raises(FloatingPointError, match=r"not finite in epoch 2; .*latest.npz still holds the epoch before. Lower the learning rate"):
        run(tmp_path, config=dataclasses.replace(CONFIG, learning_rate=1e30))
    assert bits(tmp_path / "latest.npz") == kept


def test_time_limit_starts_no_epoch_that_would_end_too_late(tmp_path):
    result = run(tmp_path, config=dataclasses.replace(CONFIG, max_minutes=0.0001))
    assert len(result.history) == 1


def test_collapse_onto_the_background_is_called_so():
    record = {"valid_accuracy": 0.6559, "background_share": 0.6556, "zero_recall": ["basophil", "thrombocyte"]}
    assert collapse_warning(record).startswith("Warning: collapse. The validation accuracy 65.59% is just the share of background pixels")
    assert "basophil, thrombocyte" in collapse_warning(record)
    assert collapse_warning({**record, "valid_accuracy": 0.9}) == "Warning: not one validation pixel found of: basophil, thrombocyte."
    assert collapse_warning({**record, "valid_accuracy": 0.9, "zero_recall": []}) == ""


def test_the_collapse_is_told_within_two_epochs_even_without_progress(tmp_path, monkeypatch, capsys):
    confusion = np.zeros((10, 10), dtype=np.int64)
    confusion[0, 0], confusion[4, 0] = 7, 3
    monkeypatch.setattr(training, "_validate", lambda *_: (training.scores(confusion), 1.0))
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=2))
    printed = capsys.readouterr().out
    assert printed.count("Warning: collapse") == 1
    assert "lymphocyte" in printed


def test_impossible_configurations_are_refused():
    with pytest.raises(ValueError, match=r"TrainingConfig.schedule: expected one of 'step', 'cosine'"):
        TrainingConfig(schedule="linear")
    with pytest.raises(ValueError, match=r"TrainingConfig.batch_size: expected at least 1. Received 0"):
        TrainingConfig(batch_size=0)
    with pytest.raises(ValueError, match=r"TrainingConfig.learning_rate: expected above 0"):
        TrainingConfig(learning_rate=0)
    with pytest.raises(ValueError, match=r"TrainingConfig.jit: expected False while deterministic"):
        TrainingConfig(jit=True)
