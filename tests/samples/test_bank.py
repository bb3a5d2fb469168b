import csv
from dataclasses import replace

import numpy as np
import pytest
from discs import disc

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL
from bloodseg_lib.samples.bank import INDEX, SampleBank, write_bank
from bloodseg_lib.samples.extraction.stain import Stain
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample
from bloodseg_lib.samples.splits import SPLITS
from bloodseg_lib.samples.verify import verify_bank


def splits_of_groups(bank):
    found = {}
    for e in bank.entries:
        found.setdefault((e.source, e.group), set()).add(e.split)
    return found


class TestBank:
    @pytest.mark.parametrize("ending", [CLUSTER, BACKGROUND_CROP])
    def test_where_stacks_and_patches_lie_does_not_change_the_splits_of_cells(
        self, tmp_path, ending
    ):
        cells = [replace(disc(HEALTHY_RBC, i), group=f"g{i // 3}") for i in range(30)]
        stacks = [
            replace(disc(HEALTHY_RBC, 100 + i), group=f"g{i % 10}", name=f"{i}{ending}")
            for i in range(20)
        ]
        splits = [
            {e.path: e.split for e in write_bank(s, tmp_path / str(len(s))).entries}
            for s in (cells, cells + stacks)
        ]
        assert splits[0].items() <= splits[1].items()
        group = {e.path: e.group for e in SampleBank(tmp_path / "50").entries}
        assert all(len({splits[1][p] for p in group if group[p] == g}) == 1 for g in group.values())

    @pytest.mark.parametrize("ending", [CLUSTER, BACKGROUND_CROP])
    def test_stacks_and_patches_are_not_counted_as_cells(self, tmp_path, ending):
        stacks = [replace(disc(HEALTHY_RBC, i), name=f"{i}{ending}") for i in range(9)]
        filled = []
        bank = write_bank(
            [disc(NEUTROPHIL, 0), *stacks],
            tmp_path / "bank",
            fill=lambda class_id, split: filled.append((class_id, split)) or [],
        )
        assert not any(bank.counts()["healthy_rbc"].values())
        assert {(HEALTHY_RBC, split) for split in SPLITS} <= set(filled)

    def test_a_group_of_stacks_only_is_trained_on(self, tmp_path):
        cells = [disc(HEALTHY_RBC, i) for i in range(9)]
        bank = write_bank(
            [*cells, replace(disc(HEALTHY_RBC, 50), group="alone", name=f"alone{CLUSTER}")],
            tmp_path / "bank",
        )
        assert [e.split for e in bank.entries if e.group == "alone"] == ["train"]

    def test_samples_of_automatic_masks_are_trained_on_only(self, tmp_path):
        samples = [
            replace(disc(NEUTROPHIL, i), name=f"{i}_auto" if i < 25 else f"{i}") for i in range(30)
        ]
        bank = write_bank(samples, tmp_path / "bank")
        assert all(e.split == "train" for e in bank.entries if e.path.endswith("_auto.png"))

    @pytest.mark.parametrize("density", [(-0.0159, 0.7, 0.3), (0.2, 0.5, 0.3)])
    def test_a_bank_that_was_written_is_read(self, tmp_path, density):
        samples = [
            replace(disc(NEUTROPHIL, i), source=f"=db{i}", stain=Stain(density)) for i in range(3)
        ]
        bank = write_bank(samples, tmp_path / "bank")
        assert {e.source for e in bank.entries} == {"=db0", "=db1", "=db2"}
        assert all(e.stain == Stain(density) for e in bank.entries)

    def test_empty_splits_are_filled_with_what_is_given_for_them(self, tmp_path):
        bank = write_bank(
            [disc(NEUTROPHIL, 0)],
            tmp_path / "bank",
            fill=lambda c, split: [disc(c, 1, source=f"drawn-{split}")],
        )
        assert all(
            counts == {"train": 1, "valid": 1, "test": 1} for counts in bank.counts().values()
        )
        assert all(e.source == f"drawn-{e.split}" for e in bank.entries if e.source != "discs")

    def test_samples_come_back_as_they_went_in(self, tmp_path):
        sample = disc(NEUTROPHIL, 3)
        bank = write_bank([sample], tmp_path / "bank")
        assert np.array_equal(bank.sample(bank.entries[0]).rgba, sample.rgba)

    def test_no_group_is_in_two_splits(self, tmp_path):
        bank = write_bank(
            (
                disc(c, i, 5 + i, group=str(i % 12))
                for c in (HEALTHY_RBC, INFECTED_RBC)
                for i in range(60)
            ),
            tmp_path / "bank",
        )
        assert all(len(splits) == 1 for splits in splits_of_groups(bank).values())

    @pytest.mark.parametrize("seed", range(4))
    def test_identical_crops_are_in_one_split(self, tmp_path, seed):
        samples = [disc(HEALTHY_RBC, i, 6) for i in range(30)]
        twins = [
            disc(HEALTHY_RBC, i, 6, source=source, group=f"twin{i}")
            for i in range(30)
            for source in ("other", "third")
        ]
        bank = write_bank(samples + twins, tmp_path / "bank", seed)
        of = {}
        for e in bank.entries:
            of.setdefault(e.sha256, set()).add(e.split)
        assert len(of) == 30
        assert all(len(splits) == 1 for splits in of.values())

    def test_every_class_of_three_groups_is_in_every_split(self, tmp_path):
        bank = write_bank((disc(c, i) for c in range(1, 10) for i in range(3)), tmp_path / "bank")
        assert all(
            counts == {"train": 1, "valid": 1, "test": 1} for counts in bank.counts().values()
        )

    def test_the_same_samples_make_the_same_bank(self, tmp_path):
        samples = [disc(c, i) for c in (1, 8) for i in range(9)]
        assert (
            write_bank(samples, tmp_path / "a").digest == write_bank(samples, tmp_path / "b").digest
        )

    def test_an_interrupted_bank_is_none_and_can_be_finished(self, tmp_path):
        def broken():
            yield disc(NEUTROPHIL, 0)
            raise OSError("disk full")

        with pytest.raises(OSError):
            write_bank(broken(), tmp_path / "bank")
        with pytest.raises(FileNotFoundError, match=r"index\.csv: not there. Build the bank first"):
            SampleBank(tmp_path / "bank")
        assert len(write_bank([disc(NEUTROPHIL, 0)], tmp_path / "bank").entries) == 1

    def test_a_finished_bank_is_not_written_over(self, tmp_path):
        write_bank([disc(NEUTROPHIL, 0)], tmp_path / "bank")
        with pytest.raises(ValueError, match="is a sample bank already"):
            write_bank([disc(NEUTROPHIL, 1)], tmp_path / "bank")

    @pytest.mark.parametrize("kind", ["parent", "absolute", "link"])
    def test_a_path_that_leaves_the_bank_is_refused_and_verify_says_so(self, tmp_path, kind):
        bank = write_bank([disc(NEUTROPHIL, 0)], tmp_path / "bank")
        inside = bank.folder / bank.entries[0].path
        outside = inside.replace(tmp_path / "outside.png")
        name = {"parent": "../outside.png", "absolute": str(outside)}.get(kind)
        if kind == "link":
            inside.symlink_to(outside)
        else:
            index = bank.folder / INDEX
            index.write_text(index.read_text().replace(bank.entries[0].path, name))
        opened = SampleBank(bank.folder)
        with pytest.raises(ValueError, match=r"bank: expected names of files in this folder"):
            opened.sample(opened.entries[0])
        assert any("outside of it" in problem for problem in verify_bank(bank.folder).problems)

    @pytest.mark.parametrize("data", [b"\xff\xfe", b'path,class\n"' + b"x" * 200_000])
    def test_an_index_that_is_no_table_is_named(self, tmp_path, data):
        (tmp_path / INDEX).write_bytes(data)
        with pytest.raises(ValueError, match=r"index\.csv: expected a table"):
            SampleBank(tmp_path)

    def test_no_samples_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="at least one sample"):
            write_bank([], tmp_path / "bank")

    def test_two_samples_of_one_name_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="two samples of this name"):
            write_bank([disc(NEUTROPHIL, 0), disc(NEUTROPHIL, 0)], tmp_path / "bank")

    def test_names_with_spaces_and_foreign_letters_are_kept_apart(self, tmp_path):
        rgba = disc(NEUTROPHIL, 0).rgba
        names = ("Müller 1", "Möller 1", "细胞")
        bank = write_bank(
            [CellSample(rgba, NEUTROPHIL, "s", n, n) for n in names], tmp_path / "bänk mit Lücke"
        )
        assert len({bank.sample(e).name for e in bank.entries}) == 3

    def test_a_missing_file_is_named(self, tmp_path):
        bank = write_bank([disc(NEUTROPHIL, 0)], tmp_path / "bank")
        (tmp_path / "bank" / bank.entries[0].path).unlink()
        with pytest.raises(FileNotFoundError, match=r"discs__0\.png"):
            bank.sample(bank.entries[0])

    def test_a_file_that_was_exchanged_is_named(self, tmp_path):
        bank = write_bank([disc(NEUTROPHIL, 0), disc(NEUTROPHIL, 1, 5)], tmp_path / "bank")
        first, second = (tmp_path / "bank" / e.path for e in bank.entries)
        first.write_bytes(second.read_bytes())
        with pytest.raises(
            ValueError, match=r"discs__0\.png: expected a cell of \d+ pixels, received \d+"
        ):
            bank.sample(bank.entries[0])

    @pytest.mark.parametrize(
        ("column", "value"), [("class", "neutrofil"), ("split", "train2"), ("area_px", "many")]
    )
    def test_a_wrong_line_of_the_index_is_named(self, tmp_path, column, value):
        write_bank([disc(NEUTROPHIL, 0)], tmp_path / "bank")
        index = tmp_path / "bank" / INDEX
        with open(index, newline="") as file:
            rows = list(csv.DictReader(file))
        rows[0][column] = value
        with open(index, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        with pytest.raises(ValueError, match=rf"index\.csv, line 2.*{value}"):
            SampleBank(tmp_path / "bank")
