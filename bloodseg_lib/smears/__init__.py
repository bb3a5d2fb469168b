"""From single cells to composed smears, and to a dataset of them on disk. Taught by notebook 1."""

from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.canvas import Canvas, PlacedCell
from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.smears.pool import KINDS, Pool, combinations
from bloodseg_lib.smears.recipe import RECIPES, Recipe, recipe_named
from bloodseg_lib.smears.smear import Smear
from bloodseg_lib.smears.verify import verify_dataset

__all__ = [
    "KINDS",
    "RECIPES",
    "Canvas",
    "Dataset",
    "DatasetConfig",
    "PlacedCell",
    "Pool",
    "Recipe",
    "Smear",
    "build_dataset",
    "combinations",
    "compose_background",
    "compose_smear",
    "recipe_named",
    "verify_dataset",
]
