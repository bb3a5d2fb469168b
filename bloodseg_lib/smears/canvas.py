"""Placing single cells on a smear: rotating them, finding a place, pasting them with a soft edge.

All of it is done for each of the hundreds of cells of a background, so it decides how fast a
dataset is composed: integer arithmetic, on the pixels of the cell only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, WBC_IDS, Box
from bloodseg_lib.smears.recipe import Recipe

POSITION_TRIES = 12
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class PlacedCell:
    """A cell on a background or smear.

    Attributes:
        class_id: 1..9.
        sample_path: of its sample, in the bank.
    """

    class_id: int
    sample_path: str


def rotated(
    rgba: np.ndarray,
    angle_deg: float,
    stretch: tuple[float, float] = (1.0, 1.0),
    softness_px: float = 0.0,
) -> np.ndarray:
    """A sample rotated about its centre, on a canvas that holds all of it.

    Args:
        rgba: ``(H, W, 4) uint8``.
        angle_deg: counter-clockwise.
        stretch: factors of the width and height before the rotation; negative ones mirror.
        softness_px: standard deviation of the blur that the matte will get; as far as it reaches,
            the colours beside the cell are those of its edge.

    Returns:
        ``(H', W', 4) uint8``. Colours and matte are interpolated; the cell is where the matte is
        128 or more.
    """
    height, width = rgba.shape[:2]
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    (a, b), (c, d) = (cos * stretch[0], sin * stretch[1]), (-sin * stretch[0], cos * stretch[1])
    # Rounded first: cos(90 degrees) is 6e-17 in floating point, and would make the canvas of a
    # quarter turn a pixel too large.
    new_width = math.ceil(round(abs(a) * width + abs(b) * height, 6)) + 2
    new_height = math.ceil(round(abs(c) * width + abs(d) * height, 6)) + 2
    # A rim in the colours of the edge, with a matte of 0: then one warp of four channels is enough,
    # and nothing is computed beyond the rim. The blur's window is square, so it reaches farther
    # along its diagonal.
    rim = math.ceil(math.sqrt(2) * (2 + 3 * softness_px) / min(map(abs, stretch))) + 1
    padded = cv2.copyMakeBorder(rgba, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    padded[:rim, :, 3] = padded[-rim:, :, 3] = padded[:, :rim, 3] = padded[:, -rim:, 3] = 0
    # the centre, which the warp moves to that of the new canvas
    x, y = rim + (width - 1) / 2, rim + (height - 1) / 2
    matrix = np.array(
        [[a, b, (new_width - 1) / 2 - a * x - b * y], [c, d, (new_height - 1) / 2 - c * x - d * y]]
    )
    return cv2.warpAffine(padded, matrix, (new_width, new_height), flags=cv2.INTER_LINEAR)


def rim(rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A cell with a dark rim, about a pixel wide and broken here and there: what a cut-out has
    whose mask took in some of the black around it. It says nothing of the cell.

    Args:
        rgba: ``(H, W, 4) uint8``.
        rng: all randomness.
    """
    inside = (rgba[:, :, 3] >= 128).astype(np.uint8)
    edge = inside - cv2.erode(inside, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    coarse = rng.random((rgba.shape[0] // 4 + 1, rgba.shape[1] // 4 + 1), np.float32)
    patches = cv2.resize(coarse, rgba.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    fine = rng.random(rgba.shape[:2], np.float32)
    dark = edge.astype(bool) & (patches + 0.3 * fine < rng.uniform(0.5, 1.1))
    rimmed = rgba.copy()
    rimmed[dark, :3] = (rgba[dark, :3] * rng.uniform(0.05, 0.4)).astype(np.uint8)
    return rimmed


class Canvas:
    """A smear that cells are pasted on.

    Args:
        image: ``(H, W, 3) uint8`` RGB, drawn upon.
        instances: ``(H, W) uint16``, drawn upon; 0 background, *i* where cell ``cells[i - 1]`` is
            seen.
        cells: on it; added to.
        recipe: how cells are pasted.
    """

    def __init__(
        self, image: np.ndarray, instances: np.ndarray, cells: list[PlacedCell], recipe: Recipe
    ):
        self.image, self.instances, self.cells, self.recipe = image, instances, cells, recipe
        self._infected = np.zeros(np.iinfo(instances.dtype).max + 1, bool)  # by instance
        self._infected[1 : 1 + len(cells)] = [cell.class_id == INFECTED_RBC for cell in cells]

    def place(
        self,
        rgba: np.ndarray,
        cell: PlacedCell,
        rng: np.random.Generator,
        overlap: float,
        margin: float,
        above: int = 0,
    ) -> tuple[int, int]:
        """Paste a cell at a random place where at most ``overlap`` of it covers other cells, or at
        the best place tried.

        Args:
            rgba: ``(H, W, 4) uint8``, already rotated.
            cell: what it is.
            rng: all randomness.
            overlap: fraction of the cell, 0 to 1.
            margin: fraction of the cell that may be outside the canvas.
            above: number of cells, the first ones, that it may cover freely.

        Returns:
            row and column of its top left corner.
        """
        height, width = rgba.shape[:2]
        mask = rgba[:, :, 3] >= 128
        area = max(1, int(np.count_nonzero(mask)))  # a very thin cell may leave no pixel
        rows, columns = self.instances.shape
        # Sorted: low > high for a cell larger than the smear, which may then be anywhere on it.
        spans = [
            sorted((round(-margin * n), round(m - n + margin * n)))
            for n, m in ((height, rows), (width, columns))
        ]
        best, least = (0, 0), float("inf")
        for _ in range(POSITION_TRIES):
            y, x = (int(rng.integers(low, high + 1)) for low, high in spans)
            inside, there = _clip(y, x, height, width, rows, columns)
            covered = np.count_nonzero((self.instances[there] > above) & mask[inside]) / area
            if covered < least:
                best, least = (y, x), covered
            if covered <= overlap:
                break
        self.paste(rgba, cell, *best)
        return best

    def paste(self, rgba: np.ndarray, cell: PlacedCell, y: int, x: int) -> None:
        """Paste a cell over those already there, its top left corner at row ``y``, column ``x``,
        which may be outside.
        """
        self.cells.append(cell)
        self._infected[len(self.cells)] = cell.class_id == INFECTED_RBC
        matte = cv2.extractChannel(rgba, 3)
        mask = matte >= 128
        if self.recipe.edge_softness_px:
            matte = cv2.GaussianBlur(matte, (0, 0), self.recipe.edge_softness_px)
        # a rotated cell fills half of its canvas
        drawn = Box(*cv2.boundingRect(matte)).window
        rgba, matte, mask = rgba[drawn], matte[drawn], mask[drawn]
        y, x = y + drawn[0].start, x + drawn[1].start
        inside, there = _clip(y, x, *matte.shape, *self.instances.shape)
        below = self.image[there]
        if not below.size:
            return
        colour = cv2.cvtColor(rgba[inside], cv2.COLOR_RGBA2RGB)
        alpha = cv2.cvtColor(matte[inside], cv2.COLOR_GRAY2RGB)
        if self.recipe.translucent and cell.class_id not in WBC_IDS:
            through = 255 - alpha + _product(colour, alpha)  # transmittance of the cell, 0..255
            below[:] = _product(below, through)
        else:
            mixed = np.multiply(colour, alpha, dtype=np.uint16)
            mixed += np.multiply(below, 255 - alpha, dtype=np.uint16)
            below[:] = _by_255(mixed)
        seen = mask[inside]
        if self.recipe.translucent and cell.class_id == HEALTHY_RBC:
            seen = seen & ~self._infected[self.instances[there]]
        np.copyto(self.instances[there], len(self.cells), where=seen)


def _product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The product of two ``uint8`` images, with 255 for 1."""
    return _by_255(np.multiply(one, other, dtype=np.uint16)).astype(np.uint8)


def _by_255(values: np.ndarray) -> np.ndarray:
    """``uint16`` values up to 255 * 255 divided by 255 and rounded, in place."""
    values += 127
    values //= 255
    return values


def _clip(
    y: int, x: int, height: int, width: int, rows: int, columns: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a cell at (y, x) that is on the canvas: slices of the cell, and of the canvas."""
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + height, rows), min(x + width, columns)
    bottom, right = max(bottom, top), max(right, left)
    return np.s_[top - y : bottom - y, left - x : right - x], np.s_[top:bottom, left:right]
