"""From single cells to composed smears, and to a dataset of them on disk. Taught by notebook 1."""

from bloodseg_lib.smears.compose import compose_background, compose_smear
from bloodseg_lib.smears.pool import KINDS, Pool, combinations
from bloodseg_lib.smears.recipe import RECIPES, Recipe, recipe_named
from bloodseg_lib.smears.smear import Smear

__all__ = [
    "KINDS",
    "RECIPES",
    "Pool",
    "Recipe",
    "Smear",
    "combinations",
    "compose_background",
    "compose_smear",
    "recipe_named",
]
