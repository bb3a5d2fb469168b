import pytest
from box_formats import written

from bloodseg_lib.classes import CELL_CLASSES, class_by_key
from bloodseg_lib.samples.annotation.class_names import ClassNames, yolo_names
from bloodseg_lib.samples.extraction.masks import Unusable

NAMES = {0: "rbc", 1: "white cell", 2: "it's"}


def key_of(name):
    return CELL_CLASSES[ClassNames({}).id_of(name) - 1].key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("RBC", "healthy_rbc"),
        ("Red_Blood-Cells", "healthy_rbc"),
        ("healthy", "healthy_rbc"),
        ("Infected RBC", "infected_rbc"),
        ("rings", "infected_rbc"),
        ("Gametocyte", "infected_rbc"),
        ("PLATELETS", "thrombocyte"),
        ("Platelet clump", "platelet_clump"),
        ("Basophils", "basophil"),
    ],
)
def test_case_plural_blanks_and_signs_do_not_matter(name, key):
    assert key_of(name) == key


def test_each_class_has_its_own_key_and_name():
    assert all(key_of(c.key) == key_of(c.name) == c.key for c in CELL_CLASSES)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("WBC", "A white cell is of one of five classes"),
        ("Leukocytes", "A white cell is of one of five classes"),
        ("background", "No class has this name"),
        ("???", "No class has this name"),
        ("7", "No file of names was found"),
    ],
)
def test_a_name_of_no_class_says_so(name, why):
    with pytest.raises(Unusable, match=f"of no known class, '.*{why}"):
        ClassNames({}).id_of(name)


def test_a_person_decides_and_unused_names_are_known():
    names = ClassNames({"WBC": "Lymphocytes", "rbc": "infected", "cat": "monocyte"})
    assert ClassNames({"Blutpl\u00e4ttchen": "plt"}).id_of("Blutpla\u0308ttchen") == 6
    assert names.id_of("wbcs") == class_by_key("lymphocyte").id
    assert names.id_of("RBC") == class_by_key("infected_rbc").id
    assert names.unused == {"cat": "cat"}


@pytest.mark.parametrize(
    "text",
    [
        "path: x\nnc: 3\nnames: ['rbc', \"white cell\", it's]  # ours\ntrain: images\n",
        'names:\n- rbc\n- white cell\n- "it\'s"\nnc: 3\n',
        "names:\n  0: rbc\n  # between\n  1: white cell\n\n  2: it's\nval: y\n",
        "names: {0: rbc, 1: white cell, 2: it's}\n",
        "names: [rbc,\n  white cell,\n  it's]\n",
        "names: [\n  'rbc',\n  white cell,\n  \"it's\",\n]\nnc: 3\n",
        "names: {\n  0: rbc,\n  1: 'white cell', 2: \"it's\"\n}\n",
        "names:\n  - rbc\n  # of five classes\n  - white cell\n\n  - it's\n",
    ],
)
def test_names_of_a_yaml_are_found(tmp_path, text):
    written(tmp_path / "data.yaml", text)
    assert yolo_names(tmp_path / "labels" / "train", None) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "names: ['rbc, old', \"b, c\"]",
        "names: {0: 'rbc, old', 1: \"b, c\"}",
        "names:\n- rbc, old\n- b, c",
    ],
)
def test_a_comma_within_a_name_does_not_end_it(tmp_path, text):
    written(tmp_path / "data.yaml", text)
    assert yolo_names(tmp_path, None) == {0: "rbc, old", 1: "b, c"}


@pytest.mark.parametrize("name", ["classes.txt", "obj.names"])
def test_names_of_a_text_are_found(tmp_path, name):
    written(tmp_path / name, "rbc\nwhite cell\nit's\n\n")
    assert yolo_names(tmp_path, None) == NAMES


@pytest.mark.parametrize("text", ["", "names: []\n", "nc: 3\n"])
def test_a_file_without_names_is_refused(tmp_path, text):
    path = written(tmp_path / "data.yaml", text)
    with pytest.raises(ValueError, match=r"data\.yaml: expected names of classes"):
        yolo_names(tmp_path, path)
