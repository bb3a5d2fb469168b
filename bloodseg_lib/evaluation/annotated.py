"""Real fields that somebody annotated: what a network is scored on beside composed smears.

Two kinds of truth: one labelled cell a field, with or without its mask (LISC, Zheng, PBC), or boxes
around a field's cells, or some of them (MAMIC, TXL-PBC, Chula, one's own). Nothing is known of the
other cells of a field, so they are not scored. Taught by ``notebooks/04_evaluation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bloodseg_lib.samples.extraction.boxes import CellBox
from bloodseg_lib.samples.sample import Skipped
from bloodseg_lib.samples.sources import chula, lisc, mamic, own_fields, pbc, txl_pbc, zheng


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
    boxes: tuple[CellBox, ...] = ()


_Reader = Callable[[Path | str], Iterator[Any]]
_LABELLED: dict[str, _Reader] = {module.SOURCE: module.labelled for module in (lisc, zheng, pbc)}
_BOXED: dict[str, _Reader] = {
    mamic.SOURCE: own_fields.labelled,  # the same layout
    txl_pbc.SOURCE: txl_pbc.labelled,
    chula.SOURCE: chula.labelled,
    own_fields.SOURCE: own_fields.labelled,
}

SOURCES = (*_LABELLED, *_BOXED)
"""Keys of the databases with annotated fields."""


def read(source: str, root: Path | str) -> Iterator[AnnotatedField | Skipped]:
    """The annotated fields of a database, in the order of their names. A field whose file or mask
    is not as it should be is skipped.

    Args:
        source: one of :data:`SOURCES`.
        root: the database's folder.

    Raises:
        FileNotFoundError, ValueError: the folder is not as it should be, or an unknown source.

    Examples:
        >>> SOURCES
        ('lisc', 'zheng', 'pbc', 'mamic', 'txl_pbc', 'chula', 'own')
    """
    if source not in SOURCES:
        raise ValueError(
            f"Expected a database with annotated fields, one of {', '.join(SOURCES)}. "
            f"Received {source!r}."
        )
    return (
        replace(item, source=source)
        if isinstance(item, Skipped)
        else AnnotatedField(source, item[0], boxes=tuple(item[1]))
        if source in _BOXED
        else AnnotatedField(source, *item)
        for item in (_LABELLED | _BOXED)[source](root)
    )
