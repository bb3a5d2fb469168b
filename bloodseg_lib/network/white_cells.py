"""The white-cell network: it sees one white cell alone and says which of the five classes it is.

A network that segments sees a white cell's hue beside that of all else, and learns the hues of the
laboratories it was shown. This one sees nothing but the cell, its stain at a reference of its own,
and was trained with hues mixed far beyond what laboratories do, so that shape and texture are left
to tell the classes by. ``docs/carries_over.md`` has what it brings on laboratories never seen.
It is small enough for plain NumPy. Taught by ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import WBC_IDS

SIDE_PX = 96
"""Side at 40x of what it sees of a cell."""
INPUT_PX = 64
"""Side of its input: the same, reduced."""
CONVOLUTIONS = ((5, 2), (3, 1), (3, 2), (3, 1), (3, 2), (3, 1))
"""Kernel's side and stride of each, padded to the same size and followed by ReLU; the mean over all
places and a dense layer end the network.
"""

_REFERENCE_DENSITY = (1.1, 1.5, 0.6)  # of a nucleus, in red, green and blue
_NUCLEUS = 90  # percentile of a cell's densities that stands for its nucleus
_LEAST_DENSITY = 0.05
_MOST_BYTES = 2**24  # of its file, unpacked


class WhiteCellNetwork:
    """A trained white-cell network.

    Args:
        path: its weights: ``conv0/kernel`` (k, k, 3, C), ``conv0/bias`` (C,), ...,
            ``dense/kernel`` (C, 5), ``dense/bias`` (5,).

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
            self._convolutions = [
                (weights[f"conv{i}/kernel"], weights[f"conv{i}/bias"])
                for i in range(len(CONVOLUTIONS))
            ]
            self._dense = weights["dense/kernel"], weights["dense/bias"]
            self._check(weights)
        except Exception as error:  # whatever zipfile, zlib and NumPy raise of damaged bytes
            raise ValueError(
                f"{path}: expected the weights of a white-cell network, received another or a "
                f"damaged file ({error}). Copy it again, or delete it to do without."
            ) from error

    def _check(self, weights: dict[str, np.ndarray]) -> None:
        channels = 3
        for (side, _), (kernel, bias) in zip(CONVOLUTIONS, self._convolutions, strict=True):
            if kernel.shape != (side, side, channels, len(bias)):
                raise ValueError(f"a kernel of shape {kernel.shape}")
            channels = len(bias)
        if self._dense[0].shape != (channels, len(WBC_IDS)) or len(self._dense[1]) != len(WBC_IDS):
            raise ValueError(f"a dense layer of shape {self._dense[0].shape}")
        if not all(np.isfinite(value).all() for value in weights.values()):
            raise ValueError("a value that is not a finite number")

    def probabilities(self, cells: np.ndarray) -> np.ndarray:
        """The probability of each class, averaged over the eight symmetries of a square.

        Args:
            cells: ``(N, 64, 64, 3) float32``, see :func:`seen`.

        Returns:
            ``(N, 5) float32`` in the order of :data:`bloodseg_lib.classes.WBC_IDS`.
        """
        total = np.zeros((len(cells), len(WBC_IDS)), np.float32)
        for turns in range(4):
            turned = np.rot90(cells, turns, axes=(1, 2))
            for symmetry in (turned, turned[:, :, ::-1]):
                total += self._once(symmetry)
        return total / 8

    def _once(self, x: np.ndarray) -> np.ndarray:
        for (_, stride), (kernel, bias) in zip(CONVOLUTIONS, self._convolutions, strict=True):
            x = np.maximum(_convolution(x, kernel, stride) + bias, 0)
        logits = x.mean(axis=(1, 2)) @ self._dense[0] + self._dense[1]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def _convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """``(N, H, W, C)`` to ``(N, ceil(H / stride), ceil(W / stride), channels)``."""
    side, after = len(kernel), -(-x.shape[1] // stride)
    pad = max(0, (after - 1) * stride + side - x.shape[1])
    edges = (pad // 2, pad - pad // 2)
    x = np.pad(x, [(0, 0), edges, edges, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))
    # (N, h, w, side, side, C): copied a pixel's channels at a time, twice as fast
    windows = np.moveaxis(windows[:, ::stride, ::stride], 3, -1)
    columns = windows.reshape(-1, kernel[..., 0].size)
    return (columns @ kernel.reshape(-1, kernel.shape[-1])).reshape(*windows.shape[:3], -1)


def at_reference(density: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The densities of a cell whose nucleus is brought to the reference.

    Args:
        density: ``(64, 64, 3) float32``, optical densities around the cell.
        mask: ``(64, 64) float32``, 1 within the cell, 0 outside.
    """
    inside = density[mask > 0.5]
    if len(inside) == 0:
        return np.zeros_like(density)
    nucleus = np.percentile(inside, _NUCLEUS, axis=0) + _LEAST_DENSITY
    return np.maximum(density / nucleus * np.array(_REFERENCE_DENSITY), 0).astype(np.float32)


def seen(density: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A cell alone on white: the network's input, transmittance from -1 to 1.

    Args:
        density: ``(64, 64, 3) float32``, see :func:`at_reference`.
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
