"""Pictures, masks and tables of small databases, and what a reader makes of them."""

import csv

import cv2
import numpy as np

from bloodseg_lib.samples.sample import Skipped
from bloodseg_lib.samples.sources import (
    chula,
    iumc,
    kaggle,
    lisc,
    mamic,
    own_fields,
    pbc,
    txl_pbc,
    zheng,
)

BACKGROUND, RED_CELL, PURPLE = (245, 240, 245), (190, 150, 185), (120, 40, 150)
# 120 * 255 / 245 = 124.9, 40 * 255 / 240 = 42.5, 150 * 255 / 245 = 156.1: PURPLE on a background
# made white
PURPLE_ON_WHITE = (125, 43, 156)
LISC_CLASSES = ("Baso", "Eosi", "Lymp", "Mono", "Neut")
IUMC_CLASSES = ("Eosi", "Lymp", "Mono", "Neut")
READERS = {
    "lisc": lisc,
    "iumc": iumc,
    "kaggle": kaggle,
    "mamic": mamic,
    "zheng": zheng,
    "pbc": pbc,
    "txl_pbc": txl_pbc,
    "chula": chula,
    "own": own_fields,
}


def picture(height, width, *discs, background=BACKGROUND):
    """A picture with discs ``(x, y, radius, colour)`` in it."""
    image = np.full((height, width, 3), background, np.uint8)
    for x, y, radius, colour in discs:
        cv2.circle(image, (x, y), radius, colour, -1)
    return image


def marked(height, width, *discs):
    """A mask with discs ``(x, y, radius, code)`` in it."""
    mask = np.zeros((height, width), np.uint8)
    for x, y, radius, code in discs:
        cv2.circle(mask, (x, y), radius, code, -1)
    return mask


def write_csv(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def sort(found):
    """The samples and the skipped ones of what a reader yields."""
    found = list(found)
    skipped = [one for one in found if isinstance(one, Skipped)]
    return [one for one in found if not isinstance(one, Skipped)], skipped


def read(reader, root, **options):
    """The samples that a reader yields, and what it skips."""
    return sort(reader.read(root, **options))


def only(skipped, reason, *words):
    """One is skipped, for this reason, and its sentence contains these words."""
    assert [r.reason for r in skipped] == [reason]
    for word in words:
        assert word in skipped[0].detail
