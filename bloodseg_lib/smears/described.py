"""Reading what a dataset says of itself, its manifest and its labels, which may be damaged or come
from a stranger: checked here, so that nothing behind needs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, SMEAR_SIZE_PX, Box
from bloodseg_lib.config import Config
from bloodseg_lib.io import read_json
from bloodseg_lib.samples.splits import SPLITS
from bloodseg_lib.smears.manifest import DatasetConfig


@dataclass(frozen=True)
class _Described(Config):
    """What of ``dataset.json`` is used, to check a file that may be damaged or a stranger's."""

    config: dict[str, Any]
    digest: str
    images: dict[str, int]
    pixels: dict[str, dict[str, int]]
    objects: dict[str, dict[str, int]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    files: dict[str, list[str]] = field(default_factory=dict)  # older versions had none

    def check(self) -> None:
        # part of names of files
        self.expect(re.fullmatch(r"[0-9a-f]{64}", self.digest) is not None, "digest", "a sha256")
        self.expect(set(self.images) == set(SPLITS), "images", f"{', '.join(SPLITS)}")
        self.expect(min(self.images.values()) >= 0, "images", "numbers of 0 or more")
        self.expect(all(0 <= v <= 255 for v in self.mean), "mean", "three numbers, 0 to 255")
        self.expect(all(0 <= v <= 255 for v in self.std), "std", "three numbers, 0 to 255")
        for name, classes in (("pixels", CLASSES), ("objects", CELL_CLASSES)):
            keys, counts = {c.key for c in classes}, getattr(self, name)
            whole = set(counts) == set(SPLITS) and all(set(c) == keys for c in counts.values())
            self.expect(whole, name, "of each split a number for each class")
            least = min(n for c in counts.values() for n in c.values())
            self.expect(least >= 0, name, "numbers of 0 or more")
        DatasetConfig.from_dict(self.config)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read ``dataset.json``.

    Raises:
        FileNotFoundError, ValueError: it is missing or damaged, or is something else.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise ValueError(_damaged(path, f"expected a JSON object. Received {values!r:.40}."))
    names = {f.name for f in fields(_Described)}
    missing = sorted(names - {"files"} - set(values))
    try:
        if missing:
            raise ValueError(f"expected {', '.join(sorted(names))}. Received no {missing[0]}.")
        _Described.from_dict({name: values[name] for name in names & set(values)})
    except ValueError as error:
        raise ValueError(_damaged(path, error)) from error
    return values


def read_cells(path: Path) -> list[dict[str, Any]]:
    """Read the label of a smear.

    Returns:
        the cells that are seen, see :meth:`bloodseg_lib.smears.smear.Smear.visible`.

    Raises:
        FileNotFoundError, ValueError: it is missing or damaged, or is something else.
    """
    values = read_json(path)
    cells = values.get("objects") if isinstance(values, dict) else None
    if not isinstance(cells, list) or not all(map(_is_cell, cells)):
        raise ValueError(
            f'{path}: expected the label of a smear, a list "objects" of cells with id, box and '
            "area_px. Received something else. Copy the dataset again, or build it again."
        )
    return cells


def _is_cell(value: Any) -> bool:
    """Whether what JSON held is a cell within a smear."""
    if not isinstance(value, dict) or not isinstance(value.get("box"), dict):
        return False
    sides = [value["box"].get(name) for name in Box._fields]
    return (
        len(value["box"]) == len(sides)
        and all(type(number) is int for number in (value.get("id"), value.get("area_px"), *sides))
        and value["id"] in {c.id for c in CELL_CLASSES}
        and all(0 <= number <= SMEAR_SIZE_PX**2 for number in (value["area_px"], *sides))
    )


def _damaged(path: Path, error: object) -> str:
    return f"{path}: {error} Copy the dataset again, or build it again."
