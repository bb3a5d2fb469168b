"""The shape of the network as one frozen configuration, which needs no Keras.

Taught by ``notebooks/02_unet_architecture.ipynb``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bloodseg_lib.classes import NUM_CLASSES
from bloodseg_lib.config import Config


@dataclass(frozen=True)
class UNetConfig(Config):
    """Shape of the network. The defaults are the network of the paper, halved: 7,760,394
    parameters.

    Attributes:
        width: channels of the first level; each level down has twice as many.
        levels: how many sizes the feature maps have; the image's height and width must be multiples
            of ``2 ** (levels - 1)``.
        normalization: ``"none"`` as the paper, or ``"batch"``: batch normalisation between each
            convolution and its ReLU.
        momentum: how slowly the statistics of the batch normalisation follow; Keras' default, 0.99,
            lags behind in short trainings.
        dropout: fraction of the features dropped after each of the two deepest levels, the end of
            the contracting path (paper, section 3.1).
        mean: of the training set's pixels, per channel, 0..255; subtracted inside the network.
        std: their standard deviation, per channel, 0..255; divided by inside the network.
    """

    width: int = 32
    levels: int = 5
    normalization: Literal["none", "batch"] = "none"
    momentum: float = 0.9
    dropout: float = 0.5
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)

    def check(self) -> None:
        self.expect(1 <= self.width <= 512, "width", "1 to 512")
        self.expect(2 <= self.levels <= 8, "levels", "2 to 8")
        self.expect(0 <= self.momentum < 1, "momentum", "a number from 0 up to but not including 1")
        self.expect(0 <= self.dropout < 1, "dropout", "a number from 0 up to but not including 1")
        self.expect(all(map(math.isfinite, self.mean)), "mean", "three finite numbers")
        self.expect(all(0 < s < math.inf for s in self.std), "std", "three finite numbers above 0")

    @property
    def multiple_px(self) -> int:
        """Height and width of an image must be multiples of this."""
        return 2 ** (self.levels - 1)

    @property
    def parameters(self) -> int:
        """Number of parameters, as ``count_params()`` of the built network, without building it.

        Examples:
            >>> UNetConfig().parameters
            7760394
        """
        return sum(math.prod(shape) for shape in self.weight_shapes().values())

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Layer and variable -> shape of each weight, without building the network.

        Examples:
            >>> UNetConfig(width=2, levels=2).weight_shapes()["up0_conv0/kernel"]
            (2, 2, 2, 4)
        """
        shapes: dict[str, tuple[int, ...]] = {}
        normalize = self.normalization == "batch"

        def two_convolutions(name: str, before: int, channels: int) -> None:
            for i, inputs in (("1", before), ("2", channels)):
                shapes[f"{name}_conv{i}/kernel"] = (3, 3, inputs, channels)
                layer = f"{name}_norm{i}" if normalize else f"{name}_conv{i}"
                variables = ("gamma", "beta", "moving_mean", "moving_variance")
                for variable in variables if normalize else ("bias",):
                    shapes[f"{layer}/{variable}"] = (channels,)

        two_convolutions("down0", 3, self.width)
        for level in range(1, self.levels):
            above, channels = self.width << level - 1, self.width << level
            two_convolutions(f"down{level}", above, channels)
            shapes[f"up{level - 1}_conv0/kernel"] = (2, 2, above, channels)
            shapes[f"up{level - 1}_conv0/bias"] = (above,)
            two_convolutions(f"up{level - 1}", 2 * above, above)
        shapes["logits/kernel"] = (1, 1, self.width, NUM_CLASSES)
        shapes["logits/bias"] = (NUM_CLASSES,)
        return shapes
