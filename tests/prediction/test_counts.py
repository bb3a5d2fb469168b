import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from discs import disc
from hypothesis import given
from hypothesis import strategies as st

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    EOSINOPHIL,
    HEALTHY_RBC,
    INFECTED_RBC,
    MONOCYTE,
    NEUTROPHIL,
    PLATELET_CLUMP,
    THROMBOCYTE,
)
from bloodseg_lib.prediction.counts import CountingConfig, Counts, count_cells, pool
from bloodseg_lib.prediction.finding import Finding, Quality
from bloodseg_lib.prediction.proportion import Proportion, wilson_interval
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.pool import Pool
from bloodseg_lib.smears.recipe import Recipe

RBC_PX = 18  # radius: an area of 1018 pixels


def discs(*placed, size=(224, 224)):
    """Label map with discs of (class, x, y, radius)."""
    labels = np.zeros(size, np.uint8)
    for class_id, x, y, radius in placed:
        cv2.circle(labels, (x, y), radius, class_id, -1)
    return labels


def test_separate_cells_are_counted_alike_by_all_three_methods():
    counts = count_cells(
        discs(
            (HEALTHY_RBC, 40, 40, RBC_PX),
            (HEALTHY_RBC, 120, 40, RBC_PX),
            (INFECTED_RBC, 40, 140, RBC_PX),
        )
    )
    assert counts.watershed["healthy_rbc"] == counts.components["healthy_rbc"] == 2
    assert counts.watershed["infected_rbc"] == counts.components["infected_rbc"] == 1
    assert counts.by_area["healthy_rbc"] == pytest.approx(2, abs=0.1)


def test_touching_cells_are_split_by_the_watershed_only():
    counts = count_cells(
        discs(
            (HEALTHY_RBC, 60, 60, RBC_PX),
            (HEALTHY_RBC, 90, 60, RBC_PX),
            (HEALTHY_RBC, 75, 86, RBC_PX),
        )
    )
    assert counts.components["healthy_rbc"] == 1
    assert counts.watershed["healthy_rbc"] == 3


def test_where_three_cells_meet_there_is_no_fourth():
    for gap in (29, 31, 33):  # the middle of the triangle is as deep as a cell, shallower, a hole
        labels = discs(
            (HEALTHY_RBC, 60, 60, RBC_PX),
            (HEALTHY_RBC, 60 + gap, 60, RBC_PX),
            (HEALTHY_RBC, 60 + gap // 2, 60 + gap * 7 // 8, RBC_PX),
        )
        assert count_cells(labels).watershed["healthy_rbc"] == 3


def test_a_round_cell_whose_distance_has_two_equal_peaks_is_one():
    labels = discs((NEUTROPHIL, 100, 100, 39), (NEUTROPHIL, 104, 100, 39))
    assert count_cells(labels).watershed["neutrophil"] == 1


@pytest.mark.parametrize("quarter_turns", range(4))
def test_touching_cells_that_the_border_cuts_are_counted_apart(quarter_turns):
    labels = np.rot90(
        discs(
            (HEALTHY_RBC, 3, 60, RBC_PX),
            (HEALTHY_RBC, 33, 60, RBC_PX),
            (HEALTHY_RBC, 3, 93, RBC_PX),
        ),
        quarter_turns,
    )
    counts = count_cells(np.ascontiguousarray(labels), config=CountingConfig(border_rule=False))
    assert counts.watershed["healthy_rbc"] == 3


def test_a_label_map_has_the_same_cells_in_every_process_and_with_any_number_of_threads(tmp_path):
    rng = np.random.default_rng(5)  # cells that touch: the watershed between them has many ties
    crowd = [(HEALTHY_RBC, *rng.integers(20, 400, 2).tolist(), RBC_PX) for _ in range(120)]
    np.save(tmp_path / "labels.npy", discs(*crowd, size=(420, 420)))
    code = (
        "import sys, cv2, numpy; cv2.setNumThreads(int(sys.argv[2])); "
        "from bloodseg_lib.prediction.counts import count_cells; "
        "print(count_cells(numpy.load(sys.argv[1])).to_csv())"
    )
    tables = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "labels.npy"), threads],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "2")
    }
    assert len(tables) == 1 and len(tables.pop().splitlines()) > 50


def test_a_label_map_without_any_rim_is_one_cell():
    labels = np.full((224, 224), HEALTHY_RBC, np.uint8)
    assert len(count_cells(labels, config=CountingConfig(border_rule=False)).cells) == 1


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
    assert (cell.area_px, cell.box, cell.centroid, cell.agreement, cell.field) == (
        1200,
        (10, 20, 40, 30),
        (29.5, 34.5),
        1.0,
        "here",
    )


def test_confidence_is_the_mean_probability_of_the_class():
    labels = np.zeros((60, 60), np.uint8)
    labels[10:40, 10:50] = HEALTHY_RBC
    probabilities = np.zeros((60, 60, 10), np.float16)
    probabilities[10:25, :, HEALTHY_RBC] = 0.5
    probabilities[25:40, :, HEALTHY_RBC] = 1
    assert count_cells(labels, probabilities).cells[0].confidence == 0.75
    assert count_cells(labels).cells[0].confidence is None


def test_the_probabilities_of_touching_cells_are_those_of_their_own_pixels():
    labels = discs((HEALTHY_RBC, 60, 60, RBC_PX), (INFECTED_RBC, 90, 60, RBC_PX))
    probabilities = np.zeros((224, 224, 10))
    probabilities[labels == HEALTHY_RBC] = np.eye(10)[HEALTHY_RBC] * 0.7 + np.eye(10)[0] * 0.3
    probabilities[labels == INFECTED_RBC] = np.eye(10)[INFECTED_RBC]
    left, right = count_cells(labels, probabilities).cells
    # the cut gives it some pixels of the other
    assert (left.class_id, right.class_id) == (HEALTHY_RBC, INFECTED_RBC) and left.agreement < 1
    assert left.probabilities[HEALTHY_RBC] == left.confidence == pytest.approx(0.7 * left.agreement)
    assert left.probabilities[INFECTED_RBC] == pytest.approx(1 - left.agreement)
    assert right.probabilities[INFECTED_RBC] == right.confidence == pytest.approx(
        right.agreement
    ) and sum(right.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(("share", "expected"), [(0.3, INFECTED_RBC), (0.5, HEALTHY_RBC)])
def test_a_red_cell_is_infected_from_a_share_of_its_probability(share, expected):
    labels = discs((HEALTHY_RBC, 60, 60, RBC_PX), (NEUTROPHIL, 150, 150, 39))
    probabilities = np.zeros((224, 224, 10))
    probabilities[..., [HEALTHY_RBC, INFECTED_RBC]] = 0.48, 0.32  # 40 % of what is red
    red, white = count_cells(
        labels, probabilities, config=CountingConfig(infected_share=share)
    ).cells
    assert red.class_id == expected and red.confidence == pytest.approx(
        0.32 if expected == INFECTED_RBC else 0.48
    )
    assert red.agreement == (0 if expected == INFECTED_RBC else 1) and white.class_id == NEUTROPHIL


def test_specks_are_no_cells():
    labels = np.zeros((50, 50), np.uint8)
    labels[10:25, 10:27] = HEALTHY_RBC  # 255 pixels; a quarter of 1040 is 260
    assert not count_cells(labels).cells
    assert len(count_cells(labels, config=CountingConfig(minimum_area=0.24)).cells) == 1


def test_cells_at_the_top_and_left_border_count_those_at_the_bottom_and_right_do_not():
    places = {
        "top": (100, 4),
        "left": (4, 100),
        "bottom": (100, 219),
        "right": (219, 100),
        "corner": (219, 4),
    }
    labels = discs(*[(HEALTHY_RBC, x, y, RBC_PX) for x, y in places.values()])
    counts = count_cells(labels)
    assert {(cell.box[0] == 0, cell.box[1] == 0) for cell in counts.cells} == {
        (True, False),
        (False, True),
    }
    assert (
        counts.watershed["healthy_rbc"] == counts.components["healthy_rbc"] == 2
        and counts.cut_by_border == 3
    )
    assert (
        count_cells(labels, config=CountingConfig(border_rule=False)).watershed["healthy_rbc"] == 5
    )


def test_the_counts_of_a_magnified_field_are_those_of_the_field():
    small = discs(
        (HEALTHY_RBC, 60, 60, RBC_PX),
        (HEALTHY_RBC, 92, 60, RBC_PX),
        (EOSINOPHIL, 140, 150, 40),
        (THROMBOCYTE, 40, 150, 9),
    )
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    here, there = count_cells(small), count_cells(large, scale=Scale.of_factor(0.5))
    assert here.watershed == there.watershed and here.components == there.components
    assert here.by_area == pytest.approx(there.by_area)


@given(st.integers(0, 2**32 - 1))
def test_every_counted_pixel_belongs_to_one_cell_at_most(seed):
    rng = np.random.default_rng(seed)
    labels = discs(
        *[
            (
                int(rng.integers(1, 10)),
                int(rng.integers(200)),
                int(rng.integers(200)),
                int(rng.integers(5, 30)),
            )
            for _ in range(15)
        ],
        size=(200, 200),
    )
    counts = count_cells(labels, config=CountingConfig(minimum_area=0, border_rule=False))
    assert sum(cell.area_px for cell in counts.cells) == np.count_nonzero(labels)
    assert all(0 < cell.agreement <= 1 for cell in counts.cells)


def counts_of(**numbers) -> Counts:
    zero = dict.fromkeys((c.key for c in CELL_CLASSES), 0)
    return Counts(
        (), {**zero, **numbers}, {**zero, **numbers}, {**zero, **numbers}, 0, CountingConfig()
    )


def test_the_differential_is_of_white_cells_and_parasitaemia_of_red_ones():
    counts = counts_of(
        neutrophil=30, lymphocyte=10, infected_rbc=5, healthy_rbc=195, thrombocyte=50
    )
    assert counts.differential()["neutrophil"].value == 0.75
    assert counts.differential()["basophil"].value == 0
    assert (
        counts.parasitaemia().numerator,
        counts.parasitaemia().denominator,
        counts.parasitaemia().value,
    ) == (5, 200, 0.025)


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
        # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
        (81, 263, 0.2553, 0.3662),
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


def test_95_percent_intervals_cover_the_truth_95_percent_of_the_time():
    rng = np.random.default_rng(0)
    for low, high, cells in (
        (0.005, 0.05, (300, 3000)),
        (0.05, 0.5, (100, 600)),
        (0.02, 0.98, (20, 200)),
    ):
        truth = rng.uniform(low, high, 4000)
        looked_at = rng.integers(*cells, 4000)
        intervals = [
            Proportion(int(k), int(n), 20).interval
            for k, n in zip(rng.binomial(looked_at, truth), looked_at, strict=True)
        ]
        covered = np.mean([a <= p <= b for (a, b), p in zip(intervals, truth, strict=True)])
        assert 0.93 <= covered <= 0.97


def test_pooled_fields_cover_the_truth_too():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        truth = rng.uniform(0.02, 0.3)
        infected = rng.binomial(60, truth, 5)
        low, high = (
            pool([counts_of(infected_rbc=int(k), healthy_rbc=60 - int(k)) for k in infected])
            .parasitaemia()
            .interval
        )
        covered += low <= truth <= high
    assert 930 <= covered <= 970


def test_counts_that_disagree_are_flagged():
    counts = count_cells(discs((HEALTHY_RBC, 60, 60, RBC_PX), (NEUTROPHIL, 100, 150, 39)))
    by_area = {**counts.by_area, "healthy_rbc": 5.0}
    assert list(replace(counts, by_area=by_area).disagreements()) == ["healthy_rbc"]
    pieces = {**counts.components, "healthy_rbc": 4}
    words = replace(counts, components=pieces).to_dict()["disagreements"]["healthy_rbc"]
    assert "1 cells, 4 connected pieces" in words


@pytest.mark.parametrize(
    ("cells", "area", "flagged"),
    [(7, 5, True), (8, 6, False), (3, 2, False), (2, 0, True), (100, 76, False), (100, 74, True)],
)
def test_a_disagreement_is_of_two_cells_and_more_than_a_quarter(cells, area, flagged):
    counts = counts_of(healthy_rbc=cells)
    counts = replace(counts, by_area={**counts.by_area, "healthy_rbc": float(area)})
    assert bool(counts.disagreements()) == flagged


def test_cells_that_touch_are_no_disagreement():
    chain = count_cells(discs(*[(HEALTHY_RBC, 30 + 32 * i, 60, RBC_PX) for i in range(5)]))
    assert (chain.watershed["healthy_rbc"], chain.components["healthy_rbc"]) == (5, 1)
    assert chain.disagreements() == {}


def test_counts_of_composed_smears_are_near_the_truth():
    """The original project's densities:

    16 red cells on 224 x 224, a fifth of them hidden or cut to less than a quarter, which count as
    none in the truth too.
    """
    cells = Pool([(f"{c.key}/{i}", disc(c.id, i)) for c in CELL_CLASSES for i in range(3)])
    rng = np.random.default_rng(3)
    errors, white = [], [0, 0]
    for kind in ("nn", "ii", "ni", "ni"):
        background = compose_background(cells, kind, Recipe(), rng)
        for _ in range(8):
            smear = compose_smear(background, (NEUTROPHIL, MONOCYTE), cells, Recipe(), rng)
            seen = np.bincount(smear.instances.ravel(), minlength=len(smear.cells) + 1)[1:]
            ids = np.array([cell.class_id for cell in smear.cells])
            truth = np.count_nonzero((seen >= 260) & np.isin(ids, (INFECTED_RBC, HEALTHY_RBC)))
            counts = count_cells(smear.labels, config=CountingConfig(border_rule=False)).watershed
            errors.append(abs(counts["infected_rbc"] + counts["healthy_rbc"] - truth) / truth)
            white[0] += counts["neutrophil"] + counts["monocyte"]
            white[1] += 2
    assert np.mean(errors) <= 0.05
    assert abs(white[0] - white[1]) <= 1


def test_fields_are_pooled_not_averaged():
    few, many = (
        counts_of(infected_rbc=10, healthy_rbc=10),
        counts_of(infected_rbc=0, healthy_rbc=180),
    )
    assert pool([few, many]).parasitaemia() == Proportion(10, 200, 100)
    with pytest.raises(ValueError, match="one or more"):
        pool([])


def withheld(counts, figures):
    return replace(counts, quality=Quality((Finding("focus", "withheld", 1, "Blurred.", figures),)))


@pytest.mark.parametrize("figures", [("counts",), ("parasitaemia",)])
def test_withheld_fields_are_left_out_of_a_pool_and_it_says_how_many(figures):
    good, bad = counts_of(healthy_rbc=200), counts_of(infected_rbc=50)
    pooled = pool([good, withheld(bad, figures), withheld(bad, ("differential",))])
    assert (pooled.watershed["infected_rbc"], pooled.components["infected_rbc"]) == (50, 50)
    (finding,) = pooled.quality.findings
    assert (finding.name, finding.level, finding.value) == ("pictures", "note", 1)
    assert finding.sentence.startswith("1 of 3 pictures are left out")


def test_a_pool_of_withheld_fields_only_is_withheld():
    pooled = pool([withheld(counts_of(infected_rbc=50), ("counts",))] * 2)
    (finding,) = pooled.quality.findings
    assert (finding.name, finding.level, finding.value) == ("pictures", "withheld", 2)
    assert pooled.to_dict()["counts"] is pooled.to_dict()["uncertain"] is None
    assert str(pooled.parasitaemia()) == str(pooled.differential()["neutrophil"]) == "withheld"


def test_counts_without_pixels_keep_every_number():
    counts = count_cells(discs((NEUTROPHIL, 100, 100, 39), (HEALTHY_RBC, 30, 30, RBC_PX)))
    small = counts.without_pixels()
    assert small.cells == counts.cells and small.to_dict() == counts.to_dict()
    assert small.label_map is None and {cell.mask for cell in small.cells} == {None}


def test_progress_goes_up_to_the_whole():
    done = []
    count_cells(
        discs((NEUTROPHIL, 100, 100, 39), (HEALTHY_RBC, 30, 30, 18)), on_progress=done.append
    )
    assert done == sorted(done) and min(done) >= 0 and done[-1] == 1


def test_csv_and_json_hold_the_cells_and_say_not_for_diagnosis():
    counts = count_cells(
        discs((NEUTROPHIL, 100, 100, 39), (HEALTHY_RBC, 30, 30, RBC_PX)), field="a, b"
    )
    rows = list(csv.DictReader(io.StringIO(counts.to_csv())))
    assert [row["class"] for row in rows] == ["healthy_rbc", "neutrophil"]
    assert rows[0]["field"] == "a, b" and [row["cell"] for row in rows] == ["1", "2"]
    assert counts.to_csv().count("Not for diagnosis.") == 1
    summary = json.loads(json.dumps(counts.to_dict()))
    assert (
        summary["notice"] == "Not for diagnosis."
        and summary["counts"]["neutrophil"]["watershed"] == 1
    )
    area = np.pi * 39**2 / CLASSES[NEUTROPHIL].mean_area_px
    assert summary["counts"]["neutrophil"]["by_area"] == pytest.approx(area, abs=0.02)
    assert {cell.field for cell in count_cells(discs((NEUTROPHIL, 100, 100, 39))).cells} == {""}
    assert "top or left" in summary["border"]


def test_an_empty_field_is_counted_as_empty():
    counts = count_cells(np.zeros((30, 40), np.uint8))
    assert (
        not counts.cells
        and sum(counts.watershed.values()) == 0
        and counts.parasitaemia().value is None
    )


def test_what_is_no_label_map_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        count_cells(np.zeros((4, 4), np.int64))
    with pytest.raises(ValueError, match=r"\(4, 4, 10\)"):
        count_cells(np.zeros((4, 4), np.uint8), np.zeros((4, 5, 10)))


@pytest.mark.parametrize(
    ("field", "refused", "taken"),
    [
        ("minimum_area", (-0.01, 1.01), (0, 1)),
        ("split_depth", (0, 1.01), (0.01, 1)),
        ("infected_share", (0, 1), (0.01, 0.99)),
        ("most_entropy", (0, np.inf), (0.01, 9)),
        ("most_beyond_two", (0, 1.01), (0.01, 1)),
        ("minimum_wbc", (0,), (1,)),
        ("minimum_rbc", (0,), (1,)),
        ("disagreement", (0, 1.01), (0.01, 1)),
    ],
)
def test_a_config_out_of_range_is_refused(field, refused, taken):
    for value in refused:
        words = "(a fraction|above 0|at least 1).*"
        with pytest.raises(
            ValueError, match=rf"Config\.{field}: expected {words}\. Received {value}"
        ):
            CountingConfig(**{field: value})
    for value in taken:
        assert getattr(CountingConfig(**{field: value}), field) == value
