import csv
import io
import json
import re
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from bad_files import BAD, UNUSUAL
from pictures import write_image
from skimage import data

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel.panel import SegmentationPanel
from bloodseg_lib.prediction.results import result_files
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmentation, segment_image

FIELD = np.full((120, 160, 3), 255, np.uint8)
cv2.circle(FIELD, (50, 60), 18, (255, 0, 0), -1)
cv2.circle(FIELD, (110, 60), 18, (0, 255, 0), -1)


class RedAndGreen:
    """A segmenter that calls red infected, green healthy and all else background."""

    def predict(self, tiles):
        labels = np.zeros(tiles.shape[:3], np.uint8)
        labels[(tiles[..., 0] > 128) & (tiles[..., 1] < 128)] = INFECTED_RBC
        labels[(tiles[..., 1] > 128) & (tiles[..., 0] < 128)] = HEALTHY_RBC
        return np.eye(10, dtype=np.float32)[labels]

    def segment(self, image, scale=AT_40X, on_progress=None):
        plain = PredictionConfig(preprocess=False)
        return segment_image(image, self.predict, scale, plain, on_progress=on_progress)


@pytest.fixture
def panel():
    return SegmentationPanel(RedAndGreen(), {"field.png": FIELD, "other": FIELD[:, ::-1].copy()})


def shown(panel):
    """The picture in the panel, as pixels."""
    return cv2.imdecode(np.frombuffer(panel.picture.picture, np.uint8), cv2.IMREAD_COLOR)[
        :, :, ::-1
    ]


def enlarged(image):
    """A small image as the panel shows it."""
    return cv2.resize(image, (896, 672), interpolation=cv2.INTER_CUBIC)


def upload(panel, name, content, piece=1000):
    """Hand a file over as the browser does, in pieces."""
    for start in range(0, max(1, len(content)), piece):
        panel.upload.receive(
            {"name": name, "size": len(content), "start": start},
            [memoryview(content[start : start + piece])],
        )


def test_pressing_the_button_segments_the_picked_image(panel):
    panel.run.click()
    assert panel.last_error is None
    assert panel.counts.watershed["infected_rbc"] == panel.counts.watershed["healthy_rbc"] == 1
    assert "field" in panel.message.value and "2 cells" in panel.message.value


def test_the_picture_is_shown_before_it_is_segmented(panel):
    np.testing.assert_array_equal(shown(panel), enlarged(FIELD))
    assert panel.picture.alt == "field.png: not segmented yet" and panel.picture.size == (160, 120)


def test_the_picture_says_in_words_what_is_on_it(panel):
    panel.run.click()
    assert panel.picture.alt == "field: 1 Infected RBC, 1 Healthy RBC"


def test_opacity_zero_without_outlines_shows_the_plain_image(panel):
    panel.run.click()
    panel.opacity.value = 0
    panel.outlines.value = False
    np.testing.assert_array_equal(shown(panel), enlarged(FIELD))


def test_a_class_can_be_switched_off(panel):
    panel.segment(np.where(FIELD == 0, 90, FIELD).astype(np.uint8))
    before = shown(panel)
    panel.toggles[HEALTHY_RBC].value = False
    changed = (shown(panel) != before).any(axis=2)
    assert changed[336, 616] and not changed[336, 280]
    assert [cell["number"] for cell in panel.picture.cells] == [1]


def test_all_classes_are_switched_at_once(panel):
    panel.run.click()
    panel.no_classes.click()
    assert panel.picture.cells == []
    panel.all_classes.click()
    assert len(panel.picture.cells) == 2


def test_the_heat_map_shows_the_probability_of_one_class(panel):
    panel.run.click()
    panel.view.value = INFECTED_RBC
    infected, healthy, slide = (shown(panel)[336, x].astype(int).sum() for x in (280, 616, 448))
    assert infected > slide > healthy  # bright; a dimmed grey; a dimmed dark grey
    assert (
        "<img" in panel.scale_of_heat.value and "probability of Infected RBC" in panel.picture.alt
    )
    panel.view.label = "the classes"
    assert panel.scale_of_heat.value == ""


def test_where_probabilities_are_not_kept_the_panel_says_so(panel):
    panel.run.click()
    panel.segmentation = Segmentation(panel.segmentation.labels, None, AT_40X)
    panel.view.value = INFECTED_RBC
    assert "not kept" in panel.message.value and panel.view.label == "the classes"


def test_the_table_shows_counts_rule_and_notice(panel):
    panel.run.click()
    for words in (
        "Infected RBC",
        "1 of 2: too few cells (100 needed)",
        "top or left",
        "Not for diagnosis.",
    ):
        assert words in panel.table.value


def test_counts_that_are_far_apart_are_pointed_at(panel):
    panel.run.click()
    assert "Look again" not in panel.table.value
    panel.counts = replace(panel.counts, by_area={**panel.counts.by_area, "healthy_rbc": 5.0})
    panel._show_result()
    assert "Look again" in panel.table.value and "area for 5.0 cells" in panel.table.value


def test_the_files_are_the_bytes_that_the_command_line_writes(panel):
    panel.run.click()
    expected = result_files(RedAndGreen().segment(FIELD, None), FIELD, "field")[1]
    assert panel.files == expected
    with zipfile.ZipFile(io.BytesIO(panel.archive())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == expected
    assert [file["name"] for file in panel.downloads.files] == ["field.zip", *expected]


def test_a_button_hands_its_file_to_the_browser(panel, monkeypatch):
    sent = []
    monkeypatch.setattr(
        panel.downloads, "send", lambda message, buffers: sent.append((message, buffers))
    )
    panel.run.click()
    panel.downloads.hand_over({"name": "field_cells.csv"})
    assert sent == [
        ({"name": "field_cells.csv", "type": "text/csv"}, [panel.files["field_cells.csv"]])
    ]
    panel.downloads.hand_over({"name": "../secret"})
    assert (
        len(sent) == 1
        and isinstance(panel.last_error, ValueError)
        and "../secret" in panel.message.value
    )


def test_a_cell_chosen_in_the_picture_is_described(panel):
    panel.run.click()
    panel.picture.selected = 2
    assert panel.cells.value == 2 and panel.new_class.value == HEALTHY_RBC
    for words in (
        "Cell 2: Healthy RBC, 100% sure",
        "100.0%",
        "37 x 37 pixels at (92, 42)",
        "100% of its pixels",
    ):
        assert words in panel.details.value


def test_a_cell_chosen_from_the_list_is_chosen_in_the_picture(panel):
    panel.run.click()
    panel.cells.value = 2
    assert panel.picture.selected == 2
    panel.picture.selected = 0
    assert panel.cells.value is None and panel.change.disabled


def test_the_probabilities_of_a_cell_are_those_of_its_own_pixels():
    field = FIELD.copy()
    cv2.circle(field, (84, 60), 18, (0, 255, 0), -1)  # touches the red one: their boxes overlap
    panel = SegmentationPanel(RedAndGreen(), {"field": field})
    panel.run.click()
    for number, cell in enumerate(panel.found.cells, start=1):
        panel.picture.selected = number
        first = float(re.search(r"<td>([\d.]+)%</td>", panel.details.value)[1])
        assert first == pytest.approx(100 * cell.confidence, abs=0.06)


def test_the_least_certain_cell_can_be_listed_first(panel):
    panel.run.click()
    panel.found = replace(
        panel.found,
        cells=tuple(
            replace(cell, confidence=share)
            for cell, share in zip(panel.found.cells, (0.9, 0.6), strict=True)
        ),
    )
    panel.order.value = "least certain first"
    assert [number for _, number in panel.cells.options] == [2, 1]


def test_a_corrected_class_changes_the_figures_and_leaves_a_trail(panel):
    panel.run.click()
    panel.picture.selected = 2
    panel.new_class.value = INFECTED_RBC
    panel.change.click()
    assert panel.last_error is None
    assert (
        panel.counts.watershed["infected_rbc"] == 2 and panel.found.watershed["infected_rbc"] == 1
    )
    assert "2 of 2: too few" in panel.table.value and "1 made by hand" in panel.table.value
    rows = list(csv.DictReader(io.StringIO(panel.files["field_cells.csv"].decode())))
    assert [(row["class"], row["found_class"], row["correction"]) for row in rows] == [
        ("infected_rbc", "infected_rbc", ""),
        ("infected_rbc", "healthy_rbc", "changed"),
    ]
    assert (
        panel.picture.cells[1]["mark"] == "changed"
        and "found as Healthy RBC" in panel.cells.options[1][0]
    )


def test_a_deleted_cell_counts_no_more_and_can_come_back(panel):
    panel.run.click()
    before = panel.files
    panel.picture.selected = 1
    panel.delete.click()
    assert panel.counts.watershed["infected_rbc"] == 0 and "0 of 1: too few" in panel.table.value
    panel.restore.click()
    assert panel.counts.watershed == panel.found.watershed
    trail = json.loads(panel.files["field_counts.json"])["corrections"]
    assert [(step["from"], step["to"]) for step in trail] == [
        ("infected_rbc", ""),
        ("", "infected_rbc"),
    ]
    assert panel.files["field_classes.png"] == before["field_classes.png"]


def test_a_correction_that_changes_nothing_leaves_no_trail(panel):
    panel.run.click()
    panel.correct(1, "infected_rbc")
    assert panel.corrections == () and "nothing was changed" in panel.message.value


@pytest.mark.parametrize(
    ("number", "class_id", "words"),
    [(3, 1, "1 to 2"), (1, 12, "1 to 9"), (0, 1, "none is chosen"), (1, "cat", "'cat'")],
)
def test_an_impossible_correction_is_refused(panel, number, class_id, words):
    panel.run.click()
    with pytest.raises(ValueError, match=words):
        panel.correct(number, class_id)
    assert panel.corrections == ()


def test_nothing_can_be_corrected_before_there_are_cells(panel):
    with pytest.raises(ValueError, match="Press Segment"):
        panel.correct(1, INFECTED_RBC)


def test_progress_is_shown_while_the_network_runs_and_then_hidden(panel):
    seen = []
    panel.progress.observe(
        lambda change: seen.append((change["new"], panel.progress.layout.display)), "value"
    )
    panel.run.click()
    assert seen and seen[-1] == (100, None)
    assert panel.progress.layout.display == "none"


def test_an_uploaded_image_is_picked_and_segmented(panel):
    upload(panel, "mine.png", png_bytes(FIELD))
    assert panel.last_error is None and panel.picker.value == "mine.png"
    panel.run.click()
    assert len(panel.counts.cells) == 2


def test_a_bad_upload_is_said_in_words_and_kept(panel):
    upload(panel, "cat.png", b"a text")
    assert isinstance(panel.last_error, ValueError)
    assert (
        'role="alert"' in panel.message.value
        and "cat.png: expected an image" in panel.message.value
    )
    assert panel.picker.value == "field.png"
    panel.run.click()
    assert panel.last_error is None and 'role="alert"' not in panel.message.value


@pytest.mark.parametrize("name", BAD)
def test_every_bad_file_is_said_in_words(name, panel):
    content, words = BAD[name]
    upload(panel, name, content)
    assert (
        isinstance(panel.last_error, ValueError)
        and name in panel.message.value
        and words in panel.message.value
    )
    assert name not in panel.picker.options


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_image_goes_through(name, panel):
    upload(panel, name, UNUSUAL[name])
    assert panel.last_error is None and panel.picker.value == name
    panel.run.click()
    assert panel.last_error is None and panel.segmentation.labels.shape == panel.picture.size[::-1]


def test_of_a_photograph_of_something_else_it_is_said_that_it_has_no_scale(panel):
    upload(panel, "cat.png", png_bytes(data.chelsea()))
    panel.run.click()
    assert (
        panel.last_error is None
        and "scale 1 assumed: fewer than 3 red blood cells" in panel.message.value
    )


def test_an_upload_that_loses_a_piece_is_no_image(panel):
    content = png_bytes(FIELD)
    panel.upload.receive({"name": "mine.png", "size": len(content), "start": 0}, [content[:100]])
    panel.upload.receive({"name": "mine.png", "size": len(content), "start": 200}, [content[200:]])
    assert (
        "mine.png: a piece of it was lost" in panel.message.value
        and "mine.png" not in panel.picker.options
    )


def test_the_words_of_an_error_cannot_be_markup(panel):
    upload(panel, "<b>.png", b"a text")
    assert "&lt;b&gt;.png" in panel.message.value


def test_an_error_of_the_network_is_said_in_the_panel(panel):
    def broken(image, scale, on_progress):
        raise MemoryError("no room")

    panel.segmenter.segment = broken
    panel.run.click()
    assert isinstance(panel.last_error, MemoryError) and "no room" in panel.message.value
    with pytest.raises(MemoryError):
        panel.segment(FIELD)


def test_another_image_takes_the_old_result_away(panel):
    panel.run.click()
    panel.picker.value = "other"
    assert panel.segmentation is None and panel.downloads.files == [] and panel.picture.cells == []
    np.testing.assert_array_equal(shown(panel), enlarged(FIELD[:, ::-1]))


def test_the_diameter_of_a_red_cell_sets_the_scale(panel):
    assert panel.diameter.disabled
    panel.measure.value = False
    assert not panel.diameter.disabled
    panel.diameter.value = 74
    panel.run.click()
    assert panel.segmentation.scale.factor == 0.5 and panel.segmentation.labels.shape == FIELD.shape[:2]
    assert "scale 0.5 as given" in panel.message.value


def test_the_scale_is_measured_unless_it_is_given():
    field = np.full((300, 400, 3), 245, np.uint8)
    for x in (80, 200, 320):
        for y in (80, 200):
            cv2.circle(field, (x, y), 36, (215, 150, 155), -1)
    panel = SegmentationPanel(RedAndGreen(), {"field": field})
    panel.run.click()
    assert 0.47 < panel.segmentation.scale.factor < 0.56 and "6 cells in the image" in panel.message.value


def test_a_folder_of_images_can_be_offered(tmp_path):
    write_image(tmp_path / "b.png", FIELD)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a.jpg").write_bytes(b"broken")
    panel = SegmentationPanel(RedAndGreen(), tmp_path)
    assert (
        panel.picker.options == ("a.jpg", "b.png")
        and "a.jpg" in panel.message.value
        and panel.last_error is not None
    )
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
    controls = [
        panel.picker,
        panel.measure,
        panel.diameter,
        panel.run,
        panel.view,
        panel.zoom,
        panel.opacity,
        panel.outlines,
    ]
    controls += [
        *panel.toggles.values(),
        panel.all_classes,
        panel.no_classes,
        panel.order,
        panel.cells,
    ]
    controls += [panel.new_class, panel.change, panel.delete, panel.restore]
    assert (
        all(control.description and control.tooltip for control in controls)
        and panel.upload.words
        and panel.upload.hint
    )


def test_a_plain_figure_stands_in_where_no_widgets_run(panel):
    with pytest.raises(ValueError, match="segment"):
        panel.figure()
    assert "image/png" not in panel._repr_mimebundle_()
    panel.run.click()
    bundle = panel._repr_mimebundle_()
    assert (
        bundle["image/png"].startswith(b"\x89PNG")
        and "application/vnd.jupyter.widget-view+json" in bundle
    )
