"""The pretrained networks that come with the package, trained on real cells: the released one, and
a student of it, a quarter of its size.

Their model card, ``bloodseg_lib/network/weights/README.md``, says what they were trained on, how
well they do and where they fail.
"""

from __future__ import annotations

from pathlib import Path

from bloodseg_lib.runs import RunFiles

RELEASED, STUDENT = "released", "student"
"""Names of pretrained networks, given instead of a path."""

_FILES = {RELEASED: "real_cells.npz", STUDENT: "student.npz"}
_FOLDER = Path(__file__).resolve().parent / "weights"


def checkpoint_path(name: Path | str = RELEASED) -> Path:
    """The weights file of a network: ``"released"``, ``"student"``, a path, or the folder of a run
    or a training.

    Raises:
        FileNotFoundError: the package was installed without its networks, or the folder has none.

    Examples:
        >>> checkpoint_path("released").name
        'real_cells.npz'
    """
    if str(name) in _FILES:
        path = _FOLDER / _FILES[str(name)]
        if path.is_file():
            return path
        raise FileNotFoundError(
            f"{path}: not there. Install from a clone with: pip install -e . Or give the path of a "
            "network of your own."
        )
    folder = Path(name)
    if not folder.is_dir():
        return folder
    run = RunFiles(folder)
    for path in (run.network, run.best, folder / run.best.name):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{folder}: expected {run.network.name} in it, or {run.best.name} of a training, found "
        "neither. Give a folder that `fine-tune`, `train` or `run` wrote to."
    )
