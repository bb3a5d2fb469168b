"""What the panel is made of:

its controls, each with a label and a hint, and how they are laid out. What they do is in
``widgets``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_DIAMETER_PX
from bloodseg_lib.io import IMAGE_SUFFIXES
from bloodseg_lib.panel import html as readouts
from bloodseg_lib.panel.widgets import CellPicture, Downloads, Upload
from bloodseg_lib.prediction.counts import NOTICE

SHOW_CLASSES = -1
"""What the picture shows: the classes, or else the probability of the class of that id."""

_UPLOAD_HINT = "An image file of your own: PNG, JPEG, TIFF or BMP"


class PanelControls:
    """The controls of the panel.

    Args:
        images: names of the images to pick from.
        taken: is given the name and the bytes of each file that was uploaded.
        content: gives the bytes of a file for download by its name.
        failed: is told what went wrong in either.

    Attributes:
        widget: all of them, laid out.
    """

    def __init__(
        self,
        images: Sequence[str],
        taken: Callable[[str, bytes], None],
        content: Callable[[str], bytes],
        failed: Callable[[Exception], None],
    ):
        self._build_input(
            images,
            Upload(
                taken,
                failed,
                words="Upload an image",
                hint=_UPLOAD_HINT,
                accept=",".join(IMAGE_SUFFIXES),
            ),
        )
        self._build_view()
        self._build_cells()
        self.downloads = Downloads(content, failed)
        self.table = ipywidgets.HTML()
        title = ipywidgets.HTML(
            readouts.heading("Blood smear: find, name and count the cells", NOTICE)
        )
        left = [self.picture, self.scale_of_heat, *self._view_controls]
        right = [ipywidgets.HTML(readouts.heading("Figures")), self.table, *self._cell_controls]
        columns = [
            ipywidgets.VBox(
                left, layout={"flex": "1.35 1 420px", "min_width": "0", "margin": "0 18px 0 0"}
            ),
            ipywidgets.VBox(right, layout={"flex": "1 1 360px", "min_width": "0"}),
        ]
        self._result = ipywidgets.HBox(
            columns,
            layout={"flex_flow": "row wrap", "align_items": "flex-start", "overflow": "visible"},
        )
        self.widget = ipywidgets.VBox([title, *self._input_controls, self._result, self.downloads])
        self.widget.add_class("bloodseg-panel")

    def _build_input(self, images: Sequence[str], upload: Upload) -> None:
        self.picker = ipywidgets.Dropdown(
            options=images,
            description="Image",
            tooltip="The image to segment",
            style=_wide(50),
            layout={"width": "420px"},
        )
        self.upload = upload
        self.diameter = ipywidgets.BoundedFloatText(
            value=RBC_DIAMETER_PX,
            min=2,
            max=2000,
            step=1,
            description="Red cell diameter (px)",
            tooltip="How many pixels a red blood cell measures in this image; it is brought to 40x by it, where it measures 37",
            style=_wide(150),
            layout={"width": "240px"},
            disabled=True,
        )
        self.measure = ipywidgets.Checkbox(
            value=True,
            description="Measure the red cells",
            tooltip="Find the scale by the red blood cells in the image; without it, give their diameter",
            indent=False,
            layout={"width": "170px"},
        )
        self.run = ipywidgets.Button(
            description="Segment",
            tooltip="Segment the image and count its cells",
            button_style="primary",
            layout={"width": "180px"},
        )
        self.progress = ipywidgets.IntProgress(
            description="Progress", style=_wide(60), layout={"width": "260px", "display": "none"}
        )
        self.message = ipywidgets.HTML()
        ipywidgets.dlink((self.measure, "value"), (self.diameter, "disabled"))
        self._input_controls = [
            _row([self.picker, self.upload]),
            _row([self.measure, self.diameter, self.run, self.progress]),
            self.message,
        ]

    def _build_view(self) -> None:
        self.picture = CellPicture()
        full = {"width": "auto"}
        shown = [
            ("the classes", SHOW_CLASSES),
            *((f"probability: {c.name}", c.id) for c in (*CELL_CLASSES, CLASSES[0])),
        ]
        self.view = ipywidgets.Dropdown(
            options=shown,
            description="Show",
            tooltip="What the picture shows",
            style=_wide(52),
            layout=full,
        )
        self.zoom = ipywidgets.FloatSlider(
            value=1,
            min=1,
            max=8,
            step=0.5,
            description="Zoom",
            tooltip="How much the picture is enlarged",
            readout_format=".1f",
            style=_wide(52),
            layout=full,
        )
        self.opacity = ipywidgets.FloatSlider(
            value=0.45,
            min=0,
            max=1,
            step=0.05,
            description="Opacity",
            tooltip="How strongly the cells are tinted",
            style=_wide(52),
            layout=full,
        )
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
                description=f"{readouts.swatch(c.id)}{c.name}",
                description_allow_html=True,
                tooltip=f"Show {c.name}",
                indent=False,
                layout={"width": "auto", "margin": "0"},
            )
            for c in CELL_CLASSES
        }
        self.all_classes = ipywidgets.Button(
            description="All", tooltip="Show all classes", layout={"width": "64px"}
        )
        self.no_classes = ipywidgets.Button(
            description="None", tooltip="Show no class", layout={"width": "64px"}
        )
        self.scale_of_heat = ipywidgets.HTML()
        ipywidgets.link((self.zoom, "value"), (self.picture, "zoom"))
        self._view_controls = [
            _grid([self.view, self.opacity, self.zoom], 205),
            _row(
                [
                    ipywidgets.HTML(readouts.heading("Classes shown")),
                    self.all_classes,
                    self.no_classes,
                    self.outlines,
                ]
            ),
            _grid(list(self.toggles.values()), 136),
        ]

    def _build_cells(self) -> None:
        style = _wide(60)
        self.order = ipywidgets.Dropdown(
            options=["from top to bottom", "least certain first"],
            description="Order",
            tooltip="How the cells are listed",
            style=style,
        )
        self.cells = ipywidgets.Select(
            options=[],
            value=None,
            rows=6,
            description="Cells",
            tooltip="The cells that were found",
            style=style,
            layout={"width": "auto"},
        )
        self.details = ipywidgets.HTML()
        self.new_class = ipywidgets.Dropdown(
            options=[(c.name, c.id) for c in CELL_CLASSES],
            description="It is a",
            tooltip="The class that the cell should have",
            style=style,
            layout={"width": "180px"},
        )
        width = {"width": "auto"}
        self.change = ipywidgets.Button(
            description="Change class",
            tooltip="Give the cell the class at the left",
            icon="pencil",
            layout=width,
        )
        self.delete = ipywidgets.Button(
            description="Delete cell",
            tooltip="There is no cell here: do not count it",
            icon="trash",
            layout=width,
        )
        self.restore = ipywidgets.Button(
            description="As found",
            tooltip="Take back what was changed in this cell",
            icon="undo",
            layout=width,
        )
        self._cell_controls = [
            ipywidgets.HTML(readouts.heading("Cells")),
            self.order,
            self.cells,
            self.details,
            _row([self.new_class, self.change, self.delete, self.restore]),
        ]


def _row(controls: Sequence[ipywidgets.Widget]) -> ipywidgets.HBox:
    """Controls side by side, in as many lines as it takes."""
    row = ipywidgets.HBox(list(controls))
    row.add_class("bloodseg-row")
    return row


def _grid(controls: Sequence[ipywidgets.Widget], least_px: int) -> ipywidgets.GridBox:
    """Controls in as many columns of one width, at least ``least_px``, as there is room for."""
    columns = f"repeat(auto-fill, minmax({least_px}px, 1fr))"
    return ipywidgets.GridBox(
        list(controls),
        layout={"grid_template_columns": columns, "grid_gap": "2px 8px", "width": "100%"},
    )


def _wide(pixels: int) -> dict[str, str]:
    return {"description_width": f"{pixels}px"}
