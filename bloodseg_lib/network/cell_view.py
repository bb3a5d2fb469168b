"""What a network of single cells sees of a cell: the cell alone on white, at 40x, its stain at a
reference of its own. See :mod:`bloodseg_lib.network.single_cell`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import RBC_IDS, WBC_IDS


@dataclass(frozen=True)
class View:
    """What a network of one kind of cell sees, and what it tells apart.

    Attributes:
        name: of the kind, and the end of the file's name.
        class_ids: that the network tells apart, in its order.
        side_px: side of its input, and of what it sees of a cell at 40x.
        quantile: of the optical densities within a cell, that stands for its stain.
        reference: optical density in red, green and blue that this quantile is brought to.
        least_density: added to the cell's, so that noise is not enlarged where a channel has hardly
            any stain.
        convex: fill up the outline that the first network found to a convex one: the holes and
            bites of a red cell are its pale centre, or a parasite taken for something else.
        turns: quarter turns of a cell that its probabilities are averaged over.
        blurs_px: standard deviations at 40x; and over a cell so blurred, 0 as it is.
    """

    name: str
    class_ids: tuple[int, ...]
    side_px: int
    quantile: float
    reference: tuple[float, float, float]
    least_density: float
    convex: bool
    turns: int
    blurs_px: tuple[float, ...]


WHITE_CELLS = View(
    "white_cells", WBC_IDS, 96, 0.9, (1.1, 1.5, 0.6), 0.05, False, 4, (0.0, 1.0, 2.0)
)
"""The stain of a white cell is its nucleus's. Cameras differ in sharpness: what is only seen at one
is no class's.
"""
RED_CELLS = View("red_cells", RBC_IDS, 64, 0.5, (0.25, 0.5, 0.25), 0.15, True, 1, (0.0,))
"""The stain of a red cell is its haemoglobin's, which hardly absorbs red in many stains. There
are many of them: one turn. A parasite is gone when it is blurred.
"""
VIEWS = (WHITE_CELLS, RED_CELLS)


def at_reference(density: np.ndarray, mask: np.ndarray, view: View) -> np.ndarray:
    """The densities of a cell, ``(S, S, 3) float32``, whose stain is brought to the view's
    reference; the mask is ``(S, S) float32``, 1 within the cell, 0 outside.
    """
    inside = density[mask > 0.5]
    if len(inside) == 0:
        return np.zeros_like(density)
    stain = np.quantile(inside, view.quantile, axis=0) + view.least_density
    return np.maximum(density / stain * np.array(view.reference), 0).astype(np.float32)


def seen(density: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A cell alone on white, of :func:`at_reference`: the network's input, transmittance from -1 to
    1.
    """
    return (2 * np.exp(-density * mask[:, :, None]) - 1).astype(np.float32)


def resized(density: np.ndarray, mask: np.ndarray, side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """A square of any size around a cell, ``(S, S, 3)`` and ``(S, S) float32``, at the size of a
    network's input.
    """
    how = cv2.INTER_AREA if len(mask) > side_px else cv2.INTER_LINEAR
    size = (side_px, side_px)
    return cv2.resize(density, size, interpolation=how), cv2.resize(mask, size, interpolation=how)


def companion(checkpoint: Path, view: View) -> Path:
    """Where the network of a view that belongs to a checkpoint is, if there is one.

    Examples:
        >>> companion(Path("weights/real_cells.npz"), RED_CELLS).name
        'real_cells_red_cells.npz'
    """
    return checkpoint.with_name(f"{checkpoint.stem}_{view.name}.npz")
