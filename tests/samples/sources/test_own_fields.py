"""Fields with boxes: 68 pixels to a red cell."""

import numpy as np
import pytest
from databases import PURPLE, RED_CELL, only, picture, read, sort, write_csv
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, PLATELET_CLUMP, THROMBOCYTE
from bloodseg_lib.samples.extraction.boxes import (
    BOX_COLUMNS,
    OUTSIDE,
    RBC_COLUMN,
    TOUCHING,
    read_boxes,
)
from bloodseg_lib.samples.extraction.masks import CUT
from bloodseg_lib.samples.sources import own_fields


@pytest.fixture
def field(tmp_path):
    def make(*discs, boxes):
        write_image(tmp_path / "f.png", picture(300, 300, *discs))
        write_csv(tmp_path / "boxes.csv", BOX_COLUMNS, *[("f.png", *box) for box in boxes])
        return sort(own_fields.read_fields(tmp_path, tmp_path / "boxes.csv", "s", 68.0))

    return make


def test_a_red_cell(field):
    samples, skipped = field((100, 100, 33, RED_CELL), boxes=[(65, 65, 70, 70, "healthy")])
    assert skipped == []
    assert samples[0].class_id == HEALTHY_RBC
    assert samples[0].area_px == pytest.approx(np.pi * 32.5**2 * (37 / 68) ** 2, rel=0.06)


def test_a_thrombocyte_leaves_the_red_cell_beside_it(field):
    samples, _ = field(
        (100, 100, 12, PURPLE),
        (140, 100, 30, RED_CELL),
        boxes=[(85, 85, 30, 30, "thrombocyte")],
    )
    assert samples[0].class_id == THROMBOCYTE
    assert samples[0].area_px == pytest.approx(np.pi * 12**2 * (37 / 68) ** 2, rel=0.2)


def test_a_thrombocyte_on_a_red_cell(field):
    samples, _ = field(
        (100, 100, 40, RED_CELL),
        (100, 100, 12, PURPLE),
        boxes=[(82, 82, 36, 36, "thrombocyte")],
    )
    assert samples[0].area_px == pytest.approx(np.pi * 12**2 * (37 / 68) ** 2, rel=0.2)


def test_a_clump_of_touching_platelets_is_one_sample(field):
    platelets = [(x, y, 14, PURPLE) for x in (80, 100, 120) for y in (90, 110)]
    samples, _ = field(*platelets, boxes=[(60, 70, 80, 60, "platelet_clump")])
    assert [s.class_id for s in samples] == [PLATELET_CLUMP]


def test_a_touching_neighbour_is_reported(field):
    only(
        field(
            (100, 100, 33, RED_CELL),
            (145, 100, 33, RED_CELL),
            boxes=[(65, 65, 70, 70, "healthy")],
        )[1],
        TOUCHING,
        "box 65,65",
    )


def test_a_cell_cut_by_the_field_is_reported(field):
    only(
        field((10, 100, 33, RED_CELL), boxes=[(0, 65, 44, 70, "healthy")])[1],
        CUT,
        "f.png",
    )


@pytest.mark.parametrize("box", [(400, 65, 44, 70), (280, 65, 44, 70), (-20, 65, 44, 70)])
def test_a_box_outside_the_field_is_reported_with_its_line(field, box):
    words = "line 2 of the table: expected a box within the field of 300 x 300"
    only(field(boxes=[(*box, "healthy")])[1], OUTSIDE, words, ",".join(map(str, box)))


def test_a_table_as_spreadsheet_programs_write_it_is_read(field, tmp_path):
    field((100, 100, 33, RED_CELL), boxes=[(65, 65, 70, 70, "healthy")])
    table = next(tmp_path.rglob("boxes.csv"))
    expected = read_boxes(table)
    assert len(expected) == 1
    text = table.read_text("utf-8").replace("f.png", "ü.png")
    for written in (
        text.encode("utf-16"),
        text.encode("cp1252"),
        text.encode("utf-8-sig"),
        text.replace(",", ";").encode(),
        text.replace(",", "\t").encode(),
        text.replace("field", "Field", 1).encode(),
    ):
        table.write_bytes(written)
        (box,) = read_boxes(table)
        assert (box.field, box.box) == ("ü.png", expected[0].box)


def test_a_box_twice_is_refused(field):
    with pytest.raises(ValueError, match=r"boxes.csv, line 3: this box is there already"):
        field(boxes=[(65, 65, 70, 70, "healthy")] * 2)


@pytest.mark.parametrize(
    "box",
    [
        (65, 65, 70, 70, "malaria"),
        (65, "a", 70, 70, "healthy"),
        (65, 65, 0, 70, "healthy"),
        (65, 65, 70),
    ],
)
def test_an_unreadable_line_is_named(field, box):
    with pytest.raises(ValueError, match=r"boxes.csv, line 2: expected .* Correct the line"):
        field(boxes=[box])


def test_fields_lie_beside_the_table_or_in_the_folder_fields(tmp_path):
    """The samples and the scores find the same ones."""
    columns, line = (*BOX_COLUMNS, RBC_COLUMN), (35, 35, 130, 130, "infected_rbc", 120)
    names = ("a.png", "b.png", "fields/c.png")
    write_csv(tmp_path / "boxes.csv", columns, *((name, *line) for name in names))
    for name in ("a.png", "fields/b.png", "fields/c.png"):
        write_image(tmp_path / name, picture(300, 300, (100, 100, 60, RED_CELL)))
    samples, skipped = read(own_fields, tmp_path)
    assert len(samples) == 3 and not skipped
    assert [path.name for path, _ in own_fields.labelled(tmp_path)] == ["a.png", "b.png", "c.png"]


def test_accents_of_a_field_and_its_diameter_are_read_as_people_write_them(tmp_path):
    """A Mac takes accents apart; much of Europe has decimal commas."""
    write_image(tmp_path / "fields/fa\u0308ld.png", picture(300, 300, (100, 100, 60, RED_CELL)))
    row = ("f\u00e4ld.png", 35, 35, 130, 130, "infected_rbc", "120,5")
    write_csv(tmp_path / "boxes.csv", (*BOX_COLUMNS, RBC_COLUMN), row)
    samples, skipped = read(own_fields, tmp_path)
    assert len(samples) == 1 and not skipped


def test_copies_that_roboflow_made_of_one_picture_are_one_group(tmp_path):
    image = picture(300, 300, (100, 100, 60, RED_CELL))
    copies = ("images/f_png.rf.0a1b2c.jpg", "images/f_png.rf.9f8e7d.jpg")
    for name, copied in zip(copies, (image, image[:, ::-1]), strict=True):
        write_image(tmp_path / name, copied)
    rows = [(copies[0], 35, 35, 130, 130), (copies[1], 135, 35, 130, 130)]
    columns = (*BOX_COLUMNS, RBC_COLUMN)
    write_csv(tmp_path / "boxes.csv", columns, *((*row, "infected_rbc", 120) for row in rows))
    samples, _ = read(own_fields, tmp_path)
    assert [sample.group for sample in samples] == ["images_f_png"] * 2


def test_own_fields_tell_their_scale_in_the_table(tmp_path):
    write_image(tmp_path / "f.png", picture(300, 300, (100, 100, 60, RED_CELL)))
    write_csv(
        tmp_path / "boxes.csv",
        (*BOX_COLUMNS, RBC_COLUMN),
        ("f.png", 35, 35, 130, 130, "infected_rbc", 120),
    )
    samples, _ = read(own_fields, tmp_path)
    assert samples[0].source == "own"
    assert samples[0].rgba.shape[0] == pytest.approx(37, abs=1.5)


@pytest.mark.parametrize(("boxed", "healthy"), [("thrombocyte", 11), ("infected", 0)])
def test_free_red_cells_of_own_fields_are_healthy_unless_one_is_infected(tmp_path, boxed, healthy):
    discs = [(x, y, 20, RED_CELL) for x in (40, 100, 160, 220) for y in (40, 100, 160)]
    write_image(tmp_path / "f.png", picture(200, 260, *discs))
    write_csv(
        tmp_path / "boxes.csv",
        (*BOX_COLUMNS, RBC_COLUMN),
        ("f.png", 15, 15, 50, 50, boxed, 40),
    )
    assert sum(s.class_id == HEALTHY_RBC for s in read(own_fields, tmp_path)[0]) == healthy


@pytest.mark.parametrize("diameter", ["", "0", "-3", "nan"])
def test_a_scale_that_is_none_is_refused(tmp_path, diameter):
    write_csv(
        tmp_path / "boxes.csv",
        (*BOX_COLUMNS, RBC_COLUMN),
        ("f.png", 35, 35, 130, 130, "infected_rbc", diameter),
    )
    with pytest.raises(ValueError, match="line 2"):
        read(own_fields, tmp_path)
