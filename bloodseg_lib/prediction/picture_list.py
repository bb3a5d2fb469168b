"""Lists of pictures: tables with a path and perhaps a patient a row, or lines of paths."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bloodseg_lib.io import (
    FOREIGN_SUFFIXES,
    IMAGE_SUFFIXES,
    decoded,
    is_address,
    is_dir,
    is_file,
    missing_columns,
    spelled,
    table_rows,
)

PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, *FOREIGN_SUFFIXES, ".npy")
"""Suffixes of what is taken for a picture, read or refused in words."""

# of several the first; without case, blanks and signs
_PATHS = (
    *("path", "filepath", "file", "filename", "imagepath", "imagefile", "imagefilename"),
    *("imagename", "image", "img", "picturepath", "picturefile", "picturename", "picture"),
)
_PATIENTS = (
    *("patient", "patientid", "patientnumber", "patientno", "patientnr", "patientcode"),
    *("patientname", "subject", "subjectid"),
)
_SEPARATORS = re.compile(r"[,;\t|]")


class Row(NamedTuple):
    """A row: its line in the file, the path as it is written, and the patient, perhaps empty."""

    line: int
    path: str
    patient: str = ""


def read_list(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a list, as spreadsheet programs write it (see
    :func:`bloodseg_lib.io.read_table`), that hold more than a comment, and sentences on what was
    ignored.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no column has paths; the message names those that there are.
    """
    notes: list[str] = []
    rows = list(_lines_of_paths(path)) or _table(path, notes)
    comments = [row for row in rows if row.path.startswith("#") and not _is_there(path, row.path)]
    if comments:
        lines = ", ".join(str(row.line) for row in comments[:5]) + (", ..." if comments[5:] else "")
        notes.append(f"{path}: left out, as comments: lines {lines}.")
    if len(comments) == len(rows):
        notes.append(f"{path}: there is no picture in this list.")
    return [row for row in rows if row not in comments], notes


def _table(path: Path, notes: list[str]) -> list[Row]:
    names, rows = table_rows(path, "a list of pictures")
    plain = [_plain(name) for name in names]
    at = next((plain.index(known) for known in _PATHS if known in plain), None)
    if at is None:
        raise missing_columns(path, "path and, if you like, patient", "path", names)
    of = next((plain.index(known) for known in _PATIENTS if known in plain), None)
    if ignored := [name for n, name in enumerate(names) if n not in (at, of) and name]:
        patient = f" and {names[of]}" if of is not None else "; none names the patient"
        notes.append(
            f"{path}: columns that were ignored: {', '.join(ignored)}. Read: {names[at]}{patient}."
        )
    patients = ("" if of is None else unicodedata.normalize("NFC", row[of]) for _, row in rows)
    return [Row(line, row[at], who) for (line, row), who in zip(rows, patients, strict=True)]


def _lines_of_paths(path: Path) -> Iterator[Row]:
    """The lines of a text without headings, if its first one is the path of a picture."""
    text = decoded(path.read_bytes()) if is_file(path) else ""
    lines = [(n, line.strip().strip('"')) for n, line in enumerate(text.splitlines(), 1)]
    paths = [(n, line) for n, line in lines if line]
    first = next((each for _, each in paths if each[0] != "#" or _is_there(path, each)), "")
    if _plain(first) in _PATHS or "\0" in text:
        return
    known = first.lower().endswith(PICTURE_SUFFIXES) or is_address(first)
    if _is_there(path, first) or (known and not _SEPARATORS.search(first)):
        yield from (Row(n, line) for n, line in paths)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _is_there(table: Path, text: str) -> bool:
    there = spelled(table.parent, text)
    return bool(text) and (is_file(there) or is_dir(there))
