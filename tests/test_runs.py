"""One owner of a folder: the second command is refused, the first undisturbed, and the lock ends
with its process.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from bloodseg_lib.runs import LOCK, owned

HOLD = (
    "import sys\n"
    "from bloodseg_lib.runs import owned\n"
    "with owned(sys.argv[1]):\n"
    "    print('owned', flush=True)\n"
    "    sys.stdin.read()\n"
)
ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def holder(folder):
    """A process that owns a folder until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "owned\n"
    return process


@pytest.fixture
def held(tmp_path):
    """A folder that another process owns, and that process."""
    process = holder(tmp_path / "out")
    yield tmp_path / "out", process
    process.kill()
    process.communicate()


def test_a_folder_that_another_process_owns_is_refused_in_words(held):
    folder, process = held
    with (
        pytest.raises(BlockingIOError, match=r"out: .*another command is writing.* Wait until"),
        owned(folder),
    ):
        pytest.fail("two own the folder")
    assert process.poll() is None
    assert (folder / LOCK).exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_a_killed_process_owns_nothing(held):
    folder, process = held
    process.kill()
    process.wait()
    assert (folder / LOCK).exists()
    with owned(folder):
        assert (folder / LOCK).exists()


def test_nothing_is_left_in_the_folder(tmp_path):
    with owned(tmp_path / "out"):
        (tmp_path / "out" / "result.txt").write_text("done")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result.txt"]


def test_a_folder_that_was_made_and_stayed_empty_is_gone(tmp_path):
    with pytest.raises(ValueError, match="no"), owned(tmp_path / "out"):
        raise ValueError("no")
    assert not (tmp_path / "out").exists()


def test_a_lock_file_that_cannot_be_deleted_locks_nobody_out(tmp_path, monkeypatch):
    def refused(path, missing_ok=False):
        raise PermissionError(errno.EACCES, "no", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    for _ in range(2):
        with owned(tmp_path):
            pass
    assert (tmp_path / LOCK).exists()


def test_a_lock_file_of_another_owner_is_not_deleted(tmp_path):
    """The folder was deleted and made anew while it was owned."""
    with owned(tmp_path):
        (tmp_path / LOCK).rename(tmp_path / "deleted")
        (tmp_path / LOCK).touch()
    assert (tmp_path / LOCK).exists()


def test_a_folder_inside_has_an_owner_of_its_own(held):
    folder, _ = held
    with owned(folder / "dataset"):
        pass


def test_many_at_once_are_never_two(tmp_path):
    """Each deletes the lock file, under the eyes of the others that wait for it."""
    inside, most, refused = [], [], []

    def often():
        for _ in range(40):
            try:
                with owned(tmp_path):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except BlockingIOError:
                refused.append(1)

    threads = [threading.Thread(target=often) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) + len(refused) == 6 * 40


def test_a_drive_without_locks_is_said_and_used(tmp_path, monkeypatch, capsys):
    def unknown(lock):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "_acquire", unknown)
    with owned(tmp_path):
        (tmp_path / "result.txt").write_text("done")
    assert "this drive has no locks" in capsys.readouterr().out
    assert (tmp_path / "result.txt").exists()


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(OSError, match=r"file: expected to write there.*choose another"),
        owned(tmp_path / "file"),
    ):
        pytest.fail("a file is no folder")


COMMANDS = {
    "bank": ["bank", "phantom=1"],
    "run": ["run", "--profile", "quick"],
    "predict": ["predict", str(ROOT / "trial/images/Neut_phantom_ni_test_00007.png")],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_second_command_ends_with_a_sentence_and_1(held, command):
    folder, _ = held
    done = subprocess.run(
        [sys.executable, "-m", "bloodseg_lib", *COMMANDS[command], "--out", str(folder)],
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"Error: {folder}: expected a folder that no other command writes to." in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in folder.iterdir()] == [LOCK]
