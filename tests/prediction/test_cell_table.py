"""The table of cells."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.prediction.cell_table import cell_table, cells_of
from bloodseg_lib.prediction.counts import CountingConfig, count_cells
from bloodseg_lib.prediction.scale import Scale

LABELS = np.zeros((90, 200), np.uint8)
LABELS[20:50, 10:50] = LABELS[20:50, 100:140] = HEALTHY_RBC
COUNTS = count_cells(LABELS, scale=Scale.given(75.0 / 2), field="a 1.5")


def test_sizes_are_in_pixels_and_micrometres():
    first, second = csv.DictReader(io.StringIO(cell_table(COUNTS.cells)))
    assert (first["cell"], second["cell"], second["x"]) == ("1", "2", "100")
    assert (first["area_px"], first["diameter_px"]) == ("1200", "39.1")  # sqrt(4 * 1200 / pi)
    assert (first["area_um2"], first["diameter_um"]) == ("48.00", "7.82")  # 0.2 um a pixel
    assert float(first["circularity"]) == pytest.approx(4 * np.pi * 1200 / 140**2, abs=0.12)


def test_micrometres_that_are_not_known_are_empty():
    (first, _) = csv.DictReader(
        io.StringIO(count_cells(LABELS, scale=Scale(1.0, "assumed")).to_csv())
    )
    assert first["area_um2"] == first["diameter_um"] == "" and first["diameter_px"] == "39.1"


def test_decimal_commas_are_in_numbers_only():
    first = cell_table(COUNTS.cells, decimal_comma=True).splitlines()[1].split(";")
    assert first[:4] == ["a 1.5", "1", "healthy_rbc", "1,0000"] and "39,1" in first


@pytest.mark.parametrize("comma", [False, True])
def test_a_table_is_read_back_as_it_was_written(comma):
    counts = count_cells(
        LABELS, np.eye(10, dtype=np.float32)[LABELS], Scale.given(70), CountingConfig(), "b"
    )
    cells = cells_of(counts.to_csv(comma), counts.cells[0].pixel_um)
    assert cell_table(cells, comma) == counts.to_csv(comma)
    assert cells[1].number == 2 and replace(cells[1], number=1).pixel_um == 7.5 / 70
