"""Each finding on both sides of its limit: of measures that are given, not of pictures."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_fields import photographed

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL, RBC_DIAMETER_PX, Box
from bloodseg_lib.prediction.appearance import Appearance
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.finding import EVERYTHING, FRACTIONS
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.quality import judge
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmentation

SHARP = Appearance(
    brightest=240,
    in_pieces=False,
    one_cell=False,
    contrast=0.3,
    empty=0.6,
    colourful=60,
    steepness=0.3,
    evenness=0.8,
    red_density=(0.2, 0.3, 0.18),
    hues=5.0,
    blockiness=1.2,
)
MEASURED = Scale(1.0, "measured", RBC_DIAMETER_PX, 60)
IMAGE = np.full((420, 520, 3), 240, np.uint8)
_RNG = np.random.default_rng(0)  # a lattice is a pattern that repeats
for _y in range(35, 400, 50):
    for _x in range(35, 500, 50):
        cv2.circle(
            IMAGE, _RNG.integers((_x - 6, _y - 6), (_x + 7, _y + 7)), 18, (190, 150, 195), -1
        )
IMAGE = photographed(IMAGE)


def cells(*confidences, class_id=HEALTHY_RBC):
    return [Cell(class_id, 1000, Box(0, 0, 9, 9), (4.0, 4.0), 1.0, c) for c in confidences]


@pytest.fixture
def said(monkeypatch):
    """Name, level, value and what is withheld of each finding, which all have a sentence."""

    def findings(found=(), scale=MEASURED, written=0, **measures):
        seen = replace(SHARP, **measures)
        monkeypatch.setattr(Appearance, "of", classmethod(lambda *_: seen))
        labels = np.zeros(IMAGE.shape[:2], np.uint8)
        segmentation = Segmentation(labels, None, scale, Preprocessing.none(), None)
        quality = judge(IMAGE, segmentation, list(found) or cells(0.95), written)
        for f in quality.findings:
            assert re.fullmatch(r"[A-Z][a-z]+ .*[a-z\d]\.", f.sentence)
        return [(f.name, f.level, round(f.value, 3), f.withholds) for f in quality.findings]

    return findings


def test_four_doubts_withhold_what_each_alone_would_not(said):
    three = {"empty": 0.09, "evenness": 0.5, "blockiness": 3.0}
    assert [level for _, level, *_ in said(**three)] == ["warning"] * 3
    found = said(**three, red_density=(0.1, 0.3, 0.31))
    assert found[0] == ("doubts", "withheld", 4, EVERYTHING) and len(found) == 5


DARK = ("light", "withheld", 89, EVERYTHING)


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ({}, []),
        ({"brightest": 90}, []),
        ({"brightest": 89}, [DARK]),
        ({"brightest": 89, "contrast": 0.0, "colourful": 0.0, "steepness": 0.0}, [DARK]),
        ({"in_pieces": True}, [("light", "withheld", 240, EVERYTHING)]),
        ({"one_cell": True, "colourful": 0.0}, [("background", "note", 1, ())]),
        ({"contrast": 0.04}, []),
        ({"contrast": 0.039, "empty": 0.0}, [("contrast", "withheld", 0.039, EVERYTHING)]),
        ({"empty": 0.1}, []),
        ({"empty": 0.09}, [("crowding", "warning", 0.09, ())]),
        ({"colourful": 7}, []),
        ({"colourful": 6}, [("colour", "warning", 6, ("differential",))]),
        ({"steepness": None}, []),
        ({"steepness": 0.21}, []),
        ({"steepness": 0.209}, [("focus", "warning", 0.209, ())]),
        ({"steepness": 0.189}, [("focus", "warning", 0.189, ())]),
        ({"steepness": 0.189, "evenness": 0.5}, [("focus", "warning", 0.189, ())]),
        ({"red_density": None}, []),
        ({"red_density": (0.0, 0.3, 0.3)}, []),
        ({"red_density": (0.1, 0.3, 0.31)}, [("colour", "warning", 1.033, ())]),
        ({"red_density": (0.1, 0.3, 0.46)}, [("colour", "withheld", 1.533, EVERYTHING)]),
        ({"red_density": (0.42, 0.3, 0.1)}, []),
        ({"red_density": (0.45, 0.3, 0.1)}, [("colour", "warning", 1.071, ())]),
        ({"red_density": (0.1, 1.3, 1.0)}, [("colour", "warning", 1.083, ())]),
        ({"red_density": (0.1, 1.9, 1.0)}, [("colour", "withheld", 1.583, EVERYTHING)]),
        (
            {"red_density": (0.1, 0.3, 0.9), "colourful": 6},
            [("colour", "warning", 6, ("differential",))],
        ),
        ({"hues": None}, []),
        ({"hues": 21.0}, []),
        ({"hues": 21.1}, [("hues", "warning", 21.1, ())]),
        ({"hues": 21.1, "colourful": 6}, [("colour", "warning", 6, ("differential",))]),
        ({"blockiness": 2.45}, []),
        ({"blockiness": 2.46}, [("compression", "warning", 2.46, ())]),
        ({"evenness": None}, []),
        ({"evenness": 0.58}, []),
        ({"evenness": 0.579}, [("focus", "warning", 0.579, ())]),
        ({"steepness": 0.125}, [("focus", "warning", 0.125, ())]),
        ({"steepness": 0.124}, [("focus", "withheld", 0.124, FRACTIONS)]),
    ],
)
def test_a_picture_is_judged_by_its_measures(said, measures, expected):
    assert said(**measures) == expected


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(1.0, "assumed", None, 4), [("scale", "withheld", 4, FRACTIONS)]),
        # a pixel of 1 micrometre: red cells of 37, while one of 0.2 gives 7.4
        (replace(MEASURED, file_um=1.0), [("pixel size", "warning", 37, ())]),
        (replace(MEASURED, file_um=0.2), []),
    ],
)
def test_what_is_known_of_the_size_of_red_cells_is_held_against_itself(said, scale, expected):
    assert said(scale=scale) == expected


@pytest.mark.parametrize(
    ("given", "level"),
    [(37, None), (46, None), (50, "warning"), (25, "warning"), (70, "withheld"), (20, "withheld")],
)
def test_a_given_diameter_is_held_against_that_of_the_picture(said, given, level):
    """Discs of 36 pixels: a factor of 1.3 is warned of, one of 1.69 withholds."""
    got = said(scale=Scale.given(given))
    assert [finding[:2] for finding in got] == ([("scale", level)] if level else [])
    for _, _, factor, withheld in got:
        assert factor == pytest.approx(max(given / 36, 36 / given), rel=0.06)
        assert withheld == (FRACTIONS if level == "withheld" else ())


@pytest.mark.parametrize(
    ("confidences", "expected"),
    [
        ((0.83,) * 4, []),
        ((0.9, 0.7), [("likeness", "warning", 0.8, ())]),
        ((0.73,) * 4, [("likeness", "warning", 0.73, ())]),
        ((0.71,) * 4, [("likeness", "withheld", 0.71, EVERYTHING)]),
        ((None,) * 20, []),
        # of ten red cells a quarter or less may be unsure
        ((0.7,) * 2 + (0.95,) * 8, []),
        ((0.74,) * 3 + (0.95,) * 7, [("red cells", "warning", 0.3, ())]),
        ((0.74,) * 5 + (1.0,) * 5, [("red cells", "warning", 0.5, ())]),
        ((0.74,) * 6 + (1.0,) * 4, [("red cells", "withheld", 0.6, ("parasitaemia",))]),
        ((0.74,) * 3 + (0.95,) * 9, []),
        ((0.74,) * 5 + (1.0,) * 4, []),  # too few for a fraction of them
        ((0.75,) * 6 + (1.0,) * 4, []),
    ],
)
def test_a_network_that_is_not_sure_says_of_which_cells(said, confidences, expected):
    assert said(cells(*confidences)) == expected


def test_a_white_cell_that_is_hardly_one_counts_as_a_doubt_though_its_class_is_sure(said):
    white = [replace(cell, of_kind=0.7) for cell in cells(*(1.0,) * 4, class_id=NEUTROPHIL)]
    assert said(white) == [("likeness", "withheld", pytest.approx(0.7), EVERYTHING)]


def test_white_cells_are_no_red_cells_and_the_infected_are_counted(said, monkeypatch):
    unsure = cells(*(0.74,) * 6, class_id=NEUTROPHIL)
    assert said(unsure + cells(*(0.95,) * 9)) == []
    monkeypatch.setattr(Appearance, "of", classmethod(lambda *_: SHARP))
    labels = np.zeros(IMAGE.shape[:2], np.uint8)
    segmentation = Segmentation(labels, None, MEASURED, Preprocessing.none(), None)
    found = cells(0.7, 0.7, 0.7, class_id=INFECTED_RBC) + cells(*(0.95,) * 7)
    (finding,) = judge(IMAGE, segmentation, found).findings
    assert "30% of the red cells; of the 3 it calls infected" in finding.sentence
    lost, hesitant = (judge(IMAGE, segmentation, cells(c)).findings[0].sentence for c in (0.7, 0.8))
    assert lost.startswith("The network is lost") and "picture is unlike" in lost
    assert hesitant.startswith("The network is not sure") and "perhaps unlike" in hesitant
    (empty,) = judge(IMAGE, segmentation, []).findings
    assert (empty.name, empty.level, empty.value) == ("cells", "warning", 0)


def test_the_worst_comes_first_and_writing_last(said):
    got = said(cells(*[0.95] * 40), written=3, steepness=0.1, colourful=0)
    assert [level for _, level, *_ in got] == ["withheld", "warning", "note"]
    assert got[-1] == ("writing", "note", 3, ())
