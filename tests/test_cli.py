import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import bloodseg_lib
from bloodseg_lib.cli import main
from bloodseg_lib.samples.bank import SampleBank
from bloodseg_lib.smears.manifest import DatasetConfig

ROOT = Path(__file__).parents[1]

EVALUATIONS = ("dataset", "fields", "counts")


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_bank_then_dataset(tmp_path):
    made = invoke("bank", "phantom=10", "--out", tmp_path / "bank")
    assert made.exit_code == 0, made.output
    assert "Every split has samples of every class." in made.output
    assert len(SampleBank(tmp_path / "bank").entries) == 90
    composed = invoke(
        "dataset",
        "--bank",
        tmp_path / "bank",
        "--out",
        tmp_path / "data",
        "--train",
        2,
        "--valid",
        1,
        "--test",
        1,
        "--backgrounds",
        3,
        "--workers",
        1,
    )
    assert composed.exit_code == 0, composed.output
    assert len(list((tmp_path / "data/train/segments").glob("*.png"))) == 2


def test_missing_classes_are_drawn_only_when_asked(tmp_path):
    folder = tmp_path / "lisc"
    result = invoke("bank", f"lisc={folder}", "--out", tmp_path / "bank")
    assert result.exit_code == 1
    assert str(folder) in result.output
    assert not (tmp_path / "bank" / "index.csv").exists()


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ("lisk=/data", "lisk"),
        ("lisc", "expected KEY=FOLDER"),
        ("phantom=many", "number of cells"),
        ("phantom=0", "number of cells"),
    ],
)
def test_a_wrong_database_is_refused_in_words(tmp_path, database, expected):
    result = invoke("bank", database, "--out", tmp_path / "bank")
    assert result.exit_code
    assert expected in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "bank").exists()


def test_a_finished_bank_is_not_overwritten(tmp_path):
    assert invoke("bank", "phantom=3", "--out", tmp_path / "bank").exit_code == 0
    before = (tmp_path / "bank/index.csv").read_bytes()
    again = invoke("bank", "phantom=4", "--out", tmp_path / "bank")
    assert "holds a bank of other databases or options" in again.output
    assert (tmp_path / "bank/index.csv").read_bytes() == before


def test_predict_without_a_checkpoint_says_what_to_do(tmp_path):
    result = invoke(
        "predict",
        tmp_path / "smear.png",
        "--checkpoint",
        tmp_path / "none.npz",
        "--out",
        tmp_path / "out",
    )
    assert result.exit_code == 1
    assert "none.npz" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_sources_lists_every_database():
    result = invoke("sources")
    assert result.exit_code == 0, result.output
    for name in ("LISC", "IUMC", "MAMIC", "KAGGLE", "Zheng"):
        assert name.lower() in result.output.lower()


def test_an_unknown_recipe_lists_the_recipes(tmp_path):
    invoke("bank", "phantom=3", "--out", tmp_path / "bank")
    result = invoke(
        "dataset", "--bank", tmp_path / "bank", "--out", tmp_path / "data", "--recipe", "green"
    )
    assert "one of white, realistic, robust. Received 'green'" in result.output


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("score", "lisc=x"), "evaluate fields"),
        (("count-error", "data"), "evaluate counts"),
        (("evaluate", "runs/tutorial/dataset"), "evaluate dataset"),
    ],
)
def test_a_former_command_names_the_one_in_its_place(old, new):
    result = invoke(*old)
    assert result.exit_code == 2
    assert new in result.output


@pytest.mark.parametrize("command", [*main.commands, *(("evaluate", c) for c in EVALUATIONS)])
def test_every_command_has_help_and_every_option_a_text(command):
    path = (command,) if isinstance(command, str) else command
    result = invoke(*path, "--help")
    assert result.exit_code == 0, result.output
    group = main.commands["evaluate"].commands if len(path) == 2 else main.commands
    context = click.Context(group[path[-1]])
    assert all(p.help for p in group[path[-1]].get_params(context) if isinstance(p, click.Option))


def test_sizes_of_a_dataset_default_to_those_of_its_configuration():
    context = click.Context(main.commands["dataset"])
    defaults = {p.name: p.default for p in main.commands["dataset"].get_params(context)}
    for field in dataclasses.fields(DatasetConfig):
        if field.name != "recipe":
            assert defaults[field.name] == field.default


def test_an_option_of_the_network_is_checked_by_its_configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(bloodseg_lib, "Dataset", lambda folder: None)
    result = invoke("train", "--dataset", tmp_path, "--out", tmp_path / "out", "--width", "0")
    assert result.exit_code == 1
    assert "UNetConfig.width: expected 1 to 512. Received 0" in result.output


@pytest.mark.parametrize("setting", ["epochs", "epochs="])
def test_a_setting_without_a_value_is_refused_in_words(tmp_path, setting):
    result = invoke("train", "--dataset", tmp_path, "--out", tmp_path / "out", "--set", setting)
    assert result.exit_code == 2
    assert f"expected NAME=VALUE, each once. Received '{setting}'" in result.output


def test_a_missing_libgl_is_answered_with_the_wheel_that_needs_none(monkeypatch):
    from bloodseg_lib.samples.sources import catalog

    def refused():
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(catalog, "table", refused)
    done = CliRunner().invoke(main, ["sources"])
    assert done.exit_code == 1
    assert "libGL.so.1: cannot" in done.stderr and "opencv-python-headless" in done.stderr


def test_an_error_of_the_system_is_told_without_its_number(tmp_path):
    (tmp_path / "a").touch()
    done = invoke("parameterize", "--out", tmp_path / "run", "--notebooks", tmp_path / "a")
    assert done.exit_code == 1 and "Errno" not in done.output
    assert f"Error: {tmp_path / 'a/solutions'}: Not a directory. Choose" in done.output


def test_options_of_a_configuration_need_no_docstring(monkeypatch):
    # as under python -OO
    monkeypatch.setattr(DatasetConfig, "__doc__", None)
    result = invoke("dataset", "--help")
    assert result.exit_code == 0, result.exception
    assert "--train" in result.output


def test_how_cells_are_counted_is_an_option(tmp_path):
    result = invoke("predict", tmp_path, "--infected-share", "1.5", "--out", tmp_path / "out")
    assert result.exit_code == 1
    options = invoke("predict", "--help").output
    for name in ("--infected-share", "--border-rule", "--minimum-rbc", "--minimum-wbc"):
        assert name in options


@pytest.mark.skipif(os.name != "posix", reason="there is no ulimit")
@pytest.mark.parametrize("mib", [300, 1500])
def test_too_low_a_limit_of_memory_is_told_before_anything_is_loaded(tmp_path, mib):
    # in a process of its own: the limit cannot be lifted again
    command = f"ulimit -v {mib * 1024}; {sys.executable} -m bloodseg_lib verify {tmp_path}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "Error: Expected 1536 MiB of address space (ulimit -v)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def paths_of(command, given=""):
    """Every path that a command or one below it takes: the command, the parameter."""
    for name, inner in command.commands.items():
        if isinstance(inner, click.Group):
            yield from paths_of(inner, f"{given}{name} ")
        else:
            for parameter in inner.params:
                if isinstance(parameter.type, click.Path):
                    yield f"{given}{name}", parameter


@pytest.mark.parametrize(("command", "parameter"), list(paths_of(main)))
def test_an_empty_path_is_refused_and_not_taken_for_the_current_folder(command, parameter):
    context = click.Context(main)
    with pytest.raises(click.BadParameter, match=r"expected a path; \. is the current folder"):
        parameter.type.convert("", parameter, context)
    assert parameter.type.convert(".", parameter, context) == Path()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("predict a.png --out x --max-megapixels 0", "a number above 0. Received '0'"),
        ("predict a.png --out x --max-megapixels -3", "a number above 0. Received '-3'"),
        ("predict a.png --out x --max-megapixels nan", "a number above 0. Received 'nan'"),
        ("predict a.png --out x --max-megapixels inf", "a number above 0. Received 'inf'"),
        ("predict a.png --out x --max-megapixels many", "a number above 0. Received 'many'"),
        ("predict a.png --out x --level -1", "a whole number of 0 or more. Received '-1'"),
        ("predict a.png --out x --rbc-diameter nan", "a number from 2 to 2000. Received 'nan'"),
        ("evaluate fields lisc=x --rbc-diameter 0", "a number from 2 to 2000. Received '0'"),
        ("evaluate dataset x --limit 0", "a whole number of 1 or more. Received '0'"),
        ("evaluate counts x --limit 1.5", "a whole number of 1 or more. Received '1.5'"),
        ("bank phantom=1 --out x --seed -1", "a whole number of 0 or more. Received '-1'"),
        ("bank phantom=1 --out x --draw-missing -1", "a whole number of 0 or more. Received '-1'"),
        ("dataset --bank x --out y --workers -2", "a whole number of -1 or more. Received '-2'"),
        ("app --port 0", "a whole number from 1 to 65535. Received '0'"),
        ("app --port 99999", "a whole number from 1 to 65535. Received '99999'"),
    ],
)
def test_a_number_beyond_its_limits_is_refused_by_its_option(command, words):
    result = invoke(*command.split())
    assert result.exit_code == 2
    assert f"expected {words}." in " ".join(result.output.split())
