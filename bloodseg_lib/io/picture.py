"""Reading pictures: one reader for every kind of file, for predictions, databases and panels alike.

Pillow and tifffile decode, OpenCV what they cannot; what was done to a picture, or left out of it,
is said in its notes. Pictures are RGB and upright everywhere.
"""

from __future__ import annotations

import itertools
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.io import array_file, raster, tiff
from bloodseg_lib.io.formats import (
    FOREIGN_SUFFIXES,
    foreign,
    is_address,
    is_file,
    is_heif,
    kind_of,
    why_no_file,
)
from bloodseg_lib.io.stored import Refused, Stored

MOST_MEGAPIXELS = 500.0
"""Pictures of more are refused before they are decoded, unless they are memory-mapped."""

_HEAD_BYTES = 1024
_SAMPLES = 64  # along each side
_BAND_ROWS = 512


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and what its file tells of it.

    Attributes:
        pixels: ``(H, W, 3) uint8`` RGB, upright. Of a large TIFF without compression memory-mapped.
        path: of its file.
        page, pages: which picture of the file, from 1, and how many there are.
        bits: significant bits of a sample in the file; 8 of most.
        pixel_size_um: in micrometres, where the file tells one that a microscope can have.
        objective: its magnification, where the file tells it.
        grey: whether there is no colour in it.
        notes: sentences of what was done to it or ignored.
    """

    pixels: np.ndarray
    path: Path
    page: int = 1
    pages: int = 1
    bits: int = 8
    pixel_size_um: float | None = None
    objective: float | None = None
    grey: bool = False
    notes: tuple[str, ...] = ()


def read_picture(
    path: Path | str,
    *,
    page: int | None = None,
    level: int = 0,
    max_megapixels: float = MOST_MEGAPIXELS,
) -> Picture:
    """Read a picture of any kind: upright, in 8 bits, in sRGB, over white where it is transparent.

    Arrays of NumPy (``.npy``) are memory-mapped, and TIFF above 64 MiB without compression: the way
    to read a picture that does not fit into memory.

    Args:
        path: of the file.
        page: from 1; None: the only one. A file with several is refused then.
        level: of a pyramid; 0: the largest.
        max_megapixels: larger ones are refused, unless they are memory-mapped.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, damaged, or not one picture; the message has the mend.

    Examples:
        >>> import tempfile
        >>> from bloodseg_lib.io.png import png_bytes
        >>> file = Path(tempfile.mkdtemp()) / "grey.png"
        >>> _ = file.write_bytes(png_bytes(np.full((2, 3), 77, np.uint8)))
        >>> picture = read_picture(file)
        >>> picture.pixels.shape, picture.grey
        ((2, 3, 3), True)
    """
    path = Path(path)
    stored, pixels = _read(path, page, level, max_megapixels)
    grey = _is_grey(pixels)
    if grey:
        stored.notes.append("It has no colour: stains cannot be told apart.")
    return Picture(
        pixels,
        path,
        stored.page,
        stored.pages,
        stored.bits,
        stored.pixel_size_um,
        stored.objective,
        grey,
        tuple(stored.notes),
    )


def _read(path: Path, page: int | None, level: int, most: float) -> tuple[Stored, np.ndarray]:
    """A picture as it is stored, and its pixels."""
    if not is_file(path):
        if is_address(str(path)):
            address = re.sub(":/+", "://", str(path), count=1)  # a Path has one slash
            raise FileNotFoundError(
                f"{address}: expected an image file, there is none. This is an address of the web: "
                "download the picture, and name its file."
            )
        raise FileNotFoundError(f"{path}: expected an image file, {why_no_file(path)}.")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise ValueError(
            f"{path}: expected an image, received an empty file. Download or copy it again."
        )
    if other := foreign(path, head):
        raise ValueError(f"{path}: expected an image, received {other}")
    if is_heif(head):
        _register_heif(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of decoders, on what they can mend
            stored = _stored(path, head, page, level, most * 1e6)
            pixels = stored.finished()
    except Refused as error:
        raise ValueError(f"{path}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # its type depends on the decoder and the damage
        if getattr(error, "code", 0) == cv2.Error.StsNoMem:  # OpenCV's own
            raise MemoryError(str(error)) from error
        raise ValueError(
            f"{path}: expected an image, received {path.stat().st_size} bytes that cannot be "
            f"decoded ({str(error).strip() or type(error).__name__}). Download or copy it again."
        ) from error
    if (suffix := path.suffix.lower()) in FOREIGN_SUFFIXES and (kind := kind_of(head)):
        stored.notes.append(f"Its name ends in {suffix}, but it is a {kind}: it was read as that.")
    return stored, pixels


def _stored(path: Path, head: bytes, page: int | None, level: int, most_px: float) -> Stored:
    if head.startswith(array_file.SIGNATURE):
        return array_file.read(path)
    if head.startswith(tiff.SIGNATURES):
        return tiff.read(path, page, level, most_px)
    if level:
        raise Refused(f"expected level 0, as it has no other. Received {level}.")
    return raster.read(path, page, most_px)


def pages_of(path: Path | str) -> list[int]:
    """The numbers of the pictures in a file but previews; 1 if it cannot be read."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_tiff = file.read(_HEAD_BYTES).startswith(tiff.SIGNATURES)
        return tiff.large_pages(path) if is_tiff else raster.pages_of(path)
    except Exception:  # of any decoder; told when it is read
        return [1]


def _register_heif(path: Path) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise ValueError(
            f"{path}: expected an image, received a HEIC picture of a phone. Install its reader "
            "(pip install 'bloodseg-lib[heic]'), or export it as JPEG."
        ) from error
    pillow_heif.register_heif_opener()


def _is_grey(pixels: np.ndarray) -> bool:
    """Whether a picture has no colour; of most, few pixels tell."""
    bands = (pixels[top : top + _BAND_ROWS] for top in range(0, len(pixels), _BAND_ROWS))
    steps = (slice(None, None, max(1, side // _SAMPLES)) for side in pixels.shape[:2])
    parts = itertools.chain([pixels[*steps]], bands)
    return all((part[:, :, :1] == part[:, :, 1:]).all() for part in parts)


def read_image(path: Path | str) -> np.ndarray:
    """The pixels of :func:`read_picture`, ``(H, W, 3) uint8`` RGB.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_picture`.
    """
    return read_picture(path).pixels


def read_mask(path: Path | str) -> np.ndarray:
    """Read a mask, e.g. an expert's, coded by grey value or in colour.

    Background is the most frequent colour of the border. A grey mask with a black background is
    returned as it is stored; of another one the greatest difference of a channel to the background.

    Returns:
        ``(H, W) uint8``, 0 where nothing is marked.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_picture`.
    """
    stored, image = _read(Path(path), None, 0, MOST_MEGAPIXELS)
    deep = stored.array.dtype.itemsize > 1  # codes that 8 bits would lose
    if deep:
        image = stored.array.reshape(*stored.array.shape[:2], -1)
    if stored.extra and (image == image[:1, :1]).all():  # white on nothing
        image = stored.array[:, :, -1:]
    edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    colours, times = np.unique(edges, axis=0, return_counts=True)
    background = colours[times.argmax()]
    if deep:
        return (image != background).any(axis=2).astype(np.uint8) * 255
    return np.abs(image.astype(np.int16) - background).max(axis=2).astype(np.uint8)


def read_rgba(path: Path | str) -> np.ndarray:
    """Read an RGBA image as ``(H, W, 4) uint8``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be decoded or has no alpha channel.
    """
    stored, _ = _read(Path(path), None, 0, MOST_MEGAPIXELS)
    image = stored.array
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected an 8-bit RGBA image. Received {image.shape} {image.dtype}; "
            "build the sample bank again."
        )
    return image
