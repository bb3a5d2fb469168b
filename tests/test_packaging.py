"""What is written in several files agrees: versions, and the bounds of what is installed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
NEEDED = PROJECT["dependencies"] + EXTRAS["notebooks"] + EXTRAS["dev"]


def release(version: str, parts: int = 3) -> tuple[int, ...]:
    """``2.18`` and ``2.18.0`` are one release, ``4.10.0.82`` one of 4.10.0."""
    return (*map(int, version.split(".")[:parts]), 0, 0, 0)[:parts]


def lowest(requirement: str) -> tuple[str, str]:
    """``"numpy>=1.26"`` -> ``("numpy", "1.26")``."""
    return re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,.*)?", requirement).groups()


def pins(name: str) -> dict[str, str]:
    """Package -> version of each line ``package==version`` of a file of constraints."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def test_the_citation_has_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == PROJECT["version"]


def test_readme_and_notebooks_name_the_address_of_the_repository():
    pages = [ROOT / "README.md", *ROOT.glob("notebooks/*.ipynb")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    before = r"(?:(?:colab\S+|src=https://|git\+https://)github(?:\.com)?|clone \S+\.com)"
    named = re.findall(before + r"/([^/\s]+/[\w.-]+)", text)
    assert {f"https://github.com/{name}" for name in named} == {PROJECT["urls"]["Repository"]}


@pytest.mark.parametrize("requirement", NEEDED)
def test_the_lowest_constraint_of_a_requirement_is_its_lower_bound(requirement):
    package, bound = lowest(requirement)
    assert release(pins("constraints-lowest.txt")[package]) == release(bound)


@pytest.mark.parametrize("requirement", NEEDED + PYPROJECT["dependency-groups"]["book"])
def test_a_requirement_is_pinned_at_or_above_its_lower_bound(requirement):
    package, bound = lowest(requirement)
    assert release(pins("constraints.txt")[package]) >= release(bound)


def test_requirements_installs_the_notebooks_and_the_tests_at_the_pinned_versions():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "-c constraints.txt",
        "-e .[notebooks,dev]",
    ]


def test_the_command_line_and_all_folders_but_the_panel_need_no_extra():
    of_extras = ("papermill", "nbformat", "ipywidgets", "anywidget", "traitlets", "IPython")
    of_extras += ("distributed", "onnx", "kagglehub", "jax", "tensorboard")
    folders = ("samples", "smears", "network", "training", "prediction", "evaluation", "figures")
    program = (
        f"import sys; sys.modules |= dict.fromkeys({of_extras})\n"  # None: no such module
        f"import bloodseg_lib.cli, {', '.join(f'bloodseg_lib.{name}' for name in folders)}"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
