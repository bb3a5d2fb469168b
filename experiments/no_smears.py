"""Pictures that are no smears, for `experiments/quality.py`: those that scikit-image brings, and
drawn ones of round things in other colours, of screens, plots and other microscopes.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.io import read_image

HEIGHT, WIDTH = 500, 650
SLIDE = (250, 250, 250)


def no_smears() -> Iterator[tuple[str, np.ndarray]]:
    """Pictures of other things."""
    import skimage.data

    known = (
        "astronaut brick camera cell chelsea coffee coins color grass gravel horse ihc logo moon"
    )
    folder = Path(skimage.data.__file__).parent
    for name in (*known.split(), "motorcycle_left", "page", "retina", "rocket", "text"):
        for file in folder.glob(f"{name}.*"):
            yield f"no smear/{file.name}", read_image(file)
    rng, size = np.random.default_rng(0), (500, 600, 3)
    noise = rng.integers(0, 256, size, dtype=np.uint8)
    yield "no smear/noise", noise
    yield "no smear/clouds", cv2.GaussianBlur(noise, (0, 0), 6)
    yield "no smear/black", np.zeros(size, np.uint8)
    yield "no smear/white", np.full(size, 255, np.uint8)
    writing = np.full(size, 255, np.uint8)
    for y in range(40, 480, 36):
        cv2.putText(writing, "Report of the laboratory", (10, y), 0, 1, (20, 20, 20), 2)
    yield "no smear/writing", writing
    for name, image in drawn():
        yield f"no smear/{name}", image


def drawn() -> Iterator[tuple[str, np.ndarray]]:
    """Pictures of things, drawn."""
    rng = np.random.default_rng(1)
    for colour in ((220, 30, 40), (30, 60, 200), (40, 170, 60), (240, 210, 40)):
        yield (
            f"dots {colour}",
            discs([(30 + 60 * (i % 10), 30 + 60 * (i // 10)) for i in range(60)], colour),
        )
    places = rng.integers(20, (WIDTH - 20, HEIGHT - 20), (60, 2)).tolist()
    yield "beans", discs(places, (120, 80, 40))
    yield "bubbles", discs(places, (60, 60, 60), 2)
    confetti = canvas()
    for x, y in rng.integers(0, (WIDTH, HEIGHT), (120, 2)).tolist():
        colour = rng.integers(0, 256, 3).tolist()
        cv2.circle(confetti, (x, y), int(rng.integers(6, 25)), colour, -1, cv2.LINE_AA)
    yield "confetti", confetti
    yield "fluorescence", cv2.GaussianBlur(discs(places, (20, 220, 60), slide=(0, 0, 0)), (0, 0), 3)
    halos = discs(places, (90, 90, 90), slide=(128, 128, 128))
    for place in places:
        cv2.circle(halos, place, 20, (210, 210, 210), 3)
    yield "phase contrast", cv2.GaussianBlur(halos, (0, 0), 1.5)
    yield "screen", screen()
    plot = discs(places, (31, 119, 180), slide=(255, 255, 255), radius=4)
    cv2.rectangle(plot, (50, 30), (620, 450), (0, 0, 0), 2)
    yield "plot", plot
    rows, columns = np.indices((HEIGHT, WIDTH))
    squares = (rows // 40 + columns // 40) % 2 * 200 + 30
    yield "squares", np.repeat(squares.astype(np.uint8)[:, :, None], 3, axis=2)
    grain = 20 * np.sin(rows / 6 + 3 * np.sin(columns / 90))
    yield "wood", np.clip(np.array((180, 130, 80)) + grain[:, :, None], 0, 255).astype(np.uint8)
    pollen = canvas()
    for x, y in places[:20]:
        angles = np.arange(32) * np.pi / 16
        radius = 30 + 6 * (np.arange(32) % 2)
        edge = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
        cv2.fillPoly(pollen, [edge.astype(np.int32)], (220, 180, 60))
        cv2.circle(pollen, (x, y), 10, (190, 140, 40), -1)
    yield "pollen", pollen


def canvas(colour: tuple[int, int, int] = SLIDE) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def discs(
    places: list, colour: tuple, thickness: int = -1, slide: tuple = SLIDE, radius: int = 18
) -> np.ndarray:
    image = canvas(slide)
    for place in places:
        cv2.circle(image, tuple(place), radius, colour, thickness, cv2.LINE_AA)
    return image


def screen() -> np.ndarray:
    image = canvas((245, 245, 245))
    cv2.rectangle(image, (0, 0), (WIDTH, 40), (60, 90, 160), -1)
    for y in range(60, 480, 48):
        cv2.rectangle(image, (20, y), (200, y + 35), (210, 220, 235), -1)
        cv2.putText(image, "Menu item", (30, y + 25), 0, 0.7, (20, 20, 20), 1, cv2.LINE_AA)
    for y in range(70, 470, 20):
        words = "lorem ipsum dolor sit amet"
        cv2.putText(image, words, (230, y), 0, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return image
