import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import (
    HEALTHY_RBC,
    INFECTED_RBC,
    NEUTROPHIL,
)
from bloodseg_lib.smears.canvas import Canvas, PlacedCell, rotated
from bloodseg_lib.smears.recipe import Recipe


def test_an_infected_cell_stays_infected_under_a_translucent_healthy_one():
    def labels(*classes, translucent=True):
        canvas = Canvas(
            np.full((40, 40, 3), 255, np.uint8),
            np.zeros((40, 40), np.uint16),
            [],
            Recipe(translucent=translucent, edge_softness_px=0),
        )
        for i, class_id in enumerate(classes):
            # each covers a pixel of the one before
            canvas.paste(np.full((1, 3, 4), 255, np.uint8), PlacedCell(class_id, "a"), 7, 2 + 2 * i)
        return [canvas.cells[i - 1].class_id for i in canvas.instances[7, 2 : 3 + 2 * len(classes)]]

    assert labels(INFECTED_RBC, HEALTHY_RBC) == [8, 8, 8, 9, 9]
    assert labels(HEALTHY_RBC, INFECTED_RBC) == [9, 9, 8, 8, 8]
    assert labels(INFECTED_RBC, NEUTROPHIL) == [8, 8, 3, 3, 3]
    assert labels(INFECTED_RBC, HEALTHY_RBC, translucent=False) == [8, 8, 9, 9, 9]


def test_a_quarter_turn_moves_pixels_without_loss():
    rgba = np.zeros((3, 5, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[0, 4, 0] = 200  # top right
    turned = rotated(rgba, 90)
    rows, columns = np.nonzero(turned[..., 3] >= 128)
    cell = turned[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert cell.shape[:2] == (5, 3)
    assert cell[0, 0, 0] == 200  # counter-clockwise: top right becomes top left


def test_a_rotated_sample_has_the_colours_of_its_edge_as_far_as_a_blur_reaches():
    rgba = np.full((40, 30, 4), (10, 200, 90, 255), np.uint8)
    turned = rotated(rgba, 30, (0.8, -1.1), softness_px=1.0)
    reached = cv2.dilate((turned[..., 3] > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert np.abs(turned[..., :3][reached].astype(int) - (10, 200, 90)).max() <= 1
    assert np.count_nonzero(turned[..., 3] >= 128) == pytest.approx(40 * 30 * 0.8 * 1.1, rel=0.02)


def test_a_cell_is_mixed_with_what_is_beneath_by_its_matte():
    image, instances = np.full((40, 40, 3), 255, np.uint8), np.zeros((40, 40), np.uint16)
    canvas = Canvas(image, instances, [], Recipe(edge_softness_px=0))
    rgba = np.full((1, 3, 4), 100, np.uint8)
    rgba[0, :, 3] = (255, 128, 51)
    canvas.paste(rgba, PlacedCell(HEALTHY_RBC, "a"), 7, 38)  # the third pixel is outside
    assert image[7, 38:].tolist() == [[100] * 3, [177] * 3]  # 100, (100 * 128 + 255 * 127) / 255
    assert instances[7, 38:].tolist() == [1, 1]
    assert np.count_nonzero(instances) == 2
    canvas.paste(rgba, PlacedCell(HEALTHY_RBC, "b"), 50, 50)
    assert len(canvas.cells) == 2


def test_translucent_cells_multiply_the_transmittance():
    image, instances = np.full((9, 9, 3), 204, np.uint8), np.zeros((9, 9), np.uint16)
    canvas = Canvas(image, instances, [], Recipe(edge_softness_px=0, translucent=True))
    canvas.paste(
        np.full((2, 2, 4), (51, 102, 255, 255), np.uint8), PlacedCell(HEALTHY_RBC, "a"), 3, 3
    )
    assert image[3, 3].tolist() == [41, 82, 204]  # 204 / 255 = 0.8 of each
