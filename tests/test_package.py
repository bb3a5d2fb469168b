"""The package's face: what it offers, when it is loaded, and one version."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bloodseg_lib

ROOT = Path(bloodseg_lib.__file__).resolve().parents[1]


@pytest.mark.parametrize("name", bloodseg_lib.__all__)
def test_every_name_of_the_face_is_there_and_listed(name):
    assert getattr(bloodseg_lib, name) is not None
    assert name in dir(bloodseg_lib)


def test_a_function_of_the_face_is_not_shadowed_by_the_module_of_its_name():
    code = "import bloodseg_lib.training.train, bloodseg_lib; assert callable(bloodseg_lib.train)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_that_of_pyproject_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [project["version"]]
    assert bloodseg_lib.__version__ == project["version"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="segmentor"):
        _ = bloodseg_lib.segmentor
