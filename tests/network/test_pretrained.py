from pathlib import Path

import numpy as np
import pytest

from bloodseg_lib.io import read_image
from bloodseg_lib.network.pretrained import checkpoint_path
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter

TRIAL = Path(__file__).resolve().parents[2] / "trial/images"


@pytest.mark.parametrize(
    "names", [["network.npz", "training/best.npz"], ["training/best.npz"], ["best.npz"]]
)
def test_the_folder_of_a_run_or_a_training_stands_for_its_network(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert checkpoint_path(tmp_path) == tmp_path / names[0]


def test_a_folder_without_a_network_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected network\.npz in it, or best\.npz"):
        checkpoint_path(tmp_path)


def test_the_student_is_one_small_network_and_says_much_the_same():
    released = Segmenter("released", PredictionConfig(second_look=False))
    student = Segmenter("student")
    size = [checkpoint_path(name).stat().st_size for name in ("student", "released")]
    assert size[0] < min(2e6, size[1] / 3) and not student.single_cells
    same = [
        (student.segment(smear, AT_40X).labels == released.segment(smear, AT_40X).labels).mean()
        for smear in (read_image(path) for path in sorted(TRIAL.glob("*.png")))
    ]
    assert len(same) == 20 and np.mean(same) > 0.93
