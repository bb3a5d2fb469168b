"""A composed dataset on disk: building it in parallel, going on with a build that was stopped,
opening it, feeding the network.

Layout: ``<dataset>/dataset.json`` and, for each of ``train``, ``valid``, ``test``:
    ``images/NAME.png`` (RGB), ``labels/NAME.json`` (objects and
boxes) and ``segments/NAME.png`` (indexed PNG of class ids). Smear *k* of a split is a pure function
of (bank, recipe, seed, split, k): the same bytes with one worker or sixteen, today or after a
crash. Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
from tqdm.auto import tqdm

import bloodseg_lib
from bloodseg_lib.classes import CLASSES
from bloodseg_lib.config import Config
from bloodseg_lib.io import (
    label_map_bytes,
    png_bytes,
    read_image,
    read_json,
    read_label_map,
    write_json,
)
from bloodseg_lib.samples.bank import SPLITS, SampleBank
from bloodseg_lib.smears.cache import pack, read_rows
from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.manifest import Tally, add_file, manifest
from bloodseg_lib.smears.pool import KINDS, Pool, combinations
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.smear import Smear

MANIFEST = "dataset.json"
PARTS = ".parts"
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

    def sets_of_backgrounds(self, split: str) -> int:
        """Backgrounds of each kind that a split gets:

        its share by number of smears, at least one where it has smears.
        """
        share = getattr(self, split) / (self.train + self.valid + self.test)
        return min(getattr(self, split), max(1, round(self.backgrounds / len(KINDS) * share)))

    def smears_of(self, split: str, number: int) -> range:
        """Numbers of the smears that are cut from set ``number`` of a split's backgrounds."""
        smears, sets = getattr(self, split), self.sets_of_backgrounds(split)
        return range(-(-smears * number // sets), -(-smears * (number + 1) // sets))


def build_dataset(
    config: DatasetConfig,
    bank: SampleBank,
    folder: Path | str,
    workers: int = 1,
    progress: bool = True,
) -> Dataset:
    """Build a dataset, or go on with one whose build was stopped.

    Work is done a set of backgrounds at a time (one of each kind, and all the smears cut from
    them). What a stopped build had not finished of a set is made again, to the same bytes; the
    manifest is written last.

    Args:
        config: what to build.
        bank: samples, already split.
        folder: where; a finished build of the same config and bank is opened as it is.
        workers: processes. Wrap the call in ``joblib.parallel_config`` to use another backend: with
            ``distributed.Client(address)`` and ``parallel_config(backend="dask")`` the workers of a
            Dask cluster compose, on several machines too, as long as all of them see ``folder`` and
            the bank's folder under the same paths (give absolute ones), in the same versions.
        progress: show a progress bar.

    Raises:
        ValueError: the folder holds a dataset of another recipe, or a split of the bank has no RBCs
            or nothing to affix.
    """
    folder = Path(folder)
    identity = {
        "config": config.to_dict(),
        "bank": bank.digest,
        "version": bloodseg_lib.__version__,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    if (folder / MANIFEST).exists():
        dataset = Dataset(folder)
        if dataset.manifest["digest"] != digest:
            raise ValueError(
                f"{folder}: holds a dataset of another recipe, seed, size or bank. Choose another folder, or delete this one."
            )
        _clear(folder)
        return dataset
    _claim(folder, digest)
    jobs = []
    for split in SPLITS:
        if getattr(config, split):
            _check_pool(bank, split)
            (folder / split).mkdir(exist_ok=True)
            for part in FILES:
                (folder / split / part).mkdir(exist_ok=True)
            jobs += [
                (split, number)
                for number in range(config.sets_of_backgrounds(split))
                if not _part(folder, split, number).exists()
            ]
    with tqdm(
        total=sum(len(config.smears_of(*job)) for job in jobs),
        unit="smear",
        desc="composing",
        disable=not progress,
    ) as bar:
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
        for done in parallel(
            joblib.delayed(_build_set)(config, bank.folder, bank.digest, folder, *job)
            for job in jobs
        ):
            bar.update(done)
    tallies = {split: Tally() for split in SPLITS}
    for split in SPLITS:
        for number in range(config.sets_of_backgrounds(split)):
            tallies[split].add(Tally.read(_part(folder, split, number)))
    write_json(folder / MANIFEST, manifest(config, bank, digest, tallies))
    _clear(folder)
    return Dataset(folder)


def _claim(folder: Path, digest: str) -> None:
    """Mark the folder as a build of this digest, or refuse it."""
    claim = folder / PARTS / "digest.json"
    if claim.exists():
        if read_json(claim) != digest:
            raise ValueError(
                f"{folder}: holds a stopped build of another recipe, seed, size or bank. Choose another folder, or delete this one."
            )
        return
    # A build that was killed before it wrote its claim has left nothing but the folder for it.
    if folder.exists() and any(path.name != PARTS for path in folder.iterdir()):
        raise ValueError(
            f"{folder}: expected an empty folder, or a dataset. Choose another folder."
        )
    write_json(claim, digest)


def _clear(folder: Path) -> None:
    """Delete what a build needs no more once the manifest is written, and what it left when it was
    killed while writing that.
    """
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    for path in folder.glob(f".{Path(MANIFEST).stem}-*{Path(MANIFEST).suffix}"):
        path.unlink()


def _part(folder: Path, split: str, number: int) -> Path:
    return folder / PARTS / f"{split}-{number}.tally.json"


def _check_pool(bank: SampleBank, split: str) -> None:
    present = {entry.class_id for entry in bank.select(split) if entry.is_single}
    if not present & {c.id for c in CLASSES if c.group == "RBC"} or not present - {
        c.id for c in CLASSES if c.group == "RBC"
    }:
        raise ValueError(
            f"{bank.folder}: expected RBCs and at least one class to affix in its split {split!r}. Received samples of "
            f"{', '.join(CLASSES[c].key for c in sorted(present)) or 'no class'}. Add a source, e.g. phantom, and build the bank again."
        )


@functools.lru_cache(maxsize=4)
def _pool(bank_folder: Path, bank_digest: str, split: str) -> Pool:
    """Samples of a split, read once a process."""
    bank = SampleBank(bank_folder)
    if bank.digest != bank_digest:
        raise ValueError(f"{bank_folder}: changed while a dataset was built of it. Start again.")
    # stacks and patches have no true counts
    entries = [e for e in bank.select(split) if split == "train" or e.is_single]
    return Pool([(entry.path, bank.sample(entry)) for entry in entries])


@functools.lru_cache(maxsize=16)
def _round(seed: int, split: str, number: int, length: int) -> list[int]:
    """The order of one round through the combinations:

    each has its own, so that neighbouring smears, which share backgrounds, differ.
    """
    return (
        np.random.default_rng([seed, SPLITS.index(split), 1, number]).permutation(length).tolist()
    )


def _build_set(
    config: DatasetConfig,
    bank_folder: Path,
    bank_digest: str,
    folder: Path,
    split: str,
    number: int,
) -> int:
    """Compose and write the smears of one set of backgrounds, then note that it is done.

    Returns how many they are.
    """
    cv2.setNumThreads(1)  # the processes are the parallelism
    pool = _pool(bank_folder, bank_digest, split)
    choices = combinations(pool)
    backgrounds: dict[str, Smear] = {}
    tally, digest = Tally(), hashlib.sha256()
    smears = config.smears_of(split, number)
    for k in smears:
        objects, kind = choices[
            _round(config.seed, split, k // len(choices), len(choices))[k % len(choices)]
        ]
        if kind not in backgrounds:
            rng = np.random.default_rng(
                [config.seed, SPLITS.index(split), 2, number, KINDS.index(kind)]
            )
            backgrounds[kind] = compose_background(pool, kind, config.recipe, rng)
        smear = compose_smear(
            backgrounds[kind],
            objects,
            pool,
            config.recipe,
            np.random.default_rng([config.seed, SPLITS.index(split), 3, k]),
        )
        seen = smear.visible()
        affixed = smear.cells[len(backgrounds[kind].cells) :]
        name = smear_name(
            [cell.class_id for cell in affixed],
            [cell.sample_path for cell in affixed],
            kind,
            split,
            k,
        )
        label = {
            "name": name,
            "background": {"kind": kind, "number": number},
            "size": list(smear.instances.shape),
            "objects": seen,
        }
        encoded = {
            "images": png_bytes(smear.image),
            "segments": label_map_bytes(smear.labels),
            "labels": json.dumps(label).encode(),
        }
        for part, data in encoded.items():
            _write(folder / split / part / f"{name}{FILES[part]}", data)
            add_file(digest, f"{part}/{name}", data)
        tally.add_smear(smear.image, seen, f"{'_'.join(CLASSES[c].code for c in objects)}_{kind}")
    tally.files.append(digest.hexdigest())
    write_json(_part(folder, split, number), vars(tally))
    return len(smears)


def _write(path: Path, data: bytes) -> None:
    """Write a file of a smear.

    Not through a temporary name: a set counts only once it is whole, and is made again otherwise.
    """
    path.write_bytes(data)


def smear_name(class_ids: list[int], paths: list[str], kind: str, split: str, number: int) -> str:
    """The name of a composed smear:

    classes, sources of the affixed samples, kind of background, split, number.
    """
    sources = sorted({Path(path).name.split("__")[0] for path in paths})
    return "_".join(
        [*(CLASSES[c].code for c in class_ids), "-".join(sources), kind, split, f"{number:05d}"]
    )


class Dataset:
    """A dataset on disk, opened.

    Args:
        folder: what :func:`build_dataset` made.

    Attributes:
        folder: where it lies.
        manifest: ``dataset.json``: config, digest, counts of images, objects and pixels, mean and
            std of the training set (0..255 RGB).

    Raises:
        FileNotFoundError: there is no ``dataset.json``.
        ValueError: it is damaged.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        if not (self.folder / MANIFEST).is_file():
            stopped = (
                " Its build was stopped: run the same command again to finish it."
                if (self.folder / PARTS).exists()
                else ""
            )
            raise FileNotFoundError(
                f"{self.folder / MANIFEST}: not there, so this is no finished dataset.{stopped}"
            )
        self.manifest: dict[str, Any] = read_json(self.folder / MANIFEST)
        self._names: dict[str, list[str]] = {}
        self._arrays: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def names(self, split: str) -> list[str]:
        """Names of a split's smears, in the order of their numbers."""
        if split not in SPLITS:
            raise ValueError(f"Expected a split, one of {', '.join(SPLITS)}. Received {split!r}.")
        if split not in self._names:
            found = sorted(
                (path.stem for path in (self.folder / split / "images").glob("*.png")),
                key=lambda name: name.rsplit("_", 1)[1],
            )
            if len(found) != self.manifest["images"][split]:
                raise ValueError(
                    f"{self.folder / split / 'images'}: expected {self.manifest['images'][split]} images, found {len(found)}. Delete the dataset and "
                    "build it again."
                )
            self._names[split] = found
        return self._names[split]

    def image(self, split: str, i: int) -> np.ndarray:
        """Image *i* of a split, ``(224, 224, 3) uint8`` RGB."""
        return read_image(self.folder / split / "images" / f"{self.names(split)[i]}.png")

    def labels(self, split: str, i: int) -> np.ndarray:
        """Label map *i* of a split, ``(224, 224) uint8``."""
        return read_label_map(self.folder / split / "segments" / f"{self.names(split)[i]}.png")

    def objects(self, split: str, i: int) -> list[dict[str, Any]]:
        """The cells of smear *i*:

        class, box, visible area and sample of each (see
        :meth:`bloodseg_lib.smears.compose.Smear.visible`).
        """
        return read_json(self.folder / split / "labels" / f"{self.names(split)[i]}.json")["objects"]

    def pixel_counts(self, split: str) -> np.ndarray:
        """``(10,) int64``: pixels of each class in a split."""
        return np.array([self.manifest["pixels"][split][c.key] for c in CLASSES], dtype=np.int64)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """All of a split, memory-mapped: images ``(N, 224, 224, 3) uint8`` and label maps ``(N,
        224, 224) uint8``.

        The PNGs are unpacked into two files beside them the first time. Reading those costs no
        decoding and no memory but the page cache, so a loader keeps up with any network.
        """
        if split not in self._arrays:
            # The digest is in the names: a dataset built anew in the same folder never meets the
            # old one's pixels.
            paths = [
                self.folder / split / f".{part}-{self.manifest['digest'][:12]}.npy"
                for part in ("images", "labels")
            ]
            if not all(path.exists() for path in paths):
                pack(
                    len(self.names(split)),
                    lambda i: (self.image(split, i), self.labels(split, i)),
                    *paths,
                )
            self._arrays[split] = tuple(np.load(path, mmap_mode="r") for path in paths)
        return self._arrays[split]

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
            seed, epoch: the order is a pure function of these, so a training that goes on sees what
                it would have seen.
            shuffle: in random order, else all in that of the names.
            images_per_epoch: see :func:`epoch_order`.

        Yields:
            images ``(B, 224, 224, 3) uint8`` and label maps ``(B, 224, 224) uint8``.
        """
        images, labels = self.arrays(split)
        order = (
            epoch_order(len(images), seed, epoch, images_per_epoch)
            if shuffle
            else np.arange(len(images))
        )
        # Read, not mapped: what is mapped counts as the process's memory for as long as the system
        # has no other use for it.
        with (
            open(images.filename, "rb", buffering=0) as images_file,
            open(labels.filename, "rb", buffering=0) as labels_file,
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
            epochs of so many images as it holds; the few left over, other ones in each pass, are
            left out.

    Returns:
        ``(count,)`` or ``(images_per_epoch,) int64``, positions in the split.
    """
    size = images_per_epoch or max(count, 1)
    passes, part = divmod(epoch - 1, max(count // size, 1))
    return np.random.default_rng([seed, passes + 1]).permutation(count)[
        part * size : (part + 1) * size
    ]
