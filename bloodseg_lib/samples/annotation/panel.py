"""A panel on which a person confirms, corrects or discards proposed cells; the result is a table of
boxes.

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES
from bloodseg_lib.io import png_bytes, read_image
from bloodseg_lib.samples.annotation.proposals import corrected
from bloodseg_lib.samples.extraction.boxes import CellBox, read_boxes, write_boxes

DISCARD = 0
THUMBNAIL_PX = 96
_AROUND = 0.25  # of a box, shown around it, so that neighbours are seen


class AnnotationPanel:
    """Proposed cells as a grid, a page at a time.

    Args:
        folder: of the fields.
        boxes_csv: proposed boxes, see
            :func:`bloodseg_lib.samples.annotation.proposals.propose_fields`.
        out_csv: where to write what the person made of them; None: ``boxes.csv`` in ``folder``,
            where :func:`bloodseg_lib.samples.sources.own_fields.read` looks.
        per_page: cells on a page.

    Attributes:
        widget: what a notebook shows.
        choices: drop-down lists of the page's cells; the value is a class id, or 0 to discard.
        page, save: the page's number and the button that writes the table.
        last_error: of the last click, or None; it is shown in the panel too.

    Raises:
        FileNotFoundError, ValueError: the table is not there or not readable.
    """

    def __init__(
        self,
        folder: Path | str,
        boxes_csv: Path | str,
        out_csv: Path | str | None = None,
        per_page: int = 48,
    ):
        self.folder, self.out_csv = Path(folder), Path(out_csv or Path(folder) / "boxes.csv")
        self.boxes = read_boxes(boxes_csv, with_rbc=True)
        if not self.boxes:
            raise ValueError(
                f"{boxes_csv}: expected at least one box. Received none: propose cells first."
            )
        self.per_page, self.last_error = per_page, None
        self._decided: dict[int, int | None] = {}
        self._images: dict[str, np.ndarray] = {}
        pages = -(-len(self.boxes) // per_page)
        self.page = widgets.BoundedIntText(
            1, min=1, max=pages, description="Page", layout=widgets.Layout(width="150px")
        )
        self.discard_page = widgets.Button(
            description="Discard page", tooltip="Discard every cell of this page"
        )
        self.save = widgets.Button(description="Save boxes", button_style="success")
        self.message = widgets.HTML()
        self._grid = widgets.GridBox(
            layout=widgets.Layout(grid_template_columns="repeat(auto-fill, 130px)", grid_gap="6px")
        )
        self.page.observe(lambda _: self._show(), "value")
        self.discard_page.on_click(lambda _: self._discard())
        self.save.on_click(lambda _: self._save())
        self.choices: list[widgets.Dropdown] = []
        self.widget = widgets.VBox(
            [
                widgets.HBox(
                    [self.page, widgets.Label(f"of {pages}"), self.discard_page, self.save]
                ),
                self.message,
                self._grid,
            ]
        )
        self._show()

    @property
    def result(self) -> list[CellBox]:
        """The boxes as the person has them now."""
        return corrected(self.boxes, self._decided)

    def _show(self) -> None:
        first = (self.page.value - 1) * self.per_page
        self.choices, tiles = [], []
        options = [(c.name, c.id) for c in CELL_CLASSES] + [("discard", DISCARD)]
        for number in range(first, min(first + self.per_page, len(self.boxes))):
            value = self._decided.get(number, self.boxes[number].class_id) or DISCARD
            choice = widgets.Dropdown(
                options=options, value=value, layout=widgets.Layout(width="126px")
            )
            choice.observe(
                lambda change, number=number: self._decide(number, change["new"]), "value"
            )
            self.choices.append(choice)
            tiles.append(widgets.VBox([self._picture(self.boxes[number]), choice]))
        self._grid.children = tiles
        self._tell()

    def _picture(self, box: CellBox) -> widgets.Widget:
        try:
            if box.field not in self._images:
                self._images = {box.field: read_image(self.folder / box.field)}
            image = self._images[box.field]
            margin = round(_AROUND * max(box.box.width, box.box.height))
            shown = image[
                max(0, box.box.y - margin) : box.box.bottom + margin,
                max(0, box.box.x - margin) : box.box.right + margin,
            ]
            factor = THUMBNAIL_PX / max(shown.shape[:2])
            size = tuple(max(1, round(side * factor)) for side in shown.shape[1::-1])
            return widgets.Image(
                value=png_bytes(
                    cv2.resize(
                        shown, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
                    )
                ),
                format="png",
            )
        except (OSError, ValueError, ZeroDivisionError, cv2.error) as error:
            self.last_error = error
            return widgets.HTML(f"{box.field}: cannot be shown. {error}")

    def _decide(self, number: int, class_id: int) -> None:
        self._decided[number] = class_id or None
        self._tell()

    def _discard(self) -> None:
        for choice in self.choices:
            choice.value = DISCARD

    def _tell(self) -> None:
        kept = self.result
        counts = ", ".join(
            f"{CLASSES[i].name} {n}"
            for i in range(len(CLASSES))
            if (n := sum(box.class_id == i for box in kept))
        )
        self.message.value = f"{len(kept)} of {len(self.boxes)} boxes: {counts or 'none'}. They are guesses until you have looked at them."

    def _save(self) -> None:
        self.last_error = None
        try:
            write_boxes(self.out_csv, self.result)
            self.message.value = f"{len(self.result)} boxes written to {self.out_csv.name}."
        except OSError as error:
            self.last_error = error
            self.message.value = f"Not written: {error}"
