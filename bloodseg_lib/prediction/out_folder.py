"""Whether results can be written into a folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bloodseg_lib.io import WriteError, is_file
from bloodseg_lib.prediction.result_names import printable

_FIRST_BYTES = 1 << 20  # room that the result of a small image needs


def try_folder(folder: Path | str, images: Sequence[Path] = ()) -> None:
    """Try whether results can be written into a folder, before anything long. Nothing is left.

    Args:
        folder: of the results; it need not exist.
        images: to segment; the first result is taken to need as much room as the largest file.

    Raises:
        OSError: it cannot be made or written to, or has too little room.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    sizes = [path.stat().st_size for path in images if is_file(path)]
    left = max([_FIRST_BYTES, *sizes])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            while left > 0:  # written, because quotas are not seen otherwise
                left -= file.write(bytes(min(left, _FIRST_BYTES)))
    except OSError as error:
        raise WriteError.of(error, folder) from error
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def check_apart(read: Iterable[Path | None], written: Iterable[Path]) -> None:
    """Refuse to write onto what is read, by whatever name.

    Args:
        read: images, and lists of images; None: there is none.
        written: files to write that are there already.

    Raises:
        ValueError: one is both.
    """
    inputs = {_identity(path): path for path in read if path and is_file(path)}
    for path in filter(is_file, written):
        if found := inputs.get(_identity(path)):
            raise ValueError(
                f"{printable(str(found))}: expected to write a result there, but this is one of "
                "the images, or their list. Give --out another folder."
            )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
