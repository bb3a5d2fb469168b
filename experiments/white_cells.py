"""Trains the white-cell network, and says what it brings on a database that nobody showed it.

    python experiments/white_cells.py --bank BANK --out white_cells.npz
    python experiments/white_cells.py --bank BANK --data FOLDER --without lisc zheng pbc txl_pbc \\
        --networks runs/leave_one_out --out runs/white_cells

The first writes the weights (`bloodseg_lib/network/white_cells.py`) of a network trained on the
white cells of all splits that train. The second trains one without each database, lays it beside
the network of `experiments/leave_one_out.py` that lacks the same, and scores that database with and
without the second look: it prints the table of `docs/carries_over.md`. What is there is not trained
again. Two minutes a network on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import WBC_IDS
from bloodseg_lib.network.white_cells import (
    CONVOLUTIONS,
    INPUT_PX,
    SIDE_PX,
    at_reference,
    companion,
    seen,
)
from bloodseg_lib.optics import GREY_DENSITIES, WHITE
from bloodseg_lib.samples.bank import SampleBank

CHANNELS = (24, 36, 72, 72, 120, 120)
EPOCHS, CELLS, BATCH = 8, 2048, 32  # an epoch draws so many cells
LEARNING_RATE, WEIGHT_DECAY, SMOOTHING, DROPOUT = 2e-3, 1e-3, 0.05, 0.3
INTENSITY, MIXING = 0.7, 0.3
"""Standard deviations: of the logarithm of the channels' intensities, of the weights with which
they are mixed. Found on the databases left out, see docs/carries_over.md.
"""
SIZE, SHIFT_PX, NOISE, BLUR_PX = 0.1, 2.0, 0.02, 1.0

Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Densities ``(N, 96, 96, 3) float16``, masks ``(N, 96, 96) float16``, classes 0..4, sources."""


def cells_of(bank: SampleBank) -> Cells:
    """The white cells of a bank's training split, each in the middle of a square at 40x."""
    densities, masks, classes, sources = [], [], [], []
    entries = [entry for entry in bank.select("train") if entry.class_id in WBC_IDS]
    for entry in tqdm(entries, unit="cell"):
        rgba = bank.sample(entry).rgba
        density = GREY_DENSITIES[rgba[:, :, :3]] - GREY_DENSITIES[WHITE]
        densities.append(_centred(density * entry.stain.factors))
        masks.append(_centred(rgba[:, :, 3] / 255))
        classes.append(WBC_IDS.index(entry.class_id))
        sources.append(entry.source)
    return np.stack(densities), np.stack(masks), np.array(classes), np.array(sources)


def _centred(part: np.ndarray) -> np.ndarray:
    """Cut or filled up to 96 x 96."""
    square = np.zeros((SIDE_PX, SIDE_PX, *part.shape[2:]), np.float16)
    target, source = [], []
    for length in part.shape[:2]:
        size = min(length, SIDE_PX)
        target.append(slice((SIDE_PX - size) // 2, (SIDE_PX - size) // 2 + size))
        source.append(slice((length - size) // 2, (length - size) // 2 + size))
    square[tuple(target)] = part[tuple(source)]
    return square


def chances(classes: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """How likely each cell is drawn: all classes alike, a class's sources by the root of their
    number.
    """
    likely = np.zeros(len(classes))
    for class_id in np.unique(classes):
        of_class = classes == class_id
        for source in np.unique(sources[of_class]):
            these = of_class & (sources == source)
            likely[these] = these.sum() ** -0.5
        likely[of_class] /= likely[of_class].sum()
    return likely / likely.sum()


def varied(density: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A cell turned, shifted, of another size, stain, focus and outline: input of the network."""
    factor = INPUT_PX / SIDE_PX * np.exp(rng.normal(0, SIZE))
    matrix = cv2.getRotationMatrix2D((SIDE_PX / 2, SIDE_PX / 2), rng.uniform(0, 360), factor)
    matrix[:, 2] += INPUT_PX / 2 - SIDE_PX / 2 + rng.normal(0, SHIFT_PX, 2)
    size = (INPUT_PX, INPUT_PX)
    density = cv2.warpAffine(density.astype(np.float32), matrix, size)
    mask = cv2.warpAffine(mask.astype(np.float32), matrix, size)
    if rng.random() < 0.3:  # an outline that loses the edge of the cell
        side = 2 * int(rng.integers(1, 3)) + 1
        mask = cv2.erode(mask, np.ones((side, side), np.uint8))
    if rng.random() < 0.6:
        density = cv2.GaussianBlur(density, (0, 0), rng.uniform(0.2, BLUR_PX))
    mixed = np.eye(3) + np.abs(rng.normal(0, MIXING, (3, 3))) * (1 - np.eye(3))
    gains = np.exp(rng.normal(0, INTENSITY)) * np.exp(rng.normal(0, INTENSITY, 3))
    matrix = gains[:, None] * mixed / mixed.sum(axis=0)
    density = at_reference(density, mask) @ matrix + rng.normal(0, NOISE, density.shape)
    return seen(density, mask)


def trained(cells: Cells, seed: int = 0) -> dict[str, np.ndarray]:
    """The weights of a network trained on some cells, its batch normalisation in the kernels."""
    import keras

    keras.utils.set_random_seed(seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    densities, masks, classes, sources = cells
    x = image = keras.Input((INPUT_PX, INPUT_PX, 3))
    for i, (channels, (side, stride)) in enumerate(zip(CHANNELS, CONVOLUTIONS, strict=True)):
        x = keras.layers.Conv2D(
            channels, side, stride, padding="same", use_bias=False, name=f"conv{i}"
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm{i}")(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(DROPOUT)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, keras.layers.Dense(len(WBC_IDS), dtype="float32", name="dense")(x))
    rates = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, EPOCHS * CELLS // BATCH)
    model.compile(
        keras.optimizers.AdamW(rates, weight_decay=WEIGHT_DECAY),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING),
    )
    rng, likely = np.random.default_rng(seed), chances(classes, sources)
    for _ in tqdm(range(EPOCHS), unit="epoch"):
        drawn = rng.choice(len(classes), CELLS, p=likely)
        batch = np.stack([varied(densities[i], masks[i], rng) for i in drawn])
        truth = np.eye(len(WBC_IDS), dtype=np.float32)[classes[drawn]]
        model.fit(batch, truth, batch_size=BATCH, shuffle=False, verbose=0)
    weights: dict[str, np.ndarray] = {}
    for i in range(len(CONVOLUTIONS)):
        norm = model.get_layer(f"norm{i}")
        gamma, beta, mean, variance = (
            np.asarray(value, np.float32) for value in norm.get_weights()
        )
        factor = gamma / np.sqrt(variance + norm.epsilon)
        kernel = np.asarray(model.get_layer(f"conv{i}").get_weights()[0], np.float32)
        weights[f"conv{i}/kernel"] = (kernel * factor).astype(np.float16)
        weights[f"conv{i}/bias"] = beta - mean * factor
    kernel, bias = model.get_layer("dense").get_weights()
    return {**weights, "dense/kernel": kernel, "dense/bias": bias}


def compared(options: argparse.Namespace, cells: Cells, source: str) -> str:
    """A row of the table: a database left out, scored with and without the second look."""
    from leave_one_out import FOLDS, network_of

    from bloodseg_lib.evaluation import annotated
    from bloodseg_lib.evaluation.fields import evaluate_fields
    from bloodseg_lib.prediction.proportion import wilson_interval
    from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter

    folder = options.out / source
    network = folder / "network.npz"
    if not companion(network).exists():
        folder.mkdir(parents=True, exist_ok=True)
        first = network_of(options.networks, frozenset({source}), options.images, 16)
        for suffix in (".npz", ".json"):
            shutil.copyfile(first.with_suffix(suffix), network.with_suffix(suffix))
        others = cells[3] != source
        np.savez(companion(network), **trained(tuple(part[others] for part in cells)))  # type: ignore[arg-type]
    fields = list(annotated.read(source, options.data / FOLDS[source]))
    every = max(1, len(fields) // options.fields)
    columns = []
    for again in (False, True):
        segmenter = Segmenter(network, PredictionConfig(second_look=again))
        scores = evaluate_fields(segmenter, itertools.islice(fields, 0, None, every)).scores
        white = [s for s in scores if s.true_id in WBC_IDS]
        right = sum(s.predicted_id == s.true_id for s in white)
        low, high = wilson_interval(right, len(white))
        columns.append(
            f"{right} of {len(white)} = {right / len(white):.1%} ({low:.1%} to {high:.1%})"
        )
    return f"| {source} | {columns[0]} | {columns[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--without", nargs="+", default=[])
    parser.add_argument("--networks", type=Path, help="the --out of leave_one_out.py")
    parser.add_argument("--images", type=int, default=4000, help="of leave_one_out.py")
    parser.add_argument("--fields", type=int, default=100, help="at least, of each database")
    options = parser.parse_args()
    cells = cells_of(SampleBank(options.bank))
    if not options.without:
        np.savez(options.out, **trained(cells))  # type: ignore[arg-type]
        return
    print("| left out | one network | and the second look |\n|---|---:|---:|")
    for source in options.without:
        print(compared(options, cells, source), flush=True)


if __name__ == "__main__":
    main()
