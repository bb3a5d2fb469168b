"""Leave one database out: how well a network does on a laboratory that it was never shown.

    python experiments/leave_one_out.py --bank BANK --data FOLDER --out runs/leave_one_out \\
        [--fold lisc ...] [--variant no-stain ...] [--images 8000] [--epochs 4] [--width 8] \\
        [--batch-size 4] [--fields 150] [--until scores] [--resident] [--start FOLDER]

For each fold a bank without one database is made (links, no copies), a `realistic` dataset is
composed of it, a network is trained from scratch, and the database that was left out is scored by
`evaluate_fields`, its scale and stain measured in each image. All folds and variants get the same
compute. Run again, it goes on where it stopped: every step is one of the package's own, in a folder
of its own, and networks and datasets that two folds share are made once. `--until training` stops
before the databases are needed, so that a machine with a GPU can train what another one scores. It
prints the table of `docs/carries_over.md`.

FOLDER holds the databases: lisc, zheng, pbc_full, txl_pbc, mamic, chula. Leaving MAMIC out leaves
one source of infected cells, KAGGLE. `--fold none` trains a network that is shown everything.

`--start` goes on from the networks of the same folds and shape in another `--out`, of the variant
*all*, with other smears and a fifth of the learning rate.

`--resident` trains with the dataset in the memory of a GPU (`resident.py`), several times as fast.
"""

import argparse
import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FOLDS = {
    "lisc": "lisc",
    "zheng": "zheng",
    "pbc": "pbc_full",
    "txl_pbc": "txl_pbc",
    "mamic": "mamic",
    "chula": "chula",
}
"""Source -> its folder among the databases."""
NONE = "none"
"""The fold that leaves none out."""


@dataclass(frozen=True)
class Variant:
    """What is done otherwise than in the training of the released network.

    Attributes:
        without: sources that no fold is shown.
        reference_stain: whether images and samples are brought to it.
        recipe: its name.
        training: settings of the training.
    """

    without: frozenset[str] = frozenset()
    reference_stain: bool = True
    recipe: str = "realistic"
    training: dict[str, Any] = field(default_factory=dict)


VARIANTS = {
    "all": Variant(),
    "no-stain": Variant(reference_stain=False),
    "old-sources": Variant(without=frozenset({"pbc", "txl_pbc", "chula"})),
    "robust": Variant(recipe="robust"),
    "strong": Variant(training={"stain": 0.35, "brightness": 0.1, "blur_px": 1.5}),
}


def bank_without(bank: Path, sources: frozenset[str], folder: Path) -> Path:
    """A bank of all samples and fields but those of some sources, as hard links to the pictures of
    another.
    """
    for index in ("fields.csv", "index.csv"):
        if not (bank / index).exists():
            continue
        with open(bank / index, newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            kept = [row for row in rows if row["source"] not in sources]
            columns = rows.fieldnames or ()
        for row in kept:  # the same file under another name: no copy, and within the folder
            pictures = [Path(row["path"])]
            if index == "fields.csv":
                pictures.append(pictures[0].with_name(f"{pictures[0].stem}_labels.png"))
            for picture in pictures:
                link = folder / picture
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.exists():
                    os.link(bank / picture, link)
        with open(folder / index, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
    return folder


def network_of(
    out: Path, sources: frozenset[str], images: int, width: int, variant: Variant = VARIANTS["all"]
) -> Path:
    """Where the weights of the network without some sources are."""
    name = "-".join(("without", *sorted(sources))) + ("" if variant.reference_stain else "-stain")
    name += "" if variant.recipe == "realistic" else f"-{variant.recipe}"
    of = "-".join(f"{key}{value}" for key, value in settings_of(variant).items())
    return out / f"{name}-{images}" / f"width{width}-{of}" / "network.npz"


def settings_of(variant: Variant) -> dict[str, Any]:
    """The settings of the training in which variants differ."""
    return {"stain": 0.2, **variant.training}


def left_out(fold: str) -> set[str]:
    """The databases that a fold is not shown."""
    return set() if fold == NONE else set(fold.split("+"))


def trained(options: argparse.Namespace, fold: str, variant: Variant) -> Path | None:
    """The weights of a fold's network, trained or found; None where training was not asked."""
    sources = variant.without | left_out(fold)
    network = network_of(options.out, sources, options.images, options.width, variant)
    folder = network.parents[1]
    if network.exists():
        return network
    from bloodseg_lib.network.checkpoint import write_compact
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.samples.bank import SampleBank
    from bloodseg_lib.smears.build import build_dataset
    from bloodseg_lib.smears.manifest import DatasetConfig
    from bloodseg_lib.smears.recipe import RECIPES
    from bloodseg_lib.training.config import TrainingConfig
    from bloodseg_lib.training.train import train

    config = DatasetConfig(
        train=options.images,
        valid=200,
        test=105,
        backgrounds=max(300, options.images // 10),
        seed=2 if options.start else 1,
        recipe=replace(RECIPES[variant.recipe], reference_stain=variant.reference_stain),
    )
    bank = SampleBank(bank_without(options.bank, sources, folder / "bank"))
    dataset = build_dataset(config, bank, folder / "dataset", workers=options.workers)
    if options.until == "dataset":
        return None
    training = TrainingConfig(
        batch_size=options.batch_size,
        epochs=options.epochs,
        start_from=str(started(options, sources) or ""),
        images_per_epoch=options.images,
        half_size_epochs=options.half_size_epochs,
        schedule="cosine",
        learning_rate=options.learning_rate,
        warmup_steps=100,
        weight_exponent=0.5,
        flips=True,
        precision="auto",
        **settings_of(variant),
    )
    unet = UNetConfig(width=options.width, normalization="batch", dropout=0.0)
    if options.resident:
        from resident import learner, train_resident

        rate = train_resident(learner(unet, options.batch_size), dataset, training, network)
        print(f"{network}: {rate:.0f} images a second")
        return network
    write_compact(train(dataset, unet, training, network.parent).latest, network)
    return network


def started(options: argparse.Namespace, sources: frozenset[str]) -> Path | None:
    """The network that a training goes on from: of those of most smears."""
    if not options.start:
        return None
    network = network_of(options.start, sources, 0, options.width)
    name = network.parents[1].name.removesuffix("0")
    found = options.start.glob(f"{name}*/{network.parent.name}/{network.name}")
    of_size = {int(n): p for p in found if (n := p.parents[1].name.removeprefix(name)).isdigit()}
    if not of_size:
        raise SystemExit(f"{options.start}: expected {name}NUMBER of width {options.width} there.")
    return of_size[max(of_size)]


def scores_of(options: argparse.Namespace, fold: str, name: str) -> list[dict]:
    """The scores of one fold, computed or read: an entry for each annotated cell."""
    rows = options.out / f"scores-{fold}-{name}.json"
    if rows.exists():
        return json.loads(rows.read_text())
    variant = VARIANTS[name]
    network = trained(options, fold, variant)
    if network is None or options.until != "scores":
        return []
    from bloodseg_lib.evaluation import annotated
    from bloodseg_lib.evaluation.fields import evaluate_fields
    from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter

    segmenter = Segmenter(network, PredictionConfig(reference_stain=variant.reference_stain))
    fields: list[Any] = []
    for source in sorted(left_out(fold)):
        of_source = list(annotated.read(source, options.data / FOLDS[source]))
        # evenly over the names, and so over the classes
        fields += of_source[:: max(1, len(of_source) // options.fields)]
    report = evaluate_fields(segmenter, fields)
    found = [
        {"true": s.true_id, "called": s.predicted_id, "iou": s.iou, "field": s.field}
        for s in report.scores
    ]
    rows.write_text(json.dumps(found))
    return found


def row(fold: str, variant: str, scores: Sequence[dict]) -> str:
    """A line of the table."""
    from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, WBC_IDS
    from bloodseg_lib.prediction.proportion import wilson_interval

    def fraction(of: Sequence[dict], called: int | None = None) -> str:
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
    parser.add_argument("--data", type=Path, help="not needed before the scores")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fold", nargs="+", default=list(FOLDS), help="mamic+chula: without both")
    parser.add_argument("--variant", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--half-size-epochs", type=int, default=0, help="of them; not resident")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument(
        "--fields", type=int, default=150, help="at least, of a database that has more"
    )
    parser.add_argument("--start", type=Path, help="the --out of a run to go on from")
    parser.add_argument("--workers", type=int, default=-1, help="that compose; -1: all cores")
    parser.add_argument("--until", choices=("dataset", "training", "scores"), default="scores")
    parser.add_argument("--resident", action="store_true", help="needs JAX")
    options = parser.parse_args()
    if options.start:
        options.learning_rate /= 5
    if unknown := {source for fold in options.fold for source in left_out(fold)} - set(FOLDS):
        parser.error(f"--fold: expected of {', '.join(FOLDS)}. Received {', '.join(unknown)}.")
    scored = {
        (fold, variant): scores_of(options, fold, variant)
        for fold in options.fold
        for variant in options.variant
    }
    if options.until != "scores":
        return
    print(
        "| left out | variant | white cells, right class | cell IoU "
        "| infected called infected | healthy called infected |"
    )
    print("|---|---|---:|---:|---:|---:|")
    for (fold, variant), scores in scored.items():
        print(row(fold, variant, scores))


if __name__ == "__main__":
    main()
