"""Results of the panel that are kept: in memory while other images are looked at, and in a folder,
where they outlive the kernel.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bloodseg_lib.io import png_bytes, read_json, write_bytes
from bloodseg_lib.panel.result import Result
from bloodseg_lib.panel.trail import trail
from bloodseg_lib.runs import owned
from bloodseg_lib.samples.corrected_fields import PICTURE

NONE_KEPT = np.empty((0, 0, 10), np.float16)
"""In the place of probabilities that were not kept."""


class Keeper:
    """Keeps results by the pixels of their images.

    Args:
        folder: gets a folder for each image, with its files; ``None``: nothing is written.

    Attributes:
        results: by :func:`image_key`.
        picked: the name that an image was picked by.
    """

    def __init__(self, folder: Path | str | None):
        self.folder = None if folder is None else Path(folder)
        self.results: dict[str, Result] = {}
        self.picked: dict[str, str] = {}

    def place(self, image: np.ndarray, name: str) -> Path | None:
        """The folder of an image: its name for people, its pixels for certainty."""
        safe = re.sub(r"[^\w.-]+", "_", name)
        return self.folder / f"{safe}-{image_key(image)[:8]}" if self.folder else None

    @contextlib.contextmanager
    def alone(self, image: np.ndarray, name: str) -> Iterator[None]:
        """Nobody else writes to the folder of an image as long as the block runs."""
        place = self.place(image, name)
        with owned(place, wait=True) if place else contextlib.nullcontext():
            yield

    def excluded(self, image: np.ndarray, name: str) -> dict[str, str]:
        """Why a field was left out, in memory or in the folder; empty if it was not."""
        if former := self.results.get(image_key(image)):
            return former.excluded
        return self.summary(image, name).get("excluded", {})

    def steps(self, image: np.ndarray, name: str) -> list[dict[str, Any]]:
        """The corrections of an image that are known, in memory or in the folder.

        Raises:
            ValueError: the file in the folder is broken.
        """
        if former := self.results.get(image_key(image)):
            return trail(former.found, former.corrections)
        return self.summary(image, name).get("corrections", [])

    def summary(self, image: np.ndarray, name: str) -> dict[str, Any]:
        """The summary of an image in the folder; empty if there is none."""
        place = self.place(image, name)
        path = place / f"{name}_counts.json" if place else None
        return read_json(path) if path and path.is_file() else {}

    def fields(self) -> list[tuple[str, Result]]:
        """The results, each with the name that its image was picked by; empty: by none."""
        results = list(self.results.items())  # another thread may add one
        return [(self.picked.get(key, ""), result) for key, result in results]

    def leave(self, key: str) -> None:
        """Keep all results but one without their probabilities, which take the most room."""
        for result in (r for k, r in self.results.items() if k != key):
            result.segmentation = replace(result.segmentation, probabilities=NONE_KEPT)

    def save(self, image: np.ndarray, result: Result, files: Mapping[str, bytes]) -> None:
        """Write the files of an image that have changed, and once it is corrected the image itself,
        so that a network can be taught by the corrections.
        """
        place = self.place(image, result.name)
        if place is None:
            return
        picture = place / f"{result.name}{PICTURE}"
        if result.corrections and not picture.exists():
            write_bytes(picture, png_bytes(image))
        for name, data in files.items():
            if result.saved.get(name) != data:
                write_bytes(place / name, data)
                result.saved[name] = data

    def set_aside(self, image: np.ndarray, name: str) -> str:
        """Copy the record of an image to a name with the time before another replaces it, and say
        so; empty if the folder has none.
        """
        place = self.place(image, name)
        if place is None or not (path := place / f"{name}_counts.json").is_file():
            return ""
        copy = path.with_stem(f"{path.stem}_{datetime.now(UTC):%Y%m%dT%H%M%S}")
        write_bytes(copy, path.read_bytes())
        return f" The former record is kept as {copy.name}."


def image_key(image: np.ndarray) -> str:
    """A text that only images of the same pixels share."""
    digest = hashlib.sha256(str(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
