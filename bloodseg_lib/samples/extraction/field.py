"""A field of view, which readers cut single cells, clusters and background crops out of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, RBC_DIAMETER_PX, Box
from bloodseg_lib.optics import background_colour, field_transmittance, white_levels
from bloodseg_lib.samples.extraction.background_crops import find_background_crops
from bloodseg_lib.samples.extraction.boxes import CellBox, mask_in_box
from bloodseg_lib.samples.extraction.clusters import find_clusters
from bloodseg_lib.samples.extraction.masks import DEBRIS, ShapeLimits, Unusable, check_shape
from bloodseg_lib.samples.extraction.red_cells import (
    LEAST_REFERENCES,
    RedCell,
    clean_cells,
    measured_rbc_diameter,
    non_rbc,
    red_cells,
)
from bloodseg_lib.samples.extraction.stain import Stain
from bloodseg_lib.samples.extraction.white_cells import white_cells
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample, Skipped, cut_cell

RED_CELLS_PER_FIELD = 16
"""The most healthy red cells of one field, so that no field dominates."""
CLUSTERS_PER_FIELD = 12
"""The most clusters of one field."""

_REACH = 4  # the background around a cell is measured so far from it, in diameters of a red cell
_Item = TypeVar("_Item")


@dataclass(frozen=True, eq=False)
class Field:
    """A field of view, or the picture of a single cell. What is derived from it is computed once.

    Attributes:
        image: ``(H, W, 3) uint8`` RGB.
        source, group: of its samples, see :class:`~bloodseg_lib.samples.sample.CellSample`.
        path: its file, for reports.
        expected_rbc_px: diameter of a red cell, to within a third.
        measure: whether the isolated red cells set the scale; else ``expected_rbc_px`` is exact.
        boxed: boxes that a person drew; :meth:`healthy` leaves the cells in them alone.

    Examples:
        >>> import cv2
        >>> image = np.full((180, 240, 3), (250, 240, 150), np.uint8)
        >>> for x in (40, 100, 160):
        ...     for y in (40, 100, 140):
        ...         _ = cv2.circle(image, (x, y), 20, (190, 150, 120), -1)
        >>> field = Field(image, "own", "smear 1", Path("smear 1.png"), 40)
        >>> [sample.name for sample in field.healthy()]
        ['smear 1_rbc_20_20', 'smear 1_rbc_80_20', 'smear 1_rbc_140_20']
        >>> len(list(field.clusters()))
        3
    """

    image: np.ndarray
    source: str
    group: str
    path: Path
    expected_rbc_px: float
    measure: bool = True
    boxed: tuple[Box, ...] = ()

    @cached_property
    def red_cells(self) -> list[RedCell]:
        """The isolated red cells, top to bottom."""
        return red_cells(self.image, self.expected_rbc_px)

    @cached_property
    def rbc_diameter_px(self) -> float:
        """Diameter of a red cell in pixels."""
        if not self.measure:
            return self.expected_rbc_px
        return measured_rbc_diameter(self.red_cells, self.expected_rbc_px)

    @property
    def scale(self) -> float:
        """Factor from the field to 40x."""
        return RBC_DIAMETER_PX / self.rbc_diameter_px

    @cached_property
    def unboxed(self) -> list[RedCell]:
        """The isolated red cells whose middle is in no box."""
        cells = self.red_cells
        return [c for c in cells if not any(b.holds(*c.box.middle) for b in self.boxed)]

    @cached_property
    def clean(self) -> list[RedCell]:
        """The unboxed red cells without anything on them, alike in size and density."""
        return clean_cells(self.unboxed)

    @cached_property
    def transmittance(self) -> np.ndarray:
        """``(H, W, 3) float32``, 0..1, see :func:`~bloodseg_lib.optics.field_transmittance`."""
        # not that in which the red cells were found: its tiles depend on the diameter
        return field_transmittance(self.image, self.rbc_diameter_px)

    @cached_property
    def stain(self) -> Stain:
        """The stain of its red cells, measured as that of an image to predict is."""
        levels = white_levels(background_colour(self.image))
        return Stain.of(self.image, self.scale, levels)

    @cached_property
    def non_rbc(self) -> np.ndarray:
        """Where it shows something that is not a red cell, ``(H, W)`` bool; needs a clean cell."""
        return non_rbc(self.transmittance, self.clean, self.rbc_diameter_px)

    def healthy(self, most: int = RED_CELLS_PER_FIELD) -> Iterator[CellSample | Skipped]:
        """The clean red cells of a field without malaria, from all over the field; the other
        isolated ones are skipped.

        Args:
            most: the most samples.
        """
        for cell in self.unboxed:
            if cell not in self.clean:
                detail = (
                    f"{self.path}, red cell at {cell.box.x},{cell.box.y}: something lies on it, "
                    "or it is a white cell."
                )
                yield Skipped(self.source, HEALTHY_RBC, self.path, DEBRIS, detail)
        for cell in spread(self.clean, most):
            name = f"{self.group}_rbc_{cell.box.x}_{cell.box.y}"
            yield self.sample(cell.mask, HEALTHY_RBC, name, cell.box)

    def clusters(self) -> Iterator[CellSample]:
        """The clusters of red cells of a field without malaria, at most
        :data:`CLUSTERS_PER_FIELD` from all over the field.

        None where fewer than
        :data:`~bloodseg_lib.samples.extraction.red_cells.LEAST_REFERENCES` red cells are clean.
        """
        if len(self.clean) < LEAST_REFERENCES:
            return
        found = find_clusters(self.transmittance, self.non_rbc, self.rbc_diameter_px)
        for box, mask in spread(found, CLUSTERS_PER_FIELD):
            name = f"{self.group}_rbc_{box.x}_{box.y}{CLUSTER}"
            yield self.sample(mask, HEALTHY_RBC, name, box)

    def background_crops(self) -> Iterator[CellSample]:
        """The background crops of a field without malaria, see
        :func:`~bloodseg_lib.samples.extraction.background_crops.find_background_crops`.

        Unlike other samples they show the background beside the cells too. None where fewer than
        :data:`~bloodseg_lib.samples.extraction.red_cells.LEAST_REFERENCES` red cells are clean.
        """
        if len(self.clean) < LEAST_REFERENCES:
            return
        crops = find_background_crops(self.transmittance, self.non_rbc, self.rbc_diameter_px)
        for box, rgba in crops:
            name = f"{self.group}_{box.x}_{box.y}{BACKGROUND_CROP}"
            yield CellSample(rgba, HEALTHY_RBC, self.source, self.group, name, self.stain)

    def red_cell_samples(self) -> Iterator[CellSample | Skipped]:
        """All of a field without malaria: :meth:`healthy`, :meth:`clusters` and
        :meth:`background_crops`.
        """
        yield from self.healthy()
        yield from self.clusters()
        yield from self.background_crops()

    def box(self, cell: CellBox) -> CellSample | Skipped:
        """The cell in a box that a person drew. Its name is the group with the box's position."""
        try:
            around, mask = mask_in_box(self.image, cell, self.scale, self.path)
        except Unusable as error:
            return error.skipped(self.source, cell.class_id, self.path)
        name = f"{self.group}_{cell.box.x}_{cell.box.y}"
        return self.sample(mask, cell.class_id, name, around)

    def mask_in(self, cell: CellBox) -> np.ndarray:
        """The mask of the cell in a box, ``(H, W)`` bool, of the field; see :meth:`box`.

        Raises:
            Unusable: the box does not hold one whole cell.
        """
        around, inside = mask_in_box(self.image, cell, self.scale, self.path)
        mask = np.zeros(self.image.shape[:2], bool)
        mask[around.window] = inside
        return mask

    def white_cells(self, class_id: int) -> list[np.ndarray]:
        """The masks of the white cells, all of one class, see
        :func:`~bloodseg_lib.samples.extraction.white_cells.white_cells`.

        Raises:
            Unusable: no nucleus is found.
        """
        return white_cells(self.image, class_id, self.rbc_diameter_px)

    def check_shape(self, mask: np.ndarray, limits: ShapeLimits) -> None:
        """Refuse a mask that is not one whole cell.

        Raises:
            Unusable: with the first check that fails.
        """
        check_shape(mask, self.scale, self.path, limits)

    def sample(
        self,
        mask: np.ndarray,
        class_id: int,
        name: str,
        box: Box | None = None,
        background: np.ndarray | None = None,
    ) -> CellSample:
        """The cell under a mask as a sample at 40x.

        Args:
            mask: ``(H, W)`` bool, of the field or of ``box``.
            class_id, name: of the sample.
            box: what the mask covers; None: the whole field.
            background: ``(3,)`` RGB, colour of the background; None: it is measured around ``box``,
                or around the mask.
        """
        image = self.image if box is None else self.image[box.window]
        if background is None:
            window = (box or Box.of_mask(mask)).window
            reach = round(_REACH * self.rbc_diameter_px)
            background = background_colour(self.image, window, reach)
        rgba = cut_cell(image, mask, self.scale, background, f"Sample {self.source}/{name}")
        return CellSample(rgba, class_id, self.source, self.group, name, self.stain)


def spread(items: list[_Item], most: int) -> list[_Item]:
    """At most so many of a list, evenly from its beginning to its end."""
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]
