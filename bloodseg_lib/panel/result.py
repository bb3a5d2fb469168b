"""What is known of an image that was segmented in the panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bloodseg_lib.panel.corrections import Correction, corrected
from bloodseg_lib.prediction.counts import CountingConfig, Counts
from bloodseg_lib.prediction.results import result_files
from bloodseg_lib.prediction.segmenter import Segmentation

NO_IMAGE = "Expected an image, none is picked. Pick one from the list or upload one."
NOT_YET = "Expected an image that was segmented, received none yet. Press Segment first."


@dataclass
class Result:
    """What is known of a segmented image.

    Attributes:
        name: the beginning of its files' names.
        segmentation: of the image.
        found: its cells and figures as the network found them, with their pixels.
        files: of ``found``, by name.
        corrections: made by hand, in order.
        saved: the files as they were last written.
    """

    name: str
    segmentation: Segmentation
    found: Counts
    files: Mapping[str, bytes]
    corrections: tuple[Correction, ...] = ()
    saved: dict[str, bytes] = field(default_factory=dict)

    def counts(self) -> Counts:
        """The cells and figures after the corrections."""
        return corrected(self.found, self.corrections)


def counted(
    segmentation: Segmentation,
    image: np.ndarray,
    name: str,
    config: CountingConfig,
    on_progress: Callable[[float], None],
) -> Result:
    """Count the cells of a segmented image.

    Args:
        segmentation: of ``image``.
        image: ``(H, W, 3) uint8`` RGB.
        name: the beginning of its files' names.
        config: how cells are counted.
        on_progress: receives the fraction that is done, 0..1.
    """
    found, files = result_files(segmentation, image, name, config, on_progress)
    return Result(name, segmentation, found, files)
