"""Whether a network is right as often as it says.

Taught by ``notebooks/05_gif_visualization.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Calibration:
    """Answers in bins of their probability, from 0 to 1.

    Attributes:
        said: ``(bins,)`` mean probability in each bin, 0..1; NaN in an empty one.
        right: ``(bins,)`` fraction of its answers that are right, 0..1; NaN in an empty one.
        fraction: ``(bins,)`` of all answers that are in the bin, 0..1.
    """

    said: np.ndarray
    right: np.ndarray
    fraction: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of ``|right - said|`` over all answers (Guo et al.
        2017, equation 5).
        """
        return float(np.nansum(self.fraction * np.abs(self.right - self.said)))


def calibration(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> Calibration:
    """Compare how sure a network is of its answers with how often they are right.

    Args:
        confidence: ``(n,)`` probability of each answer, 0..1.
        right: ``(n,) bool``, whether it is right.
        bins: of equal width.

    Raises:
        ValueError: no answers, or not one probability for each.

    Examples:
        >>> found = calibration(np.array([0.75, 0.75, 0.95]), np.array([True, False, True]))
        >>> round(found.error, 3)  # two thirds are off by 0.25, one third by 0.05
        0.183
    """
    if confidence.shape != right.shape or not confidence.size:
        raise ValueError(
            "Expected one or more answers, each with its probability. "
            f"Received {right.shape} and {confidence.shape}."
        )
    number = np.minimum((bins * confidence).astype(int), bins - 1)
    counts = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        said, found = (
            np.bincount(number, values.astype(float), bins) / counts
            for values in (confidence, right)
        )
    return Calibration(said, found, counts / confidence.size)
