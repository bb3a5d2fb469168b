"""Reading and writing files, atomically; every error names the file.

Images are RGB everywhere; OpenCV's BGR exists only inside this module. Label maps are indexed PNGs:
the byte stored for a pixel is its class id, and the file's palette holds the class colours.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from bloodseg_lib.classes import NUM_CLASSES, PALETTE, check_labels, colours_to_labels

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
"""Suffixes of image files, in lower case."""

_TO_BGR = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}


class WriteError(OSError):
    """A file cannot be written; names it, the cause and the mend."""

    @classmethod
    def of(cls, error: OSError, path: Path) -> OSError:
        """The error of writing ``path``; one that is worded already remains."""
        worded = not error.errno or isinstance(error, WriteError)
        return error if worded else cls(error.errno, error.strerror, str(path))

    def __str__(self) -> str:
        full = self.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "Make room on the disk." if full else "Choose a folder that can be written to."
        return f"{self.filename}: expected to write it. Received: {self.strerror}. {mend}"


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place if the block succeeds.

    A reader sees the old file or the new one, never half; after an exception the old one remains.
    """
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=path.suffix
        )
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        with contextlib.suppress(OSError):  # drives of other systems refuse it
            temporary.chmod(0o644)  # mkstemp makes files that only the owner may read
        temporary.replace(path)  # os.replace: atomic
    except OSError as error:
        if temporary and error.filename not in (None, str(temporary)):
            raise  # of another file
        raise WriteError.of(error, path) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


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
    except (ValueError, RecursionError) as error:  # the latter: nested too deeply
        raise ValueError(
            f"{path}: expected JSON, received something else or a file cut short ({error}). "
            "Delete it and make it again."
        ) from error


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV.

    Examples:
        >>> csv_text(["class", "pixels"], [["neutrophil", 4879]])
        'class,pixels\\nneutrophil,4879\\n'
    """
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return table.getvalue()


def write_csv(path: Path | str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table to ``path`` as CSV, atomically; see :func:`csv_text`."""
    write_bytes(path, csv_text(columns, rows).encode())


def read_image(path: Path | str) -> np.ndarray:
    """Read an image file.

    Returns:
        ``(H, W, 3) uint8`` RGB, whatever the file held (grey, 16-bit, alpha over white, CMYK).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be decoded: empty, cut short, or not an image.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected 8 or 16 bits a channel. Received {image.dtype}; "
            "save it as an 8-bit PNG."
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
            f"{path}: expected an 8-bit RGBA image. Received {image.shape} {image.dtype}; "
            "build the sample bank again."
        )
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


def png_bytes(image: np.ndarray) -> bytes:
    """The PNG of ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA ``uint8``.

    The bytes are deterministic for one version of OpenCV; another may compress differently.

    Raises:
        ValueError: another shape or dtype, or no pixel.
    """
    channels = image.shape[2] if image.ndim == 3 else 1
    shaped = image.ndim in (2, 3) and channels in _TO_BGR and image.size
    if image.dtype != np.uint8 or not shaped:
        raise ValueError(
            "Expected a picture to write, (H, W), (H, W, 3) or (H, W, 4) uint8 with a pixel. "
            f"Received {image.shape} {image.dtype}."
        )
    code = _TO_BGR[channels]
    return cv2.imencode(".png", image if code is None else cv2.cvtColor(image, code))[1].tobytes()


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image to a width and height in pixels: area averaging to shrink it, cubic
    interpolation to enlarge it.
    """
    shrinks = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


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
            f"{path}: expected an image of up to 2**30 pixels, received one that is larger or "
            f"says so ({error.err}). Cut it in parts, or save it as TIFF without compression, "
            "which is read in windows."
        ) from error
    if image is None:
        raise ValueError(
            f"{path}: expected an image, received {data.size} bytes that cannot be decoded. "
            "Download or copy it again."
        )
    return image


def label_map_bytes(labels: np.ndarray) -> bytes:
    """The indexed PNG of a label map. The same labels give the same bytes.

    Raises:
        ValueError: not a label map, ``(H, W) uint8`` of ids 0..9, or an empty one.
    """
    if not check_labels(labels).size:
        raise ValueError(
            f"Expected a label map with at least one pixel. Received shape {labels.shape}."
        )
    picture = Image.fromarray(labels)
    picture.putpalette(PALETTE.tobytes())
    data = BytesIO()
    picture.save(data, "PNG", bits=8, compress_level=1, compress_type=zlib.Z_RLE)
    return data.getvalue()


def write_label_map(path: Path | str, labels: np.ndarray) -> None:
    """Write a label map as an indexed PNG, atomically; see :func:`label_map_bytes`."""
    try:
        data = label_map_bytes(labels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    write_bytes(path, data)


def read_label_map(path: Path | str) -> np.ndarray:
    """Read a label map: an indexed PNG, a grey image of ids, or one in (nearly) the class colours.

    Returns:
        ``(H, W) uint8``, ids 0..9.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or not an image, or has an id or a colour of no class.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a label map, there is none.")
    try:
        data = BytesIO(path.read_bytes())
        with Image.open(data) as picture:
            picture.verify()  # load() checks no checksum of a PNG's pixels
        with Image.open(data) as picture:
            picture.load()
            stored = np.array(picture)  # of an indexed picture: the indices
            if picture.mode == "L" or _has_class_colours(picture):
                return check_labels(stored, str(path))
            colours = np.array(picture.convert("RGB"))
    except ValueError:
        raise
    # the type of Pillow's error depends on the damage
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path}: expected a label map, received a file that cannot be decoded ({error}). "
            "Copy or make it again."
        ) from error
    # ids saved as grey RGB; as colours all of them are near black
    if 0 < colours.max() < NUM_CLASSES and (colours == colours[:, :, :1]).all():
        return np.ascontiguousarray(colours[:, :, 0])
    return colours_to_labels(colours, where=str(path))


def _has_class_colours(picture: Image.Image) -> bool:
    """Whether an image is indexed and its palette begins with the class colours."""
    palette = picture.getpalette() if picture.mode == "P" else None
    return palette is not None and palette[: PALETTE.size] == PALETTE.ravel().tolist()
