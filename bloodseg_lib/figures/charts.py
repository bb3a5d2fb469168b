"""Charts of numbers: the classes, their balance, learning curves, confusion, scores. Figures are
returned and never shown.

Class colours come from ``classes`` alone; all else is grey. Every figure explains its colours.
Taught by ``notebooks/03_weighted_training.ipynb`` and ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FormatStrFormatter

from bloodseg_lib.classes import CLASSES, NUM_CLASSES

INK, FAINT = "0.15", "0.6"
_NONE_HERE = "none in these images"


class Scores(Protocol):
    """The scores of each class, ``(10,)``, NaN where there are none to give."""

    @property
    def support(self) -> np.ndarray: ...
    @property
    def iou(self) -> np.ndarray: ...
    @property
    def dice(self) -> np.ndarray: ...
    @property
    def precision(self) -> np.ndarray: ...
    @property
    def recall(self) -> np.ndarray: ...


def class_legend() -> Figure:
    """The ten classes: colour, id, name and mean area at 40x."""
    figure = Figure(figsize=(8.5, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    for x in (0, 1):
        axes.text(x + 0.12, 5.3, "id  class", va="center", fontsize=10, color="0.35")
        axes.text(x + 0.56, 5.3, "mean area at 40x", va="center", fontsize=10, color="0.35")
    for i, c in enumerate(CLASSES):
        x, y = i // 5, 4 - i % 5
        axes.add_patch(class_rectangle(c.id, (x, y + 0.12), 0.09, 0.76, linewidth=0.8))
        size = f"{c.mean_area_px:.0f} pixels" if c.mean_area_px else "-"
        axes.text(x + 0.12, y + 0.5, f"{c.id}  {c.name}", va="center", fontsize=12)
        axes.text(x + 0.56, y + 0.5, size, va="center", fontsize=10, color="0.35")
    axes.set(xlim=(0, 2), ylim=(0, 5.6))
    return figure


def class_balance_figure(pixel_counts: np.ndarray | Mapping[str, np.ndarray]) -> Figure:
    """The fraction of a dataset's pixels that each class has, on a logarithmic axis: the imbalance
    that weights must mend.

    Args:
        pixel_counts: ``(10,)`` pixels of each class; or several of these by name, drawn one beneath
            another.

    Examples:
        >>> figure = class_balance_figure(np.array([900, 0, 0, 0, 0, 0, 0, 0, 0, 100]))
        >>> [text.get_text() for text in figure.axes[0].texts][::9]
        ['90.00 %', '10.00 %']
    """
    sets = dict(pixel_counts) if isinstance(pixel_counts, Mapping) else {"": pixel_counts}
    expect_some(sets)
    height = 0.8 / len(sets)
    figure = Figure(
        figsize=(8.5, 1.2 + 0.34 * NUM_CLASSES * max(1, len(sets) * 0.6)), layout="constrained"
    )
    axes = figure.subplots()
    size = 9 if len(sets) > 1 else 10
    for row, (name, counts) in enumerate(sets.items()):
        fraction = np.asarray(counts, float) / max(1, np.sum(counts))
        for c in CLASSES:
            y = c.id + (row - (len(sets) - 1) / 2) * height
            style: dict[str, Any] = {
                "color": class_colour(c.id),
                "edgecolor": INK,
                "linewidth": 0.7,
            }
            axes.barh(y, max(fraction[c.id], 1e-6), height * 0.92, **style)
            text = f"{100 * fraction[c.id]:.2f} % {name}".strip()
            axes.text(max(fraction[c.id], 1e-4) * 1.12, y, text, va="center", fontsize=size)
    axes.set(xscale="log", xlim=(1e-4, 4), xlabel="share of all pixels (logarithmic)")
    axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 1], ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
    _name_rows(axes)
    clear_spines(axes)
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


def confusion_figure(confusion: np.ndarray) -> Figure:
    """The percentage of each true class's pixels that the network predicted as each class; those on
    the diagonal are right.

    Args:
        confusion: ``(10, 10)`` pixels, rows truth, columns predicted.
    """
    total = confusion.sum(axis=1, keepdims=True)
    percent = np.where(total > 0, 100 * confusion / np.maximum(1, total), np.nan)
    figure = Figure(figsize=(8.6, 7), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(percent, cmap="Greys", vmin=0, vmax=100)
    middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9}
    for row, column in zip(*np.nonzero(confusion), strict=True):
        value = percent[row, column]
        text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.05 else "<0.1"
        axes.text(column, row, text, color="white" if value > 55 else INK, **middle)
    for i in range(NUM_CLASSES):
        if not total[i]:
            axes.text(4.5, i, _NONE_HERE, color="0.45", **middle)
        mark: dict[str, Any] = {"color": class_colour(i), "markeredgecolor": INK}
        mark |= {"marker": "s", "markersize": 9, "clip_on": False}
        axes.plot(i, -0.03, transform=axes.get_xaxis_transform(), **mark)
        axes.plot(-0.03, i, transform=axes.get_yaxis_transform(), **mark)
    names = [c.name for c in CLASSES]
    axes.set_xticks(range(NUM_CLASSES), names, rotation=40, ha="right", fontsize=10)
    axes.set_yticks(range(NUM_CLASSES), names, fontsize=10)
    axes.tick_params(length=0, pad=22)
    axes.set_xlabel("predicted", fontsize=11)
    axes.set_ylabel("truth", fontsize=11)
    figure.colorbar(shown, ax=axes, shrink=0.8, label="% of the class's pixels")
    return figure


def per_class_figure(scores: Scores) -> Figure:
    """IoU of each class as a bar, with precision, recall and Dice as marks on it."""
    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    others = {"Dice": (scores.dice, "D"), "precision": (scores.precision, ">")}
    others["recall"] = (scores.recall, "o")
    white: dict[str, Any] = {"color": "white", "markeredgecolor": INK}
    for c in CLASSES:
        iou = scores.iou[c.id]
        if not scores.support[c.id]:
            text = _NONE_HERE + (", yet predicted" if np.isfinite(iou) else "")
            axes.text(0.01, c.id, text, va="center", fontsize=9, color="0.45")
            continue
        axes.barh(c.id, iou, 0.62, color=class_colour(c.id), edgecolor=INK, linewidth=0.7)
        for values, marker in others.values():
            if np.isfinite(values[c.id]):
                mark = {"markersize": 7, "clip_on": False, "zorder": 4, **white}
                axes.plot(values[c.id], c.id, marker, **mark)
        axes.text(1.03, c.id, f"{iou:.3f}", va="center", fontsize=10)
    axes.text(1.03, -0.75, "IoU", va="center", fontsize=10)
    axes.set(xlim=(0, 1), xlabel="score (1 is perfect)")
    _name_rows(axes)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    marks: list[Patch | Line2D] = [Patch(facecolor="0.85", edgecolor=INK, label="IoU")]
    for label, (_, marker) in others.items():
        marks.append(Line2D([], [], linestyle="", marker=marker, label=label, **white))
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False)
    clear_spines(axes)
    return figure


def _name_rows(axes: Axes) -> None:
    """The classes from top to bottom."""
    axes.set_yticks(range(NUM_CLASSES))
    axes.set_yticklabels([c.name for c in CLASSES], fontsize=11)
    axes.invert_yaxis()


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
