"""The same image through panel, command line and notebook gives the same bytes;

and a large image goes all the way.
"""

import io
import json
import zipfile

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from colour_network import write_colour_network
from pictures import write_image
from PIL import Image

from bloodseg_lib.classes import HEALTHY_RBC, LYMPHOCYTE
from bloodseg_lib.cli import main
from bloodseg_lib.io import ENCODING, label_map_bytes, read_image
from bloodseg_lib.panel.panel import SegmentationPanel
from bloodseg_lib.prediction.results import count_field
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmenter

SLIDE, RED, DARK = (245, 245, 245), (215, 150, 155), (70, 30, 120)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_colour_network(tmp_path_factory.mktemp("network") / "best.npz")


def smear(height, width, diameter_px, step_px):
    """Red cells on a grid, one in seven of them dark;

    the image and the middles of the cells with their classes.
    """
    image, cells = np.full((height, width, 3), SLIDE, np.uint8), []
    for y in range(step_px // 2, height - diameter_px // 2, step_px):
        for x in range(step_px // 2, width - diameter_px // 2, step_px):
            dark = len(cells) % 7 == 3
            cv2.circle(image, (x, y), diameter_px // 2, DARK if dark else RED, -1)
            cells.append((x, y, LYMPHOCYTE if dark else HEALTHY_RBC))
    return image, cells


@pytest.mark.parametrize("diameter", [None, 55.0])
def test_panel_command_line_and_notebook_agree_to_the_byte(diameter, checkpoint, tmp_path):
    write_image(tmp_path / "in" / "smear.png", smear(430, 700, 60, 90)[0])

    panel = SegmentationPanel(Segmenter(checkpoint), tmp_path / "in")
    if diameter:
        panel.controls.measure.value, panel.controls.diameter.value = False, diameter
    panel.controls.run.click()
    assert panel.status.last_error is None

    options = ["--rbc-diameter", str(diameter)] if diameter else []
    arguments = [
        "predict",
        str(tmp_path / "in" / "smear.png"),
        "--checkpoint",
        str(checkpoint),
        "--out",
        str(tmp_path / "out"),
        *options,
    ]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert written.pop("predicted.jsonl")  # the journal, by which the same command goes on
    assert panel.session.files == written

    image = read_image(tmp_path / "in" / "smear.png")
    found = Segmenter(checkpoint).segment(image, Scale.given(diameter) if diameter else None)
    counts = count_field(found, image, field="smear")
    assert label_map_bytes(counts.label_map) == written["smear_classes.png"]
    assert (
        counts == panel.session.counts
        and counts.to_csv().encode(ENCODING) == written["smear_cells.csv"]
    )
    summary = json.loads(written["smear_counts.json"])
    assert counts.to_dict().items() <= summary.items() and len(counts.cells) > 20


def test_an_uploaded_image_gives_what_the_same_file_gives_in_the_file_s_micrometres(
    checkpoint, tmp_path
):
    path, per_cm = tmp_path / "a.tif", 1e4 / 0.13
    how = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, smear(300, 400, 60, 90)[0], photometric="rgb", **how)
    picked, uploaded = (
        SegmentationPanel(Segmenter(checkpoint), tmp_path),
        SegmentationPanel(Segmenter(checkpoint)),
    )
    content = path.read_bytes()
    uploaded.controls.upload.receive({"name": "a.tif", "size": len(content), "start": 0}, [content])
    for panel in (picked, uploaded):
        panel.controls.run.click()
    summary = json.loads(picked.session.files["a_counts.json"])
    assert summary["pixel_size"] == {"um": 0.13, "from": "file"}
    assert picked.session.files == uploaded.session.files


@pytest.mark.slow
def test_a_large_image_goes_through_the_panel(checkpoint):
    image, cells = smear(3000, 4000, 74, 160)
    panel = SegmentationPanel(Segmenter(checkpoint), {"large": image})
    panel.controls.run.click()
    assert panel.status.last_error is None and isinstance(
        panel.session.segmentation.probabilities, np.memmap
    )
    assert (
        panel.session.segmentation.scale.factor == pytest.approx(0.5, abs=0.03)
        and len(panel.session.counts.cells) == len(cells) == 475
    )

    shown = cv2.imdecode(np.frombuffer(panel.controls.picture.picture, np.uint8), cv2.IMREAD_COLOR)
    # reduced; clicks are told in pixels of the image
    assert shown.shape == (1350, 1800, 3) and panel.controls.picture.size == (4000, 3000)

    for x, y, class_id in cells[3::101]:
        (mark,) = [
            m
            for m in panel.controls.picture.cells
            if m["box"][0] <= x < m["box"][0] + m["box"][2]
            and m["box"][1] <= y < m["box"][1] + m["box"][3]
        ]
        assert mark["centre"] == pytest.approx([x, y], abs=1)
        panel.controls.picture.selected = mark["number"]
        cell = panel.session.found.cells[mark["number"] - 1]
        assert cell.class_id == class_id and panel.controls.cells.value == mark["number"]
        assert (
            cell.confidence == cell.probabilities[class_id] > 0.5
            and f"{cell.confidence:.1%}" in panel.controls.details.value
        )

    before = panel.controls.picture.picture
    panel.controls.view.value = HEALTHY_RBC
    assert (
        panel.status.last_error is None
        and panel.controls.picture.picture != before
        and "probability of Healthy RBC" in panel.controls.picture.alt
    )

    with zipfile.ZipFile(io.BytesIO(panel.session.content("large.zip"))) as archive:
        classes = np.array(Image.open(archive.open("large_classes.png")))
        assert classes.shape == (3000, 4000) and all(
            classes[y, x] == class_id for x, y, class_id in cells
        )
        assert len(archive.read("large_cells.csv").splitlines()) == 476
        assert Image.open(archive.open("large_overlay.png")).width == 4000
