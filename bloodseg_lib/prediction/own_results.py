"""Files that a prediction made: left out where they lie among the pictures of another."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

from bloodseg_lib.io import begins_label_map, is_file
from bloodseg_lib.prediction.cell_table import CELL_COLUMNS
from bloodseg_lib.prediction.journal import FILE, Journal
from bloodseg_lib.prediction.result_names import printable

_ENDING = re.compile(r"_(classes|overlay|instances|probabilities)\.\w+$|_cells\.csv$")
_NO_PICTURE = re.compile(rf"_counts\.json$|^{re.escape(FILE)}$")
_HEADINGS = tuple(separator.join(CELL_COLUMNS).encode() for separator in ",;")
_MADE = "Left out, as a prediction made them: {}."
_ALIKE = (
    "Left out, as their names end as those of results do: {}. If they are no results, name each of "
    "them, or rename them."
)
_TAKEN = "Taken, though their names end as those of results do: {}."


class OwnResults:
    """Tells what a prediction made, and says what was left out for that.

    Surely made is what the journal beside it knows, and what holds what only results hold. A name
    alone is no proof: of a folder such a file is left out, but one that is named is taken.
    """

    def __init__(self) -> None:
        self._journals: dict[Path, Journal] = {}
        self._noted: dict[str, dict[str, None]] = {_MADE: {}, _ALIKE: {}, _TAKEN: {}}

    def leaves_out(self, path: Path, named: bool) -> bool:
        """Whether a file is left out, which was ``named`` itself, or only its folder."""
        alike = bool(_ENDING.search(path.name))
        made = self._made_surely(path, alike)
        if made or alike:
            kind = _MADE if made else _TAKEN if named else _ALIKE
            self._noted[kind][printable(path.name)] = None
        return made or (alike and not named)

    def _made_surely(self, path: Path, alike: bool) -> bool:
        folder = path.parent
        if folder not in self._journals:
            self._journals[folder] = Journal(folder)
        journal = self._journals[folder]
        if _NO_PICTURE.search(path.name) or journal.own([path.name]):
            return True
        if not alike or journal.knows(path.name):
            return alike
        head = beginning(path)  # what only results hold: the class colours, the columns of cells
        return head.removeprefix(b"\xef\xbb\xbf").startswith(_HEADINGS) or begins_label_map(head)

    def notes(self) -> list[str]:
        """Sentences on what was left out, and on what was taken in spite of its name."""
        return [words.format(_listed([*names])) for words, names in self._noted.items() if names]


def beginning(path: Path) -> bytes:
    """The first bytes of a file; none of a pipe, which may have no end, or where there is none."""
    try:
        with path.open("rb") if is_file(path) else BytesIO() as file:
            return file.read(1024)
    except OSError:  # told when it is read
        return b""


def _listed(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if names[3:] else ''})"
