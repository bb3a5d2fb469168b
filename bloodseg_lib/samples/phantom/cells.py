"""Phantom cells: the nine kinds of object drawn by program, so that a fresh machine needs no
download.

Each function draws one kind of cell as a haematologist tells it from the others, out of the shapes,
textures and stains of :mod:`drawing`. No picture of a real cell is used. Taught by
``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from bloodseg_lib import classes
from bloodseg_lib.samples.phantom import drawing
from bloodseg_lib.samples.sample import CellSample, make_sample

SOURCE = "phantom"
AREA_VARIATION = {
    classes.THROMBOCYTE: 0.30,
    classes.PLATELET_CLUMP: 0.40,
    classes.INFECTED_RBC: 0.12,
    classes.HEALTHY_RBC: 0.12,
}
# standard deviation of the area from cell to cell, as a share of the mean
WBC_AREA_VARIATION = 0.15


def _red_cell(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, drawing.Grid]:
    """Haemoglobin times the thickness of the biconcave disc, whose dimple shows as central pallor.

    The profile is that of Evans & Fung, Microvascular Research 4 (1972) 335; a smear flattens it
    more or less.
    """
    outline = drawing.outline(
        area_px,
        [0.06, 0.025, 0.014, 0.008, 0.005],
        rng,
        pressed=rng.choice(3, p=[0.62, 0.28, 0.10]),
    )
    grid = drawing.grid(outline.max())
    depth, share = drawing.inside(grid, outline)
    off_centre = rng.normal(0, 0.05, 2) * outline.mean()
    x2 = (drawing.inside(grid, outline, off_centre)[1] * np.float32(rng.uniform(0.9, 1.5))) ** 2
    height = np.sqrt((1 - x2).clip(0)) * (0.207 + 2.003 * x2 - 1.123 * x2**2) / 0.656
    dimple = np.where(x2 < 0.5, 1 - height, 0)  # the disc is thickest, 0.656, where x2 is a half
    thickness = np.sqrt((1 - share**8).clip(0)) * (1 - rng.beta(1.2, 1.2) * 1.15 * dimple)
    rim = 0.10 * np.exp(-(((depth - 1.2) / 1.1) ** 2))  # refraction darkens the very edge
    amount = (thickness * (1 + 0.025 * drawing.noise(grid, 5, rng)) + rim) * drawing.cover(depth)
    return drawing.paint((amount, slide.red_cell)), depth, grid


def _infected_cell(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A red cell with Plasmodium falciparum in it: one to three rings, a trophozoite or a schizont."""
    density, depth, grid = _red_cell(area_px, slide, rng)
    radius, azure = np.sqrt(area_px / np.pi), rng.uniform(0, 1)
    chromatin = azure * drawing.CHROMATIN_VIOLET + (1 - azure) * drawing.CHROMATIN_MAGENTA
    stage = rng.choice(["ring", "trophozoite", "schizont"], p=[0.68, 0.2, 0.12])
    if stage == "ring":
        first = rng.uniform(0, 2 * np.pi)
        for k in range(rng.choice([1, 2, 3], p=[0.72, 0.22, 0.06])):
            # a quarter at the very edge: "applique" form
            reach = 0.84 if rng.uniform() < 0.25 else rng.uniform(0.15, 0.7)
            density += _ring(
                grid,
                reach * radius * drawing.direction(first + 2.1 * k + rng.normal(0, 0.25)),
                chromatin,
                rng,
            )
    elif stage == "trophozoite":
        density += _trophozoite(
            grid, rng.normal(0, 0.2, 2).clip(-0.35, 0.35) * radius, radius, chromatin, rng
        )
    else:
        density += (
            _schizont(grid, rng.normal(0, 0.06, 2) * radius, radius, chromatin, rng) - 0.1 * density
        )
    return density * drawing.cover(depth)[:, :, None], depth


def _ring(
    grid: drawing.Grid, centre: np.ndarray, chromatin: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A young parasite:

    a thin blue ring, thicker on one side, about a pale vacuole, with one or two dots of chromatin
    on it.
    """
    size, angle, thick_side = (
        rng.uniform(2.8, 4.8),
        rng.uniform(0, 2 * np.pi),
        rng.uniform(0, 2 * np.pi),
    )
    x, y = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    distance = np.hypot(x * rng.uniform(0.85, 1.2), y) + 0.35 * drawing.noise(grid, 4, rng)
    lopsided = 1 + 0.45 * (x * np.cos(thick_side) + y * np.sin(thick_side)) / (distance + 1)
    ring = np.exp(-(((distance - size) / rng.uniform(0.8, 1.2)) ** 2)) * lopsided.clip(0.3, 1.5)
    dots = sum(
        drawing.spot(
            grid, centre + size * drawing.direction(angle + 1.5 * k), rng.uniform(1.4, 2.1)
        )
        for k in range(rng.choice([1, 2], p=[0.7, 0.3]))
    )
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
    outline = drawing.outline(
        np.pi * (radius * rng.uniform(0.34, 0.5)) ** 2, [0.2, 0.14, 0.08, 0.05], rng
    )
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
    """A dividing parasite:

    eight to sixteen dots of chromatin, the merozoites to be, about a heap of pigment.
    """
    k = np.arange(rng.integers(8, 17))
    # a sunflower fills the disc evenly
    reach = radius * rng.uniform(0.62, 0.75) * np.sqrt((k + 1.5) / (len(k) + 1))
    places = (
        centre
        + drawing.direction(2.4 * k + rng.uniform(0, 2 * np.pi)) * reach[:, None]
        + rng.normal(0, 0.8, (len(k), 2))
    )
    dots = np.max([drawing.spot(grid, place, rng.uniform(1.4, 2.0)) for place in places], axis=0)
    body = drawing.cover(radius * 0.78 - np.hypot(grid.x - centre[0], grid.y - centre[1]), 2)
    pigment = drawing.spot(grid, centre, rng.uniform(1.6, 2.6))
    return drawing.paint(
        (0.45 * body, drawing.PARASITE_CYTOPLASM),
        (0.95 * dots, chromatin),
        (pigment, drawing.PIGMENT),
    )


def _white_cell(
    area_px: float, waves: Sequence[float], rng: np.random.Generator
) -> tuple[drawing.Grid, np.ndarray, float]:
    """drawing.Grid, depth and mean radius of a white cell."""
    outline = drawing.outline(area_px, waves, rng)
    grid = drawing.grid(outline.max())
    return grid, drawing.inside(grid, outline)[0], float(outline.mean())


def _nucleus(
    grid: drawing.Grid, depth: np.ndarray, clumping: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cover and amount of chromatin of a nucleus of a given shape:

    blotchy, and denser at its membrane.
    """
    depth = depth + 0.6 * drawing.noise(grid, 8, rng)
    blotches = 0.6 * (drawing.noise(grid, 2.2, rng) + drawing.noise(grid, 4.5, rng))
    cover = drawing.cover(depth)
    return cover, cover * (0.86 + clumping * blotches + 0.14 * np.exp(-((depth / 1.6) ** 2))).clip(
        0.35, 1.3
    )


def _lobes(
    grid: drawing.Grid,
    centres: np.ndarray,
    radii: Sequence[float],
    bridge_px: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Depth inside a nucleus of several longish lobes that bridges join in a chain."""
    halves = (
        rng.uniform(0.1, 0.4, (len(centres), 1))
        * np.reshape(radii, (-1, 1))
        * drawing.direction(rng.uniform(0, np.pi, len(centres)))
    )
    lobes = [
        drawing.sausage(grid, c - half, c + half, 0.92 * r)
        for c, half, r in zip(centres, halves, radii, strict=True)
    ]
    return drawing.join(
        lobes + [drawing.sausage(grid, a, b, bridge_px) for a, b in pairwise(centres)], 3
    )


def _neutrophil(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Three to five dark lobes on a thread, in a pale pink cytoplasm full of fine dust."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.025, 0.015, 0.01, 0.007], rng)
    count = rng.choice([3, 4, 5], p=[0.45, 0.38, 0.17])
    angles = (
        rng.uniform(0, 2 * np.pi)
        + rng.uniform(3.4, 4.4) * np.linspace(-0.5, 0.5, count)
        + rng.normal(0, 0.12, count)
    )
    centres = radius * (
        drawing.direction(angles) * rng.uniform(0.36, 0.56, (count, 1)) + rng.normal(0, 0.05, 2)
    )
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


def _eosinophil(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Two lobes like spectacles, and a cytoplasm packed with coarse orange-red granules."""
    grid, depth, radius = _white_cell(
        area_px, [0.05, 0.02, 0.012, 0.01, 0.01, 0.01, 0.01, 0.01], rng
    )
    angles = rng.uniform(0, 2 * np.pi) + np.array([-0.5, 0.5]) * rng.uniform(1.7, 2.7)
    centres = drawing.direction(angles) * radius * rng.uniform(0.42, 0.54, (2, 1))
    cover, chromatin = _nucleus(
        grid,
        _lobes(grid, centres, radius * rng.uniform(0.35, 0.43, 2), 0.08 * radius, rng),
        0.14,
        rng,
    )
    body = drawing.cover(depth)
    size = rng.uniform(1.7, 2.5)
    granules = drawing.granules(
        body * (0.95 - 0.88 * cover), 1.5 * size, (0.75 * size, 1.1 * size), rng, palest=60
    )
    packed = (0.3 * body * (1 - cover) + 0.85 * granules * (1 - 0.5 * cover)) * slide.strength
    stain = (
        drawing.EOSINOPHIL_GRANULE
        + rng.uniform(0, 0.7) * drawing.PINK_CYTOPLASM
        + rng.uniform(0, 0.5) * drawing.BLUE_CYTOPLASM
    )  # orange to brick red
    return drawing.paint((0.92 * chromatin, slide.nucleus), (packed, stain)), depth


def _basophil(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Dark granules of uneven size that lie over a vague nucleus and hide it."""
    grid, depth, radius = _white_cell(
        area_px, [0.05, 0.03, 0.015, 0.012, 0.012, 0.012, 0.012, 0.012], rng
    )
    centres = (
        drawing.direction(rng.uniform(0, 2 * np.pi) + np.array([0, 2.1, 4.2]))
        * radius
        * rng.uniform(0.22, 0.4, (3, 1))
    )
    _, chromatin = _nucleus(
        grid,
        _lobes(grid, centres, radius * rng.uniform(0.3, 0.42, 3), 0.2 * radius, rng),
        0.15,
        rng,
    )
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


def _lymphocyte(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A round dense nucleus that leaves a thin sky-blue rim."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.025, 0.015, 0.01, 0.008], rng)
    share = rng.uniform(0.6, 0.88)
    outline = drawing.outline(share * area_px, [0.04, 0.025, 0.012, 0.008], rng)
    off_centre = (
        (1 - np.sqrt(share))
        * radius
        * rng.uniform(0.3, 0.9)
        * drawing.direction(rng.uniform(0, 2 * np.pi))
    )
    cover, chromatin = _nucleus(
        grid, np.minimum(drawing.inside(grid, outline, off_centre)[0], depth - 0.8), 0.12, rng
    )
    rim = (
        drawing.cover(depth)
        * (1 - cover)
        * (1 + 0.15 * drawing.noise(grid, 5, rng))
        * slide.strength
    )
    return drawing.paint(
        (chromatin, slide.nucleus), (rim * rng.uniform(0.6, 1.15), drawing.BLUE_CYTOPLASM)
    ), depth


def _monocyte(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A kidney of lacy chromatin in plenty of grey-blue cytoplasm with vacuoles."""
    grid, depth, radius = _white_cell(area_px, [0.06, 0.04, 0.025, 0.02, 0.012, 0.008], rng)
    span = rng.uniform(1.7, 3.6)  # from a bean to a horseshoe
    angles = rng.uniform(0, 2 * np.pi) + span * np.linspace(-0.5, 0.5, 5)
    arc = radius * (
        (0.40 + 0.04 * rng.standard_normal((5, 1))) * drawing.direction(angles)
        - 0.12 * drawing.direction(angles[2])
    )
    thick = (
        radius
        * (0.49 - 0.05 * span)
        * np.array([1.15, 0.95, 0.95, 1.15])
        * rng.uniform(0.9, 1.1, 4)
    )
    kidney = drawing.join(
        [drawing.sausage(grid, a, b, r) for (a, b), r in zip(pairwise(arc), thick, strict=True)], 4
    )
    cover, chromatin = _nucleus(
        grid, np.minimum(kidney + 0.9 * drawing.noise(grid, 10, rng), depth - 1.5), 0.2, rng
    )
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


def _platelets(
    grid: drawing.Grid,
    depth: np.ndarray,
    share: np.ndarray,
    slide: drawing.Slide,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lilac platelets whose purple granules crowd in the middle, where ``share``, 0 there and 1 at
    the edge, is small.
    """
    body = drawing.cover(depth)
    middle = (1.25 - share / rng.uniform(0.65, 1.0)).clip(0, 1) * body
    granules = drawing.granules(0.85 * middle, 2.0, (0.6, 1.1), rng)
    purple = slide.strength * (0.2 * body + 0.3 * middle + 0.5 * granules)
    return drawing.paint(
        (purple, 0.6 * drawing.PLATELET_GRANULE + 0.35 * slide.nucleus),
        (0.3 * body * (1 - middle), drawing.BLUE_CYTOPLASM),
    )


def _thrombocyte(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One platelet."""
    outline = drawing.outline(area_px, [0.10, 0.06, 0.04, 0.035, 0.03, 0.025], rng)
    grid = drawing.grid(outline.max())
    depth, share = drawing.inside(grid, outline)
    return _platelets(grid, depth, share, slide, rng), depth


def _platelet_clump(
    area_px: float, slide: drawing.Slide, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Platelets that stick together:

    each new one touches another, in the better of two places so that the clump grows compact.
    """
    count = max(2, round(area_px / rng.uniform(110, 190)))
    centres, sizes = np.zeros((count, 2)), rng.uniform(0.8, 1.2, count)
    for k in range(1, count):
        touched = rng.integers(0, k, 2)
        places = centres[touched] + 0.8 * (sizes[touched] + sizes[k])[:, None] * drawing.direction(
            rng.uniform(0, 2 * np.pi, 2)
        )
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
    return _platelets(
        grid, depth, np.min([share for _, share in members], axis=0), slide, rng
    ), depth


def _area_of_union(centres: np.ndarray, radii: np.ndarray) -> float:
    """Area that overlapping discs cover together, counted on a lattice."""
    low, high = (centres - radii[:, None]).min(axis=0), (centres + radii[:, None]).max(axis=0)
    x, y = np.meshgrid(*np.linspace(low, high, 96).T)
    covered = np.any(
        [(x - cx) ** 2 + (y - cy) ** 2 < r**2 for (cx, cy), r in zip(centres, radii, strict=True)],
        axis=0,
    )
    return float(covered.mean() * np.prod(high - low))


# Each draws optical density (N, N, 3) and depth below the outline (N, N) of a cell of a given area.
_ARTISTS = {
    classes.EOSINOPHIL: _eosinophil,
    classes.BASOPHIL: _basophil,
    classes.NEUTROPHIL: _neutrophil,
    classes.LYMPHOCYTE: _lymphocyte,
    classes.MONOCYTE: _monocyte,
    classes.THROMBOCYTE: _thrombocyte,
    classes.PLATELET_CLUMP: _platelet_clump,
    classes.INFECTED_RBC: _infected_cell,
    classes.HEALTHY_RBC: lambda *given: _red_cell(*given)[:2],
}


def _check_class(class_id: int) -> None:
    if class_id not in _ARTISTS:
        legal = ", ".join(f"{c.id} ({c.key})" for c in classes.CELL_CLASSES)
        raise ValueError(
            f"Expected the id of a class of cells, one of {legal}. Received {class_id!r}."
        )


def draw_cell(
    class_id: int, rng: np.random.Generator, name: str = "0", area_px: float | None = None
) -> CellSample:
    """Draw one cell.

    Args:
        class_id: 1..9.
        rng: decides everything that varies: size, shape, stain, tint, focus, noise.
        name: of the sample; its group is its own, for a drawn cell shares no patient with any
            other.
        area_px: area in square pixels; by default about the mean of the class, as
            :data:`AREA_VARIATION` says.

    Returns:
        the cell at 40x, source ``"phantom"``; alpha is 0 or 255 and in one piece.

    Raises:
        ValueError: no such class, or background, which is no cell.
    """
    _check_class(class_id)
    kind = classes.CLASSES[class_id]
    slide = drawing.draw_slide(rng)
    spread = np.sqrt(np.log1p(AREA_VARIATION.get(class_id, WBC_AREA_VARIATION) ** 2))
    # log-normal: never negative
    drawn_px = kind.mean_area_px * np.exp(spread * np.clip(rng.normal(), -2.5, 2.5) - spread**2 / 2)
    density, depth = _ARTISTS[class_id](area_px or drawn_px, slide, rng)
    return make_sample(
        drawing.photograph(density, slide, rng),
        drawing.mask(depth),
        class_id,
        SOURCE,
        f"{kind.key}-{name}",
        name,
    )


def read(cells_per_class: int | dict[int, int] = 300, seed: int = 0) -> Iterator[CellSample]:
    """Draw cells of every class.

    Cell number *i* of a class is a pure function of (seed, class, *i*): asking for more cells
        leaves the first ones as they were.

    Args:
        cells_per_class: how many of each class, or class id -> how many; classes left out of the
            dict are not drawn.
        seed: 0 or more.

    Yields:
        samples, class by class.

    Raises:
        ValueError: an unknown class, or a negative number of cells or seed.
    """
    wanted = (
        cells_per_class
        if isinstance(cells_per_class, dict)
        else dict.fromkeys(_ARTISTS, cells_per_class)
    )
    if seed < 0 or min(wanted.values(), default=0) < 0:
        raise ValueError(
            f"Expected a seed and numbers of cells of 0 or more. Received seed {seed} and cells per class {cells_per_class}."
        )
    for class_id in wanted:
        _check_class(class_id)
    for class_id, count in wanted.items():
        for i in range(count):
            yield draw_cell(class_id, np.random.default_rng([seed, class_id, i]), f"{seed}-{i:05d}")
