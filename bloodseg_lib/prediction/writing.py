"""Writing, scale bars, boxes and arrows that a program has burnt into a picture.

Hardly a stain is as black, and no stained cell as pure a colour, or of one colour that nothing else
in the picture comes near; a camera writes none of these. Where the light was low, the colours are
gone or the contrast was stretched, nuclei are black too: they are blobs, and writing is of strokes.
In a picture that was made smaller afterwards black is grey, but no cell has a thin line as straight
and long as a scale bar.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bloodseg_lib.classes import WBC_IDS
from bloodseg_lib.optics import WHITE, background_colour, channel_extremes
from bloodseg_lib.prediction.finding import EVERYTHING, Finding
from bloodseg_lib.prediction.shape import hull

MANY_LEFT_OUT, MOST_LEFT_OUT = 0.15, 0.5
"""Fractions of the cells that writing touches: a date or a scale bar touches one in ten at most."""

_BLACK = 40  # grey level of the brightest channel, on a white slide; nuclei are brighter in blue
_LONG, _ANGULAR = 6, 3  # times as large as the largest disc in it; a nucleus is up to 5
_SPOTS_PX = 9  # so far apart
_LIGHT, _RING_PX = 3.5, (2, 4)  # times as bright is what lies so far around a letter
_HOLLOW = 0.6  # of its convex hull that an angular thing fills at most, as an arrow does
_PURE = (12, 240)  # a channel below, another above: yellow, red, green and the like
_ALONE = 0.6  # of the pixels so near a colour, that are of exactly it; in 191 fields 0.19 at most
_NEAR, _OFF_THE_SLIDE = 12, 30  # grey levels; the colours of a poor JPEG's blocks are 10 apart
_OFTEN, _MOST_COLOURS, _PHOTOGRAPH = 1e-4, 128, 1024  # of the pixels; that are tried; that it has
_COUNTED_PX = 2**19
_LEVELS = 40  # of optical density 1
_DARK_BACKGROUND = 235  # of green; on a brighter one white is nothing special
_LEAST_STROKE_PX = 12
_LEAST_PX = 60  # of all strokes together; less is dirt
_MOST, _MOST_DRAWN = 0.05, 0.25  # of the picture; more is no writing on it, no boxes and rings
_DARKEST_BACKGROUND = 90  # as of a picture in transmitted light
_BORDER = 0.005  # of the sides: what lies there is the dark border of a video frame
_MARGIN = 0.03  # of the sides: dark specks there are what is left of such a border
_AROUND_PX = 3  # smoothed edges of the letters
_LINE_PX = 7  # a line is thinner
_LINE = 40  # grey levels that a line is darker than both sides of it, in its brightest channel
_BOX, _BOX_PX = 80, 1 / 75  # that of a box in any channel; it is thinner, of the picture's width
_LETTER = 20  # grey levels, for letters beside a line
_LENGTH = (24, 0.045)  # of a line at least: pixels, and fraction of the picture's width


def burnt_in(image: np.ndarray, outside: np.ndarray | None = None) -> np.ndarray | None:
    """Where writing, a bar or an arrow is burnt into ``(H, W, 3) uint8`` RGB: ``(H, W) bool``; None
    where there is nothing. It is not searched ``outside`` the field of view, ``(h, w) bool``, the
    picture reduced.
    """
    height, width = image.shape[:2]
    darkest, brightest = channel_extremes(image)
    background = background_colour(image)
    if background.max() < _DARKEST_BACKGROUND:
        return None
    certain = _boxes(darkest) | _strokes(_of_one_colour(image, background))
    certain |= _strokes(_of_no_stain(image, background))
    drawn = _scale_bar(brightest) | certain
    black = _BLACK * min(1, background.max() / WHITE)
    # nearly black, and closed, the spots in which a nucleus is black are a whole
    spots = np.ones((_SPOTS_PX, _SPOTS_PX), np.uint8)
    near_black = (brightest <= 2 * black).astype(np.uint8)
    whole = cv2.morphologyEx(near_black, cv2.MORPH_CLOSE, spots) > 0
    strict = brightest <= black
    drawn |= (_strokes(whole) & strict) | _strokes(strict, brightest, _LIGHT * black)
    drawn |= _strokes((darkest <= _PURE[0]) & (brightest >= _PURE[1]))
    if background[1] < _DARK_BACKGROUND:
        drawn |= _strokes(darkest == 255)
    if outside is not None:
        size = (width, height)
        drawn &= cv2.resize(outside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) == 0
    across, down = 1 + int(_BORDER * width), 1 + int(_BORDER * height)
    drawn[:down], drawn[-down:], drawn[:, :across], drawn[:, -across:] = (False,) * 4
    if not drawn.any():
        return None
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(drawn.astype(np.uint8))
    inner = _inner(stats[1:], height, width)
    strokes = 1 + np.flatnonzero(inner & (stats[1:, cv2.CC_STAT_AREA] >= _LEAST_STROKE_PX))
    area = stats[strokes, cv2.CC_STAT_AREA].sum()
    most = _MOST_DRAWN if 2 * np.count_nonzero(certain & drawn) > area else _MOST
    if not _LEAST_PX <= area <= most * drawn.size:
        return None
    kept = np.zeros(len(stats), np.uint8)
    kept[strokes] = 1
    square = np.ones((2 * _AROUND_PX + 1,) * 2)
    return cv2.dilate(kept[numbers], square) > 0


def _strokes(
    drawn: np.ndarray, brightest: np.ndarray | None = None, least: float = 0
) -> np.ndarray:
    """Of what is drawn, ``(H, W) bool``, black or of a pure colour, the lines, letters and arrows
    and what is beside them: neither nuclei nor parasites nor the light centres of red cells. Where
    the ``brightest`` channel is given, ``(H, W) uint8``, three quarters of what is around a line or
    letter have this ``least`` grey level.
    """
    if drawn.all() or not drawn.any():
        return np.zeros_like(drawn)
    pixels = drawn.astype(np.uint8)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(pixels)
    to_edge = cv2.distanceTransform(pixels, cv2.DIST_L2, cv2.DIST_MASK_5)
    radius = np.zeros(count, np.float32)
    np.maximum.at(radius, numbers[drawn], to_edge[drawn])
    area = stats[:, cv2.CC_STAT_AREA]
    discs = area / (np.pi * np.maximum(radius - 0.5, 0.5) ** 2)
    strokes = discs >= _LONG
    for i in np.flatnonzero((discs >= _ANGULAR) & ~strokes):
        left, top, wide, high, _ = stats[i]
        inside = numbers[top : top + high, left : left + wide] == i
        strokes[i] = inside.sum() <= _HOLLOW * hull(inside).sum()
    strokes &= area >= _LEAST_STROKE_PX
    strokes[0] = False  # what is not drawn
    if brightest is not None:
        for i in np.flatnonzero(strokes):
            left, top, wide, high, _ = stats[i]
            around = np.s_[
                max(0, top - _RING_PX[1]) : top + high + _RING_PX[1],
                max(0, left - _RING_PX[1]) : left + wide + _RING_PX[1],
            ]
            inside = (numbers[around] == i).astype(np.uint8)
            within, to = (cv2.dilate(inside, np.ones((2 * px + 1,) * 2)) for px in _RING_PX)
            ring = brightest[around][(to > 0) & (within == 0)]
            strokes[i] = ring.size > 0 and np.quantile(ring, 0.25) >= least
    if not strokes.any():
        return strokes[numbers]
    reach = max(_LENGTH[0], int(_LENGTH[1] * drawn.shape[1])) // 2 * 2 + 1
    near = cv2.dilate(strokes[numbers].astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    kept = np.zeros(count, bool)
    kept[numbers[near & drawn]] = True
    return kept[numbers]


def _inner(stats: np.ndarray, height: int, width: int) -> np.ndarray:
    """Of connected components, those that reach beyond the margin of the picture, ``(N,) bool``."""
    left, top, wide, high, _ = stats.T
    aside = (left + wide <= _MARGIN * width) | (left >= (1 - _MARGIN) * width)
    return ~(aside | (top + high <= _MARGIN * height) | (top >= (1 - _MARGIN) * height))


def _scale_bar(brightest: np.ndarray) -> np.ndarray:
    """Thin and straight dark lines, level or upright, and the letters beside them, ``(H, W) bool``.

    Of 60 fields of Chula it finds them in the 46 that have a scale bar, and in none of 314 of other
    databases.
    """
    length = max(_LENGTH[0], int(_LENGTH[1] * brightest.shape[1]))
    lines = _level_lines(brightest, length) | _level_lines(brightest.T, length).T
    # the border of a video frame is such a line, and cells beside it are no letters
    for side in (lines, lines[::-1], lines.T, lines.T[::-1]):
        side[:_LINE_PX] = False
    if not lines.any():
        return lines
    beside = cv2.dilate(lines.astype(np.uint8), np.ones((length, length), np.uint8)) > 0
    square = np.ones((_LINE_PX, _LINE_PX), np.uint8)
    darker = cv2.morphologyEx(brightest, cv2.MORPH_BLACKHAT, square)
    return lines | (beside & (darker > _LETTER))


def _boxes(darkest: np.ndarray) -> np.ndarray:
    """Thin and straight lines, level or upright, that are dark in any channel, ``(H, W) bool``: the
    boxes around cells that programs draw. Of 191 fields it finds one, which has a scale bar.
    """
    width = darkest.shape[1]
    lines = max(_LENGTH[0], int(_LENGTH[1] * width)), _BOX, max(_LINE_PX, int(_BOX_PX * width) | 1)
    return _level_lines(darkest, *lines) | _level_lines(darkest.T, *lines).T


def _of_one_colour(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Pixels of ``(H, W, 3) uint8`` RGB of exactly a colour, other than the background's, that is
    frequent and has no others near it, ``(H, W) bool``; none in a picture of few colours.
    """
    drawn = np.zeros(image.shape[:2], bool)
    counted = image[:: -(-drawn.size // _COUNTED_PX)].astype(np.int32) @ np.array([65536, 256, 1])
    values, times = np.unique(counted, return_counts=True)
    if len(values) < _PHOTOGRAPH:
        return drawn
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)
    often = (times >= _OFTEN * counted.size) & (times >= _LEAST_STROKE_PX)
    often &= (np.abs(colours - background) > _OFF_THE_SLIDE).any(axis=1)
    often &= colours.max(axis=1) > _BLACK  # which is also what lies around a field
    tried = np.flatnonzero(often)
    for i in tried[np.argsort(-times[tried])][:_MOST_COLOURS]:
        reds = slice(*np.searchsorted(colours[:, 0], colours[i, 0] + np.array([-_NEAR, _NEAR + 1])))
        near = (np.abs(colours[reds] - colours[i]) <= _NEAR).all(axis=1)
        if times[i] >= _ALONE * times[reds][near].sum():
            drawn |= cv2.inRange(image, colours[i], colours[i]) > 0
    return drawn


def _of_no_stain(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Pixels of ``(H, W, 3) uint8`` RGB of a colour that no stain has, ``(H, W) bool``: green,
    yellow or orange, or a red or blue so dense and so pure. A JPEG keeps them such. Of 924 fields
    of seven databases two have 60 pixels of strokes of them, at rims with fringes of colour.
    """
    if background.min() < _DARKEST_BACKGROUND:  # in coloured light
        return np.zeros(image.shape[:2], bool)
    light = np.clip(np.arange(256)[:, None] / background, 1 / 256, 1)
    tables = np.rint(-_LEVELS * np.log(light)).astype(np.uint8)
    red, green, blue = (
        cv2.LUT(plane, table) for plane, table in zip(cv2.split(image), tables.T, strict=True)
    )

    def of(density: np.ndarray, part: float) -> np.ndarray:
        return cv2.convertScaleAbs(density, alpha=part)

    yellow = (blue >= 0.6 * _LEVELS) & (green < of(blue, 0.5))
    pure_red = (green >= 1.1 * _LEVELS) & (red < of(green, 0.25)) & (blue >= of(green, 0.7))
    pure_blue = (red >= 0.9 * _LEVELS) & (blue < of(red, 0.15)) & (green >= of(red, 0.65))
    return np.asarray(yellow | pure_red | pure_blue)


def _level_lines(
    brightest: np.ndarray, length: int, contrast: int = _LINE, line_px: int = _LINE_PX
) -> np.ndarray:
    """Level lines of a length at least, thinner than ``line_px``, that have this contrast to both
    sides, ``(H, W) bool``; the rim of a round cell, level for a while at its top, is none.
    """
    brightest = np.ascontiguousarray(brightest)  # it may be turned
    darker = cv2.morphologyEx(brightest, cv2.MORPH_BLACKHAT, np.ones((line_px, 1), np.uint8))
    thin = (darker > contrast).astype(np.uint8)
    lines = cv2.morphologyEx(thin, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    if not lines.any():
        return lines > 0
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(thin)
    flat = stats[:, cv2.CC_STAT_HEIGHT] <= 2 * line_px
    return (lines > 0) & flat[numbers]


def without_writing(image: np.ndarray, written: np.ndarray) -> np.ndarray:
    """A copy of ``(H, W, 3) uint8`` RGB with the writing, of :func:`burnt_in`, filled with what is
    around it (Telea 2004).
    """
    filled = cv2.inpaint(
        np.ascontiguousarray(image), written.astype(np.uint8), _AROUND_PX, cv2.INPAINT_TELEA
    )
    return np.asarray(filled)


def of_writing(
    labels: np.ndarray, written: np.ndarray | None, left_out: int, counted: int
) -> Iterator[Finding]:
    """A finding, if cells were left out because something, of :func:`burnt_in`, is drawn over them;
    the label map, ``(H, W) uint8``, is of the picture without it.
    """
    if not left_out:
        return
    cells = "1 cell it touches is" if left_out == 1 else f"{left_out} cells it touches are"
    words = f"Writing or a bar is burnt into the picture; {cells} left out."
    share = left_out / (left_out + counted)
    if share > MOST_LEFT_OUT:
        words += " These are so many that no figure is given: is it writing at all?"
        yield Finding("writing", "withheld", left_out, words, EVERYTHING)
    elif share > MANY_LEFT_OUT or (written is not None and np.isin(labels[written], WBC_IDS).any()):
        words += " Look at them: they are many, or white cells are among them."
        yield Finding("writing", "warning", left_out, words)
    else:
        yield Finding("writing", "note", left_out, words)
