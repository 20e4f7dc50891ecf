"""Where each value of a configuration came from, for people and for the audit report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from pipekit.config.describe import (
    MASK,
    Field,
    masked,
    plain,
    secret_keys,
    settings_fields,
    toml,
    type_words,
)
from pipekit.config.problems import Path, did_you_mean, dotted
from pipekit.config.sources import ABSENT, Layer, Source
from pipekit.config.tables import TABLES
from pipekit.config.values import literal
from pipekit.errors import ConfigError

if TYPE_CHECKING:
    from pipekit.config.loading import Configuration

SHORTEST = 4
UNKNOWN = "set for a plugin that has not said what it is: not shown"


class Origin(NamedTuple):
    """A place that gives a value: `value` as written there, a secret masked."""

    source: Source
    where: str
    value: Any

    def __str__(self) -> str:
        place = "the default" if self.source is Source.DEFAULT else self.where
        return f"{toml(self.value)} ({place})"


class Value(NamedTuple):
    """A key with the value in force (JSON-ready, masked if secret) and where it comes from.

    `where`: `pipekit.toml:7`, the variable, or the flag; empty for a default. `beaten`: the other
    values that were given or would apply, the strongest first.
    """

    key: str
    value: Any
    source: Source
    where: str = ""
    beaten: tuple[Origin, ...] = ()
    type: str = ""
    help: str = ""
    secret: bool = False

    def __str__(self) -> str:
        """For `config explain`: the value, its source, what it beat, what it is for."""
        lines = [
            f"{self.key} = {toml(self.value)}",
            f"  from {self.where}" if self.where else "  the default",
            *(f"  instead of {origin}" for origin in self.beaten),
            f"  {self.help}" if self.help else "",
        ]
        return "\n".join(line for line in lines if line)


def values(configuration: Configuration) -> dict[str, Value]:
    """Every known key by its dotted name, the core's tables first."""
    layers = list(reversed(configuration.layers))
    found: list[Value] = []
    for name in TABLES:
        found += _of_class(getattr(configuration, name), (name,), layers)
    for name, stage in configuration.stages.items():
        found += _of_class(stage, ("stages", name), layers, leave_out="settings")
    known = configuration.known_settings()
    for path, settings in known.items():
        if settings is not None:
            found += _of_class(settings, path, layers)
    for path, raw in _tables_of_plugins(configuration):
        if path not in known:
            found += [_unknown((*path, key), layers) for key in raw]
    return {value.key: value for value in found}


def _tables_of_plugins(configuration: Configuration) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    from pipekit.config.loading import policy_path

    for name, stage in configuration.stages.items():
        yield ("stages", name, "settings"), stage.settings
    for name, raw in configuration.policies.items():
        yield policy_path(name), raw
    for name, raw in configuration.sinks.items():
        yield ("sinks", name), raw


def _of_class(
    instance: Any, path: Path, layers: Sequence[Layer], leave_out: str = ""
) -> Iterator[Value]:
    for key, field in settings_fields(type(instance)).items():
        value = getattr(instance, field.attribute.name)
        if key == leave_out:
            continue
        if attrs.has(type(value)) and not field.secret:
            yield from _of_class(value, (*path, key), layers)
        else:
            yield _value((*path, key), field, value, layers)


def _value(path: Path, field: Field, value: Any, layers: Sequence[Layer]) -> Value:
    origins = [
        Origin(
            layer.source, layer.where(path), MASK if field.secret else _given(layer, path, field)
        )
        for layer in layers
        if layer.get(path) is not ABSENT
    ]
    if not field.required:
        origins.append(Origin(Source.DEFAULT, "", masked(field.default, field)))
    winner = origins[0]
    return Value(
        key=dotted(path),
        value=masked(value, field),
        source=winner.source,
        where=winner.where,
        beaten=tuple(origins[1:]),
        type=type_words(field.type),
        help=field.help,
        secret=field.secret,
    )


def _given(layer: Layer, path: Path, field: Field) -> Any:
    """What a layer says, as it says it; what its classes keep secret is masked."""
    secret = secret_keys(field.type)
    value = literal(layer.get(path))
    if secret and isinstance(value, str):
        return MASK  # a list or table that cannot be read: who knows what is in it
    return _hidden(plain(value), secret)


def _hidden(value: Any, secret: set[str]) -> Any:
    if isinstance(value, list):
        return [_hidden(item, secret) for item in value]
    if isinstance(value, dict):
        return {key: MASK if key in secret else _hidden(v, secret) for key, v in value.items()}
    return value


def _unknown(path: Path, layers: Sequence[Layer]) -> Value:
    """A value whose plugin did not load: it may be a secret, so only its place is told."""
    layer = next(layer for layer in layers if layer.get(path) is not ABSENT)
    where = layer.where(path)
    return Value(dotted(path), MASK, layer.source, where, help=UNKNOWN, secret=True)


def explain(configuration: Configuration, key: str) -> Value:
    """The value of `key`; of a table the names of its keys, as an error."""
    known = values(configuration)
    if key in known:
        return known[key]
    inside = [name for name in known if name.startswith(f"{key}.")]
    if inside:
        raise ConfigError([f"{key} is a table; ask for one of its keys: {', '.join(inside)}"])
    raise ConfigError([f"{key}: no such key{did_you_mean(key, known)}"])


def provenance(configuration: Configuration) -> dict[str, Any]:
    """`{"file": ..., "set": {key: {value, source, where}}, "defaults": {key: value}}`."""
    known = values(configuration).values()
    return {
        "file": configuration.file.name,
        "set": {
            value.key: {"value": value.value, "source": value.source.value, "where": value.where}
            for value in known
            if value.source is not Source.DEFAULT
        },
        "defaults": {v.key: v.value for v in known if v.source is Source.DEFAULT},
    }


def secrets(configuration: Configuration) -> tuple[str, ...]:
    """The texts of all secret settings, also those nested; the longest first.

    Those shorter than four characters are left out: to strike every `0` from an output would
    spoil it and hide nothing.
    """
    found = {
        text
        for settings in configuration.known_settings().values()
        for text in _secret_texts(settings, secret=False)
        if len(text) >= SHORTEST
    }
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def _secret_texts(value: Any, *, secret: bool) -> Iterator[str]:
    if attrs.has(type(value)):
        for field in settings_fields(type(value)).values():
            inner = getattr(value, field.attribute.name)
            yield from _secret_texts(inner, secret=secret or field.secret)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secret_texts(inner, secret=secret)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secret_texts(inner, secret=secret)
    elif secret and value is not None and not isinstance(value, bool) and str(value):
        yield str(value)
