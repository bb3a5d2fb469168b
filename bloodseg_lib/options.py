"""The parts that the command line is made of: its groups, and options of configurations."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

import bloodseg_lib
from bloodseg_lib.runs import free_addresses


class NamedPath(click.Path):
    """A path; an empty text, as of a variable that is not set, is none: not the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not str(value).strip():
            self.fail(f"expected a path; . is the current folder. Received {value!r}.", param, ctx)
        return super().convert(value, param, ctx)


PATH = NamedPath()


class Number(click.ParamType):
    """A finite number within limits, which are numbers of its type."""

    name = "number"

    def __init__(self, least: float, most: float = math.inf, *, above: bool = False) -> None:
        self._least, self._most, self._above = least, most, above

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        kind = type(self._least)
        try:
            number = kind(value)
        except (ValueError, OverflowError):
            number = math.nan
        least = number > self._least if self._above else number >= self._least
        if not least or not number <= self._most or math.isinf(number):
            what = "a whole number" if kind is int else "a number"
            limits = f"above {self._least:g}" if self._above else f"of {self._least:g} or more"
            if self._most < math.inf:
                limits = f"from {self._least:g} to {self._most:g}"
            self.fail(f"expected {what} {limits}. Received {value!r}.", param, ctx)
        return number


DIAMETER = click.option(
    "--rbc-diameter", type=Number(2.0, 2000.0), help="Of a red cell in px; else measured."
)
CHECKPOINT = click.option(
    *("--checkpoint", "--network", "checkpoint"),
    default="released",
    help="best.npz, the folder of a run, or released or student of the package.",
)
TTA = click.option(
    *("--test-time-augmentation", "--tta", "tta"),
    is_flag=True,
    help="Over 8 symmetries: 8 times slower.",
)

_GO_ON = {"dataset", "train", "fine-tune", "run", "predict", "fetch"}
_RENAMED = {"score": "evaluate fields", "count-error": "evaluate counts"}
_NO_LIBGL = (
    "Exchange OpenCV for the wheel that needs none: "
    "pip uninstall -y opencv-python && pip install opencv-python-headless."
)


_NO_MEMORY = "There is no memory left to load it: close other programs, or raise ulimit -v."

_LEAST_ADDRESSES = 1536 << 20
"""``predict`` works with 1500 MiB, on two cores. While the packages load, it hangs with 600 and
crashes with 500, which nobody can catch.
"""


def _check_addresses() -> None:
    free = free_addresses()
    if free is not None and free < _LEAST_ADDRESSES:
        raise MemoryError(
            f"Expected {_LEAST_ADDRESSES >> 20} MiB of address space (ulimit -v) at least. "
            f"Received {free >> 20} MiB; raise or lift that limit."
        )


class Group(click.Group):
    """Turns the library's errors, which are sentences, into the command line's."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _check_addresses()
            return super().invoke(ctx)
        # ImportError: an optional package is missing; the last two: from a training
        except (ValueError, OSError, ImportError, MemoryError, FloatingPointError) as error:
            mends = {"libGL": _NO_LIBGL, "failed to map segment": _NO_MEMORY}
            mend = "".join(f" {mend}" for cause, mend in mends.items() if cause in str(error))
            words = str(error)
            if words.startswith("[Errno") and isinstance(error, OSError) and error.filename:
                words = (
                    f"{error.filename}: {error.strerror}. Choose another path, or mend this one."
                )
            click.echo(f"Error: {words}{mend}", err=True)
            sys.exit(getattr(error, "exit_code", 1))
        except KeyboardInterrupt:
            go_on = "go on" if not ctx.parent and ctx.invoked_subcommand in _GO_ON else "begin anew"
            click.echo(f"Interrupted. Run the same command again to {go_on}.", err=True)
            sys.exit(130)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and self.name == "evaluate":
            raise click.UsageError(f"Expected evaluate dataset|fields|counts. Received {cmd_name}.")
        if cmd_name in _RENAMED:
            raise click.UsageError(f"{cmd_name} is now called {_RENAMED[cmd_name]}.")
        return command


class Configured(click.Command):
    """Has options of a configuration, made late: the import of a network starts TensorFlow."""

    def __init__(self, *args: Any, config: str, fields: str, **settings: Any):
        super().__init__(*args, **settings)
        self.config, self.fields = config, fields.split()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        config = getattr(bloodseg_lib, self.config)
        text = config.attribute_texts().get  # none under python -OO
        made = [
            click.Option([f"--{n.replace('_', '-')}"], default=getattr(config, n), help=text(n))
            for n in self.fields
        ]
        return [*made, *super().get_params(ctx)]


def pairs(_context: click.Context, parameter: click.Parameter, texts: Any) -> dict[str, str]:
    """The dictionary of KEY=VALUE texts."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value or key in pairs:
            raise click.BadParameter(f"expected {parameter.metavar}, each once. Received {text!r}.")
        pairs[key] = str(Path(value).expanduser()) if value.startswith("~") else value
    return pairs
