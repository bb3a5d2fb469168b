"""A dataset on disk, opened: its smears one by one, and batches of them for training.

Layout: ``<dataset>/dataset.json`` and, for each of ``train``, ``valid``, ``test``:
``images/NAME.png`` (RGB), ``labels/NAME.json`` (objects and boxes) and ``segments/NAME.png`` (label
map as an indexed PNG).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bloodseg_lib.classes import CLASSES, SMEAR_SIZE_PX
from bloodseg_lib.io import read_image, read_label_map
from bloodseg_lib.runs import owned
from bloodseg_lib.samples.bank import SPLITS
from bloodseg_lib.smears.cache import mapped, read_rows, write_cache
from bloodseg_lib.smears.described import read_cells, read_manifest
from bloodseg_lib.smears.manifest import MANIFEST, PARTS, changed_files


class Dataset:
    """A dataset on disk, opened.

    Args:
        folder: made by :func:`bloodseg_lib.smears.build.build_dataset`.

    Attributes:
        folder: as given.
        manifest: ``dataset.json``: config, digest, counts of images, objects and pixels, mean and
            std of the training set (0..255 RGB).

    Raises:
        FileNotFoundError: there is no ``dataset.json``.
        ValueError: it is damaged.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        if not (self.folder / MANIFEST).is_file():
            begun = (self.folder / PARTS).exists()
            mend = " Its build was stopped: run the same command again to finish it."
            raise FileNotFoundError(
                f"{self.folder / MANIFEST}: not there, so this is no finished dataset."
                + (mend if begun else "")
            )
        self.manifest: dict[str, Any] = read_manifest(self.folder / MANIFEST)
        self._names: dict[str, list[str]] = {}
        self._arrays: dict[str, tuple[np.memmap, np.memmap]] = {}

    def names(self, split: str) -> list[str]:
        """Names of a split's smears, in the order of their numbers."""
        if split not in SPLITS:
            raise ValueError(f"Expected a split, one of {', '.join(SPLITS)}. Received {split!r}.")
        if split not in self._names:
            folder, expected = self.folder / split / "images", self.manifest["images"][split]
            names = [path.stem for path in folder.glob("*.png")]
            if len(names) != expected:
                raise ValueError(
                    f"{folder}: expected {expected} images, found {len(names)}. "
                    "Delete the dataset and build it again."
                )
            self._names[split] = sorted(names, key=lambda name: name.rpartition("_")[2])
        return self._names[split]

    def image(self, split: str, i: int) -> np.ndarray:
        """Image *i* of a split, ``(224, 224, 3) uint8`` RGB."""
        return read_image(self.folder / split / "images" / f"{self.names(split)[i]}.png")

    def label_map(self, split: str, i: int) -> np.ndarray:
        """Label map *i* of a split, ``(224, 224) uint8``; training smears cut from real fields may
        have pixels of :data:`~bloodseg_lib.classes.UNKNOWN`.
        """
        name = self.names(split)[i]
        return read_label_map(self.folder / split / "segments" / f"{name}.png", unknown=True)

    def objects(self, split: str, i: int) -> list[dict[str, Any]]:
        """The cells of smear *i*: class, box, visible area and sample of each (see
        :meth:`bloodseg_lib.smears.smear.Smear.visible`).
        """
        return read_cells(self.folder / split / "labels" / f"{self.names(split)[i]}.json")

    def pixel_counts(self, split: str) -> np.ndarray:
        """``(10,) int64``: pixels of each class in a split."""
        return np.array([self.manifest["pixels"][split][c.key] for c in CLASSES], dtype=np.int64)

    def arrays(self, split: str) -> tuple[np.memmap, np.memmap]:
        """All of a split, memory-mapped: images ``(N, 224, 224, 3) uint8`` and label maps ``(N,
        224, 224) uint8``.

        The PNGs are checked and decoded into two files beside them the first time. Reading those
        costs no decoding and no memory but the page cache, so a loader keeps up with any network.

        Raises:
            ValueError: a file of the split is damaged, or not the one that was written.
        """
        if split not in self._arrays:
            images, labels = self.unpacked(split)
            if not (images.exists() and labels.exists()):
                # several processes may train on one dataset: one unpacks it, the others wait
                with owned(self.folder / split, wait=True):
                    if not (images.exists() and labels.exists()):
                        self._unpack(split, images, labels)
            self._arrays[split] = mapped(images), mapped(labels)
        return self._arrays[split]

    def unpacked(self, split: str) -> tuple[Path, Path]:
        """Where :meth:`arrays` has or will have images and label maps. The digest is in the names:
        a dataset built anew in the same folder never meets the old one's pixels.
        """
        folder, digest = self.folder / split, self.manifest["digest"][:12]
        return folder / f".images-{digest}.npy", folder / f".labels-{digest}.npy"

    def _unpack(self, split: str, images: Path, labels: Path) -> None:
        names = self.names(split)

        def smear(i: int) -> tuple[np.ndarray, np.ndarray]:
            image, label_map = self.image(split, i), self.label_map(split, i)
            if not image.shape[:2] == label_map.shape == (SMEAR_SIZE_PX, SMEAR_SIZE_PX):
                raise ValueError(
                    f"{self.folder / split}: expected image and label map {names[i]} to be "
                    f"{SMEAR_SIZE_PX} x {SMEAR_SIZE_PX}. Received {image.shape[:2]} and "
                    f"{label_map.shape}. Copy the dataset again, or build it again."
                )
            return image, label_map

        def check() -> None:
            for problem in changed_files(self.folder / split, self.manifest, names):
                raise ValueError(problem)

        write_cache(len(names), smear, check, images, labels)

    def batches(
        self,
        split: str,
        batch_size: int,
        seed: int = 0,
        epoch: int = 1,
        shuffle: bool = True,
        images_per_epoch: int = 0,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One pass through a split, or one part of a pass.

        Args:
            split: ``"train"``, ``"valid"`` or ``"test"``.
            batch_size: images a batch; the last one may be smaller.
            seed, epoch: the order is a pure function of these, so a resumed training sees what it
                would have seen.
            shuffle: in random order, else all in that of the names.
            images_per_epoch: see :func:`epoch_order`.

        Yields:
            images ``(B, 224, 224, 3) uint8`` and label maps ``(B, 224, 224) uint8``.
        """
        images, labels = self.arrays(split)
        order = np.arange(len(images))
        if shuffle:
            order = epoch_order(len(images), seed, epoch, images_per_epoch)
        # Read, not mapped: mapped pages count as the process's memory until the system needs them
        # for something else.
        with (
            open(str(images.filename), "rb", buffering=0) as images_file,
            open(str(labels.filename), "rb", buffering=0) as labels_file,
        ):
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size].tolist()
                yield read_rows(images_file, images, chosen), read_rows(labels_file, labels, chosen)


def epoch_order(count: int, seed: int, epoch: int, images_per_epoch: int = 0) -> np.ndarray:
    """Which images an epoch shows, in which order: a pure function of its arguments.

    Args:
        count: images of the split.
        seed: of the order.
        epoch: from 1.
        images_per_epoch: 0: an epoch is one pass through the split. Else a pass is cut into as many
            epochs of this size as it holds; the few images left over, other ones in each pass, are
            not shown.

    Returns:
        ``(count,)`` or ``(images_per_epoch,) int64``, positions in the split.

    Examples:
        >>> sorted(epoch_order(5, seed=0, epoch=1).tolist())
        [0, 1, 2, 3, 4]
        >>> len(epoch_order(5, seed=0, epoch=3, images_per_epoch=2))
        2
    """
    size = images_per_epoch or max(count, 1)
    passes, part = divmod(epoch - 1, max(count // size, 1))
    order = np.random.default_rng([seed, passes + 1]).permutation(count)
    return order[part * size : (part + 1) * size]
