"""What a stain, a slide, a lamp and a camera do to a picture of cells.

Smears are composed as *transmittance*: 255 where all light passes, the empty slide. These functions
    turn such a picture into one that a
microscope could have taken. Absorbances (optical densities) of stains add up, so stains are varied
there (Ruifrok & Johnston 2001, *Analytical and Quantitative Cytology and Histology* 23:291). Pure
functions of (picture, parameters, generator). Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from statistics import NormalDist

import cv2
import numpy as np

from bloodseg_lib.optics import GREY_DENSITIES

SLIDE_COLOURS = np.array(
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
"""RGB of empty slides as seen in public collections; a smear's is drawn between and around them."""

# Dirichlet parameters: small ones make one colour prevail, white the most often
_HOW_OFTEN = 0.25 * np.array([2, 1, 1, 1, 1, 1, 0.4])
_SHARP_PX = 0.25  # a blur of less is none
_QUANTILES = NormalDist().inv_cdf  # of the standard normal distribution
_NORMAL = np.array([_QUANTILES((i + 0.5) / 256) for i in range(256)])
_NORMAL /= _NORMAL.std()
"""The standard normal distribution as 256 values that are equally likely:

noise is drawn as bytes, which takes a tenth of the time.
"""


def restained(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Vary the stain: how much of each dye the cells took, and its hue. White stays white.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        strength: standard deviation of the logarithm of each channel's density; 0 changes nothing,
            0.15 is from slide to slide.
    """
    amount = np.exp(rng.normal(0, 1.3 * strength)) * np.exp(rng.normal(0, strength, 3))
    table = (
        255 * np.exp(-amount * GREY_DENSITIES[:, None]) + 0.5
    )  # never above 255.5: no light is added
    return cv2.LUT(image, table.astype(np.uint8)[None])


def defocused(rgba: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur the colours of a sample, ``(H, W, 4) uint8``, and not its mask:

    the colours beside a sample's mask are those of its edge, so no rim appears.
    """
    if sigma_px <= _SHARP_PX:
        return rgba
    colour = cv2.GaussianBlur(
        cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE
    )
    return cv2.merge((*cv2.split(colour), cv2.extractChannel(rgba, 3)))


def lit(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Put the cells on a coloured slide, under a lamp that is brighter on one side and a lens that
    darkens the corners.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        strength: 0 changes nothing, 1 is what public collections show.
    """
    share = rng.dirichlet(_HOW_OFTEN)
    slide = share @ SLIDE_COLOURS + rng.normal(0, 4, 3)
    slide = 255 - strength * (255 - np.clip(slide, 120, 255))
    height, width = image.shape[:2]
    y, x = (
        np.linspace(-1, 1, height, dtype=np.float32)[:, None],
        np.linspace(-1, 1, width, dtype=np.float32)[None],
    )
    angle = rng.uniform(0, 2 * np.pi)
    gradient = strength * rng.uniform(0, 0.08)
    vignette = strength * rng.uniform(0, 0.06)
    across = gradient * np.float32(np.cos(angle)) * x - vignette * x * x
    down = gradient * np.float32(np.sin(angle)) * y - vignette * y * y
    light = np.clip(1 + down + across, 0, 1.05)
    light *= 1 - strength * rng.uniform(0, 0.12)
    # cv2.multiply and convertScaleAbs: one pass each over contiguous numbers, rounded and clipped
    coloured = cv2.LUT(
        image, (np.arange(256, dtype=np.float32)[:, None] * (slide / 255).astype(np.float32))[None]
    )
    return cv2.convertScaleAbs(cv2.multiply(coloured, cv2.merge((light, light, light))))


def photographed(
    image: np.ndarray, rng: np.random.Generator, blur_px: float, noise: float, jpeg: float
) -> np.ndarray:
    """Focus, sensor noise and JPEG.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        rng: all randomness.
        blur_px: the greatest standard deviation of the blur; most pictures are sharper. Parasites
            are a few pixels wide: above 1 they are gone.
        noise: the greatest standard deviation of the noise in grey levels.
        jpeg: probability that the picture was once a JPEG of quality 60 to 95.
    """
    sigma = blur_px * rng.uniform() ** 2  # mostly in focus
    if sigma > _SHARP_PX:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    level = noise * rng.uniform()
    if level > 0.5:
        drawn = rng.integers(0, 256, image.shape, dtype=np.uint8)
        # clipped to 0..255
        image = cv2.add(
            image, cv2.LUT(drawn, np.round(level * _NORMAL).astype(np.int16)), dtype=cv2.CV_8U
        )
    if rng.uniform() < jpeg:
        data = cv2.imencode(
            ".jpg",
            cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))],
        )[1]
        image = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return image


def littered(image: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Add what is on every slide and is no cell: specks, smudges of stain, now and then a fibre.
    All of it is background, or lies on a cell.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        amount: mean number of specks on 224 x 224 pixels.
    """
    height, width = image.shape[:2]
    share = height * width / 224**2
    image = image.copy()
    for _ in range(rng.poisson(amount * share)):
        colour = _dye(rng) * rng.uniform(0.15, 0.9)
        # eighths of a pixel, see shift below
        centre = (int(rng.integers(width * 8)), int(rng.integers(height * 8)))
        axes = (int(8 * rng.uniform(0.5, 1.6)), int(8 * rng.uniform(0.5, 1.6)))
        turn = float(rng.uniform(0, 180))
        patch = _Patch(image, (centre[0] // 8, centre[1] // 8), (3, 3), 0.6)
        centre = (centre[0] - 8 * patch.left, centre[1] - 8 * patch.top)
        cv2.ellipse(patch.density, centre, axes, turn, 0, 360, 1.0, -1, cv2.LINE_8, shift=3)
        patch.darken(colour)
    for _ in range(rng.poisson(0.15 * amount * share)):
        points = (
            rng.uniform(0, 1, 2) * (width, height) + np.cumsum(rng.normal(0, 6, (6, 2)), axis=0)
        ).astype(np.int32)
        colour = _dye(rng) * rng.uniform(0.2, 0.8)
        middle, reach = (
            (points.min(axis=0) + points.max(axis=0)) // 2,
            np.ptp(points, axis=0) // 2 + 2,
        )
        patch = _Patch(image, middle.tolist(), reach.tolist(), 0.6)
        if patch.density.size:  # the fibre may lie beside the picture
            cv2.polylines(
                patch.density, [points - (patch.left, patch.top)], False, 1.0, 1, cv2.LINE_8
            )
            patch.darken(colour)
    for _ in range(rng.poisson(0.2 * amount * share)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(4, 22)), int(rng.integers(4, 14)))
        turn, blur = float(rng.uniform(0, 180)), rng.uniform(2, 5)
        patch = _Patch(image, centre, (max(axes) + 1, max(axes) + 1), blur)
        cv2.ellipse(
            patch.density,
            (centre[0] - patch.left, centre[1] - patch.top),
            axes,
            turn,
            0,
            360,
            1.0,
            -1,
        )
        patch.darken(_dye(rng) * rng.uniform(0.03, 0.15))
    return image


class _Patch:
    """The part of a picture that a mark reaches, so that no more of it is worked on.

    Args:
        image: ``(H, W, 3) uint8``, darkened in place.
        centre: column and row of the mark.
        reach: pixels that it extends to either side, across and down.
        blur_px: standard deviation of the blur that it gets.
    """

    def __init__(
        self, image: np.ndarray, centre: tuple[int, int], reach: tuple[int, int], blur_px: float
    ):
        beyond = int(np.ceil(4 * blur_px))
        self.left, self.top = (
            max(0, at - far - beyond) for at, far in zip(centre, reach, strict=True)
        )
        right, bottom = (
            max(0, at + far + beyond + 1) for at, far in zip(centre, reach, strict=True)
        )
        self.below = image[self.top : bottom, self.left : right]
        self.density = np.zeros(self.below.shape[:2], np.float32)
        self.blur_px = blur_px

    def darken(self, colour: np.ndarray) -> None:
        """Lay what was drawn on ``density`` over the picture, in a dye of these densities (RGB)."""
        if self.density.any():
            density = cv2.GaussianBlur(self.density, (0, 0), self.blur_px)
            through = np.exp(-density[:, :, None] * colour.astype(np.float32))
            self.below[:] = (self.below * through + 0.5).astype(np.uint8)


def _dye(rng: np.random.Generator) -> np.ndarray:
    """Densities (RGB) of dirt: between grey and purple stain deposit."""
    share = rng.uniform()
    return share * np.array([0.6, 1.0, 0.4]) + (1 - share) * np.array([0.8, 0.8, 0.8])
