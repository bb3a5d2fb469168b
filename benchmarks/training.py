"""How fast the network is trained, beside plain Keras and beside the original's way, and what an
epoch costs over its steps.

``make bench`` runs it; alone: ``python benchmarks/training.py``. Every candidate runs in a process
of its own, in turn, twice; figures are images a second of wall time, and a second of processor time
of all cores together, which other load on the machine changes less.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BATCH, STEPS, ROUNDS = 4, 4, 2
WIDTHS = (8, 32)
CANDIDATES = {
    "ours": "our training step",
    "plain": "plain Keras fit",
    "original": "the original's way",
}
OUR_SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH")


def main() -> None:
    """Print images a second of each candidate, their ratios, and the share of an epoch that is no
    training step.
    """
    for width in WIDTHS:
        best: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for candidate in CANDIDATES:
                told = _in_a_process(candidate, width)
                best[candidate] = list(map(max, best.get(candidate, told), told))
        for candidate, words in CANDIDATES.items():
            wall, busy = best[candidate]
            ratios = (
                ""
                if candidate == "ours"
                else f"; ours is {best['ours'][0] / wall:.2f} times as fast, {best['ours'][1] / busy:.2f} times in processor time"
            )
            print(
                f"training, width {width}, batch {BATCH}, {words}: {wall:.2f} images/s, {busy:.2f} a second of processor time{ratios}",
                flush=True,
            )
    for width in (8, 16):
        pairs = [
            [_in_a_process("normalized", width, layer) for layer in ("ours", "keras")]
            for _ in range(ROUNDS)
        ]
        wall, busy = (
            max(pair[0][i] for pair in pairs) / max(pair[1][i] for pair in pairs) for i in (0, 1)
        )
        print(
            f"batch normalisation, width {width}: with our layer a step is {wall:.2f} times as fast as with Keras's, {busy:.2f} times in processor time",
            flush=True,
        )
    for augmentation in ("without augmentation", "with flips, stain, brightness and blur"):
        wall, busy, waiting = _in_a_process("epoch", 8, augmentation)
        print(
            f"an epoch, width 8, {augmentation}: {wall:.3f} times its steps on data in memory, {busy:.3f} times in processor time (target 1.05); "
            f"{waiting:.2%} of it waiting for the loader",
            flush=True,
        )


def _in_a_process(*arguments: object) -> list[float]:
    environment = {name: value for name, value in os.environ.items() if name not in OUR_SETTINGS}
    command = [sys.executable, __file__, *map(str, arguments)]
    return json.loads(
        subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment
        ).stdout.splitlines()[-1]
    )


def _rates(step: object, images: int) -> list[float]:
    """Images a second of wall and of processor time, after a first call that compiles."""
    step()
    wall, busy = time.perf_counter(), time.process_time()
    step()
    return [images / (time.perf_counter() - wall), images / (time.process_time() - busy)]


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (BATCH * STEPS, 224, 224, 3), dtype=np.uint8), rng.integers(
        0, 10, (BATCH * STEPS, 224, 224), dtype=np.uint8
    )


def _batches() -> list[tuple[np.ndarray, np.ndarray]]:
    images, labels = _data()
    return [
        (images[start : start + BATCH], labels[start : start + BATCH])
        for start in range(0, len(images), BATCH)
    ]


def ours(width: int) -> list[float]:
    """Uint8 to the device, weight maps looked up there;

    as :func:`bloodseg_lib.training.train.train` does.
    """
    steps, batches = _our_steps(width), _batches()

    def epoch() -> None:
        for images, labels in batches:
            for told in steps.learn(images, labels, BATCH):
                float(told[0])

    return _rates(epoch, BATCH * STEPS)


def normalized(width: int, layer: str) -> list[float]:
    """Our training step of the network with batch normalisation, by our layer or by Keras's own."""
    from bloodseg_lib.network import unet
    from bloodseg_lib.network.backend import keras

    if layer == "keras":
        unet.FusedBatchNormalization = keras.layers.BatchNormalization
    steps, batches = _our_steps(width, normalization="batch", dropout=0.0), _batches()
    return _rates(
        lambda: [
            float(told[0])
            for images, labels in batches
            for told in steps.learn(images, labels, BATCH)
        ],
        BATCH * STEPS,
    )


def _our_steps(width: int, **options: object) -> object:
    from bloodseg_lib.network.backend import keras
    from bloodseg_lib.network.loss import WeightedCrossEntropy
    from bloodseg_lib.network.unet import UNetConfig, build_unet
    from bloodseg_lib.training.steps import Steps

    model = build_unet(UNetConfig(width=width, **options), precision="auto")
    learner = keras.Model(model.input, model.get_layer("logits").output)
    return Steps(learner, WeightedCrossEntropy(np.ones(10)), keras.optimizers.Adam(0.001))


def plain(width: int) -> list[float]:
    """Keras ``fit`` of the same network on arrays, with TensorFlow as it comes:

    none of our settings.
    """
    images, labels = _data()
    model = _plain_network(width)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0)
    return _rates(
        lambda: model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0), BATCH * STEPS
    )


def original(width: int) -> list[float]:
    """One-hot maps and weight maps built for each batch on the host, and three forward passes:

    train, predict, evaluate.
    """
    model, batches, weights = _plain_network(width), _batches(), np.ones(10, np.float32)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])

    def epoch() -> None:
        for images, labels in batches:
            one_hot = np.eye(10, dtype=np.float32)[labels]  # (B, 224, 224, 10)
            weight_maps = (one_hot * weights).sum(axis=-1)  # (B, 224, 224)
            model.train_on_batch(images.astype(np.float32), one_hot, sample_weight=weight_maps)
            model.predict_on_batch(images.astype(np.float32))
            model.evaluate(
                images.astype(np.float32),
                one_hot,
                sample_weight=weight_maps,
                batch_size=BATCH,
                verbose=0,
            )

    return _rates(epoch, BATCH * STEPS)


def _plain_network(width: int) -> object:
    """The same network on TensorFlow's own defaults:

    it computes once before our package is imported, which sets others.
    """
    import tensorflow as tf

    tf.function(tf.nn.conv2d)(
        np.zeros((1, 8, 8, 3), np.float32), np.zeros((3, 3, 3, 4), np.float32), 1, "SAME"
    )
    from bloodseg_lib.network.unet import UNetConfig, build_unet

    return build_unet(UNetConfig(width=width))


def epoch(width: int, augmentation: str) -> list[float]:
    """An epoch's training as ``train`` runs it, loader and all, over the same steps on batches that
    lie ready in memory; and the share of waiting.
    """
    from tqdm import tqdm

    from bloodseg_lib.training import epoch as epochs
    from bloodseg_lib.training.train import TrainingConfig

    batches = _batches()
    varied = (
        {"flips": True, "stain": 0.1, "brightness": 0.1, "blur_px": 1.0}
        if augmentation.startswith("with ")
        else {}
    )
    config = TrainingConfig(batch_size=BATCH, **varied)
    steps = _our_steps(width)

    class OnDisk:
        """The loader: batches gathered in random order from memory-mapped arrays."""

        def __init__(self, folder: Path):
            for name, values in zip(("images", "labels"), _data(), strict=True):
                np.save(folder / f"{name}.npy", values)
            self._arrays = [
                np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "labels")
            ]

        def batches(
            self, _split: str, batch_size: int, seed: int, epoch: int, images_per_epoch: int
        ) -> object:
            order = np.random.default_rng([seed, epoch]).permutation(BATCH * STEPS)
            for start in range(0, len(order), batch_size):
                yield tuple(values[order[start : start + batch_size]] for values in self._arrays)

    waited = 0.0

    def timed(coming: object) -> object:
        nonlocal waited
        coming = iter(coming)
        while True:
            start = time.perf_counter()
            batch = next(coming, None)
            waited += time.perf_counter() - start
            if batch is None:
                return
            yield batch

    def taken(make: object) -> tuple[float, float]:
        wall, busy = time.perf_counter(), time.process_time()
        with tqdm(disable=True) as bar:
            epochs.learn(steps, make(), BATCH, bar)
        return time.perf_counter() - wall, time.process_time() - busy

    with tempfile.TemporaryDirectory() as folder:
        dataset = OnDisk(Path(folder))

        def loaded() -> object:
            return timed(epochs.one_ahead(epochs.batches(dataset, config, 1)))

        taken(lambda: iter(batches))
        taken(loaded)
        waited = 0.0
        # in turn, so that other load falls on both
        pairs = [(taken(loaded), taken(lambda: iter(batches))) for _ in range(5)]
    whole, bare = (np.array([pair[i] for pair in pairs]).sum(axis=0) for i in (0, 1))
    return [*(whole / bare).tolist(), waited / whole[0]]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measured = {
            "ours": ours,
            "plain": plain,
            "original": original,
            "normalized": normalized,
            "epoch": epoch,
        }[sys.argv[1]]
        print(json.dumps(measured(int(sys.argv[2]), *sys.argv[3:])))
    else:
        main()
