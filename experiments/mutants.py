"""Changes one thing at a time in a module, and counts how many of the mutants its tests kill.

    python experiments/mutants.py bloodseg_lib/prediction/scale.py tests/prediction/test_scale.py

A comparison, an operator or a boolean becomes another; a whole number below ten one more, another
number twice as large; a returned value None; a call whose value is not used goes; a key gets
another name. Annotations and decorators stay. Of more than ``--most`` mutants, a sample drawn with
``--seed`` is tried. No file is changed: each mutant is imported in a process forked for it, so it
needs Linux or macOS. ``--again FILE`` keeps the survivors, and the next call tries only these.
"""

from __future__ import annotations

import ast
import copy
import importlib
import importlib.util
import json
import os
import random
import signal
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import click
import pytest

LARGE = ("numpy", "scipy.ndimage", "cv2", "skimage.feature", "skimage.filters", "PIL.Image")
"""Imported once, before forking; nothing of the package, which would import what is mutated."""

_OTHER: dict[type, Any] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.FloorDiv: ast.Div, ast.Mod: ast.Div, ast.Pow: ast.Mult},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}


def changes(node: ast.AST) -> list[ast.AST]:
    """What may stand in the place of a node."""

    def changed(name: str, value: object) -> ast.AST:
        new = copy.copy(node)
        setattr(new, name, value)
        return new

    match node:
        case ast.Compare(ops=ops):
            others = [[*ops[:i], _OTHER[type(o)](), *ops[i + 1 :]] for i, o in enumerate(ops)]
            return [changed("ops", other) for other in others]
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in _OTHER:
            return [changed("op", _OTHER[type(op)]())]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return [operand]
        case ast.Constant(value=bool(value)):
            return [changed("value", not value)]
        case ast.Constant(value=int(number) | float(number)):
            small = number == 0 or (isinstance(number, int) and number < 10)
            return [changed("value", number + 1 if small else 2 * number)]
        case ast.Return(value=ast.expr() as returned) if ast.unparse(returned) != "None":
            return [changed("value", ast.Constant(None))]
        case ast.Expr(value=ast.Call()):
            return [ast.Pass()]
        case ast.Dict(keys=keys):
            return [
                changed("keys", [*keys[:i], ast.Constant(f"{key.value}?"), *keys[i + 1 :]])
                for i, key in enumerate(keys)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
        case ast.Subscript(slice=ast.Constant(value=str(word))):
            return [changed("slice", ast.Constant(f"{word}?"))]
    return []


def places(node: ast.AST) -> list[tuple[ast.AST, str, int | None]]:
    """Each node beneath one: its parent, the parent's field, and the index in that field."""
    found: list[tuple[ast.AST, str, int | None]] = []
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    found += [(node, name, i), *places(child)]
    return found


def mutants(source: str) -> list[tuple[str, ast.Module]]:
    """Every mutant of a source, with words that tell it."""
    found = []
    for number, (parent, name, i) in enumerate(places(ast.parse(source))):
        node = getattr(parent, name) if i is None else getattr(parent, name)[i]
        for new in changes(node):
            tree = ast.parse(source)
            owner = places(tree)[number][0]
            if i is None:
                setattr(owner, name, new)
            else:
                getattr(owner, name)[i] = new
            ast.fix_missing_locations(tree)
            found.append((f"{node.lineno}: {ast.unparse(node)} -> {ast.unparse(new)}", tree))
    return found


class Mutated(SourceFileLoader):
    """Imports a tree in the place of one module."""

    def __init__(self, module: Path, tree: ast.Module) -> None:
        super().__init__(".".join(module.with_suffix("").parts), f"{module.resolve()}")
        self.tree = tree

    def get_code(self, fullname):
        return compile(self.tree, self.path, "exec")

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)
        return None


def killed(module: Path, tree: ast.Module, arguments: list[str], limit_s: float) -> bool:
    """Whether a test fails, crashes or takes longer than the limit with a module of this tree."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] != 0
    signal.alarm(round(limit_s))
    sys.meta_path.insert(0, Mutated(module, tree))
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *arguments])))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("module", type=click.Path(path_type=Path, exists=True))
@click.argument("tests", nargs=-1, required=True)
@click.option("--most", default=60, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--again", type=click.Path(path_type=Path), help="File of the survivors.")
def main(module: Path, tests: tuple[str, ...], most: int, seed: int, again: Path | None) -> None:
    """Count the mutants of MODULE that TESTS (arguments of pytest) kill, and print the others."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # importing them takes a second
    sys.path.insert(0, ".")
    for name in LARGE:
        importlib.import_module(name)
    source = module.read_text(encoding="utf-8")
    every = mutants(source)
    drawn = sorted(random.Random(seed).sample(range(len(every)), min(most, len(every))))
    tried = json.loads(again.read_text()) if again and again.exists() else drawn
    options = ["-m", "not (slow or thorough or browser or network or gpu)", *tests]
    started = time.monotonic()
    if killed(module, ast.parse(source), options, 600):
        raise click.ClickException(f"the tests fail without a mutant: {' '.join(tests)}")
    limit_s = 20 + 5 * (time.monotonic() - started)
    survivors = [i for i in tried if not killed(module, every[i][1], options, limit_s)]
    print("\n".join(every[i][0] for i in survivors))
    if again:
        again.write_text(json.dumps(survivors))
    print(f"{module}: {len(drawn) - len(survivors)} of {len(drawn)}, of {len(every)} mutants")


if __name__ == "__main__":
    main()
