"""Writing files: a reader sees the old file or the new one, never half; every error names the file.

JSON is read here too, so that both ways stand together.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_PART = ".part"  # marks what is not finished: nobody else's hidden files are taken for it


class WriteError(OSError):
    """A file cannot be written; names it, the cause and the mend."""

    @classmethod
    def of(cls, error: OSError, path: Path) -> OSError:
        """The error of writing ``path``; one that is worded already remains."""
        worded = not error.errno or isinstance(error, WriteError)
        return error if worded else cls(error.errno, error.strerror, str(path))

    def __str__(self) -> str:
        full = self.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "Make room on the disk." if full else "Choose a folder that can be written to."
        return f"{self.filename}: expected to write it. Received: {self.strerror}. {mend}"


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place if the block succeeds.

    A reader sees the old file or the new one, never half; after an exception the old one remains.
    """
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=_PART + path.suffix
        )
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        with contextlib.suppress(OSError):  # drives of other systems refuse it
            temporary.chmod(0o644)  # mkstemp makes files that only the owner may read
        temporary.replace(path)  # os.replace: atomic
    except OSError as error:
        if temporary and error.filename not in (None, str(temporary)):
            raise  # of another file
        raise WriteError.of(error, path) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def delete_leftovers(paths: Iterable[Path | str]) -> None:
    """Delete what processes that were killed within :func:`replacing` left of these files.

    Nobody else may be writing them: own their folder, see :func:`bloodseg_lib.runs.owned`.
    """
    folders: dict[Path, set[tuple[str, str]]] = {}
    for path in map(Path, paths):
        folders.setdefault(path.parent, set()).add((path.stem[:40], path.suffix))
    for folder, names in folders.items():
        for left in folder.glob(f".*{_PART}*"):
            made = re.fullmatch(rf"\.(.*)-\w{{8}}{re.escape(_PART)}(.*)", left.name, re.DOTALL)
            if made and made.groups() in names:
                left.unlink()


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, or was cut short.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a JSON file, there is none.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # the latter: nested too deeply
        raise ValueError(
            f"{path}: expected JSON, received something else or a file cut short ({error}). "
            "Delete it and make it again."
        ) from error
