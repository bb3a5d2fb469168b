"""From a label map to cells, and from cells to the figures a haematologist asks for. Not for
diagnosis.

A cell is a piece of its group's pixels - all RBC classes together, so that a cell with two colours
is one cell - cut where the distance transform shows that several touch (see ``cells``). Its class
is decided by the vote of its pixels; whether a red cell is infected, by their probabilities. Beside
it stand two simpler counts: connected components, which merge touching cells, and area divided by
the mean area of a cell, which knows no cells at all. Taught by
``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    HEALTHY_RBC,
    INFECTED_RBC,
    NUM_CLASSES,
    RBC_IDS,
    WBC_IDS,
    check_labels,
)
from bloodseg_lib.prediction.cells import GROUPS, Cell, CountingConfig, find_pieces
from bloodseg_lib.prediction.probabilities import PackedProbabilities, mean_probabilities
from bloodseg_lib.prediction.proportions import Proportion, wilson_interval

__all__ = [
    "ALL_CELLS",
    "BORDER_RULE",
    "NOTICE",
    "Cell",
    "CountingConfig",
    "Counts",
    "Proportion",
    "count_cells",
    "pool",
    "wilson_interval",
]

NOTICE = "Not for diagnosis."
BORDER_RULE = "Cells that touch the top or left border are counted, those that touch the bottom or right border are not."
ALL_CELLS = "All cells are counted, also those cut by the border."


@dataclass(frozen=True)
class Counts:
    """What was found in one field, or in several that were pooled.

    Attributes:
        cells: the cells that count, from top to bottom.
        components, watershed, by_area: class key -> count by three methods; ``by_area`` is a
            fraction of cells.
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
        return {
            key: Proportion(n, sum(found.values()), self.config.minimum_wbc)
            for key, n in found.items()
        }

    def parasitaemia(self) -> Proportion:
        """Share of infected cells in the red blood cells."""
        total = sum(self.watershed[CLASSES[i].key] for i in RBC_IDS)
        return Proportion(self.watershed[CLASSES[INFECTED_RBC].key], total, self.config.minimum_rbc)

    def disagreements(self) -> dict[str, str]:
        """Classes whose three counts are far apart, by class key, with the counts in words:

        look at the picture before believing one of them.
        """
        found = {}
        for c in CELL_CLASSES:
            three = self.watershed[c.key], self.components[c.key], self.by_area[c.key]
            apart = max(three) - min(three)
            if apart >= 2 and apart > self.config.disagreement * max(three):
                found[c.key] = (
                    f"{c.name}: {three[0]} cells, {three[1]} connected pieces, area for {three[2]:.1f} cells"
                )
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
        """One row a cell, in pixels of the image.

        The last column says that it is not for diagnosis.
        """
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(
            [
                "field",
                "class",
                "agreement",
                "confidence",
                "area_px",
                "x",
                "y",
                "width",
                "height",
                "centroid_x",
                "centroid_y",
                "notice",
            ]
        )
        for cell in self.cells:
            confidence = "" if cell.confidence is None else f"{cell.confidence:.4f}"
            centroid = [f"{value:.1f}" for value in cell.centroid]
            writer.writerow(
                [
                    cell.field,
                    CLASSES[cell.class_id].key,
                    f"{cell.agreement:.4f}",
                    confidence,
                    cell.area_px,
                    *cell.box,
                    *centroid,
                    NOTICE,
                ]
            )
        return table.getvalue()


def count_cells(
    labels: np.ndarray,
    probabilities: np.ndarray | PackedProbabilities | None = None,
    scale: float = 1.0,
    config: CountingConfig | None = None,
    field: str = "",
) -> Counts:
    """Find and count the cells of a label map.

    Args:
        labels: ``(H, W) uint8``, ids 0..9.
        probabilities: ``(H, W, 10)``, 0..1, or those of a large image as its segmentation keeps
            them; of each cell the means are taken.
        scale: factor that brings the image to 40x, where the mean areas of the classes hold.
        config: how; the defaults if not given.
        field: name of the image, kept with each cell.

    Raises:
        ValueError: no label map, or probabilities of another size.
    """
    check_labels(labels)
    if probabilities is not None and probabilities.shape != (*labels.shape, NUM_CLASSES):
        raise ValueError(
            f"Expected probabilities of shape {(*labels.shape, NUM_CLASSES)}. Received {probabilities.shape}."
        )
    if scale <= 0:
        raise ValueError(f"Expected a positive scale. Received {scale}.")
    config = config or CountingConfig()
    mean_area_px = [c.mean_area_px / scale**2 for c in CLASSES]  # in pixels of this image
    pieces = [piece for group in GROUPS for piece in find_pieces(labels, group, scale, config)]
    cells, masks, shares, cut = [], [], [], 0
    for top, left, mask in pieces:
        window = labels[top : top + mask.shape[0], left : left + mask.shape[1]]
        votes = np.bincount(window[mask], minlength=NUM_CLASSES)
        class_id, area = int(votes.argmax()), int(mask.sum())
        if area < config.minimum_area * mean_area_px[class_id]:
            continue
        if config.border_rule and (
            top + mask.shape[0] == labels.shape[0] or left + mask.shape[1] == labels.shape[1]
        ):
            cut += 1
            continue
        rows, columns = np.nonzero(mask)
        middle = (left + float(columns.mean()), top + float(rows.mean()))
        cells.append(
            Cell(
                class_id,
                area,
                (left, top, mask.shape[1], mask.shape[0]),
                middle,
                float(votes[class_id] / area),
                None,
                field,
            )
        )
        masks.append((top, left, mask))
        shares.append(votes / area)
    if probabilities is not None:
        means = mean_probabilities(probabilities, masks)
        cells = [
            _informed(cell, mean, share, config)
            for cell, mean, share in zip(cells, means.tolist(), shares, strict=True)
        ]
    cells.sort(key=lambda cell: (cell.box[1], cell.box[0], cell.class_id))
    tally = Counter(cell.class_id for cell in cells)
    # by rows, because bincount makes 64-bit copies
    pixels = sum(np.bincount(row, minlength=NUM_CLASSES) for row in labels)
    return Counts(
        cells=tuple(cells),
        components={
            c.key: _components(labels == c.id, config.minimum_area * mean_area_px[c.id], config)
            for c in CELL_CLASSES
        },
        watershed={c.key: tally[c.id] for c in CELL_CLASSES},
        by_area={c.key: float(pixels[c.id] / mean_area_px[c.id]) for c in CELL_CLASSES},
        cut_by_border=cut,
        config=config,
    )


def _informed(cell: Cell, mean: list[float], shares: np.ndarray, config: CountingConfig) -> Cell:
    """A cell with its probabilities, which decide whether a red cell is infected.

    Args:
        cell: with the class that most of its pixels have.
        mean: ``(10,)``, the mean probability of each class over its pixels.
        shares: ``(10,)``, the share of its pixels that each class has.
        config: how.
    """
    class_id = cell.class_id
    if class_id in RBC_IDS:
        red = sum(mean[i] for i in RBC_IDS)
        class_id = (
            INFECTED_RBC if mean[INFECTED_RBC] >= config.infected_share * red else HEALTHY_RBC
        )
    return replace(
        cell,
        class_id=class_id,
        agreement=float(shares[class_id]),
        confidence=mean[class_id],
        probabilities=tuple(mean),
    )


def pool(fields: Sequence[Counts]) -> Counts:
    """The counts of several fields as those of one: cells are added up, percentages are not
    averaged.

    Raises:
        ValueError: no fields, or fields counted in different ways.
    """
    if not fields or any(counts.config != fields[0].config for counts in fields):
        raise ValueError(
            f"Expected the counts of one or more fields, all with the same CountingConfig. Received {len(fields)}."
        )

    def total(name: str) -> dict[str, Any]:
        return {c.key: sum(getattr(counts, name)[c.key] for counts in fields) for c in CELL_CLASSES}

    cells = tuple(cell for counts in fields for cell in counts.cells)
    return Counts(
        cells,
        total("components"),
        total("watershed"),
        total("by_area"),
        sum(counts.cut_by_border for counts in fields),
        fields[0].config,
    )


def _components(mask: np.ndarray, minimum_px: float, config: CountingConfig) -> int:
    """Connected components of at least ``minimum_px``, by the same border rule as cells."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    found = stats[1:]
    counted = found[:, cv2.CC_STAT_AREA] >= minimum_px
    if config.border_rule:
        counted &= found[:, cv2.CC_STAT_TOP] + found[:, cv2.CC_STAT_HEIGHT] < mask.shape[0]
        counted &= found[:, cv2.CC_STAT_LEFT] + found[:, cv2.CC_STAT_WIDTH] < mask.shape[1]
    return int(counted.sum())
