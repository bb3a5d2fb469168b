import asyncio
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
from red_and_green import FIELD, RedAndGreen
from skimage import data

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, RBC_DIAMETER_PX, RBC_DIAMETER_UM
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel import drawing
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.panel.keeping import NONE_KEPT
from bloodseg_lib.panel.panel import SegmentationPanel
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.prediction.interchange import exported_files
from bloodseg_lib.prediction.results import result_files
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.segmenter import Segmentation


@pytest.fixture
def panel():
    return SegmentationPanel(RedAndGreen(), {"field.png": FIELD, "other": FIELD[:, ::-1].copy()})


def shown(panel):
    """The picture in the panel, as pixels."""
    return cv2.imdecode(np.frombuffer(panel.controls.picture.picture, np.uint8), cv2.IMREAD_COLOR)[
        :, :, ::-1
    ]


def enlarged(image):
    """A small image as the panel shows it."""
    return cv2.resize(image, (896, 672), interpolation=cv2.INTER_CUBIC)


def upload(panel, name, content, piece=1000):
    """Hand a file over as the browser does, in pieces."""
    for start in range(0, max(1, len(content)), piece):
        panel.controls.upload.receive(
            {"name": name, "size": len(content), "start": start},
            [memoryview(content[start : start + piece])],
        )


def test_pressing_the_button_segments_the_picked_image(panel):
    panel.controls.run.click()
    assert panel.status.last_error is None
    assert (
        panel.session.counts.watershed["infected_rbc"]
        == panel.session.counts.watershed["healthy_rbc"]
        == 1
    )
    assert "field" in panel.status.message.value and "2 cells" in panel.status.message.value


def test_the_picture_is_shown_before_it_is_segmented(panel):
    np.testing.assert_array_equal(shown(panel), enlarged(FIELD))
    assert (
        panel.controls.picture.alt == "field.png: not segmented yet"
        and panel.controls.picture.size == (160, 120)
    )


def test_the_picture_says_in_words_what_is_on_it(panel):
    panel.controls.run.click()
    assert panel.controls.picture.alt == "field: 1 Infected RBC, 1 Healthy RBC"


def test_a_class_can_be_switched_off_without_another_picture(panel):
    panel.controls.run.click()
    sent = []
    panel.controls.picture.observe(lambda change: sent.append(change["name"]))
    panel.controls.toggles[HEALTHY_RBC].value = False
    assert sent == ["shown"] and panel.controls.picture.shown == [1, 2, 3, 4, 5, 6, 7, 8]


def test_all_classes_are_switched_at_once(panel):
    panel.controls.run.click()
    sent = []
    panel.controls.picture.observe(lambda change: sent.append(change["new"]), "shown")
    panel.controls.no_classes.click()
    panel.controls.all_classes.click()
    assert sent == [[], [1, 2, 3, 4, 5, 6, 7, 8, 9]]


def test_the_pixel_map_is_a_view_of_its_own(panel):
    panel.controls.run.click()
    assert panel.controls.picture.mode == "cells"
    panel.controls.view.label = "the pixel map"
    assert panel.controls.picture.mode == "pixels"


def test_the_browser_is_given_the_part_that_it_looks_at(panel, monkeypatch):
    panel.controls.run.click()
    sent = []
    monkeypatch.setattr(panel.controls.picture, "send", lambda *message: sent.append(message))
    panel.controls.picture.answer({"part": [40, 50, 20, 10], "size": [40, 20]})
    ((message, buffers),) = sent
    image, cells = (cv2.imdecode(np.frombuffer(b, np.uint8), 1)[:, :, ::-1] for b in buffers)
    assert message == {"part": [40, 50, 20, 10]} and image.shape == (20, 40, 3)
    assert cells[10, 20].tolist() == [1, 0, INFECTED_RBC]


def test_a_part_of_the_picture_before_is_passed_over(panel, monkeypatch):
    """The browser may ask before it has heard that the picture is another, smaller one."""
    sent = []
    monkeypatch.setattr(panel.controls.picture, "send", lambda *message: sent.append(message))
    height, width = FIELD.shape[:2]
    panel.controls.picture.answer({"part": [width, 0, 20, 10], "size": [40, 20]})
    panel.controls.picture.answer({"part": [0, height - 5, 20, 10], "size": [40, 20]})
    assert not sent and panel.status.last_error is None


def test_the_picture_knows_its_micrometres_by_the_diameter_of_its_red_cells(panel):
    panel.controls.measure.value = False
    assert panel.controls.picture.pixel_um == 0
    panel.controls.run.click()
    assert panel.controls.picture.pixel_um == pytest.approx(RBC_DIAMETER_UM / RBC_DIAMETER_PX)
    panel.controls.picker.value = "other"
    assert panel.controls.picture.pixel_um == 0


@pytest.mark.parametrize(("key", "class_id"), [("3", 3), ("0", UNIDENTIFIED), ("Delete", None)])
def test_a_key_corrects_the_chosen_cells(panel, key, class_id):
    panel.controls.run.click()
    panel.controls.picture.selected = 1
    panel.controls.gallery.chosen = [1, 2]
    panel.controls.picture.answer({"key": key})
    assert [cell.class_id for cell in panel.session.cells()] == [class_id, class_id]
    panel.controls.picture.answer({"key": "u"})
    assert panel.session.corrected_cells() == 0
    panel.controls.picture.answer({"key": "Z"})
    assert panel.session.corrected_cells() == 2
    assert panel.controls.picture.chosen == [1, 2] and "done again" in panel.controls.said.value


def test_a_key_without_a_cell_is_answered_in_words(panel):
    panel.controls.run.click()
    panel.controls.picture.answer({"key": "1"})
    assert "none is chosen" in panel.status.message.value


def test_choosing_another_cell_leaves_the_ones_before(panel):
    panel.controls.run.click()
    panel.controls.gallery.chosen = [1, 2]
    panel.controls.picture.selected = 1
    assert panel.controls.picture.chosen == [1, 2]
    panel.controls.picture.selected = 0
    panel.controls.cells.value = 2
    assert panel.controls.gallery.chosen == [2]


def test_the_gallery_shows_the_cells_of_one_class(panel):
    panel.controls.run.click()
    assert [cell["number"] for cell in panel.controls.gallery.cells] == [1, 2]
    panel.controls.gallery_class.value = HEALTHY_RBC
    assert [cell["number"] for cell in panel.controls.gallery.cells] == [2]
    sheet = cv2.imdecode(np.frombuffer(panel.controls.gallery.sheet, np.uint8), 1)
    assert sheet.shape == (64, 12 * 64, 3) and sheet[32, 32].tolist() == [0, 255, 0]


def test_the_trail_can_be_read_and_undoings_are_no_corrections(panel):
    panel.controls.run.click()
    panel.correct(2, None)
    panel.controls.undo.click()
    assert "cell 2: Healthy RBC to no cell" in panel.controls.trail.value
    assert "cell 2: no cell to Healthy RBC (undo)" in panel.controls.trail.value
    assert "made by hand" not in panel.controls.table.value


def test_corrections_are_there_again_in_another_panel(tmp_path):
    for _ in range(2):
        panel = SegmentationPanel(RedAndGreen(), {"field": FIELD}, folder=tmp_path)
        if not panel.session.found:
            panel.controls.run.click()
            panel.correct(2, None)
    assert panel.session.cells()[1].mark == "deleted"  # without pressing Segment
    assert "1 corrections made before hold again" in panel.status.message.value


def test_a_page_that_was_made_before_a_correction_has_it_when_it_is_opened(tmp_path):
    early, late = (SegmentationPanel(RedAndGreen(), {"a": FIELD}, folder=tmp_path) for _ in "ab")
    for made in (early, late):
        made.controls.run.click()
    late.correct(2, None)
    early.controls.picture.answer({"opened": True})
    assert early.session.cells()[1].mark == "deleted"
    assert early.controls.picture.cells[1]["mark"] == "deleted"
    assert "1 corrections made before hold again" in early.status.message.value
    early.correct(1, None)
    assert len(early.session.corrections) == 2


def test_an_upload_of_a_zip_loads_its_corrections(panel):
    panel.controls.run.click()
    panel.correct(2, None)
    packed = panel.session.content("field.zip")
    panel.controls.undo.click()
    upload(panel, "field.zip", packed)
    assert "field.zip: 1 corrections are loaded" in panel.status.message.value
    assert panel.session.cells()[1].mark == "deleted"


def test_a_second_press_while_segmenting_is_none(panel):
    async def press():
        panel.controls.run.click()
        panel.controls.run.click()
        assert panel.controls.run.disabled and panel.controls.cancel.layout.display is None
        await panel.work.task

    steps = []
    segment = panel.session.segmenter.segment
    panel.session.segmenter.segment = lambda *a, **k: (steps.append(1), segment(*a, **k))[1]
    asyncio.run(press())
    assert steps == [1] and not panel.controls.run.disabled
    assert len(panel.session.cells()) == 2


def test_segmenting_can_be_cancelled(panel):
    panel.controls.run.click()
    before = panel.session.segmentation

    async def press():
        panel.controls.run.click()
        panel.controls.cancel.click()
        await panel.work.task

    asyncio.run(press())
    assert panel.session.segmentation is before and panel.status.last_error is None
    assert "Cancelled" in panel.status.message.value
    assert panel.controls.cancel.layout.display == "none"


def test_counting_shows_its_progress():
    steps, counting = [], []
    PanelSession(RedAndGreen()).segment(
        FIELD,
        "a",
        37,
        on_step=steps.append,
        on_progress=lambda fraction: "counting" in steps[-1] and counting.append(fraction),
    )
    assert counting[-1] == 1 and len(counting) > 1 and counting == sorted(counting)


def test_all_images_are_segmented_and_their_figures_pooled(panel):
    panel.controls.run_all.click()
    assert panel.status.last_error is None
    table = panel.controls.fields.value
    for row in (
        "field</button></th><td>2</td><td>2</td><td>0</td>",
        "other</button></th><td>2</td><td>2</td><td>0</td>",
        "<th scope='row'>All 2 together</th><td>4</td><td>4</td><td>0</td>",
    ):
        assert row in table
    assert panel.session.name == "field"  # the one that is picked is shown


def test_what_is_corrected_while_all_are_segmented_is_the_image_that_is_shown(panel):
    panel.controls.run.click()
    segment = panel.session.segmenter.segment

    def corrected_meanwhile(*args, **options):
        panel.correct(2, INFECTED_RBC)
        return segment(*args, **options)

    panel.session.segmenter.segment = corrected_meanwhile
    panel.controls.run_all.click()
    assert panel.session.name == "field" and panel.session.corrected_cells() == 1
    panel.controls.picker.value = "other"
    assert len(panel.session.cells()) == 2 and panel.session.corrected_cells() == 0


def test_an_image_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    write_image(tmp_path / "b.png", FIELD)
    panel = SegmentationPanel(RedAndGreen(), tmp_path)
    panel.controls.picker.value = "b.png"
    panel.controls.run_all.click()
    assert "a.png" in panel.status.message.value and len(panel.session.cells()) == 2


def test_the_heat_map_shows_the_probability_of_one_class(panel):
    panel.controls.run.click()
    panel.controls.view.value = INFECTED_RBC
    infected, healthy, slide = (shown(panel)[336, x].astype(int).sum() for x in (280, 616, 448))
    assert infected > slide > healthy  # bright; a dimmed grey; a dimmed dark grey
    assert (
        "<img" in panel.controls.scale_of_heat.value
        and "probability of Infected RBC" in panel.controls.picture.alt
    )
    panel.controls.view.label = "the classes"
    assert panel.controls.scale_of_heat.value == ""


def test_where_probabilities_are_not_kept_the_panel_says_so(panel):
    panel.controls.run.click()
    panel.session.segmentation = Segmentation(panel.session.segmentation.labels, NONE_KEPT, AT_40X)
    panel.controls.view.value = INFECTED_RBC
    assert "not kept" in panel.status.message.value and panel.controls.view.label == "the classes"


def test_the_table_shows_counts_rule_and_notice(panel):
    panel.controls.measure.value, panel.controls.diameter.value = False, 37  # two cells are few
    panel.controls.run.click()
    for words in (
        "Infected RBC",
        "1 of 2: too few cells (100 needed)",
        "top or left",
        "Not for diagnosis.",
    ):
        assert words in panel.controls.table.value


def test_counts_that_are_far_apart_are_pointed_at(panel):
    panel.controls.run.click()
    assert "Look again" not in panel.controls.table.value
    panel.session.counts = replace(
        panel.session.counts, by_area={**panel.session.counts.by_area, "healthy_rbc": 5.0}
    )
    panel._show_result()
    assert (
        "Look again" in panel.controls.table.value
        and "area for 5.0 cells" in panel.controls.table.value
    )


def test_the_files_are_the_bytes_that_the_command_line_writes(panel):
    pytest.importorskip("roifile", reason="the extra imagej is not installed")
    panel.controls.run.click()
    segmentation = RedAndGreen().segment(FIELD, None)
    counts, expected = result_files(segmentation, FIELD, "field")
    assert panel.session.files == expected
    kinds = ["geojson", "imagej", "coco", "instances"]
    expected |= exported_files(kinds, segmentation, counts, "field", "field.png")
    with zipfile.ZipFile(io.BytesIO(panel.session.content("field.zip"))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == expected
    assert [file["name"] for file in panel.controls.downloads.files] == [
        "field.zip",
        "report.html",
        *expected,
    ]


def test_a_button_hands_its_file_to_the_browser(panel, monkeypatch):
    sent = []
    monkeypatch.setattr(
        panel.controls.downloads, "send", lambda message, buffers: sent.append((message, buffers))
    )
    panel.controls.run.click()
    panel.controls.downloads.hand_over({"name": "field_cells.csv"})
    assert sent == [
        ({"name": "field_cells.csv", "type": "text/csv"}, [panel.session.files["field_cells.csv"]])
    ]
    panel.controls.downloads.hand_over({"name": "../secret"})
    assert (
        len(sent) == 1
        and isinstance(panel.status.last_error, ValueError)
        and "../secret" in panel.status.message.value
    )


def test_a_cell_chosen_in_the_picture_is_described(panel):
    panel.controls.run.click()
    panel.controls.picture.selected = 2
    assert panel.controls.cells.value == 2 and panel.controls.new_class.value == HEALTHY_RBC
    for words in (
        "Cell 2: Healthy RBC, 100% sure",
        "100.0%",
        "37 x 37 pixels at (92, 42)",
        "100% of its pixels",
    ):
        assert words in panel.controls.details.value


def test_a_cell_chosen_from_the_list_is_chosen_in_the_picture(panel):
    panel.controls.run.click()
    panel.controls.cells.value = 2
    assert panel.controls.picture.selected == 2
    panel.controls.picture.selected = 0
    assert panel.controls.cells.value is None and panel.controls.change.disabled


def test_the_probabilities_of_a_cell_are_those_of_its_own_pixels():
    field = FIELD.copy()
    cv2.circle(field, (84, 60), 18, (0, 255, 0), -1)  # touches the red one: their boxes overlap
    panel = SegmentationPanel(RedAndGreen(), {"field": field})
    panel.controls.run.click()
    for number, cell in enumerate(panel.session.found.cells, start=1):
        panel.controls.picture.selected = number
        first = float(re.search(r"<td>([\d.]+)%</td>", panel.controls.details.value)[1])
        assert first == pytest.approx(100 * cell.confidence, abs=0.06)


def test_the_least_certain_cell_can_be_listed_first(panel):
    panel.controls.run.click()
    panel.session.found = replace(
        panel.session.found,
        cells=tuple(
            replace(cell, confidence=share)
            for cell, share in zip(panel.session.found.cells, (0.9, 0.6), strict=True)
        ),
    )
    panel.controls.order.value = "least certain first"
    assert [number for _, number in panel.controls.cells.options] == [2, 1]


def test_a_corrected_class_changes_the_figures_and_leaves_a_trail(panel):
    panel.controls.measure.value, panel.controls.diameter.value = False, 37  # two cells are few
    panel.controls.run.click()
    panel.controls.picture.selected = 2
    panel.controls.new_class.value = INFECTED_RBC
    panel.controls.change.click()
    assert panel.status.last_error is None
    assert (
        panel.session.counts.watershed["infected_rbc"] == 2
        and panel.session.found.watershed["infected_rbc"] == 1
    )
    assert (
        "2 of 2: too few" in panel.controls.table.value
        and "1 made by hand" in panel.controls.table.value
    )
    rows = list(csv.DictReader(io.StringIO(panel.session.files["field_cells.csv"].decode())))
    assert [(row["class"], row["found_class"], row["correction"]) for row in rows] == [
        ("infected_rbc", "infected_rbc", ""),
        ("infected_rbc", "healthy_rbc", "changed"),
    ]
    assert (
        panel.controls.picture.cells[1]["mark"] == "changed"
        and "found as Healthy RBC" in panel.controls.cells.options[1][0]
    )


def test_a_deleted_cell_counts_no_more_and_can_come_back(panel):
    panel.controls.measure.value, panel.controls.diameter.value = False, 37  # two cells are few
    panel.controls.run.click()
    before = panel.session.files
    panel.controls.picture.selected = 1
    panel.controls.delete.click()
    assert (
        panel.session.counts.watershed["infected_rbc"] == 0
        and "0 of 1: too few" in panel.controls.table.value
    )
    panel.controls.restore.click()
    assert panel.session.counts.watershed == panel.session.found.watershed
    trail = json.loads(panel.session.files["field_counts.json"])["corrections"]
    assert [(step["from"], step["to"]) for step in trail] == [
        ("infected_rbc", ""),
        ("", "infected_rbc"),
    ]
    assert panel.session.files["field_classes.png"] == before["field_classes.png"]


@pytest.mark.parametrize("action", ["change", "delete", "restore"])
def test_the_chosen_cell_stays_chosen_after_a_correction(panel, action):
    panel.controls.run.click()
    panel.controls.picture.selected = 2
    panel.controls.new_class.value = INFECTED_RBC
    seen = []
    panel.controls.picture.observe(lambda change: seen.append(change["new"]), "selected")
    for _ in range(2):
        getattr(panel.controls, action).click()
    assert panel.controls.picture.selected == panel.controls.cells.value == 2 and seen == []
    assert "Cell 2: " in panel.controls.details.value
    assert all(correction.cell == 2 for correction in panel.session.corrections)


def test_the_chosen_cell_stays_chosen_when_the_list_is_sorted_anew(panel):
    panel.controls.run.click()
    panel.controls.picture.selected = 2
    panel.controls.order.value = "least certain first"
    assert panel.controls.picture.selected == panel.controls.cells.value == 2


def test_listing_cells_chooses_none(panel):
    panel.controls.run.click()
    assert panel.controls.picture.selected == 0 and panel.controls.cells.value is None


def test_a_correction_that_changes_nothing_leaves_no_trail(panel):
    panel.controls.run.click()
    panel.correct(1, "infected_rbc")
    assert panel.session.corrections == () and "nothing was changed" in panel.status.message.value


@pytest.mark.parametrize(
    ("number", "class_id", "words"),
    [(3, 1, "1 to 2"), (1, 12, "1 to 9"), (0, 1, "none is chosen"), (1, "cat", "'cat'")],
)
def test_an_impossible_correction_is_refused(panel, number, class_id, words):
    panel.controls.run.click()
    with pytest.raises(ValueError, match=words):
        panel.correct(number, class_id)
    assert panel.session.corrections == ()


def test_nothing_can_be_corrected_before_there_are_cells(panel):
    with pytest.raises(ValueError, match="Press Segment"):
        panel.correct(1, INFECTED_RBC)


def test_progress_is_shown_while_the_network_runs_and_then_hidden(panel):
    seen = []
    panel.status.progress.observe(
        lambda change: seen.append((change["new"], panel.status.progress.layout.display)), "value"
    )
    panel.controls.run.click()
    assert seen and seen[-1] == (100, None)
    assert panel.status.progress.layout.display == "none"


def test_an_uploaded_image_is_picked_and_segmented(panel):
    upload(panel, "mine.png", png_bytes(FIELD))
    assert panel.status.last_error is None and panel.controls.picker.value == "mine.png"
    panel.controls.run.click()
    assert len(panel.session.counts.cells) == 2


def test_a_bad_upload_is_said_in_words_and_kept(panel):
    upload(panel, "cat.png", b"a text")
    assert isinstance(panel.status.last_error, ValueError)
    assert (
        'role="alert"' in panel.status.message.value
        and "cat.png: expected an image" in panel.status.message.value
    )
    assert panel.controls.picker.value == "field.png"
    panel.controls.run.click()
    assert panel.status.last_error is None and 'role="alert"' not in panel.status.message.value


@pytest.mark.parametrize("name", BAD)
def test_every_bad_file_is_said_in_words(name, panel):
    content, words = BAD[name]
    upload(panel, name, content)
    assert (
        isinstance(panel.status.last_error, ValueError)
        and name in panel.status.message.value
        and words in panel.status.message.value
    )
    assert name not in panel.controls.picker.options


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_image_goes_through(name, panel):
    upload(panel, name, UNUSUAL[name])
    assert panel.status.last_error is None and panel.controls.picker.value == name
    panel.controls.run.click()
    assert (
        panel.status.last_error is None
        and panel.session.segmentation.labels.shape == panel.controls.picture.size[::-1]
    )


def test_of_a_photograph_of_something_else_it_is_said_that_it_has_no_scale(panel):
    upload(panel, "cat.png", png_bytes(data.chelsea()))
    panel.controls.run.click()
    assert (
        panel.status.last_error is None
        and "scale 1 assumed: fewer than 3 red blood cells" in panel.status.message.value
    )


def test_an_upload_that_loses_a_piece_is_no_image(panel):
    content = png_bytes(FIELD)
    panel.controls.upload.receive(
        {"name": "mine.png", "size": len(content), "start": 0}, [content[:100]]
    )
    panel.controls.upload.receive(
        {"name": "mine.png", "size": len(content), "start": 200}, [content[200:]]
    )
    assert (
        "mine.png: a piece of it was lost" in panel.status.message.value
        and "mine.png" not in panel.controls.picker.options
    )


def test_after_a_lost_piece_the_rest_of_the_file_is_passed_over(panel, monkeypatch):
    sent = []
    monkeypatch.setattr(panel.controls.upload, "send", sent.append)
    for start in (0, 200, 300):
        piece = {"name": "a.png", "size": 400, "start": start}
        panel.controls.upload.receive(piece, [bytes(100)])
    assert sent == [{"name": "a.png", "received": 100}, {"name": "a.png", "failed": True}]


def test_a_file_too_large_for_the_panel_is_refused(panel):
    panel.controls.upload.receive({"name": "a.png", "size": 2**30, "start": 0}, [b"x"])
    assert "a.png: expected a file of at most 512 MiB" in panel.status.message.value


def test_the_words_of_an_error_cannot_be_markup(panel):
    upload(panel, "<b>.png", b"a text")
    assert "&lt;b&gt;.png" in panel.status.message.value


def test_an_error_of_the_network_is_said_in_the_panel(panel):
    def broken(image, scale, on_progress):
        raise MemoryError("no room")

    panel.session.segmenter.segment = broken
    panel.controls.run.click()
    assert (
        isinstance(panel.status.last_error, MemoryError) and "no room" in panel.status.message.value
    )
    with pytest.raises(MemoryError):
        panel.segment(FIELD)


def test_another_image_takes_the_old_result_away(panel):
    panel.controls.run.click()
    panel.controls.picker.value = "other"
    assert (
        panel.session.segmentation is None
        and panel.controls.downloads.files == []
        and panel.controls.picture.cells == []
    )
    np.testing.assert_array_equal(shown(panel), enlarged(FIELD[:, ::-1]))


def test_the_diameter_of_a_red_cell_sets_the_scale(panel):
    assert panel.controls.diameter.disabled
    panel.controls.measure.value = False
    assert not panel.controls.diameter.disabled
    panel.controls.diameter.value = 74
    panel.controls.run.click()
    assert (
        panel.session.segmentation.scale.factor == 0.5
        and panel.session.segmentation.labels.shape == FIELD.shape[:2]
    )
    assert "scale 0.5 as given" in panel.status.message.value


def test_the_scale_is_measured_unless_it_is_given():
    field = np.full((300, 400, 3), 245, np.uint8)
    for x in (80, 200, 320):
        for y in (80, 200):
            cv2.circle(field, (x, y), 36, (215, 150, 155), -1)
    panel = SegmentationPanel(RedAndGreen(), {"field": field})
    panel.controls.run.click()
    assert (
        0.47 < panel.session.segmentation.scale.factor < 0.56
        and "6 cells in the image" in panel.status.message.value
    )


def test_the_measured_diameter_is_offered_as_the_one_to_give(panel):
    panel.session.segmenter.segment = lambda image, **watch: RedAndGreen().segment(
        image, Scale.given(74)
    )
    panel.controls.run.click()
    assert panel.controls.diameter.value == 74


def test_corrections_are_confirmed_beside_their_buttons(panel):
    panel.controls.run.click()
    panel.correct(2, None)
    assert panel.controls.said.value.startswith("Cell 2: Healthy RBC was changed to no cell.")


def test_no_control_is_described_with_markup(panel):
    words = [toggle.description for toggle in panel.controls.toggles.values()]
    assert not any("<" in text for text in words)


def test_a_folder_of_images_can_be_offered(tmp_path):
    write_image(tmp_path / "b.png", FIELD)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a.jpg").write_bytes(b"broken")
    panel = SegmentationPanel(RedAndGreen(), tmp_path)
    assert (
        panel.controls.picker.options == ("a.jpg", "b.png")
        and "a.jpg" in panel.status.message.value
        and panel.status.last_error is not None
    )
    panel.controls.picker.value = "b.png"
    panel.controls.run.click()
    assert panel.status.last_error is None and len(panel.session.counts.cells) == 2


def test_hidden_files_of_a_folder_are_not_offered(tmp_path):
    for name in ("b.png", "._b.png"):  # as macOS leaves them on other disks
        write_image(tmp_path / name, FIELD)
    assert SegmentationPanel(RedAndGreen(), tmp_path).controls.picker.options == ("b.png",)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        SegmentationPanel(RedAndGreen(), tmp_path / "none")


def test_without_images_the_panel_asks_for_one():
    panel = SegmentationPanel(RedAndGreen())
    assert "Upload" in panel.status.message.value
    panel.controls.run.click()
    assert "none is picked" in panel.status.message.value


def test_every_control_is_labelled(panel):
    controls = [
        panel.controls.picker,
        panel.controls.measure,
        panel.controls.diameter,
        panel.controls.run,
        panel.controls.view,
        panel.controls.outlines,
    ]
    controls += [
        *panel.controls.toggles.values(),
        panel.controls.all_classes,
        panel.controls.no_classes,
        panel.controls.order,
        panel.controls.cells,
    ]
    controls += [
        panel.controls.new_class,
        panel.controls.change,
        panel.controls.delete,
        panel.controls.restore,
    ]
    assert (
        all(control.description and control.tooltip for control in controls)
        and panel.controls.upload.words
        and panel.controls.upload.hint
    )


def test_a_plain_figure_stands_in_where_no_widgets_run(panel):
    with pytest.raises(ValueError, match="segment"):
        drawing.figure(panel.session)
    assert "image/png" not in panel._repr_mimebundle_()[0]
    panel.controls.run.click()
    bundle, metadata = panel._repr_mimebundle_()
    assert metadata["image/png"]["alt"]
    assert (
        bundle["image/png"].startswith(b"\x89PNG")
        and "application/vnd.jupyter.widget-view+json" in bundle
    )
