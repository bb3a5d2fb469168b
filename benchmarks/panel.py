"""How soon the panel answers, in a real browser. ``make bench`` runs it; alone:
``python benchmarks/panel.py``. It needs Chromium, Playwright and Voila, as the browser tests do.

On a drawn picture of 2949 x 3210: from the end of the segmentation to its first view, a class
switched off and on, frames of a zoom by the wheel; how soon the page is there, and the memory of a
kernel, also of notebook 6. On one of 10,000 x 10,000: how long after full zoom the pixels of the
file are shown. Times are the browser's own. ``python benchmarks/panel.py notebook`` measures
notebook 6 alone, without a browser.
"""

from __future__ import annotations

import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import nbformat
import numpy as np
import psutil
from nbclient import NotebookClient
from prediction import FIELD_PX, PHOTO_PX, SIDE_PX, drawn

from bloodseg_lib.notebooks import notebook_path

HELPERS = Path(__file__).parents[1] / "tests" / "helpers"
PHOTOS = 2
TURNS = 7
WARM_S = 15  # Voila makes the next kernel ready meanwhile

# The clock of the kernel is that of the browser: both are on this machine.
WATCHED = """
import pathlib, time
from bloodseg_lib.panel import session

at_once = session.PanelSession.segment

def segment(*arguments, **options):
    try:
        return at_once(*arguments, **options)
    finally:
        pathlib.Path("segmented").write_text(str(1000 * time.time()))

session.PanelSession.segment = segment
"""

PICTURE = "document.querySelector('.bloodseg-picture')"
NOT_DRAWN = f"""() => {{
    window.drawnAt = 0;
    new MutationObserver((_, observer) => {{
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => {{ window.drawnAt = Date.now(); }}));
    }}).observe({PICTURE}, {{ attributeFilter: ["data-drawn"] }});
}}"""
SWITCHED_MS = """() => new Promise((resolve) => {
    const boxes = document.querySelectorAll(".bloodseg-classes input");
    const before = performance.now();
    boxes[boxes.length - 1].click();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - before)));
})"""
# a turn of the wheel in every frame, in and out, about a point beside the middle
FRAMES_MS = f"""() => new Promise((resolve) => {{
    const picture = {PICTURE}, bounds = picture.getBoundingClientRect(), times = [];
    const frame = (now) => {{
        times.push(now);
        if (times.length > 180) return resolve(times.slice(1).map((time, i) => time - times[i]));
        picture.dispatchEvent(new WheelEvent("wheel", {{
            deltaY: times.length % 60 < 30 ? -30 : 30, ctrlKey: true, cancelable: true,
            clientX: bounds.left + 0.4 * bounds.width, clientY: bounds.top + 0.4 * bounds.height,
        }}));
        requestAnimationFrame(frame);
    }};
    requestAnimationFrame(frame);
}})"""
FULL_ZOOM = f"""() => new Promise((resolve) => {{
    const picture = {PICTURE}, bounds = picture.getBoundingClientRect(), before = performance.now();
    new MutationObserver((_, observer) => {{
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => {{
            const canvas = document.querySelector(".bloodseg-detail");
            resolve([performance.now() - before, picture.dataset.detail, canvas.toDataURL()]);
        }}));
    }}).observe(picture, {{ attributeFilter: ["data-detail"] }});
    for (let turn = 0; turn < 40; turn++) picture.dispatchEvent(new WheelEvent("wheel", {{
        deltaY: -100, cancelable: true,
        clientX: bounds.left + 0.4 * bounds.width, clientY: bounds.top + 0.4 * bounds.height,
    }}));
}})"""


def main() -> None:
    """Print every figure."""
    from bloodseg_lib.io import png_bytes

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        # the page, and the notebook, show the first segmented
        (folder / "images" / "field.png").write_bytes(png_bytes(drawn(*FIELD_PX)))
        _of_the_notebook(folder)
        if "notebook" in sys.argv:
            return
        slide = drawn(SIDE_PX, SIDE_PX)
        for number in range(PHOTOS):  # each of other bytes: the panel knows what it has seen
            photo = np.roll(drawn(*PHOTO_PX), 41 * number, axis=1)
            (folder / "images" / f"photo{number}.png").write_bytes(png_bytes(photo))
        (folder / "images" / "slide.png").write_bytes(png_bytes(slide))
        with _page(folder) as page:
            _of_the_photo(page, folder)
            _memory("a user who has segmented two of these")
            _of_the_slide(page, slide)


def _of_the_notebook(folder: Path) -> None:
    notebook = nbformat.read(notebook_path("06_interactive_prediction"), 4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    values = {"run_dir": "run", "network": "released", "image_dir": "images"}
    notebook.cells[1].source = "\n".join(f"{k} = {json.dumps(v)}" for k, v in values.items())
    client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
            if cell.source.startswith("panel ="):
                _memory("a user of notebook 6 who has segmented the field")
        _memory("the same after the last cell")


@contextmanager
def _page(folder: Path) -> Iterator[Any]:
    """The app on the images of a folder, in Chromium, its first image segmented."""
    sys.path.insert(0, str(HELPERS))
    from pages import free_port, new_page, served

    from bloodseg_lib.panel import app

    notebook = nbformat.read(app.NOTEBOOK, 4)
    values = {"image_dir": "images", "folder": "panel", "network": "released"}
    notebook.cells[0].source = "\n".join(f"{k} = {json.dumps(v)}" for k, v in values.items())
    notebook.cells[0].source += WATCHED
    nbformat.write(notebook, folder / "app.ipynb")
    port = free_port()
    command = ["voila", str(folder / "app.ipynb"), *app.options(port), "--no-browser"]
    with served(command, f"http://127.0.0.1:{port}/voila/static/", folder), new_page() as page:
        for visit in ("the first time", "again, its kernel warm"):
            began = time.monotonic()
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator(".bloodseg-picture[data-drawn]").wait_for()
            print(f"the page is there after {time.monotonic() - began:.1f} s, {visit}", flush=True)
            time.sleep(WARM_S)
        _memory("a user who has opened the page")
        yield page


def _of_the_photo(page: Any, folder: Path) -> None:
    size = f"{PHOTO_PX[1]} x {PHOTO_PX[0]}"
    views = []
    for number in range(PHOTOS):
        _choose(page, f"photo{number}.png")
        segmented = _drawn_at(page, page.get_by_role("button", name="Segment", exact=True).click)
        views.append(segmented - float((folder / "segmented").read_text()))
    print(
        f"{size}: first view {statistics.median(views):.0f} ms after the segmentation", flush=True
    )
    switched = [page.evaluate(SWITCHED_MS) for _ in range(TURNS)]
    print(f"{size}: a class is switched within {max(switched):.0f} ms", flush=True)
    frames = page.evaluate(FRAMES_MS)
    print(
        f"{size}: zoom by the wheel at {1000 / statistics.mean(frames):.0f} frames a second, "
        f"the slowest in {max(frames):.0f} ms",
        flush=True,
    )


def _of_the_slide(page: Any, slide: np.ndarray) -> None:
    _choose(page, "slide.png")
    spent, part, address = page.evaluate(FULL_ZOOM)
    x, y, width, height = map(int, part.split())
    data = np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8)
    shown = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    same = np.array_equal(shown, slide[y : y + height, x : x + width])
    print(
        f"{SIDE_PX} x {SIDE_PX}: {spent:.0f} ms after full zoom the pixels of the file are shown"
        f"{'' if same else ', but not exactly'}"
    )


def _memory(of: str) -> None:
    """Print what the largest kernel takes: what is in memory, the same with what is shared divided
    among those that share it (Linux), and what no other process shares.
    """
    kernels = [
        process.memory_full_info()
        for process in psutil.Process().children(recursive=True)
        if "ipykernel_launcher" in " ".join(process.cmdline())
    ]
    largest = max(kernels, key=lambda memory: memory.uss)
    print(
        f"{of}: RSS {largest.rss >> 20} MiB, PSS {getattr(largest, 'pss', 0) >> 20}, "
        f"{largest.uss >> 20} of its own",
        flush=True,
    )


def _choose(page: Any, name: str) -> None:
    _drawn_at(page, lambda: page.get_by_label("Image", exact=True).select_option(name))
    page.get_by_text(f"{name}: press Segment.").wait_for()


def _drawn_at(page: Any, press: Callable[[], Any]) -> float:
    """When the picture was drawn anew after a press, in the browser's milliseconds."""
    page.evaluate(NOT_DRAWN)
    press()
    return float(page.wait_for_function("() => window.drawnAt").json_value())


if __name__ == "__main__":
    main()
