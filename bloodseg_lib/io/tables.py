"""Tables as CSV: written in one form, read as spreadsheet programs write them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

from bloodseg_lib.io.atomic import write_bytes
from bloodseg_lib.io.formats import is_file, why_no_file

_MOST_NAMED = 12  # columns, in a sentence
_ABOVE = re.compile(r"(?:[ \t]*(?:#(?![,;\t|])[^\n]*)?\r?\n)*")  # comments, not a column "#"

ENCODING = "utf-8-sig"
"""Of tables that people open: UTF-8 with a byte order mark, by which spreadsheet programs know it.
"""


def csv_text(
    columns: Sequence[str], rows: Iterable[Iterable[Any]], decimal_comma: bool = False
) -> str:
    """A table as CSV. A text that a spreadsheet program would run, as ``=cmd``, gets an apostrophe
    before it, which :func:`csv_rows` and :func:`read_table` take away again.

    Args:
        columns: the headings.
        rows: of texts and numbers.
        decimal_comma: write numbers (``float``, ``Decimal``) with a comma, and semicolons between
            columns, as spreadsheet programs of most of Europe read them.

    Examples:
        >>> csv_text(["class", "pixels"], [["neutrophil", 4879]])
        'class,pixels\\nneutrophil,4879\\n'
        >>> csv_text(["mm", "name"], [[0.5, "1.5"]], decimal_comma=True)
        'mm;name\\n0,5;1.5\\n'
    """
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n", delimiter=";" if decimal_comma else ",")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            str(value).replace(".", ",")
            if decimal_comma and isinstance(value, (float, Decimal))
            else _harmless(value)
            for value in row
        )
    return table.getvalue()


def csv_rows(text: str) -> csv.DictReader[str]:
    """The rows of a table of :func:`csv_text` by heading, with or without byte order mark.

    Examples:
        >>> list(csv_rows(csv_text(["name"], [["=cmd"]])))
        [{'name': '=cmd'}]
    """
    text = text.removeprefix("\ufeff")
    return _Rows(StringIO(text, newline=""), delimiter=_separator(text))


class _Rows(csv.DictReader):
    def __next__(self) -> dict[str, str]:
        return {key: _as_it_was(value) for key, value in super().__next__().items()}


def _separator(text: str) -> str:
    head = text.split("\n", 1)[0]
    return max(",;\t|", key=head.count)


def _is_run(text: str) -> bool:
    """Whether a spreadsheet program would run a text, or takes apostrophes before such a one."""
    if not text.lstrip("'").startswith(("=", "+", "-", "@", "\t", "\r")):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _is_run(value) else value


def _as_it_was(value: Any) -> Any:
    """A text before :func:`_harmless`."""
    marked = isinstance(value, str) and value.startswith("'") and _is_run(value)
    return value[1:] if marked else value


def write_csv(
    path: Path | str, columns: Sequence[str], rows: Iterable[Iterable[Any]], encoding: str = "utf-8"
) -> None:
    """Write a table to ``path`` as CSV, atomically; see :func:`csv_text`.

    Args:
        path: of the table.
        columns, rows: of it.
        encoding: :data:`ENCODING` of a table that people open.
    """
    write_bytes(path, csv_text(columns, rows).encode(encoding))


def read_table(
    path: Path | str, columns: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a table with a line of headings, as spreadsheet programs write it: separated by commas,
    semicolons, tabs or upright bars; in UTF-8, UTF-16 or Windows-1252.

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
    names, rows = table_rows(path, f"a table with the columns {wanted}")
    known = {name.lower(): name for name in (*columns, *optional)}
    lower = [name.lower() for name in names]
    if twice := [name for name in known if lower.count(name) > 1]:
        raise ValueError(
            f"{path}: expected each column once. Received {known[twice[0]]} twice. Delete one."
        )
    numbers = {known.get(name.lower(), name): number for number, name in enumerate(names)}
    if missing := [column for column in columns if column not in numbers]:
        raise missing_columns(path, wanted, ", ".join(missing), names)
    return [
        (line, {n: row[numbers[n]] if n in numbers else "" for n in known.values()})
        for line, row in rows
    ]


def table_rows(path: Path, what: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The headings of a table, and of each row that is not empty the number of its line and a text
    for each heading, empty where it is missing.

    Args:
        path: of the table.
        what: is expected, for people.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no CSV.
    """
    if not is_file(path):
        raise FileNotFoundError(f"{path}: expected {what}, {why_no_file(path)}.")
    text = decoded(path.read_bytes())
    if "\0" in text:
        raise ValueError(
            f"{path}: expected a table as CSV. Received one with characters that no text has; the "
            "file is damaged, or no CSV. Copy it again, or save it again as CSV."
        )
    told = re.match(r"sep=([,;\t|])\r?\n", text)  # a line that Excel writes and hides
    above = _ABOVE.match(text, told.end() if told else 0)
    begin = above.end() if above else 0
    before, text = text.count("\n", 0, begin), text[begin:]
    separator = told[1] if told else _separator(text)
    try:
        rows = csv.reader(StringIO(text, newline=""), delimiter=separator)
        names = [name.strip() for name in next(rows, [])]
        padding = [""] * len(names)
        return names, [
            (rows.line_num + before, [_as_it_was(cell.strip()) for cell in cells])
            for row in rows
            if any(cells := [*row, *padding][: len(names)])
        ]
    except csv.Error as error:
        raise ValueError(
            f"{path}: expected a table as CSV. Received {error}. Save it again as CSV."
        ) from error


def missing_columns(path: Path, wanted: str, missing: str, names: Sequence[str]) -> ValueError:
    """The error of a table that has not the columns it must have, but others."""
    received = ", ".join(name or "one without a name" for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ValueError(
        f"{path}: expected the columns {wanted}. Missing: {missing}. Received "
        f"{received or 'none'}{more}. Write them in the first line, separated by commas."
    )


def decoded(data: bytes) -> str:
    """A text of a file that people made: in UTF-8 or UTF-16 with their marks, else Windows-1252.

    Examples:
        >>> decoded("Müller".encode("utf-16")), decoded("Müller".encode("cp1252"))
        ('Müller', 'Müller')
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
