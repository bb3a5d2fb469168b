import dataclasses

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bloodseg_lib import figures
from bloodseg_lib.classes import BASOPHIL, CLASSES, HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL
from bloodseg_lib.network.metrics import scores
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.training.record import EpochRecord

matplotlib.use("agg")

IMAGE = np.full((64, 96, 3), 200, np.uint8)
LABELS = np.zeros((64, 96), np.uint8)
LABELS[5:45, 5:40] = INFECTED_RBC
LABELS[20:60, 50:90] = HEALTHY_RBC
PROBABILITIES = np.eye(10, dtype=np.float16)[LABELS]
OBJECTS = [
    {
        "class": "infected_rbc",
        "id": INFECTED_RBC,
        "box": {"x": 5, "y": 5, "width": 35, "height": 40},
        "area_px": 1400,
    }
]
CONFUSION = np.diag(np.arange(10, 110, 10)) + np.eye(10, k=1, dtype=int)
CONFUSION[BASOPHIL] = 0
HISTORY = [
    EpochRecord(
        epoch=e,
        learning_rate=1e-3 / e,
        train_loss=2 / e,
        valid_loss=3 / e,
        train_accuracy=0.6,
        valid_accuracy=0.7,
        background_share=0.65,
    )
    for e in (1, 2, 3)
]

EVERY_FIGURE = {
    "class_legend": figures.class_legend,
    "sample_sheet": lambda: figures.sample_sheet(
        [CellSample(np.full((20, 20, 4), 99, np.uint8), NEUTROPHIL, "s", "g", "n")] * 3, per_class=2
    ),
    "smears": lambda: figures.smears_figure([(IMAGE, LABELS, OBJECTS), (IMAGE, LABELS, None)]),
    "class_balance": lambda: figures.class_balance_figure(
        {"training": np.arange(10), "testing": np.arange(10)}
    ),
    "weight_map": lambda: figures.weight_map_figure(IMAGE, LABELS, 1 + LABELS.astype(np.float32)),
    "weight_map_even": lambda: figures.weight_map_figure(
        IMAGE, LABELS, np.ones(LABELS.shape, np.float32)
    ),
    "network": figures.network_figure,
    "learning_curve": lambda: figures.learning_curve_figure(HISTORY),
    "confusion": lambda: figures.confusion_figure(CONFUSION),
    "per_class": lambda: figures.per_class_figure(scores(CONFUSION)),
    "comparison": lambda: figures.comparison_figure(
        [(IMAGE, LABELS, LABELS), (IMAGE, None, LABELS)], titles=["a", "b"]
    ),
    "comparison_without_truth": lambda: figures.comparison_figure([(IMAGE, None, LABELS)]),
    "heat_map": lambda: figures.heat_map_figure(IMAGE, PROBABILITIES),
    "cells": lambda: figures.cells_figure(IMAGE, count_cells(LABELS).cells),
    "class_shares": lambda: figures.class_shares_figure({"one": np.full(10, 0.1)}),
    "overlap": lambda: figures.overlap_figure(LABELS > 0, LABELS == HEALTHY_RBC),
    "reliability": lambda: figures.reliability_figure(*np.tile(np.linspace(0.1, 1, 10), (3, 1))),
    "threshold": lambda: figures.threshold_figure(
        np.array([0.2, 0.6]), np.array([False, True]), threshold=0.5
    ),
}


@pytest.mark.parametrize("name", EVERY_FIGURE)
def test_every_figure_comes_back_drawable_and_explains_its_colours(name):
    figure = EVERY_FIGURE[name]()
    assert type(figure) is Figure
    figure.canvas.draw()
    words = " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))
    explained = (
        figure.legends
        or any(axes.get_legend() for axes in figure.axes)
        or "<colorbar>" in [axes.get_label() for axes in figure.axes]
    )
    assert explained or any(c.name in words for c in CLASSES)


@pytest.mark.parametrize("name", ["smears", "comparison", "weight_map"])
def test_the_legend_names_exactly_the_classes_in_the_picture(name):
    (legend,) = EVERY_FIGURE[name]().legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "Background",
        "i  Infected RBC",
        "h  Healthy RBC",
    ]


def test_the_legend_has_the_class_colours():
    (legend,) = EVERY_FIGURE["comparison"]().legends
    assert [to_rgb(patch.get_facecolor()[:3]) for patch in legend.get_patches()] == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
    ]


@pytest.mark.parametrize("name", ["smears", "comparison", "weight_map"])
def test_each_cell_of_a_label_map_bears_the_letter_of_its_class(name):
    panel = EVERY_FIGURE[name]().axes[1]
    (infected, healthy) = panel.texts
    assert (infected.get_text(), healthy.get_text()) == ("i", "h")
    x, y = healthy.get_position()
    assert LABELS[int(y), int(x)] == HEALTHY_RBC


def test_the_scale_bar_is_as_long_as_it_says():
    # 96 pixels of 0.25 µm are 24 µm; the longest round length within a quarter of it is 5 µm
    panel = figures.comparison_figure([(IMAGE, None, LABELS)], pixel_um=0.25).axes[0]
    assert [text.get_text() for text in panel.texts] == ["5 µm"]
    assert np.ptp(panel.lines[0].get_xdata()) == pytest.approx(20)
    assert not figures.comparison_figure([(IMAGE, None, LABELS)], pixel_um=None).axes[0].texts


def test_a_threshold_counts_the_cells_from_it_upwards():
    share, infected = np.array([0.2, 0.5, 0.9, 0.4]), np.array([False, False, True, True])
    figure = figures.threshold_figure(share, infected, threshold=0.5)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "Healthy RBC: 1 of 2 called infected" in words
    assert "Infected RBC: 1 of 2 called infected" in words
    assert figure.axes[0].get_title() == "Parasitaemia: counted 50.0%, true 50.0%"


def test_an_overlap_counts_the_pixels_of_its_three_kinds():
    truth, found = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    truth[1:3, 1:3], found[1:3, 2:4] = True, True
    words = [t.get_text() for t in figures.overlap_figure(truth, found).legends[0].get_texts()]
    assert words == ["TP: both, 2 pixels", "FN: missed, 2 pixels", "FP: invented, 2 pixels"]


def test_no_figure_touches_the_state_of_pyplot():
    import matplotlib.pyplot as plt

    for make in EVERY_FIGURE.values():
        make()
    assert not plt.get_fignums()


def test_nothing_to_draw_is_refused():
    for draw in (
        figures.smears_figure,
        figures.comparison_figure,
        figures.learning_curve_figure,
        figures.sample_sheet,
    ):
        with pytest.raises(ValueError, match="at least one"):
            draw([])


def test_a_learning_curve_names_the_rates_of_steps_but_not_of_a_cosine():
    def named(rates):
        history = [
            dataclasses.replace(HISTORY[0], epoch=e, learning_rate=r)
            for e, r in enumerate(rates, start=1)
        ]
        axes = figures.learning_curve_figure(history).axes[1]
        return [text.get_text() for text in axes.texts]

    assert named([1e-3, 1e-3, 1e-4, 1e-4]) == ["rate 0.0001"]
    assert named([3e-3, 2e-3, 1e-3, 1e-5]) == []
