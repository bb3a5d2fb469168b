import ast
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from red_and_green import FIELD, RedAndGreen

import bloodseg_lib
from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, PALETTE
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel.session import PanelSession

SIZE = (160, 120)


@pytest.fixture
def session():
    """A session whose field, a red and a green cell, was segmented."""
    session = PanelSession(RedAndGreen(), {"field": FIELD})
    session.segment(FIELD, "field", 37)
    return session


@pytest.mark.parametrize("name", ["session", "corrections", "images", "html"])
def test_a_session_needs_no_widget(name):
    source = (Path(bloodseg_lib.__file__).parent / f"panel/{name}.py").read_text()
    modules = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not modules & {"ipywidgets", "anywidget", "traitlets", "IPython"}
    own = {module.split(".")[-1] for module in modules if module.startswith("bloodseg_lib.panel.")}
    assert own <= {"corrections", "html", "images"}


def test_segmenting_says_each_step_and_how_far_it_is():
    steps, fractions = [], []
    PanelSession(RedAndGreen()).segment(
        FIELD, "a", 37, on_step=steps.append, on_progress=fractions.append
    )
    assert steps == [
        "a: segmenting ...",
        "a: counting ...",
        "a: 160 x 120 pixels, 2 cells counted; "
        "scale 1 as given: red blood cells measure 37.0 pixels.",
    ]
    assert fractions[-1] == 1


def test_an_error_leaves_the_former_result(session):
    with pytest.raises(ValueError, match="2 to 2000"):
        session.segment(FIELD[:, ::-1], "other", 0)
    assert session.name == "field" and len(session.cells()) == 2


def test_picking_an_image_begins_anew(session):
    session.correct(1, None)
    session.pick("field")
    assert session.segmentation is None and session.files == {} and session.cells() == []
    assert session.found_words() == "not segmented yet"


def test_a_file_that_cannot_be_read_leaves_no_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    session = PanelSession(RedAndGreen(), tmp_path)
    with pytest.raises(ValueError, match=r"a\.png"):
        session.pick("a.png")
    assert session.image is None


def test_an_uploaded_file_is_known_by_its_name_without_a_folder():
    session = PanelSession(RedAndGreen())
    assert session.add("photos/mine.png", png_bytes(FIELD)) == "mine.png"
    np.testing.assert_array_equal(session.opened("mine.png"), FIELD)


def test_a_correction_says_what_it_changed(session):
    words = session.correct(2, "infected_rbc")
    assert words.startswith("Cell 2: Healthy RBC was changed to Infected RBC.")
    assert session.found_words() == "2 Infected RBC"
    assert [cell.class_id for cell in session.cells()] == [INFECTED_RBC, INFECTED_RBC]


def test_a_second_deletion_of_a_cell_changes_nothing(session):
    session.correct(2, None)
    assert session.correct(2, None) == "Cell 2 is that already; nothing was changed."
    assert len(session.corrections) == 1 and session.counts.watershed["infected_rbc"] == 1


def test_the_class_that_was_found_is_known_after_corrections(session):
    session.correct(2, INFECTED_RBC)
    assert session.found_class(2) == HEALTHY_RBC and session.found_class(3) is None


def test_marks_are_of_the_shown_classes_and_of_deleted_cells(session):
    assert [mark["number"] for mark in session.marks([HEALTHY_RBC])] == [2]
    session.correct(1, None)
    marks = session.marks([])
    assert [(mark["number"], mark["mark"]) for mark in marks] == [(1, "deleted")]


def test_the_least_certain_cell_comes_first(session):
    one, two = session.found.cells
    # 0.9 x 0.5 is less than 0.6 x 1
    cells = (replace(one, confidence=0.6), replace(two, confidence=0.9, agreement=0.5))
    session.found = replace(session.found, cells=cells)
    assert [cell.number for cell in session.cells(least_certain_first=True)] == [2, 1]


def test_the_overlay_is_the_image_until_it_is_segmented(session):
    plain = PanelSession(RedAndGreen(), {"field": FIELD})
    plain.pick("field")
    np.testing.assert_array_equal(plain.overlay(SIZE, 1, True, [INFECTED_RBC]), FIELD)
    tinted = session.overlay(SIZE, 1, False, [INFECTED_RBC])
    np.testing.assert_array_equal(tinted[60, 50], PALETTE[INFECTED_RBC])


def test_the_heat_map_is_brightest_on_the_cells_of_the_class(session):
    shown = session.heat_map(SIZE, INFECTED_RBC).sum(axis=2, dtype=int)
    assert shown[60, 50] > shown[10, 10] > shown[60, 110]


def test_the_archive_holds_all_files_in_the_same_bytes(session):
    archive = session.archive()
    assert archive == session.archive() == session.content("field.zip")
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == session.files


def test_a_file_that_is_not_of_the_result_is_refused(session):
    with pytest.raises(ValueError, match=r"other_cells\.csv: no such file"):
        session.content("other_cells.csv")


@pytest.mark.parametrize("ask", [PanelSession.archive, PanelSession.figure])
def test_there_is_nothing_to_have_before_segmenting(ask):
    with pytest.raises(ValueError, match="segmented, received none yet"):
        ask(PanelSession(RedAndGreen()))


def test_the_figure_says_the_numbers(session):
    title = session.figure().get_suptitle()
    assert title.startswith("1 Infected RBC, 1 Healthy RBC. Parasitaemia 1 of 2: too few cells")
