"""Whether results can be written into a folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bloodseg_lib.io import WriteError, is_file

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
