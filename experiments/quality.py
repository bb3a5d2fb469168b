"""What the judgement of pictures says of real fields, of the same fields blurred, and of pictures
that are no smears: the thresholds of `bloodseg_lib/prediction/quality.py` are set by these tables.

    python experiments/quality.py lisc=FOLDER mamic=FOLDER ... --out runs/quality [--fields 20]

The keys are those of `evaluate fields`, whose pictures are asked. Pictures that are no smears are
those that scikit-image brings and some that are drawn (`no_smears.py`). Measures of a picture are
kept in `OUT/measures.jsonl`: run again, it goes on where it stopped.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from no_smears import no_smears
from tqdm.auto import tqdm

from bloodseg_lib.evaluation import annotated
from bloodseg_lib.evaluation.annotated import AnnotatedField
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction.appearance import Appearance
from bloodseg_lib.prediction.results import count_field
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.samples.extraction.field import spread

BLURS_PX = (0, 0.5, 1, 1.5, 2, 3, 4, 6)
"""Standard deviations at 40x."""


def real_fields(databases: list[str], number: int) -> Iterator[tuple[str, np.ndarray]]:
    """Annotated fields of each database, evenly from all of them."""
    for database in databases:
        key, _, folder = database.partition("=")
        fields = [f for f in annotated.read(key, folder) if isinstance(f, AnnotatedField)]
        for field in spread(fields, number):
            yield f"{key}/{field.path.parent.name}/{field.path.name}", read_image(field.path)


def measure(segmenter: Segmenter, image: np.ndarray, blur_px: float = 0) -> dict:
    """What is measured and said of one picture."""
    if blur_px:
        scale = segmenter.segment(image).scale.factor
        image = cv2.GaussianBlur(image, (0, 0), blur_px / scale)
    found = segmenter.segment(image)
    counts = count_field(found, image)
    share = counts.parasitaemia()
    return {
        **asdict(Appearance.of(image, found)),
        "scale": str(found.scale.how),
        "level": counts.quality.level,
        "findings": [finding.name for finding in counts.quality.findings],
        "withheld": bool(share.withheld),
        "infected": share.numerator,
        "red cells": share.denominator,
        "interval": share.interval,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("databases", nargs="+", help="KEY=FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fields", type=int, default=20, help="of each database")
    parser.add_argument("--blurred", type=int, default=2, help="fields of each database")
    parser.add_argument("--checkpoint", default="released")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "measures.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    rows = {row["picture"]: row for row in map(json.loads, lines)}
    segmenter = Segmenter(options.checkpoint)
    with kept.open("a") as file:

        def add(name: str, image: np.ndarray, blur_px: float = 0) -> None:
            if name not in rows:
                rows[name] = {"picture": name, **measure(segmenter, image, blur_px)}
                file.write(json.dumps(rows[name]) + "\n")
                file.flush()

        for name, image in tqdm(no_smears(), unit="picture"):
            add(name, image)
        for name, image in tqdm(real_fields(options.databases, options.fields), unit="field"):
            add(name, image)
        for name, image in tqdm(real_fields(options.databases, options.blurred), unit="field"):
            for blur_px in BLURS_PX:
                add(f"{name} blurred {blur_px}", image, blur_px)
    print_tables(rows)


def print_tables(rows: dict[str, dict]) -> None:
    """Levels by database, and the blurred fields whose interval excludes the sharp value unsaid."""
    levels: dict[str, Counter] = {}
    for name, row in rows.items():
        if " blurred " not in name:
            levels.setdefault(name.split("/")[0], Counter())[row["level"]] += 1
    print("| database | pictures | nothing said | note | warning | withheld |")
    print("|---|---:|---:|---:|---:|---:|")
    for database, n in levels.items():
        cells = (n["good"], n["note"], n["warning"], n["withheld"])
        print(f"| {database} | {n.total()} | " + " | ".join(map(str, cells)) + " |")
    unsaid = []
    for name, row in rows.items():
        field, _, blur = name.partition(" blurred ")
        if blur and row["interval"] and row["level"] == "good":
            sharp = rows[f"{field} blurred 0"]
            value = sharp["infected"] / max(1, sharp["red cells"])
            if not row["interval"][0] <= value <= row["interval"][1]:
                unsaid.append(name)
    blurred = sum(" blurred " in name for name in rows)
    print(f"\nBlurred pictures whose interval excludes the sharp value, unsaid: {len(unsaid)} of")
    print(f"{blurred}. {', '.join(unsaid)}")


if __name__ == "__main__":
    main()
