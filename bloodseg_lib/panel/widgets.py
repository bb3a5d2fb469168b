"""Three widgets that ipywidgets lacks: a picture whose cells can be clicked, files to download, and
an upload of any size.

Each is an anywidget: kernel and browser exchange the traits here and nothing else. The JavaScript
and the style of the whole panel are in ``static``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_HERE = Path(__file__).resolve().parent / "static"
_MEDIA = {
    ".png": "image/png",
    ".csv": "text/csv",
    ".json": "application/json",
    ".zip": "application/zip",
}


class CellPicture(anywidget.AnyWidget):
    """A picture in which cells are found with the pointer (hover, click) or the arrow keys.

    Attributes:
        picture: a PNG, larger or smaller than the image, or empty.
        size: width and height of the image, in the pixels that ``cells`` are measured in.
        cells: of each cell ``number`` (from 1), ``box`` (x, y, width, height), ``centre`` (x, y),
            ``colour`` (CSS), ``words``, shown beside the pointer and read aloud, and ``mark``:
            ``"changed"``, ``"deleted"`` or empty.
        selected: number of the chosen cell, 0: none. A click sets it, or Python.
        alt: the content of the picture in words.
        zoom: 1 fits the picture to the width of its column; more makes it scroll.
    """

    _esm = _HERE / "cell_picture.js"
    _css = _HERE / "panel.css"
    picture = traitlets.Bytes(b"").tag(sync=True)
    size = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(1, 1)).tag(sync=True)
    cells = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Int(0).tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    zoom = traitlets.Float(1.0, min=1.0, max=16.0).tag(sync=True)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self.add_class("bloodseg-widget")


class Upload(anywidget.AnyWidget):
    """A button, and a place to drop a file on. The file comes in pieces, so that it may be larger
    than the 10 MB that Jupyter's server lets pass.

    Args:
        on_file: receives the name and the bytes of each file that has arrived.
        on_error: receives exceptions, which ipywidgets would swallow.

    Attributes:
        words, hint: on the button, and beside it when the pointer rests there.
        accept: endings of the files that are offered to choose from, separated by commas.
    """

    _esm = _HERE / "upload.js"
    words = traitlets.Unicode("Upload a file").tag(sync=True)
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
        self._arrived = bytearray()
        self.on_msg(lambda _widget, message, buffers: self.receive(message, buffers))

    def receive(self, message: Mapping[str, Any], buffers: Sequence[bytes | memoryview]) -> None:
        """Take a piece of a file, ``{"name", "size", "start"}`` with its bytes, and ask for the
        next; a piece that starts at 0 begins a new file.
        """
        try:
            if "error" in message:
                raise ValueError(
                    f"{message['name']}: the browser cannot read it ({message['error']}). "
                    "Choose it again."
                )
            if message["start"] == 0:
                self._arrived.clear()
            if message["start"] != len(self._arrived):
                raise ValueError(
                    f"{message['name']}: a piece of it was lost on the way. Choose it again."
                )
            self._arrived += buffers[0]
            self.send({"received": len(self._arrived)})
            if len(self._arrived) == message["size"]:
                data = bytes(self._arrived)
                self._arrived.clear()
                self._on_file(message["name"], data)
        except Exception as error:
            self._on_error(error)


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
