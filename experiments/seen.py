"""How well a network does on pictures it was trained on, and on others of the same databases.

    python experiments/seen.py --bank BANK --data FOLDER [--network released] [--each 200]

BANK is the bank that the network was trained with: its `index.csv` says to which split every
picture went. FOLDER holds the databases: lisc, zheng, pbc_full, txl_pbc, chula. Of each split of
each database at most `--each` pictures are scored, evenly over the names, on the path of `predict`.
It prints white cells whose class is right, and healthy red cells that are called infected, with
95 % intervals: *seen* for pictures of the split train, *other pictures* for valid and test.
"""

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, WBC_IDS
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.evaluation.fields import FieldScore, evaluate_fields
from bloodseg_lib.prediction.proportion import wilson_interval
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.samples.extraction.field import spread

DATABASES = {
    "lisc": "lisc",
    "zheng": "zheng",
    "pbc": "pbc_full",
    "txl_pbc": "txl_pbc",
    "chula": "chula",
}
"""Source -> its folder."""
SEEN = {True: "seen", False: "other pictures"}


def trained_on(bank: Path) -> dict[str, bool]:
    """Picture -> whether samples of it were trained on, for `<source>__<name>`."""
    pictures: dict[str, bool] = {}
    for index in ("index.csv", "fields.csv"):
        with open(bank / index, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                name = Path(row["path"]).stem
                # samples of one picture: 10_auto, 10_318_158_patch, 10_burr_260_20
                parts = name.split("_")
                for end in range(3, len(parts) + 1):
                    key = "_".join(parts[:end])
                    pictures[key] = pictures.get(key, False) or row["split"] == "train"
    return pictures


def name_of(field: annotated.AnnotatedField) -> str:
    """`<source>__<name>`, as the bank names samples of a picture."""
    folder = field.path.parent.name
    stem = field.path.stem
    if field.source == "lisc":
        stem = f"{folder}_{stem}"
    elif field.source == "zheng":
        stem = f"{re.sub('[^0-9]', '', folder)}_{stem}"
    return f"{field.source}__{stem}"


def fraction(of: Sequence[FieldScore], called: int | None = None) -> str:
    """Those that are called right, or called something, with the interval."""
    if not of:
        return "-"
    right = sum(s.predicted_id == (s.true_id if called is None else called) for s in of)
    low, high = wilson_interval(right, len(of))
    return f"{right} of {len(of)} = {right / len(of):.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", default="released")
    parser.add_argument("--each", type=int, default=200)
    options = parser.parse_args()
    segmenter, known = Segmenter(options.network), trained_on(options.bank)
    columns = ("database", "pictures", "", "white cells, right class", "cell IoU")
    print(f"| {' | '.join(columns)} | healthy called infected |\n|---|---:|---|---:|---:|---:|")
    for source, folder in DATABASES.items():
        groups: dict[bool, list[annotated.AnnotatedField]] = {True: [], False: []}
        for field in annotated.read(source, options.data / folder):
            if isinstance(field, annotated.AnnotatedField) and name_of(field) in known:
                groups[known[name_of(field)]].append(field)
        for seen, fields in groups.items():
            chosen = spread(fields, options.each)
            scores = evaluate_fields(segmenter, chosen, progress=False).scores
            white = [s for s in scores if s.true_id in WBC_IDS]
            healthy = [s for s in scores if s.true_id == HEALTHY_RBC]
            ious = [s.iou for s in white if s.iou is not None]
            iou = f"{sum(ious) / len(ious):.3f}" if ious else "-"
            print(
                f"| {source} | {len(chosen)} | {SEEN[seen]} | {fraction(white)} | {iou} "
                f"| {fraction(healthy, INFECTED_RBC)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
