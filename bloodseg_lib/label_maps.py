"""Label maps on disk: indexed PNGs, in which people see the class colours and programs read the
class ids.

The byte stored for a pixel is its class id, and the file's palette holds the class colours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bloodseg_lib.classes import NUM_CLASSES, PALETTE, check_labels, colours_to_labels
from bloodseg_lib.io import assembled_png, write_bytes


def label_map_bytes(labels: np.ndarray) -> bytes:
    """The indexed PNG of a label map. The same labels give the same bytes.

    Args:
        labels: ``(H, W) uint8``, ids 0..9.

    Raises:
        ValueError: no label map, or an empty one.
    """
    height, width = check_labels(labels).shape
    if not labels.size:
        raise ValueError(
            f"Expected a label map with at least one pixel. Received shape {labels.shape}."
        )
    # each row of a PNG starts with the number of its filter, 0: none
    rows = np.zeros((height, width + 1), np.uint8)
    rows[:, 1:] = labels
    return assembled_png(rows, width, colour_type=3, palette=PALETTE.tobytes())


def write_label_map(path: Path | str, labels: np.ndarray) -> None:
    """Write a label map as an indexed PNG, atomically.

    Args:
        path: where.
        labels: ``(H, W) uint8``, ids 0..9.

    Raises:
        ValueError: no label map, or an empty one.
    """
    try:
        data = label_map_bytes(labels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    write_bytes(path, data)


def read_label_map(path: Path | str) -> np.ndarray:
    """Read a label map: an indexed PNG of ours, a grey picture of ids, or a picture in the class
    colours, exact or nearly so.

    Args:
        path: the file.

    Returns:
        ``(H, W) uint8``, ids 0..9.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or no picture, or holds an id or a colour that is no class's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a label map, there is none.")
    try:
        with Image.open(path) as picture:
            picture.load()
            stored = np.array(picture)  # of an indexed picture: the indices
            if picture.mode == "P" and _ours(picture.getpalette()):
                return check_labels(stored, str(path))
            if picture.mode == "L":
                return check_labels(stored, str(path))
            colours = np.array(picture.convert("RGB"))
    except ValueError:
        raise
    # what Pillow raises for a damaged file depends on the damage
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path}: expected a label map, received a file that cannot be decoded ({error}). Copy or make it again."
        ) from error
    # ids saved as grey RGB; as colours they would all pass for black
    if 0 < colours.max() < NUM_CLASSES and (colours == colours[:, :, :1]).all():
        return np.ascontiguousarray(colours[:, :, 0])
    return colours_to_labels(colours, where=str(path))


def _ours(palette: list[int]) -> bool:
    """Whether a file's palette, ``[r, g, b, r, g, b, ...]``, begins with the class colours."""
    return palette[: PALETTE.size] == PALETTE.ravel().tolist()
