"""Pictures of one white cell, close up: is it named rightly though no red cell tells the scale?

    python experiments/close_ups.py lisc=FOLDER [txl_pbc=FOLDER ...] [--network NETWORK.npz]

Each labelled white cell of a database is cut out of its field, tightly and with a margin. It prints
how many get the right class with the scale that `predict` takes for the close-up, how many with
that of the whole field, and the factor between both scales: the least, the median, the greatest. A
cell that has no box is where the network finds it in the whole field.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from skimage.measure import label, regionprops
from tqdm.auto import tqdm

from bloodseg_lib.classes import WBC_IDS, Box
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.evaluation.annotated import AnnotatedField
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.samples.extraction.field import spread

MARGINS = (0.05, 0.3)
"""Fractions of the cell's longer side, added on every side."""


def white_cell(labels: np.ndarray) -> tuple[int, Box] | None:
    """The class of the largest white cell of a label map, by most of its pixels, and its box."""
    parts = regionprops(label(np.isin(labels, WBC_IDS)))
    if not parts:
        return None
    part = max(parts, key=lambda part: part.area)
    top, left, bottom, right = part.bbox
    seen = labels[part.slice][part.image]
    return int(np.bincount(seen).argmax()), Box(left, top, right - left, bottom - top)


def cells_of(
    field: AnnotatedField, segmenter: Segmenter
) -> Iterator[tuple[np.ndarray, Box, int, Scale]]:
    """A field's image, and the box and class of each labelled white cell; the field's scale."""
    image = read_image(field.path)
    whole = segmenter.segment(image)
    boxed = [(cell.box, cell.class_id) for cell in field.boxes if cell.class_id in WBC_IDS]
    if field.class_id in WBC_IDS and (found := white_cell(whole.labels)):
        boxed = [(found[1], field.class_id)]
    for box, class_id in boxed:
        yield image, box, class_id, Scale.of_factor(whole.scale.factor)


def close_up(image: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """The part of an image around a box."""
    rim = round(margin * max(box.width, box.height))
    rows, columns = (
        slice(max(0, start - rim), start + length + rim)
        for start, length in ((box.y, box.height), (box.x, box.width))
    )
    return np.ascontiguousarray(image[rows, columns])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("databases", nargs="+", help="KEY=FOLDER")
    parser.add_argument("--network", default="released")
    parser.add_argument("--fields", type=int, default=40, help="of each database")
    options = parser.parse_args()
    segmenter = Segmenter(options.network)
    print("| database | margin | cells | right | right, at the field's scale | factor |")
    print("|---|---:|---:|---:|---:|---|")
    for database in options.databases:
        source, folder = database.split("=", 1)
        fields = spread(list(annotated.read(source, Path(folder))), options.fields)
        cells = [cell for field in tqdm(fields) for cell in cells_of(field, segmenter)]
        for margin in MARGINS:
            right, known, factors = 0, 0, []
            for image, box, class_id, scale in cells:
                picture = close_up(image, box, margin)
                alone, given = segmenter.segment(picture), segmenter.segment(picture, scale)
                factors.append(alone.scale.factor / scale.factor)
                right += (white_cell(alone.labels) or (0,))[0] == class_id
                known += (white_cell(given.labels) or (0,))[0] == class_id
            least, median, most = np.quantile(factors, (0, 0.5, 1))
            print(
                f"| {source} | {margin:.0%} | {len(cells)} | {right} | {known} "
                f"| {least:.2f}, {median:.2f}, {most:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
