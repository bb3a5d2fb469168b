"""TIFF and its kin - OME, ImageJ, pyramids, slides of scanners - understood by tifffile.

tifffile decodes what needs no further package, Pillow what is compressed otherwise, OpenCV what is
compressed and of 16 bits.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from bloodseg_lib.io import raster
from bloodseg_lib.io.stored import PREMULTIPLIED, STRAIGHT, Refused, Stored, check_size, chosen_page
from bloodseg_lib.io.tiff_metadata import COLOURS, channels, measure

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAPPED_BYTES = 2**26
"""Pictures larger than this are memory-mapped where their format allows."""

_SMALL = 1 / 3  # of the largest picture's area: less is a preview, a label or a pyramid's level
_PREVIEWS = ("Label", "Macro", "Thumbnail")
_AXES = {"Z": "focal planes", "T": "time points", "C": "channels"}
_RAW = (32803, 34892)  # photometric interpretations of a camera's raw data
_MASK = 4  # a kind of page, and a photometric interpretation
_MAX_SAMPLE, _ICC, _ORIENTATION = 281, 34675, 274
_RGB = 2
_PLAIN = (0, 1, _RGB)  # white is zero, black is zero, RGB: what tifffile gives needs no conversion


@dataclass(frozen=True)
class _Frame:
    """One picture of a file: a place along the axes of a series that are neither place nor colour.

    Attributes:
        series: of tifffile.
        number: of the series in the file.
        index: along all axes but the picture's own; a slice where the axis is colour.
        what: the axis that there are several pictures along, for people.
    """

    series: Any
    number: int
    index: tuple[int | slice, ...]
    what: str

    @property
    def area(self) -> int:
        """In pixels."""
        return math.prod(_shape(self.series))


def read(path: Path, page: int | None, level: int, most_px: float) -> Stored:
    """Decode a picture of a TIFF file.

    Args:
        path: of the file.
        page: from 1, in the order of the file; None: the only one, or the only large one.
        level: of a pyramid; 0: the largest.
        most_px: of more pixels it is refused before it is decoded.

    Raises:
        Refused: it is whole, but not one picture, or not one of light.
        Exception: of any type, by the damage.
    """
    notes: list[str] = []
    with _faults(notes), tifffile.TiffFile(path) as file:
        frames = _frames(file)
        large = _large(frames)
        if page is None and len(large) == 1 < len(frames):
            (page,) = large
            notes.append(f"Page {page} was read, the largest; {len(frames) - 1} smaller not.")
        height, width = _shape(frames[-1].series)
        page = chosen_page(page, len(frames), f"{frames[-1].what} of {width} x {height}")
        frame = frames[page - 1]
        levels = frame.series.levels
        if not 0 <= level < len(levels):
            raise Refused(f"expected a level from 0 to {len(levels) - 1}. Received {level}.")
        series = levels[level]
        stored = _decoded(path, file, series, frame, most_px)
        stored.page, stored.pages = page, len(frames)
        stored.notes[:0] = dict.fromkeys(notes)
        reduced = _shape(frame.series)[1] / _shape(series)[1]
        measure(file, frame.series.keyframe, frame.number, stored, reduced)
    return stored


@contextlib.contextmanager
def _faults(notes: list[str]) -> Iterator[None]:
    """Note what tifffile logs of faults that it passes over, in place of printing it."""
    logger, handler = logging.getLogger("tifffile"), logging.Handler()
    handler.emit = lambda record: notes.append(  # type: ignore[method-assign]
        f"The file has a fault, and may be damaged: {record.getMessage()}."
    )
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _frames(file: Any) -> list[_Frame]:
    """All pictures of a file but previews and masks."""
    frames = []
    for number, series in enumerate(file.series):
        axes, page = series.axes, series.keyframe
        is_mask = page.subfiletype & _MASK or page.photometric == _MASK
        if series.name in _PREVIEWS or is_mask or not {"Y", "X"} <= {*axes}:
            continue
        colour = "C" if "S" not in axes and series.shape[axes.find("C")] == 3 else "S"
        sizes = [
            1 if a in ("Y", "X", colour) else n for a, n in zip(axes, series.shape, strict=True)
        ]
        several = [a for a, n in zip(axes, sizes, strict=True) if n > 1]
        what = " and ".join(_AXES.get(a, "pages") for a in several) or "pages"
        for place in np.ndindex(*sizes):
            index = tuple(slice(None) if n == 1 else i for i, n in zip(place, sizes, strict=True))
            frames.append(_Frame(series, number, index, what))
    if not frames:
        raise ValueError("no picture in it")
    return frames


def _large(frames: Sequence[_Frame]) -> list[int]:
    least = _SMALL * max(frame.area for frame in frames)
    return [number for number, frame in enumerate(frames, 1) if frame.area >= least]


def _shape(series: Any) -> tuple[int, int]:
    """Height and width."""
    height, width = (int(series.shape[series.axes.index(axis)]) for axis in "YX")
    return height, width


def _decoded(path: Path, file: Any, series: Any, frame: _Frame, most_px: float) -> Stored:
    """One picture at a level of a series, memory-mapped if it is large and lies there as it is."""
    index = frame.index
    page = series.keyframe
    plain = page.photometric in _PLAIN
    if page.photometric in _RAW:
        raise Refused("expected a picture. Received a camera's raw file. Export it as TIFF.")
    if plain and page.photometric != _RGB and page.samplesperpixel > 3:
        raise Refused(
            "expected 1 to 3 channels, or 4 that are said to be RGB and alpha. Received "
            f"{page.samplesperpixel} channels. Export it as an RGB picture."
        )
    height, width = _shape(series)
    axes = [axis for axis, i in zip(series.axes, index, strict=True) if isinstance(i, slice)]
    mappable = plain and series.dataoffset is not None
    if not mappable or height * width * page.samplesperpixel <= _MAPPED_BYTES:
        check_size(width, height, most_px)
    if mappable:
        _check_whole(file, [series.dataoffset], [series.nbytes])
        dtype = np.dtype(file.byteorder + series.dtype.char)
        array = file.filehandle.memmap_array(dtype, series.shape, series.dataoffset, mode="c")
        array = array[index]
        stored = _plain(page, array if array.nbytes > _MAPPED_BYTES else np.array(array))
    else:
        leading = len(series.axes) - len(page.axes)
        numbers = np.arange(math.prod(series.shape[:leading])).reshape(series.shape[:leading])
        chosen = np.ravel(numbers[index[:leading]]).tolist()
        planes = [_page(path, file, series.pages[number], page) for number in chosen]
        stored = planes[0]
        if len(planes) > 1:
            stored.array, axes = np.stack([plane.array for plane in planes]), ["C", "Y", "X"]
        elif len(axes) != stored.array.ndim or stored.array.shape[-1] in (3, 4):  # by Pillow
            axes = ["Y", "X", "S"][: stored.array.ndim]
    if len(axes) == 3 and "C" in axes and stored.array.shape[axes.index("C")] == 3:
        names = channels(file, frame.number)
        order = [names.index(name) for name in COLOURS if name in names]
        if len(order) == 3:
            if order != [0, 1, 2]:
                stored.array = stored.array.take(order, axis=axes.index("C"))
        else:
            named = f", {', '.join(names)}," if any(names) else ""
            stored.notes.append(f"Its three channels{named} were taken for red, green and blue.")
    places = [axes.index("Y"), axes.index("X")]
    others = [i for i in range(len(axes)) if i not in places]
    array = stored.array.transpose(*places, *others)
    stored.array = array.reshape(*array.shape[:2], -1) if others else array
    return stored


def _plain(page: Any, array: np.ndarray) -> Stored:
    """What tifffile decoded, with what the page says of it."""
    extra = {1: PREMULTIPLIED, 2: STRAIGHT}.get(next(iter(page.extrasamples), 0), "")
    bits = page.bitspersample if page.bitspersample not in (8, 16, 32, 64) else 0
    most = page.tags.valueof(_MAX_SAMPLE)
    if array.dtype.kind == "u" and array.itemsize == 2 and isinstance(most, int):
        bits = max(8, most.bit_length())
    return Stored(
        array,
        extra,
        bits,
        white_is_zero=page.photometric == 0 and page.samplesperpixel < 3,  # untold reads as 0
        profile=page.tags.valueof(_ICC) or b"",
        orientation=page.tags.valueof(_ORIENTATION, 1),
    )


def _page(path: Path, file: Any, page: Any, keyframe: Any) -> Stored:
    """One page of a file, decoded by whom can."""
    _check_whole(file, page.dataoffsets, page.databytecounts)
    if keyframe.photometric in _PLAIN:
        try:  # first, because Pillow checks no checksum of what zlib packed
            array = page.asarray()
        except (ValueError, ImportError, NotImplementedError) as error:
            if isinstance(error, ValueError) and "imagecodecs" not in str(error):
                raise
        else:
            planes = keyframe.axes == "SYX"
            return _plain(keyframe, np.moveaxis(array, 0, -1) if planes else array)
    at_top = isinstance(page.index, int)
    if at_top and keyframe.bitspersample <= 8:
        with path.open("rb") as source, raster.opened(source, math.inf) as picture:
            picture.seek(page.index)
            picture.load()  # turns it upright
            return raster.of_pillow(picture)
    if at_top and keyframe.planarconfig == 1 and keyframe.photometric in _PLAIN:
        return _plain(keyframe, raster.by_opencv(path.read_bytes(), page.index).array)
    raise Refused(
        f"expected a compression that needs no further package. Received {keyframe.compression!s}. "
        "Run `pip install imagecodecs`, or save it without compression."
    )


def _check_whole(file: Any, offsets: Sequence[int], sizes: Sequence[int]) -> None:
    """Refuse a file that ends before its data does.

    Raises:
        ValueError: it does.
    """
    end = max((at + size for at, size in zip(offsets, sizes, strict=False)), default=0)
    if end > file.filehandle.size or not end:
        raise ValueError(f"its data end at byte {end}, the file before")


def large_pages(path: Path) -> list[int]:
    """The numbers of the pages of a file but previews and smaller levels of a pyramid."""
    with _faults([]), tifffile.TiffFile(path) as file:
        return _large(_frames(file))
