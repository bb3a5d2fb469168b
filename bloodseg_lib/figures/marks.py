"""What pictures are marked with: legends, boxes, a letter on each cell beside its colour, and a
scale bar in micrometres.

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    RBC_DIAMETER_PX,
    RBC_DIAMETER_UM,
    labels_to_colours,
)
from bloodseg_lib.figures.charts import INK, class_colour

AT_40X_UM = RBC_DIAMETER_UM / RBC_DIAMETER_PX
"""Micrometres of a pixel of composed smears."""

_LENGTHS_UM = (2, 5, 10, 20, 50, 100, 200, 500)
_LEAST_RADIUS = 0.02  # of the picture's height; letters on smaller cells would cover them


def legend(
    figure: Figure, class_ids: Sequence[int], names: Mapping[int, str] | None = None
) -> None:
    """Colour, letter and name of some classes, beneath a figure."""
    names = names or {c.id: c.name for c in CLASSES}
    style: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.8}
    handles = []
    for i in class_ids:
        label = f"{CLASSES[i].letter}  {names[i]}" if i else names[i]
        handles.append(Patch(facecolor=class_colour(i), label=label, **style))
    if handles:
        place: dict[str, Any] = {"loc": "outside lower center", "ncols": min(5, len(handles))}
        figure.legend(handles=handles, fontsize=11, frameon=False, **place)


def label_map(axes: Axes, labels: np.ndarray) -> None:
    """A label map in the colours of its classes, with the letter of its class on each cell."""
    axes.imshow(labels_to_colours(labels))
    for c in CELL_CLASSES:
        _, numbers = cv2.connectedComponents((labels == c.id).astype(np.uint8))
        inside = cv2.distanceTransform(
            np.pad(numbers > 0, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
        )[1:-1, 1:-1]
        for number in np.unique(numbers[inside >= _LEAST_RADIUS * len(labels)]):
            y, x = np.unravel_index(np.where(numbers == number, inside, 0).argmax(), inside.shape)
            letter(axes, float(x), float(y), c.id)


def letter(axes: Axes, x: float, y: float, class_id: int, **style: Any) -> None:
    """The letter of a class at a pixel, legible on every colour."""
    outlined = [withStroke(linewidth=2, foreground="white")]
    how: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "clip_on": True}
    how |= {"color": INK, "path_effects": outlined} | style
    axes.text(x, y, CLASSES[class_id].letter, **how)


def box(axes: Axes, place: tuple[int, int, int, int], class_id: int) -> None:
    """A box in the class's colour upon a wider one, so that it shows everywhere: dark colours upon
    white, light ones, which pale cells would swallow, upon ink. Its letter is in the corner.
    """
    x, y, width, height = place
    light = np.dot(class_colour(class_id), (0.2126, 0.7152, 0.0722)) > 0.5
    for colour, line in ((INK if light else "white", 3.2), (class_colour(class_id), 1.8)):
        style: dict[str, Any] = {"fill": False, "edgecolor": colour, "linewidth": line}
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, **style))
    letter(axes, x + 1.5, y + 1.5, class_id, ha="left", va="top", fontsize=7)


def scale_bar(axes: Axes, image: np.ndarray, pixel_um: float | None = AT_40X_UM) -> None:
    """A bar of a round length, at most a quarter of the picture, in its lower left corner.

    Args:
        image: ``(H, W, 3)``, shown in the axes.
        pixel_um: micrometres of a pixel; None: not known, no bar.

    Examples:
        >>> axes = Figure().subplots()
        >>> scale_bar(axes, np.zeros((224, 224, 3), np.uint8))
        >>> axes.texts[0].get_text()
        '10 µm'
    """
    if pixel_um is None:
        return
    height, width = image.shape[:2]
    length_um = max((um for um in _LENGTHS_UM if um <= 0.25 * width * pixel_um), default=1)
    x, y = [0.03 * width, 0.03 * width + length_um / pixel_um], [0.96 * height] * 2
    under, around = (withStroke(linewidth=n, foreground="white") for n in (6, 3))
    axes.plot(x, y, color=INK, linewidth=3, path_effects=[under])
    place: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 9}
    axes.text(
        sum(x) / 2, 0.94 * height, f"{length_um} µm", color=INK, path_effects=[around], **place
    )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def present(maps: Iterable[np.ndarray]) -> list[int]:
    """The ids of the classes in some label maps."""
    return sorted({int(i) for labels in maps for i in np.unique(labels)})
