"""Charts of numbers: the classes, their balance, learning curves. Figures are returned and never
shown.

Class colours come from ``classes`` alone; all else is grey. Every figure explains its colours.
Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FormatStrFormatter

from bloodseg_lib.classes import CLASSES, NUM_CLASSES, RBC_DIAMETER_PX, RBC_DIAMETER_UM

INK, FAINT = "0.15", "0.6"


def class_legend() -> Figure:
    """The ten classes: colour, id, letter, name and mean area at 40x."""
    figure = Figure(figsize=(8.5, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    for x in (0, 1):
        axes.text(x + 0.12, 5.3, "id, letter, class", va="center", fontsize=10, color="0.35")
        axes.text(x + 0.56, 5.3, "mean area at 40x", va="center", fontsize=10, color="0.35")
    for i, c in enumerate(CLASSES):
        x, y = i // 5, 4 - i % 5
        axes.add_patch(class_rectangle(c.id, (x, y + 0.12), 0.09, 0.76, linewidth=0.8))
        um2 = c.mean_area_px * (RBC_DIAMETER_UM / RBC_DIAMETER_PX) ** 2
        size = f"{c.mean_area_px:.0f} pixels, {um2:.0f} µm²" if c.mean_area_px else "-"
        axes.text(x + 0.12, y + 0.5, f"{c.id}  {c.letter}  {c.name}", va="center", fontsize=12)
        axes.text(x + 0.56, y + 0.5, size, va="center", fontsize=10, color="0.35")
    axes.set(xlim=(0, 2), ylim=(0, 5.6))
    return figure


def class_balance_figure(pixel_counts: np.ndarray | Mapping[str, np.ndarray]) -> Figure:
    """The fraction of a dataset's pixels that each class has, on a logarithmic axis: the imbalance
    that weights must mend.

    Args:
        pixel_counts: ``(10,)`` pixels of each class; or several of these by name, each with a mark
            of its own. The numbers at the right are those of the first.

    Examples:
        >>> figure = class_balance_figure(np.array([900, 0, 0, 0, 0, 0, 0, 0, 0, 100]))
        >>> [text.get_text() for text in figure.axes[0].texts][::9]
        ['90.00 %', '10.00 %']
    """
    sets = dict(pixel_counts) if isinstance(pixel_counts, Mapping) else {"": pixel_counts}
    expect_some(sets)
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for (name, counts), marker in zip(sets.items(), "osD^v", strict=False):
        fraction = np.asarray(counts, float) / max(1, np.sum(counts))
        for c in CLASSES:
            style: dict[str, Any] = {"color": class_colour(c.id), "markeredgecolor": INK}
            axes.plot(max(fraction[c.id], 1e-6), c.id, marker, markersize=9, **style)
        if name:
            axes.plot([], [], marker, color="white", markeredgecolor=INK, label=name)
    first = np.asarray(next(iter(sets.values())), float)
    for c in CLASSES:
        text = f"{100 * first[c.id] / max(1, first.sum()):.2f} %"
        axes.text(1.02, c.id, text, transform=axes.get_yaxis_transform(), va="center")
    axes.set(xscale="log", xlim=(1e-4, 1), xlabel="fraction of all pixels (logarithmic)")
    axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 1], ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
    axes.grid(color="0.92")
    if len(sets) > 1:
        figure.legend(loc="outside lower center", ncols=len(sets), frameon=False)
    name_rows(axes)
    clear_spines(axes)
    return figure


def class_shares_figure(shares: Mapping[str, np.ndarray]) -> Figure:
    """Bars of several distributions over the ten classes, side by side on one axis.

    Args:
        shares: title -> ``(10,)`` fractions of 1.
    """
    expect_some(shares)
    figure = Figure(figsize=(1.5 + 2.8 * len(shares), 3.6), layout="constrained")
    panels = figure.subplots(1, len(shares), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, values) in zip(panels, shares.items(), strict=True):
        for c in CLASSES:
            axes.barh(c.id, values[c.id], 0.7, color=class_colour(c.id), edgecolor=INK)
            axes.text(values[c.id], c.id, f" {values[c.id]:.1%}", va="center", fontsize=9)
        axes.set(title=title, xlabel="fraction", xlim=(0, 1.3 * max(map(max, shares.values()))))
        clear_spines(axes)
    name_rows(panels[0])
    return figure


class Epoch(Protocol):
    """What is drawn of an epoch; ``None`` where it was not recorded."""

    @property
    def epoch(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...
    @property
    def valid_loss(self) -> float: ...
    @property
    def valid_accuracy(self) -> float: ...
    @property
    def mean_iou(self) -> float | None: ...
    @property
    def background_share(self) -> float | None: ...


def learning_curve_figure(history: Sequence[Epoch]) -> Figure:
    """Accuracy and loss by epoch, beside what a network would score that sees background
    everywhere.

    Args:
        history: one record an epoch, such as those of a
            :class:`bloodseg_lib.training.train.TrainingResult`.
    """
    expect_some(history)
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epoch = [entry.epoch for entry in history]

    def line(axes: Axes, key: str, label: str, **style: Any) -> None:
        points = [
            (entry.epoch, value) for entry in history if (value := getattr(entry, key)) is not None
        ]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                label=label,
                linewidth=1.8,
                marker="o",
                markersize=3 if len(points) > 1 else 6,
                **style,
            )

    line(left, "valid_accuracy", "validation", color=INK)
    line(left, "train_accuracy", "training", color=FAINT)
    line(left, "mean_iou", "validation, mean IoU", color=INK, linestyle=":")
    fractions = [e.background_share for e in history if e.background_share is not None]
    if fractions:
        left.axhline(
            fractions[-1], color=INK, linestyle="--", linewidth=1.2, label="only background"
        )
    line(right, "valid_loss", "validation", color=INK)
    line(right, "train_loss", "training", color=FAINT)
    left.set(xlabel="epoch", ylabel="pixel accuracy", ylim=(0, 1))
    right.set(xlabel="epoch", ylabel="weighted loss", yscale="log")
    for which in ("major", "minor"):
        getattr(right.yaxis, f"set_{which}_formatter")(FormatStrFormatter("%g"))
    for axes in (left, right):
        axes.set_xlim(epoch[0] - 0.5, epoch[-1] + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(color="0.92")
        axes.legend(frameon=False, fontsize=10)
        clear_spines(axes)
    steps = len({e.learning_rate for e in history}) <= min(4, len(history) // 2)  # no cosine
    for before, entry in pairwise(history):
        if steps and entry.learning_rate != before.learning_rate:
            right.axvline((before.epoch + entry.epoch) / 2, color=FAINT, linewidth=1, linestyle=":")
            right.text(
                entry.epoch,
                0.98,
                f"rate {entry.learning_rate:g}",
                transform=right.get_xaxis_transform(),
                fontsize=9,
                va="top",
                color="0.35",
            )
    return figure


def name_rows(axes: Axes) -> None:
    """The classes from top to bottom."""
    axes.set_yticks(range(NUM_CLASSES), [c.name for c in CLASSES], fontsize=11)
    axes.set_ylim(NUM_CLASSES - 0.4, -0.6)


def class_rectangle(
    class_id: int, corner: tuple[float, float], width: float, height: float, **style: Any
) -> Rectangle:
    """A rectangle in the colour of a class, with a dark edge."""
    fill = class_colour(class_id)
    return Rectangle(corner, width, height, facecolor=fill, edgecolor=INK, **style)


def class_colour(class_id: int) -> tuple[float, float, float]:
    """The colour of a class for matplotlib."""
    red, green, blue = CLASSES[class_id].colour
    return red / 255, green / 255, blue / 255


def expect_some(things: Any) -> None:
    """Refuse to draw nothing."""
    if not len(things):
        raise ValueError("Expected at least one thing to draw. Received none.")


def clear_spines(axes: Axes) -> None:
    """Leave only the left and lower axis."""
    axes.spines[["top", "right"]].set_visible(False)
