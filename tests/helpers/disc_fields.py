"""Fields of discs that pass for cells."""

from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.samples.extraction.field import Field

YELLOW, RED_CELL, PURPLE = (250, 240, 150), (190, 150, 120), (90, 30, 90)


def field(*discs, size=(300, 400), slide=YELLOW):
    """A field with discs ``(x, y, radius, colour)``, a little noisy, as cameras are."""
    image = np.full((*size, 3), slide, np.uint8)
    for x, y, radius, colour in discs:
        cv2.circle(image, (x, y), radius, colour, -1)
    noise = np.random.default_rng(0).integers(-2, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def grid(radius=20, colour=RED_CELL):
    """Six by four cells."""
    return [(x, y, radius, colour) for x in range(40, 400, 60) for y in range(40, 260, 60)]


def of_image(image, rbc_diameter_px=40, **options):
    """A field called f of the source s, of a path that does not exist."""
    return Field(image, "s", "f", Path("f.png"), rbc_diameter_px, **options)
