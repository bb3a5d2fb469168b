"""A picture as a decoder gives it, and its way to upright 8-bit RGB: depth, polarity, transparency,
colour profile, orientation. What is done or ignored is said in a note.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

STRAIGHT, PREMULTIPLIED = "straight", "premultiplied"
"""Two kinds of alpha: colours are to be multiplied by it, or are multiplied already."""
TURNED = "It was turned upright, as the file says."

_BAND_ROWS = 512
_DEPTHS = (8, 10, 12, 14, 16)
_SAME_ALPHA = 5  # of 255
_SRGB_GAMMA, _SAME_GAMMA = 2.2, 0.03
_MOST_OUTSIDE = 0.01  # of the values of a picture in real numbers
_LEAST = 0.25  # of white, beneath black: of a picture from -1 to 1 few pixels are dark
_CUBE = np.indices((6, 6, 6)).T.reshape(36, 6, 3).astype(np.uint8) * 51  # colours evenly spread
_AS_SRGB = 3  # grey levels that rounding and old tables leave
_LEAST_OF_255 = 16  # less at most, and such a picture is not from 0 to 255
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda image: image[::-1, ::-1],
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: np.rot90,
}


class Refused(ValueError):
    """A file that is whole, but that one picture cannot be made of; the words follow its name."""


def chosen_page(page: int | None, pages: int, what: str) -> int:
    """The page to read, from 1.

    Args:
        page: that was asked for; None: the only one.
        pages: how many there are.
        what: they are called, and their size, for people.

    Raises:
        Refused: none is chosen of several, or there is no such page.
    """
    if page is None and pages > 1:
        raise Refused(
            f"expected one picture. Received {pages} {what}. Choose one (--page 1 to {pages}), or "
            "take each for a picture of its own (--page all)."
        )
    if page is not None and not 1 <= page <= pages:
        raise Refused(f"expected a page from 1 to {pages}. Received --page {page}.")
    return page or 1


def check_size(width: int, height: int, most_px: float) -> None:
    """Refuse a picture of too many pixels, before any is decoded.

    Raises:
        Refused: it has more.
    """
    if width * height > most_px:
        raise Refused(
            f"expected up to {most_px / 1e6:g} megapixels. Received {width} x {height}. Cut it in "
            "parts, save it as TIFF without compression, which is read in windows, or allow more "
            "(--max-megapixels)."
        )


@dataclass(eq=False)
class Stored:
    """A picture as it is stored.

    Attributes:
        array: ``(H, W)`` or ``(H, W, C)`` of 1, 3 colours, and perhaps one more sample; any number
            type. May be memory-mapped.
        extra: what the sample after the colours is, :data:`STRAIGHT` or :data:`PREMULTIPLIED`;
            empty: the file does not tell, or there is none.
        bits: significant bits of a sample; 0: the file does not tell.
        white_is_zero: whether 0 is white.
        profile: the ICC profile, or nothing.
        gamma: exponent from light to values, where a PNG tells one; 0: it does not.
        orientation: 1..8, as in EXIF and TIFF; 1: upright.
        page, pages: of the file, from 1.
        pixel_size_um: as the file tells; None: it does not.
        objective: magnification; None: the file does not tell.
        notes: sentences of what was ignored.
    """

    array: np.ndarray
    extra: str = ""
    bits: int = 0
    white_is_zero: bool = False
    profile: bytes = b""
    gamma: float = 0.0
    orientation: int = 1
    page: int = 1
    pages: int = 1
    pixel_size_um: float | None = None
    objective: float | None = None
    notes: list[str] = field(default_factory=list)

    def finished(self) -> np.ndarray:
        """The picture as ``(H, W, 3) uint8`` RGB, upright. A memory-mapped one stays mapped.

        Raises:
            Refused: values that are no picture's.
        """
        colours, alpha = self._split()
        colours, self.bits = _eight_bits(colours, self.bits, self.white_is_zero, self.notes)
        if self.white_is_zero:
            colours = 255 - colours
        if self.profile:
            colours = self._in_srgb(colours)
        if self.gamma > 0 and abs(self.gamma * _SRGB_GAMMA - 1) > _SAME_GAMMA:
            self.notes.append(f"Its values, of gamma {self.gamma:.3g}, were converted to sRGB.")
            colours = _srgb_curve(self.gamma)[colours]
        if colours.shape[2] == 1:
            colours = np.repeat(colours, 3, axis=2)
        if alpha is not None and (opaque := _eight_bits(alpha, 0, False, [])[0]).min() < 255:
            colours = self._seen_through(colours, opaque)
        if turn := _UPRIGHT.get(self.orientation):
            self.notes.append(TURNED)
            colours = turn(colours)
        mapped = isinstance(self.array, np.memmap) and np.may_share_memory(colours, self.array)
        return colours if mapped else np.ascontiguousarray(colours)

    def _split(self) -> tuple[np.ndarray, np.ndarray | None]:
        """``(H, W, 1 or 3)`` colours, and ``(H, W, 1)`` alpha where there is one."""
        if self.array.ndim not in (2, 3) or not self.array.size:
            raise Refused(
                "expected a picture, (height, width) or (height, width, channels). Received an "
                f"array of {self.array.shape}. Save one picture of it."
            )
        array = self.array if self.array.ndim > 2 else self.array[:, :, None]
        channels = array.shape[2]
        if channels not in (1, 2, 3, 4):
            raise Refused(
                "expected 1 to 4 channels: grey or red, green, blue, and perhaps alpha. Received "
                f"{channels}. Export it as an RGB picture."
            )
        colours, more = array[:, :, : channels - (channels % 2 == 0)], array[:, :, -1:]
        if channels % 2:
            return colours, None
        if self.extra not in (STRAIGHT, PREMULTIPLIED):
            self.notes.append("A further channel, which the file does not explain, was ignored.")
            return colours, None
        if not more.any():
            self.notes.append("It is transparent everywhere: that was taken for a mistake.")
            return colours, None
        return colours, more

    def _seen_through(self, colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Over white, or as it is where nothing stands out by the alpha."""
        if (most := int(alpha.max())) - int(alpha.min()) <= _SAME_ALPHA and most < 255:
            self.notes.append("It is as transparent everywhere: that was taken for a mistake.")
            if self.extra == PREMULTIPLIED:
                return np.minimum(colours * (255 / most), 255).round().astype(np.uint8)
            return colours
        self.notes.append("Its transparent parts were made white.")
        opaque = alpha.astype(np.uint16)
        if self.extra == PREMULTIPLIED:
            return np.minimum(colours + (255 - opaque), 255).astype(np.uint8)
        return ((colours * opaque + 255 * (255 - opaque) + 127) // 255).astype(np.uint8)

    def _in_srgb(self, colours: np.ndarray) -> np.ndarray:
        if colours.shape[2] == 1:  # grey curves are nearly that of sRGB, and grey shows no stain
            return colours
        try:
            name, transform = to_srgb(self.profile, "RGB")
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            self.notes.append(f"Its colour profile cannot be used and was ignored ({error}).")
            return colours
        if transform is None:
            return colours
        self.notes.append(converted(name))
        done = np.empty(colours.shape, np.uint8)
        for top in range(0, len(done), _BAND_ROWS):
            band = np.ascontiguousarray(colours[top : top + _BAND_ROWS])
            done[top : top + _BAND_ROWS] = np.array(transform.apply(Image.fromarray(band)))
        return done


@lru_cache(maxsize=8)
def _srgb_curve(gamma: float) -> np.ndarray:
    """Of each value that light to the power of ``gamma`` that of sRGB, ``(256,) uint8``."""
    light = (np.arange(256) / 255) ** (1 / gamma)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * curve).astype(np.uint8)


def converted(profile: str) -> str:
    """The note on a colour profile that was applied."""
    return f"Its colours were converted from the profile {profile} to sRGB."


@lru_cache(maxsize=8)
def to_srgb(profile: bytes, mode: str) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The name of an ICC profile, and the transform from it; None for one that is as sRGB. The name
    does not tell: "linear sRGB" has other values.

    Args:
        profile: its bytes.
        mode: Pillow's, of the picture: RGB, CMYK.

    Raises:
        ImageCms.PyCMSError, OSError, ValueError: it is damaged, or of another kind of picture.
    """
    own = ImageCms.ImageCmsProfile(BytesIO(profile))
    name = ImageCms.getProfileDescription(own).strip()
    transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB":
        there = np.array(transform.apply(Image.fromarray(_CUBE))).astype(int)
        if np.abs(there - _CUBE).max() <= _AS_SRGB:
            return name, None
    return name, transform


def _eight_bits(
    array: np.ndarray, bits: int, white_is_zero: bool, notes: list[str]
) -> tuple[np.ndarray, int]:
    """The array as ``uint8``, and its significant bits."""
    if array.dtype == bool:
        return array.astype(np.uint8) * 255, 1
    if array.dtype == np.uint8:
        if 0 < bits < 8:
            most = 2**bits - 1
            array = ((array.astype(np.uint16) * 255 + most // 2) // most).astype(np.uint8)
        return array, bits or 8
    if not array.size:
        return array.astype(np.uint8), 8
    least, most = array.min(), array.max()
    if array.dtype.kind == "f" and np.isfinite([least, most]).all():
        few = _MOST_OUTSIDE * array.size
        for white in (1, 255):  # enlarging and sharpening leave a little outside
            few_outside = np.sum(array < -0.05 * white) + np.sum(array > 1.1 * white) <= few
            if few_outside and least >= -_LEAST * white and (white == 1 or most > _LEAST_OF_255):
                cut = "" if least >= 0 and most <= white else ", what is outside cut off"
                notes.append(f"Its values, 0 to {white}, were taken for black to white{cut}.")
                return np.rint(np.clip(array, 0, white) * (255 / white)).astype(np.uint8), 32
    if array.dtype.kind == "f" and np.isnan(least):
        pixels = np.isnan(array).reshape(*array.shape[:2], -1).any(axis=2)
        raise Refused(
            f"expected a number in every pixel. Received none (NaN) in {pixels.sum()} pixels of "
            f"{pixels.size}. Fill them, and save it as an 8-bit PNG."
        )
    dim = array.dtype.kind == "f" and most <= _LEAST_OF_255 and (array != np.rint(array)).any()
    if array.dtype.kind not in "uif" or dim or not (least >= 0 and most < 65536):  # also if NaN
        raise Refused(
            f"expected whole values of 8 to 16 bits, or 0 to 1. Received {array.dtype} from "
            f"{least:g} to {most:g}. Save it as an 8-bit PNG."
        )
    told = 8 <= bits <= 16 and most < 2**bits
    # no camera leaves two bits of its range unused
    by_values = 16 if white_is_zero else next(n for n in _DEPTHS if most < 2**n)
    if array.dtype == np.int16:  # a sign leaves 15
        by_values = min(by_values, 15)
    used = bits if told else by_values
    if not told and used < 16:
        notes.append(f"Its values, {most:g} at most, were taken for {used} bits.")
    eight = np.empty(array.shape, np.uint8)
    for top in range(0, len(array), _BAND_ROWS):  # to stay low in memory
        eight[top : top + _BAND_ROWS] = array[top : top + _BAND_ROWS].astype(np.uint16) >> used - 8
    return eight, used
