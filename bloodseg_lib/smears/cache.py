"""The pixels of a split unpacked into two files, from which they are read as fast as the disk, or
the page cache, delivers them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bloodseg_lib.classes import SMEAR_SIZE_PX
from bloodseg_lib.io import replacing

_AT_A_TIME = 64  # smears a thread unpacks before the next piece of work is dealt out


def pack(
    count: int,
    smear: Callable[[int], tuple[np.ndarray, np.ndarray]],
    images_path: Path,
    labels_path: Path,
) -> None:
    """Write images and label maps to two ``.npy`` files, ``(N, 224, 224, 3)`` and ``(N, 224, 224)
    uint8``; they are there once they are whole.

    Args:
        count: number of smears.
        smear: number of a smear -> its image and label map.
        images_path, labels_path: where.
    """
    shape = (count, SMEAR_SIZE_PX, SMEAR_SIZE_PX)
    with (
        replacing(labels_path) as labels_part,
        replacing(images_path) as images_part,
        ThreadPoolExecutor() as threads,
    ):
        images = np.lib.format.open_memmap(
            images_part, mode="w+", dtype=np.uint8, shape=(*shape, 3)
        )
        labels = np.lib.format.open_memmap(labels_part, mode="w+", dtype=np.uint8, shape=shape)

        def unpack(start: int) -> None:
            for i in range(start, min(start + _AT_A_TIME, count)):
                images[i], labels[i] = smear(i)

        for _ in threads.map(unpack, range(0, count, _AT_A_TIME)):
            pass
        images.flush()
        labels.flush()


def read_rows(file: io.FileIO, array: np.memmap, rows: list[int]) -> np.ndarray:
    """Some rows of a memory-mapped array, read from its file into an array of their own.

    Args:
        file: that of the array, opened without a buffer.
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
                f"{file.name}: expected {len(array)} rows of {row.nbytes} bytes, received a shorter file. Delete it; it is made again."
            )
    return read
