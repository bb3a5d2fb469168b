"""Composing smears: RBC backgrounds, blocks cut from them, and white cells and platelets affixed at
random places and angles.

Every function is pure: what it makes depends on the samples and on the generator it is given, on
    nothing else.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from bloodseg_lib.classes import (
    CLASSES,
    HEALTHY_RBC,
    INFECTED_RBC,
    PLATELET_IDS,
    RBC_DIAMETER_PX,
    SMEAR_SIZE_PX,
    THROMBOCYTE,
    WBC_IDS,
)
from bloodseg_lib.optics import scale_density
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.smears.appearance import acquire, add_debris, blur_cell, illuminate, jitter_stain
from bloodseg_lib.smears.canvas import Canvas, PlacedCell, rotated
from bloodseg_lib.smears.recipe import Recipe

KINDS = ("ii", "nn", "ni")
"""Kinds of background: infected RBCs only, healthy only, both."""

RBC_OF_KIND = {"ii": (INFECTED_RBC,), "nn": (HEALTHY_RBC,), "ni": (HEALTHY_RBC, INFECTED_RBC)}
_CHAIN_STEPS = (0.25, 0.75)  # diameters from one cell of a rouleau to the next
_LEAST_DYE = 0.03  # less is the noise of an empty slide
_DYE_FACTORS = (0.4, 2.5)  # more would turn the noise of a cell into colours
_NUCLEAR_DYES = (0.2, 2.5)  # where a camera saw black, it does not tell how dense a nucleus was
# a pale cell of more dye than this has garish colours, since a camera that shows nuclei pale shows
# all else paler still
_MOST_DYED = 1.6
_BEND = 0.3  # standard deviation of its turn from cell to cell, radians
AFFIXED_IDS = (*WBC_IDS, *PLATELET_IDS)


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

    @cached_property
    def _runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stretches of one instance along the rows: where each begins in the flattened map, its
        length, its instance.

        A smear of 50,176 pixels has some 2,500 of them, so what is told from them costs next to
        nothing.
        """
        begins = np.ones(self.instances.shape, bool)
        np.not_equal(self.instances[:, 1:], self.instances[:, :-1], out=begins[:, 1:])
        first = np.flatnonzero(begins)
        return first, np.diff(first, append=begins.size), self.instances.ravel()[first]

    @property
    def labels(self) -> np.ndarray:
        """``(H, W) uint8`` label map."""
        _, length, instance = self._runs
        class_ids = np.array([0, *(cell.class_id for cell in self.cells)], dtype=np.uint8)
        return np.repeat(class_ids[instance], length).reshape(self.instances.shape)

    def visible(self) -> list[dict]:
        """The cells that are seen, each with class, bounding box and area of exactly its visible
        pixels, and its sample.

        Returns:
            one dict a cell: ``class`` (key), ``id``, ``box`` (``x``, ``y``, ``width``, ``height``
                in pixels), ``area_px``, ``sample``. A stack of red
            cells, which only smears to train on have, is one of them.
        """
        first, length, instance = (values[self._runs[2] > 0] for values in self._runs)
        if not len(first):
            return []
        # within an instance the runs stay in the order of their rows
        order = np.argsort(instance, kind="stable")
        instance, length = instance[order], length[order]
        row, left = np.divmod(first[order], self.instances.shape[1])
        begin = np.flatnonzero(np.diff(instance, prepend=0))
        end = np.append(begin[1:], len(instance)) - 1
        x, right = np.minimum.reduceat(left, begin), np.maximum.reduceat(left + length, begin)
        figures = np.stack(
            [
                instance[begin],
                x,
                row[begin],
                right - x,
                row[end] - row[begin] + 1,
                np.add.reduceat(length, begin),
            ]
        )
        found = []
        for number, *box, area in figures.T.tolist():
            cell = self.cells[number - 1]
            found.append(
                {
                    "class": CLASSES[cell.class_id].key,
                    "id": cell.class_id,
                    "box": dict(zip(("x", "y", "width", "height"), box, strict=True)),
                    "area_px": area,
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
        self._stacks: dict[str, list[tuple[str, CellSample]]] = {}
        self.patches = [(path, sample) for path, sample in samples if sample.is_background_crop]
        self._by_class: dict[int, dict[str, list[tuple[str, CellSample]]]] = {}
        for path, sample in samples:
            if sample.is_background_crop:
                continue
            if sample.is_cluster:
                self._stacks.setdefault(sample.source, []).append((path, sample))
                continue
            self._by_class.setdefault(sample.class_id, {}).setdefault(sample.source, []).append(
                (path, sample)
            )
        self._of_any_source = {
            c: list(itertools.chain.from_iterable(found[s] for s in sorted(found)))
            for c, found in self._by_class.items()
        }
        # By class and source, None for any: a list for each patient, slide or field.
        self._groups: dict[tuple[int, str | None], list[list[tuple[str, CellSample]]]] = {}
        for class_id, found in self._by_class.items():
            for source, choices in [*found.items(), (None, self._of_any_source[class_id])]:
                groups: dict[tuple[str, str], list[tuple[str, CellSample]]] = {}
                for path, sample in choices:
                    groups.setdefault((sample.source, sample.group), []).append((path, sample))
                self._groups[class_id, source] = list(groups.values())

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes that there are samples of, ascending."""
        return tuple(sorted(self._by_class))

    def sources(self, class_ids: Sequence[int]) -> list[str]:
        """Sources that have samples of all the classes given, sorted."""
        return sorted(set.intersection(*(set(self._by_class.get(c, {})) for c in class_ids)))

    def draw(
        self, class_id: int, recipe: Recipe, rng: np.random.Generator, source: str | None = None
    ) -> tuple[str, CellSample]:
        """A sample of a class, of one source or of any;

        which are as likely as which, says ``recipe.even_groups``.
        """
        if recipe.even_groups:
            groups = self._groups[class_id, source]
            choices = _one_of(groups, rng)
        else:
            choices = self._by_class[class_id][source] if source else self._of_any_source[class_id]
        return _one_of(choices, rng)

    def stacks(self, source: str) -> list[tuple[str, CellSample]]:
        """Stacks of healthy red cells of a source; those of any source where it has none."""
        return self._stacks.get(source) or list(
            itertools.chain.from_iterable(self._stacks[s] for s in sorted(self._stacks))
        )


def kinds_of(pool: Pool) -> tuple[str, ...]:
    """Kinds of background that a pool has RBCs for."""
    return tuple(kind for kind in KINDS if pool.sources(RBC_OF_KIND[kind]))


def combinations(pool: Pool) -> list[tuple[tuple[int, ...], str]]:
    """All smears that a dataset holds: one or two of WBC, thrombocyte and clump on each kind of
    background.

    Returns:
        ``(class ids to affix, kind of background)``; 105 of them when the pool has every class.
    """
    affixed = [c for c in AFFIXED_IDS if c in pool.class_ids]
    singles = [(c,) for c in affixed]
    pairs = list(itertools.combinations_with_replacement(affixed, 2))
    return [(objects, kind) for objects in singles + pairs for kind in kinds_of(pool)]


def compose_background(pool: Pool, kind: str, recipe: Recipe, rng: np.random.Generator) -> Smear:
    """Scatter RBCs over an empty slide, or take a patch of a real field.

    The RBCs of one background are of one stain, as those of a slide are.

    Args:
        pool: samples of one split.
        kind: ``"ii"``, ``"nn"`` or ``"ni"``.
        recipe: how.
        rng: all randomness.

    Returns:
        a smear of ``recipe.background_size_px`` squared, or of the patch's size.
    """
    if kind == "nn" and recipe.patches and pool.patches and rng.uniform() < recipe.patches:
        canvas = _patch_canvas(pool, recipe, rng)
    else:
        canvas = _scattered_canvas(pool, kind, recipe, rng)
    thousands = canvas.instances.size / 1000**2
    white = [class_id for class_id in WBC_IDS if class_id in pool.class_ids]
    red_cells = len(canvas.cells)
    if recipe.white_cells and white:
        for _ in range(rng.poisson(recipe.white_cells * thousands)):
            class_id = _one_of(white, rng)
            path, sample = pool.draw(class_id, recipe, rng)
            canvas.place(
                _varied(sample, recipe, rng),
                PlacedCell(class_id, path),
                rng,
                recipe.affixed_overlap,
                margin=0.5,
                above=red_cells,
            )
    if recipe.platelets and THROMBOCYTE in pool.class_ids:
        for _ in range(rng.poisson(recipe.platelets * thousands)):
            path, sample = pool.draw(THROMBOCYTE, recipe, rng)
            canvas.place(
                _varied(sample, recipe, rng), PlacedCell(THROMBOCYTE, path), rng, 1.0, margin=0.5
            )
    return Smear(canvas.image, canvas.instances, tuple(canvas.cells))


def _patch_canvas(pool: Pool, recipe: Recipe, rng: np.random.Generator) -> Canvas:
    """A patch of a real field, turned by quarter turns and mirrored at random;

    all its red cells are one.
    """
    path, sample = _one_of(pool.patches, rng)
    rgba = np.rot90(sample.rgba, rng.integers(4))
    if rng.uniform() < 0.5:
        rgba = rgba[:, ::-1]
    return Canvas(
        rgba[:, :, :3].copy(),
        (rgba[:, :, 3] > 0).astype(np.uint16),
        [PlacedCell(HEALTHY_RBC, path)],
        recipe,
    )


def _scattered_canvas(pool: Pool, kind: str, recipe: Recipe, rng: np.random.Generator) -> Canvas:
    """RBCs of one stain, scattered over an empty slide: of one source, or brought to one colour."""
    size = recipe.background_size_px
    canvas = Canvas(
        np.full((size, size, 3), 255, np.uint8), np.zeros((size, size), np.uint16), [], recipe
    )
    source_of, dye = _stain(pool, kind, recipe, rng)
    overlap = recipe.rbc_overlap * rng.uniform(1 / 3, 1)
    thousands = (size / 1000) ** 2
    stacks = (
        pool.stacks(source_of[HEALTHY_RBC]) if recipe.stacks and HEALTHY_RBC in source_of else []
    )
    stack_share = recipe.stacks * rng.uniform() if stacks else 0.0
    chain = _Chain(recipe.rouleaux * rng.uniform() if recipe.rouleaux else 0.0)
    for _ in range(round(rng.integers(recipe.rbc_count[0], recipe.rbc_count[1] + 1) * thousands)):
        class_id = _one_of(RBC_OF_KIND[kind], rng)
        path, sample = pool.draw(class_id, recipe, rng, source_of[class_id])
        if stack_share and class_id == HEALTHY_RBC and rng.uniform() < stack_share:
            path, sample = _one_of(stacks, rng)
        chain.place(
            canvas, _varied(sample, recipe, rng, dye=dye), PlacedCell(class_id, path), rng, overlap
        )
    return canvas


def _stain(
    pool: Pool, kind: str, recipe: Recipe, rng: np.random.Generator
) -> tuple[dict[int, str], np.ndarray | None]:
    """Where the RBCs of a background come from, by class, and the densities ``(3,)`` that they are
    brought to, if any.
    """
    classes = RBC_OF_KIND[kind]
    if not recipe.one_dye:
        return dict.fromkeys(classes, _one_of(pool.sources(classes), rng)), None
    source_of = {class_id: _one_of(pool.sources([class_id]), rng) for class_id in classes}
    example = HEALTHY_RBC if HEALTHY_RBC in pool.class_ids else INFECTED_RBC
    return source_of, pool.draw(example, recipe, rng, _one_of(pool.sources([example]), rng))[1].median_od


def _one_of(choices: Sequence[Any], rng: np.random.Generator) -> Any:
    """One of them, each as likely as the next."""
    return choices[rng.integers(len(choices))]


class _Chain:
    """Lays red cells down: each beside those that are there, or, as in a rouleau, half on the one
    before and on in the same direction.

    Args:
        share: of the cells, laid on the one before.
    """

    def __init__(self, share: float):
        self.share = share
        self._centre: tuple[float, float] | None = None
        self._direction = 0.0

    def place(
        self,
        canvas: Canvas,
        rgba: np.ndarray,
        cell: PlacedCell,
        rng: np.random.Generator,
        overlap: float,
    ) -> None:
        """Lay one cell, ``(H, W, 4) uint8``, on a background, which covers at most ``overlap`` of
        itself unless it goes on a chain.
        """
        height, width = rgba.shape[:2]
        if not self.share or self._centre is None or rng.uniform() >= self.share:
            y, x = canvas.place(rgba, cell, rng, overlap, margin=0.5)
            self._direction = rng.uniform(0, 2 * np.pi) if self.share else 0.0
        else:
            self._direction += rng.normal(0, _BEND)
            step = RBC_DIAMETER_PX * rng.uniform(*_CHAIN_STEPS)
            y = round(self._centre[0] + step * np.sin(self._direction) - height / 2)
            x = round(self._centre[1] + step * np.cos(self._direction) - width / 2)
            canvas.paste(rgba, cell, y, x)
        self._centre = y + height / 2, x + width / 2


def compose_smear(
    background: Smear, objects: Sequence[int], pool: Pool, recipe: Recipe, rng: np.random.Generator
) -> Smear:
    """Cut a block of 224 x 224 out of a background at a random place, and affix a sample of each
    class in ``objects``.

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
        image = cv2.resize(
            image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        instances = cv2.resize(instances, size, interpolation=cv2.INTER_NEAREST)
    canvas = Canvas(image, instances, list(background.cells), recipe)
    for class_id in objects:
        path, sample = pool.draw(class_id, recipe, rng)
        rgba = _varied(sample, recipe, rng, scale)
        canvas.place(
            rgba,
            PlacedCell(class_id, path),
            rng,
            recipe.affixed_overlap,
            margin=recipe.beyond_border,
            above=len(background.cells),
        )
    return Smear(_photographed(canvas.image, recipe, rng), canvas.instances, tuple(canvas.cells))


def _photographed(image: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """A composed smear as the recipe's stain, slide, lamp and camera would show it."""
    if recipe.stain:
        image = jitter_stain(image, rng, recipe.stain)
    if recipe.debris:
        image = add_debris(image, rng, recipe.debris)
    if recipe.light:
        image = illuminate(image, rng, recipe.light)
    if recipe.blur_px or recipe.noise or recipe.jpeg:
        image = acquire(image, rng, recipe.blur_px, recipe.noise, recipe.jpeg)
    return image


def _varied(
    sample: CellSample,
    recipe: Recipe,
    rng: np.random.Generator,
    scale: float = 1.0,
    dye: np.ndarray | None = None,
) -> np.ndarray:
    """A sample turned at random, and dyed, blurred, restained, stretched and mirrored as the recipe
    says. ``(H, W, 4) uint8``.

    ``dye``, ``(3,)`` densities, is what the red cells of its background are brought to.
    """
    rgba = sample.rgba
    if dye is not None:
        rgba = scale_density(
            rgba, np.clip(dye / np.maximum(sample.median_od, _LEAST_DYE), *_DYE_FACTORS) ** recipe.one_dye
        )
    if sample.class_id in AFFIXED_IDS:
        if recipe.nuclear_dye[0]:
            wanted = np.exp(rng.uniform(*np.log(recipe.nuclear_dye)))
            rgba = scale_density(
                rgba, min(wanted / np.clip(sample.nuclear_od, *_NUCLEAR_DYES), _MOST_DYED)
            )
        if recipe.cell_blur_px:
            rgba = blur_cell(rgba, recipe.cell_blur_px * rng.uniform() ** 2)
    if recipe.stain:
        rgba = jitter_stain(rgba, rng, recipe.stain / 3)
    stretch = (scale, scale)
    if recipe.shape_jitter:
        stretch = tuple(
            scale * (1 + rng.uniform(-1, 1, 2) * recipe.shape_jitter) * (1, rng.choice((-1, 1)))
        )
    return rotated(rgba, rng.uniform(0, 360), stretch, recipe.edge_softness_px)
