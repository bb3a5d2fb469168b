"""What the three evaluations share: the shape of a report, and the loop over a split of a dataset.

Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.io import ENCODING, write_bytes, write_json
from bloodseg_lib.prediction.out_folder import try_folder
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter
from bloodseg_lib.prediction.tiling import Predict
from bloodseg_lib.runs import check_free
from bloodseg_lib.smears.dataset import Dataset

REPORT_FILES = {
    "dataset": ("report.json", "report.md", "per_class.csv"),
    "fields": ("fields.json", "fields.md", "fields.csv", "skipped.csv"),
    "counts": ("counts.json", "counts.md"),
}
"""Of each evaluation the names of its files."""


def try_reports(folder: Path | str, name: str) -> None:
    """Try whether the report of an evaluation can be written into a folder, before it begins.

    Args:
        folder: need not exist.
        name: of the evaluation: dataset, fields or counts.

    Raises:
        ValueError: it has such a report, or another file that would be replaced.
        OSError: it cannot be written to.
    """
    check_free(folder, REPORT_FILES[name])
    try_folder(folder)


class Report(Protocol):
    """What an evaluation found, in words, for programs and as files.

    Attributes:
        stem: name of the files, without their suffix.
    """

    stem: ClassVar[str]

    def to_markdown(self) -> str:
        """The report for people."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it; undefined figures are ``None``."""
        ...

    def tables(self) -> dict[str, str]:
        """CSV tables of the report: name of the file -> text."""
        return {}

    def save(self, folder: Path | str) -> None:
        """Write ``<stem>.json``, ``<stem>.md`` and the tables into a folder."""
        folder = Path(folder)
        write_json(folder / f"{self.stem}.json", self.to_dict())
        for name, text in {**self.tables(), f"{self.stem}.md": self.to_markdown()}.items():
            write_bytes(folder / name, text.encode(ENCODING if name.endswith(".csv") else "utf-8"))


def predicted_batches(
    segmenter: Segmenter | Predict,
    dataset: Dataset,
    split: str,
    limit: int | None,
    *,
    title: str,
    progress: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Predict the smears of a split, the first of them where there is a limit, a batch at a time,
    in the order of the dataset.

    Yields the true label maps, ``(B, H, W) uint8``, and the predicted probabilities, ``(B, H, W,
    10) float32``.

    Raises:
        ValueError: an unknown split, one without smears, or a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1 smear, or None for all. Received {limit}.")
    left = len(dataset.names(split)[:limit])
    if not left:
        raise ValueError(
            f"{split}: expected a split with at least one smear. Received an empty one; "
            "build the dataset with more."
        )
    predict: Predict = segmenter.predict if isinstance(segmenter, Segmenter) else segmenter
    batch_size = getattr(segmenter, "config", PredictionConfig()).batch_size
    with tqdm(total=left, desc=f"{title} {split}", unit="smear", disable=not progress) as bar:
        for images, labels in dataset.batches(split, batch_size, shuffle=False):
            images, labels = images[:left], np.asarray(labels[:left])
            yield labels, np.asarray(predict(images))
            bar.update(len(images))
            left -= len(images)
            if not left:
                return
