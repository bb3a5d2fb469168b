"""Real fields that somebody annotated: what a network is scored on beside composed smears.

Two kinds of truth: one labelled cell a field, with or without its mask (LISC, Zheng, PBC), or boxes
    around some of a field's cells (MAMIC, one's own).
Nothing is said of the other cells of a field, so nothing is scored there.
Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bloodseg_lib.samples.extraction.masks import class_folders, colour_image, image_files, one_file
from bloodseg_lib.samples.sources import lisc, mamic, pbc, zheng
from bloodseg_lib.samples.sources import own_fields as fields
from bloodseg_lib.samples.sources.own_fields import BOXES, Box, read_boxes


@dataclass(frozen=True)
class AnnotatedField:
    """A field and what is known of it.

    Attributes:
        source: key of the database.
        path: of the image.
        class_id: of the one labelled cell; 0 where there are boxes.
        mask: ``(H, W) bool``, the labelled cell; None where nobody drew it.
        boxes: around some cells.
    """

    source: str
    path: Path
    class_id: int = 0
    mask: np.ndarray | None = None
    boxes: tuple[Box, ...] = ()


def read(source: str, root: Path | str) -> Iterator[AnnotatedField]:
    """The annotated fields of a database, in the order of their names.

    Args:
        source: one of :data:`SOURCES`.
        root: the database's folder.

    Raises:
        FileNotFoundError, ValueError: the folder is not as it should be, or an unknown source.
    """
    if source not in _READERS:
        raise ValueError(
            f"Expected a database with annotated fields, one of {', '.join(_READERS)}. Received {source!r}."
        )
    return _READERS[source](Path(root))


def _lisc(root: Path) -> Iterator[AnnotatedField]:
    for folder, class_id in class_folders(
        root / lisc.FIELDS, lisc.CLASS_FOLDERS, lisc.LAYOUT, also=(lisc.MIXED,)
    ):
        masks = root / lisc.MASKS / folder.name / "areaforexpert1"
        for path in image_files(folder, lisc.SOURCE, class_id, []):
            mask_path = one_file(masks, f"{path.stem}_expert") if masks.is_dir() else None
            cells = (
                lisc.marked_cells(colour_image(path), path, masks, mask_path, class_id)
                if mask_path
                else []
            )
            yield AnnotatedField(
                lisc.SOURCE, path, class_id, np.logical_or.reduce(cells) if cells else None
            )


def _zheng(root: Path) -> Iterator[AnnotatedField]:
    for number in (1, 2):
        for path, class_id, mask in zheng.labelled(root, number):
            yield AnnotatedField(zheng.SOURCE, path, class_id, mask)


def _pbc(root: Path) -> Iterator[AnnotatedField]:
    yield from (AnnotatedField(pbc.SOURCE, path, class_id) for path, class_id in pbc.labelled(root))


def _boxed(source: str) -> Callable[[Path], Iterator[AnnotatedField]]:
    def fields_of(root: Path) -> Iterator[AnnotatedField]:
        boxes: dict[str, list[Box]] = {}
        for box in read_boxes(root / BOXES):
            boxes.setdefault(box.field, []).append(box)
        folder = root / "fields" if (root / "fields").is_dir() else root
        for name, of_field in sorted(boxes.items()):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder / name}: {root / BOXES} names this field, but it is not there. Add it, or delete its lines."
                )
            yield AnnotatedField(source, folder / name, boxes=tuple(of_field))

    return fields_of


_READERS: dict[str, Callable[[Path], Iterator[AnnotatedField]]] = {
    lisc.SOURCE: _lisc,
    zheng.SOURCE: _zheng,
    pbc.SOURCE: _pbc,
    mamic.SOURCE: _boxed(mamic.SOURCE),
    fields.SOURCE: _boxed(fields.SOURCE),
}
SOURCES = tuple(_READERS)
"""Keys of the databases with annotated fields."""
