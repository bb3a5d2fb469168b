"""The panel: pick or upload an image, have its cells segmented, counted and coloured, look at each,
correct it, and download the result.

It is thin: ``prediction`` segments, ``results`` counts and makes the files, ``figures`` draws,
    ``corrections`` corrects, ``readouts`` words it.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, class_by_key
from bloodseg_lib.figures.images import comparison_figure
from bloodseg_lib.figures.overlays import figure_png, heat, heat_scale, overlay
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel import html as readouts
from bloodseg_lib.panel.controls import SHOW_CLASSES, PanelControls
from bloodseg_lib.panel.corrections import Correction, corrected, corrected_files, final_classes
from bloodseg_lib.panel.images import close_up, decoded_image, offered_images, resized, shown_size
from bloodseg_lib.prediction.counts import NOTICE, CountingConfig, Counts
from bloodseg_lib.prediction.probabilities import class_picture
from bloodseg_lib.prediction.results import result_files
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmentation, open_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bloodseg_lib.prediction.segmenter import Segmenter


class SegmentationPanel(PanelControls):
    """A panel for JupyterLab and Voila. Display the panel itself, or ``panel.widget``.

    Args:
        segmenter: what segments, usually a :class:`bloodseg_lib.prediction.segmenter.Segmenter`.
        images: images to pick from: name -> ``(H, W, 3) uint8`` RGB, or a folder of image files.
            Others can be uploaded.
        config: how cells are counted; the defaults if not given.

    Attributes:
        widget: the panel.
        last_error: the exception that the last action ended with, or ``None``. The panel shows its
            words.
        segmentation: of the last image segmented, or ``None``.
        counts: its cells and figures, with the corrections, or ``None``.
        found: the same as the network found them.
        files: its files by name: those that the command line writes, until a correction is made;
            see :mod:`bloodseg_lib.panel.corrections`.
        corrections: made by hand, in order.

    Raises:
        FileNotFoundError: ``images`` is a folder that is not there.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        images: Mapping[str, np.ndarray] | Path | str | None = None,
        config: CountingConfig | None = None,
    ):
        self.segmenter = segmenter
        self.config = config or CountingConfig()
        self.last_error: Exception | None = None
        self._images: dict[str, np.ndarray | Path] = offered_images(images)
        self._image: np.ndarray | None = None
        self._name = ""
        self._forget()
        super().__init__(list(self._images), self._take, self._content, self._fail)
        self._connect()
        self._guarded(self._show_choice)

    def _forget(self) -> None:
        self.segmentation: Segmentation | None = None
        self.counts: Counts | None = None
        self.found: Counts | None = None
        self.files: dict[str, bytes] | None = None
        self.corrections: tuple[Correction, ...] = ()
        self._found_files: dict[str, bytes] = {}

    def _connect(self) -> None:
        """What each control does."""
        self.picker.observe(lambda _: self._guarded(self._show_choice), "value")
        self.run.on_click(lambda _: self._guarded(self._segment_choice))
        self.all_classes.on_click(lambda _: self._guarded(lambda: self._toggle_all(True)))
        self.no_classes.on_click(lambda _: self._guarded(lambda: self._toggle_all(False)))
        for control in (self.view, self.opacity, self.outlines, *self.toggles.values()):
            control.observe(lambda _: self._guarded(self._draw), "value")
        self.picture.observe(
            lambda change: self._guarded(lambda: self._selected(change["new"])), "selected"
        )
        self.order.observe(lambda _: self._guarded(self._list_cells), "value")
        self.cells.observe(self._picked_from_list, "value")
        self.change.on_click(
            lambda _: self._guarded(
                lambda: self.correct(self.picture.selected, self.new_class.value)
            )
        )
        self.delete.on_click(
            lambda _: self._guarded(lambda: self.correct(self.picture.selected, None))
        )
        self.restore.on_click(
            lambda _: self._guarded(
                lambda: self.correct(self.picture.selected, self._as_found(self.picture.selected))
            )
        )

    def segment(self, image: np.ndarray, name: str = "image") -> Segmentation:
        """Segment an image, count its cells and show the result in the panel.

        Args:
            image: ``(H, W, 3) uint8`` RGB. Its scale is measured, or what the panel's diameter of a
                red cell says.
            name: what its files are called.

        Raises:
            ValueError: no such image; the panel shows the words too.
        """
        self.last_error = None
        try:
            self._say(f"{name}: segmenting ...")
            self._advance(0)
            scale = None if self.measure.value else Scale.given(self.diameter.value)
            segmentation = self.segmenter.segment(image, scale=scale, on_progress=self._advance)
            self._say(f"{name}: counting ...")
            counts, files = result_files(segmentation, image, name, self.config)
        except Exception as error:
            self._fail(error)
            raise
        finally:
            self.progress.layout.display = "none"
        self._forget()
        self._image, self._name = image, name
        self.segmentation, self.found, self.counts, self._found_files, self.files = (
            segmentation,
            counts,
            counts,
            files,
            files,
        )
        self.picture.selected = 0
        self._show_result()
        self._say(
            f"{name}: {image.shape[1]} x {image.shape[0]} pixels, {len(counts.cells)} cells counted; {segmentation.scale}."
        )
        return segmentation

    def correct(self, number: int, class_id: int | str | None) -> None:
        """Give a cell another class, or delete it; the figures and files change and the correction
        is on record.

        Args:
            number: of the cell, from 1, as in the list of cells.
            class_id: the id or the key of its class, or ``None``: it is no cell.

        Raises:
            ValueError: nothing was segmented, or there is no such cell or class.
        """
        if self.found is None:
            raise ValueError(
                "Expected an image that was segmented, received none yet. Press Segment first."
            )
        if not number:
            raise ValueError(
                "Expected a cell, none is chosen. Click one in the picture, or choose it from the list."
            )
        correction = Correction(
            number, class_by_key(class_id).id if isinstance(class_id, str) else class_id
        )
        before = final_classes(self.found, self.corrections)
        corrections = (*self.corrections, correction)
        after = final_classes(self.found, corrections)
        if before == after:
            self._say(f"Cell {number} is that already; nothing was changed.")
            return
        self.counts = corrected(self.found, corrections)
        self.files = corrected_files(self.found, self._found_files, self._name, corrections)
        self.corrections = corrections
        self._show_result()
        was, now = (
            CLASSES[i].name if i is not None else "no cell"
            for i in (before[number - 1], after[number - 1])
        )
        self._say(f"Cell {number}: {was} was changed to {now}. The figures and the files say so.")

    def archive(self) -> bytes:
        """All files as a zip. The same files give the same bytes.

        Raises:
            ValueError: nothing was segmented yet.
        """
        if self.files is None:
            raise ValueError(
                "Expected an image that was segmented, received none yet. Press Segment first."
            )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.files.items():
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        return packed.getvalue()

    def figure(self) -> Figure:
        """The last result as a plain figure, for pages that run no widgets.

        Raises:
            ValueError: nothing was segmented yet.
        """
        if self.segmentation is None or self._image is None:
            raise ValueError(
                "Expected an image that was segmented, received none yet. Call panel.segment(image) or press Segment first."
            )
        figure = comparison_figure(
            [(self._image, None, self.segmentation.labels)], titles=[self._name]
        )
        numbers = ", ".join(f"{n} {CLASSES[i].name}" for i, n in self._numbers() if n) or "no cells"
        figure.suptitle(
            f"{numbers}. Parasitaemia {self.counts.parasitaemia()}. {NOTICE}", fontsize=10
        )
        return figure

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The panel for pages with a kernel;

        where there is a result, also the picture of it, which pages without one show instead.
        """
        bundle = dict(self.widget._repr_mimebundle_(**options))
        if self.segmentation is not None:
            bundle["image/png"] = figure_png(self.figure())
        return bundle

    def _guarded(self, action: Callable[[], Any]) -> None:
        """Do what a control asks for.

        ipywidgets swallows what a handler raises, so it is said in the panel and kept.
        """
        self.last_error = None
        try:
            action()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.last_error = error
        self._say(str(error) or type(error).__name__, alarm=True)

    def _say(self, text: str, alarm: bool = False) -> None:
        self.message.value = readouts.message(text, alarm)

    def _advance(self, share: float) -> None:
        """Show how much of an image, 0..1, has passed through the network."""
        self.progress.value, self.progress.layout.display = round(self.progress.max * share), None

    def _take(self, name: str, data: bytes) -> None:
        """Add what was uploaded to the images, and pick it."""
        self.last_error = None
        name = Path(name).name
        self._images[name] = decoded_image(name, data)
        self.picker.options = list(self._images)
        self.picker.value = name
        self._show_choice()  # also when the name was picked before

    def _choice(self) -> tuple[str, np.ndarray]:
        name = self.picker.value
        if name is None:
            raise ValueError(
                "Expected an image, none is picked. Pick one from the list or upload one."
            )
        image = self._images[name]
        return name, open_image(image) if isinstance(image, Path) else image

    def _show_choice(self) -> None:
        self._forget()
        self._image = None
        self.picture.selected = 0
        self._show_result()
        if self.picker.value is None:
            self._say("Upload an image, then press Segment.")
            return
        self._name, self._image = self._choice()
        self._draw()
        self._say(f"{self._name}: press Segment.")

    def _segment_choice(self) -> None:
        name, image = self._choice()
        self.segment(image, Path(name).stem)

    def _show_result(self) -> None:
        """All that the panel shows of a result, or of there being none."""
        self._draw()
        self._list_cells()
        self._selected(self.picture.selected)
        if self.counts is None or self.files is None:
            self.table.value = "They appear here when the image has been segmented."
            self.downloads.files = []
            return
        self.table.value = readouts.figures_table(self.counts, len(self.corrections))
        every = {"name": f"{self._name}.zip", "words": "Download all (zip)"}
        self.downloads.files = [
            every,
            *({"name": name, "words": name.removeprefix(f"{self._name}_")} for name in self.files),
        ]

    def _content(self, name: str) -> bytes:
        """The bytes of a file for download."""
        if name == f"{self._name}.zip":
            return self.archive()
        if not self.files or name not in self.files:
            raise ValueError(f"{name}: no such file of the last result. Press Segment again.")
        return self.files[name]

    def _toggle_all(self, shown: bool) -> None:
        for toggle in self.toggles.values():
            toggle.value = shown

    def _draw(self) -> None:
        """The picture: the image, tinted where it has been segmented."""
        if self._image is None:
            self.picture.picture, self.picture.cells, self.scale_of_heat.value = b"", [], ""
            return
        height, width = self._image.shape[:2]
        size = shown_size(height, width)
        shown, found, legend = resized(self._image, size), "not segmented yet", ""
        if self.segmentation is not None and self.counts is not None:
            found = (
                ", ".join(f"{n} {CLASSES[i].name}" for i, n in self._numbers() if n) or "no cells"
            )
            if self.view.value == SHOW_CLASSES:
                labels = cv2.resize(self.segmentation.labels, size, interpolation=cv2.INTER_NEAREST)
                chosen = [i for i, toggle in self.toggles.items() if toggle.value]
                shown = overlay(shown, labels, self.opacity.value, self.outlines.value, chosen)
            else:
                shown = heat(shown, self._chance(self.view.value, size))
                found = f"probability of {CLASSES[self.view.value].name}; {found}"
                legend = readouts.picture(
                    heat_scale(), "Scale of the probability, from 0, dark, to 1, light"
                )
        self.picture.size = (width, height)
        self.picture.alt = f"{self._name}: {found}"
        self.picture.picture = png_bytes(shown)
        self.picture.cells = self._marks()
        self.scale_of_heat.value = legend

    def _chance(self, class_id: int, size: tuple[int, int]) -> np.ndarray:
        """The probability of a class at each pixel of the picture."""
        known, width, height = self.segmentation.probabilities, *size
        if known is None:
            self.view.value = SHOW_CLASSES
            raise ValueError("The probabilities of this image were not kept. Press Segment again.")
        rows, columns = known.shape[:2]
        return cv2.resize(
            class_picture(known, class_id, min(width, columns), min(height, rows)),
            size,
            interpolation=cv2.INTER_LINEAR,
        )

    def _numbers(self) -> list[tuple[int, int]]:
        return [(c.id, self.counts.watershed[c.key]) for c in CELL_CLASSES] if self.counts else []

    def _marks(self) -> list[dict[str, Any]]:
        """The cells for the picture: all that were found and whose class is shown."""
        marks = []
        for number, (cell, class_id) in enumerate(self._now(), start=1):
            if class_id is not None and not self.toggles[class_id].value:
                continue
            marks.append(
                {
                    "number": number,
                    "box": list(cell.box),
                    "centre": list(cell.centroid),
                    "colour": readouts.css_colour(class_id or 0),
                    "words": readouts.cell_words(number, cell, class_id),
                    "mark": "deleted"
                    if class_id is None
                    else "changed"
                    if class_id != cell.class_id
                    else "",
                }
            )
        return marks

    def _now(self) -> list[tuple[Any, int | None]]:
        """Each cell that was found, and the class that it has now."""
        return (
            list(zip(self.found.cells, final_classes(self.found, self.corrections), strict=True))
            if self.found
            else []
        )

    def _as_found(self, number: int) -> int | None:
        return self.found.cells[number - 1].class_id if self.found and number else None

    def _list_cells(self) -> None:
        now = list(enumerate(self._now(), start=1))
        if self.order.value == "least certain first":
            now.sort(key=lambda entry: (entry[1][0].confidence or 0) * entry[1][0].agreement)
        options = [
            (readouts.cell_words(number, cell, class_id), number)
            for number, (cell, class_id) in now
        ]
        chosen = self.picture.selected
        with self.cells.hold_trait_notifications():
            self.cells.options = options
            self.cells.value = chosen or None

    def _picked_from_list(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self.picture.selected = change["new"]

    def _selected(self, number: int) -> None:
        """Show a cell that was chosen in the picture or from the list."""
        there = self.found is not None and 1 <= number <= len(self.found.cells)
        for control in (self.new_class, self.change, self.delete, self.restore):
            control.disabled = not there
        if not there or self.found is None or self.segmentation is None or self._image is None:
            self.cells.value = None
            self.details.value = (
                ""
                if self.found is None
                else "Click a cell in the picture, or choose it from the list."
            )
            return
        cell, class_id = self._now()[number - 1]
        self.cells.value = number
        self.new_class.value = class_id or cell.class_id
        self.details.value = readouts.cell_details(
            number, cell, class_id, self.segmentation.scale.factor, close_up(self._image, cell.box)
        )
