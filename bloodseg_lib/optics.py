"""Stained cells absorb light: background colour, transmittance, optical density.

A microscope camera records, for every channel, the light of the lamp times the fraction of it that
the slide transmits, the *transmittance*. By the law of Beer and Lambert the *optical density*,
minus the natural logarithm of the transmittance, is proportional to the amount of stain, and the
densities of several stains add up (Ruifrok & Johnston 2001, *Analytical and Quantitative Cytology
and Histology* 23:291). Every module that needs one of these takes it from here.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

WHITE = 250
"""Grey level of the background of an image that a network sees."""

FLOOR = 1 / 255
"""Lower limit of a transmittance: one grey level of a white background."""

GREY_DENSITIES = -np.log(np.maximum(np.arange(256, dtype=np.float32), 1) / 255)
"""``(256,) float32``: the optical density of each grey level on a white background."""
GREY_DENSITIES.setflags(write=False)

_SUBSAMPLED_PX = 400_000  # larger images are subsampled
_BRIGHT_SPAN = 24  # grey levels
_WINDOW_PX = 672  # side at 40x
_DARKEST_BACKGROUND = 90  # grey level; transmitted light never leaves a background darker than this


def densities_of(greys: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Optical densities of pixels as a network sees them.

    Args:
        greys: ``(..., 3) uint8`` RGB.
        levels: ``(256, 3) uint8``, what each grey level of a channel becomes first.

    Returns:
        ``(..., 3) float32``, 0 where a pixel is as :data:`WHITE` as the background.

    Examples:
        >>> as_they_are = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        >>> densities_of(np.array([250, 125, 92], np.uint8), as_they_are).round(2).tolist()
        [0.0, 0.6899999976158142, 1.0]
    """
    table = GREY_DENSITIES[levels] - GREY_DENSITIES[WHITE]
    return np.stack([table[:, channel][greys[..., channel]] for channel in range(3)], axis=-1)


def channel_extremes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest channel of each pixel, each ``(H, W)`` of the image's dtype.

    ``image.min(axis=2)`` is the same and takes ten times as long: NumPy reduces three values at a
    time.

    Args:
        image: ``(H, W, 3)`` RGB.

    Examples:
        >>> least, greatest = channel_extremes(np.array([[[3, 1, 2]]]))
        >>> int(least[0, 0]), int(greatest[0, 0])
        (1, 3)
    """
    red, green, blue = (image[..., channel] for channel in range(3))
    least = np.minimum(np.minimum(red, green), blue)
    return least, np.maximum(np.maximum(red, green), blue)


def background_colour(
    image: np.ndarray, window: tuple[slice, slice] | None = None, reach_px: int = 0
) -> np.ndarray:
    """The background colour of an image, or around one cell of it where the light is uneven.

    All stains absorb green. So the background has the most frequent green value within a span below
    the 98th percentile of green; its colour is the median of the pixels with that value. Neither
    glints nor the number of cells matter, if at least two in a hundred pixels are background.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        window: rows and columns of a cell; None: the whole image.
        reach_px: margin around the window in which background is searched for.

    Returns:
        ``(3,) float32`` RGB, 1..255.
    """
    if window is not None:
        rows, columns = (slice(max(0, s.start - reach_px), s.stop + reach_px) for s in window)
        image = image[rows, columns]
    size = image.shape[0] * image.shape[1]
    step = 1 + int((size / _SUBSAMPLED_PX) ** 0.5) if size > _SUBSAMPLED_PX else 1
    pixels = cv2.GaussianBlur(np.ascontiguousarray(image[::step, ::step]), (3, 3), 0).reshape(-1, 3)
    green = pixels[:, 1]
    top = int(np.percentile(green, 98))
    counts = np.bincount(green, minlength=256).astype(np.float32)
    histogram = np.convolve(counts, np.ones(5) / 5, "same")
    histogram[: max(0, top - _BRIGHT_SPAN)] = 0
    histogram[top + 1 :] = 0  # glints
    mode = int(histogram.argmax())
    near = np.abs(green.astype(np.int16) - mode) <= 3
    return np.maximum(np.median(pixels[near], axis=0), 1).astype(np.float32)


def background_map(field: np.ndarray, rbc_diameter_px: float) -> np.ndarray:
    """The background colour at every pixel of a field, where the light is uneven.

    Args:
        field: ``(H, W, 3) uint8`` RGB.
        rbc_diameter_px: of a red cell; the colour is measured in tiles ten times as wide, and
            interpolated.

    Returns:
        ``(H, W, 3) float32`` RGB, 1..255.
    """
    height, width = field.shape[:2]
    rows, columns = (max(1, round(side / (10 * rbc_diameter_px))) for side in (height, width))
    tiles = np.empty((rows, columns, 3), np.float32)
    for i in range(rows):
        for j in range(columns):
            tile = np.s_[
                i * height // rows : (i + 1) * height // rows,
                j * width // columns : (j + 1) * width // columns,
            ]
            tiles[i, j] = background_colour(field[tile])
    green = tiles[:, :, 1]
    brightest = tiles.reshape(-1, 3)[green.argmax()]
    tiles[green < 0.6 * brightest[1]] = brightest  # a tile without background: beyond the eyepiece
    return cv2.resize(tiles, (width, height), interpolation=cv2.INTER_LINEAR)


def field_transmittance(image: np.ndarray, rbc_diameter_px: float) -> np.ndarray:
    """The transmittance of a field: lightly smoothed, divided by the background around each pixel.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        rbc_diameter_px: of a red cell.

    Returns:
        ``(H, W, 3) float32``, 0..1.
    """
    field = cv2.GaussianBlur(image, (3, 3), 0)
    return np.minimum(field / background_map(field, rbc_diameter_px), 1)


def optical_density(transmittance: np.ndarray | float) -> np.ndarray:
    """Minus the natural logarithm of a transmittance, which is clipped at :data:`FLOOR`.

    Args:
        transmittance: of any shape, 0..1.

    Returns:
        the same shape, 0 to 5.54; ``float32`` if the transmittance is.

    Examples:
        >>> optical_density(np.array([0.5, 0.0])).round(2).tolist()
        [0.69, 5.54]
    """
    return -np.log(np.maximum(transmittance, FLOOR))


def nuclear_density(red: np.ndarray, least: float) -> float:
    """The optical density of red light above which a stained pixel is of a nucleus: red cells let
    red light pass, and even where a stain makes them bluish, absorb clearly less of it.

    Args:
        red: optical densities of what is stained, ``(N,)``, 1 or more.
        least: the smallest result, for stains in which red cells hardly absorb red.

    Examples:
        >>> nuclear_density(np.array([0.2, 0.2, 1.5]), 0.75)
        0.75
        >>> round(nuclear_density(np.array([0.8, 0.8, 3.0]), 0.75), 2)
        1.4
    """
    return max(least, 1.6 * float(np.quantile(red, 0.15)) + 0.12)


def white_levels(background: np.ndarray) -> np.ndarray:
    """A lookup table that makes a background of this colour white, and keeps the transmittance of
    the cells on it.

    Args:
        background: ``(3,)`` RGB. If its brightest channel is darker than a background in
            transmitted light can be, the levels stay as they are.

    Returns:
        ``(256, 3) uint8``.
    """
    if max(background) < _DARKEST_BACKGROUND:
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    # a channel with almost no light holds nothing but noise
    least = _DARKEST_BACKGROUND * 2 / 3
    factors = WHITE / np.maximum(np.asarray(background, np.float32), least)
    return np.clip(np.arange(256)[:, None] * factors + 0.5, 0, 255).astype(np.uint8)


def density_exceeded_by(rgba: np.ndarray, fraction: float) -> np.ndarray:
    """The optical density of each channel that a fraction of a cell's pixels exceed.

    Args:
        rgba: ``(H, W, 4) uint8``, a sample on a white background; alpha is its mask.
        fraction: 0..1; a half for the median, a tenth for the nucleus of a white cell.

    Returns:
        ``(3,) float32``.
    """
    inside = rgba[:, :, :3][rgba[:, :, 3] >= 128]
    return GREY_DENSITIES[np.quantile(inside, fraction, axis=0, method="nearest").astype(np.intp)]


def scale_density(image: np.ndarray, factors: np.ndarray | float) -> np.ndarray:
    """Multiply the optical densities of an image or of a cell: more or less stain.

    Args:
        image: ``(H, W, 3)`` or, with a mask that stays as it is, ``(H, W, 4) uint8``, on a white
            background.
        factors: of each channel, ``(3,)``, or one of all three, which keeps the hues; above 0.

    Returns:
        the same shape, ``uint8``.
    """
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], image.shape[2], axis=1)
    table[:, :3] = 255 * np.exp(-GREY_DENSITIES[:, None] * np.broadcast_to(factors, 3)) + 0.5
    return cv2.LUT(image, table[None])


def window_places(shape: tuple[int, ...], scale: float) -> list[tuple[slice, slice]]:
    """Up to nine windows spread over an image: enough to judge it by, however large it is.

    Args:
        shape: of the image, height and width first.
        scale: factor that resamples it to 40x.

    Returns:
        rows and columns of each, at most 672 pixels a side at 40x.

    Examples:
        >>> [place[1] for place in window_places((400, 1000), 1.0)]
        [slice(0, 672, None), slice(328, 1000, None)]
    """
    window = max(1, round(_WINDOW_PX / scale))
    rows, columns = (
        np.linspace(0, max(0, side - window), min(3, math.ceil(side / window))).astype(int).tolist()
        for side in shape[:2]
    )
    return [np.s_[top : top + window, left : left + window] for top in rows for left in columns]


def windows_at_40x(
    image: np.ndarray, scale: float, levels: np.ndarray
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """The windows of :func:`window_places` at 40x.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped, only the windows are read.
        scale: factor that resamples it to 40x.
        levels: ``(256, 3) uint8``, the lookup table of grey levels that is applied first.

    Yields:
        rows and columns of a window in the image, and the window at 40x, ``(h, w, 3) uint8``.
    """
    for place in window_places(image.shape, scale):
        part = cv2.LUT(np.ascontiguousarray(image[place]), np.ascontiguousarray(levels[None]))
        size = [max(1, round(side * scale)) for side in part.shape[1::-1]]
        area = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        yield place, cv2.resize(part, size, interpolation=area)
