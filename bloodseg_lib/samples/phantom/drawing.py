"""Drawing stained cells as a microscope sees them: optical densities as smooth fields, shapes,
textures, granules, and the photograph of them.

Every stain *absorbs* light, and optical densities add up; what remains of the background's light is
``light * 10 ** -density``, the law of Beer and Lambert, in each of the channels red, green, blue.
So a picture is a sum of smooth fields, each times the colour of its stain, painted on a canvas of
twice the resolution, blurred, and reduced to its size.

Shapes are fields too: the depth in pixels below their edge, negative outside. So a maximum joins
shapes, and a clip softens them. All lengths are in pixels at 40x, where a red cell measures 37.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SUPERSAMPLING = 2  # canvas pixels per pixel: enough for edges that the focus softens anyway

Drawn = tuple[np.ndarray, np.ndarray]
"""A drawn cell: its optical density ``(N, N, 3)``, and the depth below its outline ``(N, N)``."""
Point = Sequence[float] | np.ndarray
"""x and y in pixels from the middle of the cell."""


def _stain(red: float, green: float, blue: float) -> np.ndarray:
    return np.array([red, green, blue], np.float32)


# Optical density of each stain at its usual strength. Giemsa and Wright's stain are eosin, which
# takes away green and blue light and so looks pink to orange, and azure (methylene blue), which
# takes away red and green and so looks blue to violet.
RBC_SALMON = _stain(0.05, 0.21, 0.21)  # haemoglobin loves eosin: the textbook red cell
RBC_MAUVE = _stain(0.12, 0.19, 0.12)  # the same with more azure, the usual automatic stainer
RBC_BLUE_GREY = _stain(0.18, 0.17, 0.08)  # Giemsa at the high pH that shows malaria best
# DNA binds both stains: red-violet on a fresh, eosin-rich smear
NUCLEUS_VIOLET = _stain(0.38, 0.78, 0.25)
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
    """Stain, tint and focus of the slide of one cell.

    Attributes:
        light: ``(3,) float``, RGB of the background, 0..255.
        red_cell, nucleus: ``(3,) float``, optical density of a red cell at its thickest and of
            dense chromatin.
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
    light = np.array([250, 248 - 9 * warm, 249 - 16 * warm], np.float32)
    light -= np.float32(rng.uniform(0, 14))
    stains = np.stack([RBC_SALMON, RBC_MAUVE, RBC_BLUE_GREY])
    red_cell = rng.dirichlet([0.7, 0.7, 0.7]) @ stains * rng.uniform(0.7, 1.1)
    nucleus = (azure * NUCLEUS_BLUE + (1 - azure) * NUCLEUS_VIOLET) * rng.uniform(0.65, 1.1)
    strength, blur_px, noise = (rng.uniform(*span) for span in ((0.8, 1.25), (0.4, 1), (0.5, 2.5)))
    return Slide(light, red_cell, nucleus, strength, blur_px, noise)


@dataclass(frozen=True)
class Grid:
    """Coordinates of the canvas' pixels from the middle of the cell, in pixels at 40x: ``x`` and
    ``y``, each ``(N, N) float32``.
    """

    x: np.ndarray
    y: np.ndarray


def grid(radius_px: float) -> Grid:
    """The grid of a canvas that holds a cell of a given radius, with a margin of 4 pixels."""
    n = 2 * SUPERSAMPLING * int(np.ceil(radius_px + 4))
    axis = ((np.arange(n) + 0.5 - n / 2) / SUPERSAMPLING).astype(np.float32)
    return Grid(*np.meshgrid(axis, axis))


def direction(angle: float | np.ndarray) -> np.ndarray:
    """Unit vectors (x, y), ``(..., 2)``."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def outline(
    area_px: float, waves: Sequence[float], rng: np.random.Generator, pressed: int = 0
) -> np.ndarray:
    """An uneven round outline of exactly the area asked for.

    Args:
        waves: usual amplitude of 2, 3, 4 ... bulges around the cell, as fractions of the radius.
        pressed: number of sides that a neighbour has flattened.

    Returns:
        ``(256,)`` radius in pixels, in 256 directions from the positive x axis on.
    """
    angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    radius = np.ones(256)
    for bulges, amplitude in enumerate(waves, start=2):
        height = amplitude * np.clip(rng.normal(), -2, 2)
        radius += height * np.cos(bulges * angles - rng.uniform(0, 2 * np.pi))
    for _ in range(pressed):
        distance = rng.uniform(0.84, 0.97)
        wall = distance / np.maximum(np.cos(angles - rng.uniform(0, 2 * np.pi)), 0.05)
        # a minimum with rounded corners
        radius = -np.log(np.exp(-20 * radius) + np.exp(-20 * wall)) / 20
    return radius * np.sqrt(area_px / (np.pi * np.mean(radius**2)))


def inside(
    grid: Grid, outline: np.ndarray, centre: Point = (0, 0)
) -> tuple[np.ndarray, np.ndarray]:
    """Depth below an outline in pixels, and distance from its centre as a fraction of its radius,
    each ``(N, N)``.
    """
    x, y = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    distance, angle = cv2.cartToPolar(x, y)
    sector = (angle * np.float32(256 / (2 * np.pi))).astype(np.int32) % 256
    edge = outline.astype(np.float32)[sector]
    return edge - distance, distance / edge


def sausage(grid: Grid, a: np.ndarray, b: np.ndarray, radius_px: float) -> np.ndarray:
    """Depth inside a sausage of a given radius from point ``a`` to point ``b``."""
    along = (b - a).astype(np.float32)
    x, y = grid.x - np.float32(a[0]), grid.y - np.float32(a[1])
    fraction = ((x * along[0] + y * along[1]) / max(along @ along, np.float32(1e-6))).clip(0, 1)
    return np.float32(radius_px) - cv2.magnitude(x - fraction * along[0], y - fraction * along[1])


def join(shapes: Sequence[np.ndarray], fillet_px: float) -> np.ndarray:
    """The union of shapes, rounded where they meet."""
    total = shapes[0]
    for shape in shapes[1:]:
        near = (1 - np.abs(total - shape) / fillet_px).clip(0)
        total = np.maximum(total, shape) + near**2 * (fillet_px / 4)
    return total


def cover(depth: np.ndarray, softness_px: float = 1.0) -> np.ndarray:
    """Depth -> covered fraction of each pixel, 0..1, over an edge of the given width."""
    return (depth / softness_px + 0.5).clip(0, 1)


def spot(grid: Grid, centre: Point, radius_px: float) -> np.ndarray:
    """A round spot with a soft edge, 0..1."""
    x, y = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    return np.exp(-(((x**2 + y**2) / np.float32(radius_px**2)) ** 2))


def noise(grid: Grid, scale_px: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of standard deviation about 1 whose blobs are ``scale_px`` apart."""
    n = max(2, round(len(grid.x) / SUPERSAMPLING / scale_px)) + 1
    coarse = rng.standard_normal((n, n), dtype=np.float32) * 1.4
    return cv2.resize(coarse, grid.x.shape, interpolation=cv2.INTER_CUBIC)


def granules(
    chance: np.ndarray,
    spacing_px: float,
    radii_px: tuple[float, float],
    rng: np.random.Generator,
    palest: int = 150,
) -> np.ndarray:
    """Small discs scattered evenly but not regularly, ``(N, N)`` 0..1, of different strengths.

    Args:
        chance: ``(N, N)``, probability of a granule at each place.
        spacing_px: distance of neighbours where the chance is 1.
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
    greys = rng.integers(palest, 256, len(points)).tolist()
    for (x, y, r), grey in zip(sixteenths, greys, strict=True):
        cv2.circle(canvas, (x, y), r, grey, -1, cv2.LINE_AA, shift=4)
    return canvas.astype(np.float32) / 255


def paint(*layers: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The optical density ``(N, N, 3)`` of layers: amount of stain ``(N, N)`` times its colour
    ``(3,)``, added up.
    """
    amounts = np.stack([amount for amount, _ in layers], axis=-1).astype(np.float32)
    return amounts @ np.stack([stain for _, stain in layers]).astype(np.float32)


def _reduced(canvas: np.ndarray) -> np.ndarray:
    """A picture on the canvas at 40x."""
    factor = 1 / SUPERSAMPLING
    return cv2.resize(canvas, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def photograph(density: np.ndarray, slide: Slide, rng: np.random.Generator) -> np.ndarray:
    """Optical density on the canvas -> ``(H, W, 3) uint8`` RGB at 40x."""
    light = _reduced(slide.light * cv2.exp(density * np.float32(-np.log(10))))
    image = cv2.GaussianBlur(light, (0, 0), slide.blur_px)
    grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(slide.noise)
    return (image + grain).round().clip(0, 255).astype(np.uint8)


def mask(depth: np.ndarray) -> np.ndarray:
    """The pixels at 40x inside an outline, ``(H, W) uint8``, 0 or 1; of several components the
    largest.
    """
    inside = (_reduced(depth) > 0).astype(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    return (pieces == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
