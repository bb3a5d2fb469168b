"""Round things of an image that have no nucleus: the red cells that its scale is measured by."""

from __future__ import annotations

import cv2
import numpy as np
import skimage

from bloodseg_lib.optics import nuclear_density, optical_density
from bloodseg_lib.prediction.pallor import fill_pale_centres

_UNSEEN = 2  # in a mask: the black around a field, or beyond the image
_SOFT_PX, _SOFTEST = 4, 0.1  # how far its edge reaches inwards at least, and of the longer side
_LEAST_EDGE = 0.02  # of the image's edges that the black around a field covers; cells cover less
_ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)  # (72, 2): x, y


def round_things(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Round objects without a nucleus, ``(n, 2)``: diameter in pixels and visible fraction of the
    rim; and the foreground area in pixels.
    """
    soft = cv2.GaussianBlur(image, (0, 0), 1.0)
    green = _density(soft[:, :, 1])
    in_view = green < 1.5  # without the black around the field of an eyepiece
    if min(image.shape[:2]) < 8 or in_view.mean() < 0.1:
        return np.empty((0, 2)), 0.0
    # Clipped, so that the threshold separates background and cells, and not cells and nuclei.
    clipped = np.minimum(green, 0.5)[in_view]
    threshold = skimage.filters.threshold_otsu(clipped) if np.ptp(clipped) else 0.0
    if threshold < 0.03:  # nothing but noise
        return np.empty((0, 2)), 0.0
    stained = green > threshold
    outside = _outside(~in_view, stained)  # not yet: the slide within would be a pale centre
    stained &= ~outside
    mask = fill_pale_centres(stained.astype(np.uint8), 30, elongation=2.2)
    mask[outside] = 1  # cells that it cuts continue there
    # Haemoglobin lets red light pass, nuclei do not.
    red, cells = _density(soft[:, :, 0]), (mask == 1) & in_view
    limit = nuclear_density(red[cells], 0.75) if cells.any() else np.inf
    nucleus = (red > limit).astype(np.float32)
    # The cells are continued beyond the border; else one that is cut would look like a small one.
    beyond = max(mask.shape) // 4
    continued = cv2.copyMakeBorder(mask, beyond, beyond, beyond, beyond, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(continued, cv2.DIST_L2, 5)[
        beyond : beyond + mask.shape[0], beyond : beyond + mask.shape[1]
    ]
    depth = cv2.GaussianBlur(depth, (0, 0), 1.0)
    peaks = skimage.feature.peak_local_max(
        depth, min_distance=3, threshold_abs=3.5, exclude_border=False
    )
    peaks = peaks[~outside[peaks[:, 0], peaks[:, 1]]]
    peaks = peaks[np.argsort(-depth[peaks[:, 0], peaks[:, 1]], kind="stable")]
    mask[outside] = _UNSEEN
    taken = np.empty((0, 3))
    found = []
    for y, x in peaks:
        radius = depth[y, x] + 0.5
        if (
            (taken[:, 0] - y) ** 2 + (taken[:, 1] - x) ** 2
            < (0.8 * np.maximum(taken[:, 2], radius)) ** 2
        ).any():
            continue
        taken = np.append(taken, [[y, x, radius]], axis=0)
        rays = _rays(mask, y, x, radius)
        if len(rays) < len(_DIRECTIONS) / 2:
            continue
        mean = np.sqrt(np.mean(rays**2))
        if rays.std() < 0.13 * mean and _mean_in_disc(nucleus, y, x, radius) < 0.2:
            found.append((2 * mean, len(rays) / len(_DIRECTIONS)))
    return np.array(found).reshape(-1, 2), float(((mask == 1) & in_view).sum())


def _outside(black: np.ndarray, stained: np.ndarray) -> np.ndarray:
    """Of what is black, ``(H, W) bool``, what lies around the field, with its soft edge: as far as
    all the way around is ``stained`` more than the field is, or nearly.
    """
    _, numbers = cv2.connectedComponents(black.astype(np.uint8))
    edges = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    often = np.bincount(edges, minlength=numbers.max() + 1) >= _LEAST_EDGE * len(edges)
    often[0] = False
    around = often[numbers]
    if not around.any():
        return around
    away = cv2.distanceTransform((~around).astype(np.uint8), cv2.DIST_L2, 5).astype(np.int32)
    softest = max(_SOFT_PX, int(_SOFTEST * max(black.shape)))
    rings = np.minimum(away, softest)  # all that is farther is the last
    share = np.bincount(rings[stained], minlength=softest + 1) / np.maximum(
        1, np.bincount(rings.ravel(), minlength=softest + 1)
    )
    field = np.flatnonzero(share[_SOFT_PX:] <= (1 + share[-1]) / 2)
    return np.asarray(away < _SOFT_PX + (int(field[0]) if len(field) else 0))


def _density(channel: np.ndarray) -> np.ndarray:
    """Optical density against the background, the 95th percentile of the channel."""
    background = np.float32(max(1.0, float(np.percentile(channel, 95))))
    return np.maximum(0, optical_density(channel.astype(np.float32) / background))


def _rays(mask: np.ndarray, y: int, x: int, radius: float) -> np.ndarray:
    """Distances from a point to the rim, of the directions that reach background within 1.4
    radii.
    """
    steps = np.arange(0.6 * radius, 1.4 * radius + 0.5, 0.5)
    columns = np.rint(x + steps[:, None] * _DIRECTIONS[:, 0]).astype(int)
    rows = np.rint(y + steps[:, None] * _DIRECTIONS[:, 1]).astype(int)
    height, width = mask.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    # (steps, directions): 1 cell, 0 background, or not seen
    seen = np.where(inside, mask[rows.clip(0, height - 1), columns.clip(0, width - 1)], _UNSEEN)
    left = seen != 1
    first = left.argmax(axis=0)
    met = left.any(axis=0) & (np.take_along_axis(seen, first[None], axis=0)[0] == 0)
    return steps[first[met]]


def _mean_in_disc(values: np.ndarray, y: int, x: int, radius: float) -> float:
    reach = int(radius)
    top, left = max(0, y - reach), max(0, x - reach)
    window = values[top : y + reach + 1, left : x + reach + 1]
    rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
    return float(window[(rows + top - y) ** 2 + (columns + left - x) ** 2 < radius**2].mean())
