"""The U-Net.

Ronneberger, Fischer & Brox, *U-Net: Convolutional Networks for Biomedical Image Segmentation*,
2015, arXiv 1505.04597, figure 1, with the number of channels of every layer halved and with *same*
padding, so that feature maps concatenate without cropping and the label map is as large as the
image. Taught by ``notebooks/02_unet_architecture.ipynb``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bloodseg_lib.classes import NUM_CLASSES
from bloodseg_lib.network.backend import dtype_policy, keras
from bloodseg_lib.network.batch_norm import FusedBatchNormalization
from bloodseg_lib.network.config import UNetConfig


def _convolution(
    x: keras.KerasTensor,
    channels: int,
    name: str,
    config: UNetConfig,
    initializer: keras.initializers.Initializer,
    common: dict[str, Any],
) -> keras.KerasTensor:
    """A convolution of 3 x 3, its normalisation if there is one, and its ReLU."""
    normalize = config.normalization == "batch"
    x = keras.layers.Conv2D(
        channels,
        3,
        padding="same",
        use_bias=not normalize,  # the normalisation has an offset of its own
        kernel_initializer=initializer,
        name=name.format("conv"),
        **common,
    )(x)
    if normalize:
        norm = {"momentum": config.momentum, "name": name.format("norm")}
        x = FusedBatchNormalization(**norm, **common)(x)
    return keras.layers.ReLU(name=name.format("relu"), **common)(x)


def build_unet(
    config: UNetConfig | None = None,
    size_px: int | None = None,
    seed: int = 0,
    precision: str = "float32",
) -> keras.Model:
    """Build the network with fresh weights (He et al. 2015, arXiv 1502.01852).

    Args:
        config: its shape; the paper's, halved, if none is given.
        size_px: height and width of the images; ``None``: any multiple of ``config.multiple_px``.
        seed: of the weights and of the dropout. The weights are a pure function of (config, seed)
            on a given backend.
        precision: ``"float32"``, ``"bfloat16"`` or ``"auto"``, see
            :func:`bloodseg_lib.network.backend.dtype_policy`.

    Returns:
        A model from ``(B, H, W, 3)`` raw RGB, 0..255, ``uint8`` or float, to ``(B, H, W, 10)
        float32`` class probabilities. Its layer ``"logits"`` gives them before the softmax.

    Raises:
        ValueError: ``size_px`` is no multiple of ``config.multiple_px``.
    """
    config = config or UNetConfig()
    if size_px is not None and (size_px <= 0 or size_px % config.multiple_px):
        raise ValueError(
            f"size_px: expected a multiple of {config.multiple_px}, which {config.levels} levels "
            f"need. Received {size_px}."
        )
    seeds = np.random.default_rng(seed)
    common: dict[str, Any] = {"dtype": dtype_policy(precision)}

    def he_normal() -> keras.initializers.Initializer:
        return keras.initializers.HeNormal(seed=int(seeds.integers(2**31)))

    def two_convolutions(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
        for i in "12":
            x = _convolution(x, channels, f"{name}_{{}}{i}", config, he_normal(), common)
        return x

    # Shapes for width 32, 5 levels, images of 224 x 224.
    image = keras.Input((size_px, size_px, 3), name="image")  # (B, 224, 224, 3), 0..255
    scale, offset = (
        [1 / s for s in config.std],
        [-m / s for m, s in zip(config.mean, config.std, strict=True)],
    )
    x = keras.layers.Rescaling(scale, offset, dtype="float32", name="normalize")(image)

    skips = []
    for level in range(config.levels):
        if level:
            # halves height and width
            x = keras.layers.MaxPooling2D(2, name=f"down{level}_pool", **common)(x)
        # 224²x32, 112²x64, 56²x128, 28²x256, 14²x512
        x = two_convolutions(x, config.width << level, f"down{level}")
        if level >= config.levels - 2:
            x = keras.layers.Dropout(
                config.dropout,
                seed=int(seeds.integers(2**31)),
                name=f"down{level}_dropout",
                **common,
            )(x)
        skips.append(x)

    for level in reversed(range(config.levels - 1)):
        channels = config.width << level
        x = keras.layers.Conv2DTranspose(
            channels,
            2,
            strides=2,
            kernel_initializer=he_normal(),
            name=f"up{level}_conv0",
            **common,
        )(x)
        # 28²x512, 56²x256, 112²x128, 224²x64
        x = keras.layers.Concatenate(name=f"up{level}_concat", **common)([skips[level], x])
        x = two_convolutions(x, channels, f"up{level}")  # 28²x256, 56²x128, 112²x64, 224²x32

    # Float32 from here on: bfloat16 has 8 bits of mantissa, too few for a softmax and its
    # logarithm. (B, 224, 224, 10)
    logits = keras.layers.Conv2D(
        NUM_CLASSES, 1, kernel_initializer=he_normal(), dtype="float32", name="logits"
    )(x)
    return keras.Model(
        image, keras.layers.Softmax(dtype="float32", name="probabilities")(logits), name="unet"
    )
