"""Cells that a person adds, cuts in two or joins: in the session, without a browser."""

import csv
import io
import json

import numpy as np
import pytest
from red_and_green import FIELD, RedAndGreen

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, UNKNOWN
from bloodseg_lib.io import read_label_map
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.panel.drawing import cell_map
from bloodseg_lib.panel.drawn import instance_of, joined
from bloodseg_lib.panel.panel import SegmentationPanel
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.shape import outline

SQUARE = ((70, 10), (90, 10), (90, 30), (70, 30))
"""20 x 20 pixels of background."""
ACROSS = ((50, 30), (50, 90))
"""Through the middle of the red cell, from above it to below it."""


@pytest.fixture
def session():
    """A session whose field, a red and a green cell, was segmented."""
    session = PanelSession(RedAndGreen(), {"field": FIELD})
    session.segment(FIELD, "field", 37)
    return session


def classes(session):
    return {cell.number: cell.class_id for cell in session.cells()}


def test_a_drawn_cell_is_counted_listed_and_in_the_files(session):
    session.draw(SQUARE, INFECTED_RBC)
    assert classes(session) == {1: INFECTED_RBC, 2: HEALTHY_RBC, 3: INFECTED_RBC}
    assert session.counts.watershed["infected_rbc"] == 2
    cell = session.cell(3)
    assert cell.mark == "drawn" and cell.found.area_px == 400
    assert tuple(cell.found.box) == (70, 10, 20, 20)
    *_, row = csv.DictReader(io.StringIO(session.files["field_cells.csv"].decode("utf-8-sig")))
    assert (row["cell"], row["class"], row["found_class"]) == ("3", "infected_rbc", "")
    assert row["correction"] == "drawn"


def test_a_drawn_cell_is_found_in_the_map_of_the_picture(session):
    session.draw(SQUARE, INFECTED_RBC)
    assert (
        cell_map(session, session.cell(3).found.box, (20, 20))[..., 0].tolist() == [[3] * 20] * 20
    )


def test_drawing_is_undone_and_done_again(session):
    session.draw(SQUARE, INFECTED_RBC)
    session.undo()
    assert (
        list(classes(session)) == [1, 2]
        and "drawn" not in session.files["field_cells.csv"].decode()
    )
    session.redo()
    assert classes(session)[3] == INFECTED_RBC and session.counts.watershed["infected_rbc"] == 2


def test_a_line_cuts_a_cell_in_two_without_losing_a_pixel(session):
    before = session.cell(1).found.area_px
    session.split(1, ACROSS)
    assert classes(session) == {1: None, 2: HEALTHY_RBC, 3: INFECTED_RBC, 4: INFECTED_RBC}
    halves = [session.cell(number).found for number in (3, 4)]
    assert sum(cell.area_px for cell in halves) == before
    assert max(cell.box.width for cell in halves) <= 19


def test_a_line_that_ends_within_the_cell_is_refused(session):
    with pytest.raises(ValueError, match="right across the cell"):
        session.split(1, ((50, 30), (50, 60)))
    assert session.corrections == ()


def test_two_cells_become_one_of_the_class_of_the_larger(session):
    session.draw(SQUARE, INFECTED_RBC)
    session.merge([2, 3])
    assert classes(session) == {1: INFECTED_RBC, 2: None, 4: HEALTHY_RBC}
    assert session.counts.watershed["healthy_rbc"] == 1
    session.undo()
    assert classes(session) == {1: INFECTED_RBC, 2: HEALTHY_RBC, 3: INFECTED_RBC}


def test_parts_that_were_cut_apart_are_joined_to_the_same_pixels(session):
    whole = session.cell(1).found
    session.split(1, ACROSS)
    session.merge([3, 4])
    again = session.cell(5).found
    assert again.box == whole.box and np.array_equal(again.mask, whole.mask)


def test_one_cell_cannot_be_merged(session):
    with pytest.raises(ValueError, match="two cells or more"):
        session.merge([1])


def test_drawn_cells_outlive_the_kernel(tmp_path):
    first = PanelSession(RedAndGreen(), {"field": FIELD}, folder=tmp_path)
    first.segment(FIELD, "field", 37)
    first.person = "A. B."
    first.draw(SQUARE, INFECTED_RBC)
    first.split(3, ((60, 20), (100, 20)))
    first.correct(4, UNIDENTIFIED)
    second = PanelSession(RedAndGreen(), {"field": FIELD}, folder=tmp_path)
    second.segment(FIELD, "field", 37)
    assert second.corrections == first.corrections and second.files == first.files
    steps = json.loads(second.files["field_counts.json"])["corrections"]
    assert {step["by"] for step in steps} == {"A. B."}


def test_the_corrected_label_map_has_every_correction(session, tmp_path):
    session.correct(1, UNIDENTIFIED)
    session.correct(2, None)
    session.draw(SQUARE, INFECTED_RBC)
    (tmp_path / "map.png").write_bytes(session.files["field_corrected.png"])
    labels = read_label_map(tmp_path / "map.png", unknown=True)
    assert labels[60, 50] == UNKNOWN and labels[60, 110] == 0 and labels[20, 80] == INFECTED_RBC


@pytest.mark.parametrize(
    "points", [(), ((1, 1), (5, 5)), ((-9, -9), (-1, -9), (-1, -1)), ((1, 1), (2, 1), (2, 2))]
)
def test_an_outline_without_pixels_is_refused(session, points):
    with pytest.raises(ValueError, match="outline of a cell in the image"):
        session.draw(points, INFECTED_RBC)


def test_a_cell_at_a_border_that_is_not_counted_is_refused(session):
    with pytest.raises(ValueError, match="bottom or right border"):
        session.draw(((140, 50), (170, 50), (170, 80), (140, 80)), INFECTED_RBC)


def test_a_cell_is_not_drawn_as_unidentified(session):
    with pytest.raises(ValueError, match="Received Unidentified"):
        session.draw(SQUARE, UNIDENTIFIED)


def test_an_outline_gives_back_the_pixels_it_was_made_of():
    rows, columns = np.ogrid[:30, :40]
    mask = (rows - 12) ** 2 + (columns - 15) ** 2 < 90
    points = tuple(map(tuple, outline(mask)[:-1].tolist()))
    box, inside = instance_of(points, (30, 40))
    assert np.array_equal(inside, mask[box.window]) and inside.sum() == mask.sum()


def test_cells_that_do_not_touch_are_joined_by_what_is_between_them():
    one, other = (
        Cell.of(instance_of(points, (20, 30)), np.eye(10)[HEALTHY_RBC])
        for points in (((2, 2), (6, 2), (6, 6), (2, 6)), ((12, 2), (16, 2), (16, 6), (12, 6)))
    )
    assert instance_of(joined([one, other]), (20, 30)).mask.sum() == 14 * 4


@pytest.fixture
def panel():
    """A panel whose field was segmented."""
    panel = SegmentationPanel(RedAndGreen(), {"field": FIELD})
    panel.segment(FIELD, "field")
    return panel


def test_what_is_drawn_in_the_picture_is_a_cell_of_the_class_in_the_list(panel):
    before = panel.controls.picture.map
    panel.controls.new_class.value = INFECTED_RBC
    panel.controls.picture.answer({"outline": [list(point) for point in SQUARE]})
    assert classes(panel.session)[3] == INFECTED_RBC and panel.controls.picture.selected == 3
    assert panel.controls.picture.map != before
    panel.controls.picture.answer({"key": "9"})  # the drawn cell is the chosen one
    assert classes(panel.session)[3] == HEALTHY_RBC


def test_a_line_in_the_picture_cuts_and_the_button_joins(panel):
    panel.controls.person.value = " A. B. "
    panel.controls.picture.answer({"line": [list(point) for point in ACROSS], "cell": 1})
    assert "cell 1 was cut in two" in panel.controls.said.value
    panel.controls.picture.chosen = [3, 4]
    panel.controls.merge.click()
    assert classes(panel.session) == {1: None, 2: HEALTHY_RBC, 5: INFECTED_RBC}
    assert panel.session.counts.watershed["infected_rbc"] == 1
    assert "by A. B." in panel.controls.trail.value


def test_a_line_beside_all_cells_says_what_to_do(panel):
    panel.controls.picture.answer({"line": [[0, 0], [9, 9]], "cell": 0})
    assert "Expected a cell, none is chosen" in panel.status.message.value


def test_a_cut_or_undone_drawing_is_not_chosen_any_more(panel):
    panel.controls.picture.answer({"outline": [list(point) for point in SQUARE]})
    panel.controls.picture.answer({"line": [[60, 20], [100, 20]], "cell": 3})
    assert panel.status.last_error is None and panel.controls.picture.selected == 5
    panel.controls.undo.click()
    assert panel.status.last_error is None and panel.controls.picture.selected in (0, 3)
    panel.controls.undo.click()
    panel.controls.picture.answer({"key": "8"})  # no cell is chosen
    assert classes(panel.session) == {1: INFECTED_RBC, 2: HEALTHY_RBC}


def test_a_drawing_that_was_undone_gets_no_class(session):
    session.draw(SQUARE, INFECTED_RBC)
    session.undo()
    with pytest.raises(ValueError, match="none is chosen"):
        session.correct(3, HEALTHY_RBC)
