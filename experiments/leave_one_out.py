"""Leave one database out: how well a network does on a laboratory that it was never shown.

    python experiments/leave_one_out.py --bank BANK --data FOLDER --out runs/leave_one_out \\
        [--fold lisc ...] [--variant without ...] [--images 8000] [--width 8]

For each fold a bank without one database is made (links, no copies), a `realistic` dataset is
composed of it, a network is trained from scratch, and the database that was left out is scored by
`evaluate_fields`, its scale and stain measured in each image. All folds and variants get the same
compute. Run again, it goes on where it stopped: every step is one of the package's own, in a folder
of its own. It prints the table of `docs/carries_over.md`.

FOLDER holds the databases: lisc, zheng, pbc, mamic. Leaving MAMIC out leaves one source of infected
cells, KAGGLE.
"""

import argparse
import csv
import json
import os
from dataclasses import replace
from pathlib import Path

VARIANTS = {"with": True, "without": False}
"""Name -> whether images and samples are brought to the reference stain."""
FOLDS = ("lisc", "zheng", "pbc", "mamic")


def bank_without(bank: Path, source: str, folder: Path) -> Path:
    """A bank of all samples but those of one source, as hard links to the pictures of another."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(bank / "index.csv", newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        kept = [row for row in rows if row["source"] != source]
        columns = rows.fieldnames
    for row in kept:  # the same file under another name: no copy, and within the folder
        link = folder / row["path"]
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            os.link(bank / row["path"], link)
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    return folder


def score(options: argparse.Namespace, fold: str, variant: str) -> list[dict]:
    """The scores of one fold, computed or read: a row for each annotated cell."""
    folder = options.out / f"{fold}-{variant}-{options.images}-w{options.width}"
    rows = folder / "scores.json"
    if rows.exists():
        return json.loads(rows.read_text())
    from bloodseg_lib.evaluation import annotated
    from bloodseg_lib.evaluation.fields import evaluate_fields
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter
    from bloodseg_lib.samples.bank import SampleBank
    from bloodseg_lib.smears.build import build_dataset
    from bloodseg_lib.smears.manifest import DatasetConfig
    from bloodseg_lib.smears.recipe import RECIPES
    from bloodseg_lib.training.config import TrainingConfig
    from bloodseg_lib.training.train import train

    brought = VARIANTS[variant]
    bank = SampleBank(bank_without(options.bank, fold, folder / "bank"))
    config = DatasetConfig(
        train=options.images,
        valid=200,
        test=105,
        backgrounds=max(300, options.images // 10),
        seed=1,
        recipe=replace(RECIPES["realistic"], reference_stain=brought),
    )
    dataset = build_dataset(config, bank, folder / "dataset", workers=-1)
    training = TrainingConfig(
        batch_size=4,
        epochs=4,
        images_per_epoch=options.images // 4,
        schedule="cosine",
        learning_rate=0.003,
        warmup_steps=100,
        weight_exponent=0.5,
        flips=True,
        stain=0.2,
        precision="auto",
    )
    unet = UNetConfig(width=options.width, normalization="batch", dropout=0.0)
    trained = train(dataset, unet, training, folder / "training")
    segmenter = Segmenter(trained.latest, PredictionConfig(reference_stain=brought))
    report = evaluate_fields(segmenter, annotated.read(fold, options.data / fold))
    found = [
        {"true": s.true_id, "called": s.predicted_id, "iou": s.iou, "field": s.field}
        for s in report.scores
    ]
    rows.write_text(json.dumps(found))
    return found


def row(fold: str, variant: str, scores: list[dict]) -> str:
    """A line of the table."""
    from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, WBC_IDS
    from bloodseg_lib.prediction.proportion import wilson_interval

    def fraction(of: list[dict], called: int | None = None) -> str:
        if not of:
            return "-"
        right = sum(s["called"] == (s["true"] if called is None else called) for s in of)
        low, high = wilson_interval(right, len(of))
        return f"{right} of {len(of)} = {right / len(of):.1%} ({low:.1%} to {high:.1%})"

    white = [s for s in scores if s["true"] in WBC_IDS]
    ious = [s["iou"] for s in scores if s["iou"] is not None]
    infected = [s for s in scores if s["true"] == INFECTED_RBC]
    healthy = [s for s in scores if s["true"] == HEALTHY_RBC]
    iou = f"{sum(ious) / len(ious):.3f}" if ious else "-"
    return (
        f"| {fold} | {variant} | {fraction(white)} | {iou} | {fraction(infected)} "
        f"| {fraction(healthy, INFECTED_RBC)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fold", nargs="+", choices=FOLDS, default=FOLDS)
    parser.add_argument("--variant", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--width", type=int, default=8)
    options = parser.parse_args()
    scored = {
        (fold, variant): score(options, fold, variant)
        for fold in options.fold
        for variant in options.variant
    }
    print(
        "| left out | reference stain | white cells, right class | cell IoU "
        "| infected called infected | healthy called infected |"
    )
    print("|---|---|---:|---:|---:|---:|")
    for (fold, variant), scores in scored.items():
        print(row(fold, variant, scores))


if __name__ == "__main__":
    main()
