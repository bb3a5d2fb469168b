"""The pretrained network that comes with the package, trained on real cells.

Its model card, ``bloodseg_lib/network/weights/README.md``, says what it was trained on, how well it
does and where it fails.
"""

from __future__ import annotations

from pathlib import Path

RELEASED = "released"
"""Name of the pretrained network, given instead of a path."""

_FOLDER = Path(__file__).resolve().parent / "weights"


def checkpoint_path(name: Path | str = RELEASED) -> Path:
    """The weights file of a network: ``"released"``, or a path, which is returned as it is.

    Raises:
        FileNotFoundError: the package was installed without its networks.

    Examples:
        >>> checkpoint_path("released").name
        'real_cells.npz'
    """
    if str(name) != RELEASED:
        return Path(name)
    path = _FOLDER / "real_cells.npz"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: not there. Install from a clone with: pip install -e . Or give the path of a "
            "network of your own."
        )
    return path
