"""Phantom cells: the nine kinds of object drawn by program, so that a fresh machine needs no
download.

Each function of :mod:`~bloodseg_lib.samples.phantom.red_cells`,
:mod:`~bloodseg_lib.samples.phantom.white_cells` and
:mod:`~bloodseg_lib.samples.phantom.platelets` draws one kind of cell as a haematologist tells it
from the others, with the shapes, textures and stains of
:mod:`~bloodseg_lib.samples.phantom.drawing`. No picture of a real cell is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bloodseg_lib import classes
from bloodseg_lib.samples.phantom import drawing, platelets, red_cells, white_cells
from bloodseg_lib.samples.phantom.drawing import Drawn, Slide
from bloodseg_lib.samples.sample import CellSample, cut_cell

SOURCE = "phantom"
AREA_VARIATION = {
    classes.THROMBOCYTE: 0.30,
    classes.PLATELET_CLUMP: 0.40,
    classes.INFECTED_RBC: 0.12,
    classes.HEALTHY_RBC: 0.12,
}
"""Standard deviation of the area from cell to cell, as a fraction of the mean."""
WBC_AREA_VARIATION = 0.15
"""The same of white cells."""

_ARTISTS: dict[int, Callable[[float, Slide, np.random.Generator], Drawn]] = {
    classes.EOSINOPHIL: white_cells.eosinophil,
    classes.BASOPHIL: white_cells.basophil,
    classes.NEUTROPHIL: white_cells.neutrophil,
    classes.LYMPHOCYTE: white_cells.lymphocyte,
    classes.MONOCYTE: white_cells.monocyte,
    classes.THROMBOCYTE: platelets.thrombocyte,
    classes.PLATELET_CLUMP: platelets.platelet_clump,
    classes.INFECTED_RBC: red_cells.infected_cell,
    classes.HEALTHY_RBC: lambda area_px, slide, rng: red_cells.red_cell(area_px, slide, rng)[:2],
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
        name: of the sample; every cell is its own group, because no two share a patient.
        area_px: area in square pixels; None: drawn around the mean of the class, see
            :data:`AREA_VARIATION`.

    Returns:
        the cell at 40x, source ``"phantom"``; alpha is 0 or 255 and in one piece.

    Raises:
        ValueError: no such class, or background.

    Examples:
        >>> cell = draw_cell(classes.HEALTHY_RBC, np.random.default_rng(0), area_px=1000)
        >>> cell.rgba.dtype, 900 < cell.area_px < 1100
        (dtype('uint8'), True)
    """
    _check_class(class_id)
    kind = classes.CLASSES[class_id]
    slide = drawing.draw_slide(rng)
    spread = np.sqrt(np.log1p(AREA_VARIATION.get(class_id, WBC_AREA_VARIATION) ** 2))
    # log-normal: never negative
    drawn_px = kind.mean_area_px * np.exp(spread * np.clip(rng.normal(), -2.5, 2.5) - spread**2 / 2)
    density, depth = _ARTISTS[class_id](area_px or drawn_px, slide, rng)
    rgba = cut_cell(drawing.photograph(density, slide, rng), drawing.mask(depth))
    return CellSample(rgba, class_id, SOURCE, f"{kind.key}-{name}", name)


def read(cells_per_class: int | dict[int, int] = 300, seed: int = 0) -> Iterator[CellSample]:
    """Draw cells of every class.

    Cell number *i* of a class is a pure function of (seed, class, *i*): asking for more cells does
    not change the first ones.

    Args:
        cells_per_class: number of each class, or class id -> number for some classes.
        seed: 0 or more.

    Yields:
        samples, class by class.

    Raises:
        ValueError: an unknown class, or a negative number of cells or seed.

    Examples:
        >>> [cell.name for cell in read({classes.THROMBOCYTE: 2}, seed=7)]
        ['7-00000', '7-00001']
    """
    wanted = cells_per_class
    if not isinstance(wanted, dict):
        wanted = dict.fromkeys(_ARTISTS, wanted)
    if seed < 0 or min(wanted.values(), default=0) < 0:
        raise ValueError(
            "Expected a seed and numbers of cells of 0 or more. "
            f"Received seed {seed} and cells per class {cells_per_class}."
        )
    for class_id in wanted:
        _check_class(class_id)
    for class_id, count in wanted.items():
        for i in range(count):
            yield draw_cell(class_id, np.random.default_rng([seed, class_id, i]), f"{seed}-{i:05d}")
