"""Pictures in files of NumPy (``.npy``): memory-mapped, also as networks have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bloodseg_lib.io.stored import Refused, Stored

SIGNATURE = b"\x93NUMPY"

_SHAPES = "(height, width), (height, width, 3) or (3, height, width)"
_KINDS = {"U": "texts", "S": "texts", "M": "dates", "m": "durations", "c": "complex numbers"}


def read(path: Path) -> Stored:
    """An array as a picture, also a batch of one, or planes first.

    Raises:
        Refused: it is no picture's.
        ValueError: it is damaged.
    """
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except ValueError as error:
        if "object" in str(error).lower():
            raise _of_no_numbers("objects of Python") from error
        raise
    if array.dtype.kind not in "buif":
        names = ", ".join(array.dtype.names or ())
        raise _of_no_numbers(_KINDS.get(array.dtype.kind, f"records of {names or array.dtype}"))
    while array.ndim > 3 and len(array) == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] not in (1, 3, 4):
        planes = "Its three planes were taken for red, green and blue."
        return Stored(array.transpose(1, 2, 0), notes=[planes])
    if array.ndim == 3 and array.size and len(array) > 1 and array.shape[2] > 4:
        raise Refused(
            f"expected a picture, {_SHAPES}. Received an array of {array.shape}. Save the planes "
            "of red, green and blue, or one picture of several."
        )
    return Stored(array[0] if array.ndim == 3 and len(array) == 1 < array.shape[1] else array)


def _of_no_numbers(what: str) -> Refused:
    return Refused(
        f"expected an array of numbers, {_SHAPES}. Received one of {what}. Save the values of the "
        "pixels."
    )
