import json

import numpy as np
import pytest
from click.testing import CliRunner
from colour_network import write_colour_network
from discs import disc_bank

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL
from bloodseg_lib.cli import main
from bloodseg_lib.evaluation.counts import CountsReport, evaluate_counts, true_counts
from bloodseg_lib.evaluation.report import REPORT_FILES
from bloodseg_lib.prediction.counts import CountingConfig
from bloodseg_lib.smears.build import DatasetConfig, build_dataset


def thing(class_id, x, y, side=30, area=700):
    return {"id": class_id, "box": {"x": x, "y": y, "width": side, "height": side}, "area_px": area}


def test_the_truth_follows_the_rules_of_counting():
    objects = [
        thing(HEALTHY_RBC, 0, 0),  # at the top left: counts
        thing(HEALTHY_RBC, 70, 10),  # touches the right border of 100
        thing(INFECTED_RBC, 10, 70),  # touches the bottom
        thing(INFECTED_RBC, 40, 40, area=200),  # less than a quarter of a cell is seen
        thing(NEUTROPHIL, 20, 20, area=1300),
    ]
    counts = true_counts(objects, (100, 100), CountingConfig())
    assert (counts[HEALTHY_RBC], counts[INFECTED_RBC], counts[NEUTROPHIL], sum(counts)) == (
        1,
        0,
        1,
        2,
    )
    assert sum(true_counts(objects, (100, 100), CountingConfig(border_rule=False))) == 4


def by_id(**numbers):
    return [
        numbers.get(name, 0)
        for name in (
            "background",
            "e",
            "b",
            "neutrophil",
            "l",
            "m",
            "t",
            "c",
            "infected",
            "healthy",
        )
    ]


@pytest.fixture
def error():
    truth = np.array([by_id(infected=10), by_id(infected=4, healthy=4, neutrophil=1)])
    counted = np.array([by_id(infected=8, healthy=2), by_id(infected=5, healthy=2)])
    return CountsReport(truth, truth, counted, "test")


def test_errors_are_means_of_percentages_over_the_smears_that_have_such_cells(error):
    rows = error.rows()
    assert rows["Infected RBC"]["percentage_error"] == pytest.approx((20 + 25) / 2)
    assert rows["Infected RBC"]["pooled_error"] == pytest.approx(100 * (13 / 14 - 1))
    assert rows["Healthy RBC"]["percentage_error"] == 50 and rows["Healthy RBC"]["smears"] == 1
    assert (
        rows["Neutrophil"]["percentage_error"] == 100
        and rows["Neutrophil"]["perfect_percentage_error"] == 0
    )
    assert rows["All red cells"]["percentage_error"] == pytest.approx(12.5 / 2)
    assert np.isnan(rows["Basophil"]["percentage_error"])


def test_the_report_is_for_people_and_for_programs(error):
    assert "| Infected RBC | 2 | 14 | 13 | -7.1 % | 22.5 % | 0.0 % |" in error.to_markdown()
    assert "| Basophil | 0 | 0 | 0 | - | - | - |" in error.to_markdown()
    assert (
        json.loads(json.dumps(error.to_dict(), allow_nan=False))["classes"]["Basophil"][
            "percentage_error"
        ]
        is None
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    bank = disc_bank(folder / "bank")
    return build_dataset(
        DatasetConfig(train=3, valid=3, test=10, backgrounds=3),
        bank,
        folder / "dataset",
        progress=False,
    )


def test_a_network_that_knows_the_truth_has_the_error_of_perfect_maps(dataset):
    images, labels = (
        np.concatenate(parts)
        for parts in zip(*dataset.batches("test", 4, shuffle=False), strict=True)
    )
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    found = evaluate_counts(
        lambda tiles: np.eye(10)[[known[tile.tobytes()] for tile in tiles]],
        dataset,
        limit=7,
        progress=False,
    )
    assert found.truth.shape == (7, 10)
    np.testing.assert_array_equal(found.perfect, found.counted)
    assert (
        found.rows()["All red cells"]["percentage_error"] < 10
        and found.rows()["All white cells"]["percentage_error"] == 0
    )
    assert found.rows()["All red cells"]["truth"] > 40


def test_an_empty_split_and_limit_are_refused(dataset):
    with pytest.raises(ValueError, match="at least 1 smear"):
        evaluate_counts(None, dataset, limit=0)
    with pytest.raises(ValueError, match="one of train"):
        evaluate_counts(None, dataset, split="exam")


def test_the_command_line_prints_the_errors(dataset, tmp_path):
    checkpoint = write_colour_network(tmp_path / "best.npz")
    result = CliRunner().invoke(
        main,
        [
            "evaluate",
            "counts",
            str(dataset.folder),
            "--checkpoint",
            str(checkpoint),
            "--limit",
            "2",
            "--out",
            str(tmp_path / "report"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert (
        "2 composed smears of the test split" in result.output
        and "| All red cells | 2 |" in result.output
    )
    assert (tmp_path / "report" / "counts.md").read_text() in result.output
    assert json.loads((tmp_path / "report" / "counts.json").read_text())["smears"] == 2
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(
        REPORT_FILES["counts"]
    )
