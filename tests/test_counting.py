import csv
import io
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bloodseg_lib.classes import CELL_CLASSES, EOSINOPHIL, HEALTHY_RBC, INFECTED_RBC, MONOCYTE, NEUTROPHIL, PLATELET_CLUMP, THROMBOCYTE
from bloodseg_lib.counting import CountingConfig, Counts, Proportion, count_cells, pool, wilson_interval

RBC_PX = 18  # radius: an area of 1018 pixels


def discs(*placed, size=(224, 224)):
    """Label map with discs of (class, x, y, radius)."""
    labels = np.zeros(size, np.uint8)
    for class_id, x, y, radius in placed:
        cv2.circle(labels, (x, y), radius, class_id, -1)
    return labels


def test_separate_cells_are_counted_alike_by_all_three_methods():
    counts = count_cells(discs((HEALTHY_RBC, 40, 40, RBC_PX), (HEALTHY_RBC, 120, 40, RBC_PX), (INFECTED_RBC, 40, 140, RBC_PX)))
    assert counts.watershed["healthy_rbc"] == counts.components["healthy_rbc"] == 2
    assert counts.watershed["infected_rbc"] == counts.components["infected_rbc"] == 1
    assert counts.by_area["healthy_rbc"] == pytest.approx(2, abs=0.1)


def test_touching_cells_are_split_by_the_watershed_only():
    counts = count_cells(discs((HEALTHY_RBC, 60, 60, RBC_PX), (HEALTHY_RBC, 90, 60, RBC_PX), (HEALTHY_RBC, 75, 86, RBC_PX)))
    assert counts.components["healthy_rbc"] == 1
    assert counts.watershed["healthy_rbc"] == 3


def test_a_cell_of_two_colours_is_one_cell_of_the_larger_and_says_how_sure():
    labels = discs((HEALTHY_RBC, 60, 60, RBC_PX))
    labels[:, :54][labels[:, :54] > 0] = INFECTED_RBC
    counts = count_cells(labels)
    (cell,) = counts.cells
    assert cell.class_id == HEALTHY_RBC
    assert cell.agreement == np.count_nonzero(labels == HEALTHY_RBC) / np.count_nonzero(labels) < 1


def test_a_pale_centre_does_not_split_its_cell():
    labels = discs((HEALTHY_RBC, 60, 60, RBC_PX), (0, 60, 60, 6))
    assert count_cells(labels).watershed["healthy_rbc"] == 1


def test_an_elongated_cell_and_a_large_white_cell_stay_whole():
    labels = discs((MONOCYTE, 150, 150, 46))
    cv2.ellipse(labels, (60, 60), (24, 13), 30, 0, 360, INFECTED_RBC, -1)
    counts = count_cells(labels)
    assert counts.watershed["monocyte"] == 1 and counts.watershed["infected_rbc"] == 1


def test_platelets_that_touch_are_one_clump():
    labels = discs(*[(PLATELET_CLUMP, 60 + 12 * i, 60, 9) for i in range(4)])
    labels[:, 94:][labels[:, 94:] > 0] = THROMBOCYTE
    counts = count_cells(labels)
    assert counts.watershed["platelet_clump"] == 1 and counts.watershed["thrombocyte"] == 0


def test_box_and_centroid_are_those_of_the_cell():
    labels = np.zeros((100, 100), np.uint8)
    labels[20:50, 10:50] = HEALTHY_RBC  # 30 rows, 40 columns
    (cell,) = count_cells(labels, field="here").cells
    assert (cell.area_px, cell.box, cell.centroid, cell.agreement, cell.field) == (1200, (10, 20, 40, 30), (29.5, 34.5), 1.0, "here")


def test_confidence_is_the_mean_probability_of_the_class():
    labels = np.zeros((60, 60), np.uint8)
    labels[10:40, 10:50] = HEALTHY_RBC
    probabilities = np.zeros((60, 60, 10), np.float16)
    probabilities[10:25, :, HEALTHY_RBC] = 0.5
    probabilities[25:40, :, HEALTHY_RBC] = 1
    assert count_cells(labels, probabilities).cells[0].confidence == 0.75
    assert count_cells(labels).cells[0].confidence is None


def test_specks_are_no_cells():
    labels = np.zeros((50, 50), np.uint8)
    labels[10:25, 10:27] = HEALTHY_RBC  # 255 pixels; a quarter of 1040 is 260
    assert not count_cells(labels).cells
    assert len(count_cells(labels, config=CountingConfig(minimum_area=0.24)).cells) == 1


def test_cells_at_the_top_and_left_border_count_those_at_the_bottom_and_right_do_not():
    places = {"top": (100, 4), "left": (4, 100), "bottom": (100, 219), "right": (219, 100), "corner": (219, 4)}
    labels = discs(*[(HEALTHY_RBC, x, y, RBC_PX) for x, y in places.values()])
    counts = count_cells(labels)
    assert {(cell.box[0] == 0, cell.box[1] == 0) for cell in counts.cells} == {(True, False), (False, True)}
    assert counts.watershed["healthy_rbc"] == counts.components["healthy_rbc"] == 2 and counts.cut_by_border == 3
    assert count_cells(labels, config=CountingConfig(border_rule=False)).watershed["healthy_rbc"] == 5


def test_the_counts_of_a_magnified_field_are_those_of_the_field():
    small = discs((HEALTHY_RBC, 60, 60, RBC_PX), (HEALTHY_RBC, 92, 60, RBC_PX), (EOSINOPHIL, 140, 150, 40), (THROMBOCYTE, 40, 150, 9))
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    here, there = count_cells(small), count_cells(large, scale=0.5)
    assert here.watershed == there.watershed and here.components == there.components
    assert here.by_area == pytest.approx(there.by_area)


@given(st.integers(0, 2**32 - 1))
def test_every_counted_pixel_belongs_to_one_cell_at_most(seed):
    rng = np.random.default_rng(seed)
    labels = discs(
        *[(int(rng.integers(1, 10)), int(rng.integers(200)), int(rng.integers(200)), int(rng.integers(5, 30))) for _ in range(15)], size=(200, 200)
    )
    counts = count_cells(labels, config=CountingConfig(minimum_area=0, border_rule=False))
    assert sum(cell.area_px for cell in counts.cells) == np.count_nonzero(labels)
    assert all(0 < cell.agreement <= 1 for cell in counts.cells)


def counts_of(**numbers) -> Counts:
    zero = dict.fromkeys((c.key for c in CELL_CLASSES), 0)
    return Counts((), {**zero, **numbers}, {**zero, **numbers}, {**zero, **numbers}, 0, CountingConfig())


def test_the_differential_is_of_white_cells_and_parasitaemia_of_red_ones():
    counts = counts_of(neutrophil=30, lymphocyte=10, infected_rbc=5, healthy_rbc=195, thrombocyte=50)
    assert counts.differential()["neutrophil"].value == 0.75
    assert counts.differential()["basophil"].value == 0
    assert (counts.parasitaemia().numerator, counts.parasitaemia().denominator, counts.parasitaemia().value) == (5, 200, 0.025)


def test_too_few_cells_give_no_figure():
    share = counts_of(infected_rbc=3, healthy_rbc=96).parasitaemia()
    assert share.value is None and share.interval is None
    assert str(share) == "3 of 99: too few cells (100 needed)"
    assert share.to_dict()["percent"] is None and "too few" in share.to_dict()["remark"]


@pytest.mark.parametrize(
    ("numerator", "denominator", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),  # z² / (n + z²)
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_the_published_ones(numerator, denominator, low, high):
    assert wilson_interval(numerator, denominator) == pytest.approx((low, high), abs=6e-5)


def test_an_impossible_proportion_is_refused():
    with pytest.raises(ValueError, match="3 of 2"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="0 of 0"):
        wilson_interval(0, 0)


def test_fields_are_pooled_not_averaged():
    few, many = counts_of(infected_rbc=10, healthy_rbc=10), counts_of(infected_rbc=0, healthy_rbc=180)
    assert pool([few, many]).parasitaemia() == Proportion(10, 200, 100)
    with pytest.raises(ValueError, match="one or more"):
        pool([])


def test_csv_and_json_hold_the_cells_and_say_not_for_diagnosis():
    counts = count_cells(discs((NEUTROPHIL, 100, 100, 39), (HEALTHY_RBC, 30, 30, RBC_PX)), field="a, b")
    rows = list(csv.DictReader(io.StringIO(counts.to_csv())))
    assert [row["class"] for row in rows] == ["healthy_rbc", "neutrophil"]
    assert rows[0]["field"] == "a, b" and all(row["notice"] == "Not for diagnosis." for row in rows)
    summary = json.loads(json.dumps(counts.to_dict()))
    assert summary["notice"] == "Not for diagnosis." and summary["counts"]["neutrophil"]["watershed"] == 1
    assert "top or left" in summary["border"]


def test_an_empty_field_is_counted_as_empty():
    counts = count_cells(np.zeros((30, 40), np.uint8))
    assert not counts.cells and sum(counts.watershed.values()) == 0 and counts.parasitaemia().value is None


def test_what_is_no_label_map_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        count_cells(np.zeros((4, 4), np.int64))
    with pytest.raises(ValueError, match=r"\(4, 4, 10\)"):
        count_cells(np.zeros((4, 4), np.uint8), np.zeros((4, 5, 10)))


def test_a_config_out_of_range_is_refused():
    with pytest.raises(ValueError, match="minimum_area"):
        CountingConfig(minimum_area=2.0)
