"""Phantom cells: the nine kinds of object drawn by program, so that a fresh machine needs no download.

A stained cell is drawn as a microscope sees it. Every dye in it *absorbs* light, and absorbances (optical densities) add up; what is left of
the slide's light is ``light * 10 ** -density``, the law of Beer and Lambert, in each of the channels red, green, blue. So a cell here is a sum
of smooth fields - haemoglobin, cytoplasm, nucleus, granules - each times the colour of its stain, painted on a canvas of twice the
resolution, put out of focus, and cut out with its outline as mask.

Shapes are fields too: the depth in pixels below their edge, negative outside, so that shapes are joined by a maximum and softened by a clip.
All lengths are in pixels at 40x, where a red cell measures 37. No picture of a real cell is used.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from bloodseg_lib import classes
from bloodseg_lib.samples import CellSample, make_sample

SOURCE = "phantom"
SUPERSAMPLING = 2  # canvas pixels per pixel: enough for edges that the focus softens anyway
AREA_VARIATION = {classes.THROMBOCYTE: 0.30, classes.PLATELET_CLUMP: 0.40, classes.INFECTED_RBC: 0.12, classes.HEALTHY_RBC: 0.12}
WBC_AREA_VARIATION = 0.15  # standard deviation of the area from cell to cell, as a share of the mean


def _stain(red: float, green: float, blue: float) -> np.ndarray:
    return np.array([red, green, blue], np.float32)


# Optical density of each stain at its usual strength. Giemsa and Wright's stain are eosin, which takes away green and blue light and so looks
# pink to orange, and azure (methylene blue), which takes away red and green and so looks blue to violet.
RBC_SALMON = _stain(0.05, 0.21, 0.21)  # haemoglobin loves eosin: the textbook red cell
RBC_MAUVE = _stain(0.12, 0.19, 0.12)  # the same with more azure, the usual automatic stainer
RBC_BLUE_GREY = _stain(0.18, 0.17, 0.08)  # Giemsa at the high pH that shows malaria best
NUCLEUS_VIOLET = _stain(0.38, 0.78, 0.25)  # DNA binds both dyes: red-violet on a fresh, eosin-rich smear
NUCLEUS_BLUE = _stain(0.66, 0.84, 0.34)  # blue-violet where azure prevails
EOSINOPHIL_GRANULE = _stain(0.08, 0.33, 0.34)  # basic protein, pure eosin: orange-red
BASOPHIL_GRANULE = _stain(0.72, 0.92, 0.42)  # heparin binds azure alone: nearly black violet
NEUTROPHIL_GRANULE = _stain(0.10, 0.22, 0.09)  # takes little of either: fine lilac-pink dust
PINK_CYTOPLASM = _stain(0.05, 0.11, 0.06)  # mature granulocytes hardly stain between their granules
BLUE_CYTOPLASM = _stain(0.23, 0.18, 0.07)  # ribosomes' RNA binds azure: lymphocytes are sky blue
GREY_CYTOPLASM = _stain(0.19, 0.18, 0.09)  # fine red granules on blue: monocytes are grey-blue
PLATELET_GRANULE = _stain(0.33, 0.58, 0.20)  # azure granules: purple
CHROMATIN_MAGENTA = _stain(0.12, 0.78, 0.26)  # a parasite's DNA is redder than a nucleus' ...
CHROMATIN_VIOLET = _stain(0.38, 0.76, 0.20)  # ... less so where azure prevails
PARASITE_CYTOPLASM = _stain(0.27, 0.31, 0.09)  # thin and blue
PARASITE_VACUOLE = _stain(-0.01, -0.03, -0.03)  # not a stain: it displaces haemoglobin
PIGMENT = _stain(0.35, 0.50, 0.70)  # haemozoin, digested haemoglobin: golden brown


@dataclass(frozen=True)
class Slide:
    """How the slide of one cell was stained and photographed.

    Attributes:
        light: ``(3,) float``, RGB of the empty slide, 0..255.
        red_cell, nucleus: ``(3,) float``, optical density of a red cell at its thickest and of dense chromatin.
        strength: of all other stains; 1 is usual.
        blur_px: standard deviation of the focus.
        noise: standard deviation of the camera's noise, grey levels.
    """

    light: np.ndarray
    red_cell: np.ndarray
    nucleus: np.ndarray
    strength: float
    blur_px: float
    noise: float


def draw_slide(rng: np.random.Generator) -> Slide:
    """Draw the stain, tint and focus that one cell is seen with."""
    warm, azure = rng.uniform(0, 1, 2)
    light = np.float32([250, 248 - 9 * warm, 249 - 16 * warm]) - np.float32(rng.uniform(0, 14))
    red_cell = rng.dirichlet([0.7, 0.7, 0.7]) @ np.stack([RBC_SALMON, RBC_MAUVE, RBC_BLUE_GREY]) * rng.uniform(0.7, 1.1)
    nucleus = (azure * NUCLEUS_BLUE + (1 - azure) * NUCLEUS_VIOLET) * rng.uniform(0.65, 1.1)
    return Slide(light, red_cell, nucleus, rng.uniform(0.8, 1.25), rng.uniform(0.4, 1.0), rng.uniform(0.5, 2.5))


@dataclass(frozen=True)
class Grid:
    """Where the canvas' pixels lie: ``x`` and ``y``, each ``(N, N) float32``, in pixels from the middle of the cell."""

    x: np.ndarray
    y: np.ndarray


def _grid(radius_px: float) -> Grid:
    n = 2 * SUPERSAMPLING * int(np.ceil(radius_px + 4))
    axis = ((np.arange(n) + 0.5 - n / 2) / SUPERSAMPLING).astype(np.float32)
    return Grid(*np.meshgrid(axis, axis))


def _direction(angle: float | np.ndarray) -> np.ndarray:
    """Unit vectors (x, y), ``(..., 2)``."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _outline(area_px: float, waves: Sequence[float], rng: np.random.Generator, pressed: int = 0) -> np.ndarray:
    """An uneven round outline of exactly the area asked for.

    Args:
        waves: usual amplitude of 2, 3, 4 ... bulges around the cell, as shares of the radius.
        pressed: how many sides a neighbour has flattened.

    Returns:
        ``(256,)`` radius in pixels, in 256 directions from the positive x axis on.
    """
    angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    radius = np.ones(256)
    for bulges, amplitude in enumerate(waves, start=2):
        radius += amplitude * np.clip(rng.normal(), -2, 2) * np.cos(bulges * angles - rng.uniform(0, 2 * np.pi))
    for _ in range(pressed):
        wall = rng.uniform(0.84, 0.97) / np.maximum(np.cos(angles - rng.uniform(0, 2 * np.pi)), 0.05)
        radius = -np.log(np.exp(-20 * radius) + np.exp(-20 * wall)) / 20  # a minimum with rounded corners
    return radius * np.sqrt(area_px / (np.pi * np.mean(radius**2)))


def _inside(grid: Grid, outline: np.ndarray, centre: Sequence[float] = (0, 0)) -> tuple[np.ndarray, np.ndarray]:
    """Depth below an outline in pixels, and distance from its centre as a share of its radius, each ``(N, N)``."""
    distance, angle = cv2.cartToPolar(grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1]))
    edge = outline.astype(np.float32)[(angle * np.float32(256 / (2 * np.pi))).astype(np.int32) % 256]
    return edge - distance, distance / edge


def _sausage(grid: Grid, a: np.ndarray, b: np.ndarray, radius_px: float) -> np.ndarray:
    """Depth inside the sausage of a given radius from point ``a`` to point ``b``."""
    along = (b - a).astype(np.float32)
    x, y = grid.x - np.float32(a[0]), grid.y - np.float32(a[1])
    share = ((x * along[0] + y * along[1]) / max(along @ along, np.float32(1e-6))).clip(0, 1)
    return np.float32(radius_px) - cv2.magnitude(x - share * along[0], y - share * along[1])


def _join(shapes: Sequence[np.ndarray], fillet_px: float) -> np.ndarray:
    """The union of shapes, rounded where they meet."""
    total = shapes[0]
    for shape in shapes[1:]:
        near = (1 - np.abs(total - shape) / fillet_px).clip(0)
        total = np.maximum(total, shape) + near**2 * (fillet_px / 4)
    return total


def _cover(depth: np.ndarray, softness_px: float = 1.0) -> np.ndarray:
    """Depth -> how much of each pixel is covered, 0..1, over an edge of the given width."""
    return (depth / softness_px + 0.5).clip(0, 1)


def _spot(grid: Grid, centre: Sequence[float], radius_px: float) -> np.ndarray:
    """A round spot with a soft edge, 0..1."""
    return np.exp(-((((grid.x - np.float32(centre[0])) ** 2 + (grid.y - np.float32(centre[1])) ** 2) / np.float32(radius_px**2)) ** 2))


def _noise(grid: Grid, scale_px: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of standard deviation about 1 whose blobs are ``scale_px`` apart."""
    n = max(2, round(len(grid.x) / SUPERSAMPLING / scale_px)) + 1
    return cv2.resize(rng.standard_normal((n, n), dtype=np.float32) * 1.4, grid.x.shape, interpolation=cv2.INTER_CUBIC)


def _granules(chance: np.ndarray, spacing_px: float, radii_px: tuple[float, float], rng: np.random.Generator, palest: int = 150) -> np.ndarray:
    """Small discs strewn evenly but not regularly, ``(N, N)`` 0..1, each of a strength of its own.

    Args:
        chance: ``(N, N)``, the probability that a granule lies there.
        spacing_px: from one to the next where the chance is 1.
        radii_px: smallest and largest.
        palest: strength of the palest, of 255.
    """
    n, step = len(chance), spacing_px * SUPERSAMPLING
    lattice = np.arange(step / 2, n, step)
    points = np.stack(np.meshgrid(lattice, lattice), axis=-1).reshape(-1, 2)
    points = rng.permutation(points + rng.uniform(-0.5, 0.5, points.shape) * step)
    column, row = points.astype(int).clip(0, n - 1).T
    points = points[rng.uniform(0, 1, len(points)) < chance[row, column]]
    radii = rng.uniform(*radii_px, len(points)) * SUPERSAMPLING
    canvas = np.zeros((n, n), np.uint8)
    sixteenths = (np.column_stack([points, radii]) * 16).astype(int).tolist()
    for (x, y, r), grey in zip(sixteenths, rng.integers(palest, 256, len(points)).tolist(), strict=True):
        cv2.circle(canvas, (x, y), r, grey, -1, cv2.LINE_AA, shift=4)
    return canvas.astype(np.float32) / 255


def _paint(*layers: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Amounts of stain ``(N, N)`` times their colours ``(3,)``, added up: optical density ``(N, N, 3)``."""
    return np.stack([amount for amount, _ in layers], axis=-1).astype(np.float32) @ np.stack([stain for _, stain in layers]).astype(np.float32)


def _photograph(density: np.ndarray, slide: Slide, rng: np.random.Generator) -> np.ndarray:
    """Optical density on the canvas -> ``(H, W, 3) uint8`` RGB at 40x."""
    light = slide.light * cv2.exp(density * np.float32(-np.log(10)))
    image = cv2.resize(light, None, fx=1 / SUPERSAMPLING, fy=1 / SUPERSAMPLING, interpolation=cv2.INTER_AREA)
    image = cv2.GaussianBlur(image, (0, 0), slide.blur_px)
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(slide.noise)
    return image.round().clip(0, 255).astype(np.uint8)


def _mask(depth: np.ndarray) -> np.ndarray:
    """The pixels at 40x that lie inside: ``(H, W) uint8``, 0 or 1, and only the largest piece if there are several."""
    depth = cv2.resize(depth, None, fx=1 / SUPERSAMPLING, fy=1 / SUPERSAMPLING, interpolation=cv2.INTER_AREA)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats((depth > 0).astype(np.uint8), connectivity=4)
    return (pieces == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)


def _red_cell(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Haemoglobin times the thickness of the biconcave disc, whose dimple shows as central pallor.

    The profile is that of Evans & Fung, Microvascular Research 4 (1972) 335; a smear flattens it more or less.
    """
    outline = _outline(area_px, [0.06, 0.025, 0.014, 0.008, 0.005], rng, pressed=rng.choice(3, p=[0.62, 0.28, 0.10]))
    grid = _grid(outline.max())
    depth, share = _inside(grid, outline)
    off_centre = rng.normal(0, 0.05, 2) * outline.mean()
    x2 = (_inside(grid, outline, off_centre)[1] * np.float32(rng.uniform(0.9, 1.5))) ** 2
    height = np.sqrt((1 - x2).clip(0)) * (0.207 + 2.003 * x2 - 1.123 * x2**2) / 0.656
    dimple = np.where(x2 < 0.5, 1 - height, 0)  # the disc is thickest, 0.656, where x2 is a half
    thickness = np.sqrt((1 - share**8).clip(0)) * (1 - rng.beta(1.2, 1.2) * 1.15 * dimple)
    rim = 0.10 * np.exp(-(((depth - 1.2) / 1.1) ** 2))  # refraction darkens the very edge
    amount = (thickness * (1 + 0.025 * _noise(grid, 5, rng)) + rim) * _cover(depth)
    return _paint((amount, slide.red_cell)), depth, grid


def _infected_cell(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A red cell with Plasmodium falciparum in it: one to three rings, a trophozoite or a schizont."""
    density, depth, grid = _red_cell(area_px, slide, rng)
    radius, azure = np.sqrt(area_px / np.pi), rng.uniform(0, 1)
    chromatin = azure * CHROMATIN_VIOLET + (1 - azure) * CHROMATIN_MAGENTA
    stage = rng.choice(["ring", "trophozoite", "schizont"], p=[0.68, 0.2, 0.12])
    if stage == "ring":
        first = rng.uniform(0, 2 * np.pi)
        for k in range(rng.choice([1, 2, 3], p=[0.72, 0.22, 0.06])):
            reach = 0.84 if rng.uniform() < 0.25 else rng.uniform(0.15, 0.7)  # a quarter at the very edge: "applique" form
            density += _ring(grid, reach * radius * _direction(first + 2.1 * k + rng.normal(0, 0.25)), chromatin, rng)
    elif stage == "trophozoite":
        density += _trophozoite(grid, rng.normal(0, 0.2, 2).clip(-0.35, 0.35) * radius, radius, chromatin, rng)
    else:
        density += _schizont(grid, rng.normal(0, 0.06, 2) * radius, radius, chromatin, rng) - 0.1 * density
    return density * _cover(depth)[:, :, None], depth


def _ring(grid: Grid, centre: np.ndarray, chromatin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A young parasite: a thin blue ring, thicker on one side, about a pale vacuole, with one or two dots of chromatin on it."""
    size, angle, thick_side = rng.uniform(2.8, 4.8), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    x, y = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    distance = np.hypot(x * rng.uniform(0.85, 1.2), y) + 0.35 * _noise(grid, 4, rng)
    lopsided = 1 + 0.45 * (x * np.cos(thick_side) + y * np.sin(thick_side)) / (distance + 1)
    ring = np.exp(-(((distance - size) / rng.uniform(0.8, 1.2)) ** 2)) * lopsided.clip(0.3, 1.5)
    dots = sum(_spot(grid, centre + size * _direction(angle + 1.5 * k), rng.uniform(1.4, 2.1)) for k in range(rng.choice([1, 2], p=[0.7, 0.3])))
    return _paint((ring * rng.uniform(0.6, 0.95), PARASITE_CYTOPLASM), (dots.clip(0, 1), chromatin), (_cover(size - distance), PARASITE_VACUOLE))


def _trophozoite(grid: Grid, centre: np.ndarray, radius: float, chromatin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A grown parasite: an irregular blue body with chromatin and crumbs of brown pigment."""
    outline = _outline(np.pi * (radius * rng.uniform(0.34, 0.5)) ** 2, [0.2, 0.14, 0.08, 0.05], rng)
    depth, _ = _inside(grid, outline, centre)
    body = _cover(depth, 1.6) * (0.6 + 0.22 * _noise(grid, 3, rng)).clip(0.1, 1.1)
    spot = _spot(grid, centre + rng.normal(0, 0.12, 2) * radius, rng.uniform(2.4, 3.4))
    crumbs = _granules(0.25 * _cover(depth), 2.5, (0.5, 0.9), rng)
    return _paint((body, PARASITE_CYTOPLASM), (spot, chromatin), (0.8 * crumbs, PIGMENT))


def _schizont(grid: Grid, centre: np.ndarray, radius: float, chromatin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A dividing parasite: eight to sixteen dots of chromatin, the merozoites to be, about a heap of pigment."""
    k = np.arange(rng.integers(8, 17))
    reach = radius * rng.uniform(0.62, 0.75) * np.sqrt((k + 1.5) / (len(k) + 1))  # a sunflower fills the disc evenly
    places = centre + _direction(2.4 * k + rng.uniform(0, 2 * np.pi)) * reach[:, None] + rng.normal(0, 0.8, (len(k), 2))
    dots = np.max([_spot(grid, place, rng.uniform(1.4, 2.0)) for place in places], axis=0)
    body = _cover(radius * 0.78 - np.hypot(grid.x - centre[0], grid.y - centre[1]), 2)
    pigment = _spot(grid, centre, rng.uniform(1.6, 2.6))
    return _paint((0.45 * body, PARASITE_CYTOPLASM), (0.95 * dots, chromatin), (pigment, PIGMENT))


def _white_cell(area_px: float, waves: Sequence[float], rng: np.random.Generator) -> tuple[Grid, np.ndarray, float]:
    """Grid, depth and mean radius of a white cell."""
    outline = _outline(area_px, waves, rng)
    grid = _grid(outline.max())
    return grid, _inside(grid, outline)[0], float(outline.mean())


def _nucleus(grid: Grid, depth: np.ndarray, clumping: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cover and amount of chromatin of a nucleus of a given shape: blotchy, and denser at its membrane."""
    depth = depth + 0.6 * _noise(grid, 8, rng)
    blotches = 0.6 * (_noise(grid, 2.2, rng) + _noise(grid, 4.5, rng))
    cover = _cover(depth)
    return cover, cover * (0.86 + clumping * blotches + 0.14 * np.exp(-((depth / 1.6) ** 2))).clip(0.35, 1.3)


def _lobes(grid: Grid, centres: np.ndarray, radii: Sequence[float], bridge_px: float, rng: np.random.Generator) -> np.ndarray:
    """Depth inside a nucleus of several longish lobes that bridges join in a chain."""
    halves = rng.uniform(0.1, 0.4, (len(centres), 1)) * np.reshape(radii, (-1, 1)) * _direction(rng.uniform(0, np.pi, len(centres)))
    lobes = [_sausage(grid, c - half, c + half, 0.92 * r) for c, half, r in zip(centres, halves, radii, strict=True)]
    return _join(lobes + [_sausage(grid, a, b, bridge_px) for a, b in pairwise(centres)], 3)


def _neutrophil(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three to five dark lobes on a thread, in a pale pink cytoplasm full of fine dust."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.025, 0.015, 0.01, 0.007], rng)
    count = rng.choice([3, 4, 5], p=[0.45, 0.38, 0.17])
    angles = rng.uniform(0, 2 * np.pi) + rng.uniform(3.4, 4.4) * np.linspace(-0.5, 0.5, count) + rng.normal(0, 0.12, count)
    centres = radius * (_direction(angles) * rng.uniform(0.36, 0.56, (count, 1)) + rng.normal(0, 0.05, 2))
    sizes = radius * {3: 0.33, 4: 0.285, 5: 0.25}[int(count)] * rng.uniform(0.88, 1.12, count)
    cover, chromatin = _nucleus(grid, _lobes(grid, centres, sizes, 0.07 * radius, rng), 0.13, rng)
    body = _cover(depth) * (1 - cover) * slide.strength
    dust = _granules(0.6 * body, 2.0, (0.4, 0.8), rng)
    plasma = body * (0.75 + 0.12 * _noise(grid, 9, rng))
    return _paint((chromatin, slide.nucleus), (plasma, PINK_CYTOPLASM), (0.7 * dust * slide.strength, NEUTROPHIL_GRANULE)), depth


def _eosinophil(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two lobes like spectacles, and a cytoplasm packed with coarse orange-red granules."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.02, 0.012, 0.01, 0.01, 0.01, 0.01, 0.01], rng)
    angles = rng.uniform(0, 2 * np.pi) + np.array([-0.5, 0.5]) * rng.uniform(1.7, 2.7)
    centres = _direction(angles) * radius * rng.uniform(0.42, 0.54, (2, 1))
    cover, chromatin = _nucleus(grid, _lobes(grid, centres, radius * rng.uniform(0.35, 0.43, 2), 0.08 * radius, rng), 0.14, rng)
    body = _cover(depth)
    size = rng.uniform(1.7, 2.5)
    granules = _granules(body * (0.95 - 0.88 * cover), 1.5 * size, (0.75 * size, 1.1 * size), rng, palest=60)
    packed = (0.3 * body * (1 - cover) + 0.85 * granules * (1 - 0.5 * cover)) * slide.strength
    stain = EOSINOPHIL_GRANULE + rng.uniform(0, 0.7) * PINK_CYTOPLASM + rng.uniform(0, 0.5) * BLUE_CYTOPLASM  # orange to brick red
    return _paint((0.92 * chromatin, slide.nucleus), (packed, stain)), depth


def _basophil(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Dark granules of uneven size that lie over a vague nucleus and hide it."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.03, 0.015, 0.012, 0.012, 0.012, 0.012, 0.012], rng)
    centres = _direction(rng.uniform(0, 2 * np.pi) + np.array([0, 2.1, 4.2])) * radius * rng.uniform(0.22, 0.4, (3, 1))
    _, chromatin = _nucleus(grid, _lobes(grid, centres, radius * rng.uniform(0.3, 0.42, 3), 0.2 * radius, rng), 0.15, rng)
    body = _cover(depth)
    crowding = rng.uniform(0.5, 1.0)  # from granules that can be told apart to one dark mass
    chance = (crowding + 0.15 * _noise(grid, 12, rng)).clip(0.2, 1) * body
    granules = np.maximum(_granules(chance, 3.6, (1.1, 2.5), rng), _granules(0.8 * chance, 2.6, (0.7, 1.4), rng))
    plasma = body * (0.6 + 0.9 * crowding) * slide.strength
    stain = rng.uniform(0.45, 0.75) * BASOPHIL_GRANULE + 0.15 * slide.nucleus
    return _paint((0.5 * chromatin, slide.nucleus), (granules, stain), (plasma, NEUTROPHIL_GRANULE)), depth


def _lymphocyte(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A round dense nucleus that leaves a thin sky-blue rim."""
    grid, depth, radius = _white_cell(area_px, [0.05, 0.025, 0.015, 0.01, 0.008], rng)
    share = rng.uniform(0.6, 0.88)
    outline = _outline(share * area_px, [0.04, 0.025, 0.012, 0.008], rng)
    off_centre = (1 - np.sqrt(share)) * radius * rng.uniform(0.3, 0.9) * _direction(rng.uniform(0, 2 * np.pi))
    cover, chromatin = _nucleus(grid, np.minimum(_inside(grid, outline, off_centre)[0], depth - 0.8), 0.12, rng)
    rim = _cover(depth) * (1 - cover) * (1 + 0.15 * _noise(grid, 5, rng)) * slide.strength
    return _paint((chromatin, slide.nucleus), (rim * rng.uniform(0.6, 1.15), BLUE_CYTOPLASM)), depth


def _monocyte(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A kidney of lacy chromatin in plenty of grey-blue cytoplasm with vacuoles."""
    grid, depth, radius = _white_cell(area_px, [0.06, 0.04, 0.025, 0.02, 0.012, 0.008], rng)
    span = rng.uniform(1.7, 3.6)  # from a bean to a horseshoe
    angles = rng.uniform(0, 2 * np.pi) + span * np.linspace(-0.5, 0.5, 5)
    arc = radius * ((0.40 + 0.04 * rng.standard_normal((5, 1))) * _direction(angles) - 0.12 * _direction(angles[2]))
    thick = radius * (0.49 - 0.05 * span) * np.array([1.15, 0.95, 0.95, 1.15]) * rng.uniform(0.9, 1.1, 4)
    kidney = _join([_sausage(grid, a, b, r) for (a, b), r in zip(pairwise(arc), thick, strict=True)], 4)
    cover, chromatin = _nucleus(grid, np.minimum(kidney + 0.9 * _noise(grid, 10, rng), depth - 1.5), 0.2, rng)
    body = _cover(depth) * (1 - cover)
    vacuoles = _granules(rng.uniform(0.05, 0.35) * body * (depth > 4), 8, (0.8, 3.4), rng)
    ground_glass = 1 + 0.08 * _noise(grid, 1.6, rng) + 0.1 * _noise(grid, 8, rng)
    plasma = body * ground_glass * (1 - 0.8 * vacuoles) * slide.strength * rng.uniform(0.75, 1.15)
    dust = _granules(0.25 * body, 2.4, (0.4, 0.7), rng)
    return _paint((0.85 * chromatin, slide.nucleus), (plasma, GREY_CYTOPLASM), (0.5 * dust, NEUTROPHIL_GRANULE)), depth


def _platelets(grid: Grid, depth: np.ndarray, share: np.ndarray, slide: Slide, rng: np.random.Generator) -> np.ndarray:
    """Lilac platelets whose purple granules crowd in the middle, where ``share``, 0 there and 1 at the edge, is small."""
    body = _cover(depth)
    middle = (1.25 - share / rng.uniform(0.65, 1.0)).clip(0, 1) * body
    granules = _granules(0.85 * middle, 2.0, (0.6, 1.1), rng)
    purple = slide.strength * (0.2 * body + 0.3 * middle + 0.5 * granules)
    return _paint((purple, 0.6 * PLATELET_GRANULE + 0.35 * slide.nucleus), (0.3 * body * (1 - middle), BLUE_CYTOPLASM))


def _thrombocyte(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One platelet."""
    outline = _outline(area_px, [0.10, 0.06, 0.04, 0.035, 0.03, 0.025], rng)
    grid = _grid(outline.max())
    depth, share = _inside(grid, outline)
    return _platelets(grid, depth, share, slide, rng), depth


def _platelet_clump(area_px: float, slide: Slide, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Platelets that stick together: each new one touches another, in the better of two places so that the clump grows compact."""
    count = max(2, round(area_px / rng.uniform(110, 190)))
    centres, sizes = np.zeros((count, 2)), rng.uniform(0.8, 1.2, count)
    for k in range(1, count):
        touched = rng.integers(0, k, 2)
        places = centres[touched] + 0.8 * (sizes[touched] + sizes[k])[:, None] * _direction(rng.uniform(0, 2 * np.pi, 2))
        centres[k] = min(places, key=lambda place: np.hypot(*(place - centres[:k].mean(axis=0))))
    centres -= (centres.max(axis=0) + centres.min(axis=0)) / 2
    scale = np.sqrt(area_px / _area_of_union(centres, sizes))
    centres, sizes = centres * scale, sizes * scale
    grid = _grid(float((np.abs(centres).max(axis=1) + 1.2 * sizes).max()))
    members = [_inside(grid, _outline(np.pi * r**2, [0.08, 0.05, 0.03, 0.03, 0.02], rng), c) for c, r in zip(centres, sizes, strict=True)]
    depth = _join([depth for depth, _ in members], 1.0)
    return _platelets(grid, depth, np.min([share for _, share in members], axis=0), slide, rng), depth


def _area_of_union(centres: np.ndarray, radii: np.ndarray) -> float:
    """Area that overlapping discs cover together, counted on a lattice."""
    low, high = (centres - radii[:, None]).min(axis=0), (centres + radii[:, None]).max(axis=0)
    x, y = np.meshgrid(*np.linspace(low, high, 96).T)
    covered = np.any([(x - cx) ** 2 + (y - cy) ** 2 < r**2 for (cx, cy), r in zip(centres, radii, strict=True)], axis=0)
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
        raise ValueError(f"Expected the id of a class of cells, one of {legal}. Received {class_id!r}.")


def draw_cell(class_id: int, rng: np.random.Generator, name: str = "0", area_px: float | None = None) -> CellSample:
    """Draw one cell.

    Args:
        class_id: 1..9.
        rng: decides everything that varies: size, shape, stain, tint, focus, noise.
        name: of the sample; its group is its own, for a drawn cell shares no patient with any other.
        area_px: area in square pixels; by default about the mean of the class, as :data:`AREA_VARIATION` says.

    Returns:
        the cell at 40x, source ``"phantom"``; alpha is 0 or 255 and in one piece.

    Raises:
        ValueError: no such class, or background, which is no cell.
    """
    _check_class(class_id)
    kind = classes.CLASSES[class_id]
    slide = draw_slide(rng)
    spread = np.sqrt(np.log1p(AREA_VARIATION.get(class_id, WBC_AREA_VARIATION) ** 2))
    drawn_px = kind.mean_area_px * np.exp(spread * np.clip(rng.normal(), -2.5, 2.5) - spread**2 / 2)  # log-normal: never negative
    density, depth = _ARTISTS[class_id](area_px or drawn_px, slide, rng)
    return make_sample(_photograph(density, slide, rng), _mask(depth), class_id, SOURCE, f"{kind.key}-{name}", name)


def read(cells_per_class: int | dict[int, int] = 300, seed: int = 0) -> Iterator[CellSample]:
    """Draw cells of every class.

    Cell number *i* of a class is a pure function of (seed, class, *i*): asking for more cells leaves the first ones as they were.

    Args:
        cells_per_class: how many of each class, or class id -> how many; classes left out of the dict are not drawn.
        seed: 0 or more.

    Yields:
        samples, class by class.

    Raises:
        ValueError: an unknown class, or a negative number of cells or seed.
    """
    wanted = cells_per_class if isinstance(cells_per_class, dict) else dict.fromkeys(_ARTISTS, cells_per_class)
    if seed < 0 or min(wanted.values(), default=0) < 0:
        raise ValueError(f"Expected a seed and numbers of cells of 0 or more. Received seed {seed} and cells per class {cells_per_class}.")
    for class_id in wanted:
        _check_class(class_id)
    for class_id, count in wanted.items():
        for i in range(count):
            yield draw_cell(class_id, np.random.default_rng([seed, class_id, i]), f"{seed}-{i:05d}")
