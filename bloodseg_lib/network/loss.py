"""The weighted loss: class balance -> class weights -> weight map -> cross-entropy.

In a smear two thirds of the pixels are background and one in a thousand is a thrombocyte. An
unweighted network reaches 99.9 % of its score without ever seeing a thrombocyte, so the error at
each pixel is weighted by how rare the pixel's class is. Taught by
``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bloodseg_lib.classes import NUM_CLASSES, UNKNOWN
from bloodseg_lib.network.backend import keras


def class_weights(pixel_counts: np.ndarray, exponent: float = 1.0) -> np.ndarray:
    """Weight each class by its fraction of the training set's pixels, raised to ``-exponent``.

    With fractions ``s`` the weights are ``w = s**-exponent / sum(s * s**-exponent)``, so that the
    mean weight over the pixels of the training set is 1, whatever the exponent. At exponent 1 every
    class that occurs contributes alike to the loss (``s * w`` is the same for all); at 0 every
    pixel does; between them is a compromise.

    Args:
        pixel_counts: ``(10,)`` integers, how many pixels of the training set each class has.
        exponent: 0 for no weighting, 1 for the inverse of the fraction.

    Returns:
        ``(10,) float32``. A class without a pixel gets weight 0: it cannot occur in training, and
        its inverse fraction is infinite.

    Raises:
        ValueError: the counts have another shape, are negative or all zero, or the exponent is
            negative.

    Examples:
        A background of 80 % and infected cells of 20 %: at exponent 1 each gets half of the loss.

        >>> counts = [8, 0, 0, 0, 0, 0, 0, 0, 2, 0]
        >>> class_weights(counts)[[0, 8]].tolist()
        [0.625, 2.5]
    """
    counts = np.asarray(pixel_counts, dtype=np.float64)
    if counts.shape != (NUM_CLASSES,) or (counts < 0).any() or not counts.any():
        raise ValueError(
            f"pixel_counts: expected {NUM_CLASSES} counts, none negative and not all zero. "
            f"Received {np.asarray(pixel_counts)!r}."
        )
    if not 0 <= exponent < np.inf:
        raise ValueError(f"exponent: expected a number of at least 0. Received {exponent!r}.")
    fraction = counts / counts.sum()
    weights = np.zeros(NUM_CLASSES)
    weights[fraction > 0] = fraction[fraction > 0] ** -exponent
    return (weights / (fraction * weights).sum()).astype(np.float32)


def weight_map(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Give each pixel the weight of its class. Training does the same on the device; this one is
    for looking at.

    Args:
        labels: ``(..., H, W) uint8``, ids 0..9, or :data:`~bloodseg_lib.classes.UNKNOWN`, whose
            weight is 0.
        weights: ``(10,)`` as :func:`class_weights` returns them.

    Returns:
        ``(..., H, W) float32``.

    Raises:
        ValueError: an id above 9, or a table of another length.

    Examples:
        >>> weight_map(np.array([[0, 8]], np.uint8), np.arange(10) / 2).tolist()
        [[0.0, 4.0]]
    """
    weights = np.asarray(weights, dtype=np.float32)
    if weights.shape != (NUM_CLASSES,):
        raise ValueError(f"weights: expected shape ({NUM_CLASSES},). Received {weights.shape}.")
    known = labels != UNKNOWN
    if known.any() and labels[known].max() >= NUM_CLASSES:
        raise ValueError(
            f"labels: expected class ids 0..{NUM_CLASSES - 1}. Received {labels[known].max()}."
        )
    return weights[np.where(known, labels, 0)] * known


class WeightedCrossEntropy(keras.losses.Loss):
    """Mean over all pixels of weight times cross-entropy.

    ``loss = 1/n * sum over pixels of w[y] * -log softmax(logits)[y]``, the energy function of the
    U-Net paper (arXiv 1505.04597, equation 1). The sum is divided by the number of pixels, not by
    the sum of the weights: over the training set the two are the same, because there the weights
    have mean 1. The weight map is looked up on the device, so that only ids travel there. Pixels of
    no known class (:data:`~bloodseg_lib.classes.UNKNOWN`) cost nothing, whatever is predicted.

    Args:
        weights: ``(10,) float32`` as :func:`class_weights` returns them.
    """

    def __init__(self, weights: np.ndarray):
        super().__init__(name="weighted_cross_entropy")
        self.weights = np.asarray(weights, dtype=np.float32)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each pixel, ``(B, H, W) float32``, of ids ``(B, H, W)`` and logits ``(B, H, W,
        10)``.
        """
        labels = keras.ops.cast(y_true, "int32")  # (B, H, W)
        known = keras.ops.not_equal(labels, UNKNOWN)
        labels = keras.ops.where(known, labels, 0)
        # (B, H, W), the weight map
        weights = keras.ops.take(keras.ops.convert_to_tensor(self.weights), labels, axis=0)
        weights = weights * keras.ops.cast(known, weights.dtype)
        # One-hot, because of ids TensorFlow takes a slower, deterministic way, whose gradient fills
        # arrays of the size of the logits.
        truth = keras.ops.one_hot(labels, NUM_CLASSES)
        return weights * keras.ops.categorical_crossentropy(truth, y_pred, from_logits=True)
