import ast
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from red_and_green import FIELD, RedAndGreen

import bloodseg_lib
from bloodseg_lib.classes import (
    HEALTHY_RBC,
    INFECTED_RBC,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    Box,
)
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.panel.drawing import cell_map, figure, heat_map, image_part, marks
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.prediction.cells import CountingConfig

SIZE = (160, 120)


@pytest.fixture
def session():
    """A session whose field, a red and a green cell, was segmented."""
    session = PanelSession(RedAndGreen(), {"field": FIELD})
    session.segment(FIELD, "field", 37)
    return session


WITHOUT_WIDGETS = {
    "session",
    "corrected_files",
    "drawn",
    "steps",
    "corrections",
    "images",
    "html",
    "trail",
    "keeping",
    "result",
    "report",
}


@pytest.mark.parametrize("name", sorted(WITHOUT_WIDGETS))
def test_a_session_needs_no_widget(name):
    source = (Path(bloodseg_lib.__file__).parent / f"panel/{name}.py").read_text()
    modules = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not modules & {"ipywidgets", "anywidget", "traitlets", "IPython"}
    own = {module.split(".")[-1] for module in modules if module.startswith("bloodseg_lib.panel.")}
    assert own <= WITHOUT_WIDGETS


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


def test_corrections_are_there_again_when_the_image_is_looked_at_again(session):
    session.add("other.png", png_bytes(FIELD[:, ::-1]))
    session.correct(1, None)
    session.pick("other.png")
    assert session.segmentation is None and session.files == {} and session.cells() == []
    assert session.found_words() == "not segmented yet"
    session.pick("field")
    assert [cell.class_id for cell in session.cells()] == [None, HEALTHY_RBC]
    assert json.loads(session.files["field_counts.json"])["corrections"][0]["cell"] == 1


def test_results_of_images_that_are_left_have_no_probabilities(session):
    first = session.result
    session.segment(FIELD[:, ::-1].copy(), "other", 37)
    assert not first.segmentation.probabilities.size
    assert session.segmentation.probabilities.size


def test_segmenting_again_keeps_the_corrections_of_the_cells_that_are_there(session):
    session.correct(1, None)
    steps = []
    session.segment(FIELD, "field", 37, on_step=steps.append)
    assert [cell.class_id for cell in session.cells()] == [None, HEALTHY_RBC]
    assert "1 corrections made before hold again" in steps[-1]


def test_ten_corrections_outlive_the_kernel(tmp_path):
    first = PanelSession(RedAndGreen(), {"field": FIELD}, folder=tmp_path)
    first.segment(FIELD, "field", 37)
    for class_id in (None, *range(1, 10)):
        first.correct(2, class_id)
    second = PanelSession(RedAndGreen(), {"field": FIELD}, folder=tmp_path)
    second.pick("field")
    assert second.was_corrected() and second.corrections == ()
    second.segment(FIELD, "field", 37)
    assert second.corrections == first.corrections and second.files == first.files


def test_the_folder_of_an_image_has_all_its_files(tmp_path):
    session = PanelSession(RedAndGreen(), folder=tmp_path)
    session.segment(FIELD, "a field", 37)
    session.correct(1, None)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("a_field-")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert kept == session.files | {"a field_picture.png": png_bytes(FIELD)}


def test_corrections_of_cells_that_are_gone_are_told_and_their_record_is_kept(tmp_path):
    session = PanelSession(RedAndGreen(), folder=tmp_path)
    session.segment(FIELD, "field", 37)
    session.correct([1, 2], None)

    class GreenOnly(RedAndGreen):
        def predict(self, tiles):
            return super().predict(np.where(tiles == (255, 0, 0), 255, tiles).astype(np.uint8))

    session.segmenter = GreenOnly()
    steps = []
    session.segment(FIELD, "field", 37, on_step=steps.append)
    assert "1 corrections made before hold again. 1 corrected cells are not there" in steps[-1]
    (copy,) = tmp_path.glob("field-*/field_counts_*.json")
    assert copy.name in steps[-1] and len(json.loads(copy.read_text())["corrections"]) == 2


@pytest.mark.parametrize("name", ["field.zip", "field_counts.json"])
def test_a_file_of_corrections_can_be_loaded_back(session, name):
    session.correct(2, UNIDENTIFIED)
    fresh = PanelSession(RedAndGreen())
    fresh.segment(FIELD, "field", 37)
    assert "1 corrections are loaded" in fresh.load(name, session.content(name))
    assert fresh.corrections == session.corrections


def test_corrections_of_another_image_are_not_loaded(session):
    session.correct(1, None)
    fresh = PanelSession(RedAndGreen())
    fresh.segment(FIELD, "other", 37)
    with pytest.raises(ValueError, match=r"field\.zip: expected corrections of .* other"):
        fresh.load("field.zip", session.content("field.zip"))


@pytest.mark.parametrize(("name", "data"), [("a.zip", b"text"), ("a.json", b"{}")])
def test_a_file_without_corrections_is_refused(session, name, data):
    with pytest.raises(ValueError, match=f"{name}: expected the zip or the counts.json"):
        session.load(name, data)


@pytest.mark.parametrize(
    "changed", [{"action": "undo"}, {"action": "redo"}, {"box": [1, 2, 3]}, {"time": "today"}]
)
def test_a_record_that_does_not_hold_together_is_refused_and_costs_nothing(session, changed):
    session.correct(2, UNIDENTIFIED)
    record = json.loads(session.content("field_counts.json"))
    record["corrections"][0] |= changed
    before = session.corrections
    with pytest.raises(ValueError, match=r"Expected corrections with box.*Take the file as it was"):
        session.load("field_counts.json", json.dumps(record).encode())
    assert session.corrections == before
    assert session.undo().endswith("undone. The figures and the files say so.")


def test_undo_and_redo_go_back_and_forth_without_limit(session):
    session.correct([1, 2], None)
    session.correct(1, UNIDENTIFIED)
    session.correct(2, INFECTED_RBC)

    def classes():
        return [cell.class_id for cell in session.cells()]

    seen = [classes()]
    for step in (session.undo, session.undo, session.undo, session.redo, session.redo):
        step()
        seen.append(classes())
    assert seen == [
        [UNIDENTIFIED, INFECTED_RBC],
        [UNIDENTIFIED, None],
        [None, None],
        [INFECTED_RBC, HEALTHY_RBC],
        [None, None],
        [UNIDENTIFIED, None],
    ]


def test_undoing_more_than_there_is_says_so(session):
    assert session.undo() == "There is nothing to undo."
    session.correct(1, None)
    session.undo()
    assert session.undo() == "There is nothing to undo." and session.corrected_cells() == 0
    session.redo()
    assert session.redo() == "There is nothing to redo." and session.corrected_cells() == 1


def test_after_another_correction_nothing_can_be_done_again(session):
    session.correct(1, None)
    session.undo()
    session.correct(2, None)
    assert session.redo() == "There is nothing to redo."


def test_an_undo_is_on_record(session):
    session.correct(1, None)
    session.undo()
    steps = json.loads(session.files["field_counts.json"])["corrections"]
    assert [(step["to"], step["action"]) for step in steps] == [("", ""), ("infected_rbc", "undo")]


def test_unidentified_cells_count_neither_as_red_nor_as_white(session):
    session.correct(1, "unidentified")
    assert session.counts.parasitaemia().denominator == 1 and len(session.counts.cells) == 1
    assert json.loads(session.files["field_counts.json"])["unidentified"] == 1
    assert b"unidentified,1.0" in session.files["field_cells.csv"]


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


def test_cells_are_given_the_classes_that_were_found(session):
    session.correct([1, 2], UNIDENTIFIED)
    session.restore([2])
    assert [cell.class_id for cell in session.cells()] == [UNIDENTIFIED, HEALTHY_RBC]
    assert session.restore([2]) == "As found already; nothing was changed."


def test_marks_say_the_class_that_a_cell_has_now(session):
    session.correct(1, None)
    found = [(mark["number"], mark["class"], mark["mark"]) for mark in marks(session)]
    assert found == [(1, -1, "deleted"), (2, HEALTHY_RBC, "")]


def test_the_least_certain_cell_comes_first(session):
    one, two = session.found.cells
    # 0.9 x 0.5 is less than 0.6 x 1
    cells = (replace(one, confidence=0.6), replace(two, confidence=0.9, agreement=0.5))
    session.found = replace(session.found, cells=cells)
    assert [cell.number for cell in session.cells(least_certain_first=True)] == [2, 1]


def test_the_map_has_the_number_and_the_class_of_each_pixel(session):
    whole = cell_map(session, Box(0, 0, 160, 120), (160, 120))
    assert whole[60, 50].tolist() == [1, 0, INFECTED_RBC]
    assert whole[60, 110].tolist() == [2, 0, HEALTHY_RBC] and not whole[5, 5].any()
    part = cell_map(session, Box(100, 50, 20, 20), (40, 40))
    assert (part == [2, 0, HEALTHY_RBC]).all()


def test_a_part_of_the_image_is_sharp(session):
    part = image_part(session, Box(100, 50, 20, 20), (20, 20))
    np.testing.assert_array_equal(part, FIELD[50:70, 100:120])


def test_the_heat_map_is_brightest_on_the_cells_of_the_class(session):
    shown = heat_map(session, SIZE, INFECTED_RBC).sum(axis=2, dtype=int)
    assert shown[60, 50] > shown[10, 10] > shown[60, 110]


def test_the_archive_holds_all_files_in_the_same_bytes(session):
    pytest.importorskip("roifile", reason="the extra imagej is not installed")
    archive = session.content("field.zip")
    assert archive == session.content("field.zip")
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        held = {name: packed.read(name) for name in packed.namelist()}
    others = session.result.for_programs()
    assert held == session.files | {name: session.content(name) for name in others}


def test_a_file_that_is_not_of_the_result_is_refused(session):
    with pytest.raises(ValueError, match=r"other_cells\.csv: no such file"):
        session.content("other_cells.csv")


def test_there_is_nothing_to_have_before_segmenting():
    session = PanelSession(RedAndGreen())
    for ask in (lambda: session.content(".zip"), lambda: figure(session)):
        with pytest.raises(ValueError, match="segmented, received none yet"):
            ask()


def test_the_figure_says_the_numbers(session):
    title = figure(session).get_suptitle()
    assert title.startswith("1 Infected RBC, 1 Healthy RBC. Parasitaemia 1 of 2: too few cells")


def test_an_uncertain_cell_can_be_confirmed_once():
    class Unsure(RedAndGreen):
        """Red is one of three white cells."""

        def predict(self, tiles):
            likely = super().predict(tiles)
            red = likely[..., INFECTED_RBC] == 1
            likely[red] = 0
            likely[red, MONOCYTE], likely[red, LYMPHOCYTE], likely[red, NEUTROPHIL] = 0.4, 0.3, 0.3
            return likely

    session = PanelSession(Unsure(), {"a": FIELD}, CountingConfig(minimum_area=0.05))
    session.segment(FIELD, "a", 37)
    number = next(cell.number for cell in session.cells() if cell.uncertain)
    assert "confirmed as Monocyte" in session.correct(number, MONOCYTE)
    assert not session.cell(number).uncertain and session.corrected_cells() == 0
    assert "already" in session.correct(number, MONOCYTE)
    session.undo()
    assert session.cell(number).uncertain


def two_people(folder):
    """Two kernels, in which one and the same field was segmented."""
    people = []
    for name in ("Ada", "Ben"):
        person = PanelSession(RedAndGreen(), {"field": FIELD}, folder=folder)
        person.segment(FIELD, "field", 37)
        person.person = name
        people.append(person)
    return people


def test_two_people_who_correct_one_field_lose_nothing(tmp_path):
    ada, ben = two_people(tmp_path)
    first, second = (cell.number for cell in ada.cells())
    ada.correct(first, "neutrophil")
    assert "somebody else corrected since" in ben.correct(second, "monocyte")
    third = PanelSession(RedAndGreen(), {"field": FIELD}, folder=tmp_path)
    third.segment(FIELD, "field", 37)
    for session in (ben, third):
        assert [c.by for c in session.corrections] == ["Ada", "Ben"]
        assert [session.cell(n).class_id for n in (first, second)] == [NEUTROPHIL, MONOCYTE]


def test_who_undoes_takes_back_the_last_step_of_all(tmp_path):
    ada, ben = two_people(tmp_path)
    first = ada.cells()[0]
    ada.correct(first.number, "neutrophil")
    ben.undo()
    assert ben.cell(first.number).class_id == first.class_id
    assert [c.action for c in ben.corrections] == ["", "undo"]


def test_a_field_that_somebody_left_out_stays_so_when_another_corrects(tmp_path):
    ada, ben = two_people(tmp_path)
    ada.exclude("torn")
    ben.correct(1, "neutrophil")
    assert ben.result.excluded["reason"] == "torn" and ben.result.excluded["by"] == "Ada"
    (record,) = tmp_path.rglob("*_counts.json")
    assert json.loads(record.read_text())["excluded"]["reason"] == "torn"


def test_a_field_that_somebody_left_out_can_be_counted_again_by_another(tmp_path):
    ada, ben = two_people(tmp_path)
    ada.exclude("torn")
    ben.exclude("")
    (record,) = tmp_path.glob("*/*_counts.json")
    assert "excluded" not in json.loads(record.read_text())
    ada.catch_up()
    assert not ada.result.excluded
