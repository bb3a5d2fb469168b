"""The free-lying red cells of a field: what tells its scale.

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, RBC_DIAMETER_PX
from bloodseg_lib.optics import background_colour, field_transmittance, optical_density
from bloodseg_lib.samples.extraction.masks import DEBRIS, smooth, solidity
from bloodseg_lib.samples.sample import CellSample, Skipped, make_sample

LEAST_RED_CELLS = 8
"""From so many free-lying red cells on, their median diameter is a field's scale."""
RED_CELLS_PER_FIELD = 16
"""The most healthy red cells taken of one field, so that no field prevails."""

LEAST_REFERENCES = 3
"""From so many clean free-lying red cells on it is known what the red cells of a field look like,
see :func:`foreign`.
"""
REACH = 4
"""How far around a cell the slide is looked for, in diameters of a red cell."""

_LEAST_SOLIDITY, _LEAST_ROUNDNESS = 0.93, 0.8
_SMOOTHED = 1 / 40  # of the diameter of a red cell
_DENSEST_RED_CELL = 1.0  # optical density of green; white cells are denser


@dataclass(frozen=True)
class RedCell:
    """A free-lying, round, whole red cell of a field.

    Attributes:
        mask: ``(H, W)`` bool, of the field's window ``window``.
        window: rows and columns of the field around the cell.
        diameter_px: of the disc of its area.
        density: median optical density of green.
        clean: whether it shows nothing but itself: no parasite, platelet, white cell, dirt or stain
            deposit.
    """

    mask: np.ndarray
    window: tuple[slice, slice]
    diameter_px: float
    density: float
    clean: bool


def red_cells(image: np.ndarray, expected_px: float) -> list[RedCell]:
    """The free-lying, round, whole red cells of a field, top to bottom.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        expected_px: diameter of a red cell, to within a third.
    """
    light = field_transmittance(image, expected_px)
    dark = stained(light)
    contours, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    height, width = dark.shape
    found = []
    for contour in sorted(contours, key=lambda c: (int(c[:, 0, 1].min()), int(c[:, 0, 0].min()))):
        x, y, w, h = cv2.boundingRect(contour)
        if x <= 1 or y <= 1 or x + w >= width - 1 or y + h >= height - 1:
            continue
        if not 0.6 * expected_px < max(w, h) < 1.5 * expected_px or min(w, h) < 0.5 * expected_px:
            continue
        mask = np.zeros((h, w), np.uint8)
        cv2.drawContours(mask, [contour - (x, y)], -1, 1, cv2.FILLED)
        mask = mask.astype(bool)
        diameter = float(np.sqrt(4 * mask.sum() / np.pi))
        if (
            not 0.67 * expected_px < diameter < 1.4 * expected_px
            or solidity(mask) < _LEAST_SOLIDITY
        ):
            continue
        _, axes, _ = cv2.fitEllipse(contour)
        if min(axes) < _LEAST_ROUNDNESS * max(axes):
            continue
        window = np.s_[y : y + h, x : x + w]
        mask = smooth(mask, max(3, round(expected_px / 10)))
        if solidity(mask) < _LEAST_SOLIDITY:
            continue
        clean = solidity(mask) > 0.95 and is_clean(light[window], mask, diameter)
        density = float(optical_density(np.median(light[window][:, :, 1][mask])))
        found.append(RedCell(mask, window, diameter, density, clean))
    return found


def stained(light: np.ndarray, strictness: float = 1.0) -> np.ndarray:
    """Where the slide is not empty, ``(H, W) uint8``, 0 or 1, of a transmittance.

    Args:
        light: ``(H, W, 3)``, see :func:`~bloodseg_lib.optics.field_transmittance`.
        strictness: factor of Otsu's threshold; below 1 the pale middles of cells are stained too,
            and more of what is out of focus.
    """
    absorbed = (255 * (1 - light[:, :, 1])).astype(np.uint8)
    seen = absorbed[absorbed < 225]  # not what lies beyond the eyepiece
    if not seen.size:
        return np.zeros(absorbed.shape, np.uint8)
    threshold, _ = cv2.threshold(seen, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (absorbed > strictness * threshold).astype(np.uint8)


def foreign(light: np.ndarray, clean: list[RedCell], rbc_diameter_px: float) -> np.ndarray:
    """Where a field shows what no red cell does: nuclei, platelets, parasites, ``(H, W)`` bool.

    They are more purple than nearly all of the clean cells, and than a quarter of their density on
    top.

    Args:
        light: ``(H, W, 3)`` transmittance of the field, see :func:`~bloodseg_lib.optics.field_transmittance`.
        clean: its clean red cells, see :func:`clean_ones`.
        rbc_diameter_px: of a red cell.
    """
    density = optical_density(cv2.GaussianBlur(light, (0, 0), _SMOOTHED * rbc_diameter_px))
    purple = density[:, :, 1] - (density[:, :, 0] + density[:, :, 2]) / 2
    usual = np.concatenate([purple[cell.window][cell.mask] for cell in clean])
    return purple > float(np.percentile(usual, 99)) + 0.25 * float(
        np.median([cell.density for cell in clean])
    )


def is_clean(
    light: np.ndarray, mask: np.ndarray, diameter_px: float, leniency: float = 1.0
) -> bool:
    """Whether a red cell is pale enough to be one, and no spot narrower than a quarter of it stands
    out purple or dark.

    The limits part the infected cells of MAMIC's crops from the healthy ones: 8 % of the infected
    ones pass, 98 % of the healthy ones.

    Args:
        light: ``(H, W, 3)`` transmittance of the cell's window, see :func:`~bloodseg_lib.optics.field_transmittance`.
        mask: ``(H, W)`` bool.
        diameter_px: of the cell.
        leniency: factor of the limits; below 1 more cells are refused.
    """
    factor = RBC_DIAMETER_PX / diameter_px
    size = tuple(max(8, round(side * factor)) for side in mask.shape[::-1])
    light = cv2.resize(
        light.astype(np.float32),
        size,
        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
    )
    inner = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    inner = (
        cv2.erode(np.pad(inner, 1), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))[
            1:-1, 1:-1
        ]
        > 0
    )
    density = cv2.GaussianBlur(optical_density(light), (0, 0), 0.7)
    green = density[:, :, 1]
    level = float(np.percentile(green[inner], 75))  # of the ring around the pallor
    if not 0.03 < level < _DENSEST_RED_CELL:
        return False
    purple = green - (density[:, :, 0] + density[:, :, 2]) / 2
    return (
        _most_spot(green, inner) < 0.6 * leniency * level
        and _most_spot(purple, inner) < 0.25 * leniency * level
    )


def _most_spot(values: np.ndarray, inner: np.ndarray) -> float:
    """How far the sixth strongest pixel of narrow spots stands out of what is around."""
    level = np.where(inner, values, np.median(values[inner]))
    spots = cv2.morphologyEx(
        np.pad(level, 6, mode="edge"),
        cv2.MORPH_TOPHAT,
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)),
    )[6:-6, 6:-6]
    return float(np.sort(spots[inner])[-6])


def measured_rbc_diameter(cells: list[RedCell], otherwise_px: float) -> float:
    """Diameter of a red cell in a field in pixels:

    the median of its free-lying ones if there are enough, else ``otherwise_px``.
    """
    return (
        float(np.median([cell.diameter_px for cell in cells]))
        if len(cells) >= LEAST_RED_CELLS
        else otherwise_px
    )


def healthy_samples(
    image: np.ndarray,
    cells: list[RedCell],
    path: Path,
    source: str,
    group: str,
    rbc_diameter_px: float,
    rejections: list[Skipped],
    most: int = RED_CELLS_PER_FIELD,
) -> Iterator[CellSample]:
    """Samples of the clean free-lying red cells of a field that is known to hold no malaria.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the field.
        cells: its free-lying red cells, see :func:`red_cells`.
        path: of the field, for the rejections.
        source, group: see :class:`~bloodseg_lib.samples.sample.CellSample`.
        rbc_diameter_px: of a red cell in the field, which sets the scale.
        rejections: gets one entry for each cell that shows more than itself.
        most: the most samples.
    """
    clean = clean_ones(cells)
    kept = {id(cell) for cell in clean}
    for cell in cells:
        if id(cell) not in kept:
            y, x = (s.start for s in cell.window)
            detail = f"{path}, red cell at {x},{y}: something lies on it, or it is a white cell."
            rejections.append(Skipped(source, HEALTHY_RBC, path, DEBRIS, detail))
    if len(clean) > most:  # from all over the field
        clean = [clean[i] for i in np.linspace(0, len(clean) - 1, most).round().astype(int)]
    for cell in clean:
        y, x = (s.start for s in cell.window)
        colour = background_colour(image, cell.window, reach_px=round(REACH * rbc_diameter_px))
        scale = RBC_DIAMETER_PX / rbc_diameter_px
        yield make_sample(
            image[cell.window],
            cell.mask,
            HEALTHY_RBC,
            source,
            group,
            f"{group}_rbc_{x}_{y}",
            scale,
            colour,
        )


def clean_ones(cells: list[RedCell]) -> list[RedCell]:
    """The clean ones among the free-lying red cells of one field, of a size and density like the
    others.
    """
    if not cells:
        return []
    middle, dense = (
        np.median([cell.diameter_px for cell in cells]),
        np.median([cell.density for cell in cells]),
    )
    return [
        c
        for c in cells
        if c.clean and 0.75 * middle < c.diameter_px < 1.25 * middle and c.density < 2 * dense
    ]
