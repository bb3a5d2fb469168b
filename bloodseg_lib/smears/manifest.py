"""The configuration of a dataset, what ``dataset.json`` says of it, and the counting behind it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import bloodseg_lib
from bloodseg_lib.classes import CELL_CLASSES, CLASSES, SMEAR_SIZE_PX
from bloodseg_lib.config import Config
from bloodseg_lib.io import read_json
from bloodseg_lib.samples.bank import SPLITS, SampleBank
from bloodseg_lib.smears.pool import KINDS
from bloodseg_lib.smears.recipe import Recipe

MANIFEST = "dataset.json"
PARTS = ".parts"
"""Folder of a build in progress."""
FILES = {"images": ".png", "segments": ".png", "labels": ".json"}
"""Folder of a split -> suffix of the files in it, one for each smear."""


@dataclass(frozen=True)
class DatasetConfig(Config):
    """What to build. The defaults are the original project's full size.

    Attributes:
        train, valid, test: number of smears in each split.
        backgrounds: number of RBC backgrounds over all splits and the three kinds.
        seed: of everything random.
        recipe: how smears are composed.

    Examples:
        >>> config = DatasetConfig(train=80, valid=10, test=10, backgrounds=30)
        >>> config.sets_of_backgrounds("train"), config.smears_of("train", 1)
        (8, range(10, 20))
    """

    train: int = 65350
    valid: int = 6560
    test: int = 6560
    backgrounds: int = 1500
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)

    def check(self) -> None:
        for split in SPLITS:
            self.expect(getattr(self, split) >= 0, split, "a number of smears, 0 or more")
        self.expect(
            self.train + self.valid + self.test > 0, "train", "at least one smear in some split"
        )
        self.expect(self.backgrounds >= 1, "backgrounds", "at least 1")
        self.expect(self.seed >= 0, "seed", "0 or more")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as ``dataset.json`` holds it, see :meth:`Recipe.to_dict`."""
        return super().to_dict() | {"recipe": self.recipe.to_dict()}

    def sets_of_backgrounds(self, split: str) -> int:
        """Backgrounds of each kind in a split: in proportion to its smears, at least one where it
        has smears.
        """
        fraction = getattr(self, split) / (self.train + self.valid + self.test)
        return min(getattr(self, split), max(1, round(self.backgrounds / len(KINDS) * fraction)))

    def recipe_of(self, split: str, number: int) -> Recipe:
        """Of set ``number`` of a split's backgrounds, and of the smears cut from them."""
        recipe = self.recipe
        if split != "train":
            return replace(recipe, defocus=0.0, cut_outs=0.0, drawn_parasites=0.0)
        drawn = np.random.default_rng([self.seed, number]).random()
        return recipe.cut_out() if drawn < recipe.cut_outs else recipe

    def smears_of(self, split: str, number: int) -> range:
        """Numbers of the smears that are cut from set ``number`` of a split's backgrounds."""
        smears, sets = getattr(self, split), self.sets_of_backgrounds(split)
        return range(-(-smears * number // sets), -(-smears * (number + 1) // sets))


@dataclass
class Tally:
    """What is counted over smears. All are integers, so sums do not depend on the order.

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
    pixels: Counter[int] = field(default_factory=Counter)
    objects: Counter[int] = field(default_factory=Counter)
    combinations: Counter[str] = field(default_factory=Counter)
    values: list[int] = field(default_factory=lambda: [0, 0, 0])
    squares: list[int] = field(default_factory=lambda: [0, 0, 0])
    files: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Tally:
        """One that was written as JSON, whose keys are always text."""
        values = read_json(path)
        try:
            for name in ("pixels", "objects"):
                values[name] = Counter({int(c): n for c, n in values[name].items()})
            return cls(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: expected the counts of a set of smears. Received something else "
                f"({error!r}). Delete it, and run the same command again."
            ) from error

    def add(self, other: Tally) -> None:
        """Add what another has counted."""
        self.images += other.images
        for name in ("pixels", "objects", "combinations"):
            getattr(self, name).update(getattr(other, name))
        self._add_sums(other.values, other.squares)
        self.files += other.files

    def add_smear(
        self, image: np.ndarray, seen: Iterable[Mapping[str, Any]], unknown_px: int = 0
    ) -> None:
        """Count a smear: its image, ``(224, 224, 3) uint8``, and the cells seen
        (:meth:`bloodseg_lib.smears.smear.Smear.visible`). Pixels of no known class count nowhere.
        """
        background = image.shape[0] * image.shape[1] - unknown_px
        for cell in seen:
            self.objects[cell["id"]] += 1
            self.pixels[cell["id"]] += cell["area_px"]
            background -= cell["area_px"]
        self.pixels[0] += background
        self.add_image(image)

    def add_image(self, image: np.ndarray) -> None:
        """Count an image, ``(224, 224, 3) uint8``, and its values. OpenCV adds in integers, so the
        sums are exact.
        """
        self.images += 1
        self._add_sums(
            [int(value) for value in cv2.sumElems(image)[:3]],
            [int(cv2.norm(channel, cv2.NORM_L2SQR)) for channel in cv2.split(image)],
        )

    def _add_sums(self, values: Iterable[int], squares: Iterable[int]) -> None:
        self.values = [a + b for a, b in zip(self.values, values, strict=True)]
        self.squares = [a + b for a, b in zip(self.squares, squares, strict=True)]

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Of red, green and blue, 0..255."""
        n = max(1, self.images * SMEAR_SIZE_PX**2)
        mean = [value / n for value in self.values]
        both = zip(self.squares, mean, strict=True)
        return mean, [max(0.0, square / n - m * m) ** 0.5 for square, m in both]


def add_file(digest: Any, name: str, data: bytes) -> None:
    """Add a file to the ``hashlib`` digest of its set of backgrounds.

    Files are added in the order of the smears' numbers and, of a smear, image, segment, label. Name
    and length are part of it.
    """
    digest.update(f"{name} {len(data)}\n".encode())
    digest.update(data)


def changed_files(folder: Path, manifest: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Say which files of a split are not to the byte what was written, by sets of backgrounds.

    Args:
        folder: of the split.
        manifest: of the dataset; one by an older version has no digests, and nothing is said.
        names: of the split's smears.
    """
    config = DatasetConfig.from_dict(manifest["config"])
    by_number = {name.rpartition("_")[2]: name for name in names}
    for number, expected in enumerate(manifest.get("files", {}).get(folder.name, [])):
        digest, smears = hashlib.sha256(), config.smears_of(folder.name, number)
        for name in (by_number.get(f"{k:05d}") for k in smears):
            for part, suffix in FILES.items() if name else ():
                add_file(digest, f"{part}/{name}", (folder / part / f"{name}{suffix}").read_bytes())
        if digest.hexdigest() != expected:
            yield (
                f"{folder}: the files of set {number} of its backgrounds, smears "
                f"{smears.start:05d} to {smears.stop - 1:05d}, are not those that were written: "
                f"expected sha256 {expected}, received {digest.hexdigest()}. "
                "Copy the dataset again, or build it again."
            )


def manifest(
    config: DatasetConfig, bank: SampleBank, digest: str, tallies: Mapping[str, Tally]
) -> dict[str, Any]:
    """What ``dataset.json`` holds.

    Args:
        config: the dataset's.
        bank: that it was composed of.
        digest: of config, bank and version.
        tallies: split -> what was counted.
    """
    mean, std = tallies["train" if config.train else "test"].mean_and_std()
    samples = {s: "".join(sorted(e.sha256 for e in bank.select(s))) for s in SPLITS}
    counts = bank.counts()
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
            "samples": counts,
            "missing_classes": [c.key for c in CELL_CLASSES if not any(counts[c.key].values())],
            "sample_digests": {
                s: hashlib.sha256(digests.encode()).hexdigest() for s, digests in samples.items()
            },
        },
        "images": {s: tallies[s].images for s in SPLITS},
        "backgrounds": {s: config.sets_of_backgrounds(s) * len(KINDS) for s in SPLITS},
        "pixels": {s: {c.key: tallies[s].pixels[c.id] for c in CLASSES} for s in SPLITS},
        "objects": {s: {c.key: tallies[s].objects[c.id] for c in CELL_CLASSES} for s in SPLITS},
        "combinations": {s: dict(sorted(tallies[s].combinations.items())) for s in SPLITS},
        "mean": mean,
        "std": std,
        "files": {s: tallies[s].files for s in SPLITS},
    }
