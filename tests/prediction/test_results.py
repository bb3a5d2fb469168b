import csv
import io
import json
from typing import ClassVar

import cv2
import numpy as np
import pytest
from drawn_fields import photographed
from pictures import write_image
from PIL import Image

from bloodseg_lib.classes import HEALTHY_RBC, LYMPHOCYTE, MONOCYTE
from bloodseg_lib.prediction import results
from bloodseg_lib.prediction.batch import predict_files
from bloodseg_lib.prediction.counts import pool
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.results import (
    count_field,
    pooled_files,
    result_files,
    save_segmentation,
)
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.segmenter import Segmentation

IMAGE = photographed(
    cv2.circle(np.full((100, 120, 3), 220, np.uint8), (60, 50), 18, (180, 150, 190), -1)
)
LABELS = cv2.circle(np.zeros((100, 120), np.uint8), (60, 50), 18, HEALTHY_RBC, -1)
SEGMENTATION = Segmentation(LABELS, np.eye(10, dtype=np.float16)[LABELS], AT_40X)


def test_the_files_hold_map_overlay_cells_and_summary(tmp_path):
    counts = save_segmentation(SEGMENTATION, IMAGE, tmp_path / "out", "field 1")
    names = [
        "field 1_cells.csv",
        "field 1_classes.png",
        "field 1_counts.json",
        "field 1_overlay.png",
    ]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names and len(counts.cells) == 1
    with Image.open(tmp_path / "out" / names[1]) as picture:
        np.testing.assert_array_equal(np.array(picture), LABELS)
    with Image.open(tmp_path / "out" / names[3]) as picture:
        assert picture.width == 120 and picture.height > 100  # the legend is beneath
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out" / names[0]).read_text("utf-8-sig")))
    assert (
        row["class"] == "healthy_rbc"
        and row["field"] == "field 1"
        and row["confidence"] == "1.0000"
    )
    summary = json.loads((tmp_path / "out" / names[2]).read_text())
    assert (
        summary["counts"]["healthy_rbc"]["watershed"] == 1
        and summary["notice"] == "Not for diagnosis."
        and summary["scale"] == 1.0
    )


def test_the_same_segmentation_gives_the_same_bytes():
    assert (
        result_files(SEGMENTATION, IMAGE, "a")[1]
        == result_files(SEGMENTATION, IMAGE.copy(), "a")[1]
    )


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(100, 120, 3\)"):
        result_files(SEGMENTATION, IMAGE[1:], "a")


def test_the_summary_says_where_the_scale_comes_from():
    found = Scale(0.5, "measured", 74.0, 12)
    segmentation = Segmentation(LABELS, np.eye(10, dtype=np.float16)[LABELS], found)
    summary = json.loads(result_files(segmentation, IMAGE, "a")[1]["a_counts.json"])
    assert summary["scale"] == 0.5 and summary["scale_found"] == {
        "factor": 0.5,
        "how": "measured",
        "rbc_diameter_px": 74.0,
        "cells": 12,
        "words": str(found),
    }
    summary = json.loads(result_files(SEGMENTATION, IMAGE, "a")[1]["a_counts.json"])
    assert summary["scale_found"]["how"] == "given"


def test_probabilities_in_255ths_give_the_same_files():
    # each is 0 or 1, which 255ths hold exactly
    steps = SEGMENTATION.probabilities.astype(np.uint8) * 255
    on_disk = Segmentation(LABELS, steps, AT_40X)
    assert result_files(on_disk, IMAGE, "a") == result_files(SEGMENTATION, IMAGE, "a")


def test_a_white_cell_of_no_certain_class_has_a_question_mark_in_the_overlay():
    white = cv2.circle(np.zeros((100, 120), np.uint8), (60, 50), 36, MONOCYTE, -1)
    sure = np.eye(10, dtype=np.float16)[white]
    lost = sure.copy()
    lost[white == MONOCYTE] = np.isin(np.arange(10), (LYMPHOCYTE, MONOCYTE)) / 2
    certain, doubted = (
        cv2.imdecode(np.frombuffer(files["a_overlay.png"], np.uint8), 1)
        for _, files in (
            result_files(Segmentation(white, p, AT_40X), IMAGE, "a") for p in (sure, lost)
        )
    )
    differ = (certain[:100] != doubted[:100]).any(axis=2)
    rows, columns = np.nonzero(differ)
    assert abs(rows.mean() - 50) < 4 and abs(columns.mean() - 60) < 4 and differ.mean() < 0.03
    assert len(doubted) > len(certain)  # the legend has a line more


def test_the_overlay_of_a_large_image_is_reduced_its_class_map_is_not(monkeypatch):
    monkeypatch.setattr(results, "OVERLAY_PX", 60)
    files = result_files(SEGMENTATION, IMAGE, "a")[1]
    assert cv2.imdecode(np.frombuffer(files["a_overlay.png"], np.uint8), 1).shape[1] == 60
    assert cv2.imdecode(np.frombuffer(files["a_classes.png"], np.uint8), 1).shape[:2] == (100, 120)


def test_several_fields_are_pooled_into_files_of_their_own(tmp_path):
    counts = [save_segmentation(SEGMENTATION, IMAGE, tmp_path, stem) for stem in ("a", "b")]
    pooled, files = pooled_files(counts)
    assert pooled.watershed["healthy_rbc"] == 2
    summary = json.loads(files["pooled_counts.json"])
    assert (
        summary["fields"] == 2
        and summary["counts"]["healthy_rbc"]["watershed"] == 2
        and summary["notice"] == "Not for diagnosis."
    )
    rows = csv.DictReader(io.StringIO(files["pooled_cells.csv"].decode("utf-8-sig")))
    assert [row["field"] for row in rows] == ["a", "b"]


class Blank:
    """A segmenter that finds nothing."""

    identity: ClassVar[dict] = {"network": "blank"}

    def segment(self, image, scale=None, **_):
        labels = np.zeros(image.shape[:2], np.uint8)
        return Segmentation(labels, np.eye(10, dtype=np.float16)[labels], scale or AT_40X)


def test_files_are_predicted_one_by_one_and_one_that_cannot_be_read_stops_none(tmp_path):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, IMAGE)
    (tmp_path / "bad.png").write_bytes(b"text")
    paths, seen = [tmp_path / name for name in ("a.png", "bad.png", "b.png")], []
    results, pooled = predict_files(
        paths, Blank(), tmp_path / "out", Scale.given(74), on_result=seen.append
    )
    assert seen == results and [result.path for result in results] == paths
    assert [bool(result.error) for result in results] == [False, True, False]
    assert "bad.png" in results[1].error and results[1].counts is None
    assert results[0].scale == Scale.of_factor(0.5) and pooled == pool(
        [results[0].counts, results[2].counts]
    )
    # besides the four of each and the pooled: skipped.csv, journal, two tables and the page
    assert len(list((tmp_path / "out").iterdir())) == 2 * 4 + 2 + 2 + 3


def test_one_image_is_not_pooled_and_label_maps_alone_are_not_counted(tmp_path):
    write_image(tmp_path / "a.png", IMAGE)
    assert predict_files([tmp_path / "a.png"], Blank(), tmp_path / "one")[1] is None
    (result,), pooled = predict_files(
        [tmp_path / "a.png"], Blank(), tmp_path / "maps", label_maps_only=True
    )
    assert result.counts is None and pooled is None and result.scale == AT_40X
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"a.png", "predicted.jsonl"}


@pytest.mark.parametrize(
    ("border", "cut"), [((0, 0, 0, 0), 0), ((9, 32, 9, 0), 1), ((0, 0, 9, 42), 1)]
)
def test_a_dark_border_or_a_frame_cuts_cells_as_the_edge_of_the_picture_does(border, cut):
    """The cell lies in rows 32 to 68 and columns 42 to 78, of 100 and 120."""
    _, below, _, right = border
    labels = LABELS.copy()
    labels[100 - below :], labels[:, 120 - right :] = 0, 0
    levels = Preprocessing.none().levels
    seen = Preprocessing(border, None, levels, levels)
    segmentation = Segmentation(labels, np.eye(10, dtype=np.float16)[labels], AT_40X, seen)
    counts = count_field(segmentation, IMAGE)
    assert (counts.cut_by_border, len(counts.cells)) == (cut, 1 - cut)
    np.testing.assert_array_equal(counts.label_map, labels)
