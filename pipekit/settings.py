"""How a plugin declares its settings: one documented attrs field each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import attrs

Duration = Annotated[float, "duration"]
"""A field's type: seconds, written as a number or as `"90s"`, `"10m"`, `"1h30m"`, `"2d"`."""

Size = Annotated[int, "size"]
"""A field's type: bytes, written as a number or as `"500MB"` (powers of 1000), `"64MiB"`."""


def setting(
    help: str,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    secret: bool = False,
    affects_output: bool = True,
    validator: Callable[..., None] | None = None,
    converter: Callable[[Any], Any] | None = None,
) -> Any:
    """A field of an attrs class of settings: TOML key, environment variable, help, validation.

    `help`: one sentence for people, required. `secret`: its value is masked wherever settings are
    shown. `affects_output=False`: a change of it does not make known inputs pending again.
    `factory` makes a default anew each time; the other arguments are those of `attrs.field`.
    """
    if factory is not None:
        default = attrs.Factory(factory)
    metadata = {"help": help, "secret": secret, "affects_output": affects_output}
    return attrs.field(
        default=default, validator=validator, converter=converter, metadata=metadata, kw_only=True
    )
