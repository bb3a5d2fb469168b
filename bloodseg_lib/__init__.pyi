from . import (
    classes,
    evaluation,
    figures,
    io,
    network,
    notebooks,
    optics,
    panel,
    prediction,
    runs,
    samples,
    smears,
    training,
)
from .evaluation import annotated_fields, evaluate_counts, evaluate_dataset, evaluate_fields
from .network.config import UNetConfig
from .network.unet import build_unet
from .prediction import (
    CountingConfig,
    PredictionConfig,
    Scale,
    Segmenter,
    count_cells,
    export_checkpoint,
    predict_files,
)
from .runs import RunFiles
from .samples.bank import SampleBank, write_bank
from .samples.collect import collect
from .smears.build import build_dataset
from .smears.dataset import Dataset
from .smears.manifest import DatasetConfig
from .smears.recipe import recipe_named
from .smears.verify import verify
from .training.config import TrainingConfig
from .training.train import train

__all__ = [
    "CountingConfig",
    "Dataset",
    "DatasetConfig",
    "PredictionConfig",
    "RunFiles",
    "SampleBank",
    "Scale",
    "Segmenter",
    "TrainingConfig",
    "UNetConfig",
    "annotated_fields",
    "build_dataset",
    "build_unet",
    "classes",
    "collect",
    "count_cells",
    "evaluate_counts",
    "evaluate_dataset",
    "evaluate_fields",
    "evaluation",
    "export_checkpoint",
    "figures",
    "io",
    "network",
    "notebooks",
    "optics",
    "panel",
    "predict_files",
    "prediction",
    "recipe_named",
    "runs",
    "samples",
    "smears",
    "train",
    "training",
    "verify",
    "write_bank",
]

__version__: str
