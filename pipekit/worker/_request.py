"""What a plan gives its worker: a JSON value on standard input, or an attrs object made of one."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
def request() -> Any: ...
@overload
def request(cls: type[T]) -> T: ...


def request(cls: type[Any] | None = None) -> Any:
    """What the stage's plan gave this process with `Command.python(..., request=...)`.

    `cls`: the attrs class of the request; without it, the plain JSON value is returned. Raises
    ValueError when standard input holds no JSON value, and what cattrs raises when the value does
    not fit the class.
    """
    value = json.load(sys.stdin)
    return value if cls is None else _converter().structure(value, cls)


def request_bytes(value: object) -> bytes:
    """The bytes that `request` reads: of an attrs object, or of any JSON value."""
    if hasattr(type(value), "__attrs_attrs__"):
        value = _converter().unstructure(value)
    return json.dumps(value).encode()


@cache
def _converter() -> Any:
    from cattrs.preconf.json import make_converter  # only for those who send or expect a class

    return make_converter(forbid_extra_keys=True, detailed_validation=False)
