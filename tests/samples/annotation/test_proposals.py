import cv2
import numpy as np
import pytest
from pictures import write_image

from bloodseg_lib.classes import BASOPHIL, HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL, THROMBOCYTE
from bloodseg_lib.samples.annotation.panel import DISCARD, AnnotationPanel
from bloodseg_lib.samples.annotation.proposals import propose, propose_fields
from bloodseg_lib.samples.sources import own_fields as fields

SLIDE, RED_CELL, PURPLE, NUCLEUS = (245, 240, 245), (190, 150, 185), (150, 50, 170), (70, 20, 110)


@pytest.fixture(scope="module")
def field():
    """Twenty red cells 40 across, the first two touching, one with a parasite, a platelet and a
    nucleus.
    """
    image = np.full((320, 400, 3), SLIDE, np.uint8)
    for i in range(20):
        cv2.circle(
            image, (40 + 70 * (i % 5) - (32 if i == 1 else 0), 40 + 60 * (i // 5)), 20, RED_CELL, -1
        )
    cv2.circle(image, (180, 100), 4, NUCLEUS, -1)
    cv2.circle(image, (375, 70), 7, PURPLE, -1)
    cv2.circle(image, (370, 280), 24, NUCLEUS, -1)
    return image


def at(boxes, x, y):
    return [b for b in boxes if b.box.x <= x < b.box.right and b.box.y <= y < b.box.bottom]


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
        assert fields.read_boxes(tmp_path / "boxes.csv", with_rbc=True) == boxes
        found = list(fields.read(tmp_path, healthy=False))
        assert sum(s.class_id == HEALTHY_RBC for s in found) >= 15

    def test_corrections_are_not_written_over(self, field, tmp_path):
        write_image(tmp_path / "f.png", field)
        (tmp_path / "boxes.csv").write_text("precious")
        with pytest.raises(ValueError, match="is there already"):
            propose_fields([tmp_path / "f.png"], tmp_path / "boxes.csv", 40, progress=False)


class TestPanel:
    @pytest.fixture
    def panel(self, field, tmp_path):
        write_image(tmp_path / "f.png", field)
        propose_fields([tmp_path / "f.png"], tmp_path / "proposed.csv", 40, progress=False)
        return AnnotationPanel(tmp_path, tmp_path / "proposed.csv", per_page=10)

    def test_confirmed_boxes_are_saved_as_proposed(self, panel):
        panel.save.click()
        assert panel.last_error is None
        assert fields.read_boxes(panel.out_csv, with_rbc=True) == panel.boxes

    def test_a_correction_is_saved(self, panel):
        panel.choices[3].value = BASOPHIL
        panel.save.click()
        assert fields.read_boxes(panel.out_csv, with_rbc=True)[3].class_id == BASOPHIL

    def test_a_discarded_box_is_not_saved(self, panel):
        panel.choices[0].value = DISCARD
        panel.save.click()
        assert fields.read_boxes(panel.out_csv, with_rbc=True) == panel.boxes[1:]

    def test_choices_are_kept_when_pages_are_turned(self, panel):
        panel.choices[2].value = BASOPHIL
        panel.page.value = 2
        panel.choices[0].value = DISCARD
        panel.page.value = 1
        assert panel.choices[2].value == BASOPHIL
        assert len(panel.result) == len(panel.boxes) - 1

    def test_a_whole_page_can_be_discarded(self, panel):
        panel.discard_page.click()
        assert len(panel.result) == len(panel.boxes) - 10

    def test_a_table_that_cannot_be_written_is_told(self, panel, tmp_path):
        (tmp_path / "taken").write_text("")
        panel.out_csv = tmp_path / "taken" / "boxes.csv"
        panel.save.click()
        assert isinstance(panel.last_error, OSError)
        assert "Not written" in panel.message.value
