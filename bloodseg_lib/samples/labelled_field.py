"""A whole field of view with its label map: what smears of real cells are cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelledField:
    """A field of view at 40x, on a white background, with the classes that are known.

    Attributes:
        image: ``(H, W, 3) uint8`` RGB, transmittance x 255.
        labels: ``(H, W) uint8``, ids 0..9, or :data:`~bloodseg_lib.classes.UNKNOWN` where nobody
            knows the class; the loss ignores it there.
        source, group: see :class:`~bloodseg_lib.samples.sample.CellSample`.
        name: unique within the source.
    """

    image: np.ndarray
    labels: np.ndarray
    source: str
    group: str
    name: str
