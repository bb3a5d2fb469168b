"""The cells of a picture in files that other programs read.

Coordinates are pixels of the picture that was segmented: upright, of its page and level, in full
resolution; (0, 0) is the corner of its upper left pixel. Cells have the numbers that they have in
the table of cells; those that are not counted, as at a border, are not in the files. Taught by
``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import tifffile

from bloodseg_lib.classes import CELL_CLASSES, CLASSES
from bloodseg_lib.config import Config
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.counts import NOTICE, Counts
from bloodseg_lib.prediction.segmenter import Segmentation
from bloodseg_lib.prediction.shape import outline

EXPORTS = {
    "instances": "_instances.tif",
    "geojson": "_cells.geojson",
    "imagej": "_rois.zip",
    "coco": "_coco.json",
    "probabilities": "_probabilities.tif",
}
"""What can be exported, and the endings of the files: the number of a cell at each of its pixels, 0
elsewhere (uint16, uint32 for more cells); outlines for QuPath, for ImageJ, and as COCO; a page a
class, background first, in 255ths.
"""


@dataclass(frozen=True)
class OutputConfig(Config):
    """Which files are written of a batch, and how.

    Attributes:
        export: also write files for other programs, of :data:`EXPORTS`.
        decimal_comma: write tables with decimal commas and semicolons.
        report: write the page of several images, report.html.

    Raises:
        ImportError: a package that an export needs is not installed.
    """

    export: tuple[str, ...] = ()
    decimal_comma: bool = False
    report: bool = True

    def check(self) -> None:
        self.expect(set(self.export) <= set(EXPORTS), "export", f"of {', '.join(EXPORTS)}")
        if "imagej" in self.export and importlib.util.find_spec("roifile") is None:
            raise ImportError(
                "Outlines for ImageJ need the package roifile, not installed here. "
                "Run: pip install 'bloodseg-lib[imagej]'"
            )

    @property
    def endings(self) -> list[str]:
        """Those of the exported files."""
        return [EXPORTS[name] for name in dict.fromkeys(self.export)]


def exported_files(
    names: Sequence[str], segmentation: Segmentation, counts: Counts, stem: str, picture: str
) -> dict[str, bytes]:
    """The cells of a picture in files for other programs, by name. The counts have the pixels of
    the cells; ``stem`` begins the names, which are of :data:`EXPORTS`.
    """
    make: dict[str, Callable[[], bytes]] = {
        "instances": lambda: _instances(counts.cells, segmentation.labels.shape),
        "geojson": lambda: _json(_geojson(counts.cells)),
        "imagej": lambda: _rois(counts.cells),
        "coco": lambda: _json(_coco(counts.cells, segmentation.labels.shape, picture)),
        "probabilities": lambda: _probabilities(segmentation.probabilities),
    }
    return {stem + EXPORTS[name]: make[name]() for name in names}


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, separators=(",", ":")) + "\n").encode()


def _outline(cell: Cell) -> np.ndarray:
    assert cell.mask is not None
    return outline(cell.mask, cell.box.x, cell.box.y)


def _instances(cells: Sequence[Cell], shape: tuple[int, ...]) -> bytes:
    numbers = np.zeros(shape, np.uint16 if len(cells) < 2**16 else np.uint32)
    for cell in cells:
        numbers[cell.box.window][cell.mask] = cell.number
    return _tiff(numbers)


def _probabilities(probabilities: np.ndarray) -> bytes:
    def pages() -> Iterator[np.ndarray]:
        for class_id in range(len(CLASSES)):
            page = np.asarray(probabilities[:, :, class_id])
            if page.dtype != np.uint8:
                page = np.rint(page.astype(np.float32) * 255).astype(np.uint8)
            yield page

    height, width, classes = probabilities.shape
    return _tiff(pages(), shape=(classes, height, width), dtype=np.uint8)


def _tiff(data: Any, **how: Any) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, data, photometric="minisblack", compression="zlib", metadata=None, **how)
    return file.getvalue()


def _geojson(cells: Sequence[Cell]) -> dict[str, Any]:
    """As QuPath has detections (https://qupath.readthedocs.io, RFC 7946)."""
    return {
        "type": "FeatureCollection",
        "notice": NOTICE,
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [_outline(cell).tolist()]},
                "properties": {
                    "objectType": "detection",
                    "name": f"{cell.number}{' uncertain' if cell.uncertain else ''}",
                    "classification": {
                        "name": CLASSES[cell.class_id].name,
                        "color": list(CLASSES[cell.class_id].colour),
                    },
                },
            }
            for cell in cells
        ],
    }


def _coco(cells: Sequence[Cell], shape: tuple[int, ...], picture: str) -> dict[str, Any]:
    """As cocodataset.org describes object detection; ``score`` as in its results."""
    return {
        "info": {"description": NOTICE},
        "images": [{"id": 1, "file_name": picture, "height": shape[0], "width": shape[1]}],
        "categories": [{"id": c.id, "name": c.key, "supercategory": c.group} for c in CELL_CLASSES],
        "annotations": [
            {
                "id": cell.number,
                "image_id": 1,
                "category_id": cell.class_id,
                "bbox": list(cell.box),
                "area": cell.area_px,
                "segmentation": [_outline(cell)[:-1].ravel().tolist()],
                "iscrowd": 0,
                "uncertain": cell.uncertain != "",
                "score": None if cell.confidence is None else round(cell.confidence, 4),
            }
            for cell in cells
        ],
    }


def _rois(cells: Sequence[Cell]) -> bytes:
    import roifile

    files = {}
    for cell in cells:
        name = f"{cell.number:05d}-{CLASSES[cell.class_id].key}"
        name += "-uncertain" if cell.uncertain else ""
        roi = roifile.ImagejRoi.frompoints(_outline(cell)[:-1], name=name)
        roi.stroke_color = bytes((255, *CLASSES[cell.class_id].colour))
        files[f"{name}.roi"] = roi.tobytes()
    return zipped(files)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files as a zip, whose entries have no time: the same files give the same bytes."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
