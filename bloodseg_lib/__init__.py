"""Semantic segmentation of blood smears with a halved U-Net: the library beneath the tutorial's
notebooks.

Importing the package is quick and starts no TensorFlow: the names and folders of ``__init__.pyi``
are loaded when they are first used.

Examples:
    >>> import bloodseg_lib
    >>> bloodseg_lib.RunFiles("runs/tutorial").best.name
    'best.npz'
    >>> bloodseg_lib.recipe_named("white") == bloodseg_lib.DatasetConfig().recipe
    True
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("bloodseg-lib")
except PackageNotFoundError:  # the files alone, not installed
    __version__ = "0+unknown"
