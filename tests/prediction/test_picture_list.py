"""Lists of pictures as people write them."""

import os

import numpy as np
import pytest
from pictures import write_image

from bloodseg_lib.prediction.inputs import find_inputs


@pytest.fixture
def listed(tmp_path):
    """Names and patients of the pictures of a list, and its notes."""
    for number, name in enumerate(("a.png", "b,c.png", "deep/d.png", "deep/e.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, np.full((4, 5, 3), number, np.uint8))

    def read(text, name="list.csv"):
        (tmp_path / name).write_text(text, "utf-8")
        found, notes = find_inputs([tmp_path / name])
        where = f"{tmp_path / name}: "
        pictures = [(item.path.relative_to(tmp_path).as_posix(), item.patient) for item in found]
        return pictures, [note.replace(where, "") for note in notes]

    return read


@pytest.mark.parametrize("path", ["path", "Path", "file", "File name", "FILENAME", "image_path"])
@pytest.mark.parametrize("patient", ["patient", "patient_id", "Patient ID", "PatientID", "subject"])
def test_usual_names_of_columns_are_known(listed, path, patient):
    assert listed(f"{path},{patient}\na.png,A\n") == ([("a.png", "A")], [])


def test_columns_that_are_ignored_are_said(listed):
    assert listed("path,age,who\na.png,7,A\n") == (
        [("a.png", "")],
        ["columns that were ignored: age, who. Read: path; none names the patient."],
    )
    both = listed("image,patient_id,patient,path\nx.png,B,A,a.png\n")
    assert both == (
        [("a.png", "A")],
        ["columns that were ignored: image, patient_id. Read: path and patient."],
    )


def test_accents_may_be_spelled_otherwise(tmp_path):
    """A Mac takes them apart, people type them whole."""
    write_image(tmp_path / "fa\u0308ld.png", np.zeros((4, 5, 3), np.uint8))
    write_image(tmp_path / "b.png", np.ones((4, 5, 3), np.uint8))
    rows = "path,patient\nf\u00e4ld.png,Mu\u0308ller\nb.png,M\u00fcller\n"
    (tmp_path / "list.csv").write_text(rows, "utf-8")
    found, _ = find_inputs([tmp_path / "list.csv"])
    assert [item.path.name for item in found] == ["fa\u0308ld.png", "b.png"]
    assert [item.patient for item in found] == ["M\u00fcller"] * 2


def test_upright_bars_and_comments_are_understood(listed):
    assert listed("# mine; of May\n\npath|patient\na.png|A\n")[0] == [("a.png", "A")]
    assert listed("path,patient\na.png,A\n# of June,\n") == (
        [("a.png", "A")],
        ["left out, as comments: lines 3."],
    )
    assert listed("#,path\n1,a.png\n")[0] == [("a.png", "")]


@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_a_text_of_paths_needs_no_headings(listed, name):
    text = '# mine\na.png\n\n"b,c.png"\ndeep\\d.png\n'
    pictures, notes = listed(text, name)
    assert pictures == [("a.png", ""), ("b,c.png", ""), ("deep/d.png", "")]
    assert notes == ["left out, as comments: lines 1."]


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("picture of,patient\na.png,A\n", "picture of, patient"),
        ("a.png,A\n", "a.png, A"),
        ("", "none"),
        (",x\n1,2\n", "one without a name, x"),
        (",".join(map(str, range(14))) + "\n", "10, 11 and 2 more"),
    ],
)
def test_a_list_without_paths_is_refused_with_the_columns_it_has(listed, text, received):
    with pytest.raises(
        ValueError, match=rf"expected the columns path and.*Received .*{received}\. Write them"
    ):
        listed(text)


def test_a_list_of_nothing_is_said(listed):
    with pytest.raises(ValueError, match=r"list\.csv: there is no picture in this list"):
        listed("path\n")


def test_folders_and_patterns_are_those_of_an_argument(listed):
    both = [("deep/d.png", "A"), ("deep/e.png", "A")]
    assert listed("path,patient\ndeep,A\n")[0] == both
    assert listed("path,patient\ndeep/*.png,A\n")[0] == both
    assert listed("path,patient\nd*,A\n")[0] == both
    with pytest.raises(ValueError, match=r"line 3: .* deep/\*\.png of B, and of A in line 2"):
        listed("path,patient\ndeep,A\ndeep/*.png,B\n")


def test_the_folder_of_a_list_may_look_like_a_pattern(tmp_path):
    folder = tmp_path / "x[1]"
    folder.mkdir()
    write_image(folder / "a.png", np.zeros((4, 5, 3), np.uint8))
    (folder / "list.csv").write_text("path\n*.png\n")
    assert find_inputs([folder / "list.csv"])[0][0].path == folder / "a.png"


def test_an_address_of_the_web_in_a_list_is_told_as_in_an_argument(tmp_path):
    (tmp_path / "list.csv").write_text("path\nhttps://example.org/a.png\n")
    (item,) = find_inputs([tmp_path / "list.csv"])[0]
    with pytest.raises(FileNotFoundError, match=r"^https://example.org/a.png: .*address of the we"):
        item.read()


def test_a_picture_that_is_named_like_a_list_is_a_picture(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint8))
    (tmp_path / "a.png").rename(tmp_path / "a.csv")
    (item,) = find_inputs([tmp_path / "a.csv"])[0]
    assert item.read().pixels.shape == (4, 5, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_no_list(tmp_path):
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(FileNotFoundError, match="list of pictures, this is a pipe"):
        find_inputs([tmp_path / "list.csv"])
