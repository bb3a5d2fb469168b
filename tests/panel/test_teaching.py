"""The button that teaches a network by the corrections. How it is taught is tested in
``evaluation/test_before_and_after.py``.
"""

import pytest
from colour_network import write_colour_network
from corrected import correct_fields
from red_and_green import FIELD, RedAndGreen

from bloodseg_lib.evaluation.before_and_after import BeforeAndAfter, Figure
from bloodseg_lib.panel import teaching
from bloodseg_lib.panel.panel import SegmentationPanel
from bloodseg_lib.prediction.segmenter import Segmenter


@pytest.fixture
def start(tmp_path):
    return Segmenter(write_colour_network(tmp_path / "start.npz"))


@pytest.fixture
def taught(tmp_path, monkeypatch):
    """Instead of a fine-tuning: its arguments are kept, and it ends with this report."""
    asked = []
    network = write_colour_network(tmp_path / "taught.npz")
    figures = (Figure("corrected by hand", 4, 0.25, 0.75), Figure("not touched", 9, 1.0, 0.9))

    def fine_tune(results, out, start_from, on_progress, progress):
        asked.append((results, start_from))
        on_progress(0.5)
        return BeforeAndAfter(network, ("a",), ("b",), figures)

    monkeypatch.setattr(teaching, "fine_tune", fine_tune)
    return asked


def test_both_figures_are_shown_and_what_became_worse_is_said(tmp_path, start, taught):
    panel = SegmentationPanel(start, {"field": FIELD}, folder=tmp_path / "panel")
    panel.controls.teach.click()
    assert taught == [(tmp_path / "panel", start.checkpoint)]
    table = panel.controls.taught.value
    assert "<td>25.0%</td><td><span>75.0%</span></td>" in table
    assert "<td>100.0%</td><td><span class='bloodseg-alarm'>90.0%</span></td>" in table
    assert "Worse than before: not touched: 100.0% before" in panel.status.message.value
    assert panel.session.segmenter is start


def test_the_fine_tuned_network_is_used_when_that_is_pressed(tmp_path, start, taught):
    panel = SegmentationPanel(start, {"field": FIELD}, folder=tmp_path / "panel")
    assert panel.controls.use.disabled
    panel.controls.teach.click()
    panel.controls.use.click()
    assert panel.session.segmenter.checkpoint == tmp_path / "taught.npz"


def test_a_panel_without_a_folder_says_what_it_needs():
    panel = SegmentationPanel(RedAndGreen(), {"field": FIELD})
    panel.controls.teach.click()
    assert "Make the panel with folder=" in panel.status.message.value


def test_too_few_corrected_fields_are_told(tmp_path, start):
    correct_fields(tmp_path, "a")
    panel = SegmentationPanel(start, {"field": FIELD}, folder=tmp_path)
    panel.controls.teach.click()
    assert "two patients or more" in panel.status.message.value
    assert not list(tmp_path.glob("fine_tuned-*"))
