"""From raw values to attrs objects, strictly, with all that is wrong at once; knows no files.

The hooks of this package convert nothing silently, and name every wrong key at once. They serve
what nearly all settings are made of: plain values, classes, and lists and tables of such. cattrs
structures the rest (sets, tuples of fixed length, choices between lists), with these hooks for what
lies within; it costs 15 to 20 ms, and is imported when the first such value is met.
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import attrs

from pipekit.config.describe import MASK, Field, secret_keys, settings_fields
from pipekit.config.problems import Problem, TableError, UnfitError, problems_of, unknown_key
from pipekit.config.values import LEAVES, Hook, choice, literal, named, several, table, union
from pipekit.errors import PluginError

T = TypeVar("T")


def structured(cls: type[T], raw: object) -> T:
    """An object of the attrs class `cls` from a raw table.

    Raises TableError with all that is wrong with the values, PluginError for what is wrong with
    the class.
    """
    fields = settings_fields(cls)
    given = _given(cls, raw)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in given.items():
        if key not in fields:
            problems.append(Problem((key,), unknown_key(key, fields)))
            continue
        try:
            values[key] = convert(value, fields[key].type)
        except (ValueError, ExceptionGroup) as error:
            field = fields[key]
            secret = field.secret or (isinstance(value, str) and bool(secret_keys(field.type)))
            problems += problems_of(error, (key,), secret=secret)
    for key, field in fields.items():
        if field.required and key not in given:
            problems.append(Problem((key,), f"missing, and it has no default: {field.help}"))
    if problems:  # what a validator has to say of the others belongs to it
        told = {problem.path[:1] for problem in problems}
        problems += [p for p in _culprits(cls, fields, values) if p.path[:1] not in told]
        raise TableError(problems)
    return _made(cls, fields, values)


def _given(cls: type, raw: object) -> dict[str, Any]:
    try:
        return table(raw)
    except UnfitError as error:
        error.secret = bool(secret_keys(cls))  # it may have been meant to hold one
        raise


def convert(value: Any, wanted: Any) -> Any:
    """`value` as a `wanted`; raises ValueError or, from cattrs, a group of them."""
    hook = hook_for(wanted)
    return hook(value) if hook else _by_cattrs(value, wanted)


def hook_for(wanted: Any) -> Hook | None:
    """The hook for a type that needs no cattrs."""
    if wanted in LEAVES:
        return LEAVES[wanted]
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return choice({str(member.value): member for member in wanted})
    if isinstance(wanted, type) and attrs.has(wanted):
        return lambda value: structured(wanted, value)
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Literal:
        return choice({str(option): option for option in arguments})
    if origin in (typing.Union, types.UnionType):
        return _hook_for_one_of([one for one in arguments if one is not types.NoneType])
    return _hook_for_all_of(origin, arguments)


def _hook_for_one_of(members: Sequence[Any]) -> Hook | None:
    """None where one of several is a list or table: its items do not tell which one was meant."""
    if len(members) > 1 and any(_is_container(m) for m in members if m not in LEAVES):
        return None
    hooks = [hook_for(member) for member in members]
    return None if None in hooks else union([hook for hook in hooks if hook])


def _hook_for_all_of(origin: Any, arguments: Sequence[Any]) -> Hook | None:
    """The hook for a list, a tuple of any length, or a table by name."""
    if origin is list or (origin is tuple and arguments[1:] == (Ellipsis,)):
        hook = hook_for(arguments[0])
        return several(hook, origin) if hook else None
    if origin is dict and arguments[0] is str:
        hook = hook_for(arguments[1])
        return named(hook) if hook else None
    return None


def _made(cls: type[T], fields: Mapping[str, Field], values: dict[str, Any]) -> T:
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        if not values:
            name = f"{cls.__module__}.{cls.__qualname__}"
            raise PluginError(f"{name} refuses its own defaults: {error}") from error
        culprits = _culprits(cls, fields, values)
        if not culprits:
            secrets = [str(values[key]) for key in values if fields[key].secret and values[key]]
            culprits = [Problem(p.path, _without(p.text, secrets)) for p in problems_of(error)]
        raise TableError(culprits) from None


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _culprits(cls: type, fields: Mapping[str, Field], values: dict[str, Any]) -> list[Problem]:
    """Whose converter or validator refuses its value: attrs itself stops at the first."""
    problems: list[Problem] = []
    for key, value in values.items():
        converter = fields[key].attribute.converter
        if converter is not None and not isinstance(converter, attrs.Converter):
            _try(fields[key], problems, converter, value)
    if problems:
        return problems
    with attrs.validators.disabled():
        try:
            instance = cls(**values)
        except (ValueError, TypeError):
            return []  # it is the class as a whole that refuses them
    for key in values:
        attribute = fields[key].attribute
        if attribute.validator is not None:
            value = getattr(instance, attribute.name)
            _try(fields[key], problems, attribute.validator, instance, attribute, value)
    return problems


def _try(field: Field, problems: list[Problem], check: Callable[..., object], *args: Any) -> None:
    try:
        check(*args)
    except (ValueError, TypeError) as error:
        problems += problems_of(error, (field.key,), secret=field.secret)


# --- cattrs, for what no hook is there for --------------------------------------------------------


def _by_cattrs(value: Any, wanted: Any) -> Any:
    import cattrs  # 15 to 20 ms, only where something needs it

    try:
        return _converter().structure(value, wanted)
    except cattrs.StructureHandlerNotFoundError as error:
        raise PluginError(f"a setting has a type that no value can be made of: {error}") from error


@cache
def _converter() -> Any:
    """The cattrs converter with our hooks: leaves strict, containers only from containers.

    A BaseConverter: it interprets, where Converter compiles a function for each type (0.5 ms).
    """
    import cattrs  # as above

    converter = cattrs.BaseConverter()
    for leaf in (str, int, float, pathlib.Path):  # cattrs knows these by class, ahead of predicates
        converter.register_structure_hook(leaf, convert)
    in_making: set[Any] = set()

    def guarded(wanted: Any) -> Callable[[Any, Any], Any]:
        in_making.add(wanted)  # the predicate lets cattrs' own hook through to us
        hook = converter.get_structure_hook(wanted, cache_result=False)
        in_making.discard(wanted)
        return lambda value, of: hook(_container(value, of), of)

    converter.register_structure_hook_factory(
        lambda wanted: _is_container(wanted) and wanted not in in_making, guarded
    )
    converter.register_structure_hook_func(lambda wanted: hook_for(wanted) is not None, convert)
    return converter


def _is_container(wanted: Any) -> bool:
    origin = typing.get_origin(wanted) or wanted
    return isinstance(origin, type) and issubclass(origin, Collection)


def _container(value: Any, wanted: Any) -> Any:
    """`value` if it is a list or table as `wanted` asks for: cattrs would take texts apart."""
    origin = typing.get_origin(wanted) or wanted
    value = literal(value)
    if issubclass(origin, Mapping):
        return table(value)
    if not isinstance(value, list):
        raise UnfitError("a list", value)
    if origin is tuple and Ellipsis not in typing.get_args(wanted):
        length = len(typing.get_args(wanted)) or len(value)
        if len(value) != length:
            raise UnfitError(f"a list of {length} values", value, f" of {len(value)}")
    return value
