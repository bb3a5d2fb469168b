"""Counts of cells on composed smears beside the true ones, which are known there.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_IDS, WBC_IDS
from bloodseg_lib.evaluation.report import Report, predicted_batches
from bloodseg_lib.prediction.cells import CountingConfig
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.prediction.tiling import Predict
from bloodseg_lib.smears.dataset import Dataset

GROUPS = {
    **{c.name: (c.id,) for c in CELL_CLASSES},
    "All white cells": WBC_IDS,
    "All red cells": RBC_IDS,
}
"""Rows of the report: each class, and two groups that are counted as one, because a cell can be
detected and yet classified wrongly.
"""


@dataclass(frozen=True, eq=False)
class CountsReport(Report):
    """Counts of cells beside the true ones.

    Attributes:
        truth: ``(n, 10) int64``, cells of each class on each smear.
        perfect: the same, counted on the true label maps: the error of counting itself.
        counted: the same, counted on the predicted label maps.
        split: of the dataset.

    Examples:
        >>> truth, counted = np.zeros((1, 10), int), np.zeros((1, 10), int)
        >>> truth[0, 9], counted[0, 9] = 20, 19
        >>> CountsReport(truth, truth, counted, "test").rows()["Healthy RBC"]["percentage_error"]
        5.0
    """

    stem: ClassVar[str] = "counts"
    truth: np.ndarray
    perfect: np.ndarray
    counted: np.ndarray
    split: str

    def rows(self) -> dict[str, dict[str, float]]:
        """The figures of each class and group of :data:`GROUPS`, by its name.

        ``smears``: number of smears with such cells; ``truth``, ``perfect``, ``counted``: cells on
        all smears; ``percentage_error`` and ``perfect_percentage_error``: absolute difference to
        the true count as a percentage of it, mean over the smears with such cells;
        ``pooled_error``: percentage by which the sum over all smears is off. Errors are NaN where
        no smear has such cells.
        """
        return {name: self._row(list(ids)) for name, ids in GROUPS.items()}

    def _row(self, ids: list[int]) -> dict[str, float]:
        truth, perfect, counted = (
            counts[:, ids].sum(axis=1) for counts in (self.truth, self.perfect, self.counted)
        )
        present = truth > 0
        known = bool(present.any())

        def error(counts: np.ndarray) -> float:
            return float(100 * np.mean(np.abs(counts - truth)[present] / truth[present]))

        return {
            "smears": int(present.sum()),
            "truth": int(truth.sum()),
            "perfect": int(perfect.sum()),
            "counted": int(counted.sum()),
            "percentage_error": error(counted) if known else np.nan,
            "perfect_percentage_error": error(perfect) if known else np.nan,
            "pooled_error": float(100 * (counted.sum() / truth.sum() - 1)) if known else np.nan,
        }

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it; errors of classes that no smear has are ``None``."""
        rows = {
            name: {key: None if np.isnan(value) else value for key, value in row.items()}
            for name, row in self.rows().items()
        }
        return {"split": self.split, "smears": len(self.truth), "classes": rows}

    def to_markdown(self) -> str:
        """The report for people."""
        lines = [
            f"Counts on {len(self.truth)} composed smears of the {self.split} split. Error: mean "
            "over the smears that have such cells of the difference to the true count, as a "
            "percentage of it; of perfect maps: the same when the cells are counted on the true "
            "label maps.",
            "",
            "| class | smears | true cells | counted | sum off by | error "
            "| error of perfect maps |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        for name, row in self.rows().items():
            figures = (
                f"{row['smears']} | {row['truth']} | {row['counted']}",
                _percent(row["pooled_error"], "+"),
                _percent(row["percentage_error"]),
                _percent(row["perfect_percentage_error"]),
            )
            lines.append(f"| {name} | {' | '.join(figures)} |")
        return "\n".join([*lines, ""])


def _percent(value: float, sign: str = "") -> str:
    return "-" if np.isnan(value) else f"{value:{sign}.1f} %"


def evaluate_counts(
    segmenter: Segmenter | Predict,
    dataset: Dataset,
    split: str = "test",
    limit: int | None = 200,
    config: CountingConfig | None = None,
    *,
    progress: bool = True,
) -> CountsReport:
    """Count the cells of composed smears on predicted and on true label maps.

    Args:
        segmenter: a :class:`bloodseg_lib.prediction.segmenter.Segmenter`, or a function that
            predicts tiles as its ``predict`` does.
        dataset: composed smears.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        limit: only the first smears, at most this many; ``None``: all.
        config: how to count; the defaults if not given.
        progress: show a tqdm bar.

    Raises:
        ValueError: an unknown split, one without smears, or a limit below 1.
    """
    config = config or CountingConfig()
    truth: list[list[int]] = []
    perfect: list[list[int]] = []
    counted: list[list[int]] = []
    for labels, predicted in predicted_batches(
        segmenter, dataset, split, limit, title="Counting", progress=progress
    ):
        for true_map, probabilities in zip(labels, predicted, strict=True):
            truth.append(true_counts(dataset.objects(split, len(truth)), true_map.shape, config))
            perfect.append(_by_id(count_cells(true_map, config=config).watershed))
            predicted_map = probabilities.argmax(axis=-1).astype(np.uint8)
            counts = count_cells(predicted_map, probabilities, config=config)
            counted.append(_by_id(counts.watershed))
    return CountsReport(np.array(truth), np.array(perfect), np.array(counted), split)


def true_counts(
    objects: Sequence[Mapping[str, Any]], shape: tuple[int, ...], config: CountingConfig
) -> list[int]:
    """The number of cells of each class on a smear of this height and width, ten by class id, by
    the rules of counting.

    A cell, as the dataset keeps them, counts if its visible area reaches the ``minimum_area`` of
    counting and, with the border rule, if it does not touch the bottom or right border.

    Examples:
        >>> cell = {"id": 9, "area_px": 900, "box": {"x": 5, "y": 5, "width": 34, "height": 34}}
        >>> true_counts([cell], (224, 224), CountingConfig())
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    """
    tally: Counter[int] = Counter()
    for cell in objects:
        box = cell["box"]
        at_border = box["y"] + box["height"] >= shape[0] or box["x"] + box["width"] >= shape[1]
        large_enough = cell["area_px"] >= config.minimum_area * CLASSES[cell["id"]].mean_area_px
        if large_enough and not (config.border_rule and at_border):
            tally[cell["id"]] += 1
    return [tally[c.id] for c in CLASSES]


def _by_id(counts: Mapping[str, int]) -> list[int]:
    return [counts.get(c.key, 0) for c in CLASSES]
