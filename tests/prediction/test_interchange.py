"""Files for other programs, read back."""

import io
import json
import zipfile

import numpy as np
import pytest
import tifffile

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.prediction import interchange
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.interchange import EXPORTS, OutputConfig, exported_files
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import Segmentation

LABELS = np.zeros((80, 160), np.uint8)
LABELS[20:54, 20:54] = INFECTED_RBC  # the first cell
LABELS[22:56, 90:124] = HEALTHY_RBC  # the second
LABELS[60:80, 20:60] = HEALTHY_RBC  # at the lower border: not counted
PROBABILITIES = np.eye(10, dtype=np.float16)[LABELS]
SEGMENTATION = Segmentation(LABELS, PROBABILITIES, AT_40X)
COUNTS = count_cells(LABELS, PROBABILITIES)


def exported(name):
    ((_, data),) = exported_files([name], SEGMENTATION, COUNTS, "a", "a.jpg").items()
    return data


def area(polygon):
    x, y = np.array(polygon).T
    return abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2


def test_the_instance_map_has_each_cell_s_number_at_its_pixels():
    numbers = tifffile.imread(io.BytesIO(exported("instances")))
    expected = np.zeros((80, 160), np.uint16)
    expected[20:54, 20:54], expected[22:56, 90:124] = 1, 2
    np.testing.assert_array_equal(numbers, expected)
    assert numbers.dtype == np.uint16


def test_geojson_has_closed_outlines_and_classes():
    found = json.loads(exported("geojson"))
    first, second = found["features"]
    assert found["type"] == "FeatureCollection" and first["geometry"]["type"] == "Polygon"
    assert first["properties"]["name"] == "1"
    assert first["properties"]["classification"] == {"name": "Infected RBC", "color": [255, 0, 0]}
    (ring,) = second["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    # corners of the cell in the picture, each cut by half a pixel: an eighth of one less
    assert np.min(ring, axis=0).tolist() == [90, 22] and np.max(ring, axis=0).tolist() == [124, 56]
    assert area(ring) == 34 * 34 - 4 / 8


def test_coco_has_the_picture_its_boxes_areas_and_polygons():
    found = json.loads(exported("coco"))
    assert found["images"] == [{"id": 1, "file_name": "a.jpg", "height": 80, "width": 160}]
    second = found["annotations"][1]
    assert (second["id"], second["category_id"], second["bbox"]) == (2, 9, [90, 22, 34, 34])
    assert second["area"] == 34 * 34
    points = np.reshape(second["segmentation"][0], (-1, 2))
    assert area([*points, points[0]]) == 34 * 34 - 4 / 8
    assert {c["id"]: c["name"] for c in found["categories"]}[9] == "healthy_rbc"


def test_imagej_reads_an_outline_a_cell():
    roifile = pytest.importorskip("roifile", reason="the extra imagej is not installed")
    with zipfile.ZipFile(io.BytesIO(exported("imagej"))) as archive:
        rois = {
            name: roifile.ImagejRoi.frombytes(archive.read(name)) for name in archive.namelist()
        }
    assert list(rois) == ["00001-infected_rbc.roi", "00002-healthy_rbc.roi"]
    points = rois["00002-healthy_rbc.roi"].coordinates()
    assert area([*points, points[0]]) == 34 * 34 - 4 / 8
    assert points.min(axis=0).tolist() == [90, 22]


@pytest.mark.parametrize("steps", [False, True])
def test_probabilities_are_a_page_a_class_in_255ths(steps):
    probabilities = PROBABILITIES.astype(np.uint8) * 255 if steps else PROBABILITIES
    found = exported_files(
        ["probabilities"], Segmentation(LABELS, probabilities, AT_40X), COUNTS, "a", "a.jpg"
    )
    pages = tifffile.imread(io.BytesIO(found["a_probabilities.tif"]))
    assert pages.shape == (10, 80, 160) and pages.dtype == np.uint8
    np.testing.assert_array_equal(pages[HEALTHY_RBC], 255 * (LABELS == HEALTHY_RBC))


@pytest.mark.parametrize("name", ["instances", "geojson", "coco", "probabilities"])
def test_the_same_cells_give_the_same_bytes(name):
    assert exported(name) == exported(name)


def test_what_cannot_be_exported_is_refused_before_the_work(monkeypatch):
    with pytest.raises(ValueError, match=r"OutputConfig\.export: expected of instances, geojson"):
        OutputConfig(("yolo",))
    monkeypatch.setattr(interchange.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'bloodseg-lib\[imagej\]'"):
        OutputConfig(("imagej",))
    assert OutputConfig(("coco", "coco")).endings == [EXPORTS["coco"]]
