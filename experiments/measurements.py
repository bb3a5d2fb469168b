"""Write the figures of two experiments into the package, where the notebooks read them.

    python experiments/measurements.py --leave-one-out runs/leave_one_out
    python experiments/measurements.py --exponents runs/exponents --dataset data

The first takes the scores that `leave_one_out.py` left in its folder. The second takes the
trainings of `ablations.py`, which are of drawn cells here:

    python -m bloodseg_lib bank phantom=120 --out bank
    python -m bloodseg_lib dataset --bank bank --out data --recipe realistic --train 1200 \\
        --valid 105 --test 30 --backgrounds 90 --seed 2
    python experiments/ablations.py --dataset data --out runs/exponents \\
        --only "our recipe" "weight exponent 0" "weight exponent 1"
"""

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from leave_one_out import FOLDS, VARIANTS

from bloodseg_lib.classes import CLASSES, HEALTHY_RBC, INFECTED_RBC, WBC_IDS
from bloodseg_lib.evaluation.composed import evaluate_dataset
from bloodseg_lib.evaluation.measured import FOLDER
from bloodseg_lib.io import write_json
from bloodseg_lib.network.checkpoint import read_sidecar
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.smears.dataset import Dataset

EXPONENTS = {0.0: "weight-exponent-0", 0.5: "our-recipe", 1.0: "weight-exponent-1"}
"""Exponent -> the folder of its training."""
KEPT = ("epoch", "valid_accuracy", "mean_iou", "background_share", "zero_recall")


def leave_one_out(folder: Path) -> list[dict[str, Any]]:
    """A row for each database and variant scored: of how many cells how many were called so."""
    rows = []
    for fold in FOLDS:
        for variant in VARIANTS:
            path = folder / f"scores-{fold}-{variant}.json"
            if not path.exists():
                continue
            scores = json.loads(path.read_text())

            def counted(of: tuple[int, ...], called: int | None = None, scores: Any = scores):
                cells = [s for s in scores if s["true"] in of]
                right = sum(s["called"] == (s["true"] if called is None else called) for s in cells)
                return [right, len(cells)] if cells else None

            rows.append(
                {
                    "left_out": fold,
                    "variant": variant,
                    "white_cells_right": counted(WBC_IDS),
                    "infected_found": counted((INFECTED_RBC,)),
                    "healthy_called_infected": counted((HEALTHY_RBC,), INFECTED_RBC),
                }
            )
    return rows


def exponents(folder: Path, dataset: Path) -> list[dict[str, Any]]:
    """A row for each exponent that was trained: its epochs, and the IoU of each class after the
    last.
    """
    rows = []
    for exponent, name in EXPONENTS.items():
        latest = folder / name / "latest.npz"
        if not latest.exists():
            continue
        scores = evaluate_dataset(Segmenter(latest), Dataset(dataset), "valid").scores
        iou = {c.key: round(float(scores.iou[c.id]), 4) for c in CLASSES}
        history = [{key: entry[key] for key in KEPT} for entry in read_sidecar(latest).history]
        rows.append({"exponent": exponent, "history": history, "iou": iou})
    if len({len(row["history"]) for row in rows}) != 1:
        raise ValueError(f"{folder}: expected finished trainings of as many epochs each.")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leave-one-out", type=Path)
    parser.add_argument("--exponents", type=Path)
    parser.add_argument("--dataset", type=Path, help="of the trainings of --exponents")
    options = parser.parse_args()
    found = {}
    if options.leave_one_out:
        found["leave_one_out"] = leave_one_out(options.leave_one_out)
    if options.exponents:
        found["exponents"] = exponents(options.exponents, options.dataset)
    for name, rows in found.items():
        today = datetime.date.today().isoformat()
        command = f"experiments/measurements.py --{name.replace('_', '-')}"
        write_json(FOLDER / f"{name}.json", {"date": today, "command": command, "rows": rows})


if __name__ == "__main__":
    main()
