"""A field of Raabin-WBC, 130 pixels to a red cell, with boxes."""

import numpy as np
import pytest
from databases import PURPLE, RED_CELL, only, picture, read, write_csv
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL, THROMBOCYTE
from bloodseg_lib.samples.sample import AUTOMATIC
from bloodseg_lib.samples.sources import txl_pbc
from bloodseg_lib.samples.sources.folders import NO_MASK

PALE = (225, 205, 230)
SIDE = 600
TWO_WHITE = "0 0.5 0.5 0.3 0.3\n0 0.85 0.15 0.2 0.2\n"


@pytest.fixture
def field(tmp_path):
    """One field with a white cell of radius 85 and nucleus 50 in the middle, a smaller one, a
    platelet and two red cells.
    """

    def make(boxes, class_key="neutrophil", source="Raabin-WBC", **options):
        discs = [(300, 300, 85, PALE), (300, 300, 50, PURPLE), (510, 90, 50, PURPLE)]
        discs += [(120, 480, 16, PURPLE), (120, 120, 65, RED_CELL), (480, 480, 65, RED_CELL)]
        write_image(tmp_path / "images/a.png", picture(SIDE, SIDE, *discs))
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels/a.txt").write_text(boxes)
        row = ("a.png", source, "95-8-8-3_178_1.jpg", class_key)
        write_csv(tmp_path / "images.csv", txl_pbc.COLUMNS, row)
        return read(txl_pbc, tmp_path, **options)

    return make


def test_the_largest_white_cell_has_the_class_and_the_others_none(field):
    samples, skipped = field(TWO_WHITE, automatic_masks=True, healthy=False)
    assert [(s.class_id, s.group) for s in samples] == [(NEUTROPHIL, "95-8-8-3")]
    assert samples[0].name.endswith(AUTOMATIC)
    assert samples[0].area_px == pytest.approx(np.pi * (85 * 37 / 130) ** 2, rel=0.1)
    only(skipped, txl_pbc.NO_LABEL, "class of this cell")


def test_without_automatic_masks_no_white_cell_is_read(field):
    samples, skipped = field("0 0.5 0.5 0.3 0.3\n", healthy=False)
    assert samples == []
    only(skipped, NO_MASK, "automatic masks")


def test_a_boxed_platelet_is_a_thrombocyte(field):
    samples, _ = field("2 0.2 0.8 0.06 0.06\n", healthy=False)
    assert [s.class_id for s in samples] == [THROMBOCYTE]
    # drawn with a radius of 16, 4.6 at 40x
    assert samples[0].area_px == pytest.approx(np.pi * (16 * 37 / 130) ** 2, rel=0.35)


def test_red_cells_are_healthy(field):
    assert {s.class_id for s in field("")[0]} == {HEALTHY_RBC}


def test_a_group_is_the_slide_of_raabin_and_else_the_image(field):
    assert {s.group for s in field("", source="BCCD", class_key="")[0]} == {"a"}


@pytest.mark.parametrize("line", ["3 0.5 0.5 0.1 0.1", "0 0.5 0.5 0 0.1", "0 0.5"])
def test_a_wrong_box_is_reported_with_its_line(field, line):
    samples, skipped = field(f"1 0.2 0.2 0.2 0.2\n{line}\n")
    assert samples == []
    only(skipped, txl_pbc.WRONG_BOXES, "a.txt, line 2", repr(line))


def test_an_unknown_source_is_an_error_with_its_line(field):
    with pytest.raises(ValueError, match=r"images.csv, line 2: .* Received a.png,LISC,"):
        field("", source="LISC")


def test_a_missing_table_is_named(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    with pytest.raises(FileNotFoundError, match=r"images.csv: not there. Expected"):
        list(txl_pbc.read(tmp_path))
