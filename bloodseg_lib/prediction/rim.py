"""The outlines of white cells: what is as clear as the slide around them is no part of them.

A network outlines a white cell two or three pixels too wide where its edge is soft, and more so in
smears of a laboratory that it was not shown. At the rim of a cell its own density tells: where it
is less than a fraction of what the paler parts within have, there is slide. Cells are measured, cut
out and exported by these outlines. ``docs/carries_over.md`` has what it brings.
"""

from __future__ import annotations

import cv2
import numpy as np

from bloodseg_lib.classes import BACKGROUND, WBC_IDS
from bloodseg_lib.optics import densities_of
from bloodseg_lib.prediction.cells import CountingConfig, find_instances
from bloodseg_lib.prediction.probabilities import as_fractions, changeable, put
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.samples.extraction.masks import disc, largest

_RIM_PX, _SMOOTH_PX, _NOISE_PX = 4.0, 1.5, 0.7  # at 40x
_FRACTION = 0.4  # of the density that the palest of the inner pixels have, below which is slide
_PALEST = 0.15  # quantile; cytoplasm
_DENSITY = (0.05, 0.2)  # the least and the greatest that is asked for


def trim_white_cells(
    image: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    scale: Scale,
    levels: np.ndarray,
) -> None:
    """Make what is slide at the rims of white cells background.

    Args:
        image: ``(H, W, 3) uint8`` RGB, corrected; may be memory-mapped.
        labels: ``(H, W) uint8``, changed.
        probabilities: ``(H, W, 10)``, ``float16`` 0..1 or ``uint8`` in 255ths, changed where labels
            are: the background has what white cells had.
        scale: of the image.
        levels: ``(256, 3) uint8``, that the network saw the image through.
    """
    with changeable(probabilities):
        for cell in find_instances(labels, WBC_IDS, scale, CountingConfig()):
            greys = np.asarray(image[cell.box.window])
            slide = cell.mask & ~trimmed(densities_of(greys, levels), cell.mask, scale.factor)
            if slide.any():
                part = as_fractions(probabilities[cell.box.window][slide]).astype(np.float32)
                part[:, BACKGROUND] += part[:, WBC_IDS].sum(axis=1)
                part[:, WBC_IDS] = 0
                put(labels, probabilities, cell.box.window, slide, part, BACKGROUND)


def trimmed(density: np.ndarray, mask: np.ndarray, factor: float) -> np.ndarray:
    """A cell without the slide at its rim, ``(H, W) bool``.

    Args:
        density: ``(H, W, 3) float32``, optical densities.
        mask: ``(H, W) bool``, the cell.
        factor: that resamples them to 40x.
    """
    pad = max(1, round(_RIM_PX / factor))
    inner = cv2.erode(np.pad(mask, pad).astype(np.uint8), disc(pad))[pad:-pad, pad:-pad] > 0
    if not inner.any():
        return mask
    dense = cv2.GaussianBlur(density, (0, 0), max(0.3, _NOISE_PX / factor)).max(axis=2)
    least = np.clip(_FRACTION * np.quantile(dense[inner], _PALEST), *_DENSITY)
    cell = mask & (inner | (dense >= least))
    spur = disc(max(1, round(_SMOOTH_PX / factor)))
    opened = cv2.morphologyEx(np.pad(cell, pad).astype(np.uint8), cv2.MORPH_OPEN, spur)
    smooth = opened[pad:-pad, pad:-pad] > 0
    return mask & (inner | largest(smooth)) if smooth.any() else mask
