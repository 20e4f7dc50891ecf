"""attrs converters and validators shared by the public classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipekit.errors import DefinitionError


def as_tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    """`tuple`, typed for use as an attrs converter; `all_are` refuses what is no list."""
    is_list = isinstance(values, Iterable) and not isinstance(values, str | bytes)
    return tuple(values) if is_list else values  # type: ignore[return-value]  # to be refused


def as_strings(values: Iterable[Any]) -> tuple[str, ...]:
    """A tuple of strings; one string is not accepted as a list of its letters."""
    if isinstance(values, str | bytes):
        raise DefinitionError(f"expected a list, got the string {values!r}")
    return tuple(str(value) for value in values)


def is_a(kind: type) -> Callable[[object, Any, Any], None]:
    """A validator: the value is of this type."""

    def check(_instance: object, attribute: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise DefinitionError(f"{attribute.name} must be a {kind.__name__}, not {value!r}")

    return check


def all_are(kind: type) -> Callable[[object, Any, tuple[object, ...]], None]:
    """A validator after `as_tuple`: a list, and all values are of this type."""

    def check(_instance: object, attribute: Any, values: tuple[object, ...]) -> None:
        if not isinstance(values, tuple):
            what = f"the string {values!r}" if isinstance(values, str) else repr(values)
            raise DefinitionError(f"{attribute.name}: expected a list, got {what}")
        for value in values:
            if not isinstance(value, kind):
                raise DefinitionError(
                    f"{attribute.name} must contain only {kind.__name__} values, not {value!r}"
                )

    return check


texts = all_are(str)
