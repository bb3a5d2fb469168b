"""The report of what the panel holds."""

import re

import numpy as np
import pytest
from red_and_green import FIELD, RedAndGreen

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.panel.report import content
from bloodseg_lib.panel.session import PanelSession

NAME = "report.html"


@pytest.fixture
def session():
    session = PanelSession(RedAndGreen(), {"field": FIELD})
    session.segment(FIELD, "field", 37)
    return session


def test_it_holds_the_figures_after_the_corrections_and_every_correction(session):
    assert "Corrected by hand" not in content(session, NAME).decode()
    red = next(c.number for c in session.cells() if c.class_id != HEALTHY_RBC)
    session.correct(red, HEALTHY_RBC)
    page = content(session, NAME).decode()
    assert re.search(rf"Corrected by hand: cell {red}, infected_rbc to healthy_rbc, .* UTC", page)
    assert "<tr><td>Healthy RBC<td class='n'>2</tr>" in page and "Infected RBC<td" not in page
    assert "Not for diagnosis" in page and "network 0123456789ab" in page
    assert page.count("data:image/jpeg") == 1


def test_all_fields_that_were_segmented_are_on_it_and_pooled(session):
    session.segment(np.ascontiguousarray(FIELD[:, ::-1]), "<b>other", 37)
    page = content(session, NAME).decode()
    assert page.count("data:image/jpeg") == 2 and "All together" in page
    assert "&lt;b&gt;other" in page and "<b>other" not in page


def test_before_a_result_there_is_no_report():
    with pytest.raises(ValueError, match="Press Segment first"):
        content(PanelSession(RedAndGreen(), {"field": FIELD}), NAME)


def test_the_other_files_are_those_of_the_session(session):
    assert content(session, "field_cells.csv") == session.content("field_cells.csv")
