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
from bloodseg_lib.figures.charts import INK, class_rectangle

_STEP = 10.0  # from one stage to the next
_JOIN = 4.5  # more on the way up, where the joined maps have a bar of their own
_NOTE: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 9, "color": "0.35"}


def network_figure(width: int = 32, levels: int = 5, size_px: int = 224) -> Figure:
    """The U-Net as a picture: a bar for each feature map, as tall as the map is large and as wide
    as it has channels. On the way up a bar of two halves is the join.

    Args:
        width: channels of the first level; each level down has twice as many.
        levels: how many there are, with the bottom one.
        size_px: side of the input in pixels.

    Examples:
        >>> figure = network_figure(width=8, levels=2, size_px=64)
        >>> [text.get_text() for text in figure.axes[0].texts][:3]
        ['8', '8', '64 x 64']
    """
    figure = Figure(figsize=(12.5, 5.8), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    last = 2 * (levels - 1)
    for stage in range(last + 1):
        _stage(axes, stage, last, width, size_px)
    _bar(axes, -_STEP * 0.62, 0, 3, "1.0")
    axes.text(-_STEP * 0.62, -4.3, "RGB", **_NOTE)
    x = _place(last, last // 2) + 0.9 * _STEP
    _output_bar(axes, x)
    right = _wide(width) + 0.6  # of the last bar
    start, end = (_place(last, last // 2) + right, 0.0), (x - _wide(NUM_CLASSES) / 2 - 0.2, 0.0)
    _arrow(axes, start, end, INK, "-.")
    _legend(figure)
    axes.set(xlim=(-_STEP * 0.95, x + _STEP * 0.3), ylim=(_middle(levels - 1) - 3.2, 5.4))
    return figure


def _place(stage: int, bottom: int) -> float:
    return _STEP * stage + _JOIN * max(0, stage - bottom)


def _middle(level: int) -> float:
    return -10.0 * level * 0.72


def _height(level: int) -> float:
    return 8.0 * 0.72**level


def _stage(axes: Axes, stage: int, last: int, width: int, size_px: int) -> None:
    """The two convolutions of a stage, after the join on the way up, the size of their maps, and
    the arrows that leave them.
    """
    bottom = last // 2
    level, x = min(stage, last - stage), _place(stage, bottom)
    y, channels = _middle(level), width * 2**level
    wide = 1.1 + 0.45 * np.log2(channels)
    for side, grey in ((-1, "0.9"), (1, "0.82")):
        _bar(axes, x + side * wide * 0.48, level, channels, grey)
    if stage > bottom:
        middle = _join_right(x, channels) - _wide(2 * channels) / 2
        _bar(axes, middle, level, 2 * channels, "1.0", "0.6")  # copied, and from below
    # to the side on which no arrow leaves
    aside = 0 if stage == bottom else 0.4 if stage == last else -1 if stage < bottom else 1
    side_px = size_px // 2**level
    foot = y - _height(level) / 2
    axes.text(x + aside * wide * 0.5, foot - 0.3, f"{side_px} x {side_px}", **_NOTE)
    edge = wide + 0.35
    if stage < bottom:
        there = _join_right(_place(last - stage, bottom), channels) - _wide(2 * channels) - 0.4
        _arrow(axes, (x + edge, y), (there, y), "0.6", "--")
        below = (x + _STEP - edge - 0.6, _middle(level + 1) + 0.5)
        _arrow(axes, (x + edge * 0.55, foot - 0.25), below, INK, "-")
    elif stage < last:
        next_foot = _middle(level - 1) - _height(level - 1) / 2
        grey_x = _join_right(_place(stage + 1, bottom), channels // 2) - _wide(channels) / 4
        _arrow(axes, (x + edge, y), (grey_x, next_foot - 0.25), INK, ":")


def _join_right(x: float, channels: int) -> float:
    """Right edge of the joined maps of a stage at ``x``, left of its two bars."""
    return float(x - (1.1 + 0.45 * np.log2(channels)) * 0.48 - _wide(channels) / 2 - 0.3)


def _bar(axes: Axes, x: float, level: int, channels: int, *greys: str) -> None:
    """One feature map, or several side by side, with the number of channels above."""
    tall, wide, y = _height(level), _wide(channels), _middle(level)
    part = wide / len(greys)
    for n, grey in enumerate(greys):
        corner = (x - wide / 2 + n * part, y - tall / 2)
        axes.add_patch(Rectangle(corner, part, tall, edgecolor=INK, linewidth=1, facecolor=grey))
    axes.text(x, y + tall / 2 + 0.25, str(channels), ha="center", va="bottom", fontsize=10)


def _output_bar(axes: Axes, x: float) -> None:
    """The softmax, a piece in the colour of each class."""
    tall, wide = _height(0), _wide(NUM_CLASSES)
    for c in CLASSES:
        y = -tall / 2 + tall * c.id / NUM_CLASSES
        axes.add_patch(
            class_rectangle(c.id, (x - wide / 2, y), wide, tall / NUM_CLASSES, linewidth=0.5)
        )
    axes.text(x, tall / 2 + 0.25, str(NUM_CLASSES), ha="center", va="bottom", fontsize=10)
    axes.text(x, -4.3, "classes\n(softmax)", **_NOTE)


def _wide(channels: int) -> float:
    return 0.35 + 0.45 * np.log2(max(2, channels) / 2)


def _legend(figure: Figure) -> None:
    maps = "feature maps after a 3 x 3 convolution + ReLU; the number of channels above"
    marks = [
        Patch(facecolor="0.82", edgecolor=INK, label=maps),
        Line2D([], [], color=INK, label="2 x 2 maximum pooling"),
        Line2D([], [], color=INK, linestyle=":", label="2 x 2 transposed convolution"),
        Line2D([], [], color="0.6", linestyle="--", label="copied, and joined (white) to the grey"),
        Line2D([], [], color=INK, linestyle="-.", label="1 x 1 convolution and softmax"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=10, frameon=False)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, style: str
) -> None:
    shape: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 12, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(
        FancyArrowPatch(start, end, color=colour, linestyle=style, linewidth=1.3, **shape)
    )
