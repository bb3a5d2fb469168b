"""Four widgets that ipywidgets lacks: a picture whose cells can be clicked, a gallery of cells,
files to download, and an upload of any size.

Each is an anywidget: kernel and browser exchange the traits here and nothing else. The JavaScript
and the style of the whole panel are in ``static``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from bloodseg_lib.classes import PALETTE, Box
from bloodseg_lib.panel.html import UNIDENTIFIED_COLOUR

_HERE = Path(__file__).resolve().parent / "static"
MOST_PART_PX = 4096
"""The longer side of a part of an image that is sent, at most; above it no screen is sharper."""

MOST_UPLOAD_BYTES = 2**29
"""Of a file."""

_MEDIA = {
    ".png": "image/png",
    ".csv": "text/csv",
    ".json": "application/json",
    ".zip": "application/zip",
}


class CellPicture(anywidget.AnyWidget):
    """A picture in which cells are found with the pointer (hover, click) or the arrow keys.

    Args:
        part: gives a part of the image (x, y, width, height) and its map at a width and height, as
            two PNGs.
        act: receives what corrects: ``{"key"}``, of 0 to 9, Delete, u, z; ``{"outline"}`` of a cell
            that is drawn, or ``{"line", "cell"}``, which cuts one, in pixels of the image.
        on_error: receives exceptions, which ipywidgets would swallow.

    Attributes:
        picture: a PNG, larger or smaller than the image, or empty.
        map: a PNG of :func:`bloodseg_lib.panel.drawing.cell_map`, or empty. The browser tints
            it, so that opacity, classes and outlines answer at once.
        size: width and height of the image, in the pixels that ``cells`` are measured in.
        cells: of each cell ``number`` (from 1), ``box`` (x, y, width, height), ``centre`` (x, y),
            ``class`` (-1: deleted), ``words``, shown beside the pointer and read aloud, and
            ``mark``: ``"changed"``, ``"drawn"``, ``"deleted"`` or empty.
        colours: red, green, blue of each class; the last is that of unidentified cells.
        shown: ids of the classes that are shown.
        mode: ``"cells"``: each cell in the colour of its class; ``"pixels"``: each pixel in that of
            its class in the label map; ``"none"``: the picture as it is.
        opacity, outlines: of the tint.
        pixel_um: micrometres of a pixel of the image, for the scale bar; 0: not known.
        selected: number of the cell that is described, 0: none. A click sets it, or Python.
        chosen: numbers of the cells that a correction changes.
        alt: the content of the picture in words.
        controls: ``model_id`` of each widget whose changes hold before the next press of a key or a
            button.
    """

    _esm = _HERE / "cell_picture.js"
    _css = _HERE / "panel.css"
    picture = traitlets.Bytes(b"").tag(sync=True)
    map = traitlets.Bytes(b"").tag(sync=True)
    size = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(1, 1)).tag(sync=True)
    cells = traitlets.List(traitlets.Dict()).tag(sync=True)
    colours = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    shown = traitlets.List(traitlets.Int()).tag(sync=True)
    mode = traitlets.Enum(("cells", "pixels", "none"), "cells").tag(sync=True)
    opacity = traitlets.Float(0.45, min=0, max=1).tag(sync=True)
    outlines = traitlets.Bool(True).tag(sync=True)
    pixel_um = traitlets.Float(0).tag(sync=True)
    selected = traitlets.Int(0).tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    controls = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        part: Callable[[Box, tuple[int, int]], tuple[bytes, bytes]],
        act: Callable[[Mapping[str, Any]], None],
        on_error: Callable[[Exception], None],
    ):
        super().__init__(colours=[*PALETTE.tolist(), list(UNIDENTIFIED_COLOUR)])
        self.add_class("bloodseg-widget")
        self._part, self._act, self._on_error = part, act, on_error
        self.on_msg(lambda _widget, message, _buffers: self.answer(message))

    def answer(self, message: Mapping[str, Any]) -> None:
        """Answer the browser's ``{"part", "size"}`` with the pictures of that part, if it lies in
        the image, and hand on everything else.
        """
        try:
            if "part" not in message:
                self._act(message)
                return
            window = Box(*(int(value) for value in message["part"]))
            if window.right > self.size[0] or window.bottom > self.size[1]:
                return  # asked of the image before this one
            width, height = (min(int(side), MOST_PART_PX) for side in message["size"])
            parts = self._part(window, (width, height))
            self.send({"part": message["part"]}, list(parts))
        except Exception as error:
            self._on_error(error)


class Upload(anywidget.AnyWidget):
    """A button, and a place to drop files on. Each comes in pieces, so that it may be larger
    than the 10 MB that Jupyter's server lets pass.

    Args:
        on_file: receives the name and the bytes of each file that has arrived.
        on_error: receives exceptions, which ipywidgets would swallow.

    Attributes:
        words, hint: on the button, and beside it when the pointer rests there.
        accept: endings of the files that are offered to choose from, separated by commas.
    """

    _esm = _HERE / "upload.js"
    words = traitlets.Unicode("Upload files").tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)
    accept = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        on_file: Callable[[str, bytes], None],
        on_error: Callable[[Exception], None],
        **traits: Any,
    ):
        super().__init__(**traits)
        self._on_file, self._on_error = on_file, on_error
        self._arrived: bytearray | None = bytearray()
        self.on_msg(lambda _widget, message, buffers: self.receive(message, buffers))

    def receive(self, message: Mapping[str, Any], buffers: Sequence[bytes | memoryview]) -> None:
        """Take a piece of a file, ``{"name", "size", "start"}`` with its bytes, and say that it has
        arrived; a piece that starts at 0 begins a new file. The pieces that follow a lost one are
        passed over.
        """
        name = message["name"]
        try:
            if "error" in message:
                raise ValueError(
                    f"{name}: the browser cannot read it ({message['error']}). Choose it again."
                )
            if message["size"] > MOST_UPLOAD_BYTES:
                raise ValueError(
                    f"{name}: expected a file of at most {MOST_UPLOAD_BYTES >> 20} MiB. "
                    f"Received {message['size'] >> 20} MiB. Use the command predict."
                )
            if message["start"] == 0:
                self._arrived = bytearray()
            if self._arrived is None:
                return
            if message["start"] != len(self._arrived):
                raise ValueError(f"{name}: a piece of it was lost on the way. Choose it again.")
            self._arrived += buffers[0]
            self.send({"name": name, "received": len(self._arrived)})
            if len(self._arrived) == message["size"]:
                data, self._arrived = bytes(self._arrived), bytearray()
                self._on_file(name, data)
        except Exception as error:
            self._arrived = None
            self.send({"name": name, "failed": True})
            self._on_error(error)


class Gallery(anywidget.AnyWidget):
    """Close-ups of cells side by side; with Shift or Ctrl several are chosen.

    Attributes:
        sheet: a PNG of all close-ups, in rows of ``columns``, each ``side`` pixels wide and high.
        cells: of each close-up ``number``, ``words``, ``colour`` (CSS) and ``mark``.
        selected, chosen: as in :class:`CellPicture`.
    """

    _esm = _HERE / "gallery.js"
    sheet = traitlets.Bytes(b"").tag(sync=True)
    side = traitlets.Int(64).tag(sync=True)
    columns = traitlets.Int(12).tag(sync=True)
    cells = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Int(0).tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)


class Downloads(anywidget.AnyWidget):
    """Buttons that hand files to the browser.

    The bytes are sent when a button is pressed, so that neither the page nor a saved notebook holds
    them.

    Args:
        content: gives the bytes of a file by its name.
        on_error: receives the exceptions of ``content``, which ipywidgets would swallow.

    Attributes:
        files: of each file its ``name`` and the ``words`` on its button.
    """

    _esm = _HERE / "downloads.js"
    files = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(self, content: Callable[[str], bytes], on_error: Callable[[Exception], None]):
        super().__init__()
        self._content, self._on_error = content, on_error
        self.on_msg(lambda _widget, message, _buffers: self.hand_over(message))

    def hand_over(self, message: Mapping[str, Any]) -> None:
        """Answer the browser's ``{"name": ...}`` with the bytes of that file."""
        try:
            name = message["name"]
            self.send(
                {"name": name, "type": _MEDIA.get(Path(name).suffix, "application/octet-stream")},
                [self._content(name)],
            )
        except Exception as error:
            self._on_error(error)
