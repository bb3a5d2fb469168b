"""Red cells, healthy and with *Plasmodium falciparum* in them."""

from __future__ import annotations

import numpy as np

from bloodseg_lib.samples.phantom import drawing
from bloodseg_lib.samples.phantom.drawing import Drawn
from bloodseg_lib.samples.phantom.parasites import draw_parasites


def red_cell(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, drawing.Grid]:
    """Haemoglobin times the thickness of the biconcave disc, whose dimple shows as central pallor.

    The profile is that of Evans & Fung, Microvascular Research 4 (1972) 335; a smear flattens it
    more or less.
    """
    pressed = rng.choice(3, p=[0.62, 0.28, 0.10])
    outline = drawing.outline(area_px, [0.06, 0.025, 0.014, 0.008, 0.005], rng, pressed)
    grid = drawing.grid(outline.max())
    depth, radial = drawing.inside(grid, outline)
    off_centre = rng.normal(0, 0.05, 2) * outline.mean()
    x2 = (drawing.inside(grid, outline, off_centre)[1] * np.float32(rng.uniform(0.9, 1.5))) ** 2
    height = np.sqrt((1 - x2).clip(0)) * (0.207 + 2.003 * x2 - 1.123 * x2**2) / 0.656
    dimple = np.where(x2 < 0.5, 1 - height, 0)  # the disc is thickest, 0.656, where x2 is a half
    thickness = np.sqrt((1 - radial**8).clip(0)) * (1 - rng.beta(1.2, 1.2) * 1.15 * dimple)
    rim = 0.10 * np.exp(-(((depth - 1.2) / 1.1) ** 2))  # refraction darkens the very edge
    amount = (thickness * (1 + 0.025 * drawing.noise(grid, 5, rng)) + rim) * drawing.cover(depth)
    return drawing.paint((amount, slide.red_cell)), depth, grid


def infected_cell(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """A red cell with one to three rings, a trophozoite or a schizont of P. falciparum."""
    density, depth, grid = red_cell(area_px, slide, rng)
    draw_parasites(density, grid, np.sqrt(area_px / np.pi), rng)
    return density * drawing.cover(depth)[:, :, None], depth
