"""The files for other programs have the cells that a person corrected."""

import csv
import io
import json
import zipfile

import cv2
import numpy as np
import pytest
import tifffile
from red_and_green import FIELD, RedAndGreen

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, MONOCYTE
from bloodseg_lib.panel import result
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.prediction import interchange

FIVE = np.full((240, 160, 3), 255, np.uint8)
for centre in ((30, 40), (110, 40), (30, 100), (110, 100), (30, 160)):
    cv2.circle(FIVE, centre, 18, (0, 255, 0), -1)  # healthy, cells 1 to 5 from top to bottom
SQUARE = ((100, 150), (120, 150), (120, 170), (100, 170))
EXPECTED = {
    1: "healthy_rbc",
    2: "monocyte",  # relabelled
    # 3 is deleted, 4 is split in 7 and 8, 5 is unidentified
    6: "infected_rbc",  # drawn
    7: "healthy_rbc",
    8: "healthy_rbc",
}


@pytest.fixture
def session():
    session = PanelSession(RedAndGreen(), {"five.jpg": FIVE})
    session.pick("five.jpg")
    session.segment(FIVE, "five", 37)
    session.correct(2, MONOCYTE)
    session.draw(SQUARE, INFECTED_RBC)
    session.correct(3, None)
    session.split(4, ((110, 70), (110, 130)))
    session.correct(5, UNIDENTIFIED)
    return session


def test_coco_has_the_corrected_cells_and_no_score_where_a_person_gave_the_class(session):
    found = json.loads(session.content("five_coco.json"))
    keys = {category["id"]: category["name"] for category in found["categories"]}
    cells = {cell["id"]: cell for cell in found["annotations"]}
    assert {n: keys[cell["category_id"]] for n, cell in cells.items()} == EXPECTED
    assert cells[6]["bbox"] == [100, 150, 20, 20] and cells[6]["area"] == 400
    assert {n: cell["score"] for n, cell in cells.items()} == {1: 1.0} | dict.fromkeys((2, 6, 7, 8))
    assert found["images"][0]["file_name"] == "five.jpg"


def test_geojson_has_the_corrected_cells_in_their_outlines(session):
    found = json.loads(session.content("five_cells.geojson"))["features"]
    names = {f["properties"]["name"]: f["properties"]["classification"]["name"] for f in found}
    assert names == {
        "1": "Healthy RBC",
        "2": "Monocyte",
        "6": "Infected RBC",
        "7": "Healthy RBC",
        "8": "Healthy RBC",
    }
    drawn = next(f for f in found if f["properties"]["name"] == "6")
    (ring,) = drawn["geometry"]["coordinates"]
    assert (np.min(ring, axis=0).tolist(), np.max(ring, axis=0).tolist()) == (
        [100, 150],
        [120, 170],
    )


def test_the_rois_are_those_of_the_corrected_cells(session):
    pytest.importorskip("roifile")
    with zipfile.ZipFile(io.BytesIO(session.content("five_rois.zip"))) as archive:
        names = archive.namelist()
    assert names == [f"{number:05d}-{key}.roi" for number, key in EXPECTED.items()]


def test_the_instance_map_has_the_corrected_cells(session):
    numbers = tifffile.imread(io.BytesIO(session.content("five_instances.tif")))
    assert set(np.unique(numbers)) == {0, *EXPECTED}
    assert (numbers[150:170, 100:120] == 6).all() and numbers[40, 110] == 2
    assert numbers[100, 30] == 0 and {numbers[100, 100], numbers[100, 120]} == {7, 8}


def test_the_table_has_the_same_numbers_and_classes(session):
    rows = csv.DictReader(io.StringIO(session.content("five_cells.csv").decode("utf-8-sig")))
    named = {int(row["cell"]): row["class"] for row in rows if row["class"]}
    assert named == EXPECTED | {5: "unidentified"}


def test_without_its_package_a_file_is_not_in_the_zip_and_its_button_says_why(session, monkeypatch):
    for module in (result, interchange.importlib.util):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    with zipfile.ZipFile(io.BytesIO(session.content("five.zip"))) as archive:
        assert "five_rois.zip" not in archive.namelist()
        assert "five_coco.json" in archive.namelist()
    with pytest.raises(ImportError, match=r"pip install 'bloodseg-lib\[imagej\]'"):
        session.content("five_rois.zip")


def test_before_a_correction_the_files_are_those_of_the_command_line():
    session = PanelSession(RedAndGreen())
    segmentation = session.segment(FIELD, "field", 37)
    (expected,) = interchange.exported_files(
        ["coco"], segmentation, session.found, "field", "field"
    ).values()
    assert session.content("field_coco.json") == expected
    assert json.loads(expected)["annotations"][1]["category_id"] == HEALTHY_RBC
