"""Composing smears: RBC backgrounds, blocks cut from them, and white cells and platelets affixed at random places and angles.

Every function is pure: what it makes depends on the samples and on the generator it is given, on nothing else.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from bloodseg_lib.classes import CLASSES, HEALTHY_RBC, INFECTED_RBC, PLATELET_IDS, THROMBOCYTE, WBC_IDS
from bloodseg_lib.imaging import lit, littered, photographed, restained
from bloodseg_lib.recipes import SMEAR_SIZE_PX, Recipe
from bloodseg_lib.samples import CellSample

KINDS = ("ii", "nn", "ni")
"""Kinds of background: infected RBCs only, healthy only, both."""

RBC_OF_KIND = {"ii": (INFECTED_RBC,), "nn": (HEALTHY_RBC,), "ni": (HEALTHY_RBC, INFECTED_RBC)}
AFFIXED_IDS = (*WBC_IDS, *PLATELET_IDS)
POSITION_TRIES = 12


@dataclass(frozen=True)
class PlacedCell:
    """A cell that lies on a background or smear.

    Attributes:
        class_id: 1..9.
        sample: where its sample came from: a path in the bank.
    """

    class_id: int
    sample: str


@dataclass(frozen=True)
class Smear:
    """A background or a composed smear.

    Attributes:
        image: ``(H, W, 3) uint8`` RGB.
        instances: ``(H, W) uint16``; 0 slide, *i* where cell ``cells[i - 1]`` is seen.
        cells: what lies on it, hidden ones too.
    """

    image: np.ndarray
    instances: np.ndarray
    cells: tuple[PlacedCell, ...]

    @property
    def labels(self) -> np.ndarray:
        """``(H, W) uint8`` label map."""
        return np.array([0, *(cell.class_id for cell in self.cells)], dtype=np.uint8)[self.instances]

    def visible(self) -> list[dict]:
        """The cells that are seen, each with class, bounding box and area of exactly its visible pixels, and its sample.

        Returns:
            one dict a cell: ``class`` (key), ``id``, ``box`` (``x``, ``y``, ``width``, ``height`` in pixels), ``area_px``, ``sample``.
        """
        areas = np.bincount(self.instances.ravel(), minlength=len(self.cells) + 1)
        found = []
        for number, box in enumerate(ndimage.find_objects(self.instances), start=1):
            if box is not None:
                rows, columns = box
                cell = self.cells[number - 1]
                found.append(
                    {
                        "class": CLASSES[cell.class_id].key,
                        "id": cell.class_id,
                        "box": {
                            "x": columns.start,
                            "y": rows.start,
                            "width": columns.stop - columns.start,
                            "height": rows.stop - rows.start,
                        },
                        "area_px": int(areas[number]),
                        "sample": cell.sample,
                    }
                )
        return found


class Pool:
    """The samples that one split may be composed of, by class and source.

    Args:
        samples: ``(path in the bank, sample)`` pairs, all of one split.
    """

    def __init__(self, samples: Sequence[tuple[str, CellSample]]):
        self._by_class: dict[int, dict[str, list[tuple[str, CellSample]]]] = {}
        for path, sample in samples:
            self._by_class.setdefault(sample.class_id, {}).setdefault(sample.source, []).append((path, sample))

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes that there are samples of, ascending."""
        return tuple(sorted(self._by_class))

    def sources(self, class_ids: Sequence[int]) -> list[str]:
        """Sources that have samples of all the classes given, sorted."""
        return sorted(set.intersection(*(set(self._by_class.get(c, {})) for c in class_ids)))

    def draw(self, class_id: int, rng: np.random.Generator, source: str | None = None) -> tuple[str, CellSample]:
        """A sample of a class, of one source or of any, each as likely as the next."""
        by_source = self._by_class[class_id]
        choices = by_source[source] if source else list(itertools.chain.from_iterable(by_source[s] for s in sorted(by_source)))
        return choices[rng.integers(len(choices))]


def kinds_of(pool: Pool) -> tuple[str, ...]:
    """Kinds of background that a pool has RBCs for."""
    return tuple(kind for kind in KINDS if pool.sources(RBC_OF_KIND[kind]))


def combinations(pool: Pool) -> list[tuple[tuple[int, ...], str]]:
    """All smears that a dataset holds: one or two of WBC, thrombocyte and clump on each kind of background.

    Returns:
        ``(class ids to affix, kind of background)``; 105 of them when the pool has every class.
    """
    affixed = [c for c in AFFIXED_IDS if c in pool.class_ids]
    singles = [(c,) for c in affixed]
    pairs = list(itertools.combinations_with_replacement(affixed, 2))
    return [(objects, kind) for objects in singles + pairs for kind in kinds_of(pool)]


def compose_background(pool: Pool, kind: str, recipe: Recipe, rng: np.random.Generator) -> Smear:
    """Scatter RBCs over an empty slide.

    The RBCs of one background come from one source: a slide has one stain.

    Args:
        pool: samples of one split.
        kind: ``"ii"``, ``"nn"`` or ``"ni"``.
        recipe: how.
        rng: all randomness.

    Returns:
        a smear of ``recipe.background_size_px`` squared.
    """
    size = recipe.background_size_px
    canvas = _Canvas(np.full((size, size, 3), 255, np.uint8), np.zeros((size, size), np.uint16), [], recipe)
    sources = pool.sources(RBC_OF_KIND[kind])
    source = sources[rng.integers(len(sources))]
    overlap = recipe.rbc_overlap * rng.uniform(1 / 3, 1)
    thousands = (size / 1000) ** 2
    for _ in range(round(rng.integers(recipe.rbc_count[0], recipe.rbc_count[1] + 1) * thousands)):
        class_id = RBC_OF_KIND[kind][rng.integers(len(RBC_OF_KIND[kind]))]
        path, sample = pool.draw(class_id, rng, source)
        canvas.place(_varied(sample, recipe, rng), PlacedCell(class_id, path), rng, overlap, margin=0.5)
    if recipe.platelets and THROMBOCYTE in pool.class_ids:
        for _ in range(rng.poisson(recipe.platelets * thousands)):
            path, sample = pool.draw(THROMBOCYTE, rng)
            canvas.place(_varied(sample, recipe, rng), PlacedCell(THROMBOCYTE, path), rng, 1.0, margin=0.5)
    return canvas.smear()


def compose_smear(background: Smear, objects: Sequence[int], pool: Pool, recipe: Recipe, rng: np.random.Generator) -> Smear:
    """Cut a block of 224 x 224 out of a background at a random place, and affix a sample of each class in ``objects``.

    Args:
        background: made by :func:`compose_background` of the same pool.
        objects: class ids to affix.
        pool: samples of one split.
        recipe: how.
        rng: all randomness.

    Returns:
        a smear of 224 x 224.
    """
    scale = 1 + rng.uniform(-1, 1) * recipe.scale_jitter
    side = round(SMEAR_SIZE_PX / scale)
    top, left = rng.integers(0, background.instances.shape[0] - side + 1, size=2)
    block = np.s_[top : top + side, left : left + side]
    image, instances = background.image[block].copy(), background.instances[block].copy()
    if side != SMEAR_SIZE_PX:
        size = (SMEAR_SIZE_PX, SMEAR_SIZE_PX)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        instances = cv2.resize(instances, size, interpolation=cv2.INTER_NEAREST)
    canvas = _Canvas(image, instances, list(background.cells), recipe)
    for class_id in objects:
        path, sample = pool.draw(class_id, rng)
        rgba = _varied(sample, recipe, rng, scale)
        canvas.place(rgba, PlacedCell(class_id, path), rng, recipe.affixed_overlap, margin=recipe.beyond_border, above=len(background.cells))
    return canvas.smear(_photographed(canvas.image, recipe, rng))


def _photographed(image: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """A composed smear as the recipe's stain, slide, lamp and camera would show it."""
    if recipe.stain:
        image = restained(image, rng, recipe.stain)
    if recipe.debris:
        image = littered(image, rng, recipe.debris)
    if recipe.light:
        image = lit(image, rng, recipe.light)
    if recipe.blur_px or recipe.noise or recipe.jpeg:
        image = photographed(image, rng, recipe.blur_px, recipe.noise, recipe.jpeg)
    return image


def _varied(sample: CellSample, recipe: Recipe, rng: np.random.Generator, scale: float = 1.0) -> np.ndarray:
    """A sample turned at random, and stretched, mirrored and restained as the recipe says. ``(H, W, 4) uint8``."""
    rgba = sample.rgba
    if recipe.stain:
        rgba = np.dstack([restained(np.ascontiguousarray(rgba[:, :, :3]), rng, recipe.stain / 3), rgba[:, :, 3]])
    stretch = (scale, scale)
    if recipe.shape_jitter:
        stretch = tuple(scale * (1 + rng.uniform(-1, 1, 2) * recipe.shape_jitter) * (1, rng.choice((-1, 1))))
    return rotated(rgba, rng.uniform(0, 360), stretch)


def rotated(rgba: np.ndarray, angle_deg: float, stretch: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """A sample turned about its centre, on a canvas that holds all of it.

    Args:
        rgba: ``(H, W, 4) uint8``.
        angle_deg: counter-clockwise.
        stretch: factors of the width and height before it is turned; negative ones mirror.

    Returns:
        ``(H', W', 4) uint8``. Colours and matte are interpolated; where the cell is, is decided by matte >= 128.
    """
    height, width = rgba.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
    centre = matrix @ ((width - 1) / 2, (height - 1) / 2, 1)
    matrix[:, :2] *= stretch
    matrix[:, 2] = centre - matrix[:, :2] @ ((width - 1) / 2, (height - 1) / 2)
    # Rounded first: cos(90 degrees) is 6e-17 in floating point, and would make the canvas of a quarter turn a pixel too large.
    new_width, new_height = (int(np.ceil(round(side, 6))) + 2 for side in np.abs(matrix[:, :2]) @ (width, height))
    matrix[:, 2] += ((new_width - width) / 2, (new_height - height) / 2)
    size = (new_width, new_height)
    colour = cv2.warpAffine(rgba[:, :, :3], matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    matte = cv2.warpAffine(np.ascontiguousarray(rgba[:, :, 3]), matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.dstack([colour, matte])


class _Canvas:
    """A smear in the making."""

    def __init__(self, image: np.ndarray, instances: np.ndarray, cells: list[PlacedCell], recipe: Recipe):
        self.image, self.instances, self.cells, self.recipe = image, instances, cells, recipe

    def smear(self, image: np.ndarray | None = None) -> Smear:
        return Smear(self.image if image is None else image, self.instances, tuple(self.cells))

    def place(self, rgba: np.ndarray, cell: PlacedCell, rng: np.random.Generator, overlap: float, margin: float, above: int = 0) -> None:
        """Paste a cell where it covers at most ``overlap`` of itself with cells numbered beyond ``above``, or the best place tried.

        Args:
            margin: share of the cell that may lie beyond the border of the canvas.
        """
        height, width = rgba.shape[:2]
        mask = rgba[:, :, 3] >= 128
        rows, columns = self.instances.shape
        best, least = (0, 0), np.inf
        for _ in range(POSITION_TRIES):
            # low > high where a cell is larger than the smear: then it is placed anywhere that it covers
            spans = [sorted((round(-margin * n), round(m - n + margin * n))) for n, m in ((height, rows), (width, columns))]
            y, x = (int(rng.integers(low, high + 1)) for low, high in spans)
            inside, there = _clip(y, x, height, width, rows, columns)
            covered = np.count_nonzero((self.instances[there] > above) & mask[inside]) / mask.sum()
            if covered < least:
                best, least = (y, x), covered
            if covered <= overlap:
                break
        self.paste(rgba, cell, *best)

    def paste(self, rgba: np.ndarray, cell: PlacedCell, y: int, x: int) -> None:
        """Lay a cell over what is there, its top left corner at row ``y``, column ``x``, which may lie outside."""
        inside, there = _clip(y, x, *rgba.shape[:2], *self.instances.shape)
        mask = rgba[:, :, 3] >= 128
        matte = rgba[:, :, 3]
        if self.recipe.edge_softness_px:
            matte = cv2.GaussianBlur(matte, (0, 0), self.recipe.edge_softness_px)
        alpha = matte[inside][:, :, None].astype(np.uint16)
        below, colour = self.image[there], rgba[inside][:, :, :3]
        if self.recipe.translucent and cell.class_id not in WBC_IDS:
            through = 255 - alpha + (alpha * colour + 127) // 255  # transmittance of the cell, 0..255
            self.image[there] = (below * through + 127) // 255
        else:
            self.image[there] = (colour * alpha + below * (255 - alpha) + 127) // 255
        self.cells.append(cell)
        self.instances[there][mask[inside]] = len(self.cells)


def _clip(y: int, x: int, height: int, width: int, rows: int, columns: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of a patch at (y, x) that lie on a canvas: within the patch, and on the canvas."""
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + height, rows), min(x + width, columns)
    bottom, right = max(bottom, top), max(right, left)
    return np.s_[top - y : bottom - y, left - x : right - x], np.s_[top:bottom, left:right]
