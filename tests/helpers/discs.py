"""Plain discs for cells: samples whose size, place and colour a test can work out by hand."""

import cv2
import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES
from bloodseg_lib.samples.bank import SampleBank, write_bank
from bloodseg_lib.samples.sample import CellSample, cut_cell


def disc(
    class_id: int,
    number: int,
    radius_px: int | None = None,
    source: str = "discs",
    group: str | None = None,
) -> CellSample:
    """A disc of its class's mean area, in a colour that is its own."""
    radius = radius_px or round((CLASSES[class_id].mean_area_px / np.pi) ** 0.5)
    mask = np.zeros((2 * radius + 5, 2 * radius + 5), np.uint8)
    cv2.circle(mask, (radius + 2, radius + 2), radius, 1, -1)
    image = np.full((*mask.shape, 3), 255, np.uint8)
    image[mask > 0] = (20 * class_id, number % 256, 100 + number // 256)
    return CellSample(cut_cell(image, mask), class_id, source, group or str(number), str(number))


def disc_bank(folder, per_class: int = 10) -> SampleBank:
    """A bank of discs of all nine classes."""
    return write_bank((disc(c.id, i) for c in CELL_CLASSES for i in range(per_class)), folder)
