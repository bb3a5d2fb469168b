"""A panel on which a person confirms, corrects or discards proposed cells."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import ipywidgets as widgets

from bloodseg_lib.classes import CELL_CLASSES, CLASSES
from bloodseg_lib.io import png_bytes, read_image, resized
from bloodseg_lib.samples.extraction.boxes import BOXES, CellBox, check_new, read_boxes, write_boxes

DISCARD = 0
THUMBNAIL_PX = 96
_AROUND = 0.25  # of a box, shown around it, so that neighbours are seen


class AnnotationPanel:
    """Proposed cells as a grid, a page at a time.

    Args:
        folder: of the fields.
        boxes_csv: proposed boxes, see
            :func:`bloodseg_lib.samples.annotation.proposals.propose_fields`.
        out_csv: where to write the corrected boxes; empty: ``boxes.csv`` in ``folder``, where
            :func:`bloodseg_lib.samples.sources.own_fields.read` looks.
        per_page: cells on a page.

    Attributes:
        widget: to display in a notebook.
        choices: drop-down lists of the page's cells; the value is a class id, or :data:`DISCARD`.
        page, discard_page, save: the page's number, and the buttons.
        last_error: of the last click, or None; the panel shows it too.

    Raises:
        FileNotFoundError, ValueError: the table is missing, unreadable or empty, or ``out_csv`` is
            another table that is there already.
    """

    def __init__(
        self,
        folder: Path | str,
        boxes_csv: Path | str,
        out_csv: Path | str = "",
        per_page: int = 48,
    ):
        self.folder, self.out_csv = Path(folder), Path(out_csv or Path(folder) / BOXES)
        if self.out_csv.resolve() != Path(boxes_csv).resolve():
            check_new(self.out_csv)  # else an earlier session's corrections would be lost
        self.boxes = read_boxes(boxes_csv, with_rbc=True)
        if not self.boxes:
            raise ValueError(
                f"{boxes_csv}: expected at least one box. Received none: propose cells first."
            )
        self.per_page = per_page
        self.last_error: Exception | None = None
        self.choices: list[widgets.Dropdown] = []
        self._decided: dict[int, int | None] = {}
        self._field = lru_cache(maxsize=1)(read_image)
        pages = -(-len(self.boxes) // per_page)
        self.page = widgets.BoundedIntText(1, min=1, max=pages, description="Page")
        self.discard_page = widgets.Button(description="Discard page")
        self.save = widgets.Button(description="Save boxes", button_style="success")
        self.message = widgets.HTML()
        columns = {"grid_template_columns": "repeat(auto-fill, 130px)", "grid_gap": "6px"}
        self._grid = widgets.GridBox(layout=columns)
        self.page.observe(lambda _: self._show(), "value")
        self.discard_page.on_click(lambda _: self._discard())
        self.save.on_click(lambda _: self._save())
        controls = [self.page, widgets.Label(f"of {pages}"), self.discard_page, self.save]
        self.widget = widgets.VBox([widgets.HBox(controls), self.message, self._grid])
        self._show()

    @property
    def result(self) -> list[CellBox]:
        """The boxes with the corrections made so far."""
        return [
            replace(box, class_id=class_id)
            for number, box in enumerate(self.boxes)
            if (class_id := self._decided.get(number, box.class_id)) is not None
        ]

    def _show(self) -> None:
        last = self.page.value * self.per_page
        options = [(c.name, c.id) for c in CELL_CLASSES] + [("discard", DISCARD)]
        self.choices, tiles = [], []
        for number, box in list(enumerate(self.boxes))[last - self.per_page : last]:
            value = self._decided.get(number, box.class_id) or DISCARD
            choice = widgets.Dropdown(options=options, value=value, layout={"width": "126px"})
            choice.observe(lambda event, number=number: self._decide(number, event["new"]), "value")
            self.choices.append(choice)
            tiles.append(widgets.VBox([self._picture(box), choice]))
        self._grid.children = tiles
        self._report()

    def _picture(self, cell: CellBox) -> widgets.Widget:
        box, margin = cell.box, round(_AROUND * max(cell.box.width, cell.box.height))
        try:
            field = self._field(self.folder / cell.field)
            shown = field[box.cut(field.shape, margin).window]
            if not shown.size:
                raise ValueError("Expected a box within the field.")
            factor = THUMBNAIL_PX / max(shown.shape[:2])
            height, width = (max(1, round(side * factor)) for side in shown.shape[:2])
            return widgets.Image(value=png_bytes(resized(shown, (width, height))), format="png")
        except (OSError, ValueError) as error:
            self.last_error = error
            return widgets.HTML(f"{cell.field}: cannot be shown. {error}")

    def _decide(self, number: int, class_id: int) -> None:
        self._decided[number] = class_id or None
        self._report()

    def _discard(self) -> None:
        for choice in self.choices:
            choice.value = DISCARD

    def _report(self) -> None:
        kept = [box.class_id for box in self.result]
        counts = ", ".join(f"{c.name} {kept.count(c.id)}" for c in CLASSES if c.id in kept)
        self.message.value = (
            f"{len(kept)} of {len(self.boxes)} boxes: {counts or 'none'}. "
            "They are guesses until you have looked at them."
        )

    def _save(self) -> None:
        try:
            write_boxes(self.out_csv, self.result)
        except OSError as error:
            self.last_error, self.message.value = error, f"Not written: {error}"
        else:
            self.last_error = None
            self.message.value = f"{len(self.result)} boxes written to {self.out_csv.name}."
