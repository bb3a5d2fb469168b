"""What a person gets for an image: class map, overlay and counts as files. The command line writes them, the panel offers them for download."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bloodseg_lib.counting import CountingConfig, Counts, count_cells
from bloodseg_lib.figures import legend_strip, overlay
from bloodseg_lib.files import png_bytes, write_bytes
from bloodseg_lib.labelmaps import label_map_bytes
from bloodseg_lib.prediction import Segmentation


def result_files(segmentation: Segmentation, image: np.ndarray, stem: str, config: CountingConfig | None = None) -> tuple[Counts, dict[str, bytes]]:
    """Count the cells of a segmented image and make its files. The same segmentation gives the same bytes.

    Args:
        segmentation: of ``image``.
        image: ``(H, W, 3) uint8`` RGB.
        stem: what the files' names begin with, usually the image's name without its ending.
        config: how to count; the defaults if not given.

    Returns:
        the counts, and the files by name: ``<stem>_classes.png`` (indexed label map), ``<stem>_overlay.png`` (the image with the cells tinted,
        a legend beneath), ``<stem>_cells.csv`` (one row a cell) and ``<stem>_counts.json`` (the summary).
    """
    counts = count_cells(segmentation.labels, segmentation.probabilities, segmentation.scale, config, field=stem)
    present = [int(i) for i in np.unique(segmentation.labels) if i]
    tinted = overlay(image, segmentation.labels)
    if present:
        tinted = np.vstack([tinted, legend_strip(image.shape[1], present)])
    summary = {"image": stem, "size": list(segmentation.labels.shape), "scale": segmentation.scale, **counts.to_dict()}
    return counts, {
        f"{stem}_classes.png": label_map_bytes(segmentation.labels),
        f"{stem}_overlay.png": png_bytes(tinted),
        f"{stem}_cells.csv": counts.to_csv().encode(),
        f"{stem}_counts.json": (json.dumps(summary, indent=1) + "\n").encode(),
    }


def save_segmentation(segmentation: Segmentation, image: np.ndarray, folder: Path | str, stem: str, config: CountingConfig | None = None) -> Counts:
    """Write the files of :func:`result_files` into a folder, each atomically, and return the counts."""
    counts, files = result_files(segmentation, image, stem, config)
    for name, data in files.items():
        write_bytes(Path(folder) / name, data)
    return counts
