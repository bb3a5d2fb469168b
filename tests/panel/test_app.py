"""The app: how it is served, and a page of it in Voila, in a real Chromium."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from colour_network import write_colour_network
from pages import CENTRES, NEEDED, free_port, new_page, served, write_smear
from pictures import write_image
from red_and_green import FIELD

from bloodseg_lib.classes import RBC_DIAMETER_UM
from bloodseg_lib.cli import main
from bloodseg_lib.io import write_json
from bloodseg_lib.panel import app


def test_the_command_serves_the_notebook_of_the_app(monkeypatch):
    voila = pytest.importorskip("voila.app").Voila
    launched = []
    monkeypatch.setattr(voila, "launch_instance", launched.extend)
    assert CliRunner().invoke(main, ["app", "--port", "9000"]).exit_code == 0
    notebook, port, ip = launched[:3]
    assert (Path(notebook), port) == (app.NOTEBOOK, "--port=9000")
    assert ip == "--Voila.ip=127.0.0.1"


def test_without_its_notebook_the_app_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="clone of the project"):
        app.serve(notebook=tmp_path / "app.ipynb")


def test_the_app_needs_no_run():
    source = "".join(cell.source for cell in nbformat.read(app.NOTEBOOK, 4).cells)
    assert "bank" not in source and "SegmentationPanel" in source


SLOW = """
import pathlib, time
from bloodseg_lib.panel import drawing
at_once = drawing.details

def details(session, cell):
    if pathlib.Path("slow").exists():
        time.sleep(1)
    return at_once(session, cell)

drawing.details = details
"""
"""For the notebook: while there is a file ``slow``, the kernel takes a second over each cell."""


@pytest.fixture(scope="module")
def app_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("app")


@pytest.fixture
def slow_kernel(app_folder):
    (app_folder / "slow").touch()
    yield
    (app_folder / "slow").unlink()


@pytest.fixture(scope="module")
def address(app_folder):
    """The app in Voila, with a network that calls light cells healthy and dark ones white."""
    root = app_folder
    write_colour_network(root / "best.npz")
    (root / "images").mkdir()
    write_image(root / "images" / "other.png", FIELD)
    values = {"image_dir": "images", "folder": "panel", "network": str(root / "best.npz")}
    notebook = nbformat.read(app.NOTEBOOK, 4)
    notebook.cells[0].source = "\n".join(f"{k} = {json.dumps(v)}" for k, v in values.items()) + SLOW
    nbformat.write(notebook, root / "app.ipynb")
    write_json(root / "config" / "voila.json", {"Voila": {"open_browser": False}})
    port = free_port()
    command = ["voila", str(root / "app.ipynb"), *app.options(port), "--no-browser"]
    with served(command, f"http://127.0.0.1:{port}/voila/static/", root):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page():
    with new_page() as page:
        yield page


def opened(page, address):
    page.goto(address)
    page.locator(".bloodseg-picture[data-drawn]").wait_for()
    return page.locator(".bloodseg-panel").first


def upload(page, files):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload images").click()
    chooser.value.set_files(files)


def segmented(panel, page, file):
    upload(page, write_smear(file))
    panel.get_by_text(f"{file.name}: press Segment.").wait_for()
    panel.get_by_role("button", name="Segment", exact=True).click()
    panel.get_by_text("of 1, 12 cells").wait_for()


def described(panel, words):
    panel.locator(".bloodseg-cell", has_text=words).wait_for()


class TestInTheBrowser:
    pytestmark = NEEDED

    def test_three_cells_are_corrected_undone_left_and_found_again(self, address, page, tmp_path):
        panel = opened(page, address)
        smear = write_smear(tmp_path / "smear.png")
        upload(page, smear)
        panel.get_by_text("smear.png: press Segment.").wait_for()
        panel.get_by_role("button", name="Segment", exact=True).dblclick()
        panel.get_by_text("12 cells counted").wait_for()
        panel.get_by_text("of 1, 12 cells").wait_for()  # they are in the picture and its lists

        picture = panel.locator(".bloodseg-picture")
        bounds = panel.locator(".bloodseg-stage").bounding_box()
        ratio = bounds["width"] / 400
        page.mouse.move(bounds["x"] + CENTRES[6][0] * ratio, bounds["y"] + CENTRES[6][1] * ratio)
        page.mouse.wheel(0, -300)  # the cell beneath the pointer stays there
        page.mouse.click(bounds["x"] + CENTRES[6][0] * ratio, bounds["y"] + CENTRES[6][1] * ratio)
        described(panel, "Cell 7: Healthy RBC")
        assert panel.locator(".bloodseg-stage").bounding_box()["width"] > 1.3 * bounds["width"]

        page.keyboard.press("8")
        described(panel, "Cell 7: Infected RBC")
        picture.press("ArrowRight")
        described(panel, "Cell 8: Healthy RBC")
        page.keyboard.press("0")
        described(panel, "Cell 8: Unidentified")
        panel.get_by_label("Cells", exact=True).select_option(index=8)
        described(panel, "Cell 9: Healthy RBC")
        panel.get_by_label("Cells", exact=True).press("Delete")
        described(panel, "9: deleted")
        page.keyboard.press("u")
        described(panel, "Cell 9: Healthy RBC")
        page.keyboard.press("z")
        described(panel, "9: deleted")

        panel.get_by_label("Image", exact=True).select_option("other.png")
        panel.get_by_text("other.png: as you left it").wait_for()
        panel.get_by_label("Image", exact=True).select_option("smear.png")
        panel.get_by_text("3 corrected cells").wait_for()
        with page.expect_download() as download:
            panel.get_by_role("button", name="Download all").click()
        zipped = download.value.path().rename(tmp_path / "smear.zip")

        # another kernel: the folder has the corrections of the same pixels
        panel = opened(page, address)
        upload(page, smear)
        panel.get_by_text("3 corrections made before hold again").wait_for()
        for _ in range(4):
            panel.get_by_role("button", name="Undo").click()
        panel.get_by_text("There is nothing to undo").first.wait_for()
        upload(page, zipped)
        panel.get_by_text("smear.zip: 3 corrections are loaded").first.wait_for()

    def test_the_minimap_and_shift_with_an_arrow_move_the_picture(self, address, page, tmp_path):
        panel = opened(page, address)
        upload(page, write_smear(tmp_path / "mini.png"))
        panel.get_by_text("mini.png: press Segment.").wait_for()
        minimap, view = panel.locator(".bloodseg-minimap"), panel.locator(".bloodseg-minimap div")
        assert not minimap.is_visible()  # all is in view
        panel.locator(".bloodseg-picture").focus()
        page.keyboard.press("+")
        page.keyboard.press("+")
        minimap.wait_for()

        def middle():
            outer, inner = minimap.bounding_box(), view.bounding_box()
            return (inner["x"] + inner["width"] / 2 - outer["x"]) / outer["width"]

        assert middle() == pytest.approx(0.5, abs=0.02)
        page.keyboard.press("Shift+ArrowRight")  # a quarter of the part in view, 1 / 1.5 ** 2
        assert middle() == pytest.approx(0.5 + 0.25 / 1.5**2, abs=0.02)
        minimap.click(position={"x": 3, "y": 3})
        assert middle() == pytest.approx(0.5 / 1.5**2, abs=0.02)
        page.set_viewport_size({"width": 420, "height": 900})
        minimap.wait_for(state="hidden")

    def test_the_scale_bar_measures_the_cells_beside_it(self, address, page, tmp_path):
        panel = opened(page, address)
        upload(page, write_smear(tmp_path / "bar.png"))
        panel.get_by_text("bar.png: press Segment.").wait_for()
        bar = panel.locator(".bloodseg-scale")
        assert not bar.is_visible()  # no red cell was measured
        panel.get_by_role("button", name="Segment", exact=True).click()
        bar.wait_for()

        def micrometres_of_a_cell():  # 37 of the 400 pixels of the image
            length = float(bar.inner_text().removesuffix(" \u00b5m"))
            cell = panel.locator(".bloodseg-stage").bounding_box()["width"] * 37 / 400
            return length * cell / bar.bounding_box()["width"]

        assert micrometres_of_a_cell() == pytest.approx(RBC_DIAMETER_UM, rel=0.08)
        before = bar.inner_text()
        for _ in range(5):
            panel.get_by_role("button", name="Zoom in").click()
        assert bar.inner_text() != before
        assert micrometres_of_a_cell() == pytest.approx(RBC_DIAMETER_UM, rel=0.08)

    def test_several_cells_of_the_gallery_are_changed_at_once(self, address, page, tmp_path):
        panel = opened(page, address)
        upload(page, [write_smear(tmp_path / name) for name in ("a.png", "b.png")])
        panel.get_by_text("b.png: press Segment.").wait_for()
        panel.get_by_role("button", name="Segment all").click()
        panel.get_by_text(re.compile("All . together")).wait_for()
        tiles = panel.locator(".bloodseg-gallery button")
        tiles.nth(2).click()
        tiles.nth(4).click(modifiers=["Shift"])
        page.keyboard.press("8")
        panel.get_by_text("3 cells: Healthy RBC was changed to Infected RBC").first.wait_for()
        panel.get_by_role("button", name="other", exact=True).click()  # in the table of fields
        panel.get_by_text("other.png: as you left it").wait_for()
        assert not panel.get_by_role("alert").count()

    def test_the_gallery_drawn_anew_keeps_press_and_focus(self, address, page, tmp_path):
        panel = opened(page, address)
        segmented(panel, page, tmp_path / "gallery.png")
        panel.get_by_label("Gallery", exact=True).select_option("Healthy RBC")
        panel.get_by_text("of 1, 11 cells").wait_for()
        panel.locator(".bloodseg-gallery button").last.click()
        described(panel, "Cell 11: Healthy RBC")
        page.keyboard.press("8")
        panel.get_by_text("of 1, 10 cells").wait_for()
        panel.locator(".bloodseg-gallery button").first.hover()
        page.mouse.down()
        page.keyboard.press("u")
        panel.get_by_text("of 1, 11 cells").wait_for()
        page.mouse.up()
        described(panel, "Cell 1: Healthy RBC")

    def test_a_press_acts_on_what_was_chosen_before_it(self, address, page, tmp_path, slow_kernel):
        panel = opened(page, address)
        segmented(panel, page, tmp_path / "press.png")
        tiles = panel.locator(".bloodseg-gallery button")
        tiles.nth(2).click()
        tiles.nth(4).click(modifiers=["Shift"])
        page.keyboard.press("8")
        panel.get_by_text("3 cells: Healthy RBC was changed to Infected RBC").first.wait_for()
        described(panel, "Cell 5: Infected RBC")
        for tile, words in enumerate(("Monocyte", "Basophil")):
            tiles.nth(tile).click()
            panel.get_by_label("It is a", exact=True).select_option(words)
        panel.get_by_role("button", name="Change class").click()
        panel.get_by_text("Cell 2: Healthy RBC was changed to Basophil").first.wait_for()

    def test_a_cell_is_drawn_cut_in_two_and_joined_again(self, address, page, tmp_path):
        panel = opened(page, address)
        segmented(panel, page, tmp_path / "draw.png")

        def at(x, y):
            bounds = panel.locator(".bloodseg-stage").bounding_box()
            ratio = bounds["width"] / 400
            return bounds["x"] + x * ratio, bounds["y"] + y * ratio

        def stroke(*points):
            page.mouse.move(*at(*points[0]))
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*at(*point), steps=4)
            page.mouse.up()

        panel.get_by_label("It is a", exact=True).select_option("Thrombocyte")
        panel.get_by_role("button", name="Draw around a cell").click()
        stroke((90, 85), (120, 85), (120, 115), (90, 115))
        described(panel, "Cell 13: Thrombocyte (drawn by hand)")
        panel.get_by_role("button", name="Draw a line across a cell").click()
        stroke((80, 100), (130, 100))
        panel.get_by_text("cell 13 was cut in two").first.wait_for()
        panel.get_by_role("button", name="Draw a line across a cell").click()  # the end of drawing
        page.mouse.click(*at(105, 92))
        page.keyboard.down("Control")
        page.mouse.click(*at(105, 108))
        page.keyboard.up("Control")
        if folder := os.environ.get("BLOODSEG_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/drawn.png", full_page=True)
        panel.get_by_role("button", name="Merge").click()
        panel.get_by_text("were made one").first.wait_for()
        described(panel, "Cell 16: Thrombocyte (drawn by hand)")
        page.keyboard.press("Escape")
        assert not panel.get_by_role("alert").count()
