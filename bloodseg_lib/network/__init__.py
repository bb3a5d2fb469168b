"""The U-Net, its loss and scores, its file and its backend. Taught by notebook 2."""

# Lazy: importing a module of this folder that needs no Keras must not start it.
from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from bloodseg_lib.network.backend import describe_device, has_gpu, versions
    from bloodseg_lib.network.checkpoint import load_model, read_sidecar, save_checkpoint
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.network.loss import WeightedCrossEntropy, class_weights, weight_map
    from bloodseg_lib.network.metrics import Scores, confusion_matrix, scores
    from bloodseg_lib.network.pretrained import RELEASED, checkpoint_path
    from bloodseg_lib.network.sidecar import Sidecar
    from bloodseg_lib.network.unet import build_unet

__all__ = [
    "RELEASED",
    "Scores",
    "Sidecar",
    "UNetConfig",
    "WeightedCrossEntropy",
    "build_unet",
    "checkpoint_path",
    "class_weights",
    "confusion_matrix",
    "describe_device",
    "has_gpu",
    "load_model",
    "read_sidecar",
    "save_checkpoint",
    "scores",
    "versions",
    "weight_map",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["UNetConfig"],
        "backend": ["describe_device", "has_gpu", "versions"],
        "checkpoint": ["load_model", "read_sidecar", "save_checkpoint"],
        "loss": ["WeightedCrossEntropy", "class_weights", "weight_map"],
        "metrics": ["Scores", "confusion_matrix", "scores"],
        "pretrained": ["RELEASED", "checkpoint_path"],
        "sidecar": ["Sidecar"],
        "unet": ["build_unet"],
    },
)
