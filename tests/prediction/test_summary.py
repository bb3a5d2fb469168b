"""The table and the page of a batch."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.io import csv_text, png_bytes
from bloodseg_lib.prediction.cells import CountingConfig
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.file_result import FileResult
from bloodseg_lib.prediction.quality import EVERYTHING, Finding, Quality
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.summary import pooled_table, report_page, results_table

LABELS = np.zeros((80, 120), np.uint8)
LABELS[20:52, 10:42] = LABELS[20:52, 60:92] = HEALTHY_RBC
COUNTS = count_cells(LABELS, config=CountingConfig(minimum_rbc=1))
GOOD = FileResult(Path("a/field <1>.png"), AT_40X, COUNTS, patient="P7")
LOST = Finding("likeness", "withheld", 0.5, "The network is lost.", EVERYTHING)
WITHHELD = replace(GOOD, path=Path("b.png"), counts=replace(COUNTS, quality=Quality((LOST,))))
FAILED = FileResult(Path("c.png"), error="c.png: there is none.")


def table(*results):
    text = results_table(results).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def page(*results, picture=None):
    return report_page(results, lambda result: picture, None, 64 * "0").decode()


def test_the_table_has_a_row_for_each_picture_and_opens_in_excel():
    assert results_table([GOOD]).startswith(b"\xef\xbb\xbf")
    good, _, failed = table(GOOD, WITHHELD, FAILED)
    assert (good["healthy_rbc"], good["red_cells"], good["quality"]) == ("2", "2", "good")
    assert (good["patient"], failed["patient"]) == ("P7", "")
    assert (good["parasitaemia_percent"], good["lower_percent"]) == ("0.000", "0.000")
    assert failed["error"] == "c.png: there is none." and failed["red_cells"] == ""


def test_withheld_figures_are_in_neither_table_nor_page():
    (row,) = table(WITHHELD)
    assert row["healthy_rbc"] == row["red_cells"] == row["parasitaemia_percent"] == ""
    assert row["remarks"] == "The network is lost."
    shown = page(WITHHELD)
    assert "The network is lost." in shown and "Healthy RBC" not in shown


def test_each_patient_is_pooled_and_all_are():
    other = replace(GOOD, path=Path("d.png"), patient="P10")
    results = [GOOD, replace(WITHHELD, patient="P7"), replace(FAILED, patient="P7"), other, other]
    rows = list(csv.DictReader(io.StringIO(pooled_table(results).decode("utf-8-sig"))))
    kept = ("patient", "pictures", "withheld", "not_segmented", "red_cells")
    assert [tuple(row[name] for name in kept) for row in rows] == [
        ("P10", "2", "0", "0", "4"),
        ("P7", "3", "1", "1", "2"),
        ("(all)", "5", "1", "1", "6"),
    ]
    # none of four: Wilson's upper bound is z^2 / (n + z^2) = 3.84146 / 7.84146
    assert (rows[0]["parasitaemia_percent"], rows[0]["upper_percent"]) == ("0.000", "48.989")
    shown = page(*results)
    assert "P7<td>1 of 3 pictures, 1 withheld, 1 not segmented<td" in shown


def test_a_patient_of_withheld_pictures_has_no_figures():
    (row, _) = csv.DictReader(io.StringIO(pooled_table([WITHHELD]).decode("utf-8-sig")))
    assert row["withheld"] == "1" and row["red_cells"] == row["parasitaemia_percent"] == ""


def test_the_page_needs_no_other_file_and_escapes_names():
    picture = png_bytes(np.full((900, 1200, 3), 200, np.uint8))
    shown = page(GOOD, FAILED, picture=picture)
    assert "field &lt;1&gt;.png" in shown and "<1>" not in shown
    assert shown.count("src=") == shown.count("src='data:image/jpeg;base64,") == 1
    assert "http" not in shown and "Not for diagnosis." in shown and "there is none" in shown


def test_the_same_results_give_the_same_bytes():
    assert page(GOOD, WITHHELD) == page(GOOD, WITHHELD)


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless():
    written = csv_text(["a"], [["=cmd|'calc'!A1"], ["-0.5"], [-3], ["@sum"], ["plain"]])
    assert list(csv.reader(io.StringIO(written)))[1:] == [
        ["'=cmd|'calc'!A1"],
        ["-0.5"],
        ["-3"],
        ["'@sum"],
        ["plain"],
    ]
