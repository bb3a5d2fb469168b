"""Chula RBC-12: fields of red cells in thalassaemia, with a point on each of many cells that names
its kind; nobody in them has malaria.

Layout: ``fields/N.jpg`` and ``points/N.txt`` (in the published archive ``Dataset`` and ``Label``),
each line ``x y kind``, in pixels. Kinds: 0 normal, 1 macrocyte, 2 microcyte, 3 spherocyte, 4 target
cell, 5 stomatocyte, 6 ovalocyte, 7 teardrop, 8 burr cell, 9 schistocyte, 10 uncategorised,
11 hypochromic, 12 elliptocyte. The points mark some of the cells only: they are no count. A field
without points is read too. The database does not name patients, so each field is its own group.

Target cells, stomatocytes, burr cells, and cells with dirt or a platelet on them pass for infected:
an expert called them red cells of a kind, so they are samples of healthy ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bloodseg_lib.classes import HEALTHY_RBC, Box
from bloodseg_lib.samples.extraction.boxes import CellBox
from bloodseg_lib.samples.extraction.field import RED_CELLS_PER_FIELD, Field, spread
from bloodseg_lib.samples.extraction.label_maps import labelled_field
from bloodseg_lib.samples.extraction.masks import Unusable
from bloodseg_lib.samples.extraction.red_cells import RedCell
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import folders

SOURCE = "chula"
LAYOUT = "'fields/N.jpg' and 'points/N.txt', or 'Dataset' and 'Label'"
FOLDERS = (("fields", "points"), ("Dataset", "Label"))
SOURCE_RBC_DIAMETER_PX = 39.0
PASS_FOR_INFECTED = {4: "target", 5: "stomatocyte", 8: "burr", 9: "schistocyte"}
WRONG_POINTS = "unreadable points"
_KINDS = 13


def read(root: Path | str) -> Iterator[CellSample | Skipped]:
    """Read isolated red cells, those that pass for infected first, clusters and background crops.

    Args:
        root: the folder that contains ``fields`` and ``points``.

    Yields:
        samples at 40x, all healthy red cells; each field is its own group.

    Raises:
        FileNotFoundError: the folders are not as they should be.
    """
    images, _ = _folders(root)
    yield from folders.read_each(folders.image_files(images, SOURCE, HEALTHY_RBC), SOURCE, _cells)


def fields(root: Path | str) -> Iterator[LabelledField | Skipped]:
    """The fields with their label maps: all red cells are healthy.

    Raises:
        FileNotFoundError: see :func:`read`.
    """

    def labelled(path: Path, _: int) -> Iterator[LabelledField]:
        image = folders.colour_image(path)
        field = Field(image, SOURCE, path.stem, path, SOURCE_RBC_DIAMETER_PX)
        yield labelled_field(field, path.stem, ())

    images, _ = _folders(root)
    yield from folders.read_each(folders.image_files(images, SOURCE, HEALTHY_RBC), SOURCE, labelled)


def labelled(root: Path | str) -> Iterator[tuple[Path, list[CellBox]] | Skipped]:
    """The fields that have points, by name, each with a box of a healthy red cell around every
    point.

    Raises:
        FileNotFoundError: see :func:`read`.
    """
    images, points = _folders(root)
    side = round(SOURCE_RBC_DIAMETER_PX)

    def boxed(path: Path, _: int) -> Iterator[tuple[Path, list[CellBox]]]:
        corners = [
            (max(0, round(x) - side // 2), max(0, round(y) - side // 2))
            for x, y, _ in _points(points / f"{path.stem}.txt")
        ]
        if corners:
            boxes = [Box(left, top, side, side) for left, top in corners]
            yield path, [CellBox(path.name, box, HEALTHY_RBC) for box in boxes]

    yield from folders.read_each(folders.image_files(images, SOURCE, HEALTHY_RBC), SOURCE, boxed)


def _folders(root: Path | str) -> tuple[Path, Path]:
    """The folders of the fields and of the points."""
    root = folders.database_folder(root, LAYOUT)
    for fields, points in FOLDERS:
        if (root / fields).is_dir() and (root / points).is_dir():
            return root / fields, root / points
    raise FileNotFoundError(
        f"{root}: the fields or their points are missing. Expected {LAYOUT}. "
        "Give the folder that the database was unpacked to."
    )


def _cells(path: Path, _: int) -> Iterator[CellSample | Skipped]:
    """The red cells of a field."""
    whole = Field(folders.colour_image(path), SOURCE, path.stem, path, SOURCE_RBC_DIAMETER_PX)
    points = _points(_folders(path.parent.parent)[1] / f"{path.stem}.txt")
    hard: list[tuple[str, RedCell]] = []
    for cell in whole.red_cells:
        kind = next((kind for x, y, kind in points if cell.box.holds(x, y)), None)
        if kind is not None and (kind in PASS_FOR_INFECTED or cell not in whole.clean):
            hard.append((PASS_FOR_INFECTED.get(kind, "marked"), cell))
    for name, cell in spread(hard, RED_CELLS_PER_FIELD):
        x, y = cell.box.x, cell.box.y
        yield whole.sample(cell.mask, HEALTHY_RBC, f"{path.stem}_{name}_{x}_{y}", cell.box)
    # so that no cell is a sample twice, nor skipped after it was one
    boxed = tuple(cell.box for _, cell in hard)
    rest = Field(whole.image, SOURCE, path.stem, path, SOURCE_RBC_DIAMETER_PX, boxed=boxed)
    yield from rest.red_cell_samples()


def _points(path: Path) -> list[tuple[float, float, int]]:
    """The points of a field, ``(x, y, kind)``; none where it has no file."""
    if not path.is_file():
        return []
    points = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            x, y, kind = line.split()
            if not 0 <= int(kind) < _KINDS:
                raise ValueError("no such kind")
            points.append((float(x), float(y), int(kind)))
        except ValueError as error:
            raise Unusable(
                WRONG_POINTS,
                f"{path}, line {number}: expected 'x y kind', kind 0..12. Received {line!r}. "
                "Correct the line.",
            ) from error
    return points
