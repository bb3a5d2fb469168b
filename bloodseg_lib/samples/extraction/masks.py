"""Segmenting one cell in a picture by thresholds, and checking that the mask is one whole cell."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from bloodseg_lib.samples.sample import Skipped

NO_CELL = "no cell found"
TOO_PALE = "too pale"
TOO_RAGGED = "too ragged"
TOO_SMALL = "too small"
TOO_LARGE = "too large"
DEBRIS = "debris on the cell"
CUT = "cut at the edge"
_LEAST_CONTRAST = 40  # grey values by which a platelet exceeds its surroundings


class Unusable(ValueError):
    """A cell or file that a reader cannot use. Its loop turns it into a
    :class:`~bloodseg_lib.samples.sample.Skipped` and continues with the next file.

    Args:
        reason: one of the constant reasons, such as :data:`NO_CELL`.
        detail: a sentence with the values behind it, and the mend where there is one.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def skipped(self, source: str, class_id: int, path: Path) -> Skipped:
        """The entry in a reader's report."""
        return Skipped(source, class_id, path, self.reason, self.detail)


class ShapeLimits(NamedTuple):
    """What the mask of one whole cell looks like, see :func:`check_shape`.

    Attributes:
        areas_px: least and greatest area at 40x.
        least_solidity: see :func:`solidity`.
        most_contact: see :func:`edge_contact`.
    """

    areas_px: tuple[float, float]
    least_solidity: float
    most_contact: float


def disc(radius_px: float) -> np.ndarray:
    """A disc as structuring element, ``(2 r + 1, 2 r + 1) uint8``, 0 or 1."""
    side = 2 * round(radius_px) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """The outer contour of each connected component of a mask, ``(N, 1, 2) int32`` x, y."""
    mask = mask.astype(np.uint8)
    return list(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0])


def filled(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The mask inside an outline, ``(H, W)`` bool."""
    return cv2.drawContours(np.zeros(shape, np.uint8), [outline], -1, 1, cv2.FILLED).astype(bool)


def sized(
    mask: np.ndarray, least: float = 0, most: float = np.inf, connectivity: int = 8
) -> np.ndarray:
    """The connected components of a mask of more than ``least`` and fewer than ``most`` pixels,
    ``(H, W)`` bool.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=connectivity
    )
    areas = stats[:, cv2.CC_STAT_AREA]
    chosen = (areas > least) & (areas < most)
    chosen[0] = False  # what is beside the mask
    return chosen[labels]


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected component of a mask with its holes filled, ``(H, W)`` bool.

    Raises:
        Unusable: the mask is empty.

    Examples:
        >>> ring_and_speck = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 0]], bool)
        >>> largest(ring_and_speck).sum()
        np.int64(9)
    """
    found = outlines(mask)
    if not found:
        raise Unusable(NO_CELL, "Nothing stands out from the background.")
    return filled(max(found, key=cv2.contourArea), mask.shape)


def central(mask: np.ndarray) -> np.ndarray:
    """The connected component of a mask that fills most of the middle of the picture, with its
    holes filled, ``(H, W)`` bool.

    Raises:
        Unusable: the middle is empty.
    """
    height, width = mask.shape
    middle = np.s_[height // 4 : height - height // 4, width // 4 : width - width // 4]
    components = [filled(outline, mask.shape) for outline in outlines(mask)]
    best = max(components, key=lambda component: component[middle].sum(), default=mask)
    if not best[middle].any():
        raise Unusable(
            NO_CELL, "Nothing in the middle of the picture stands out from the background."
        )
    return best


def opened(mask: np.ndarray, diameter_px: int) -> np.ndarray:
    """``mask`` without parts thinner than ``diameter_px``: spurs, bridges to neighbours, hairs."""
    return _morphology(mask, diameter_px, cv2.MORPH_OPEN)


def smooth(mask: np.ndarray, diameter_px: int) -> np.ndarray:
    """``mask`` without bays and spurs narrower than ``diameter_px``."""
    return _morphology(_morphology(mask, diameter_px, cv2.MORPH_CLOSE), diameter_px, cv2.MORPH_OPEN)


def _morphology(mask: np.ndarray, diameter_px: int, operation: int) -> np.ndarray:
    size = diameter_px | 1  # a disc of even size has no middle pixel: it would shift the mask
    # A cell cut by the border continues beyond it: without padding its corners were rounded, and it
    # seemed whole.
    padded = np.pad(mask, size, mode="edge").astype(np.uint8)
    return cv2.morphologyEx(padded, operation, disc(size // 2))[size:-size, size:-size] > 0


def eroded(mask: np.ndarray, pixels: int) -> np.ndarray:
    """``mask`` without its outermost ``pixels``, also along the picture's border."""
    return cv2.erode(np.pad(mask, 1).astype(np.uint8), disc(pixels))[1:-1, 1:-1] > 0


def solidity(mask: np.ndarray) -> float:
    """Area of a cell as a fraction of its convex hull: 1 for an oval one, less for ragged or joined
    ones.

    Examples:
        >>> round(solidity(np.tri(9, dtype=bool)[:, 4:] | np.eye(9, dtype=bool)[:, 4:]), 2)
        1.0
    """
    hull = filled(cv2.convexHull(np.concatenate(outlines(mask))), mask.shape)
    return float(mask.sum() / hull.sum())


def edge_contact(mask: np.ndarray) -> float:
    """How much of a cell touches the picture's border: the longest contact with one side, in
    diameters of a disc of its area.
    """
    touching = max(mask[0].sum(), mask[-1].sum(), mask[:, 0].sum(), mask[:, -1].sum())
    return float(touching / np.sqrt(4 * mask.sum() / np.pi))


def check_debris(image: np.ndarray, mask: np.ndarray, where: Path | str) -> None:
    """Refuse a red cell with stain deposit or dirt on it: parasites are purple, never black.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        mask: ``(H, W)`` bool.
        where: the file, for the message.

    Raises:
        Unusable: more than half a per cent of the cell is black.
    """
    black = (image.max(axis=2)[mask] < 85).mean()
    if black > 0.005:
        raise Unusable(DEBRIS, f"{where}: {black:.1%} of the cell is black.")


def check_shape(mask: np.ndarray, scale: float, where: Path | str, limits: ShapeLimits) -> None:
    """Refuse a mask that is not one whole cell.

    Args:
        mask: ``(H, W)`` bool.
        scale: factor to 40x.
        where: the file, for the message.
        limits: what is accepted.

    Raises:
        Unusable: with the first check that fails.
    """
    areas, least_solidity, most_contact = limits
    area = mask.sum() * scale**2
    if area < areas[0]:
        raise Unusable(TOO_SMALL, f"{where}: area at 40x {area:.0f} px < {areas[0]:.0f}.")
    if (contact := edge_contact(mask)) > most_contact:
        raise Unusable(
            CUT, f"{where}: leans on the border over {contact:.2f} diameters > {most_contact}."
        )
    if area > areas[1]:
        raise Unusable(TOO_LARGE, f"{where}: area at 40x {area:.0f} px > {areas[1]:.0f}.")
    if (value := solidity(mask)) < least_solidity:
        raise Unusable(TOO_RAGGED, f"{where}: solidity {value:.2f} < {least_solidity}.")


def rbc_mask(image: np.ndarray) -> np.ndarray:
    """The red cell in the middle of a picture, on a light background: ``(H, W)`` bool.

    Otsu's threshold on the green channel, in which stained red cells are darkest.

    Raises:
        Unusable: nothing stands out in the middle.
    """
    green = cv2.GaussianBlur(image[:, :, 1], (3, 3), 0)
    _, dark = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    return largest(opened(central(dark), max(3, min(dark.shape) // 5)))


def platelet_mask(image: np.ndarray) -> np.ndarray:
    """The platelet or clump of platelets in the middle of a picture: ``(H, W)`` bool.

    Platelets are darker in green *and* more purple than the red cells beside or beneath them, so
    the threshold is on the sum of both. It is between the value in the middle and the upper values
    around it, so that neighbours stay out however much of the picture they fill.

    Args:
        image: ``(H, W, 3) uint8`` RGB, a box around the platelet with a little margin.

    Raises:
        Unusable: nothing stands out in the middle, or not clearly.
    """
    red, green, blue = (image[:, :, i].astype(np.float32) for i in range(3))
    stain = cv2.GaussianBlur(255 - 2 * green + (red + blue) / 2, (3, 3), 0)  # dark green, purple
    height, width = stain.shape
    rows, columns = np.ogrid[:height, :width]
    # 0 in the middle, 0.5 at the sides
    distance = np.hypot((rows - (height - 1) / 2) / height, (columns - (width - 1) / 2) / width)
    wide = cv2.GaussianBlur(stain, (0, 0), max(height, width) / 16)
    row, column = np.unravel_index(np.where(distance < 0.35, wide, -np.inf).argmax(), stain.shape)
    peak, around = wide[row, column], np.percentile(stain[distance > 0.45], 85)
    if peak - around < _LEAST_CONTRAST:
        raise Unusable(
            TOO_PALE,
            f"The middle shows only {peak - around:.0f} grey values more stain than what is around,"
            f" expected {_LEAST_CONTRAST}.",
        )
    _, labels = cv2.connectedComponents((stain > around + 0.4 * (peak - around)).astype(np.uint8))
    if not labels[row, column]:
        raise Unusable(
            NO_CELL, "Nothing in the middle of the picture stands out from the background."
        )
    core = smooth(labels == labels[row, column], 3)
    # A threshold above dark neighbours is too high where the platelet borders on white background:
    # there it gains its rim.
    background = np.percentile(stain, 10)
    rim = cv2.dilate(core.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return largest(core | rim & (stain > background + 0.4 * (peak - background)))
