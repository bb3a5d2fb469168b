"""White cells that the network cannot name."""

import csv
import io
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import (
    BASOPHIL,
    CLASSES,
    EOSINOPHIL,
    HEALTHY_RBC,
    INFECTED_RBC,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    THROMBOCYTE,
)
from bloodseg_lib.panel.corrected_files import corrected_files
from bloodseg_lib.panel.corrections import Correction, corrected, listed_cells
from bloodseg_lib.panel.html import cell_words
from bloodseg_lib.prediction.cell_table import cells_of
from bloodseg_lib.prediction.cells import (
    BETWEEN_CLASSES,
    OF_NONE,
    CountingConfig,
    beyond_two,
    entropy,
)
from bloodseg_lib.prediction.counts import UNCERTAIN, Counts, count_cells, pool
from bloodseg_lib.prediction.file_result import FileResult
from bloodseg_lib.prediction.interchange import exported_files
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.segmenter import Segmentation


def disc(x: int, radius: int, shape: tuple[int, int] = (110, 110)) -> np.ndarray:
    return cv2.circle(np.zeros(shape, np.uint8), (x, 50), radius, 1, -1) > 0


def field(*cells: dict[int, float], config: CountingConfig | None = None) -> Counts:
    """The counts of white or red cells in a row, each with these probabilities of classes."""
    labels = np.zeros((110, 100 * len(cells)), np.uint8)
    probabilities = np.zeros((*labels.shape, len(CLASSES)), np.float32)
    probabilities[..., 0] = 1
    for i, of in enumerate(cells):
        class_id = max(of, key=lambda key: of[key])
        mask = disc(50 + 100 * i, 18 if class_id >= INFECTED_RBC else 36, labels.shape)
        labels[mask] = class_id
        probabilities[mask] = [of.get(c.id, 0) for c in CLASSES]
    return count_cells(labels, probabilities, config=config)


SURE = {NEUTROPHIL: 0.95, MONOCYTE: 0.05}  # entropy 0.20
BETWEEN_TWO = {NEUTROPHIL: 0.55, EOSINOPHIL: 0.45}  # 0.69
LIKE_NONE = {MONOCYTE: 0.94, LYMPHOCYTE: 0.02, NEUTROPHIL: 0.02, EOSINOPHIL: 0.02}  # 0.29
LOST = {MONOCYTE: 0.4, LYMPHOCYTE: 0.3, NEUTROPHIL: 0.3}  # 1.09


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_the_entropy_of_equally_likely_classes_is_the_logarithm_of_their_number(classes):
    assert entropy([1 / classes] * classes) == pytest.approx(math.log(classes))


def test_a_white_cell_between_two_or_three_classes_is_uncertain():
    assert [cell.uncertain for cell in field(SURE, BETWEEN_TWO, LOST).cells] == [
        "",
        BETWEEN_CLASSES,
        OF_NONE,
    ]


def test_whether_its_rim_is_slide_is_no_doubt_of_which_class_a_white_cell_is():
    (cell,) = field({NEUTROPHIL: 0.57, MONOCYTE: 0.03, 0: 0.3, HEALTHY_RBC: 0.1}).cells
    assert not cell.uncertain and cell.confidence == cell.probabilities[NEUTROPHIL]
    assert cell.confidence == pytest.approx(0.95) and sum(cell.probabilities) == pytest.approx(1)
    assert cell.of_kind == pytest.approx(0.6)


def test_a_cell_that_is_rather_no_white_cell_is_uncertain():
    (cell,) = field({NEUTROPHIL: 0.45, THROMBOCYTE: 0.3, HEALTHY_RBC: 0.25}).cells
    assert cell.uncertain == OF_NONE
    assert cell.class_id == NEUTROPHIL and cell.confidence == 1


def test_a_white_cell_that_may_be_any_is_uncertain_though_one_class_prevails():
    assert beyond_two([0.94, 0.02, 0.02, 0.02]) == pytest.approx(0.04)
    like_all = {**LIKE_NONE, MONOCYTE: 0.91, BASOPHIL: 0.03}
    assert [cell.uncertain for cell in field(LIKE_NONE, like_all).cells] == ["", OF_NONE]


def test_the_limits_are_options():
    cells = SURE, BETWEEN_TWO, LIKE_NONE, LOST
    for config, expected in (
        (CountingConfig(most_entropy=1.0, most_beyond_two=1), [False, False, False, True]),
        (CountingConfig(most_entropy=9, most_beyond_two=0.03), [False, False, True, True]),
        (CountingConfig(most_entropy=0.1, most_beyond_two=1), [True] * 4),
    ):
        assert [bool(cell.uncertain) for cell in field(*cells, config=config).cells] == expected


def test_a_red_cell_is_infected_or_not_and_never_uncertain():
    cells = field({HEALTHY_RBC: 0.4, INFECTED_RBC: 0.3, MONOCYTE: 0.3}).cells
    assert [cell.uncertain for cell in cells] == [""]


def test_without_probabilities_no_cell_is_uncertain():
    labels = np.zeros((110, 110), np.uint8)
    labels[disc(50, 36)] = MONOCYTE
    assert not count_cells(labels).cells[0].uncertain


def test_in_the_differential_an_uncertain_cell_is_of_no_class():
    counts = field(SURE, SURE, LOST, {MONOCYTE: 1.0})
    parts = {key: part.numerator for key, part in counts.differential().items() if part.numerator}
    assert parts == {"neutrophil": 2, "monocyte": 1, UNCERTAIN: 1}
    assert {part.denominator for part in counts.differential().values()} == {4}
    assert counts.watershed["monocyte"] == 2 and counts.uncertain()["monocyte"] == 1
    assert counts.to_dict()["uncertain"]["monocyte"] == 1


def test_the_line_of_a_picture_says_how_many_are_uncertain():
    sure, lost = (
        str(FileResult(Path("a.png"), AT_40X, field(*of))) for of in ([SURE], [SURE, LOST])
    )
    assert "2 cells, 1 of them white and of uncertain class, parasitaemia" in lost
    assert "uncertain" not in sure


def test_uncertain_cells_of_several_fields_are_added():
    together = pool([field(LOST, SURE), field(LOST)])
    assert together.differential()[UNCERTAIN].numerator == 2


def test_a_cell_that_a_person_named_is_certain():
    counts = corrected(field(LOST, LOST), [Correction(1, MONOCYTE)])
    assert [cell.uncertain for cell in counts.cells] == ["", OF_NONE]
    assert counts.differential()["monocyte"].numerator == 1


def test_a_person_can_agree_with_the_class_of_an_uncertain_cell_and_take_it_back():
    found = field(LOST)
    agreed = Correction(1, MONOCYTE, step=1)
    taken_back = Correction(1, MONOCYTE, step=2, action="undo")
    assert not corrected(found, [agreed]).cells[0].uncertain
    assert corrected(found, [agreed, taken_back]).cells[0].uncertain


def test_a_cell_whose_correction_is_undone_is_uncertain_again():
    steps = [Correction(1, NEUTROPHIL, step=1), Correction(1, MONOCYTE, step=2, action="undo")]
    assert not corrected(field(LOST), steps[:1]).cells[0].uncertain
    assert corrected(field(LOST), steps).cells[0].uncertain


def test_the_table_of_corrections_says_who_named_it():
    found = field(LOST, LOST, LOST)
    files = {"a_counts.json": b"{}"}
    steps = [Correction(1, MONOCYTE), Correction(2, NEUTROPHIL)]
    table = corrected_files(found, files, "a", steps)["a_cells.csv"].decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(table))
    assert [(row["uncertain"], row["correction"]) for row in rows] == [
        ("", "confirmed"),
        ("", "changed"),
        (OF_NONE, ""),
    ]


def test_the_panel_says_why():
    listed = listed_cells(field(SURE, BETWEEN_TWO, LOST), [])
    assert [cell_words(cell) for cell in listed] == [
        "1: Neutrophil, 95% sure",
        "2: Neutrophil, uncertain: between classes",
        "3: Monocyte, uncertain: perhaps of no class",
    ]


def test_files_for_other_programs_say_it():
    counts = field(LOST, SURE)
    found = Segmentation(np.zeros((110, 200), np.uint8), np.zeros((110, 200, 10)), Scale.given(37))
    files = exported_files(("geojson", "coco"), found, counts, "a", "a.png")
    cells = json.loads(files["a_cells.geojson"])["features"]
    assert [cell["properties"]["name"] for cell in cells] == ["1 uncertain", "2"]
    cells = json.loads(files["a_coco.json"])["annotations"]
    assert [cell["uncertain"] for cell in cells] == [True, False]


def test_the_table_says_it_and_is_read_back():
    table = field(LOST, SURE).to_csv()
    assert [row["uncertain"] for row in csv.DictReader(io.StringIO(table))] == [OF_NONE, ""]
    assert [cell.uncertain for cell in cells_of(table, None)] == [OF_NONE, ""]
