"""Parasites of *Plasmodium falciparum*, drawn in a red cell: a drawn one, or a photographed one."""

from __future__ import annotations

import cv2
import numpy as np

from bloodseg_lib.samples.phantom import drawing

_STRENGTHS = (0.2, 1.0)  # of the stain of parasites in a photograph, for that of a usual slide
_BLUR_PX = (0.3, 1.3)


def with_parasites(rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A healthy red cell with drawn parasites, some faint: so the cells of every laboratory are
    infected.

    Args:
        rgba: ``(H, W, 4) uint8``.
        rng: all randomness.
    """
    matte = rgba[:, :, 3].astype(np.float32) / 255
    height, width = matte.shape
    grid = drawing.grid(max(height, width) / 2)
    added = np.zeros((*grid.x.shape, 3), np.float32)
    draw_parasites(added, grid, float(np.sqrt(matte.sum() / np.pi)), rng)
    half = np.array(added.shape[:2]) // drawing.SUPERSAMPLING
    added = cv2.resize(added, tuple(half), interpolation=cv2.INTER_AREA)
    added = cv2.GaussianBlur(added, (0, 0), rng.uniform(*_BLUR_PX))
    top, left = (half - (height, width)) // 2
    added = added[top : top + height, left : left + width] * matte[:, :, None]
    light = np.exp(-np.log(10) * rng.uniform(*_STRENGTHS) * added)
    result = rgba.copy()
    result[:, :, :3] = (rgba[:, :, :3] * light + 0.5).clip(0, 255)
    return result


def draw_parasites(
    density: np.ndarray, grid: drawing.Grid, radius: float, rng: np.random.Generator
) -> None:
    """Add parasites to a cell, which may lie beyond its edge.

    Args:
        density: ``(N, N, 3)`` optical density on the canvas ``grid``; changed.
        radius: of the cell, in pixels.
    """
    azure = rng.uniform(0, 1)
    chromatin = azure * drawing.CHROMATIN_VIOLET + (1 - azure) * drawing.CHROMATIN_MAGENTA
    stage = rng.choice(["ring", "trophozoite", "schizont"], p=[0.68, 0.2, 0.12])
    if stage == "ring":
        first = rng.uniform(0, 2 * np.pi)
        for k in range(rng.choice([1, 2, 3], p=[0.72, 0.22, 0.06])):
            # a quarter at the very edge: "applique" form
            reach = 0.84 if rng.uniform() < 0.25 else rng.uniform(0.15, 0.7)
            centre = reach * radius * drawing.direction(first + 2.1 * k + rng.normal(0, 0.25))
            density += _ring(grid, centre, chromatin, rng)
    elif stage == "trophozoite":
        centre = rng.normal(0, 0.2, 2).clip(-0.35, 0.35) * radius
        density += _trophozoite(grid, centre, radius, chromatin, rng)
    else:
        centre = rng.normal(0, 0.06, 2) * radius
        density += _schizont(grid, centre, radius, chromatin, rng) - 0.1 * density


def _ring(
    grid: drawing.Grid, centre: np.ndarray, chromatin: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A young parasite: a thin blue ring around a pale vacuole, thicker on one side, with one or
    two dots of chromatin on it.
    """
    size, (angle, thick_side) = rng.uniform(2.8, 4.8), rng.uniform(0, 2 * np.pi, 2)
    x, y = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    distance = np.hypot(x * rng.uniform(0.85, 1.2), y) + 0.35 * drawing.noise(grid, 4, rng)
    lopsided = 1 + 0.45 * (x * np.cos(thick_side) + y * np.sin(thick_side)) / (distance + 1)
    ring = np.exp(-(((distance - size) / rng.uniform(0.8, 1.2)) ** 2)) * lopsided.clip(0.3, 1.5)
    places = [angle + 1.5 * k for k in range(rng.choice([1, 2], p=[0.7, 0.3]))]
    centres = [centre + size * drawing.direction(place) for place in places]
    dots = np.sum([drawing.spot(grid, dot, rng.uniform(1.4, 2.1)) for dot in centres], axis=0)
    return drawing.paint(
        (ring * rng.uniform(0.6, 0.95), drawing.PARASITE_CYTOPLASM),
        (dots.clip(0, 1), chromatin),
        (drawing.cover(size - distance), drawing.PARASITE_VACUOLE),
    )


def _trophozoite(
    grid: drawing.Grid,
    centre: np.ndarray,
    radius: float,
    chromatin: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """A grown parasite: an irregular blue body with chromatin and crumbs of brown pigment."""
    area_px = np.pi * (radius * rng.uniform(0.34, 0.5)) ** 2
    outline = drawing.outline(area_px, [0.2, 0.14, 0.08, 0.05], rng)
    depth, _ = drawing.inside(grid, outline, centre)
    body = drawing.cover(depth, 1.6) * (0.6 + 0.22 * drawing.noise(grid, 3, rng)).clip(0.1, 1.1)
    spot = drawing.spot(grid, centre + rng.normal(0, 0.12, 2) * radius, rng.uniform(2.4, 3.4))
    crumbs = drawing.granules(0.25 * drawing.cover(depth), 2.5, (0.5, 0.9), rng)
    return drawing.paint(
        (body, drawing.PARASITE_CYTOPLASM), (spot, chromatin), (0.8 * crumbs, drawing.PIGMENT)
    )


def _schizont(
    grid: drawing.Grid,
    centre: np.ndarray,
    radius: float,
    chromatin: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """A dividing parasite: the chromatin of eight to sixteen future merozoites around a clump of
    pigment.
    """
    k = np.arange(rng.integers(8, 17))
    # a sunflower fills the disc evenly
    reach = radius * rng.uniform(0.62, 0.75) * np.sqrt((k + 1.5) / (len(k) + 1))
    arms = drawing.direction(2.4 * k + rng.uniform(0, 2 * np.pi)) * reach[:, None]
    places = centre + arms + rng.normal(0, 0.8, (len(k), 2))
    dots = np.max([drawing.spot(grid, place, rng.uniform(1.4, 2.0)) for place in places], axis=0)
    body = drawing.cover(radius * 0.78 - np.hypot(grid.x - centre[0], grid.y - centre[1]), 2)
    pigment = drawing.spot(grid, centre, rng.uniform(1.6, 2.6))
    return drawing.paint(
        (0.45 * body, drawing.PARASITE_CYTOPLASM),
        (0.95 * dots, chromatin),
        (pigment, drawing.PIGMENT),
    )
