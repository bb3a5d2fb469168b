"""The table and the page of a batch."""

import base64
import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from bloodseg_lib.classes import CELL_CLASSES, HEALTHY_RBC, NEUTROPHIL
from bloodseg_lib.io import csv_text, png_bytes
from bloodseg_lib.prediction.cell_table import NOTICE
from bloodseg_lib.prediction.cells import OF_NONE, CountingConfig
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.file_result import FileResult
from bloodseg_lib.prediction.finding import EVERYTHING, Finding, Quality
from bloodseg_lib.prediction.interchange import OutputConfig
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.summary import (
    SUMMARY_FILES,
    pooled_table,
    report_page,
    results_table,
    summary_files,
)

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


# in the 80 x 120 pixels, each of 32 x 32; Wilson of 0 of 2: z^2 / (2 + z^2) = 3.8415 / 5.8415
ROW = {
    **dict.fromkeys((c.key for c in CELL_CLASSES), "0"),
    **{"picture": "a/field <1>.png", "page": "2", "patient": "P7", "quality": "note"},
    **{"remarks": "It is small. B.", "scale": "0.5000", "rbc_diameter_px": "74.1"},
    **{"scale_how": "measured", "pixel_um": "0.1012", "pixel_um_from": "red cells"},
    **{"healthy_rbc": "2", "red_cells": "2", "white_cells": "0", "uncertain_white_cells": "0"},
    **{"parasitaemia_percent": "0.000", "lower_percent": "0.000", "upper_percent": "65.762"},
    **{"under_writing": "1", "cut_by_border": "0", "error": "", NOTICE: ""},
}
NOTED = replace(
    GOOD,
    page=2,
    notes=("It is small.",),
    scale=Scale(0.5, "measured", 74.12, 40),
    counts=replace(COUNTS, under_writing=1, quality=Quality((Finding("b", "note", 1, "B."),))),
)
FIGURES = [*(c.key for c in CELL_CLASSES), "red_cells", "white_cells", "uncertain_white_cells"]
FIGURES += ["parasitaemia_percent", "lower_percent", "upper_percent"]


def test_every_column_of_a_row():
    assert table(NOTED) == [ROW]
    assert table(replace(NOTED, scale=Scale(1.0, "assumed"))) == [
        {**ROW, "scale": "1.0000", "rbc_diameter_px": "", "scale_how": "assumed", "pixel_um": ""}
        | {"pixel_um_from": ""}
    ]
    lost = {"page": "", "quality": "withheld", "remarks": "The network is lost."}
    (row,) = table(WITHHELD)
    assert all(row[name] == "" for name in FIGURES)
    assert {name: row[name] for name in lost} == lost
    assert table(FAILED) == [
        dict.fromkeys(ROW, "") | {"picture": "c.png", "error": "c.png: there is none."}
    ]


def test_too_few_cells_have_counts_and_no_percentages():
    few = replace(GOOD, counts=replace(COUNTS, config=CountingConfig(minimum_rbc=3)))
    (row,) = table(few)
    assert row["red_cells"] == "2" and {row[name] for name in FIGURES[-3:]} == {""}


def test_files_of_a_batch_with_decimal_commas_and_with_or_without_a_page():
    def files(**options):
        outputs = OutputConfig(**options)
        return summary_files([NOTED], lambda result: None, COUNTS, "0123456789abcdef", outputs)

    plain, comma = files(), files(decimal_comma=True, report=False)
    assert set(plain) == set(SUMMARY_FILES) and set(comma) == {"results.csv", "pooled.csv"}
    assert b"65.762" in plain["results.csv"] and b"65.762" in plain["pooled.csv"]
    assert b"65,762" in comma["results.csv"] and b"65,762" in comma["pooled.csv"]
    shown = plain["report.html"].decode()
    assert ", network 0123456789ab." in shown
    assert "<b>All together:</b> parasitaemia 0 of 2: 0.0% (95 % interval 0.0% to 65.8%)" in shown


def cells_of_page(*results):
    """The text of each cell of each row of the first table and of that of the patients."""
    tables = page(*results).split("<section>")[0].split("<tbody>")[1:]
    rows = [row for text in tables for row in text.split("</tbody>")[0].split("<tr>")[1:]]
    return [[re.sub("<[^>]+>", "", cell) for cell in row.split("<td")[1:]] for row in rows]


def test_the_page_has_the_figures_of_each_picture_and_patient():
    empty = count_cells(np.zeros_like(LABELS), config=COUNTS.config)
    few = replace(GOOD, patient="", counts=empty)
    rows = cells_of_page(GOOD, few, WITHHELD, FAILED)
    shown = [[cell.split(">", 1)[1] for cell in row] for row in rows]
    share = "0.0% (0.0% to 65.8%)"
    assert shown == [
        ["field &lt;1&gt;.png", "good", "2", "0", share, "0"],
        ["field &lt;1&gt;.png", "good", "0", "0", "too few cells", "0"],
        ["b.png", "withheld", "", "", "withheld", ""],
        ["c.png", "c.png: there is none."],
        ["P7", "1 of 2 pictures, 1 withheld", "2", "0", share, "0"],
    ]


def test_a_patient_of_withheld_pictures_only_is_withheld_on_the_page():
    *_, patient = cells_of_page(WITHHELD)
    assert [cell.rsplit(">", 1)[1] for cell in patient] == [
        *("P7", "0 of 1 pictures, 1 withheld", "", "", "withheld", "")
    ]


def test_a_picture_is_shown_with_its_cells_remarks_and_scale():
    of = []
    image = png_bytes(np.full((900, 1200, 3), 200, np.uint8))
    shown = report_page([NOTED], lambda result: of.append(result) or image, None, "0").decode()
    card = shown.split("<section>")[1]
    assert of == [NOTED] and "<li class='note'>B.<li>It is small.<li>scale 0.5" in card
    assert "<table class='cells'><tr><td>Healthy RBC<td class='n'>2</tr></table>" in card
    data = base64.b64decode(re.search("base64,([^']+)", card)[1])
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (760, 570))


def test_uncertain_cells_are_told_beside_the_picture():
    cell = replace(COUNTS.cells[0], class_id=NEUTROPHIL, uncertain=OF_NONE)
    uncertain = replace(COUNTS, cells=(cell,))
    told = "<tr><td>of these uncertain<td class='n'>1</tr>"
    assert told in page(replace(GOOD, counts=uncertain)) and "uncertain" not in page(GOOD)


def test_a_withheld_parasitaemia_leaves_the_counts_and_withheld_counts_leave_no_infected_ones():
    for figure, red in (("parasitaemia", "2"), ("counts", "")):
        found = Quality((Finding("a", "withheld", 1, "A.", (figure,)),))
        (row, patient) = cells_of_page(replace(GOOD, counts=replace(COUNTS, quality=found)))
        shown = [cell.split(">", 1)[1] for cell in row[2:]]
        assert shown[:2] == [red, ""]
        assert patient[1].endswith("0 of 1 pictures, 1 withheld")


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


def test_paper_is_light_also_where_the_screen_is_dark():
    style = page(GOOD).split("<style>")[1].split("</style>")[0]
    assert "@media screen and (prefers-color-scheme: dark)" in style
    assert "color-scheme: light;" in style.split("@media print")[1]


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
