"""How many minutes of training take a network from nothing to the original project's 94.48 %.

    python experiments/race.py --bank BANK --out runs/race

It composes smears of real cells by the recipe `white`, as the original project's, and trains on
them with the package's own `train`, one recipe and seed after the other. It prints the table and
draws the figure of `docs/results.md`: validation accuracy over minutes, from the start of the
command, unpacking and validations included. What an earlier command left there is in both. A
training that was interrupted is no race: it is run again. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm.auto import tqdm

GOAL = 0.9448
"""Pixel accuracy of the original project on its test smears."""
SMEARS = ["--train=12000", "--valid=500", "--test=1000", "--backgrounds=3000", "--seed=1"]
COMMON = {
    "schedule": "cosine",
    "warmup_steps": "100",
    "weight_exponent": "0",
    "flips": "true",
    "precision": "auto",
    "deterministic": "false",
}
RECIPES = {
    "first edition": {
        "batch_size": "4",
        "learning_rate": "0.002",
        "stain": "0.2",
        "images_per_epoch": "3000",
        "epochs": "7",
    },
    "second edition": {
        "batch_size": "8",
        "learning_rate": "0.004",
        "images_per_epoch": "1800",
        "epochs": "6",
        "half_size_epochs": "3",
    },
}
"""Settings of `train` beside the common ones, by the name of the recipe."""
COLOURS = dict(zip(RECIPES, ("0.55", "tab:blue"), strict=True))


@dataclass(frozen=True)
class Race:
    """A training that is done.

    Attributes:
        minutes: since its command began, at the end of each epoch.
        validation: pixel accuracy, after each epoch.
        test: pixel accuracy of the best epoch on the test smears.
        mean_iou: there.
    """

    minutes: np.ndarray
    validation: np.ndarray
    test: float
    mean_iou: float

    @property
    def best(self) -> int:
        """The epoch whose network is kept, from 0."""
        return int(self.validation.argmax())


def raced(dataset: Path, folder: Path, recipe: str, seed: int, width: int) -> Race:
    """Train with a recipe and a seed, or read what such a training left."""
    took, scored = folder / "seconds.json", folder / "evaluation" / "report.json"
    if not took.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for unpacked in dataset.glob("*/.*.npy"):  # each unpacks what it learns from
            unpacked.unlink()
        settings = {**COMMON, **RECIPES[recipe], "seed": str(seed)}
        given = [word for item in settings.items() for word in ("--set", "=".join(item))]
        shape = [f"--width={width}", "--normalization=batch", "--dropout=0"]
        start = time.monotonic()
        _run("train", "--dataset", dataset, "--out", folder, *shape, *given)
        took.write_text(json.dumps(time.monotonic() - start))
    if not scored.exists():
        _run(
            "evaluate", "dataset", dataset, "--network", folder / "best.npz", "--out", scored.parent
        )
    with open(folder / "log.csv", newline="") as file:
        epochs = list(csv.DictReader(file))
    ends = np.cumsum([float(epoch["time_s"]) for epoch in epochs])
    before = json.loads(took.read_text()) - ends[-1]  # imports, unpacking
    scores = json.loads(scored.read_text())["scores"]
    return Race(
        minutes=(ends + before) / 60,
        validation=np.array([float(epoch["valid_accuracy"]) for epoch in epochs]),
        test=scores["pixel_accuracy"],
        mean_iou=scores["mean_iou"],
    )


def _run(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "bloodseg_lib", *map(str, words)], check=True)


def figure_of(races: dict[tuple[str, int], Race]) -> Figure:
    """Validation accuracy over minutes, a line for each training."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for (recipe, seed), race in races.items():
        label = recipe if seed == min(s for r, s in races if r == recipe) else None
        line = {"color": COLOURS[recipe], "label": label}
        axes.plot(race.minutes, 100 * race.validation, "o-", markersize=4, **line)
    goal = f"{GOAL:.2%}: the original project, 26.6 GPU-hours"
    axes.axhline(100 * GOAL, color="0.15", linestyle="--", linewidth=1, label=goal)
    axes.set(xlabel="minutes of training, two cores", ylabel="pixels right, validation [%]")
    axes.set(xlim=(0, None), ylim=(75, 98))
    axes.legend(loc="lower right", frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    dataset = options.out / "dataset"
    _run("dataset", "--bank", options.bank, "--out", dataset, *SMEARS)
    races = {}
    for recipe in RECIPES:
        name = recipe.replace(" ", "-")
        done = {
            int(p.parent.name.removeprefix(f"{name}-"))
            for p in options.out.glob(f"{name}-*/seconds.json")
        }
        wanted = set(options.seeds) if recipe in options.recipes else set()
        for seed in tqdm(sorted(done | wanted), desc=recipe, unit="training"):
            folder = options.out / f"{name}-{seed}"
            races[recipe, seed] = raced(dataset, folder, recipe, seed, options.width)
    print("| recipe | seed | minutes | validation accuracy after each epoch | test | mean IoU |")
    print("|---|---:|---:|---|---:|---:|")
    for (recipe, seed), race in races.items():
        after = ", ".join(f"{100 * accuracy:.2f}" for accuracy in race.validation)
        print(
            f"| {recipe} | {seed} | {race.minutes[race.best]:.1f} | {after}% | {race.test:.2%} | "
            f"{race.mean_iou:.3f} |"
        )
    figure_of(races).savefig(options.out / "race.png", dpi=110)
    print(options.out / "race.png")


if __name__ == "__main__":
    main()
