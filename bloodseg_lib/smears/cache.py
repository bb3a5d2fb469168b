"""A split decoded into two files, which are read as fast as the disk or the page cache delivers.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import SMEAR_SIZE_PX
from bloodseg_lib.io import replacing

_BLOCK = 64  # smears that a thread decodes at a time


def write_cache(
    count: int,
    smear: Callable[[int], tuple[np.ndarray, np.ndarray]],
    check: Callable[[], None],
    images_path: Path,
    labels_path: Path,
) -> None:
    """Write images and label maps to two ``.npy`` files, ``(N, 224, 224, 3)`` and ``(N, 224, 224)
    uint8``. The files appear once they are complete. What killed processes left is deleted.

    Args:
        count: number of smears.
        smear: number of a smear -> its image and label map.
        check: raises what is wrong with smears that could be decoded.
        images_path, labels_path: where, in a folder that nobody else writes a cache to.

    Raises:
        OSError: the disk has too little room.
    """
    for path in leftovers(images_path.parent):
        path.unlink()
    shape = (count, SMEAR_SIZE_PX, SMEAR_SIZE_PX)
    with (
        replacing(labels_path) as labels_part,
        replacing(images_path) as images_part,
        ThreadPoolExecutor() as threads,
    ):
        images, labels = (
            np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=whole)
            for part, whole in ((images_part, (*shape, 3)), (labels_part, shape))
        )

        for part, array in ((images_part, images), (labels_part, labels)):
            _reserve(part, array)

        def decode(start: int) -> None:
            for i in range(start, min(start + _BLOCK, count)):
                images[i], labels[i] = smear(i)

        for _ in threads.map(decode, range(0, count, _BLOCK)):
            pass
        check()
        images.flush()
        labels.flush()


def mapped(path: Path) -> np.memmap:
    """A file of :func:`write_cache`, memory-mapped.

    Raises:
        ValueError: it is cut short or damaged.
    """
    try:
        return np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path}: expected the unpacked smears, received a damaged file ({error}). Delete it; "
            "it is made again."
        ) from error


def leftovers(folder: Path) -> list[Path]:
    """Unfinished files of processes that were killed while they wrote a cache into a folder."""
    return sorted(folder.glob("..*-*.npy"))


def _reserve(path: Path, array: np.memmap) -> None:
    """Take the room of a mapped file at once: where the disk fills while a file with holes is
    written, the process ends by a bus error.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)


def read_rows(file: io.FileIO, array: np.memmap, rows: Sequence[int]) -> np.ndarray:
    """Some rows of a memory-mapped array, read from its file into an array of their own.

    Args:
        file: the array's, opened without a buffer.
        array: ``(N, ...)``.
        rows: their numbers, in the order wanted.

    Raises:
        ValueError: the file has become shorter.
    """
    read = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for row, number in zip(read, rows, strict=True):
        file.seek(array.offset + number * row.nbytes)
        if file.readinto(row) != row.nbytes:
            raise ValueError(
                f"{file.name!s}: expected {len(array)} rows of {row.nbytes} bytes, received a "
                "shorter file. Delete it; it is made again."
            )
    return read
