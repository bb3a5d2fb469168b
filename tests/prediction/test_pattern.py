"""A pattern that repeats has a peak in the spectrum; a picture of cells has none."""

import numpy as np
import pytest
from drawn_fields import scattered

from bloodseg_lib.prediction.pattern import of_pattern, repetition

ROWS, COLUMNS = np.indices((480, 640))
DOTS = np.cos(2 * np.pi * (0.2 * ROWS + 0.15 * COLUMNS))[:, :, None]
STRIPES = np.cos(2 * np.pi * 0.2 * ROWS)[:, :, None]


def with_a_wave(wave, strength):
    return np.clip(scattered() + strength * wave, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "warned"),
    [
        (scattered(), False),
        (with_a_wave(DOTS, 20), True),
        (with_a_wave(DOTS, 0.5), False),  # drowned in the noise
        (with_a_wave(STRIPES, 20), False),  # on the axis, as blocks of a JPEG are
    ],
)
def test_what_repeats_all_over_a_picture_is_warned_of(image, warned):
    assert [finding.level for finding in of_pattern(image)] == ["warning"] * warned


def test_a_peak_is_measured_in_powers_of_ten():
    weak, strong = (repetition(with_a_wave(DOTS, strength)) for strength in (5, 15))
    assert strong - weak == pytest.approx(2 * np.log10(3), abs=0.25)


def test_of_a_picture_smaller_than_a_tile_nothing_is_known():
    assert repetition(scattered()[:127]) is None
