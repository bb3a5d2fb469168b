"""What a person gets for an image:

class map, overlay and counts as files. The command line writes them, the panel offers them for
download.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import CELL_CLASSES
from bloodseg_lib.figures.overlays import legend_strip, overlay
from bloodseg_lib.io import label_map_bytes, png_bytes, write_bytes, write_json
from bloodseg_lib.prediction.counts import CountingConfig, Counts, count_cells, pool
from bloodseg_lib.prediction.segmenter import Segmentation

OVERLAY_PX = 4096
"""The longer side of an overlay is at most this; the class map always has the image's own size."""


def result_files(
    segmentation: Segmentation, image: np.ndarray, stem: str, config: CountingConfig | None = None
) -> tuple[Counts, dict[str, bytes]]:
    """Count the cells of a segmented image and make its files. The same segmentation gives the same
    bytes.

    Args:
        segmentation: of ``image``.
        image: ``(H, W, 3) uint8`` RGB.
        stem: what the files' names begin with, usually the image's name without its ending.
        config: how to count; the defaults if not given.

    Returns:
        the counts, and the files by name: ``<stem>_classes.png`` (indexed label map),
            ``<stem>_overlay.png`` (the image with the cells tinted,
        a legend beneath; larger ones reduced to :data:`OVERLAY_PX`), ``<stem>_cells.csv`` (one row
        a cell) and ``<stem>_counts.json`` (the summary).
    """
    if image.shape != (*segmentation.labels.shape, 3):
        raise ValueError(
            f"Expected the image that was segmented, {(*segmentation.labels.shape, 3)}. Received {image.shape}."
        )
    counts = count_cells(
        segmentation.labels,
        segmentation.known_probabilities,
        segmentation.scale,
        config,
        field=stem,
    )
    summary = {
        "image": stem,
        "size": list(segmentation.labels.shape),
        "scale": segmentation.scale,
        "scale_found": segmentation.found.to_dict(),
        **counts.to_dict(),
    }
    return counts, {
        f"{stem}_classes.png": label_map_bytes(segmentation.labels),
        f"{stem}_overlay.png": png_bytes(_tinted(image, segmentation.labels)),
        f"{stem}_cells.csv": counts.to_csv().encode(),
        f"{stem}_counts.json": (json.dumps(summary, indent=1) + "\n").encode(),
    }


def _tinted(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The image with its cells tinted and a legend beneath."""
    ratio = OVERLAY_PX / max(labels.shape)
    if ratio < 1:
        size = (max(1, round(labels.shape[1] * ratio)), max(1, round(labels.shape[0] * ratio)))
        image = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    tinted = overlay(np.asarray(image), labels)
    present = [c.id for c in CELL_CLASSES if (labels == c.id).any()]
    return np.vstack([tinted, legend_strip(labels.shape[1], present)]) if present else tinted


def save_segmentation(
    segmentation: Segmentation,
    image: np.ndarray,
    folder: Path | str,
    stem: str,
    config: CountingConfig | None = None,
) -> Counts:
    """Write the files of :func:`result_files` into a folder, each atomically, and return the
    counts.
    """
    counts, files = result_files(segmentation, image, stem, config)
    for name, data in files.items():
        write_bytes(Path(folder) / name, data)
    return counts


def save_pooled(fields: Sequence[Counts], folder: Path | str) -> Counts:
    """Write the counts of several fields as those of one, ``pooled_cells.csv`` and
    ``pooled_counts.json``, and return them.

    Raises:
        ValueError: as :func:`bloodseg_lib.prediction.counts.pool`.
    """
    counts = pool(fields)
    write_bytes(Path(folder) / "pooled_cells.csv", counts.to_csv().encode())
    write_json(Path(folder) / "pooled_counts.json", {"fields": len(fields), **counts.to_dict()})
    return counts
