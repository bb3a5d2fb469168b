"""Composing smears: RBC backgrounds, blocks cut from them, and white cells and platelets affixed at
random places and angles.

Every function is pure: its result depends on the samples and on the generator only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from bloodseg_lib.classes import (
    HEALTHY_RBC,
    INFECTED_RBC,
    RBC_DIAMETER_PX,
    SMEAR_SIZE_PX,
    THROMBOCYTE,
    UNKNOWN,
    WBC_IDS,
)
from bloodseg_lib.io import resized
from bloodseg_lib.optics import scale_density
from bloodseg_lib.samples.phantom.parasites import with_parasites
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.smears.appearance import acquire, add_debris, blur_cell, illuminate, jitter_stain
from bloodseg_lib.smears.canvas import Canvas, PlacedCell, rim, rotated
from bloodseg_lib.smears.field_crops import field_crop
from bloodseg_lib.smears.pool import AFFIXED_IDS, RBC_OF_KIND, Pool, one_of
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.smear import Smear

_ROULEAU_STEPS = (0.25, 0.75)  # diameters from one cell of a rouleau to the next
_ROULEAU_BEND = 0.3  # standard deviation of its turn from cell to cell, radians
_LEAST_OD = 0.03  # less is the noise of an empty background
_STAIN_FACTORS = (0.4, 2.5)  # more would turn the noise of a cell into colours
_NUCLEAR_ODS = (0.2, 2.5)  # where a camera saw black, the density of a nucleus is not known
_DEFOCUS_PX = (1.2, 3.5)  # standard deviations: a parasite has a few pixels
_GREATEST_NUCLEAR_FACTOR = 1.6  # beyond it pale cells get garish colours


def compose_background(pool: Pool, kind: str, recipe: Recipe, rng: np.random.Generator) -> Smear:
    """Scatter RBCs over an empty background, or take a crop of a real field.

    The RBCs of one background have one stain, as those of a slide have.

    Args:
        pool: samples of one split.
        kind: ``"ii"``, ``"nn"`` or ``"ni"``, see :data:`bloodseg_lib.smears.pool.KINDS`.
        recipe: how.
        rng: all randomness.

    Returns:
        a smear of ``recipe.background_size_px`` squared, or of the crop's size.
    """
    crops = pool.background_crops if kind == "nn" and recipe.background_crops else []
    if crops and rng.uniform() < recipe.background_crops:
        canvas = _crop_canvas(one_of(crops, rng), recipe, rng)
    else:
        canvas = _scattered_canvas(pool, kind, recipe, rng)
    megapixels = canvas.instances.size / 1000**2
    white = [class_id for class_id in WBC_IDS if class_id in pool.class_ids]
    red_cells = len(canvas.cells)
    if recipe.white_cells and white:
        for _ in range(rng.poisson(recipe.white_cells * megapixels)):
            class_id = one_of(white, rng)
            _affix(canvas, pool, class_id, rng, recipe.affixed_overlap, 0.5, above=red_cells)
    if recipe.platelets and THROMBOCYTE in pool.class_ids:
        for _ in range(rng.poisson(recipe.platelets * megapixels)):
            _affix(canvas, pool, THROMBOCYTE, rng, overlap=1.0, margin=0.5)
    return Smear(canvas.image, canvas.instances, tuple(canvas.cells))


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
    if recipe.real_fraction and pool.fields and rng.uniform() < recipe.real_fraction:
        return _photographed(field_crop(pool, recipe, rng), recipe, rng)
    scale = 1 + rng.uniform(-1, 1) * recipe.scale_jitter
    side = round(SMEAR_SIZE_PX / scale)
    top, left = rng.integers(0, background.instances.shape[0] - side + 1, size=2)
    block = np.s_[top : top + side, left : left + side]
    image, instances = background.image[block].copy(), background.instances[block].copy()
    if side != SMEAR_SIZE_PX:
        size = (SMEAR_SIZE_PX, SMEAR_SIZE_PX)
        image = resized(image, size)
        instances = cv2.resize(instances, size, interpolation=cv2.INTER_NEAREST)
    canvas = Canvas(image, instances, list(background.cells), recipe)
    below = len(background.cells)
    reach = recipe.affixed_overlap, recipe.beyond_border
    for class_id in objects:
        _affix(canvas, pool, class_id, rng, *reach, below, scale)
    return _photographed(Smear(canvas.image, canvas.instances, tuple(canvas.cells)), recipe, rng)


def _affix(
    canvas: Canvas,
    pool: Pool,
    class_id: int,
    rng: np.random.Generator,
    overlap: float,
    margin: float,
    above: int = 0,
    scale: float = 1.0,
) -> None:
    """Draw a sample of a class, vary it and place it, see :meth:`Canvas.place`."""
    path, sample = pool.draw(class_id, canvas.recipe, rng)
    rgba = _varied(sample, canvas.recipe, rng, scale)
    canvas.place(rgba, PlacedCell(class_id, path), rng, overlap, margin, above)


def _crop_canvas(crop: tuple[str, CellSample], recipe: Recipe, rng: np.random.Generator) -> Canvas:
    """A crop of a real field, in one of its eight symmetries; its red cells are one instance."""
    path, sample = crop
    rgba = np.rot90(sample.rgba, int(rng.integers(4)))
    if rng.uniform() < 0.5:
        rgba = rgba[:, ::-1]
    cells = (rgba[:, :, 3] > 0).astype(np.uint16)
    return Canvas(rgba[:, :, :3].copy(), cells, [PlacedCell(HEALTHY_RBC, path)], recipe)


def _scattered_canvas(pool: Pool, kind: str, recipe: Recipe, rng: np.random.Generator) -> Canvas:
    """RBCs scattered over an empty background, of one source or matched to one stain."""
    size = (recipe.background_size_px, recipe.background_size_px)
    canvas = Canvas(np.full((*size, 3), 255, np.uint8), np.zeros(size, np.uint16), [], recipe)
    source_of, reference_od = _stain(pool, kind, recipe, rng)
    overlap = recipe.rbc_overlap * rng.uniform(1 / 3, 1)
    healthy = HEALTHY_RBC in source_of
    clusters = pool.clusters(source_of[HEALTHY_RBC]) if recipe.clusters and healthy else []
    cluster_fraction = recipe.clusters * rng.uniform() if clusters else 0.0
    rouleaux = _Rouleaux(recipe.rouleaux * rng.uniform() if recipe.rouleaux else 0.0)
    rimmed = bool(recipe.rims) and rng.uniform() < recipe.rims
    hosts = None  # the source of the cells that parasites are drawn on
    if recipe.drawn_parasites and HEALTHY_RBC in pool.class_ids:
        hosts = one_of(pool.sources([HEALTHY_RBC]), rng)
    count = rng.integers(recipe.rbc_count[0], recipe.rbc_count[1] + 1)
    for _ in range(round(count * (recipe.background_size_px / 1000) ** 2)):
        class_id = one_of(RBC_OF_KIND[kind], rng)
        drawn = hosts and class_id == INFECTED_RBC and rng.uniform() < recipe.drawn_parasites
        host, source = (HEALTHY_RBC, hosts) if drawn else (class_id, source_of[class_id])
        path, sample = pool.draw(host, recipe, rng, source)
        if cluster_fraction and class_id == HEALTHY_RBC and rng.uniform() < cluster_fraction:
            path, sample = one_of(clusters, rng)
        rgba = _varied(sample, recipe, rng, reference_od=reference_od)
        if drawn:
            rgba = with_parasites(rgba, rng)
        if rimmed:
            rgba = rim(rgba, rng)
        rouleaux.place(canvas, rgba, PlacedCell(class_id, path), rng, overlap)
    return canvas


def _stain(
    pool: Pool, kind: str, recipe: Recipe, rng: np.random.Generator
) -> tuple[dict[int, str], np.ndarray | None]:
    """The source of the RBCs of a background by class, and the optical densities ``(3,)`` that they
    are matched to, if any.
    """
    classes = RBC_OF_KIND[kind]
    if not recipe.stain_match:
        return dict.fromkeys(classes, one_of(pool.sources(classes), rng)), None
    source_of = {class_id: one_of(pool.sources([class_id]), rng) for class_id in classes}
    example = HEALTHY_RBC if HEALTHY_RBC in pool.class_ids else INFECTED_RBC
    _, reference = pool.draw(example, recipe, rng, one_of(pool.sources([example]), rng))
    return source_of, reference.median_od


class _Rouleaux:
    """Places red cells: each beside the others or, a fraction of them, as in a rouleau: half over
    the previous one and on in the same direction.
    """

    def __init__(self, fraction: float):
        self._fraction = fraction
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
        """Place one cell, ``(H, W, 4) uint8``; outside rouleaux at most ``overlap`` of it covers
        others.
        """
        height, width = rgba.shape[:2]
        if not self._fraction or self._centre is None or rng.uniform() >= self._fraction:
            y, x = canvas.place(rgba, cell, rng, overlap, margin=0.5)
            self._direction = rng.uniform(0, 2 * np.pi) if self._fraction else 0.0
        else:
            self._direction += rng.normal(0, _ROULEAU_BEND)
            step = RBC_DIAMETER_PX * rng.uniform(*_ROULEAU_STEPS)
            y = round(self._centre[0] + step * np.sin(self._direction) - height / 2)
            x = round(self._centre[1] + step * np.cos(self._direction) - width / 2)
            canvas.paste(rgba, cell, y, x)
        self._centre = y + height / 2, x + width / 2


def _photographed(smear: Smear, recipe: Recipe, rng: np.random.Generator) -> Smear:
    """A composed smear with the recipe's stain, debris, illumination and camera."""
    image, cells = smear.image, smear.cells
    if recipe.stain_jitter:
        image = jitter_stain(image, rng, recipe.stain_jitter)
    if recipe.debris:
        image = add_debris(image, rng, recipe.debris)
    if recipe.illumination:
        image = illuminate(image, rng, recipe.illumination)
    if recipe.defocus and rng.uniform() < recipe.defocus:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(*_DEFOCUS_PX))
        named = {INFECTED_RBC: UNKNOWN}
        cells = tuple(replace(c, class_id=named.get(c.class_id, c.class_id)) for c in cells)
    if recipe.blur_px or recipe.noise or recipe.jpeg:
        image = acquire(image, rng, recipe.blur_px, recipe.noise, recipe.jpeg)
    return Smear(image, smear.instances, cells)


def _varied(
    sample: CellSample,
    recipe: Recipe,
    rng: np.random.Generator,
    scale: float = 1.0,
    reference_od: np.ndarray | None = None,
) -> np.ndarray:
    """A sample rotated at random, its stain, blur and shape varied by the recipe, ``(H', W', 4)
    uint8``. ``reference_od``, ``(3,)``, is what the red cells of its background are matched to.
    """
    rgba = sample.rgba
    if reference_od is not None:
        factors = np.clip(reference_od / np.maximum(sample.median_od, _LEAST_OD), *_STAIN_FACTORS)
        rgba = scale_density(rgba, factors**recipe.stain_match)
    if sample.class_id in AFFIXED_IDS:
        if recipe.nuclear_od[0]:
            wanted = np.exp(rng.uniform(*np.log(recipe.nuclear_od)))
            factor = wanted / np.clip(sample.nuclear_od, *_NUCLEAR_ODS)
            rgba = scale_density(rgba, min(factor, _GREATEST_NUCLEAR_FACTOR))
        if recipe.cell_blur_px:
            rgba = blur_cell(rgba, recipe.cell_blur_px * rng.uniform() ** 2)
    if recipe.stain_jitter:
        rgba = jitter_stain(rgba, rng, recipe.stain_jitter / 3)
    stretch = (scale, scale)
    if recipe.shape_jitter:
        width, height = scale * (1 + rng.uniform(-1, 1, 2) * recipe.shape_jitter)
        stretch = width, height * rng.choice((-1, 1))
    return rotated(rgba, rng.uniform(0, 360), stretch, recipe.edge_softness_px)
