"""The controls of the panel, each with a label and a hint, and their layout. Their actions are in
``panel``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ipywidgets
import traitlets

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_DIAMETER_PX, Box
from bloodseg_lib.io import IMAGE_SUFFIXES
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.panel.html import css_colour, heading
from bloodseg_lib.panel.status import Status
from bloodseg_lib.panel.trail import RECORD_SUFFIXES
from bloodseg_lib.panel.widgets import CellPicture, Downloads, Gallery, Upload
from bloodseg_lib.prediction.counts import NOTICE

SHOW_CLASSES = -1
"""The value of ``view`` that shows the classes; any other is the id of the class whose probability
is shown.
"""

SHOW_PIXELS = -2
"""The value of ``view`` that shows the label map pixel by pixel, as the network made it."""

LEAST_CERTAIN = "least certain first"
"""The value of ``order`` that puts the least certain cell first."""


class PanelControls:
    """The controls of the panel, with the message and the progress bar of its status, which
    receives the errors.

    ``taken`` receives the name and the bytes of each file that was uploaded, ``content`` gives
    those of a file for download by its name; ``part`` and ``act``: see
    :class:`bloodseg_lib.panel.widgets.CellPicture`.

    Attributes:
        widget: all of them, laid out.
    """

    def __init__(
        self,
        images: Sequence[str],
        status: Status,
        taken: Callable[[str, bytes], None],
        content: Callable[[str], bytes],
        part: Callable[[Box, tuple[int, int]], tuple[bytes, bytes]],
        act: Callable[[Mapping[str, Any]], None],
    ):
        self.upload = Upload(
            taken,
            status.fail,
            words="Upload images",
            hint="Image files of your own, or a zip or JSON with corrections made in this panel",
            accept=",".join((*IMAGE_SUFFIXES, *RECORD_SUFFIXES)),
        )
        self.downloads = Downloads(content, status.fail)
        self.table = ipywidgets.HTML()
        self.trail = ipywidgets.HTML()
        self.fields = ipywidgets.HTML()
        self.picture = CellPicture(part, act, status.fail)
        self.scale_of_heat = ipywidgets.HTML()
        title = heading("Blood smear: find, name and count the cells", NOTICE)
        inputs = [*self._build_input(images, status), status.message]
        left = [self.picture, self.scale_of_heat, self._build_view(), *self._build_classes()]
        right = [_heading("Figures"), self.table, *self._build_cells()]
        left += self._build_gallery()
        wide = {"flex": "1.35 1 420px", "min_width": "0", "margin": "0 18px 0 0"}
        narrow = {"flex": "1 1 360px", "min_width": "0"}
        result = ipywidgets.HBox(
            [ipywidgets.VBox(left, layout=wide), ipywidgets.VBox(right, layout=narrow)],
            layout={"flex_flow": "row wrap", "align_items": "flex-start", "overflow": "visible"},
        )
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(title),
                *inputs,
                result,
                self.fields,
                self._build_fields(),
                self.downloads,
                *self._build_teaching(),
            ]
        )
        self.widget.add_class("bloodseg-panel")
        self.picture.controls = [control.model_id for control in _within(self.widget)]

    def toggle_all(self, shown: bool) -> None:
        """Show all classes or none."""
        with self.picture.hold_trait_notifications():
            for toggle in self.toggles.values():
                toggle.value = shown

    def shown_ids(self) -> list[int]:
        """The ids of the classes that are shown."""
        return [i for i, toggle in self.toggles.items() if toggle.value]

    def _build_input(self, images: Sequence[str], status: Status) -> list[Any]:
        self.picker = _list("Image", "The image to segment", images, 50, "420px")
        hint = (
            "How many pixels a red blood cell measures in this image; it is brought to 40x by it, "
            "where it measures 37"
        )
        values = {"value": RBC_DIAMETER_PX, "min": 2, "max": 2000, "step": 1, "disabled": True}
        number, words = ipywidgets.BoundedFloatText, "Red cell diameter (px)"
        self.diameter = _field(number, words, hint, 150, "240px", **values)
        hint = "Find the scale by the red blood cells in the image; without it, give their diameter"
        self.measure = _tick("Measure the red cells", hint, width="170px")
        self.run = _button("Segment", "Segment the image and count its cells", "180px")
        self.run.button_style = "primary"
        hint = "Segment all images of the list that have no result yet, one after the other"
        self.run_all = _button("Segment all", hint)
        self.cancel = _button("Cancel", "Stop segmenting; the former result stays")
        self.cancel.layout.display = "none"
        ipywidgets.dlink((self.measure, "value"), (self.diameter, "disabled"))
        runs = [self.run, self.run_all, status.progress, self.cancel]
        return [
            _row([self.picker, self.upload]),
            _row([self.measure, self.diameter, *runs]),
        ]

    def _build_view(self) -> Any:
        shown = [(f"probability: {c.name}", c.id) for c in (*CELL_CLASSES, CLASSES[0])]
        options = [("the classes", SHOW_CLASSES), ("the pixel map", SHOW_PIXELS), *shown]
        self.view = _list("Show", "What the picture shows", options, 52, "auto")
        return self.view

    def _build_classes(self) -> list[Any]:
        self.all_classes = _button("All", "Show all classes", "64px")
        self.no_classes = _button("None", "Show no class", "64px")
        self.outlines = _tick("Outlines", "Draw the outline of each cell", width="100px")
        self.toggles = {}
        for c in CELL_CLASSES:
            toggle = _tick(
                c.name, f"Show {c.name}", width="auto", margin="0 0 2px 0", padding="0 0 0 6px"
            )
            # the colour beside the words: markup in them would be read out as the tooltip
            toggle.layout.border_left = f"12px solid {css_colour(c.id)}"
            self.toggles[c.id] = toggle
        ipywidgets.jslink((self.outlines, "value"), (self.picture, "outlines"))
        title = _heading("Classes shown")
        boxes = _grid(list(self.toggles.values()), 136)
        boxes.add_class("bloodseg-classes")
        return [_row([title, self.all_classes, self.no_classes, self.outlines]), boxes]

    def _build_cells(self) -> list[Any]:
        orders = ["from top to bottom", LEAST_CERTAIN]
        self.order = _list("Order", "How the cells are listed", orders, 60)
        values: dict[str, Any] = {"options": [], "value": None, "rows": 6}
        hint = "The cells that were found"
        self.cells = _field(ipywidgets.Select, "Cells", hint, 60, "auto", **values)
        self.cells.add_class("bloodseg-keys")
        self.details = ipywidgets.HTML()
        classes = [(c.name, c.id) for c in CELL_CLASSES] + [("Unidentified", UNIDENTIFIED)]
        hint = "The class that the cell should have, or that a cell is drawn as"
        self.new_class = _list("It is a", hint, classes, 60, "180px")
        self.change = _button("Change class", "Give the cell the class at the left", icon="pencil")
        self.delete = _button("Delete cell", "There is no cell here: do not count it", icon="trash")
        self.restore = _button("As found", "Take back what was changed in this cell", icon="undo")
        hint = "Make one cell of those that are chosen, with Ctrl or Shift and a click"
        self.merge = _button("Merge", hint, icon="compress")
        hint = "Who corrects, for the record"
        self.person = _field(ipywidgets.Text, "By", hint, 60, "200px", placeholder="your name")
        self.undo = _button("Undo", "Take back the last correction (key U)", icon="reply")
        self.redo = _button("Redo", "Do again what was undone (key Z)", icon="share")
        self.said = ipywidgets.HTML()
        what = _row([self.new_class, self.change, self.delete, self.merge, self.restore])
        back = _row([self.person, self.undo, self.redo, self.said])
        rows = [self.order, self.cells, what, back, self.details, self.trail]
        return [_heading("Cells"), *rows]

    def _build_fields(self) -> Any:
        hint = "How many red cells are to be counted over all fields"
        values, words = {"value": 1000, "min": 1, "max": 10**6}, "Red cells to count"
        self.target = _field(ipywidgets.BoundedIntText, words, hint, 125, "220px", **values)
        hint = "Why the field that is shown is left out of the figures of all"
        self.reason = _field(ipywidgets.Text, "Field shown", hint, 90, "280px", placeholder="why")
        self.exclude = _button("Leave out", "Leave the field out, for the reason at the left")
        self.include = _button("Count it", "Count a field again that was left out")
        return _row([self.target, self.reason, self.exclude, self.include])

    def _build_teaching(self) -> list[Any]:
        hint = "Fine-tune the network on the corrected fields, compared on fields held out"
        self.teach = _button("Teach the network by the corrections", hint)
        hint = "Segment with the fine-tuned network from now on"
        self.use = _button("Use the fine-tuned network", hint)
        self.use.disabled = True
        self.taught = ipywidgets.HTML()
        return [_heading("Corrections teach"), _row([self.teach, self.use]), self.taught]

    def _build_gallery(self) -> list[Any]:
        self.gallery = Gallery()
        for name in ("selected", "chosen"):
            traitlets.link((self.picture, name), (self.gallery, name))
        options = [("all classes", 0), *((c.name, c.id) for c in CELL_CLASSES)]
        hint = "The cells in the gallery"
        self.gallery_class = _list("Gallery", hint, [*options, ("Unidentified", UNIDENTIFIED)], 60)
        values, hint = {"value": 1, "min": 1, "max": 1}, "Page of the gallery"
        self.page = _field(ipywidgets.BoundedIntText, "Page", hint, 40, "110px", **values)
        self.pages = ipywidgets.HTML()
        how = (
            "Ctrl or Shift and a click choose several. Keys: 1 to 9 give the class in the order of "
            "the list, 0 unidentified, Delete, U undo, Z redo."
        )
        hints = ipywidgets.HTML(f"<div class='bloodseg-small'>{how}</div>")
        return [_row([self.gallery_class, self.page, self.pages]), hints, self.gallery]


def _within(widget: Any) -> Iterator[Any]:
    """A widget and all that are in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _within(child)


def _heading(text: str) -> Any:
    return ipywidgets.HTML(heading(text))


def _button(words: str, hint: str, width: str = "auto", icon: str = "") -> Any:
    return ipywidgets.Button(description=words, tooltip=hint, icon=icon, layout={"width": width})


def _tick(words: str, hint: str, **layout: str) -> Any:
    box = ipywidgets.Checkbox(value=True, description=words, tooltip=hint, indent=False)
    box.layout = layout
    return box


def _list(
    words: str, hint: str, options: Sequence[Any], label_px: int, width: str | None = None
) -> Any:
    return _field(ipywidgets.Dropdown, words, hint, label_px, width, options=options)


def _field(
    kind: Any, words: str, hint: str, label_px: int, width: str | None, **values: Any
) -> Any:
    """An input, and its words beside it, which have so many pixels of its width."""
    style = {"description_width": f"{label_px}px"}
    return kind(description=words, tooltip=hint, style=style, layout={"width": width}, **values)


def _row(controls: Sequence[Any]) -> Any:
    """Controls side by side, in as many lines as it takes."""
    row = ipywidgets.HBox(list(controls))
    row.add_class("bloodseg-row")
    return row


def _grid(controls: Sequence[Any], least_px: int) -> Any:
    """Controls in columns of one width, at least ``least_px``, as many as there is room for."""
    columns = f"repeat(auto-fill, minmax({least_px}px, 1fr))"
    layout = {"grid_template_columns": columns, "grid_gap": "2px 8px", "width": "100%"}
    return ipywidgets.GridBox(list(controls), layout=layout)
