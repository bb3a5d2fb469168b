"""A picture that a filter smoothed has no noise left in its cells."""

import cv2
import numpy as np
import pytest
from disc_fields import field, grid

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import Segmentation
from bloodseg_lib.prediction.smoothing import evenness_of_cells, of_smoothing

PHOTO = field(*grid(), slide=(228, 222, 230))


def segmented(image, cells=24):
    labels = np.zeros(image.shape[:2], np.uint8)
    for x, y, radius, _ in grid()[:cells]:
        cv2.circle(labels, (x, y), radius, HEALTHY_RBC, -1)
    return Segmentation(labels, None, AT_40X)


@pytest.mark.parametrize(
    ("smoothed", "warned"),
    [
        (lambda image: image, False),
        (lambda image: cv2.medianBlur(image, 7), True),
        (lambda image: cv2.bilateralFilter(image, 9, 60, 9), True),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 0.7), False),  # the focus tells it
        (lambda image: image // 2, False),
    ],
)
def test_only_what_was_smoothed_is_warned_of(smoothed, warned):
    image = smoothed(PHOTO)
    findings = list(of_smoothing(image, segmented(image)))
    assert [finding.level for finding in findings] == ["warning"] * warned


def test_the_slide_is_not_asked():
    """A slide may be clipped, or as even as a good lamp makes it."""
    image = PHOTO.copy()
    image[segmented(image).labels == 0] = 240
    assert evenness_of_cells(image, segmented(image)) < 0.7


def test_of_too_few_pixels_nothing_is_known():
    assert evenness_of_cells(PHOTO, segmented(PHOTO, cells=1)) is None
