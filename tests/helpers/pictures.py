"""Writing pictures for tests to read."""

from pathlib import Path

import numpy as np

from bloodseg_lib.io import png_bytes, write_bytes


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a picture as PNG."""
    write_bytes(path, png_bytes(image))
