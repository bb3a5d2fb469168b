"""What a prediction is asked for, and what is left out of it with a word."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from colour_network import write_colour_network
from pictures import write_image

from bloodseg_lib.cli import main
from bloodseg_lib.io import MOST_MEGAPIXELS, label_map_bytes, write_bytes, write_csv
from bloodseg_lib.prediction.cell_table import cell_table
from bloodseg_lib.prediction.inputs import Input, find_inputs
from bloodseg_lib.prediction.journal import Journal


def picture(path, value=0):
    """A picture of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((4, 5, 3), value, np.uint8))
    return path


def names(found):
    return [item.name for item in found]


def test_a_folder_gives_its_pictures_and_says_what_it_leaves_out(tmp_path):
    for number, name in enumerate(("b.png", "a.JPG", "deep/c.png")):
        picture(tmp_path / name, number)
    for name in ("notes.txt", "more.txt", "Thumbs.db", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    found, notes = find_inputs([tmp_path])
    assert names(found) == ["a.JPG", "b.png"]
    assert notes == [
        f"{tmp_path}: left out, as they are no pictures: 1 .db, 2 .txt.",
        f"{tmp_path}: left out, as -r is not given: subfolders 1.",
    ]
    found, notes = find_inputs([tmp_path], recursive=True)
    assert names(found) == ["a.JPG", "b.png", "c.png"] and len(notes) == 1


def test_links_to_folders_are_left_out_with_a_word(tmp_path):
    picture(tmp_path / "all" / "P1" / "a.png")
    picture(tmp_path / "elsewhere" / "b.png", 1)
    for name, to in (("P2", tmp_path / "elsewhere"), ("loop", tmp_path / "all")):
        (tmp_path / "all" / name).symlink_to(to, target_is_directory=True)
    found, notes = find_inputs([tmp_path / "all"], recursive=True)
    assert names(found) == ["a.png"]
    links = f"{tmp_path / 'all' / 'P2'}, {tmp_path / 'all' / 'loop'}"
    assert notes == [f"{tmp_path / 'all'}: left out, as they are links to folders: {links}."]
    assert names(find_inputs([tmp_path / "all" / "P2"], recursive=True)[0]) == ["b.png"]


def test_hidden_pictures_are_left_out_with_a_word_however_deep(tmp_path):
    for number, name in enumerate(("a.png", "._a.png", "deep/b.png", "deep/._b.png", ".x/c.png")):
        picture(tmp_path / name, number)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    found, notes = find_inputs([tmp_path], recursive=True)
    assert names(found) == ["a.png", "b.png"]
    assert notes == [f"{tmp_path}: left out, as their names begin with a dot: 3."]


def test_a_table_of_windows_lists_pictures_with_backslashes(tmp_path):
    picture(tmp_path / "deep" / "a.png")
    (tmp_path / "list.csv").write_text("sep=;\nPath;Patient\ndeep\\a.png;P1\n")
    found, _ = find_inputs([tmp_path / "list.csv"])
    assert [(item.name, item.patient) for item in found] == [("a.png", "P1")]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a.png,P1\n,P2\n", r"list\.csv, line 3: expected the path of a picture"),
        ("a.png,P1\na.png,P2\n", r"line 3: .* a\.png of P2, and of P1 in line 2"),
        ("a.png,P1\n./a.png,\n", r"line 3: .* \./a\.png of nobody, and of P1 in line 2"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_by_line(tmp_path, rows, words):
    picture(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text(f"path,patient\n{rows}")
    with pytest.raises(ValueError, match=words):
        find_inputs([tmp_path / "list.csv"])


def test_a_slide_of_a_maker_in_a_folder_is_not_left_out(tmp_path):
    (tmp_path / "slide.czi").write_bytes(b"ZISRAWFILE")
    assert names(find_inputs([tmp_path])[0]) == ["slide.czi"]


def test_a_table_lists_pictures_from_its_own_folder_with_their_patients(tmp_path):
    picture(tmp_path / "fields/a.png")
    picture(tmp_path / "fields/b.png", 1)
    rows = [["fields/a.png", "Müller"], ["fields/b.png", ""]]
    write_csv(tmp_path / "list.csv", ["path", "patient"], rows)
    found, _ = find_inputs([tmp_path / "list.csv"])
    assert [(item.path, item.patient) for item in found] == [
        (tmp_path / "fields/a.png", "Müller"),
        (tmp_path / "fields/b.png", ""),
    ]
    write_csv(tmp_path / "other.csv", ["slide"], [["a.png"]])
    with pytest.raises(
        ValueError,
        match=r"other\.csv: expected the columns path.*Missing: path\. Received slide\.",
    ):
        find_inputs([tmp_path / "other.csv"])


def test_folders_are_patients_if_it_is_said(tmp_path):
    for number, name in enumerate(("all/P1/day 2/a.png", "all/P1/b.png", "all/c.png", "P2/d.png")):
        picture(tmp_path / name, number)
    write_csv(tmp_path / "P2" / "list.csv", ["path", "patient"], [["d.png", "Müller"]])

    def patients(*paths, **options):
        return [item.patient for item in find_inputs(paths, recursive=True, **options)[0]]

    assert patients(tmp_path / "all", patient_folders=True) == ["P1", "P1", "all"]
    assert patients(tmp_path / "P2/d.png", patient_folders=True) == ["P2"]
    assert patients(tmp_path / "P2/list.csv", patient_folders=True) == ["Müller"]
    assert patients(tmp_path / "all") == ["", "", ""]
    picture(tmp_path / "Mu\u0308ller" / "e.png", 9)
    assert patients(tmp_path / "Mu\u0308ller", patient_folders=True) == ["M\u00fcller"]


def test_results_of_a_prediction_are_left_out_by_the_journal(tmp_path):
    made = {}
    for number, name in enumerate(("a.png", "a_overlay.png", "a_classes.png", "b.png")):
        made[name] = picture(tmp_path / name, number).read_bytes()
    Journal(tmp_path).add({}, {name: made[name] for name in made if name != "a.png"})
    picture(tmp_path / "a_classes.png", 9)  # corrected by hand
    for paths in ([tmp_path], sorted(tmp_path.glob("*.png"))):
        found, notes = find_inputs(paths)
        assert names(found) == ["a.png"]
        assert (
            "Left out, as a prediction made them: 3 (a_classes.png, a_overlay.png, b.png)." in notes
        )
    picture(tmp_path / "b.png", 4)  # a photograph of that name is none
    assert names(find_inputs([tmp_path / "b.png"])[0]) == ["b.png"]


def test_a_picture_of_one_s_own_with_the_name_of_a_result_is_taken_if_it_is_named(tmp_path):
    own = picture(tmp_path / "fluor_overlay.png")
    picture(tmp_path / "a.png", 1)
    found, notes = find_inputs([tmp_path])
    assert names(found) == ["a.png"]
    assert notes == [
        "Left out, as their names end as those of results do: 1 (fluor_overlay.png). If they are "
        "no results, name each of them, or rename them."
    ]
    taken = "Taken, though their names end as those of results do: 1 (fluor_overlay.png)."
    (tmp_path / "list.csv").write_text("path\nfluor_overlay.png\n")
    for paths in ([own], [tmp_path, own], [tmp_path / "list.csv"]):
        found, notes = find_inputs(paths)
        assert "fluor_overlay.png" in names(found) and taken in notes


def test_a_list_of_one_s_own_with_the_name_of_a_result_is_read(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "good_cells.csv").write_text("path,patient\na.png,A\n")
    found, _ = find_inputs([tmp_path / "good_cells.csv"])
    assert [(item.name, item.patient) for item in found] == [("a.png", "A")]


@pytest.mark.parametrize("comma", [False, True])
def test_results_that_were_moved_are_known_by_their_content(tmp_path, comma):
    (tmp_path / "a_classes.png").write_bytes(label_map_bytes(np.zeros((4, 5), np.uint8)))
    write_bytes(tmp_path / "a_cells.csv", cell_table([], comma).encode("utf-8-sig"))
    photo = picture(tmp_path / "photo.png")
    found, notes = find_inputs(sorted(tmp_path.iterdir()))
    assert [item.path for item in found] == [photo]
    assert notes == ["Left out, as a prediction made them: 2 (a_cells.csv, a_classes.png)."]


def test_a_picture_that_is_named_like_a_result_is_never_written_onto(tmp_path):
    checkpoint = write_colour_network(tmp_path / "network" / "best.npz")
    one, other = (picture(tmp_path / name, n) for n, name in enumerate(("a.png", "a_overlay.png")))
    before = other.read_bytes()
    how = ("--checkpoint", checkpoint, "--out", tmp_path, "--overwrite")
    done = run(one, other, *how)
    assert done.exit_code == 1 and "but this is one of the images" in done.output
    assert other.read_bytes() == before


def test_all_files_of_a_result_folder_are_left_out_whatever_their_kind(tmp_path):
    write_bytes(tmp_path / "a_cells.csv", cell_table([]).encode())
    for name in ("predicted.jsonl", "a_counts.json", "report.html"):
        (tmp_path / name).write_bytes(b"x")
    Journal(tmp_path).add({}, {"report.html": b"x"})
    photo = picture(tmp_path / "photo.png")
    found, notes = find_inputs([*sorted(tmp_path.iterdir())])
    assert [item.path for item in found] == [photo]
    names_of_three = "a_cells.csv, a_counts.json, predicted.jsonl"
    assert notes == [f"Left out, as a prediction made them: 4 ({names_of_three}, ...)."]


def test_nothing_but_results_is_an_error_that_says_so(tmp_path):
    (tmp_path / "a_classes.png").write_bytes(label_map_bytes(np.zeros((4, 5), np.uint8)))
    with pytest.raises(ValueError, match=r"a picture to segment.*a prediction made them: 1"):
        find_inputs([tmp_path])


def test_the_same_picture_twice_counts_once_and_is_said(tmp_path):
    one, other = picture(tmp_path / "a.png"), picture(tmp_path / "copy/b.png")
    found, notes = find_inputs([one, other, one])
    assert names(found) == ["a.png"]
    assert notes == [f"{other}: left out, as it is the same picture as {one}."]


def test_each_page_is_a_picture_of_its_own_if_asked_for(tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for value, side in ((1, 40), (2, 40), (3, 10)):  # the last is a thumbnail
            file.write(np.full((side, side, 3), value, np.uint8), photometric="rgb", metadata=None)
    picture(tmp_path / "b.png")
    found, _ = find_inputs([tmp_path / "a.tif", tmp_path / "b.png"], page="all")
    assert names(found) == ["a.tif, page 1", "a.tif, page 2", "b.png"]
    assert [item.read().pixels.max() for item in found] == [1, 2, 0]
    assert [item.own_path.name for item in found] == ["a_p1.tif", "a_p2.tif", "b.png"]
    assert find_inputs([tmp_path / "a.tif"], page="2")[0] == [Input(tmp_path / "a.tif", 2)]
    with pytest.raises(ValueError, match=r"--page with a number, or all. Received 'first'"):
        find_inputs([tmp_path / "a.tif"], page="first")


def test_what_tells_the_pixels_of_a_picture_are_its_bytes_its_page_and_its_level(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    one, other = Input(tmp_path / "a"), Input(tmp_path / "a", 2, level=1, patient="P7")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of FIPS 180-4
    assert one.made_of == {"image": digest}
    assert other.made_of == {"image": digest, "page": 2, "level": 1}
    assert other == Input(tmp_path / "a", 2) != one  # pages are different pictures


def run(*arguments):
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


def test_pages_and_notes_come_out_of_the_command(tmp_path):
    import tifffile

    checkpoint = write_colour_network(tmp_path / "network" / "best.npz")
    fields = [np.full((60, 60), value, np.uint8) for value in (200, 220)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image in fields:
            file.write(image, photometric="minisblack", metadata=None)
    write_bytes(tmp_path / "notes.txt", b"x")
    out = tmp_path / "out"
    done = run(tmp_path / "a.tif", "--checkpoint", checkpoint, "--out", out)
    assert done.exit_code == 1
    assert (
        "a.tif: expected one picture. Received 2 pages of 60 x 60. Choose one (--page 1 to 2)"
        in done.stderr
    )
    how = ("--checkpoint", checkpoint, "--out", out, "--page", "all")
    done = run(tmp_path, *how)
    assert done.exit_code == 0, done.output
    assert "left out, as they are no pictures: 1 .txt" in done.stderr
    assert "a.tif, page 2: It has no colour: stains cannot be told apart." in done.output
    written = {path.name for path in out.iterdir()}
    assert {"a_p1_counts.json", "a_p2_counts.json", "pooled_counts.json"} <= written
    again = run(tmp_path, *how)
    assert again.output.count("these results are there already") == 2
    assert "a.tif, page 2: It has no colour" in again.output
    lines = (out / "predicted.jsonl").read_text("utf-8").splitlines()
    made_of = [json.loads(line)["made_of"] for line in lines]
    assert [entry.get("page") for entry in made_of if entry.get("image")] == [1, 2]


def test_the_command_refuses_what_the_reader_refuses():
    option = next(p for p in main.commands["predict"].params if p.name == "max_megapixels")
    assert option.default == MOST_MEGAPIXELS


def test_an_address_of_the_web_is_told(tmp_path):
    checkpoint = write_colour_network(tmp_path / "network" / "best.npz")
    address = "https://example.org/a.png"
    done = run(address, "--checkpoint", checkpoint, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "This is an address of the web: download the picture" in done.output


def test_a_pattern_that_no_shell_has_expanded_names_its_files(tmp_path, monkeypatch):
    for number, name in enumerate(("b.png", "a.png", "c.jpg", "x[1].png")):
        picture(tmp_path / name, number)
    assert names(find_inputs([tmp_path / "?.png"])[0]) == ["a.png", "b.png"]
    assert names(find_inputs([tmp_path / "x[1].png"])[0]) == ["x[1].png"]
    picture(tmp_path / "deep" / "deeper" / "d.png", 7)
    assert len(find_inputs([tmp_path / "**" / "*.png"])[0]) == 4
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert find_inputs(["~/a.png"])[0][0].path == tmp_path / "a.png"


def test_an_address_of_a_file_is_its_path(tmp_path):
    path = picture(tmp_path / "a field.png")
    assert find_inputs([path.as_uri()])[0][0].path == path


def test_a_name_too_long_for_a_file_is_none_of_a_picture(tmp_path):
    """It is said when it is read, like any other that is not there."""
    (item,) = find_inputs([tmp_path / ("a" * 300 + ".png")])[0]
    with pytest.raises(FileNotFoundError, match="expected an image file"):
        item.read()


def test_a_folder_that_nobody_may_look_into_is_said_and_the_others_are_done(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    picture(tmp_path / "locked/b.png", 1)
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    found, notes = find_inputs([tmp_path], recursive=True)
    assert names(found) == ["a.png"]
    assert "locked: left out, this folder cannot be read: Permission denied." in notes[0]


def test_no_patient_is_called_as_all_of_them_are(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "list.csv").write_text("path,patient\na.png,(all)\n")
    with pytest.raises(ValueError, match=r"Received \(all\), which stands for all patients"):
        find_inputs([tmp_path / "list.csv"])
