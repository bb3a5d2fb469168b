"""Single platelets, and clumps of them."""

from __future__ import annotations

import numpy as np

from bloodseg_lib.samples.phantom import drawing
from bloodseg_lib.samples.phantom.drawing import Drawn


def _platelets(
    grid: drawing.Grid,
    depth: np.ndarray,
    radial: np.ndarray,
    slide: drawing.Slide,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lilac platelets whose purple granules crowd in the middle; ``radial`` is 0 there and 1 at the
    edge.
    """
    body = drawing.cover(depth)
    middle = (1.25 - radial / rng.uniform(0.65, 1.0)).clip(0, 1) * body
    granules = drawing.granules(0.85 * middle, 2.0, (0.6, 1.1), rng)
    purple = slide.strength * (0.2 * body + 0.3 * middle + 0.5 * granules)
    return drawing.paint(
        (purple, 0.6 * drawing.PLATELET_GRANULE + 0.35 * slide.nucleus),
        (0.3 * body * (1 - middle), drawing.BLUE_CYTOPLASM),
    )


def thrombocyte(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """One platelet."""
    outline = drawing.outline(area_px, [0.10, 0.06, 0.04, 0.035, 0.03, 0.025], rng)
    grid = drawing.grid(outline.max())
    depth, radial = drawing.inside(grid, outline)
    return _platelets(grid, depth, radial, slide, rng), depth


def platelet_clump(area_px: float, slide: drawing.Slide, rng: np.random.Generator) -> Drawn:
    """Platelets that stick together: each new one touches another, in the more central of two
    places, so that the clump grows compact.
    """
    count = max(2, round(area_px / rng.uniform(110, 190)))
    centres, sizes = np.zeros((count, 2)), rng.uniform(0.8, 1.2, count)
    for k in range(1, count):
        touched = rng.integers(0, k, 2)
        apart = 0.8 * (sizes[touched] + sizes[k])[:, None]
        places = centres[touched] + apart * drawing.direction(rng.uniform(0, 2 * np.pi, 2))
        centres[k] = min(places, key=lambda place: np.hypot(*(place - centres[:k].mean(axis=0))))
    centres -= (centres.max(axis=0) + centres.min(axis=0)) / 2
    scale = np.sqrt(area_px / _area_of_union(centres, sizes))
    centres, sizes = centres * scale, sizes * scale
    grid = drawing.grid(float((np.abs(centres).max(axis=1) + 1.2 * sizes).max()))
    members = [
        drawing.inside(grid, drawing.outline(np.pi * r**2, [0.08, 0.05, 0.03, 0.03, 0.02], rng), c)
        for c, r in zip(centres, sizes, strict=True)
    ]
    depth = drawing.join([depth for depth, _ in members], 1.0)
    radial = np.min([radial for _, radial in members], axis=0)
    return _platelets(grid, depth, radial, slide, rng), depth


def _area_of_union(centres: np.ndarray, radii: np.ndarray) -> float:
    """Area that overlapping discs cover together, counted on a lattice."""
    low, high = (centres - radii[:, None]).min(axis=0), (centres + radii[:, None]).max(axis=0)
    x, y = np.meshgrid(*np.linspace(low, high, 96).T)
    discs = zip(centres, radii, strict=True)
    covered = np.any([(x - cx) ** 2 + (y - cy) ** 2 < r**2 for (cx, cy), r in discs], axis=0)
    return float(covered.mean() * np.prod(high - low))
