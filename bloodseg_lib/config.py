"""The base of every configuration dataclass of the package: frozen and type-checked."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class Config:
    """Base of the frozen configuration dataclasses: checks every value against its annotation.

    An ``int`` is accepted where a ``float`` is expected, and a list where a tuple is (JSON and
    papermill know no tuples). Anything else of another type is an error. Subclasses check ranges in
    :meth:`check`, with :meth:`expect`.

    Examples:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Blur(Config):
        ...     sigma_px: float = 1.0
        >>> Blur(2).to_dict()
        {'sigma_px': 2.0}
        >>> Blur("2")
        Traceback (most recent call last):
        ...
        ValueError: Blur.sigma_px: expected float. Received '2' of type str.
    """

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            expected = hints[field.name]
            value = _converted(getattr(self, field.name), expected)
            if not _fits(value, expected):
                raise ValueError(
                    f"{type(self).__name__}.{field.name}: expected {_spelled(expected)}. "
                    f"Received {value!r} of type {type(value).__name__}."
                )
            object.__setattr__(self, field.name, value)
        self.check()

    def check(self) -> None:
        """Check what types cannot say: ranges, choices, fields that must fit each other."""

    def expect(self, condition: bool, field: str, expected: str) -> None:
        """Raise a ``ValueError`` with the field, what was expected and what was received, unless
        ``condition`` holds.
        """
        if not condition:
            raise ValueError(
                f"{type(self).__name__}.{field}: expected {expected}. "
                f"Received {getattr(self, field)!r}."
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make the configuration of ``values``.

        Raises:
            ValueError: a name that is not a field; the message lists the fields.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise ValueError(
                f"{cls.__name__}: expected only the parameters {', '.join(names)}. "
                f"Received {', '.join(unknown)}."
            )
        return cls(**values)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Self:
        """As :meth:`from_dict`, of values as JSON (numbers, true, false ...) or else as words."""
        values: dict[str, Any] = dict(texts)
        for name, text in texts.items():
            with contextlib.suppress(ValueError):
                values[name] = json.loads(text)
        return cls.from_dict(values)

    @classmethod
    def attribute_texts(cls) -> dict[str, str]:
        """Field -> its description, from the ``Attributes:`` of the docstring; empty under
        ``python -OO``, which keeps no docstrings.
        """
        section = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
        entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
        texts = {names: " ".join(text.replace("``", "").split()) for names, text in entries}
        return {name: text for names, text in texts.items() for name in names.split(", ")}

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it: paths as strings, tuples as lists."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _converted(value: Any, expected: Any) -> Any:
    if expected is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if expected is Path and isinstance(value, str):
        return Path(value)
    if typing.get_origin(expected) is tuple and isinstance(value, list):
        return tuple(value)
    if isinstance(expected, type) and issubclass(expected, Config) and isinstance(value, dict):
        return expected.from_dict(value)
    return value


def _fits(value: Any, expected: Any) -> bool:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if expected is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is ...:
            arguments = arguments[:1] * len(value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if origin is dict:
        key, item = arguments
        return isinstance(value, dict) and all(
            _fits(k, key) and _fits(v, item) for k, v in value.items()
        )
    if origin is list:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if isinstance(value, bool):  # bool is a subclass of int, and True is no batch size
        return expected is bool
    return isinstance(value, origin or expected)


def _spelled(expected: Any) -> str:
    if typing.get_origin(expected) is typing.Literal:
        return "one of " + ", ".join(repr(choice) for choice in typing.get_args(expected))
    return (
        str(expected) if typing.get_args(expected) else getattr(expected, "__name__", str(expected))
    )
