import csv
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from discs import disc
from hypothesis import given, settings
from hypothesis import strategies as st

from bloodseg_lib.classes import BASOPHIL, HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL
from bloodseg_lib.samples.bank import INDEX, SPLITS, SampleBank, split_groups, write_bank
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, make_sample

GROUPS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=4),
    st.dictionaries(st.integers(1, 9), st.integers(1, 50), min_size=1, max_size=3).map(Counter),
    min_size=1,
)


def splits_of_groups(bank):
    found = {}
    for e in bank.entries:
        found.setdefault((e.source, e.group), set()).add(e.split)
    return found


def square(size=20, cell=slice(5, 15), colour=(200, 100, 150), around=(0, 0, 0)):
    image = np.full((size, size, 3), around, np.uint8)
    mask = np.zeros((size, size), bool)
    mask[cell, cell] = True
    image[mask] = colour
    return image, mask


class TestMakeSample:
    def test_is_cropped_to_the_cell(self):
        sample = make_sample(*square(), NEUTROPHIL, "s", "g", "n")
        assert sample.rgba.shape == (10, 10, 4)
        assert sample.area_px == 100

    def test_scale_multiplies_the_sides(self):
        image, mask = square(120, slice(10, 110))
        assert make_sample(image, mask, NEUTROPHIL, "s", "g", "n", scale=0.37).rgba.shape == (
            37,
            37,
            4,
        )

    def test_alpha_is_all_or_nothing(self):
        image = np.full((101, 101, 3), 90, np.uint8)
        mask = cv2.circle(np.zeros((101, 101), np.uint8), (50, 50), 40, 1, -1)
        for scale in (0.3, 1.0, 1.7):
            assert set(
                np.unique(make_sample(image, mask, NEUTROPHIL, "s", "g", "n", scale).rgba[:, :, 3])
            ) == {0, 255}

    def test_a_symmetric_cell_stays_symmetric_when_shrunk(self):
        image = np.full((101, 101, 3), 90, np.uint8)
        mask = cv2.circle(np.zeros((101, 101), np.uint8), (50, 50), 50, 1, -1)
        alpha = make_sample(image, mask, NEUTROPHIL, "s", "g", "n", 0.31).rgba[:, :, 3]
        assert np.array_equal(alpha, alpha[::-1])
        assert np.array_equal(alpha, alpha[:, ::-1])

    @pytest.mark.parametrize("around", [(0, 0, 0), (255, 255, 255)])
    def test_nothing_from_outside_bleeds_in_when_shrunk(self, around):
        image, _ = square(101, slice(0, 0), around=around)
        mask = cv2.circle(np.zeros((101, 101), np.uint8), (50, 50), 40, 1, -1) > 0
        image[mask] = (200, 100, 150)
        rgba = make_sample(image, mask, NEUTROPHIL, "s", "g", "n", 0.4).rgba
        assert (rgba[:, :, :3] == (200, 100, 150)).all()

    def test_mask_of_another_size_is_refused(self):
        image, mask = square()
        with pytest.raises(
            ValueError, match=r"s/n: expected a mask of the image's size \(20, 20\)"
        ):
            make_sample(image, mask[:10], NEUTROPHIL, "s", "g", "n")

    def test_a_speck_is_refused(self):
        with pytest.raises(ValueError, match=r"at least 20 pixels at 40x. Received 16"):
            make_sample(*square(cell=slice(5, 9)), NEUTROPHIL, "s", "g", "n")

    def test_the_speck_counts_at_40x(self):
        with pytest.raises(ValueError, match="Received 9"):
            make_sample(*square(), NEUTROPHIL, "s", "g", "n", scale=0.3)


class TestSplitGroups:
    @settings(max_examples=60, deadline=None)
    @given(GROUPS, st.integers(0, 5))
    def test_every_group_goes_to_one_split(self, groups, seed):
        placed = split_groups(groups, seed)
        assert placed.keys() == groups.keys()
        assert set(placed.values()) <= set(SPLITS)

    @settings(max_examples=30, deadline=None)
    @given(GROUPS, st.integers(0, 5))
    def test_depends_on_the_groups_and_the_seed_only(self, groups, seed):
        assert split_groups(groups, seed) == split_groups(dict(reversed(groups.items())), seed)

    @settings(max_examples=30, deadline=None)
    @given(
        st.integers(100, 300),
        st.lists(st.integers(1, 20), min_size=1, max_size=7),
        st.integers(0, 9),
    )
    def test_many_groups_come_near_80_10_10(self, number, sizes, seed):
        groups = {str(i): Counter({HEALTHY_RBC: sizes[i % len(sizes)]}) for i in range(number)}
        placed = split_groups(groups, seed)
        cells = Counter()
        for name, split in placed.items():
            cells[split] += groups[name].total()
        for split, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
            assert cells[split] / cells.total() == pytest.approx(share, abs=0.03)

    def test_every_class_comes_near_80_10_10(self):
        groups = {f"{c}_{i}": Counter({c: 1}) for c in range(1, 10) for i in range(50)} | {
            f"p{i}": Counter({8: 10, 9: 10}) for i in range(50)
        }
        placed = split_groups(groups, 0)
        for c in range(1, 10):
            train = sum(groups[g][c] for g, split in placed.items() if split == "train")
            assert train / sum(group[c] for group in groups.values()) == pytest.approx(
                0.8, abs=0.05
            )

    @pytest.mark.parametrize("seed", range(5))
    def test_three_groups_of_a_class_give_one_to_each_split(self, seed):
        placed = split_groups({name: Counter({NEUTROPHIL: 1}) for name in "abc"}, seed)
        assert sorted(placed.values()) == sorted(SPLITS)

    def test_three_groups_beside_another_class_of_many_give_one_to_each_split(self):
        many = {str(i): Counter({HEALTHY_RBC: 5}) for i in range(40)}
        placed = split_groups(many | {name: Counter({BASOPHIL: 1}) for name in "abc"}, 0)
        assert sorted(placed[name] for name in "abc") == sorted(SPLITS)

    def test_a_single_group_is_for_training(self):
        assert split_groups({"a": Counter({NEUTROPHIL: 7})}, 0) == {"a": "train"}

    @pytest.mark.parametrize("seed", range(5))
    def test_a_class_thin_in_every_source_reaches_every_split(self, seed):
        many = {f"many{i}": Counter({HEALTHY_RBC: 5, (HEALTHY_RBC, "m"): 5}) for i in range(40)}
        thin = {
            s: Counter({BASOPHIL: 1, (BASOPHIL, s): 1, HEALTHY_RBC: 9, (HEALTHY_RBC, s): 9})
            for s in "abc"
        }
        placed = split_groups(many | thin, seed)
        assert sorted(placed[name] for name in "abc") == sorted(SPLITS)

    def test_two_groups_of_a_class_are_for_training_and_testing(self):
        many = {str(i): Counter({HEALTHY_RBC: 5}) for i in range(40)}
        placed = split_groups(
            many | {"a": Counter({BASOPHIL: 1, HEALTHY_RBC: 20}), "b": Counter({BASOPHIL: 2})}, 0
        )
        assert sorted((placed["a"], placed["b"])) == ["test", "train"]

    def test_some_groups_may_be_kept_from_testing(self):
        groups = {str(i): Counter({NEUTROPHIL: 1}) for i in range(30)}
        placed = split_groups(groups, 0, training_only=[str(i) for i in range(25)])
        assert {placed[str(i)] for i in range(25)} == {"train"}
        assert {placed[str(i)] for i in range(25, 30)} == {"valid", "test"}


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

    def test_no_samples_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="at least one sample"):
            write_bank([], tmp_path / "bank")

    def test_two_samples_of_one_name_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="two samples of this name"):
            write_bank([disc(NEUTROPHIL, 0), disc(NEUTROPHIL, 0)], tmp_path / "bank")

    def test_names_with_spaces_and_foreign_letters_are_kept_apart(self, tmp_path):
        image, mask = square()
        names = ("Müller 1", "Möller 1", "细胞")
        bank = write_bank(
            [make_sample(image, mask, NEUTROPHIL, "s", n, n) for n in names],
            tmp_path / "bänk mit Lücke",
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
