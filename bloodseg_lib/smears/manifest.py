"""What ``dataset.json`` says of a dataset, and the counting behind it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import bloodseg_lib
from bloodseg_lib.classes import CELL_CLASSES, CLASSES, SMEAR_SIZE_PX
from bloodseg_lib.io import read_json
from bloodseg_lib.samples.bank import SPLITS, SampleBank
from bloodseg_lib.smears.pool import KINDS


@dataclass
class Tally:
    """What is counted over smears. Kept in whole numbers, so that the sum does not depend on the
    order.

    Attributes:
        images: smears.
        pixels: of each class, by id.
        objects: that are seen, of each class, by id.
        combinations: smears of each combination of affixed classes and background.
        values, squares: sums over all pixels of red, green and blue.
        files: sha256 of the files of each set of backgrounds (see :func:`add_file`), in the order
            of the sets.
    """

    images: int = 0
    pixels: Counter = field(default_factory=Counter)
    objects: Counter = field(default_factory=Counter)
    combinations: Counter = field(default_factory=Counter)
    values: list[int] = field(default_factory=lambda: [0, 0, 0])
    squares: list[int] = field(default_factory=lambda: [0, 0, 0])
    files: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Tally:
        """One that was written as JSON, which knows no whole numbers as keys."""
        values = read_json(path)
        return cls(
            **values
            | {
                name: Counter({int(c): n for c, n in values[name].items()})
                for name in ("pixels", "objects")
            }
        )

    def add(self, other: Tally) -> None:
        """Add what another has counted."""
        self.images += other.images
        for name in ("pixels", "objects", "combinations"):
            getattr(self, name).update(getattr(other, name))
        self.values = [a + b for a, b in zip(self.values, other.values, strict=True)]
        self.squares = [a + b for a, b in zip(self.squares, other.squares, strict=True)]
        self.files += other.files

    def add_smear(self, image: np.ndarray, seen: list[dict], combination: str) -> None:
        """Count a smear:

        its picture, ``(H, W, 3) uint8``, the cells seen
        (:meth:`bloodseg_lib.smears.compose.Smear.visible`), its combination's name.
        """
        self.images += 1
        self.combinations[combination] += 1
        slide = image.shape[0] * image.shape[1]
        for cell in seen:
            self.objects[cell["id"]] += 1
            self.pixels[cell["id"]] += cell["area_px"]
            slide -= cell["area_px"]
        self.pixels[0] += slide
        values, squares = sums(image)
        self.values = [a + b for a, b in zip(self.values, values, strict=True)]
        self.squares = [a + b for a, b in zip(self.squares, squares, strict=True)]

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Of red, green and blue, 0..255."""
        n = max(1, self.images * SMEAR_SIZE_PX**2)
        mean = [value / n for value in self.values]
        return mean, [
            max(0.0, square / n - m * m) ** 0.5
            for square, m in zip(self.squares, mean, strict=True)
        ]


def sums(image: np.ndarray) -> tuple[list[int], list[int]]:
    """Sums of the values and of their squares over ``(H, W, 3) uint8``, for each channel.

    OpenCV adds in whole numbers, so they are exact.
    """
    squares = [int(cv2.norm(channel, cv2.NORM_L2SQR)) for channel in cv2.split(image)]
    return [int(value) for value in cv2.sumElems(image)[:3]], squares


def add_file(digest: Any, name: str, data: bytes) -> None:
    """Add a file to the ``hashlib`` digest of its set of backgrounds.

    Files are added in the order of the smears' numbers, and of a smear image, segment, label. Name
    and length are part of it.
    """
    digest.update(f"{name} {len(data)}\n".encode())
    digest.update(data)


def manifest(
    config: Any, bank: SampleBank, digest: str, tallies: Mapping[str, Tally]
) -> dict[str, Any]:
    """What ``dataset.json`` holds.

    Args:
        config: the dataset's.
        bank: that it was composed of.
        digest: of config, bank and version.
        tallies: split -> what was counted.
    """
    mean, std = tallies["train" if config.train else "test"].mean_and_std()
    samples = {split: sorted(entry.sha256 for entry in bank.select(split)) for split in SPLITS}
    return {
        "config": config.to_dict(),
        "digest": digest,
        "versions": {
            "bloodseg_lib": bloodseg_lib.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        "bank": {
            "digest": bank.digest,
            "samples": bank.counts(),
            "missing_classes": [
                c.key for c in CELL_CLASSES if not any(bank.counts()[c.key].values())
            ],
            "sample_digests": {
                split: hashlib.sha256("".join(samples[split]).encode()).hexdigest()
                for split in SPLITS
            },
        },
        "images": {split: tallies[split].images for split in SPLITS},
        "backgrounds": {split: config.sets_of_backgrounds(split) * len(KINDS) for split in SPLITS},
        "pixels": {
            split: {c.key: tallies[split].pixels[c.id] for c in CLASSES} for split in SPLITS
        },
        "objects": {
            split: {c.key: tallies[split].objects[c.id] for c in CELL_CLASSES} for split in SPLITS
        },
        "combinations": {
            split: dict(sorted(tallies[split].combinations.items())) for split in SPLITS
        },
        "mean": mean,
        "std": std,
        "files": {split: tallies[split].files for split in SPLITS},
    }
