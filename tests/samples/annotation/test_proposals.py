from pathlib import Path

import numpy as np
import pytest
from drawn_fields import drawn_field
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL, THROMBOCYTE
from bloodseg_lib.samples.annotation.proposals import propose, propose_fields
from bloodseg_lib.samples.extraction.boxes import read_boxes
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import own_fields


@pytest.fixture(scope="module")
def field():
    return drawn_field()


def at(boxes, x, y):
    return [cell for cell in boxes if cell.box.holds(x, y)]


class TestPropose:
    def test_every_cell_has_a_box_with_a_guess(self, field):
        boxes = propose(field, "f.png", 40)
        assert [
            at(boxes, x, y)[0].class_id for x, y in ((180, 100), (375, 70), (370, 280), (250, 160))
        ] == [
            INFECTED_RBC,
            THROMBOCYTE,
            NEUTROPHIL,
            HEALTHY_RBC,
        ]

    def test_touching_cells_are_parted(self, field):
        boxes = propose(field, "f.png", 40)
        assert len([box for box in boxes if box.class_id in (HEALTHY_RBC, INFECTED_RBC)]) == 20
        assert len(at(boxes, 30, 40)) == len(at(boxes, 90, 40)) == 1

    def test_the_scale_is_measured_when_nobody_tells_it(self, field):
        assert propose(field, "f.png")[0].rbc_diameter_px == pytest.approx(41, abs=1.5)

    def test_an_empty_slide_has_no_scale(self):
        with pytest.raises(ValueError, match="give their diameter"):
            propose(np.full((200, 200, 3), 250, np.uint8), "f.png")

    def test_an_empty_slide_of_known_scale_has_no_cells(self):
        assert propose(np.full((200, 200, 3), 250, np.uint8), "f.png", 40) == []

    def test_the_table_is_what_the_reader_of_fields_reads(self, field, tmp_path):
        write_image(tmp_path / "f.png", field)
        boxes = propose_fields([tmp_path / "f.png"], tmp_path / "boxes.csv", 40, progress=False)
        assert read_boxes(tmp_path / "boxes.csv", with_rbc=True) == boxes
        items = own_fields.read(tmp_path, healthy=False)
        cells = [item for item in items if isinstance(item, CellSample)]
        assert sum(cell.class_id == HEALTHY_RBC for cell in cells) >= 15

    def test_a_bad_field_is_named_and_the_others_are_written(self, field, tmp_path):
        write_image(tmp_path / "a.png", field)
        write_image(tmp_path / "b.png", np.full((200, 200, 3), 250, np.uint8))
        (tmp_path / "c.png").write_bytes(b"no picture")
        paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
        table = tmp_path / "boxes.csv"
        with pytest.raises(ValueError, match=r"2 fields left out") as error:
            propose_fields(paths, table, progress=False)
        assert "b.png: Expected a field" in str(error.value)
        assert "c.png: expected an image" in str(error.value)
        assert {box.field for box in read_boxes(table)} == {"a.png"}

    def test_fields_are_named_from_the_folder_of_the_table(self, field, tmp_path, monkeypatch):
        paths = [tmp_path / name for name in ("p1/f.png", "p2/f.png")]
        for path in paths:
            write_image(path, field)
        propose_fields(paths, tmp_path / "boxes.csv", 40, progress=False)
        assert {box.field for box in read_boxes(tmp_path / "boxes.csv")} == {"p1/f.png", "p2/f.png"}
        assert not [item for item in own_fields.labelled(tmp_path) if isinstance(item, Skipped)]
        monkeypatch.chdir(tmp_path / "p2")
        boxes = propose_fields([Path("f.png")], "boxes.csv", 40, progress=False)
        assert {box.field for box in boxes} == {"f.png"}

    def test_a_field_elsewhere_is_not_taken_for_one_beside_the_table(self, field, tmp_path):
        for name in ("here/f.png", "there/f.png", "there/g.png"):
            write_image(tmp_path / name, field)
        table = tmp_path / "here" / "boxes.csv"
        with pytest.raises(
            ValueError, match=r"f\.png is another of its name. Write the table into"
        ):
            propose_fields([tmp_path / "there" / "f.png"], table, 40, progress=False)
        boxes = propose_fields([tmp_path / "there" / "g.png"], table, 40, progress=False)
        assert {box.field for box in boxes} == {"g.png"}

    def test_corrections_are_not_written_over(self, field, tmp_path):
        write_image(tmp_path / "f.png", field)
        (tmp_path / "boxes.csv").write_text("precious")
        with pytest.raises(ValueError, match="is there already"):
            propose_fields([tmp_path / "f.png"], tmp_path / "boxes.csv", 40, progress=False)
