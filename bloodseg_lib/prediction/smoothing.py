"""Whether a picture was smoothed by a filter that keeps edges: its cells are sharp, and what is as
small as a parasite is gone.

A camera's noise, or the rounding of a JPEG, makes every third pixel of a cell or so differ from
those around it. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bloodseg_lib.classes import BACKGROUND
from bloodseg_lib.optics import window_places
from bloodseg_lib.prediction.finding import Finding
from bloodseg_lib.prediction.segmenter import Segmentation

SMOOTHED = 0.9
"""Fraction of the pixels of the cells that are, in green, the median of the nine around them: 0.83
at most in 166 pictures of six databases, 0.92 at least in 34 that a median of 9 to 15 pixels,
bilateral filters or non-local means had smoothed. Of one saved as a JPEG afterwards it is not told.
"""

_FEWEST_PX = 2000


def of_smoothing(image: np.ndarray, segmentation: Segmentation) -> Iterator[Finding]:
    """A finding, if a picture, ``(H, W, 3) uint8`` RGB as it came, was smoothed."""
    even = evenness_of_cells(image, segmentation)
    if even is not None and even > SMOOTHED:
        words = (
            "The picture was smoothed: hardly a pixel differs from those around it. Some parasites "
            "may not be seen in it. Take it from the camera again."
        )
        yield Finding("smoothing", "warning", even, words)


def evenness_of_cells(image: np.ndarray, segmentation: Segmentation) -> float | None:
    """The fraction of the pixels of cells that are, in green, the median of the nine around them;
    None: there are too few. Of a large picture, ``(H, W, 3) uint8`` RGB, nine windows are read.
    """
    even, seen_px = 0, 0
    for place in window_places(image.shape, segmentation.scale.factor):
        green = np.ascontiguousarray(image[place][:, :, 1])
        cells = segmentation.labels[place] != BACKGROUND
        even += int(np.count_nonzero((cv2.medianBlur(green, 3) == green) & cells))
        seen_px += int(np.count_nonzero(cells))
    return even / seen_px if seen_px >= _FEWEST_PX else None
