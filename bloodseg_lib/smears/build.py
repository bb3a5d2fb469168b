"""Building a dataset: in parallel, and resumed where it was stopped.

Smear *k* of a split is a pure function of (bank, recipe, seed, split, k): the same bytes with one
worker or sixteen, today or after a crash.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path

import cv2
import joblib
import numpy as np
from tqdm.auto import tqdm

import bloodseg_lib
from bloodseg_lib.classes import CLASSES, RBC_IDS, UNKNOWN
from bloodseg_lib.io import (
    WriteError,
    delete_leftovers,
    label_map_bytes,
    png_bytes,
    read_json,
    write_json,
)
from bloodseg_lib.runs import LOCK, check_room, owned
from bloodseg_lib.samples.bank import SPLITS, SampleBank
from bloodseg_lib.samples.field_bank import read_field
from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.manifest import (
    FILES,
    MANIFEST,
    PARTS,
    DatasetConfig,
    Tally,
    add_file,
    manifest,
)
from bloodseg_lib.smears.pool import KINDS, FieldChoice, Pool, at_reference_stain, combinations
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.smear import Smear

_BYTES_OF_A_SMEAR = {True: 50_000, False: 90_000}
"""Of its three files, of the plain recipe or another; 49 and 89 kB were measured on a disk."""


def build_dataset(
    config: DatasetConfig,
    bank: SampleBank,
    folder: Path | str,
    workers: int = 1,
    progress: bool = True,
) -> Dataset:
    """Build a dataset, or resume a build that was stopped.

    The unit of work is a set of backgrounds: one of each kind, and all the smears cut from them.
    A set that a stopped build had not finished is made again, to the same bytes; the manifest is
    written last.

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
        OSError: the disk has too little room.
        BlockingIOError: another command is building there.
    """
    folder, digest = Path(folder), _digest(config, bank)
    begun = any((folder / name).exists() for name in (PARTS, LOCK))
    # a finished one may lie where nothing can be written
    if begun or not (folder / MANIFEST).exists():
        with owned(folder):
            if not (folder / MANIFEST).exists():  # another build may just have ended
                _build(config, bank, folder, digest, workers, progress)
            shutil.rmtree(folder / PARTS, ignore_errors=True)
            delete_leftovers([folder / MANIFEST])  # of a kill while it was written
    dataset = Dataset(folder)
    if dataset.manifest["digest"] != digest:
        raise ValueError(_another(folder, "dataset"))
    return dataset


def _build(
    config: DatasetConfig, bank: SampleBank, folder: Path, digest: str, workers: int, progress: bool
) -> None:
    """Build in a folder that this process owns; its workers write there for it."""
    _claim(folder, digest)
    for split in SPLITS:
        if getattr(config, split):
            _check_samples(bank, split)
            for part in FILES:
                (folder / split / part).mkdir(parents=True, exist_ok=True)
    sets = [(split, i) for split in SPLITS for i in range(config.sets_of_backgrounds(split))]
    jobs = [job for job in sets if not _part(folder, *job).exists()]
    smears = sum(len(config.smears_of(*job)) for job in jobs)
    check_room(folder, smears * _BYTES_OF_A_SMEAR[config.recipe == Recipe()], f"{smears} smears")
    with tqdm(total=smears, unit="smear", desc="composing", disable=not progress) as bar:
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
        build = joblib.delayed(_build_set)
        for done in parallel(
            build(os.getpid(), config, bank.folder, bank.digest, folder, *job) for job in jobs
        ):
            bar.update(done)
    tallies = {split: Tally() for split in SPLITS}
    for split, number in sets:
        tallies[split].add(Tally.read(_part(folder, split, number)))
    write_json(folder / MANIFEST, manifest(config, bank, digest, tallies))


def _digest(config: DatasetConfig, bank: SampleBank) -> str:
    """Of all that a dataset's content depends on."""
    version = bloodseg_lib.__version__
    identity = {"config": config.to_dict(), "bank": bank.digest, "version": version}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _another(folder: Path, found: str) -> str:
    return (
        f"{folder}: holds a {found} of another recipe, seed, size or bank. "
        "Choose another folder, or delete this one."
    )


def _claim(folder: Path, digest: str) -> None:
    """Mark the folder as a build of this digest, or refuse it."""
    claim = folder / PARTS / "digest.json"
    if claim.exists():
        if read_json(claim) != digest:
            raise ValueError(_another(folder, "stopped build"))
        return
    # A build that was killed before it wrote its claim has left nothing but the folder for it.
    if folder.exists() and any(path.name not in (PARTS, LOCK) for path in folder.iterdir()):
        raise ValueError(
            f"{folder}: expected an empty folder, or a dataset. Choose another folder."
        )
    write_json(claim, digest)


def _part(folder: Path, split: str, number: int) -> Path:
    """The file that says that a set is finished."""
    return folder / PARTS / f"{split}-{number}.tally.json"


def _check_samples(bank: SampleBank, split: str) -> None:
    present = {entry.class_id for entry in bank.select(split) if entry.is_single}
    if not present & set(RBC_IDS) or not present - set(RBC_IDS):
        received = ", ".join(CLASSES[c].key for c in sorted(present)) or "no class"
        raise ValueError(
            f"{bank.folder}: expected RBCs and at least one class to affix in its split {split!r}. "
            f"Received samples of {received}. Add a source, e.g. phantom, and build the bank again."
        )


@functools.lru_cache(maxsize=4)
def _pool(bank_folder: Path, bank_digest: str, split: str, reference_stain: bool) -> Pool:
    """Samples of a split, read once a process."""
    bank = SampleBank(bank_folder)
    if bank.digest != bank_digest:
        raise ValueError(f"{bank_folder}: changed while a dataset was built of it. Start again.")
    # clusters and background crops have no true counts
    entries = [e for e in bank.select(split) if split == "train" or e.is_single]
    # read when drawn: all of them would not fit in the memory of each worker
    fields = [
        FieldChoice(f.path, f.source, f.rarest, functools.partial(read_field, bank_folder, f))
        for f in bank.fields
        if split == f.split == "train" and f.rarest != "background"
    ]
    choices = [(entry.path, bank.sample(entry)) for entry in entries]
    return Pool(at_reference_stain(choices) if reference_stain else choices, fields)


def _generator(config: DatasetConfig, split: str, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, SPLITS.index(split), *numbers])


@functools.lru_cache(maxsize=16)
def _round(config: DatasetConfig, split: str, number: int, length: int) -> list[int]:
    """The order of one round through the combinations: each round has its own, so that neighbouring
    smears, which are cut from the same backgrounds, differ.
    """
    return _generator(config, split, 1, number).permutation(length).tolist()


@functools.cache
def _end_with(builder: int) -> None:
    """Let a worker end once the process that started it has ended, however that did. Otherwise it
    would stay for minutes, and with it the memory it holds and the pipe it writes to.
    """

    def watch() -> None:
        while os.getppid() == builder:
            time.sleep(0.5)
        os._exit(1)

    # neither the builder itself nor a worker of Dask, which outlives it and may be on another host
    if multiprocessing.current_process().name.startswith("LokyProcess"):
        threading.Thread(target=watch, daemon=True).start()


def _build_set(
    builder: int,
    config: DatasetConfig,
    bank_folder: Path,
    bank_digest: str,
    folder: Path,
    split: str,
    number: int,
) -> int:
    """Compose and write the smears of one set of backgrounds for the process ``builder``, then note
    that it is finished. Returns their number.
    """
    _end_with(builder)
    cv2.setNumThreads(1)  # the processes are the parallelism
    pool = _pool(bank_folder, bank_digest, split, config.recipe.reference_stain)
    choices = combinations(pool)
    backgrounds: dict[str, Smear] = {}
    tally, digest = Tally(), hashlib.sha256()
    smears, recipe = config.smears_of(split, number), config.recipe_of(split, number)
    for k in smears:
        turn, place = divmod(k, len(choices))
        objects, kind = choices[_round(config, split, turn, len(choices))[place]]
        if kind not in backgrounds:
            rng = _generator(config, split, 2, number, KINDS.index(kind))
            backgrounds[kind] = compose_background(pool, kind, recipe, rng)
        rng = _generator(config, split, 3, k)
        smear = compose_smear(backgrounds[kind], objects, pool, recipe, rng)
        seen = smear.visible()
        begin = 0 if smear.is_real else len(backgrounds[kind].cells)
        affixed = [cell.sample_path for cell in smear.cells[begin:]]
        codes = ["Real"] if smear.is_real else [CLASSES[c].code for c in objects]
        sources = "-".join(sorted({Path(path).name.split("__")[0] for path in affixed}))
        name = "_".join([*codes, sources, kind, split, f"{k:05d}"])
        size, background = list(smear.instances.shape), {"kind": kind, "number": number}
        label = {"name": name, "background": background, "size": size, "objects": seen}
        encoded = {
            "images": png_bytes(smear.image),
            "segments": label_map_bytes(smear.labels),
            "labels": json.dumps(label).encode(),
        }
        for part, data in encoded.items():
            path = folder / split / part / f"{name}{FILES[part]}"
            try:
                # Not atomically: a set counts once it is finished, and is made again otherwise.
                path.write_bytes(data)
            except OSError as error:
                raise WriteError.of(error, path) from error
            add_file(digest, f"{part}/{name}", data)
        tally.add_smear(smear.image, seen, int(np.count_nonzero(smear.labels == UNKNOWN)))
        tally.combinations[f"{'_'.join(codes)}_{kind}"] += 1
    tally.files.append(digest.hexdigest())
    write_json(_part(folder, split, number), vars(tally))
    return len(smears)
