"""Pictures: arrays of pixels to look at, and matplotlib figures, returned and never shown.

Class colours come from ``classes`` alone; all else is grey. Every figure says what its colours mean.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from matplotlib import colormaps, font_manager
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle
from matplotlib.ticker import FormatStrFormatter
from PIL import Image, ImageDraw, ImageFont

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, NUM_CLASSES, PALETTE, RBC_DIAMETER_PX, check_labels, labels_to_colours

if TYPE_CHECKING:
    from bloodseg_lib.counting import Cell
    from bloodseg_lib.metrics import Scores
    from bloodseg_lib.samples import CellSample

HEAT = "inferno"
"""Colormap of probabilities: reads as an order in grey print and for colour-blind people too."""

_INK, _FAINT = "0.15", "0.6"
_PANEL_INCHES = 3.4


def overlay(
    image: np.ndarray, labels: np.ndarray, opacity: float = 0.45, outlines: bool = True, class_ids: Iterable[int] | None = None
) -> np.ndarray:
    """An image with the cells tinted in their class colours; the background stays as it is.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        labels: ``(H, W) uint8``.
        opacity: of the tint, 0 (none) to 1 (only colour).
        outlines: draw the border of each cell's pixels in full colour.
        class_ids: classes to show; all if not given.

    Returns:
        ``(H, W, 3) uint8`` RGB.

    Raises:
        ValueError: sizes differ, or opacity out of range.
    """
    check_labels(labels)
    if image.shape != (*labels.shape, 3):
        raise ValueError(f"Expected an image of shape {(*labels.shape, 3)}, as the label map has. Received {image.shape}.")
    if not 0 <= opacity <= 1:
        raise ValueError(f"Expected an opacity of 0 to 1. Received {opacity}.")
    shown = np.ones(NUM_CLASSES, bool) if class_ids is None else np.isin(np.arange(NUM_CLASSES), list(class_ids))
    shown[0] = False
    tinted = cv2.addWeighted(image, 1 - opacity, labels_to_colours(labels), opacity, 0)
    result = np.where(shown[labels][:, :, None], tinted, image)
    if outlines:
        rim = shown[labels] & (cv2.erode(labels, np.ones((3, 3))) != cv2.dilate(labels, np.ones((3, 3))))
        result[rim] = PALETTE[labels[rim]]
    return result


def heat(image: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """An image, grey and dimmed, under the heat map of a probability.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        probability: ``(H, W)``, 0..1.

    Returns:
        ``(H, W, 3) uint8`` RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)[:, :, None] * 0.6
    share = np.clip(probability.astype(np.float32), 0, 1)
    colour = (colormaps[HEAT](np.arange(256))[:, :3] * 255).astype(np.float32)[(share * 255).astype(np.uint8)]
    alpha = 0.85 * np.sqrt(share)[:, :, None]  # the root: a weak response should be seen too
    return (grey * (1 - alpha) + colour * alpha + 0.5).astype(np.uint8)


def heat_scale(width_px: int = 360) -> np.ndarray:
    """What the colours of :func:`heat` mean, from probability 0 to 1, to put under a picture: ``(h, width_px, 3) uint8`` RGB."""
    letters, bar_px, rim = font(12), 12, 14
    strip = Image.new("RGB", (width_px, bar_px + 20), "white")
    share = np.broadcast_to(np.linspace(0, 1, width_px - 2 * rim, dtype=np.float32), (bar_px, width_px - 2 * rim))
    strip.paste(Image.fromarray(heat(np.full((*share.shape, 3), 200, np.uint8), share)), (rim, 2))
    draw = ImageDraw.Draw(strip)
    for value in (0, 0.25, 0.5, 0.75, 1):
        draw.text((rim + value * (width_px - 2 * rim), bar_px + 4), f"{value:g}", fill=(30, 30, 30), font=letters, anchor="mt")
    return np.array(strip)


@cache
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings along, so that text in arrays looks the same everywhere."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size_px)


def legend_strip(width_px: int, class_ids: Iterable[int], text_px: int = 13) -> np.ndarray:
    """The legend of some classes as pixels, to put under a picture: ``(h, width_px, 3) uint8`` RGB, as many lines as it takes."""
    letters, gap = font(text_px), text_px // 2
    lines: list[list[int]] = [[]]
    used = gap
    widths = {i: round(text_px + gap + letters.getlength(CLASSES[i].name)) + 2 * gap for i in class_ids}
    for i, width in widths.items():
        if used + width > width_px and lines[-1]:
            lines.append([])
            used = gap
        lines[-1].append(i)
        used += width
    height = round(text_px * 1.6)
    strip = Image.new("RGB", (width_px, height * len(lines) + gap), "white")
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        x, y = gap, gap + row * height
        for i in line:
            draw.rectangle((x, y, x + text_px, y + text_px), fill=CLASSES[i].colour, outline=(60, 60, 60))
            draw.text((x + text_px + gap, y + text_px / 2), CLASSES[i].name, fill=(30, 30, 30), font=letters, anchor="lm")
            x += widths[i]
    return np.array(strip)


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
        axes.add_patch(Rectangle((x, y + 0.12), 0.09, 0.76, facecolor=_colour(c.id), edgecolor=_INK, linewidth=0.8))
        size = f"{c.mean_area_px:.0f} pixels" if c.mean_area_px else "-"
        axes.text(x + 0.12, y + 0.5, f"{c.id}  {c.name}", va="center", fontsize=12)
        axes.text(x + 0.56, y + 0.5, size, va="center", fontsize=10, color="0.35")
    axes.set(xlim=(0, 2), ylim=(0, 5.6))
    return figure


def sample_sheet(samples: Iterable[CellSample], per_class: int = 10, cell_px: int = 120) -> Figure:
    """Single cells on white, a row for each class that has any, all at one scale so that their sizes can be compared.

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
        len(rows), 1, squeeze=False, gridspec_kw={"left": 1.8 / width, "right": 0.995, "top": 0.995, "bottom": 0.38 / height, "hspace": 0}
    )[:, 0]
    for panel, class_id in zip(axes, sorted(rows), strict=True):
        blank = [np.full((cell_px, cell_px, 3), 255, np.uint8)] * (per_class - len(rows[class_id]))
        panel.imshow(np.hstack(rows[class_id] + blank))
        panel.axis("off")
        panel.text(-0.035, 0.5, CLASSES[class_id].name, ha="right", va="center", fontsize=12, transform=panel.transAxes)
        panel.add_patch(Rectangle((-0.025, 0.25), 0.012, 0.5, transform=panel.transAxes, clip_on=False, facecolor=_colour(class_id), edgecolor=_INK))
    axes[-1].autoscale(False)
    axes[-1].plot([5, 5 + RBC_DIAMETER_PX], [cell_px + 6] * 2, color=_INK, linewidth=2, clip_on=False)
    note = f"{RBC_DIAMETER_PX:.0f} pixels, the diameter of a red blood cell at 40x"
    axes[-1].text(12 + RBC_DIAMETER_PX, cell_px + 6, note, fontsize=10, color="0.35", va="center")
    return figure


def smears_figure(smears: Sequence[tuple[np.ndarray, np.ndarray, Sequence[Mapping[str, Any]] | None]], titles: Sequence[str] | None = None) -> Figure:
    """Smears beside their label maps, and with the tint and the boxes of their cells.

    Args:
        smears: of each the image ``(H, W, 3) uint8``, the label map ``(H, W) uint8`` and its objects as the dataset keeps them, or ``None``.
        titles: one a smear.
    """
    _some(smears)
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


def class_balance_figure(pixel_counts: np.ndarray | Mapping[str, np.ndarray]) -> Figure:
    """Share of each class in the pixels of a dataset, on a logarithmic axis: the imbalance that weights must mend.

    Args:
        pixel_counts: ``(10,)`` pixels of each class; or several of these by name, drawn one beneath another.
    """
    sets = dict(pixel_counts) if isinstance(pixel_counts, Mapping) else {"": pixel_counts}
    _some(sets)
    height = 0.8 / len(sets)
    figure = Figure(figsize=(8.5, 1.2 + 0.34 * NUM_CLASSES * max(1, len(sets) * 0.6)), layout="constrained")
    axes = figure.subplots()
    for row, (name, counts) in enumerate(sets.items()):
        share = np.asarray(counts, float) / max(1, np.sum(counts))
        for c in CLASSES:
            y = c.id + (row - (len(sets) - 1) / 2) * height
            axes.barh(y, max(share[c.id], 1e-6), height * 0.92, color=_colour(c.id), edgecolor=_INK, linewidth=0.7)
            axes.text(max(share[c.id], 1e-4) * 1.12, y, f"{100 * share[c.id]:.2f} % {name}".strip(), va="center", fontsize=9 if len(sets) > 1 else 10)
    axes.set(yticks=range(NUM_CLASSES), xscale="log", xlim=(1e-4, 4), xlabel="share of all pixels (logarithmic)")
    axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 1], ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
    axes.set_yticklabels([c.name for c in CLASSES], fontsize=11)
    axes.invert_yaxis()
    _clear_spines(axes)
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
    ticks = [w for w in (step * 10.0**power for power in range(-4, 5) for step in (1, 2, 5)) if norm.vmin <= w <= norm.vmax]
    bar = figure.colorbar(shown, ax=axes[0, 2], shrink=0.75, label="weight of an error (logarithmic)", format="%g")
    bar.set_ticks(ticks, minor=False)
    bar.ax.minorticks_off()
    _legend(figure, _present([labels]))
    return figure


def network_figure(width: int = 32, levels: int = 5, size_px: int = 224) -> Figure:
    """The U-Net as a picture: a bar for each feature map, as tall as the map is large and as wide as it has channels.

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
        axes.add_patch(Rectangle((x - wide / 2, y - tall / 2), wide, tall, edgecolor=_INK, linewidth=1, **{"facecolor": "0.82", **style}))
        axes.text(x, y + tall / 2 + 0.25, str(channels), ha="center", va="bottom", fontsize=10)
        return y, tall, wide

    last = 2 * (levels - 1)
    for stage in range(last + 1):
        level = min(stage, last - stage)
        x_of[stage] = x = step * stage
        first_wide = 1.1 + 0.45 * np.log2(width * 2**level)
        for side, conv in ((-1, 0), (1, 1)):
            bar(x + side * first_wide * 0.48, level, width * 2**level, facecolor="0.82" if conv else "0.9")
        y = -drop * level * 0.72
        side_px = size_px // 2**level
        under = 0 if stage == levels - 1 else 0.4 if stage == last else -1 if stage < levels - 1 else 1  # away from the arrows
        place = x + under * first_wide * 0.5
        axes.text(place, y - 4.0 * 0.72**level - 0.3, f"{side_px} x {side_px}", ha="center", va="top", fontsize=9, color="0.35")
        if stage < last - stage:
            _arrow(axes, (x + 4.6, y), (step * (last - stage) - 4.6, y), "0.6", "--")
        if stage < last:
            down = stage < levels - 1
            next_y = -drop * min(stage + 1, last - stage - 1) * 0.72
            edge = first_wide + 0.35
            start = (x + edge * 0.55, y - 4.0 * 0.72**level - 0.25) if down else (x + edge, y)
            end = (x + step - edge - 0.6, next_y + 0.5) if down else (x + step - edge * 0.55, next_y - 4.0 * 0.72 ** (level - 1) - 0.25)
            _arrow(axes, start, end, _INK, "-" if down else ":")
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
                facecolor=_colour(c.id),
                edgecolor=_INK,
                linewidth=0.5,
            )
        )
    axes.text(x, tall / 2 + 0.25, str(NUM_CLASSES), ha="center", va="bottom", fontsize=10)
    axes.text(x, -4.3, "classes\n(softmax)", ha="center", va="top", fontsize=9, color="0.35")
    marks = [
        Patch(facecolor="0.82", edgecolor=_INK, label="feature maps after a 3 x 3 convolution + ReLU; the number of channels above"),
        Line2D([], [], color=_INK, label="2 x 2 maximum pooling"),
        Line2D([], [], color=_INK, linestyle=":", label="2 x 2 transposed convolution"),
        Line2D([], [], color="0.6", linestyle="--", label="copied and concatenated"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=10, frameon=False)
    axes.set(xlim=(-step * 0.95, x + step * 0.3), ylim=(-drop * (levels - 1) * 0.72 - 3.2, 5.4))
    return figure


def learning_curve_figure(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy and loss by epoch, beside what a network would score that sees background everywhere.

    Args:
        history: the ``history`` of a checkpoint's sidecar, one dict an epoch.
    """
    _some(history)
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epoch = [entry["epoch"] for entry in history]

    def line(axes: Axes, key: str, label: str, **style: Any) -> None:
        points = [(e, entry[key]) for e, entry in zip(epoch, history, strict=True) if entry.get(key) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, linewidth=1.8, marker="o", markersize=3 if len(points) > 1 else 6, **style)

    line(left, "valid_accuracy", "validation", color=_INK)
    line(left, "train_accuracy", "training", color=_FAINT)
    line(left, "mean_iou", "validation, mean IoU", color=_INK, linestyle=":")
    shares = [entry["background_share"] for entry in history if entry.get("background_share") is not None]
    if shares:
        left.axhline(shares[-1], color=_INK, linestyle="--", linewidth=1.2, label="only background")
    line(right, "valid_loss", "validation", color=_INK)
    line(right, "train_loss", "training", color=_FAINT)
    left.set(xlabel="epoch", ylabel="pixel accuracy", ylim=(0, 1))
    right.set(xlabel="epoch", ylabel="weighted loss", yscale="log")
    for which in ("major", "minor"):
        getattr(right.yaxis, f"set_{which}_formatter")(FormatStrFormatter("%g"))
    for axes in (left, right):
        axes.set_xlim(epoch[0] - 0.5, epoch[-1] + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(color="0.92")
        axes.legend(frameon=False, fontsize=10)
        _clear_spines(axes)
    for before, entry in pairwise(history):
        if entry.get("learning_rate") != before.get("learning_rate") and len({e.get("learning_rate") for e in history}) <= 4:
            right.axvline((before["epoch"] + entry["epoch"]) / 2, color=_FAINT, linewidth=1, linestyle=":")
            right.text(
                entry["epoch"], 0.98, f"rate {entry['learning_rate']:g}", transform=right.get_xaxis_transform(), fontsize=9, va="top", color="0.35"
            )
    return figure


def confusion_figure(confusion: np.ndarray) -> Figure:
    """Of the pixels of each class, the share that the network gave to each class; the diagonal is right.

    Args:
        confusion: ``(10, 10)`` pixels, rows truth, columns predicted.
    """
    share = 100 * confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    share = np.where(confusion.sum(axis=1, keepdims=True) > 0, share, np.nan)
    figure = Figure(figsize=(8.6, 7), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(share, cmap="Greys", vmin=0, vmax=100)
    for row in range(NUM_CLASSES):
        for column in range(NUM_CLASSES):
            value = share[row, column]
            if np.isfinite(value) and confusion[row, column]:
                text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.05 else "<0.1"
                axes.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if value > 55 else _INK)
        if not confusion[row].sum():
            axes.text(4.5, row, "none in these images", ha="center", va="center", fontsize=9, color="0.45")
        for x, y in ((row, -0.03), (-0.03, row)):
            at = axes.get_xaxis_transform() if y < 0 else axes.get_yaxis_transform()
            axes.plot(x, y, marker="s", markersize=9, color=_colour(row), markeredgecolor=_INK, clip_on=False, transform=at)
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
    for c in CLASSES:
        if not scores.support[c.id]:
            axes.text(
                0.01,
                c.id,
                "none in these images" + (", yet predicted" if np.isfinite(scores.iou[c.id]) else ""),
                va="center",
                fontsize=9,
                color="0.45",
            )
            continue
        axes.barh(c.id, scores.iou[c.id], 0.62, color=_colour(c.id), edgecolor=_INK, linewidth=0.7)
        for values, marker in ((scores.dice, "D"), (scores.precision, ">"), (scores.recall, "o")):
            if np.isfinite(values[c.id]):
                axes.plot(values[c.id], c.id, marker, color="white", markeredgecolor=_INK, markersize=7, clip_on=False, zorder=4)
        axes.text(1.03, c.id, f"{scores.iou[c.id]:.3f}", va="center", fontsize=10)
    axes.text(1.03, -0.75, "IoU", va="center", fontsize=10)
    axes.set(yticks=range(NUM_CLASSES), xlim=(0, 1), xlabel="score (1 is perfect)")
    axes.set_yticklabels([c.name for c in CLASSES], fontsize=11)
    axes.invert_yaxis()
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    marks = [Patch(facecolor="0.85", edgecolor=_INK, label="IoU")]
    for label, marker in (("Dice", "D"), ("precision", ">"), ("recall", "o")):
        marks.append(Line2D([], [], linestyle="", marker=marker, color="white", markeredgecolor=_INK, label=label))
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False)
    _clear_spines(axes)
    return figure


def comparison_figure(rows: Sequence[tuple[np.ndarray, np.ndarray | None, np.ndarray]], titles: Sequence[str] | None = None) -> Figure:
    """Images beside the predicted label maps and, where it is known, the truth; errors in a column of their own.

    Args:
        rows: image ``(H, W, 3) uint8``, true label map or ``None``, predicted label map ``(H, W) uint8``.
        titles: one a row.
    """
    _some(rows)
    known = any(truth is not None for _, truth, _ in rows)
    figure, axes = _grid(
        len(rows), 4 if known else 3, ("Image", "Truth", "Predicted", "Wrong pixels, as predicted") if known else ("Image", "Predicted", "Both")
    )
    for panels, (image, truth, predicted) in zip(axes, rows, strict=True):
        panels[0].imshow(image)
        panels[2 if known else 1].imshow(labels_to_colours(predicted))
        if not known:
            panels[2].imshow(overlay(image, predicted))
        elif truth is None:
            for panel in (panels[1], panels[3]):
                panel.text(0.5, 0.5, "not known", ha="center", va="center", color="0.45", transform=panel.transAxes)
        else:
            wrong = truth != predicted
            panels[1].imshow(labels_to_colours(truth))
            panels[3].imshow(np.where(wrong[:, :, None], labels_to_colours(predicted), 255).astype(np.uint8))
            panels[3].set_xlabel(f"{1 - wrong.mean():.1%} of the pixels right", fontsize=10)
    for panels, title in zip(axes, titles or (), strict=False):
        panels[0].set_ylabel(title, fontsize=9)
    _legend(figure, _present(labels for _, truth, predicted in rows for labels in (truth, predicted) if labels is not None))
    return figure


def heat_map_figure(image: np.ndarray, probabilities: np.ndarray, class_ids: Sequence[int] | None = None, columns: int = 5) -> Figure:
    """An image under the heat map of each of some classes' probability.

    Args:
        image: ``(H, W, 3) uint8``.
        probabilities: ``(H, W, 10)``, 0..1.
        class_ids: classes to show; all ten if not given.
        columns: panels side by side.
    """
    ids = list(range(NUM_CLASSES) if class_ids is None else class_ids)
    _some(ids)
    columns = min(columns, len(ids))
    rows = -(-len(ids) // columns)
    size = 2.3 if columns > 2 else _PANEL_INCHES
    ratio = image.shape[0] / image.shape[1]
    figure = Figure(figsize=(columns * size + 0.9, rows * (size * ratio + 0.35)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.axis("off")
    for panel, i in zip(axes.flat, ids, strict=False):
        panel.imshow(heat(image, probabilities[:, :, i]))
        panel.set_title(CLASSES[i].name, fontsize=11, pad=10)
        panel.add_patch(
            Rectangle((0, 1.012), 1, 0.022, transform=panel.transAxes, clip_on=False, facecolor=_colour(i), edgecolor=_INK, linewidth=0.5)
        )
    figure.colorbar(ScalarMappable(Normalize(0, 1), HEAT), ax=axes, shrink=0.85, aspect=30, label="probability")
    return figure


def cells_figure(image: np.ndarray, cells: Sequence[Cell]) -> Figure:
    """An image with the box of each counted cell in the colour of its class, and how many there are of each.

    Args:
        image: ``(H, W, 3) uint8``.
        cells: as :func:`bloodseg_lib.counting.count_cells` finds them.
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
    _legend(figure, [i for i, n in numbers.items() if n], {i: f"{CLASSES[i].name}: {n}" for i, n in numbers.items()})
    return figure


def _colour(class_id: int) -> tuple[float, float, float]:
    red, green, blue = CLASSES[class_id].colour
    return red / 255, green / 255, blue / 255


def _some(things: Any) -> None:
    if not len(things):
        raise ValueError("Expected at least one thing to draw. Received none.")


def _grid(rows: int, columns: int, titles: Sequence[str]) -> tuple[Figure, np.ndarray]:
    figure = Figure(
        figsize=(columns * _PANEL_INCHES * (0.8 if columns > 3 else 1), rows * _PANEL_INCHES * (0.82 if columns > 3 else 1) + 0.9),
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


def _legend(figure: Figure, class_ids: Sequence[int], names: Mapping[int, str] | None = None) -> None:
    handles = [Patch(facecolor=_colour(i), edgecolor=_INK, linewidth=0.8, label=(names or {}).get(i, CLASSES[i].name)) for i in class_ids]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)), fontsize=11, frameon=False)


def _box(axes: Axes, box: tuple[int, int, int, int], class_id: int) -> None:
    """A box in the class's colour between two thin dark lines, so that yellow shows on white and navy on a nucleus."""
    x, y, width, height = box
    for colour, line in (("white", 3.2), (_colour(class_id), 1.8)):
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor=colour, linewidth=line))


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, style: str) -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=colour, linestyle=style, linewidth=1.3, shrinkA=0, shrinkB=0)
    )


def _clear_spines(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _on_white(rgba: np.ndarray, size_px: int) -> np.ndarray:
    """A crop over white in the middle of a square."""
    top, left = max(0, (rgba.shape[0] - size_px) // 2), max(0, (rgba.shape[1] - size_px) // 2)
    rgba = rgba[top : top + size_px, left : left + size_px]
    alpha = rgba[:, :, 3:] / 255
    square = np.full((size_px, size_px, 3), 255, np.uint8)
    y, x = (size_px - rgba.shape[0]) // 2, (size_px - rgba.shape[1]) // 2
    square[y : y + rgba.shape[0], x : x + rgba.shape[1]] = (rgba[:, :, :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
    return square


def described(figure: Figure, alt: str) -> Any:
    """A figure as a picture that carries a text for those who cannot see it.

    Args:
        figure: made by one of the functions above.
        alt: what the picture shows, in a sentence.

    Returns:
        an ``IPython.display.Image`` (PNG), which a notebook shows when it is the last value of a cell.
    """
    from IPython.display import Image as Picture

    return Picture(data=figure_png(figure), format="png", alt=alt)


def figure_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG, as large as notebooks show it, in 256 colours, which makes it a third as many bytes. Class colours stay exact."""
    drawn, data = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=80, bbox_inches="tight")
    rgb = Image.open(drawn).convert("RGB")
    reduced = rgb.quantize(256 - NUM_CLASSES, dither=Image.Dither.NONE)
    palette = np.zeros((256, 3), np.uint8)
    found = np.array(reduced.getpalette()[: 3 * (256 - NUM_CLASSES)], np.uint8).reshape(-1, 3)
    palette[: len(found)], palette[-NUM_CLASSES:] = found, PALETTE
    pixels, indices = np.asarray(rgb), np.array(reduced)
    for i, colour in enumerate(PALETTE):
        indices[(pixels == colour).all(axis=2)] = 256 - NUM_CLASSES + i
    indexed = Image.fromarray(indices)
    indexed.putpalette(palette.tobytes())
    indexed.save(data, format="png", optimize=True)
    return data.getvalue()
