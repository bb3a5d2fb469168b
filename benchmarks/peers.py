"""The released network in PyTorch, for `prediction.py engines` where `pip install torch` was run.

Convolutions with batch normalisation in their kernels, tensors with channels last, as a person who
wants speed on a processor would write it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from bloodseg_lib.network.archive import CheckpointReader

EPSILON = 1e-3  # of Keras's batch normalisation


def by_pytorch(checkpoint: Path, bfloat16: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Tiles ``(B, H, W, 3) uint8`` to probabilities ``(B, H, W, 10) float32``."""
    with CheckpointReader(checkpoint) as reader:
        unet, stored = reader.unet, reader.arrays(reader.unet.weight_shapes())
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    kernels, biases = {}, {}
    for name, kernel in stored.items():
        if not name.endswith("/kernel"):
            continue
        layer = name.removesuffix("/kernel")
        kernel = kernel.astype(np.float32)
        bias = stored.get(f"{layer}/bias")
        norm = layer.replace("_conv", "_norm")
        if f"{norm}/gamma" in stored:
            factor = stored[f"{norm}/gamma"] / np.sqrt(stored[f"{norm}/moving_variance"] + EPSILON)
            kernel = kernel * factor
            bias = stored[f"{norm}/beta"] - stored[f"{norm}/moving_mean"] * factor
        kernel = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))).to(dtype)
        kernels[layer] = kernel.contiguous(memory_format=torch.channels_last)
        biases[layer] = torch.from_numpy(np.asarray(bias, np.float32)).to(dtype)
    mean, std = (
        torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)
        for values in (unet.mean, unet.std)
    )

    def twice(x: torch.Tensor, name: str) -> torch.Tensor:
        for i in "12":
            layer = f"{name}_conv{i}"
            x = functional.relu(functional.conv2d(x, kernels[layer], biases[layer], padding=1))
        return x

    @torch.inference_mode()
    def predict(tiles: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(tiles).permute(0, 3, 1, 2).float()
        x = ((image - mean) / std).to(dtype).contiguous(memory_format=torch.channels_last)
        skips = []
        for level in range(unet.levels):
            x = twice(functional.max_pool2d(x, 2) if level else x, f"down{level}")
            skips.append(x)
        for level in reversed(range(unet.levels - 1)):
            layer = f"up{level}_conv0"
            # Keras keeps (height, width, outputs, inputs) of a transposed convolution
            x = functional.conv_transpose2d(x, kernels[layer], biases[layer], stride=2)
            x = twice(torch.cat([skips[level], x], 1), f"up{level}")
        x = functional.conv2d(x, kernels["logits"], biases["logits"])
        return x.float().softmax(1).permute(0, 2, 3, 1).numpy()

    return predict
