"""Waiting for the lock of a folder."""

import contextlib
import time

from bloodseg_lib.runs import LOCK


def wait_until_owned(folder, process):
    """Wait until a process owns a folder. The file is there a moment before it is locked."""
    import fcntl

    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError), open(folder / LOCK) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        time.sleep(0.002)
