"""From a label map to cells, and from cells to the figures a haematologist asks for. Not for diagnosis.

A cell is a piece of its group's pixels - all RBC classes together, so that a cell with two colours is one cell - cut where the distance
transform shows that several touch (watershed). Its class is decided by the vote of its pixels. Beside it stand two simpler counts:
connected components, which merge touching cells, and area divided by the mean area of a cell, which knows no cells at all.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    INFECTED_RBC,
    NUM_CLASSES,
    PLATELET_IDS,
    RBC_IDS,
    WBC_IDS,
    check_labels,
)
from bloodseg_lib.config import Config

NOTICE = "Not for diagnosis."
BORDER_RULE = "Cells that touch the top or left border are counted, those that touch the bottom or right border are not."
ALL_CELLS = "All cells are counted, also those cut by the border."
_Cut = tuple[tuple[bool, bool], tuple[bool, bool]]
_GROUPS = (WBC_IDS, PLATELET_IDS, RBC_IDS)


@dataclass(frozen=True)
class CountingConfig(Config):
    """How cells are found and what is enough of them.

    Attributes:
        minimum_area: pieces smaller than this share of their class's mean area (``classes``) are specks and no cells.
        split_depth: how much narrower than the two cells the neck between them must be to cut there, as a share of a cell's radius. Larger
            values cut less. Platelets are never cut: platelets that touch are a clump.
        border_rule: count only the cells of two borders; see :data:`BORDER_RULE`. Otherwise every cell in sight counts.
        minimum_wbc: white blood cells below which no differential is given.
        minimum_rbc: red blood cells below which no parasitaemia is given.
        disagreement: the three counts of a class disagree when they are further apart than this share of the largest, and by two cells or more.
    """

    minimum_area: float = 0.25
    split_depth: float = 0.05
    border_rule: bool = True
    minimum_wbc: int = 20
    minimum_rbc: int = 100
    disagreement: float = 0.25

    def check(self) -> None:
        self.expect(0 <= self.minimum_area <= 1, "minimum_area", "a share, 0 to 1")
        self.expect(0 < self.split_depth <= 1, "split_depth", "a share above 0, up to 1")
        self.expect(self.minimum_wbc >= 1, "minimum_wbc", "at least 1")
        self.expect(self.minimum_rbc >= 1, "minimum_rbc", "at least 1")
        self.expect(0 < self.disagreement <= 1, "disagreement", "a share above 0, up to 1")


@dataclass(frozen=True)
class Cell:
    """One cell found in a label map.

    Attributes:
        class_id: 1..9, the class of most of its pixels.
        area_px: its pixels in the image, not rescaled.
        box: x, y, width, height of its bounding box in pixels.
        centroid: x, y of its middle in pixels.
        agreement: share of its pixels that have its class, 0..1.
        confidence: mean probability of its class over the pixels that have its class, 0..1, or ``None`` when no probabilities were given.
        field: name of the image it is in.
    """

    class_id: int
    area_px: int
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]
    agreement: float
    confidence: float | None = None
    field: str = ""


@dataclass(frozen=True)
class Proportion:
    """A part of a whole, with its 95 % Wilson interval, or the admission that there are too few cells to say.

    Attributes:
        numerator, denominator: cells.
        needed: the least denominator for which a figure is given.
    """

    numerator: int
    denominator: int
    needed: int

    @property
    def value(self) -> float | None:
        """The proportion, 0..1, or ``None`` for too few cells."""
        return self.numerator / self.denominator if self.denominator >= self.needed else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval, or ``None`` for too few cells."""
        return wilson_interval(self.numerator, self.denominator) if self.denominator >= self.needed else None

    def __str__(self) -> str:
        if self.value is None or self.interval is None:
            return f"{self.numerator} of {self.denominator}: too few cells ({self.needed} needed)"
        return f"{self.numerator} of {self.denominator}: {self.value:.1%} (95 % interval {self.interval[0]:.1%} to {self.interval[1]:.1%})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON; ``percent`` and ``interval_percent`` are ``None`` for too few cells."""
        value, interval = self.value, self.interval
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "percent": None if value is None else round(100 * value, 3),
            "interval_percent": None if interval is None else [round(100 * bound, 3) for bound in interval],
            "remark": "" if value is not None else f"too few cells: {self.needed} needed",
        }


@dataclass(frozen=True)
class Counts:
    """What was found in one field, or in several that were pooled.

    Attributes:
        cells: the cells that count, from top to bottom.
        components, watershed, by_area: class key -> count by three methods; ``by_area`` is a fraction of cells.
        cut_by_border: cells left out by the border rule.
        config: how it was counted.
    """

    cells: tuple[Cell, ...]
    components: dict[str, int]
    watershed: dict[str, int]
    by_area: dict[str, float]
    cut_by_border: int
    config: CountingConfig

    def differential(self) -> dict[str, Proportion]:
        """Share of each class in the white blood cells, by class key."""
        found = {CLASSES[i].key: self.watershed[CLASSES[i].key] for i in WBC_IDS}
        return {key: Proportion(n, sum(found.values()), self.config.minimum_wbc) for key, n in found.items()}

    def parasitaemia(self) -> Proportion:
        """Share of infected cells in the red blood cells."""
        total = sum(self.watershed[CLASSES[i].key] for i in RBC_IDS)
        return Proportion(self.watershed[CLASSES[INFECTED_RBC].key], total, self.config.minimum_rbc)

    def disagreements(self) -> dict[str, str]:
        """Classes whose three counts are far apart, by class key, with the counts in words: look at the picture before believing one of them."""
        found = {}
        for c in CELL_CLASSES:
            three = self.watershed[c.key], self.components[c.key], self.by_area[c.key]
            apart = max(three) - min(three)
            if apart >= 2 and apart > self.config.disagreement * max(three):
                found[c.key] = f"{c.name}: {three[0]} cells, {three[1]} connected pieces, area for {three[2]:.1f} cells"
        return found

    def to_dict(self) -> dict[str, Any]:
        """The summary, for JSON."""
        return {
            "notice": NOTICE,
            "border": BORDER_RULE if self.config.border_rule else ALL_CELLS,
            "cut_by_border": self.cut_by_border,
            "counts": {
                c.key: {
                    "watershed": self.watershed[c.key],
                    "components": self.components[c.key],
                    "by_area": round(self.by_area[c.key], 2),
                }
                for c in CELL_CLASSES
            },
            "disagreements": self.disagreements(),
            "differential": {key: share.to_dict() for key, share in self.differential().items()},
            "parasitaemia": self.parasitaemia().to_dict(),
            "config": self.config.to_dict(),
        }

    def to_csv(self) -> str:
        """One row a cell, in pixels of the image. The last column says that it is not for diagnosis."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["field", "class", "agreement", "confidence", "area_px", "x", "y", "width", "height", "centroid_x", "centroid_y", "notice"])
        for cell in self.cells:
            confidence = "" if cell.confidence is None else f"{cell.confidence:.4f}"
            centroid = [f"{value:.1f}" for value in cell.centroid]
            writer.writerow([cell.field, CLASSES[cell.class_id].key, f"{cell.agreement:.4f}", confidence, cell.area_px, *cell.box, *centroid, NOTICE])
        return table.getvalue()


def count_cells(
    labels: np.ndarray,
    probabilities: np.ndarray | None = None,
    scale: float = 1.0,
    config: CountingConfig | None = None,
    field: str = "",
) -> Counts:
    """Find and count the cells of a label map.

    Args:
        labels: ``(H, W) uint8``, ids 0..9.
        probabilities: for the cells' confidence: ``(H, W, 10)``, or ``(H, W) uint8``, that of each pixel's own class in 255ths.
        scale: factor that brings the image to 40x, where the mean areas of the classes hold.
        config: how; the defaults if not given.
        field: name of the image, kept with each cell.

    Raises:
        ValueError: no label map, or probabilities of another size.
    """
    check_labels(labels)
    if probabilities is not None and probabilities.shape not in (labels.shape, (*labels.shape, NUM_CLASSES)):
        raise ValueError(f"Expected probabilities of shape {(*labels.shape, NUM_CLASSES)} or {labels.shape}. Received {probabilities.shape}.")
    if scale <= 0:
        raise ValueError(f"Expected a positive scale. Received {scale}.")
    config = config or CountingConfig()
    mean_area_px = [c.mean_area_px / scale**2 for c in CLASSES]  # in pixels of this image
    cells, cut = [], 0
    for group in _GROUPS:
        for top, left, mask in _pieces(labels, group, scale, config):
            window = labels[top : top + mask.shape[0], left : left + mask.shape[1]]
            votes = np.bincount(window[mask], minlength=NUM_CLASSES)
            class_id, area = int(votes.argmax()), int(mask.sum())
            if area < config.minimum_area * mean_area_px[class_id]:
                continue
            if config.border_rule and (top + mask.shape[0] == labels.shape[0] or left + mask.shape[1] == labels.shape[1]):
                cut += 1
                continue
            rows, columns = np.nonzero(mask)
            confidence = None
            if probabilities is not None:
                confidence = _confidence(probabilities[top : top + mask.shape[0], left : left + mask.shape[1]], mask & (window == class_id), class_id)
            box = (left, top, mask.shape[1], mask.shape[0])
            middle = (left + float(columns.mean()), top + float(rows.mean()))
            cells.append(Cell(class_id, area, box, middle, float(votes[class_id] / area), confidence, field))
    cells.sort(key=lambda cell: (cell.box[1], cell.box[0], cell.class_id))
    tally = Counter(cell.class_id for cell in cells)
    pixels = sum(np.bincount(row, minlength=NUM_CLASSES) for row in labels)  # by rows, because bincount makes 64-bit copies
    return Counts(
        cells=tuple(cells),
        components={c.key: _components(labels == c.id, config.minimum_area * mean_area_px[c.id], config) for c in CELL_CLASSES},
        watershed={c.key: tally[c.id] for c in CELL_CLASSES},
        by_area={c.key: float(pixels[c.id] / mean_area_px[c.id]) for c in CELL_CLASSES},
        cut_by_border=cut,
        config=config,
    )


def pool(fields: Sequence[Counts]) -> Counts:
    """The counts of several fields as those of one: cells are added up, percentages are not averaged.

    Raises:
        ValueError: no fields, or fields counted in different ways.
    """
    if not fields or any(counts.config != fields[0].config for counts in fields):
        raise ValueError(f"Expected the counts of one or more fields, all with the same CountingConfig. Received {len(fields)}.")

    def total(name: str) -> dict[str, Any]:
        return {c.key: sum(getattr(counts, name)[c.key] for counts in fields) for c in CELL_CLASSES}

    cells = tuple(cell for counts in fields for cell in counts.cells)
    return Counts(cells, total("components"), total("watershed"), total("by_area"), sum(counts.cut_by_border for counts in fields), fields[0].config)


def wilson_interval(numerator: int, denominator: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson 1927, JASA 22:209), 95 % with the default ``z``.

    Raises:
        ValueError: not ``0 <= numerator <= denominator``, or nothing counted.
    """
    if not 0 <= numerator <= denominator or denominator == 0:
        raise ValueError(f"Expected 0 <= numerator <= denominator and denominator > 0. Received {numerator} of {denominator}.")
    share, spread = numerator / denominator, z**2 / denominator
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _confidence(probabilities: np.ndarray, own: np.ndarray, class_id: int) -> float:
    """The mean probability of a class over its ``own`` pixels of a window."""
    if probabilities.ndim == 2:
        return float(probabilities[own].mean(dtype=np.float64)) / 255
    return float(probabilities[:, :, class_id][own].mean(dtype=np.float64))


def _components(mask: np.ndarray, minimum_px: float, config: CountingConfig) -> int:
    """Connected components of at least ``minimum_px``, by the same border rule as cells."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    found = stats[1:]
    counted = found[:, cv2.CC_STAT_AREA] >= minimum_px
    if config.border_rule:
        counted &= found[:, cv2.CC_STAT_TOP] + found[:, cv2.CC_STAT_HEIGHT] < mask.shape[0]
        counted &= found[:, cv2.CC_STAT_LEFT] + found[:, cv2.CC_STAT_WIDTH] < mask.shape[1]
    return int(counted.sum())


def _pieces(labels: np.ndarray, group: Sequence[int], scale: float, config: CountingConfig) -> list[tuple[int, int, np.ndarray]]:
    """The cells of a group: top, left and tight boolean mask of each."""
    members = np.zeros(NUM_CLASSES, np.uint8)
    members[list(group)] = 1
    _, found, stats, _ = cv2.connectedComponentsWithStats(members[labels], connectivity=4)
    mean_areas = [CLASSES[i].mean_area_px / scale**2 for i in group]
    pieces = []
    for number, (x, y, width, height, area) in enumerate(stats[1:], start=1):
        if area < config.minimum_area * min(mean_areas):
            continue
        mask = found[y : y + height, x : x + width] == number
        # A piece smaller than one and a quarter of the group's smallest class is one cell; looking costs more than it finds.
        split = group is not PLATELET_IDS and area > 1.25 * min(mean_areas)
        cut = ((y == 0, y + height == labels.shape[0]), (x == 0, x + width == labels.shape[1]))
        parts = _split(mask, config.split_depth, min(mean_areas), cut) if split else [(0, 0, mask)]
        pieces += [(int(y + top), int(x + left), part) for top, left, part in parts]
    return pieces


def _split(mask: np.ndarray, split_depth: float, cell_area_px: float, cut: _Cut) -> list[tuple[int, int, np.ndarray]]:
    """Cut touching cells apart, top, left and tight mask of each: watershed on the distance to the rim, from its maxima of a certain height above the necks between them.

    Where the border of the image cuts the mask (``cut``: top, bottom; left, right), the border is no rim: the cells are continued beyond it.
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
    distance = np.ascontiguousarray(distance[top : top + mask.shape[0], left : left + mask.shape[1]])
    # Lowered by the height and filled up again, the surface has a maximum only where the old one stood out as much (h-maxima).
    filled = reconstruction(distance - height, distance)
    count, seeds = cv2.connectedComponents((local_maxima(filled) & mask).astype(np.uint8))
    if count > 4:
        count, seeds = _without_gaps_between_cells(distance, count, seeds)
    if count <= 2:
        return [(0, 0, mask)]
    parts = watershed(-distance, seeds, mask=mask)
    return [(window[0].start, window[1].start, parts[window] == i) for i, window in enumerate(ndimage.find_objects(parts), start=1) if window]


def _without_gaps_between_cells(distance: np.ndarray, count: int, seeds: np.ndarray) -> tuple[int, np.ndarray]:
    """Drop the seeds whose inscribed discs others cover: where three cells meet, the middle between them is as deep as a cell."""
    height, width = distance.shape
    covered = np.zeros(distance.shape, np.uint16)
    discs = []
    for number, (y, x) in enumerate(ndimage.maximum_position(distance, seeds, range(1, count)), start=1):
        radius = float(distance[y, x])
        reach = math.ceil(radius)
        window = np.s_[max(0, y - reach) : min(height, y + reach + 1), max(0, x - reach) : min(width, x + reach + 1)]
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
    """``mask`` as uint8 with round holes up to ``largest_px`` filled: a pale centre taken for background would cut its cell in pieces.

    The gap between cells that touch is pointed and stays: filled, its middle would pass for a cell.
    """
    filled = mask.astype(np.uint8)
    _, found, stats, _ = cv2.connectedComponentsWithStats(1 - filled, connectivity=4)
    for number, (x, y, width, height, area) in enumerate(stats[1:], start=1):
        inside = x > 0 and y > 0 and x + width < mask.shape[1] and y + height < mask.shape[0]
        if inside and area <= largest_px:
            hole = found[y : y + height, x : x + width] == number
            outline = max(cv2.findContours(hole.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
            if area <= largest_px / 32 or cv2.contourArea(outline) >= 0.85 * cv2.contourArea(cv2.convexHull(outline)):
                filled[y : y + height, x : x + width][hole] = 1
    return filled
