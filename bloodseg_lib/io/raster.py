"""Pictures decoded by Pillow: JPEG, PNG, BMP, GIF, WebP, AVIF, JPEG 2000, HEIC and their like.

OpenCV decodes what Pillow cannot, colours of 16 bits (of JPEG 2000, more than 8) and rare formats,
and JPEG faster.
"""

from __future__ import annotations

import contextlib
import math
import threading
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from bloodseg_lib.io.stored import (
    PREMULTIPLIED,
    STRAIGHT,
    Refused,
    Stored,
    check_size,
    chosen_page,
    converted,
    to_srgb,
)

# fmt: off
_FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP",
)
# fmt: on
_ONE_PICTURE = ("HEIF", "MPO")  # what follows are previews, depths, gains of a phone's picture
_EXTRA = {"LA": STRAIGHT, "RGBA": STRAIGHT, "La": PREMULTIPLIED, "RGBa": PREMULTIPLIED}
_AS_STORED = ("L", "RGB", "I", "F", "I;16", "I;16B", "I;16L", "I;16N", "RGBX", *_EXTRA)
_MICROSCOPE_UM = (0.01, 2.0)  # other pixel sizes are a printer's or a screen's
_SAME_SIDES = 0.02
_SRGB_XY = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # of white, red, green, blue
_SAME_XY = 0.005
_MOST_BYTES_A_PIXEL = 16
_ORIENTATION = 0x0112
_SAME_ROWS = 16  # of a JPEG: its blocks are of 8 or 16 rows
_opening = threading.Lock()


class _Unread(UnidentifiedImageError):
    """Pillow knows the format, but it is none of those that are read; the words name it."""


def note_pixel_size(stored: Stored, width_um: float, height_um: float) -> None:
    """Note a pixel size if it can be a microscope's; one that differs by direction is said."""
    if abs(width_um - height_um) > _SAME_SIDES * width_um:
        stored.notes.append(
            f"Its pixels are {width_um / height_um:.3g} times as wide as high, as the file says: "
            "no pixel size was taken. If cells look stretched, resample it to square pixels."
        )
    else:
        possible = _MICROSCOPE_UM[0] <= width_um <= _MICROSCOPE_UM[1]
        stored.pixel_size_um = width_um if possible else None


def read(path: Path, page: int | None, most_px: float) -> Stored:
    """Decode a picture that is not TIFF.

    Args:
        path: of the file.
        page: from 1; None: the only one.
        most_px: of more pixels it is refused before it is decoded.

    Raises:
        Refused: it is whole, but not one picture.
        Exception: of any type, by the damage.
    """
    if (size := path.stat().st_size) > most_px * _MOST_BYTES_A_PIXEL:
        raise Refused(
            f"expected up to {most_px / 1e6:g} megapixels. Received {size} bytes, more than they "
            "take. Allow more (--max-megapixels)."
        )
    data = path.read_bytes()
    try:
        picture = opened(BytesIO(data), most_px)
    except UnidentifiedImageError as error:
        try:
            return by_opencv(data)
        except ValueError:
            if isinstance(error, _Unread):
                raise Refused(
                    f"expected an image, received a picture of the kind {error}. Open it in an "
                    "image editor (GIMP, IrfanView) and export it as PNG."
                ) from error
            raise
    with picture:
        pages = _frames(picture)
        page = chosen_page(page, pages, "frames of {} x {}".format(*picture.size))
        if pages > 1:
            picture.seek(page - 1)
        decode = _DECODERS.get(picture.format or "")
        stored = (decode and decode(data, picture)) or of_pillow(picture)
        stored.page, stored.pages = page, pages
        if any("exif" in key.lower() or "xmp" in key.lower() for key in map(str, picture.info)):
            stored.orientation = picture.getexif().get(_ORIENTATION, 1)
        note_pixel_size(stored, *_pixel_size_um(picture))
        if picture.format == "PNG":
            _note_encoding(stored, data, picture)
        if picture.format in ("JPEG", "MPO") and (rows := _lost_rows(stored.array)):
            stored.notes.append(f"Its last {rows} rows are of one colour, as in a damaged file.")
    return stored


def _pixel_size_um(picture: Image.Image) -> tuple[float, float]:
    """Width and height of a pixel; in any unit if only their proportion is told, else NaN."""
    across, down = picture.info.get("dpi") or picture.info.get("aspect") or (0, 0)
    return (25400 / across, 25400 / down) if across and down else (math.nan, math.nan)


def _note_encoding(stored: Stored, data: bytes, picture: Image.Image) -> None:
    """Note how a PNG says that its values are light: without a profile, and if not sRGB."""
    if stored.profile or "srgb" in picture.info:
        return
    stored.gamma = float(picture.info.get("gamma", 0))
    red_to_blue = picture.info.get("chromaticity", _SRGB_XY)
    other = max(abs(a - b) for a, b in zip(red_to_blue, _SRGB_XY, strict=True)) > _SAME_XY
    if other or data.find(b"cICP", 0, max(0, data.find(b"IDAT"))) > 0:
        stored.notes.append("It tells of other primary colours than sRGB, which was ignored.")


def pages_of(path: Path) -> list[int]:
    """The numbers of the frames of a file."""
    with Image.open(path) as picture:
        return list(range(1, _frames(picture) + 1))


def _frames(picture: Image.Image) -> int:
    return 1 if picture.format in _ONE_PICTURE else getattr(picture, "n_frames", 1)


def opened(source: BinaryIO, most_px: float) -> Image.Image:
    """An open file as a picture of Pillow, not yet decoded. The checksums of a PNG are checked.

    Raises:
        Refused: it has too many pixels.
    """
    with _opening:
        pillow_s, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours is checked instead
        try:
            picture = Image.open(source)
            if picture.format not in _FORMATS:  # some run other programs, some know no damage
                raise _Unread(picture.format_description or picture.format)
            check_size(*picture.size, most_px)
            if picture.format == "PNG":
                picture.verify()  # load() checks none of the pixels' checksums
                source.seek(0)
                picture = Image.open(source)
        finally:
            Image.MAX_IMAGE_PIXELS = pillow_s
    return picture


def of_pillow(picture: Image.Image) -> Stored:
    """Decode a picture of Pillow, turned upright where Pillow did that."""
    notes: list[str] = []
    profile = picture.info.get("icc_profile") or b""
    if picture.mode in ("CMYK", "LAB") and profile:
        picture, profile = _in_srgb(picture, profile, notes), b""
    if "transparency" in picture.info or picture.mode == "PA":
        picture = picture.convert("RGBA")
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode == "LAB":
        lab = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        picture = lab.apply(picture)
    elif picture.mode not in _AS_STORED:
        picture = picture.convert("RGB")
    array = np.array(picture)
    if picture.mode == "I" and array.size and array.max() < 65536:
        array = array.astype(np.int64)
    return Stored(array, _EXTRA.get(picture.mode, ""), profile=profile, notes=notes)


def _in_srgb(picture: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    """A picture for print by its profile; as it is where that cannot be used."""
    try:
        name, transform = to_srgb(profile, picture.mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        transform = None
    if transform is None:
        return picture
    notes.append(converted(name))
    return transform.apply(picture)


def _deep_png(data: bytes, picture: Image.Image) -> Stored | None:
    """A PNG of 16 bits, of which Pillow would keep 8; None for another."""
    if data[24:25] != b"\x10":
        return None
    stored = by_opencv(data)
    stored.profile = picture.info.get("icc_profile") or b""
    at = data.find(b"sBIT", 0, max(0, data.find(b"IDAT")))
    if at > 0:
        stored.bits = max(data[at + 4 : at + 4 + data[at - 1]])
    return stored


def _deep_jpeg_2000(data: bytes, picture: Image.Image) -> Stored | None:
    """A JPEG 2000 of more than 8 bits, whose colours Pillow gives wrongly; None for another."""
    at = data.find(b"\xff\x4f\xff\x51") + 42  # the depth of its first channel
    if not 42 <= at < len(data) or (bits := (data[at] & 0x7F) + 1) <= 8:
        return None
    stored = by_opencv(data)
    stored.profile = picture.info.get("icc_profile") or b""
    stored.bits = bits if bits < 16 else 0
    return stored


def _jpeg(data: bytes, picture: Image.Image) -> Stored | None:
    """A JPEG decoded by OpenCV: to the same bytes as by Pillow, in half the time. None for one that
    it cannot decode, or not alike: Pillow tells what is wrong.
    """
    array: Any = None
    if picture.mode in ("L", "RGB"):
        with contextlib.suppress(cv2.error):
            array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.shape[:2] != picture.size[::-1]:
        return None
    colours = array if array.ndim == 2 else cv2.cvtColor(array, cv2.COLOR_BGR2RGB)
    return Stored(colours, profile=picture.info.get("icc_profile") or b"")


_DECODERS = {
    "PNG": _deep_png, "JPEG2000": _deep_jpeg_2000, "JPEG": _jpeg, "MPO": _jpeg
}  # fmt: skip


def by_opencv(file: bytes, page: int = 0) -> Stored:
    """Decode the bytes of a file by OpenCV.

    Raises:
        ValueError: it cannot either.
    """
    # imdecode, because imread knows no non-ASCII names on Windows
    data = np.frombuffer(file, np.uint8)
    array: Any = None
    try:
        if page:
            array = cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED, range=(page, page + 1))[1][0]
        else:
            array = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except (cv2.error, IndexError) as error:
        raise ValueError(f"OpenCV: {error}") from error
    if array is None:
        raise ValueError("no known format, or cut short")
    # of a PAM it gives red first
    if array.ndim == 3 and array.shape[2] in (3, 4) and not file.startswith(b"P7"):
        array = np.ascontiguousarray(array[:, :, [2, 1, 0, 3][: array.shape[2]]])
    return Stored(array, STRAIGHT if array.ndim == 3 and array.shape[2] == 4 else "")


def _lost_rows(array: np.ndarray) -> int:
    """How many rows at the end are of one colour, if there are as many as damage leaves."""
    last = array[-1, -1]
    if not all((array[-rows:] == last).all() for rows in (1, _SAME_ROWS)):
        return 0
    other = np.flatnonzero((array != last).any(axis=tuple(range(1, array.ndim))))
    return len(array) - 1 - int(other[-1]) if len(other) else 0
