import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bloodseg_lib.network.metrics import confusion_matrix, scores

TRUTH = np.array([[0, 0, 0, 0], [1, 1, 1, 2]], dtype=np.uint8)
PREDICTED = np.array([[0, 0, 0, 1], [1, 1, 0, 3]], dtype=np.uint8)

label_maps = arrays(np.uint8, (4, 5), elements=st.integers(0, 9))


def test_confusion_matrix_counts_truth_in_rows_and_prediction_in_columns():
    expected = np.zeros((10, 10), dtype=np.int64)
    expected[0, 0], expected[0, 1], expected[1, 1], expected[1, 0], expected[2, 3] = 3, 1, 2, 1, 1
    result = confusion_matrix(TRUTH, PREDICTED)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, expected)


def test_scores_by_hand():
    result = scores(confusion_matrix(TRUTH, PREDICTED))
    assert result.pixel_accuracy == 5 / 8
    assert result.background_share == 4 / 8
    np.testing.assert_allclose(result.iou[:4], [3 / 5, 2 / 4, 0, 0])
    np.testing.assert_allclose(result.dice[:4], [6 / 8, 4 / 6, 0, 0])
    np.testing.assert_allclose(result.precision[:4], [3 / 4, 2 / 3, np.nan, 0])
    np.testing.assert_allclose(result.recall[:4], [3 / 4, 2 / 3, 0, np.nan])
    np.testing.assert_array_equal(result.support[:4], [4, 3, 1, 0])
    assert result.mean_iou == pytest.approx((3 / 5 + 2 / 4 + 0) / 3)
    assert result.zero_recall == (2,)


def test_a_class_that_occurs_nowhere_is_undefined_everywhere():
    result = scores(confusion_matrix(TRUTH, PREDICTED))
    assert all(
        np.isnan(getattr(result, name)[9]) for name in ("iou", "dice", "precision", "recall")
    )


def test_scores_become_json_with_none_for_undefined():
    values = json.loads(
        json.dumps(scores(confusion_matrix(TRUTH, PREDICTED)).to_dict(), allow_nan=False)
    )
    assert values["recall"]["neutrophil"] is None
    assert values["iou"]["background"] == 0.6
    assert values["support"]["eosinophil"] == 3
    assert values["zero_recall"] == ["basophil"]


def test_the_json_names_every_score():
    found = scores(confusion_matrix(np.array([0, 0, 0, 8]), np.array([0, 0, 8, 8]))).to_dict()
    # background: 2 of 3 pixels; infected: 1 of 2
    assert [found[name] for name in ("pixel_accuracy", "background_share")] == [0.75, 0.75]
    assert found["mean_iou"] == pytest.approx((2 / 3 + 1 / 2) / 2)


@given(label_maps)
def test_perfect_prediction_scores_one(labels):
    result = scores(confusion_matrix(labels, labels))
    assert result.pixel_accuracy == result.mean_iou == 1
    assert result.zero_recall == ()


@given(label_maps, label_maps, label_maps, label_maps)
def test_matrices_of_parts_add_up_to_that_of_the_whole(truth_a, predicted_a, truth_b, predicted_b):
    whole = confusion_matrix(np.stack([truth_a, truth_b]), np.stack([predicted_a, predicted_b]))
    np.testing.assert_array_equal(
        whole, confusion_matrix(truth_a, predicted_a) + confusion_matrix(truth_b, predicted_b)
    )


@given(label_maps, label_maps)
def test_dice_follows_from_iou(truth, predicted):
    result = scores(confusion_matrix(truth, predicted))
    np.testing.assert_allclose(result.dice, 2 * result.iou / (1 + result.iou))


def test_what_is_no_pair_of_label_maps_is_refused():
    with pytest.raises(ValueError, match="expected the shape of the truth"):
        confusion_matrix(TRUTH, PREDICTED[:1])
    with pytest.raises(
        ValueError, match=r"predicted: expected integer class ids 0..9. Received uint8 up to 10"
    ):
        confusion_matrix(TRUTH, PREDICTED + 7)
    with pytest.raises(ValueError, match="truth: expected integer class ids"):
        confusion_matrix(TRUTH.astype(float), PREDICTED)
    with pytest.raises(ValueError, match="at least one pixel"):
        scores(np.zeros((10, 10)))
