"""What is known of the files in a result folder."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.io import WriteError
from bloodseg_lib.prediction.cell_table import cell_table
from bloodseg_lib.prediction.cells import CountingConfig
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.finding import Finding, Quality
from bloodseg_lib.prediction.journal import (
    FILE,
    Journal,
    counts_of,
    file_digest,
    tallies,
)
from bloodseg_lib.prediction.scale import Scale

MADE_OF = {"image": "0a", "network": "1b", "tile_px": 224}
FILES = {"a.png": b"picture", "a.csv": b"table"}


def noted(folder, made_of=MADE_OF, files=FILES, **known):
    """The journal after a result was written into a folder."""
    journal = Journal(folder)
    journal.add(made_of, files, **known)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return journal


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # of FIPS 180-4
    assert file_digest(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")


def test_a_result_is_done_for_its_journal_and_for_one_that_is_opened_later(tmp_path):
    folder = tmp_path / "not yet" / "there"
    for journal in (noted(folder, scale=0.5), Journal(folder)):
        assert journal.existing(["b.png", *FILES]) == [folder / name for name in FILES]
        entry = journal.done(MADE_OF, FILES)
        assert entry is not None and entry == journal.own(FILES)
        assert (entry["made_of"], entry["scale"]) == (MADE_OF, 0.5)
        assert list(entry["files"]) == list(FILES)
        assert journal.done({"image": "2c"}, ["b.png"]) is journal.own(["b.png"]) is None


def test_a_result_that_lacks_a_file_is_made_again_and_its_files_are_known(tmp_path):
    journal = noted(tmp_path)
    assert journal.done(MADE_OF, [*FILES, "a.json"]) is None
    assert journal.done(MADE_OF, ["a.png"]) is None
    (tmp_path / "a.csv").unlink()
    assert journal.done(MADE_OF, FILES) is None and journal.own(FILES) is not None


def test_a_file_that_was_changed_or_never_noted_is_refused(tmp_path):
    journal = noted(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"mine")
    (tmp_path / "b.png").write_bytes(b"mine")
    for names, path in ((FILES, "a.csv"), (["b.png"], "b.png")):
        assert journal.own(names) is None
        with pytest.raises(ValueError, match=rf"{path}: expected no file.* was changed\. Give an"):
            journal.done(MADE_OF, names)
    (tmp_path / "c.png").mkdir()
    journal.add(MADE_OF, {"c.png": b""})
    assert journal.own(["c.png"]) is None


def test_of_several_files_the_one_that_was_changed_is_named(tmp_path):
    journal = noted(tmp_path)
    for name in reversed(FILES):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"changed")
        with pytest.raises(ValueError, match=f"{name}: expected no file"):
            journal.done(MADE_OF, FILES)
        (tmp_path / name).write_bytes(content)


def test_what_a_result_was_made_of_is_told_where_it_differs(tmp_path):
    journal = noted(tmp_path)
    with pytest.raises(ValueError, match=r"the result of another image and another tile_px\. Give"):
        journal.done({**MADE_OF, "image": "2c", "tile_px": 896}, FILES)
    with pytest.raises(ValueError, match="the result of another command"):
        journal.done({"image": "0a", "network": "1b"}, FILES)
    assert noted(tmp_path, {"sizes": (1, 2)}).done({"sizes": (1, 2)}, FILES)  # a list in JSON


def test_the_last_result_of_a_name_counts(tmp_path):
    noted(tmp_path)
    journal = noted(tmp_path, {"image": "2c"}, {"a.png": b"another"})
    assert journal.done({"image": "2c"}, ["a.png"]) == Journal(tmp_path).own(["a.png"]) is not None
    assert journal.own(FILES) is None


def test_a_line_that_was_cut_short_is_passed_over_and_the_next_has_its_own(tmp_path):
    noted(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(b'[1]\n{"files": 3}\n\xff\n' + whole + b'{"made_of": {"im')
    journal = noted(tmp_path, {"image": "2c"}, {"b.png": b"other"})
    journal.add({}, {"c.png": b""})
    for known in (journal, Journal(tmp_path)):
        assert known.done(MADE_OF, FILES) and known.done({"image": "2c"}, ["b.png"])
    lines = (tmp_path / FILE).read_bytes().splitlines()
    assert [line[:12] for line in lines[-3:]] == [b'{"made_of": ' for _ in range(3)]
    assert json.loads(lines[-1])["made_of"] == {} and len(lines) == 7


def test_a_journal_that_cannot_be_written_says_so_and_later_begins_a_new_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=f"{FILE}: expected to write it"):
        Journal(tmp_path / "file").add(MADE_OF, FILES)
    journal = noted(tmp_path)
    kept = (tmp_path / FILE).rename(tmp_path / "kept")
    (tmp_path / FILE).mkdir()
    with pytest.raises(WriteError):
        journal.add(MADE_OF, {"b.png": b""})
    (tmp_path / FILE).rmdir()
    kept.write_bytes(kept.read_bytes() + b'{"half')
    kept.rename(tmp_path / FILE)
    journal.add(MADE_OF, {"c.png": b"c"})
    (tmp_path / "c.png").write_bytes(b"c")
    assert Journal(tmp_path).own(["c.png"])


def test_a_file_of_all_together_tells_its_fields_in_any_version_of_it(tmp_path):
    pooled, path = {"pooled.csv": b"of two"}, tmp_path / "pooled.csv"
    journal = noted(tmp_path, {}, pooled, fields=["0a", "1b"])
    assert journal.fields_of(path) == {"0a", "1b"}
    journal.add({}, {"pooled.csv": b"of three"}, fields=["0a", "1b", "2c"])
    assert journal.fields_of(path) == {"0a", "1b", "2c"}  # killed before the file was replaced
    path.write_bytes(b"mine")
    assert journal.fields_of(path) is None is journal.fields_of(tmp_path / "none.csv")
    assert noted(tmp_path, {}, {"a.png": b"x"}).fields_of(tmp_path / "a.png") == set()


@pytest.mark.parametrize("um", [None, 0.2])
def test_the_figures_of_a_kept_result_are_those_of_its_counts(um):
    labels = np.zeros((80, 120), np.uint8)
    labels[20:52, 10:42] = labels[20:52, 60:92] = labels[0:20, 100:120] = HEALTHY_RBC
    config = CountingConfig(minimum_rbc=1)
    quality = Quality((Finding("b", "note", 1.0, "B.", ("counts",)),))
    counts = count_cells(labels, scale=Scale(1.0, file_um=um), config=config)
    counts = replace(counts, quality=quality, under_writing=3)
    known = json.loads(json.dumps(tallies(counts)))
    again = counts_of(cell_table(counts.cells), known, config, counts.cells[0].pixel_um)
    assert again.to_dict() == counts.to_dict() and again.quality == quality
    assert cell_table(again.cells) == cell_table(counts.cells)


def test_a_scale_is_kept_unrounded():
    scale = Scale(0.512345678, "measured", 72.2222222, 40, 0.1234567)
    assert Scale(**json.loads(json.dumps(asdict(scale)))) == scale
