"""A drawn field of view whose cells a test can count by hand."""

import cv2
import numpy as np

SLIDE, RED_CELL, PURPLE, NUCLEUS = (245, 240, 245), (190, 150, 185), (150, 50, 170), (70, 20, 110)


def drawn_field() -> np.ndarray:
    """Twenty red cells 40 across, the first two touching, one with a parasite, a platelet and a
    nucleus.
    """
    image = np.full((320, 400, 3), SLIDE, np.uint8)
    for i in range(20):
        cv2.circle(
            image, (40 + 70 * (i % 5) - (32 if i == 1 else 0), 40 + 60 * (i // 5)), 20, RED_CELL, -1
        )
    cv2.circle(image, (180, 100), 4, NUCLEUS, -1)
    cv2.circle(image, (375, 70), 7, PURPLE, -1)
    cv2.circle(image, (370, 280), 24, NUCLEUS, -1)
    return image


def photographed(image: np.ndarray, seed: int = 0, spread: float = 2.0) -> np.ndarray:
    """A drawn picture with the noise of a camera, which gives it as many colours as photographs
    have.
    """
    noise = np.random.default_rng(seed).normal(0, spread, image.shape)
    return np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)


def scattered(height: int = 480, width: int = 640, number: int = 90, seed: int = 0) -> np.ndarray:
    """Photographed discs of 36 pixels, anywhere, as in a smear."""
    rng, image = np.random.default_rng(seed), np.full((height, width, 3), SLIDE, np.uint8)
    for centre in rng.integers(0, (width, height), (number, 2)).tolist():
        cv2.circle(image, centre, 18, RED_CELL, -1, cv2.LINE_AA)
    return photographed(image, seed)


def untidy_field(seed: int, size_px: int = 720, diameter_px: int = 36) -> np.ndarray:
    """Cells of many shapes: long ones, pairs that overlap, pale centres and nuclei of all sizes,
    platelets, and cells that the border cuts.
    """
    slide, red, nucleus = (240, 238, 235), (205, 140, 150), (70, 30, 110)
    rng = np.random.default_rng(seed)
    image = np.full((size_px, size_px, 3), slide, np.uint8)

    def ellipse(middle: np.ndarray, long: float, wide: float, colour: tuple[int, ...]) -> None:
        centre, axes = (middle * 16).round().astype(int), (round(long * 8), round(wide * 8))
        turn = rng.uniform(0, 180)
        cv2.ellipse(image, centre.tolist(), axes, turn, 0, 360, colour, -1, cv2.LINE_AA, 4)

    for y in range(10, size_px + 40, 60):
        for x in range(10, size_px + 40, 60):
            at = np.array([x, y]) + rng.normal(0, 3, 2)
            wide = diameter_px * rng.uniform(0.85, 1.15)
            ellipse(at, wide * rng.uniform(1, 1.9), wide, red)
            match rng.integers(6):
                case 0:
                    ellipse(at, wide * rng.uniform(0.3, 0.8), wide * rng.uniform(0.3, 0.8), slide)
                case 1:
                    ellipse(at, wide * rng.uniform(0.2, 0.9), wide * rng.uniform(0.2, 0.9), nucleus)
                case 2:
                    beside = rng.uniform(0.5, 1.1) * wide * np.array([0.8, 0.6])
                    ellipse(at + beside, wide, wide, red)
                case 3:
                    ellipse(at + 30, 7, 7, nucleus)
    return cv2.GaussianBlur(image, (0, 0), 1)
