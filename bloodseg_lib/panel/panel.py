"""The panel: pick or upload an image, have its cells segmented, counted and coloured, look at each,
correct it, and download the result.

It connects the :mod:`controls <bloodseg_lib.panel.controls>` with a
:mod:`session <bloodseg_lib.panel.session>`, which does the work.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bloodseg_lib.classes import CLASSES
from bloodseg_lib.figures.overlays import figure_png, heat_scale
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel.controls import LEAST_CERTAIN, SHOW_CLASSES, PanelControls
from bloodseg_lib.panel.html import cell_words, figures_table, picture
from bloodseg_lib.panel.images import shown_size
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.panel.status import Status
from bloodseg_lib.prediction.counts import CountingConfig
from bloodseg_lib.prediction.segmenter import Segmentation, Segmenter


class SegmentationPanel:
    """A panel for JupyterLab and Voila. Display the panel itself, or ``panel.widget``.

    Args:
        segmenter: usually a :class:`bloodseg_lib.prediction.segmenter.Segmenter`.
        images: images to pick from: name -> ``(H, W, 3) uint8`` RGB, or a folder of image files.
            Others can be uploaded.
        config: how cells are counted; the defaults if not given.

    Attributes:
        widget: the panel.
        controls: its widgets.
        session: the image, its segmentation, counts, corrections and files.
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
    ):
        self.session = PanelSession(segmenter, images, config)
        self.status = Status()
        self.controls = PanelControls(
            list(self.session.images), self.status, self._take, self.session.content
        )
        self.widget = self.controls.widget
        self._connect()
        self.status.guarded(self._show_choice)(None)

    def _connect(self) -> None:
        """What each control does."""
        controls, guarded = self.controls, self.status.guarded
        controls.picker.observe(guarded(self._show_choice), "value")
        controls.run.on_click(guarded(self._segment_choice))
        controls.all_classes.on_click(guarded(lambda: controls.toggle_all(True)))
        controls.no_classes.on_click(guarded(lambda: controls.toggle_all(False)))
        shown = (controls.view, controls.opacity, controls.outlines, *controls.toggles.values())
        for control in shown:
            control.observe(guarded(self._draw), "value")
        controls.picture.observe(guarded(self._show_cell), "selected")
        controls.order.observe(guarded(self._list_cells), "value")
        controls.cells.observe(self._picked_from_list, "value")
        change = guarded(lambda: self.correct(controls.picture.selected, controls.new_class.value))
        controls.change.on_click(change)
        controls.delete.on_click(guarded(lambda: self.correct(controls.picture.selected, None)))
        controls.restore.on_click(guarded(self._restore))

    def segment(self, image: np.ndarray, name: str = "image") -> Segmentation:
        """Segment an image, count its cells and show the result in the panel.

        Args:
            image: ``(H, W, 3) uint8`` RGB. Its scale is measured, or computed from the panel's
                diameter of a red cell.
            name: the beginning of its files' names.

        Raises:
            ValueError: no such image; the panel shows the words too.
        """
        controls, status = self.controls, self.status
        status.last_error = None
        status.advance(0)
        diameter = None if controls.measure.value else controls.diameter.value
        try:
            segmentation = self.session.segment(
                image, name, diameter, on_step=status.say, on_progress=status.advance
            )
        except Exception as error:
            status.fail(error)
            raise
        finally:
            status.rest()
        controls.picture.selected = 0
        self._show_result()
        return segmentation

    def correct(self, number: int, class_id: int | str | None) -> None:
        """Give a cell another class, or delete it, and show the new figures; see
        :meth:`bloodseg_lib.panel.session.PanelSession.correct`.
        """
        words = self.session.correct(number, class_id)
        self._show_result()
        self.status.say(words)

    def _restore(self) -> None:
        number = self.controls.picture.selected
        self.correct(number, self.session.found_class(number))

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The panel for pages with a kernel; where there is a result, also the picture of it, which
        pages without one show instead.
        """
        bundle = dict(self.widget._repr_mimebundle_(**options))
        if self.session.segmentation is not None:
            bundle["image/png"] = figure_png(self.session.figure())
        return bundle

    def _take(self, name: str, data: bytes) -> None:
        """Add an uploaded file to the images, and pick it."""
        self.status.last_error = None
        picker = self.controls.picker
        name = self.session.add(name, data)
        picker.options = list(self.session.images)
        picker.value = name
        self._show_choice()  # also when the name was picked before

    def _show_choice(self) -> None:
        name = self.controls.picker.value
        try:
            self.session.pick(name)
        finally:
            self.controls.picture.selected = 0
            self._show_result()
        self.status.say(
            "Upload an image, then press Segment." if name is None else f"{name}: press Segment."
        )

    def _segment_choice(self) -> None:
        name = self.controls.picker.value
        self.segment(self.session.opened(name), Path(name).stem)

    def _show_result(self) -> None:
        """Everything that the panel shows of the session."""
        session, controls = self.session, self.controls
        self._draw()
        self._list_cells()
        self._show_cell()
        if session.counts is None:
            controls.table.value = "They appear here when the image has been segmented."
            controls.downloads.files = []
            return
        controls.table.value = figures_table(session.counts, len(session.corrections))
        every = {"name": f"{session.name}.zip", "words": "Download all (zip)"}
        prefix = f"{session.name}_"
        single = [{"name": n, "words": n.removeprefix(prefix)} for n in session.files]
        controls.downloads.files = [every, *single]

    def _draw(self) -> None:
        """The picture: the image, tinted where it has been segmented."""
        session, controls = self.session, self.controls
        target = controls.picture
        if session.image is None:
            target.picture, target.cells, controls.scale_of_heat.value = b"", [], ""
            return
        height, width = session.image.shape[:2]
        size = shown_size(height, width)
        shown_ids = [i for i, toggle in controls.toggles.items() if toggle.value]
        class_id, words, legend = controls.view.value, session.found_words(), ""
        if class_id == SHOW_CLASSES or session.segmentation is None:
            opacity, outlines = controls.opacity.value, controls.outlines.value
            shown = session.overlay(size, opacity, outlines, shown_ids)
        else:
            try:
                shown = session.heat_map(size, class_id)
            except ValueError:
                controls.view.value = SHOW_CLASSES
                raise
            words = f"probability of {CLASSES[class_id].name}; {words}"
            explained = "Scale of the probability, from 0, dark, to 1, light"
            legend = picture(heat_scale(), explained)
        target.size = (width, height)
        target.alt = f"{session.name}: {words}"
        target.picture = png_bytes(shown)
        target.cells = session.marks(shown_ids)
        controls.scale_of_heat.value = legend

    def _list_cells(self) -> None:
        """The list of cells. New options choose the first of them, which nobody did: the cell that
        was chosen is chosen again before the picture hears of it.
        """
        cells = self.controls.cells
        listed = self.session.cells(self.controls.order.value == LEAST_CERTAIN)
        cells.unobserve(self._picked_from_list, "value")
        try:
            with cells.hold_sync():
                cells.options = [(cell_words(cell), cell.number) for cell in listed]
                cells.value = self.controls.picture.selected or None
        finally:
            cells.observe(self._picked_from_list, "value")

    def _picked_from_list(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self.controls.picture.selected = change["new"]

    def _show_cell(self) -> None:
        """The cell that was chosen in the picture or from the list."""
        controls, number = self.controls, self.controls.picture.selected
        cell = self.session.cell(number)
        for control in (controls.new_class, controls.change, controls.delete, controls.restore):
            control.disabled = cell is None
        if cell is None:
            controls.cells.value = None
            words = "Click a cell in the picture, or choose it from the list."
            controls.details.value = words if self.session.found else ""
            return
        controls.cells.value = number
        controls.new_class.value = cell.class_id or cell.found.class_id
        controls.details.value = self.session.details(cell)
