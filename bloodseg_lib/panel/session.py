"""The session of a panel, without widgets: image, segmentation, counts, corrections, files.

``prediction`` segments and counts, ``corrections`` corrects, ``figures`` draws.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, class_by_key
from bloodseg_lib.figures.images import comparison_figure
from bloodseg_lib.figures.overlays import heat, overlay
from bloodseg_lib.io import read_image, resized
from bloodseg_lib.panel.corrections import (
    Correction,
    ListedCell,
    corrected,
    corrected_files,
    listed_cells,
)
from bloodseg_lib.panel.html import cell_details, cell_words, css_colour
from bloodseg_lib.panel.images import close_up, decoded_image, offered_images
from bloodseg_lib.prediction.counts import NOTICE, CountingConfig, Counts
from bloodseg_lib.prediction.probabilities import class_picture
from bloodseg_lib.prediction.results import result_files
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmentation, Segmenter

_NO_IMAGE = "Expected an image, none is picked. Pick one from the list or upload one."
_NOT_YET = "Expected an image that was segmented, received none yet. Press Segment first."


class PanelSession:
    """An image, its result and the corrections of it.

    Args:
        segmenter, images, config: see :class:`bloodseg_lib.panel.panel.SegmentationPanel`.

    Attributes:
        images: the images to pick from by name; those of a folder are paths until they are picked.
        image: ``(H, W, 3) uint8`` RGB, or ``None``.
        name: of the image; its files' names begin with it.
        segmentation: of the image, or ``None``.
        found: its cells and figures as the network found them, or ``None``.
        counts: the same after the corrections.
        files: its files by name, as the command line writes them until a correction is made.
        corrections: made by hand, in order.

    Raises:
        FileNotFoundError: ``images`` is a folder that is not there.

    Examples:
        >>> session = PanelSession(segmenter=None, images={"a": np.zeros((4, 6, 3), np.uint8)})
        >>> session.pick("a")
        >>> session.name, session.image.shape, session.found_words()
        ('a', (4, 6, 3), 'not segmented yet')
    """

    def __init__(
        self,
        segmenter: Segmenter,
        images: Mapping[str, np.ndarray] | Path | str | None = None,
        config: CountingConfig | None = None,
    ):
        self.segmenter = segmenter
        self.config = config or CountingConfig()
        self.images = offered_images(images)
        self._begin(None, "")

    def _begin(self, image: np.ndarray | None, name: str) -> None:
        self.image, self.name = image, name
        self.segmentation: Segmentation | None = None
        self.found: Counts | None = None
        self.counts: Counts | None = None
        self.files: dict[str, bytes] = {}
        self._found_files: dict[str, bytes] = {}
        self.corrections: tuple[Correction, ...] = ()

    def add(self, name: str, data: bytes) -> str:
        """Add the bytes of an image file to the images, and return the name that it has there.

        Raises:
            ValueError: it is no image.
        """
        name = Path(name).name
        self.images[name] = decoded_image(name, data)
        return name

    def opened(self, name: str | None) -> np.ndarray:
        """One of the images, ``(H, W, 3) uint8`` RGB.

        Raises:
            FileNotFoundError, ValueError: no name, or a file that cannot be read.
        """
        if name is None:
            raise ValueError(_NO_IMAGE)
        image = self.images[name]
        return read_image(image) if isinstance(image, Path) else image

    def pick(self, name: str | None) -> None:
        """Begin anew with one of the images, or with none.

        Raises:
            FileNotFoundError, ValueError: its file cannot be read; then the session has no image.
        """
        self._begin(None, "")
        if name is not None:
            self._begin(self.opened(name), name)

    def segment(
        self,
        image: np.ndarray,
        name: str = "image",
        rbc_diameter_px: float | None = None,
        *,
        on_step: Callable[[str], None] = lambda words: None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Segmentation:
        """Segment an image and count its cells. After an error the former result is still there.

        Args:
            image: ``(H, W, 3) uint8`` RGB.
            name: the beginning of its files' names.
            rbc_diameter_px: of a red cell in it; ``None``: the scale is measured.
            on_step: receives each step in words.
            on_progress: receives the fraction, 0..1, that has passed through the network.

        Raises:
            ValueError: no such image, or a diameter out of range.
        """
        on_step(f"{name}: segmenting ...")
        scale = None if rbc_diameter_px is None else Scale.given(rbc_diameter_px)
        segmentation = self.segmenter.segment(image, scale=scale, on_progress=on_progress)
        on_step(f"{name}: counting ...")
        counts, files = result_files(segmentation, image, name, self.config)
        self._begin(image, name)
        self.segmentation, self.found, self.counts = segmentation, counts, counts
        self.files = self._found_files = files
        size = f"{image.shape[1]} x {image.shape[0]} pixels"
        on_step(f"{name}: {size}, {len(counts.cells)} cells counted; {segmentation.scale}.")
        return segmentation

    def correct(self, number: int, class_id: int | str | None) -> str:
        """Give a cell another class, or delete it, and put that on record.

        Args:
            number: of the cell, from 1.
            class_id: the id or the key of its class, or ``None``: it is no cell.

        Returns:
            the change in words.

        Raises:
            ValueError: nothing was segmented, or there is no such cell or class.
        """
        if self.found is None:
            raise ValueError(_NOT_YET)
        if not number:
            raise ValueError(
                "Expected a cell, none is chosen. "
                "Click one in the picture, or choose it from the list."
            )
        key = class_by_key(class_id).id if isinstance(class_id, str) else class_id
        corrections = (*self.corrections, Correction(number, key))
        after = listed_cells(self.found, corrections)[number - 1].class_id
        before = self.cells()[number - 1].class_id
        if before == after:
            return f"Cell {number} is that already; nothing was changed."
        self.counts = corrected(self.found, corrections)
        self.files = corrected_files(self.found, self._found_files, self.name, corrections)
        self.corrections = corrections
        was, now = (CLASSES[i].name if i is not None else "no cell" for i in (before, after))
        return f"Cell {number}: {was} was changed to {now}. The figures and the files say so."

    def found_class(self, number: int) -> int | None:
        """The class of a cell as the network found it; ``None`` without such a cell."""
        cell = self.cell(number)
        return cell.found.class_id if cell else None

    def cells(self, least_certain_first: bool = False) -> list[ListedCell]:
        """The cells that were found, with the classes that they have now."""
        cells = listed_cells(self.found, self.corrections) if self.found else []
        return sorted(cells, key=lambda cell: cell.certainty) if least_certain_first else cells

    def cell(self, number: int) -> ListedCell | None:
        """The cell of a number, or ``None`` if there is none."""
        cells = self.cells()
        return cells[number - 1] if 1 <= number <= len(cells) else None

    def details(self, cell: ListedCell) -> str:
        """The class, probabilities, size and close-up of a cell, as HTML."""
        if self.segmentation is None or self.image is None:
            raise ValueError(_NOT_YET)
        window = close_up(self.image, cell.found.box)
        return cell_details(cell, self.segmentation.scale.factor, window)

    def marks(self, class_ids: Iterable[int]) -> list[dict[str, Any]]:
        """The cells for the picture: the deleted ones, and those whose class is shown."""
        shown = {None, *class_ids}
        return [
            {
                "number": cell.number,
                "box": list(cell.found.box),
                "centre": list(cell.found.centroid),
                "colour": css_colour(cell.class_id or 0),
                "words": cell_words(cell),
                "mark": cell.mark,
            }
            for cell in self.cells()
            if cell.class_id in shown
        ]

    def found_words(self) -> str:
        """The number of cells of each class."""
        if self.counts is None:
            return "not segmented yet"
        numbers = ((self.counts.watershed[c.key], c.name) for c in CELL_CLASSES)
        return ", ".join(f"{n} {name}" for n, name in numbers if n) or "no cells"

    def overlay(
        self, size: tuple[int, int], opacity: float, outlines: bool, class_ids: Iterable[int]
    ) -> np.ndarray:
        """The image at a width and height, ``uint8`` RGB, tinted where it has been segmented; see
        :func:`bloodseg_lib.figures.overlays.overlay`.
        """
        shown = self._shown(size)
        if self.segmentation is None:
            return shown
        assert self.found is not None and self.found.label_map is not None
        labels = self.found.label_map  # each cell in one class
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        return overlay(shown, labels, opacity, outlines, class_ids)

    def heat_map(self, size: tuple[int, int], class_id: int) -> np.ndarray:
        """The image at a width and height, ``uint8`` RGB, under the heat map of a class's
        probability where it has been segmented.

        Raises:
            ValueError: the probabilities were not kept.
        """
        shown = self._shown(size)
        if self.segmentation is None:
            return shown
        known = self.segmentation.probabilities
        if known is None:
            raise ValueError("The probabilities of this image were not kept. Press Segment again.")
        (width, height), (rows, columns) = size, known.shape[:2]
        small = class_picture(known, class_id, min(width, columns), min(height, rows))
        return heat(shown, cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))

    def _shown(self, size: tuple[int, int]) -> np.ndarray:
        if self.image is None:
            raise ValueError(_NO_IMAGE)
        return resized(self.image, size)

    def content(self, name: str) -> bytes:
        """The bytes of one of the files, or of all as a zip.

        Raises:
            ValueError: there is no such file.
        """
        if name == f"{self.name}.zip":
            return self.archive()
        if name not in self.files:
            raise ValueError(f"{name}: no such file of the last result. Press Segment again.")
        return self.files[name]

    def archive(self) -> bytes:
        """All files as a zip. The same files give the same bytes.

        Raises:
            ValueError: nothing was segmented yet.
        """
        if not self.files:
            raise ValueError(_NOT_YET)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.files.items():
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        return packed.getvalue()

    def figure(self) -> Figure:
        """The result as a plain figure, for pages that run no widgets.

        Raises:
            ValueError: nothing was segmented yet.
        """
        if self.segmentation is None or self.image is None or self.counts is None:
            raise ValueError(_NOT_YET)
        figure = comparison_figure([(self.image, None, self.segmentation.labels)], [self.name])
        words = f"{self.found_words()}. Parasitaemia {self.counts.parasitaemia()}. {NOTICE}"
        figure.suptitle(words, fontsize=10)
        return figure
