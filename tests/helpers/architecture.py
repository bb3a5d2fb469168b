"""What ``test_architecture`` asks of source files: their imports, functions and faces.

Everything takes sources as text, so that the questions themselves are tested on small ones.
"""

import ast
import graphlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "bloodseg_lib"
# A module imports from its own folder and from lines further down; never from its own line.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("options",),
    ("panel", "notebooks"),
    ("evaluation",),
    ("prediction", "training"),
    ("smears",),
    ("samples", "network", "figures"),
    ("io",),
    ("optics", "classes", "config", "runs"),
)
HEIGHT = {name: -row for row, names in enumerate(LAYERS) for name in names}
FACES = sorted(
    (
        "evaluation",
        "figures",
        "io",
        "network",
        "panel",
        "prediction",
        "samples",
        "smears",
        "training",
    )
)
MOST_PARAMETERS = 6


def sources(folder: Path = ROOT / PACKAGE) -> dict[str, str]:
    """Module name -> source; a folder's ``__init__`` has the folder's name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(module: str, modules: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """Each import of the package's own modules, also inside functions and under TYPE_CHECKING.

    Yields:
        the module that is imported, and whether only the type checker sees it.
    """
    tree = ast.parse(modules[module])
    for_types = {
        inner for node in ast.walk(tree) if is_type_checking(node) for inner in ast.walk(node)
    }
    is_folder = any(name.startswith(f"{module}.") for name in modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = module.split(".")[: None if is_folder and node.level == 1 else -node.level]
                if is_folder and node.level > 1:
                    above = module.split(".")[: 1 - node.level]
                origin = ".".join([*above, *([node.module] if node.module else [])])
            inner = [f"{origin}.{alias.name}" for alias in node.names]
            names = [name if name in modules else origin for name in inner]
        else:
            continue
        for name in names:
            if name.split(".")[0] == PACKAGE:
                yield name, node in for_types


def wrong_directions(modules: dict[str, str]) -> list[str]:
    """Imports against :data:`LAYERS`. The package's own face may import everything."""
    wrong = []
    for module in modules:
        if module == PACKAGE:
            continue
        for target, _ in imports(module, modules):
            here, there = layer(module), layer(target)
            if here != there and there != PACKAGE and HEIGHT[there] >= HEIGHT[here]:
                wrong.append(f"{module} imports {target}")
    return sorted(set(wrong))


def circle(modules: dict[str, str]) -> list[str]:
    """A circle of imports between files, or nothing.

    What a face imports under TYPE_CHECKING is loaded when it is asked for, so it closes no circle.
    """
    graph = {
        module: {
            target
            for target, for_types in imports(module, modules)
            if target != module and not (for_types and is_face(module, modules))
        }
        for module in modules
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def is_face(module: str, modules: Iterable[str]) -> bool:
    return any(name.startswith(f"{module}.") for name in modules)


def functions(source: str) -> Iterator[tuple[str, ast.FunctionDef, bool]]:
    """Qualified name, function, and whether it is public: of no other function, no underscore."""

    def within(node: ast.AST, prefix: str, public: bool) -> Iterator:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = child.name
                shown = public and (not name.startswith("_") or name in ("__init__", "__call__"))
                is_class = isinstance(child, ast.ClassDef)
                if not is_class:
                    yield prefix + name, child, shown
                yield from within(child, f"{prefix}{name}.", shown and is_class)
            else:
                yield from within(child, prefix, public)

    yield from within(ast.parse(source), "", True)


def lines_of_code(function: ast.FunctionDef, source: str) -> int:
    """Lines from ``def`` to the end without the docstring, blank lines and comments."""
    lines = dict(enumerate(source.splitlines(), 1))
    numbers = set(range(function.lineno, function.end_lineno + 1))
    if ast.get_docstring(function) is not None:
        numbers -= set(range(function.body[0].lineno, function.body[0].end_lineno + 1))
    return sum(bool(lines[n].strip()) and not lines[n].strip().startswith("#") for n in numbers)


def too_many_parameters(function: ast.FunctionDef) -> int:
    """The number of parameters if there are too many and none is a configuration, else 0."""
    # The parameters of a command are its options.
    if any(".command(" in ast.unparse(decorator) for decorator in function.decorator_list):
        return 0
    a = function.args
    parameters = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    parameters = [p for p in parameters if p.arg not in ("self", "cls")]
    annotations = " ".join(ast.unparse(p.annotation) for p in parameters if p.annotation)
    few = len(parameters) <= MOST_PARAMETERS or re.search(r"Config\b|\bRecipe\b", annotations)
    return 0 if few else len(parameters)


def beyond_a_face(source: str) -> list[str]:
    """Statements of an ``__init__`` that are neither imports nor the list of its names."""
    wrong = []
    for node in ast.parse(source).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        is_lazy = is_type_checking(node) and all(
            isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body
        )
        is_names = isinstance(node, ast.Assign) and (
            "__all__" in ast.unparse(node.targets[0])
            or ast.unparse(node.value).startswith("lazy_loader.attach")
        )
        if not (is_docstring or is_import or is_lazy or is_names):
            wrong.append(ast.unparse(node).splitlines()[0])
    return wrong
