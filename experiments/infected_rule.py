"""Which rule tells infected red cells from healthy ones best, on databases left out?

    python experiments/infected_rule.py --data FOLDER --network NETWORK.npz \\
        [--sources mamic chula txl_pbc] [--fields 33]

NETWORK is one that was not shown the first two, with its network of red cells beside it:
`experiments/second_look.py --cells red_cells --without mamic+chula` makes both. Every red cell that
it finds, and whose middle lies in a box of a red cell, gets some scores. Of the first network: the
*share* of the infected class in the probability of both classes of red cells, which
`CountingConfig.infected_share` compares; the mean probability of the highest tenth of the cell's
pixels; and the largest connected part, as a fraction of the cell, in which infected is the
likelier. Of the second: its probability; and that of both together, at three weights. It prints for
each the area under the ROC curve, and of the infected how many are found where 1 and 0.5 % of the
healthy are called infected; then what limits of the share that is used bring, by database.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, RBC_IDS
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.io import read_image
from bloodseg_lib.network.cell_view import RED_CELLS, companion
from bloodseg_lib.network.single_cell import SingleCellNetwork
from bloodseg_lib.prediction.cells import Instance
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.second_look import SHARES, WEIGHED, alone, together
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter
from bloodseg_lib.samples.extraction.field import spread

WEIGHTS = (0.3, 0.5, 0.7)
USED = f"both, weight {SHARES[RED_CELLS.name]}"
RULES = (
    "share",
    "highest tenth",
    "largest part",
    "second look alone",
    *(f"both, weight {weight}" for weight in WEIGHTS),
)


def first_scores(probabilities: np.ndarray, mask: np.ndarray) -> tuple[float, ...]:
    """The first three scores of a cell in the order of :data:`RULES`.

    Args:
        probabilities: ``(H, W, 10)``, 0..1, in the cell's box.
        mask: ``(H, W) bool``, its pixels.
    """
    infected, healthy = (
        probabilities[..., i][mask].astype(np.float64) for i in (INFECTED_RBC, HEALTHY_RBC)
    )
    share = infected.sum() / max(1e-6, infected.sum() + healthy.sum())
    highest = np.sort(infected)[::-1]
    top = highest[: max(1, len(highest) // 10)].mean()
    likelier = np.zeros(mask.shape, np.uint8)
    likelier[mask] = infected > healthy
    _, _, stats, _ = cv2.connectedComponentsWithStats(likelier)
    return share, top, stats[1:, cv2.CC_STAT_AREA].max(initial=0) / mask.sum()


def scored(
    options: argparse.Namespace, source: str
) -> Iterator[tuple[str, bool, tuple[float, ...]]]:
    """Database, whether infected, and scores of the red cells of a database."""
    segmenter = Segmenter(options.network, PredictionConfig(second_look=False))
    second = SingleCellNetwork(companion(options.network, RED_CELLS), RED_CELLS)
    fields = [
        field
        for field in annotated.read(source, options.data / source)
        if any(box.class_id in RBC_IDS for box in getattr(field, "boxes", ()))
    ]
    for field in tqdm(spread(fields, options.fields), desc=source):
        image = read_image(field.path)
        found = segmenter.segment(image)
        probabilities = np.asarray(found.probabilities)
        if probabilities.dtype == np.uint8:
            probabilities = probabilities / np.float32(255)
        levels, factor = found.preprocessing.levels, found.scale.factor
        for cell in count_cells(found.labels, found.probabilities, found.scale).cells:
            x, y = cell.centroid
            box = next((b for b in field.boxes if b.box.holds(x, y)), None)
            if cell.class_id in RBC_IDS and box and box.class_id in RBC_IDS:
                scores = first_scores(probabilities[cell.box.window], cell.mask)
                seen = alone(image, Instance(cell.box, cell.mask), factor, levels, RED_CELLS)
                answer = second.probabilities(seen[None])[0]
                place = RED_CELLS.class_ids.index(INFECTED_RBC)
                first = np.array([1 - scores[0]] * 2)
                first[place] = scores[0]
                both = (float(together(first, answer, weight)[place]) for weight in WEIGHTS)
                yield source, box.class_id == INFECTED_RBC, (*scores, float(answer[place]), *both)


def area_under_curve(infected: np.ndarray, healthy: np.ndarray) -> float:
    """Probability that an infected cell scores higher than a healthy one; a tie counts half."""
    above = (infected[:, None] > healthy).mean()
    return float(above + (infected[:, None] == healthy).mean() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--sources", nargs="+", default=["mamic", "chula", "txl_pbc"])
    parser.add_argument("--fields", type=int, default=33, help="at most, of each database")
    options = parser.parse_args()
    rows = [row for source in options.sources for row in scored(options, source)]
    sources, true, scores = (np.array(column) for column in zip(*rows, strict=True))
    print("| rule | area | found at 1 % false | at 0.5 % |\n|---|---:|---:|---:|")
    for i, rule in enumerate(RULES):
        infected, healthy = scores[true, i], scores[~true, i]
        found = [(infected > np.quantile(healthy, q)).mean() for q in (0.99, 0.995)]
        area = area_under_curve(infected, healthy)
        print(f"| {rule} | {area:.3f} | {found[0]:.0%} | {found[1]:.0%} |")
    for rule in ("share", USED):
        of_rule = scores[:, RULES.index(rule)]
        used = 1 / (1 + WEIGHED[INFECTED_RBC])  # where both, and the factor, make a half
        for limit in (0.25, 0.35, 0.5, round(used, 3), 0.65, 0.8):
            texts = [f"{rule} from {limit}: {(of_rule[true] >= limit).mean():.0%} of the infected"]
            for source in options.sources:
                healthy = of_rule[~true & (sources == source)]
                texts.append(f"{(healthy >= limit).mean():.2%} of {source}'s {len(healthy)}")
            print(", ".join(texts))


if __name__ == "__main__":
    main()
