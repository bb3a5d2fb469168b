"""The pictures that a prediction is asked for: files, folders, or a table that lists them.

Nothing is left out without a word: files of other kinds, results of an earlier prediction, a
picture that is there twice.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

from bloodseg_lib.io import (
    FOREIGN_SUFFIXES,
    IMAGE_SUFFIXES,
    MOST_MEGAPIXELS,
    Picture,
    is_dir,
    is_file,
    pages_of,
    read_picture,
    read_table,
)
from bloodseg_lib.prediction.journal import Journal, file_digest
from bloodseg_lib.prediction.result_names import printable

ALL_PAGES = "all"

_LISTS = (".csv", ".tsv", ".txt")
_PICTURES = (*IMAGE_SUFFIXES, *FOREIGN_SUFFIXES, ".npy")
_RESULT = re.compile(
    r"_(classes|overlay|instances|probabilities)\.\w+$|_cells\.csv$|_counts\.json$|^predicted\.jsonl$"
)


@dataclass(frozen=True)
class Input:
    """A picture to segment, and how its file is read.

    Attributes:
        path: of the file.
        page: of it; None: the only one.
        level: of a pyramid; 0: the largest.
        patient: that it is of, where a table names one.
        max_megapixels: larger pictures are refused.

    Examples:
        >>> Input(Path("fields/a.tif"), page=2).name
        'a.tif, page 2'
    """

    path: Path
    page: int | None = None
    level: int = field(default=0, compare=False)
    patient: str = field(default="", compare=False)
    max_megapixels: float = field(default=MOST_MEGAPIXELS, compare=False)

    @property
    def name(self) -> str:
        """For people."""
        return printable(self.path.name) + (f", page {self.page}" if self.page else "")

    @property
    def own_path(self) -> Path:
        """A path that no other page of the file has: its results are named after it."""
        ending = f"_p{self.page}" if self.page else ""
        return self.path.with_name(f"{self.path.stem}{ending}{self.path.suffix}")

    @property
    def made_of(self) -> dict[str, Any]:
        """What tells its pixels from others, for JSON."""
        chosen = {"page": self.page, "level": self.level}
        return {"image": file_digest(self.path), **{k: v for k, v in chosen.items() if v}}

    def read(self) -> Picture:
        """The picture; see :func:`bloodseg_lib.io.read_picture`."""
        return read_picture(
            self.path, page=self.page, level=self.level, max_megapixels=self.max_megapixels
        )


def find_inputs(
    paths: Iterable[Path],
    *,
    recursive: bool = False,
    patient_folders: bool = False,
    page: str = "",
    level: int = 0,
    max_megapixels: float = MOST_MEGAPIXELS,
) -> tuple[list[Input], list[str]]:
    """The pictures of files, folders and tables.

    Args:
        paths: files, or patterns of them; folders, whose pictures are taken by name; tables (CSV)
            with a column ``path``, from the table's folder, and perhaps ``patient``.
        recursive: whether subfolders are taken too.
        patient_folders: each folder is of a patient and has the patient's name: with ``recursive``
            those in the folder that is given, else that folder itself.
        page: its number, or ``"all"``: each page for a picture of its own; empty: the only one.
        level, max_megapixels: see :class:`Input`.

    Returns:
        the pictures, and sentences on what was left out.

    Raises:
        FileNotFoundError, ValueError: nothing is left, a table is none, or the page no number.
    """
    if page not in ("", ALL_PAGES) and not page.isdecimal():
        raise ValueError(f"Expected --page with a number, or all. Received {page!r}.")
    notes: list[str] = []
    found: dict[str, Input] = {}
    results: list[str] = []
    is_result = _Results()
    for path in (each for given in paths for each in _named(Path(given))):
        for item in [Input(path)] if is_result(path) else _within(path, recursive, notes):
            if is_result(item.path):
                results.append(item.name)
            else:
                if patient_folders and not item.patient:
                    item = replace(item, patient=_patient_of(item.path, path))
                found.setdefault(os.path.realpath(item.path), item)
    if results:
        names = ", ".join(results[:3]) + (", ..." if results[3:] else "")
        notes.append(f"Left out, as a prediction made them: {len(results)} ({names}).")
    inputs = _without_repeated(found.values(), notes)
    if not inputs:
        raise ValueError(" ".join(["Expected a picture to segment. Received none.", *notes]))
    if page == ALL_PAGES:
        pages = [(item, pages_of(item.path)) for item in inputs]
        numbers = [(item, n if len(of) > 1 else None) for item, of in pages for n in of]
    else:
        numbers = [(item, int(page) if page else None) for item in inputs]
    return [
        replace(item, page=number, level=level, max_megapixels=max_megapixels)
        for item, number in numbers
    ], notes


def _named(path: Path) -> list[Path]:
    """The paths of one argument as a shell would have made them, where none did: that of Windows
    leaves ``*.png`` as it is, and file managers copy ``file://`` addresses.
    """
    if is_file(path) or is_dir(path):
        return [path]
    if (text := str(path)).startswith("file:/"):  # of a Path, whatever number of slashes it had
        return [Path(url2pathname(text.removeprefix("file:")))]
    found = sorted(glob.glob(os.path.expanduser(text)))  # noqa: PTH207, PTH111 - of any folder
    return list(map(Path, found)) or [path]


def _patient_of(picture: Path, given: Path) -> str:
    """The name of the folder below one that was given, or of the picture's own folder."""
    below = picture.relative_to(given).parts[:-1] if is_dir(given) else ()
    return printable(below[0] if below else picture.absolute().parent.name)


def _within(path: Path, recursive: bool, notes: list[str]) -> Iterator[Input]:
    """The pictures of one argument."""
    if not is_dir(path):
        yield from _listed(path) if path.suffix.lower() in _LISTS else [Input(path)]
        return
    inside = _inside(path, recursive, notes)
    # of macOS, "._a.png" beside each file on a foreign disk, and of tools, in folders of their own
    hidden = {p for p in inside if any(n.startswith(".") for n in p.relative_to(path).parts)}
    files = [p for p in inside if p not in hidden and not is_dir(p)]
    left = Counter(p.suffix.lower() or p.name for p in files if p.suffix.lower() not in _PICTURES)
    unseen = sum(p.suffix.lower() in _PICTURES and not is_dir(p) for p in hidden)
    folders = [] if recursive else [p for p in inside if p not in hidden and is_dir(p)]
    if left:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in sorted(left.items()))
        notes.append(f"{path}: left out, as they are no pictures: {kinds}.")
    if unseen:
        notes.append(f"{path}: left out, as their names begin with a dot: {unseen}.")
    if folders:
        notes.append(f"{path}: left out, as -r is not given: subfolders {len(folders)}.")
    pictures = [Input(p) for p in files if p.suffix.lower() in _PICTURES]
    if not pictures:
        notes.append(f"{path}: there is no picture in this folder.")
    yield from pictures


def _inside(path: Path, recursive: bool, notes: list[str]) -> list[Path]:
    """What is in a folder, at any depth if recursive; links to folders are not followed."""

    def unreadable(error: OSError) -> None:
        notes.append(f"{error.filename}: left out, this folder cannot be read: {error.strerror}.")

    found: list[Path] = []
    for folder, folders, files in os.walk(path, onerror=unreadable):
        found += [Path(folder, name) for name in (*folders, *files)]
        if not recursive:
            break
    return sorted(found)


def _listed(table: Path) -> Iterator[Input]:
    """The pictures of a table.

    Raises:
        ValueError: a line names no picture, or the same picture is of two patients.
    """
    patients: dict[Path, tuple[int, str]] = {}
    for line, row in read_table(table, ["path"], ["patient"]):
        if not row["path"]:
            raise ValueError(
                f"{table}, line {line}: expected the path of a picture. Received none. Write it, "
                "or delete the line."
            )
        path = table.parent / row["path"]
        if not is_file(path):  # as Windows writes it
            path = table.parent / row["path"].replace("\\", "/")
        before, patient = patients.setdefault(path, (line, row["patient"]))
        if patient != row["patient"]:
            raise ValueError(
                f"{table}, line {line}: expected a picture to be of one patient. Received "
                f"{row['path']} of {row['patient'] or 'nobody'}, and of {patient or 'nobody'} in "
                f"line {before}. Correct one of the lines."
            )
        yield Input(path, patient=patient)


class _Results:
    """Tells what a prediction made: by its name, or by the journal beside it."""

    def __init__(self) -> None:
        self._journals: dict[Path, Journal] = {}

    def __call__(self, path: Path) -> bool:
        folder = path.parent
        if folder not in self._journals:
            self._journals[folder] = Journal(folder)
        return bool(_RESULT.search(path.name) or self._journals[folder].own([path.name]))


def _without_repeated(inputs: Iterable[Input], notes: list[str]) -> list[Input]:
    """Leave out files of the same bytes as an earlier one: their cells would count twice."""
    inputs = list(inputs)
    sizes = {i.path: i.path.stat().st_size for i in inputs if is_file(i.path)}
    times = Counter(sizes.values())
    first: dict[str, Input] = {}
    kept = []
    for item in inputs:
        same = item
        size = sizes.get(item.path, 0)
        if size and times[size] > 1:
            same = first.setdefault(file_digest(item.path), item)
        if same is item:
            kept.append(item)
        else:
            names = [printable(str(each.path)) for each in (item, same)]
            notes.append(f"{names[0]}: left out, as it is the same picture as {names[1]}.")
    return kept
