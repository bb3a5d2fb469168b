"""Files that a prediction made: left out where they lie among the pictures of another."""

from __future__ import annotations

import re
from pathlib import Path

from bloodseg_lib.io import begins_label_map, is_file
from bloodseg_lib.prediction.cell_table import CELL_COLUMNS
from bloodseg_lib.prediction.journal import FILE, Journal
from bloodseg_lib.prediction.result_names import printable

_ENDING = re.compile(r"_(classes|overlay|instances|probabilities)\.\w+$|_cells\.csv$")
_NO_PICTURE = re.compile(rf"_counts\.json$|^{re.escape(FILE)}$")
_HEADINGS = tuple(separator.join(CELL_COLUMNS).encode() for separator in ",;")


class OwnResults:
    """Tells what a prediction made, and says what was left out for that.

    Surely made is what the journal beside it knows, and what holds what only results hold. A name
    alone is no proof: of a folder such a file is left out, but one that is named is taken.
    """

    def __init__(self) -> None:
        self._journals: dict[Path, Journal] = {}
        self._made: dict[str, None] = {}
        self._alike: dict[str, None] = {}
        self._taken: dict[str, None] = {}

    def leaves_out(self, path: Path, named: bool) -> bool:
        """Whether a file is left out.

        Args:
            path: of the file.
            named: whether it was named itself, and not only its folder.
        """
        alike = bool(_ENDING.search(path.name))
        made = self._made_surely(path, alike)
        if made or alike:
            kind = self._made if made else self._taken if named else self._alike
            kind[printable(path.name)] = None
        return made or (alike and not named)

    def _made_surely(self, path: Path, alike: bool) -> bool:
        folder = path.parent
        if folder not in self._journals:
            self._journals[folder] = Journal(folder)
        journal = self._journals[folder]
        if _NO_PICTURE.search(path.name) or journal.own([path.name]):
            return True
        return alike and (journal.knows(path.name) or _is_result(path))

    def notes(self) -> list[str]:
        """Sentences on what was left out, and on what was taken in spite of its name."""
        sentences = [
            (self._made, "Left out, as a prediction made them: {}."),
            (
                self._alike,
                "Left out, as their names end as those of results do: {}. If they are no results, "
                "name each of them, or rename them.",
            ),
            (self._taken, "Taken, though their names end as those of results do: {}."),
        ]
        return [words.format(_listed(list(names))) for names, words in sentences if names]


def _is_result(path: Path) -> bool:
    """Whether a file holds what only results hold: the class colours, the columns of cells."""
    if not is_file(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:  # told when it is read
        return False
    return head.removeprefix(b"\xef\xbb\xbf").startswith(_HEADINGS) or begins_label_map(head)


def _listed(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if names[3:] else ''})"
