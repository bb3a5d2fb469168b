"""Networks that see one cell alone and say of which class it is.

A network that segments sees a cell's hue beside that of all else, and learns the hues of the
laboratories it was shown. These see nothing but the cell, its stain at a reference of its own: one
says which of the five classes a white cell is, another whether a red cell is infected. Each is an
EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946) up to its last block, which had learned shapes
and textures from photographs of everything (ImageNet) before it saw a cell, and then saw cells with
hues mixed far beyond what laboratories do. ``docs/carries_over.md`` has what they bring on
laboratories never seen. OpenVINO computes them, or else plain NumPy.
Taught by ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

import functools
import importlib.util
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bloodseg_lib.network.cell_view import View
from bloodseg_lib.network.inference import Compiled, constant

STEM_CHANNELS = 32
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of EfficientNet-Lite0: number of blocks, kernel's side, stride of the first block, factor of the
channels within a block, channels after it.
"""


_MOST_BYTES = 2**24  # of its file, unpacked


class Layer(NamedTuple):
    """A convolution, padded to the same size; batch normalisation is in its kernel and bias.

    Attributes:
        side, stride, inputs, outputs: of the kernel ``(side, side, inputs, outputs)``.
        by_channel: a kernel ``(side, side, channels)`` for each channel alone.
        bounded: followed by ReLU6, min(max(x, 0), 6).
    """

    side: int
    stride: int
    inputs: int
    outputs: int
    by_channel: bool = False
    bounded: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its kernel."""
        ends = (self.outputs,) if self.by_channel else (self.inputs, self.outputs)
        return (self.side, self.side, *ends)


def blocks() -> Iterator[tuple[Layer, ...]]:
    """The blocks of the network in order. What enters a block is added to what leaves it where both
    have the same shape; the mean over all places and a dense layer end the network.
    """
    yield (Layer(3, 2, 3, STEM_CHANNELS),)
    channels = STEM_CHANNELS
    for repeats, side, stride, factor, outputs in STAGES:
        for i in range(repeats):
            inner = channels * factor
            wider = () if factor == 1 else (Layer(1, 1, channels, inner),)
            each = Layer(side, stride if i == 0 else 1, inner, inner, by_channel=True)
            yield (*wider, each, Layer(1, 1, inner, outputs, bounded=False))
            channels = outputs


class SingleCellNetwork:
    """A trained network of single cells.

    Args:
        path: its weights: ``conv0/kernel`` and ``conv0/bias`` of the first :class:`Layer` of
            :func:`blocks`, and so on, ``dense/kernel`` (C, classes), ``dense/bias`` (classes,).
        view: what it sees.

    Raises:
        ValueError: a file that is damaged or holds something else.
    """

    def __init__(self, path: Path, view: View):
        self.view = view
        try:
            with zipfile.ZipFile(path) as file:
                if sum(entry.file_size for entry in file.infolist()) > _MOST_BYTES:
                    raise ValueError(f"more than {_MOST_BYTES} bytes")
            with np.load(path, allow_pickle=False) as arrays:
                weights = {name: np.asarray(arrays[name], np.float32) for name in arrays}
            self._check(weights)
        except Exception as error:  # whatever zipfile, zlib and NumPy raise of damaged bytes
            kind = view.name.replace("_", " ")
            raise ValueError(
                f"{path}: expected the weights of a network of {kind}, received another or a "
                f"damaged file ({error}). Copy it again, or delete it to do without."
            ) from error
        if importlib.util.find_spec("openvino") is None:
            self._once: Callable[[np.ndarray], np.ndarray] = functools.partial(_by_numpy, weights)
        else:
            self._once = Compiled(functools.partial(_graph, weights, view.side_px), "float32")

    def _check(self, weights: dict[str, np.ndarray]) -> None:
        layers = [layer for block in blocks() for layer in block]
        shapes: dict[str, tuple[int, ...]] = {}
        for i, layer in enumerate(layers):
            shapes |= {f"conv{i}/kernel": layer.shape, f"conv{i}/bias": (layer.outputs,)}
        number = len(self.view.class_ids)
        shapes["dense/kernel"] = (layers[-1].outputs, number)
        shapes["dense/bias"] = (number,)
        for name, shape in shapes.items():
            if weights[name].shape != shape:
                raise ValueError(f"{name} of shape {weights[name].shape} for {shape}")
            if not np.isfinite(weights[name]).all():
                raise ValueError(f"{name} with a value that is not a finite number")

    def probabilities(self, cells: np.ndarray) -> np.ndarray:
        """The probability of each class, ``(N, classes) float32`` in the order of the view,
        averaged over its blurs and quarter turns, of cells ``(N, blurs, S, S, 3) float32``, see
        :func:`seen`.
        """
        every = cells.reshape(-1, *cells.shape[2:])
        turned = (np.rot90(every, turns, axes=(1, 2)) for turns in range(self.view.turns))
        each = np.mean([self._once(one) for one in turned], axis=0)
        return each.reshape(*cells.shape[:2], -1).mean(axis=1)

    def release(self) -> None:
        """Free what the last cells took beside their result; the next ones take it again."""
        if isinstance(self._once, Compiled):
            self._once.release()


def _by_numpy(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    number = 0
    for block in blocks():
        entered = x
        for layer in block:
            x = _convolution(x, weights[f"conv{number}/kernel"], layer.stride)
            x += weights[f"conv{number}/bias"]
            if layer.bounded:
                np.clip(x, 0, 6, out=x)
            number += 1
        if x.shape == entered.shape:
            x += entered
    logits = x.mean(axis=(1, 2)) @ weights["dense/kernel"] + weights["dense/bias"]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _graph(weights: dict[str, np.ndarray], side_px: int) -> Any:
    """The same as a model of OpenVINO, which puts channels first."""
    import openvino
    from openvino import opset13 as ops

    cells = ops.parameter([-1, side_px, side_px, 3], openvino.Type.f32, name="cells")
    x, number = ops.transpose(cells, np.array([0, 3, 1, 2])), 0
    for block in blocks():
        entered, side_before = x, side_px
        for layer in block:
            kernel = weights[f"conv{number}/kernel"]
            side_px, *pads = _padded(side_px, layer.side, layer.stride)
            begin, end = ([pad, pad] for pad in pads)
            if layer.by_channel:
                kernel = kernel.transpose(2, 0, 1)[:, None, None]
                convolution = ops.group_convolution
            else:
                kernel, convolution = kernel.transpose(3, 2, 0, 1), ops.convolution
            x = convolution(x, constant(kernel), [layer.stride] * 2, begin, end, [1, 1])
            x = ops.add(x, constant(weights[f"conv{number}/bias"].reshape(1, -1, 1, 1)))
            x = ops.clamp(x, 0, 6) if layer.bounded else x
            number += 1
        if (side_px, block[-1].outputs) == (side_before, block[0].inputs):
            x = ops.add(x, entered)
    x = ops.matmul(
        ops.reduce_mean(x, np.array([2, 3])), constant(weights["dense/kernel"]), False, False
    )
    x = ops.softmax(ops.add(x, constant(weights["dense/bias"])), axis=-1)
    return openvino.Model([x], [cells], "single_cell")


def _padded(before: int, side: int, stride: int) -> tuple[int, int, int]:
    """Length after a convolution padded to the same size, and what is added at both ends."""
    after = -(-before // stride)
    pad = max(0, (after - 1) * stride + side - before)
    return after, pad // 2, pad - pad // 2


def _convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """``(N, H, W, C)`` to ``(N, ceil(H / stride), ceil(W / stride), channels)``; a kernel of three
    axes is for each channel alone.
    """
    side = len(kernel)
    if side == 1:  # one product of matrices; of four axes it would be one for each row of pixels
        return (x.reshape(-1, x.shape[3]) @ kernel[0, 0]).reshape(*x.shape[:3], -1)
    (rows, *row_pads), (columns, *column_pads) = (
        _padded(length, side, stride) for length in x.shape[1:3]
    )
    x = np.pad(x, [(0, 0), row_pads, column_pads, (0, 0)])
    result = np.zeros((len(x), rows, columns, kernel.shape[-1]), x.dtype)
    product = np.empty_like(result[0])
    multiply = np.multiply if kernel.ndim == 3 else np.matmul
    for cell, total in zip(x, result, strict=True):  # one at a time stays in the processor's cache
        for i in range(side):
            for j in range(side):
                part = cell[i : i + rows * stride : stride, j : j + columns * stride : stride]
                multiply(part[:rows, :columns], kernel[i, j], out=product)
                total += product
    return result
