"""A background or composed smear: its image, and which cell is seen at each pixel.

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from bloodseg_lib.classes import CLASSES, Box
from bloodseg_lib.smears.canvas import PlacedCell


@dataclass(frozen=True)
class Smear:
    """A background or a composed smear.

    Attributes:
        image: ``(H, W, 3) uint8`` RGB.
        instances: ``(H, W) uint16``; 0 background, *i* where cell ``cells[i - 1]`` is seen.
        cells: on it, hidden ones too.

    Examples:
        >>> instances = np.array([[0, 1, 1], [0, 0, 1]], np.uint16)
        >>> smear = Smear(np.zeros((2, 3, 3), np.uint8), instances, (PlacedCell(9, "rbc.png"),))
        >>> smear.labels.tolist()
        [[0, 9, 9], [0, 0, 9]]
        >>> smear.visible()[0]["box"], smear.visible()[0]["area_px"]
        ({'x': 1, 'y': 0, 'width': 2, 'height': 2}, 3)
    """

    image: np.ndarray
    instances: np.ndarray
    cells: tuple[PlacedCell, ...]

    @property
    def labels(self) -> np.ndarray:
        """``(H, W) uint8`` label map."""
        class_ids = np.array([0, *(cell.class_id for cell in self.cells)], dtype=np.uint8)
        return class_ids.take(self.instances)

    def visible(self) -> list[dict[str, Any]]:
        """The cells that are seen, as the JSON of a smear holds them.

        Returns:
            one dict a cell: ``class`` (key), ``id``, ``box`` (``x``, ``y``, ``width``, ``height``
            in pixels) and ``area_px`` of exactly its visible pixels, ``sample`` (path in the bank).
            A cluster of red cells, which only training smears have, is one of them.
        """
        areas = np.bincount(self.instances.ravel(), minlength=len(self.cells) + 1).tolist()
        windows = ndimage.find_objects(self.instances, max_label=len(self.cells))
        return [
            {
                "class": CLASSES[cell.class_id].key,
                "id": cell.class_id,
                "box": _box(*window)._asdict(),
                "area_px": area,
                "sample": cell.sample_path,
            }
            for cell, window, area in zip(self.cells, windows, areas[1:], strict=True)
            if window is not None
        ]


def _box(rows: slice, columns: slice) -> Box:
    return Box(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
