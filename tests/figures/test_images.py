import io

import cv2
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from bloodseg_lib.classes import BASOPHIL, CLASSES, HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL, PALETTE
from bloodseg_lib.figures import images as figures
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
        "Infected RBC",
        "Healthy RBC",
    ]


def test_the_legend_has_the_class_colours():
    (legend,) = EVERY_FIGURE["comparison"]().legends
    assert [to_rgb(patch.get_facecolor()[:3]) for patch in legend.get_patches()] == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
    ]


def test_no_figure_touches_the_state_of_pyplot():
    import matplotlib.pyplot as plt

    for make in EVERY_FIGURE.values():
        make()
    assert not plt.get_fignums()


def test_the_overlay_leaves_the_background_and_tints_the_cells():
    result = figures.overlay(IMAGE, LABELS, opacity=0.5, outlines=False)
    np.testing.assert_array_equal(result[LABELS == 0], IMAGE[LABELS == 0])
    # half of 200 and half of (255, 0, 0)
    assert np.abs(result[30, 20].astype(int) - (228, 100, 100)).max() <= 1


def test_outlines_are_drawn_in_full_colour_inside_the_cells():
    result = figures.overlay(IMAGE, LABELS, opacity=0)
    np.testing.assert_array_equal(result[5, 5:40], np.tile(PALETTE[INFECTED_RBC], (35, 1)))
    np.testing.assert_array_equal(result[10, 10], IMAGE[10, 10])
    np.testing.assert_array_equal(result[LABELS == 0], IMAGE[LABELS == 0])


def test_classes_that_are_not_asked_for_are_not_shown():
    result = figures.overlay(IMAGE, LABELS, class_ids=[HEALTHY_RBC])
    np.testing.assert_array_equal(result[LABELS == INFECTED_RBC], IMAGE[LABELS == INFECTED_RBC])
    assert (result[LABELS == HEALTHY_RBC] != 200).any()


def test_the_overlay_does_not_change_its_arguments():
    before = IMAGE.copy()
    figures.overlay(IMAGE, LABELS)
    np.testing.assert_array_equal(IMAGE, before)


def test_an_overlay_of_another_size_or_opacity_is_refused():
    with pytest.raises(ValueError, match=r"\(64, 96, 3\).*\(64, 95, 3\)"):
        figures.overlay(IMAGE[:, 1:], LABELS)
    with pytest.raises(ValueError, match="opacity"):
        figures.overlay(IMAGE, LABELS, opacity=2)


def test_heat_is_brighter_where_the_probability_is_higher():
    ramp = np.tile(np.linspace(0, 1, 96), (64, 1))
    grey = cv2.cvtColor(figures.heat(IMAGE, ramp), cv2.COLOR_RGB2GRAY)[0].astype(int)
    # 0.6 of 200
    assert grey[-1] > grey[48] and (figures.heat(IMAGE, np.zeros((64, 96))) == 120).all()


def test_the_legend_strip_breaks_its_lines_to_fit():
    wide, narrow = figures.legend_strip(900, range(10)), figures.legend_strip(150, range(10))
    assert (
        wide.shape[1] == 900 and narrow.shape[1] == 150 and narrow.shape[0] > 5 * wide.shape[0] / 2
    )
    assert {tuple(c) for c in PALETTE.tolist()} <= {
        tuple(c) for c in np.unique(narrow.reshape(-1, 3), axis=0).tolist()
    }


def test_nothing_to_draw_is_refused():
    for draw in (
        figures.smears_figure,
        figures.comparison_figure,
        figures.learning_curve_figure,
        figures.sample_sheet,
    ):
        with pytest.raises(ValueError, match="at least one"):
            draw([])


def test_pictures_keep_the_class_colours_exactly():
    picture = np.asarray(
        Image.open(io.BytesIO(figures.figure_png(figures.class_legend()))).convert("RGB")
    )
    for cell_class in CLASSES:
        assert (picture == cell_class.colour).all(axis=2).sum() > 100
