"""Formats of files by their first bytes: what is a picture, and how to export what is none yet."""

from __future__ import annotations

from pathlib import Path

# fmt: off
IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm",
    ".svs", ".tif", ".tiff", ".webp",
)
"""Suffixes of image files that are read, in lower case."""

FOREIGN_SUFFIXES = (
    ".bif", ".cr2", ".cr3", ".czi", ".dcm", ".dng", ".ets", ".jxl", ".lif", ".mrxs", ".nd2",
    ".ndpi", ".nef", ".oib", ".oif", ".vsi", ".zvi",
)
"""Suffixes of microscope and camera formats that are refused with a word on how to export them."""
# fmt: on

_FIJI = "Open it in Fiji (File > Import > Bio-Formats) and save it as TIFF"
_QUPATH = "Open it in QuPath and export it (File > Export images > Rendered RGB) as TIFF"
_CAMERA = "Export it as TIFF or JPEG with the camera's program"
_FILM = "Save single pictures of it as PNG"

# offset, first bytes, name, how to export
_SIGNATURES = (
    (0, b"ZISRAWFILE", "a Zeiss CZI file", f"Export it as TIFF in ZEN, or: {_FIJI}"),
    (0, b"\xda\xce\xbe\x0a", "a Nikon ND2 file", f"Export it in NIS-Elements, or: {_FIJI}"),
    (0, b"\x70\x00\x00\x00", "a Leica LIF file", f"Export it as TIFF in LAS X, or: {_FIJI}"),
    (0, b"SIS\x00", "an Olympus ETS file, which belongs to a VSI file", _FIJI),
    (0, b"\xd0\xcf\x11\xe0", "a compound file (Zeiss ZVI, Olympus OIB or Office)", _FIJI),
    (128, b"DICM", "a DICOM file", f"Export it as PNG in the viewer that shows it, or: {_FIJI}"),
    (0, b"\x89HDF", "an HDF5 file (Imaris, ilastik)", _FIJI),
    (0, b"SIMPLE  =", "a FITS file", _FIJI),
    (0, b"%PDF", "a PDF document", "Save its pictures as PNG"),
    (0, b"%!PS", "a PostScript document", "Save it as PNG"),
    (0, b"8BPS", "a Photoshop document", "Save it as PNG or TIFF in one layer"),
    (0, b"gimp xcf", "a GIMP document", "Export it as PNG"),
    (0, b"PK\x03\x04", "an archive (ZIP) or an Office document", "Unpack it"),
    (0, b"\x1f\x8b", "an archive (gzip)", "Unpack it"),
    (0, b"7z\xbc\xaf", "an archive (7z)", "Unpack it"),
    (0, b"Rar!", "an archive (RAR)", "Unpack it"),
    (0, b"<!DOCTYPE", "a web page", "Download the picture itself"),
    (0, b"<html", "a web page", "Download the picture itself"),
    (0, b"<svg", "a drawing (SVG)", "Export it as PNG"),
    (0, b"<?xml", "an XML document", "Give the picture that belongs to it"),
    (0, b"\xff\x0a", "a JPEG XL picture", "Save it as PNG"),
    (4, b"JXL ", "a JPEG XL picture", "Save it as PNG"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file", _CAMERA),
    (8, b"CR\x02", "a camera's raw file", _CAMERA),
    (4, b"ftypcrx ", "a camera's raw file", _CAMERA),
    (8, b"AVI ", "a film", _FILM),
    (0, b"\x1aE\xdf\xa3", "a film", _FILM),
    (4, b"moov", "a film", _FILM),
)
# formats that look like another one, or hold no picture themselves
_BY_SUFFIX = {
    ".vsi": ("an Olympus VSI file, whose pixels lie in a folder beside it", _FIJI),
    ".mrxs": ("a 3DHISTECH MRXS slide, whose pixels lie in a folder beside it", _QUPATH),
    ".ndpi": ("a Hamamatsu NDPI slide", _QUPATH),
    ".bif": ("a Ventana BIF slide", _QUPATH),
    ".dng": ("a camera's raw file", _CAMERA),
    ".nef": ("a camera's raw file", _CAMERA),
    ".oif": ("an Olympus OIF file, whose pixels lie in a folder beside it", _FIJI),
}
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_PICTURES = (b"avif", b"avis", *_HEIF)


def is_heif(head: bytes) -> bool:
    """Whether a file is a HEIF picture (HEIC, a phone's), by its first bytes."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF and b"avif" not in head[8:40]


def foreign(path: Path, head: bytes) -> str:
    """What a file is that is no picture this program reads, and how to export it; else empty.

    Args:
        path: of the file.
        head: its first 160 bytes, or all.

    Examples:
        >>> foreign(Path("a.png"), b"%PDF-1.7")
        'a PDF document. Save its pictures as PNG.'
        >>> foreign(Path("a.png"), b"PNG")
        ''
    """
    if found := _BY_SUFFIX.get(path.suffix.lower()):
        return "{}. {}.".format(*found)
    for offset, start, name, export in _SIGNATURES:
        if head[offset : offset + len(start)].lower() == start.lower():
            return f"{name}. {export}."
    if head[4:8] == b"ftyp" and head[8:12] not in _PICTURES:
        return f"a film. {_FILM}."
    return ""
