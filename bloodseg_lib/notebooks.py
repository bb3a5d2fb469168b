"""Running the numbered notebooks headless: profiles, checked parameters, papermill."""

from __future__ import annotations

import ast
import base64
import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpecManager
from papermill.parameterize import parameterize_notebook
from tqdm.auto import tqdm

from bloodseg_lib.io import replacing, write_bytes
from bloodseg_lib.runs import check_free, owned

NOTEBOOK_FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
IMAGE_FOLDER = NOTEBOOK_FOLDER.parent / "images"
NOTEBOOKS = (
    "01_dataset_creation",
    "02_unet_architecture",
    "03_weighted_training",
    "04_evaluation",
    "05_gif_visualization",
    "06_interactive_prediction",
    "07_real_smears",
)
SOLUTIONS = tuple(f"solutions/{name}" for name in NOTEBOOKS)  # of the exercises; no part of a run

PROFILES: dict[str, dict[str, Any]] = {
    "tutorial": {},
    "quick": {
        "cells_per_class": 20,
        "train": 48,
        "valid": 12,
        "test": 12,
        "backgrounds": 9,
        "width": 4,
        "epochs": 2,
    },
    "paper": {
        "cells_per_class": 500,
        "recipe": "white",
        "train": 65350,
        "valid": 6560,
        "test": 6560,
        "backgrounds": 1500,
        "width": 32,
        "normalization": "none",
        "dropout": 0.5,
        "batch_size": 100,
        "epochs": 35,
        "schedule": "step",
        "learning_rate": 0.001,
        "warmup_steps": 0,
        "weight_exponent": 1.0,
        "flips": False,
    },
}
"""Profile -> parameter -> value, where it differs from the notebooks' own defaults, which are the
profile ``tutorial``. A parameter goes to every notebook that declares it.
"""


class NotebookError(ValueError):
    """A cell of a notebook raised an error."""


def notebook_path(name: str) -> Path:
    """The path of a numbered notebook.

    Raises:
        FileNotFoundError: the notebooks are not beside the package, as they are in a clone
            installed with ``pip install -e .``.
    """
    path = NOTEBOOK_FOLDER / f"{name}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: not there. Run from a clone of the repository, installed with: "
            "pip install -e ."
        )
    return path


def declared_parameters(name: str) -> dict[str, Any]:
    """Parameters that a notebook declares in its first code cell, with their default values."""
    found = papermill.inspect_notebook(str(notebook_path(name)))
    return {parameter: ast.literal_eval(entry["default"]) for parameter, entry in found.items()}


def parameters_of(
    profile: str, overrides: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The parameters of each notebook: notebook -> parameter -> value.

    Args:
        profile: ``"quick"``, ``"tutorial"`` or ``"paper"``.
        overrides: parameters on top of the profile's; texts are read as Python values where the
            notebook's default is no text.

    Raises:
        ValueError: an unknown profile, a parameter that no notebook declares, or a value of another
            type than its default.
    """
    if profile not in PROFILES:
        raise ValueError(f"Expected a profile, one of {', '.join(PROFILES)}. Received {profile!r}.")
    values = {**PROFILES[profile], **(overrides or {})}
    declared = {name: declared_parameters(name) for name in NOTEBOOKS + SOLUTIONS}
    known = sorted({parameter for parameters in declared.values() for parameter in parameters})
    for parameter in values:
        if parameter not in known:
            raise ValueError(
                f"Expected a parameter of the notebooks, one of {', '.join(known)}. "
                f"Received {parameter!r}."
            )
    return {
        name: {
            parameter: _typed(parameter, values[parameter], default)
            for parameter, default in parameters.items()
            if parameter in values
        }
        for name, parameters in declared.items()
    }


def _typed(parameter: str, value: Any, default: Any) -> Any:
    if isinstance(value, str) and not isinstance(default, str):
        with contextlib.suppress(ValueError, SyntaxError):
            value = ast.literal_eval(value)
    if type(value) is int and isinstance(default, float):
        value = float(value)
    if type(value) is not type(default):
        raise ValueError(
            f"Parameter {parameter}: expected {type(default).__name__}, e.g. {default!r}. "
            f"Received {value!r}."
        )
    return value


def check_kernel(kernel: str) -> str:
    """Return the name of a Jupyter kernel; a ValueError lists those installed if it is not."""
    kernels = KernelSpecManager().find_kernel_specs()
    if kernel not in kernels:
        raise ValueError(
            f"Expected a Jupyter kernel of this machine, one of {', '.join(sorted(kernels))}. "
            f"Received {kernel!r}."
        )
    return kernel


def run(
    profile: str,
    out: Path | str,
    bank: Path | str | None = None,
    kernel: str = "python3",
    overrides: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Path:
    """Run the notebooks one after the other, headless.

    Every parameter is checked before the first notebook starts. Run again after an interruption,
    they go on from what is finished: the bank, the dataset, each epoch.

    Args:
        profile: ``"quick"``, ``"tutorial"`` or ``"paper"``.
        out: the run's folder, which is returned; the executed notebooks go to ``<out>/notebooks``.
        bank: a sample bank; without one, cells are drawn.
        kernel: name of the Jupyter kernel to run on.
        overrides: see :func:`parameters_of`.
        progress: show progress bars.

    Raises:
        ValueError: see :func:`parameters_of`; no such kernel; or ``out`` has notebooks of a person.
        BlockingIOError: another run is writing there.
        NotebookError: a cell raised an error; the executed notebook shows it.
    """
    out = Path(out)
    check_kernel(kernel)
    folders = {"run_dir": out, **({"bank_dir": bank} if bank else {})}
    places = {name: _seen_from_notebooks(path) for name, path in folders.items()}
    parameters = parameters_of(profile, {**(overrides or {}), **places})
    with owned(out):  # the kernels own the dataset and the training inside it
        files = (f"notebooks/{name}.ipynb" for name in NOTEBOOKS)
        check_free(out, (file for file in files if _is_a_person_s(out / file)))
        (out / "notebooks").mkdir(parents=True, exist_ok=True)
        bar = tqdm(NOTEBOOKS, unit="notebook", disable=not progress)
        for name in bar:
            bar.set_description(name)
            executed = out / "notebooks" / f"{name}.ipynb"
            try:
                papermill.execute_notebook(
                    str(notebook_path(name)),
                    str(executed),
                    parameters=parameters[name],
                    kernel_name=kernel,
                    progress_bar=progress,
                    cwd=str(NOTEBOOK_FOLDER),
                )
            except papermill.PapermillExecutionError as error:
                raise NotebookError(
                    f"Cell {error.exec_count} of a notebook raised {error.ename}: {error.evalue}\n"
                    f"See {executed.parent}."
                ) from error
    return out


def _is_a_person_s(path: Path) -> bool:
    """Whether a whole notebook is there that no run executed: to work in, as those of a clone."""
    text = path.read_text("utf-8", "replace").rstrip() if path.is_file() else ""
    return text.endswith("}") and '"output_path"' not in text  # of papermill


def _seen_from_notebooks(path: Path | str) -> str:
    """A path relative to the notebooks, so that no output names a folder of this machine."""
    with contextlib.suppress(ValueError):  # on another drive of Windows
        return Path(os.path.relpath(path, NOTEBOOK_FOLDER)).as_posix()
    return Path(path).absolute().as_posix()


def write_parameterized(profile: str, out: Path | str, folder: Path | str) -> list[Path]:
    """Write notebooks and solutions with a profile's parameters, for nbval to run and compare.

    Args:
        profile: ``"quick"``, ``"tutorial"`` or ``"paper"``.
        out: the run folder that they write to.
        folder: of the notebooks, whose paths are returned.

    Raises:
        ValueError: one is there already, in which somebody may have worked.
    """
    places = {"run_dir": Path(out).resolve(), "image_dir": NOTEBOOK_FOLDER.parent / "trial/images"}
    parameters = parameters_of(profile, {name: str(path) for name, path in places.items()})
    check_free(folder, [f"{name}.ipynb" for name in NOTEBOOKS + SOLUTIONS])
    (Path(folder) / "solutions").mkdir(parents=True, exist_ok=True)
    paths = []
    for name in NOTEBOOKS + SOLUTIONS:
        notebook = parameterize_notebook(
            papermill.iorw.load_notebook_node(str(notebook_path(name))), parameters[name]
        )
        for cell in notebook.cells:
            if "injected-parameters" in cell.metadata.get("tags", []):
                cell.execution_count = 0  # nbval regards a cell without one as never run
        paths.append(Path(folder) / f"{name}.ipynb")
        nbformat.write(notebook, paths[-1])
    return paths


def adopt_outputs(out: Path | str) -> None:
    """Put the outputs of a ``tutorial`` run in a folder, and of its solutions, into the committed
    notebooks, without progress bars and standard error. The image of a cell tagged ``images:NAME``
    is also written to ``images/NAME``, for the README.

    Raises:
        FileNotFoundError, ValueError: the run has not executed every notebook as it is now, or a
            tagged cell shows no image.
    """
    adopted, images = {}, {}
    for name in NOTEBOOKS + SOLUTIONS:
        path = Path(out) / "notebooks" / f"{name}.ipynb"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: not there. Run the notebooks first: make tutorial.")
        executed = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
        adopted[name] = nbformat.read(notebook_path(name), as_version=4)
        for cell in (cell for cell in adopted[name].cells if cell.cell_type == "code"):
            ran = executed.get(cell.id)
            if ran is None or ran.source != cell.source or not ran.execution_count:
                raise ValueError(
                    f"{path}, cell {cell.id}: expected the cell of {notebook_path(name)}, "
                    "executed. Run the notebooks again: make tutorial."
                )
            cell.execution_count = ran.execution_count
            cell.outputs = [output for output in ran.outputs if not _is_transient(output)]
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("images:"):
                    images[tag.removeprefix("images:")] = _image(cell)
    for file, image in images.items():
        write_bytes(IMAGE_FOLDER / file, image)
    for name, notebook in adopted.items():
        with replacing(notebook_path(name)) as temporary:
            nbformat.write(notebook, temporary)


def _image(cell: Mapping[str, Any]) -> bytes:
    for output in cell["outputs"]:
        data = output.get("data", {})
        if encoded := data.get("image/gif") or data.get("image/png"):
            return base64.b64decode(encoded)
    raise ValueError(f"Cell {cell['id']}: expected an image, for its tag images:..., found none.")


def _is_transient(output: Mapping[str, Any]) -> bool:
    """Whether an output is standard error or a tqdm bar."""
    text = output.get("data", {}).get("text/plain", output.get("text", ""))
    return output.get("name") == "stderr" or bool(re.search(r"\d+%\||\[\d\d:\d\d[,<]", text))
