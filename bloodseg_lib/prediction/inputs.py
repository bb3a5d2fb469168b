"""The pictures that a prediction is asked for: files, folders, or a table that lists them.

Nothing is left out without a word: files of other kinds, results of an earlier prediction, a
picture that is there twice.
"""

from __future__ import annotations

import glob
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

from bloodseg_lib.io import (
    MOST_MEGAPIXELS,
    Picture,
    is_address,
    is_dir,
    is_file,
    kind_of,
    pages_of,
    read_picture,
    spelled,
)
from bloodseg_lib.prediction.journal import file_digest
from bloodseg_lib.prediction.own_results import OwnResults, beginning
from bloodseg_lib.prediction.patients import ALL
from bloodseg_lib.prediction.picture_list import PICTURE_SUFFIXES, read_list
from bloodseg_lib.prediction.result_names import printable

ALL_PAGES = "all"

_LISTS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Input:
    """A picture to segment, and how its file is read.

    Attributes:
        path: of the file.
        page: of it; None: the only one.
        level: of a pyramid; 0: the largest.
        patient: that it is of, where a table names one.
        max_megapixels: larger pictures are refused.
        listed: the list that names it.

    Examples:
        >>> Input(Path("fields/a.tif"), page=2).name
        'a.tif, page 2'
    """

    path: Path
    page: int | None = None
    level: int = field(default=0, compare=False)
    patient: str = field(default="", compare=False)
    max_megapixels: float = field(default=MOST_MEGAPIXELS, compare=False)
    listed: Path | None = field(default=None, compare=False)

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
        paths: files, or patterns of them; folders, whose pictures are taken by name; lists, see
            :func:`bloodseg_lib.prediction.picture_list.read_list`, of files, patterns and folders,
            from the list's own folder, and perhaps of patients.
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
    search = _Search(recursive, notes)
    for path in (each for given in paths for each in _named(str(given))):
        for item in search.within(path):
            if patient_folders and not item.patient:
                item = replace(item, patient=_patient_of(item.path, path))
            found.setdefault(os.path.realpath(item.path), item)
    if taken := [item for item in found.values() if item.patient == ALL]:
        raise ValueError(
            f"{taken[0].path}: expected the name of a patient. Received {ALL}, which stands for "
            "all patients together. Choose another name."
        )
    notes += search.own.notes()
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


def _named(text: str, folder: Path = Path()) -> list[Path]:
    """The paths of a text as a shell would have made them, where none did: that of Windows leaves
    ``*.png`` as it is, and file managers copy ``file://`` addresses. They are from a folder.
    """
    if is_file(path := spelled(folder, text)) or is_dir(path):
        return [path]
    if text.startswith("file:/"):  # of a Path, whatever number of slashes it had
        return [Path(url2pathname("/" + text.removeprefix("file:").lstrip("/")))]
    if is_address(text):
        return [Path(text)]
    home = Path(os.path.expanduser(text))  # noqa: PTH111 - raises nothing
    # not Path.glob: the pattern may begin anywhere
    found = sorted(glob.glob(str(home), root_dir=folder, recursive=True))  # noqa: PTH207
    return [folder / each for each in found] or [folder / home]


def _patient_of(picture: Path, given: Path) -> str:
    """The name of the folder below one that was given, or of the picture's own folder."""
    below = picture.relative_to(given).parts[:-1] if is_dir(given) else ()
    name = printable(below[0] if below else picture.absolute().parent.name)
    return unicodedata.normalize("NFC", name)


@dataclass
class _Search:
    """A search for pictures in one argument after another."""

    recursive: bool
    notes: list[str]
    own: OwnResults = field(default_factory=OwnResults)

    def within(self, path: Path, in_a_list: bool = False) -> Iterator[Input]:
        """The pictures of one argument; of a list in a list, that list as a picture."""
        if is_dir(path):
            yield from self._of_folder(path)
        elif not self.own.leaves_out(path, named=True):
            yield from [Input(path)] if in_a_list or not _is_list(path) else self._listed(path)

    def _of_folder(self, path: Path) -> Iterator[Input]:
        inside = _inside(path, self.recursive, self.notes)
        # of macOS, "._a.png" beside each file on a foreign disk, and of tools, in their own folders
        hidden = {p for p in inside if any(n.startswith(".") for n in p.relative_to(path).parts)}
        files = [p for p in inside if p not in hidden and not is_dir(p)]
        left = Counter(p.suffix.lower() or p.name for p in files if not _is_picture(p))
        unseen = sum(_is_picture(p) and not is_dir(p) for p in hidden)
        folders = [] if self.recursive else [p for p in inside if p not in hidden and is_dir(p)]
        if left:
            kinds = ", ".join(f"{n} {suffix}" for suffix, n in sorted(left.items()))
            self.notes.append(f"{path}: left out, as they are no pictures: {kinds}.")
        if unseen:
            self.notes.append(f"{path}: left out, as their names begin with a dot: {unseen}.")
        if folders:
            self.notes.append(f"{path}: left out, as -r is not given: subfolders {len(folders)}.")
        links = [p for p in inside if p not in hidden and p.is_symlink() and is_dir(p)]
        if links and self.recursive:
            names = ", ".join(printable(str(link)) for link in links)
            self.notes.append(f"{path}: left out, as they are links to folders: {names}.")
        pictures = [p for p in files if _is_picture(p)]
        if not pictures:
            self.notes.append(f"{path}: there is no picture in this folder.")
        yield from (Input(p) for p in pictures if not self.own.leaves_out(p, named=False))

    def _listed(self, table: Path) -> Iterator[Input]:
        """The pictures of a list.

        Raises:
            ValueError: a line names no picture, or the same picture is of two patients.
        """
        rows, notes = read_list(table)
        self.notes += notes
        patients: dict[Path, tuple[int, str]] = {}
        for line, text, patient in rows:
            if not text:
                raise ValueError(
                    f"{table}, line {line}: expected the path of a picture. Received none. Write "
                    "it, or delete the line."
                )
            there = is_file(table.parent / text)
            spelled = text if there else text.replace("\\", "/")  # as Windows writes it
            paths = _named(spelled, table.parent)
            for item in (item for path in paths for item in self.within(path, in_a_list=True)):
                before, other = patients.setdefault(item.path, (line, patient))
                if other != patient:
                    raise ValueError(
                        f"{table}, line {line}: expected a picture to be of one patient. Received "
                        f"{text} of {patient or 'nobody'}, and of {other or 'nobody'} in line "
                        f"{before}. Correct one of the lines."
                    )
                yield replace(item, patient=patient, listed=table)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


def _is_list(path: Path) -> bool:
    """Whether a file is a list by its name, and no picture by its content."""
    return path.suffix.lower() in _LISTS and not kind_of(beginning(path))


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
