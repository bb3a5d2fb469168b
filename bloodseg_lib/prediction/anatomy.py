"""A white cell has a nucleus, a platelet has granules, and a red cell has neither: what a network
says against that is mended.

Nuclei and granules take up more stain than any red cell, in all stains of blood smears. In smears
of a laboratory that it was not shown, a network may take a nucleus for a part of a healthy red
cell, whose colour it has, a pale fold of the slide for a white cell, and pale red cells for
platelets. So a large dense part of what it calls red cells becomes a white cell, outlined as those
that a person marked; a white cell without a dense part becomes the next that it may be, and a
platelet as large as a red cell, and of its stain, a red cell. Which of the five classes a white
cell is, the second look says. ``docs/carries_over.md`` has what it brings.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bloodseg_lib.classes import (
    BACKGROUND,
    HEALTHY_RBC,
    PLATELET_IDS,
    RBC_DIAMETER_PX,
    RBC_IDS,
    WBC_IDS,
    Box,
)
from bloodseg_lib.optics import densities_of
from bloodseg_lib.prediction.cells import CountingConfig, Instance, find_instances
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.probabilities import as_fractions, changeable, put
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.samples.extraction.outline import outlined

DENSER, ANOTHER_HUE = 2.25, 10.0
"""A nucleus: its optical density in green, in medians of the red cells', and the angle in degrees
between its densities of red, green and blue and theirs. Red cells that overlap have up to 2.2.
"""
PALE, PALE_BESIDE = 1.3, 0.3
"""What the densest tenth of a white cell exceeds in red or green: the red cells' density, of which
the palest known ones have 1.7, and that of the picture's densest white cell, of which they have
0.37; fragments of slide that pass for white cells have 1.1 and 0.29.
"""

_DENSER, _ANOTHER_HUE = 1.6, 8.0  # of each of its pixels
_LARGE_PX, _AS_DENSE, _GRANULES = 600, (0.6, 1.5), 0.05
"""What is no platelet: area at 40x, density in green in medians of the red cells', and the fraction
of its pixels, up to which they may be like those of a nucleus.
"""
_BLACK = 0.85  # density of blue, of green's: dirt is black, and nuclei transmit blue
_LEAST_PX = 350  # area of a nucleus at 40x; dense parts of platelets and parasites are smaller
_RED_CELL_PX = 1100  # area of a red cell at 40x: a larger nucleus is no parasite in one
_TAKEN = 0.4  # of a nucleus, for red cells; and less than half for white ones
_RED_CELLS_PX = 1000.0  # area at 40x: fewer tell no stain
_STEP_PX = 2.0  # at 40x, between the pixels that are looked at
_BAND, _OVERLAP = 1024, 96  # rows of them at a time, and what is looked at above and below
_ENOUGH = 1e6  # of them for a median
_REACH = 3.2  # diameters of a red cell around a nucleus, that its outline needs
_LEAST_RED = 0.05  # density of red, of which red cells have none in some stains
_GREEN, _BLUE = 1, 2


def mend_cells(
    image: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    scale: Scale,
    preparation: Preprocessing,
    written: np.ndarray | None = None,
) -> None:
    """Make nuclei that were taken for red cells white cells, white cells without one something
    else, and platelets without granules that are as large as red cells such.

    Args:
        image: ``(H, W, 3) uint8`` RGB, corrected; may be memory-mapped.
        labels: ``(H, W) uint8``, changed.
        probabilities: ``(H, W, 10)``, ``float16`` 0..1 or ``uint8`` in 255ths, changed where labels
            are: white cells have all, as they shared before what they had.
        scale: of the image.
        preparation: that the network saw the image through.
        written: ``(H, W) bool``, where something is burnt into the image, which is no nucleus.
    """
    levels = preparation.levels
    red = red_stain(image, labels, scale, levels)
    step = _step(scale)
    seen = preparation.in_view(labels.shape[0], labels.shape[1], step)
    if written is not None:
        seen &= ~written[::step, ::step]
    with changeable(probabilities):
        for box, mask in without_nucleus(image, labels, scale, levels, red):
            part = as_fractions(probabilities[box.window][mask]).astype(np.float32)
            part[:, WBC_IDS] = 0
            part[:, BACKGROUND] += 1e-6  # which a pixel becomes that was of nothing else
            part /= part.sum(axis=1, keepdims=True)
            put(labels, probabilities, box.window, mask, part)
        if red is None:
            return
        for box, mask in without_granules(image, labels, scale, levels, red):
            part = as_fractions(probabilities[box.window][mask]).astype(np.float32)
            part[:, HEALTHY_RBC] += part[:, PLATELET_IDS].sum(axis=1)
            part[:, PLATELET_IDS] = 0
            put(labels, probabilities, box.window, mask, part)
        for box, mask in missed(image, labels, scale, levels, red, seen):
            part = as_fractions(probabilities[box.window][mask]).astype(np.float32)
            white = part[:, WBC_IDS].mean(axis=0) + 1e-3
            part[:] = 0
            part[:, WBC_IDS] = white / white.sum()
            put(labels, probabilities, box.window, mask, part, WBC_IDS[int(white.argmax())])


def red_stain(
    image: np.ndarray, labels: np.ndarray, scale: Scale, levels: np.ndarray
) -> np.ndarray | None:
    """The median optical density of red, green and blue of what is labelled as red cells, ``(3,)
    float32``; None: there is too little.
    """
    step = _step(scale) * max(1, round((labels.size / _step(scale) ** 2 / _ENOUGH) ** 0.5))
    red_cells = np.isin(labels[::step, ::step], RBC_IDS)
    if np.count_nonzero(red_cells) * (step * scale.factor) ** 2 < _RED_CELLS_PX:
        return None
    return np.median(densities_of(np.asarray(image[::step, ::step])[red_cells], levels), axis=0)


def without_nucleus(
    image: np.ndarray,
    labels: np.ndarray,
    scale: Scale,
    levels: np.ndarray,
    red: np.ndarray | None,
) -> list[Instance]:
    """The white cells that are nowhere much denser than red cells, whose stain is ``red`` if that
    is known, or far paler than another white cell.
    """
    cells = find_instances(labels, WBC_IDS, scale, CountingConfig())
    dense = np.array(
        [
            np.quantile(densities_of(np.asarray(image[box.window])[mask], levels), 0.9, axis=0)
            for box, mask in cells
        ]
    ).reshape(-1, 3)[:, :_BLUE]
    least = PALE_BESIDE * dense.max(axis=0, initial=0)
    pale = (dense < least).all(axis=1)
    if red is not None:
        pale |= (dense < PALE * np.maximum(red, _LEAST_RED)[:_BLUE]).all(axis=1)
    return [cell for cell, is_pale in zip(cells, pale, strict=True) if is_pale]


def without_granules(
    image: np.ndarray, labels: np.ndarray, scale: Scale, levels: np.ndarray, red: np.ndarray
) -> list[Instance]:
    """The platelets as large as red cells that are stained as these are, ``red``."""
    red_cells = []
    for box, mask in find_instances(labels, PLATELET_IDS, scale, CountingConfig()):
        if np.count_nonzero(mask) * scale.factor**2 < _LARGE_PX:
            continue
        density = densities_of(np.asarray(image[box.window])[mask], levels)
        granular = _is_nuclear(density, red, _DENSER, _ANOTHER_HUE).mean()
        least, most = (times * red[_GREEN] for times in _AS_DENSE)
        if granular < _GRANULES and least < np.median(density[:, _GREEN]) < most:
            red_cells.append(Instance(box, mask))
    return red_cells


def missed(
    image: np.ndarray,
    labels: np.ndarray,
    scale: Scale,
    levels: np.ndarray,
    red: np.ndarray,
    seen: np.ndarray,
) -> list[Instance]:
    """The white cells whose nucleus is labelled as a red cell, or as a part of one, where something
    is to be seen, bool, see :meth:`Preprocessing.in_view`. A small one in an infected cell is left:
    its parasite.
    """
    step, cells = _step(scale), []
    for top in range(0, len(seen), _BAND):  # memory grows with the image's width
        first = max(0, top - _OVERLAP)
        rows = slice(first, top + _BAND + _OVERLAP)
        pixels = slice(rows.start * step, rows.stop * step, step)
        density = densities_of(np.ascontiguousarray(image[pixels, ::step]), levels)
        for box, mask in _nuclei(density, labels[pixels, ::step], red, seen[rows], scale):
            if top <= first + box.y < top + _BAND:
                place = Box(box.x * step, (first + box.y) * step, *(step * n for n in box[2:]))
                nucleus = Instance(place, mask.repeat(step, 0).repeat(step, 1))
                cells.append(_around(image, nucleus, levels, RBC_DIAMETER_PX / scale.factor))
    return cells


def _nuclei(
    density: np.ndarray, labels: np.ndarray, red: np.ndarray, seen: np.ndarray, scale: Scale
) -> Iterator[Instance]:
    """Nuclei that are labelled as red cells, among pixels :func:`_step` apart."""
    area = (_step(scale) * scale.factor) ** 2  # at 40x, of a pixel
    density = cv2.GaussianBlur(density, (0, 0), 1 / area**0.5)
    nuclear = (_is_nuclear(density, red, _DENSER, _ANOTHER_HUE) & seen).astype(np.uint8)
    nuclear = cv2.morphologyEx(nuclear, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, found, _ = cv2.connectedComponentsWithStats(nuclear)
    for part in range(1, count):
        size = found[part, cv2.CC_STAT_AREA] * area
        if size < _LEAST_PX:
            continue
        box = Box(*(int(value) for value in found[part, :4]))
        mask = parts[box.window] == part
        as_what = labels[box.window][mask]
        of_red = np.isin(as_what, RBC_IDS if size > _RED_CELL_PX else (HEALTHY_RBC,))
        if of_red.mean() >= _TAKEN and np.isin(as_what, WBC_IDS).mean() < 0.5:
            stain = np.median(density[box.window][mask], axis=0)
            if _is_nuclear(stain, red, DENSER, ANOTHER_HUE):
                yield Instance(box, mask)


def _is_nuclear(
    density: np.ndarray, red: np.ndarray, denser: float, another_hue: float
) -> np.ndarray:
    """Of densities ``(..., 3)``, beside those of the red cells ``(3,)``."""
    lengths = np.maximum(np.linalg.norm(density, axis=-1) * np.linalg.norm(red), 1e-6)
    alike = density @ red / lengths
    dense = density[..., _GREEN] > denser * red[_GREEN]
    coloured = density[..., _BLUE] < _BLACK * density[..., _GREEN]
    return dense & coloured & (alike < np.cos(np.radians(another_hue)))


def _around(image: np.ndarray, nucleus: Instance, levels: np.ndarray, diameter: float) -> Instance:
    """The cell around a nucleus, whose box may reach a little beyond the image."""
    inside = nucleus.box.cut(image.shape)
    near = inside.cut(image.shape, round(_REACH * diameter))
    core = np.zeros((near.height, near.width), bool)
    place = np.s_[inside.y - near.y : inside.bottom - near.y, inside.x - near.x :]
    core[place][:, : inside.width] = nucleus.mask[: inside.height, : inside.width]
    greys = np.asarray(image[near.window])
    seen = np.stack([levels[:, channel][greys[..., channel]] for channel in range(3)], axis=2)
    cell = outlined(seen, densities_of(greys, levels), core, diameter)
    box = Box.of_mask(cell)
    return Instance(Box(near.x + box.x, near.y + box.y, *box[2:]), cell[box.window])


def _step(scale: Scale) -> int:
    return max(1, round(_STEP_PX / scale.factor))
