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
    """A folder with a bank and a dataset, made by the commands; with two threads, as all that
    follows unless it is said.
    """
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        for variable, number in TWO.items():
            patch.setenv(variable, number)
        for name in ("bank", "white"):
            undisturbed(name, folder)
        yield folder


# A training is bit for bit the same with the same number of threads only, as its docstring says.
@pytest.mark.parametrize(
    ("name", "threads"),
    [("bank", ONE), ("white", ONE), ("realistic", ONE), ("predict", ONE), ("train", TWO)],
)
def test_twice_the_same_command_writes_the_same_bytes(work, tmp_path, name, threads):
    undisturbed(name, work)
    arguments = [*PROGRAM, *command(name, work, tmp_path / "second")]
    done = subprocess.run(arguments, env=os.environ | threads, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first = content(work / name)
    assert len(first) > 1
    assert content(tmp_path / "second") == first


@pytest.mark.skipif(os.name != "posix", reason="kills a process group")
@pytest.mark.parametrize("name", ["bank", "realistic", "train", "predict"])
@pytest.mark.parametrize(
    "fraction",
    [0.6, *(pytest.param(part, marks=pytest.mark.thorough) for part in (0.3, 0.9))],
)
def test_killed_the_same_command_ends_with_the_same_bytes(work, name, fraction):
    result = kill(name, work, [fraction * undisturbed(name, work)], group=fraction == 0.6)
    assert result["same"], result
