"""One cell cut out of an image, and how it is cut.

A sample is RGB plus an alpha channel that is the cell's mask, at 40x.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import Box
from bloodseg_lib.optics import density_exceeded_by

MINIMUM_AREA_PX = 20
AUTOMATIC = "_auto"
"""Ending of the names of samples whose mask was made by program where the database lacks an
expert's. Their groups are trained on, never tested on.
"""
STACK = "_stack"
"""Ending of the names of samples that show several healthy red cells, touching or overlapping,
instead of one. Only smears to train on are composed of them.
"""
PATCH = "_patch"
"""Ending of the names of patches of whole fields with healthy red cells, which smears to train on
are composed upon.
"""


@dataclass(frozen=True)
class CellSample:
    """One cell cut out of an image.

    Attributes:
        rgba: ``(H, W, 4) uint8``; alpha 255 inside the cell, 0 outside, cropped to the cell. Made
            so by :func:`make_sample`.
        class_id: 1..9.
        source: key of the database it comes from, e.g. ``"lisc"``.
        group: what it must not be parted from when splitting: patient, slide or field, unique
            within the source.
        name: unique within source and class.
    """

    rgba: np.ndarray
    class_id: int
    source: str
    group: str
    name: str

    @property
    def area_px(self) -> int:
        """Pixels of the cell."""
        return int(np.count_nonzero(self.rgba[:, :, 3]))

    @cached_property
    def dye(self) -> np.ndarray:
        """Median optical density of each channel, ``(3,) float32``."""
        return density_exceeded_by(self.rgba, 0.5)

    @cached_property
    def nuclear_dye(self) -> float:
        """Optical density of green in the darkest tenth: of a white cell, its nucleus."""
        return float(density_exceeded_by(self.rgba, 0.1)[1])

    @property
    def is_stack(self) -> bool:
        """Whether it shows several red cells instead of one, see :data:`STACK`."""
        return self.name.endswith(STACK)

    @property
    def is_patch(self) -> bool:
        """Whether it shows a part of a whole field, see :data:`PATCH`."""
        return self.name.endswith(PATCH)


@dataclass(frozen=True)
class Skipped:
    """A cell or file that a reader left out, and why.

    Attributes:
        source: key of the database.
        class_id: 1..9 as far as known, else 0.
        path: the file.
        reason: one of a reader's few constant reasons, e.g. ``"no mask"``, so that they can be
            counted.
        detail: the values behind it, e.g. ``"solidity 0.71 < 0.85"``.
    """

    source: str
    class_id: int
    path: Path
    reason: str
    detail: str = ""


def make_sample(
    image: np.ndarray,
    mask: np.ndarray,
    class_id: int,
    source: str,
    group: str,
    name: str,
    scale: float = 1.0,
    slide_colour: np.ndarray | tuple[float, float, float] | None = None,
) -> CellSample:
    """Cut the cell under ``mask`` out of ``image`` and bring it to 40x.

    The colours just outside the mask are replaced by those of the cell's edge, so that neither the
    slide nor the black of a masked crop bleeds in when the sample is rotated or its edge is
    softened.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        mask: ``(H, W)`` bool or uint8; non-zero inside the cell.
        class_id, source, group, name: see :class:`CellSample`.
        scale: factor from the image's scale to 40x.
        slide_colour: ``(3,)`` RGB above 0, the empty slide beside the cell. The cell's colours are
            divided by it, so that an empty slide is white and the sample is transmittance (what
            share of the light passes, x 255): cells of a yellow slide then lie on any other without
            a halo. None: the colours stay as they are.

    Raises:
        ValueError: mask of another size than the image, hardly anything under it, or no colour of a
            slide.
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"Sample {source}/{name}: expected a mask of the image's size {image.shape[:2]}. Received {mask.shape}."
        )
    mask = np.asarray(mask) > 0
    if mask.sum() * scale**2 < MINIMUM_AREA_PX:
        raise ValueError(
            f"Sample {source}/{name}: expected a cell of at least {MINIMUM_AREA_PX} pixels at 40x. Received {mask.sum() * scale**2:.0f}."
        )
    box = Box.of_mask(mask).window
    image, alpha = image[box], mask[box].astype(np.uint8) * 255
    if slide_colour is not None:
        image = _transmittance(image, np.asarray(slide_colour, np.float32), f"{source}/{name}")
    image = _bleed(image, alpha)
    if scale != 1.0:
        size = (max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale)))
        image = cv2.resize(
            image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        # Plain INTER_NEAREST rounds down, which moves a shrunk mask half a pixel and cuts it flat
        # on the right and below.
        alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_NEAREST_EXACT)
        if not alpha.any():
            raise ValueError(
                f"Sample {source}/{name}: expected a cell that is seen at 40x. Received one too thin to leave a pixel."
            )
        box = Box.of_mask(alpha > 0).window
        image, alpha = image[box], alpha[box]
    return CellSample(np.dstack([image, alpha]), class_id, source, group, name)


def _transmittance(image: np.ndarray, slide_colour: np.ndarray, sample: str) -> np.ndarray:
    """``image`` with the slide's colour made white."""
    if slide_colour.shape != (3,) or not ((slide_colour > 0) & (slide_colour <= 255)).all():
        raise ValueError(
            f"Sample {sample}: expected the colour of the empty slide, RGB above 0 and up to 255. Received {slide_colour.tolist()}."
        )
    return np.clip(image * (255 / slide_colour) + 0.5, 0, 255).astype(np.uint8)


def _bleed(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``image`` with each pixel outside the cell given the colour of the nearest pixel inside."""
    _, nearest = cv2.distanceTransformWithLabels(
        255 - alpha, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    inside = alpha > 0
    colours = np.zeros((nearest.max() + 1, 3), np.uint8)
    colours[nearest[inside]] = image[inside]
    return np.where(inside[:, :, None], image, colours[nearest])
