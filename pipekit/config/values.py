"""How single values become what a field asks for, strictly; knows no tables."""

from __future__ import annotations

import datetime as dt
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pipekit.config.problems import Problem, TableError, UnfitError, did_you_mean, problems_of
from pipekit.config.shell import ShellText
from pipekit.model import quantity as units
from pipekit.settings import Duration, Size

Hook = Callable[[Any], Any]


def literal(value: object) -> Any:
    """A shell's text as the literal it writes; all else as it is."""
    return value.literal() if isinstance(value, ShellText) else value


def table(value: object) -> dict[str, Any]:
    """A table."""
    value = literal(value)
    if not isinstance(value, dict):
        raise UnfitError("a table", value)
    return value


def text(value: object) -> str:
    """A text; a number is none, as its zeros might matter."""
    if isinstance(value, ShellText):
        return value.text()
    if not isinstance(value, str):
        raise UnfitError("a text", value, "; texts stand in quotes")
    return value


def whole(value: object) -> int:
    """A whole number; `3.0` and `true` are none."""
    value = literal(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnfitError("a whole number", value)
    return value


def number(value: object) -> float:
    """A finite number."""
    value = literal(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnfitError("a number", value)
    return float(value)


def truth(value: object) -> bool:
    """`true` or `false`."""
    value = literal(value)
    if not isinstance(value, bool):
        raise UnfitError("true or false", value)
    return value


def duration(value: object) -> float:
    """Seconds."""
    found = units.seconds(literal(value))
    if found is None:
        raise UnfitError('a duration such as "90s", "10m", "1h30m" or a number of seconds', value)
    return found


def size(value: object) -> int:
    """Bytes."""
    found = units.byte_count(literal(value))
    if found is None:
        raise UnfitError('a size such as "500MB", "64MiB" or a number of bytes', value)
    return found


def moment(cls: Any, expected: str) -> Hook:
    """A hook for dates and times: TOML's own, or an ISO text."""

    def hook(value: object) -> Any:
        value = literal(value)
        if type(value) is cls:
            return value
        try:
            return cls.fromisoformat(value)
        except (TypeError, ValueError):
            raise UnfitError(expected, value) from None

    return hook


def several(hook: Hook, make: Callable[[Iterable[Any]], Any], expected: str = "a list") -> Hook:
    """A hook for a list whose every item fits `hook`; all items that do not are told at once."""

    def all_of(value: object) -> Any:
        value = literal(value)
        if not isinstance(value, list):
            raise UnfitError(expected, value)
        return make(_each(enumerate(value), hook).values())

    return all_of


def named(hook: Hook) -> Hook:
    """A hook for a table whose every value fits `hook`."""
    return lambda value: _each(table(value).items(), hook)


def _each(items: Iterable[tuple[Any, Any]], hook: Hook) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    problems: list[Problem] = []
    for place, item in items:
        try:
            found[place] = hook(item)
        except ValueError as error:
            problems += problems_of(error, (place,))
    if problems:
        raise TableError(problems)
    return found


def choice(options: Mapping[str, Any]) -> Hook:
    """A hook for one of several values; `options`: what may be written → what it stands for."""

    def hook(value: object) -> Any:
        word = value.text() if isinstance(value, ShellText) else value
        if isinstance(word, str | int) and not isinstance(word, bool) and str(word) in options:
            return options[str(word)]
        hint = did_you_mean(word, options) if isinstance(word, str) else ""
        raise UnfitError(f"one of {', '.join(map(repr, options))}", word, hint)

    return hook


def union(hooks: Sequence[Hook]) -> Hook:
    """A hook for one of several leaves, tried in the order in which they are written."""

    def hook(value: object) -> Any:
        expected = []
        for member in hooks:
            try:
                return member(value)
            except UnfitError as error:
                expected.append(error.expected)
        raise UnfitError(" or ".join(expected), value)

    return hooks[0] if len(hooks) == 1 else hook


LEAVES: dict[Any, Hook] = {
    str: text,
    int: whole,
    float: number,
    bool: truth,
    Duration: duration,
    Size: size,
    Any: literal,
    dict: table,
    dict[str, Any]: table,
    tuple[str, ...]: several(text, tuple, "a list, such as ['a', 'b']"),
    pathlib.Path: lambda value: pathlib.Path(text(value)),
    dt.date: moment(dt.date, 'a date such as "2024-12-31"'),
    dt.time: moment(dt.time, 'a time such as "07:30"'),
    dt.datetime: moment(dt.datetime, 'a date with time: "2024-12-31T07:30"'),
}
"""The types that are made of nothing else."""
