"""From a label map to cells: connected components, separated where several cells touch.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import scipy

from bloodseg_lib.classes import (
    CLASSES,
    HEALTHY_RBC,
    INFECTED_RBC,
    PLATELET_IDS,
    RBC_IDS,
    WBC_IDS,
    Box,
)
from bloodseg_lib.config import Config
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.shape import perimeter_and_circularity
from bloodseg_lib.prediction.touching import separated

BETWEEN_CLASSES, OF_NONE = "between classes", "perhaps of no class"
"""Why a white cell is uncertain."""
GROUPS = (WBC_IDS, PLATELET_IDS, RBC_IDS)
"""Classes that the pixels of one cell may have: a cell of two colours of its group is one cell."""


@dataclass(frozen=True)
class CountingConfig(Config):
    """How cells are found, and how many are enough.

    Attributes:
        minimum_area: a connected component smaller than this fraction of its class's mean area
            (``classes``) is not a cell.
        split_depth: how much narrower than the two cells the neck between them must be to separate
            them there, as a fraction of a cell's radius. Larger values separate fewer. Platelets
            are never separated: platelets that touch are a clump.
        infected_share: a red cell counts as infected from this fraction of its probability of being
            red; 0.5 is the plain vote. Lower values find more of the infected cells and take more
            healthy ones for infected.
        most_entropy: a white cell is uncertain where the entropy of its probabilities of the five
            classes is greater, in nats. 0: sure of one class; 0.7: between two; 1.1: between three.
        most_beyond_two: it is uncertain, too, where all classes but the two most probable have a
            greater probability together: between two may be a cell of one of them, among all five
            is one of none. At both limits one in twenty of PBC's white cells is uncertain, and four
            in five of two kinds of its cells that are of no class (``docs/carries_over.md``).
        border_rule: count only the cells at two borders, see
            :data:`bloodseg_lib.prediction.counts.BORDER_RULE`; otherwise every visible cell.
        minimum_wbc: least number of white blood cells for a differential.
        minimum_rbc: least number of red blood cells for a parasitaemia.
        disagreement: the three counts of a class disagree when they differ by more than this
            fraction of the largest, and by two cells or more.
    """

    minimum_area: float = 0.25
    split_depth: float = 0.05
    infected_share: float = 0.5
    most_entropy: float = 0.6
    most_beyond_two: float = 0.05
    border_rule: bool = True
    minimum_wbc: int = 20
    minimum_rbc: int = 100
    disagreement: float = 0.25

    def check(self) -> None:
        self.expect(0 <= self.minimum_area <= 1, "minimum_area", "a fraction, 0 to 1")
        self.expect(0 < self.split_depth <= 1, "split_depth", "a fraction above 0, up to 1")
        self.expect(0 < self.infected_share < 1, "infected_share", "a fraction between 0 and 1")
        self.expect(0 < self.most_entropy < math.inf, "most_entropy", "above 0")
        self.expect(0 < self.most_beyond_two <= 1, "most_beyond_two", "a fraction above 0, up to 1")
        self.expect(self.minimum_wbc >= 1, "minimum_wbc", "at least 1")
        self.expect(self.minimum_rbc >= 1, "minimum_rbc", "at least 1")
        self.expect(0 < self.disagreement <= 1, "disagreement", "a fraction above 0, up to 1")


class Instance(NamedTuple):
    """The pixels of one cell: its bounding box, and a tight ``(height, width) bool`` mask in it."""

    box: Box
    mask: np.ndarray


@dataclass(frozen=True)
class Cell:
    """One cell found in a label map.

    Attributes:
        class_id: 1..9, the class of its group (:data:`GROUPS`) with the greatest mean probability
            over its pixels, for a red cell by ``infected_share``; without probabilities, the class
            of most of its pixels.
        area_px: its pixels in the image, not rescaled.
        box: its bounding box in pixels.
        centroid: x, y in pixels.
        agreement: the fraction of its pixels that have its class, 0..1.
        confidence: the probability of its class, 0..1, or ``None`` without probabilities.
        field: name of the image.
        probabilities: mean of each class over its pixels, 0..1, ten of them; empty without
            probabilities. Of a white cell those of the five classes alone, which sum to 1: whether
            a pixel of its rim is still slide is no doubt of which class the cell is.
        mask: ``(height, width) bool``, its pixels in ``box``; None where they were not kept.
        uncertain: why the network cannot say which class a white cell is, :data:`BETWEEN_CLASSES`,
            see ``most_entropy``, or :data:`OF_NONE`, see ``most_beyond_two``, or because it is
            rather no white cell; empty: it can. The cell has the most probable class all the same.
        of_kind: of a white cell, the mean probability over its pixels that they are of any white
            cell; 1 of others.
        number: in its field, from 1, as tables, exports and the panel have it; 0: not numbered.
        perimeter_px, circularity: see
            :func:`bloodseg_lib.prediction.shape.perimeter_and_circularity`.
        pixel_um: micrometres of a pixel of the image; None: not known.
    """

    class_id: int
    area_px: int
    box: Box
    centroid: tuple[float, float]
    agreement: float
    confidence: float | None = None
    field: str = ""
    probabilities: tuple[float, ...] = ()
    mask: np.ndarray | None = dataclasses.field(default=None, repr=False, compare=False)
    uncertain: str = ""
    of_kind: float = 1.0
    number: int = 0
    perimeter_px: float = 0.0
    circularity: float = 0.0
    pixel_um: float | None = None

    @classmethod
    def of(
        cls,
        instance: Instance,
        fractions: np.ndarray,
        mean: Sequence[float] = (),
        config: CountingConfig | None = None,
        field: str = "",
    ) -> Cell:
        """The cell of some pixels.

        Args:
            instance: its pixels.
            fractions: ``(10,)``, the fraction of them that each class has.
            mean: ``(10,)``, the mean probability of each class over them; empty if not known.
            config: its limits for infected and uncertain cells; the defaults if not given.
            field: name of the image.
        """
        config = config or CountingConfig()
        class_id = int(fractions.argmax())
        if len(mean) and class_id in RBC_IDS:
            infected = mean[INFECTED_RBC] >= config.infected_share * sum(mean[i] for i in RBC_IDS)
            class_id = INFECTED_RBC if infected else HEALTHY_RBC
        elif len(mean):
            group = next(group for group in GROUPS if class_id in group)
            class_id = max(group, key=lambda i: (mean[i], fractions[i]))
        uncertain, white = "", 1.0
        if len(mean) and class_id in WBC_IDS:
            white = sum(mean[i] for i in WBC_IDS)
            mean = [p / (white or 1) if i in WBC_IDS else 0.0 for i, p in enumerate(mean)]
            if white < 0.5 or beyond_two(mean) > config.most_beyond_two:
                uncertain = OF_NONE
            elif entropy(mean) > config.most_entropy:
                uncertain = BETWEEN_CLASSES
        rows, columns = np.nonzero(instance.mask)
        perimeter, circularity = perimeter_and_circularity(instance.mask)
        return cls(
            class_id,
            len(rows),
            instance.box,
            (instance.box.x + float(columns.mean()), instance.box.y + float(rows.mean())),
            float(fractions[class_id]),
            mean[class_id] if len(mean) else None,
            field,
            tuple(mean),
            instance.mask,
            uncertain,
            white,
            perimeter_px=perimeter,
            circularity=circularity,
        )


def entropy(probabilities: Sequence[float]) -> float:
    """Shannon's entropy of probabilities, in nats: the greater, the less one of them prevails.

    Examples:
        >>> round(entropy([0.5, 0.5, 0.0]), 3)
        0.693
    """
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def beyond_two(probabilities: Sequence[float]) -> float:
    """The probability of all but the two most probable.

    Examples:
        >>> round(beyond_two([0.5, 0.1, 0.4]), 3)
        0.1
    """
    return sum(sorted(probabilities)[:-2])


def find_instances(
    labels: np.ndarray,
    group: Sequence[int],
    scale: Scale,
    config: CountingConfig,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> list[Instance]:
    """The cells of a group of classes, one of :data:`GROUPS`, in a label map, ``(H, W) uint8``; at
    40x the mean areas of the classes hold. ``on_progress`` receives the fraction of the rows, 0..1,
    that have been searched.
    """
    members = np.zeros(256, np.uint8)
    members[list(group)] = 1
    of_group = cv2.LUT(labels, members)
    cell_area_px = min(CLASSES[i].mean_area_px for i in group) / scale.factor**2
    instances: list[Instance] = []
    if np.count_nonzero(of_group) < max(1, config.minimum_area * cell_area_px):
        return instances
    # Only the box around the group: the statistics take as long for nothing as for cells.
    left, top, wide, high = cv2.boundingRect(of_group)
    inside = np.ascontiguousarray(of_group[top : top + high, left : left + wide])
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    for number, (x, y, width, height, area) in enumerate(stats[1:].tolist(), start=1):
        if area < config.minimum_area * cell_area_px:
            continue
        mask = numbers[y : y + height, x : x + width] == number
        x, y = left + x, top + y
        on_progress(y / labels.shape[0])
        # A component of up to one and a quarter of the group's smallest class is one cell;
        # searching it for more costs more than it finds.
        if group is PLATELET_IDS or area <= 1.25 * cell_area_px:
            instances.append(Instance(Box(x, y, width, height), mask))
            continue
        cut = ((y == 0, y + height == labels.shape[0]), (x == 0, x + width == labels.shape[1]))
        parts = separated(mask, config.split_depth, cell_area_px, cut)
        for part, window in enumerate(scipy.ndimage.find_objects(parts), start=1):
            if window is None:  # it lies in a pale centre, of which the mask has nothing
                continue
            rows, columns = window
            size = columns.stop - columns.start, rows.stop - rows.start
            box = Box(x + columns.start, y + rows.start, *size)
            instances.append(Instance(box, parts[window] == part))
    return instances
