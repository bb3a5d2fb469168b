"""The files of a segmented image: label map, overlay and counts. The command line writes them, the
panel offers them for download.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.classes import CELL_CLASSES
from bloodseg_lib.figures.overlays import legend_strip, overlay
from bloodseg_lib.io import label_map_bytes, png_bytes, write_bytes, write_json, write_label_map
from bloodseg_lib.prediction.counts import CountingConfig, Counts, count_cells, pool
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmentation, Segmenter, open_image
from bloodseg_lib.runs import owned

OVERLAY_PX = 4096
"""The longer side of an overlay is at most this; the label map always has the image's own size."""


@dataclass(frozen=True)
class FileResult:
    """What became of one image file.

    Attributes:
        path: the image.
        scale: that it was segmented with; None if it could not be read.
        counts: its cells; None if it could not be read, or if they were not counted.
        error: why it could not be read, in words; empty if it was segmented.
    """

    path: Path
    scale: Scale | None = None
    counts: Counts | None = None
    error: str = ""

    def __str__(self) -> str:
        if self.counts is None:
            return f"{self.path.name}: {self.error or self.scale}"
        cells = f"{len(self.counts.cells)} cells, parasitaemia {self.counts.parasitaemia()}"
        warnings = (f"the three counts disagree: {w}" for w in self.counts.disagreements().values())
        return "\n".join(f"{self.path.name}: {w}" for w in (f"{cells}; {self.scale}.", *warnings))


def predict_files(
    paths: Sequence[Path],
    segmenter: Segmenter,
    out: Path | str,
    scale: Scale | None = None,
    *,
    label_maps_only: bool = False,
    on_result: Callable[[FileResult], None] | None = None,
) -> tuple[list[FileResult], Counts | None]:
    """Segment image files, and write the files of each and those of all together.

    A file that cannot be read does not stop the others.

    Args:
        paths: the images, each with another stem.
        segmenter: the network.
        out: folder for the files of :func:`save_segmentation` and :func:`save_pooled`.
        scale: of all images; None: measured in each.
        label_maps_only: write only the label maps, ``<stem>.png``.
        on_result: called after each image.

    Returns:
        the result of each image, in order, and the pooled counts, if two or more were counted.

    Raises:
        ValueError: two images of one stem.
        BlockingIOError: another command is writing to ``out``.
    """
    twice = sorted(stem for stem, n in Counter(path.stem for path in paths).items() if n > 1)
    if twice:
        raise ValueError(
            f"{', '.join(twice)}: several images of this name. "
            "Predict them into folders of their own."
        )
    results = []
    with owned(out):
        for path in paths:
            results.append(_predict_file(path, segmenter, Path(out), scale, label_maps_only))
            if on_result:
                on_result(results[-1])
        fields = [result.counts for result in results if result.counts]
        return results, save_pooled(fields, out) if len(fields) > 1 else None


def _predict_file(
    path: Path, segmenter: Segmenter, out: Path, scale: Scale | None, label_map_only: bool
) -> FileResult:
    try:
        image = open_image(path)
        segmentation = segmenter.segment(image, scale)
    except (ValueError, OSError) as error:  # the other images are still worth their results
        words = str(error)
        return FileResult(path, error=words if path.name in words else f"{path}: {words}")
    if label_map_only:
        write_label_map(out / f"{path.stem}.png", segmentation.labels)
        return FileResult(path, segmentation.scale)
    counts = save_segmentation(segmentation, image, out, path.stem)
    return FileResult(path, segmentation.scale, counts)


def result_files(
    segmentation: Segmentation, image: np.ndarray, stem: str, config: CountingConfig | None = None
) -> tuple[Counts, dict[str, bytes]]:
    """Count the cells of a segmented image and make its files. The same segmentation gives the same
    bytes.

    Args:
        segmentation: of ``image``.
        image: ``(H, W, 3) uint8`` RGB.
        stem: first part of the file names, usually the image's name without its ending.
        config: how to count; the defaults if not given.

    Returns:
        the counts, and the files by name: ``<stem>_classes.png`` (indexed label map),
        ``<stem>_overlay.png`` (the image with tinted cells and a legend beneath, reduced to
        :data:`OVERLAY_PX`), ``<stem>_cells.csv`` (one row a cell) and ``<stem>_counts.json`` (the
        summary).

    Raises:
        ValueError: an image of another size.
    """
    if image.shape != (*segmentation.labels.shape, 3):
        raise ValueError(
            f"Expected the image that was segmented, {(*segmentation.labels.shape, 3)}. "
            f"Received {image.shape}."
        )
    labels, scale = segmentation.labels, segmentation.scale
    counts = count_cells(labels, segmentation.probabilities, scale, config, field=stem)
    summary = {
        "image": stem,
        "size": list(labels.shape),
        "scale": scale.factor,
        "scale_found": scale.to_dict(),
        **counts.to_dict(),
    }
    return counts, {
        f"{stem}_classes.png": label_map_bytes(labels),
        f"{stem}_overlay.png": png_bytes(_tinted(image, labels)),
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
