import numpy as np
import pytest

from bloodseg_lib.prediction import probabilities as module
from bloodseg_lib.prediction.probabilities import (
    PackedProbabilities,
    chunks_of,
    class_picture,
    mean_probabilities,
)


def some(height=150, width=40, seed=0):
    """Probabilities that sum to 1."""
    made = np.random.default_rng(seed).random((height, width, 10)) ** 6
    return (made / made.sum(axis=2, keepdims=True)).astype(np.float32)


def packed(whole, pieces=(7, 64, 79)):
    made, first = PackedProbabilities(*whole.shape[:2]), 0
    for rows in pieces:
        made.append(whole[first : first + rows])
        first += rows
    assert first == len(whole)
    return made


@pytest.mark.parametrize("in_memory", [0, 2**26])
def test_packed_probabilities_come_back_within_half_a_255th(in_memory, monkeypatch):
    monkeypatch.setattr(module, "_IN_MEMORY_BYTES", in_memory)  # 0: at once a file
    whole = some()
    kept = packed(whole)
    for _ in range(2):  # as often as wanted
        parts = list(chunks_of(kept))
        assert [first for first, _ in parts] == [0, 7, 71, 135]
        np.testing.assert_allclose(
            np.concatenate([rows for _, rows in parts]), whole, atol=0.5 / 255 + 1e-6
        )


def test_a_sure_background_takes_a_fiftieth_of_the_room():
    whole = np.zeros((64, 1000, 10), np.float32)
    whole[..., 0] = 0.999
    kept = PackedProbabilities(64, 1000)
    kept.append(whole)
    assert kept._file.tell() < 64 * 1000 * 10 / 50


def test_rows_that_do_not_fit_are_refused():
    kept = PackedProbabilities(10, 40)
    with pytest.raises(ValueError, match="up to 10 rows"):
        kept.append(some(11))
    with pytest.raises(ValueError, match=r"\(40, 10\)"):
        kept.append(some(5, 39))


def test_means_are_those_of_the_masks_own_pixels_also_across_chunks():
    whole = some()
    masks, expected = [], []
    rng = np.random.default_rng(1)
    for top, left, height, width in (
        (0, 0, 3, 3),
        (60, 5, 20, 30),
        (10, 30, 140, 10),
        (149, 0, 1, 40),
        (64, 1, 64, 2),
    ):
        mask = rng.random((height, width)) < 0.5
        mask[0, 0] = True
        masks.append((top, left, mask))
        expected.append(
            whole[top : top + height, left : left + width][mask].astype(np.float64).mean(axis=0)
        )
    np.testing.assert_allclose(mean_probabilities(whole, masks), expected, atol=1e-6)
    np.testing.assert_allclose(mean_probabilities(packed(whole), masks), expected, atol=0.002)


def test_no_cells_have_no_means():
    assert mean_probabilities(some(), []).shape == (0, 10)


def test_the_picture_of_a_class_shows_pixels_of_the_image():
    whole = some()
    np.testing.assert_array_equal(class_picture(whole, 3, 40, 150), whole[:, :, 3])
    small = class_picture(whole, 3, 8, 30)
    np.testing.assert_array_equal(small, whole[2::5, 2::5, 3])
    np.testing.assert_allclose(class_picture(packed(whole), 3, 8, 30), small, atol=0.002)
