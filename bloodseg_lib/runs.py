"""The names of the files in a run folder, through which the notebooks pass everything; the lock of
a folder, so that one command at a time writes to it; the room on its disk; and memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import filelock
from tqdm.auto import tqdm

LOCK = ".bloodseg.lock"
"""Name of the lock file in a folder that a command writes to; a leftover one locks nothing."""

MIB = 1 << 20
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def owned(folder: Path | str, wait: bool = False) -> Iterator[None]:
    """Own a folder, which is made if needed, for as long as the block runs.

    The lock is the operating system's (``flock``, or Windows' own), not the file's being there: it
    ends with the process, however that ends. Network drives pass it on to their server; where one
    offers no locks, that is printed and the block runs without. Folders inside are locked by
    themselves. Within one process a folder cannot be owned twice either.

    Args:
        folder: to write to.
        wait: until a command that owns it has ended, instead of raising.

    Raises:
        BlockingIOError: another command owns it.
        OSError: it cannot be made or written to.

    Examples:
        >>> import tempfile
        >>> with owned(tempfile.mkdtemp()):
        ...     pass  # write there
    """
    folder = Path(folder)
    path, made = folder / LOCK, not folder.exists()
    # A second's patience: the one before may be about to end. No soft lock, which is a file that
    # stays when its process is killed.
    lock = filelock.FileLock(path, timeout=-1 if wait else 1, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise BlockingIOError(
            f"{folder}: expected a folder that no other command writes to. Received one that "
            "another command is writing to now. Wait until that one has ended, or choose another "
            "folder."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OSError(
                f"{error.filename or path}: expected to write there. Received: "
                f"{error.strerror or error}. Make {folder} a writable folder, or choose another."
            ) from error
        tqdm.write(
            f"{folder}: this drive has no locks. Let no other command write there meanwhile."
        )
    try:
        mine = _identity(path)
        yield
    finally:
        # While it is still locked: who waits for this file notices that it is gone, and makes
        # another. Where it cannot be deleted (Windows deletes it later) it stays, and harms nobody.
        with contextlib.suppress(OSError):
            if mine and _identity(path) == mine:
                path.unlink()
        lock.release()
        with contextlib.suppress(OSError):
            if made:
                folder.rmdir()  # only an empty one


def within(folder: Path | str, name: str) -> Path:
    """The file of a name that a table or a manifest gives, which may be a stranger's.

    Args:
        folder: that the file must be in.
        name: relative to the folder.

    Raises:
        ValueError: it leads out of the folder, by ``..``, as an absolute path or by a link.

    Examples:
        >>> within("bank", "neutrophil/lisc__1.png").as_posix()
        'bank/neutrophil/lisc__1.png'
        >>> within("bank", "../secret.png")
        Traceback (most recent call last):
        ...
        ValueError: bank: expected names of files in this folder. Received '../secret.png', ...
    """
    path = Path(folder) / name
    if "\0" in name or not path.resolve().is_relative_to(Path(folder).resolve()):
        raise ValueError(
            f"{folder}: expected names of files in this folder. Received {name!r}, outside of it. "
            "Take the folder from a source that you trust, or build it again."
        )
    return path


def check_free(folder: Path | str, names: Iterable[str]) -> None:
    """Refuse a folder with something in it that a command would replace.

    Args:
        folder: to write to; it need not be there yet.
        names: of the files and folders that the command writes.

    Raises:
        ValueError: there is one of them.
    """
    there = [name for name in names if os.path.lexists(Path(folder) / name)]
    if there:
        raise ValueError(
            f"{folder}: expected a folder without {there[0]}, which would be replaced. Received "
            "one that has it. Choose another folder, or move it away."
        )


def check_room(folder: Path | str, needed: int, what: str) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        folder: to write to; it need not be there yet.
        needed: bytes, as estimated.
        what: they are for.

    Raises:
        OSError: fewer are free.
    """
    whole = Path(folder).absolute()
    there = next(place for place in (whole, *whole.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise OSError(
            f"{folder}: expected {needed / MIB:,.0f} MiB of disk for {what}. Received "
            f"{free / MIB:,.0f} MiB free; make room, or choose another folder."
        )


def free_addresses() -> int | None:
    """Bytes that ``ulimit -v`` leaves this process; ``None`` where there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, size = resource.getrlimit(resource.RLIMIT_AS)[0], Path("/proc/self/statm")
    if limit == resource.RLIM_INFINITY:
        return None
    pages = int(size.read_text().split()[0]) if size.exists() else 0
    return limit - pages * resource.getpagesize()


def give_back_memory() -> None:
    """Give freed memory back to the system, which the C library of Linux keeps for later: for a
    program that waits for a person, beside others of its kind.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells the lock file from one that others made after the folder was deleted."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


class RunFiles:
    """The files of a run.

    Attributes:
        root: the run's folder, e.g. ``runs/tutorial``.
        bank: the sample bank of drawn cells, when the run was given none.
        dataset: the composed dataset.
        training: folder of the training: ``best`` and ``latest`` checkpoints and the log.
        best: the checkpoint with the highest validation accuracy.
        network: the network that a fine-tuning ends with.
        evaluation, figures: folders of the report and of the figures.
        gif: the animation of smears under their heat maps.

    Examples:
        >>> RunFiles("runs/tutorial").best.as_posix()
        'runs/tutorial/training/best.npz'
    """

    def __init__(self, root: Path | str):
        self.root = Path(root)
        self.bank, self.dataset = self.root / "bank", self.root / "dataset"
        self.training = self.root / "training"
        self.best, self.network = self.training / "best.npz", self.root / "network.npz"
        self.evaluation, self.figures = self.root / "evaluation", self.root / "figures"
        self.gif = self.figures / "heat_maps.gif"

    def need(self, path: Path, notebook: str) -> Path:
        """Return ``path`` if it exists.

        Raises:
            FileNotFoundError: it does not; the message names the notebook that makes it.
        """
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: not there yet. Run notebooks/{notebook}.ipynb first, "
                "with the same run_dir."
            )
        return path
