"""How fast and in how much memory a field is segmented. ``make bench`` runs it; alone: ``python tests/bench_prediction.py``."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE_PX = 10_000
FIELD_PX = (890, 1490)  # of the MAMIC fields, whose red cells measure 70 pixels


def main() -> None:
    """Print seconds for a field with the full network, and the peak memory of a very large image."""
    for words in ("field", "large"):
        print(subprocess.run([sys.executable, __file__, words], capture_output=True, text=True, check=True).stdout, end="", flush=True)


def field() -> None:
    """The full network with fresh weights on a field, at its own size and at 40x."""
    from bloodseg_lib.prediction import segment_image
    from bloodseg_lib.unet import build_unet

    model = build_unet()
    image = np.random.default_rng(0).integers(0, 256, (*FIELD_PX, 3), dtype=np.uint8)
    pixels = 0

    def predict(tiles: np.ndarray) -> np.ndarray:
        nonlocal pixels
        pixels += tiles[..., 0].size
        return np.asarray(model.predict_on_batch(tiles))

    for scale in (37 / 70, 1.0):
        segment_image(image, predict, scale)  # the first time, TensorFlow compiles
        pixels, started, busy = 0, time.perf_counter(), time.process_time()
        segment_image(image, predict, scale)
        wall, busy = time.perf_counter() - started, time.process_time() - busy
        print(
            f"{FIELD_PX[1]} x {FIELD_PX[0]} at scale {scale:.2f}: {wall:.2f} s, {busy:.2f} s of processor time, "
            f"{pixels / (FIELD_PX[0] * FIELD_PX[1] * scale**2):.2f} pixels through the network for one of the field; peak memory {_peak_mib():.0f} MiB"
        )


def large() -> None:
    """An image on disk, memory-mapped, through everything but the network."""
    from bloodseg_lib.prediction import open_image, segment_image
    from bloodseg_lib.results import save_segmentation

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.npy"
        mapped = np.lib.format.open_memmap(path, "w+", np.uint8, (SIDE_PX, SIDE_PX, 3))
        rows, columns = np.ogrid[:500, :500]
        block = np.where(((rows % 50 - 25) ** 2 + (columns % 50 - 25) ** 2 < 18**2)[:, :, None], (200, 130, 140), (240, 238, 235)).astype(np.uint8)
        for top in range(0, SIDE_PX, 500):
            mapped[top : top + 500] = np.tile(block, (1, SIDE_PX // 500, 1))
        del mapped
        started = time.perf_counter()
        image = open_image(path)
        segmentation = segment_image(image, _by_threshold, None)
        segmented = time.perf_counter() - started
        print(f"{SIDE_PX} x {SIDE_PX}: segmented in {segmented:.0f} s without the network, {segmentation.found}; peak memory {_peak_mib():.0f} MiB")
        counts = save_segmentation(segmentation, image, Path(folder) / "out", "large")
        print(
            f"{SIDE_PX} x {SIDE_PX}: {len(counts.cells)} cells, all files after {time.perf_counter() - started:.0f} s; peak memory {_peak_mib():.0f} MiB"
        )


def _by_threshold(tiles: np.ndarray) -> np.ndarray:
    found = np.zeros((*tiles.shape[:3], 10), np.float32)
    found[..., 9] = tiles[..., 1] < 180
    found[..., 0] = 1 - found[..., 9]
    return found


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    {"field": field, "large": large}[sys.argv[1]]() if len(sys.argv) > 1 else main()
