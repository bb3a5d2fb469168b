import numpy as np

from bloodseg_lib.classes import UNKNOWN
from bloodseg_lib.network.pixel_metrics import ConfusionMatrix, PixelMean, is_right

# two images of 1 x 2 pixels: the first one right and wrong, the second one wrong twice
TRUTH = np.array([[[0, 8]], [[1, 1]]], np.uint8)
PREDICTED = np.array([[[0, 0]], [[2, 2]]])
LOGITS = np.eye(10, dtype=np.float32)[PREDICTED]
SECOND_FILLS = np.array([3.0, 0.0], np.float32).reshape(2, 1, 1)


def test_a_confusion_matrix_by_hand():
    metric = ConfusionMatrix()
    metric.update_state(TRUTH, LOGITS)
    metric.update_state(TRUTH, LOGITS)
    expected = np.zeros((10, 10), np.int64)
    expected[0, 0], expected[8, 0], expected[1, 2] = 2, 2, 4
    np.testing.assert_array_equal(metric.matrix(), expected)
    assert float(metric.result()) == 0.25


def test_images_that_fill_a_batch_up_are_not_counted():
    metric = ConfusionMatrix()
    metric.update_state(TRUTH, LOGITS, SECOND_FILLS)
    assert metric.matrix().sum() == 2
    accuracy = PixelMean(is_right, "accuracy")
    accuracy.update_state(TRUTH, LOGITS, SECOND_FILLS)
    assert float(accuracy.result()) == 0.5


def test_all_images_count_alike_whatever_their_weight():
    accuracy = PixelMean(is_right, "accuracy")
    accuracy.update_state(TRUTH, LOGITS, np.array([1.0, 9.0], np.float32).reshape(2, 1, 1))
    assert float(accuracy.result()) == 0.25


def test_more_pixels_than_32_bits_hold():
    metric = ConfusionMatrix()
    low, high = metric.variables
    high.assign(np.full((10, 10), 1 << 30, np.int32))  # 2**50 pixels in each cell
    low.assign(np.full((10, 10), (1 << 20) - 1, np.int32))
    metric.update_state(TRUTH, LOGITS)
    expected = (1 << 50) + (1 << 20) - 1
    assert metric.matrix()[8, 0] == expected + 1
    assert metric.matrix()[1, 2] == expected + 2
    assert metric.matrix()[3, 3] == expected


def test_pixels_of_no_known_class_are_not_counted():
    truth = np.array([[[0, UNKNOWN]], [[UNKNOWN, UNKNOWN]]], np.uint8)
    metric, accuracy = ConfusionMatrix(), PixelMean(is_right, "accuracy")
    metric.update_state(truth, LOGITS)
    accuracy.update_state(truth[:1], LOGITS[:1])
    assert metric.matrix()[0, 0] == metric.matrix().sum() == 1
    assert float(accuracy.result()) == 1.0
