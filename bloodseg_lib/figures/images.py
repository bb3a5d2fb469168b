"""Matplotlib figures of images and label maps, returned and never shown; those of ``charts``,
``diagrams`` and ``pictures`` under one name with them.

Class colours come from ``classes`` alone; all else is grey. Every figure says what its colours
mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    NUM_CLASSES,
    RBC_DIAMETER_PX,
    labels_to_colours,
)
from bloodseg_lib.figures.architecture import network_figure
from bloodseg_lib.figures.charts import (
    INK,
    class_balance_figure,
    class_colour,
    confusion_figure,
    expect_some,
    learning_curve_figure,
    per_class_figure,
)
from bloodseg_lib.figures.overlays import (
    HEAT,
    described,
    figure_png,
    font,
    heat,
    heat_scale,
    legend_strip,
    overlay,
)

if TYPE_CHECKING:
    from bloodseg_lib.prediction.cells import Cell
    from bloodseg_lib.samples.sample import CellSample

__all__ = [
    "HEAT",
    "cells_figure",
    "class_balance_figure",
    "class_legend",
    "comparison_figure",
    "confusion_figure",
    "described",
    "figure_png",
    "font",
    "heat",
    "heat_map_figure",
    "heat_scale",
    "learning_curve_figure",
    "legend_strip",
    "network_figure",
    "overlay",
    "per_class_figure",
    "sample_sheet",
    "smears_figure",
    "weight_map_figure",
]

_PANEL_INCHES = 3.4


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
        axes.add_patch(
            Rectangle(
                (x, y + 0.12),
                0.09,
                0.76,
                facecolor=class_colour(c.id),
                edgecolor=INK,
                linewidth=0.8,
            )
        )
        size = f"{c.mean_area_px:.0f} pixels" if c.mean_area_px else "-"
        axes.text(x + 0.12, y + 0.5, f"{c.id}  {c.name}", va="center", fontsize=12)
        axes.text(x + 0.56, y + 0.5, size, va="center", fontsize=10, color="0.35")
    axes.set(xlim=(0, 2), ylim=(0, 5.6))
    return figure


def sample_sheet(samples: Iterable[CellSample], per_class: int = 10, cell_px: int = 120) -> Figure:
    """Single cells on white, a row for each class that has any, all at one scale so that their
    sizes can be compared.

    Args:
        samples: cells of any classes; the first ``per_class`` of each are shown.
        per_class: columns.
        cell_px: side of the square that each cell stands in; a larger cell is cut to it.

    Raises:
        ValueError: no samples.
    """
    rows: dict[int, list[np.ndarray]] = {}
    for sample in samples:
        row = rows.setdefault(sample.class_id, [])
        if len(row) < per_class:
            row.append(_on_white(sample.rgba, cell_px))
    if not rows:
        raise ValueError("Expected at least one sample to show. Received none.")
    width, height = 1.9 + per_class * 0.85, 0.4 + len(rows) * 0.85
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(
        len(rows),
        1,
        squeeze=False,
        gridspec_kw={
            "left": 1.8 / width,
            "right": 0.995,
            "top": 0.995,
            "bottom": 0.38 / height,
            "hspace": 0,
        },
    )[:, 0]
    for panel, class_id in zip(axes, sorted(rows), strict=True):
        blank = [np.full((cell_px, cell_px, 3), 255, np.uint8)] * (per_class - len(rows[class_id]))
        panel.imshow(np.hstack(rows[class_id] + blank))
        panel.axis("off")
        panel.text(
            -0.035,
            0.5,
            CLASSES[class_id].name,
            ha="right",
            va="center",
            fontsize=12,
            transform=panel.transAxes,
        )
        panel.add_patch(
            Rectangle(
                (-0.025, 0.25),
                0.012,
                0.5,
                transform=panel.transAxes,
                clip_on=False,
                facecolor=class_colour(class_id),
                edgecolor=INK,
            )
        )
    axes[-1].autoscale(False)
    axes[-1].plot(
        [5, 5 + RBC_DIAMETER_PX], [cell_px + 6] * 2, color=INK, linewidth=2, clip_on=False
    )
    note = f"{RBC_DIAMETER_PX:.0f} pixels, the diameter of a red blood cell at 40x"
    axes[-1].text(12 + RBC_DIAMETER_PX, cell_px + 6, note, fontsize=10, color="0.35", va="center")
    return figure


def smears_figure(
    smears: Sequence[tuple[np.ndarray, np.ndarray, Sequence[Mapping[str, Any]] | None]],
    titles: Sequence[str] | None = None,
) -> Figure:
    """Smears beside their label maps, and with the tint and the boxes of their cells.

    Args:
        smears: of each the image ``(H, W, 3) uint8``, the label map ``(H, W) uint8`` and its
            objects as the dataset keeps them, or ``None``.
        titles: one a smear.
    """
    expect_some(smears)
    figure, axes = _grid(len(smears), 3, ("Smear", "Label map", "Both, with boxes"))
    for panels, (image, labels, objects) in zip(axes, smears, strict=True):
        panels[0].imshow(image)
        panels[1].imshow(labels_to_colours(labels))
        panels[2].imshow(overlay(image, labels, 0.3))
        for thing in objects or ():
            box = thing["box"]
            _box(panels[2], (box["x"], box["y"], box["width"], box["height"]), thing["id"])
    for panels, title in zip(axes, titles or (), strict=False):
        panels[0].set_ylabel(title, fontsize=9)
    _legend(figure, _present(labels for _, labels, _ in smears))
    return figure


def weight_map_figure(image: np.ndarray, labels: np.ndarray, weight_map: np.ndarray) -> Figure:
    """A smear, its label map, and how much an error weighs at each pixel (logarithmic colour bar).

    Args:
        image: ``(H, W, 3) uint8``.
        labels: ``(H, W) uint8``.
        weight_map: ``(H, W)`` float, above 0 where it is to be seen.
    """
    figure, axes = _grid(1, 3, ("Smear", "Label map", "Weight map"))
    axes[0, 0].imshow(image)
    axes[0, 1].imshow(labels_to_colours(labels))
    positive = weight_map[weight_map > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (0.1, 10.0)
    norm = LogNorm(low, high) if high > low * 1.01 else LogNorm(low / 2, low * 2)
    shown = axes[0, 2].imshow(np.maximum(weight_map, norm.vmin), cmap="viridis", norm=norm)
    ticks = [
        w
        for w in (step * 10.0**power for power in range(-4, 5) for step in (1, 2, 5))
        if norm.vmin <= w <= norm.vmax
    ]
    bar = figure.colorbar(
        shown, ax=axes[0, 2], shrink=0.75, label="weight of an error (logarithmic)", format="%g"
    )
    bar.set_ticks(ticks, minor=False)
    bar.ax.minorticks_off()
    _legend(figure, _present([labels]))
    return figure


def comparison_figure(
    rows: Sequence[tuple[np.ndarray, np.ndarray | None, np.ndarray]],
    titles: Sequence[str] | None = None,
) -> Figure:
    """Images beside the predicted label maps and, where it is known, the truth; errors in a column
    of their own.

    Args:
        rows: image ``(H, W, 3) uint8``, true label map or ``None``, predicted label map ``(H, W)
            uint8``.
        titles: one a row.
    """
    expect_some(rows)
    known = any(truth is not None for _, truth, _ in rows)
    figure, axes = _grid(
        len(rows),
        4 if known else 3,
        ("Image", "Truth", "Predicted", "Wrong pixels, as predicted")
        if known
        else ("Image", "Predicted", "Both"),
    )
    for panels, (image, truth, predicted) in zip(axes, rows, strict=True):
        panels[0].imshow(image)
        panels[2 if known else 1].imshow(labels_to_colours(predicted))
        if not known:
            panels[2].imshow(overlay(image, predicted))
        elif truth is None:
            for panel in (panels[1], panels[3]):
                panel.text(
                    0.5,
                    0.5,
                    "not known",
                    ha="center",
                    va="center",
                    color="0.45",
                    transform=panel.transAxes,
                )
        else:
            wrong = truth != predicted
            panels[1].imshow(labels_to_colours(truth))
            panels[3].imshow(
                np.where(wrong[:, :, None], labels_to_colours(predicted), 255).astype(np.uint8)
            )
            panels[3].set_xlabel(f"{1 - wrong.mean():.1%} of the pixels right", fontsize=10)
    for panels, title in zip(axes, titles or (), strict=False):
        panels[0].set_ylabel(title, fontsize=9)
    _legend(
        figure,
        _present(
            labels
            for _, truth, predicted in rows
            for labels in (truth, predicted)
            if labels is not None
        ),
    )
    return figure


def heat_map_figure(
    image: np.ndarray,
    probabilities: np.ndarray,
    class_ids: Sequence[int] | None = None,
    columns: int = 5,
) -> Figure:
    """An image under the heat map of each of some classes' probability.

    Args:
        image: ``(H, W, 3) uint8``.
        probabilities: ``(H, W, 10)``, 0..1.
        class_ids: classes to show; all ten if not given.
        columns: panels side by side.
    """
    ids = list(range(NUM_CLASSES) if class_ids is None else class_ids)
    expect_some(ids)
    columns = min(columns, len(ids))
    rows = -(-len(ids) // columns)
    size = 2.3 if columns > 2 else _PANEL_INCHES
    ratio = image.shape[0] / image.shape[1]
    figure = Figure(
        figsize=(columns * size + 0.9, rows * (size * ratio + 0.35)), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.axis("off")
    for panel, i in zip(axes.flat, ids, strict=False):
        panel.imshow(heat(image, probabilities[:, :, i]))
        panel.set_title(CLASSES[i].name, fontsize=11, pad=10)
        panel.add_patch(
            Rectangle(
                (0, 1.012),
                1,
                0.022,
                transform=panel.transAxes,
                clip_on=False,
                facecolor=class_colour(i),
                edgecolor=INK,
                linewidth=0.5,
            )
        )
    figure.colorbar(
        ScalarMappable(Normalize(0, 1), HEAT), ax=axes, shrink=0.85, aspect=30, label="probability"
    )
    return figure


def cells_figure(image: np.ndarray, cells: Sequence[Cell]) -> Figure:
    """An image with the box of each counted cell in the colour of its class, and how many there are
    of each.

    Args:
        image: ``(H, W, 3) uint8``.
        cells: as :func:`bloodseg_lib.prediction.counts.count_cells` finds them.
    """
    ratio = image.shape[0] / image.shape[1]
    width = 8.0 if ratio < 1.2 else 6.0
    figure = Figure(figsize=(width, width * ratio + 0.9), layout="constrained")
    axes = figure.subplots()
    axes.imshow(image)
    axes.axis("off")
    numbers = {c.id: sum(cell.class_id == c.id for cell in cells) for c in CELL_CLASSES}
    for cell in cells:
        _box(axes, cell.box, cell.class_id)
    _legend(
        figure,
        [i for i, n in numbers.items() if n],
        {i: f"{CLASSES[i].name}: {n}" for i, n in numbers.items()},
    )
    return figure


def _grid(rows: int, columns: int, titles: Sequence[str]) -> tuple[Figure, np.ndarray]:
    figure = Figure(
        figsize=(
            columns * _PANEL_INCHES * (0.8 if columns > 3 else 1),
            rows * _PANEL_INCHES * (0.82 if columns > 3 else 1) + 0.9,
        ),
        layout="constrained",
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_color("0.85")
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, fontsize=12)
    return figure, axes


def _present(maps: Iterable[np.ndarray]) -> list[int]:
    return sorted({int(i) for labels in maps for i in np.unique(labels)})


def _legend(
    figure: Figure, class_ids: Sequence[int], names: Mapping[int, str] | None = None
) -> None:
    handles = [
        Patch(
            facecolor=class_colour(i),
            edgecolor=INK,
            linewidth=0.8,
            label=(names or {}).get(i, CLASSES[i].name),
        )
        for i in class_ids
    ]
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(5, len(handles)),
            fontsize=11,
            frameon=False,
        )


def _box(axes: Axes, box: tuple[int, int, int, int], class_id: int) -> None:
    """A box in the class's colour between two thin dark lines, so that yellow shows on white and
    navy on a nucleus.
    """
    x, y, width, height = box
    for colour, line in (("white", 3.2), (class_colour(class_id), 1.8)):
        axes.add_patch(
            Rectangle(
                (x - 0.5, y - 0.5), width, height, fill=False, edgecolor=colour, linewidth=line
            )
        )


def _on_white(rgba: np.ndarray, size_px: int) -> np.ndarray:
    """A crop over white in the middle of a square."""
    top, left = max(0, (rgba.shape[0] - size_px) // 2), max(0, (rgba.shape[1] - size_px) // 2)
    rgba = rgba[top : top + size_px, left : left + size_px]
    alpha = rgba[:, :, 3:] / 255
    square = np.full((size_px, size_px, 3), 255, np.uint8)
    y, x = (size_px - rgba.shape[0]) // 2, (size_px - rgba.shape[1]) // 2
    square[y : y + rgba.shape[0], x : x + rgba.shape[1]] = (
        rgba[:, :, :3] * alpha + 255 * (1 - alpha) + 0.5
    ).astype(np.uint8)
    return square
