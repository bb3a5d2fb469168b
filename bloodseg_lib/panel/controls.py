"""The controls of the panel, each with a label and a hint, and their layout. Their actions are in
``panel``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_DIAMETER_PX
from bloodseg_lib.io import IMAGE_SUFFIXES
from bloodseg_lib.panel.html import heading, swatch
from bloodseg_lib.panel.status import Status
from bloodseg_lib.panel.widgets import CellPicture, Downloads, Upload
from bloodseg_lib.prediction.counts import NOTICE

SHOW_CLASSES = -1
"""The value of ``view`` that shows the classes; any other is the id of the class whose probability
is shown.
"""

LEAST_CERTAIN = "least certain first"
"""The value of ``order`` that puts the least certain cell first."""


class PanelControls:
    """The controls of the panel.

    Args:
        images: names of the images to pick from.
        status: its message and progress bar are among the controls; it receives the errors.
        taken: receives the name and the bytes of each file that was uploaded.
        content: gives the bytes of a file for download by its name.

    Attributes:
        widget: all of them, laid out.
    """

    def __init__(
        self,
        images: Sequence[str],
        status: Status,
        taken: Callable[[str, bytes], None],
        content: Callable[[str], bytes],
    ):
        self.upload = Upload(
            taken,
            status.fail,
            words="Upload an image",
            hint="An image file of your own: PNG, JPEG, TIFF or BMP",
            accept=",".join(IMAGE_SUFFIXES),
        )
        self.downloads = Downloads(content, status.fail)
        self.table = ipywidgets.HTML()
        self.picture = CellPicture()
        self.scale_of_heat = ipywidgets.HTML()
        title = heading("Blood smear: find, name and count the cells", NOTICE)
        inputs = [*self._build_input(images, status), status.message]
        left = [self.picture, self.scale_of_heat, *self._build_view(), *self._build_classes()]
        right = [_heading("Figures"), self.table, *self._build_cells()]
        wide = {"flex": "1.35 1 420px", "min_width": "0", "margin": "0 18px 0 0"}
        narrow = {"flex": "1 1 360px", "min_width": "0"}
        result = ipywidgets.HBox(
            [ipywidgets.VBox(left, layout=wide), ipywidgets.VBox(right, layout=narrow)],
            layout={"flex_flow": "row wrap", "align_items": "flex-start", "overflow": "visible"},
        )
        self.widget = ipywidgets.VBox([ipywidgets.HTML(title), *inputs, result, self.downloads])
        self.widget.add_class("bloodseg-panel")

    def toggle_all(self, shown: bool) -> None:
        """Show all classes or none."""
        for toggle in self.toggles.values():
            toggle.value = shown

    def _build_input(self, images: Sequence[str], status: Status) -> list[Any]:
        self.picker = ipywidgets.Dropdown(
            options=images,
            description="Image",
            tooltip="The image to segment",
            style=_label(50),
            layout={"width": "420px"},
        )
        self.diameter = ipywidgets.BoundedFloatText(
            value=RBC_DIAMETER_PX,
            min=2,
            max=2000,
            step=1,
            description="Red cell diameter (px)",
            tooltip="How many pixels a red blood cell measures in this image; "
            "it is brought to 40x by it, where it measures 37",
            style=_label(150),
            layout={"width": "240px"},
            disabled=True,
        )
        self.measure = ipywidgets.Checkbox(
            value=True,
            description="Measure the red cells",
            tooltip="Find the scale by the red blood cells in the image; "
            "without it, give their diameter",
            indent=False,
            layout={"width": "170px"},
        )
        self.run = _button("Segment", "Segment the image and count its cells", "180px")
        self.run.button_style = "primary"
        ipywidgets.dlink((self.measure, "value"), (self.diameter, "disabled"))
        return [
            _row([self.picker, self.upload]),
            _row([self.measure, self.diameter, self.run, status.progress]),
        ]

    def _build_view(self) -> list[Any]:
        shown = [(f"probability: {c.name}", c.id) for c in (*CELL_CLASSES, CLASSES[0])]
        self.view = ipywidgets.Dropdown(
            options=[("the classes", SHOW_CLASSES), *shown],
            description="Show",
            tooltip="What the picture shows",
            style=_label(52),
            layout={"width": "auto"},
        )
        self.zoom = ipywidgets.FloatSlider(
            value=1,
            min=1,
            max=8,
            step=0.5,
            description="Zoom",
            tooltip="How much the picture is enlarged",
            readout_format=".1f",
            style=_label(52),
            layout={"width": "auto"},
        )
        self.opacity = ipywidgets.FloatSlider(
            value=0.45,
            min=0,
            max=1,
            step=0.05,
            description="Opacity",
            tooltip="How strongly the cells are tinted",
            style=_label(52),
            layout={"width": "auto"},
        )
        ipywidgets.link((self.zoom, "value"), (self.picture, "zoom"))
        return [_grid([self.view, self.opacity, self.zoom], 205)]

    def _build_classes(self) -> list[Any]:
        self.outlines = ipywidgets.Checkbox(
            value=True,
            description="Outlines",
            tooltip="Draw the outline of each cell",
            indent=False,
            layout={"width": "100px"},
        )
        self.toggles = {
            c.id: ipywidgets.Checkbox(
                value=True,
                description=f"{swatch(c.id)}{c.name}",
                description_allow_html=True,
                tooltip=f"Show {c.name}",
                indent=False,
                layout={"width": "auto", "margin": "0"},
            )
            for c in CELL_CLASSES
        }
        self.all_classes = _button("All", "Show all classes", "64px")
        self.no_classes = _button("None", "Show no class", "64px")
        title = _heading("Classes shown")
        return [
            _row([title, self.all_classes, self.no_classes, self.outlines]),
            _grid(list(self.toggles.values()), 136),
        ]

    def _build_cells(self) -> list[Any]:
        self.order = ipywidgets.Dropdown(
            options=["from top to bottom", LEAST_CERTAIN],
            description="Order",
            tooltip="How the cells are listed",
            style=_label(60),
        )
        self.cells = ipywidgets.Select(
            options=[],
            value=None,
            rows=6,
            description="Cells",
            tooltip="The cells that were found",
            style=_label(60),
            layout={"width": "auto"},
        )
        self.details = ipywidgets.HTML()
        self.new_class = ipywidgets.Dropdown(
            options=[(c.name, c.id) for c in CELL_CLASSES],
            description="It is a",
            tooltip="The class that the cell should have",
            style=_label(60),
            layout={"width": "180px"},
        )
        self.change = _button("Change class", "Give the cell the class at the left", icon="pencil")
        self.delete = _button("Delete cell", "There is no cell here: do not count it", icon="trash")
        self.restore = _button("As found", "Take back what was changed in this cell", icon="undo")
        corrections = _row([self.new_class, self.change, self.delete, self.restore])
        return [_heading("Cells"), self.order, self.cells, self.details, corrections]


def _heading(text: str) -> Any:
    return ipywidgets.HTML(heading(text))


def _button(words: str, hint: str, width: str = "auto", icon: str = "") -> Any:
    return ipywidgets.Button(description=words, tooltip=hint, icon=icon, layout={"width": width})


def _label(width_px: int) -> dict[str, str]:
    """The style of a control whose label has a width in pixels."""
    return {"description_width": f"{width_px}px"}


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
