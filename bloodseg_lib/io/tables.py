"""Tables as CSV: written in one form, read as spreadsheet programs write them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from bloodseg_lib.io.atomic import write_bytes


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV. A text that a spreadsheet program would run, as ``=cmd``, gets an apostrophe
    before it.

    Examples:
        >>> csv_text(["class", "pixels"], [["neutrophil", 4879]])
        'class,pixels\\nneutrophil,4879\\n'
    """
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return table.getvalue()


def _harmless(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_csv(path: Path | str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table to ``path`` as CSV, atomically; see :func:`csv_text`."""
    write_bytes(path, csv_text(columns, rows).encode())


def read_table(
    path: Path | str, columns: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a table with a line of headings, as spreadsheet programs write it: separated by commas,
    semicolons or tabs; in UTF-8, UTF-16 or Windows-1252.

    Args:
        path: of the table.
        columns: that it must have. Upper and lower case are the same.
        optional: columns that it may have; their texts are empty where it has them not.

    Returns:
        of each row that is not empty the number of its line and its texts by column; a text that is
        missing is empty.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such table.

    Examples:
        >>> import tempfile
        >>> table = Path(tempfile.mkdtemp()) / "boxes.csv"
        >>> _ = table.write_bytes("Field;x\\nMüller.png;3\\n".encode("utf-16"))
        >>> read_table(table, ["field", "x"])
        [(2, {'field': 'Müller.png', 'x': '3'})]
    """
    path = Path(path)
    wanted = ", ".join(columns)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a table with the columns {wanted}, there is none."
        )
    text = _decoded(path.read_bytes())
    if "\0" in text:
        raise ValueError(
            f"{path}: expected a table as CSV. Received one with characters that no text has; the "
            "file is damaged, or no CSV. Copy it again, or save it again as CSV."
        )
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    try:
        rows = csv.DictReader(StringIO(text, newline=""), delimiter=separator, restval="")
        names = [name.strip() for name in rows.fieldnames or ()]
        known = {name.lower(): name for name in (*columns, *optional)}
        rows.fieldnames = [known.get(name.lower(), name) for name in names]
        if missing := [column for column in columns if column not in rows.fieldnames]:
            raise ValueError(
                f"{path}: expected the columns {wanted}. Missing: {', '.join(missing)}. "
                "Write them in the first line."
            )
        return [
            (rows.line_num, {name: (row.get(name) or "").strip() for name in known.values()})
            for row in rows
            if any(row.values())
        ]
    except csv.Error as error:
        raise ValueError(
            f"{path}: expected a table as CSV. Received {error}. Save it again as CSV."
        ) from error


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
