"""Fields as other laboratories would have stained or focused them: what is still named rightly?

    python experiments/other_stains.py mamic=FOLDER [lisc=FOLDER ...] [--network NETWORK.npz]

The optical density of each channel above the slide's is multiplied, as if red cells had taken up
more or less of each dye; or the field is blurred. It is scored on the path of `evaluate fields`. It
prints for each change and database how many white, infected and healthy cells get the right class.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, WBC_IDS
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.evaluation.fields import evaluate_fields
from bloodseg_lib.optics import background_colour, optical_density
from bloodseg_lib.prediction.scale import find_scale
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmentation, Segmenter
from bloodseg_lib.samples.extraction.field import spread
from bloodseg_lib.smears.appearance import acquire

STAINS = {
    "as it is": (1.0, 1.0, 1.0),
    "pale": (0.55, 0.55, 0.55),
    "dense": (1.7, 1.7, 1.7),
    "bluish": (1.8, 1.0, 0.6),
    "brownish": (0.7, 1.0, 1.6),
    "dense and bluish": (2.6, 1.5, 0.9),
    "very dense and bluish": (3.2, 1.8, 1.0),
}
"""Factors of the optical density in red, green and blue."""
KINDS = {"white": WBC_IDS, "infected": (INFECTED_RBC,), "healthy": (HEALTHY_RBC,)}


def stained(image: np.ndarray, factors: tuple[float, float, float]) -> np.ndarray:
    """An image ``(H, W, 3) uint8`` whose densities above the slide's are multiplied."""
    slide = background_colour(image)
    density = np.maximum(optical_density(image / slide), 0)
    return np.clip(slide * np.exp(-density * np.array(factors)) + 0.5, 0, 255).astype(np.uint8)


def blurred(image: np.ndarray, px: float) -> np.ndarray:
    """An image blurred by a Gaussian of so many pixels at 40x, and saved by a camera."""
    image = cv2.GaussianBlur(image, (0, 0), px / find_scale(image).factor)
    return acquire(image, np.random.default_rng(0), blur_px=0, noise=3, jpeg=1)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{stain: partial(stained, factors=factors) for stain, factors in STAINS.items()},
    **{f"blurred by {px} px": partial(blurred, px=px) for px in (1, 2, 3)},
}


class Changed(Segmenter):
    """Segments each image as if it had been taken otherwise."""

    change = CHANGES["as it is"]

    def segment(self, image: np.ndarray, *arguments: Any, **options: Any) -> Segmentation:
        return super().segment(self.change(image), *arguments, **options)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("databases", nargs="+", help="KEY=FOLDER")
    parser.add_argument("--network", default="released")
    parser.add_argument("--fields", type=int, default=30, help="of each database")
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--alone", action="store_true", help="without the second look")
    options = parser.parse_args()
    segmenter = Changed(options.network, PredictionConfig(second_look=not options.alone))
    print("| database | change | white cells | infected | healthy |\n|---|---|---:|---:|---:|")
    for database in options.databases:
        source, folder = database.split("=", 1)
        fields = spread(list(annotated.read(source, Path(folder))), options.fields)
        for name in options.changes:
            segmenter.change = CHANGES[name]
            scores = evaluate_fields(segmenter, fields).scores
            cells = []
            for ids in KINDS.values():
                of_kind = [score for score in scores if score.true_id in ids]
                right = sum(score.predicted_id == score.true_id for score in of_kind)
                cells.append(f"{right} of {len(of_kind)}" if of_kind else "-")
            print(f"| {source} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
