import csv
import io
import json

import numpy as np
import pytest

from bloodseg_lib.classes import BASOPHIL, HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.panel.corrected_files import corrected_files
from bloodseg_lib.panel.corrections import Correction, corrected, listed_cells
from bloodseg_lib.prediction.counts import count_cells

LABELS = np.zeros((80, 160), np.uint8)
LABELS[20:54, 20:54] = INFECTED_RBC
LABELS[20:54, 90:124] = HEALTHY_RBC
COUNTS = count_cells(LABELS)
FILES = {"a_cells.csv": COUNTS.to_csv().encode(), "a_counts.json": b'{"image": "a"}'}


def test_of_several_corrections_of_a_cell_the_last_holds():
    cells = listed_cells(COUNTS, [Correction(1, None), Correction(1, BASOPHIL)])
    assert [(cell.number, cell.class_id, cell.mark) for cell in cells] == [
        (1, BASOPHIL, "changed"),
        (2, HEALTHY_RBC, ""),
    ]


def test_a_deleted_cell_is_listed_and_not_counted():
    deleted = [Correction(1, None)]
    assert listed_cells(COUNTS, deleted)[0].mark == "deleted"
    counts = corrected(COUNTS, deleted)
    assert counts.watershed["infected_rbc"] == 0 and len(counts.cells) == 1
    assert counts.components == COUNTS.components and counts.by_area == COUNTS.by_area


def test_without_corrections_counts_and_files_are_as_they_were():
    assert corrected(COUNTS, []) is COUNTS and corrected_files(COUNTS, FILES, "a", []) == FILES


def test_the_table_keeps_a_row_of_each_cell_that_was_found():
    made = [Correction(1, None), Correction(2, None), Correction(2, HEALTHY_RBC)]
    files = corrected_files(COUNTS, FILES, "a", made)
    rows = list(csv.DictReader(io.StringIO(files["a_cells.csv"].decode())))
    assert [(row["class"], row["found_class"], row["correction"]) for row in rows] == [
        ("", "infected_rbc", "deleted"),
        ("healthy_rbc", "healthy_rbc", "restored"),
    ]
    trail = json.loads(files["a_counts.json"])["corrections"]
    assert [(step["cell"], step["from"], step["to"]) for step in trail] == [
        (1, "infected_rbc", ""),
        (2, "healthy_rbc", ""),
        (2, "", "healthy_rbc"),
    ]


@pytest.mark.parametrize("number", [0, 3])
def test_a_correction_of_no_cell_is_refused(number):
    with pytest.raises(ValueError, match="1 to 2"):
        listed_cells(COUNTS, [Correction(number, BASOPHIL)])
