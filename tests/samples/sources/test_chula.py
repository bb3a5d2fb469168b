"""Fields of red cells 39 pixels across, with points."""

import numpy as np
import pytest
from databases import PURPLE, RED_CELL, only, picture, read
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.samples.sources import chula

CELLS = [(x, y) for y in (40, 110, 180) for x in (40, 110, 180, 250)]
SPOT = (180, 110)


@pytest.fixture
def field(tmp_path):
    """Twelve red cells, one with a purple spot on it, and these points."""

    def make(points):
        cells = [(x, y, 19, RED_CELL) for x, y in CELLS]
        write_image(tmp_path / "fields/7.png", picture(220, 290, *cells, (*SPOT, 4, PURPLE)))
        (tmp_path / "points").mkdir(exist_ok=True)
        if points is not None:
            (tmp_path / "points/7.txt").write_text(points)
        return read(chula, tmp_path)

    return make


def singles(samples):
    return [s for s in samples if not s.is_cluster and not s.is_background_crop]


def test_a_cell_that_an_expert_marked_is_healthy_whatever_lies_on_it(field):
    samples, skipped = field("180 110 0\n")
    assert skipped == []
    assert {s.class_id for s in samples} == {HEALTHY_RBC}
    assert samples[0].name == "7_marked_161_91"
    assert len(singles(samples)) == len(CELLS)
    assert singles(samples)[0].area_px == pytest.approx(np.pi * (19 * 37 / 39) ** 2, rel=0.06)


def test_a_cell_that_nobody_marked_is_left_out_where_something_lies_on_it(field):
    samples, skipped = field(None)
    only(skipped, "debris on the cell", "161,91")
    assert len(singles(samples)) == len(CELLS) - 1


def test_a_target_cell_is_a_sample_once_and_named_so(field):
    samples, _ = field("180 110 0\n40 40 4\n")
    assert [s.name for s in samples if "target" in s.name] == ["7_target_21_21"]
    assert len(singles(samples)) == len(CELLS)


def test_a_field_is_a_group(field):
    assert {s.group for s in field("")[0]} == {"7"}


@pytest.mark.parametrize("line", ["1 2", "1 2 13", "a 2 3"])
def test_a_wrong_point_is_reported_with_its_line(field, line):
    samples, skipped = field(f"40 40 0\n{line}\n")
    assert samples == []
    only(skipped, chula.WRONG_POINTS, "7.txt, line 2", repr(line))


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "fields").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Expected 'fields/N.jpg' and 'points/N.txt'"):
        list(chula.read(tmp_path))
