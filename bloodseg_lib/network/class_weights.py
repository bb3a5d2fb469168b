"""Class balance -> class weights -> weight map.

In a smear two thirds of the pixels are background and one in a thousand is a thrombocyte. An
unweighted network earns 99.9 % of its score without ever seeing a thrombocyte, so the error at each
pixel is weighed by how rare the pixel's class is. Taught by
``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import numpy as np

from bloodseg_lib.classes import NUM_CLASSES


def class_weights(pixel_counts: np.ndarray, exponent: float = 1.0) -> np.ndarray:
    """Weigh each class by its share of the training set's pixels, raised to ``-exponent``.

    With shares ``s`` the weights are ``w = s**-exponent / sum(s * s**-exponent)``, so that the mean
    weight over the pixels of the training set is 1, whatever the exponent. At exponent 1 every
    class that occurs contributes alike to the loss (``s * w`` is the same for all); at 0 every
    pixel does; between them lies a compromise.

    Args:
        pixel_counts: ``(10,)`` integers, how many pixels of the training set each class has.
        exponent: 0 for no weighting, 1 for the inverse of the share.

    Returns:
        ``(10,) float32``. A class without a pixel gets weight 0: it cannot occur in training, and
        its inverse share is infinite.

    Raises:
        ValueError: the counts have another shape, are negative or all zero, or the exponent is
            negative.
    """
    counts = np.asarray(pixel_counts, dtype=np.float64)
    if counts.shape != (NUM_CLASSES,) or (counts < 0).any() or not counts.any():
        raise ValueError(
            f"pixel_counts: expected {NUM_CLASSES} counts, none negative and not all zero. Received {np.asarray(pixel_counts)!r}."
        )
    if not 0 <= exponent < np.inf:
        raise ValueError(f"exponent: expected a number of at least 0. Received {exponent!r}.")
    share = counts / counts.sum()
    weights = np.zeros(NUM_CLASSES)
    weights[share > 0] = share[share > 0] ** -exponent
    return (weights / (share * weights).sum()).astype(np.float32)


def weight_map(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Give each pixel the weight of its class. Training does the same on the device; this one is
    for looking at.

    Args:
        labels: ``(..., H, W) uint8``, ids 0..9.
        weights: ``(10,)`` as :func:`class_weights` returns them.

    Returns:
        ``(..., H, W) float32``.

    Raises:
        ValueError: an id above 9, or a table of another length.
    """
    weights = np.asarray(weights, dtype=np.float32)
    if weights.shape != (NUM_CLASSES,):
        raise ValueError(f"weights: expected shape ({NUM_CLASSES},). Received {weights.shape}.")
    if labels.size and labels.max() >= NUM_CLASSES:
        raise ValueError(
            f"labels: expected class ids 0..{NUM_CLASSES - 1}. Received {labels.max()}."
        )
    return weights[labels]
