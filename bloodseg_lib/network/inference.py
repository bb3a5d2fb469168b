"""A checkpoint as a function from tiles to probabilities, by the fastest engine that is installed.

OpenVINO computes a U-Net on a CPU as fast as TensorFlow, starts much sooner, and needs no Keras:
the network is written down once more here, in its terms. A test holds both equal. See
docs/decisions/2026-11-26-openvino.md. Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.network.archive import CheckpointReader, weights_path
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.sidecar import Sidecar

ENGINES = ("auto", "openvino", "keras")

_EPSILON = 1e-3  # of Keras's batch normalisation
_PRECISIONS = {"float32": {"INFERENCE_PRECISION_HINT": "f32"}, "auto": {}}
_PRECISIONS["bfloat16"] = {"INFERENCE_PRECISION_HINT": "bf16"}


@dataclass(frozen=True)
class LoadedNetwork:
    """A trained network, ready to predict.

    Attributes:
        predict: tiles ``(B, H, W, 3) uint8`` RGB, sides multiples of 32, to class probabilities
            ``(B, H, W, 10) float32``.
        sidecar: its description.
        engine: ``"openvino"`` or ``"keras"``.
        release: free what the last tiles took beside their result; the next ones take it again.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    sidecar: Sidecar
    engine: str
    release: Callable[[], None] = lambda: None


def load_network(
    path: Path | str, precision: str = "float32", engine: str = "auto"
) -> LoadedNetwork:
    """Load a checkpoint, ``NAME.npz`` (or ``NAME.json``), to predict with.

    The precision is ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the processor has
    it. The engine is ``"openvino"``, ``"keras"``, or ``"auto"``: Keras where there is an NVIDIA GPU
    or no OpenVINO.

    Raises:
        FileNotFoundError, ValueError: as :func:`bloodseg_lib.network.checkpoint.load_model`; also
            an unknown engine.
        ImportError: OpenVINO was asked for and is not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine: expected one of {', '.join(ENGINES)}. Received {engine!r}.")
    if (_best_engine() if engine == "auto" else engine) == "openvino":
        return _by_openvino(path, precision)
    # here, so that Keras does not start where it is not needed
    from bloodseg_lib.network.checkpoint import load_model

    model, sidecar = load_model(path, precision)
    return LoadedNetwork(
        lambda tiles: np.asarray(model.predict_on_batch(tiles), np.float32), sidecar, "keras"
    )


@functools.cache
def _best_engine() -> str:
    if importlib.util.find_spec("openvino") is None:
        tqdm.write(
            "OpenVINO is not installed: Keras predicts, and starts more slowly. "
            "Run: pip install openvino",
            file=sys.stderr,
        )
        return "keras"
    return "keras" if ctypes.util.find_library("cuda") else "openvino"


def _by_openvino(path: Path | str, precision: str) -> LoadedNetwork:
    with CheckpointReader(path) as reader:
        config, sidecar = reader.unet, reader.sidecar
        weights = reader.arrays(config.weight_shapes())
    if importlib.util.find_spec("openvino") is None:
        raise ImportError(
            f"{weights_path(path)}: expected OpenVINO to predict with, it is not installed. "
            "Run: pip install openvino, or predict with the engine keras."
        )
    network = Compiled(functools.partial(_graph, config, weights), precision)
    return LoadedNetwork(network, sidecar, "openvino", network.release)


class Compiled:
    """A model of OpenVINO that computes on the processor, compiled while other work is done: the
    picture is read and its scale measured meanwhile.

    Args:
        graph: makes the model.
        precision: ``"float32"``, ``"bfloat16"`` or ``"auto"``.

    Raises:
        ValueError: an unknown precision.
    """

    def __init__(self, graph: Callable[[], Any], precision: str):
        if precision not in _PRECISIONS:
            raise ValueError(
                f"precision: expected one of {', '.join(_PRECISIONS)}. Received {precision!r}."
            )
        # Threads that are bound to a core would wait there for whatever else runs on it.
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        options |= _PRECISIONS[precision]

        def made() -> Any:
            import openvino

            return openvino.Core().compile_model(graph(), "CPU", options)

        # OpenVINO gives the thread that compiles a stack for signals, and frees it with the
        # network, wherever that ends: Ctrl-C would then crash. So that thread is not the caller's,
        # nor one that is kept: a process that forks would wait for it in vain.
        own = ThreadPoolExecutor(1)
        self._ready: Future[Any] = own.submit(made)
        own.shutdown(wait=False)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """What the model computes of its one input."""
        # copied: its memory is used again
        return self._ready.result()(np.ascontiguousarray(values))[0].copy()

    def release(self) -> None:
        """Free what the last call took beside its result; the next one takes it again."""
        if self._ready.done():  # else nothing was computed yet
            self._ready.result().release_memory()


def _graph(config: UNetConfig, weights: dict[str, np.ndarray]) -> Any:
    """The U-Net of :func:`bloodseg_lib.network.unet.build_unet` as a model of OpenVINO, which puts
    channels first. Dropout does nothing in prediction, and batch normalisation is a factor and an
    offset of the convolution before it.
    """
    import openvino
    from openvino import opset13 as ops

    def convolution(x: Any, name: str, norm: str = "") -> Any:
        kernel = weights[f"{name}/kernel"]  # (height, width, inputs, outputs)
        if norm:
            gamma, beta, mean, variance = (
                weights[f"{norm}/{key}"]
                for key in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            factor = gamma / np.sqrt(variance + _EPSILON)
            kernel, bias = kernel * factor, beta - mean * factor
        else:
            bias = weights[f"{name}/bias"]
        pad = [kernel.shape[0] // 2] * 2
        x = ops.convolution(x, constant(kernel.transpose(3, 2, 0, 1)), [1, 1], pad, pad, [1, 1])
        return ops.add(x, constant(bias.reshape(1, -1, 1, 1)))

    def two_convolutions(x: Any, name: str) -> Any:
        for i in "12":
            norm = f"{name}_norm{i}" if config.normalization == "batch" else ""
            x = ops.relu(convolution(x, f"{name}_conv{i}", norm))
        return x

    image = ops.parameter([-1, -1, -1, 3], openvino.Type.u8, name="image")
    x = ops.transpose(ops.convert(image, "f32"), np.array([0, 3, 1, 2]))
    mean, std = (np.reshape(values, (1, 3, 1, 1)) for values in (config.mean, config.std))
    x = ops.multiply(ops.subtract(x, constant(mean)), constant(1 / std))
    skips = []
    for level in range(config.levels):
        if level:
            x = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
        x = two_convolutions(x, f"down{level}")
        skips.append(x)
    for level in reversed(range(config.levels - 1)):
        kernel, bias = (weights[f"up{level}_conv0/{key}"] for key in ("kernel", "bias"))
        kernel = constant(kernel.transpose(3, 2, 0, 1))
        x = ops.convolution_backprop_data(
            x, kernel, strides=[2, 2], pads_begin=[0, 0], pads_end=[0, 0], dilations=[1, 1]
        )
        x = ops.concat([skips[level], ops.add(x, constant(bias.reshape(1, -1, 1, 1)))], axis=1)
        x = two_convolutions(x, f"up{level}")
    x = ops.transpose(convolution(x, "logits"), np.array([0, 2, 3, 1]))
    return openvino.Model([ops.softmax(x, axis=-1)], [image], "unet")


def constant(values: np.ndarray) -> Any:
    """Values as a constant of OpenVINO's, float32."""
    from openvino import opset13 as ops

    return ops.constant(np.ascontiguousarray(values, np.float32))
