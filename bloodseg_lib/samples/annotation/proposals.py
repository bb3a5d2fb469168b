"""Proposes the cells of a whole field: thresholds, watershed, and a guess at each cell's class, for
a person to confirm, correct or discard.

The guesses are rules of thumb - size, how purple, how spotted - and right often enough to save
work, no more. White cells are guessed as neutrophils.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
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
from bloodseg_lib.optics import field_transmittance, optical_density
from bloodseg_lib.runs import owned
from bloodseg_lib.samples.extraction.boxes import CellBox, check_new, write_boxes
from bloodseg_lib.samples.extraction.masks import disc, sized
from bloodseg_lib.samples.extraction.red_cells import (
    is_clean,
    measured_rbc_diameter,
    purpleness,
    red_cells,
    stained,
)

DIAMETERS_PX = (20.0, 28.0, 40.0, 56.0, 80.0, 112.0)
"""Diameters of a red cell that are tried in a field of unknown scale."""

# in diameters of a red cell, or in areas of one
_MARGIN = 0.06  # of a box around its cell
_CYTOPLASM = 0.5  # of a box around a nucleus
_PALLOR = 0.4  # a smaller hole is the pale centre of a cell


def estimated_rbc_diameter(image: np.ndarray) -> float:
    """Diameter of a red cell in a field of unknown scale, in pixels: the median at the scale with
    the most isolated round cells.

    Args:
        image: ``(H, W, 3) uint8`` RGB.

    Raises:
        ValueError: fewer than three are found.
    """
    cells = max((red_cells(image, diameter) for diameter in DIAMETERS_PX), key=len)
    if len(cells) < 3:
        raise ValueError(
            "Expected a field with isolated red cells to measure. Found hardly any: give their "
            "diameter in pixels."
        )
    return float(np.median([cell.diameter_px for cell in cells]))


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

    Examples:
        >>> image = np.full((80, 100, 3), (245, 240, 245), np.uint8)
        >>> image = cv2.circle(image, (50, 40), 20, (190, 150, 185), -1)
        >>> [cell.box.holds(50, 40) for cell in propose(image, "f.png", 40)]
        [True]
    """
    if rbc_diameter_px is not None and not rbc_diameter_px > 0:
        raise ValueError(
            f"Expected the diameter of a red cell, above 0 pixels. Received {rbc_diameter_px}."
        )
    expected = rbc_diameter_px or estimated_rbc_diameter(image)
    rbc_px = measured_rbc_diameter(red_cells(image, expected), expected)
    light = field_transmittance(image, rbc_px)
    purple = cv2.GaussianBlur(purpleness(optical_density(light)), (0, 0), rbc_px / 25)
    nuclear = purple > max(0.12, 0.4 * float(np.percentile(purple, 99.7)))
    labels = _separated((stained(light) > 0) | nuclear, nuclear, rbc_px)
    cells = []
    for region in regionprops(labels):
        inside = labels[region.slice] == region.label
        purple_fraction = float(nuclear[region.slice][inside].mean())
        if class_id := _guess(purple_fraction, light[region.slice], inside, rbc_px):
            margin = round((_CYTOPLASM if class_id == NEUTROPHIL else _MARGIN) * rbc_px)
            top, left, bottom, right = region.bbox
            box = Box(left, top, right - left, bottom - top).cut(labels.shape, margin)
            cells.append(CellBox(field, box, class_id, round(rbc_px, 1)))
    white = [cell.box for cell in cells if cell.class_id == NEUTROPHIL]

    def is_cytoplasm(cell: CellBox) -> bool:
        return cell.class_id in RBC_IDS and any(box.holds(*cell.box.middle) for box in white)

    kept = (cell for cell in cells if not is_cytoplasm(cell))
    return sorted(kept, key=lambda cell: (cell.box.y, cell.box.x))


def _separated(cells: np.ndarray, nuclear: np.ndarray, rbc_px: float) -> np.ndarray:
    """What is stained, ``(H, W)`` bool, as numbered cells, ``(H, W) int32``: the purple part of it
    by itself, and touching red ones separated by a watershed on the distance to their edge.
    """
    spur = disc(max(1, round(0.12 * rbc_px) // 2))
    opened = cv2.morphologyEx(nuclear.astype(np.uint8), cv2.MORPH_OPEN, spur)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, spur)
    count, spots, stats, _ = cv2.connectedComponentsWithStats(closed)
    areas = stats[:, cv2.CC_STAT_AREA] / (np.pi / 4 * rbc_px**2)
    on_red = cv2.erode(cells.astype(np.uint8), spur) > 0
    # A small purple spot within a red cell is its parasite, not a cell.
    own = [
        i
        for i in range(1, count)
        if areas[i] > 0.03 and not (areas[i] < 0.5 and on_red[spots == i].mean() > 0.9)
    ]
    purple = np.isin(spots, own)
    red = cells & ~purple
    # clusters.without_pallor opens the mask as well, which loses pale cells seen as crescents.
    red = (red | sized(~red, most=_PALLOR * np.pi / 4 * rbc_px**2)) & ~purple
    depth = cv2.distanceTransform(red.astype(np.uint8), cv2.DIST_L2, 5)
    depth = cv2.GaussianBlur(depth, (0, 0), max(1.0, rbc_px / 20))
    apart, least = max(2, round(0.35 * rbc_px)), 0.2 * rbc_px
    peaks = peak_local_max(depth, apart, threshold_abs=least, exclude_border=False)
    markers = np.zeros(red.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, markers, mask=red)
    return np.where(purple, spots + len(peaks), labels).astype(np.int32)


def _guess(purple_fraction: float, light: np.ndarray, inside: np.ndarray, rbc_px: float) -> int:
    """The class of a cell with this mask in its window, ``(h, w)`` bool, and the transmittance
    there, ``(h, w, 3)``; 0 for what is no cell.
    """
    area = np.count_nonzero(inside) / (np.pi / 4 * rbc_px**2)
    if purple_fraction > 0.5:
        if area < 0.5:
            return THROMBOCYTE if area > 0.03 else 0
        # nuclei absorb red light, platelets hardly
        nucleus = float(optical_density(np.median(light[:, :, 0][inside])))
        return NEUTROPHIL if nucleus > 0.45 and area > 0.6 else PLATELET_CLUMP
    if not 0.45 < area < 1.9:
        return 0
    return HEALTHY_RBC if is_clean(light, inside, rbc_px, 0.75) else INFECTED_RBC


def _name(path: Path, folder: Path) -> str:
    """The name of a field in a table: its path from the table's folder; of one elsewhere its own.

    Raises:
        ValueError: the folder has another field of this name.
    """
    for whole in (os.path.abspath, os.path.realpath):
        if Path(whole(path)).is_relative_to(whole(folder)):
            return Path(whole(path)).relative_to(whole(folder)).as_posix()
    there = folder / path.name
    if path.is_file() and there.is_file() and not there.samefile(path):
        raise ValueError(
            f"{path}: expected a field in the folder of the table, {folder}. Received one "
            f"elsewhere, and {there} is another of its name. Write the table into its folder."
        )
    return path.name


def propose_fields(
    paths: Sequence[Path],
    boxes_csv: Path | str,
    rbc_diameter_px: float | None = None,
    progress: bool = True,
) -> list[CellBox]:
    """Propose the cells of several fields and write them as a table of boxes, which
    :func:`bloodseg_lib.samples.sources.own_fields.read` reads.

    A field that is not readable or cannot be measured costs the others nothing: the table is
    written all the same.

    Raises:
        ValueError: two fields have one name, the table exists already, or, after it was written,
            there are fields without a proposal; the message says why.
    """
    check_new(boxes_csv)
    folder = Path(boxes_csv).parent
    names = [_name(path, folder) for path in paths]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"Expected fields of different names. Received several of {', '.join(repeated)}. Write "
            "the table into a folder that has all of them."
        )
    with owned(Path(boxes_csv).parent):  # whether it can be written to is known before the work
        boxes: list[CellBox] = []
        problems: list[str] = []
        fields = zip(paths, names, strict=True)
        for path, name in tqdm(fields, total=len(names), unit="field", disable=not progress):
            try:
                boxes += propose(read_image(path), name, rbc_diameter_px)
            except (OSError, ValueError) as error:
                problems.append(str(error) if str(path) in str(error) else f"{path}: {error}")
        if boxes or not problems:
            write_boxes(boxes_csv, boxes)
        if problems:
            where = (
                f"{len(boxes)} boxes of the others are in {boxes_csv}." if boxes else "No table."
            )
            raise ValueError("\n".join([*problems, f"{len(problems)} fields left out. {where}"]))
    return boxes
