"""The isolated red cells of a field, which give its scale and the look of a red cell in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bloodseg_lib.classes import RBC_DIAMETER_PX, Box
from bloodseg_lib.optics import field_transmittance, optical_density
from bloodseg_lib.samples.extraction.masks import disc, eroded, filled, outlines, smooth, solidity

LEAST_RED_CELLS = 8
"""The fewest isolated red cells whose median diameter sets the scale of a field."""

LEAST_REFERENCES = 3
"""The fewest clean red cells that show what the red cells of a field look like, see
:func:`non_rbc`.
"""

_LEAST_SOLIDITY, _LEAST_ROUNDNESS = 0.93, 0.8
_SMOOTHED = 1 / 40  # of the diameter of a red cell
_DENSEST_RED_CELL = 1.0  # optical density of green; white cells are denser


@dataclass(frozen=True, eq=False)
class RedCell:
    """An isolated, round, whole red cell of a field.

    Attributes:
        box: around the cell, in the field.
        mask: ``(H, W)`` bool, of the box.
        diameter_px: of the disc of its area.
        density: median optical density of green.
        clean: no parasite, platelet, white cell, dirt or stain deposit is on it.
    """

    box: Box
    mask: np.ndarray
    diameter_px: float
    density: float
    clean: bool


def red_cells(image: np.ndarray, expected_px: float) -> list[RedCell]:
    """The isolated, round, whole red cells of a field, top to bottom.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        expected_px: diameter of a red cell, to within a third.
    """
    transmittance = field_transmittance(image, expected_px)
    dark = stained(transmittance)
    height, width = dark.shape
    found = []
    for outline in sorted(outlines(dark), key=lambda o: (o[:, 0, 1].min(), o[:, 0, 0].min())):
        box = Box(*cv2.boundingRect(outline))
        shorter, longer = sorted((box.width, box.height))
        if (
            min(box.x, box.y) <= 1
            or box.right >= width - 1
            or box.bottom >= height - 1
            or not 0.6 * expected_px < longer < 1.5 * expected_px
            or shorter < 0.5 * expected_px
        ):
            continue
        mask = filled(outline - (box.x, box.y), (box.height, box.width))
        diameter = float(np.sqrt(4 * mask.sum() / np.pi))
        if (
            not 0.67 * expected_px < diameter < 1.4 * expected_px
            or solidity(mask) < _LEAST_SOLIDITY
        ):
            continue
        _, axes, _ = cv2.fitEllipse(outline)
        if min(axes) < _LEAST_ROUNDNESS * max(axes):
            continue
        mask = smooth(mask, max(3, round(expected_px / 10)))
        if solidity(mask) < _LEAST_SOLIDITY:
            continue
        cut = transmittance[box.window]
        clean = solidity(mask) > 0.95 and is_clean(cut, mask, diameter)
        density = float(optical_density(np.median(cut[:, :, 1][mask])))
        found.append(RedCell(box, mask, diameter, density, clean))
    return found


def stained(transmittance: np.ndarray, strictness: float = 1.0) -> np.ndarray:
    """Where a field is not empty, by Otsu's threshold: ``(H, W) uint8``, 0 or 1.

    Args:
        transmittance: ``(H, W, 3)``, see :func:`~bloodseg_lib.optics.field_transmittance`.
        strictness: factor of the threshold; below 1 the pale centres of cells count as stained too,
            and more of what is out of focus.

    Examples:
        >>> transmittance = np.full((4, 6, 3), 0.98)
        >>> transmittance[1:3, 2:4] = 0.6
        >>> stained(transmittance).sum()
        np.uint64(4)
    """
    absorbed = (255 * (1 - transmittance[:, :, 1])).astype(np.uint8)
    seen = absorbed[absorbed < 225]  # without the black around an eyepiece
    if not seen.size:
        return np.zeros(absorbed.shape, np.uint8)
    threshold, _ = cv2.threshold(seen, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (absorbed > strictness * threshold).astype(np.uint8)


def non_rbc(transmittance: np.ndarray, clean: list[RedCell], rbc_diameter_px: float) -> np.ndarray:
    """Where a field shows something that is not a red cell - nuclei, platelets, parasites:
    ``(H, W)`` bool.

    There it is more purple than 99 % of the pixels of the clean cells, by more than a quarter of
    their optical density.

    Args:
        transmittance: ``(H, W, 3)`` of the field, see
            :func:`~bloodseg_lib.optics.field_transmittance`.
        clean: its clean red cells, see :func:`clean_cells`; at least one.
        rbc_diameter_px: of a red cell.
    """
    blurred = cv2.GaussianBlur(transmittance, (0, 0), _SMOOTHED * rbc_diameter_px)
    purple = purpleness(optical_density(blurred))
    usual = np.concatenate([purple[cell.box.window][cell.mask] for cell in clean])
    density = float(np.median([cell.density for cell in clean]))
    return purple > float(np.percentile(usual, 99)) + 0.25 * density


def purpleness(density: np.ndarray) -> np.ndarray:
    """How much more green than red and blue is absorbed, ``(H, W)``, of optical densities
    ``(H, W, 3)``.
    """
    return density[:, :, 1] - (density[:, :, 0] + density[:, :, 2]) / 2


def is_clean(
    transmittance: np.ndarray, mask: np.ndarray, diameter_px: float, leniency: float = 1.0
) -> bool:
    """Whether a red cell is pale enough to be one, and without a purple or dark spot narrower than
    a quarter of it.

    The limits separate the infected cells of MAMIC's crops from the healthy ones: 8 % of the
    infected ones pass, 98 % of the healthy ones.

    Args:
        transmittance: ``(H, W, 3)`` of the cell's box, see
            :func:`~bloodseg_lib.optics.field_transmittance`.
        mask: ``(H, W)`` bool.
        diameter_px: of the cell.
        leniency: factor of the limits; below 1 fewer cells pass.
    """
    factor = RBC_DIAMETER_PX / diameter_px
    size = (max(8, round(mask.shape[1] * factor)), max(8, round(mask.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    transmittance = cv2.resize(transmittance.astype(np.float32), size, interpolation=method)
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    inner = eroded(small, 2)
    density = cv2.GaussianBlur(optical_density(transmittance), (0, 0), 0.7)
    green = density[:, :, 1]
    level = float(np.percentile(green[inner], 75))  # in the ring around the pale centre
    return (
        0.03 < level < _DENSEST_RED_CELL
        and _spot_height(green, inner) < 0.6 * leniency * level
        and _spot_height(purpleness(density), inner) < 0.25 * leniency * level
    )


def _spot_height(values: np.ndarray, inner: np.ndarray) -> float:
    """How far narrow spots rise above their surroundings: their sixth highest pixel."""
    level = np.pad(np.where(inner, values, np.median(values[inner])), 6, mode="edge")
    spots = cv2.morphologyEx(level, cv2.MORPH_TOPHAT, disc(4))[6:-6, 6:-6]
    return float(np.sort(spots[inner])[-6])


def measured_rbc_diameter(cells: list[RedCell], otherwise_px: float) -> float:
    """Diameter of a red cell in a field in pixels: the median of its isolated ones.

    ``otherwise_px`` where there are fewer than :data:`LEAST_RED_CELLS`.
    """
    if len(cells) < LEAST_RED_CELLS:
        return otherwise_px
    return float(np.median([cell.diameter_px for cell in cells]))


def clean_cells(cells: list[RedCell]) -> list[RedCell]:
    """The clean ones of the isolated red cells of a field, without those whose size or density is
    unlike that of the others.
    """
    if not cells:
        return []
    diameter = np.median([cell.diameter_px for cell in cells])
    density = np.median([cell.density for cell in cells])
    return [
        cell
        for cell in cells
        if cell.clean
        and 0.75 * diameter < cell.diameter_px < 1.25 * diameter
        and cell.density < 2 * density
    ]
