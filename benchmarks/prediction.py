"""How fast and in how much memory a field is segmented. ``make bench`` runs it; alone: ``python
benchmarks/prediction.py [CHECKPOINT]``.

Processor seconds are printed beside wall seconds: divided by the number of cores, they estimate the
time on an idle machine.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

SIDE_PX = 10_000
FIELD_PX = (890, 1490)  # of the MAMIC fields, whose red cells measure 70 pixels


def main() -> None:
    """Print seconds for a field with the full network, with and without oneDNN, and the peak memory
    of a very large image.
    """
    for words, onednn in (("field", "1"), ("field", "0"), ("field", "1"), ("large", "1")):
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn}
        command = [sys.executable, __file__, words, *sys.argv[1:]]
        print(
            subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment
            ).stdout,
            end="",
            flush=True,
        )


def field() -> None:
    """The full network with fresh weights on a field, at its own size and at 40x."""
    from bloodseg_lib.network.backend import describe_device
    from bloodseg_lib.network.unet import build_unet
    from bloodseg_lib.prediction.scale import Scale
    from bloodseg_lib.prediction.segmenter import PredictionConfig, segment_image

    print(f"{describe_device()}, TF_ENABLE_ONEDNN_OPTS={os.environ.get('TF_ENABLE_ONEDNN_OPTS')}")
    model = build_unet()
    image = np.random.default_rng(0).integers(0, 256, (*FIELD_PX, 3), dtype=np.uint8)
    pixels, inside = 0, 0.0

    def predict(tiles: np.ndarray) -> np.ndarray:
        nonlocal pixels, inside
        pixels += tiles[..., 0].size
        started = time.process_time()
        found = np.asarray(model.predict_on_batch(tiles))
        inside += time.process_time() - started
        return found

    plain = PredictionConfig(preprocess=False)
    for scale in (37 / 70, 1.0):
        segment = partial(segment_image, image, predict, Scale.of_factor(scale), plain)
        segment()  # the first time, TensorFlow compiles
        pixels, inside, started, busy = 0, 0.0, time.perf_counter(), time.process_time()
        segment()
        wall, busy = time.perf_counter() - started, time.process_time() - busy
        print(
            f"{FIELD_PX[1]} x {FIELD_PX[0]} at scale {scale:.2f}: {wall:.2f} s; "
            f"{busy:.2f} s of processor time, {inside:.2f} s of it in the network; "
            f"{pixels / (FIELD_PX[0] * FIELD_PX[1] * scale**2):.2f} pixels through the network "
            f"for one of the field; peak memory {_peak_mib():.0f} MiB"
        )


def large() -> None:
    """An image on disk, memory-mapped, through everything but the network, or with that of a
    checkpoint.
    """
    from bloodseg_lib.io import read_image
    from bloodseg_lib.prediction.results import save_segmentation
    from bloodseg_lib.prediction.segmenter import (
        PredictionConfig,
        Segmenter,
        segment_image,
    )

    predict = Segmenter(sys.argv[2]).predict if len(sys.argv) > 2 else _by_threshold
    side = int(os.environ.get("BLOODSEG_BENCH_PX", SIDE_PX)) // 500 * 500
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.npy"
        mapped = np.lib.format.open_memmap(path, "w+", np.uint8, (side, side, 3))
        rows, columns = np.ogrid[:500, :500]
        block = np.where(
            ((rows % 50 - 25) ** 2 + (columns % 50 - 25) ** 2 < 18**2)[:, :, None],
            (200, 130, 140),
            (240, 238, 235),
        ).astype(np.uint8)
        for top in range(0, side, 500):
            mapped[top : top + 500] = np.tile(block, (1, side // 500, 1))
        del mapped
        started = time.process_time()
        image = read_image(path)
        segmentation = segment_image(image, predict, config=PredictionConfig(preprocess=False))
        segmented = time.process_time() - started
        print(
            f"{side} x {side}: segmented in {segmented:.0f} s of processor time "
            f"{'' if len(sys.argv) > 2 else 'without the network'}, "
            f"{segmentation.scale}; peak memory {_peak_mib():.0f} MiB",
            flush=True,
        )
        counts = save_segmentation(segmentation, image, Path(folder) / "out", "large")
        print(
            f"{side} x {side}: {len(counts.cells)} cells, all files after "
            f"{time.process_time() - started:.0f} s of processor time; "
            f"peak memory {_peak_mib():.0f} MiB"
        )


def _by_threshold(tiles: np.ndarray) -> np.ndarray:
    found = np.zeros((*tiles.shape[:3], 10), np.float32)
    found[..., 9] = tiles[..., 1] < 180
    found[..., 0] = 1 - found[..., 9]
    return found


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    {"field": field, "large": large}.get(sys.argv[1] if len(sys.argv) > 1 else "", main)()
