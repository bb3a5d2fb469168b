"""The real images, where there are any; and a full disk."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest


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
