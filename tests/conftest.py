"""The real images, where there are any; a full disk; Ctrl-C; and drawn examples without a clock."""

import os
import shutil
import signal
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import settings

# A first call compiles, and other work on the cores delays any: how fast it is, benchmarks measure.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


def pytest_configure() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images:

    ``BLOODSEG_DATA``, or ``../shared/data`` beside the repository; without it the test is skipped.
    """
    folder = Path(
        os.environ.get("BLOODSEG_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    if not folder.is_dir():
        pytest.skip(f"no real images in {folder}: set BLOODSEG_DATA to their folder")
    return folder


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that says it has 100 bytes left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Disk", "free")(100))
