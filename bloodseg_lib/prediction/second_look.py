"""A second look at single cells: what they are, by networks that see each alone.

Where a cell is, the first network says; which of the five classes a white cell is, and whether a
red cell is infected, the first and one of the others say together. On laboratories that neither was
shown, this is right for four white cells in five where the first network alone is for two in three
(``docs/carries_over.md``).
Taught by ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, Box
from bloodseg_lib.network.cell_view import RED_CELLS, WHITE_CELLS, View, at_reference, resized, seen
from bloodseg_lib.network.single_cell import SingleCellNetwork
from bloodseg_lib.optics import densities_of
from bloodseg_lib.prediction.cells import CountingConfig, Instance, find_instances
from bloodseg_lib.prediction.probabilities import as_fractions, changeable, put
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.shape import hull

SHARES = {WHITE_CELLS.name: 0.8, RED_CELLS.name: 0.5}
"""Weight of the second look: in a mean of white cells' probabilities, an exponent of those of red
cells; the first network has the rest.
"""
CALIBRATED = {WHITE_CELLS.name: 1.4, RED_CELLS.name: 1.0}
"""Exponent of what both say together. Of white cells of laboratories that neither was shown the
mean alone is right more often than it is sure (``experiments/uncertain.py``).
"""
SURE = {HEALTHY_RBC: 0.98}
"""Cells that the first network gives a class with at least this probability are not looked at
again: most cells of most fields are healthy red ones.
"""
WEIGHED = {INFECTED_RBC: 1.6}
"""Factor of a class's odds: of the infected of MAMIC, shown to neither network, 72 % are called
infected so, and 0.45 % of the healthy cells of Chula; with even odds 66 % and 0.1 %.
"""
PHOTOGRAPH = 0.4
"""Scale of a picture, to 40x, below which there are many pixels to a red cell."""

_AT_ONCE = 32  # cells
_LEAST = 1e-4  # probability, so that neither network can rule a class out alone


def look_again(
    image: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    scale: Scale,
    levels: np.ndarray,
    networks: Sequence[SingleCellNetwork],
) -> None:
    """Give all pixels of each cell of a kind the probabilities of the kind's classes, and the
    class, that both networks find together; a cell stays one of its kind.

    Of the image, ``(H, W, 3) uint8`` RGB, which may be memory-mapped, and seen by the first network
    through ``levels``, ``(256, 3) uint8``, the labels, ``(H, W) uint8``, and the probabilities,
    ``(H, W, 10)``, ``float16`` 0..1 or ``uint8`` in 255ths, are changed.
    """
    with changeable(probabilities):
        for network in networks:
            view = network.view
            cells = [
                cell
                for cell in _cells(labels, scale, view)
                if not _sure(_of_pixels(probabilities, cell), view)
            ]
            for start in range(0, len(cells), _AT_ONCE):
                some = cells[start : start + _AT_ONCE]
                each = np.stack([alone(image, cell, scale.factor, levels, view) for cell in some])
                for cell, second in zip(some, network.probabilities(each), strict=True):
                    _decide(labels, probabilities, cell, second, view)


def _cells(labels: np.ndarray, scale: Scale, view: View) -> list[Instance]:
    """The cells of a view. Red ones of a photograph are separated at 40x, which takes a tenth of
    the time; in smaller pictures that would change what one in a hundred is taken for.
    """
    if view is not RED_CELLS or scale.factor >= PHOTOGRAPH:
        return find_instances(labels, view.class_ids, scale, CountingConfig())
    height, width = labels.shape
    size = [max(1, round(length * scale.factor)) for length in (width, height)]
    reduced = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    across, down = width / size[0], height / size[1]
    cells = []
    for box, mask in find_instances(reduced, view.class_ids, AT_40X, CountingConfig()):
        left, top = round(box.x * across), round(box.y * down)
        wide, high = round(box.right * across) - left, round(box.bottom * down) - top
        window = np.s_[top : top + high, left : left + wide]
        shown = cv2.resize(mask.astype(np.uint8), (wide, high), interpolation=cv2.INTER_NEAREST)
        inside = (shown > 0) & np.isin(labels[window], view.class_ids)
        if inside.any():
            cells.append(Instance(Box(left, top, wide, high), inside))
    return cells


def _of_pixels(probabilities: np.ndarray, cell: Instance) -> np.ndarray:
    """``(pixels, 10) float32``."""
    return as_fractions(probabilities[cell.box.window][cell.mask]).astype(np.float32)


def _first(of_pixels: np.ndarray, view: View) -> np.ndarray:
    """The first network's distribution over the classes of a view."""
    first = of_pixels[:, view.class_ids].mean(axis=0)
    return first / first.sum()


def _sure(of_pixels: np.ndarray, view: View) -> bool:
    first = _first(of_pixels, view)
    return float(first.max()) > SURE.get(view.class_ids[int(first.argmax())], 1)


def _decide(
    labels: np.ndarray, probabilities: np.ndarray, cell: Instance, second: np.ndarray, view: View
) -> None:
    """Write what both networks say together into the pixels of a cell."""
    of_pixels = _of_pixels(probabilities, cell)
    mean = mixed if view is WHITE_CELLS else together
    both = mean(_first(of_pixels, view), second, SHARES[view.name]) ** CALIBRATED[view.name]
    both = both * [WEIGHED.get(class_id, 1.0) for class_id in view.class_ids]
    both /= both.sum()
    of_kind = of_pixels[:, view.class_ids].sum(axis=1, keepdims=True)
    of_pixels[:, view.class_ids] = of_kind * both
    class_id = view.class_ids[int(both.argmax())]
    put(labels, probabilities, cell.box.window, cell.mask, of_pixels, class_id)


def mixed(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """The weighted mean of two distributions over the same classes: where one of two networks
    doubts, so do both, and of white cells of no class more are told than by the geometric mean.
    """
    return (1 - share) * first + share * second


def together(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """The weighted geometric mean of two distributions over the same classes."""
    both = (first + _LEAST) ** (1 - share) * (second + _LEAST) ** share
    return both / both.sum()


def alone(
    image: np.ndarray, cell: Instance, factor: float, levels: np.ndarray, view: View
) -> np.ndarray:
    """One cell as the second network sees it, ``(blurs, S, S, 3) float32``; see :func:`around`."""
    density, inside = around(image, cell, factor, levels, view)
    blurred = (cv2.GaussianBlur(density, (0, 0), px) if px else density for px in view.blurs_px)
    return np.stack([seen(at_reference(each, inside, view), inside) for each in blurred])


def around(
    image: np.ndarray, cell: Instance, factor: float, levels: np.ndarray, view: View
) -> tuple[np.ndarray, np.ndarray]:
    """The square around a cell at 40x, ``(S, S, 3) float32``, optical densities, and ``(S, S)
    float32``, the cell, as of :func:`look_again`.
    """
    box, mask = cell
    side = max(1, round(view.side_px / factor))
    top = box.y + box.height // 2 - side // 2
    left = box.x + box.width // 2 - side // 2
    rows = slice(max(0, top), min(image.shape[0], top + side))
    columns = slice(max(0, left), min(image.shape[1], left + side))
    place = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    density = np.zeros((side, side, 3), np.float32)
    density[place] = densities_of(np.asarray(image[rows, columns]), levels)
    inside = np.zeros((side, side), np.float32)
    # the box and the square overlap, but neither need hold the other
    first_row, first_column = max(rows.start, box.y), max(columns.start, box.x)
    last_row, last_column = min(rows.stop, box.bottom), min(columns.stop, box.right)
    inside[first_row - top : last_row - top, first_column - left : last_column - left] = (
        hull(mask) if view.convex else mask
    )[first_row - box.y : last_row - box.y, first_column - box.x : last_column - box.x]
    return resized(density, inside, view.side_px)
