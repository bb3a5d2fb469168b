"""The names of the files in a run folder, through which the notebooks pass everything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """The files of a run.

    Attributes:
        root: the run's folder, e.g. ``runs/tutorial``.

    Examples:
        >>> RunFiles("runs/tutorial").best.as_posix()
        'runs/tutorial/training/best.npz'
    """

    root: Path

    def __init__(self, root: Path | str):
        object.__setattr__(self, "root", Path(root))

    @property
    def bank(self) -> Path:
        """The sample bank of drawn cells, when the run was given none."""
        return self.root / "bank"

    @property
    def dataset(self) -> Path:
        """The composed dataset."""
        return self.root / "dataset"

    @property
    def training(self) -> Path:
        """Folder of the training: ``best`` and ``latest`` checkpoints and the log."""
        return self.root / "training"

    @property
    def best(self) -> Path:
        """The checkpoint with the highest validation accuracy."""
        return self.training / "best.npz"

    @property
    def evaluation(self) -> Path:
        """Folder of the report."""
        return self.root / "evaluation"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.root / "figures"

    @property
    def gif(self) -> Path:
        """The animation of smears under their heat maps."""
        return self.figures / "heat_maps.gif"

    def need(self, path: Path, notebook: str) -> Path:
        """Return ``path`` if it exists.

        Raises:
            FileNotFoundError: it does not; the message names the notebook that makes it.
        """
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: not there yet. Run notebooks/{notebook}.ipynb first, "
                "with the same run_dir."
            )
        return path
