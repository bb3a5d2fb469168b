"""How far the counts are from the truth:

on composed smears every cell is known. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_IDS, WBC_IDS
from bloodseg_lib.prediction.counts import CountingConfig, count_cells
from bloodseg_lib.prediction.segmenter import PredictionConfig
from bloodseg_lib.prediction.tiling import Predict

if TYPE_CHECKING:
    from bloodseg_lib.prediction.segmenter import Segmenter
    from bloodseg_lib.smears.dataset import Dataset

TOGETHER = {"All white cells": WBC_IDS, "All red cells": RBC_IDS}
"""Classes that are also counted as one:

whether a cell is found at all is another question than what it is taken for.
"""


@dataclass(frozen=True, eq=False)
class CountingError:
    """Counts of cells beside the true ones.

    Attributes:
        truth: ``(n, 10) int64``, cells of each class on each smear.
        perfect: the same, counted on the true label maps: what counting itself gets wrong.
        counted: the same, counted on the predicted label maps.
        split: of the dataset.
    """

    truth: np.ndarray
    perfect: np.ndarray
    counted: np.ndarray
    split: str

    def rows(self) -> dict[str, dict[str, float]]:
        """Of each class, and of some together, by name.

        ``smears``: on how many there are such cells; ``truth``, ``perfect``, ``counted``: cells on
            all smears; ``percentage_error`` and
        ``perfect_percentage_error``: mean over the smears that have any of the difference to the
            true count as a percentage of it; ``pooled_error``:
        the percentage by which the sum over all smears is off.
        """
        groups = {**{c.name: (c.id,) for c in CELL_CLASSES}, **TOGETHER}
        return {name: self._row(list(ids)) for name, ids in groups.items()}

    def _row(self, ids: list[int]) -> dict[str, float]:
        truth, perfect, counted = (
            counts[:, ids].sum(axis=1) for counts in (self.truth, self.perfect, self.counted)
        )
        there = truth > 0

        def error(counts: np.ndarray) -> float:
            return (
                float(100 * np.mean(np.abs(counts - truth)[there] / truth[there]))
                if there.any()
                else float("nan")
            )

        return {
            "smears": int(there.sum()),
            "truth": int(truth.sum()),
            "perfect": int(perfect.sum()),
            "counted": int(counted.sum()),
            "percentage_error": error(counted),
            "perfect_percentage_error": error(perfect),
            "pooled_error": float(100 * (counted.sum() / truth.sum() - 1))
            if truth.sum()
            else float("nan"),
        }

    def to_dict(self) -> dict[str, Any]:
        """For JSON; errors of classes that no smear has are ``None``."""
        rows = {
            name: {key: None if value != value else value for key, value in row.items()}
            for name, row in self.rows().items()
        }
        return {"split": self.split, "smears": len(self.truth), "classes": rows}

    def to_markdown(self) -> str:
        """For people."""
        lines = [
            f"Counts on {len(self.truth)} composed smears of the {self.split} split. Error: mean over the smears that have such cells of the difference to "
            "the true count, as a percentage of it; of perfect maps: the same when the cells are counted on the true label maps.",
            "",
            "| class | smears | true cells | counted | sum off by | error | error of perfect maps |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        for name, row in self.rows().items():
            pooled, *errors = (
                _percent(row[key], "+" if key == "pooled_error" else "") for key in _PERCENTAGES
            )
            lines.append(
                f"| {name} | {row['smears']} | {row['truth']} | {row['counted']} | {pooled} | {' | '.join(errors)} |"
            )
        return "\n".join([*lines, ""])


_PERCENTAGES = ("pooled_error", "percentage_error", "perfect_percentage_error")


def _percent(value: float, sign: str) -> str:
    return "-" if np.isnan(value) else f"{value:{sign}.1f} %"


def counting_error(
    segmenter: Segmenter | Predict,
    dataset: Dataset,
    split: str = "test",
    limit: int | None = 200,
    config: CountingConfig | None = None,
    progress: bool = True,
) -> CountingError:
    """Count the cells of composed smears on predicted label maps and on the true ones, and set both
    beside the truth.

    A cell is there when as much of it is to be seen as counting takes for a cell (``minimum_area``)
    and, with the border rule, when it does not touch the bottom or right border.

    Args:
        segmenter: a :class:`bloodseg_lib.prediction.segmenter.Segmenter`, or anything that predicts
            tiles as one does.
        dataset: composed smears.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        limit: only the first so many smears; ``None``: all.
        config: how to count; the defaults if not given.
        progress: show a tqdm bar.

    Raises:
        ValueError: an unknown split, one without smears, or a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1 smear, or None for all. Received {limit}.")
    config = config or CountingConfig()
    number = len(dataset.names(split)[:limit])
    if not number:
        raise ValueError(
            f"{split}: expected a split with at least one smear. Received an empty one; build the dataset with more."
        )
    predict: Predict = getattr(segmenter, "predict", segmenter)
    truth, perfect, counted = [], [], []
    with tqdm(total=number, desc=f"Counting {split}", unit="smear", disable=not progress) as bar:
        for images, labels in dataset.batches(
            split, getattr(segmenter, "config", PredictionConfig()).batch_size, shuffle=False
        ):
            images, labels = images[: number - len(truth)], labels[: number - len(truth)]
            predicted = np.asarray(predict(images))
            for true_map, probabilities in zip(np.asarray(labels), predicted, strict=True):
                truth.append(
                    true_counts(dataset.objects(split, len(truth)), true_map.shape, config)
                )
                perfect.append(_by_id(count_cells(true_map, config=config).watershed))
                counted.append(
                    _by_id(
                        count_cells(
                            probabilities.argmax(axis=-1).astype(np.uint8),
                            probabilities,
                            config=config,
                        ).watershed
                    )
                )
            bar.update(len(images))
            if len(truth) == number:
                break
    return CountingError(np.array(truth), np.array(perfect), np.array(counted), split)


def true_counts(
    objects: Sequence[Mapping[str, Any]], shape: tuple[int, ...], config: CountingConfig
) -> list[int]:
    """How many cells of each class, ten numbers, a smear has by the rules of counting.

    Args:
        objects: its cells as the dataset keeps them: class ``id``, ``box`` and visible ``area_px``.
        shape: height and width of the smear.
        config: how to count.
    """
    tally: Counter[int] = Counter()
    for thing in objects:
        box = thing["box"]
        at_border = box["y"] + box["height"] >= shape[0] or box["x"] + box["width"] >= shape[1]
        if thing["area_px"] >= config.minimum_area * CLASSES[thing["id"]].mean_area_px and not (
            config.border_rule and at_border
        ):
            tally[thing["id"]] += 1
    return [tally[c.id] for c in CLASSES]


def _by_id(counts: Mapping[str, int]) -> list[int]:
    return [counts.get(c.key, 0) for c in CLASSES]
