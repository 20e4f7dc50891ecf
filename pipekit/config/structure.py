"""From raw values to attrs objects: cattrs with strict hooks, and all problems at once.

Nothing is converted silently: a quoted string is not a number, `1` is not true, and a string is not
split into a list of letters. Only the text of a variable or flag (`ShellText`) is read as
what its field asks for.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import pathlib
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from functools import cache, partial
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from pipekit.config.describe import Field, holds_secrets, settings_fields
from pipekit.config.problems import (
    Problem,
    TableError,
    UnfitError,
    problems_of,
    unknown_key,
)
from pipekit.config.sources import ShellText
from pipekit.errors import PluginError
from pipekit.model import quantity
from pipekit.model.names import did_you_mean
from pipekit.model.secrets import MASK
from pipekit.settings import Duration, RefusedError, Size

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]


def structured(cls: type[T], raw: object) -> T:
    """An object of the settings class `cls` from a raw table.

    Raises TableError with all problems of the values, PluginError for a problem of the class.
    """
    try:
        return _converter().structure(raw, cls)
    except cattrs.StructureHandlerNotFoundError as error:
        raise PluginError(f"a setting has an unsupported type: {error}") from error


def literal(value: object) -> Any:
    """The TOML value that a shell's text stands for; any other value unchanged."""
    return value.literal() if isinstance(value, ShellText) else value


def table(value: object, *, secret: bool = False) -> dict[str, Any]:
    """`value` if it is a table; raises UnfitError, which shows no value that may be `secret`."""
    value = literal(value)
    if not isinstance(value, dict):
        raise UnfitError("a table", value, secret=secret)
    return value


@cache
def _converter() -> cattrs.Converter:
    """A converter with hooks for all types that a setting may have; the last that matches wins."""
    converter = cattrs.Converter(detailed_validation=True)
    for scalar, hook in _SCALARS.items():
        converter.register_structure_hook(scalar, hook)
    converter.register_structure_hook_factory(_is_literal, lambda _: _literal_choice)
    converter.register_structure_hook_factory(_is_choice_of_types, _first_that_fits)
    converter.register_structure_hook_factory(_is_a(Collection), _list)
    converter.register_structure_hook_factory(_is_a(Mapping), _mapping)
    for wanted, hook in _OTHERS.items():
        converter.register_structure_hook_func(partial(operator.eq, wanted), hook)
    converter.register_structure_hook_factory(attrs.has, _settings_class)
    return converter


# --- tables: one attrs class each ---


def _settings_class(cls: type, converter: cattrs.Converter) -> Hook:
    """A hook that reports all problems of a table at once, those of validators included.

    attrs stops at the first value that a validator refuses. So after a failure the table is
    structured again without the keys known to be wrong, until nothing new turns up.
    """
    settings_fields(cls)  # raises if the class itself is wrong
    build: Hook = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_use_alias=True
    )

    def attempt(given: dict[str, Any]) -> tuple[Any, list[Problem]]:
        try:
            return build(given, cls), []
        except ClassValidationError as error:
            return None, [p for inner in error.exceptions for p in _problems(cls, inner, given)]

    def structure(value: object, _: object) -> Any:
        given = dict(table(value, secret=holds_secrets(cls)))
        made, problems = attempt(given)
        new = problems
        while wrong := {p.path[0] for p in new if p.path and p.path[0] in given}:
            given = {key: item for key, item in given.items() if key not in wrong}
            new = [p for p in attempt(given)[1] if p.path and p.path[0] in given]
            problems = problems + new
        if problems:
            raise TableError(problems)
        return made

    return structure


def _problems(cls: type, error: Exception, given: Mapping[str, Any]) -> Iterator[Problem]:
    """What one error of cattrs or attrs means for the table `given`."""
    fields = settings_fields(cls)
    if isinstance(error, ForbiddenExtraKeysError):
        for key in sorted(error.extra_fields):
            yield Problem((key,), unknown_key(key, fields))
        return
    field = _field_of(error, fields)
    missing = field is not None and field.required and field.key not in given
    if field is not None and missing and isinstance(error, KeyError):
        yield Problem((field.key,), f"this key is required: {field.help}")
    elif not given:
        name = f"{cls.__module__}.{cls.__qualname__}"
        raise PluginError(f"{name} refuses its own defaults: {error}") from error
    elif field is not None:  # its value, or its default beside what is given
        unreadable = isinstance(given.get(field.key), str) and holds_secrets(field.type)
        yield from problems_of(error, (field.key,), secret=field.secret or unreadable)
    else:
        text = str(error) or repr(error)
        for key, value in given.items():
            if value and key in fields and fields[key].secret:
                text = text.replace(str(value), MASK)
        yield Problem((), text)


def _field_of(error: Exception, fields: Mapping[str, Field]) -> Field | None:
    """The field whose value was refused; None if it was the class as a whole that objected."""
    notes = getattr(error, "__notes__", ())
    names = [note.name for note in notes if hasattr(note, "name")]
    if isinstance(error, RefusedError):
        names.append(error.name)
    return next((f for f in fields.values() if f.name in names[-1:]), None)


# --- lists, tables by name, and choices ---


def _is_a(base: type) -> Callable[[Any], bool]:
    """A predicate for types such as `list[str]` of a class such as Collection."""

    def matches(wanted: Any) -> bool:
        origin = typing.get_origin(wanted) or wanted
        return isinstance(origin, type) and issubclass(origin, base)

    return matches


def _mapping(wanted: Any, converter: cattrs.Converter) -> Hook:
    hook = mapping_structure_factory(wanted, converter)
    return lambda value, of: hook(table(value), of)


def _list(wanted: Any, converter: cattrs.Converter) -> Hook:
    """A hook for lists, tuples and sets; all of them are lists in TOML."""
    origin, items = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if origin is tuple and items and Ellipsis not in items:
        return _tuple_of(items, converter)
    item = items[0] if items else Any
    hook = list_structure_factory(list[item], converter)  # type: ignore[valid-type]  # a value
    make = next((kind for kind in (tuple, set, frozenset) if issubclass(kind, origin)), list)
    expected = "a list, such as ['a', 'b']" if item is str else "a list"
    return lambda value, _: make(hook(_items(value, expected), wanted))


def _tuple_of(items: tuple[Any, ...], converter: cattrs.Converter) -> Hook:
    """A hook for a tuple of fixed length."""
    hooks = [converter.get_structure_hook(item) for item in items]
    expected = f"a list of {len(items)} values"

    def structure(value: object, _: object) -> tuple[Any, ...]:
        given, made, problems = _items(value, expected), [], list[Problem]()
        if len(given) != len(items):
            raise UnfitError(expected, given, f" of {len(given)}")
        for place, (one, hook, item) in enumerate(zip(given, hooks, items, strict=True)):
            try:
                made.append(hook(one, item))
            except (ValueError, ExceptionGroup) as error:
                problems += problems_of(error, (place,))
        if problems:
            raise TableError(problems)
        return tuple(made)

    return structure


def _items(value: object, expected: str) -> list[Any]:
    value = literal(value)
    if not isinstance(value, list):
        raise UnfitError(expected, value)
    return value


def _is_literal(wanted: Any) -> bool:
    return typing.get_origin(wanted) is typing.Literal


def _members(wanted: Any) -> list[Any]:
    """The types of a union; None is left out, as TOML has no null."""
    is_union = typing.get_origin(wanted) in (typing.Union, types.UnionType)
    return [m for m in typing.get_args(wanted) if m is not types.NoneType] if is_union else []


def _is_choice_of_types(wanted: Any) -> bool:
    """`int | str`, but not `int | None`: cattrs knows what that means."""
    return len(_members(wanted)) > 1


def _first_that_fits(wanted: Any, converter: cattrs.Converter) -> Hook:
    members = _members(wanted)
    hooks = [converter.get_structure_hook(member) for member in members]
    optional = types.NoneType in typing.get_args(wanted)

    def structure(value: object, _: object) -> Any:
        if value is None and optional:  # a default, written by a program
            return None
        expected: list[str] = []
        inside: Exception | None = None
        for hook, member in zip(hooks, members, strict=True):
            try:
                return hook(value, member)
            except UnfitError as error:
                expected.append(error.expected)
            except (TableError, ExceptionGroup) as error:  # a list or table with wrong items
                inside = error
        raise inside or UnfitError(" or ".join(expected), value)

    return structure


# --- single values ---


def _string(value: object, wanted: Any) -> Any:
    if issubclass(wanted, Enum):  # a StrEnum is a str, too
        return _enum(value, wanted)
    if isinstance(value, ShellText):
        return value.text()
    if not isinstance(value, str):
        raise UnfitError("a string", value, "; strings need quotes")
    return value


def _integer(value: object, wanted: Any) -> Any:
    if issubclass(wanted, Enum):
        return _enum(value, wanted)
    value = literal(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnfitError("an integer", value)
    return value


def _scalar(expected: str, read: Callable[[Any], Any]) -> Hook:
    """A hook for one kind of value; `read` gives None for a value of another kind."""

    def structure(value: object, _: object) -> Any:
        found = read(literal(value))
        if found is None:
            raise UnfitError(expected, value)
        return found

    return structure


def _number(value: Any) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric and math.isfinite(value) else None


def _moment(cls: Any) -> Callable[[Any], Any]:
    """Reads TOML's own dates or times, or ISO text."""

    def read(value: Any) -> Any:
        if type(value) is cls:
            return value
        try:
            return cls.fromisoformat(value)
        except (TypeError, ValueError):
            return None

    return read


def _enum(value: object, cls: type[Enum]) -> Any:
    return _choice(value, {member.value: member for member in cls})


def _literal_choice(value: object, wanted: Any) -> Any:
    return _choice(value, {option: option for option in typing.get_args(wanted)})


def _choice(value: object, options: Mapping[Any, Any]) -> Any:
    """One of several values; `options`: what may be written → what it stands for."""
    written = value.text() if isinstance(value, ShellText) else value
    for option, meant in options.items():
        alike = type(written) is type(option) and written == option
        if alike or (isinstance(value, ShellText) and written == str(option)):
            return meant
    hint = did_you_mean(written, map(str, options)) if isinstance(written, str) else ""
    raise UnfitError(f"one of {', '.join(map(repr, options))}", written, hint)


_SCALARS: dict[Any, Hook] = {
    str: _string,
    int: _integer,
    float: _scalar("a number", _number),
    bool: _scalar("true or false", lambda value: value if isinstance(value, bool) else None),
    Enum: _enum,
    pathlib.Path: lambda value, _: pathlib.Path(_string(value, str)),
    dt.date: _scalar('a date such as "2024-12-31"', _moment(dt.date)),
    dt.time: _scalar('a time such as "07:30"', _moment(dt.time)),
    dt.datetime: _scalar('a date with time: "2024-12-31T07:30"', _moment(dt.datetime)),
}

_OTHERS: dict[Any, Hook] = {
    Any: lambda value, _: literal(value),
    Duration: _scalar(
        'a duration such as "90s", "10m", "1h30m" or a number of seconds', quantity.seconds
    ),
    Size: _scalar('a size such as "500MB", "64MiB" or a number of bytes', quantity.byte_count),
    dict[str, Any]: lambda value, _: table(value),  # its values stay as they are
}
