"""The size of the red blood cells in an image, measured in the image itself. No network is needed,
but for a picture of one white cell, whose own size then tells (:func:`by_white_cell`).

Red cells are separated from the background by their optical density in green, which haemoglobin and
every stain absorb. Rays run from the centre of each cell to its rim; where at least half of them
reach background at about the same distance, their mean square gives the diameter, also of a cell
that touches another or is cut by the border. Nucleated cells are left out, and the most frequent
size of the rest, weighted by area, is the diameter.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from bloodseg_lib.classes import RBC_DIAMETER_PX, WBC_IDS
from bloodseg_lib.prediction.discs import round_things

LEAST_CELLS = 3
"""Cells of about the same size that a measurement needs."""

NEAR_ENOUGH = 0.1
"""A measured factor this close to 1 counts as 1: resampling would cost sharpness, and the
measurement is no more accurate.
"""

# Red cells must cover this fraction of the foreground: photographs of other things also have a few
# round spots of one size.
_LEAST_FRACTION = 0.2
_LEAST_PX = 12  # smaller things are noise or debris, and cells this small have no texture left
_SEARCH_PX = 1024  # side of the searched image; larger ones are reduced, or searched in windows
_WHOLE_PX = 4096  # larger images are never read as a whole
_FINE_PX = 20  # cells that are smaller after reduction are measured again in full-size windows
# The threshold is inside the soft rim: composed smears, whose cells measure 37, read 35.5.
_RIM = 1.04
# What a guess needs: a white cell is so many times as wide as a red one, without its nucleus found
_WIDER = (1.3, 2.6)
_LEAST_PART = 0.05  # of the foreground, that the largest disc covers
_ALONE = 1.7  # that a disc is as wide as a red cell, if nothing else is told of it
_WIDEST_PX = 120  # of any cell at 40x
_FAR = 1.6  # from 40x: a nearer guess is no better than 40x
# White cells at 40x: usual ones of a picture of one; wider than any, where nothing or little tells
# the scale; such a cell's least fraction of the picture; red cells that are more than a little
_WHITE_PX, _TOO_WIDE_PX, _CERTAINLY_PX, _FILLS, _MANY = 72, 105, 130, 0.15, 10


@dataclass(frozen=True)
class Scale:
    """The factor that resamples an image to 40x, and its origin.

    Attributes:
        factor: 1 for an image at 40x, where a red blood cell measures 37 pixels; 0.01 to 20.
        how: ``"given"`` by a person, ``"measured"`` in the image, or ``"assumed"`` because it could
            not be measured: 1, or what one or two cells let guess.
        rbc_diameter_px: of a red blood cell in the image, in its own pixels; ``None`` when assumed.
        cells: number of red blood cells measured, or that it was guessed from.
        file_um: micrometres of a pixel, as the image's file tells; ``None``: it does not. See
            :class:`bloodseg_lib.prediction.pixel_size.PixelSize`.

    Raises:
        ValueError: a factor out of range.

    Examples:
        >>> print(Scale.given(rbc_diameter_px=74))
        scale 0.5 as given: red blood cells measure 74.0 pixels
        >>> Scale.of_factor(0.5).rbc_diameter_px
        74.0
    """

    factor: float
    how: Literal["given", "measured", "assumed"] = "given"
    rbc_diameter_px: float | None = None
    cells: int = 0
    file_um: float | None = None

    def __post_init__(self) -> None:
        if not 0.01 <= self.factor <= 20:
            raise ValueError(
                f"scale: expected the factor that brings the image to 40x, 0.01 to 20. "
                f"Received {self.factor}."
            )

    @classmethod
    def given(cls, rbc_diameter_px: float) -> Scale:
        """The scale of an image in which a red blood cell measures ``rbc_diameter_px``.

        Raises:
            ValueError: a diameter below 2 or above 2000 pixels, which no image of cells has.
        """
        if not 2 <= rbc_diameter_px <= 2000:
            raise ValueError(
                "Expected the diameter of a red blood cell in pixels, 2 to 2000. "
                f"Received {rbc_diameter_px}."
            )
        return cls(RBC_DIAMETER_PX / rbc_diameter_px, "given", float(rbc_diameter_px))

    @classmethod
    def of_factor(cls, factor: float) -> Scale:
        """The scale with a known factor; 1 for an image at 40x."""
        return cls(factor, "given", RBC_DIAMETER_PX / factor if factor else None)

    def __str__(self) -> str:
        if self.how == "assumed":
            cells = f"{self.cells} round cell{'s' * (self.cells > 1)}"
            few = f", by {cells}" if self.factor != 1 else ""
            return (
                f"scale {self.factor:.3g} assumed{few}: fewer than {LEAST_CELLS} red blood cells "
                "of one size were found to measure; give their diameter"
            )
        if self.how == "measured":
            return (
                f"scale {self.factor:.3g}: red blood cells measure {self.rbc_diameter_px:.1f} "
                f"pixels, the mean of {self.cells} cells in the image"
            )
        diameter = RBC_DIAMETER_PX / self.factor
        return f"scale {self.factor:.3g} as given: red blood cells measure {diameter:.1f} pixels"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        diameter = None if self.rbc_diameter_px is None else round(self.rbc_diameter_px, 2)
        return {
            "factor": round(self.factor, 5),
            "how": self.how,
            "rbc_diameter_px": diameter,
            "cells": self.cells,
            "words": str(self),
        }


AT_40X = Scale.of_factor(1.0)
"""The scale of composed smears, and of every image in which a red blood cell measures 37 pixels."""


def find_scale(image: np.ndarray) -> Scale:
    """The scale of an image by its red blood cells; 1.0, assumed, where they cannot be measured.

    A picture of one white cell shows too few red ones to measure. Where the one or two that it
    shows are far larger than at 40x, the scale that is assumed is theirs.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped, and is then read in windows.
    """
    discs = _discs(image)
    diameter, cells = _measured(image, discs)
    if diameter is None:
        guess, few = _guessed_diameter(*discs)
        if guess is not None and guess > _FAR * RBC_DIAMETER_PX:
            return Scale(RBC_DIAMETER_PX / guess, "assumed", None, few)
        return Scale(1.0, "assumed", None, cells)
    factor = RBC_DIAMETER_PX / diameter
    return Scale(1.0 if abs(factor - 1) <= NEAR_ENOUGH else factor, "measured", diameter, cells)


def by_white_cell(scale: Scale, labels: np.ndarray) -> Scale | None:
    """A scale that fits the white cell that a picture was found to show, by the labels ``(H, W)
    uint8`` of its segmentation at a scale, where none does: a picture of one white cell, close up,
    has few red ones to measure. At it the widest white cell is as wide as they are; None: the scale
    was given or measured well, or no white cell is too wide for it.
    """
    if scale.how == "given" or scale.cells >= _MANY:
        return None
    white = np.isin(labels, WBC_IDS).astype(np.uint8)
    if white.mean() < _FILLS:
        return None
    area = cv2.connectedComponentsWithStats(white)[2][1:, cv2.CC_STAT_AREA].max()
    wide_px = float(np.sqrt(4 / np.pi * area)) * scale.factor
    limit_px = _TOO_WIDE_PX if scale.how == "assumed" else _CERTAINLY_PX
    if area < _FILLS * labels.size or wide_px <= limit_px:
        return None
    return Scale(scale.factor * _WHITE_PX / wide_px, "assumed", None, 1)


def measure_rbc_diameter(image: np.ndarray) -> tuple[float | None, int]:
    """The diameter of the red blood cells of ``(H, W, 3) uint8`` RGB, which may be memory-mapped,
    in pixels, or ``None`` when fewer than three of one size were found, and the number of cells
    measured.
    """
    return _measured(image, _discs(image))


def _measured(image: np.ndarray, discs: tuple[np.ndarray, float]) -> tuple[float | None, int]:
    """The common diameter of the discs of :func:`_discs`, or where they were reduced too far, of
    those in full-size windows.
    """
    diameter, cells = _common_diameter(*discs)
    reduction = _SEARCH_PX / _window(image)
    if reduction < 1 and (diameter is None or diameter * reduction < _FINE_PX):
        finer, more = _common_diameter(*_discs_in_windows(image, _SEARCH_PX, 1.0))
        if finer is not None:
            return finer, more
    return diameter, cells


def _discs(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Discs in the whole image, reduced if it is large, and the foreground area; of a very large
    one, in windows.
    """
    window = _window(image)
    return _discs_in_windows(image, window, min(1.0, _SEARCH_PX / window))


def _window(image: np.ndarray) -> int:
    longer = max(image.shape[:2])
    return longer if longer <= _WHOLE_PX else 2 * _SEARCH_PX


def _discs_in_windows(image: np.ndarray, window: int, reduction: float) -> tuple[np.ndarray, float]:
    """Discs in up to 3 x 3 windows spread over an image, and the foreground area there."""
    starts = [_spread(side, window) for side in image.shape[:2]]
    found, covered = [np.empty((0, 2))], 0.0
    for top in starts[0]:
        for left in starts[1]:
            part = np.ascontiguousarray(image[top : top + window, left : left + window])
            if min(part.shape[:2]) * reduction <= 0.5:
                continue  # a strip, of which reducing leaves nothing
            if reduction < 1:
                part = cv2.resize(
                    part, None, fx=reduction, fy=reduction, interpolation=cv2.INTER_AREA
                )
            discs, area = round_things(part)
            discs[:, 0] /= reduction
            found.append(discs)
            covered += area / reduction**2
    return np.concatenate(found), covered


def _spread(side: int, window: int) -> list[int]:
    """Where up to three windows begin, evenly spread; they never overlap, or a cell would count
    twice.
    """
    number = max(1, min(3, side // window))
    gap = max(0, side - number * window) / (number + 1)
    return [round(gap + i * (gap + window)) for i in range(number)]


def _guessed_diameter(discs: np.ndarray, covered_px: float) -> tuple[float | None, int]:
    """The diameter of red cells by one or two of them, and how many: those beside a larger disc,
    which is a white cell whose nucleus is no darker than the rest, or two of about the same size;
    or by that larger disc alone.
    """
    if not len(discs):
        return None, 0
    largest = discs[discs[:, 0].argmax()]
    if np.pi / 4 * largest[0] ** 2 * largest[1] < _LEAST_PART * covered_px:
        return None, 0
    ratio = largest[0] / discs[:, 0]
    few = discs[ratio < _WIDER[0]]
    if len(few) < 2:
        few = discs[(ratio >= _WIDER[0]) & (ratio <= _WIDER[1])]
    if not len(few):
        return (largest[0] / _ALONE, 1) if largest[0] > _WIDEST_PX else (None, 0)
    weight = few[:, 0] ** 2 * few[:, 1]
    return float(np.exp(np.average(np.log(few[:, 0]), weights=weight))) * _RIM, len(few)


def _common_diameter(discs: np.ndarray, covered_px: float) -> tuple[float | None, int]:
    """The most frequent diameter of some discs, and how many have it.

    Discs are weighted by area, so that debris does not decide.
    """
    if len(discs) < LEAST_CELLS:
        return None, len(discs)
    logarithm, weight = np.log(discs[:, 0]), discs[:, 0] ** 2 * discs[:, 1]
    sizes = np.linspace(logarithm.min(), logarithm.max(), 400)
    order = np.argsort(
        -(np.exp(-0.5 * ((sizes[:, None] - logarithm) / 0.08) ** 2) @ weight), kind="stable"
    )
    for size in sizes[order]:  # the first peak may be a single white cell
        near = np.abs(logarithm - size) < 0.2
        if not near.any():
            continue
        diameter = float(np.exp(np.average(logarithm[near], weights=weight[near]))) * _RIM
        fraction = np.pi / 4 * (discs[near, 0] ** 2).sum() / max(1.0, covered_px)
        if (
            near.sum() >= LEAST_CELLS
            and weight[near].sum() >= 0.25 * weight.sum()
            and diameter >= _LEAST_PX
            and fraction >= _LEAST_FRACTION
        ):
            return diameter, int(near.sum())
    return None, 0
