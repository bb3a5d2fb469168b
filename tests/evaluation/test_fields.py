"""Scores on annotated real fields:

hand-made label maps with known answers, and the real fields where they are.
"""

import csv
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from bloodseg_lib.classes import (
    BASOPHIL,
    HEALTHY_RBC,
    INFECTED_RBC,
    MONOCYTE,
    NEUTROPHIL,
    THROMBOCYTE,
    Box,
)
from bloodseg_lib.cli import main
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.evaluation.annotated import AnnotatedField
from bloodseg_lib.evaluation.fields import (
    FieldScore,
    FieldsReport,
    class_in_box,
    evaluate_fields,
    labelled_cell,
)
from bloodseg_lib.evaluation.report import REPORT_FILES
from bloodseg_lib.samples.extraction.boxes import CellBox


def labels_with(*patches):
    labels = np.zeros((100, 120), np.uint8)
    for rows, columns, class_id in patches:
        labels[rows, columns] = class_id
    return labels


def test_the_labelled_cell_is_the_largest_of_its_kind_named_by_most_of_its_pixels():
    labels = labels_with(
        (slice(10, 30), slice(10, 30), BASOPHIL),  # 400 pixels, of which the next line renames 100
        (slice(10, 15), slice(10, 30), MONOCYTE),
        (slice(50, 60), slice(50, 60), NEUTROPHIL),
        (slice(60, 100), slice(80, 120), HEALTHY_RBC),  # larger, but no white cell
    )
    called, cell = labelled_cell(labels, NEUTROPHIL)
    assert called == BASOPHIL
    assert cell.sum() == 400


def test_what_is_too_small_is_not_found():
    called, cell = labelled_cell(labels_with((slice(0, 7), slice(0, 8), THROMBOCYTE)), THROMBOCYTE)
    assert called == 0
    assert not cell.any()


def test_a_box_is_called_by_its_middle():
    box = Box(20, 20, 40, 40)  # its middle: rows and columns 30..49
    assert (
        class_in_box(
            labels_with(
                (slice(30, 50), slice(30, 39), HEALTHY_RBC),
                (slice(30, 50), slice(39, 50), INFECTED_RBC),
            ),
            box,
        )
        == INFECTED_RBC
    )
    # only outside the middle
    assert class_in_box(labels_with((slice(20, 30), slice(20, 60), HEALTHY_RBC)), box) == 0
    # a quarter of it: below 0.3
    assert class_in_box(labels_with((slice(30, 35), slice(30, 50), HEALTHY_RBC)), box) == 0
    assert (
        class_in_box(labels_with((slice(30, 37), slice(30, 50), HEALTHY_RBC)), box) == HEALTHY_RBC
    )


def test_scores_of_a_network_that_sees_one_neutrophil_everywhere(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 120, 3), 200, np.uint8))
    labels = labels_with((slice(10, 30), slice(10, 30), NEUTROPHIL))
    segmenter = SimpleNamespace(segment=lambda image, scale: SimpleNamespace(labels=labels))
    mask = np.zeros((100, 120), bool)
    mask[10:30, 20:40] = True  # half of it found: intersection 200, union 600
    fields = [
        AnnotatedField("lisc", tmp_path / "a.png", NEUTROPHIL, mask),
        AnnotatedField("lisc", tmp_path / "a.png", BASOPHIL),
        AnnotatedField(
            "mamic", tmp_path / "a.png", boxes=(CellBox("a.png", Box(60, 60, 20, 20), HEALTHY_RBC),)
        ),
    ]
    report = evaluate_fields(segmenter, fields, progress=False)
    assert list(report.scores) == [
        FieldScore("lisc", "a.png", NEUTROPHIL, NEUTROPHIL, pytest.approx(1 / 3)),
        FieldScore("lisc", "a.png", BASOPHIL, NEUTROPHIL, None),
        FieldScore("mamic", "a.png", HEALTHY_RBC, 0, None),
    ]
    assert report.to_dict()["lisc"] == {
        "cells": 2,
        "found": 1.0,
        "right_class": 0.5,
        "mean_iou": pytest.approx(1 / 3),
    }
    assert report.to_dict()["mamic"] == {
        "cells": 1,
        "found": 0.0,
        "right_class": 0.0,
        "mean_iou": None,
    }
    table = report.to_markdown()
    assert "| lisc | **all** | 2 | 100.0% | 50.0% |" in table
    assert "| mamic | Healthy RBC | 1 | 0.0% | 0.0% |" in table
    report.save(tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "fields.csv").read_text().splitlines()))
    assert [row["called"] for row in rows] == ["neutrophil", "neutrophil", ""]


def test_pbc_is_read_by_file_name_or_folder(tmp_path):
    (tmp_path / "monocyte").mkdir()
    for name in ("platelet_1.jpg", "ig_2.jpg", "monocyte/MO_3.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    assert [(field.path.name, field.class_id) for field in annotated.read("pbc", tmp_path)] == [
        ("platelet_1.jpg", THROMBOCYTE),
        ("MO_3.jpg", MONOCYTE),
    ]


def test_a_field_that_is_not_there_is_named(tmp_path):
    (tmp_path / "boxes.csv").write_text(
        "field,x,y,width,height,class\nlost.jpg,1,1,20,20,infected\n"
    )
    (skipped,) = annotated.read("mamic", tmp_path)
    assert skipped.source == "mamic"
    assert "lost.jpg" in skipped.detail and "names this field" in skipped.detail


def test_a_bad_field_or_box_costs_the_others_nothing_and_is_said(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 120, 3), 200, np.uint8))
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "boxes.csv").write_text(
        "field,x,y,width,height,class\na.png,10,10,20,20,neutrophil\n"
        "a.png,110,10,20,20,neutrophil\nb.png,1,1,20,20,infected\nlost.png,1,1,20,20,infected\n"
    )
    labels = labels_with((slice(10, 30), slice(10, 30), NEUTROPHIL))
    segmenter = SimpleNamespace(segment=lambda image, scale: SimpleNamespace(labels=labels))
    report = evaluate_fields(segmenter, annotated.read("own", tmp_path), progress=False)
    assert report.scores == (FieldScore("own", "a.png", NEUTROPHIL, NEUTROPHIL),)
    assert [skipped.path.name for skipped in report.skipped] == ["a.png", "b.png", "lost.png"]
    words = report.to_markdown()
    assert "line 3 of the table" in words and "b.png: expected an image" in words
    rows = list(csv.DictReader(report.tables()["skipped.csv"].splitlines()))
    assert [row["field"] for row in rows] == ["a.png", "b.png", "lost.png"]


def test_where_nothing_could_be_scored_the_reasons_are_said_and_the_command_fails(tmp_path):
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "boxes.csv").write_text("field,x,y,width,height,class\nb.png,1,1,9,9,infected\n")
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["evaluate", "fields", f"own={tmp_path}", "--out", str(out)])
    assert result.exit_code == 1
    assert "b.png: expected an image" in result.output
    assert "b.png" in (out / "skipped.csv").read_text()


@pytest.mark.parametrize("name", ["fields.json", "fields.md", "fields.csv", "skipped.csv"])
def test_no_file_is_replaced_by_a_report(tmp_path, name):
    (tmp_path / name).write_text("mine")
    root = str(tmp_path)
    done = CliRunner().invoke(main, ["evaluate", "fields", f"own={root}", "--out", root])
    assert done.exit_code == 1
    assert f"{root}: expected a folder without {name}, which would be replaced" in done.output
    assert (tmp_path / name).read_text() == "mine"


def test_the_files_that_are_tried_are_those_of_the_reports(tmp_path):
    skipped = annotated.Skipped("own", 1, tmp_path / "a.png", "unreadable", "")
    FieldsReport((), (skipped,)).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(REPORT_FILES["fields"])


def test_an_unknown_database_is_named():
    result = CliRunner().invoke(main, ["evaluate", "fields", "kaggle=x"])
    assert result.exit_code == 1
    assert "one of lisc, zheng, pbc, mamic, txl_pbc, chula, own. Received 'kaggle'" in result.output


def test_the_real_fields_are_all_read(real_data):
    fields = {
        source: list(annotated.read(source, real_data / source))
        for source in ("lisc", "zheng", "pbc", "mamic")
    }
    counts = {
        source: sum(max(1, len(field.boxes)) for field in of_source)
        for source, of_source in fields.items()
    }
    assert (counts["lisc"], counts["zheng"], counts["pbc"]) == (185, 360, 30)
    assert counts["mamic"] > 80
    masks = [field.mask for field in fields["lisc"] if field.mask is not None]
    assert len(masks) == 31
    assert all(mask.any() for mask in masks)
