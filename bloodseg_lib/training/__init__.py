"""From a dataset and a network to a trained network. Taught by notebook 3."""

# Lazy, as the face of the network, so that Keras starts only when it is needed.
from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from bloodseg_lib.training.config import TrainingConfig
    from bloodseg_lib.training.log import LiveCurve, collapse_warning
    from bloodseg_lib.training.preflight import EXIT_NO_GPU, NoGPUError, preflight
    from bloodseg_lib.training.record import EpochRecord
    from bloodseg_lib.training.schedule import learning_rates
    from bloodseg_lib.training.train import TrainingResult, train

__all__ = [
    "EXIT_NO_GPU",
    "EpochRecord",
    "LiveCurve",
    "NoGPUError",
    "TrainingConfig",
    "TrainingResult",
    "collapse_warning",
    "learning_rates",
    "preflight",
    "train",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainingConfig"],
        "log": ["LiveCurve", "collapse_warning"],
        "preflight": ["EXIT_NO_GPU", "NoGPUError", "preflight"],
        "record": ["EpochRecord"],
        "schedule": ["learning_rates"],
        "train": ["TrainingResult", "train"],
    },
)
