"""What other people and tools call the classes: the one table of their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shortened

from bloodseg_lib.classes import CELL_CLASSES
from bloodseg_lib.io import folded
from bloodseg_lib.samples.annotation.box_files import text_of
from bloodseg_lib.samples.extraction.masks import Unusable

NO_CLASS = "of no known class"
NAMES_FILES = ("data.yaml", "data.yml", "classes.txt", "obj.names")
"""Where the names of YOLO's numbers are looked for: beside the labels, up to two folders above."""

# Upper case, plural, blanks and signs do not matter; the classes' own names and keys are added.
_ALIASES = {
    "healthy_rbc": "rbc, red blood cell, red cell, erythrocyte, healthy, uninfected, "
    "uninfected rbc, uninfected red blood cell, healthy red blood cell, normal rbc",
    "infected_rbc": "infected, parasitized, parasitised, infected red blood cell, "
    "infected erythrocyte, ring, ring stage, trophozoite, schizont, gametocyte",
    "thrombocyte": "platelet, plt",
    "platelet_clump": "clump, clumped platelet, platelet aggregate, thrombocyte clump",
}
# a name between brackets, with its number perhaps: commas within quotes do not end it
_IN_BRACKETS = re.compile(r"""((?:\d+\s*:\s*)?(?:'[^']*'|"[^"]*"|[^\s,'"\[\]{}][^,\n\[\]{}]*))""")
_WHITE = {"wbc", "whitebloodcell", "whitecell", "leukocyte", "leucocyte"}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", folded(name)).removesuffix("s")


_IDS = {
    _plain(name): c.id
    for c in CELL_CLASSES
    for name in (c.key, c.name, *_ALIASES.get(c.key, c.key).split(", "))
}


class ClassNames:
    """From the names of other tools to classes.

    Args:
        given: further names, each with the key of its class, e.g. ``{"WBC": "lymphocyte"}``.

    Attributes:
        unused: names of ``given`` that were not asked for yet.

    Raises:
        ValueError: a class of that key does not exist.

    Examples:
        >>> names = ClassNames({"WBC": "lymphocyte"})
        >>> [names.id_of(name) for name in ("Red Blood Cells", "gametocyte", "PLATELETS", "wbc")]
        [9, 8, 6, 4]
    """

    def __init__(self, given: Mapping[str, str]):
        for name, key in given.items():
            if _plain(key) not in _IDS:
                raise ValueError(
                    f"Expected --as NAME=KEY, KEY one of {', '.join(c.key for c in CELL_CLASSES)}. "
                    f"Received {name}={key}."
                )
        self._ids = _IDS | {_plain(name): _IDS[_plain(key)] for name, key in given.items()}
        self.unused = {_plain(name): name for name in given}

    def id_of(self, name: str) -> int:
        """The class of a name.

        Raises:
            Unusable: there is none; its reason has the name.
        """
        plain = _plain(name)
        self.unused.pop(plain, None)
        if plain in self._ids:
            return self._ids[plain]
        short = shortened(name)
        why = "No class has this name"
        if plain in _WHITE:
            why = "A white cell is of one of five classes, and nobody tells which"
        elif name.isdecimal():
            why = "No file of names was found for this number; --classes gives one"
        raise Unusable(f"{NO_CLASS}, {short}", f"{why}. If you know: --as {short}=KEY.")


def yolo_names(folder: Path, given: Path | None) -> dict[int, str]:
    """The names of YOLO's numbers.

    Args:
        folder: of the labels.
        given: a text with a name a line, or a YAML with ``names``; None: it is looked for.

    Returns:
        none where no such file is found.

    Raises:
        FileNotFoundError, ValueError: the file is missing, or has no names that can be read.
    """
    places = (folder.resolve(), *folder.resolve().parents[:2])
    beside = (place / name for place in places for name in NAMES_FILES)
    path = given or next((file for file in beside if file.is_file()), None)
    if path is None:
        return {}
    text = text_of(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        text = re.sub(r"(^|\s)#.*", r"\1", text, flags=re.MULTILINE)
        found = re.search(r"^names:(.*\n?(?:(?!\w).*\n?)*)", text, re.MULTILINE)
        text = found[1].strip() if found else ""
        if text.startswith(("[", "{")):
            text = "\n".join(_IN_BRACKETS.findall(text))
        text = re.sub(r"^\s*-\s+", "", text, flags=re.MULTILINE)
    names = {}
    for place, line in enumerate(text.splitlines()):
        found = re.fullmatch(r"\s*(?:(\d{1,4})\s*:\s)?\s*(['\"]?)(.*?)\2\s*", line)
        if found and found[3]:
            names[int(found[1] or place)] = found[3]
    if not names:
        raise ValueError(
            f"{path}: expected names of classes. Received none that can be read. Write a text with "
            "a name a line, and give it with --classes."
        )
    return names
