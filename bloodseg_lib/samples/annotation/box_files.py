"""Cells as people mark them in other tools: files of COCO, labelme, Pascal VOC, YOLO, and GeoJSON.

In all but VOC (0, 0) is the corner of the upper left pixel. VOC counts pixels from 1, the last of a
box included. YOLO has fractions of the picture, and numbers for names.

Sources: cocodataset.org/#format-data; docs.ultralytics.com/datasets; the development kit of Pascal
VOC; github.com/wkentaro/labelme; RFC 7946, as QuPath writes it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, NamedTuple
from xml.etree import ElementTree

from bloodseg_lib.io import decoded
from bloodseg_lib.samples.annotation.edges import Edges, around, check_numbers, turned
from bloodseg_lib.samples.extraction.masks import Unusable

SUFFIXES = (".json", ".geojson", ".txt", ".xml")
UNREADABLE, NO_AREA, CROWD = "not readable", "a point or a line", "a crowd of cells"
NOT_BOXES = "no file of boxes"
DIFFICULT, UNCERTAIN = "difficult", "uncertain"

_MOST_BYTES = 128 << 20
_ROUNDED = 0.001  # of a fraction
_AREAS = ("polygon", "rectangle", "mask", "rotation", "oriented_rectangle", "circle")
_FORMS = "COCO (images, annotations), labelme (shapes), GeoJSON (features) or Pascal VOC (XML)"
_EXPORT = "If it has boxes, export it as one of these."
# what a part that is missing, or of another kind, raises where it is used
_WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Drawn(NamedTuple):
    """A cell as a file has it: the name of its class, or number; the left, upper, right and lower
    edge of the box around it; a mark of doubt; the id of its picture; where it stands in the file.
    """

    name: str
    edges: Edges
    mark: str = ""
    picture: str = ""
    where: str = ""


class Sheet(NamedTuple):
    """The cells that a file has of one picture; names that the picture may have; its width and
    height as the file says; whether edges are fractions of them, and names numbers (YOLO).
    """

    file: Path
    cells: list[Drawn]
    pictures: tuple[str, ...]
    size: tuple[float, float] | None = None
    yolo: bool = False


@dataclass(frozen=True)
class BoxFile:
    """A file of another tool.

    Attributes:
        path: of it, which ends in one of :data:`SUFFIXES`.
        leave: is told of each cell that cannot be used, and of a file that is no file of boxes.
    """

    path: Path
    leave: Callable[[Path, Unusable], None]

    def sheets(self) -> list[Sheet]:
        """Its cells, picture by picture.

        Raises:
            FileNotFoundError, ValueError: it is missing, damaged, or not safe to read.
        """
        text, suffix = text_of(self.path), self.path.suffix.lower()
        try:
            form = {".txt": self._yolo, ".xml": self._xml}.get(suffix, self._json)
            return form(text)
        except Unusable as error:
            if error.reason != NOT_BOXES:
                raise ValueError(f"{self.path}: {error.detail}") from error
            self.leave(self.path, error)
            return []
        except (*_WRONG, RecursionError, ElementTree.ParseError) as error:
            raise ValueError(
                f"{self.path}: expected {_FORMS}. Received one that is damaged, cut short or not "
                f"whole ({type(error).__name__}: {error}). Export it again."
            ) from error

    def _cells(
        self, items: Iterable[Any], cell: Callable[[Any], Drawn], expected: str
    ) -> list[Drawn]:
        """The cells of items, which are numbered from 1; empty lines are none."""
        found = []
        for number, item in enumerate(items, start=1):
            where = f"{expected.split()[0]} {number}"
            try:
                if item == "":
                    continue
                drawn = cell(item)
                check_numbers(drawn.edges)
                found.append(drawn._replace(name=_text(drawn.name), where=where))
            except Unusable as error:
                self.leave(self.path, Unusable(error.reason, f"{where}: {error.detail}"))
            except _WRONG:
                known = "".join(item.itertext()) if isinstance(item, ElementTree.Element) else item
                detail = f"{where}: expected {expected}. Received {shortened(known)}. Correct it."
                self.leave(self.path, Unusable(UNREADABLE, detail))
        return found

    def _json(self, text: str) -> list[Sheet]:
        data = json.loads(text)
        parts = data if isinstance(data, list) else [data]
        if parts and isinstance(parts[0], dict) and parts[0].get("type") == "Feature":
            data = {"features": parts}  # as QuPath writes them too
        forms = {"annotations": self._coco, "shapes": self._labelme, "features": self._geojson}
        for key, form in forms.items():
            if isinstance(data, dict) and key in data:
                return form(data)
        raise Unusable(NOT_BOXES, f"Expected {_FORMS}. Received {text[:40]!r}. {_EXPORT}")

    def _coco(self, data: dict[str, Any]) -> list[Sheet]:
        names = _by_id(data.get("categories", []), "name")
        images = _by_id(data["images"], "file_name")

        def cell(item: dict[str, Any]) -> Drawn:
            if item.get("iscrowd"):
                raise Unusable(CROWD, "iscrowd says so. Box each of its cells.")
            if item.get("bbox"):
                check_numbers(item["bbox"])
                left, top, width, height = item["bbox"]
                told = item.get("attributes")
                degrees = told.get("rotation") if isinstance(told, dict) else 0
                edges = turned((left, top, left + width, top + height), float(degrees or 0))
            else:
                rings = item["segmentation"]
                edges = around(ring[i : i + 2] for ring in rings for i in range(0, len(ring), 2))
            category, image = _id(item["category_id"]), _id(images[_id(item["image_id"])]["id"])
            name = names[category]["name"] if category in names else f"category {category}"
            mark = UNCERTAIN if item.get("uncertain") is True else ""  # as we export it
            return Drawn(name, edges, mark, image)

        expected = "annotation with image_id, category_id, and bbox (four numbers) or segmentation"
        cells: dict[str, list[Drawn]] = {key: [] for key in images}
        for drawn in self._cells(data["annotations"], cell, expected):
            cells[drawn.picture].append(drawn)
        return [
            Sheet(self.path, cells[key], (_text(image["file_name"]),), _size(image))
            for key, image in images.items()
        ]

    def _labelme(self, data: dict[str, Any]) -> list[Sheet]:
        def cell(shape: dict[str, Any]) -> Drawn:
            kind, points = shape.get("shape_type", "polygon"), shape["points"]
            if kind not in _AREAS:
                expected = f"expected {', '.join(_AREAS)}. Received {shortened(kind)}."
                raise Unusable(NO_AREA, expected)
            left, top, right, bottom = around(points)
            if kind == "circle":  # its centre, and a point on it
                (x, y), on_it = points
                radius = math.dist((x, y), on_it)
                left, top, right, bottom = x - radius, y - radius, x + radius, y + radius
            last = kind == "mask"  # of which the last pixel is told
            return Drawn(shape["label"], (left, top, right + last, bottom + last))

        cells = self._cells(data["shapes"], cell, "shape with label and points (numbers)")
        names = (_text(data.get("imagePath") or ""), self.path.stem)
        return [Sheet(self.path, cells, names, _size(data, "imageWidth", "imageHeight"))]

    def _geojson(self, data: dict[str, Any]) -> list[Sheet]:
        def cell(feature: dict[str, Any]) -> Drawn:
            shape, properties = feature["geometry"], feature["properties"]
            if (kind := shape["type"]) not in ("Polygon", "MultiPolygon"):
                raise Unusable(NO_AREA, f"expected Polygon. Received {shortened(kind)}.")
            parts = [shape["coordinates"]] if kind == "Polygon" else shape["coordinates"]
            edges = around(point for part in parts for ring in part for point in ring)
            doubt = str(properties.get("name")).endswith(f" {UNCERTAIN}")  # as we export it
            named = properties.get("classification") or {"name": "no class"}
            return Drawn(named["name"], edges, UNCERTAIN if doubt else "")

        expected = "feature with geometry (coordinates) and properties (classification)"
        cells = self._cells(data["features"], cell, expected)
        return [Sheet(self.path, cells, (self.path.stem, self.path.stem.removesuffix("_cells")))]

    def _xml(self, text: str) -> list[Sheet]:
        if re.search("<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
            raise Unusable(
                UNREADABLE,
                "expected XML of Pascal VOC. Received one with DOCTYPE or ENTITY, which can do "
                "harm. Delete these, if you trust the rest.",
            )
        root = ElementTree.fromstring(text)
        if root.tag != "annotation":
            raise Unusable(NOT_BOXES, f"Expected {_FORMS}. Received <{root.tag:.40}>. {_EXPORT}")

        def cell(item: ElementTree.Element) -> Drawn:
            corners = ("xmin", "ymin", "xmax", "ymax")
            left, top, *last = (float(item.findtext(f"bndbox/{name}", "")) for name in corners)
            # a tool that counts from 0 has 0 for the first
            left, top = (edge - 1 if edge >= 1 else min(edge, 0.0) for edge in (left, top))
            doubt = item.findtext("difficult", "").strip() in ("1", "true")
            name = item.findtext("name", "").strip() or "no name"
            told = {
                each.findtext("name"): each.findtext("value") for each in item.iter("attribute")
            }
            edges = turned((left, top, last[0], last[1]), float(told.get("rotation") or 0))
            return Drawn(name, edges, DIFFICULT if doubt else "")

        cells = self._cells(root.findall("object"), cell, "object with name and bndbox (numbers)")
        names = (root.findtext("filename", "").strip(), self.path.stem)
        sides = {side.tag: side.text or "" for side in root.findall("size/*")}
        told = {key: int(text) for key, text in sides.items() if re.fullmatch(r"\d{1,7}", text)}
        return [Sheet(self.path, cells, names, _size(told))]

    def _yolo(self, text: str) -> list[Sheet]:
        if not re.match(r"\s*(\d+\s|$)", text):
            expected = "Expected lines 'class x y width height', of YOLO"
            raise Unusable(NOT_BOXES, f"{expected}. Received {text[:40]!r}.")

        def cell(line: str) -> Drawn:
            number, *values = line.split()
            numbers = [float(value) for value in values]
            fractions = all(-_ROUNDED <= value <= 1 + _ROUNDED for value in numbers)
            if not fractions or not number.isdecimal():
                raise ValueError("no fractions, or no class")
            if len(numbers) in (4, 5):  # the fifth says how sure a network was
                x, y, width, height = numbers[:4]
                edges = x - width / 2, y - height / 2, x + width / 2, y + height / 2
            else:
                edges = around(zip(numbers[::2], numbers[1::2], strict=True))
            return Drawn(str(int(number)), edges)

        expected = "line 'class x y width height', or with the points of a polygon, in 0 to 1"
        cells = self._cells(map(str.strip, text.splitlines()), cell, expected)
        return [Sheet(self.path, cells, (self.path.stem,), yolo=True)]


def text_of(path: Path) -> str:
    """The text of a file that people made.

    Raises:
        FileNotFoundError, ValueError: there is none, it is too long, or no text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file, there is none.")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(
            f"{path}: expected up to {_MOST_BYTES >> 20} MiB. Received {size >> 20}. Export it in "
            "parts, without the data of the pictures."
        )
    if "\0" in (text := decoded(path.read_bytes())):
        raise ValueError(
            f"{path}: expected a text. Received characters that no text has: it is damaged, or of "
            "another kind. Export it again."
        )
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no text: {shortened(value)}")
    return value


def _id(value: Any) -> str:
    """An id, which tools write as 1, 1.0 or "1"."""
    if not isinstance(value, (int, float, str)):
        raise TypeError(f"no id: {shortened(value)}")
    return str(value).removesuffix(".0")


def _by_id(items: Iterable[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """The pictures or classes of COCO by their ids, each of which only one may have."""
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        if (other := found.setdefault(_id(item["id"]), item))[key] != item[key]:
            raise Unusable(
                UNREADABLE,
                f"expected an id of its own for each {key}. Received {shortened(item['id'])} for "
                f"{shortened(other[key])} and {shortened(item[key])}: files were joined. Give each "
                "of them as its tool wrote it.",
            )
    return found


def _size(
    told: dict[str, Any], width: str = "width", height: str = "height"
) -> tuple[float, float] | None:
    sides: list[Any] = [told.get(width), told.get(height)]  # tools write 0 or null for unknown
    return (sides[0], sides[1]) if all(type(n) in (int, float) and n > 0 for n in sides) else None
