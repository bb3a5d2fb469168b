import csv
import dataclasses
import errno
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from locks import wait_until_owned
from tiny_training import CONFIG, UNET, TinyDataset, bits, run, start

from bloodseg_lib.network.checkpoint import load_model, read_sidecar
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.loss import WeightedCrossEntropy
from bloodseg_lib.network.metrics import scores
from bloodseg_lib.runs import LOCK, owned
from bloodseg_lib.training import epoch as epochs
from bloodseg_lib.training import state as states
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.epoch import Trainer
from bloodseg_lib.training.feed import batches as training_batches
from bloodseg_lib.training.schedule import learning_rates


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder)


def test_the_defaults_are_the_full_size_training():
    config = TrainingConfig()
    rates = learning_rates(config, steps_per_epoch=2)
    assert (
        config.batch_size,
        config.epochs,
        config.weight_exponent,
        config.flips,
        config.precision,
    ) == (100, 35, 1.0, False, "float32")
    assert (
        config.weight_decay,
        config.stain,
        config.brightness,
        config.blur_px,
        config.patience,
        config.tensorboard,
    ) == (0, 0, 0, 0, 0, False)
    np.testing.assert_array_equal(rates, [0.001] * 10 + [0.0001] * 60)


def test_loss_of_a_batch_by_hand():
    weights = np.zeros(10)
    weights[1], weights[2] = 0.5, 3
    labels = np.array([[[1, 2]]], dtype=np.uint8)  # (1, 1, 2)
    logits = np.zeros((1, 1, 2, 10), dtype=np.float32)
    # probability of class 2 there: 11 / (11 + 9) = 0.55; of class 1 in the first pixel: 1/10
    logits[0, 0, 1, 2] = np.log(11)
    expected = (0.5 * np.log(10) + 3 * -np.log(0.55)) / 2
    assert float(WeightedCrossEntropy(weights)(labels, logits)) == pytest.approx(expected, rel=1e-6)


def test_the_flips_are_a_pure_function_of_seed_and_epoch():
    def batches(epoch):
        return [labels.tobytes() for _, labels in training_batches(TinyDataset(), CONFIG, epoch)]

    assert batches(1) == batches(1)
    assert batches(1) != batches(2)


def test_a_record_of_every_epoch_is_kept(undisturbed):
    folder, result = undisturbed
    assert [record.epoch for record in result.history] == [1, 2, 3]
    assert set(result.history[0].to_dict()) >= {
        *(
            "learning_rate",
            "train_loss",
            "train_accuracy",
            "valid_loss",
            "valid_accuracy",
            "time_s",
        ),
        *("mean_iou", "background_share", "zero_recall"),
    }
    sidecar = read_sidecar(result.latest)
    assert sidecar.history == [record.to_dict() for record in result.history]
    assert sidecar.mean == (100.0, 110.0, 120.0)
    assert sidecar.std == (50.0, 51.0, 52.0)
    assert sidecar.max_valid_accuracy == max(record.valid_accuracy for record in result.history)
    assert sidecar.min_valid_loss == min(record.valid_loss for record in result.history)
    assert (sidecar.epoch, sidecar.batch_size, sidecar.learning_rate, sidecar.dataset) == (
        3,
        5,
        0.01,
        "tiny",
    )
    with (folder / "log.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [float(row["valid_accuracy"]) for row in rows] == [
        record.valid_accuracy for record in result.history
    ]


def test_the_recorded_validation_is_that_of_the_saved_network(undisturbed):
    _, result = undisturbed
    model, sidecar = load_model(result.best)
    images, labels = TinyDataset().arrays("valid")
    probabilities = np.asarray(model(images))
    record = sidecar.history[-1]
    assert (probabilities.argmax(axis=-1) == labels).mean() == pytest.approx(
        record["valid_accuracy"]
    )
    counts = TinyDataset().pixel_counts("train")
    weights = counts.sum() / (10 * counts)  # every class occurs
    likelihood = np.take_along_axis(probabilities, labels[..., None].astype(int), axis=-1)[..., 0]
    assert (weights[labels] * -np.log(likelihood)).mean() == pytest.approx(
        record["valid_loss"], rel=1e-4
    )


def test_best_is_the_first_epoch_with_the_highest_validation_accuracy(undisturbed):
    _, result = undisturbed
    best = read_sidecar(result.best)
    accuracies = [record.valid_accuracy for record in result.history]
    assert best.epoch == 1 + accuracies.index(max(accuracies))


def test_a_second_training_is_refused_and_the_first_undisturbed(undisturbed, tmp_path):
    process = start(tmp_path, dataset={"pause_s": 0.1})
    wait_until_owned(tmp_path, process)
    with pytest.raises(BlockingIOError, match="another command is writing to now"):
        run(tmp_path, config=dataclasses.replace(CONFIG, learning_rate=0.1))
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert bits(tmp_path / "latest.npz") == bits(undisturbed[1].latest)
    assert not (tmp_path / LOCK).exists()


def test_only_the_first_process_of_a_training_owns_its_folder(tmp_path, monkeypatch):
    """The others would be locked out by it."""
    module = sys.modules["bloodseg_lib.training.train"]
    monkeypatch.setattr(module, "process", lambda: (1, 2))
    with owned(tmp_path):
        assert len(run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1)).history) == 1


@pytest.mark.parametrize("name", ["best.npz", "best.json", "log.csv"])
def test_a_training_replaces_no_file_of_something_else(name, undisturbed, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=f"expected a folder without {name}"):
        run(tmp_path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "mine")]


def test_killed_before_the_first_epoch_was_resumable_it_begins_anew(undisturbed, tmp_path):
    for name in ("best.npz", "best.json", "log.csv"):
        shutil.copy(undisturbed[0] / name, tmp_path)
    run(tmp_path)
    assert bits(tmp_path / "best.npz") == bits(undisturbed[0] / "best.npz")


def test_a_finished_training_does_nothing_and_says_so(undisturbed, capsys):
    folder, result = undisturbed
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = run(folder)
    assert "the training is finished (3 epochs), nothing to do" in capsys.readouterr().out
    assert again.history == result.history
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_finished_training_says_which_settings_were_changed_without_effect(undisturbed, capsys):
    folder, _ = undisturbed
    run(folder, config=dataclasses.replace(CONFIG, weight_exponent=0.25))
    said = capsys.readouterr().out
    assert "Changed without effect: weight_exponent" in said
    assert "-> 0.25. To train with it, choose another folder, or delete this one." in said


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


def test_a_pass_in_two_epochs_goes_on_bit_for_bit_too(tmp_path):
    class StopError(Exception):
        pass

    def stop(record):
        if record.epoch == 2:
            raise StopError

    config = dataclasses.replace(CONFIG, epochs=4, images_per_epoch=6, schedule="cosine")
    whole = run(tmp_path / "whole", config=config)
    assert read_sidecar(whole.latest).history == [record.to_dict() for record in whole.history]
    assert len(whole.history) == 4
    assert [record.learning_rate for record in whole.history] == learning_rates(
        config, steps_per_epoch=2
    )[1::2].tolist()
    with pytest.raises(StopError):
        run(tmp_path / "stopped", config=config, on_epoch=stop)
    assert bits(run(tmp_path / "stopped", config=config).latest) == bits(whole.latest)


@pytest.mark.slow
@pytest.mark.parametrize("write", range(5, 10))
def test_killed_before_any_write_after_the_first_epoch_it_goes_on_bit_for_bit(
    undisturbed, tmp_path, monkeypatch, write
):
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
    # what a kill in the middle of a write leaves
    (tmp_path / ".latest-abcdefgh.part.npz").write_bytes(b"half")
    result = run(tmp_path)
    assert bits(result.latest) == bits(undisturbed[1].latest)
    assert bits(result.best) == bits(undisturbed[1].best)
    assert read_sidecar(result.best).epoch == read_sidecar(undisturbed[1].best).epoch
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.json",
        "best.npz",
        "latest.json",
        "latest.npz",
        "log.csv",
    ]
    assert json.loads((tmp_path / "latest.json").read_text())["epoch"] == 3


def test_the_best_score_is_remembered_across_a_restart(undisturbed, tmp_path, monkeypatch):
    perfect, real = scores(np.diag(np.arange(1, 11))), Trainer.validate
    monkeypatch.setattr(Trainer, "validate", lambda trainer: (perfect, real(trainer)[1]))
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    monkeypatch.undo()
    result = run(tmp_path)
    assert read_sidecar(result.best).epoch == 1
    assert read_sidecar(result.latest).max_valid_accuracy == 1


@pytest.mark.parametrize("number", [1, 2])
def test_a_full_disk_ends_the_training_in_words_and_the_last_epoch_stays(
    undisturbed, tmp_path, monkeypatch, number
):
    """When the best network of the second epoch is written, or, after that, the latest."""
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    kept = bits(tmp_path / "latest.npz")
    save, calls = states.save_checkpoint, []

    def full(path, *args):
        calls.append(path)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save(path, *args)

    monkeypatch.setattr(states, "save_checkpoint", full)
    with pytest.raises(
        OSError,
        match=r"t\.npz: expected to write epoch 2\. Received: No space left on device\. "
        r"Make room on the disk; the same command then goes on after epoch 1\.",
    ):
        run(tmp_path)
    assert bits(tmp_path / "latest.npz") == kept
    monkeypatch.undo()
    result = run(tmp_path)
    assert bits(result.latest) == bits(undisturbed[1].latest)
    assert bits(result.best) == bits(undisturbed[1].best)


def test_a_folder_that_cannot_be_written_ends_the_training(tmp_path, monkeypatch):
    def failing(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(states, "save_checkpoint", failing)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        run(tmp_path)


def test_more_epochs_and_another_batch_size_are_taken_and_said(tmp_path, capsys):
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    config = dataclasses.replace(CONFIG, epochs=2, batch_size=4, drop_after_epochs=1)
    result = run(tmp_path, config=config)
    assert (
        "Changed: batch_size 5 -> 4, epochs 1 -> 2, drop_after_epochs 5 -> 1."
        in capsys.readouterr().out
    )
    assert [record.learning_rate for record in result.history] == [0.01, 0.0001]


def test_another_network_or_dataset_in_the_folder_is_refused(undisturbed):
    folder, _ = undisturbed
    with pytest.raises(
        ValueError,
        match=r"expected a training of the same network. Received one with width 2, not 4",
    ):
        run(folder, unet=dataclasses.replace(UNET, width=4))
    with pytest.raises(
        ValueError,
        match=r"expected a training on the dataset with digest other. Received one on tiny",
    ):
        run(folder, TinyDataset(digest="other"))


def test_a_training_starts_from_the_weights_of_another_and_keeps_its_statistics(
    undisturbed, tmp_path
):
    other = TinyDataset(digest="other")
    other.manifest["mean"] = [1.0, 2.0, 3.0]
    hardly = dataclasses.replace(
        CONFIG, start_from=str(undisturbed[1].best), epochs=1, learning_rate=1e-12
    )
    result = run(tmp_path, other, config=hardly)
    before, after = (
        load_model(path)[0].get_weights() for path in (undisturbed[1].best, result.best)
    )
    for one, two in zip(before, after, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-9)
    assert read_sidecar(result.best).mean == (100.0, 110.0, 120.0)
    assert read_sidecar(result.best).training["start_from"] == str(undisturbed[1].best)


def test_a_training_started_from_another_goes_on_bit_for_bit_without_it(undisturbed, tmp_path):
    first = tmp_path / "first.npz"
    shutil.copy(undisturbed[1].best, first)
    config = dataclasses.replace(CONFIG, start_from=str(first), epochs=2)
    whole = run(tmp_path / "whole", config=config)
    run(tmp_path / "stopped", config=dataclasses.replace(config, epochs=1))
    first.unlink()
    assert bits(run(tmp_path / "stopped", config=config).latest) == bits(whole.latest)
    with pytest.raises(
        ValueError,
        match=r"stopped: expected start_from '.*first.npz', as this training began. Received ''",
    ):
        run(tmp_path / "stopped")


def test_a_start_of_another_shape_or_none_is_refused(undisturbed, tmp_path):
    config = dataclasses.replace(CONFIG, start_from=str(undisturbed[1].best))
    with pytest.raises(
        ValueError,
        match=r"best.npz: expected a network of width 4, 3 levels and normalization none. "
        r"Received one of width 2",
    ):
        run(tmp_path, unet=dataclasses.replace(UNET, width=4), config=config)
    with pytest.raises(
        ValueError,
        match=r"real_cells.npz: expected a network of width 2, 3 levels .*ask for the same shape",
    ):
        run(tmp_path, config=dataclasses.replace(CONFIG, start_from="released"))
    with pytest.raises(FileNotFoundError, match=r"nowhere.npz: expected the weights"):
        run(tmp_path, config=dataclasses.replace(CONFIG, start_from=str(tmp_path / "nowhere.npz")))
    assert not list(tmp_path.iterdir())


def test_images_that_do_not_suit_the_network_are_refused(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"expected height and width in multiples of 16 px, as 5 levels need. Received 24 x "
        r"24",
    ):
        run(tmp_path, TinyDataset(size=24), UNetConfig(width=2))
    with pytest.raises(ValueError, match=r"split 'train': expected at least one image"):
        run(tmp_path, TinyDataset(train=0))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    kept = bits(tmp_path / "latest.npz")
    with pytest.raises(
        FloatingPointError,
        match=r"not finite in epoch 2; .*latest.npz still holds the epoch before. Lower the "
        r"learning rate",
    ):
        run(tmp_path, config=dataclasses.replace(CONFIG, learning_rate=1e30))
    assert bits(tmp_path / "latest.npz") == kept


def test_time_limit_starts_no_epoch_that_would_end_too_late(tmp_path):
    result = run(tmp_path, config=dataclasses.replace(CONFIG, max_minutes=0.0001))
    assert len(result.history) == 1


def test_the_collapse_is_told_within_two_epochs_even_without_progress(
    tmp_path, monkeypatch, capsys
):
    confusion = np.zeros((10, 10), dtype=np.int64)
    confusion[0, 0], confusion[4, 0] = 7, 3
    monkeypatch.setattr(Trainer, "validate", lambda _: (scores(confusion), 1.0))
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=2))
    printed = capsys.readouterr().out
    assert printed.count("Warning: collapse") == 1
    assert "lymphocyte" in printed


def test_impossible_configurations_are_refused():
    with pytest.raises(
        ValueError, match=r"TrainingConfig.schedule: expected one of 'step', 'cosine'"
    ):
        TrainingConfig(schedule="linear")
    with pytest.raises(
        ValueError, match=r"TrainingConfig.batch_size: expected at least 1. Received 0"
    ):
        TrainingConfig(batch_size=0)
    with pytest.raises(ValueError, match=r"TrainingConfig.learning_rate: expected above 0"):
        TrainingConfig(learning_rate=0)
    with pytest.raises(ValueError, match=r"TrainingConfig.jit: expected False while deterministic"):
        TrainingConfig(jit=True)
    with pytest.raises(ValueError, match=r"TrainingConfig.stain: expected at least 0"):
        TrainingConfig(stain=-0.1)


def after_each_micro_batch(monkeypatch, then):
    """Call ``then(trainer)`` once a micro-batch is done, after the weights changed."""
    real_init, real_end = Trainer.__init__, epochs._Progress.on_train_batch_end
    trainers = []

    def init(trainer, *arguments):
        trainers.append(trainer)
        real_init(trainer, *arguments)

    def end(progress, batch, logs=None):
        real_end(progress, batch, logs)
        then(trainers[-1])

    monkeypatch.setattr(Trainer, "__init__", init)
    monkeypatch.setattr(epochs._Progress, "on_train_batch_end", end)


class OutOfMemory:
    """Lets the backend say, at the given micro-batches, that memory ran out."""

    def __init__(self, monkeypatch, *calls):
        self.sizes = []

        def fail(trainer):
            self.sizes.append(trainer.device_batch)
            if len(self.sizes) in calls:
                raise MemoryError("injected")

        after_each_micro_batch(monkeypatch, fail)


def test_out_of_memory_begins_the_epoch_again_in_smaller_parts_with_the_same_gradient(
    tmp_path, monkeypatch, capsys
):
    # No dropout, whose mask would be another for each part: then parts change nothing but the order
    # of a sum.
    unet = dataclasses.replace(UNET, dropout=0.0)
    config = dataclasses.replace(CONFIG, epochs=2, schedule="cosine")
    whole = run(tmp_path / "whole", unet=unet, config=config)
    injected = OutOfMemory(monkeypatch, 5)  # three steps an epoch: in the middle of the second one
    result = run(tmp_path / "parts", unet=unet, config=config)
    assert injected.sizes == [5, 5, 5, 5, 5, *[3, 3] * 3]
    assert (
        "Out of memory in epoch 2: it begins again, each batch of 5 in 2 parts whose gradients are "
        "summed up." in capsys.readouterr().out
    )
    assert [record.parts for record in result.history] == [1, 2]
    assert read_sidecar(result.latest).history[-1]["parts"] == 2
    for name in ("train_loss", "train_accuracy", "valid_loss"):
        (one, two), (first, second) = (
            [getattr(record, name) for record in trained.history] for trained in (result, whole)
        )
        assert one == first
        assert two == pytest.approx(second, rel=1e-4)
    with np.load(result.latest) as got, np.load(whole.latest) as expected:
        assert (
            int(got["optimizer/adam/iteration"]) == int(expected["optimizer/adam/iteration"]) == 6
        )
        np.testing.assert_allclose(
            got["down0_conv1/kernel"], expected["down0_conv1/kernel"], rtol=1e-3, atol=1e-5
        )


def test_a_resumed_training_takes_the_parts_up_bit_for_bit(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        OutOfMemory(patch, 1)
        through = run(tmp_path / "through")
    with monkeypatch.context() as patch:
        OutOfMemory(patch, 1)
        run(tmp_path / "stopped", config=dataclasses.replace(CONFIG, epochs=1))
    resumed = run(tmp_path / "stopped")
    assert [record.parts for record in resumed.history] == [2, 2, 2]
    assert bits(resumed.latest) == bits(through.latest)


def test_no_memory_for_one_image_is_an_error(tmp_path, monkeypatch):
    OutOfMemory(monkeypatch, *range(1, 99))
    with pytest.raises(MemoryError, match="Expected memory for one image at a time"):
        run(tmp_path)
    assert not (tmp_path / "latest.npz").exists()


def test_another_error_is_not_taken_for_want_of_memory(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("something else")

    after_each_micro_batch(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="something else"):
        run(tmp_path)


def accuracies(monkeypatch, *values):
    """Let the epochs have these validation accuracies."""
    real, coming = Trainer.validate, list(values)

    def validate(trainer):
        loss = real(trainer)[1]
        confusion = np.zeros((10, 10), dtype=np.int64)
        right = round(100 * coming.pop(0))
        confusion[1, 1], confusion[1, 2] = right, 100 - right
        return scores(confusion), loss

    monkeypatch.setattr(Trainer, "validate", validate)


def test_early_stopping_counts_epochs_without_a_better_accuracy(tmp_path, monkeypatch, capsys):
    accuracies(monkeypatch, 0.5, 0.6, 0.6, 0.55, 0.9)
    result = run(tmp_path, config=dataclasses.replace(CONFIG, epochs=5, patience=2))
    # an equal one is not better
    assert [record.valid_accuracy for record in result.history] == [0.5, 0.6, 0.6, 0.55]
    assert (
        "stopped after 4 epochs, the last 2 of them no better than the best before."
        in capsys.readouterr().out
    )
    assert read_sidecar(result.latest).training["patience"] == 2


def test_early_stopping_counts_on_over_a_restart(tmp_path, monkeypatch, capsys):
    config = dataclasses.replace(CONFIG, epochs=6, patience=3)
    accuracies(monkeypatch, 0.6, 0.5, 0.5, 0.5, 0.9)

    def stop(record):
        if record.epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(tmp_path, config=config, on_epoch=stop)
    assert len(run(tmp_path, config=config).history) == 4
    assert len(run(tmp_path, config=config).history) == 4
    assert (
        "finished (4 epochs, the last 3 of them no better than the best before), nothing to do"
        in capsys.readouterr().out
    )


def test_weight_decay_is_recorded_and_taken_up_by_a_plain_training(tmp_path, capsys):
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1, weight_decay=0.01))
    assert read_sidecar(tmp_path / "latest.npz").training["weight_decay"] == 0.01
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=2))
    assert "weight_decay 0.01 -> 0.0" in capsys.readouterr().out


def test_weights_that_are_no_numbers_stop_the_training_even_if_the_loss_is_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(epochs, "broken_variables", lambda _: ["down0_conv1/kernel"])
    with pytest.raises(
        FloatingPointError,
        match=r"The weight down0_conv1/kernel is not finite in epoch 1; no epoch was finished",
    ):
        run(tmp_path)
