"""A JSON Schema (draft 2020-12) of pipekit.toml, for editors."""

from __future__ import annotations

import datetime as dt
import enum
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any

import attrs

from pipekit.config.describe import Field, masked, settings_fields
from pipekit.config.expect import ExpectConfig
from pipekit.config.tables import RULES, SCRIPT, TABLES, StageConfig
from pipekit.model.quantity import DURATION_PATTERN, SIZE_PATTERN
from pipekit.settings import Duration, Size

Schema = dict[str, Any]
Classes = Mapping[str, type | None]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(
    *, stages: Classes, policies: Classes, sinks: Classes, executors: Classes
) -> Schema:
    """The schema of a pipekit.toml for these plugins: name → settings class, None for none.

    It accepts every file that `pipekit config check` accepts, and refuses unknown keys and values
    of the wrong type. It does not know validators: whether a folder lies inside the project, say.
    A stage with the name of an installed one is taken for it, whatever its key `use` says.
    """
    core = {name: _of_class(cls) for name, cls in TABLES.items()}
    for name, cls in policies.items():
        policy = _of_class(cls)
        core["lifecycle"]["properties"] |= policy["properties"] if name == RULES else {name: policy}
    script = _of_class(stages.get(SCRIPT))["properties"]
    named = {name: _stage(_of_class(cls), script) for name, cls in stages.items() if name != SCRIPT}
    return {
        "$schema": DIALECT,
        "title": "pipekit.toml",
        **_table(
            {
                **core,
                "stages": {
                    **_table(named),
                    "additionalProperties": _stage({"type": "object"}, script),
                },
                "sinks": _table({name: _of_class(cls) for name, cls in sinks.items()}),
                "executors": _table({name: _of_class(cls) for name, cls in executors.items()}),
                "expect": {"type": "array", "items": _of_class(ExpectConfig)},
            }
        ),
    }


def _stage(settings: Schema, script: Schema) -> Schema:
    """`[stages.NAME]`, with the schema of its plugin's settings, and the keys of a script."""
    stage = _of_class(StageConfig)
    described = stage["properties"]["settings"]
    stage["properties"]["settings"] = {"description": described["description"], **settings}
    stage["properties"] |= script
    return stage


def _table(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _of_class(cls: type | None, above: tuple[type | None, ...] = ()) -> Schema:
    """The table of a settings class; `above`: the classes that it is nested in."""
    fields = settings_fields(cls) if cls else {}
    schema = _table({key: _of_field(field, (*above, cls)) for key, field in fields.items()})
    required = [key for key, field in fields.items() if field.required]
    return {**schema, "required": required} if required else schema


def _of_field(field: Field, above: tuple[type | None, ...]) -> Schema:
    schema: Schema = {"description": field.help, **_of_type(field.type, above)}
    if not field.required and not field.secret and field.default is not None:
        schema["default"] = masked(field.default, field)
    return schema


def _quantity(number: str, pattern: str) -> Schema:
    text = {"type": "string", "pattern": f"^(?:{pattern})$"}
    return {"anyOf": [{"type": number, "minimum": 0}, text]}


_SCALARS: dict[Any, Schema] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Duration: _quantity("number", DURATION_PATTERN),
    Size: _quantity("integer", SIZE_PATTERN),
    Any: {},
    **{key: {"type": "string"} for key in (str, pathlib.Path, dt.date, dt.time, dt.datetime)},
}


def _of_type(wanted: Any, above: tuple[type | None, ...]) -> Schema:
    if wanted in _SCALARS:
        return _SCALARS[wanted]
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return {"enum": [member.value for member in wanted]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if attrs.has(wanted):
        return {"type": "object"} if wanted in above else _of_class(wanted, above)
    if origin in (typing.Union, types.UnionType):
        options = [_of_type(one, above) for one in arguments if one is not types.NoneType]
        return options[0] if len(options) == 1 else {"anyOf": options}
    return _of_container(origin or wanted, arguments, above)


def _of_container(origin: Any, items: tuple[Any, ...], above: tuple[type | None, ...]) -> Schema:
    if issubclass(origin, Mapping):
        values = _of_type(items[1], above) if items else {}
        return {"type": "object", "additionalProperties": values}
    if origin is tuple and items and Ellipsis not in items:
        length = {"minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "prefixItems": [_of_type(i, above) for i in items], **length}
    return {"type": "array", "items": _of_type(items[0], above) if items else {}}
