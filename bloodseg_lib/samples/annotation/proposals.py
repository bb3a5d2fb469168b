"""Proposing the cells of a whole field: thresholds, watershed, and a guess at each cell's class,
for a person to confirm, correct or discard.

The guesses are rules of thumb - size, how purple, how spotted - and right often enough to save
work, no more. White cells are guessed as neutrophils. Taught by
``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from skimage.feature import peak_local_max
from skimage.measure import regionprops
from skimage.segmentation import watershed
from tqdm.auto import tqdm

from bloodseg_lib.classes import (
    HEALTHY_RBC,
    INFECTED_RBC,
    NEUTROPHIL,
    PLATELET_CLUMP,
    RBC_IDS,
    THROMBOCYTE,
    Box,
)
from bloodseg_lib.io import read_image
from bloodseg_lib.optics import field_transmittance
from bloodseg_lib.samples.extraction.boxes import CellBox, write_boxes
from bloodseg_lib.samples.extraction.red_cells import (
    is_clean,
    measured_rbc_diameter,
    red_cells,
)

DIAMETERS_PX = (20.0, 28.0, 40.0, 56.0, 80.0, 112.0)
"""Where the diameter of a red cell is looked for when nobody tells it."""
MARGIN = 0.06
"""Of a box around its cell, in diameters of a red cell."""


def estimated_rbc_diameter(image: np.ndarray) -> float:
    """Diameter of a red cell in a field of unknown scale, in pixels: where the most free-lying
    round ones are found.

    Raises:
        ValueError: fewer than three are found.
    """
    found = max((red_cells(image, diameter) for diameter in DIAMETERS_PX), key=len)
    if len(found) < 3:
        raise ValueError(
            "Expected a field with free-lying red cells to measure. Found hardly any: give their diameter in pixels."
        )
    return float(np.median([cell.diameter_px for cell in found]))


def propose(image: np.ndarray, field: str, rbc_diameter_px: float | None = None) -> list[CellBox]:
    """Boxes around the cells of a field, each with a guessed class.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        field: its file name.
        rbc_diameter_px: of a red cell, to within a third; None: it is measured.

    Returns:
        boxes, top to bottom.

    Raises:
        ValueError: the diameter is not above 0, or cannot be measured.
    """
    if rbc_diameter_px is not None and not rbc_diameter_px > 0:
        raise ValueError(
            f"Expected the diameter of a red cell, above 0 pixels. Received {rbc_diameter_px}."
        )
    expected = rbc_diameter_px or estimated_rbc_diameter(image)
    diameter = measured_rbc_diameter(red_cells(image, expected), expected)
    light = field_transmittance(image, diameter)
    density = -np.log(np.maximum(light, 0.03)).astype(np.float32)
    green = density[:, :, 1]
    purple = cv2.GaussianBlur(
        green - (density[:, :, 0] + density[:, :, 2]) / 2, (0, 0), diameter / 25
    )
    absorbed = (255 * (1 - light[:, :, 1])).astype(np.uint8)
    seen = absorbed[absorbed < 225]  # not what lies beyond the eyepiece
    threshold, _ = (
        cv2.threshold(seen, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        if seen.size
        else (255, None)
    )
    dark = absorbed > threshold
    stained = purple > max(0.12, 0.4 * float(np.percentile(purple, 99.7)))
    labels = _parted(dark | stained, stained, diameter)
    boxes = []
    for region in regionprops(labels):
        share = region.area / (np.pi * diameter**2 / 4)
        inside = labels[region.slice] == region.label
        class_id = _guess(
            share, stained[region.slice][inside], light[region.slice], inside, diameter
        )
        if class_id:
            boxes.append(_boxed(region.bbox, image.shape, field, class_id, diameter))
    white = [box for box in boxes if box.class_id == NEUTROPHIL]
    # cytoplasm
    boxes = [
        box
        for box in boxes
        if box.class_id not in RBC_IDS or not any(_holds(cell.box, box.box) for cell in white)
    ]
    return sorted(boxes, key=lambda box: (box.box.y, box.box.x))


def _holds(outer: Box, box: Box) -> bool:
    """Whether the middle of a box lies in another."""
    return outer.holds(box.x + box.width / 2, box.y + box.height / 2)


def _parted(cells: np.ndarray, stained: np.ndarray, diameter: float) -> np.ndarray:
    """``(H, W) int32``:

    cells numbered, touching ones parted by watershed on the distance to their edge; stained ones
    apart from red ones.
    """
    side = max(3, round(0.12 * diameter) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    stained = (
        cv2.morphologyEx(
            cv2.morphologyEx(stained.astype(np.uint8), cv2.MORPH_OPEN, disc), cv2.MORPH_CLOSE, disc
        )
        > 0
    )
    count, parts, stats, _ = cv2.connectedComponentsWithStats(stained.astype(np.uint8))
    size = np.pi * diameter**2 / 4
    on_red = cv2.erode(cells.astype(np.uint8), disc) > 0
    # A small stained spot that lies inside a red cell is its parasite, and no cell of its own.
    own = [
        i
        for i in range(1, count)
        if stats[i, cv2.CC_STAT_AREA] > 0.03 * size
        and not (stats[i, cv2.CC_STAT_AREA] < 0.5 * size and on_red[parts == i].mean() > 0.9)
    ]
    stained = np.isin(parts, own)
    red = cells & ~stained
    _, holes, hole_stats, _ = cv2.connectedComponentsWithStats((~red).astype(np.uint8))
    red = (red | (hole_stats[:, cv2.CC_STAT_AREA] < 0.4 * size)[holes]) & ~stained  # pallor
    depth = cv2.GaussianBlur(
        cv2.distanceTransform(red.astype(np.uint8), cv2.DIST_L2, 5), (0, 0), max(1.0, diameter / 20)
    )
    peaks = peak_local_max(
        depth,
        min_distance=max(2, round(0.35 * diameter)),
        threshold_abs=0.2 * diameter,
        exclude_border=False,
    )
    markers = np.zeros(red.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, markers, mask=red)
    return np.where(stained, parts + len(peaks), labels).astype(np.int32)


def _guess(
    share: float, stained: np.ndarray, light: np.ndarray, inside: np.ndarray, diameter: float
) -> int:
    """A class, or 0 for what is no cell. ``share``: area in those of a red cell."""
    if stained.mean() > 0.5:
        if share < 0.5:
            return THROMBOCYTE if share > 0.03 else 0
        # red light: nuclei absorb it, platelets hardly
        nucleus = float(np.median(-np.log(np.maximum(light[:, :, 0][inside], 0.03))))
        return NEUTROPHIL if nucleus > 0.45 and share > 0.6 else PLATELET_CLUMP
    if not 0.45 < share < 1.9:
        return 0
    return HEALTHY_RBC if is_clean(light, inside, diameter, 0.75) else INFECTED_RBC


def _boxed(
    bbox: tuple[int, int, int, int],
    shape: tuple[int, ...],
    field: str,
    class_id: int,
    diameter: float,
) -> CellBox:
    # around a nucleus lies cytoplasm
    margin = round((0.5 if class_id == NEUTROPHIL else MARGIN) * diameter)
    top, left = max(0, bbox[0] - margin), max(0, bbox[1] - margin)
    bottom, right = min(shape[0], bbox[2] + margin), min(shape[1], bbox[3] + margin)
    box = Box(left, top, right - left, bottom - top)
    return CellBox(field, box, class_id, round(diameter, 1))


def propose_fields(
    paths: Sequence[Path],
    boxes_csv: Path | str,
    rbc_diameter_px: float | None = None,
    progress: bool = True,
) -> list[CellBox]:
    """Propose the cells of several fields and write them as a table of boxes, which
    :func:`bloodseg_lib.samples.sources.own_fields.read` reads.

    Raises:
        FileNotFoundError, ValueError: a field is not readable, two have one name, or the table is
            there already.
    """
    if Path(boxes_csv).exists():
        raise ValueError(
            f"{boxes_csv}: is there already, perhaps with a person's corrections. Choose another name, or delete it."
        )
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Expected fields of different names. Received several of {', '.join(sorted({n for n in names if names.count(n) > 1}))}."
        )
    boxes = [
        box
        for path in tqdm(paths, unit="field", disable=not progress)
        for box in propose(read_image(path), path.name, rbc_diameter_px)
    ]
    write_boxes(boxes_csv, boxes)
    return boxes


def corrected(boxes: Sequence[CellBox], classes: dict[int, int | None]) -> list[CellBox]:
    """Boxes after a person looked at them:

    number of a box -> its class, or None to discard it. Those not named stay.
    """
    return [
        replace(box, class_id=class_id)
        for i, box in enumerate(boxes)
        if (class_id := classes.get(i, box.class_id)) is not None
    ]
