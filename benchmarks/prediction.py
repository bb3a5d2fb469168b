"""How fast and in how much memory a picture is segmented, stage by stage. ``make bench`` runs it;
alone: ``python benchmarks/prediction.py [stages IMAGE ... | engines | start | batch | large
[CHECKPOINT]]``.

Processor seconds are printed beside wall seconds: divided by the number of cores, they estimate the
time on an idle machine. Every part runs in a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np

SIDE_PX = 10_000
FIELD_PX = (890, 1490)  # of the MAMIC fields, whose red cells measure 70 pixels
PHOTO_PX = (3210, 2949)  # of a photograph through an eyepiece
RED_CELL_PX = 70
BATCH = 20  # fields
ROUNDS = 3
MATRIX = 2048
TRIAL = Path(__file__).parents[1] / "trial" / "images"


def main() -> None:
    """Run every part."""
    for part in ("stages", "engines", "start", "batch", "large"):
        subprocess.run([sys.executable, __file__, part], check=True)


def drawn(height: int, width: int) -> np.ndarray:
    """A picture ``(height, width, 3) uint8`` whose red cells measure 70 pixels: the trial smears
    side by side, enlarged.
    """
    from bloodseg_lib.classes import RBC_DIAMETER_PX
    from bloodseg_lib.io import read_image

    smears = [read_image(path) for path in sorted(TRIAL.glob("*.png"))]
    factor, side = RED_CELL_PX / RBC_DIAMETER_PX, smears[0].shape[0]
    rows, columns = (-(-round(length / factor) // side) for length in (height, width))
    wall = np.vstack(
        [
            np.hstack([smears[(row * columns + column) % len(smears)] for column in range(columns)])
            for row in range(rows)
        ]
    )
    return cv2.resize(wall, None, fx=factor, fy=factor)[:height, :width]


class Stopwatch:
    """Wall and processor seconds of functions, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, float]] = {}

    def timed(self, name: str, function: Callable) -> Callable:
        """The function, whose time is added to that of the name."""

        def call(*args: Any, **options: Any) -> Any:
            wall, busy = time.perf_counter(), time.process_time()
            try:
                return function(*args, **options)
            finally:
                so_far = self.spent.get(name, (0.0, 0.0))
                self.spent[name] = (
                    so_far[0] + time.perf_counter() - wall,
                    so_far[1] + time.process_time() - busy,
                )

        return call


def stages() -> None:
    """A table of the milliseconds of each stage, from a file on disk to the bytes of the results,
    warm: of a field and a photograph that are drawn, or of the images given.
    """
    from bloodseg_lib.io import png_bytes, read_image
    from bloodseg_lib.prediction import results, segmenter

    network = segmenter.Segmenter()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(name) for name in sys.argv[2:]]
        if not paths:
            for name, size in (("field", FIELD_PX), ("photo", PHOTO_PX)):
                paths.append(Path(folder) / f"{name}.png")
                paths[-1].write_bytes(png_bytes(drawn(*size)))
        for path in paths:
            for _ in range(ROUNDS):  # the last is told: the first makes buffers
                watch = Stopwatch()
                wall, busy = time.perf_counter(), time.process_time()
                image = watch.timed("decode", read_image)(path)
                predict = watch.timed("network", network.network.predict)
                with ExitStack() as patches:
                    for module, name, words in (
                        (segmenter, "find_scale", "measure the scale"),
                        (segmenter, "burnt_in", "find writing"),
                        (segmenter.Preprocessing, "of", "light and stain"),
                        (segmenter, "label_map_and_probabilities", "tile, infer and blend"),
                        (results, "count_cells", "count"),
                        (results, "judge", "judge"),
                        (results, "label_map_bytes", "encode"),
                        (results, "png_bytes", "encode"),
                        (results, "_tinted", "draw the overlay"),
                    ):
                        timed = watch.timed(words, getattr(module, name))
                        patches.enter_context(patch.object(module, name, timed))
                    found = segmenter.segment_image(image, predict)
                    counts, _ = results.result_files(found, image, path.stem)
                wall, busy = time.perf_counter() - wall, time.process_time() - busy
            print(
                f"{path.name}, {image.shape[1]} x {image.shape[0]}, {found.scale}, "
                f"{len(counts.cells)} cells: {wall:.2f} s, {busy:.2f} of processor time\n\n"
                "| stage | ms | of processor time |\n|---|---:|---:|"
            )
            for name, (seconds, used) in watch.spent.items():
                print(f"| {name} | {1000 * seconds:.0f} | {1000 * used:.0f} |")
            print(f"\nPeak memory {_peak_mib():.0f} MiB\n", flush=True)


def engines() -> None:
    """Tiles a second of the released network on each engine, in turn, and how many pixels of the
    label maps differ from Keras in float32; ONNX Runtime and PyTorch are among them where they are
    installed. And the fraction of the processor's peak in bfloat16 that the fastest reaches.
    """
    from bloodseg_lib.network.inference import load_network
    from bloodseg_lib.network.pretrained import checkpoint_path
    from bloodseg_lib.prediction.export import export_checkpoint, load_exported, missing_packages
    from bloodseg_lib.prediction.tiling import TILE_PX

    field = drawn(2 * TILE_PX, 4 * TILE_PX)
    tiles = field.reshape(2, TILE_PX, 4, TILE_PX, 3).swapaxes(1, 2).reshape(8, TILE_PX, TILE_PX, 3)
    tiles = np.ascontiguousarray(tiles)
    wanted = [(e, p) for e in ("keras", "openvino") for p in ("float32", "auto")]
    released = checkpoint_path("released")
    networks = {key: load_network(released, key[1], key[0]).predict for key in wanted}
    if not missing_packages("onnx"):
        with tempfile.TemporaryDirectory() as folder:
            exported = export_checkpoint(released, Path(folder) / "network.onnx", "onnx")
            networks["onnxruntime", "float32"] = load_exported(exported.path)
    if importlib.util.find_spec("torch"):
        from peers import by_pytorch

        for precision in ("float32", "bfloat16"):
            networks["pytorch", precision] = by_pytorch(released, precision == "bfloat16")
    maps = {key: predict(tiles).argmax(-1) for key, predict in networks.items()}
    fastest = dict.fromkeys(networks, np.inf)
    for _ in range(ROUNDS * 2):
        for key, predict in networks.items():
            started = time.perf_counter()
            predict(tiles)
            fastest[key] = min(fastest[key], time.perf_counter() - started)
    for key, seconds in fastest.items():
        print(
            f"{key[0]}, {key[1]}: {len(tiles) / seconds:.1f} tiles/s, "
            f"{fastest[wanted[0]] / seconds:.2f} times as fast as Keras in float32, "
            f"{np.mean(maps[key] != maps[wanted[0]]):.6%} of the pixels of another class",
            flush=True,
        )
    operations = _operations(released, TILE_PX) * len(tiles)
    peak, used = _peak(), operations / fastest["openvino", "auto"]
    print(
        f"A product of matrices of {MATRIX} x {MATRIX} in bfloat16: {peak / 1e9:.0f} GFLOP/s; "
        f"openvino, auto: {used / 1e9:.0f} GFLOP/s, {used / peak:.0%} of it"
    )


def _peak() -> float:
    """Operations a second of a product of two matrices in bfloat16: the processor's own peak."""
    import openvino
    from openvino import opset13 as ops

    values = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    left = ops.parameter([MATRIX, MATRIX], openvino.Type.f32)
    product = openvino.Model([ops.matmul(left, ops.constant(values), False, False)], [left], "peak")
    compiled = openvino.Core().compile_model(product, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    fastest = np.inf
    for _ in range(ROUNDS * 4):
        started = time.perf_counter()
        compiled(values)
        fastest = min(fastest, time.perf_counter() - started)
    return 2 * MATRIX**3 / fastest


def _operations(checkpoint: Path, side_px: int) -> int:
    """Multiplications and additions of a network's convolutions in one tile."""
    from bloodseg_lib.network.archive import CheckpointReader

    with CheckpointReader(checkpoint) as reader:
        shapes = reader.unet.weight_shapes()
    total = 0
    for name, shape in shapes.items():
        if name.endswith("/kernel"):
            level = int("".join(filter(str.isdigit, name.split("_")[0])) or 0)
            # a transposed convolution gives each pixel one of its four taps
            taps = 1 if "_conv0" in name else shape[0] * shape[1]
            total += 2 * taps * shape[2] * shape[3] * (side_px >> level) ** 2
    return total


def start() -> None:
    """`predict` of one field, from a cold process to the files."""
    _commands(1)


def batch() -> None:
    """`predict` of twenty fields."""
    _commands(BATCH)


def _commands(fields: int) -> None:
    from bloodseg_lib.io import png_bytes

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / f"field{number}.png" for number in range(fields)]
        for number, path in enumerate(paths):  # each of other bytes: no picture is another's copy
            path.write_bytes(png_bytes(np.roll(drawn(*FIELD_PX), 41 * number, axis=1)))
        spent = []
        for round_ in range(ROUNDS if fields == 1 else 1):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall = time.perf_counter()
            command = [sys.executable, "-m", "bloodseg_lib", "predict", *map(str, paths)]
            out = ["--out", str(folder / f"out{round_}")]
            subprocess.run([*command, *out], check=True, capture_output=True)
            wall = time.perf_counter() - wall
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            spent.append((wall, busy))
        wall, busy = min(spent)
        print(
            f"predict of {fields} field(s) of {FIELD_PX[1]} x {FIELD_PX[0]}, cold: {wall:.2f} s, "
            f"{busy:.2f} of processor time",
            flush=True,
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
    parts = {"stages": stages, "engines": engines, "start": start, "batch": batch, "large": large}
    parts.get(sys.argv[1] if len(sys.argv) > 1 else "", main)()
