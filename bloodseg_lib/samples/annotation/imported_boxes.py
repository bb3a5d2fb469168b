"""From boxes that people drew in other tools to the table of boxes of own fields.

Boxes are rounded outward to whole pixels. What is left out is counted, with its reason and the
first case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from reprlib import repr as shortened
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.classes import RBC_IDS
from bloodseg_lib.io import IMAGE_SUFFIXES, Picture, folded, read_picture, spelled
from bloodseg_lib.io.stored import TURNED
from bloodseg_lib.runs import owned
from bloodseg_lib.samples.annotation.box_files import SUFFIXES, BoxFile, Sheet
from bloodseg_lib.samples.annotation.class_names import (
    NAMES_FILES,
    NO_CLASS,
    ClassNames,
    yolo_names,
)
from bloodseg_lib.samples.annotation.edges import whole
from bloodseg_lib.samples.annotation.proposals import estimated_rbc_diameter
from bloodseg_lib.samples.extraction.boxes import CellBox, check_inside, check_new, write_boxes
from bloodseg_lib.samples.extraction.masks import Unusable

NO_PICTURE, OTHER_SIZE = "without a picture to read", "drawn on a picture of another size"
AGAIN, NO_SCALE = "a second time", "in a field of unknown scale"
NO_NAME = "of a number without a name"
_FILES = f"a file of boxes ({', '.join(SUFFIXES)}), or a folder of them at any depth"
_EXPORT = "Export COCO, YOLO, Pascal VOC, labelme or GeoJSON, and unpack it."
_RED_CELLS = 3  # that tell the diameter of one


class ImportedBoxes(NamedTuple):
    """The boxes of a table that was written, its file, and what is to be said of them."""

    boxes: list[CellBox]
    table: Path
    notes: list[str]

    def __str__(self) -> str:
        fields = len({cell.field for cell in self.boxes})
        written = f"{len(self.boxes)} boxes of {fields} fields in {self.table}."
        return "\n".join([*self.notes, written])


def import_boxes(
    paths: Sequence[Path],
    boxes_csv: Path | str,
    classes: Path | None = None,
    named: Mapping[str, str] | None = None,
    rbc_diameter_px: float | None = None,
) -> ImportedBoxes:
    """Write the boxes of other tools' files, see :mod:`bloodseg_lib.samples.annotation.box_files`,
    as a table of boxes, which :func:`bloodseg_lib.samples.sources.own_fields.read` reads.

    Args:
        paths: files, or folders that have some at any depth.
        boxes_csv: the table, in the folder that the pictures are in, at any depth.
        classes: file with the names of YOLO's numbers, see
            :func:`~bloodseg_lib.samples.annotation.class_names.yolo_names`.
        named: keys of classes by further names.
        rbc_diameter_px: of a red cell; None: by the boxes of red cells, or measured.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, two have other boxes of one
            field, the table exists already, or nothing is left for it. Nothing is written then.
    """
    boxes_csv = Path(boxes_csv)
    check_new(boxes_csv)
    if rbc_diameter_px is not None and not rbc_diameter_px > 0:
        raise ValueError(
            f"Expected the diameter of a red cell, above 0 pixels. Received {rbc_diameter_px}."
        )
    work = _Import(boxes_csv.parent, ClassNames(named or {}), classes, rbc_diameter_px)
    with owned(boxes_csv.parent):
        boxes = work.boxes(_files(paths))
        if not boxes:
            raise ValueError("\n".join([*work.notes(), "Expected boxes. Received none to take."]))
        write_boxes(boxes_csv, boxes)
    return ImportedBoxes(boxes, boxes_csv, work.notes())


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files of boxes, each once; of folders those that may be some; none of YOLO's names."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (file for file in sorted(path.rglob("*")) if not file.name.startswith("."))
            found |= dict.fromkeys(file for file in inside if file.suffix.lower() in SUFFIXES)
        elif path.suffix.lower() in SUFFIXES or path.name.lower() in NAMES_FILES:
            found[path] = None
        else:
            received = "another kind of file" if path.exists() else "a path where nothing is"
            raise ValueError(f"{path}: expected {_FILES}. Received {received}. {_EXPORT}")
    files = [path for path in found if path.name.lower() not in NAMES_FILES]
    if not files:
        raise ValueError(
            f"{', '.join(map(str, paths))}: expected {_FILES}. Received no such file. {_EXPORT}"
        )
    return files


class _Import:
    """Boxes on their way into a table, and what is left out of it."""

    def __init__(
        self, folder: Path, names: ClassNames, classes: Path | None, rbc_diameter_px: float | None
    ):
        self.folder, self.names, self.rbc_diameter_px = folder.resolve(), names, rbc_diameter_px
        self.yolo_names = cache(lambda labels: yolo_names(labels, classes))
        self.pictures = cache(_pictures)
        self.said: list[str] = []
        self.without = 0
        self.marks: Counter[str] = Counter()
        self.left: Counter[tuple[Path | str, str]] = Counter()
        self.first: dict[tuple[Path | str, str], str] = {}

    def leave(self, path: Path | str, error: Unusable, times: int = 1) -> None:
        self.left[path, error.reason] += times
        self.first.setdefault((path, error.reason), error.detail)

    def notes(self) -> list[str]:
        notes = [*self.said]
        for (path, reason), times in self.left.items():
            where = f"{path}: " if path else ""
            notes.append(f"{where}{times} left out, {reason}. {self.first[path, reason]}")
        marks = self.marks.items()
        notes += [f"{times} that are marked {mark} were taken." for mark, times in marks if mark]
        if self.without:
            notes.append(f"Pictures without a box, which no table names: {self.without}.")
        if self.names.unused:
            notes.append(f"--as: no box is called {', '.join(self.names.unused.values())}.")
        return notes

    def boxes(self, files: Sequence[Path]) -> list[CellBox]:
        """The boxes that can be used, field by field."""
        fields: dict[str, list[Sheet]] = {}
        for file in files:
            for sheet in BoxFile(file, self.leave).sheets():
                self.without += not sheet.cells
                try:
                    if sheet.cells:
                        fields.setdefault(self._field(sheet), []).append(sheet)
                except Unusable as error:
                    self.leave(file, error, len(sheet.cells))
        boxes: list[CellBox] = []
        for field, sheets in tqdm(sorted(fields.items()), unit="field", disable=None):
            try:
                boxes += self._of_field(field, sheets)
            except Unusable as error:
                self.leave(field, error, sum(len(sheet.cells) for sheet in sheets))
        return boxes

    def _field(self, sheet: Sheet) -> str:
        """The picture of a sheet, relative to the table's folder."""
        near = sheet.file.resolve().parent
        images = Path("/images/".join(f"{near.as_posix()}/".rsplit("/labels/", 1)))
        places = [near, images, near.parent / "images", near.parent / "JPEGImages"]
        places += [self.folder, self.folder / "images"]
        others: list[Path] = []
        # Label Studio has addresses: /data/local-files/?d=a%20b.png
        addresses = (unquote(told).rpartition("?d=")[2] for told in sheet.pictures)
        for told in filter(None, (*sheet.pictures, *addresses)):
            name = PurePosixPath(told.replace("\\", "/"))  # of any machine, and not to be trusted
            stem = name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name
            for place in [*(spelled(place, str(name.parent)) for place in places), *places]:
                like = self.pictures(place).get(folded(stem), [])
                found = _nearest(like, name.name, stem)
                if len(found) == 1 and found[0].is_relative_to(self.folder):
                    return found[0].relative_to(self.folder).as_posix()
                others = others or found
        listed = " and ".join(map(str, others)) or "none"
        raise Unusable(
            NO_PICTURE,
            f"Expected {shortened(next(filter(None, sheet.pictures), ''))} in the folder of the "
            f"table, {self.folder}, or beside the file in it. Received {listed}. Add "
            "it, or write the table into the folder of the pictures: --out FOLDER/boxes.csv.",
        )

    def _of_field(self, field: str, sheets: list[Sheet]) -> list[CellBox]:
        told = {(sheet.file, sheet.pictures[0]) for sheet in sheets}
        if len(told) > len({file for file, _ in told}):
            names = " and ".join(sorted(shortened(name) for _, name in told))
            raise Unusable(
                NO_PICTURE,
                f"Expected one picture for each of {names}. Received this one, and nobody tells "
                "whose it is. Put the pictures into the folders that the file names.",
            )
        try:
            picture = read_picture(self.folder / field)
        except (OSError, ValueError) as error:
            raise Unusable(NO_PICTURE, str(error)) from error
        of_files: dict[Path, dict[CellBox, None]] = {}
        for sheet in sheets:
            of_file = of_files.setdefault(sheet.file, {})
            for cell in self._of_sheet(sheet, field, picture):
                if cell in of_file:
                    where = f"The first is {','.join(map(str, cell.box))} of {field}."
                    self.leave(sheet.file, Unusable(AGAIN, where))
                of_file[cell] = None
        (first, cells), *others = of_files.items()
        for file, found in others:
            if set(found) != set(cells):
                raise ValueError(
                    f"{field}: expected its boxes in one file. Received others in {file} than in "
                    f"{first}. Give one of the two."
                )
        if TURNED in picture.notes and cells:
            self.said.append(
                f"{field}: its file says that it is to be turned. Its boxes are taken as drawn on "
                "the upright picture: look at them."
            )
        try:
            rbc_px = self.rbc_diameter_px or _rbc_diameter(list(cells), picture.pixels)
        except ValueError as error:
            self.leave(field, Unusable(NO_SCALE, f"{error} Give --rbc-diameter."), len(cells))
            return []
        return [replace(cell, rbc_diameter_px=round(rbc_px, 1)) for cell in cells]

    def _of_sheet(self, sheet: Sheet, field: str, picture: Picture) -> Iterator[CellBox]:
        """The boxes of a sheet that can be used, cut at the border."""
        height, width = picture.pixels.shape[:2]
        if sheet.size and sheet.size != (width, height):
            turned = "save it upright, and " if sheet.size == (height, width) else ""
            detail = (
                f"{field}: expected boxes drawn on its {width} x {height} pixels. Received those "
                f"of a picture of {sheet.size[0]:g} x {sheet.size[1]:g}. Take that picture, or "
                f"{turned}draw them on this one."
            )
            self.leave(sheet.file, Unusable(OTHER_SIZE, detail), len(sheet.cells))
            return
        scale = (width, height) if sheet.yolo else (1, 1)
        for cell in sheet.cells:
            try:
                class_id = self._class(sheet, cell.name)
                drawn = CellBox(field, whole(cell.edges, scale, cell.where), class_id)
                check_inside(drawn, (height, width), f"{sheet.file}, {cell.where}")
            except Unusable as error:
                self.leave("" if error.reason.startswith(NO_CLASS) else sheet.file, error)
                continue
            self.marks[cell.mark] += 1
            yield replace(drawn, box=drawn.box.cut((height, width)))

    def _class(self, sheet: Sheet, name: str) -> int:
        numbers = self.yolo_names(sheet.file.parent) if sheet.yolo else {}
        if numbers and int(name) not in numbers:
            raise Unusable(
                NO_NAME,
                f"Expected one of {len(numbers)} classes, as the file of names has. Received "
                f"{name:.20}. Give the names of these labels: --classes FILE.",
            )
        return self.names.id_of(numbers[int(name)] if numbers else name)


def _pictures(folder: Path) -> dict[str, list[Path]]:
    """The pictures of a folder by their folded names without ending."""
    found: dict[str, list[Path]] = {}
    try:
        for path in sorted(folder.resolve().iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
                found.setdefault(folded(path.stem), []).append(path)
    except (OSError, ValueError):  # no such folder, or a name that none can have
        pass
    return found


def _nearest(pictures: list[Path], name: str, stem: str) -> list[Path]:
    """Those of some pictures that have a name, or nearly."""
    for same in (str, folded):
        for told, attribute in ((name, "name"), (stem, "stem")):
            if found := [p for p in pictures if same(getattr(p, attribute)) == same(told)]:
                return found
    return []


def _rbc_diameter(cells: list[CellBox], image: np.ndarray) -> float:
    """Of a red cell, by the boxes of whole ones, or measured."""
    height, width = image.shape[:2]
    sides = [
        (cell.box.width + cell.box.height) / 2
        for cell in cells
        if cell.class_id in RBC_IDS
        and min(cell.box.x, cell.box.y, width - cell.box.right, height - cell.box.bottom) > 0
    ]
    return float(np.median(sides)) if len(sides) >= _RED_CELLS else estimated_rbc_diameter(image)
