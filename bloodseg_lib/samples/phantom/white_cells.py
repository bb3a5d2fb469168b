"""The five white cells, as a haematologist tells them apart: nucleus, cytoplasm, granules."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bloodseg_lib.samples.phantom import drawing
from bloodseg_lib.samples.phantom.drawing import Drawn


def _white_cell(
    area_px: float, waves: Sequence[float], rng: np.random.Generator
) -> tuple[drawing.Grid, np.ndarray, float]:
    """Grid, depth and mean radius of a white cell."""
    outline = drawing.outline(area_px, waves, rng)
    grid = drawing.grid(outline.max())
    return grid, drawing.inside(grid, outline)[0], float(outline.mean())


def _nucleus(
    grid: drawing.Grid, depth: np.ndarray, clumping: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cover and amount of a nucleus' chromatin, which is blotchy and denser at the membrane."""
    depth = depth + 0.6 * drawing.noise(grid, 8, rng)
    blotches = 0.6 * (drawing.noise(grid, 2.2, rng) + drawing.noise(grid, 4.5, rng))
    cover, membrane = drawing.cover(depth), np.exp(-((depth / 1.6) ** 2))
    return cover, cover * (0.86 + clumping * blotches + 0.14 * membrane).clip(0.35, 1.3)


def _lobes(
    grid: drawing.Grid,
    centres: np.ndarray,
    radii: np.ndarray,
    bridge_px: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Depth inside a nucleus of several longish lobes that bridges join in a chain."""
    lengths = rng.uniform(0.1, 0.4, (len(centres), 1)) * np.reshape(radii, (-1, 1))
    halves = lengths * drawing.direction(rng.uniform(0, np.pi, len(centres)))
    lobes = [
        drawing.sausage(grid, c - half, c + half, 0.92 * r)
        for c, half, r in zip(centres, halves, radii, strict=True)
    ]
    bridges = [drawing.sausage(grid, a, b, bridge_px) for a, b in pairwise(centres)]
    return drawing.join(lobes + bridges, 3)


def neutrophil(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """Three to five dark lobes on a thread, in a pale pink cytoplasm full of fine dust."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.025, 0.015, 0.01, 0.007], rng)
    count = rng.choice([3, 4, 5], p=[0.45, 0.38, 0.17])
    first, span = rng.uniform(0, 2 * np.pi), rng.uniform(3.4, 4.4)
    angles = first + span * np.linspace(-0.5, 0.5, count) + rng.normal(0, 0.12, count)
    reach = rng.uniform(0.36, 0.56, (count, 1))
    centres = radius * (drawing.direction(angles) * reach + rng.normal(0, 0.05, 2))
    sizes = radius * {3: 0.33, 4: 0.285, 5: 0.25}[int(count)] * rng.uniform(0.88, 1.12, count)
    cover, chromatin = _nucleus(grid, _lobes(grid, centres, sizes, 0.07 * radius, rng), 0.13, rng)
    body = drawing.cover(depth) * (1 - cover) * slide.strength
    dust = drawing.granules(0.6 * body, 2.0, (0.4, 0.8), rng)
    plasma = body * (0.75 + 0.12 * drawing.noise(grid, 9, rng))
    return drawing.paint(
        (chromatin, slide.nucleus),
        (plasma, drawing.PINK_CYTOPLASM),
        (0.7 * dust * slide.strength, drawing.NEUTROPHIL_GRANULE),
    ), depth


def eosinophil(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """Two lobes like spectacles, and a cytoplasm packed with coarse orange-red granules."""
    waves = [0.05, 0.02, 0.012, *5 * [0.01]]
    grid, depth, radius = _white_cell(area_px, waves, rng)
    angles = rng.uniform(0, 2 * np.pi) + np.array([-0.5, 0.5]) * rng.uniform(1.7, 2.7)
    centres = drawing.direction(angles) * radius * rng.uniform(0.42, 0.54, (2, 1))
    lobes = _lobes(grid, centres, radius * rng.uniform(0.35, 0.43, 2), 0.08 * radius, rng)
    cover, chromatin = _nucleus(grid, lobes, 0.14, rng)
    body = drawing.cover(depth)
    size = rng.uniform(1.7, 2.5)
    chance, radii_px = body * (0.95 - 0.88 * cover), (0.75 * size, 1.1 * size)
    granules = drawing.granules(chance, 1.5 * size, radii_px, rng, palest=60)
    packed = (0.3 * body * (1 - cover) + 0.85 * granules * (1 - 0.5 * cover)) * slide.strength
    stain = (
        drawing.EOSINOPHIL_GRANULE
        + rng.uniform(0, 0.7) * drawing.PINK_CYTOPLASM
        + rng.uniform(0, 0.5) * drawing.BLUE_CYTOPLASM
    )  # orange to brick red
    return drawing.paint((0.92 * chromatin, slide.nucleus), (packed, stain)), depth


def basophil(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """Dark granules of uneven size that cover and hide a vague nucleus."""
    waves = [0.05, 0.03, 0.015, *5 * [0.012]]
    grid, depth, radius = _white_cell(area_px, waves, rng)
    angles = rng.uniform(0, 2 * np.pi) + np.array([0, 2.1, 4.2])
    centres = drawing.direction(angles) * radius * rng.uniform(0.22, 0.4, (3, 1))
    lobes = _lobes(grid, centres, radius * rng.uniform(0.3, 0.42, 3), 0.2 * radius, rng)
    _, chromatin = _nucleus(grid, lobes, 0.15, rng)
    body = drawing.cover(depth)
    crowding = rng.uniform(0.5, 1.0)  # from granules that can be told apart to one dark mass
    chance = (crowding + 0.15 * drawing.noise(grid, 12, rng)).clip(0.2, 1) * body
    granules = np.maximum(
        drawing.granules(chance, 3.6, (1.1, 2.5), rng),
        drawing.granules(0.8 * chance, 2.6, (0.7, 1.4), rng),
    )
    plasma = body * (0.6 + 0.9 * crowding) * slide.strength
    stain = rng.uniform(0.45, 0.75) * drawing.BASOPHIL_GRANULE + 0.15 * slide.nucleus
    return drawing.paint(
        (0.5 * chromatin, slide.nucleus), (granules, stain), (plasma, drawing.NEUTROPHIL_GRANULE)
    ), depth


def lymphocyte(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """A round dense nucleus that leaves a thin sky-blue rim."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.025, 0.015, 0.01, 0.008], rng)
    fraction = rng.uniform(0.6, 0.88)
    outline = drawing.outline(fraction * area_px, [0.04, 0.025, 0.012, 0.008], rng)
    reach = (1 - np.sqrt(fraction)) * radius * rng.uniform(0.3, 0.9)
    off_centre = reach * drawing.direction(rng.uniform(0, 2 * np.pi))
    nucleus = np.minimum(drawing.inside(grid, outline, off_centre)[0], depth - 0.8)
    cover, chromatin = _nucleus(grid, nucleus, 0.12, rng)
    uneven = 1 + 0.15 * drawing.noise(grid, 5, rng)
    rim = drawing.cover(depth) * (1 - cover) * uneven * slide.strength
    blue = rim * rng.uniform(0.6, 1.15)
    return drawing.paint((chromatin, slide.nucleus), (blue, drawing.BLUE_CYTOPLASM)), depth


def monocyte(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """A kidney of lacy chromatin in plenty of grey-blue cytoplasm with vacuoles."""
    grid, depth, radius = _white_cell(area_px, [0.06, 0.04, 0.025, 0.02, 0.012, 0.008], rng)
    span = rng.uniform(1.7, 3.6)  # from a bean to a horseshoe
    angles = rng.uniform(0, 2 * np.pi) + span * np.linspace(-0.5, 0.5, 5)
    bow = (0.40 + 0.04 * rng.standard_normal((5, 1))) * drawing.direction(angles)
    arc = radius * (bow - 0.12 * drawing.direction(angles[2]))
    thick = radius * (0.49 - 0.05 * span) * np.array([1.15, 0.95, 0.95, 1.15])
    thick = thick * rng.uniform(0.9, 1.1, 4)
    links = zip(pairwise(arc), thick, strict=True)
    kidney = drawing.join([drawing.sausage(grid, a, b, r) for (a, b), r in links], 4)
    kidney = np.minimum(kidney + 0.9 * drawing.noise(grid, 10, rng), depth - 1.5)
    cover, chromatin = _nucleus(grid, kidney, 0.2, rng)
    body = drawing.cover(depth) * (1 - cover)
    vacuoles = drawing.granules(rng.uniform(0.05, 0.35) * body * (depth > 4), 8, (0.8, 3.4), rng)
    ground_glass = 1 + 0.08 * drawing.noise(grid, 1.6, rng) + 0.1 * drawing.noise(grid, 8, rng)
    plasma = body * ground_glass * (1 - 0.8 * vacuoles) * slide.strength * rng.uniform(0.75, 1.15)
    dust = drawing.granules(0.25 * body, 2.4, (0.4, 0.7), rng)
    return drawing.paint(
        (0.85 * chromatin, slide.nucleus),
        (plasma, drawing.GREY_CYTOPLASM),
        (0.5 * dust, drawing.NEUTROPHIL_GRANULE),
    ), depth
