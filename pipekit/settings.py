"""How a plugin declares its settings: an attrs class with one `setting` for each key.

    @attrs.frozen
    class Settings:
        folder: str = setting("Folder to read from.", default="data/in")
        patience: Duration = setting("How long to wait for the server.", default=30.0)

Each field is a key in pipekit.toml, can be set by an environment variable or by `--set`, appears in
`pipekit config show`, and is checked against its type and its validator. A field's type may be
`str`, `int`, `float`, `bool`, `Duration`, `Size`, `Path`, a date or time, an enum or `Literal`,
another attrs class of settings, `T | None`, and lists, tuples, sets and `dict[str, T]` of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import attrs

Duration = Annotated[float, "duration"]
"""A field's type: seconds, 0 or more. In TOML a number of seconds, or `"90s"`, `"1h30m"`, `"2d"`.

Units: `ms`, `s`, `m`, `h`, `d`, `w`.
"""

Size = Annotated[int, "size"]
"""A field's type: bytes, 0 or more. In TOML a number of bytes, or `"500MB"`, `"64MiB"`.

Units: `B`; `kB`, `MB`, `GB`, `TB` (powers of 1000); `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024).
"""


class RefusedError(ValueError):
    """A value that a setting's validator or converter refused; `name` is the field's."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        first = error.args[0] if error.args else ""  # attrs' own validators add objects to `args`
        super().__init__(first if isinstance(first, str) and first else repr(error))


def setting(
    help: str,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    secret: bool = False,
    affects_output: bool = True,
    publishes: bool | Callable[[Any], bool] = False,
    validator: Callable[..., None] | None = None,
    converter: Callable[[Any], Any] | None = None,
) -> Any:
    """A documented field of a settings class.

    `help`: one sentence, required; a field without it makes the plugin unusable (PluginError).
    `default`, or `factory` for a value that is created each time; without either, the key must be
    set. `secret`: the value is masked wherever settings are shown. `affects_output=False`: changing
    the value does not make inputs that are already processed pending again. `publishes`: the value
    is a folder that the stage publishes to, which no other stage of the project may share; or a
    function of the settings that says whether it is.

    `validator(instance, attribute, value)` and `converter(value)` are those of `attrs.field`. They
    raise ValueError or TypeError with a sentence such as "must be greater than 0"; the user sees it
    after the file, line and key. A secret's sentence is not shown, as it may hold the value.
    """
    return attrs.field(
        default=default if factory is None else attrs.Factory(factory),
        validator=validator and (lambda i, at, value: _named(at, validator, i, at, value)),
        converter=converter
        and attrs.Converter(lambda value, at: _named(at, converter, value), takes_field=True),
        metadata={
            "help": help,
            "secret": secret,
            "affects_output": affects_output,
            "publishes": publishes,
        },
        kw_only=True,
    )


def _named(attribute: attrs.Attribute[Any], check: Callable[..., Any], *arguments: Any) -> Any:
    """Call a validator or converter; its error gets the field's name."""
    try:
        return check(*arguments)
    except (ValueError, TypeError) as error:
        raise RefusedError(attribute.name, error) from error
