"""How often a white cell is said to be uncertain: cells of the five classes, and cells of none.

    python experiments/uncertain.py --data FOLDER [--network released] [--each 60]
    python experiments/uncertain.py --data FOLDER --without runs/second_look [--each 60]

FOLDER holds the databases lisc, zheng, pbc_full and txl_pbc; of each class `--each` pictures are
taken, evenly over the names. Immature granulocytes (`ig`) and erythroblasts are none of the ten
classes, and no network was trained on them. It prints, for each database and kind, how many white
cells are uncertain, how many of the classes are right, and how many are of those that are certain;
the share of cells of no class that would be uncertain at 5 % of those of the five classes, of all
databases and of pbc, which they are from, if the limits were moved; and the expected calibration
error (ECE, ten bins) of the probability that a cell is of its class.

With `--without`, the `--out` of `experiments/second_look.py`, each database is met by the two
networks in it that were trained without it; the others, and cells of no class, are left out.
"""

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import CLASSES, WBC_IDS
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.evaluation.calibration import calibration
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction.cells import OF_NONE, Cell, CountingConfig, beyond_two, entropy
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.samples.extraction.field import spread

DATABASES = {"lisc": "lisc", "zheng": "zheng", "pbc": "pbc_full", "txl_pbc": "txl_pbc"}
"""Source -> its folder."""
OF_NO_CLASS = ("ig", "erythroblast")


def pictures(data: Path, each: int) -> Iterator[tuple[str, int, Path]]:
    """Name of the row, class (0: none of the five) and file."""
    for source, folder in DATABASES.items():
        by_class: dict[int, list[Path]] = {}
        for field in annotated.read(source, data / folder):
            if isinstance(field, annotated.AnnotatedField):
                white = {field.class_id, *(box.class_id for box in field.boxes)} & set(WBC_IDS)
                if len(white) == 1:  # of several nobody knows which is the largest
                    by_class.setdefault(white.pop(), []).append(field.path)
        for class_id, paths in by_class.items():
            yield from ((source, class_id, path) for path in spread(sorted(paths), each))
    for kind in OF_NO_CLASS:
        folder = data / DATABASES["pbc"] / "PBC_dataset_normal_DIB" / kind
        yield from ((kind, 0, path) for path in spread(sorted(folder.glob("*.jpg")), 2 * each))


def white_cell(segmenter: Segmenter, path: Path) -> Cell | None:
    """The largest white cell of a picture."""
    found = segmenter.segment(read_image(path))
    counting = CountingConfig(border_rule=False)
    cells = count_cells(found.labels, found.probabilities, found.scale, counting).cells
    white = [cell for cell in cells if cell.class_id in WBC_IDS]
    return max(white, key=lambda cell: cell.area_px, default=None)


def beyond(cell: Cell) -> float:
    """Above 1 the cell is said to be perhaps of no class."""
    return beyond_two(cell.probabilities) / CountingConfig().most_beyond_two


def doubt(cell: Cell) -> float:
    """Above 1 the cell is uncertain."""
    return max(beyond(cell), entropy(cell.probabilities) / CountingConfig().most_entropy)


def print_told(rows: dict[str, list[tuple[int, Cell]]]) -> None:
    """How many cells of no class are told, at 5 % of those of the five classes."""
    for names in (list(DATABASES), ["pbc"]):
        known = [cell for name in names for _, cell in rows.get(name, [])]
        none = [cell for name in OF_NO_CLASS for _, cell in rows[name]]
        for what, measure in (("perhaps of no class", beyond), ("uncertain", doubt)):
            limit = float(np.quantile([measure(cell) for cell in known], 0.95))
            told = np.mean([measure(cell) > limit for cell in none])
            print(
                f"With {limit:.2f} times the limits as they are, 5 % of the {len(known)} cells of "
                f"the five classes of {', '.join(names)} are {what}, and {told:.1%} of the "
                f"{len(none)} of none."
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", default="released")
    parser.add_argument("--without", type=Path, help="of networks that each lack one database")
    parser.add_argument("--each", type=int, default=60)
    options = parser.parse_args()

    def network_of(name: str) -> Path:
        return options.without / name / "network.npz"

    @functools.cache
    def network(name: str) -> Segmenter:
        if options.without is None:
            return Segmenter(options.network)
        return Segmenter(network_of(name))

    rows: dict[str, list[tuple[int, Cell]]] = {}
    for name, class_id, path in tqdm(list(pictures(options.data, options.each))):
        if options.without is not None and not network_of(name).is_file():
            continue
        if (cell := white_cell(network(name), path)) is not None:
            rows.setdefault(name, []).append((class_id, cell))
    if options.without is not None:
        rows["all"] = [found for of_name in rows.values() for found in of_name]
    print(
        "| pictures | white cells | uncertain | ... perhaps of no class | right class "
        "| right of the certain | ECE |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, found in rows.items():
        uncertain = np.array([bool(cell.uncertain) for _, cell in found])
        of_none = np.array([cell.uncertain == OF_NONE for _, cell in found])
        right = np.array([cell.class_id == class_id for class_id, cell in found])
        confidence = np.array([cell.confidence for _, cell in found])
        line = f"| {name} | {len(found)} | {uncertain.mean():.1%} | {of_none.mean():.1%} | "
        if name in OF_NO_CLASS:
            called = np.bincount([cell.class_id for _, cell in found], minlength=len(CLASSES))
            line += f"called {CLASSES[called.argmax()].key}: {called.max()} | - | - |"
        else:
            line += f"{right.mean():.1%} | {right[~uncertain].mean():.1%} | "
            line += f"{calibration(confidence, right).error:.3f} |"
        print(line)
    if options.without is None:
        print_told(rows)


if __name__ == "__main__":
    main()
