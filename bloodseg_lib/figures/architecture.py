"""The network as a picture, drawn from its width and number of levels.

Taught by ``notebooks/02_unet_architecture.ipynb``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle

from bloodseg_lib.classes import CLASSES, NUM_CLASSES
from bloodseg_lib.figures.charts import INK, class_colour


def network_figure(width: int = 32, levels: int = 5, size_px: int = 224) -> Figure:
    """The U-Net as a picture: a bar for each feature map, as tall as the map is large and as wide
    as it has channels.

    Args:
        width: channels of the first level; each level down has twice as many.
        levels: how many there are, with the bottom one.
        size_px: side of the input.
    """
    figure = Figure(figsize=(11.5, 5.6), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    step, drop = 10.0, 10.0
    x_of = {}

    def bar(x: float, level: int, channels: int, **style: Any) -> tuple[float, float, float]:
        tall, wide = 8.0 * 0.72**level, 0.35 + 0.45 * np.log2(max(2, channels) / 2)
        y = -drop * level * 0.72
        axes.add_patch(
            Rectangle(
                (x - wide / 2, y - tall / 2),
                wide,
                tall,
                edgecolor=INK,
                linewidth=1,
                **{"facecolor": "0.82", **style},
            )
        )
        axes.text(x, y + tall / 2 + 0.25, str(channels), ha="center", va="bottom", fontsize=10)
        return y, tall, wide

    last = 2 * (levels - 1)
    for stage in range(last + 1):
        level = min(stage, last - stage)
        x_of[stage] = x = step * stage
        first_wide = 1.1 + 0.45 * np.log2(width * 2**level)
        for side, conv in ((-1, 0), (1, 1)):
            bar(
                x + side * first_wide * 0.48,
                level,
                width * 2**level,
                facecolor="0.82" if conv else "0.9",
            )
        y = -drop * level * 0.72
        side_px = size_px // 2**level
        # away from the arrows
        under = (
            0 if stage == levels - 1 else 0.4 if stage == last else -1 if stage < levels - 1 else 1
        )
        place = x + under * first_wide * 0.5
        axes.text(
            place,
            y - 4.0 * 0.72**level - 0.3,
            f"{side_px} x {side_px}",
            ha="center",
            va="top",
            fontsize=9,
            color="0.35",
        )
        if stage < last - stage:
            _arrow(axes, (x + 4.6, y), (step * (last - stage) - 4.6, y), "0.6", "--")
        if stage < last:
            down = stage < levels - 1
            next_y = -drop * min(stage + 1, last - stage - 1) * 0.72
            edge = first_wide + 0.35
            start = (x + edge * 0.55, y - 4.0 * 0.72**level - 0.25) if down else (x + edge, y)
            end = (
                (x + step - edge - 0.6, next_y + 0.5)
                if down
                else (x + step - edge * 0.55, next_y - 4.0 * 0.72 ** (level - 1) - 0.25)
            )
            _arrow(axes, start, end, INK, "-" if down else ":")
    bar(-step * 0.62, 0, 3, facecolor="1.0")
    axes.text(-step * 0.62, -4.3, "RGB", ha="center", va="top", fontsize=9, color="0.35")
    x = step * last + step * 0.75
    tall, wide = 8.0, 0.35 + 0.45 * np.log2(NUM_CLASSES / 2)
    for c in CLASSES:
        axes.add_patch(
            Rectangle(
                (x - wide / 2, -tall / 2 + tall * c.id / NUM_CLASSES),
                wide,
                tall / NUM_CLASSES,
                facecolor=class_colour(c.id),
                edgecolor=INK,
                linewidth=0.5,
            )
        )
    axes.text(x, tall / 2 + 0.25, str(NUM_CLASSES), ha="center", va="bottom", fontsize=10)
    axes.text(x, -4.3, "classes\n(softmax)", ha="center", va="top", fontsize=9, color="0.35")
    marks = [
        Patch(
            facecolor="0.82",
            edgecolor=INK,
            label="feature maps after a 3 x 3 convolution + ReLU; the number of channels above",
        ),
        Line2D([], [], color=INK, label="2 x 2 maximum pooling"),
        Line2D([], [], color=INK, linestyle=":", label="2 x 2 transposed convolution"),
        Line2D([], [], color="0.6", linestyle="--", label="copied and concatenated"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=10, frameon=False)
    axes.set(xlim=(-step * 0.95, x + step * 0.3), ylim=(-drop * (levels - 1) * 0.72 - 3.2, 5.4))
    return figure


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, style: str
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=12,
            color=colour,
            linestyle=style,
            linewidth=1.3,
            shrinkA=0,
            shrinkB=0,
        )
    )
