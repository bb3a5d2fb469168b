import numpy as np
import pytest

from bloodseg_lib.classes import UNKNOWN
from bloodseg_lib.network.loss import WeightedCrossEntropy, class_weights, weight_map

# shares 0.6, 0.3, 0.1 of background, neutrophil, thrombocyte
COUNTS = np.array([60, 0, 0, 30, 0, 0, 10, 0, 0, 0])


def test_inverse_frequency_makes_the_present_classes_contribute_alike():
    # 1 / (3 classes * share): 1/1.8, 1/0.9, 1/0.3
    expected = [1 / 1.8, 0, 0, 1 / 0.9, 0, 0, 1 / 0.3, 0, 0, 0]
    np.testing.assert_allclose(class_weights(COUNTS), expected, rtol=1e-6)


def test_exponent_zero_weighs_every_pixel_alike():
    np.testing.assert_allclose(class_weights(COUNTS, 0), [1, 0, 0, 1, 0, 0, 1, 0, 0, 0], rtol=1e-6)


def test_half_exponent_by_hand():
    # 16:4 pixels, shares 0.8 and 0.2: raw weights 0.8**-0.5 and 0.2**-0.5 are as 1 : 2, and 0.8*w +
    # 0.2*2w = 1 gives w = 1/1.2
    counts = np.array([16, 0, 0, 0, 0, 0, 0, 0, 4, 0])
    np.testing.assert_allclose(class_weights(counts, 0.5)[[0, 8]], [1 / 1.2, 2 / 1.2], rtol=1e-6)


@pytest.mark.parametrize("exponent", [0, 0.3, 0.5, 1, 2])
def test_mean_weight_over_the_training_set_is_one(exponent):
    assert (class_weights(COUNTS, exponent) * COUNTS).sum() / COUNTS.sum() == pytest.approx(
        1, rel=1e-6
    )


def test_weight_map_looks_each_pixel_up():
    labels = np.array([[[0, 3], [6, 0]]], dtype=np.uint8)
    weights = np.arange(10) / 2
    result = weight_map(labels, weights)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[[0, 1.5], [3, 0]]])


@pytest.mark.parametrize("counts", [np.zeros(10), np.ones(9), -np.ones(10)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="pixel_counts: expected 10 counts"):
        class_weights(counts)


def test_impossible_exponent_and_labels_are_refused():
    with pytest.raises(ValueError, match="exponent: expected a number of at least 0"):
        class_weights(COUNTS, -1)
    with pytest.raises(ValueError, match=r"labels: expected class ids 0..9. Received 10"):
        weight_map(np.array([[10]], dtype=np.uint8), np.ones(10))
    with pytest.raises(ValueError, match="weights: expected shape"):
        weight_map(np.array([[1]], dtype=np.uint8), np.ones(3))


def test_pixels_of_no_known_class_weigh_nothing():
    labels = np.array([[1, UNKNOWN]], np.uint8)
    assert weight_map(labels, np.arange(10)).tolist() == [[1.0, 0.0]]


def test_pixels_of_no_known_class_cost_nothing_whatever_is_predicted():
    # logits 0: every class has probability 0.1, so each known pixel costs its weight times ln 10
    loss = WeightedCrossEntropy(np.arange(10))
    logits = np.zeros((1, 1, 2, 10), np.float32)
    labels = np.array([[[2, UNKNOWN]]], np.uint8)
    assert float(loss(labels, logits)) == pytest.approx(2 * np.log(10) / 2)
    logits[0, 0, 1, 0] = 50
    assert float(loss(labels, logits)) == pytest.approx(2 * np.log(10) / 2)


def test_the_loss_of_a_pixel_is_its_weight_times_minus_the_logarithm_of_the_softmax():
    weights = np.arange(1, 11, dtype=np.float32)
    logits = np.zeros((1, 1, 2, 10), np.float32)
    logits[0, 0, 1, 3] = 5
    found = np.asarray(WeightedCrossEntropy(weights).call(np.array([[[2, 3]]], np.uint8), logits))
    # ten equal ones; and exp(5) of exp(5) + 9
    expected = [3 * np.log(10), 4 * -np.log(np.exp(5) / (np.exp(5) + 9))]
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-5)
