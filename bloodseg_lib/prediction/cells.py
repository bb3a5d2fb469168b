"""From a label map to cells: pieces of it, cut apart where the distance transform shows that
several cells touch (watershed).

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from bloodseg_lib.classes import CLASSES, NUM_CLASSES, PLATELET_IDS, RBC_IDS, WBC_IDS
from bloodseg_lib.config import Config

GROUPS = (WBC_IDS, PLATELET_IDS, RBC_IDS)
"""Classes that one cell's pixels may be divided among:

a cell of two colours of its group is one cell.
"""

Piece = tuple[int, int, np.ndarray]
"""Top, left and tight ``(h, w) bool`` mask of a cell in an image."""

_Cut = tuple[tuple[bool, bool], tuple[bool, bool]]


@dataclass(frozen=True)
class CountingConfig(Config):
    """How cells are found and what is enough of them.

    Attributes:
        minimum_area: pieces smaller than this share of their class's mean area (``classes``) are
            specks and no cells.
        split_depth: how much narrower than the two cells the neck between them must be to cut
            there, as a share of a cell's radius. Larger values cut less. Platelets are never cut:
            platelets that touch are a clump.
        infected_share: of the probability of a cell that it is red, the share for infected from
            which it counts as infected; 0.5 is the plain vote. Less finds more of the infected
            cells and takes more healthy ones for such.
        border_rule: count only the cells of two borders; see :data:`BORDER_RULE`. Otherwise every
            cell in sight counts.
        minimum_wbc: white blood cells below which no differential is given.
        minimum_rbc: red blood cells below which no parasitaemia is given.
        disagreement: the three counts of a class disagree when they are further apart than this
            share of the largest, and by two cells or more.
    """

    minimum_area: float = 0.25
    split_depth: float = 0.05
    infected_share: float = 0.5
    border_rule: bool = True
    minimum_wbc: int = 20
    minimum_rbc: int = 100
    disagreement: float = 0.25

    def check(self) -> None:
        self.expect(0 <= self.minimum_area <= 1, "minimum_area", "a share, 0 to 1")
        self.expect(0 < self.split_depth <= 1, "split_depth", "a share above 0, up to 1")
        self.expect(0 < self.infected_share < 1, "infected_share", "a share between 0 and 1")
        self.expect(self.minimum_wbc >= 1, "minimum_wbc", "at least 1")
        self.expect(self.minimum_rbc >= 1, "minimum_rbc", "at least 1")
        self.expect(0 < self.disagreement <= 1, "disagreement", "a share above 0, up to 1")


@dataclass(frozen=True)
class Cell:
    """One cell found in a label map.

    Attributes:
        class_id: 1..9, the class of most of its pixels; of a red cell whose probabilities are
            known, as ``infected_share`` says.
        area_px: its pixels in the image, not rescaled.
        box: x, y, width, height of its bounding box in pixels.
        centroid: x, y of its middle in pixels.
        agreement: share of its pixels that have its class, 0..1.
        confidence: mean probability of its class over its pixels, 0..1, or ``None`` when no
            probabilities were given.
        field: name of the image it is in.
        probabilities: of each class the mean over its pixels, 0..1, ten of them; empty when none
            were given.
    """

    class_id: int
    area_px: int
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]
    agreement: float
    confidence: float | None = None
    field: str = ""
    probabilities: tuple[float, ...] = ()


def find_pieces(
    labels: np.ndarray, group: Sequence[int], scale: float, config: CountingConfig
) -> list[Piece]:
    """The cells of a group of classes, as pieces of the label map.

    Args:
        labels: ``(H, W) uint8``, ids 0..9.
        group: ids of classes that a cell may be of, one of :data:`GROUPS`.
        scale: factor that brings the image to 40x, where the mean areas of the classes hold.
        config: how.
    """
    members = np.zeros(NUM_CLASSES, np.uint8)
    members[list(group)] = 1
    _, found, stats, _ = cv2.connectedComponentsWithStats(members[labels], connectivity=4)
    mean_areas = [CLASSES[i].mean_area_px / scale**2 for i in group]
    pieces: list[Piece] = []
    for number, (x, y, width, height, area) in enumerate(stats[1:], start=1):
        if area < config.minimum_area * min(mean_areas):
            continue
        mask = found[y : y + height, x : x + width] == number
        # A piece smaller than one and a quarter of the group's smallest class is one cell; looking
        # costs more than it finds.
        split = group is not PLATELET_IDS and area > 1.25 * min(mean_areas)
        cut = ((y == 0, y + height == labels.shape[0]), (x == 0, x + width == labels.shape[1]))
        parts = _split(mask, config.split_depth, min(mean_areas), cut) if split else [(0, 0, mask)]
        pieces += [(int(y + top), int(x + left), part) for top, left, part in parts]
    return pieces


def _split(mask: np.ndarray, split_depth: float, cell_area_px: float, cut: _Cut) -> list[Piece]:
    """Cut touching cells apart, top, left and tight mask of each: watershed on the distance to the
    rim, from its maxima of a certain height above the necks between them.

    Where the border of the image cuts the mask (``cut``: top, bottom; left, right), the border is
    no rim: the cells are continued beyond it.
    """
    radius = math.sqrt(cell_area_px / math.pi)
    height = split_depth * radius
    reach = math.ceil(radius)
    around = np.pad(_without_holes(mask, cell_area_px / 4), 1)
    for axis, sides in enumerate(cut):
        for side, is_cut in enumerate(sides):
            if is_cut:
                around = np.delete(around, -1 if side else 0, axis)
                width = [(0, 0), (0, 0)]
                width[axis] = (0, reach) if side else (reach, 0)
                around = np.pad(around, width, mode="edge")
    distance = cv2.distanceTransform(around, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    top, left = (reach if sides[0] else 1 for sides in cut)
    distance = np.ascontiguousarray(
        distance[top : top + mask.shape[0], left : left + mask.shape[1]]
    )
    # Lowered by the height and filled up again, the surface has a maximum only where the old one
    # stood out as much (h-maxima).
    filled = reconstruction(distance - height, distance)
    count, seeds = cv2.connectedComponents((local_maxima(filled) & mask).astype(np.uint8))
    if count > 4:
        count, seeds = _without_gaps_between_cells(distance, count, seeds)
    if count <= 2:
        return [(0, 0, mask)]
    parts = watershed(-distance, seeds, mask=mask)
    return [
        (window[0].start, window[1].start, parts[window] == i)
        for i, window in enumerate(ndimage.find_objects(parts), start=1)
        if window
    ]


def _without_gaps_between_cells(
    distance: np.ndarray, count: int, seeds: np.ndarray
) -> tuple[int, np.ndarray]:
    """Drop the seeds whose inscribed discs others cover:

    where three cells meet, the middle between them is as deep as a cell.
    """
    height, width = distance.shape
    covered = np.zeros(distance.shape, np.uint16)
    discs = []
    for number, (y, x) in enumerate(
        ndimage.maximum_position(distance, seeds, range(1, count)), start=1
    ):
        radius = float(distance[y, x])
        reach = math.ceil(radius)
        window = np.s_[
            max(0, y - reach) : min(height, y + reach + 1),
            max(0, x - reach) : min(width, x + reach + 1),
        ]
        rows, columns = np.ogrid[window]
        disc = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        covered[window] += disc
        discs.append((radius, number, window, disc))
    dropped = np.zeros(count, bool)
    for _, number, window, disc in sorted(discs, key=lambda one: -one[0]):
        if (covered[window][disc] > 1).mean() > 0.9:
            covered[window] -= disc
            dropped[number] = True
    return count - int(dropped.sum()), np.where(dropped[seeds], 0, seeds)


def _without_holes(mask: np.ndarray, largest_px: float) -> np.ndarray:
    """``mask`` as uint8 with round holes up to ``largest_px`` filled: a pale centre taken for
    background would cut its cell in pieces.

    The gap between cells that touch is pointed and stays: filled, its middle would pass for a cell.
    """
    filled = mask.astype(np.uint8)
    _, found, stats, _ = cv2.connectedComponentsWithStats(1 - filled, connectivity=4)
    for number, (x, y, width, height, area) in enumerate(stats[1:], start=1):
        inside = x > 0 and y > 0 and x + width < mask.shape[1] and y + height < mask.shape[0]
        if inside and area <= largest_px:
            hole = found[y : y + height, x : x + width] == number
            outline = max(
                cv2.findContours(hole.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[
                    0
                ],
                key=len,
            )
            if area <= largest_px / 32 or cv2.contourArea(outline) >= 0.85 * cv2.contourArea(
                cv2.convexHull(outline)
            ):
                filled[y : y + height, x : x + width][hole] = 1
    return filled
