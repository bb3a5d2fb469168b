import pytest
from corrected import GREEN, RED, correct_fields

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL, UNKNOWN
from bloodseg_lib.io import write_csv
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.samples.corrected_fields import divided, labelled, read, write

OUTLINE = ((70, 10), (90, 10), (90, 30), (70, 30))


def test_the_cells_of_a_field_are_told_apart_by_who_named_them(tmp_path):
    correct_fields(tmp_path, "a")
    (field,) = read(tmp_path)
    assert [cell.class_id for cell in field.by_hand] == [NEUTROPHIL]
    assert [cell.class_id for cell in field.others] == [HEALTHY_RBC]
    assert field.by_hand[0].box.holds(50, 60) and field.scale == 1


@pytest.mark.parametrize(
    ("person", "at", "class_id"),
    [
        (lambda session: session.correct(1, NEUTROPHIL), RED, NEUTROPHIL),
        (lambda session: session.correct(1, NEUTROPHIL), GREEN, HEALTHY_RBC),  # nobody touched it
        (lambda s: (s.correct(1, None), s.correct(2, UNIDENTIFIED)), GREEN, UNKNOWN),
        (lambda session: session.correct(1, None), RED, 0),
        (lambda session: session.draw(OUTLINE, INFECTED_RBC), (20, 80), INFECTED_RBC),
    ],
)
def test_the_label_map_knows_what_a_person_said(tmp_path, person, at, class_id):
    correct_fields(tmp_path, "a", person=person)
    (field,) = read(tmp_path)
    assert labelled(field).labels[at] == class_id


def test_a_cell_that_nobody_could_name_neither_teaches_nor_is_compared(tmp_path):
    def person(session):
        session.correct(1, UNIDENTIFIED)
        session.correct(2, INFECTED_RBC)

    correct_fields(tmp_path, "a", person=person)
    (field,) = read(tmp_path)
    assert len(field.by_hand) == 1 and field.others == ()
    assert labelled(field).labels[RED] == UNKNOWN


def test_fields_of_one_patient_are_not_divided(tmp_path):
    correct_fields(tmp_path, "a", "b", "c", "d")
    rows = [("a", "P1"), ("b", "P1"), ("c", "P2"), ("d", "P2")]
    write_csv(tmp_path / "patients.csv", ["field", "patient"], rows)
    groups = [{field.group for field in part} for part in divided(read(tmp_path))]
    assert groups == [{"P1"}, {"P2"}]


def test_patients_are_named_by_files_as_people_spell_them(tmp_path):
    correct_fields(tmp_path, "fa\u0308ld 1", "b.2", "c")
    rows = [("F\u00e4ld 1.JPG", "Mu\u0308ller"), ("slides\\b.2", "M\u00fcller"), ("c.tif", "P2")]
    write_csv(tmp_path / "patients.csv", ["field", "patient"], rows)
    assert {field.group for field in read(tmp_path)} == {"M\u00fcller", "P2"}


def test_a_patient_of_no_field_is_refused_where_a_field_has_no_patient(tmp_path):
    correct_fields(tmp_path, "a", "b")
    table, columns = tmp_path / "patients.csv", ["field", "patient"]
    write_csv(table, columns, [("a", "P1"), ("b1", "P1")])
    with pytest.raises(ValueError, match=r"the patient of b-\w+, or .* Received b1, and no field"):
        read(tmp_path)
    write_csv(table, columns, [("a", "P1"), ("b", "P1"), ("later", "P2")])
    assert {field.group for field in read(tmp_path)} == {"P1"}
    write_csv(table, columns, [("a", "P1")])
    assert len({field.group for field in read(tmp_path)}) == 2


def test_fields_of_one_patient_only_are_refused(tmp_path):
    correct_fields(tmp_path, "a", "b")
    write_csv(tmp_path / "patients.csv", ["field", "patient"], [("a", "P1"), ("b", "P1")])
    with pytest.raises(ValueError, match="two patients or more"):
        divided(read(tmp_path))


def test_a_field_whose_corrections_were_undone_is_none(tmp_path):
    def person(session):
        session.correct(1, NEUTROPHIL)
        session.undo()

    correct_fields(tmp_path, "a", person=person)
    with pytest.raises(ValueError, match="received none among 1 results"):
        read(tmp_path)


@pytest.mark.parametrize("ending", ["_picture.png", "_corrected.png", "_cells.csv"])
def test_a_missing_file_is_named(tmp_path, ending):
    correct_fields(tmp_path, "a")
    next(tmp_path.glob(f"*/a{ending}")).unlink()
    with pytest.raises(FileNotFoundError, match=f"a{ending}: not there"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected the columns x"),
        ("class\n1\n", "expected the columns x"),
        ("x,y,width,height,class,correction\n1,2,3,4,cat,changed\n", "line 2: expected a box"),
        ("x,y,width,height,class,correction\n1,2,3,,,changed\n", "line 2: expected a box"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, text, expected):
    correct_fields(tmp_path, "a")
    next(tmp_path.glob("*/a_cells.csv")).write_text(text)
    with pytest.raises(ValueError, match="a_cells.csv.*" + expected):
        read(tmp_path)


def test_a_bank_lists_a_field_once_for_each_class_that_a_person_gave(tmp_path):
    def person(session):
        session.correct(1, NEUTROPHIL)
        session.correct(2, INFECTED_RBC)

    correct_fields(tmp_path / "panel", "a", person=person)
    bank = write(read(tmp_path / "panel"), tmp_path / "bank")
    assert [field.rarest for field in bank.fields] == ["neutrophil", "infected_rbc"]
    assert {field.split for field in bank.fields} == {"train"}
