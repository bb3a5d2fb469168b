"""Fine-tuning on corrected fields, with both figures, before and after: on fields that did not
teach, and on smears of drawn cells, which say what was forgotten.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from tqdm.auto import tqdm

from bloodseg_lib.classes import CLASSES
from bloodseg_lib.evaluation.composed import evaluate_dataset
from bloodseg_lib.evaluation.fields import class_in_box
from bloodseg_lib.evaluation.report import Report
from bloodseg_lib.io import read_image, read_json, write_json
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.runs import RunFiles, check_free, owned
from bloodseg_lib.samples import corrected_fields
from bloodseg_lib.samples.corrected_fields import CorrectedField
from bloodseg_lib.smears.dataset import Dataset

CLAIM = "fields.json"
"""What a fine-tuning is of: the corrected fields and the network it starts from."""

ALL, BY_HAND, UNTOUCHED = "all cells", "corrected by hand", "not touched"
DRAWN = "drawn smears, mean IoU"


@dataclass(frozen=True)
class Figure:
    """One figure before and after, 0..1, the higher the better.

    Attributes:
        words: what it is of.
        cells: how many cells; 0 where it is of none.
        before, after: the fraction of the cells that is classified as the person says; of smears,
            the mean IoU.
    """

    words: str
    cells: int
    before: float
    after: float


@dataclass(frozen=True)
class BeforeAndAfter(Report):
    """What a fine-tuning changed.

    Attributes:
        network: the fine-tuned network.
        taught, held_out: names of the fields that taught, and of those it is compared on.
        figures: the first ones are of all cells, of those corrected by hand, of those that nobody
            touched, and of smears of drawn cells; then come the classes of those corrected by hand.
            The network that was corrected is wrong in these, and right in those nobody touched, or
            nearly so: what tells is the change in all cells.
    """

    stem: ClassVar[str] = "before_and_after"
    network: Path
    taught: tuple[str, ...]
    held_out: tuple[str, ...]
    figures: tuple[Figure, ...]

    def worse(self) -> list[str]:
        """What is worse than before, in words."""
        return [
            f"{figure.words}: {figure.before:.1%} before, {figure.after:.1%} after"
            for figure in self.figures
            if figure.after < figure.before
        ]

    def to_dict(self) -> dict[str, Any]:
        """The figures, and the fields that they are of."""
        figures = [asdict(figure) for figure in self.figures]
        return {"taught": self.taught, "held_out": self.held_out, "figures": figures}

    def to_markdown(self) -> str:
        """A table for people, and a sentence on what became worse."""
        rows = [
            f"| {f.words} | {f.cells or '-'} | {f.before:.1%} | {f.after:.1%} |"
            for f in self.figures
        ]
        worse = "; ".join(self.worse())
        return "\n".join(
            [
                f"Taught by {len(self.taught)} fields; compared on {len(self.held_out)} others: "
                f"{', '.join(self.held_out)}.",
                "",
                "| classified as the person says | cells | before | after |",
                "|---|---:|---:|---:|",
                *rows,
                "",
                f"Worse than before: {worse}." if worse else "Nothing is worse than before.",
                "",
            ]
        )


def fine_tune(
    results: Path | str,
    out: Path | str | None = None,
    start_from: Path | str = "released",
    on_progress: Callable[[float], None] = lambda fraction: None,
    *,
    progress: bool = True,
) -> BeforeAndAfter:
    """Teach a network by the corrections that a person made in the panel, and compare it with the
    one before. Stopped, the same call goes on.

    Args:
        results: the folder where the panel keeps its results, see
            :mod:`bloodseg_lib.samples.corrected_fields`.
        out: gets bank, dataset, training, report, and the network as ``network.npz``; ``None``: a
            folder in ``results``, another one for other corrections.
        start_from: the network, a checkpoint or ``"released"``.
        on_progress: receives the fraction that is done, 0..1; an exception that it raises stops the
            training after an epoch.
        progress: show bars.

    Raises:
        FileNotFoundError, ValueError: too few corrected fields, or ``out`` is of others.
        OSError: the disk has too little room.
        BlockingIOError: another command is writing there.
    """
    # here, so that Keras does not start where it is not needed
    from bloodseg_lib.training.fine_tuning import TRAINING, fine_tuned

    taught, held_out = corrected_fields.divided(corrected_fields.read(results))
    claim = {
        "start_from": str(start_from),
        "fields": {field.name: field.digest() for field in (*taught, *held_out)},
        "held_out": sorted(field.name for field in held_out),
    }
    name = hashlib.sha256(json.dumps(claim).encode()).hexdigest()[:8]
    run = RunFiles(out or Path(results) / f"fine_tuned-{name}")
    with owned(run.root):
        _claim(run.root / CLAIM, claim)
        bank = corrected_fields.write(taught, run.bank)
        # the comparison counts as one epoch
        dataset = fine_tuned(
            bank,
            run,
            start_from,
            lambda record: on_progress(record.epoch / (TRAINING.epochs + 1)),
            progress=progress,
        )
        figures = compared(
            Segmenter(start_from), Segmenter(run.network), held_out, dataset, progress
        )
        report = BeforeAndAfter(run.network, _names(taught), _names(held_out), figures)
        report.save(run.evaluation)
    on_progress(1)
    return report


def _names(fields: Sequence[CorrectedField]) -> tuple[str, ...]:
    return tuple(field.name for field in fields)


def _claim(path: Path, claim: dict[str, Any]) -> None:
    """Mark a folder as the fine-tuning of these corrections, or refuse it."""
    if not path.exists():
        run = RunFiles(path.parent)
        written = (run.bank, run.dataset, run.training, run.network, run.evaluation)
        check_free(run.root, [each.name for each in written])
        write_json(path, claim)
    elif {"held_out": claim["held_out"]} | read_json(path) != claim:  # of before: without them
        raise ValueError(
            f"{path.parent}: holds a fine-tuning of other corrections, patients or of another "
            f"network, see {path.name} in it. Choose another folder, or delete this one."
        )


def compared(
    before: Segmenter,
    after: Segmenter,
    fields: Sequence[CorrectedField],
    dataset: Dataset,
    progress: bool = True,
) -> tuple[Figure, ...]:
    """Two networks on corrected fields that did not teach, cell by cell, and on the drawn smears of
    a dataset's ``test`` split.
    """
    cells: Counter[str] = Counter()
    right: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for field in tqdm(fields, unit="field", desc="comparing", disable=not progress):
        image, scale = read_image(field.picture), Scale.of_factor(field.scale)
        maps = [network.segment(image, scale).labels for network in (before, after)]
        for cell, by_hand in [(c, True) for c in field.by_hand] + [
            (c, False) for c in field.others
        ]:
            of_class = f"{BY_HAND}: {CLASSES[cell.class_id].name if cell.class_id else 'no cell'}"
            keys = (ALL, BY_HAND, of_class) if by_hand else (ALL, UNTOUCHED)
            cells.update(keys)
            for tally, labels in zip(right, maps, strict=True):
                tally.update(keys if class_in_box(labels, cell.box) == cell.class_id else ())
    figures = {
        key: Figure(key, n, right[0][key] / n, right[1][key] / n)
        for key, n in sorted(cells.items())
    }
    ious = (
        evaluate_dataset(network, dataset, "test", progress=progress).scores.mean_iou
        for network in (before, after)
    )
    first = [figures.pop(key) for key in (ALL, BY_HAND, UNTOUCHED) if key in figures]
    return (*first, Figure(DRAWN, 0, *ious), *figures.values())
