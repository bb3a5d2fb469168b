"""What each ingredient of the training's recipe is worth: the same compute with one thing changed
at a time.

    python experiments/ablations.py --dataset data --out runs/ablations [--only NAME ...]

Each training is the package's own ``train`` command in a folder of its own, so that this goes on
where it was stopped. It prints the table of notebook 3.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from bloodseg_lib.classes import CLASSES

COMMON = ["--width", "8", "--set", "batch_size=4", "--set", "epochs=4"]
"""As many images and steps in every variant.

Four passes, so that mirroring and stain have something to vary.
"""

RECIPE = {
    "--normalization": "batch",
    "--dropout": "0",
    "schedule": "cosine",
    "learning_rate": "0.003",
    "warmup_steps": "100",
    "weight_exponent": "0.5",
    "flips": "true",
}
"""Our recipe; what begins with dashes is an option of its own, the rest goes into ``--set``."""

VARIANTS = {
    "our recipe": {},
    "our recipe, another seed": {"seed": "1"},
    "no normalisation": {"--normalization": "none"},
    "no normalisation, learning rate 0.001": {"--normalization": "none", "learning_rate": "0.001"},
    "learning rate 0.001": {"learning_rate": "0.001"},
    "learning rate 0.01": {"learning_rate": "0.01"},
    "steps instead of the cosine": {
        "schedule": "step",
        "drop_after_epochs": "3",
        "later_learning_rate": "0.0003",
    },
    "no warm-up": {"warmup_steps": "0"},
    "AdamW, weight decay 0.01": {"weight_decay": "0.01"},
    "dropout 0.5": {"--dropout": "0.5"},
    "weight exponent 0": {"weight_exponent": "0"},
    "weight exponent 1": {"weight_exponent": "1"},
    "not mirrored": {"flips": "false"},
    "stain, brightness and blur varied": {"stain": "0.1", "brightness": "0.05", "blur_px": "0.5"},
    "batch 16": {"batch_size": "16"},
}


def command(dataset: Path, folder: Path, changes: dict[str, str]) -> list[str]:
    """The command line of one training."""
    given = [
        sys.executable,
        "-m",
        "bloodseg_lib",
        "train",
        "--dataset",
        str(dataset),
        "--out",
        str(folder),
        *COMMON,
    ]
    for name, value in {**RECIPE, **changes}.items():
        given += [name, value] if name.startswith("--") else ["--set", f"{name}={value}"]
    return given


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME"
    )
    options = parser.parse_args()
    for name in options.only:
        subprocess.run(
            command(options.dataset, options.out / name.replace(" ", "-"), VARIANTS[name]),
            check=True,
        )

    from bloodseg_lib.evaluation.composed import evaluate_dataset
    from bloodseg_lib.prediction.segmenter import Segmenter

    # here, so that TensorFlow starts after the trainings and not beside them
    from bloodseg_lib.smears.dataset import Dataset

    print("| changed | pixel accuracy | mean IoU |", *(f" {c.name} |" for c in CLASSES), sep="")
    print("|---|---:|---:|" + "---:|" * len(CLASSES))
    dataset = Dataset(options.dataset)
    for name in options.only:
        scores = evaluate_dataset(
            Segmenter(options.out / name.replace(" ", "-") / "latest.npz"),
            dataset,
            "valid",
            progress=False,
        ).scores
        print(
            f"| {name} | {scores.pixel_accuracy:.2%} | {scores.mean_iou:.3f} |",
            *(f" {iou:.3f} |" for iou in scores.iou),
            sep="",
        )


if __name__ == "__main__":
    main()
