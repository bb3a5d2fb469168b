import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from discs import disc

from bloodseg_lib.classes import BASOPHIL, CELL_CLASSES, HEALTHY_RBC, NEUTROPHIL
from bloodseg_lib.samples.bank import INDEX, SampleBank
from bloodseg_lib.samples.collect import REPORT, collect
from bloodseg_lib.samples.collection import REJECTIONS, Collection
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample, Skipped
from bloodseg_lib.samples.sources import catalog


def named(name, class_id=HEALTHY_RBC):
    cell = disc(class_id, 1)
    return CellSample(cell.rgba, class_id, "lisc", name, name)


@pytest.fixture
def read_as(monkeypatch):
    """Let a function stand for the reader of LISC."""

    def use(read):
        real = catalog.reader
        monkeypatch.setattr(catalog, "reader", lambda key: read if key == "lisc" else real(key))

    return use


def gathered(tmp_path, folder=None, **options):
    return collect(
        {"lisc": tmp_path / "lisc"}, folder or tmp_path / "bank", progress=False, **options
    )


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class TestCollection:
    def test_samples_and_skipped_are_counted_apart(self, tmp_path):
        collection = Collection()
        for item in (
            named("a"),
            named(f"b{CLUSTER}"),
            named(f"c{BACKGROUND_CROP}"),
            Skipped("lisc", HEALTHY_RBC, tmp_path / "d.bmp", "no mask"),
        ):
            collection.add(item)
        assert collection.accepted == {("lisc", HEALTHY_RBC): [disc(HEALTHY_RBC, 1).area_px]}
        assert collection.clusters == collection.background_crops == Counter(lisc=1)
        assert [skipped.path.name for skipped in collection.skipped] == ["d.bmp"]


class TestCollect:
    def test_what_a_reader_skips_is_in_the_table_and_in_the_report(self, tmp_path, read_as):
        def read(root):
            yield disc(NEUTROPHIL, 0, source="lisc")
            yield Skipped("lisc", NEUTROPHIL, root / "7.bmp", "no mask", "expected 7_expert.*")
            yield Skipped("lisc", 0, root / "8.txt", "not an image file")

        read_as(read)
        bank, collection = gathered(tmp_path)
        assert len(bank.entries) == 1
        assert len(collection.skipped) == 2
        with open(tmp_path / "bank" / REJECTIONS, newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["class"], row["reason"]) for row in rows] == [
            ("neutrophil", "no mask"),
            ("", "not an image file"),
        ]
        report = (tmp_path / "bank" / REPORT).read_text()
        area = disc(NEUTROPHIL, 0).area_px
        assert f"| lisc | Neutrophil | 1 | 1 | 47 | {area} | 4879 |" in report
        assert "| lisc | no mask | 1 | 7.bmp: expected 7_expert.* |" in report

    def test_databases_with_nothing_in_them_are_said_to_be_empty(self, tmp_path, read_as):
        read_as(lambda root: iter(()))
        with pytest.raises(ValueError, match="nothing that was left out: the databases are empty"):
            gathered(tmp_path)

    def test_reasons_are_written_when_nothing_was_usable(self, tmp_path, read_as):
        no_mask = Skipped("lisc", NEUTROPHIL, tmp_path / "7.bmp", "no mask", "expected 7_expert.*")
        read_as(lambda root: iter([no_mask]))
        with pytest.raises(ValueError, match=r"no mask 1;.*rejections\.csv.*expected 7_expert"):
            gathered(tmp_path)
        with open(tmp_path / "bank" / REJECTIONS, newline="") as file:
            assert [row["reason"] for row in csv.DictReader(file)] == ["no mask"]

    def test_the_report_names_classes_that_a_split_lacks(self, tmp_path, read_as):
        read_as(lambda root: iter([disc(NEUTROPHIL, 0, source="lisc")]))
        bank, collection = gathered(tmp_path)
        assert "Neutrophil in valid, Neutrophil in test" in collection.report(bank)

    def test_missing_classes_are_drawn_once_for_every_split(self, tmp_path, read_as):
        read_as(lambda root: (disc(NEUTROPHIL, i, source="lisc") for i in range(9)))
        bank, collection = gathered(tmp_path, draw_missing=10)
        drawn = Counter(
            e.split for e in bank.entries if e.source == "phantom" and e.class_id == BASOPHIL
        )
        assert drawn == {"train": 8, "valid": 1, "test": 1}
        assert len({e.sha256 for e in bank.entries}) == len(bank.entries)
        assert "Drawn cells only, no real one: Eosinophil in test" in collection.report(bank)

    @pytest.mark.parametrize("wanted", [False, True])
    def test_automatic_masks_are_asked_of_a_reader_that_has_them(self, tmp_path, read_as, wanted):
        asked = []

        def read(root, automatic_masks=False):
            asked.append(automatic_masks)
            yield disc(NEUTROPHIL, 0, source="lisc")

        read_as(read)
        gathered(tmp_path, automatic_masks=wanted)
        assert asked == [wanted]

    def test_automatic_masks_are_not_asked_of_a_reader_without(self, tmp_path, read_as):
        read_as(lambda root: iter([disc(NEUTROPHIL, 0, source="lisc")]))
        gathered(tmp_path, automatic_masks=True)

    def test_phantom_draws_as_many_of_every_class_as_asked(self, tmp_path):
        bank, _ = collect({"phantom": "3"}, tmp_path / "bank", progress=False)
        assert Counter(e.class_id for e in bank.entries) == {c.id: 3 for c in CELL_CLASSES}
        assert SampleBank(tmp_path / "bank").digest == bank.digest

    @pytest.mark.parametrize("number", ["0", "many", "-1"])
    def test_a_wrong_number_of_phantoms_is_refused(self, tmp_path, number):
        with pytest.raises(ValueError, match=f"number of cells.*Received '{number}'"):
            collect({"phantom": number}, tmp_path / "bank", progress=False)
        assert not (tmp_path / "bank").exists()

    def test_an_unknown_database_is_refused_before_anything_is_read(self, tmp_path, read_as):
        read_as(lambda root: pytest.fail("was read"))
        with pytest.raises(ValueError, match="Received 'momic'"):
            collect({"lisc": tmp_path, "momic": tmp_path}, tmp_path / "bank", progress=False)

    def test_a_finished_bank_is_not_written_over(self, tmp_path, read_as):
        read_as(lambda root: pytest.fail("was read"))
        (tmp_path / "bank").mkdir()
        (tmp_path / "bank" / INDEX).write_text("")
        with pytest.raises(ValueError, match="is a sample bank already"):
            gathered(tmp_path)

    def test_the_same_command_again_leaves_a_finished_bank_and_tells_the_same(
        self, tmp_path, read_as, capsys
    ):
        def read(root):
            yield disc(NEUTROPHIL, 0, source="lisc")
            yield Skipped("lisc", 0, root / "8.txt", "not an image file", "a, b")
            for i, ending in enumerate((CLUSTER, BACKGROUND_CROP)):
                yield CellSample(
                    disc(HEALTHY_RBC, i).rgba, HEALTHY_RBC, "lisc", "1", f"{i}{ending}"
                )

        read_as(read)
        bank, first = gathered(tmp_path)
        before = content(bank.folder)
        read_as(lambda root: pytest.fail("was read"))
        again, second = gathered(tmp_path)
        assert content(bank.folder) == before
        assert second == first
        assert again.digest == bank.digest
        assert "the bank is finished, nothing to do" in capsys.readouterr().out

    def test_other_options_in_the_folder_of_a_bank_are_refused(self, tmp_path, read_as):
        read_as(lambda root: iter([disc(NEUTROPHIL, 0, source="lisc")]))
        gathered(tmp_path)
        with pytest.raises(ValueError, match=r"bank: holds a bank of other databases or options"):
            gathered(tmp_path, seed=1)

    def test_a_bank_of_boxes_that_were_corrected_since_is_refused(self, tmp_path, read_as):
        read_as(lambda _: [named("a"), named("b")])
        table = tmp_path / "lisc" / "boxes.csv"
        table.parent.mkdir()
        table.write_text("as drawn")
        gathered(tmp_path)
        gathered(tmp_path)  # finished, nothing to do
        table.write_text("as corrected")
        with pytest.raises(ValueError, match=r"bank: holds a bank .* of other boxes"):
            gathered(tmp_path)
        claim = tmp_path / "bank" / "bank.json"
        before = {k: v for k, v in json.loads(claim.read_text()).items() if k != "boxes"}
        claim.write_text(json.dumps(before))  # of a version that did not know them
        gathered(tmp_path)

    def test_after_an_error_another_command_may_use_the_folder(self, tmp_path, read_as):
        with pytest.raises(FileNotFoundError):
            collect({"lisc": tmp_path / "lisc"}, tmp_path / "bank", progress=False)
        read_as(lambda root: iter([disc(NEUTROPHIL, 0, source="lisc")]))
        gathered(tmp_path, seed=1)

    @pytest.mark.parametrize("name", ["neutrophil/mine.png", "report.md", "rejections.csv"])
    def test_a_folder_of_a_person_s_files_is_refused_before_anything_is_written(
        self, tmp_path, read_as, name
    ):
        """What a killed build left is deleted: it must be sure whose it is."""
        read_as(lambda root: iter([disc(NEUTROPHIL, 0, source="lisc")]))
        mine = tmp_path / "bank" / name
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        with pytest.raises(ValueError, match="bank: expected a folder without"):
            gathered(tmp_path)
        assert content(tmp_path / "bank") == {name: b"mine"}

    @pytest.mark.parametrize("at", range(9))
    def test_killed_before_any_write_the_same_command_ends_with_the_same_bytes(
        self, tmp_path, read_as, monkeypatch, at
    ):
        """Its writes are nine, each with a file left when it is killed: the claim, five cells, the
        rejections, the index and the report.
        """

        def read(root):
            yield from (disc(NEUTROPHIL, i, source="lisc") for i in range(5))
            yield Skipped("lisc", 0, root / "8.txt", "not an image file")

        class Killed(BaseException):
            pass

        def dies(self, target):
            nonlocal left
            if not left:
                left_over = re.sub(r"-\w{8}\.", "-00000000.", self.name)
                self.with_name(left_over).write_bytes(self.read_bytes())
                raise Killed
            left -= 1
            return replace(self, target)

        read_as(read)
        gathered(tmp_path / "undisturbed")
        left, replace = at, Path.replace
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(Path, "replace", dies)
            gathered(tmp_path / "undisturbed", folder=tmp_path / "killed")
        gathered(tmp_path / "undisturbed", folder=tmp_path / "killed")
        assert content(tmp_path / "killed") == content(tmp_path / "undisturbed" / "bank")


def test_a_bank_larger_than_the_disk_is_refused_before_a_cell_is_drawn(tmp_path, full_disk):
    # 9 classes, 11 kB a cell: 99,000 kB, of which 1 MiB is 1,048,576 bytes
    with pytest.raises(OSError, match="expected 94 MiB of disk for the cells"):
        collect({"phantom": "1000"}, tmp_path / "bank", progress=False)
    assert not (tmp_path / "bank").exists()
