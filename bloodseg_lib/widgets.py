"""The panel: pick or upload an image, have its cells segmented, counted and coloured, and download the result.

It is thin: ``prediction`` segments, ``results`` counts and makes the files, ``figures`` draws. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import base64
import html
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import ipywidgets
import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_DIAMETER_PX, class_by_key
from bloodseg_lib.counting import ALL_CELLS, BORDER_RULE, NOTICE, CountingConfig, Counts
from bloodseg_lib.figures import comparison_figure, overlay
from bloodseg_lib.files import png_bytes, read_image
from bloodseg_lib.prediction import Segmentation, scale_to_40x
from bloodseg_lib.results import result_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bloodseg_lib.prediction import Segmenter

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_SHOWN_PX = 900  # the longer side of the picture in the panel; the files for download have the image's own size
_MEDIA = {".png": "image/png", ".csv": "text/csv", ".json": "application/json"}


class SegmentationPanel:
    """A panel for JupyterLab. Display ``panel.widget``.

    Args:
        segmenter: what segments, usually a :class:`bloodseg_lib.prediction.Segmenter`.
        images: images to pick from: name -> ``(H, W, 3) uint8`` RGB, or a folder of image files. Others can be uploaded.
        config: how cells are counted; the defaults if not given.

    Attributes:
        widget: the panel.
        last_error: the exception that the last action ended with, or ``None``. The panel shows its words.
        segmentation, counts, files: of the last image segmented, or ``None``; ``files`` are those that the command line writes, by name.

    Raises:
        FileNotFoundError: ``images`` is a folder that is not there.
    """

    def __init__(self, segmenter: Segmenter, images: Mapping[str, np.ndarray] | Path | str | None = None, config: CountingConfig | None = None):
        self.segmenter = segmenter
        self.config = config or CountingConfig()
        self.last_error: Exception | None = None
        self.segmentation: Segmentation | None = None
        self.counts: Counts | None = None
        self.files: dict[str, bytes] | None = None
        self._images: dict[str, np.ndarray | Path] = _offered(images)
        self._image: np.ndarray | None = None
        self._name = ""
        self._build()
        self._guarded(self._show_choice)

    def _build(self) -> None:
        style = {"description_width": "130px"}
        self.picker = ipywidgets.Dropdown(options=list(self._images), description="Image", tooltip="The image to segment", style=style)
        self.upload = ipywidgets.FileUpload(
            accept=",".join(SUFFIXES), multiple=False, description="Upload an image", tooltip="An image file of your own", layout={"width": "170px"}
        )
        self.diameter = ipywidgets.BoundedFloatText(
            value=RBC_DIAMETER_PX,
            min=2,
            max=2000,
            step=1,
            description="RBC diameter (px)",
            tooltip="How many pixels a red blood cell measures in this image; it is brought to 40x by it, where it measures 37",
            style=style,
        )
        self.run = ipywidgets.Button(description="Segment", tooltip="Segment the image and count its cells", button_style="primary")
        self.opacity = ipywidgets.FloatSlider(
            value=0.45, min=0, max=1, step=0.05, description="Opacity of colours", tooltip="How strongly the cells are tinted", style=style
        )
        self.outlines = ipywidgets.Checkbox(value=True, description="Outlines", tooltip="Draw the outline of each cell", indent=False)
        self.toggles = {
            c.id: ipywidgets.Checkbox(
                value=True,
                description=f'<span style="color:rgb{c.colour};-webkit-text-stroke:1px #555">&#9632;</span> {c.name}',
                description_allow_html=True,
                tooltip=f"Show {c.name}",
                indent=False,
                layout={"width": "165px"},
            )
            for c in CELL_CLASSES
        }
        self.message, self.picture, self.table, self.downloads = (ipywidgets.HTML() for _ in range(4))
        self.run.on_click(lambda _: self._guarded(self._segment_choice))
        self.picker.observe(lambda _: self._guarded(self._show_choice), "value")
        self.upload.observe(lambda change: self._guarded(lambda: self._take(change["new"])), "value")
        for control in (self.opacity, self.outlines, *self.toggles.values()):
            control.observe(lambda _: self._guarded(self._draw), "value")
        toggles = ipywidgets.HBox(list(self.toggles.values()), layout={"flex_flow": "row wrap", "width": "700px"})
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox([self.picker, self.upload]),
                ipywidgets.HBox([self.diameter, self.run]),
                self.message,
                ipywidgets.HBox([self.opacity, self.outlines]),
                toggles,
                ipywidgets.HBox([self.picture, self.table], layout={"flex_flow": "row wrap", "align_items": "flex-start"}),
                self.downloads,
            ]
        )

    def segment(self, image: np.ndarray, name: str = "image") -> Segmentation:
        """Segment an image, count its cells and show the result in the panel.

        Args:
            image: ``(H, W, 3) uint8`` RGB, of the scale that the panel's RBC diameter says.
            name: what its files are called.

        Raises:
            ValueError: no such image; the panel shows the words too.
        """
        self.last_error = None
        self._say(f"Segmenting {name} ...")
        try:
            segmentation = self.segmenter.segment(image, scale=scale_to_40x(self.diameter.value))
            counts, files = result_files(segmentation, image, name, self.config)
        except Exception as error:
            self._fail(error)
            raise
        self._image, self._name = image, name
        self.segmentation, self.counts, self.files = segmentation, counts, files
        self._draw()
        self.table.value = _table(self.counts)
        self.downloads.value = _links(self.files)
        self._say(f"{name}: {image.shape[1]} x {image.shape[0]} pixels, {len(counts.cells)} cells counted.")
        return segmentation

    def figure(self) -> Figure:
        """The last result as a plain figure, for pages that run no widgets.

        Raises:
            ValueError: nothing was segmented yet.
        """
        if self.segmentation is None or self._image is None:
            raise ValueError("Expected an image that was segmented, received none yet. Call panel.segment(image) or press Segment first.")
        return comparison_figure([(self._image, None, self.segmentation.labels)], titles=[self._name])

    def _guarded(self, action: Callable[[], Any]) -> None:
        """Do what a control asks for. ipywidgets swallows what a handler raises, so it is said in the panel and kept."""
        self.last_error = None
        try:
            action()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.last_error = error
        self._say(str(error) or type(error).__name__, alarm=True)

    def _say(self, text: str, alarm: bool = False) -> None:
        role, style = ("alert", "color:#a00000;font-weight:bold") if alarm else ("status", "color:inherit")
        self.message.value = f'<div role="{role}" style="{style}">{html.escape(text)}</div>'

    def _take(self, uploaded: tuple[Mapping[str, Any], ...]) -> None:
        """Add what was uploaded to the images, and pick it."""
        if not uploaded:
            return
        name = Path(uploaded[0]["name"]).name
        self._images[name] = _decoded(name, bytes(uploaded[0]["content"]))
        self.picker.options = list(self._images)
        self.picker.value = name
        self._show_choice()  # also when the name was picked before

    def _choice(self) -> tuple[str, np.ndarray]:
        name = self.picker.value
        if name is None:
            raise ValueError("Expected an image, none is picked. Pick one from the list or upload one.")
        image = self._images[name]
        return name, read_image(image) if isinstance(image, Path) else image

    def _show_choice(self) -> None:
        self.segmentation = self.counts = self.files = self._image = None
        self.table.value = self.downloads.value = self.picture.value = ""
        if self.picker.value is None:
            self._say("Upload an image, then press Segment.")
            return
        self._name, self._image = self._choice()
        self._draw()
        self._say(f"{self._name}: press Segment.")

    def _segment_choice(self) -> None:
        name, image = self._choice()
        self.segment(image, Path(name).stem)

    def _draw(self) -> None:
        """The picture: the image, tinted where it has been segmented."""
        if self._image is None:
            return
        height, width = self._image.shape[:2]
        ratio = min(1.0, _SHOWN_PX / max(height, width))
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        shown = cv2.resize(self._image, size, interpolation=cv2.INTER_AREA)
        found = "not segmented yet"
        if self.segmentation is not None and self.counts is not None:
            labels = cv2.resize(self.segmentation.labels, size, interpolation=cv2.INTER_NEAREST)
            chosen = [i for i, toggle in self.toggles.items() if toggle.value]
            shown = overlay(shown, labels, self.opacity.value, self.outlines.value, chosen)
            found = ", ".join(f"{n} {CLASSES[i].name}" for i, n in self._numbers() if n) or "no cells"
        words = html.escape(f"{self._name}: {found}", quote=True)
        wide = max(size[0], min(448, _SHOWN_PX))  # a smear of 224 pixels is shown at twice its size
        self.picture.value = f'<img alt="{words}" width="{wide}" style="margin-right:16px" src="{_uri(png_bytes(shown), ".png")}">'

    def _numbers(self) -> list[tuple[int, int]]:
        return [(c.id, self.counts.watershed[c.key]) for c in CELL_CLASSES] if self.counts else []


def _offered(images: Mapping[str, np.ndarray] | Path | str | None) -> dict[str, np.ndarray | Path]:
    if images is None:
        return {}
    if isinstance(images, Mapping):
        return dict(images)
    folder = Path(images)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of images, there is none.")
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}


def _decoded(name: str, data: bytes) -> np.ndarray:
    """The image in an uploaded file, read as any other file is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{Path(name).suffix}"
        path.write_bytes(data)
        try:
            return read_image(path)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), name)) from error


def _uri(data: bytes, suffix: str) -> str:
    return f"data:{_MEDIA[suffix]};base64,{base64.b64encode(data).decode()}"


def _links(files: Mapping[str, bytes]) -> str:
    links = [
        f'<a download="{html.escape(name, quote=True)}" href="{_uri(data, Path(name).suffix)}">{html.escape(name)}</a>'
        for name, data in files.items()
    ]
    return "Download: " + " &middot; ".join(links)


def _table(counts: Counts) -> str:
    """Counts and figures as an HTML table."""
    swatch = '<span aria-hidden="true" style="display:inline-block;width:12px;height:12px;border:1px solid #555;background:rgb{}"></span> {}'
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:normal">{swatch.format(c.colour, c.name)}</th>'
        f"<td>{counts.watershed[c.key]}</td><td>{counts.components[c.key]}</td><td>{counts.by_area[c.key]:.1f}</td></tr>"
        for c in CELL_CLASSES
    )
    white = [f"{class_by_key(key).name}: {share}" for key, share in counts.differential().items() if share.numerator]
    lines = [f"<b>Parasitaemia</b> (infected of all RBC): {counts.parasitaemia()}"]
    lines.append("<b>Differential</b> (of all WBC): " + ("; ".join(white) if white else "no white blood cells"))
    rule = BORDER_RULE if counts.config.border_rule else ALL_CELLS
    return (
        '<table style="border-spacing:8px 1px;text-align:right"><caption style="text-align:left"><b>Cells</b>, counted in three ways</caption>'
        '<tr><th scope="col" style="text-align:left">class</th><th scope="col">cells</th><th scope="col">pieces</th><th scope="col">area / mean</th></tr>'
        f"{rows}</table><p>{'<br>'.join(lines)}</p><p>{rule} {counts.cut_by_border} left out.<br><b>{NOTICE}</b></p>"
    )
