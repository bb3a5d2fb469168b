"""Semantic segmentation of blood smears with a halved U-Net: the library beneath the tutorial's
notebooks.

Importing the package is quick and imports no TensorFlow; ``unet``, ``training``, ``prediction`` and
what stands on them do.
"""

__version__ = "0.1.0"
