"""Reading and writing files so that nothing is lost or half-written, and every error names the
file.

Images are RGB everywhere; OpenCV's BGR exists only inside this module.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm.auto import tqdm

PNG_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""Channels of a picture -> its colour type in a PNG: grey, RGB, RGBA."""

# how often, and after how long, it is tried again to write to a full disk
_ATTEMPTS, _PAUSE_S = 240, 15.0
_LONGEST_CHUNK = 2**30  # a PNG's chunk holds less than 2**31 bytes


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and move it into place when the block ends
    without an error.

    A reader sees the old file or the new one, never half of one; after an exception the old one is
    still there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=path.suffix
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only the owner may read
        temporary.replace(path)  # os.replace: atomic
    finally:
        temporary.unlink(missing_ok=True)


def wait_for_room(write: Callable[[], None], message: str) -> None:
    """Write, and where the disk is full, wait for somebody to make room and write again.

    Args:
        write: writes; called again from its beginning.
        message: what to say, once, when there is no room: what waits to be written.

    Raises:
        OSError: it cannot be written, or there was no room for an hour.
    """
    for attempt in range(_ATTEMPTS + 1):
        try:
            return write()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or attempt == _ATTEMPTS:
                raise
        if not attempt:
            tqdm.write(
                f"{message} Make room; it is tried again for {_ATTEMPTS * _PAUSE_S / 60:.0f} minutes."
            )
        time.sleep(_PAUSE_S)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, or was cut short.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a JSON file, there is none.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path}: expected JSON, received something else or a file cut short ({error}). Delete it and make it again."
        ) from error


def read_image(path: Path | str) -> np.ndarray:
    """Read an image file.

    Returns:
        ``(H, W, 3) uint8`` RGB, whatever the file held (grey, 16-bit, alpha over white, CMYK).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be decoded: empty, cut short, or no image.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected 8 or 16 bits a channel. Received {image.dtype}; save it as an 8-bit PNG."
        )
    if image.ndim == 2 or image.shape[2] == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 4:
        alpha = image[:, :, 3:].astype(np.uint16)
        image = ((image[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_mask(path: Path | str) -> np.ndarray:
    """Read a one-channel file as it is stored, e.g. an expert's mask coded by grey value.

    Returns:
        ``(H, W) uint8``; the first channel where the file has several.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_image`.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    image = image if image.ndim == 2 else np.ascontiguousarray(image[:, :, 0])
    return image if image.dtype == np.uint8 else (image > 0).astype(np.uint8) * 255


def read_rgba(path: Path | str) -> np.ndarray:
    """Read an RGBA image as ``(H, W, 4) uint8``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be decoded or has no alpha channel.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected an 8-bit RGBA image. Received {image.shape} {image.dtype}; build the sample bank again."
        )
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


def write_image(path: Path | str, image: np.ndarray) -> None:
    """Write ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA ``uint8`` as PNG, atomically.

    Same pixels, same bytes.
    """
    write_bytes(path, png_bytes(image))


def png_bytes(image: np.ndarray) -> bytes:
    """The PNG of ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA ``uint8``. Same pixels,
    same bytes.

    Each row is stored as its difference from the one above, which suits pictures of cells on an
    even ground.

    Raises:
        ValueError: no such picture, or one without a pixel.
    """
    channels = image.shape[2] if image.ndim == 3 else 1
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or channels not in PNG_COLOUR_TYPES
        or not image.size
    ):
        raise ValueError(
            f"Expected a picture to write, (H, W), (H, W, 3) or (H, W, 4) uint8 with a pixel. Received {image.shape} {image.dtype}."
        )
    height, width = image.shape[:2]
    pixels = image.reshape(height, width * channels)
    rows = np.empty((height, width * channels + 1), np.uint8)
    rows[:, 0] = 2  # the number of the filter "up", which each row begins with
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])  # modulo 256, as the format wants it
    return assembled_png(rows, width, PNG_COLOUR_TYPES[channels])


def assembled_png(rows: np.ndarray, width: int, colour_type: int, palette: bytes = b"") -> bytes:
    """A PNG of filtered rows.

    Written here rather than by OpenCV or Pillow, because a dataset holds 157,000 of them: run
        lengths and Huffman codes (zlib's ``Z_RLE``) make files of
    the same size as zlib's search for repetitions in less than half the time.

    Args:
        rows: ``(H, 1 + bytes of a row) uint8``: the number of the filter, then the filtered bytes.
        width: pixels of a row.
        colour_type: 0 grey, 2 RGB, 3 indexed, 6 RGBA; 8 bits a channel.
        palette: of an indexed one, ``r, g, b, r, g, b, ...``.
    """
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    data = deflate.compress(rows) + deflate.flush()
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, colour_type, 0, 0, 0)),
            _chunk(b"PLTE", palette) if palette else b"",
            *(
                _chunk(b"IDAT", data[start : start + _LONGEST_CHUNK])
                for start in range(0, len(data), _LONGEST_CHUNK)
            ),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    )


def _decode(path: Path | str, flags: int) -> np.ndarray:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected an image file, there is none.")
    # imdecode, because imread knows no non-ASCII names on Windows and returns None for every error
    data = np.fromfile(path, dtype=np.uint8)
    if not data.size:
        raise ValueError(
            f"{path}: expected an image, received an empty file. Download or copy it again."
        )
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error as error:  # a header that promises more than 2**30 pixels
        raise ValueError(
            f"{path}: expected an image of up to 2**30 pixels, received one that is larger or says so ({error.err}). "
            "Cut it in parts, or save it as TIFF without compression, which is read in windows."
        ) from error
    if image is None:
        raise ValueError(
            f"{path}: expected an image, received {data.size} bytes that cannot be decoded. Download or copy it again."
        )
    return image
