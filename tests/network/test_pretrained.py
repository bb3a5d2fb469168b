import pytest

from bloodseg_lib.network.pretrained import checkpoint_path


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
