"""The panel: pick or upload an image, have its cells segmented, counted and coloured, look at each, correct it, and download the result.

It is thin: ``prediction`` segments, ``results`` counts and makes the files, ``figures`` draws, ``corrections`` corrects, ``readouts`` words it.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import copy
import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import ipywidgets
import numpy as np

from bloodseg_lib import readouts
from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_DIAMETER_PX, class_by_key
from bloodseg_lib.corrections import Correction, corrected, corrected_files, final_classes
from bloodseg_lib.counting import NOTICE, Cell, CountingConfig, Counts
from bloodseg_lib.figures import comparison_figure, figure_png, heat, heat_scale, overlay
from bloodseg_lib.files import png_bytes, read_image
from bloodseg_lib.frontend import CellPicture, Downloads, Upload
from bloodseg_lib.prediction import Segmentation, scale_to_40x
from bloodseg_lib.results import result_files
from bloodseg_lib.scale import find_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bloodseg_lib.prediction import Segmenter

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_SHOWN_PX = (896, 1800)  # the longer side of the picture in the panel, at least and at most; the files for download have the image's own size
_CLASSES = -1  # what the picture shows: the classes, or else the probability of the class of that id


class SegmentationPanel:
    """A panel for JupyterLab and Voila. Display the panel itself, or ``panel.widget``.

    Args:
        segmenter: what segments, usually a :class:`bloodseg_lib.prediction.Segmenter`.
        images: images to pick from: name -> ``(H, W, 3) uint8`` RGB, or a folder of image files. Others can be uploaded.
        config: how cells are counted; the defaults if not given.

    Attributes:
        widget: the panel.
        last_error: the exception that the last action ended with, or ``None``. The panel shows its words.
        segmentation: of the last image segmented, or ``None``.
        counts: its cells and figures, with the corrections, or ``None``.
        found: the same as the network found them.
        files: its files by name: those that the command line writes, until a correction is made; see :mod:`bloodseg_lib.corrections`.
        corrections: made by hand, in order.

    Raises:
        FileNotFoundError: ``images`` is a folder that is not there.
    """

    def __init__(self, segmenter: Segmenter, images: Mapping[str, np.ndarray] | Path | str | None = None, config: CountingConfig | None = None):
        self.segmenter = segmenter
        self.config = config or CountingConfig()
        self.last_error: Exception | None = None
        self._images: dict[str, np.ndarray | Path] = _offered(images)
        self._image: np.ndarray | None = None
        self._name = ""
        self._forget()
        self._build()
        self._guarded(self._show_choice)

    def _forget(self) -> None:
        self.segmentation: Segmentation | None = None
        self.counts: Counts | None = None
        self.found: Counts | None = None
        self.files: dict[str, bytes] | None = None
        self.corrections: tuple[Correction, ...] = ()
        self._found_files: dict[str, bytes] = {}

    def _build(self) -> None:
        self._build_input()
        self._build_view()
        self._build_cells()
        self.downloads = Downloads(self._content, self._fail)
        self.table = ipywidgets.HTML()
        title = ipywidgets.HTML(readouts.heading("Blood smear: find, name and count the cells", NOTICE))
        left = [self.picture, self.scale_of_heat, *self._view_controls]
        right = [ipywidgets.HTML(readouts.heading("Figures")), self.table, *self._cell_controls]
        columns = [
            ipywidgets.VBox(left, layout={"flex": "1.35 1 420px", "min_width": "0", "margin": "0 18px 0 0"}),
            ipywidgets.VBox(right, layout={"flex": "1 1 360px", "min_width": "0"}),
        ]
        self._result = ipywidgets.HBox(columns, layout={"flex_flow": "row wrap", "align_items": "flex-start", "overflow": "visible"})
        self.widget = ipywidgets.VBox([title, *self._input_controls, self._result, self.downloads])
        self.widget.add_class("bloodseg-panel")

    def _build_input(self) -> None:
        self.picker = ipywidgets.Dropdown(
            options=list(self._images), description="Image", tooltip="The image to segment", style=_wide(50), layout={"width": "420px"}
        )
        self.upload = Upload(
            self._take, self._fail, words="Upload an image", hint="An image file of your own: PNG, JPEG, TIFF or BMP", accept=",".join(SUFFIXES)
        )
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
            description="Segment", tooltip="Segment the image and count its cells", button_style="primary", layout={"width": "180px"}
        )
        self.progress = ipywidgets.IntProgress(description="Progress", style=_wide(60), layout={"width": "260px", "display": "none"})
        self.message = ipywidgets.HTML()
        ipywidgets.dlink((self.measure, "value"), (self.diameter, "disabled"))
        self.run.on_click(lambda _: self._guarded(self._segment_choice))
        self.picker.observe(lambda _: self._guarded(self._show_choice), "value")
        self._input_controls = [
            _row([self.picker, self.upload]),
            _row([self.measure, self.diameter, self.run, self.progress]),
            self.message,
        ]

    def _build_view(self) -> None:
        self.picture = CellPicture()
        full = {"width": "auto"}
        shown = [("the classes", _CLASSES), *((f"probability: {c.name}", c.id) for c in (*CELL_CLASSES, CLASSES[0]))]
        self.view = ipywidgets.Dropdown(options=shown, description="Show", tooltip="What the picture shows", style=_wide(52), layout=full)
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
            value=0.45, min=0, max=1, step=0.05, description="Opacity", tooltip="How strongly the cells are tinted", style=_wide(52), layout=full
        )
        self.outlines = ipywidgets.Checkbox(
            value=True, description="Outlines", tooltip="Draw the outline of each cell", indent=False, layout={"width": "100px"}
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
        self.all_classes = ipywidgets.Button(description="All", tooltip="Show all classes", layout={"width": "64px"})
        self.no_classes = ipywidgets.Button(description="None", tooltip="Show no class", layout={"width": "64px"})
        self.all_classes.on_click(lambda _: self._guarded(lambda: self._toggle_all(True)))
        self.no_classes.on_click(lambda _: self._guarded(lambda: self._toggle_all(False)))
        self.scale_of_heat = ipywidgets.HTML()
        for control in (self.view, self.opacity, self.outlines, *self.toggles.values()):
            control.observe(lambda _: self._guarded(self._draw), "value")
        ipywidgets.link((self.zoom, "value"), (self.picture, "zoom"))
        self.picture.observe(lambda change: self._guarded(lambda: self._selected(change["new"])), "selected")
        self._view_controls = [
            _grid([self.view, self.opacity, self.zoom], 205),
            _row([ipywidgets.HTML(readouts.heading("Classes shown")), self.all_classes, self.no_classes, self.outlines]),
            _grid(list(self.toggles.values()), 136),
        ]

    def _build_cells(self) -> None:
        style = _wide(60)
        self.order = ipywidgets.Dropdown(
            options=["from top to bottom", "least certain first"], description="Order", tooltip="How the cells are listed", style=style
        )
        self.cells = ipywidgets.Select(
            options=[], value=None, rows=6, description="Cells", tooltip="The cells that were found", style=style, layout={"width": "auto"}
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
        self.change = ipywidgets.Button(description="Change class", tooltip="Give the cell the class at the left", icon="pencil", layout=width)
        self.delete = ipywidgets.Button(description="Delete cell", tooltip="There is no cell here: do not count it", icon="trash", layout=width)
        self.restore = ipywidgets.Button(description="As found", tooltip="Take back what was changed in this cell", icon="undo", layout=width)
        self.order.observe(lambda _: self._guarded(self._list_cells), "value")
        self.cells.observe(self._picked_from_list, "value")
        self.change.on_click(lambda _: self._guarded(lambda: self.correct(self.picture.selected, self.new_class.value)))
        self.delete.on_click(lambda _: self._guarded(lambda: self.correct(self.picture.selected, None)))
        self.restore.on_click(lambda _: self._guarded(lambda: self.correct(self.picture.selected, self._as_found(self.picture.selected))))
        self._cell_controls = [
            ipywidgets.HTML(readouts.heading("Cells")),
            self.order,
            self.cells,
            self.details,
            _row([self.new_class, self.change, self.delete, self.restore]),
        ]

    def segment(self, image: np.ndarray, name: str = "image") -> Segmentation:
        """Segment an image, count its cells and show the result in the panel.

        Args:
            image: ``(H, W, 3) uint8`` RGB. Its scale is measured, or what the panel's diameter of a red cell says.
            name: what its files are called.

        Raises:
            ValueError: no such image; the panel shows the words too.
        """
        self.last_error = None
        try:
            self._say(f"Segmenting {name} ...")
            scale = None if self.measure.value else scale_to_40x(self.diameter.value)
            factor = find_scale(image).factor if scale is None else scale
            segmentation = self._watched(image.shape[0] * image.shape[1] * factor**2).segment(image, scale=scale)
            counts, files = result_files(segmentation, image, name, self.config)
        except Exception as error:
            self._fail(error)
            raise
        finally:
            self.progress.layout.display = "none"
        self._forget()
        self._image, self._name = image, name
        self.segmentation, self.found, self.counts, self._found_files, self.files = segmentation, counts, counts, files, files
        self.picture.selected = 0
        self._show_result()
        self._say(f"{name}: {image.shape[1]} x {image.shape[0]} pixels, {len(counts.cells)} cells counted; {segmentation.found}.")
        return segmentation

    def correct(self, number: int, class_id: int | str | None) -> None:
        """Give a cell another class, or delete it; the figures and files change and the correction is on record.

        Args:
            number: of the cell, from 1, as in the list of cells.
            class_id: the id or the key of its class, or ``None``: it is no cell.

        Raises:
            ValueError: nothing was segmented, or there is no such cell or class.
        """
        if self.found is None:
            raise ValueError("Expected an image that was segmented, received none yet. Press Segment first.")
        if not number:
            raise ValueError("Expected a cell, none is chosen. Click one in the picture, or choose it from the list.")
        correction = Correction(number, class_by_key(class_id).id if isinstance(class_id, str) else class_id)
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
        was, now = (CLASSES[i].name if i is not None else "no cell" for i in (before[number - 1], after[number - 1]))
        self._say(f"Cell {number}: {was} was changed to {now}. The figures and the files say so.")

    def archive(self) -> bytes:
        """All files as a zip. The same files give the same bytes.

        Raises:
            ValueError: nothing was segmented yet.
        """
        if self.files is None:
            raise ValueError("Expected an image that was segmented, received none yet. Press Segment first.")
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
            raise ValueError("Expected an image that was segmented, received none yet. Call panel.segment(image) or press Segment first.")
        figure = comparison_figure([(self._image, None, self.segmentation.labels)], titles=[self._name])
        numbers = ", ".join(f"{n} {CLASSES[i].name}" for i, n in self._numbers() if n) or "no cells"
        figure.suptitle(f"{numbers}. Parasitaemia {self.counts.parasitaemia()}. {NOTICE}", fontsize=10)
        return figure

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The panel for pages with a kernel; where there is a result, also the picture of it, which pages without one show instead."""
        bundle = dict(self.widget._repr_mimebundle_(**options))
        if self.segmentation is not None:
            bundle["image/png"] = figure_png(self.figure())
        return bundle

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
        self.message.value = readouts.message(text, alarm)

    def _watched(self, pixels: float) -> Segmenter:
        """The segmenter, telling the progress bar how much of ``pixels`` (at 40x) has passed through its network. Tiles overlap: it ends early."""
        watched, bar = copy.copy(self.segmenter), self.progress
        bar.value, bar.max, bar.layout.display = 0, max(1, round(pixels)), None
        if hasattr(watched, "predict"):

            def predict(tiles: np.ndarray) -> np.ndarray:
                found = self.segmenter.predict(tiles)
                bar.value = min(bar.max, bar.value + len(tiles) * tiles.shape[1] * tiles.shape[2])
                return found

            watched.predict = predict
        return watched

    def _take(self, name: str, data: bytes) -> None:
        """Add what was uploaded to the images, and pick it."""
        self.last_error = None
        name = Path(name).name
        self._images[name] = _decoded(name, data)
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
        self.downloads.files = [every, *({"name": name, "words": name.removeprefix(f"{self._name}_")} for name in self.files)]

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
        least, most = (limit / max(height, width) for limit in _SHOWN_PX)
        ratio = least if least > 1 else min(1.0, most)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        shown = cv2.resize(self._image, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC)
        found, legend = "not segmented yet", ""
        if self.segmentation is not None and self.counts is not None:
            found = ", ".join(f"{n} {CLASSES[i].name}" for i, n in self._numbers() if n) or "no cells"
            if self.view.value == _CLASSES:
                labels = cv2.resize(self.segmentation.labels, size, interpolation=cv2.INTER_NEAREST)
                chosen = [i for i, toggle in self.toggles.items() if toggle.value]
                shown = overlay(shown, labels, self.opacity.value, self.outlines.value, chosen)
            else:
                if self.segmentation.probabilities is None:
                    self.view.value = _CLASSES
                    raise ValueError("The probabilities of an image as large as this are not kept. Cut a part out of it and segment that.")
                chance = np.asarray(self.segmentation.probabilities[:, :, self.view.value], np.float32)
                shown = heat(shown, cv2.resize(chance, size, interpolation=cv2.INTER_LINEAR))
                found = f"probability of {CLASSES[self.view.value].name}; {found}"
                legend = readouts.picture(heat_scale(), "Scale of the probability, from 0, dark, to 1, light")
        self.picture.size = (width, height)
        self.picture.alt = f"{self._name}: {found}"
        self.picture.picture = png_bytes(shown)
        self.picture.cells = self._marks()
        self.scale_of_heat.value = legend

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
                    "mark": "deleted" if class_id is None else "changed" if class_id != cell.class_id else "",
                }
            )
        return marks

    def _now(self) -> list[tuple[Any, int | None]]:
        """Each cell that was found, and the class that it has now."""
        return list(zip(self.found.cells, final_classes(self.found, self.corrections), strict=True)) if self.found else []

    def _as_found(self, number: int) -> int | None:
        return self.found.cells[number - 1].class_id if self.found and number else None

    def _list_cells(self) -> None:
        now = list(enumerate(self._now(), start=1))
        if self.order.value == "least certain first":
            now.sort(key=lambda entry: (entry[1][0].confidence or 0) * entry[1][0].agreement)
        options = [(readouts.cell_words(number, cell, class_id), number) for number, (cell, class_id) in now]
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
            self.details.value = "" if self.found is None else "Click a cell in the picture, or choose it from the list."
            return
        cell, class_id = self._now()[number - 1]
        self.cells.value = number
        self.new_class.value = class_id or cell.class_id
        chances = _class_probabilities(self.segmentation, self.found.cells, number)
        self.details.value = readouts.cell_details(number, cell, class_id, chances, self.segmentation.scale, _close_up(self._image, cell.box))


def _row(controls: Sequence[ipywidgets.Widget]) -> ipywidgets.HBox:
    """Controls side by side, in as many lines as it takes."""
    row = ipywidgets.HBox(list(controls))
    row.add_class("bloodseg-row")
    return row


def _grid(controls: Sequence[ipywidgets.Widget], least_px: int) -> ipywidgets.GridBox:
    """Controls in as many columns of one width, at least ``least_px``, as there is room for."""
    columns = f"repeat(auto-fill, minmax({least_px}px, 1fr))"
    return ipywidgets.GridBox(list(controls), layout={"grid_template_columns": columns, "grid_gap": "2px 8px", "width": "100%"})


def _wide(pixels: int) -> dict[str, str]:
    return {"description_width": f"{pixels}px"}


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


def _class_probabilities(segmentation: Segmentation, cells: Sequence[Cell], number: int) -> np.ndarray:
    """The mean probability of each class over the pixels of a cell: of its group's pixels in its box those that no other cell's middle is nearer to.

    Returns:
        ``(10,) float64``, all 0 for a large image, whose probabilities are not kept.
    """
    if segmentation.probabilities is None:
        return np.zeros(len(CLASSES))
    cell = cells[number - 1]
    x, y, width, height = cell.box
    group = [c.id for c in CLASSES if c.group == CLASSES[cell.class_id].group]
    rows, columns = np.nonzero(np.isin(segmentation.labels[y : y + height, x : x + width], group))
    rows, columns = rows + y, columns + x

    def distance(other: Cell) -> np.ndarray:
        return np.hypot(columns - other.centroid[0], rows - other.centroid[1]) / np.sqrt(other.area_px)

    own = distance(cell)
    for other in cells:
        if (
            other is not cell
            and other.class_id in group
            and abs(other.box[0] - x) < width + other.box[2]
            and abs(other.box[1] - y) < height + other.box[3]
        ):
            mine = own <= distance(other)
            rows, columns, own = rows[mine], columns[mine], own[mine]
    return np.asarray(segmentation.probabilities[rows, columns], np.float64).mean(axis=0)


def _close_up(image: np.ndarray, box: tuple[int, int, int, int], side_px: int = 300) -> np.ndarray:
    """A cell and as much again around it, ``(side_px, side_px, 3) uint8``, with its box in white and black."""
    x, y, width, height = box
    reach = max(width, height)
    left, top = x + width // 2 - reach, y + height // 2 - reach
    rows = np.clip(np.arange(top, top + 2 * reach), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(left, left + 2 * reach), 0, image.shape[1] - 1)
    part = cv2.resize(np.ascontiguousarray(image[np.ix_(rows, columns)]), (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    ratio = side_px / (2 * reach)
    corners = [(round((x - left) * ratio), round((y - top) * ratio)), (round((x + width - left) * ratio), round((y + height - top) * ratio))]
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.rectangle(part, *corners, colour, thickness)
    return part
