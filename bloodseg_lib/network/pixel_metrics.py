"""What Keras counts of the pixels while it trains and evaluates.

Images of sample weight 0 only fill a batch up and are not counted; every other image counts alike,
whatever its weight. Pixels of no known class are not counted either. Keras' own ``metrics`` ignore
the sample weights, so compile these as ``weighted_metrics``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bloodseg_lib.classes import NUM_CLASSES, UNKNOWN
from bloodseg_lib.network.backend import keras

_CARRY = 1 << 20


def is_right(y_true: Any, y_pred: Any) -> Any:
    """1.0 where the greatest of the logits ``(B, H, W, 10)`` is the class ``(B, H, W)``, else 0."""
    predicted = keras.ops.argmax(y_pred, axis=-1)
    return keras.ops.cast(keras.ops.equal(predicted, keras.ops.cast(y_true, "int32")), "float32")


class PixelMean(keras.metrics.Mean):
    """Mean of a value over the pixels of a known class, then over all images that are no filling.

    Args:
        value: from ids ``(B, H, W)`` and logits ``(B, H, W, 10)`` to ``(B, H, W) float32``.
        name: under which Keras reports it.
    """

    def __init__(self, value: Callable[[Any, Any], Any], name: str):
        super().__init__(name=name)
        self._value = value

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; ``sample_weight``: ``(B, 1, 1)`` or none."""
        known = keras.ops.cast(
            keras.ops.not_equal(keras.ops.cast(y_true, "int32"), UNKNOWN), "float32"
        )
        mean = keras.ops.mean(self._value(y_true, y_pred) * known, axis=(1, 2))
        fraction = keras.ops.mean(known, axis=(1, 2))  # 1.0 exactly where every class is known
        of_image = mean / keras.ops.maximum(fraction, 1e-6)  # (B,)
        super().update_state(of_image, _counted(sample_weight))


class ConfusionMatrix(keras.metrics.Metric):
    """Confusion matrix of all images so far; reported as ``accuracy``, its pixel accuracy."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")
        # 32 bits hold the pixels of 42,000 images only, and JAX has no more: so a carry
        self._low, self._high = (
            self.add_variable((NUM_CLASSES, NUM_CLASSES), "zeros", "int32", name=name)
            for name in ("low", "high")
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; ``sample_weight``: ``(B, 1, 1)`` or none."""
        # a class of no known pixel is none of the ten: one_hot gives it a row of zeros
        # as a product, because counting by bincount is not deterministic on a GPU
        truth, predicted = (
            keras.ops.one_hot(
                keras.ops.reshape(ids, (-1, ids.shape[1] * ids.shape[2])), NUM_CLASSES
            )
            for ids in (keras.ops.cast(y_true, "int32"), keras.ops.argmax(y_pred, axis=-1))
        )  # (B, H * W, 10)
        # (B, 10, 10); exact, since float32 holds every integer up to 16,777,216
        counts = keras.ops.matmul(keras.ops.transpose(truth, (0, 2, 1)), predicted)
        if (counted := _counted(sample_weight)) is not None:
            counts = counts * keras.ops.reshape(counted, (-1, 1, 1))
        low = self._low + keras.ops.sum(keras.ops.cast(counts, "int32"), axis=0)
        self._high.assign(self._high + low // _CARRY)
        self._low.assign(low % _CARRY)

    def result(self) -> Any:
        """Pixel accuracy, 0..1."""
        low, high = (keras.ops.cast(v, "float32") for v in (self._low, self._high))
        pixels = high * _CARRY + low
        return keras.ops.trace(pixels) / keras.ops.maximum(keras.ops.sum(pixels), 1)

    def matrix(self) -> np.ndarray:
        """``(10, 10) int64``, rows truth, columns predicted."""
        low, high = (v.numpy().astype(np.int64) for v in (self._low, self._high))
        return high * _CARRY + low


def _counted(sample_weight: Any) -> Any:
    """1.0 for every image of a weight above 0, ``(B,)``; ``None`` where all count."""
    if sample_weight is None:
        return None
    positive = keras.ops.reshape(keras.ops.convert_to_tensor(sample_weight), (-1,)) > 0
    return keras.ops.cast(positive, "float32")
