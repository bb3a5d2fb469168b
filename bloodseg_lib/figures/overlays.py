"""Pictures as arrays of pixels: overlays, heat maps and legends; figures as PNG with exact class
colours.

Taught by ``notebooks/05_gif_visualization.ipynb``.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bloodseg_lib.classes import CLASSES, NUM_CLASSES, PALETTE, check_labels, labels_to_colours
from bloodseg_lib.runs import give_back_memory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAT = "inferno"
"""Colormap of probabilities: reads as an order in grey print and for colour-blind people too."""

DPI = 110
"""Dots per inch of the figures in notebooks."""


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    opacity: float = 0.45,
    outlines: bool = True,
    class_ids: Iterable[int] | None = None,
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

    Examples:
        >>> grey, labels = np.full((3, 3, 3), 200, np.uint8), np.zeros((3, 3), np.uint8)
        >>> labels[1, 1] = 9
        >>> tinted = overlay(grey, labels, opacity=0.5, outlines=False)
        >>> tinted[0, 0].tolist(), tinted[1, 1].tolist()
        ([200, 200, 200], [100, 228, 100])
    """
    check_labels(labels)
    if image.shape != (*labels.shape, 3):
        raise ValueError(
            f"Expected an image of shape {(*labels.shape, 3)}, as the label map has. "
            f"Received {image.shape}."
        )
    if not 0 <= opacity <= 1:
        raise ValueError(f"Expected an opacity of 0 to 1. Received {opacity}.")
    shown = np.arange(256, dtype=np.uint8)  # 0 is background
    if class_ids is not None:
        shown[~np.isin(shown, list(class_ids))] = 0
    inside, colours = cv2.LUT(labels, shown), labels_to_colours(labels)
    tinted = cv2.addWeighted(image, 1 - opacity, colours, opacity, 0)
    result = cv2.copyTo(tinted, inside, image.copy())
    if outlines:
        square = np.ones((3, 3))
        rim = inside * (cv2.erode(labels, square) != cv2.dilate(labels, square))
        result = cv2.copyTo(colours, rim, result)
    return result


def heat(image: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """An image, grey and dimmed, under the heat map of a probability.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        probability: ``(H, W)``, 0..1.

    Returns:
        ``(H, W, 3) uint8`` RGB.
    """
    from matplotlib import colormaps  # here: an overlay needs no matplotlib, and it starts slowly

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)[:, :, None] * 0.6
    fraction = np.clip(probability.astype(np.float32), 0, 1)
    colours = (colormaps[HEAT](np.arange(256))[:, :3] * 255).astype(np.float32)
    alpha = 0.85 * np.sqrt(fraction)[:, :, None]  # the root: a weak response should be seen too
    colour = colours[(fraction * 255).astype(np.uint8)]
    return (grey * (1 - alpha) + colour * alpha + 0.5).astype(np.uint8)


def heat_scale(width_px: int = 360) -> np.ndarray:
    """The colour bar of :func:`heat`, from probability 0 to 1, to put under a picture:
    ``(h, width_px, 3) uint8`` RGB.
    """
    letters, bar_px, margin = font(12), 12, 14
    strip = Image.new("RGB", (width_px, bar_px + 20), "white")
    span = width_px - 2 * margin
    values = np.tile(np.linspace(0, 1, span, dtype=np.float32), (bar_px, 1))
    bar = heat(np.full((*values.shape, 3), 200, np.uint8), values)
    strip.paste(Image.fromarray(bar), (margin, 2))
    draw = ImageDraw.Draw(strip)
    for value in (0, 0.25, 0.5, 0.75, 1):
        at = (margin + value * span, bar_px + 4)
        draw.text(at, f"{value:g}", fill=(30, 30, 30), font=letters, anchor="mt")
    return np.array(strip)


@cache
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, so that text in arrays looks the same everywhere."""
    package = importlib.util.find_spec("matplotlib")
    assert package is not None and package.origin is not None
    file = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(file, size_px)


def legend_strip(
    width_px: int, class_ids: Iterable[int], text_px: int = 13, uncertain: bool = False
) -> np.ndarray:
    """The legend of some classes, to put under a picture: ``(h, width_px, 3) uint8`` RGB, in as
    many lines as it takes. With ``uncertain`` it has what :func:`with_question_marks` draws.
    """
    letters, gap = font(text_px), text_px // 2
    entries = [(CLASSES[i].name, CLASSES[i].colour) for i in class_ids]
    lines: list[list[tuple[int, str, Any]]] = [[]]
    used = gap
    for name, colour in [*entries, ("uncertain", None)] if uncertain else entries:
        width = round(text_px + gap + letters.getlength(name)) + 2 * gap
        if used + width > width_px and lines[-1]:
            lines.append([])
            used = gap
        lines[-1].append((used, name, colour))
        used += width
    height = round(text_px * 1.6)
    strip = Image.new("RGB", (width_px, height * len(lines) + gap), "white")
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        y = gap + row * height
        for x, name, colour in line:
            if colour:
                square = (x, y, x + text_px, y + text_px)
                draw.rectangle(square, fill=colour, outline=(60, 60, 60))
            else:
                middle = (x + text_px / 2, y + text_px / 2)
                draw.text(middle, "?", fill=(30, 30, 30), font=letters, anchor="mm")
            at = (x + text_px + gap, y + text_px / 2)
            draw.text(at, name, fill=(30, 30, 30), font=letters, anchor="lm")
    return np.array(strip)


def with_question_marks(
    image: np.ndarray, cells: Iterable[tuple[float, float, float]]
) -> np.ndarray:
    """An image, ``(H, W, 3) uint8`` RGB, with a question mark on cells that are of no certain
    class, each x, y and width in pixels.
    """
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    for x, y, width_px in cells:
        letters = font(int(np.clip(width_px / 3, 12, 60)))
        style: dict[str, Any] = {"fill": (30, 30, 30), "stroke_fill": "white", "anchor": "mm"}
        draw.text((x, y), "?", font=letters, stroke_width=2, **style)
    return np.asarray(drawn)


def described(figure: Figure, alt: str) -> Any:
    """A figure as an ``IPython.display.Image`` (PNG) with a text for those who cannot see it.

    Args:
        figure: any of this folder's.
        alt: the content of the picture, in a sentence.
    """
    from IPython.display import Image as Picture

    return Picture(data=figure_png(figure), format="png", alt=alt)


def figure_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG, as large as notebooks show it. Its 256 colours make it a
    third of the size; class colours stay exact.
    """
    drawn, data = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, bbox_inches="tight")
    rgb = Image.open(drawn).convert("RGB")
    reduced = rgb.quantize(256 - NUM_CLASSES, dither=Image.Dither.NONE)
    palette = np.zeros((256, 3), np.uint8)
    found = np.array(reduced.getpalette() or (), np.uint8).reshape(-1, 3)[: 256 - NUM_CLASSES]
    palette[: len(found)], palette[-NUM_CLASSES:] = found, PALETTE
    pixels, indices = np.asarray(rgb), np.array(reduced)
    for i, colour in enumerate(PALETTE):
        indices[(pixels == colour).all(axis=2)] = 256 - NUM_CLASSES + i
    indexed = Image.fromarray(indices)
    indexed.putpalette(palette.tobytes())
    indexed.save(data, format="png", optimize=True)
    give_back_memory()  # drawing took some ten times as much as the picture
    return data.getvalue()
