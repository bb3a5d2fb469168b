"""The list of cells, the gallery, and the cell that is described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bloodseg_lib.panel import drawing
from bloodseg_lib.panel.controls import LEAST_CERTAIN, PanelControls
from bloodseg_lib.panel.html import cell_words
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.panel.status import Status


class CellList:
    """Keeps list, gallery, picture and description at the same cells."""

    def __init__(self, session: PanelSession, controls: PanelControls, status: Status):
        self.session, self.controls = session, controls
        controls.picture.observe(status.guarded(self.describe), "selected")
        for control in (controls.order, controls.gallery_class, controls.page):
            control.observe(status.guarded(self.list_cells), "value")
        controls.cells.observe(self._picked_from_list, "value")

    def chosen(self) -> list[int]:
        """The numbers of the cells that a correction changes; 0 for none."""
        picture = self.controls.picture
        return picture.chosen or [picture.selected]

    def show(self) -> None:
        """All of it anew."""
        self.list_cells()
        self.describe()

    def list_cells(self) -> None:
        """The list of cells and the gallery. New options choose the first of them, which nobody
        did: the cell that was chosen is chosen again before the picture hears of it.
        """
        cells, gallery = self.controls.cells, self.controls.gallery
        listed = self.session.cells(self.controls.order.value == LEAST_CERTAIN)
        cells.unobserve(self._picked_from_list, "value")
        try:
            with cells.hold_sync():
                cells.options = [(cell_words(cell), cell.number) for cell in listed]
                cells.value = self.controls.picture.selected or None
        finally:
            cells.observe(self._picked_from_list, "value")
        only = self.controls.gallery_class.value
        tiles = [cell for cell in listed if not only or cell.class_id == only]
        pages = max(1, -(-len(tiles) // drawing.TILES))
        self.controls.page.max = pages
        self.controls.pages.value = f"of {pages}, {len(tiles)} cells"
        start = (self.controls.page.value - 1) * drawing.TILES
        part = tiles[start : start + drawing.TILES]
        with gallery.hold_sync():
            gallery.sheet = drawing.sheet(self.session, part, gallery.columns, gallery.side)
            gallery.cells = drawing.tiles(part)

    def _picked_from_list(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self.controls.picture.selected = change["new"]

    def describe(self) -> None:
        """The cell that was chosen in the picture or from the list."""
        controls, number = self.controls, self.controls.picture.selected
        if number not in controls.picture.chosen:
            controls.picture.chosen = [number] if number else []
        cell = self.session.cell(number)
        for control in (controls.change, controls.delete, controls.merge, controls.restore):
            control.disabled = cell is None
        if cell is None:
            controls.cells.value = None
            words = "Click a cell in the picture, or choose it from the list."
            controls.details.value = words if self.session.found else ""
            return
        controls.cells.value = number
        controls.new_class.value = cell.class_id or cell.found.class_id
        controls.details.value = drawing.details(self.session, cell)
