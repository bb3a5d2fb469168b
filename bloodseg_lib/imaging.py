"""What a stain, a slide, a lamp and a camera do to a picture of cells.

Smears are composed as *transmittance*: 255 where all light passes, the empty slide. These functions turn such a picture into one that a
microscope could have taken. Absorbances (optical densities) of stains add up, so stains are varied there (Ruifrok & Johnston 2001, *Analytical and
Quantitative Cytology and Histology* 23:291). Pure functions of (picture, parameters, generator). Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import cv2
import numpy as np

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

_HOW_OFTEN = 0.25 * np.array([2, 1, 1, 1, 1, 1, 0.4])  # Dirichlet parameters: small ones make one colour prevail, white the most often
_GREY_LEVELS = np.arange(256, dtype=np.float32)


def restained(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Vary the stain: how much of each dye the cells took, and its hue. White stays white.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        strength: standard deviation of the logarithm of each channel's density; 0 changes nothing, 0.15 is from slide to slide.
    """
    density = -np.log(np.maximum(_GREY_LEVELS, 1) / 255)  # of each grey level
    amount = np.exp(rng.normal(0, 1.3 * strength)) * np.exp(rng.normal(0, strength, 3))
    table = np.empty((256, 3), np.uint8)
    for channel in range(3):
        table[:, channel] = np.clip(255 * np.exp(-amount[channel] * density) + 0.5, 0, 255)
    return cv2.LUT(image, table[:, None, :].transpose(1, 0, 2).copy())


def lit(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Put the cells on a coloured slide, under a lamp that is brighter on one side and a lens that darkens the corners.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        strength: 0 changes nothing, 1 is what public collections show.
    """
    share = rng.dirichlet(_HOW_OFTEN)
    slide = share @ SLIDE_COLOURS + rng.normal(0, 4, 3)
    slide = 255 - strength * (255 - np.clip(slide, 120, 255))
    height, width = image.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None]
    angle = rng.uniform(0, 2 * np.pi)
    gradient = strength * rng.uniform(0, 0.08) * (np.cos(angle) * x + np.sin(angle) * y)
    vignette = strength * rng.uniform(0, 0.06) * (x * x + y * y)
    light = np.clip(1 + gradient - vignette, 0, 1.05).astype(np.float32)
    light *= 1 - strength * rng.uniform(0, 0.12)
    return np.clip(image * (slide / 255).astype(np.float32) * light[:, :, None] + 0.5, 0, 255).astype(np.uint8)


def photographed(image: np.ndarray, rng: np.random.Generator, blur_px: float, noise: float, jpeg: float) -> np.ndarray:
    """Focus, sensor noise and JPEG.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        rng: all randomness.
        blur_px: the greatest standard deviation of the blur; most pictures are sharper. Parasites are a few pixels wide: above 1 they are gone.
        noise: the greatest standard deviation of the noise in grey levels.
        jpeg: probability that the picture was once a JPEG of quality 60 to 95.
    """
    sigma = blur_px * rng.uniform() ** 2  # mostly in focus
    if sigma > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    level = noise * rng.uniform()
    if level > 0.5:
        image = np.clip(image + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(level) + 0.5, 0, 255).astype(np.uint8)
    if rng.uniform() < jpeg:
        data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))])[1]
        image = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])
    return image


def littered(image: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Add what is on every slide and is no cell: specks, smudges of stain, now and then a fibre. All of it is background, or lies on a cell.

    Args:
        image: ``(H, W, 3) uint8`` transmittance.
        rng: all randomness.
        amount: mean number of specks on 224 x 224 pixels.
    """
    height, width = image.shape[:2]
    share = height * width / 224**2
    density = np.zeros((height, width, 3), np.float32)
    for _ in range(rng.poisson(amount * share)):
        colour = _dye(rng) * rng.uniform(0.15, 0.9)
        centre = (int(rng.integers(width * 8)), int(rng.integers(height * 8)))  # eighths of a pixel, see shift below
        axes = (int(8 * rng.uniform(0.5, 1.6)), int(8 * rng.uniform(0.5, 1.6)))
        cv2.ellipse(density, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour.tolist(), -1, cv2.LINE_8, shift=3)
    for _ in range(rng.poisson(0.15 * amount * share)):
        points = rng.uniform(0, 1, 2) * (width, height) + np.cumsum(rng.normal(0, 6, (6, 2)), axis=0)
        cv2.polylines(density, [points.astype(np.int32)], False, (_dye(rng) * rng.uniform(0.2, 0.8)).tolist(), 1, cv2.LINE_8)
    density = cv2.GaussianBlur(density, (0, 0), 0.6)
    for _ in range(rng.poisson(0.2 * amount * share)):
        smudge = np.zeros((height, width), np.float32)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.ellipse(smudge, centre, (int(rng.integers(4, 22)), int(rng.integers(4, 14))), float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        density += cv2.GaussianBlur(smudge, (0, 0), rng.uniform(2, 5))[:, :, None] * (_dye(rng) * rng.uniform(0.03, 0.15)).astype(np.float32)
    return (image * np.exp(-density) + 0.5).astype(np.uint8) if density.any() else image


def _dye(rng: np.random.Generator) -> np.ndarray:
    """Densities (RGB) of dirt: between grey and purple stain deposit."""
    share = rng.uniform()
    return share * np.array([0.6, 1.0, 0.4]) + (1 - share) * np.array([0.8, 0.8, 0.8])
