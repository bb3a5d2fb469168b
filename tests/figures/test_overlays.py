import io

import cv2
import numpy as np
import pytest
from PIL import Image

from bloodseg_lib.classes import CLASSES, HEALTHY_RBC, INFECTED_RBC, PALETTE
from bloodseg_lib.figures.charts import class_legend
from bloodseg_lib.figures.overlays import figure_png, heat, heat_scale, legend_strip, overlay

IMAGE = np.full((64, 96, 3), 200, np.uint8)
LABELS = np.zeros((64, 96), np.uint8)
LABELS[5:45, 5:40] = INFECTED_RBC
LABELS[20:60, 50:90] = HEALTHY_RBC


def test_the_overlay_leaves_the_background_and_tints_the_cells():
    result = overlay(IMAGE, LABELS, opacity=0.5, outlines=False)
    np.testing.assert_array_equal(result[LABELS == 0], IMAGE[LABELS == 0])
    # half of 200 and half of (255, 0, 0)
    assert np.abs(result[30, 20].astype(int) - (228, 100, 100)).max() <= 1


def test_outlines_are_drawn_in_full_colour_inside_the_cells():
    result = overlay(IMAGE, LABELS, opacity=0)
    np.testing.assert_array_equal(result[5, 5:40], np.tile(PALETTE[INFECTED_RBC], (35, 1)))
    np.testing.assert_array_equal(result[10, 10], IMAGE[10, 10])
    np.testing.assert_array_equal(result[LABELS == 0], IMAGE[LABELS == 0])


def test_classes_that_are_not_asked_for_are_not_shown():
    result = overlay(IMAGE, LABELS, class_ids=[HEALTHY_RBC])
    np.testing.assert_array_equal(result[LABELS == INFECTED_RBC], IMAGE[LABELS == INFECTED_RBC])
    assert (result[LABELS == HEALTHY_RBC] != 200).any()


def test_the_overlay_does_not_change_its_arguments():
    before = IMAGE.copy()
    overlay(IMAGE, LABELS)
    np.testing.assert_array_equal(IMAGE, before)


def test_an_overlay_of_another_size_or_opacity_is_refused():
    with pytest.raises(ValueError, match=r"\(64, 96, 3\).*\(64, 95, 3\)"):
        overlay(IMAGE[:, 1:], LABELS)
    with pytest.raises(ValueError, match="opacity"):
        overlay(IMAGE, LABELS, opacity=2)


def test_heat_is_brighter_where_the_probability_is_higher():
    ramp = np.tile(np.linspace(0, 1, 96), (64, 1))
    grey = cv2.cvtColor(heat(IMAGE, ramp), cv2.COLOR_RGB2GRAY)[0].astype(int)
    # 0.6 of 200
    assert grey[-1] > grey[48] and (heat(IMAGE, np.zeros((64, 96))) == 120).all()


def test_the_legend_strip_breaks_its_lines_to_fit():
    wide, narrow = legend_strip(900, range(10)), legend_strip(150, range(10))
    assert (
        wide.shape[1] == 900 and narrow.shape[1] == 150 and narrow.shape[0] > 5 * wide.shape[0] / 2
    )
    assert {tuple(c) for c in PALETTE.tolist()} <= {
        tuple(c) for c in np.unique(narrow.reshape(-1, 3), axis=0).tolist()
    }


def test_pictures_keep_the_class_colours_exactly():
    picture = np.asarray(Image.open(io.BytesIO(figure_png(class_legend()))).convert("RGB"))
    for cell_class in CLASSES:
        assert (picture == cell_class.colour).all(axis=2).sum() > 100


def test_the_heat_scale_has_the_colours_of_the_heat_map_from_0_to_1():
    scale = heat_scale(360)
    ends = heat(np.full((1, 2, 3), 200, np.uint8), np.array([[0.0, 1.0]]))[0]
    np.testing.assert_array_equal(scale[8, [14, 345]], ends)
