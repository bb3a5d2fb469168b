"""A file is replaced as a whole: what was there is never written into."""

import os
from pathlib import Path

import pytest

from bloodseg_lib.io import delete_leftovers, replacing, write_bytes


def test_who_has_the_old_file_open_keeps_it_whole(tmp_path):
    path, linked = tmp_path / "a.txt", tmp_path / "linked.txt"
    path.write_bytes(b"old")
    os.link(path, linked)  # a second name of the old file itself
    write_bytes(path, b"new")
    assert (path.read_bytes(), linked.read_bytes()) == (b"new", b"old")


def test_until_the_block_ends_the_old_file_is_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"half of the ne")
        assert path.read_bytes() == b"old"


def test_a_process_that_dies_while_it_replaces_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def dies(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"


def left_by_a_kill(path):
    with replacing(path) as temporary:
        temporary.touch()
    path.rename(temporary)
    return temporary


def test_leftovers_of_some_files_are_deleted_and_nothing_else(tmp_path):
    for name in ("a.json", f"{'n' * 41}.csv"):
        left_by_a_kill(tmp_path / name)
    keep = [left_by_a_kill(tmp_path / name) for name in ("other.json", "a.csv")]
    # a person's own copies have dates
    keep += [tmp_path / name for name in (".a-20250101.json", "a-abcdefgh.json", ".hidden")]
    for path in keep:
        path.touch()
    delete_leftovers([tmp_path / "a.json", tmp_path / f"{'n' * 41}.csv"])
    assert sorted(tmp_path.iterdir()) == sorted(keep)
