from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bloodseg_lib.cli import main
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction import export
from bloodseg_lib.prediction.export import (
    FORMATS,
    export_checkpoint,
    load_exported,
    missing_packages,
)
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import Segmenter, segment_image

TRIAL = sorted((Path(__file__).parents[2] / "trial" / "images").glob("*.png"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from bloodseg_lib.network.checkpoint import save_checkpoint
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.network.sidecar import Sidecar
    from bloodseg_lib.network.unet import build_unet

    config = UNetConfig(
        width=4, levels=3, normalization="batch", mean=(200.0, 180.0, 190.0), std=(40.0, 50.0, 45.0)
    )
    sidecar = Sidecar(
        1, 1, 0.1, config.mean, config.std, 0.1, 1.0, [], config.to_dict(), {}, "none"
    )
    path = tmp_path_factory.mktemp("network") / "best.npz"
    save_checkpoint(path, build_unet(config), sidecar)
    return path


@pytest.mark.filterwarnings("ignore")  # converters and runtimes warn of their own future
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_exported_answers_as_the_network_does(format, checkpoint, tmp_path):
    if missing_packages(format):
        pytest.skip(f"{format} needs {', '.join(missing_packages(format))}")
    images = [read_image(path) for path in TRIAL[:3]]
    made = export_checkpoint(checkpoint, tmp_path / f"network{FORMATS[format]}", format, images)
    assert made.images == 3 and made.difference < 1e-4 and made.path.exists()
    assert [path.name for path in tmp_path.iterdir()] == [made.path.name]
    field = np.hstack([images[0], images[1]])  # another size than it was compared on
    here, there = (
        Segmenter(checkpoint).segment(field, AT_40X),
        segment_image(field, load_exported(made.path), AT_40X),
    )
    np.testing.assert_allclose(here.probabilities, there.probabilities, atol=2e-3)
    assert (here.labels == there.labels).mean() > 0.999


@pytest.mark.filterwarnings("ignore")
def test_one_that_answers_differently_is_not_kept(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(
        export,
        "load_exported",
        lambda path: lambda tiles: np.zeros((*tiles.shape[:3], 10), np.float32),
    )
    with pytest.raises(ValueError, match="differs by"):
        export_checkpoint(checkpoint, tmp_path / "network", "savedmodel")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install onnx tf2onnx onnxruntime"):
        export_checkpoint(checkpoint, tmp_path / "a.onnx", "onnx")
    result = CliRunner().invoke(
        main,
        [
            "export",
            "--checkpoint",
            str(checkpoint),
            "--format",
            "onnx",
            "--out",
            str(tmp_path / "a.onnx"),
        ],
    )
    assert result.exit_code == 1 and "pip install onnx" in result.output


@pytest.mark.parametrize(
    ("out", "format", "words"),
    [
        ("a.onnx", "savedfile", "one of savedmodel"),
        ("a.pb", "onnx", r"ends in \.onnx"),
        (".", "savedmodel", "is there already"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_words(out, format, words, checkpoint, tmp_path):
    with pytest.raises((ValueError, FileExistsError), match=words):
        export_checkpoint(checkpoint, tmp_path / out, format)


def test_nothing_to_load_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        load_exported(tmp_path / "none.onnx")


@pytest.mark.filterwarnings("ignore")
def test_the_command_exports_and_says_how_near_it_is(checkpoint, tmp_path):
    result = CliRunner().invoke(
        main,
        [
            "export",
            "--checkpoint",
            str(checkpoint),
            "--out",
            str(tmp_path / "network"),
            "--image",
            str(TRIAL[0]),
        ],
    )
    assert result.exit_code == 0, result.output
    assert (
        "on 1 images differ by" in result.output
        and (tmp_path / "network" / "saved_model.pb").is_file()
    )
