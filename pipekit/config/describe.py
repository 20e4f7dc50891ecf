"""Describes the fields of a settings class: key, type, default and help."""

from __future__ import annotations

import datetime as dt
import enum
import json
import pathlib
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import attrs

from pipekit.errors import PluginError
from pipekit.model import quantity as units
from pipekit.model.secrets import MASK
from pipekit.settings import Duration, Size


class Field(NamedTuple):
    """A field of a settings class: its name in TOML and in Python, its type resolved, its help.

    `secret`: its value must never be shown. `attrs_default`: as attrs has it.
    """

    key: str
    name: str
    type: Any
    help: str
    secret: bool
    attrs_default: Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.attrs_default is attrs.NOTHING

    @property
    def default(self) -> Any:
        """A new copy of its default; attrs.NOTHING if it has none."""
        has_factory = isinstance(self.attrs_default, attrs.Factory)  # type: ignore[arg-type]  # Factory is a class at run time, a function in its stubs
        return self.attrs_default.factory() if has_factory else self.attrs_default


def settings_fields(cls: type) -> Mapping[str, Field]:
    """The fields of a settings class by key, those of nested classes checked as well.

    Raises PluginError, with the class and the field, for a class that is not attrs', a field
    without help, or a type that cannot be found.
    """
    if not isinstance(cls, type):
        name = type(cls).__name__  # what a plugin may give
        raise PluginError(f"settings are a class: write settings={name}, not an object of it")
    _settings_classes(cls)
    return _own_fields(cls)


@cache
def _own_fields(cls: type) -> dict[str, Field]:
    cls_name = f"{cls.__module__}.{cls.__qualname__}"
    if not attrs.has(cls):
        raise PluginError(f"{cls_name} is not a settings class: decorate it with @attrs.frozen")
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise PluginError(
            f"{cls_name}: the type of a field cannot be found ({error}): define settings classes, "
            "and the types they use, at the top level of a module"
        ) from None
    fields = {}
    for attribute in attrs.fields(cls):
        if attribute.init:
            key, name = attribute.alias or attribute.name, attribute.name
            if not attribute.metadata.get("help"):
                raise PluginError(
                    f"{cls_name}.{name} has no help: declare it with "
                    "pipekit.setting('what it is for', default=...)"
                )
            wanted = hints.get(name, attribute.type)
            secret = bool(attribute.metadata.get("secret"))
            help = attribute.metadata["help"]
            fields[key] = Field(key, name, wanted, help, secret, attribute.default)
    return fields


def nested_classes(wanted: Any) -> Iterator[type]:
    """The attrs classes that a type mentions: `Source` of `tuple[Source, ...]`."""
    if isinstance(wanted, type) and attrs.has(wanted):
        yield wanted
    for argument in typing.get_args(wanted):
        yield from nested_classes(argument)


@cache
def _settings_classes(wanted: Any) -> list[type]:
    """The attrs classes that a type mentions, and those of their fields, at any depth."""
    found = list(nested_classes(wanted))
    for cls in found:
        for field in _own_fields(cls).values():
            found += [each for each in nested_classes(field.type) if each not in found]
    return found


def holds_secrets(wanted: Any) -> bool:
    """Whether a value of this type may hold a secret, at any depth."""
    classes = _settings_classes(wanted)
    return any(field.secret for cls in classes for field in _own_fields(cls).values())


_WORDS: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "true or false",
    Duration: "duration",
    Size: "size",
    Any: "any value",
    pathlib.Path: "path",
    dt.date: "date",
    dt.time: "time",
    dt.datetime: "date with time",
    dict[str, Any]: "table",
}


def type_words(wanted: Any) -> str:
    """A type in words: `list of strings`, `duration`, `'keep' or 'delete'`."""
    if wanted in _WORDS:
        return _WORDS[wanted]
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return _either([repr(str(member.value)) for member in wanted])
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Literal:
        return _either([repr(option) for option in arguments])
    words = [type_words(one) for one in arguments if one not in (types.NoneType, Ellipsis)]
    if origin in (typing.Union, types.UnionType):
        return _either(words)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_plural(words[1])}"
    if origin is not None:
        inner = words[0] if len(set(words)) == 1 else f"({', '.join(words)})"
        return f"list of {_plural(inner)}"
    return "table" if attrs.has(wanted) else "list"


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _plural(words: str) -> str:
    return words if words.endswith(("'", ")", "false")) else f"{words}s"


def plain(value: Any, wanted: Any = Any) -> Any:
    """A structured value ready for JSON, written as in pipekit.toml; secrets masked."""
    members = (wanted, *typing.get_args(wanted))
    if Duration in members and isinstance(value, float):
        return units.duration_text(value)
    if Size in members and isinstance(value, int):
        return units.size_text(value)
    if attrs.has(type(value)):
        fields = settings_fields(type(value))
        return {key: masked(getattr(value, field.name), field) for key, field in fields.items()}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, dt.time) and not (value.second or value.microsecond):
        return value.strftime("%H:%M")
    return value.as_posix() if isinstance(value, pathlib.PurePath) else str(value)


def default_text(field: Field) -> str:
    """A field's default as it would be written in TOML; empty if there is none."""
    unset = field.required or field.default is None
    return "" if unset else toml(masked(field.default, field))


def masked(value: Any, field: Field) -> Any:
    """A field's value as `plain` gives it; of a secret only whether it is set."""
    if field.secret:
        return MASK if value else plain(value)
    return plain(value, field.type)


def toml(value: Any) -> str:
    """A plain value as it would be written in TOML; `unset` for None."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML and JSON write strings alike
    if isinstance(value, Mapping):
        pairs = [f"{key} = {toml(item)}" for key, item in value.items() if item is not None]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(item) for item in value)}]"
    return str(value)
