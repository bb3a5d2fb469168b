"""The panel as people meet it: notebook 06 in a real JupyterLab, in a real Chromium.

With ``BLOODSEG_SCREENSHOTS`` set to a folder, a screenshot of each step is kept there, to be looked
at.
"""

import csv
import io
import json
import os
import re
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from colour_network import write_colour_network
from pages import CENTRES, NEEDED, free_port, new_page, served, write_smear

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.io import write_json

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = NEEDED
PROMPTS = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
ERRORS = """[...document.querySelectorAll(
    '[data-mime-type$="jupyter.stderr"], [data-mime-type$="jupyter.error"]')]
    .filter(error => !/^[^\\n]*Unable to register cu/.test(error.innerText))"""  # TensorFlow 2.18
UPLOADED_WITHIN_S = 9  # 15 MiB; two to three seconds when nothing else runs
_HOMES = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What notebook 06 reads of a run: a bank and a network."""
    from bloodseg_lib.runs import RunFiles
    from bloodseg_lib.samples.bank import write_bank
    from bloodseg_lib.samples.phantom import cells as phantom

    files = RunFiles(tmp_path_factory.mktemp("run"))
    write_bank(phantom.read({HEALTHY_RBC: 10, INFECTED_RBC: 10}), files.bank)
    write_colour_network(files.best)
    return files.root


@pytest.fixture(scope="module")
def lab(run_folder, tmp_path_factory):
    """JupyterLab on a copy of notebook 06; gives its address."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.read(
        REPOSITORY / "notebooks" / "06_interactive_prediction.ipynb", as_version=4
    )
    values = {"run_dir": str(run_folder), "image_dir": str(REPOSITORY / "trial" / "images")}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(
                r'^(\w+)(: str = )".*?"',
                lambda m: m[1] + m[2] + json.dumps(values.get(m[1], "")),
                cell.source,
                flags=re.MULTILINE,
            )
    nbformat.write(notebook, folder / "06.ipynb")
    port = free_port()
    homes = {name: str(tmp_path_factory.mktemp(name.lower())) for name in _HOMES}
    # The question whether to show news covers the page, and cells out of sight would not be part of
    # it.
    write_json(
        Path(homes["JUPYTER_CONFIG_DIR"]) / "labconfig/page_config.json",
        {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}},
    )
    write_json(
        Path(homes["JUPYTERLAB_SETTINGS_DIR"])
        / "@jupyterlab/notebook-extension/tracker.jupyterlab-settings",
        {"windowingMode": "none"},
    )
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}",
    ]
    address = f"http://127.0.0.1:{port}"
    with served(["jupyterlab", *options], f"{address}/api/status", folder, homes):
        yield f"{address}/lab/tree/06.ipynb"


@pytest.fixture(scope="module")
def page(lab):
    """Notebook 06 in Chromium, all its cells executed."""
    with new_page() as page:
        page.goto(lab)
        run_all(page)
        yield page


def run_all(page):
    """Execute all cells of the notebook that is open."""
    # before the kernel is there, JupyterLab would ask for one
    page.get_by_text(re.compile(r"Python 3.*\| Idle")).wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # Later cells use the panel too. The kernel is idle for a moment between any two of them.
    page.wait_for_function(f"{ERRORS}.length || {PROMPTS}.every(p => /\\d/.test(p.innerText))")
    assert not page.evaluate(f"{ERRORS}.map(error => error.innerText)")
    page.locator(".bloodseg-picture[data-drawn]").first.wait_for()


@pytest.fixture
def shot(page, request):
    folder = os.environ.get("BLOODSEG_SCREENSHOTS")

    def take(name):
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"))

    return take


@pytest.fixture(scope="module")
def smear_file(tmp_path_factory):
    """A file above the 10 MB that Jupyter's server lets pass in one message."""
    return write_smear(tmp_path_factory.mktemp("upload") / "my smear.png", 15 * 2**20)


def panel_of(page):
    return page.locator(".bloodseg-panel").first


def click_at(page, x, y):
    """Click the picture at a place given in pixels of the image of 400 x 300."""
    stage = panel_of(page).locator(".bloodseg-stage")
    bounds = stage.bounding_box()
    stage.click(position={"x": x * bounds["width"] / 400, "y": y * bounds["height"] / 300})


TINT = "document.querySelector('.bloodseg-tint').toDataURL()"


TINTED = """(canvas => canvas.width && canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)
)(document.querySelector('.bloodseg-tint'))"""


def expect_change(page, before):
    """Wait until the tint of the picture is another one."""
    page.wait_for_function(f"before => {TINT} !== before", arg=before)


def row_of(page, name):
    """The figures of a class: cells, pieces, area / mean."""
    row = panel_of(page).locator("table").first.locator("tr", has_text=name)
    row.wait_for()  # the table may follow the words by a moment
    return row.locator("td").all_inner_texts()


def test_an_image_goes_through_the_panel_by_hand(page, shot, smear_file):
    from playwright.sync_api import expect

    panel = panel_of(page)
    panel.scroll_into_view_if_needed()
    shot("1_notebook_executed")

    with page.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="Upload images").click()
    began = time.monotonic()
    chooser.value.set_files(smear_file)
    panel.get_by_text("my smear.png: press Segment.").wait_for()
    assert time.monotonic() - began < UPLOADED_WITHIN_S
    shot("2_uploaded")
    panel.get_by_role("button", name="Segment", exact=True).click()
    panel.get_by_text("12 cells counted").wait_for()
    panel.get_by_text("of 1, 12 cells").wait_for()  # they are in the picture and its lists
    shot("3_segmented")
    assert row_of(page, "Healthy RBC")[:2] == ["11", "11"] and row_of(page, "Infected RBC")[:2] == [
        "0",
        "0",
    ]

    page.wait_for_function(TINTED)
    before = page.evaluate(TINT)
    panel.get_by_role("checkbox", name="Healthy RBC").uncheck()
    expect_change(page, before)
    shot("4_class_switched_off")
    panel.get_by_role("checkbox", name="Healthy RBC").check()
    panel.get_by_label("Show", exact=True).select_option("probability: Healthy RBC")
    panel.get_by_alt_text("Scale of the probability").wait_for()
    shot("5_probability")
    panel.get_by_label("Show", exact=True).select_option("the classes")

    click_at(page, *CENTRES[5])
    panel.get_by_text("Cell 6: Healthy RBC").wait_for()
    expect(panel.get_by_label("Cells", exact=True)).not_to_have_value("")
    panel.get_by_text("37 x 37 pixels at (132, 122)").wait_for()
    shot("6_cell_clicked")
    page.keyboard.press("ArrowRight")
    panel.get_by_text("Cell 7: Healthy RBC").wait_for()

    panel.get_by_label("It is a", exact=True).select_option("Infected RBC")
    panel.get_by_role("button", name="Change class").click()
    panel.get_by_text("Healthy RBC was changed to Infected RBC").first.wait_for()
    # what the browser might answer to the new list arrives before this
    panel.get_by_label("Gallery", exact=True).select_option("Infected RBC")
    panel.get_by_text("of 1, 1 cells").wait_for()
    assert panel.locator(".bloodseg-cell", has_text="Cell 7: Infected RBC").is_visible()
    assert row_of(page, "Healthy RBC")[0] == "10" and row_of(page, "Infected RBC")[0] == "1"
    panel.get_by_text("1 of 11: too few cells").first.wait_for()
    panel.get_by_label("Cells", exact=True).select_option(index=0)
    panel.get_by_text("Cell 1: Healthy RBC").wait_for()
    panel.get_by_role("button", name="Delete cell").click()
    panel.get_by_text("1 of 10: too few cells").first.wait_for()
    shot("7_corrected")

    with page.expect_download() as download:
        panel.get_by_role("button", name="Download all").click()
    assert download.value.suggested_filename == "my smear.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    rows = list(csv.DictReader(io.StringIO(files["my smear_cells.csv"].decode())))
    assert [row["correction"] for row in rows] == ["deleted", *[""] * 5, "changed", *[""] * 5]
    assert json.loads(files["my smear_counts.json"])["counts"]["infected_rbc"]["watershed"] == 1

    assert not panel.get_by_role("alert").count()
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")


def test_keys_pressed_in_the_panel_stay_in_it(page, shot):
    from playwright.sync_api import expect

    panel = panel_of(page)
    page.evaluate("document.addEventListener('keydown', e => (window.heard ??= []).push(e.key))")
    cells = panel.get_by_label("Cells", exact=True)
    cells.select_option(index=0)
    panel.locator(".bloodseg-cell", has_text="Cell 1:").wait_for()
    cells.press("ArrowDown")
    panel.locator(".bloodseg-cell", has_text="Cell 2:").wait_for()
    new_class = panel.get_by_label("It is a", exact=True)
    new_class.press("m")  # in JupyterLab: make the cell Markdown, which would remove the panel
    expect(new_class.locator("option:checked")).to_have_text("Monocyte")
    panel.get_by_label("Outlines").press("ArrowUp")
    assert panel.is_visible() and page.evaluate("window.heard") is None
    shot("8_keys")


def test_keys_with_control_are_left_to_the_page(page):
    page.evaluate("window.heard = []")
    page.evaluate("document.addEventListener('keydown', e => window.heard.push(e.key))")
    panel_of(page).get_by_label("Outlines").press("Control+F8")
    assert "F8" in page.evaluate("window.heard")


def test_a_page_that_is_loaded_again_has_every_correction(page, shot, smear_file):
    """The tests before corrected a cell and deleted one; the notebook was not saved."""
    page.on("dialog", lambda dialog: dialog.accept())  # that changes are not saved
    page.reload()
    page.locator(".jp-Notebook").wait_for()
    page.evaluate(f"{PROMPTS}.forEach(prompt => prompt.innerText = '')")  # of before the reload
    run_all(page)
    panel = panel_of(page)
    with page.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="Upload images").click()
    chooser.value.set_files(smear_file)
    # corrections are known, so it is segmented without a press
    panel.get_by_text("2 corrections made before hold again").wait_for()
    assert row_of(page, "Healthy RBC")[0] == "9" and row_of(page, "Infected RBC")[0] == "1"
    panel.get_by_role("button", name="Undo").click()
    panel.get_by_text("1 of 11: too few cells").first.wait_for()
    shot("9_loaded_again")
