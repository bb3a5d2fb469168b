"""How fast the network is trained: our training beside plain Keras at the same settings (loop
against loop), beside plain Keras as it comes (settings against settings), and the original's way;
and what an epoch costs over its steps.

``make bench`` runs it; alone: ``python benchmarks/training.py``. Every candidate runs in a process
of its own, in turn, twice; figures are images a second of wall time, and a second of processor time
of all cores together, which other load on the machine changes less.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

BATCH, STEPS, ROUNDS = 4, 16, 2
WIDTHS = (8, 32)
CANDIDATES = {
    "ours": "our training",
    "same": "plain Keras fit at the same settings (oneDNN, precision auto)",
    "plain": "plain Keras fit as TensorFlow comes",
    "original": "the original's way",
}
OUR_SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH")


def main() -> None:
    """Print images a second of each candidate, their ratios, and the cost of an epoch over its
    training steps.
    """
    for width in WIDTHS:
        best: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for candidate in CANDIDATES:
                rates = _in_a_process(candidate, width)
                best[candidate] = list(map(max, best.get(candidate, rates), rates))
        for candidate, words in CANDIDATES.items():
            wall, busy = best[candidate]
            line = (
                f"training, width {width}, batch {BATCH}, {words}: {wall:.2f} images/s, "
                f"{busy:.2f} a second of processor time"
            )
            if candidate != "ours":
                faster = best["ours"][0] / wall, best["ours"][1] / busy
                line += (
                    f"; ours is {faster[0]:.2f} times as fast, {faster[1]:.2f} in processor time"
                )
            print(line, flush=True)
    for width in (8, 16):
        pairs = [
            [_in_a_process("normalized", width, layer) for layer in ("ours", "keras")]
            for _ in range(ROUNDS)
        ]
        wall, busy = (
            max(pair[0][i] for pair in pairs) / max(pair[1][i] for pair in pairs) for i in (0, 1)
        )
        print(
            f"batch normalisation, width {width}: with our layer a step is {wall:.2f} times as "
            f"fast as with Keras's, {busy:.2f} times in processor time",
            flush=True,
        )
    for augmentation in ("without augmentation", "with flips, stain, brightness and blur"):
        wall, busy = _in_a_process("epoch", 8, augmentation)
        print(
            f"an epoch, width 8, {augmentation}: {wall:.3f} times its steps on data in memory, "
            f"{busy:.3f} times in processor time (target 1.05)",
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


def _rates(step: Any, images: int) -> list[float]:
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


class InMemory:
    """Training images in memory, behind the interface of ``Dataset``."""

    manifest: ClassVar = {"digest": "", "mean": [127.5] * 3, "std": [127.5] * 3}

    def __init__(self) -> None:
        self.arrays = _data()

    def names(self, _split: str) -> list[str]:
        """One an image."""
        return [str(i) for i in range(BATCH * STEPS)]

    def pixel_counts(self, _split: str) -> np.ndarray:
        """As many of each class."""
        return np.ones(10)

    def batches(self, _split: str, batch_size: int, *_: object, **__: object) -> Iterator[Any]:
        """In order."""
        for start in range(0, BATCH * STEPS, batch_size):
            yield tuple(values[start : start + batch_size] for values in self.arrays)


def _trainer(width: int, **options: Any) -> Any:
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.training.config import TrainingConfig
    from bloodseg_lib.training.epoch import Trainer
    from bloodseg_lib.training.state import TrainingState

    config = TrainingConfig(batch_size=BATCH, precision="auto", deterministic=False)
    dataset: Any = InMemory()
    with tempfile.TemporaryDirectory() as folder:
        state = TrainingState.open(folder, dataset, UNetConfig(width=width, **options), config)
    return Trainer(dataset, state, parts=1, progress=False)


def ours(width: int) -> list[float]:
    """Uint8 to the device, weight maps looked up there;

    as :func:`bloodseg_lib.training.train.train` does.
    """
    trainer = _trainer(width)
    return _rates(lambda: trainer.learn(1), BATCH * STEPS)


def normalized(width: int, layer: str) -> list[float]:
    """Our training of the network with batch normalisation, by our layer or by Keras's own."""
    from bloodseg_lib.network import unet
    from bloodseg_lib.network.backend import keras

    if layer == "keras":
        unet.FusedBatchNormalization = keras.layers.BatchNormalization
    trainer = _trainer(width, normalization="batch", dropout=0.0)
    return _rates(lambda: trainer.learn(1), BATCH * STEPS)


def same(width: int) -> list[float]:
    """Keras ``fit`` of the same network on arrays, at our settings."""
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.network.unet import build_unet

    return _fitted(build_unet(UNetConfig(width=width), precision="auto"))


def plain(width: int) -> list[float]:
    """Keras ``fit`` of the same network on arrays, with TensorFlow as it comes: none of our
    settings.
    """
    return _fitted(_plain_network(width))


def _fitted(model: Any) -> list[float]:
    images, labels = _data()
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
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


def _plain_network(width: int) -> Any:
    """The same network on TensorFlow's own defaults:

    it computes once before our package is imported, which sets others.
    """
    import tensorflow as tf

    tf.function(tf.nn.conv2d)(
        np.zeros((1, 8, 8, 3), np.float32), np.zeros((3, 3, 3, 4), np.float32), 1, "SAME"
    )
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.network.unet import build_unet

    return build_unet(UNetConfig(width=width))


def epoch(width: int, augmentation: str) -> list[float]:
    """An epoch's training as ``train`` runs it, with loader and augmentation, over the same steps
    on batches in memory.
    """
    trainer = _trainer(width)
    bare = trainer.config, trainer.dataset

    class OnDisk(InMemory):
        """The loader: batches gathered in random order from memory-mapped arrays."""

        def __init__(self, folder: Path):
            for name, values in zip(("images", "labels"), _data(), strict=True):
                np.save(folder / f"{name}.npy", values)
            self.arrays = tuple(
                np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "labels")
            )

        def batches(self, _split: str, batch_size: int, *_: object, **__: object) -> Iterator[Any]:
            order = np.random.default_rng(1).permutation(BATCH * STEPS)
            for start in range(0, len(order), batch_size):
                yield tuple(values[order[start : start + batch_size]] for values in self.arrays)

    def taken(config: Any, dataset: Any) -> tuple[float, float]:
        trainer.config, trainer.dataset = config, dataset
        wall, busy = time.perf_counter(), time.process_time()
        trainer.learn(1)
        return time.perf_counter() - wall, time.process_time() - busy

    with tempfile.TemporaryDirectory() as folder:
        varied = (
            {"flips": True, "stain": 0.1, "brightness": 0.1, "blur_px": 1.0}
            if augmentation.startswith("with ")
            else {}
        )
        whole = dataclasses.replace(trainer.config, **varied), OnDisk(Path(folder))
        taken(*bare), taken(*whole)
        # in turn, so that other load falls on both
        pairs = [(taken(*whole), taken(*bare)) for _ in range(5)]
    sums = [np.array([pair[i] for pair in pairs]).sum(axis=0) for i in (0, 1)]
    return (sums[0] / sums[1]).tolist()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measured = {
            "ours": ours,
            "same": same,
            "plain": plain,
            "original": original,
            "normalized": normalized,
            "epoch": epoch,
        }[sys.argv[1]]
        print(json.dumps(measured(int(sys.argv[2]), *sys.argv[3:])))
    else:
        main()
