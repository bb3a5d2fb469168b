"""The loss: cross-entropy, weighed pixel by pixel.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bloodseg_lib.network.backend import keras


class WeightedCrossEntropy(keras.losses.Loss):
    """Mean over all pixels of weight times cross-entropy.

    ``loss = 1/n * sum over pixels of w[y] * -log softmax(logits)[y]``, the energy function of the
    U-Net paper (arXiv 1505.04597, equation 1). The sum is divided by the number of pixels, not by
    the sum of the weights: over the training set the two are the same, because there the weights
    have mean 1. The weight map is looked up on the device, so that only ids travel there.

    Args:
        weights: ``(10,)`` as :func:`bloodseg_lib.network.class_weights.class_weights` returns them.
    """

    def __init__(self, weights: np.ndarray):
        super().__init__(name="weighted_cross_entropy")
        self.weights = np.asarray(weights, dtype=np.float32)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each pixel, ``(B, H, W) float32``, of ids ``(B, H, W)`` and logits ``(B, H, W,
        10)``.
        """
        labels = keras.ops.cast(y_true, "int32")  # (B, H, W)
        # (B, H, W), the weight map
        weights = keras.ops.take(keras.ops.convert_to_tensor(self.weights), labels, axis=0)
        return weights * keras.ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
