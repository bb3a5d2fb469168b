import numpy as np
import pytest

from bloodseg_lib.prediction.probabilities import (
    as_fractions,
    changeable,
    class_picture,
    label_map_and_probabilities,
    mean_probabilities,
)


def some(height=150, width=40, seed=0):
    """Probabilities that sum to 1."""
    made = np.random.default_rng(seed).random((height, width, 10)) ** 6
    return (made / made.sum(axis=2, keepdims=True)).astype(np.float32)


def collected(whole, on_disk, rows=(7, 64, 79)):
    bands = np.split(whole, np.cumsum(rows)[:-1])
    return label_map_and_probabilities(bands, *whole.shape[:2], on_disk)


@pytest.mark.parametrize("on_disk", [True, False])
def test_bands_become_a_label_map_and_one_array(on_disk):
    whole = some()
    labels, probabilities = collected(whole, on_disk)
    np.testing.assert_array_equal(labels, whole.argmax(axis=2))
    assert isinstance(probabilities, np.memmap) == on_disk
    np.testing.assert_allclose(as_fractions(probabilities), whole, atol=0.5 / 255 + 1e-6)


def test_probabilities_on_disk_survive_as_long_as_their_array_and_cannot_be_changed():
    probabilities = collected(some(), on_disk=True)[1][10:]
    np.testing.assert_allclose(as_fractions(probabilities), some()[10:], atol=0.5 / 255 + 1e-6)
    with pytest.raises(ValueError, match="read-only"):
        probabilities[0] = 0


@pytest.mark.parametrize("on_disk", [True, False])
def test_means_are_those_of_the_masks_own_pixels(on_disk):
    whole = some()
    probabilities = collected(whole, on_disk)[1]
    rng = np.random.default_rng(1)
    for window in (np.s_[0:3, 0:3], np.s_[60:80, 5:35], np.s_[10:150, 30:40], np.s_[149:150, 0:40]):
        mask = rng.random(whole[window].shape[:2]) < 0.5
        mask[0, 0] = True
        expected = whole[window][mask].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(mean_probabilities(whole, window, mask), expected, atol=1e-6)
        found = mean_probabilities(probabilities, window, mask)
        np.testing.assert_allclose(found, expected, atol=0.002)


def test_the_picture_of_a_class_shows_pixels_of_the_image():
    whole = some()
    np.testing.assert_array_equal(class_picture(whole, 3, 40, 150), whole[:, :, 3])
    small = class_picture(whole, 3, 8, 30)
    np.testing.assert_array_equal(small, whole[2::5, 2::5, 3])
    on_disk = collected(whole, on_disk=True)[1]
    np.testing.assert_allclose(class_picture(on_disk, 3, 8, 30), small, atol=0.002)


def test_probabilities_are_read_only_again_after_an_error_too():
    probabilities = np.zeros((1, 1, 10), np.uint8)
    probabilities.flags.writeable = False
    with pytest.raises(KeyboardInterrupt), changeable(probabilities):
        probabilities[0, 0, 0] = 255
        raise KeyboardInterrupt
    assert probabilities[0, 0, 0] == 255 and not probabilities.flags.writeable
