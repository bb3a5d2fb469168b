"""The files of a segmented image: label map, overlay and counts. The command line writes them, the
panel offers them for download.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import CELL_CLASSES
from bloodseg_lib.figures.overlays import legend_strip, overlay, with_question_marks
from bloodseg_lib.io import ENCODING, label_map_bytes, png_bytes, write_bytes
from bloodseg_lib.prediction.ahead import beside
from bloodseg_lib.prediction.appearance import Appearance
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.counts import CountingConfig, Counts, count_cells, pool
from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.quality import judge
from bloodseg_lib.prediction.segmenter import Segmentation

OVERLAY_PX = 4096
"""The longer side of an overlay is at most this; the label map always has the image's own size."""

RESULT_ENDINGS = ("_classes.png", "_overlay.png", "_cells.csv", "_counts.json")
"""Of the files of an image, after its name."""

POOLED_FILES = ("pooled_cells.csv", "pooled_counts.json")
"""The files of several images together."""


def count_field(
    segmentation: Segmentation,
    image: np.ndarray,
    config: CountingConfig | None = None,
    field: str = "",
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Counts:
    """Find, count and judge the cells of a segmented image.

    Args:
        segmentation: of ``image``.
        image: ``(H, W, 3) uint8`` RGB.
        config: how to count; the defaults if not given.
        field: name of the image, kept with each cell.
        on_progress: receives the fraction that is done, 0..1.
    """
    original, image = image, segmentation.preprocessing.correction.applied(image)
    labels, probabilities = segmentation.labels, segmentation.probabilities
    scale, config = segmentation.scale, config or CountingConfig()
    # one cell that was cut out touches every border
    border_rule = config.border_rule and not segmentation.preprocessing.one_cell
    how = replace(config, border_rule=border_rule)
    # a dark border or a frame below or at the right ends the picture: it cuts cells there
    _, below, _, right = segmentation.preprocessing.border
    seen_part = np.s_[: labels.shape[0] - below, : labels.shape[1] - right]
    probabilities = None if probabilities is None else probabilities[seen_part]
    written = None if segmentation.written is None else segmentation.written[seen_part]
    with beside(Appearance.of, image, segmentation) as seen:
        counts = count_cells(
            labels[seen_part], probabilities, scale, how, field, written, on_progress=on_progress
        )
    label_map = np.zeros_like(labels)
    label_map[seen_part] = counts.label_map
    counts = replace(counts, config=config, label_map=label_map)
    quality = judge(
        image, segmentation, counts.cells, counts.under_writing, seen.result(), original
    )
    return replace(counts, quality=quality)


def result_files(
    segmentation: Segmentation,
    image: np.ndarray,
    stem: str,
    config: CountingConfig | None = None,
    on_progress: Callable[[float], None] = lambda fraction: None,
    decimal_comma: bool = False,
) -> tuple[Counts, dict[str, bytes]]:
    """Count the cells of a segmented image and make its files. The same segmentation gives the same
    bytes.

    Args:
        segmentation: of ``image``.
        image: ``(H, W, 3) uint8`` RGB.
        stem: first part of the file names, usually the image's name without its ending.
        config: how to count; the defaults if not given.
        on_progress: receives the fraction that is counted, 0..1.
        decimal_comma: write the table so, see :func:`bloodseg_lib.io.csv_text`.

    Returns:
        the counts, and the files by name: ``<stem>_classes.png`` (indexed label map),
        ``<stem>_overlay.png`` (the image with tinted cells, a question mark on uncertain ones, and
        a legend beneath, reduced to :data:`OVERLAY_PX`), ``<stem>_cells.csv`` (one row a cell) and
        ``<stem>_counts.json`` (the summary).

    Raises:
        ValueError: an image of another size.
    """
    if image.shape != (*segmentation.labels.shape, 3):
        raise ValueError(
            f"Expected the image that was segmented, {(*segmentation.labels.shape, 3)}. "
            f"Received {image.shape}."
        )
    scale = segmentation.scale
    counts = count_field(segmentation, image, config, stem, on_progress)
    labels = segmentation.labels if counts.label_map is None else counts.label_map
    summary = {
        "image": stem,
        "size": list(labels.shape),
        "scale": scale.factor,
        "scale_found": scale.to_dict(),
        "pixel_size": PixelSize.of(scale).to_dict(),
        "stain": segmentation.preprocessing.stain.to_dict(),
        **counts.to_dict(),
    }
    with beside(label_map_bytes, labels) as classes:
        tinted = png_bytes(_tinted(image, labels, [c for c in counts.cells if c.uncertain]))
    return counts, {
        f"{stem}_classes.png": classes.result(),
        f"{stem}_overlay.png": tinted,
        f"{stem}_cells.csv": counts.to_csv(decimal_comma).encode(ENCODING),
        f"{stem}_counts.json": (json.dumps(summary, indent=1) + "\n").encode(),
    }


def _tinted(image: np.ndarray, labels: np.ndarray, uncertain: Sequence[Cell]) -> np.ndarray:
    """The image with its cells tinted, a question mark on some, and a legend beneath."""
    ratio = min(1, OVERLAY_PX / max(labels.shape))
    if ratio < 1:
        size = (max(1, round(labels.shape[1] * ratio)), max(1, round(labels.shape[0] * ratio)))
        image = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    tinted = overlay(np.asarray(image), labels)
    if uncertain:
        places = [tuple(ratio * v for v in (*c.centroid, c.box.width)) for c in uncertain]
        tinted = with_question_marks(tinted, places)
    present = [c.id for c in CELL_CLASSES if (labels == c.id).any()]
    legend = legend_strip(labels.shape[1], present, uncertain=bool(uncertain))
    return np.vstack([tinted, legend]) if present else tinted


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


def pooled_files(
    fields: Sequence[Counts], decimal_comma: bool = False
) -> tuple[Counts, dict[str, bytes]]:
    """The counts of several fields as those of one, and their files by name: ``pooled_cells.csv``
    and ``pooled_counts.json``.

    Raises:
        ValueError: as :func:`bloodseg_lib.prediction.counts.pool`.
    """
    counts = pool(fields)
    summary = {"fields": len(fields), **counts.to_dict()}
    return counts, {
        "pooled_cells.csv": counts.to_csv(decimal_comma).encode(ENCODING),
        "pooled_counts.json": (json.dumps(summary, indent=1) + "\n").encode(),
    }
