"""attrs converters and validators shared by the public classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipekit.errors import DefinitionError


def as_tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    """`tuple`, typed for use as an attrs converter; a str is not accepted as a list of str."""
    if isinstance(values, str | bytes):
        raise DefinitionError(f"expected a list, got the string {values!r}")
    return tuple(values)


def as_strings(values: Iterable[Any]) -> tuple[str, ...]:
    """`as_tuple`, with each value as a string."""
    return tuple(str(value) for value in as_tuple(values))


def is_a(kind: type) -> Callable[[object, Any, Any], None]:
    """A validator: the value is of this type."""

    def check(_instance: object, attribute: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise DefinitionError(f"{attribute.name} must be a {kind.__name__}, not {value!r}")

    return check


def all_are(kind: type) -> Callable[[object, Any, tuple[object, ...]], None]:
    """A validator: all values are of this type."""

    def check(_instance: object, attribute: Any, values: tuple[object, ...]) -> None:
        for value in values:
            if not isinstance(value, kind):
                raise DefinitionError(
                    f"{attribute.name} must contain only {kind.__name__} values, not {value!r}"
                )

    return check


texts = all_are(str)
