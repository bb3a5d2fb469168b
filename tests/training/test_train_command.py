import itertools
import json
from pathlib import Path

import ablations
import pytest
from click.testing import CliRunner

from bloodseg_lib.cli import main
from bloodseg_lib.network.backend import has_gpu
from bloodseg_lib.training.config import TrainingConfig


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train_command")
    invoke("bank", "phantom=10", "--out", folder / "bank")
    sizes = ("--train", 3, "--valid", 1, "--test", 1, "--backgrounds", 3, "--workers", 1)
    assert (
        invoke("dataset", "--bank", folder / "bank", "--out", folder / "data", *sizes).exit_code
        == 0
    )
    return folder / "data"


def test_train_then_nothing_to_do(dataset, tmp_path):
    command = (
        "train",
        "--dataset",
        dataset,
        "--out",
        tmp_path,
        "--width",
        2,
        "--normalization",
        "batch",
    )
    settings = (
        "--set",
        "epochs=1",
        "--set",
        "batch_size=2",
        "--set",
        "schedule=cosine",
        "--set",
        "flips=true",
        "--set",
        "stain=0.1",
    )
    result = invoke(*command, *settings)
    assert result.exit_code == 0, result.output
    assert "best.npz: validation accuracy" in result.output
    sidecar = json.loads((tmp_path / "best.json").read_text())
    assert {
        name: sidecar["training"][name]
        for name in ("epochs", "batch_size", "schedule", "flips", "stain", "patience")
    } == {
        **{
            "epochs": 1,
            "batch_size": 2,
            "schedule": "cosine",
            "flips": True,
            "stain": 0.1,
            "patience": 0,
        },
    }
    assert (sidecar["unet"]["width"], sidecar["unet"]["normalization"]) == (2, "batch")
    before = (tmp_path / "latest.npz").read_bytes()
    assert "nothing to do" in invoke(*command, *settings).output
    assert (tmp_path / "latest.npz").read_bytes() == before


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_a_demanded_gpu_that_is_missing_ends_with_exit_code_3(dataset, tmp_path):
    result = invoke("train", "--dataset", dataset, "--out", tmp_path / "new", "--require-gpu")
    assert result.exit_code == 3
    assert "Expected a GPU, as demanded." in result.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("epoch=3", "expected only the parameters start_from, teacher"),
        ("epochs=many", "TrainingConfig.epochs: expected int. Received 'many'"),
        ("epochs", "expected NAME=VALUE, each once. Received 'epochs'"),
        ("schedule=linear", "expected one of 'step', 'cosine'"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(dataset, tmp_path, setting, expected):
    result = invoke("train", "--dataset", dataset, "--out", tmp_path / "new", "--set", setting)
    assert result.exit_code not in (0, 3)
    assert expected in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ablations.VARIANTS)
def test_every_ablation_sets_what_there_is_to_set_and_changes_something(name):
    def config(changes):
        arguments = ablations.command(Path("data"), Path("out"), changes)
        pairs = itertools.pairwise(arguments)
        settings = (value.split("=", 1) for option, value in pairs if option == "--set")
        return TrainingConfig.from_texts(dict(settings))

    def options(changes):
        return {
            key: value
            for key, value in {**ablations.RECIPE, **changes}.items()
            if key.startswith("--")
        }

    changes = ablations.VARIANTS[name]
    assert (config(changes), options(changes)) != (config({}), options({})) or not changes
