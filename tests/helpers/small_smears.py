"""A recipe and a dataset that are composed in a moment."""

from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.smears.recipe import Recipe

SMALL = Recipe(background_size_px=336)
CONFIG = DatasetConfig(train=24, valid=6, test=6, backgrounds=18, recipe=SMALL)
