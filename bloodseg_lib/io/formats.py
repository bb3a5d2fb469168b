"""Formats of files by their first bytes: what is a picture, and how to export what is none yet."""

from __future__ import annotations

import codecs
import os
import re
import stat
import unicodedata
from pathlib import Path

# fmt: off
IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm",
    ".svs", ".tif", ".tiff", ".webp",
)
"""Suffixes of image files that are read, in lower case."""

_RAW_SUFFIXES = (
    ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw",
)
FOREIGN_SUFFIXES = (
    *_RAW_SUFFIXES, ".bif", ".czi", ".dcm", ".dds", ".eps", ".ets", ".exr", ".ico", ".jxl", ".lif",
    ".mrxs", ".nd2", ".ndpi", ".oib", ".oif", ".pcx", ".psd", ".qoi", ".tga", ".vsi", ".zvi",
)
"""Suffixes of pictures that are refused with a word on how to export them."""
# fmt: on

_FIJI = "Open it in Fiji (File > Import > Bio-Formats) and save it as TIFF"
_QUPATH = "Open it in QuPath and export it (File > Export images > Rendered RGB) as TIFF"
_CAMERA = "Export it as TIFF or JPEG with the camera's program"
_RAW = ("a camera's raw file", _CAMERA)
_FILM = ("a film", "Save single pictures of it as PNG")
_PNG = "Open it in an image editor (GIMP, IrfanView) and export it as PNG"
_PAGE = ("a web page", "Download the picture itself")
_UNPACK = "Unpack it"
_OFFICE = f"{_UNPACK}, or save its table as CSV"

# offset, first bytes, name, how to export
_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"ZISRAWFILE", "a Zeiss CZI file", f"Export it as TIFF in ZEN, or: {_FIJI}"),
    (0, b"\xda\xce\xbe\x0a", "a Nikon ND2 file", f"Export it in NIS-Elements, or: {_FIJI}"),
    (0, b"\x70\x00\x00\x00", "a Leica LIF file", f"Export it as TIFF in LAS X, or: {_FIJI}"),
    (0, b"SIS\x00", "an Olympus ETS file, which belongs to a VSI file", _FIJI),
    (0, b"\xd0\xcf\x11\xe0", "a compound file (Zeiss ZVI, Olympus OIB or Office)", _FIJI),
    (128, b"DICM", "a DICOM file", f"Export it as PNG in the viewer that shows it, or: {_FIJI}"),
    (0, b"\x89HDF", "an HDF5 file (Imaris, ilastik)", _FIJI),
    (0, b"SIMPLE  =", "a FITS file", _FIJI),
    (0, b"%PDF", "a PDF document", "Save its pictures as PNG"),
    (0, b"%!PS", "a PostScript document (EPS)", "Export it as PNG"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document (EPS)", "Export it as PNG"),
    (0, b"8BPS", "a Photoshop document (PSD)", "Save it as PNG or TIFF in one layer"),
    (0, b"gimp xcf", "a GIMP document", "Export it as PNG"),
    (0, b"PK\x03\x04", "an archive (ZIP) or an Office document", _OFFICE),
    (0, b"\x1f\x8b", "an archive (gzip)", _UNPACK),
    (0, b"BZh", "an archive (bzip2)", _UNPACK),
    (0, b"\xfd7zXZ", "an archive (xz)", _UNPACK),
    (0, b"7z\xbc\xaf", "an archive (7z)", _UNPACK),
    (0, b"Rar!", "an archive (RAR)", _UNPACK),
    (257, b"ustar", "an archive (tar)", _UNPACK),
    (0, b"\xff\x0a", "a JPEG XL picture", _PNG),
    (4, b"JXL ", "a JPEG XL picture", _PNG),
    (0, b"II\xbc\x01", "a JPEG XR picture", _PNG),
    (0, b"\x0a\x00\x01", "a PCX picture", _PNG),
    (0, b"\x0a\x02\x01", "a PCX picture", _PNG),
    (0, b"\x0a\x03\x01", "a PCX picture", _PNG),
    (0, b"\x0a\x05\x01", "a PCX picture", _PNG),
    (0, b"qoif", "a QOI picture", _PNG),
    (0, b"DDS ", "a DDS texture", _PNG),
    (0, b"v/1\x01", "an OpenEXR picture", _PNG),
    (0, b"#?R", "a Radiance HDR picture", _PNG),
    (0, b"\0\0\1\0", "an icon (ICO)", _PNG),
    (0, b"icns", "an icon (ICNS)", _PNG),
    (0, b"AT&TFORM", "a DjVu document", "Save its pictures as PNG"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)", "Export it as PNG"),
    (40, b" EMF", "a Windows metafile (EMF)", "Export it as PNG"),
    (0, b"L\0\0\0\x01\x14\x02\0", "a shortcut of Windows", "Give the picture it leads to"),
    (0, b"\0\x05\x16\x07", "a resource fork of macOS", "Give the picture without the ._"),
    (0, b"FUJIFILMCCD-RAW", *_RAW),
    (0, b"IIRO", *_RAW),
    (0, b"IIRS", *_RAW),
    (0, b"MMOR", *_RAW),
    (0, b"IIU\0", *_RAW),
    (8, b"CR\x02", *_RAW),
    (4, b"ftypcrx ", *_RAW),
    (8, b"AVI ", *_FILM),
    (0, b"\x1aE\xdf\xa3", *_FILM),
    (0, b"0&\xb2u\x8ef\xcf\x11", *_FILM),
    (0, b"FLV\x01", *_FILM),
    (0, b"\0\0\1\xba", *_FILM),
    (0, b"\0\0\1\xb3", *_FILM),
    (4, b"moov", *_FILM),
    (4, b"mdat", *_FILM),
)
# what text files begin with, after a byte order mark and white space; name, how to mend
_TEXTS = (
    (r"version https://git-lfs", "a Git LFS pointer in its place", "Run git lfs pull"),
    (r"<[^?].*<svg|<svg|<\?xml.*<svg", "a drawing (SVG)", "Export it as PNG"),
    (r"(<\?xml.*?\?>|<!--.*?-->|\s)*<(!doctype html|html|head|body|title|meta|script|p)\b", *_PAGE),
    (r"<", "an XML document", "Give the picture that belongs to it"),
    (r"[{\[]\s*([\"'{\[\d\]}]|$)", "a JSON document", "Give or download the picture itself"),
    (r"%!ps", "a PostScript document (EPS)", "Export it as PNG"),
    (r"(?!p[1-7fF]\b|x?\s?#define|/\* xpm)", "a text", "Give or download the picture itself"),
)
# formats that look like another one, have no signature, or hold no picture themselves
_BY_SUFFIX = {
    ".vsi": ("an Olympus VSI file, whose pixels lie in a folder beside it", _FIJI),
    ".mrxs": ("a 3DHISTECH MRXS slide, whose pixels lie in a folder beside it", _QUPATH),
    ".ndpi": ("a Hamamatsu NDPI slide", _QUPATH),
    ".bif": ("a Ventana BIF slide", _QUPATH),
    ".oif": ("an Olympus OIF file, whose pixels lie in a folder beside it", _FIJI),
    ".tga": ("a TGA picture", _PNG),
    **dict.fromkeys(_RAW_SUFFIXES, _RAW),
}
# suffixes of them whose files begin as TIFF or JPEG do, and yet are none
_TIFF_INSIDE = (".vsi", ".ndpi", ".bif", *_RAW_SUFFIXES)
_JPEG_INSIDE = (".mrxs",)
_KINDS = (
    (0, b"\x89PNG\r\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (4, b"jP  \r\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"BM", "BMP"),
)
_NO_FILES = (
    (stat.S_ISDIR, "this is a folder"),
    (stat.S_ISFIFO, "this is a pipe and no regular file"),
    (stat.S_ISSOCK, "this is a socket and no regular file"),
    (stat.S_ISCHR, "this is a device and no regular file"),
    (stat.S_ISBLK, "this is a device and no regular file"),
)
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_PICTURES = (b"avif", b"avis", *_HEIF)
_ADDRESS = re.compile(r"\w{2,}:/")
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
_ANY_CASE = re.IGNORECASE | re.DOTALL


def kind_of(head: bytes) -> str:
    """The name of the kind of picture that a file begins as; empty: of none, or a rare one.

    Args:
        head: its first KiB, or all.

    Examples:
        >>> kind_of(b"\\x89PNG\\r\\n\\x1a\\n"), kind_of(b"path,patient")
        ('PNG', '')
    """
    if not _CONTROL.search(head):  # "BMW_1.png", the first line of a list
        return ""
    for offset, start, name in _KINDS:
        if head[offset : offset + len(start)] == start:
            return name
    return "HEIC" if is_heif(head) else "AVIF" if head[4:10] == b"ftypav" else ""


def is_heif(head: bytes) -> bool:
    """Whether a file is a HEIF picture (HEIC, a phone's), by its first bytes."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF and b"avif" not in head[8:40]


def foreign(path: Path, head: bytes) -> str:
    """What a file is that is no picture this program reads, and how to export it; else empty.

    Args:
        path: of the file.
        head: its first KiB, or all.

    Examples:
        >>> foreign(Path("a.png"), b"%PDF-1.7")
        'a PDF document. Save its pictures as PNG.'
        >>> foreign(Path("a.png"), b"\\x89PNG")
        ''
    """
    suffix, kind = path.suffix.lower(), kind_of(head)
    inside = {"": tuple(_BY_SUFFIX), "TIFF": _TIFF_INSIDE, "JPEG": _JPEG_INSIDE}
    if suffix in inside.get(kind, ()):
        return "{}. {}.".format(*_BY_SUFFIX[suffix])
    for offset, start, name, export in _SIGNATURES:
        if head[offset : offset + len(start)].lower() == start.lower():
            return f"{name}. {export}."
    if head[4:8] == b"ftyp" and head[8:12] not in _PICTURES:
        return "{}. {}.".format(*_FILM)
    if text := _text(head):
        for kind, name, export in _TEXTS:
            if re.match(kind, text, _ANY_CASE):
                return f"{name}. {export}."
    return ""


def _text(head: bytes) -> str:
    """The beginning of a text file, without byte order mark and blanks; of another: nothing."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) & ~1].decode("utf-16", "replace").strip()
    if _CONTROL.search(head):
        return ""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head).strip()  # cut in a letter
    except UnicodeDecodeError:
        text = head.decode("latin-1").strip()
        return text if text.startswith("<") else ""
    return text


def is_file(path: Path) -> bool:
    """Whether there is such a file: not of a name that none can have, or nobody may look at."""
    return os.path.isfile(path)  # noqa: PTH113 - raises nothing


def is_dir(path: Path) -> bool:
    """Whether there is such a folder; as :func:`is_file`."""
    return os.path.isdir(path)  # noqa: PTH112 - raises nothing


def folded(name: str) -> str:
    """The same for names that some file systems take for one: in another case, or with another
    spelling of an accent.

    Examples:
        >>> folded("Gro\u0308sse.PNG") == folded("gr\u00f6sse.png")
        True
    """
    return unicodedata.normalize("NFC", name).casefold()


def spelled(folder: Path, text: str) -> Path:
    """The path of a text in a folder. Where there is none, it may be there with another spelling of
    its accents: a Mac takes them apart (NFD), people type them whole (NFC); and Windows writes
    backslashes between folders.
    """
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    forms = [text, *forms, *(form.replace("\\", "/") for form in forms)]
    there = (each for each in (folder / form for form in forms) if is_file(each) or is_dir(each))
    return next(there, folder / text)


def why_no_file(path: Path) -> str:
    """Why a path is that of no file, for the end of a sentence: no such thing is opened, as to read
    from a pipe may take for ever.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - as is_file
    except (OSError, ValueError):
        nowhere = os.path.islink(path)  # noqa: PTH114 - as is_file
        return "this link leads to none" if nowhere else "there is none"
    return next((words for is_such, words in _NO_FILES if is_such(mode)), "this is none")


def is_address(text: str) -> bool:
    """Whether a text is an address, as of the web, and no path.

    Examples:
        >>> is_address("https://example.org/a.png"), is_address("C:/a.png")
        (True, False)
    """
    return bool(_ADDRESS.match(text))
