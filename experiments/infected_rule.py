"""Which rule tells infected red cells from healthy ones best, on databases left out?

    python experiments/infected_rule.py --data FOLDER --networks runs/leave_one_out \\
        [--images 4000] [--width 16]

NETWORKS holds what `experiments/leave_one_out.py` trained (variant `all`). Every red cell that the
network without a database finds there, and whose middle lies in a box of MAMIC, TXL-PBC or Chula,
gets four scores: the *share* of the infected class in the probability of both classes of red cells,
which `CountingConfig.infected_share` compares; the mean probability of the highest tenth and of the
highest twentieth of its pixels; and the largest connected part, as a fraction of the cell, in which
infected is the likelier. It prints the area under each ROC curve, and what shares bring.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from leave_one_out import network_of
from tqdm.auto import tqdm

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, RBC_IDS
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction.counts import count_cells
from bloodseg_lib.prediction.segmenter import Segmenter
from bloodseg_lib.samples.extraction.field import spread

MOST_FIELDS = {"mamic": 100, "chula": 33, "txl_pbc": 63}
RULES = ("share", "highest tenth", "highest twentieth", "largest part")


def rule_scores(probabilities: np.ndarray, mask: np.ndarray) -> tuple[float, ...]:
    """The scores of a cell in the order of :data:`RULES`.

    Args:
        probabilities: ``(H, W, 10)``, 0..1, in the cell's box.
        mask: ``(H, W) bool``, its pixels.
    """
    infected, healthy = (
        probabilities[..., i][mask].astype(np.float64) for i in (INFECTED_RBC, HEALTHY_RBC)
    )
    share = infected.sum() / max(1e-6, infected.sum() + healthy.sum())
    highest = np.sort(infected)[::-1]
    tops = (highest[: max(1, len(highest) // n)].mean() for n in (10, 20))
    likelier = np.zeros(mask.shape, np.uint8)
    likelier[mask] = infected > healthy
    _, _, stats, _ = cv2.connectedComponentsWithStats(likelier)
    largest = stats[1:, cv2.CC_STAT_AREA].max(initial=0) / mask.sum()
    return share, *tops, largest


def scored(data: Path, source: str, network: Path) -> Iterator[tuple[int, tuple[float, ...]]]:
    """True class and scores of the red cells of a database."""
    segmenter = Segmenter(network)
    fields = [f for f in annotated.read(source, data / source) if hasattr(f, "boxes")]
    for field in tqdm(spread(fields, MOST_FIELDS[source]), desc=source):
        found = segmenter.segment(read_image(field.path))
        probabilities = np.asarray(found.probabilities)
        if probabilities.dtype == np.uint8:
            probabilities = probabilities / np.float32(255)
        for cell in count_cells(found.labels, found.probabilities, found.scale).cells:
            x, y = cell.centroid
            box = next((b for b in field.boxes if b.box.holds(x, y)), None)
            if cell.class_id in RBC_IDS and box and box.class_id in RBC_IDS:
                yield box.class_id, rule_scores(probabilities[cell.box.window], cell.mask)


def area_under_curve(infected: np.ndarray, healthy: np.ndarray) -> float:
    """Probability that an infected cell scores higher than a healthy one; a tie counts half."""
    above = (infected[:, None] > healthy).mean()
    return float(above + (infected[:, None] == healthy).mean() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    rows = []
    for source in MOST_FIELDS:
        network = network_of(options.networks, frozenset({source}), options.images, options.width)
        of_source = list(scored(options.data, source, network))
        infected = sum(class_id == INFECTED_RBC for class_id, _ in of_source)
        print(f"{source}: {infected} infected, {len(of_source) - infected} healthy")
        rows += of_source
    true = np.array([class_id for class_id, _ in rows])
    scores = np.array([values for _, values in rows])
    infected, healthy = scores[true == INFECTED_RBC], scores[true == HEALTHY_RBC]
    for i, rule in enumerate(RULES):
        print(f"{rule}: area {area_under_curve(infected[:, i], healthy[:, i]):.3f}")
    for share in (0.15, 0.25, 0.35, 0.5):
        recall, false = ((s[:, 0] >= share).mean() for s in (infected, healthy))
        print(f"share {share}: {recall:.0%} of the infected, {false:.1%} of the healthy")


if __name__ == "__main__":
    main()
