"""Which image, network and options the files in a result folder were made of.

The label map and the tables do not tell that. ``predicted.jsonl`` has a line for each result, which
is written before its files are: whenever a prediction is stopped, what it left is known as its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bloodseg_lib.io import WriteError
from bloodseg_lib.prediction.cell_table import cells_of
from bloodseg_lib.prediction.cells import CountingConfig
from bloodseg_lib.prediction.counts import Counts
from bloodseg_lib.prediction.finding import Quality
from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.scale import Scale

FILE = "predicted.jsonl"
_TALLIES = ("components", "watershed", "by_area", "cut_by_border", "under_writing")


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """The journal of a result folder.

    Args:
        folder: need not exist yet.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._path = folder / FILE
        self._entries: dict[str, dict[str, Any]] = {}  # the last of each file
        self._written: set[tuple[str, str]] = set()  # name and digest, also of earlier entries
        text = self._path.read_text("utf-8", "replace") if self._path.is_file() else ""
        self._begin = "" if not text or text.endswith("\n") else "\n"
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # cut short by a kill or a full disk
                continue
            if isinstance(entry, dict) and all(
                isinstance(entry.get(part), dict) for part in ("made_of", "files")
            ):
                self._know(entry)
        begun = text.startswith('{"made_of"')  # cut short
        self._foreign = bool(text.strip()) and not self._entries and not begun

    def check(self) -> None:
        """Refuse to write into another program's file of this name.

        Raises:
            ValueError: there is one.
        """
        if self._foreign:
            raise ValueError(
                f"{self._path}: expected the record of an earlier `predict`, or no such file. "
                "Received something else, which would be written into. Give another --out, or "
                "move it away."
            )

    def add(self, made_of: Mapping[str, Any], files: Mapping[str, bytes], **known: Any) -> None:
        """Note what the files that are about to be written are made of."""
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        entry = {"made_of": made_of, "files": digests, **known}
        entry = json.loads(text := json.dumps(entry))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{self._begin}{text}\n")
        except OSError as error:
            self._begin = "\n"  # half a line may have got there
            raise WriteError.of(error, self._path) from error
        self._begin = ""
        self._know(entry)

    def _know(self, entry: dict[str, Any]) -> None:
        self._entries |= dict.fromkeys(entry["files"], entry)
        self._written |= set(entry["files"].items())

    def fields_of(self, path: Path) -> set[str] | None:
        """The images that a file of all together is of; None if it is no file of this journal."""
        if not path.is_file() or (path.name, file_digest(path)) not in self._written:
            return None
        return set(self._entries[path.name].get("fields", ()))

    def existing(self, names: Iterable[str]) -> list[Path]:
        """Those of some files that are there."""
        return [path for name in names if os.path.lexists(path := self.folder / name)]

    def own(self, names: Iterable[str]) -> dict[str, Any] | None:
        """The entry of files that are there, if all of them are as it says; else None."""
        present = self.existing(names)
        entry = self._entries.get(present[0].name) if present else None
        if entry is None or not all(path.is_file() for path in present):
            return None
        files = entry["files"]
        return entry if all(files.get(p.name) == file_digest(p) for p in present) else None

    def knows(self, name: str) -> bool:
        """Whether a file of this name was made, also if it was changed since."""
        return name in self._entries

    def done(self, made_of: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any] | None:
        """The entry of a result that needs not be made again; None if it is to be made.

        Raises:
            ValueError: there are files of something else.
        """
        names = list(names)
        present = self.existing(names)
        if not present:
            return None
        entry = self.own(names)
        if entry is None:
            strange = (p for p in present if self.fields_of(p) is None)
            raise ValueError(
                f"{next(strange, present[0])}: expected no file, or the result of the same "
                f"command. Received a file that {FILE} does not know, or that was changed. {MEND}"
            )
        if entry["made_of"] != json.loads(json.dumps(made_of)):
            differs = [k for k, value in made_of.items() if entry["made_of"].get(k) != value]
            raise ValueError(
                f"{present[0]}: expected no file, or the result of the same command. Received the "
                f"result of another {' and another '.join(differs) or 'command'}. {MEND}"
            )
        return entry if len(present) == len(names) == len(entry["files"]) else None


MEND = "Give another --out, or --overwrite to replace it."


def tallies(counts: Counts) -> dict[str, Any]:
    """What the table of cells does not tell of counts, for JSON, unrounded."""
    return {"quality": counts.quality.to_dict()} | {n: getattr(counts, n) for n in _TALLIES}


def recalled(
    entry: Mapping[str, Any], table: Path, config: CountingConfig | None
) -> tuple[Scale, Counts | None]:
    """The scale and the counts of a result that is there: of its entry, and its table of cells; no
    counts without a configuration, as of label maps only.

    Raises:
        ValueError: another version of this package made it, which kept other things.
    """
    try:
        scale = Scale(**entry["scale"])
        if config is None:
            return scale, None
        text, um = table.read_bytes().decode(), PixelSize.of(scale).um
        return scale, counts_of(text, entry["counts"], config, um)
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"{table}: expected the result of this version of the package. Received that of "
            f"another ({error!r}). {MEND}"
        ) from error


def counts_of(
    table: str, known: Mapping[str, Any], config: CountingConfig, pixel_um: float | None
) -> Counts:
    """The counts that a table of cells and :func:`tallies` were made of.

    The figures and tables made of them are the same; the cells have no probabilities, and are
    rounded as in the table.
    """
    quality = Quality.from_dict(known["quality"])
    tallied = {name: known[name] for name in _TALLIES}
    cells = cells_of(table, pixel_um)
    return Counts(cells=cells, config=config, quality=quality, **tallied)
