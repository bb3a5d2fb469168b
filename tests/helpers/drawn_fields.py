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
