"""From cells to the figures a haematologist asks for. Not for diagnosis.

A cell is a connected component of the pixels of its group - all RBC classes together, so that a
cell with two colours is one cell - separated where several touch (see ``cells``). Its class is
decided by the vote of its pixels; whether a red cell is infected, by their probabilities. Two
simpler counts accompany it: connected components, which merge touching cells, and area divided by
the mean area of a cell.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    INFECTED_RBC,
    NUM_CLASSES,
    RBC_IDS,
    WBC_IDS,
    check_labels,
)
from bloodseg_lib.prediction.cell_table import NOTICE, cell_table
from bloodseg_lib.prediction.cells import GROUPS, Cell, CountingConfig, Instance, find_instances
from bloodseg_lib.prediction.finding import (
    COUNTS,
    DIFFERENTIAL,
    EVERYTHING,
    NOTHING_WRONG,
    PARASITAEMIA,
    Finding,
    Quality,
)
from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.probabilities import mean_probabilities
from bloodseg_lib.prediction.proportion import Proportion
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.shape import components, occurrences

BORDER_RULE = (
    "Cells that touch the top or left border are counted, "
    "those that touch the bottom or right border are not."
)
UNCERTAIN = "uncertain"
ALL_CELLS = "All cells are counted, also those cut by the border."


@dataclass(frozen=True)
class Counts:
    """The cells of one field, or of several that were pooled.

    Attributes:
        cells: those that are counted, from top to bottom.
        components, watershed, by_area: class key -> count by three methods; ``by_area`` is a
            fraction of cells.
        cut_by_border: cells left out by the border rule.
        config: how they were counted.
        under_writing: cells left out because something burnt into the image lies on them.
        quality: what is to be said of the picture before these figures are believed.
        label_map: ``(H, W) uint8``, the field with each cell in its one class; None of several
            fields. What is too small for a cell keeps the classes of its pixels.
    """

    cells: tuple[Cell, ...]
    components: dict[str, int]
    watershed: dict[str, int]
    by_area: dict[str, float]
    cut_by_border: int
    config: CountingConfig
    under_writing: int = 0
    quality: Quality = NOTHING_WRONG
    label_map: np.ndarray | None = dataclasses.field(default=None, repr=False, compare=False)

    def without_pixels(self) -> Counts:
        """The same counts without label map and masks, which would fill the memory in a batch."""
        cells = tuple(dataclasses.replace(cell, mask=None) for cell in self.cells)
        return dataclasses.replace(self, cells=cells, label_map=None)

    @property
    def sound(self) -> bool:
        """Whether they are given and may be pooled: neither they nor the parasitaemia withheld."""
        return not (self.quality.reason(PARASITAEMIA) or self.quality.reason(COUNTS))

    def number(self, class_ids: Iterable[int]) -> int:
        """How many cells have one of some classes."""
        return sum(self.watershed[CLASSES[i].key] for i in class_ids)

    def differential(self) -> dict[str, Proportion]:
        """Fraction of each class among the white blood cells, by class key, and of those that are
        uncertain, which count for no class, as :data:`UNCERTAIN`.
        """
        unsure, total = self.uncertain(), self.number(WBC_IDS)
        cells = {key: self.watershed[key] - n for key, n in unsure.items()}
        cells[UNCERTAIN] = sum(unsure.values())
        needed, withheld = self.config.minimum_wbc, self.quality.reason(DIFFERENTIAL)
        return {key: Proportion(n, total, needed, withheld) for key, n in cells.items()}

    def uncertain(self) -> dict[str, int]:
        """Of each class of white cells, by key, how many are uncertain."""
        tally = Counter(cell.class_id for cell in self.cells if cell.uncertain)
        return {CLASSES[i].key: tally[i] for i in WBC_IDS}

    def parasitaemia(self) -> Proportion:
        """Fraction of infected cells among the red blood cells."""
        infected, withheld = self.number([INFECTED_RBC]), self.quality.reason(PARASITAEMIA)
        return Proportion(infected, self.number(RBC_IDS), self.config.minimum_rbc, withheld)

    def disagreements(self) -> dict[str, str]:
        """Classes whose three counts differ widely, by class key, with the counts in words: look at
        the image before believing one of them. Fewer pieces than cells are no disagreement: cells
        that touch are one piece.
        """
        texts = {}
        for c in CELL_CLASSES:
            three = self.watershed[c.key], self.components[c.key], self.by_area[c.key]
            apart = max(abs(three[0] - three[2]), three[1] - three[0])
            if apart >= 2 and apart > self.config.disagreement * max(three):
                texts[c.key] = (
                    f"{c.name}: {three[0]} cells, {three[1]} connected pieces, "
                    f"area for {three[2]:.1f} cells"
                )
        return texts

    def to_dict(self) -> dict[str, Any]:
        """The summary, for JSON."""
        return {
            "notice": NOTICE,
            "border": BORDER_RULE if self.config.border_rule else ALL_CELLS,
            "quality": self.quality.to_dict(),
            "cut_by_border": self.cut_by_border,
            "counts": None
            if self.quality.reason(COUNTS)
            else {
                c.key: {
                    "watershed": self.watershed[c.key],
                    "components": self.components[c.key],
                    "by_area": round(self.by_area[c.key], 2),
                }
                for c in CELL_CLASSES
            },
            "uncertain": None if self.quality.reason(COUNTS) else self.uncertain(),
            "disagreements": self.disagreements(),
            "differential": {key: part.to_dict() for key, part in self.differential().items()},
            "parasitaemia": self.parasitaemia().to_dict(),
            "config": self.config.to_dict(),
        }

    def to_csv(self, decimal_comma: bool = False) -> str:
        """One row a cell; see :func:`bloodseg_lib.prediction.cell_table.cell_table`."""
        return cell_table(self.cells, decimal_comma)


def count_cells(
    labels: np.ndarray,
    probabilities: np.ndarray | None = None,
    scale: Scale = AT_40X,
    config: CountingConfig | None = None,
    field: str = "",
    written: np.ndarray | None = None,
    *,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Counts:
    """Find and count the cells of a label map.

    Args:
        labels: ``(H, W) uint8``, ids 0..9.
        probabilities: ``(H, W, 10)``, 0..1, or ``uint8`` 0..255, as in a segmentation; each cell
            keeps their means.
        scale: of the image; at 40x the mean areas of the classes hold.
        config: how; the defaults if not given.
        field: name of the image, kept with each cell.
        written: ``(H, W) bool``, where something is burnt into the image: the cells that it touches
            are left out, see :func:`bloodseg_lib.prediction.writing.burnt_in`.
        on_progress: receives the fraction that is done, 0..1.

    Raises:
        ValueError: not a label map, or probabilities of another size.

    Examples:
        >>> labels = np.zeros((100, 100), np.uint8)
        >>> labels[20:50, 10:50] = 9
        >>> count_cells(labels).watershed["healthy_rbc"]
        1
    """
    check_labels(labels)
    if probabilities is not None and probabilities.shape != (*labels.shape, NUM_CLASSES):
        raise ValueError(
            f"Expected probabilities of shape {(*labels.shape, NUM_CLASSES)}. "
            f"Received {probabilities.shape}."
        )
    config = config or CountingConfig()
    mean_area_px = [c.mean_area_px / scale.factor**2 for c in CLASSES]  # in this image
    least_px = [config.minimum_area * area for area in mean_area_px]
    cells, cut, left_out, painted = list[Cell](), 0, 0, labels.copy()
    instances: list[Instance] = []
    for n, group in enumerate(GROUPS):

        def advance(part: float, n: int = n) -> None:
            on_progress((n + part) / len(GROUPS))

        instances += find_instances(labels, group, scale, config, advance)
    for instance in instances:
        box, mask = instance
        votes = np.bincount(labels[box.window][mask], minlength=NUM_CLASSES)
        if votes.sum() < least_px[int(votes.argmax())]:
            continue
        if written is not None and written[box.window][mask].any():
            left_out += 1
            continue
        mean: list[float] = []
        if probabilities is not None:
            mean = mean_probabilities(probabilities, box.window, mask).tolist()
        cell = Cell.of(instance, votes / votes.sum(), mean, config, field)
        painted[box.window][mask] = cell.class_id
        if config.border_rule and (box.bottom == labels.shape[0] or box.right == labels.shape[1]):
            cut += 1
        else:
            cells.append(cell)
    on_progress(1)
    tally = Counter(cell.class_id for cell in cells)
    pixels = occurrences(painted, NUM_CLASSES)
    return Counts(
        cells=_numbered(cells, scale),
        components={
            c.key: components(painted == c.id, least_px[c.id], config.border_rule)
            for c in CELL_CLASSES
        },
        watershed={c.key: tally[c.id] for c in CELL_CLASSES},
        by_area={c.key: float(pixels[c.id] / mean_area_px[c.id]) for c in CELL_CLASSES},
        cut_by_border=cut,
        config=config,
        under_writing=left_out,
        label_map=painted,
    )


def _numbered(cells: list[Cell], scale: Scale) -> tuple[Cell, ...]:
    """Cells from top to bottom, with their numbers."""
    pixel_um = PixelSize.of(scale).um
    cells = sorted(cells, key=lambda cell: (cell.box.y, cell.box.x, cell.class_id))
    return tuple(
        dataclasses.replace(cell, number=number, pixel_um=pixel_um)
        for number, cell in enumerate(cells, start=1)
    )


def pool(fields: Sequence[Counts]) -> Counts:
    """The counts of several fields as those of one: cells are added, percentages are not averaged.

    Fields whose parasitaemia or counts are withheld are left out, unless all are.

    Raises:
        ValueError: no fields, or fields counted in different ways.
    """
    if not fields or any(counts.config != fields[0].config for counts in fields):
        raise ValueError(
            "Expected the counts of one or more fields, all with the same CountingConfig. "
            f"Received {len(fields)}."
        )

    sound = [counts for counts in fields if counts.sound]
    bad = len(fields) - len(sound)
    quality = NOTHING_WRONG
    if bad:
        words = f"{bad} of {len(fields)} pictures are left out, because their figures are withheld."
        finding = Finding("pictures", "note", bad, words)
        if not sound:
            finding = Finding("pictures", "withheld", bad, "All pictures are withheld.", EVERYTHING)
        quality, fields = Quality((finding,)), sound or fields

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
        sum(counts.under_writing for counts in fields),
        quality,
    )
