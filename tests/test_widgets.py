import base64
import re
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.files import png_bytes, write_image
from bloodseg_lib.prediction import segment_image
from bloodseg_lib.results import result_files
from bloodseg_lib.widgets import SegmentationPanel

FIELD = np.full((120, 160, 3), 255, np.uint8)
cv2.circle(FIELD, (50, 60), 18, (255, 0, 0), -1)
cv2.circle(FIELD, (110, 60), 18, (0, 255, 0), -1)


class RedAndGreen:
    """A segmenter that calls red infected, green healthy and all else background."""

    def segment(self, image, scale=1.0):
        def predict(tiles):
            labels = np.zeros(tiles.shape[:3], np.uint8)
            labels[(tiles[..., 0] > 128) & (tiles[..., 1] < 128)] = INFECTED_RBC
            labels[(tiles[..., 1] > 128) & (tiles[..., 0] < 128)] = HEALTHY_RBC
            return np.eye(10, dtype=np.float32)[labels]

        return segment_image(image, predict, scale)


@pytest.fixture
def panel():
    return SegmentationPanel(RedAndGreen(), {"field.png": FIELD, "other": FIELD[:, ::-1].copy()})


def shown(panel):
    """The picture in the panel, as pixels."""
    data = base64.b64decode(re.search(r'base64,([^"]+)"', panel.picture.value)[1])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def upload(panel, name, content):
    file = {"name": name, "type": "image/png", "size": len(content), "content": memoryview(content), "last_modified": datetime.now(UTC)}
    panel.upload.value = (file,)


def test_pressing_the_button_segments_the_picked_image(panel):
    panel.run.click()
    assert panel.last_error is None
    assert panel.counts.watershed["infected_rbc"] == panel.counts.watershed["healthy_rbc"] == 1
    assert "field" in panel.message.value and "2 cells" in panel.message.value


def test_the_picture_is_shown_before_it_is_segmented(panel):
    np.testing.assert_array_equal(shown(panel), FIELD)
    assert 'alt="field.png: not segmented yet"' in panel.picture.value


def test_the_picture_says_in_words_what_is_on_it(panel):
    panel.run.click()
    assert 'alt="field: 1 Infected RBC, 1 Healthy RBC"' in panel.picture.value


def test_opacity_zero_without_outlines_shows_the_plain_image(panel):
    panel.run.click()
    panel.opacity.value = 0
    panel.outlines.value = False
    np.testing.assert_array_equal(shown(panel), FIELD)


def test_a_class_can_be_switched_off(panel):
    panel.segment(np.where(FIELD == 0, 90, FIELD).astype(np.uint8))
    before = shown(panel)
    panel.toggles[HEALTHY_RBC].value = False
    changed = (shown(panel) != before).any(axis=2)
    assert changed[60, 110] and not changed[60, 50]


def test_the_table_shows_counts_rule_and_notice(panel):
    panel.run.click()
    for words in ("Infected RBC", "1 of 2: too few cells (100 needed)", "top or left", "Not for diagnosis."):
        assert words in panel.table.value


def test_the_downloads_are_the_bytes_that_the_command_line_writes(panel):
    panel.run.click()
    found = {name: base64.b64decode(data) for name, data in re.findall(r'download="([^"]+)" href="data:[^,]+,([^"]+)"', panel.downloads.value)}
    assert found == result_files(RedAndGreen().segment(FIELD), FIELD, "field")[1]


def test_an_uploaded_image_is_picked_and_segmented(panel):
    upload(panel, "mine.png", png_bytes(FIELD))
    assert panel.last_error is None and panel.picker.value == "mine.png"
    panel.run.click()
    assert len(panel.counts.cells) == 2


def test_a_bad_upload_is_said_in_words_and_kept(panel):
    upload(panel, "cat.png", b"a text")
    assert isinstance(panel.last_error, ValueError)
    assert 'role="alert"' in panel.message.value and "cat.png: expected an image" in panel.message.value
    assert panel.picker.value == "field.png"
    panel.run.click()
    assert panel.last_error is None and 'role="alert"' not in panel.message.value


def test_the_words_of_an_error_cannot_be_markup(panel):
    upload(panel, "<b>.png", b"a text")
    assert "&lt;b&gt;.png" in panel.message.value


def test_an_error_of_the_network_is_said_in_the_panel(panel):
    def broken(image, scale):
        raise MemoryError("no room")

    panel.segmenter.segment = broken
    panel.run.click()
    assert isinstance(panel.last_error, MemoryError) and "no room" in panel.message.value
    with pytest.raises(MemoryError):
        panel.segment(FIELD)


def test_another_image_takes_the_old_result_away(panel):
    panel.run.click()
    panel.picker.value = "other"
    assert panel.segmentation is None and panel.table.value == "" and panel.downloads.value == ""
    np.testing.assert_array_equal(shown(panel), FIELD[:, ::-1])


def test_the_diameter_of_a_red_cell_sets_the_scale(panel):
    panel.diameter.value = 74
    panel.run.click()
    assert panel.segmentation.scale == 0.5 and panel.segmentation.labels.shape == FIELD.shape[:2]


def test_a_folder_of_images_can_be_offered(tmp_path):
    write_image(tmp_path / "b.png", FIELD)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a.jpg").write_bytes(b"broken")
    panel = SegmentationPanel(RedAndGreen(), tmp_path)
    assert panel.picker.options == ("a.jpg", "b.png") and "a.jpg" in panel.message.value and panel.last_error is not None
    panel.picker.value = "b.png"
    panel.run.click()
    assert panel.last_error is None and len(panel.counts.cells) == 2


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        SegmentationPanel(RedAndGreen(), tmp_path / "none")


def test_without_images_the_panel_asks_for_one():
    panel = SegmentationPanel(RedAndGreen())
    assert "Upload" in panel.message.value
    panel.run.click()
    assert "none is picked" in panel.message.value


def test_every_control_is_labelled(panel):
    controls = [panel.picker, panel.upload, panel.diameter, panel.run, panel.opacity, panel.outlines, *panel.toggles.values()]
    assert all(control.description and control.tooltip for control in controls)


def test_a_plain_figure_stands_in_where_no_widgets_run(panel):
    with pytest.raises(ValueError, match="segment"):
        panel.figure()
    panel.run.click()
    panel.figure().canvas.draw()
