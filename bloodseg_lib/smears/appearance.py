"""What stain, background, illumination and camera do to an image of cells.

Smears are composed as *transmittance*: 255 where all light passes, the empty background. These
functions turn such an image into one that a microscope could have taken. The optical densities of
stains add up, so stains are varied there (:mod:`bloodseg_lib.optics`). Pure functions of (image,
parameters, generator).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import cv2
import numpy as np

from bloodseg_lib.classes import SMEAR_SIZE_PX
from bloodseg_lib.optics import scale_density

BACKGROUND_COLOURS = np.array(
    [
        (255, 255, 255),  # a white-balanced camera
        (252, 250, 244),  # slightly warm
        (243, 243, 252),  # slightly blue
        (250, 240, 246),  # a trace of eosin left on the slide
        (252, 229, 205),  # cream: automatic stainers and their scanners
        (219, 222, 210),  # grey-green: a phone through an eyepiece
        (255, 247, 160),  # yellow: halogen lamp without filter
    ],
    dtype=np.float32,
)
"""RGB of backgrounds seen in public collections; a smear's is drawn between and around them."""

# Dirichlet parameters: small ones make one colour prevail, white the most often
_CONCENTRATIONS = 0.25 * np.array([2, 1, 1, 1, 1, 1, 0.4])
_LEAST_BLUR_PX = 0.25  # a weaker blur changes nothing
_QUANTILES = NormalDist().inv_cdf  # of the standard normal distribution
_NORMAL = np.array([_QUANTILES((i + 0.5) / 256) for i in range(256)])
_NORMAL /= _NORMAL.std()
"""256 equally likely values of the standard normal distribution: noise is drawn as bytes, which
takes a tenth of the time."""


def jitter_stain(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Vary the intensity and the hue of the stain. White stays white.

    Args:
        image: ``(H, W, 3)`` or, with a mask that stays as it is, ``(H, W, 4) uint8`` transmittance.
        rng: all randomness.
        strength: standard deviation of the logarithm of each channel's optical density; 0 changes
            nothing, 0.15 is typical between slides.

    Returns:
        the same shape, ``uint8``.
    """
    factors = np.exp(rng.normal(0, 1.3 * strength)) * np.exp(rng.normal(0, strength, 3))
    return scale_density(image, factors)


def blur_cell(rgba: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur the colours of a sample, ``(H, W, 4) uint8``, and not its mask.

    The colours beside a sample's mask are those of its edge, so no rim appears.
    """
    if sigma_px <= _LEAST_BLUR_PX:
        return rgba
    colour = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    colour = cv2.GaussianBlur(colour, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return cv2.merge((*cv2.split(colour), cv2.extractChannel(rgba, 3)))


def illuminate(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Give a smear a background colour, a lamp that is brighter on one side, and vignetting.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        strength: 0 changes nothing, 1 is what public collections show.

    Returns:
        ``(H, W, 3) uint8`` RGB.
    """
    background = rng.dirichlet(_CONCENTRATIONS) @ BACKGROUND_COLOURS + rng.normal(0, 4, 3)
    background = 255 - strength * (255 - np.clip(background, 120, 255))
    height, width = image.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    angle = rng.uniform(0, 2 * np.pi)
    gradient = strength * rng.uniform(0, 0.08)
    vignette = strength * rng.uniform(0, 0.06)
    across = gradient * np.float32(np.cos(angle)) * x - vignette * x * x
    down = gradient * np.float32(np.sin(angle)) * y - vignette * y * y
    light = np.clip(1 + down + across, 0, 1.05)
    light *= 1 - strength * rng.uniform(0, 0.12)
    grey_levels = np.arange(256, dtype=np.float32)[:, None]
    coloured = cv2.LUT(image, (grey_levels * (background / 255).astype(np.float32))[None])
    # cv2.multiply and convertScaleAbs: one pass each over contiguous numbers, rounded and clipped
    return cv2.convertScaleAbs(cv2.multiply(coloured, cv2.merge((light, light, light))))


def acquire(
    image: np.ndarray, rng: np.random.Generator, blur_px: float, noise: float, jpeg: float
) -> np.ndarray:
    """What a camera does: defocus, sensor noise and JPEG compression.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        rng: all randomness.
        blur_px: greatest standard deviation of the blur; most images are sharper. Parasites are a
            few pixels wide: a blur above 1 hides them.
        noise: greatest standard deviation of the noise in grey levels.
        jpeg: probability of a compression as JPEG of quality 60 to 95.

    Returns:
        ``(H, W, 3) uint8`` RGB.
    """
    sigma = blur_px * rng.uniform() ** 2  # mostly in focus
    if sigma > _LEAST_BLUR_PX:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    level = noise * rng.uniform()
    if level > 0.5:
        drawn = rng.integers(0, 256, image.shape, dtype=np.uint8)
        values = cv2.LUT(drawn, np.round(level * _NORMAL).astype(np.int16))
        image = cv2.add(image, values, dtype=cv2.CV_8U)  # clipped to 0..255
    if rng.uniform() < jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1]
        image = cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
    return image


def add_debris(image: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Add artefacts: specks, smudges of stain, now and then a fibre. They belong to the background,
    or to the cell that they lie on.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        amount: mean number of specks on 224 x 224 pixels.

    Returns:
        ``(H, W, 3) uint8``, a copy.
    """
    smears = image.shape[0] * image.shape[1] / SMEAR_SIZE_PX**2
    image = image.copy()
    for _ in range(rng.poisson(amount * smears)):
        _add_speck(image, rng)
    for _ in range(rng.poisson(0.15 * amount * smears)):
        _add_fibre(image, rng)
    for _ in range(rng.poisson(0.2 * amount * smears)):
        _add_smudge(image, rng)
    return image


def _add_speck(image: np.ndarray, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    density = _stain_density(rng) * rng.uniform(0.15, 0.9)
    # eighths of a pixel, see shift below
    centre = (int(rng.integers(width * 8)), int(rng.integers(height * 8)))
    axes = (int(8 * rng.uniform(0.5, 1.6)), int(8 * rng.uniform(0.5, 1.6)))
    angle = float(rng.uniform(0, 180))
    mark = _Mark(image, (centre[0] // 8, centre[1] // 8), (3, 3), 0.6)
    centre = (centre[0] - 8 * mark.left, centre[1] - 8 * mark.top)
    cv2.ellipse(mark.coverage, centre, axes, angle, 0, 360, 1.0, -1, cv2.LINE_8, shift=3)
    mark.darken(density)


def _add_fibre(image: np.ndarray, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    start = rng.uniform(0, 1, 2) * (width, height)
    points = (start + np.cumsum(rng.normal(0, 6, (6, 2)), axis=0)).astype(np.int32)
    density = _stain_density(rng) * rng.uniform(0.2, 0.8)
    centre, reach = (points.min(axis=0) + points.max(axis=0)) // 2, np.ptp(points, axis=0) // 2 + 2
    mark = _Mark(image, centre.tolist(), reach.tolist(), 0.6)
    if mark.coverage.size:  # the fibre may be outside the image
        points -= np.array((mark.left, mark.top), np.int32)
        cv2.polylines(mark.coverage, [points], False, 1.0, 1, cv2.LINE_8)
        mark.darken(density)


def _add_smudge(image: np.ndarray, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    x, y = int(rng.integers(width)), int(rng.integers(height))
    axes = (int(rng.integers(4, 22)), int(rng.integers(4, 14)))
    angle, blur_px = float(rng.uniform(0, 180)), rng.uniform(2, 5)
    mark = _Mark(image, (x, y), (max(axes) + 1, max(axes) + 1), blur_px)
    centre = (x - mark.left, y - mark.top)
    cv2.ellipse(mark.coverage, centre, axes, angle, 0, 360, 1.0, -1)
    mark.darken(_stain_density(rng) * rng.uniform(0.03, 0.15))


class _Mark:
    """The part of an image that a mark of this centre and reach, both across and down, and its blur
    come to, so that only this part is computed.

    The mark is drawn on ``coverage``, ``(h, w) float32``, 0..1, whose first pixel is ``left, top``
    in the image; the image is darkened in place.
    """

    def __init__(
        self, image: np.ndarray, centre: Sequence[int], reach: Sequence[int], blur_px: float
    ):
        beyond = int(np.ceil(4 * blur_px))
        (x, y), (across, down) = centre, reach
        self.left, self.top = max(0, x - across - beyond), max(0, y - down - beyond)
        right, bottom = max(0, x + across + beyond + 1), max(0, y + down + beyond + 1)
        self._below = image[self.top : bottom, self.left : right]
        self.coverage = np.zeros(self._below.shape[:2], np.float32)
        self._blur_px = blur_px

    def darken(self, density: np.ndarray) -> None:
        """Add the optical density ``(3,)`` of the mark, where it covers the image."""
        if self.coverage.any():
            coverage = cv2.GaussianBlur(self.coverage, (0, 0), self._blur_px)
            transmittance = np.exp(-coverage[:, :, None] * density.astype(np.float32))
            self._below[:] = (self._below * transmittance + 0.5).astype(np.uint8)


def _stain_density(rng: np.random.Generator) -> np.ndarray:
    """Optical densities ``(3,)`` of debris: between grey and a purple deposit of stain."""
    purple = rng.uniform()
    return purple * np.array([0.6, 1.0, 0.4]) + (1 - purple) * np.array([0.8, 0.8, 0.8])
