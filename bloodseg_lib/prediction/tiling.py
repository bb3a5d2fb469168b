"""Tiles that cover an image with an overlap, and the blending of what a network says of them, so
that no seam shows where one ends.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bloodseg_lib.classes import NUM_CLASSES
from bloodseg_lib.prediction.resampling import At40x

TILE_PX = 224
LARGEST_TILE_PX = 896
MULTIPLE_PX = 32
"""Of a tile's sides: what networks of up to six levels need."""

_BAND_BYTES = 2**28  # of the probabilities of one row of tiles
# that a tile which passes through the network alone takes longer than one among others: measured on
# CPUs with oneDNN
_ALONE = 0.7

Predict = Callable[[np.ndarray], np.ndarray]
"""What turns tiles ``(B, H, W, 3) uint8`` RGB, whose sides are multiples of 32, into class
probabilities ``(B, H, W, 10)``.
"""


def tile_side(length: int, overlap_px: int, largest_px: int = LARGEST_TILE_PX) -> int:
    """The side of the tiles that cover ``length`` pixels: as few tiles as the largest allows, and
    no larger than these need to be.

    Args:
        length: pixels of the image's side, at 40x.
        overlap_px: that two neighbours share at least.
        largest_px: a multiple of 32 from 224.

    Returns:
        a multiple of 32 from 224; more than ``length`` where one tile suffices.
    """
    count = max(1, -(-(length - overlap_px) // (largest_px - overlap_px)))
    side = -(-(length + (count - 1) * overlap_px) // count)
    return max(TILE_PX, -(-side // MULTIPLE_PX) * MULTIPLE_PX)


def tile_windows(
    length: int, overlap_px: int, tile_px: int = TILE_PX
) -> list[tuple[int, np.ndarray]]:
    """Where tiles start along one side of an image, and how much each counts there.

    Two neighbours share ``overlap_px`` pixels or more. From a tile's end inwards, its weight is 0
    for a quarter of the overlap, because there the network's own padding disturbs it, then rises to
    1 as sin² over half the overlap. At the image's edges, where no neighbour takes over, it stays
    1. The weights of all tiles at a pixel sum to 1.

    Args:
        length: pixels of the side, at least ``tile_px``.
        overlap_px: 0..112.
        tile_px: the side of a tile.

    Returns:
        start and window ``(tile_px,) float32`` of each tile, in order.
    """
    last, starts = length - tile_px, _starts(length, overlap_px, tile_px)
    position = np.arange(tile_px) + 0.5
    total = np.zeros(length, np.float64)
    windows = []
    for start in starts:
        window = np.ones(tile_px)
        if overlap_px:
            ramp = (
                np.sin(np.clip((position - overlap_px / 4) / (overlap_px / 2), 0, 1) * np.pi / 2)
                ** 2
            )
            window = window * ramp if start > 0 else window
            window = window * ramp[::-1] if start < last else window
        windows.append(window)
        total[start : start + tile_px] += window
    return [
        (start, (window / total[start : start + tile_px]).astype(np.float32))
        for start, window in zip(starts, windows, strict=True)
    ]


def _starts(length: int, overlap_px: int, tile_px: int) -> list[int]:
    """Where tiles start along a side."""
    last = length - tile_px
    count = 1 + -(-last // (tile_px - overlap_px))
    return [round(i * last / (count - 1)) for i in range(count)] if count > 1 else [0]


def tile_layout(
    width: int, height: int, overlap_px: int, at_once_px: int, largest_px: int = LARGEST_TILE_PX
) -> tuple[int, int, int]:
    """The tiles that take the least time for an image: few pixels twice, and no tile alone where it
    can be helped.

    Args:
        width, height: of the image at 40x, in pixels.
        overlap_px: that two neighbours share at least.
        at_once_px: pixels that pass through the network at once, all tiles of a batch together.
        largest_px: a tile's sides at most, a multiple of 32 from 224.

    Returns:
        width and height of a tile, multiples of 32 from 224, and how many tiles of a row pass
        through the network at once.
    """
    affordable = max(TILE_PX, _BAND_BYTES // (4 * NUM_CLASSES * width) // MULTIPLE_PX * MULTIPLE_PX)
    sides = range(TILE_PX, largest_px + 1, MULTIPLE_PX)
    wides = sorted({tile_side(width, overlap_px, side) for side in sides})
    highs = sorted({tile_side(height, overlap_px, min(side, affordable)) for side in sides})
    best, least = (wides[0], highs[0], 1), np.inf
    for wide in wides:
        across = len(_starts(max(width, wide), overlap_px, wide))
        for high in highs:
            together = min(across, max(1, at_once_px // (wide * high)))
            if wide * high > max(at_once_px, TILE_PX**2):
                continue
            alone = across if together == 1 else across % together == 1
            cost = (
                len(_starts(max(height, high), overlap_px, high))
                * wide
                * high
                * (across + _ALONE * alone)
            )
            if cost < least:
                best, least = (wide, high, together), cost
    return best


def blended_rows(
    work: At40x,
    predict: Predict,
    overlap_px: int,
    at_once_px: int,
    largest_px: int = LARGEST_TILE_PX,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Predict an image tile by tile, and blend: only one row of tiles is held at a time.

    Args:
        work: the image at 40x.
        predict: tiles to probabilities.
        overlap_px, at_once_px, largest_px: see :func:`tile_layout`.
        on_progress: is told after each batch the share of the tiles that are done, 0..1.

    Yields:
        first row, and probabilities ``(rows, W, 10) float32`` from top to bottom; what was yielded
        is overwritten afterwards.

    Raises:
        ValueError: the network gives probabilities of another shape.
    """
    wide, high, together = tile_layout(work.width, work.height, overlap_px, at_once_px, largest_px)
    columns, bottom = max(wide, work.width), max(high, work.height)
    down, across = tile_windows(bottom, overlap_px, high), tile_windows(columns, overlap_px, wide)
    band = np.zeros((high, columns, NUM_CLASSES), np.float32)
    for row, (y, window_y) in enumerate(down):
        strip = work.rows(y, y + high, columns)
        for i in range(0, len(across), together):
            part = across[i : i + together]
            tiles = np.stack([strip[:, x : x + wide] for x, _ in part])
            found = predict(tiles)
            if found.shape != (len(part), high, wide, NUM_CLASSES):
                raise ValueError(
                    f"Expected a network that gives {(len(part), high, wide, NUM_CLASSES)} for {tiles.shape}. It gave {found.shape}."
                )
            for tile, (x, window_x) in zip(found, part, strict=True):
                band[:, x : x + wide] += tile * (window_y[:, None] * window_x)[:, :, None]
            if on_progress:
                on_progress((row * len(across) + i + len(part)) / (len(down) * len(across)))
        # rows that no further tile touches
        ready = down[row + 1][0] - y if row + 1 < len(down) else high
        # without the reflection; it is used before the next row is begun
        yield y, band[: min(ready, work.height - y), : work.width]
        band[: high - ready] = band[ready:].copy()
        band[high - ready :] = 0
