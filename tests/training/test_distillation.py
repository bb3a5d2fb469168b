"""A network that learns from a teacher, too."""

import dataclasses
import sys

import keras
import numpy as np
import pytest
from tiny_training import CONFIG, UNET, TinyDataset, bits, run

from bloodseg_lib.classes import UNKNOWN
from bloodseg_lib.network.checkpoint import load_model
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.loss import WeightedCrossEntropy
from bloodseg_lib.training.distillation import TEACHERS_SHARE, Taught

LONG = {"epochs": 30, "schedule": "cosine", "learning_rate": 0.02}
STUDENT = UNetConfig(width=4, levels=3, normalization="batch", dropout=0.0)


class UnknownDataset(TinyDataset):
    """Of one of its 24 images in training the classes are known."""

    def __init__(self):
        super().__init__(train=24)
        self.counts = super().pixel_counts("train")
        self.splits["train"][1][1:] = UNKNOWN

    def pixel_counts(self, split):
        return self.counts if split == "train" else super().pixel_counts(split)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A network wider than the ones it teaches, and its validation accuracy."""
    folder = tmp_path_factory.mktemp("teacher")
    unet = UNetConfig(width=6, levels=3, normalization="batch", dropout=0.0)
    result = run(folder, unet=unet, config=dataclasses.replace(CONFIG, **LONG))
    return result.best, max(record.valid_accuracy for record in result.history)


def taught_by(teacher, **others):
    return dataclasses.replace(CONFIG, teacher=str(teacher[0]), **others)


def test_the_loss_of_a_batch_by_hand():
    weights = np.zeros(10, np.float32)
    weights[1], weights[2] = 0.5, 3
    said = np.zeros((1, 1, 2, 10), np.float32)
    said[0, 0, 0, 1], said[0, 0, 0, 3] = 0.75, 0.25  # weight 0.5
    said[0, 0, 1, 2], said[0, 0, 1, 1] = 0.6, 0.4  # weight 3
    images = keras.Input((1, 2, 3))
    taught = Taught(
        images,
        keras.layers.Conv2D(10, 1, kernel_initializer="zeros", name="logits")(images),
        lambda x, training: keras.ops.convert_to_tensor(said),
        loss := WeightedCrossEntropy(weights),
    )
    taught.compile(loss=loss)
    x, labels = np.zeros((1, 1, 2, 3), np.float32), np.array([[[1, UNKNOWN]]], np.uint8)
    logits = np.zeros((1, 1, 2, 10), np.float32)
    logits[0, 0, 1, 2] = np.log(11)  # probability 11 / 20; of the others 1 / 20
    known = 0.5 * np.log(10) / 2
    by_teacher = 0.5 * np.log(10) + 3 * -(0.6 * np.log(11 / 20) + 0.4 * np.log(1 / 20))
    expected = (1 - TEACHERS_SHARE) * known + TEACHERS_SHARE * by_teacher / 2
    received = taught.compute_loss(x, labels, keras.ops.convert_to_tensor(logits))
    assert float(received) == pytest.approx(expected, rel=1e-5)


def test_where_classes_are_not_known_a_teacher_helps_and_stays_as_it_was(tmp_path, teacher):
    before = bits(teacher[0])
    alone, helped = (
        run(tmp_path / str(number), UnknownDataset(), STUDENT, config)
        for number, config in enumerate(
            (dataclasses.replace(CONFIG, **LONG), taught_by(teacher, **LONG))
        )
    )
    best = [max(r.valid_accuracy for r in result.history) for result in (alone, helped)]
    assert teacher[1] > 0.6 and best[1] > best[0] + 0.1, best
    assert bits(teacher[0]) == before
    model, _ = load_model(helped.best)
    assert model.count_params() == load_model(alone.best)[0].count_params()


def test_a_training_by_a_teacher_goes_on_where_it_stopped(tmp_path, teacher):
    whole = run(tmp_path / "whole", config=taught_by(teacher))
    run(tmp_path / "stopped", config=taught_by(teacher, epochs=1))
    gone_on = run(tmp_path / "stopped", config=taught_by(teacher))
    assert bits(gone_on.latest) == bits(whole.latest)


def test_in_parts_a_batch_is_taught_as_whole(tmp_path, teacher, monkeypatch):
    of_no_batch = dataclasses.replace(UNET, dropout=0.0)
    whole = run(tmp_path / "whole", unet=of_no_batch, config=taught_by(teacher, epochs=1))
    module = sys.modules["bloodseg_lib.training.train"]
    real = module.preflight
    monkeypatch.setattr(
        module, "preflight", lambda *values: dataclasses.replace(real(*values), parts=2)
    )
    parts = run(tmp_path / "parts", unet=of_no_batch, config=taught_by(teacher, epochs=1))
    for one, other in zip(
        load_model(whole.latest)[0].get_weights(),
        load_model(parts.latest)[0].get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_teacher_that_is_not_there_is_named(tmp_path):
    config = dataclasses.replace(CONFIG, teacher=str(tmp_path / "nobody.npz"))
    with pytest.raises(FileNotFoundError, match=r"nobody"):
        run(tmp_path / "folder", config=config)
    assert not list((tmp_path / "folder").glob("*.npz"))


def test_a_teacher_is_not_asked_of_cells_of_half_their_size():
    with pytest.raises(ValueError, match=r"half_size_epochs: expected 0 with a teacher.* 2\."):
        dataclasses.replace(CONFIG, teacher="released", half_size_epochs=2)


def test_the_shape_of_the_student_is_its_own(tmp_path, teacher):
    result = run(tmp_path, config=taught_by(teacher, epochs=1))
    sidecar = result.latest.with_suffix(".json").read_text()
    assert f'"width": {UNET.width}' in sidecar and '"teacher"' in sidecar
