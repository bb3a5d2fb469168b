"""The shape of the house: directions, circles, sizes, faces. ``docs/design.md`` says why."""

import importlib
import re
import shutil
import subprocess
import sys

import pytest
from architecture import (
    FACES,
    PACKAGE,
    ROOT,
    beyond_a_face,
    circle,
    functions,
    is_face,
    layer,
    lines_of_code,
    sources,
    too_many_parameters,
    wrong_directions,
)

NEEDS_KERAS = {"network", "training"}
MOST_LINES = 300
MOST_LINES_OF_CODE = 60
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:root|work|home/\w+|Users/\w+)/|\b[A-Z]:\\{1,2}Users\b")


def listed(found: dict[str, object] | list[str]) -> str:
    """What was found, a line each, for the message of a test."""
    if isinstance(found, dict):
        found = [f"{name}: {what}" for name, what in found.items()]
    return "\n".join(["", *found])


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    return sources()


def test_imports_follow_the_direction_of_the_design(modules):
    wrong = wrong_directions(modules)
    assert not wrong, listed(wrong)


def test_no_files_import_each_other_in_a_circle(modules):
    assert not circle(modules), listed(circle(modules))


def test_the_package_root_holds_nine_files_and_nine_folders():
    root = ROOT / PACKAGE
    assert len(list(root.glob("*.py"))) <= 9
    assert sorted(path.parent.name for path in root.glob("*/__init__.py")) == FACES


def test_the_design_draws_every_file(modules):
    words = set(re.findall(r"\w+", (ROOT / "docs" / "design.md").read_text("utf-8")))
    names = {module.rpartition(".")[2] for module in modules} - {PACKAGE}
    assert not names - words, listed(sorted(names - words))


def test_no_file_is_long(modules):
    lengths = {module: len(source.splitlines()) for module, source in modules.items()}
    long = {module: n for module, n in lengths.items() if n > MOST_LINES}
    assert not long, listed(long)


def test_no_function_is_long(modules):
    lengths = {
        f"{module}.{name}": lines_of_code(function, source)
        for module, source in modules.items()
        for name, function, _ in functions(source)
    }
    long = {name: n for name, n in lengths.items() if n > MOST_LINES_OF_CODE}
    assert not long, listed(long)


def test_no_public_function_takes_many_parameters_without_a_configuration(modules):
    counts = {
        f"{module}.{name}": too_many_parameters(function)
        for module, source in modules.items()
        for name, function, public in functions(source)
        if public
    }
    many = {name: n for name, n in counts.items() if n}
    assert not many, listed(many)


def test_a_folder_s_init_holds_only_imports_and_the_list_of_its_names(modules):
    inits = {module for module in modules if module != PACKAGE and is_face(module, modules)}
    wrong = {module: found for module in inits if (found := beyond_a_face(modules[module]))}
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("folder", FACES)
def test_every_name_of_a_face_exists(folder):
    face = importlib.import_module(f"{PACKAGE}.{folder}")
    names = getattr(face, "__all__", [])
    assert names, f"expected {PACKAGE}/{folder}/__init__.py to list its public names in __all__"
    assert [name for name in names if not hasattr(face, name)] == []


@pytest.mark.parametrize("folder", FACES)
def test_a_folder_shows_two_examples_at_least(folder, modules):
    inside = [source for module, source in modules.items() if layer(module) == folder]
    assert sum(source.count("Examples:\n") for source in inside) >= 2


def test_only_the_network_and_its_training_import_a_backend_at_once(modules):
    backends = re.compile(r"^(?:import|from) (?:keras|tensorflow|jax)\b", re.MULTILINE)
    found = {layer(module) for module, source in modules.items() if backends.search(source)}
    assert found <= NEEDS_KERAS


def test_importing_the_package_or_a_folder_of_data_starts_no_backend():
    folders = ("samples", "smears", "figures", "network", "training")
    program = "import sys, {}; print(sorted({{'keras', 'tensorflow', 'jax'}} & set(sys.modules)))"
    program = program.format(", ".join([PACKAGE, *(f"{PACKAGE}.{name}" for name in folders)]))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_tracked_file_names_a_path_of_a_machine():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("which files are tracked is known only in a checkout, with git")
    tracked = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    found = []
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if not (ROOT / name).is_file():
            continue
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            match = MACHINE_PATH.search(content.decode("utf-8", errors="replace"))
            found += [f"{name}: {match[0]}"] if match else []
    assert not found, listed(found)


SMALL = {
    PACKAGE: "",
    f"{PACKAGE}.io": "",
    f"{PACKAGE}.samples": "",
    f"{PACKAGE}.samples.sample": "",
    f"{PACKAGE}.smears": "",
    f"{PACKAGE}.smears.pool": "from bloodseg_lib.samples.sample import CellSample",
}


@pytest.mark.parametrize(
    "line",
    [
        "from bloodseg_lib.smears.pool import Pool",
        "from bloodseg_lib.smears import pool",
        "from bloodseg_lib import smears",
        "import bloodseg_lib.smears.pool",
        "from ..smears import pool",
        "def f():\n    from bloodseg_lib.smears.pool import Pool",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import bloodseg_lib.smears.pool",
    ],
)
def test_an_import_against_the_direction_is_found(line):
    assert wrong_directions(SMALL) == []
    found = wrong_directions({**SMALL, f"{PACKAGE}.samples.sample": line})
    assert len(found) == 1
    assert found[0].startswith(f"{PACKAGE}.samples.sample imports {PACKAGE}.smears")


def test_folders_of_one_layer_do_not_import_each_other():
    other = {f"{PACKAGE}.network": "", f"{PACKAGE}.figures": "import bloodseg_lib.network"}
    assert wrong_directions(SMALL | other) == [f"{PACKAGE}.figures imports {PACKAGE}.network"]


def test_a_circle_is_found_also_through_a_face():
    face = {f"{PACKAGE}.samples": "from bloodseg_lib.samples.sample import CellSample"}
    assert circle(SMALL | face) == []
    by_face = {f"{PACKAGE}.samples.sample": "from bloodseg_lib.samples import write_bank"}
    assert set(circle(SMALL | face | by_face)) == {
        f"{PACKAGE}.samples",
        f"{PACKAGE}.samples.sample",
    }


def test_lines_of_code_are_without_docstring_blank_lines_and_comments():
    source = 'def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    # why\n\n    return a\n'
    ((_, function, public),) = functions(source)
    assert public
    assert lines_of_code(function, source) == 4


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("a, b, c, d, e, f", 0),
        ("a, b, c, d, e, f, *, g", 7),
        ("self, a, b, c, d, e, f", 0),
        ("a, b, c, d, e, f, g: TrainingConfig | None", 0),
        ("a, b, c, d, e, f, recipe: Recipe", 0),
    ],
)
def test_parameters_are_counted_where_none_is_a_configuration(signature, expected):
    ((_, function, _),) = functions(f"def f({signature}): ...")
    assert too_many_parameters(function) == expected


def test_a_face_with_a_function_or_a_constant_is_found():
    face = '"""Doc."""\nfrom a import b\n__all__ = ["b"]\nX = 1\ndef f(): ...\n'
    assert beyond_a_face(face) == ["X = 1", "def f():"]
    lazy = "__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={})"
    assert beyond_a_face(lazy) == []
