"""Matplotlib figures of images and label maps, returned and never shown.

Class colours come from ``classes`` alone; all else is grey. Every figure explains its colours.
Taught by ``notebooks/05_gif_visualization.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_DIAMETER_PX, Box, labels_to_colours
from bloodseg_lib.figures import marks
from bloodseg_lib.figures.charts import INK, class_rectangle, expect_some
from bloodseg_lib.figures.overlays import HEAT, heat, overlay

_PANEL_INCHES = 2.5
_CELL_PX = 120  # side of the square that each cell stands in; a larger cell is cut to it
_WITHOUT_TRUTH = ("Image", "Predicted", "Both")


class Sample(Protocol):
    """A single cell: its class and its pixels, ``(H, W, 4) uint8``."""

    @property
    def class_id(self) -> int: ...
    @property
    def rgba(self) -> np.ndarray: ...


class Cell(Protocol):
    """A cell of an image: its class and its box."""

    @property
    def class_id(self) -> int: ...
    @property
    def box(self) -> tuple[int, int, int, int]: ...


def sample_sheet(samples: Iterable[Sample], per_class: int = 10) -> Figure:
    """Single cells on white, a row for each class that has any, all at one scale so that their
    sizes can be compared.

    Args:
        samples: cells of any classes; the first ``per_class`` of each are shown.
        per_class: columns.

    Raises:
        ValueError: no samples.
    """
    rows: dict[int, list[np.ndarray]] = {}
    for sample in samples:
        row = rows.setdefault(sample.class_id, [])
        if len(row) < per_class:
            row.append(_on_white(sample.rgba, _CELL_PX))
    if not rows:
        raise ValueError("Expected at least one sample to show. Received none.")
    width, height = 1.9 + per_class * 0.75, 0.4 + len(rows) * 0.75
    figure = Figure(figsize=(width, height))
    room = {"left": 1.8 / width, "right": 0.995, "top": 0.995, "bottom": 0.38 / height}
    axes = figure.subplots(len(rows), 1, squeeze=False, gridspec_kw={**room, "hspace": 0})[:, 0]
    for panel, class_id in zip(axes, sorted(rows), strict=True):
        blank = np.full((_CELL_PX, _CELL_PX, 3), 255, np.uint8)
        panel.imshow(np.hstack(rows[class_id] + [blank] * (per_class - len(rows[class_id]))))
        panel.axis("off")
        at: dict[str, Any] = {"transform": panel.transAxes}
        panel.text(-0.035, 0.5, CLASSES[class_id].name, ha="right", va="center", fontsize=12, **at)
        panel.add_patch(class_rectangle(class_id, (-0.025, 0.25), 0.012, 0.5, clip_on=False, **at))
    axes[-1].autoscale(False)
    below, end = _CELL_PX + 6, 5 + RBC_DIAMETER_PX
    axes[-1].plot([5, end], [below, below], color=INK, linewidth=2, clip_on=False)
    note = f"{RBC_DIAMETER_PX:.0f} pixels, the diameter of a red blood cell at 40x, about 7.5 µm"
    axes[-1].text(end + 7, below, note, fontsize=10, color="0.35", va="center")
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
    both = "Both, with boxes" if any(objects for _, _, objects in smears) else "Both"
    figure, axes = _grid(len(smears), 3, ("Smear", "Label map", both))
    for panels, (image, labels, objects) in zip(axes, smears, strict=True):
        panels[0].imshow(image)
        marks.scale_bar(panels[0], image)
        marks.label_map(panels[1], labels)
        panels[2].imshow(overlay(image, labels, 0.3))
        for thing in objects or ():
            marks.box(panels[2], Box(**thing["box"]), thing["id"])
    _title_rows(axes, titles)
    marks.legend(figure, marks.present(labels for _, labels, _ in smears))
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
    marks.scale_bar(axes[0, 0], image)
    marks.label_map(axes[0, 1], labels)
    positive = weight_map[weight_map > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (0.1, 10.0)
    if high <= low * 1.01:
        low, high = low / 2, low * 2
    shown = axes[0, 2].imshow(np.maximum(weight_map, low), cmap="viridis", norm=LogNorm(low, high))
    steps = (step * 10.0**power for power in range(-4, 5) for step in (1, 2, 5))
    ticks = [low, *(weight for weight in steps if 1.3 * low < weight < high / 1.3), high]
    bar = figure.colorbar(
        shown, ax=axes[0, 2], shrink=0.75, label="weight of an error (logarithmic)", format="%.2g"
    )
    bar.set_ticks(ticks, minor=False)
    bar.ax.minorticks_off()
    marks.legend(figure, marks.present([labels]))
    return figure


def comparison_figure(
    rows: Sequence[tuple[np.ndarray, np.ndarray | None, np.ndarray]],
    titles: Sequence[str] | None = None,
    pixel_um: float | None = marks.AT_40X_UM,
) -> Figure:
    """Images beside the predicted label maps and, where known, the true ones; errors have a column
    of their own.

    Args:
        rows: image ``(H, W, 3) uint8``, true label map or ``None``, predicted label map ``(H, W)
            uint8``.
        titles: one a row.
        pixel_um: micrometres of a pixel; None: not known, and no scale bar.
    """
    expect_some(rows)
    known = any(truth is not None for _, truth, _ in rows)
    titled = ("Image", "Truth", "Predicted", "Wrong pixels (right: white)")
    figure, axes = _grid(len(rows), 4, titled) if known else _grid(len(rows), 3, _WITHOUT_TRUTH)
    for panels, (image, truth, predicted) in zip(axes, rows, strict=True):
        panels[0].imshow(image)
        marks.scale_bar(panels[0], image, pixel_um)
        marks.label_map(panels[2 if known else 1], predicted)
        if not known:
            panels[2].imshow(overlay(image, predicted))
        elif truth is None:
            middle = {"ha": "center", "va": "center", "color": "0.45"}
            for panel in (panels[1], panels[3]):
                panel.text(0.5, 0.5, "not known", transform=panel.transAxes, **middle)
        else:
            wrong = truth != predicted
            marks.label_map(panels[1], truth)
            panels[3].imshow(
                np.where(wrong[:, :, None], labels_to_colours(predicted), np.uint8(255))
            )
            panels[3].set_xlabel(f"{1 - wrong.mean():.1%} of the pixels right", fontsize=10)
    _title_rows(axes, titles)
    maps = (labels for _, *pair in rows for labels in pair if labels is not None)
    marks.legend(figure, marks.present(maps))
    return figure


def heat_map_figure(
    image: np.ndarray, probabilities: np.ndarray, pixel_um: float | None = marks.AT_40X_UM
) -> Figure:
    """An image under the heat map of each class's probability.

    Args:
        image: ``(H, W, 3) uint8``.
        probabilities: ``(H, W, 10)``, 0..1.
        pixel_um: micrometres of a pixel; None: not known, and no scale bar.
    """
    side = 1.9
    height = 2 * (side * image.shape[0] / image.shape[1] + 0.35)
    figure = Figure(figsize=(5 * side + 0.9, height), layout="constrained")
    axes = figure.subplots(2, 5)
    for panel, c in zip(axes.flat, CLASSES, strict=True):
        panel.axis("off")
        panel.imshow(heat(image, probabilities[:, :, c.id]))
        largest = float(probabilities[:, :, c.id].max())
        panel.set_title(f"{c.name}, up to {largest:.2f}", fontsize=9, pad=10)
        line = {"transform": panel.transAxes, "clip_on": False, "linewidth": 0.5}
        panel.add_patch(class_rectangle(c.id, (0, 1.012), 1, 0.022, **line))
    marks.scale_bar(axes.flat[0], image, pixel_um)
    scale = ScalarMappable(Normalize(0, 1), HEAT)
    figure.colorbar(scale, ax=axes, shrink=0.85, aspect=30, label="probability")
    return figure


def cells_figure(
    image: np.ndarray, cells: Sequence[Cell], pixel_um: float | None = marks.AT_40X_UM
) -> Figure:
    """An image with the box of each counted cell in the colour of its class, and a legend with the
    number of each.

    Args:
        image: ``(H, W, 3) uint8``.
        cells: as ``count_cells`` finds them.
        pixel_um: micrometres of a pixel; None: not known, and no scale bar.

    Examples:
        >>> from types import SimpleNamespace
        >>> cell = SimpleNamespace(class_id=9, box=(2, 2, 4, 4))
        >>> figure = cells_figure(np.zeros((8, 8, 3), np.uint8), [cell])
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['h  Healthy RBC: 1']
    """
    ratio = image.shape[0] / image.shape[1]
    width = 8.0 if ratio < 1.2 else 6.0
    figure = Figure(figsize=(width, width * ratio + 0.9), layout="constrained")
    axes = figure.subplots()
    axes.imshow(image)
    marks.scale_bar(axes, image, pixel_um)
    axes.axis("off")
    numbers = {c.id: sum(cell.class_id == c.id for cell in cells) for c in CELL_CLASSES}
    for cell in cells:
        marks.box(axes, cell.box, cell.class_id)
    marks.legend(
        figure,
        [i for i, n in numbers.items() if n],
        {i: f"{CLASSES[i].name}: {n}" for i, n in numbers.items()},
    )
    return figure


def _grid(rows: int, columns: int, titles: Sequence[str]) -> tuple[Figure, np.ndarray]:
    width, height = (1.0, 1.05) if columns > 3 else (1, 1)
    size = (columns * _PANEL_INCHES * width, rows * _PANEL_INCHES * height + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_color("0.85")
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, fontsize=12)
    return figure, axes


def _title_rows(axes: np.ndarray, titles: Sequence[str] | None) -> None:
    for panels, title in zip(axes, titles or (), strict=False):
        panels[0].set_ylabel(title, fontsize=9)


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
