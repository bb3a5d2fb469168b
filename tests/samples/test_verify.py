import csv
import json
import re

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from discs import disc, disc_bank
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL
from bloodseg_lib.cli import main
from bloodseg_lib.io import read_image, read_label_map, write_label_map
from bloodseg_lib.samples.bank import INDEX, write_bank
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.smears.dataset import DatasetConfig, build_dataset
from bloodseg_lib.smears.verify import verify


def rewrite_index(folder, change):
    with open(folder / INDEX, newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with open(folder / INDEX, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def problems(folder):
    return verify(folder, progress=False).problems


def one(found, *words):
    assert len(found) == 1, found
    for word in words:
        assert word in found[0]


class TestBank:
    @pytest.fixture
    def folder(self, tmp_path):
        write_bank(
            [disc(c, i) for c in (NEUTROPHIL, HEALTHY_RBC) for i in range(10)], tmp_path / "bank"
        )
        return tmp_path / "bank"

    def test_a_bank_as_it_was_written_has_no_problem(self, folder):
        found = verify(folder, progress=False)
        assert found.problems == []
        assert len(found.proven) == 3
        assert "All is as it should be" in found.report()

    def test_a_missing_file(self, folder):
        (folder / "neutrophil/discs__3.png").unlink()
        one(problems(folder), "discs__3.png", "there is none")

    def test_a_file_cut_short(self, folder):
        path = folder / "neutrophil/discs__3.png"
        path.write_bytes(path.read_bytes()[:60])
        one(problems(folder), "discs__3.png", "cannot be decoded")

    def test_a_file_with_another_picture(self, folder):
        path = folder / "neutrophil/discs__3.png"
        path.write_bytes((folder / "neutrophil/discs__4.png").read_bytes())
        one(problems(folder), "discs__3.png", "sha256")

    def test_a_file_that_the_index_does_not_know(self, folder):
        (folder / "neutrophil/copy.png").write_bytes(
            (folder / "neutrophil/discs__3.png").read_bytes()
        )
        one(problems(folder), "copy.png", "does not know")

    def test_a_group_in_two_splits(self, folder):
        def change(rows):
            one, other = (
                next(r for r in rows if r["split"] == split) for split in ("train", "test")
            )
            other["group"] = one["group"]

        rewrite_index(folder, change)
        one(problems(folder), "Leakage, group", "test and train")

    def test_a_crop_in_two_splits(self, tmp_path):
        write_bank(
            [disc(HEALTHY_RBC, i, 6 + i % 3) for i in range(10)]
            + [disc(HEALTHY_RBC, 0, 6, source="twin")],
            tmp_path / "bank",
        )

        def change(rows):
            twin = next(row for row in rows if row["source"] == "twin")
            twin["split"] = "valid" if twin["split"] != "valid" else "train"

        rewrite_index(tmp_path / "bank", change)
        one(problems(tmp_path / "bank"), "Leakage, copy")

    def test_a_crop_saved_again_in_two_splits(self, tmp_path):
        texture = np.random.default_rng(0).integers(60, 200, (21, 21, 3)).astype(np.uint8)
        rgb = cv2.GaussianBlur(
            cv2.resize(texture, (61, 61), interpolation=cv2.INTER_CUBIC), (0, 0), 0.8
        )
        again = cv2.imdecode(
            cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_COLOR
        )
        alpha = cv2.circle(np.zeros((61, 61), np.uint8), (30, 30), 30, 255, -1)
        twins = [
            CellSample(np.dstack([picture, alpha]), NEUTROPHIL, name, name, name)
            for name, picture in (("first", rgb), ("second", again))
        ]
        bank = write_bank([*twins, *(disc(NEUTROPHIL, i) for i in range(10))], tmp_path / "bank")
        assert len({e.split for e in bank.entries if e.source != "discs"}) == 1

        def change(rows):
            for row in rows:
                if row["source"] != "discs":
                    row["split"] = "train" if row["source"] == "first" else "test"

        rewrite_index(tmp_path / "bank", change)
        one(problems(tmp_path / "bank"), "Leakage, twin", "first__first.png", "second__second.png")

    def test_what_cannot_be_known_is_said(self, tmp_path):
        write_bank([disc(HEALTHY_RBC, i, source="zheng") for i in range(5)], tmp_path / "bank")
        assert (
            "zheng: a group is an image; patients are not known."
            in verify(tmp_path / "bank", progress=False).unknown
        )


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
        found = verify(built.folder, progress=False)
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
        label, labels = json.loads(path.read_text()), built.labels("train", 0)

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
        write_label_map(path, labels)
        assert any("pixels of Healthy RBC" in problem for problem in problems(built.folder))

    def test_a_picture_that_was_changed(self, built, file):
        path = file("images", ".png")
        write_image(path, 255 - read_image(path))
        one_and_its_set(problems(built.folder), "mean and std")

    @pytest.mark.parametrize(("part", "suffix"), [("images", ".png"), ("segments", ".png")])
    @pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
    def test_one_byte_of_a_picture(self, built, file, part, suffix, share, capfd):
        path = file(part, suffix)
        data = bytearray(path.read_bytes())
        data[-60 - int((1 - share) * (len(data) - 900))] ^= 1
        path.write_bytes(data)
        one_and_its_set(problems(built.folder), path.name, "cannot be decoded")
        capfd.readouterr()  # libpng complains there

    def test_one_byte_of_a_label_that_leaves_it_legal(self, built, file):
        path = file("labels", ".json")
        path.write_text(path.read_text().replace("discs__", "discs_-", 1))
        one(problems(built.folder), "train: the files of set 0", "smears 00000 to 00002")

    def test_pictures_that_changed_places(self, built):
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
            found = verify(built.folder, progress=False)
        finally:
            path.write_bytes(before)
        assert found.problems == []
        assert "no digests of files" in found.checked[0]


def test_neither_bank_nor_dataset(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither is there"):
        verify(tmp_path)


def test_the_command_fails_where_there_is_a_problem(tmp_path):
    write_bank([disc(NEUTROPHIL, i) for i in range(10)], tmp_path / "bank")
    assert CliRunner().invoke(main, ["verify", str(tmp_path / "bank")]).exit_code == 0
    (tmp_path / "bank/neutrophil/discs__3.png").unlink()
    result = CliRunner().invoke(main, ["verify", str(tmp_path / "bank")])
    assert result.exit_code == 1
    assert "discs__3.png" in result.output
