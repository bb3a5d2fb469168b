import csv

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from discs import disc

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL
from bloodseg_lib.cli import main
from bloodseg_lib.samples.bank import INDEX, write_bank
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.samples.verify import verify_bank


def rewrite_index(folder, change):
    with open(folder / INDEX, newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with open(folder / INDEX, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def problems(folder):
    return verify_bank(folder, progress=False).problems


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
        found = verify_bank(folder, progress=False)
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
            "zheng: a group is an image; patients are not told."
            in verify_bank(tmp_path / "bank", progress=False).unknown
        )


def test_the_command_fails_where_there_is_a_problem(tmp_path):
    write_bank([disc(NEUTROPHIL, i) for i in range(10)], tmp_path / "bank")
    assert CliRunner().invoke(main, ["verify", str(tmp_path / "bank")]).exit_code == 0
    (tmp_path / "bank/neutrophil/discs__3.png").unlink()
    result = CliRunner().invoke(main, ["verify", str(tmp_path / "bank")])
    assert result.exit_code == 1
    assert "discs__3.png" in result.output
