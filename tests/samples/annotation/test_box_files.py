"""What files of other tools may hold: good, doubtful, damaged and hostile."""

import json

import numpy as np
import pytest
from box_formats import coco, geojson, labelme, voc, written, yolo

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.interchange import exported_files
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import Segmentation
from bloodseg_lib.samples.annotation.box_files import (
    CROWD,
    DIFFICULT,
    NO_AREA,
    NOT_BOXES,
    UNCERTAIN,
    UNREADABLE,
    BoxFile,
)

SIZE = (100, 80)
BOXES = [("rbc", 10, 20, 30, 40), ("wbc", 50, 10, 20, 20)]
EDGES = [(10, 20, 40, 60), (50, 10, 70, 30)]


def read(path):
    """The sheets of a file, and reasons and details of what it leaves."""
    left = []
    sheets = BoxFile(path, lambda _, error: left.append((error.reason, error.detail))).sheets()
    return sheets, left


def read_one(path):
    """The cells of a file of one picture that leaves nothing."""
    (sheet,), left = read(path)
    assert left == []
    return sheet.cells


def shape(tmp_path, **changed):
    path = labelme(tmp_path, "f.png", SIZE, BOXES[:1])
    content = json.loads(path.read_text())
    content["shapes"][0] |= changed
    return written(path, json.dumps(content))


def annotation(tmp_path, **changed):
    path = coco(tmp_path, "f.png", SIZE, BOXES)
    content = json.loads(path.read_text())
    content["annotations"][0] |= changed
    return written(path, json.dumps(content))


@pytest.mark.parametrize(
    ("kind", "points", "edges"),
    [
        ("rectangle", [[40, 60], [10, 20]], (10, 20, 40, 60)),
        ("polygon", [[10, 30], [25.5, 20], [40, 60]], (10, 20, 40, 60)),
        ("circle", [[30, 40], [33, 44]], (25, 35, 35, 45)),
        ("mask", [[10, 20], [39, 59]], (10, 20, 40, 60)),
        ("rotation", [[10, 30], [20, 20], [30, 30], [20, 40]], (10, 20, 30, 40)),
    ],
)
def test_a_shape_of_labelme_has_a_box_around_it(tmp_path, kind, points, edges):
    (cell,) = read_one(shape(tmp_path, shape_type=kind, points=points))
    assert cell.edges == edges


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", None, 3, ["circle"]])
def test_a_shape_without_an_area_is_left(tmp_path, kind):
    _, ((reason, detail),) = read(shape(tmp_path, shape_type=kind))
    assert reason == NO_AREA
    assert detail.startswith("shape 1: expected polygon, rectangle")


@pytest.mark.parametrize(
    "changed",
    [
        {"points": []},
        {"points": [[1, 2, 3], "ab"]},
        {"points": [["1", "2"], ["3", "4"]]},
        {"points": [[1, 2], [float("nan"), 3], [5, 6]]},
        {"points": [[1, 2], [10**400, 3]]},
        {"points": None},
        {"label": 7},
        {"shape_type": "circle", "points": [[1, 2]]},
    ],
)
def test_a_shape_that_is_none_is_left_with_what_was_received(tmp_path, changed):
    (sheet,), ((reason, detail),) = read(shape(tmp_path, **changed))
    assert sheet.cells == []
    assert reason == UNREADABLE
    assert "shape 1: expected shape with label and points (numbers). Received {" in detail


@pytest.mark.parametrize(
    "changed",
    [
        {"bbox": [1, 2, 3]},
        {"bbox": "1234"},
        {"bbox": {"x": 1}},
        {"bbox": [], "segmentation": {"counts": [1], "size": [2, 2]}},
        {"bbox": None},
        {"image_id": 99},
        {"image_id": [7]},
        {"category_id": {}},
    ],
)
def test_an_annotation_of_coco_that_is_none_is_left(tmp_path, changed):
    (sheet,), ((reason, detail),) = read(annotation(tmp_path, **changed))
    assert [cell.edges for cell in sheet.cells] == EDGES[1:]
    assert reason == UNREADABLE
    assert detail.startswith("annotation 1: expected annotation with image_id")


@pytest.mark.parametrize("number", ["7", 7.0])
def test_an_id_may_be_written_otherwise(tmp_path, number):
    assert read_one(annotation(tmp_path, image_id=number))[0].edges == EDGES[0]


@pytest.mark.parametrize(
    ("key", "second", "both"),
    [
        ("images", {"id": 7, "file_name": "g.png"}, "'f.png' and 'g.png'"),
        ("categories", {"id": "0", "name": "ring"}, "'rbc' and 'ring'"),
    ],
)
def test_an_id_of_two_is_refused(tmp_path, key, second, both):
    path = coco(tmp_path, "f.png", SIZE, BOXES)
    content = json.loads(path.read_text())
    content[key].append(content[key][0])  # the same once more does no harm
    read_one(written(path, json.dumps(content)))
    content[key].append(second)
    with pytest.raises(ValueError, match=f"expected an id of its own .* for {both}: files were"):
        read(written(path, json.dumps(content)))


@pytest.mark.parametrize(
    ("degrees", "edges"),
    [(0, (10, 20, 40, 60)), (90, (5, 25, 45, 55)), (-180.0, (10, 20, 40, 60))],
)
def test_a_box_of_cvat_that_is_turned_has_a_box_around_it(tmp_path, degrees, edges):
    of_coco = annotation(tmp_path, attributes={"occluded": False, "rotation": degrees})
    assert read_one(of_coco)[0].edges == pytest.approx(edges)
    path, told = (
        voc(tmp_path, "f.png", SIZE, BOXES),
        f"<name>rotation</name><value>{degrees}</value>",
    )
    told = f"<attributes><attribute>{told}</attribute></attributes></object>"
    of_voc = written(path, path.read_text().replace("</object>", told, 1))
    assert [cell.edges for cell in read_one(of_voc)] == [pytest.approx(edges), EDGES[1]]


@pytest.mark.parametrize("degrees", ["x", float("nan"), [1]])
def test_a_turn_that_is_no_number_is_left(tmp_path, degrees):
    _, ((reason, _),) = read(annotation(tmp_path, attributes={"rotation": degrees}))
    assert reason == UNREADABLE


def test_features_of_qupath_need_no_collection(tmp_path):
    path = geojson(tmp_path, "f.png", SIZE, BOXES)
    features = json.loads(path.read_text())["features"]
    assert [c.edges for c in read_one(written(path, json.dumps(features)))] == EDGES
    assert [c.edges for c in read_one(written(path, json.dumps(features[0])))] == EDGES[:1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cvat.xml", "<annotations><image/></annotations>"),
        ("label_studio.json", '[{"image": "f.png", "label": []}]'),
        ("via.json", '{"f.png12": {"regions": []}}'),
    ],
)
def test_another_tool_is_told_what_to_export(tmp_path, name, text):
    _, ((reason, detail),) = read(written(tmp_path / name, text))
    assert reason == NOT_BOXES
    assert detail.startswith("Expected COCO") and detail.endswith("export it as one of these.")


def test_a_crowd_is_no_cell(tmp_path):
    _, ((reason, _),) = read(annotation(tmp_path, iscrowd=1))
    assert reason == CROWD


def test_a_category_that_is_not_listed_has_its_number_for_a_name(tmp_path):
    assert read_one(annotation(tmp_path, category_id=44))[0].name == "category 44"


def test_voc_that_counts_from_0_begins_in_the_picture(tmp_path):
    path = voc(tmp_path, "f.png", SIZE, [("rbc", -1, -1, 31, 41)])
    assert read_one(path)[0].edges == (0, 0, 30, 40)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "1e9"])
def test_an_object_of_voc_without_numbers_is_left(tmp_path, value):
    path = voc(tmp_path, "f.png", SIZE, BOXES)
    written(path, path.read_text().replace("<xmin>11<", f"<xmin>{value}<"))
    (sheet,), ((reason, detail),) = read(path)
    assert [cell.name for cell in sheet.cells] == ["wbc"]
    assert (reason, detail[:41]) == (UNREADABLE, "object 1: expected object with name and b")


def test_what_is_difficult_is_marked(tmp_path):
    path = voc(tmp_path, "f.png", SIZE, BOXES)
    written(path, path.read_text().replace("<difficult>0<", "<difficult>1<", 1))
    assert [cell.mark for cell in read_one(path)] == [DIFFICULT, ""]


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 1.2 0.1",
        "0 50 40 30 20",
        "0 0.5 0.5 0.1",
        "0 .1 .1 .2 .2 .3 .3 .4",
        "0 nan 0.5 0.1 0.1",
        "0.5 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "0 0.5 0.5 0.1 x",
        "0",
    ],
)
def test_a_line_of_yolo_that_is_none_is_left(tmp_path, line):
    path = yolo(tmp_path, "f.png", SIZE, BOXES)
    written(path, f"{path.read_text()}\n\n{line}\n")
    (sheet,), ((reason, detail),) = read(path)
    assert len(sheet.cells) == 2
    assert reason == UNREADABLE
    assert detail.startswith("line 4: expected line 'class x y width height'")
    assert detail.endswith(f"Received {line!r}. Correct it.")


def test_how_sure_a_network_of_yolo_was_is_no_coordinate(tmp_path):
    path = written(tmp_path / "f.txt", "3 0.5 0.5 0.5 0.25 0.91\n")
    assert read_one(path)[0][:2] == ("3", (0.25, 0.375, 0.75, 0.625))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{}"),
        ("a.json", "[{}]"),
        ("a.json", "7"),
        ("a.xml", "<html/>"),
        ("a.txt", "a/b.png\nc.png\n"),
    ],
)
def test_a_file_of_something_else_is_said(tmp_path, name, text):
    sheets, ((reason, detail),) = read(written(tmp_path / name, text))
    assert sheets == []
    assert reason == NOT_BOXES
    assert detail.startswith("Expected ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"images": ['),
        ("a.json", ""),
        ("a.json", '{"shapes": ' + 100_000 * "["),
        ("a.json", '{"annotations": [], "images": [{}]}'),
        ("a.json", '{"annotations": [], "images": [{"id": [1], "file_name": "f.png"}]}'),
        ("a.json", '{"annotations": [], "images": [{"id": 1, "file_name": 7}]}'),
        ("a.json", '{"annotations": 7, "images": []}'),
        ("a.json", '{"shapes": 7}'),
        ("a.json", '{"shapes": [], "imagePath": 7}'),
        ("a.json", '{"features": null}'),
        ("a.json", "1" + 5000 * "0"),
        ("a.xml", "<annotation>"),
        ("a.xml", ""),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, name, text):
    with pytest.raises(ValueError, match=rf"{name}: expected COCO .*Received one that is damaged"):
        read(written(tmp_path / name, text))


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY b "bb">]>',
        '<?xml version="1.0"?><!doctype annotation SYSTEM "file:///etc/passwd">',
        '<!ENTITY % c SYSTEM "http://example.org/c">',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_with_entities_is_refused_before_it_is_read(tmp_path, head, encoding):
    (tmp_path / "a.xml").write_bytes(f"{head}<annotation>&b;</annotation>".encode(encoding))
    with pytest.raises(ValueError, match=r"a\.xml: expected XML of Pascal VOC\. Received one with"):
        read(tmp_path / "a.xml")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_in_other_encodings_are_read(tmp_path, encoding):
    files = [
        voc(tmp_path, "f.png", SIZE, BOXES),
        labelme(tmp_path, "f.png", SIZE, BOXES),
        yolo(tmp_path, "f.png", SIZE, BOXES),
    ]
    for path in files:
        path.write_bytes(path.read_text().encode(encoding))
        assert len(read_one(path)) == 2


def test_xml_that_names_another_encoding_than_it_has_is_read(tmp_path):
    path = voc(tmp_path, "f.png", SIZE, [("Zelle ä", 1, 1, 9, 9)])
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>' + path.read_text("utf-8")
    path.write_bytes(text.encode("cp1252"))
    assert read_one(path)[0].name == "Zelle ä"


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"shapes": "\0"}')
    with pytest.raises(ValueError, match=r"a\.json: expected a text"):
        read(tmp_path / "a.json")


def test_a_file_that_is_too_long_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "a.json", "wb") as file:
        file.truncate(129 << 20)
    with pytest.raises(ValueError, match=r"a\.json: expected up to 128 MiB\. Received 129"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["coco", "geojson"])
def test_what_predict_exports_is_read_back(tmp_path, name):
    labels = np.zeros((80, 160), np.uint8)
    labels[20:54, 20:54], labels[22:56, 90:124] = INFECTED_RBC, HEALTHY_RBC
    probabilities = np.eye(10, dtype=np.float16)[labels]
    counts = count_cells(labels, probabilities)
    segmentation = Segmentation(labels, probabilities, AT_40X)
    ((file, data),) = exported_files([name], segmentation, counts, "a", "a.jpg").items()
    (tmp_path / file).write_bytes(data)
    (sheet,), left = read(tmp_path / file)
    assert left == []
    assert [cell.edges for cell in sheet.cells] == [(20, 20, 54, 54), (90, 22, 124, 56)]
    assert "a" in {picture.removesuffix(".jpg") for picture in sheet.pictures}
    assert sheet.size in (None, (160, 80))


def test_a_cell_of_which_the_network_was_not_sure_is_marked(tmp_path):
    assert read_one(annotation(tmp_path, uncertain=True))[0].mark == UNCERTAIN
