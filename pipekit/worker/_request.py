"""The request that a plan passes to its worker on standard input: JSON, or an attrs object."""

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
    """The request that the plan passed with `Command.python(..., request=...)`.

    `cls`: the attrs class of the request; without it, the plain JSON value is returned. Raises
    ValueError if standard input is not valid JSON, and an error of cattrs if the value does not fit
    the class.
    """
    value = json.load(sys.stdin)
    return value if cls is None else _converter().structure(value, cls)


def request_bytes(value: object) -> bytes:
    """An attrs object or any JSON value, as the bytes that `request` reads."""
    if hasattr(type(value), "__attrs_attrs__"):
        value = _converter().unstructure(value)
    return json.dumps(value).encode()


@cache
def _converter() -> Any:
    from cattrs.preconf.json import make_converter  # only needed with a class

    return make_converter(forbid_extra_keys=True, detailed_validation=False, omit_if_default=True)
