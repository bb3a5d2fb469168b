"""The table of fields: opened by a press, left out by a person, counted towards a target."""

import json

import numpy as np
import pytest
from red_and_green import FIELD, RedAndGreen

from bloodseg_lib.panel.panel import SegmentationPanel
from bloodseg_lib.panel.report import report
from bloodseg_lib.panel.session import PanelSession

OTHER = np.ascontiguousarray(FIELD[:, ::-1])


@pytest.fixture
def panel(tmp_path):
    """A panel of two fields with a red and a green cell each, both segmented."""
    panel = SegmentationPanel(RedAndGreen(), {"a.png": FIELD, "b.png": OTHER}, folder=tmp_path)
    panel.controls.run_all.click()
    return panel


def test_a_press_on_a_row_opens_its_field(panel):
    assert "data-open='b.png'>b</button>" in panel.controls.fields.value
    panel.controls.picture.answer({"open": "b.png"})
    assert panel.controls.picker.value == "b.png" and panel.session.name == "b"


def test_the_red_cells_are_counted_towards_a_target(panel):
    assert "<progress value='4' max='1000'" in panel.controls.fields.value
    panel.controls.target.value = 2000
    assert "4 of 2,000 red cells" in panel.controls.fields.value


def test_a_field_that_is_left_out_is_not_pooled_and_says_why(panel):
    panel.controls.reason.value = "out of <focus>"
    panel.controls.exclude.click()
    table = panel.controls.fields.value
    assert "left out: out of &lt;focus&gt;" in table and "2 of 1,000 red cells" in table
    assert "<th scope='row'>All 1 together</th><td>2</td>" in table
    panel.controls.include.click()
    assert "4 of 1,000 red cells" in panel.controls.fields.value


def test_a_field_is_not_left_out_without_a_reason(panel):
    panel.controls.exclude.click()
    assert "Expected why the field is left out" in panel.status.message.value
    assert not panel.session.result.excluded


def test_why_a_field_was_left_out_outlives_the_kernel(tmp_path):
    first = PanelSession(RedAndGreen(), {"a": FIELD}, folder=tmp_path)
    first.segment(FIELD, "a", 37)
    first.person = "A. B."
    first.exclude("out of focus")
    second = PanelSession(RedAndGreen(), {"a": FIELD}, folder=tmp_path)
    second.segment(FIELD, "a", 37)
    kept = json.loads(second.files["a_counts.json"])["excluded"]
    assert (kept["reason"], kept["by"]) == ("out of focus", "A. B.") and "time" in kept


def test_the_report_names_the_field_that_is_left_out(panel):
    panel.session.exclude("out of focus")
    page = report(list(panel.session.keeper.results.values()), "0" * 64).decode()
    assert "Left out of the pooled figures: out of focus." in page
