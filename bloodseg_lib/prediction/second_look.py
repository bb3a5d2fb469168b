"""A second look at each white cell: what it is, by another network that sees it alone.

Where a cell is, the first network says; which of the five classes it is, both say together. On
laboratories that neither was shown, this is right for three cells in four where the first network
alone is for five or six in ten (``docs/carries_over.md``).
Taught by ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

import numpy as np

from bloodseg_lib.classes import WBC_IDS
from bloodseg_lib.network.white_cells import SIDE_PX, WhiteCellNetwork, at_reference, reduced, seen
from bloodseg_lib.optics import GREY_DENSITIES, WHITE
from bloodseg_lib.prediction.cells import CountingConfig, Instance, find_instances
from bloodseg_lib.prediction.probabilities import as_fractions
from bloodseg_lib.prediction.scale import Scale

SHARE = 0.7
"""Weight of the second look: exponent of its probabilities; the first network's have the rest."""

_AT_ONCE = 32  # cells
_LEAST = 1e-4  # probability, so that neither network can rule a class out alone


def look_again(
    image: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    scale: Scale,
    levels: np.ndarray,
    network: WhiteCellNetwork,
) -> None:
    """Give all pixels of each white cell the probabilities of the five classes, and the class, that
    both networks find together; what is a white cell stays one.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped.
        labels: ``(H, W) uint8``; changed.
        probabilities: ``(H, W, 10)``, ``float16`` 0..1 or ``uint8`` in 255ths; changed.
        scale: of the image.
        levels: ``(256, 3) uint8``, the table of grey levels that the first network saw it through.
        network: the second.
    """
    cells = find_instances(labels, WBC_IDS, scale, CountingConfig())
    writeable, probabilities.flags.writeable = probabilities.flags.writeable, True
    for start in range(0, len(cells), _AT_ONCE):
        some = cells[start : start + _AT_ONCE]
        alone = np.stack([_alone(image, cell, scale.factor, levels) for cell in some])
        for (box, mask), second in zip(some, network.probabilities(alone), strict=True):
            part = probabilities[box.window]
            of_pixels = as_fractions(part[mask]).astype(np.float32)
            white = of_pixels[:, WBC_IDS]
            both = _together(white.mean(axis=0), second)
            of_pixels[:, WBC_IDS] = white.sum(axis=1, keepdims=True) * both
            if part.dtype == np.uint8:
                of_pixels = np.rint(of_pixels * 255)
            part[mask] = of_pixels
            labels[box.window][mask] = WBC_IDS[int(both.argmax())]
    probabilities.flags.writeable = writeable


def _together(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The weighted geometric mean of two distributions over the five classes."""
    first = (first / first.sum() + _LEAST) ** (1 - SHARE)
    both = first * (second + _LEAST) ** SHARE
    return both / both.sum()


def _alone(image: np.ndarray, cell: Instance, factor: float, levels: np.ndarray) -> np.ndarray:
    """One white cell as the second network sees it, ``(96, 96, 3) float32``."""
    box, mask = cell
    side = max(1, round(SIDE_PX / factor))
    top = box.y + box.height // 2 - side // 2
    left = box.x + box.width // 2 - side // 2
    rows = slice(max(0, top), min(image.shape[0], top + side))
    columns = slice(max(0, left), min(image.shape[1], left + side))
    grey = np.asarray(image[rows, columns])
    place = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    density = np.zeros((side, side, 3), np.float32)
    table = GREY_DENSITIES[levels] - GREY_DENSITIES[WHITE]
    for channel in range(3):
        density[(*place, channel)] = table[:, channel][grey[:, :, channel]]
    inside = np.zeros((side, side), np.float32)
    # the box and the square overlap, but neither need hold the other
    first_row, first_column = max(rows.start, box.y), max(columns.start, box.x)
    last_row, last_column = min(rows.stop, box.bottom), min(columns.stop, box.right)
    inside[first_row - top : last_row - top, first_column - left : last_column - left] = mask[
        first_row - box.y : last_row - box.y, first_column - box.x : last_column - box.x
    ]
    density, inside = reduced(density, inside)
    return seen(at_reference(density, inside), inside)
