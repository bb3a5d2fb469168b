"""Charts of how right a network is: overlap, confusion, scores of each class, calibration, and a
threshold. Figures are returned and never shown.

Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from bloodseg_lib.classes import CLASSES, HEALTHY_RBC, INFECTED_RBC, NUM_CLASSES
from bloodseg_lib.figures.charts import FAINT, INK, class_colour, clear_spines, name_rows

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


def overlap_figure(truth: np.ndarray, found: np.ndarray, title: str = "") -> Figure:
    """Where two masks agree (TP), and what only one of them has (FN, FP).

    Args:
        truth, found: ``(H, W) bool``.
        title: above it.
    """
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    axes = figure.subplots()
    kinds = {
        "TP: both": (truth & found, "0.35", ""),
        "FN: missed": (truth & ~found, "0.95", "///"),
        "FP: invented": (found & ~truth, "0.75", "..."),
    }
    for mask, grey, hatch in kinds.values():
        if mask.any():
            axes.contourf(mask, levels=[0.5, 1.5], colors=[grey], hatches=[hatch])
    axes.set(title=title, xticks=[], yticks=[], aspect="equal")
    axes.invert_yaxis()
    marks = [
        Patch(facecolor=grey, hatch=hatch, edgecolor=INK, label=f"{label}, {mask.sum()} pixels")
        for label, (mask, grey, hatch) in kinds.items()
    ]
    figure.legend(handles=marks, loc="outside lower center", frameon=False)
    return figure


def confusion_figure(confusion: np.ndarray) -> Figure:
    """The percentage of each true class's pixels that the network predicted as each class; those on
    the diagonal are right. The two errors that matter in malaria are framed.

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
    for row, column in ((INFECTED_RBC, HEALTHY_RBC), (HEALTHY_RBC, INFECTED_RBC)):
        frame: dict[str, Any] = {"fill": False, "edgecolor": INK, "linewidth": 2.5}
        axes.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, **frame))
    names = [c.name for c in CLASSES]
    rows = [f"{name}\n{n:,.0f} pixels" for name, n in zip(names, total[:, 0], strict=True)]
    axes.set_xticks(range(NUM_CLASSES), names, rotation=40, ha="right", fontsize=10)
    axes.set_yticks(range(NUM_CLASSES), rows, fontsize=9)
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
    name_rows(axes)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    marks: list[Patch | Line2D] = [Patch(facecolor="0.85", edgecolor=INK, label="IoU")]
    for label, (_, marker) in others.items():
        marks.append(Line2D([], [], linestyle="", marker=marker, label=label, **white))
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False)
    clear_spines(axes)
    return figure


def reliability_figure(said: np.ndarray, right: np.ndarray, fraction: np.ndarray) -> Figure:
    """How often a network is right where it says how sure it is.

    Args:
        said: ``(bins,)`` mean probability of the pixels of each bin, 0..1; NaN in an empty one.
        right: ``(bins,)`` fraction of them that are right.
        fraction: ``(bins,)`` of all pixels that are in the bin.
    """
    figure = Figure(figsize=(6, 5.4), layout="constrained")
    above, beneath = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], "--", color=FAINT, label="as right as it says")
    above.plot(said, right, "o-", color=INK, label="this network")
    above.set(ylabel="fraction right", xlim=(0, 1), ylim=(0, 1))
    above.legend(frameon=False)
    edges = np.linspace(0, 1, len(fraction) + 1)
    beneath.bar(edges[:-1], fraction, np.diff(edges), align="edge", color="0.75", edgecolor=INK)
    beneath.set(xlabel="highest probability of a pixel", ylabel="of all pixels")
    for axes in (above, beneath):
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        clear_spines(axes)
    return figure


def threshold_figure(share: np.ndarray, infected: np.ndarray, threshold: float) -> Figure:
    """How many infected red cells a threshold finds, and how many healthy ones it takes for them.

    Args:
        share: ``(n,)`` of each red cell the infected class's share of the probability of both
            classes of red cells, 0..1.
        infected: ``(n,) bool``, which are infected in truth.
        threshold: a cell counts as infected from this share.
    """
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    called = share >= threshold
    groups = ((HEALTHY_RBC, ~infected, ".."), (INFECTED_RBC, infected, "//"))
    for class_id, group, hatch in groups:
        label = f"{CLASSES[class_id].name}: {called[group].sum()} of {group.sum()} called infected"
        style: dict[str, Any] = {"color": class_colour(class_id), "edgecolor": INK, "hatch": hatch}
        axes.hist(share[group], 20, range=(0, 1), alpha=0.6, label=label, **style)
    axes.axvline(threshold, color=INK, linewidth=2, label="threshold")
    axes.set(xlabel="share of the infected class", ylabel="cells", xlim=(0, 1))
    truth, counted = infected.mean(), called.mean()
    axes.set_title(f"Parasitaemia: counted {counted:.1%}, true {truth:.1%}")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    clear_spines(axes)
    return figure
