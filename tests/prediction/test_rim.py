import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import BACKGROUND, HEALTHY_RBC, NEUTROPHIL, WBC_IDS
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.rim import trim_white_cells, trimmed
from bloodseg_lib.prediction.scale import AT_40X, Scale

LEVELS = Preprocessing.none().levels
MIDDLE = (60, 60)


def disc(radius, middle=MIDDLE):
    return cv2.circle(np.zeros((120, 120), np.uint8), middle, radius, 1, -1) > 0


def a_cell(cytoplasm=0.25, vacuole=0):
    """Densities of a nucleus of radius 14 in a body of 25, whose edge is as soft as a lens's."""
    density = np.where(disc(14), 1.2, np.where(disc(25), cytoplasm, 0.0)).astype(np.float32)
    if vacuole:
        density[disc(vacuole, (60, 80))] = 0
    return cv2.GaussianBlur(density, (0, 0), 1.0)[:, :, None].repeat(3, 2)


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


@pytest.mark.parametrize("cytoplasm", [0.12, 0.25, 0.8])
def test_slide_around_a_cell_is_no_part_of_it(cytoplasm):
    found = trimmed(a_cell(cytoplasm), disc(28), 1.0)
    assert iou(disc(28), disc(25)) < 0.8
    assert iou(found, disc(25)) > 0.92
    np.testing.assert_array_equal(found & ~disc(28), False)


def test_a_true_outline_stays():
    assert iou(trimmed(a_cell(), disc(25), 1.0), disc(25)) > 0.96


def test_cytoplasm_as_clear_as_the_slide_stays_but_for_its_rim():
    found = trimmed(a_cell(cytoplasm=0.0), disc(25), 1.0)
    assert (found & disc(20)).sum() == disc(20).sum()


def test_a_vacuole_stays():
    found = trimmed(a_cell(vacuole=4), disc(28), 1.0)
    assert found[disc(4, (60, 80))].all()


def test_a_cell_without_an_inside_stays():
    speck = disc(3)
    np.testing.assert_array_equal(trimmed(a_cell(0.0), speck, 1.0), speck)
    assert trimmed(np.zeros((5, 5, 3), np.float32), np.ones((5, 5), bool), 1.0).all()


def a_field(enlarged=1):
    """A white cell outlined three pixels too wide, and a red cell beside it."""
    image = np.rint(250 * np.exp(-a_cell())).astype(np.uint8)
    image[disc(14, (98, 60))] = (190, 160, 200)
    labels = np.where(disc(28), NEUTROPHIL, BACKGROUND).astype(np.uint8)
    labels[disc(14, (98, 60))] = HEALTHY_RBC
    probabilities = np.full((120, 120, 10), 0.02, np.float32)
    np.put_along_axis(probabilities, labels[:, :, None].astype(int), 0.82, axis=2)
    each = image, labels, probabilities
    return tuple(part.repeat(enlarged, 0).repeat(enlarged, 1) for part in each)


def test_what_is_trimmed_becomes_background_and_all_else_stays():
    image, labels, probabilities = a_field()
    before, chances = labels.copy(), probabilities.copy()
    trim_white_cells(image, labels, probabilities, AT_40X, LEVELS)
    rim = labels != before
    assert (before[rim] == NEUTROPHIL).all() and (labels[rim] == BACKGROUND).all()
    assert iou(labels == NEUTROPHIL, disc(25) & (before == NEUTROPHIL)) > 0.92
    np.testing.assert_array_equal(probabilities[~rim], chances[~rim])
    np.testing.assert_allclose(probabilities[rim].sum(axis=1), 1, atol=1e-5)
    assert (probabilities[rim][:, WBC_IDS] == 0).all()
    np.testing.assert_allclose(probabilities[rim][:, BACKGROUND], 0.92, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.uint8])
def test_the_same_at_any_scale_and_of_any_kind_of_probabilities(dtype):
    image, labels, probabilities = a_field(enlarged=3)
    probabilities = (probabilities * (255 if dtype == np.uint8 else 1)).astype(dtype)
    probabilities.flags.writeable = False  # as those on disk
    trim_white_cells(image, labels, probabilities, Scale.of_factor(1 / 3), LEVELS)
    assert not probabilities.flags.writeable
    whole = a_field()
    trim_white_cells(*whole, AT_40X, LEVELS)
    assert iou(labels[1::3, 1::3] == NEUTROPHIL, whole[1] == NEUTROPHIL) > 0.97
