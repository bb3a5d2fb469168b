import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC, UNKNOWN
from bloodseg_lib.samples import field_bank
from bloodseg_lib.samples.bank import SampleBank, write_bank
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import catalog
from bloodseg_lib.samples.verify import verify_bank
from bloodseg_lib.samples.whole_fields import add_fields, build_bank


def sample(group, value):
    rgba = np.full((30, 30, 4), value, np.uint8)
    rgba[:, :, 3] = 255
    return CellSample(rgba, HEALTHY_RBC, "chula", group, group)


def labelled(group, name):
    labels = np.array([[0, HEALTHY_RBC], [UNKNOWN, 1]], np.uint8)
    return LabelledField(np.full((2, 2, 3), 200, np.uint8), labels, "chula", group, name)


@pytest.fixture
def bank(tmp_path, monkeypatch):
    """A bank of three groups, and a reader of one field of each of them and of another group."""
    write_bank([sample("a", 10), sample("b", 90), sample("c", 170)], tmp_path / "bank")
    made = [labelled(group, f"field {group}") for group in ("a", "b", "c", "other")]
    skipped = Skipped("chula", 0, tmp_path, "no cell found")
    readers = {"chula": lambda root: iter([*made, skipped])}
    monkeypatch.setattr(catalog, "field_reader", readers.get)
    return tmp_path / "bank"


def test_a_field_is_read_as_it_was_written(bank):
    made, skipped = add_fields({"chula": "root"}, bank, progress=False)
    field = field_bank.read_field(bank, made.fields[0])
    assert field.labels.tolist() == [[0, HEALTHY_RBC], [UNKNOWN, 1]]
    assert field.image.tolist() == np.full((2, 2, 3), 200).tolist()
    assert [s.reason for s in skipped] == ["no cell found"]


def test_a_field_is_in_the_split_of_its_groups_cells_and_else_in_training(bank):
    made, _ = add_fields({"chula": "root"}, bank, progress=False)
    split_of = {entry.group: entry.split for entry in made.entries}
    assert {f.group: f.split for f in made.fields} == {**split_of, "other": "train"}
    assert set(split_of.values()) == {"train", "valid", "test"}


def test_databases_without_labelled_fields_are_left_out(bank):
    assert add_fields({"kaggle": "root"}, bank, progress=False)[0].fields == []


def test_the_digest_of_a_bank_changes_with_its_fields_only_where_it_has_any(bank):
    before = SampleBank(bank).digest
    assert add_fields({"chula": "root"}, bank, progress=False)[0].digest != before


def test_verify_finds_a_label_map_that_changed(bank):
    made, _ = add_fields({"chula": "root"}, bank, progress=False)
    assert verify_bank(bank, progress=False).problems == []
    path = bank / made.fields[0].labels_path
    path.write_bytes(path.read_bytes()[:-1])
    assert any("Add the fields again" in p for p in verify_bank(bank, progress=False).problems)


def test_a_wrong_line_of_the_index_is_named(bank):
    (bank / field_bank.FIELD_INDEX).write_text("path,source\na,b\n")
    with pytest.raises(ValueError, match=r"fields.csv: expected the columns path, source, group"):
        SampleBank(bank)


def test_two_fields_of_one_name_are_refused(bank, monkeypatch):
    twice = {"chula": lambda root: iter([labelled("a", "f"), labelled("b", "f")])}
    monkeypatch.setattr(catalog, "field_reader", twice.get)
    with pytest.raises(ValueError, match="two fields of this name"):
        add_fields({"chula": "root"}, bank, progress=False)


def test_a_finished_bank_gets_its_fields_without_being_read_again(bank):
    index = (bank / "index.csv").read_bytes()
    assert build_bank({"chula": "root"}, bank, fields=True).startswith("4 whole fields in ")
    assert (bank / "index.csv").read_bytes() == index


def test_a_field_outside_of_the_bank_is_refused_and_verify_says_so(bank):
    made, _ = add_fields({"chula": "root"}, bank, progress=False)
    index = bank / field_bank.FIELD_INDEX
    index.write_text(index.read_text().replace(made.fields[0].path, "../outside.png"))
    entry = next(e for e in SampleBank(bank).fields if e.path == "../outside.png")
    with pytest.raises(ValueError, match=r"bank: expected names of files in this folder"):
        field_bank.read_field(bank, entry)
    assert any("outside of it" in problem for problem in verify_bank(bank).problems)
