import errno
import os

import numpy as np
import pytest
from small_smears import CONFIG

from bloodseg_lib.io import png_bytes
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.verify import verify


def test_cached_arrays_hold_the_images_and_label_maps(dataset):
    images, labels = dataset.arrays("valid")
    assert np.array_equal(images[3], dataset.image("valid", 3))
    assert np.array_equal(labels[3], dataset.label_map("valid", 3))


def test_a_cache_that_was_cut_short_is_noticed(bank, tmp_path):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    images, _ = made.arrays("valid")
    with open(images.filename, "r+b") as file:
        file.truncate(images.offset + 5 * images[0].nbytes + 100)
    with pytest.raises(ValueError, match=r"images.*\.npy: expected 6 rows of 150528 bytes"):
        list(made.batches("valid", 4))


@pytest.mark.parametrize("part", ["images", "segments"])
def test_a_whole_picture_in_the_place_of_another_is_refused_when_the_split_is_unpacked(
    bank, tmp_path, part
):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    first, second = sorted((made.folder / "valid" / part).glob("*.png"))[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(ValueError, match="are not those that were written"):
        made.arrays("valid")
    assert not list(made.folder.rglob("*.npy"))


@pytest.mark.parametrize("part", ["images", "segments"])
def test_a_picture_of_another_size_is_refused_with_its_name(bank, tmp_path, part):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    path = sorted((made.folder / "valid" / part).glob("*.png"))[0]
    path.write_bytes(png_bytes(np.zeros((7, 224, 3) if part == "images" else (7, 224), np.uint8)))
    with pytest.raises(ValueError, match=rf"valid: .*{path.stem} to be 224 x 224\. Received .*7"):
        made.arrays("valid")


def test_a_disk_without_room_for_a_cache_is_told_before_anything_is_unpacked(
    bank, tmp_path, monkeypatch
):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    before = sorted(made.folder.rglob("*"))

    def full(descriptor, offset, length):
        assert (offset, length) == (0, 128 + 6 * 224 * 224 * 3)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match=r"images-.*\.npy: .*No space left.*Make room on the disk"):
        made.arrays("valid")
    assert sorted(made.folder.rglob("*")) == before


def test_what_a_killed_unpacking_left_is_a_problem_until_the_next_one_deletes_it(bank, tmp_path):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    left = made.folder / "valid" / "..images-0123456789ab-x1y2z3.npy"
    left.write_bytes(b"half")
    assert [str(left) in problem for problem in verify(made.folder).problems] == [True]
    made.arrays("valid")
    assert not left.exists()
    assert not verify(made.folder).problems
