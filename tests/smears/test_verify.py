import json
import re

import numpy as np
import pytest
from discs import disc_bank
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.io import label_map_bytes, read_image, read_label_map
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.manifest import FILES, DatasetConfig
from bloodseg_lib.smears.verify import verify, verify_dataset


def problems(folder):
    return verify_dataset(folder, progress=False).problems


def one(found, *words):
    assert len(found) == 1, found
    for word in words:
        assert word in found[0]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    return build_dataset(
        DatasetConfig(train=3, valid=1, test=1, backgrounds=3),
        disc_bank(folder / "bank"),
        folder / "data",
        progress=False,
    )


def one_and_its_set(found, *words):
    """The problem of a file of train, and that its set's digest differs."""
    assert len(found) == 2, found
    for word in words:
        assert word in found[0]
    assert re.search(
        r"train: the files of set 0 .* smears 00000 to 00002, .* expected sha256", found[1]
    )


class TestDataset:
    """Each test breaks one file, and mends it afterwards."""

    @pytest.fixture
    def file(self, built):
        changed = {}

        def get(part, suffix, split="train"):
            path = built.folder / split / part / f"{built.names(split)[0]}{suffix}"
            changed[path] = path.read_bytes()
            return path

        yield get
        for path, data in changed.items():
            path.write_bytes(data)

    def test_a_dataset_as_it_was_built_has_no_problem(self, built):
        found = verify_dataset(built.folder, progress=False)
        assert found.problems == []
        assert found.checked[0].startswith("train: 3 smears")

    @pytest.mark.parametrize(
        ("part", "suffix"), [("images", ".png"), ("labels", ".json"), ("segments", ".png")]
    )
    def test_a_missing_file(self, built, file, part, suffix):
        path = file(part, suffix)
        path.unlink()
        one(problems(built.folder), path.name, "missing")

    def test_a_file_cut_short(self, built, file):
        path = file("images", ".png")
        path.write_bytes(path.read_bytes()[:50])
        assert any(
            "cannot be decoded" in problem and path.name in problem
            for problem in problems(built.folder)
        )

    def test_an_id_that_is_no_class(self, built, file):
        path = file("segments", ".png")
        write_image(path, np.full((224, 224), 10, np.uint8))
        assert any(path.name in problem and "0..9" in problem for problem in problems(built.folder))

    def test_a_box_that_is_too_large(self, built, file):
        path = file("labels", ".json")
        label, labels = json.loads(path.read_text()), built.label_map("train", 0)

        def alone(cell):  # no pixel of its class in the row above its box
            box = cell["box"]
            return (
                box["y"] > 0
                and not (
                    labels[box["y"] - 1, box["x"] : box["x"] + box["width"]] == cell["id"]
                ).any()
            )

        box = next(cell["box"] for cell in label["objects"] if alone(cell))
        box["y"] -= 1
        box["height"] += 1
        path.write_text(json.dumps(label))
        one_and_its_set(problems(built.folder), "is not the smallest")

    def test_a_box_that_is_too_small(self, built, file):
        path = file("labels", ".json")
        label = json.loads(path.read_text())
        largest = max(label["objects"], key=lambda cell: cell["area_px"])
        largest["box"]["height"] //= 3
        path.write_text(json.dumps(label))
        one_and_its_set(problems(built.folder), "does not hold the")

    def test_a_pixel_of_another_class(self, built, file):
        path = file("segments", ".png")
        labels = read_label_map(path).copy()
        labels[labels == 0] = HEALTHY_RBC
        path.write_bytes(label_map_bytes(labels))
        assert any("pixels of Healthy RBC" in problem for problem in problems(built.folder))

    def test_an_image_that_was_changed(self, built, file):
        path = file("images", ".png")
        write_image(path, 255 - read_image(path))
        one_and_its_set(problems(built.folder), "mean and std")

    @pytest.mark.parametrize(("part", "suffix"), [("images", ".png"), ("segments", ".png")])
    @pytest.mark.parametrize("fraction", [0.2, 0.6, 0.95])
    def test_one_byte_of_an_image(self, built, file, part, suffix, fraction, capfd):
        path = file(part, suffix)
        data = bytearray(path.read_bytes())
        data[-60 - int((1 - fraction) * (len(data) - 900))] ^= 1
        path.write_bytes(data)
        one_and_its_set(problems(built.folder), path.name, "cannot be decoded")
        capfd.readouterr()  # libpng complains there

    def test_one_byte_of_a_label_that_leaves_it_legal(self, built, file):
        path = file("labels", ".json")
        path.write_text(path.read_text().replace("discs__", "discs_-", 1))
        one(problems(built.folder), "train: the files of set 0", "smears 00000 to 00002")

    def test_a_label_without_a_box(self, built, file):
        path = file("labels", ".json")
        label = json.loads(path.read_text())
        del label["objects"][0]["box"]
        path.write_text(json.dumps(label))
        one_and_its_set(problems(built.folder), path.stem, "expected the label of a smear")

    def test_a_smear_that_is_missing(self, built, file):
        for part, suffix in FILES.items():
            file(part, suffix).unlink()
        one(problems(built.folder), "train: expected 3 smears, found 2")

    @pytest.mark.parametrize("which", [0, 1])
    def test_an_unpacked_file_of_other_pixels(self, built, which):
        built.arrays("train")
        path = built.unpacked("train")[which]
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        try:
            one(
                verify_dataset(built.folder, progress=False).problems,
                path.name,
                built.names("train")[2],
            )
            path.write_bytes(whole[:-1])
            one(verify_dataset(built.folder, progress=False).problems, path.name, "Delete it")
            with pytest.raises(ValueError, match=r"damaged file .* Delete it"):
                Dataset(built.folder).arrays("train")
            path.write_bytes(whole)
            assert not verify_dataset(built.folder, progress=False).problems
        finally:
            for unpacked in built.unpacked("train"):
                unpacked.unlink(missing_ok=True)
            built._arrays.clear()

    def test_a_manifest_with_another_number_of_objects(self, built):
        path = built.folder / "dataset.json"
        before = path.read_bytes()
        manifest = json.loads(before)
        manifest["objects"]["train"]["neutrophil"] += 1
        try:
            path.write_text(json.dumps(manifest))
            one(problems(built.folder), "objects of Neutrophil in train")
        finally:
            path.write_bytes(before)

    def test_images_that_changed_places(self, built):
        first, second = (
            built.folder / "train/images" / f"{name}.png" for name in built.names("train")[:2]
        )
        images = first.read_bytes(), second.read_bytes()
        try:
            first.write_bytes(images[1]), second.write_bytes(images[0])
            one(problems(built.folder), "train: the files of set 0")
        finally:
            first.write_bytes(images[0]), second.write_bytes(images[1])

    def test_a_dataset_without_digests_says_so(self, built, file):
        path = built.folder / "dataset.json"
        before = path.read_bytes()
        manifest = json.loads(before)
        del manifest["files"]
        try:
            path.write_text(json.dumps(manifest))
            found = verify_dataset(built.folder, progress=False)
        finally:
            path.write_bytes(before)
        assert found.problems == []
        assert "no digests of files" in found.checked[0]


def test_a_bank_and_a_dataset_are_told_apart(built):
    assert "smears" in verify(built.folder, progress=False).checked[0]
    assert "samples" in verify(built.folder.parent / "bank", progress=False).checked[0]


def test_neither_bank_nor_dataset(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither is there"):
        verify(tmp_path)
