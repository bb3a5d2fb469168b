import csv
import io
import json

import numpy as np
import pytest
from click.testing import CliRunner
from colour_network import write_colour_network
from discs import disc_bank

from bloodseg_lib.classes import BACKGROUND, HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.cli import main
from bloodseg_lib.evaluation.composed import evaluate_dataset
from bloodseg_lib.evaluation.report import REPORT_FILES
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter
from bloodseg_lib.smears.build import DatasetConfig, build_dataset


class ThreeImages:
    """As a dataset, of three images whose first pixel's red channel is their number."""

    def __init__(self):
        self.images = np.zeros((3, 4, 5, 3), np.uint8)
        self.images[:, 0, 0, 0] = [0, 1, 2]
        self.labels = np.zeros((3, 4, 5), np.uint8)
        self.labels[:, :2] = HEALTHY_RBC  # 10 of 20 pixels

    def names(self, split):
        return ["a", "b", "c"] if split == "test" else []

    def batches(self, split, batch_size, seed=0, epoch=0, shuffle=True):
        assert not shuffle
        for i in range(0, 3, batch_size):
            yield self.images[i : i + batch_size], self.labels[i : i + batch_size]


def predict(images):
    """Image 0 correct, image 1 all background, image 2 five of ten healthy pixels infected."""
    labels = np.zeros(images.shape[:3], np.uint8)
    for i, number in enumerate(images[:, 0, 0, 0]):
        labels[i, :2] = HEALTHY_RBC if number != 1 else BACKGROUND
        if number == 2:
            labels[i, 0] = INFECTED_RBC
    return np.eye(10, dtype=np.float32)[labels]


@pytest.fixture
def report():
    return evaluate_dataset(predict, ThreeImages(), progress=False)


def test_the_confusion_matrix_is_that_of_all_pixels(report):
    expected = np.zeros((10, 10), int)
    expected[BACKGROUND, BACKGROUND] = 30
    expected[HEALTHY_RBC, [HEALTHY_RBC, BACKGROUND, INFECTED_RBC]] = [15, 10, 5]
    np.testing.assert_array_equal(report.confusion, expected)
    assert report.scores.pixel_accuracy == 45 / 60 and report.scores.background_share == 0.5


def test_images_are_ranked_by_their_right_pixels(report):
    assert report.image_accuracy.tolist() == [1.0, 0.5, 0.75]
    assert report.worst(2) == [1, 2] and report.best(1) == [0]


def test_the_size_of_batches_does_not_matter(report):
    predict.config = PredictionConfig(batch_size=2)
    try:
        np.testing.assert_array_equal(
            evaluate_dataset(predict, ThreeImages(), progress=False).confusion, report.confusion
        )
    finally:
        del predict.config


def test_a_limit_takes_the_first_images():
    report = evaluate_dataset(predict, ThreeImages(), progress=False, limit=2)
    assert report.names == ("a", "b") and report.confusion.sum() == 40


def test_the_report_is_written_in_three_forms(report, tmp_path):
    report.save(tmp_path)
    kept = json.loads((tmp_path / "report.json").read_text())
    assert (
        kept["images"] == 3
        and kept["scores"]["pixel_accuracy"] == 0.75
        and kept["worst"][0]["name"] == "b"
    )
    rows = list(csv.DictReader(io.StringIO((tmp_path / "per_class.csv").read_text())))
    assert (
        len(rows) == 10
        and rows[HEALTHY_RBC]["recall"] == "0.5000"
        and rows[INFECTED_RBC]["recall"] == ""
    )
    words = (tmp_path / "report.md").read_text()
    assert (
        "Pixel accuracy **75.00%**" in words
        and "would have 50.00%" in words
        and "flatters" in words
        and "Not for diagnosis" in words
    )


def test_a_class_that_is_never_found_is_named():
    report = evaluate_dataset(
        lambda images: np.eye(10)[np.zeros(images.shape[:3], int)], ThreeImages(), progress=False
    )
    assert "**Never found:** Healthy RBC." in report.to_markdown()


def test_nothing_to_evaluate_is_refused():
    with pytest.raises(ValueError, match="valid: expected a split with at least one smear"):
        evaluate_dataset(predict, ThreeImages(), split="valid", progress=False)
    with pytest.raises(ValueError, match="limit"):
        evaluate_dataset(predict, ThreeImages(), limit=0)


@pytest.mark.parametrize("options", [(), ("--tta",)])
def test_the_command_line_saves_the_report_it_prints(options, tmp_path):
    bank = disc_bank(tmp_path / "bank")
    dataset = build_dataset(
        DatasetConfig(train=3, valid=3, test=10, backgrounds=3),
        bank,
        tmp_path / "dataset",
        progress=False,
    )
    checkpoint = write_colour_network(tmp_path / "best.npz")
    report = evaluate_dataset(
        Segmenter(checkpoint, PredictionConfig(test_time_augmentation=bool(options))),
        dataset,
        limit=4,
        progress=False,
    )
    result = CliRunner().invoke(
        main,
        [
            "evaluate",
            "dataset",
            str(dataset.folder),
            "--checkpoint",
            str(checkpoint),
            "--limit",
            "4",
            "--out",
            str(tmp_path / "report"),
            *options,
        ],
    )
    assert result.exit_code == 0, result.output
    assert (
        "Evaluation on the test split: 4 images" in result.output
        and f"Pixel accuracy **{report.scores.pixel_accuracy:.2%}**" in result.output
    )
    assert (
        json.loads((tmp_path / "report" / "report.json").read_text())["confusion"]
        == report.confusion.tolist()
    )
    table = (tmp_path / "report" / "per_class.csv").read_text(encoding="utf-8-sig")
    assert {"per_class.csv": table} == report.tables()
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(
        REPORT_FILES["dataset"]
    )
