"""Whether a folder takes results, before anything long."""

import tempfile
from contextlib import contextmanager

import pytest

from bloodseg_lib.io import WriteError
from bloodseg_lib.prediction.out_folder import is_file, try_folder


@pytest.fixture
def written(monkeypatch):
    """How many bytes were written into each folder; the disk takes half of what it is given."""
    found = {}

    class Full:
        def __init__(self, folder):
            self.folder = folder

        def write(self, data):
            taken = -(-len(data) // 2)
            found[self.folder] = found.get(self.folder, 0) + taken
            return taken

    @contextmanager
    def temporary_file(dir):
        yield Full(dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    return found


def test_a_folder_and_those_above_are_made_and_removed_again_and_others_stay(tmp_path):
    (tmp_path / "there").mkdir()
    try_folder(tmp_path / "there" / "deep" / "er")
    assert list((tmp_path / "there").iterdir()) == []
    try_folder(str(tmp_path / "there"))
    (tmp_path / "there" / "a.png").write_bytes(b"x")
    try_folder(tmp_path / "there")
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "a.png"]


def test_room_for_one_megabyte_or_the_largest_image_is_tried(tmp_path, written):
    try_folder(tmp_path)
    assert written.pop(tmp_path) == 1 << 20
    sizes = (3 << 20, 5, (1 << 21) + 1)
    images = [tmp_path / f"{size}.png" for size in sizes]
    for image, size in zip(images, sizes, strict=True):
        image.write_bytes(bytes(size))
    try_folder(tmp_path, [*images, tmp_path / "none.png", tmp_path])
    assert written.pop(tmp_path) == 3 << 20
    try_folder(tmp_path, images[1:2])
    assert written.pop(tmp_path) == 1 << 20


def test_a_folder_that_is_a_file_is_refused_by_name_and_nothing_is_left(tmp_path):
    (tmp_path / "out").write_bytes(b"mine")
    for folder in (tmp_path / "out", tmp_path / "out" / "deep"):
        with pytest.raises(WriteError, match=f"{folder}: expected to write it"):
            try_folder(folder)
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_a_full_disk_is_told_and_what_was_made_is_removed(tmp_path, monkeypatch):
    def full(dir):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(WriteError, match=r"deep: expected to write it.* Make room on the disk"):
        try_folder(tmp_path / "deep")
    assert list(tmp_path.iterdir()) == []


def test_what_is_a_file_also_of_names_that_no_file_can_have(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    paths = [tmp_path / name for name in ("a", "none", ".", "x" * 5000, "a\0b")]
    assert [is_file(path) for path in paths] == [True, False, False, False, False]
