"""What the panel shows of a session: the image, its cells as a map, a cell close up, a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from bloodseg_lib.classes import Box
from bloodseg_lib.figures.images import comparison_figure
from bloodseg_lib.figures.overlays import heat
from bloodseg_lib.io import png_bytes, resized
from bloodseg_lib.panel.corrections import ListedCell
from bloodseg_lib.panel.html import cell_details, cell_words, css_colour
from bloodseg_lib.panel.images import close_up
from bloodseg_lib.panel.result import NO_IMAGE, NOT_YET
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.prediction.counts import NOTICE
from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.probabilities import class_picture

TILES = 48
"""Close-ups on a page of the gallery."""


def details(session: PanelSession, cell: ListedCell) -> str:
    """The class, probabilities, size and close-up of a cell, as HTML.

    Raises:
        ValueError: nothing was segmented yet.
    """
    if session.segmentation is None or session.image is None:
        raise ValueError(NOT_YET)
    window = close_up(session.image, cell.found.box)
    return cell_details(cell, session.segmentation.scale.factor, window)


def marks(session: PanelSession) -> list[dict[str, Any]]:
    """The cells for the picture."""
    return [
        {
            "number": cell.number,
            "box": list(cell.found.box),
            "centre": list(cell.found.centroid),
            "class": -1 if cell.class_id is None else cell.class_id,
            "words": cell_words(cell),
            "mark": cell.mark,
        }
        for cell in session.cells()
    ]


def image_part(session: PanelSession, window: Box, size: tuple[int, int]) -> np.ndarray:
    """A part of the image at a width and height, ``uint8`` RGB.

    Raises:
        ValueError: there is no image.
    """
    if session.image is None:
        raise ValueError(NO_IMAGE)
    return resized(session.image[window.window], size)


def cell_map(session: PanelSession, window: Box, size: tuple[int, int]) -> np.ndarray:
    """Which cell and which class each pixel of a part of the image has, ``(h, w, 3) uint8``: the
    number of the cell as its two low bytes, 0 for none, then the class of the label map in the four
    low bits of the third byte, beneath four more bits of the number. Pixels are dropped or
    repeated, never mixed.
    """
    width, height = size
    ys = window.y + ((np.arange(height) + 0.5) * window.height / height).astype(int)
    xs = window.x + ((np.arange(width) + 0.5) * window.width / width).astype(int)
    made = np.zeros((height, width, 3), np.uint8)
    if session.segmentation is None:
        return made
    made[..., 2] = session.segmentation.labels[np.ix_(ys, xs)]
    for number, cell, *_ in session.cells():
        box, mask = cell.box, cell.mask
        assert mask is not None
        top, bottom = np.searchsorted(ys, (box.y, box.bottom))
        left, right = np.searchsorted(xs, (box.x, box.right))
        if top < bottom and left < right:
            inside = mask[np.ix_(ys[top:bottom] - box.y, xs[left:right] - box.x)]
            part = made[top:bottom, left:right]
            part[inside, :2] = number % 256, number // 256 % 256
            part[inside, 2] |= number // 65536 << 4
    return made


def tiles(cells: Sequence[ListedCell]) -> list[dict[str, Any]]:
    """Cells for the gallery."""
    return [
        {
            "number": cell.number,
            "words": cell_words(cell),
            "colour": css_colour(cell.class_id or 0),
            "mark": cell.mark or ("uncertain" if cell.uncertain else ""),
        }
        for cell in cells
    ]


def sheet(session: PanelSession, cells: Sequence[ListedCell], columns: int, side_px: int) -> bytes:
    """The close-ups of cells in rows of ``columns``, as a PNG; empty without cells."""
    if not cells or session.image is None:
        return b""
    rows = -(-len(cells) // columns)
    made = np.full((rows * side_px, columns * side_px, 3), 128, np.uint8)
    for i, cell in enumerate(cells):
        y, x = i // columns * side_px, i % columns * side_px
        part = close_up(session.image, cell.found.box, side_px, boxed=False)
        made[y : y + side_px, x : x + side_px] = part
    return png_bytes(made)


def heat_map(session: PanelSession, size: tuple[int, int], class_id: int) -> np.ndarray:
    """The image at a width and height, ``uint8`` RGB, under the heat map of a class's probability
    where it has been segmented.

    Raises:
        ValueError: there is no image, or the probabilities were not kept.
    """
    if session.image is None:
        raise ValueError(NO_IMAGE)
    shown = resized(session.image, size)
    if session.segmentation is None:
        return shown
    known = session.segmentation.probabilities
    if not known.size:
        raise ValueError("The probabilities of this image were not kept. Press Segment again.")
    (width, height), (rows, columns) = size, known.shape[:2]
    small = class_picture(known, class_id, min(width, columns), min(height, rows))
    return heat(shown, cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))


def figure(session: PanelSession) -> Figure:
    """The result as a plain figure, for pages that run no widgets.

    Raises:
        ValueError: nothing was segmented yet.
    """
    if session.segmentation is None or session.image is None or session.counts is None:
        raise ValueError(NOT_YET)
    labels = session.segmentation.labels
    if session.result and session.result.found.label_map is not None:
        labels = session.result.found.label_map  # each cell in its one class
    pixel_um = PixelSize.of(session.segmentation.scale).um
    made = comparison_figure([(session.image, None, labels)], [session.name], pixel_um)
    words = f"{session.found_words()}. Parasitaemia {session.counts.parasitaemia()}. {NOTICE}"
    made.suptitle(words, fontsize=10)
    return made
