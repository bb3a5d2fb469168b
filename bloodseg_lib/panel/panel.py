"""The panel: pick or upload images, have their cells segmented, counted and coloured, look at each,
correct it, and download the result.

It connects the :mod:`controls <bloodseg_lib.panel.controls>` with a
:mod:`session <bloodseg_lib.panel.session>`, which does the work.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bloodseg_lib.classes import CLASSES, RBC_DIAMETER_PX, Box
from bloodseg_lib.figures.overlays import figure_png, heat_scale
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel import drawing
from bloodseg_lib.panel.cell_list import CellList
from bloodseg_lib.panel.controls import SHOW_CLASSES, SHOW_PIXELS, PanelControls
from bloodseg_lib.panel.correcting import Correcting
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.panel.html import fields_table, figures_table, picture, trail_list
from bloodseg_lib.panel.images import shown_size
from bloodseg_lib.panel.report import content, offered
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.panel.status import Status
from bloodseg_lib.panel.teaching import Teaching
from bloodseg_lib.panel.trail import RECORD_SUFFIXES, trail
from bloodseg_lib.panel.work import Work
from bloodseg_lib.prediction.ahead import beside
from bloodseg_lib.prediction.counts import CountingConfig
from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.segmenter import Segmentation, Segmenter


class SegmentationPanel:
    """A panel for JupyterLab and Voila. Display the panel itself, or ``panel.widget``.

    Args:
        segmenter: usually a :class:`bloodseg_lib.prediction.segmenter.Segmenter`.
        images: images to pick from: name -> ``(H, W, 3) uint8`` RGB, or a folder of image files.
            Others can be uploaded.
        config: how cells are counted; the defaults if not given.
        folder: keeps the results and the corrections of each image, so that another kernel goes on
            with them; ``None``: they are kept as long as this kernel lives.

    Attributes:
        widget: the panel.
        controls: its widgets.
        session: the image, its segmentation, counts, corrections and files.
        cells: the list of cells and the gallery.
        correcting: corrects by what is pressed and drawn.
        work: segments or teaches, and can be cancelled.
        teaching: fine-tunes the network on the corrections.
        status: the message, the progress bar and the last error, which the panel shows in words.

    Raises:
        FileNotFoundError: ``images`` is a folder that is not there.

    Examples:
        >>> panel = SegmentationPanel(segmenter=None, images={"a": np.zeros((4, 6, 3), np.uint8)})
        >>> panel.controls.picker.value, panel.controls.picture.alt
        ('a', 'a: not segmented yet')
    """

    def __init__(
        self,
        segmenter: Segmenter,
        images: Mapping[str, np.ndarray] | Path | str | None = None,
        config: CountingConfig | None = None,
        folder: Path | str | None = None,
    ):
        self.session = PanelSession(segmenter, images, config, folder)
        self.status = Status()
        self.controls = controls = PanelControls(
            list(self.session.images),
            self.status,
            self._take,
            partial(content, self.session),
            self._part,
            self._act,
        )
        self.widget = controls.widget
        others = (controls.run, controls.run_all, controls.picker, controls.teach)
        self.cells = CellList(self.session, controls, self.status)
        self.correcting = Correcting(
            self.session, controls, self.status, self.cells, self._show_corrected
        )
        self.work = Work(self.status, controls.cancel, others)
        self.teaching = Teaching(self.session, controls, self.status, self.work)
        self._connect()
        self.status.guarded(self._show_choice)(None)

    def _connect(self) -> None:
        """What each control does."""
        controls, guarded = self.controls, self.status.guarded
        self._on_pick = guarded(self._show_choice)
        controls.picker.observe(self._on_pick, "value")
        controls.run.on_click(guarded(self._segment_choice))
        controls.run_all.on_click(guarded(self._segment_all))
        controls.all_classes.on_click(guarded(lambda: controls.toggle_all(True)))
        controls.no_classes.on_click(guarded(lambda: controls.toggle_all(False)))
        controls.view.observe(guarded(self._draw), "value")
        controls.target.observe(guarded(self._show_result), "value")
        for toggle in controls.toggles.values():
            toggle.observe(guarded(self._show_classes), "value")

    def segment(self, image: np.ndarray, name: str = "image") -> Segmentation:
        """Segment an image, count its cells and show the result in the panel.

        Args:
            image: ``(H, W, 3) uint8`` RGB. Its scale is measured, or computed from the panel's
                diameter of a red cell.
            name: the beginning of its files' names.

        Raises:
            ValueError: no such image; the panel shows the words too.
        """
        status = self.status
        status.last_error = None
        status.advance(0)
        try:
            segmentation = self.session.segment(
                image, name, self._diameter(), on_step=status.say, on_progress=status.advance
            )
        except Exception as error:
            status.fail(error)
            raise
        finally:
            status.rest()
        self._show_new_result()
        return segmentation

    def correct(self, cells: int | list[int], class_id: int | str | None) -> None:
        """Give cells another class, or delete them, and show the new figures; see
        :meth:`bloodseg_lib.panel.session.PanelSession.correct`.
        """
        self.correcting.correct(lambda: self.session.correct(cells, class_id))

    def _act(self, message: Mapping[str, Any]) -> None:
        if "opened" in message:
            if self.session.catch_up():
                self._show_corrected()
                kept = self.session.corrected_cells()
                self.status.say(f"{self.session.name}: {kept} corrections made before hold again.")
        elif "open" in message:
            self.controls.picker.value = message["open"]
        else:
            self.correcting.act(message)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The panel; of a result also a picture with its text, for pages without a kernel."""
        bundle = dict(self.widget._repr_mimebundle_(**options))
        if self.session.segmentation is None:
            return bundle, {}
        bundle["image/png"] = figure_png(drawing.figure(self.session))
        return bundle, {"image/png": {"alt": "The image in the panel beside its label map"}}

    def _take(self, name: str, data: bytes) -> None:
        """Add an uploaded file to the images, and pick it; or load its corrections."""
        self.status.last_error = None
        if Path(name).suffix.lower() in RECORD_SUFFIXES:
            self.correcting.correct(lambda: self.session.load(name, data))
            return
        picker = self.controls.picker
        name = self.session.add(name, data)
        picker.unobserve(self._on_pick, "value")  # new options pick the first of them
        try:
            chosen = picker.value if self.work.busy else name
            picker.options = list(self.session.images)
            picker.value = chosen
        finally:
            picker.observe(self._on_pick, "value")
        if not self.work.busy:
            self._show_choice()

    def _diameter(self) -> float | None:
        return None if self.controls.measure.value else self.controls.diameter.value

    def _show_choice(self) -> None:
        name = self.controls.picker.value
        try:
            self.session.pick(name)
        finally:
            self._show_new_result()
        words = f"{name}: press Segment." if name else "Upload an image, then press Segment."
        if self.session.found:
            kept = self.session.corrected_cells()
            words = f"{name}: as you left it, with {kept} corrected cells."
        self.status.say(words)
        if self.session.was_corrected():
            self._segment_choice()

    def _segment_choice(self) -> None:
        name = self.controls.picker.value
        image, diameter = self.session.opened(name), self._diameter()

        def action(**watch: Callable[..., None]) -> None:
            self.session.segment(image, Path(name).stem, diameter, **watch)

        self.work.start(action, self._show_new_result)

    def _segment_all(self) -> None:
        """Segment what has no result yet. A file that cannot be read is told at the end."""
        diameter, names, errors = self._diameter(), list(self.session.images), []
        aside = copy(self.session)  # what is pressed meanwhile is for the image that is shown

        def action(**watch: Callable[..., None]) -> None:
            for name in names:
                try:
                    aside.pick(name)
                    if not aside.found and aside.image is not None:
                        aside.segment(aside.image, Path(name).stem, diameter, **watch)
                except (ValueError, OSError) as error:
                    errors.append(str(error))

        def finished() -> None:
            self._show_choice()
            if errors:
                raise ValueError(" ".join(errors))

        self.work.start(action, finished)

    def _part(self, window: Box, size: tuple[int, int]) -> tuple[bytes, bytes]:
        def made(part: Callable[..., np.ndarray]) -> bytes:
            return png_bytes(part(self.session, window, size))

        with beside(made, drawing.image_part) as image:
            cells = made(drawing.cell_map)
        return image.result(), cells

    def _show_new_result(self) -> None:
        self.controls.picture.selected, self.controls.picture.chosen = 0, []
        self.controls.page.value, self.controls.said.value = 1, ""
        self._draw()
        if self.session.segmentation and self.controls.measure.value:
            factor = self.session.segmentation.scale.factor
            self.controls.diameter.value = round(RBC_DIAMETER_PX / factor, 1)
        self._show_result()

    def _show_corrected(self) -> None:
        shown = {cell["number"] for cell in self.controls.picture.cells}
        if shown != {cell.number for cell in self.session.cells()}:
            self._draw()  # cells were drawn: the map of the picture is another
        self._show_result()

    def _show_result(self) -> None:
        """What the panel shows of the session in words and lists."""
        session, controls = self.session, self.controls
        controls.picture.cells = drawing.marks(session)
        self.cells.show()
        controls.fields.value = fields_table(session.keeper.fields(), controls.target.value)
        controls.undo.disabled = controls.redo.disabled = not session.corrections
        if session.counts is None or session.found is None:
            controls.table.value = "They appear here when the image has been segmented."
            controls.downloads.files, controls.trail.value = [], ""
            return
        unidentified = sum(cell.class_id == UNIDENTIFIED for cell in session.cells())
        corrected = session.corrected_cells()
        controls.table.value = figures_table(session.counts, corrected, unidentified)
        controls.trail.value = trail_list(trail(session.found, session.corrections))
        controls.downloads.files = offered(session)

    def _draw(self) -> None:
        """The picture: the image, with the map of its cells where it has been segmented."""
        session, controls = self.session, self.controls
        target, view = controls.picture, controls.view.value
        if session.image is None:
            target.picture, target.cells, controls.scale_of_heat.value = b"", [], ""
            return
        height, width = session.image.shape[:2]
        size, whole = shown_size(height, width), Box(0, 0, width, height)
        words, legend, mode = session.found_words(), "", "cells"
        shown, cells = self._part(whole, size)
        if view == SHOW_PIXELS:
            mode = "pixels"
        elif view != SHOW_CLASSES and session.segmentation is not None:
            try:
                shown, mode = png_bytes(drawing.heat_map(session, size, view)), "none"
            except ValueError:
                controls.view.value = SHOW_CLASSES
                raise
            words = f"probability of {CLASSES[view].name}; {words}"
            legend = picture(heat_scale(), "Scale of the probability, from 0, dark, to 1, light")
        with target.hold_sync():
            target.size, target.mode, target.alt = (width, height), mode, f"{session.name}: {words}"
            target.picture, target.map = shown, cells
            known = session.segmentation and PixelSize.of(session.segmentation.scale).um
            target.pixel_um = known or 0
            target.shown = controls.shown_ids()
        controls.scale_of_heat.value = legend

    def _show_classes(self) -> None:
        self.controls.picture.shown = self.controls.shown_ids()
