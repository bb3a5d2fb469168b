"""The sidecar of a checkpoint: what describes a trained network.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bloodseg_lib
from bloodseg_lib.classes import CLASSES
from bloodseg_lib.config import Config
from bloodseg_lib.network.config import UNetConfig


@dataclass(frozen=True)
class Sidecar(Config):
    """Describes a trained network.

    Attributes:
        epoch: how many epochs it was trained.
        batch_size: of the last epoch.
        learning_rate: at the end of the last epoch.
        mean, std: of the training set's pixels, per channel, 0..255 RGB.
        max_valid_accuracy: the highest validation accuracy of any epoch so far, 0..1.
        min_valid_loss: the lowest validation loss of any epoch so far.
        history: one :class:`~bloodseg_lib.training.record.EpochRecord` an epoch, as a dict.
        unet: the :class:`~bloodseg_lib.network.config.UNetConfig` as a dict.
        training: the :class:`~bloodseg_lib.training.config.TrainingConfig` as a dict.
        dataset: digest of the dataset it was trained on.
        classes: keys of the classes, in the order of their ids.
        versions: of this package, Keras and the backend.
    """

    epoch: int
    batch_size: int
    learning_rate: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    max_valid_accuracy: float
    min_valid_loss: float
    history: list[dict[str, Any]]
    unet: dict[str, Any]
    training: dict[str, Any]
    dataset: str
    classes: list[str] = dataclasses.field(default_factory=lambda: [c.key for c in CLASSES])
    versions: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"bloodseg_lib": bloodseg_lib.__version__, **_versions()}
    )

    def check(self) -> None:
        self.expect(
            self.classes == [c.key for c in CLASSES],
            "classes",
            f"the classes of this package, {', '.join(c.key for c in CLASSES)}",
        )
        UNetConfig.from_dict(self.unet)

    @classmethod
    def parse(cls, values: Any, where: Path | str) -> Sidecar:
        """Make the sidecar of what JSON held.

        Raises:
            ValueError: something is missing or of another type; the message names the file,
                ``where``.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names if not isinstance(values, dict) or name not in values]
        if missing:
            raise ValueError(
                f"{where}: expected a sidecar with {', '.join(names)}. Received none of "
                f"{', '.join(missing)}. {mend(where)}"
            )
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{where}: {error} {mend(where)}") from error


def _versions() -> dict[str, str]:
    from bloodseg_lib.network.backend import versions  # here: reading a sidecar needs no Keras

    return versions()


def mend(where: Path | str) -> str:
    """Say how a damaged file of a checkpoint is mended."""
    if Path(where).suffix == ".json":
        return "Delete it (the .npz beside it holds a copy of its own), or copy both files again."
    return "Copy the checkpoint again, or train again with this version."
