"""The names of the results of several images: never two alike, whatever the images are called."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bloodseg_lib.io import folded

_LONGEST = 180  # bytes; file systems take 255, of which endings and unfinished files need some
RESERVED = ("pooled",)
"""Names that no image's results have: they are those of all images together."""


def printable(text: str) -> str:
    """A text that every terminal and file takes: bytes of a file name that are no UTF-8, and those
    that are no letters, as ``%FF``.

    Examples:
        >>> printable("smear\\udcff.png")
        'smear%FF.png'
    """
    text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", text)
    return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in text)


def result_names(paths: Iterable[Path]) -> dict[Path, str]:
    """The first part of the file names of each image's results.

    It is the image's name without its ending. Names that would be the same, also in another case or
    another spelling of an accent, get their endings too, then as many of their folders as tell them
    apart. The order of the images does not matter.

    Args:
        paths: the images, each once.

    Examples:
        >>> sorted(result_names([Path("a.png"), Path("a.jpg"), Path("b.png")]).values())
        ['a_jpg', 'a_png', 'b']
    """
    parts_used = dict.fromkeys(paths, 0)
    while True:
        names = {path: _name(path, n) for path, n in parts_used.items()}
        same = {path: folded(name) for path, name in names.items()}
        times = Counter(same.values())
        clashing = [p for p, name in same.items() if times[name] > 1 or name in RESERVED]
        if not clashing:
            return names
        for path in clashing:
            parts_used[path] += 1


def shown_names(paths: Iterable[Path]) -> dict[Path, str]:
    """The names of images for people: with as many of their folders as tell them apart.

    Examples:
        >>> list(shown_names([Path("p1/a.png"), Path("p2/a.png"), Path("p2/b.png")]).values())
        ['p1/a.png', 'p2/a.png', 'b.png']
    """
    parts_shown = dict.fromkeys(paths, 1)
    while True:
        names = {path: Path(*path.parts[-n:]).as_posix() for path, n in parts_shown.items()}
        times = Counter(names.values())
        alike = [p for p, n in parts_shown.items() if times[names[p]] > 1 and n < len(p.parts)]
        if not alike:
            return names
        for path in alike:
            parts_shown[path] += 1


def _name(path: Path, parts_used: int) -> str:
    """The stem (0), with its ending (1), with so many folders less one before it (2 and more)."""
    if not parts_used:
        return _short(path.stem, path)
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    folders = absolute.parts[1:-1]
    ending = [path.suffix[1:]] if path.suffix else []
    name = "_".join([*folders[len(folders) + 1 - parts_used :], path.stem, *ending])
    if parts_used > len(folders) + 1:  # a_b/c and a/b_c
        name = f"{path.stem}_{_digest(path)}"
    return _short(name, path)


def _short(name: str, path: Path) -> str:
    """A name that leaves room for the endings of results: of a longer one its beginning, and what
    only this path has.
    """
    name = printable(name)
    if len(name.encode()) <= _LONGEST:
        return name
    return f"{name.encode()[:_LONGEST].decode(errors='ignore')}_{_digest(path)}"


def _digest(path: Path) -> str:
    """Of where a file is, in eight letters."""
    where = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
    return hashlib.sha256(os.fsencode(where)).hexdigest()[:8]
