"""One cell cut out of an image, and how it is cut.

A sample is RGB plus an alpha channel that is the cell's mask, at 40x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import Box
from bloodseg_lib.optics import density_exceeded_by
from bloodseg_lib.samples.extraction.stain import UNKNOWN_STAIN, Stain

MINIMUM_AREA_PX = 20
AUTOMATIC = "_auto"
"""Ending of the names of samples whose mask was segmented automatically, where the database has no
expert's mask. Their groups go to training, never to testing.
"""
CLUSTER = "_stack"
"""Ending of the names of samples that show a cluster of healthy red cells, touching or overlapping,
instead of one cell. Only training smears contain them.
"""
BACKGROUND_CROP = "_patch"
"""Ending of the names of background crops: parts of whole fields with healthy red cells, which only
training smears are composed upon.
"""


@dataclass(frozen=True)
class CellSample:
    """One cell cut out of an image.

    Attributes:
        rgba: ``(H, W, 4) uint8``; alpha 255 inside the cell, 0 outside, cropped to the cell, see
            :func:`cut_cell`.
        class_id: 1..9.
        source: key of the database it comes from, e.g. ``"lisc"``.
        group: patient, slide or field, unique within the source; a split never divides a group.
        name: unique within source and class.
        stain: of the red cells around it, where enough were seen.

    Examples:
        >>> grey = np.full((2, 3, 4), (128, 128, 128, 255), np.uint8)
        >>> cell = CellSample(grey, 3, "lisc", "field 7", "7")
        >>> cell.area_px, round(cell.nuclear_od, 2), cell.is_cluster
        (6, 0.69, False)
    """

    rgba: np.ndarray
    class_id: int
    source: str
    group: str
    name: str
    stain: Stain = UNKNOWN_STAIN

    @property
    def area_px(self) -> int:
        """Area of the cell in pixels."""
        return int(np.count_nonzero(self.rgba[:, :, 3]))

    @cached_property
    def median_od(self) -> np.ndarray:
        """Median optical density of each channel, ``(3,) float32``."""
        return density_exceeded_by(self.rgba, 0.5)

    @cached_property
    def nuclear_od(self) -> float:
        """Optical density of green in the darkest tenth: in a white cell, its nucleus."""
        return float(density_exceeded_by(self.rgba, 0.1)[1])

    @property
    def is_single(self) -> bool:
        """Whether it shows one cell, neither a cluster of cells nor a background crop."""
        return not (self.is_cluster or self.is_background_crop)

    @property
    def is_cluster(self) -> bool:
        """Whether it shows several red cells instead of one, see :data:`CLUSTER`."""
        return self.name.endswith(CLUSTER)

    @property
    def is_background_crop(self) -> bool:
        """Whether it shows a part of a whole field, see :data:`BACKGROUND_CROP`."""
        return self.name.endswith(BACKGROUND_CROP)


@dataclass(frozen=True)
class Skipped:
    """A cell or file that a reader did not take, and why.

    Attributes:
        source: key of the database.
        class_id: 1..9, or 0 where the class is not known.
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


def cut_cell(
    image: np.ndarray,
    mask: np.ndarray,
    scale: float = 1.0,
    background: np.ndarray | tuple[float, float, float] | None = None,
    where: str = "Sample",
) -> np.ndarray:
    """Cut the cell under ``mask`` out of ``image`` and resize it to 40x.

    Pixels outside the mask get the colour of the nearest pixel inside, so that neither the
    background nor the black of a masked crop bleeds in when the sample is rotated or its edge is
    softened.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        mask: ``(H, W)`` bool or uint8; non-zero inside the cell.
        scale: factor from the image's scale to 40x.
        background: ``(3,)`` RGB above 0, the colour beside the cell. The image is divided by it, so
            that it becomes transmittance x 255 and its background white; cells of a yellow
            background then paste onto any other without a halo. None: the colours stay.
        where: what errors call the cell.

    Returns:
        ``(h, w, 4) uint8``; alpha 255 inside the cell, 0 outside, cropped to the cell.

    Raises:
        ValueError: a mask of another size than the image, a cell of fewer than
            :data:`MINIMUM_AREA_PX` pixels at 40x, or an impossible background colour.

    Examples:
        >>> image, mask = np.full((9, 9, 3), 120, np.uint8), np.zeros((9, 9), bool)
        >>> mask[2:8, 1:6] = True
        >>> cut_cell(image, mask, scale=2).shape
        (12, 10, 4)
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"{where}: expected a mask of the image's size {image.shape[:2]}. "
            f"Received {mask.shape}."
        )
    mask = np.asarray(mask) > 0
    if mask.sum() * scale**2 < MINIMUM_AREA_PX:
        raise ValueError(
            f"{where}: expected a cell of at least {MINIMUM_AREA_PX} pixels at 40x. "
            f"Received {mask.sum() * scale**2:.0f}."
        )
    box = Box.of_mask(mask).window
    image, alpha = image[box], mask[box].astype(np.uint8) * 255
    if background is not None:
        image = _on_white(image, np.asarray(background, np.float32), where)
    image = _bleed(image, alpha)
    if scale != 1.0:
        size = (max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale)))
        image = cv2.resize(
            image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        # Plain INTER_NEAREST rounds down, which moves a shrunk mask half a pixel and cuts it flat
        # on the right and below.
        alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
        if not alpha.any():
            raise ValueError(
                f"{where}: expected a cell that is seen at 40x. "
                "Received one too thin to leave a pixel."
            )
        box = Box.of_mask(alpha > 0).window
        image, alpha = image[box], alpha[box]
    return np.dstack([image, alpha])


def _on_white(image: np.ndarray, background: np.ndarray, where: str) -> np.ndarray:
    """``image`` divided by the colour of its background, ``(3,)``, times 255."""
    if background.shape != (3,) or not ((background > 0) & (background <= 255)).all():
        raise ValueError(
            f"{where}: expected the colour of the empty slide, RGB above 0 and up to 255. "
            f"Received {background.tolist()}."
        )
    return np.clip(image * (255 / background) + 0.5, 0, 255).astype(np.uint8)


def _bleed(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``image`` with each pixel outside the cell given the colour of the nearest pixel inside.

    The distance is OpenCV's approximation in a 5 x 5 window: the exact one would change the bytes
    of every bank, see docs/decisions/2026-11-25-bytes-of-banks.md.
    """
    _, nearest = cv2.distanceTransformWithLabels(
        255 - alpha, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    inside = alpha > 0
    colours = np.zeros((nearest.max() + 1, 3), np.uint8)
    colours[nearest[inside]] = image[inside]
    return np.where(inside[:, :, None], image, colours[nearest])
