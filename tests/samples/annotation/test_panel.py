import pytest
from drawn_fields import drawn_field
from pictures import write_image

from bloodseg_lib.classes import BASOPHIL
from bloodseg_lib.samples.annotation.panel import DISCARD, AnnotationPanel
from bloodseg_lib.samples.annotation.proposals import propose_fields
from bloodseg_lib.samples.extraction.boxes import read_boxes


class TestPanel:
    @pytest.fixture
    def panel(self, tmp_path):
        write_image(tmp_path / "f.png", drawn_field())
        propose_fields([tmp_path / "f.png"], tmp_path / "proposed.csv", 40, progress=False)
        return AnnotationPanel(tmp_path, tmp_path / "proposed.csv", per_page=10)

    def test_confirmed_boxes_are_saved_as_proposed(self, panel):
        panel.save.click()
        assert panel.last_error is None
        assert read_boxes(panel.out_csv, with_rbc=True) == panel.boxes

    def test_a_correction_is_saved(self, panel):
        panel.choices[3].value = BASOPHIL
        panel.save.click()
        assert read_boxes(panel.out_csv, with_rbc=True)[3].class_id == BASOPHIL

    def test_a_discarded_box_is_not_saved(self, panel):
        panel.choices[0].value = DISCARD
        panel.save.click()
        assert read_boxes(panel.out_csv, with_rbc=True) == panel.boxes[1:]

    def test_corrections_of_an_earlier_session_are_not_written_over(self, panel, tmp_path):
        panel.choices[3].value = BASOPHIL
        panel.save.click()
        with pytest.raises(
            ValueError, match=r"boxes\.csv: is there already, perhaps with a person"
        ):
            AnnotationPanel(tmp_path, tmp_path / "proposed.csv")
        again = AnnotationPanel(tmp_path, tmp_path / "boxes.csv")
        again.save.click()
        assert again.last_error is None and again.result[3].class_id == BASOPHIL

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

    def test_a_field_that_is_missing_is_named_in_its_place(self, panel, tmp_path):
        panel.folder = tmp_path / "elsewhere"
        panel.page.value = 2
        assert isinstance(panel.last_error, FileNotFoundError)
        assert len(panel.choices) == 10
