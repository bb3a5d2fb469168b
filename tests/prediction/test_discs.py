import cv2
import numpy as np
import pytest
from drawn_fields import untidy_field

from bloodseg_lib.prediction.discs import round_things


@pytest.mark.parametrize(
    ("seed", "discs", "diameters_px", "visible", "area_px"),
    [
        (0, 131, 5427.03, 96.167, 239878),
        (1, 133, 5391.00, 99.264, 229701),
        (2, 138, 5608.07, 102.597, 236295),
    ],
)
def test_an_untidy_field_is_measured_as_ever(seed, discs, diameters_px, visible, area_px):
    """Where the scale moves, all figures of all pictures move: nobody does that unawares."""
    found, area = round_things(untidy_field(seed))
    assert len(found) == discs
    assert found[:, 0].sum() == pytest.approx(diameters_px, rel=2e-4)
    assert found[:, 1].sum() == pytest.approx(visible, rel=2e-4)
    assert area == pytest.approx(area_px, rel=2e-4)


SLIDE, RED = (240, 238, 235), (205, 140, 150)


def cell_with_a_hole(draw):
    image = np.full((300, 300, 3), SLIDE, np.uint8)
    cv2.circle(image, (150, 150), 70, RED, -1)
    draw(image)
    return round_things(image)[1]


def slit(image):
    cv2.ellipse(image, (150, 150), (20, 6), 0, 0, 360, SLIDE, -1)


def gap(image):
    for turn in (45, 135):
        cv2.ellipse(image, (150, 150), (4, 0), turn, 0, 360, SLIDE, 2)


@pytest.mark.parametrize(("draw", "open_px"), [(slit, 423), (gap, 59)])
def test_what_is_no_pale_centre_stays_a_hole(draw, open_px):
    """A slit between cells is longer than pale centres are, and a pointed gap is not round."""
    whole = cell_with_a_hole(lambda image: cv2.circle(image, (150, 150), 18, SLIDE, -1))
    assert whole - cell_with_a_hole(draw) == pytest.approx(open_px, abs=1)


@pytest.mark.parametrize("image", [np.zeros((7, 90, 3)), np.full((90, 90, 3), 200)])
def test_where_nothing_is_stained_nothing_is_found(image):
    found, area = round_things(image.astype(np.uint8))
    assert found.shape == (0, 2) and area == 0
