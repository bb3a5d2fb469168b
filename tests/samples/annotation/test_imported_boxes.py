"""Boxes of other tools on a drawn field, whose red cells are 41 pixels across."""

import json
import re

import numpy as np
import pytest
from box_formats import FORMATS, coco, geojson, labelme, voc, written, yolo
from click.testing import CliRunner
from drawn_fields import drawn_field
from pictures import write_image
from PIL import Image

from bloodseg_lib.classes import Box, class_by_key
from bloodseg_lib.cli import main
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.samples.annotation.imported_boxes import import_boxes
from bloodseg_lib.samples.annotation.panel import AnnotationPanel
from bloodseg_lib.samples.extraction.boxes import CellBox, read_boxes
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.samples.sources import own_fields

SIZE = (400, 320)
DRAWN = [
    ("RBC", 228, 18, 45, 45),
    ("red blood cells", 298, 18, 45, 45),
    ("Healthy_RBC", 18, 138, 45, 45),
    ("trophozoite", 158, 78, 45, 45),
    ("Platelets", 365, 60, 21, 21),
    ("NEUTROPHIL", 343, 253, 55, 55),
]
KEYS = ("healthy_rbc",) * 3 + ("infected_rbc", "thrombocyte", "neutrophil")
EXPECTED = [
    CellBox("f.png", Box(*box), class_by_key(key).id, 45.0)
    for (_, *box), key in zip(DRAWN, KEYS, strict=True)
]


@pytest.fixture
def folder(tmp_path):
    write_image(tmp_path / "f.png", drawn_field())
    return tmp_path


def table(folder, *files, **options):
    """What is imported into the folder: the boxes as they are read back, and the notes."""
    made = import_boxes(files or [folder], folder / "boxes.csv", **options)
    assert read_boxes(folder / "boxes.csv", with_rbc=True) == made.boxes
    return made.boxes, "\n".join(made.notes)


def refused(folder, *files, **options):
    """What is said where nothing is imported."""
    with pytest.raises(ValueError) as error:
        import_boxes(files or [folder], folder / "boxes.csv", **options)
    assert not (folder / "boxes.csv").exists()
    return str(error.value)


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_gives_the_same_table(folder, write):
    write(folder, "f.png", SIZE, DRAWN)
    assert table(folder) == (EXPECTED, "")


@pytest.mark.parametrize("write", FORMATS)
def test_pictures_in_a_folder_beside_the_labels_are_found(tmp_path, write):
    write_image(tmp_path / "images" / "train" / "f.png", drawn_field())
    write(tmp_path / "labels" / "train", "f.png", SIZE, DRAWN)
    boxes, _ = table(tmp_path)
    assert {box.field for box in boxes} == {"images/train/f.png"}
    assert [box.box for box in boxes] == [box.box for box in EXPECTED]


def test_folders_above_may_be_called_labels_too(tmp_path):
    folder = tmp_path / "labels" / "mine"
    write_image(folder / "images" / "train" / "f.png", drawn_field())
    yolo(folder / "labels" / "train", "f.png", SIZE, DRAWN)
    assert {box.field for box in table(folder)[0]} == {"images/train/f.png"}


def test_own_fields_their_scores_and_the_panel_read_the_table(folder):
    voc(folder / "Annotations", "f.png", SIZE, DRAWN)
    table(folder)
    cells = [item for item in own_fields.read(folder) if isinstance(item, CellSample)]
    assert {cell.class_id for cell in cells} == {class_by_key(key).id for key in KEYS}
    (scored,) = annotated.read("own", folder)
    assert [cell.box for cell in scored.boxes] == [cell.box for cell in EXPECTED]
    assert AnnotationPanel(folder, folder / "boxes.csv").result == EXPECTED


def test_the_command_says_what_it_took_and_what_it_left(folder):
    coco(folder, "f.png", SIZE, [*DRAWN, ("WBC", 343, 253, 50, 50), ("WBC", 9, 9, 9, 9)])
    arguments = ["boxes", str(folder / "coco.json"), "--out", str(folder / "boxes.csv")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "2 left out, of no known class, 'WBC'. A white cell is of one of five" in done.output
    assert f"6 boxes of 1 fields in {folder / 'boxes.csv'}." in done.output
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "boxes.csv: is there already, perhaps with a person's corrections." in again.output


def test_the_command_takes_a_name_as_a_person_says(folder):
    coco(folder, "f.png", SIZE, [("WBC", 343, 253, 50, 50)])
    options = ["--as", "wbc=neutrophil", "--as", "cat=monocyte", "--rbc-diameter", "40"]
    arguments = ["boxes", str(folder), "--out", str(folder / "boxes.csv"), *options]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "no box is called cat" in done.output
    (cell,) = read_boxes(folder / "boxes.csv", with_rbc=True)
    assert (cell.class_id, cell.rbc_diameter_px) == (class_by_key("neutrophil").id, 40)


def test_a_class_that_does_not_exist_is_refused(folder):
    coco(folder, "f.png", SIZE, DRAWN)
    said = refused(folder, named={"WBC": "leukocyte"})
    assert "KEY one of eosinophil" in said
    assert "Received WBC=leukocyte" in said


def test_edges_are_rounded_outward_but_for_what_tools_round(folder):
    coco(folder, "f.png", SIZE, [("rbc", 10.5, 20.01, 30.2, 30.03)])
    (cell,), _ = table(folder, rbc_diameter_px=40)
    assert cell.box == Box(10, 20, 31, 30)


def test_a_box_that_reaches_a_little_beyond_the_picture_is_cut(folder):
    coco(folder, "f.png", SIZE, [("rbc", -4, 285, 40, 40)])
    (cell,), _ = table(folder, rbc_diameter_px=40)
    assert cell.box == Box(0, 285, 36, 35)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((390, 10, 40, 40), "box outside the field. .*annotation 1: expected a box within"),
        ((10, 10, 0, 40), r"without width or height. annotation 1: .*10, 10 to 10, 50"),
        ((10, 10, -5, 40), "without width or height"),
        ((0.1, 0.2, 0.1, 0.1), "without width or height.* not fractions of the picture"),
        ((10, 10, float("nan"), 40), "not readable. annotation 1: .*nan"),
        ((10, 10, 1e300, 40), "not readable"),
        ((10, "10", 40, 40), "not readable"),
        ((10, 10, True, 40), "not readable"),
    ],
)
def test_a_box_that_cannot_be_is_left_out_with_its_reason(folder, box, expected):
    path = coco(folder, "f.png", SIZE, DRAWN[:1])
    content = json.loads(path.read_text())
    content["annotations"].insert(0, content["annotations"][0] | {"bbox": list(box)})
    path.write_text(json.dumps(content))
    boxes, said = table(folder, rbc_diameter_px=45)
    assert boxes == EXPECTED[:1]
    assert re.search(rf"coco\.json: 1 left out, {expected}", said)


def test_the_same_box_again_is_taken_once(folder):
    coco(folder, "f.png", SIZE, [*DRAWN, DRAWN[0]])
    boxes, said = table(folder)
    assert boxes == EXPECTED
    assert "1 left out, a second time. The first is 228,18,45,45 of f.png." in said


def test_files_that_agree_about_a_field_count_once(folder):
    voc(folder, "f.png", SIZE, DRAWN)
    yolo(folder, "f.png", SIZE, DRAWN)
    assert table(folder) == (EXPECTED, "")


def test_files_that_differ_about_a_field_are_refused(folder):
    voc(folder, "f.png", SIZE, DRAWN)
    coco(folder, "f.png", SIZE, DRAWN[1:])
    said = refused(folder)
    assert said.startswith("f.png: expected its boxes in one file. Received others in ")
    assert "f.xml" in said and "coco.json" in said


def test_a_picture_that_is_missing_is_named_with_how_many_boxes_it_has(folder):
    voc(folder, "f.png", SIZE, DRAWN)
    voc(folder, "other.png", SIZE, DRAWN[:2])
    boxes, said = table(folder)
    assert boxes == EXPECTED
    assert "other.xml: 2 left out, without a picture to read. Expected 'other.png' in" in said


def test_pictures_outside_the_folder_of_the_table_are_named(tmp_path):
    write_image(tmp_path / "pictures" / "f.png", drawn_field())
    coco(tmp_path / "pictures", "f.png", SIZE, DRAWN)
    (tmp_path / "tables").mkdir()
    said = refused(tmp_path / "tables", tmp_path / "pictures" / "coco.json")
    assert str(tmp_path / "pictures" / "f.png") in said
    assert "--out FOLDER/boxes.csv" in said


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "/etc/secret.png", "C:\\x\\secret.png", "a\0b.png", "x" * 999 + ".png"],
)
def test_a_name_that_leads_out_of_the_folder_leads_nowhere(tmp_path, name):
    write_image(tmp_path / "secret.png", drawn_field())
    coco(tmp_path / "fields", name, SIZE, DRAWN)
    assert "6 left out, without a picture to read" in refused(tmp_path / "fields")


def test_two_pictures_that_the_labels_may_belong_to_are_named(folder):
    write_image(folder / "f.jpg", drawn_field())
    yolo(folder, "f.png", SIZE, DRAWN)
    assert f"Received {folder / 'f.jpg'} and {folder / 'f.png'}." in refused(folder)
    assert not table(folder, coco(folder, "f.png", SIZE, DRAWN))[1]


@pytest.mark.parametrize(
    ("told", "there"),
    [
        ("/data/upload/1/a%20b.png", "a b.png"),
        ("/data/local-files/?d=a%20b.png", "a b.png"),
        ("/data/local-files/?d=C%3A%5Cfields%5Cf.png", "f.png"),
        ("C:\\fields\\f.png", "f.png"),
        ("100%25.png", "100%25.png"),
        ("gro\u00df.png", "gro\u00df.png"),
        ("f\u00e4ld \u00fc/f\u00e4ld.png", "fa\u0308ld u\u0308/fa\u0308ld.png"),
        ("fa\u0308ld.png", "f\u00e4ld.png"),
        ("F.PNG", "f.png"),
    ],
)
def test_a_picture_is_found_however_its_name_is_spelled(tmp_path, told, there):
    write_image(tmp_path / there, drawn_field())
    coco(tmp_path, told, SIZE, DRAWN)
    boxes, said = table(tmp_path)
    assert {box.field for box in boxes} == {there}
    assert said == ""


def test_names_that_differ_in_case_only_are_told_apart(folder):
    if (folder / "F.png").exists():
        pytest.skip("this disk does not tell them apart")
    write_image(folder / "F.png", drawn_field())
    yolo(folder, "F.png", SIZE, DRAWN)
    assert {box.field for box in table(folder)[0]} == {"F.png"}


def test_pictures_of_two_folders_of_which_one_is_there_are_left_out(folder):
    path = coco(folder, "p1/f.png", SIZE, DRAWN)
    content = json.loads(path.read_text())
    content["images"].append(content["images"][0] | {"id": 8, "file_name": "p2/f.png"})
    content["annotations"].append(content["annotations"][0] | {"image_id": 8})
    path.write_text(json.dumps(content))
    said = refused(folder)
    assert (
        "7 left out, without a picture to read. Expected one picture for each of 'p1/f.png'" in said
    )
    write_image(folder / "p2" / "f.png", drawn_field())
    assert {box.field for box in table(folder, rbc_diameter_px=41)[0]} == {"f.png", "p2/f.png"}


def test_a_picture_that_cannot_be_read_costs_the_others_nothing(folder):
    (folder / "g.png").write_bytes(b"no picture")
    voc(folder, "f.png", SIZE, DRAWN)
    voc(folder, "g.png", SIZE, DRAWN)
    boxes, said = table(folder)
    assert boxes == EXPECTED
    assert re.search(r"g\.png: 6 left out, without a picture to read.*expected an image", said)


@pytest.mark.parametrize(
    ("size", "mend"),
    [((800, 640), "Take that picture, or draw"), ((320, 400), "or save it upright, and draw")],
)
def test_boxes_of_a_picture_of_another_size_are_left_out(folder, size, mend):
    voc(folder, "f.png", size, DRAWN)
    said = refused(folder)
    assert f"Received those of a picture of {size[0]} x {size[1]}." in said
    assert mend in said


def test_a_size_that_is_not_told_is_not_compared(folder):
    voc(folder, "f.png", (0, 0), DRAWN)
    assert table(folder) == (EXPECTED, "")


def test_a_photograph_that_is_turned_is_taken_upright_and_said(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(drawn_field())).save(tmp_path / "f.png", exif=exif)
    yolo(tmp_path, "f.png", SIZE, DRAWN)
    boxes, said = table(tmp_path)
    assert boxes == EXPECTED
    assert said.startswith("f.png: its file says that it is to be turned.")


def test_boxes_drawn_on_the_photograph_before_it_was_turned_are_left_out(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(drawn_field())).save(tmp_path / "f.png", exif=exif)
    coco(tmp_path, "f.png", SIZE[::-1], DRAWN)
    said = refused(tmp_path)
    assert "drawn on its 400 x 320 pixels. Received those of a picture of 320 x 400" in said
    assert "save it upright" in said


def test_pictures_without_boxes_are_counted(folder):
    voc(folder, "f.png", SIZE, DRAWN)
    voc(folder, "g.png", SIZE, [])
    assert table(folder)[1] == "Pictures without a box, which no table names: 1."


def test_the_diameter_is_measured_where_no_red_cells_are_boxed(folder):
    coco(folder, "f.png", SIZE, DRAWN[4:])
    boxes, _ = table(folder)
    assert boxes[0].rbc_diameter_px == pytest.approx(41, abs=1.5)


def test_a_field_of_unknown_scale_is_left_out_with_the_mend(tmp_path):
    write_image(tmp_path / "f.png", np.full((320, 400, 3), 250, np.uint8))
    coco(tmp_path, "f.png", SIZE, DRAWN[4:])
    said = refused(tmp_path)
    assert "f.png: 2 left out, in a field of unknown scale." in said
    assert "Give --rbc-diameter." in said
    assert refused(tmp_path, rbc_diameter_px=float("nan")).startswith("Expected the diameter")


def test_a_number_beyond_the_names_is_left_out(folder):
    yolo(folder, "f.png", SIZE, DRAWN)
    written(folder / "classes.txt", "rbc\nrbc\nrbc\ntrophozoite\n")
    boxes, said = table(folder)
    assert [box.class_id for box in boxes] == [9, 9, 9, 8]
    assert "f.txt: 2 left out, of a number without a name. Expected one of 4 classes" in said


def test_numbers_without_names_are_as_a_person_says(folder):
    yolo(folder, "f.png", SIZE, DRAWN)
    (folder / "classes.txt").unlink()
    assert "'3'. No file of names was found for this number" in refused(folder)
    boxes, _ = table(folder, named={"0": "healthy", "3": "infected"})
    assert [box.class_id for box in boxes] == [9, 8]


def test_names_that_are_given_come_before_those_beside(folder):
    yolo(folder, "f.png", SIZE, DRAWN)
    names = written(folder / "names" / "mine.txt", "\n".join(["platelet"] * 6))
    boxes, _ = table(folder, folder / "f.txt", folder / "classes.txt", classes=names)
    assert {box.class_id for box in boxes} == {class_by_key("thrombocyte").id}


def test_a_file_of_no_kind_of_boxes_is_refused(folder):
    assert "expected a file of boxes" in refused(folder, folder / "f.png")
    with pytest.raises(FileNotFoundError, match=r"none\.json: expected a file"):
        import_boxes([folder / "none.json"], folder / "boxes.csv")


def test_a_path_where_nothing_is_and_a_folder_without_boxes_are_told_apart(folder):
    assert "of them at any depth. Received a path where" in refused(folder, folder / "lables")
    said = refused(folder)
    assert "Received no such file. Export COCO" in said and str(folder) in said


def test_what_a_folder_holds_beside_boxes_is_said(folder):
    labelme(folder, "f.png", SIZE, DRAWN)
    written(folder / "README.txt", "Export of 2026")
    written(folder / "settings.json", "[1]")
    written(folder / "page.xml", "<html/>")
    written(folder / ".hidden.json", "no JSON")
    boxes, said = table(folder)
    assert boxes == EXPECTED
    assert said.count("1 left out, no file of boxes. Expected") == 3


def test_doubts_of_people_and_networks_are_said(folder):
    path = voc(folder, "f.png", SIZE, DRAWN)
    path.write_text(path.read_text().replace("<difficult>0<", "<difficult>1<", 1))
    assert table(folder) == (EXPECTED, "1 that are marked difficult were taken.")


def test_geojson_that_is_named_as_we_export_it_finds_its_picture(folder):
    geojson(folder, "f_cells.png", SIZE, DRAWN)
    assert table(folder)[0] == EXPECTED
