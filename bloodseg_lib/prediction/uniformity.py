"""Whether the red cells of a picture are alike: as wide as high, and as large on one side as on the
other. Where they are not, it was stretched, or put together from several.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bloodseg_lib.classes import RBC_IDS
from bloodseg_lib.prediction.cells import Cell

_LEAST_CELLS = 10  # of which a median says something


class Uniformity(NamedTuple):
    """Of the red cells that the border does not cut.

    Attributes:
        stretch: median of their widths by their heights; None: there are fewer than ten.
        halves: how many times as large in diameter they are in one half as in the other, left and
            right or above and below; None: there are fewer than ten in each.
    """

    stretch: float | None
    halves: float | None

    @classmethod
    def of(cls, cells: Sequence[Cell], height: int, width: int) -> Uniformity:
        """Measure the red ones of some cells of a picture of this height and width."""
        whole = [
            cell
            for cell in cells
            if cell.class_id in RBC_IDS
            and min(cell.box.x, cell.box.y) > 0
            and cell.box.right < width
            and cell.box.bottom < height
        ]
        if len(whole) < _LEAST_CELLS:
            return cls(None, None)
        ratios = [cell.box.width / cell.box.height for cell in whole]
        diameters = np.sqrt([cell.area_px for cell in whole])
        known = [
            max(first, second) / min(first, second)
            for first, second in (
                _medians(diameters, np.array([cell.centroid[axis] for cell in whole]))
                for axis in (0, 1)
            )
            if first and second
        ]
        return cls(float(np.median(ratios)), max(known, default=None))


def _medians(values: np.ndarray, places: np.ndarray) -> tuple[float, float]:
    """Of the values below and above the middle of their places; 0: there are too few."""
    below = places < (places.min() + places.max()) / 2
    first, second = (
        float(np.median(values[part])) if part.sum() >= _LEAST_CELLS else 0.0
        for part in (below, ~below)
    )
    return first, second
