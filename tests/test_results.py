import csv
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.prediction import Segmentation
from bloodseg_lib.results import result_files, save_segmentation

IMAGE = np.full((100, 120, 3), 220, np.uint8)
LABELS = cv2.circle(np.zeros((100, 120), np.uint8), (60, 50), 18, HEALTHY_RBC, -1)
SEGMENTATION = Segmentation(LABELS, np.eye(10, dtype=np.float16)[LABELS])


def test_the_files_hold_map_overlay_cells_and_summary(tmp_path):
    counts = save_segmentation(SEGMENTATION, IMAGE, tmp_path / "out", "field 1")
    names = ["field 1_cells.csv", "field 1_classes.png", "field 1_counts.json", "field 1_overlay.png"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names and len(counts.cells) == 1
    with Image.open(tmp_path / "out" / names[1]) as picture:
        np.testing.assert_array_equal(np.array(picture), LABELS)
    with Image.open(tmp_path / "out" / names[3]) as picture:
        assert picture.width == 120 and picture.height > 100  # the legend is beneath
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out" / names[0]).read_text()))
    assert row["class"] == "healthy_rbc" and row["field"] == "field 1" and row["confidence"] == "1.0000"
    summary = json.loads((tmp_path / "out" / names[2]).read_text())
    assert summary["counts"]["healthy_rbc"]["watershed"] == 1 and summary["notice"] == "Not for diagnosis." and summary["scale"] == 1.0


def test_the_same_segmentation_gives_the_same_bytes():
    assert result_files(SEGMENTATION, IMAGE, "a")[1] == result_files(SEGMENTATION, IMAGE.copy(), "a")[1]


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(100, 120, 3\)"):
        result_files(SEGMENTATION, IMAGE[1:], "a")
