import ast
import json
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from click.testing import CliRunner
from colour_network import write_colour_network
from PIL import Image

from bloodseg_lib import notebooks as pipeline
from bloodseg_lib.cli import main

CODE = {
    name: [
        cell
        for cell in nbformat.read(pipeline.notebook_path(name), as_version=4).cells
        if cell.cell_type == "code"
    ]
    for name in pipeline.NOTEBOOKS + pipeline.SOLUTIONS
}
PROSE = {
    name: "\n\n".join(
        cell.source
        for cell in nbformat.read(pipeline.notebook_path(name), as_version=4).cells
        if cell.cell_type == "markdown"
    )
    for name in pipeline.NOTEBOOKS
} | {"README.md": (pipeline.NOTEBOOK_FOLDER.parent / "README.md").read_text()}


FACES = {"bloodseg_lib", "bloodseg_lib.classes", "bloodseg_lib.runs"} | {
    f"bloodseg_lib.{folder}"
    for folder in ("evaluation", "network", "panel", "prediction", "samples", "smears", "training")
}


def long_sentences(markdown):
    """Sentences of more than 30 words; code, formulas, tables and addresses are not counted."""
    text = re.sub(r"```.*?```", "\n\n", markdown, flags=re.DOTALL)
    text = re.sub(r"^(\||#|!\[|<).*$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"\$[^$]+\$|`[^`]+`", "x", re.sub(r"\]\([^)]*\)", "]", text))
    blocks = re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) ", text)
    sentences = [s for block in blocks for s in re.split(r"[.?!]\W*\s", block + " ")]
    return [s for s in sentences if len(re.findall(r"\w[\w'’-]*", s)) > 30]


def test_a_long_sentence_is_one_of_more_than_30_words():
    assert long_sentences("word " * 31 + "end.\n\n" + "word " * 30 + ".") == ["word " * 31 + "end"]
    assert not long_sentences("- " + "word " * 20 + "\n- " + "word " * 20)


@pytest.mark.parametrize("name", PROSE)
def test_no_sentence_has_more_than_30_words(name):
    assert long_sentences(PROSE[name]) == []


@pytest.mark.parametrize("name", CODE)
def test_notebooks_import_from_ten_faces(name):
    nodes = [node for cell in CODE[name] for node in ast.walk(ast.parse(cell.source))]
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    assert {module for module in modules if module.startswith("bloodseg_lib")} <= FACES


@pytest.mark.parametrize("name", pipeline.NOTEBOOKS)
def test_every_exercise_has_a_folded_solution_and_a_length(name):
    exercises = PROSE[name].split("## Exercises")[1].split("\n## ")[0]
    numbered = re.findall(r"^\*\*\d\. \((5 min|20 min|project)\)\*\*", exercises, re.MULTILINE)
    assert len(numbered) >= 2
    assert exercises.count("<details><summary>Solution</summary>") == len(numbered)


@pytest.mark.parametrize("name", pipeline.NOTEBOOKS)
def test_every_notebook_asks_five_questions_and_answers_them(name):
    questions, answers = (
        PROSE[name].split("## Check yourself")[1].split("</details>")[0].split("<details>")
    )
    for part in (questions, answers):
        assert re.findall(r"^(\d)\. ", part, re.MULTILINE) == list("12345")


@pytest.mark.parametrize("name", pipeline.NOTEBOOKS)
def test_every_notebook_ends_with_a_summary_and_four_links_to_read(name):
    assert "## Summary" in PROSE[name]
    assert PROSE[name].split("## Further reading")[1].count("](http") >= 4
    last = nbformat.read(pipeline.notebook_path(name), as_version=4).cells[-1]
    assert "## Further reading" in last.source


def test_every_profile_fits_the_notebooks():
    for profile in pipeline.PROFILES:
        handed = pipeline.parameters_of(profile)
        assert {p for parameters in handed.values() for p in parameters} == set(
            pipeline.PROFILES[profile]
        )


def test_a_run_on_another_drive_is_named_as_a_whole(monkeypatch, tmp_path):
    def refused(path, start):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(pipeline.os.path, "relpath", refused)
    assert pipeline._seen_from_notebooks(tmp_path / "run") == (tmp_path / "run").as_posix()


def test_a_parameter_goes_to_every_notebook_that_declares_it():
    handed = pipeline.parameters_of("quick")
    assert handed["02_unet_architecture"]["width"] == handed["03_weighted_training"]["width"]
    assert "width" not in handed["01_dataset_creation"]


def test_the_paper_profile_is_the_size_and_schedule_of_the_original():
    handed = pipeline.parameters_of("paper")
    assert (
        handed["01_dataset_creation"]["train"],
        handed["01_dataset_creation"]["valid"],
        handed["01_dataset_creation"]["test"],
    ) == (
        65350,
        6560,
        6560,
    )
    training = handed["03_weighted_training"]
    assert (
        training["batch_size"],
        training["epochs"],
        training["width"],
        training["normalization"],
    ) == (100, 35, 32, "none")
    assert (training["schedule"], training["learning_rate"], training["weight_exponent"]) == (
        "step",
        0.001,
        1.0,
    )


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"epoch": 3}, "one of .*epochs.*Received 'epoch'"),
        ({"epochs": "many"}, "epochs: expected int"),
        ({"epochs": 2.5}, "epochs: expected int"),
        ({"flips": 1}, "flips: expected bool"),
        ({"run_dir": 3}, "run_dir: expected str"),
    ],
)
def test_unknown_and_ill_typed_parameters_are_refused(overrides, expected):
    with pytest.raises(ValueError, match=expected):
        pipeline.parameters_of("quick", overrides)


def test_texts_from_the_command_line_become_values():
    handed = pipeline.parameters_of(
        "tutorial", {"epochs": "7", "learning_rate": "1", "flips": "False", "schedule": "step"}
    )
    assert handed["03_weighted_training"] == {
        "epochs": 7,
        "learning_rate": 1.0,
        "flips": False,
        "schedule": "step",
    }


def test_an_unknown_profile_is_refused_by_name():
    with pytest.raises(ValueError, match=r"one of tutorial, quick, paper. Received 'fast'"):
        pipeline.parameters_of("fast")


def test_an_unknown_kernel_is_refused_before_anything_runs(tmp_path):
    result = CliRunner().invoke(
        main, ["run", "--profile", "quick", "--kernel", "gpu-host", "--out", str(tmp_path / "run")]
    )
    assert result.exit_code == 1
    assert "Error: Expected a Jupyter kernel of this machine, one of" in result.output
    assert not (tmp_path / "run").exists()


def test_the_panel_opens_without_the_cells_of_notebook_1():
    assert not any("01_dataset" in cell.source for cell in CODE["06_interactive_prediction"])


@pytest.mark.parametrize("name", ["06_interactive_prediction", "app"])
@pytest.mark.parametrize("first", ["a.jpg", "broken.jpg"])
def test_the_panel_offers_images_of_any_kind_and_opens_with_one_that_is_broken(
    name, first, tmp_path
):
    Image.new("RGB", (64, 48), (240, 235, 240)).save(tmp_path / first)
    Image.new("RGB", (64, 48), (240, 235, 240)).save(tmp_path / "z.tif")
    if first == "broken.jpg":
        (tmp_path / first).write_bytes(b"broken")
    network = write_colour_network(tmp_path / "network" / "best.npz")
    given = {"run_dir": str(tmp_path / "run"), "network": str(network), "image_dir": str(tmp_path)}
    given["folder"] = str(tmp_path / "kept")
    notebook = nbformat.read(pipeline.notebook_path(name), as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    last = next(n for n, source in enumerate(sources) if "SegmentationPanel(" in source)
    for source in sources[2 if last > 1 else 1 : last + 1]:  # behind the parameters
        exec(source, given)
    panel = given["panel"]
    assert panel.controls.picker.options == (first, "z.tif")
    assert (panel.session.found is None) == (first == "broken.jpg")


def test_the_panel_opens_without_tensorflow():
    """Which takes 500 MiB of whoever looks at it; where OpenVINO predicts, nothing needs it."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    _, parameters, imports = (cell.source for cell in CODE["06_interactive_prediction"][:3])
    code = (
        "from bloodseg_lib.network import inference; inference._best_engine = lambda: 'openvino'\n"
        f"{parameters}\n{imports}\n"
        "import sys; print([m for m in ('keras', 'tensorflow') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pipeline.NOTEBOOK_FOLDER,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", CODE)
def test_committed_notebooks_are_whole(name):
    for cell in CODE[name]:
        assert cell.execution_count, f"cell {cell.id} was never run"
        assert all(
            output.output_type != "error" and output.get("name") != "stderr"
            for output in cell.outputs
        )
        if "nbval-check-output" in cell.metadata.get("tags", []):
            assert cell.outputs, (
                f"cell {cell.id} is to be compared, and has nothing to compare with"
            )
    assert pipeline.notebook_path(name).stat().st_size < 1_000_000


@pytest.mark.parametrize("name", CODE)
def test_notebooks_define_no_long_functions_and_use_public_names(name):
    for cell in CODE[name]:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno <= 10, node.name
        assert not re.search(r"\._(?!_)", cell.source)  # __name__ is public


@pytest.mark.parametrize("name", CODE)
def test_notebooks_show_no_path_of_a_machine(name):
    assert "/home/" not in json.dumps([cell.outputs for cell in CODE[name]])
    assert str(pipeline.NOTEBOOK_FOLDER.parent) not in json.dumps(
        [cell.outputs for cell in CODE[name]]
    )


def test_parameterized_notebooks_keep_their_outputs_and_get_the_profile(tmp_path):
    paths = pipeline.write_parameterized("quick", tmp_path / "run", tmp_path / "notebooks")
    cells = nbformat.read(paths[0], as_version=4).cells
    injected = next(
        cell for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])
    )
    assert f"train = {pipeline.PROFILES['quick']['train']}" in injected.source
    assert [cell.source for cell in cells if cell is not injected] == [
        cell.source
        for cell in nbformat.read(pipeline.notebook_path(pipeline.NOTEBOOKS[0]), as_version=4).cells
    ]


def test_parameterized_notebooks_in_which_somebody_may_have_worked_stay(tmp_path):
    first, *_ = pipeline.write_parameterized("quick", tmp_path / "run", tmp_path / "run/notebooks")
    first.write_text(first.read_text().replace("NotImplementedError", "mine"))
    before = first.read_text()
    with pytest.raises(ValueError, match="expected a folder without 01_dataset_creation"):
        pipeline.write_parameterized("quick", tmp_path / "run", tmp_path / "run/notebooks")
    with pytest.raises(ValueError, match="without notebooks/01_dataset_creation"):
        pipeline.run("quick", tmp_path / "run", progress=False)
    assert first.read_text() == before


def test_a_run_does_not_execute_the_notebooks_of_a_clone_in_their_place():
    with pytest.raises(ValueError, match="without notebooks/01_dataset_creation"):
        pipeline.run("quick", pipeline.NOTEBOOK_FOLDER.parent, progress=False)


def executed_run(folder):
    """A run's notebooks as papermill leaves them:

    parameters injected, every cell executed and showing its number.
    """
    (folder / "notebooks" / "solutions").mkdir(parents=True)
    for name in pipeline.NOTEBOOKS + pipeline.SOLUTIONS:
        notebook = nbformat.read(pipeline.notebook_path(name), as_version=4)
        for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
            cell.execution_count = number + 2
            cell.outputs = [
                nbformat.v4.new_output(
                    "display_data", {"image/png": "aGk=", "text/plain": f"{number}"}
                )
            ]
        notebook.cells.insert(
            1,
            nbformat.v4.new_code_cell("run_dir = '.'", metadata={"tags": ["injected-parameters"]}),
        )
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
    return folder


@pytest.fixture
def copied_notebooks(tmp_path, monkeypatch):
    shutil.copytree(
        pipeline.NOTEBOOK_FOLDER, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*")
    )
    monkeypatch.setattr(pipeline, "NOTEBOOK_FOLDER", tmp_path / "notebooks")
    monkeypatch.setattr(pipeline, "IMAGE_FOLDER", tmp_path / "images")
    return tmp_path / "notebooks"


def test_the_outputs_of_a_run_are_adopted_without_its_parameters(copied_notebooks, tmp_path):
    pipeline.adopt_outputs(executed_run(tmp_path / "run"))
    for name in pipeline.NOTEBOOKS + pipeline.SOLUTIONS:
        cells = nbformat.read(copied_notebooks / f"{name}.ipynb", as_version=4).cells
        assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in cells)
        assert [cell.execution_count for cell in cells if cell.cell_type == "code"] == [
            number + 2 for number in range(len(CODE[name]))
        ]
    assert (tmp_path / "images" / "drawn_cells.png").read_bytes() == b"hi"


def test_outputs_of_another_version_of_a_notebook_are_refused(copied_notebooks, tmp_path):
    run = executed_run(tmp_path / "run")
    path = copied_notebooks / f"{pipeline.NOTEBOOKS[2]}.ipynb"
    before = {p.name: p.read_bytes() for p in copied_notebooks.glob("*.ipynb")}
    path.write_text(path.read_text().replace("epochs: int = 4", "epochs: int = 5"))
    with pytest.raises(ValueError, match="Run the notebooks again"):
        pipeline.adopt_outputs(run)
    before[path.name] = path.read_bytes()
    assert {p.name: p.read_bytes() for p in copied_notebooks.glob("*.ipynb")} == before
