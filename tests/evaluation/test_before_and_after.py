"""Fine-tuning on corrected fields, and its comparison, on fields of two cells."""

import contextlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from colour_network import write_colour_network
from corrected import correct_fields, neutrophils_and_green
from red_and_green import RedAndGreen

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.cli import main
from bloodseg_lib.evaluation import before_and_after
from bloodseg_lib.evaluation.before_and_after import BeforeAndAfter, Figure, compared, fine_tune
from bloodseg_lib.io import write_csv
from bloodseg_lib.samples import corrected_fields
from bloodseg_lib.samples.corrected_fields import read
from bloodseg_lib.training import fine_tuning


class Taught(RedAndGreen):
    def predict(self, tiles):
        return neutrophils_and_green(tiles)


@pytest.fixture
def drawn_smears(monkeypatch):
    """The mean IoU on drawn smears, 0.5 before and 0.4 after, without computing it."""
    ious = iter((0.5, 0.4))
    monkeypatch.setattr(
        before_and_after,
        "evaluate_dataset",
        lambda *_, **__: SimpleNamespace(scores=SimpleNamespace(mean_iou=next(ious))),
    )


def test_a_comparison_counts_what_each_network_says_of_the_cells(tmp_path, drawn_smears):
    correct_fields(tmp_path, "a", "b")
    figures = compared(RedAndGreen(), Taught(), read(tmp_path), None, progress=False)
    assert figures == (
        Figure("all cells", 4, 0.5, 1.0),
        Figure("corrected by hand", 2, 0.0, 1.0),
        Figure("not touched", 2, 1.0, 1.0),
        Figure("drawn smears, mean IoU", 0, 0.5, 0.4),
        Figure("corrected by hand: Neutrophil", 2, 0.0, 1.0),
    )


def test_a_deleted_cell_is_right_where_nothing_is_found(tmp_path, drawn_smears):
    correct_fields(tmp_path, "a", person=lambda session: session.correct(2, None))

    class Blind(RedAndGreen):
        def predict(self, tiles):
            predicted = super().predict(tiles)
            predicted[..., 0] += 2 * predicted[..., HEALTHY_RBC]
            return predicted / predicted.sum(axis=-1, keepdims=True)

    _, by_hand, *_ = compared(RedAndGreen(), Blind(), read(tmp_path), None, progress=False)
    assert (by_hand.before, by_hand.after) == (0.0, 1.0)


def test_a_report_says_what_became_worse():
    figures = (Figure("not touched", 10, 1.0, 0.9), Figure("drawn smears", 0, 0.5, 0.6))
    report = BeforeAndAfter(Path("n.npz"), ("a",), ("b",), figures)
    assert "| not touched | 10 | 100.0% | 90.0% |" in report.to_markdown()
    assert "Worse than before: not touched: 100.0% before, 90.0% after." in report.to_markdown()
    better = replace(report, figures=figures[1:])
    assert "Nothing is worse than before." in better.to_markdown()


@pytest.fixture
def quick(monkeypatch):
    """A fine-tuning of two steps."""
    sizes = {"train": 8, "valid": 2, "test": 2, "backgrounds": 3}
    monkeypatch.setattr(fine_tuning, "SMEARS", replace(fine_tuning.SMEARS, **sizes))
    monkeypatch.setattr(corrected_fields, "DRAWN_CELLS", 5)
    steps = {"epochs": 2, "images_per_epoch": 4, "warmup_steps": 0}
    monkeypatch.setattr(fine_tuning, "TRAINING", replace(fine_tuning.TRAINING, **steps))


@pytest.fixture
def start(tmp_path):
    write_colour_network(tmp_path / "start" / "best.npz")
    return str(tmp_path / "start")


def test_the_command_ends_with_both_figures_and_a_network_to_predict_with(tmp_path, quick, start):
    correct_fields(tmp_path / "panel", "a", "b", "c")
    out = tmp_path / "run"
    options = ["--out", str(out), "--network", start]
    done = CliRunner().invoke(main, ["fine-tune", str(tmp_path / "panel"), *options])
    assert done.exit_code == 0, done.output
    assert "Taught by 2 fields; compared on 1 others" in done.output
    assert (out / "evaluation/before_and_after.md").read_text() in done.output
    image = next(tmp_path.glob("panel/a-*/a_picture.png"))
    options = ["--network", str(out), "--out", str(tmp_path / "out"), "--rbc-diameter", "37"]
    done = CliRunner().invoke(main, ["predict", str(image), *options])
    assert done.exit_code == 0 and (tmp_path / "out/a_picture_counts.json").is_file()


def test_a_fine_tuning_that_was_stopped_goes_on_and_with_others_not(tmp_path, quick, start):
    correct_fields(tmp_path / "panel", "a", "b")
    fractions = []

    def stop(fraction):
        raise KeyboardInterrupt

    for on_progress in (stop, fractions.append):
        with contextlib.suppress(KeyboardInterrupt):
            fine_tune(tmp_path / "panel", tmp_path / "run", start, on_progress, progress=False)
    assert fractions == [2 / 3, 1]  # the first epoch was kept
    correct_fields(tmp_path / "panel", "a", person=lambda session: session.correct(2, None))
    with pytest.raises(ValueError, match="run: holds a fine-tuning of other corrections"):
        fine_tune(tmp_path / "panel", tmp_path / "run", start, progress=False)


@pytest.mark.parametrize("name", ["bank", "dataset", "training", "network.npz", "evaluation"])
def test_a_fine_tuning_takes_no_other_run_s_folder(name, tmp_path):
    """It deleted the bank there, as one that was half written."""
    correct_fields(tmp_path / "panel", "a", "b")
    theirs = tmp_path / "run" / name / "index.csv"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(ValueError, match=f"run: expected a folder without {name}"):
        fine_tune(tmp_path / "panel", tmp_path / "run")
    assert theirs.read_text() == "theirs"


def test_a_fine_tuning_does_not_go_on_with_other_fields_held_out(tmp_path, monkeypatch):
    """Else fields that taught would be compared on."""

    class Begun(Exception):
        pass

    def begin(*_):
        raise Begun

    monkeypatch.setattr(corrected_fields, "write", begin)
    correct_fields(tmp_path / "panel", "a", "b", "c")
    for _ in range(2):
        with pytest.raises(Begun):
            fine_tune(tmp_path / "panel", tmp_path / "run")
    rows = [("a", "P1"), ("b", "P1"), ("c", "P2")]
    write_csv(tmp_path / "panel" / "patients.csv", ["field", "patient"], rows)
    with pytest.raises(ValueError, match="run: holds a fine-tuning of other corrections, patients"):
        fine_tune(tmp_path / "panel", tmp_path / "run")


def test_without_corrections_the_command_says_what_to_do(tmp_path):
    done = CliRunner().invoke(main, ["fine-tune", str(tmp_path), "--out", str(tmp_path / "run")])
    assert done.exit_code == 1
    assert "expected fields with cells that were corrected in the panel" in done.output
    assert not (tmp_path / "run").exists()
