"""Label maps as indexed PNGs: the byte stored for a pixel is its class id, and the file's palette
holds the class colours.
"""

from __future__ import annotations

import math
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from bloodseg_lib.classes import NUM_CLASSES, PALETTE, UNKNOWN, check_labels, colours_to_labels
from bloodseg_lib.io.formats import is_file, why_no_file
from bloodseg_lib.io.raster import opened


def label_map_bytes(labels: np.ndarray) -> bytes:
    """The indexed PNG of a label map. The same labels give the same bytes.

    Raises:
        ValueError: not a label map, ``(H, W) uint8`` of ids 0..9 or ``UNKNOWN``, or an empty one.
    """
    if not check_labels(labels, unknown=True).size:
        raise ValueError(
            f"Expected a label map with at least one pixel. Received shape {labels.shape}."
        )
    picture = Image.fromarray(labels)
    picture.putpalette(PALETTE.tobytes().ljust(768 if labels.max() == UNKNOWN else 30, b"\x80"))
    data = BytesIO()
    picture.save(data, "PNG", bits=8, compress_level=1, compress_type=zlib.Z_RLE)
    return data.getvalue()


def read_label_map(path: Path | str, unknown: bool = False) -> np.ndarray:
    """Read a label map: an indexed PNG, a grey image of ids, or one in (nearly) the class colours.

    Returns:
        ``(H, W) uint8``, ids 0..9 or, where ``unknown``, :data:`~bloodseg_lib.classes.UNKNOWN`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or not an image, or has an id or a colour of no class.
    """
    path = Path(path)
    if not is_file(path):
        raise FileNotFoundError(f"{path}: expected a label map, {why_no_file(path)}.")
    try:
        with opened(BytesIO(path.read_bytes()), math.inf) as picture:
            picture.load()
            stored = np.array(picture)  # of an indexed picture: the indices
            if picture.mode == "L" or _has_class_colours(picture):
                return check_labels(stored, str(path), unknown)
            colours = np.array(picture.convert("RGB"))
    except ValueError:
        raise
    # the type of Pillow's error depends on the damage
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(
            f"{path}: expected a label map, received a file that cannot be decoded ({error}). "
            "Copy or make it again."
        ) from error
    # ids saved as grey RGB; as colours all of them are near black
    if 0 < colours.max() < NUM_CLASSES and (colours == colours[:, :, :1]).all():
        return np.ascontiguousarray(colours[:, :, 0])
    return colours_to_labels(colours, where=str(path))


def begins_label_map(head: bytes) -> bool:
    """Whether a file is a label map as :func:`label_map_bytes` makes it, by its first bytes."""
    return head.startswith(b"\x89PNG") and head[37:].startswith(b"PLTE" + PALETTE.tobytes())


def _has_class_colours(picture: Image.Image) -> bool:
    """Whether an image is indexed and its palette begins with the class colours."""
    palette = picture.getpalette() if picture.mode == "P" else None
    return palette is not None and palette[: PALETTE.size] == PALETTE.ravel().tolist()
