"""Parts of a picture that are in it twice: tiled or mirrored halves and thirds, and what a program
that joins several pictures of a slide leaves double where it takes their overlap for too small.

Cells that are there twice count twice, and the intervals become too narrow. A part that is moved
and added to its picture shows as a peak of the picture's correlation with itself; whether it is a
copy, its details tell. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from bloodseg_lib.prediction.finding import Finding

COPIES = 0.985
"""Correlation of the halves or thirds of a picture: 0.84 at most in fields, and 0.984 in single
cells, which are not asked, of 469 pictures of ten folders; 0.997 at least where they are copies of
each other, saved as a JPEG of quality 50.
"""
TWICE = 0.93
"""Correlation of details in a part and in its copy: about 0.98 where that is a second photograph
of the same cells, and 1 where it is the same. No field of 747 of four databases has such a part:
0.76 at most.
"""
LEAST_TWICE = 0.06
"""Fraction of a picture; less of it changes no figure."""

_PART_PX = 96  # side to which a part is reduced; less than a cell is left of a usual field
_FINE_PX = 1024  # longest side at which details are compared
_COARSE_PX = 200  # side of a square of as many pixels as copies are searched in, at most
_CELL_PX = 14.0  # width of a red cell there, at most
_FLAT_PX = 17  # a square of one level is a margin; of a photograph a JPEG's blocks may be one
_SLIDE = 0.75  # quantile of brightness
_LEAST_SHIFT_PX = 12  # coarse
_SHIFTS, _LEAST_PEAK = 6, 0.04  # that are looked at; their correlation, of the whole plane
_SMOOTH, _WIDE = 0.8, 5.0  # standard deviations of what is left out, in coarse pixels
_DETAIL_PX = 17  # coarse: of more than one cell, for two cells are often alike
_MAYBE = 0.7  # correlation at the coarse size, at which a shift is no whole number
_TEXTURED = 0.3  # of the variance of the whole
_FIRM = 0.2  # of the slopes across a detail, those along it at least: an edge is like any other
_APART_PX = 10  # coarse, from detail to detail
_DETAILS, _FEWEST_DETAILS = 10, 4
_TOGETHER, _TOGETHER_PX = 0.7, 1.5  # of the details at least are moved alike, in fine pixels


def of_copies(image: np.ndarray, rbc_px: float) -> Iterator[Finding]:
    """A finding, if parts of a picture, ``(H, W, 3) uint8`` RGB as it came, whose red cells are
    ``rbc_px`` wide, are copies of each other.
    """
    plane = _plane(image)
    cell_px = rbc_px * max(plane.shape) / max(image.shape[:2])
    if (alike := likeness_of_parts(plane)) > COPIES:
        words = (
            "Parts of the picture are copies of each other: its cells count several times, and "
            "the intervals are too narrow."
        )
        yield Finding("copies", "warning", alike, words)
    elif (
        (part := repeated_part(plane, cell_px))
        and part.fraction >= LEAST_TWICE
        and part.alike > TWICE
    ):
        words = (
            f"About {part.fraction:.0%} of the picture is in it a second time, as where pictures "
            "were joined wrongly: its cells count twice, and the intervals are too narrow."
        )
        yield Finding("copies", "warning", part.alike, words)


def _plane(image: np.ndarray) -> np.ndarray:
    """The green of a picture, ``(h, w) uint8``, every so many pixels of a large one. Margins and
    gutters, which are alike in any two figures, become as bright as the slide.
    """
    step = -(-max(image.shape[:2]) // _FINE_PX)
    plane = np.array(image[::step, ::step, 1], order="C")
    square = np.ones((_FLAT_PX, _FLAT_PX), np.uint8)
    flat = cv2.erode(plane, square) == cv2.dilate(plane, square)
    flat = cv2.dilate(flat.astype(np.uint8), square) > 0
    others = plane[::4, ::4][~flat[::4, ::4]]
    if len(others) and flat.any():
        plane[flat] = np.quantile(others, _SLIDE)
    return plane


def likeness_of_parts(plane: np.ndarray) -> float:
    """How alike the halves or thirds of a picture's green, ``(H, W) uint8``, are, left to right or
    top to bottom, as they are or mirrored: the greatest correlation of neighbours' pixels, -1..1;
    1: copies.
    """
    found = []
    for turned in (plane, plane.T):
        first, second = _parts(turned, 2)
        thirds = _parts(turned, 3)
        found.append(_correlation(first, second))
        found.append(_correlation(first, second[:, ::-1]))
        found.append(min(_correlation(thirds[0], other) for other in thirds[1:]))
    return max(found)


def _parts(plane: np.ndarray, count: int) -> list[np.ndarray]:
    """So many parts of a plane, side by side, each reduced to a square."""
    width = plane.shape[1] // count
    if not width:
        return [np.zeros((1, 1), np.float32)] * count
    size = (_PART_PX, _PART_PX)
    return [
        cv2.resize(
            np.ascontiguousarray(plane[:, i * width : (i + 1) * width]),
            size,
            interpolation=cv2.INTER_AREA,
        ).astype(np.float32)
        for i in range(count)
    ]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Of two planes, by Pearson; 0 where one is even."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / size if size else 0.0


class Repeat(NamedTuple):
    """A part of a picture that is in it a second time.

    Attributes:
        fraction: of the picture.
        alike: correlation of its details with those of the copy, that four in five exceed.
    """

    fraction: float
    alike: float


def repeated_part(plane: np.ndarray, cell_px: float) -> Repeat | None:
    """The largest part of a picture's green, ``(H, W) uint8``, that is in it again, not turned, at
    another place; a red cell is ``cell_px`` wide.
    """
    ratio = max(1.0, plane.size**0.5 / _COARSE_PX, cell_px / _CELL_PX)
    size = [max(1, round(side / ratio)) for side in plane.shape[::-1]]
    coarse = cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    if min(coarse.shape) < 3 * _DETAIL_PX or not np.ptp(coarse):
        return None
    smooth = cv2.GaussianBlur(coarse, (0, 0), _SMOOTH)
    detail = smooth - cv2.GaussianBlur(coarse, (0, 0), _WIDE)
    limit = 3 * float(detail.std())
    detail = np.clip(detail, -limit, limit)
    found = (_repeat(plane, detail, shift, ratio) for shift in _shifts(detail))
    return max((repeat for repeat in found if repeat), default=None)


def _shifts(detail: np.ndarray) -> list[tuple[int, int]]:
    """The shifts, down and across, at which a plane is most like itself."""
    height, width = detail.shape
    rows, columns = (cv2.getOptimalDFTSize(2 * side) for side in detail.shape)
    padded = np.zeros((rows, columns), np.float32)
    padded[:height, :width] = detail - detail.mean()
    spectrum = cv2.dft(padded)
    power = cv2.mulSpectrums(spectrum, spectrum, 0, conjB=True)
    alike = cv2.idft(power, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
    alike = np.roll(alike, width, axis=1)[:height, : 2 * width]
    down, across = np.arange(height)[:, None], np.arange(2 * width)[None] - width
    overlap = (height - down) * np.maximum(width - np.abs(across), 0)
    meant = np.maximum(down, np.abs(across)) >= _LEAST_SHIFT_PX
    meant &= overlap >= LEAST_TWICE * detail.size
    meant &= (down > 0) | (across > 0)
    score = np.where(meant, alike, 0)
    found = []
    for _ in range(_SHIFTS):
        i, j = np.unravel_index(int(score.argmax()), score.shape)
        if score[i, j] < _LEAST_PEAK * alike[0, width]:
            break
        found.append((int(i), int(j) - width))
        score[max(0, i - 2) : i + 3, max(0, j - 2) : j + 3] = 0
    return found


def _repeat(
    plane: np.ndarray, detail: np.ndarray, shift: tuple[int, int], ratio: float
) -> Repeat | None:
    """The part of a plane that is a copy at a shift in coarse pixels; None: hardly any."""
    (height, width), (down, across) = detail.shape, shift
    left, right = max(0, -across), max(0, across)  # the parts that then lie on each other
    first = np.ascontiguousarray(detail[: height - down, left : width - right])
    second = np.ascontiguousarray(detail[down:, right : width - left])
    alike = _local_correlation(first, second, _TEXTURED * float(detail.var()))
    slopes = cv2.cornerEigenValsAndVecs(first, _DETAIL_PX, 3)
    alike[slopes[:, :, 1] < _FIRM * slopes[:, :, 0]] = 0
    likely = (alike > _MAYBE).astype(np.uint8)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(likely)
    if len(stats) < 2:
        return None
    largest = numbers == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    square = np.ones((_DETAIL_PX, _DETAIL_PX), np.uint8)
    fraction = cv2.countNonZero(cv2.dilate(largest.astype(np.uint8), square)) / detail.size
    if fraction < LEAST_TWICE:
        return None
    # from its inside outwards, for the details that are most alike tell nothing of the others
    depth = cv2.distanceTransform(largest.astype(np.uint8), cv2.DIST_L2, 3)
    correlations = _of_details(plane, depth, shift, ratio)
    return Repeat(fraction, float(np.quantile(correlations, 0.2))) if len(correlations) else None


def _local_correlation(first: np.ndarray, second: np.ndarray, least: float) -> np.ndarray:
    """Of two planes around each pixel, ``(h, w) float32``; 0 where one varies less than least."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (_DETAIL_PX, _DETAIL_PX), borderType=cv2.BORDER_REFLECT)

    means = mean(first), mean(second)
    variances = [mean(p * p) - m * m for p, m in zip((first, second), means, strict=True)]
    size = np.sqrt(np.maximum(variances[0] * variances[1], 1e-6))
    textured = np.minimum(*variances) >= least
    return np.where(textured, (mean(first * second) - means[0] * means[1]) / size, 0)


def _of_details(
    plane: np.ndarray, depth: np.ndarray, shift: tuple[int, int], ratio: float
) -> np.ndarray:
    """Correlations of details of a part, the deepest first, with those of its copy, at the fine
    size, each moved by up to two coarse pixels; none where they are not moved alike.
    """
    half, reach = round(ratio * _DETAIL_PX / 2), round(2 * ratio)
    left = max(0, -shift[1])
    found = []
    for _ in range(_DETAILS):
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        if not depth[row, column]:
            break
        around = np.s_[
            max(0, row - _APART_PX) : row + _APART_PX + 1,
            max(0, column - _APART_PX) : column + _APART_PX + 1,
        ]
        depth[around] = 0
        y, x = round(row * ratio), round((column + left) * ratio)
        top, side = max(0, y - half), max(0, x - half)
        detail = plane[top : y + half, side : x + half]
        top, side = (
            place + round(moved * ratio) - reach
            for place, moved in zip((top, side), shift, strict=True)
        )
        begin = max(0, top), max(0, side)
        near = plane[
            begin[0] : top + len(detail) + 2 * reach,
            begin[1] : side + detail.shape[1] + 2 * reach,
        ]
        if min(np.subtract(near.shape, detail.shape)) < 0:
            continue
        scores = cv2.matchTemplate(near, detail, cv2.TM_CCOEFF_NORMED)
        best = np.unravel_index(int(scores.argmax()), scores.shape)
        found.append((float(scores[best]), begin[0] - top + best[0], begin[1] - side + best[1]))
    if len(found) < _FEWEST_DETAILS:
        return np.zeros(0)
    correlations, *places = np.array(found).T
    middle = [np.abs(place - np.median(place)) <= _TOGETHER_PX for place in places]
    together = np.logical_and(*middle)
    return correlations if together.mean() >= _TOGETHER else np.zeros(0)
