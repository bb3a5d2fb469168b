"""Augmentation: flips, quarter turns, stain jitter, brightness and blur; four smears in one.

Image and label map always go through one transform; changes of colour or focus leave the label map
as it is.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from bloodseg_lib.smears.appearance import acquire, jitter_stain
from bloodseg_lib.training.config import TrainingConfig

_GREY_LEVELS = np.arange(256, dtype=np.float64)


def augmented(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, config: TrainingConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Vary a batch as the configuration says.

    Args:
        images: ``(B, H, W, 3) uint8`` RGB.
        labels: ``(B, H, W) uint8``.
        rng: random generator; the result is a pure function of it, whatever the number of threads.
        config: its ``flips``, ``stain``, ``brightness`` and ``blur_px``.

    Returns:
        Images and label maps of the same shapes and types; the arguments themselves where nothing
        is to be varied.
    """
    if config.flips:
        images, labels = flipped(images, labels, rng)
    if not (config.stain or config.brightness or config.blur_px):
        return images, labels

    def varied(image: np.ndarray, own: np.random.Generator) -> np.ndarray:
        if config.stain:
            image = jitter_stain(image, own, config.stain)
        if config.brightness:
            image = brightened(image, own, config.brightness)
        return acquire(image, own, config.blur_px, noise=0, jpeg=0) if config.blur_px else image

    with ThreadPoolExecutor() as threads:
        return np.stack(list(threads.map(varied, images, rng.spawn(len(images))))), labels


def flipped(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror and turn each image, and its label map alike, into one of its eight symmetries at
    random.

    Args:
        images: ``(B, H, W, 3) uint8``.
        labels: ``(B, H, W) uint8``.
        rng: random generator. Images that are not square are turned by half turns only.

    Returns:
        Copies of the same shapes.
    """
    turns, mirrors = rng.integers(4, size=len(images)), rng.integers(2, size=len(images))
    if images.shape[1] != images.shape[2]:
        turns = turns // 2 * 2
    turned_images, turned_labels = np.empty_like(images), np.empty_like(labels)
    for i, (turn, mirror) in enumerate(zip(turns, mirrors, strict=True)):
        for source, target in ((images, turned_images), (labels, turned_labels)):
            turned = np.rot90(source[i], turn)
            target[i] = turned[:, ::-1] if mirror else turned
    return turned_images, turned_labels


def brightened(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Vary contrast, about mid grey, and brightness: ``contrast * (v - 127.5) + 127.5 + shift`` of
    every value ``v``, cut to 0..255.

    Args:
        image: ``(H, W, 3) uint8``.
        rng: random generator.
        strength: standard deviation of the logarithm of the contrast, and of the shift as a
            fraction of 127.5; 0 changes nothing.
    """
    contrast, shift = np.exp(rng.normal(0, strength)), 127.5 * rng.normal(0, strength)
    table = np.clip(contrast * (_GREY_LEVELS - 127.5) + 127.5 + shift + 0.5, 0, 255)
    return cv2.LUT(image, table.astype(np.uint8))


def four_in_one(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images of four each: the first quarter of the batch at the top left, the second beside it,
    the third and fourth beneath.

    Args:
        images: ``(4 B, H, W, 3) uint8``.
        labels: ``(4 B, H, W) uint8``.

    Returns:
        ``(B, 2 H, 2 W, 3)`` and ``(B, 2 H, 2 W)``.

    Examples:
        >>> labels = np.arange(8, dtype=np.uint8).reshape(8, 1, 1)
        >>> four_in_one(np.zeros((8, 1, 1, 3), np.uint8), labels)[1].tolist()
        [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]
    """

    def together(quarters: np.ndarray) -> np.ndarray:
        number, height, width, *channels = quarters.shape
        grid = quarters.reshape(2, 2, number // 4, height, width, *channels)
        order = (2, 0, 3, 1, 4, *range(5, grid.ndim))
        return grid.transpose(order).reshape(number // 4, 2 * height, 2 * width, *channels)

    return together(images), together(labels)


def at_half_size(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images of half the height and width: the mean of four pixels, and the class of one of them.

    Args:
        images: ``(B, H, W, 3) uint8``, H and W even.
        labels: ``(B, H, W) uint8``.
    """
    size = images.shape[2] // 2, images.shape[1] // 2
    halves = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return np.stack(halves), np.ascontiguousarray(labels[:, ::2, ::2])
