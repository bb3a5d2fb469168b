"""The same command gives the same bytes: in another process, with other threads, after kills."""

import os
import subprocess

import pytest
from kills import PROGRAM, command, content, kill, undisturbed

ONE, TWO = (
    {"OMP_NUM_THREADS": n, "OPENCV_FOR_THREADS_NUM": n, "TF_NUM_INTRAOP_THREADS": n} for n in "12"
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a bank and a dataset, made by the commands."""
    folder = tmp_path_factory.mktemp("work")
    for name in ("bank", "white"):
        undisturbed(name, folder)
    return folder


# A training is bit for bit the same with the same number of threads only, as its docstring says.
@pytest.mark.parametrize(
    ("name", "threads"),
    [("bank", TWO), ("white", TWO), ("realistic", TWO), ("predict", TWO), ("train", ONE)],
)
def test_twice_the_same_command_writes_the_same_bytes(work, tmp_path, name, threads):
    for folder, environment in (("first", ONE), ("second", threads)):
        arguments = [*PROGRAM, *command(name, work, tmp_path / folder)]
        done = subprocess.run(
            arguments, env=os.environ | environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    first = content(tmp_path / "first")
    assert len(first) > 1
    assert content(tmp_path / "second") == first


@pytest.mark.skipif(os.name != "posix", reason="kills a process group")
@pytest.mark.parametrize("name", ["bank", "realistic", "train", "predict"])
@pytest.mark.parametrize(
    "fraction",
    [0.6, *(pytest.param(part, marks=pytest.mark.thorough) for part in (0.3, 0.9))],
)
def test_killed_the_same_command_ends_with_the_same_bytes(work, name, fraction):
    result = kill(name, work, fraction * undisturbed(name, work), group=fraction == 0.6)
    assert result["same"], result
