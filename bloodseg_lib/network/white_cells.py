"""The white-cell network: it sees one white cell alone and says which of the five classes it is.

A network that segments sees a white cell's hue beside that of all else, and learns the hues of the
laboratories it was shown. This one sees nothing but the cell, its stain at a reference of its own.
It is an EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946) up to its last block, which had
learned shapes and textures from photographs of everything (ImageNet) before it saw a cell, and then
saw cells with hues mixed far beyond what laboratories do. ``docs/carries_over.md`` has what it
brings on laboratories never seen. Plain NumPy computes it: there are few white cells in a field.
Taught by ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from bloodseg_lib.classes import WBC_IDS

SIDE_PX = INPUT_PX = 96
"""Side of its input, and of what it sees of a cell at 40x."""
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

REFERENCE_DENSITY = (1.1, 1.5, 0.6)
"""Optical density that a nucleus is brought to, in red, green and blue."""
NUCLEUS = 0.9
"""Quantile of a cell's densities that stands for its nucleus."""
LEAST_DENSITY = 0.05
"""Added to it, so that a colourless cell is not divided by nothing."""

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


class WhiteCellNetwork:
    """A trained white-cell network.

    Args:
        path: its weights: ``conv0/kernel`` and ``conv0/bias`` of the first :class:`Layer` of
            :func:`blocks`, and so on, ``dense/kernel`` (C, 5), ``dense/bias`` (5,).

    Raises:
        ValueError: a file that is damaged or holds something else.
    """

    def __init__(self, path: Path):
        try:
            with zipfile.ZipFile(path) as file:
                if sum(entry.file_size for entry in file.infolist()) > _MOST_BYTES:
                    raise ValueError(f"more than {_MOST_BYTES} bytes")
            with np.load(path, allow_pickle=False) as arrays:
                weights = {name: np.asarray(arrays[name], np.float32) for name in arrays}
            self._check(weights)
        except Exception as error:  # whatever zipfile, zlib and NumPy raise of damaged bytes
            raise ValueError(
                f"{path}: expected the weights of a white-cell network, received another or a "
                f"damaged file ({error}). Copy it again, or delete it to do without."
            ) from error
        self._weights = weights

    def _check(self, weights: dict[str, np.ndarray]) -> None:
        layers = [layer for block in blocks() for layer in block]
        shapes: dict[str, tuple[int, ...]] = {}
        for i, layer in enumerate(layers):
            shapes |= {f"conv{i}/kernel": layer.shape, f"conv{i}/bias": (layer.outputs,)}
        shapes["dense/kernel"] = (layers[-1].outputs, len(WBC_IDS))
        shapes["dense/bias"] = (len(WBC_IDS),)
        for name, shape in shapes.items():
            if weights[name].shape != shape:
                raise ValueError(f"{name} of shape {weights[name].shape} for {shape}")
            if not np.isfinite(weights[name]).all():
                raise ValueError(f"{name} with a value that is not a finite number")

    def probabilities(self, cells: np.ndarray) -> np.ndarray:
        """The probability of each class, averaged over four quarter turns.

        Args:
            cells: ``(N, 96, 96, 3) float32``, see :func:`seen`.

        Returns:
            ``(N, 5) float32`` in the order of :data:`bloodseg_lib.classes.WBC_IDS`.
        """
        turned = (np.rot90(cells, turns, axes=(1, 2)) for turns in range(4))
        return np.mean([self._once(each) for each in turned], axis=0)

    def _once(self, x: np.ndarray) -> np.ndarray:
        number = 0
        for block in blocks():
            entered = x
            for layer in block:
                kernel = self._weights[f"conv{number}/kernel"]
                x = _convolution(x, kernel, layer.stride)
                x += self._weights[f"conv{number}/bias"]
                if layer.bounded:
                    np.clip(x, 0, 6, out=x)
                number += 1
            if x.shape == entered.shape:
                x += entered
        logits = x.mean(axis=(1, 2)) @ self._weights["dense/kernel"] + self._weights["dense/bias"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def _convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """``(N, H, W, C)`` to ``(N, ceil(H / stride), ceil(W / stride), channels)``; a kernel of three
    axes is for each channel alone.
    """
    side, (height, width) = len(kernel), x.shape[1:3]
    if side == 1:  # one product of matrices; of four axes it would be one for each row of pixels
        return (x.reshape(-1, x.shape[3]) @ kernel[0, 0]).reshape(*x.shape[:3], -1)
    rows, columns = -(-height // stride), -(-width // stride)
    pads = [
        max(0, (after - 1) * stride + side - before)
        for after, before in ((rows, height), (columns, width))
    ]
    x = np.pad(x, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
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


def at_reference(density: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The densities of a cell whose nucleus is brought to the reference.

    Args:
        density: ``(96, 96, 3) float32``, optical densities around the cell.
        mask: ``(96, 96) float32``, 1 within the cell, 0 outside.
    """
    inside = density[mask > 0.5]
    if len(inside) == 0:
        return np.zeros_like(density)
    nucleus = np.quantile(inside, NUCLEUS, axis=0) + LEAST_DENSITY
    return np.maximum(density / nucleus * np.array(REFERENCE_DENSITY), 0).astype(np.float32)


def seen(density: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A cell alone on white: the network's input, transmittance from -1 to 1.

    Args:
        density: ``(96, 96, 3) float32``, see :func:`at_reference`.
        mask: as there.
    """
    return (2 * np.exp(-density * mask[:, :, None]) - 1).astype(np.float32)


def reduced(density: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A square of any size around a cell, ``(S, S, 3)`` and ``(S, S) float32``, at the size of the
    network's input.
    """
    how = cv2.INTER_AREA if len(mask) > INPUT_PX else cv2.INTER_LINEAR
    size = (INPUT_PX, INPUT_PX)
    return cv2.resize(density, size, interpolation=how), cv2.resize(mask, size, interpolation=how)


def companion(checkpoint: Path) -> Path:
    """Where the white-cell network of a checkpoint is, if it has one.

    Examples:
        >>> companion(Path("weights/real_cells.npz")).name
        'real_cells_white_cells.npz'
    """
    return checkpoint.with_name(f"{checkpoint.stem}_white_cells.npz")
