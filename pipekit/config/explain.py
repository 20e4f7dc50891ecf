"""Where each value of a configuration came from, for people and for the audit report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import attrs

from pipekit.config.describe import (
    Field,
    holds_secrets,
    masked,
    plain,
    settings_fields,
    toml,
)
from pipekit.config.loading import Configuration
from pipekit.config.problems import KeyPath, dotted
from pipekit.config.sources import ABSENT, Layer, Source
from pipekit.config.structure import literal
from pipekit.config.tables import TABLES, StageConfig
from pipekit.model.secrets import MASK

UNKNOWN = "Its plugin is not loaded, so it may be a secret and is not shown."


class Origin(NamedTuple):
    """A place that gives a value: `value` as written there, a secret masked."""

    source: Source
    where: str
    value: Any

    def __str__(self) -> str:
        if self.source is Source.DEFAULT:
            return f"(default: {toml(self.value)})"
        return f"instead of {toml(self.value)} ({self.where})"


class Value(NamedTuple):
    """A key with the value in force (ready for JSON, masked if secret) and where it comes from.

    `where`: `pipekit.toml:7`, the variable, or the flag; empty for a default. `beaten`: the
    values that it overrides, the strongest first, and the default last.
    """

    key: str
    value: Any
    source: Source
    where: str
    beaten: tuple[Origin, ...]
    help: str

    def __str__(self) -> str:
        """For `config explain`: the value, its source, what it beat, what it is for."""
        unset = self.value is None
        beaten = [o for o in self.beaten if (o.source, o.value) != (Source.DEFAULT, self.value)]
        lines = [
            f"{self.key} is unset" if unset else f"{self.key} = {toml(self.value)}",
            f"from {self.where}" if self.where else "" if unset else "the default",
            *map(str, beaten),
            self.help,
        ]
        return "\n  ".join(line for line in lines if line)


def values(configuration: Configuration) -> dict[str, Value]:
    """Every known key by its dotted name, the core's tables first."""
    layers = configuration.layers[::-1]
    tables: list[tuple[KeyPath, Any]] = [((n,), getattr(configuration, n)) for n in TABLES]
    tables += [(("stages", name), stage) for name, stage in configuration.stages.items()]
    tables += ((("expect", n), each) for n, each in enumerate(configuration.expect))
    tables += configuration.known_settings.items()
    found = [value for path, settings in tables for value in _of_class(settings, path, layers)]
    for path, raw in configuration.plugin_tables().items():
        if path not in configuration.known_settings:
            found += [_unknown((*path, key), layers) for key in raw]
    return {value.key: value for value in found}


def _of_class(instance: Any, path: KeyPath, layers: Sequence[Layer]) -> Iterator[Value]:
    for key, field in settings_fields(type(instance)).items():
        value = getattr(instance, field.name)
        if key == "settings" and isinstance(instance, StageConfig):
            continue  # the plugin's, a table of its own
        if attrs.has(type(value)) and not field.secret:
            yield from _of_class(value, (*path, key), layers)
        else:
            yield _value((*path, key), field, value, layers)


def _value(path: KeyPath, field: Field, value: Any, layers: Sequence[Layer]) -> Value:
    origins = [
        Origin(layer.source, layer.where(path), _given(layer.get(path), field))
        for layer in layers
        if layer.get(path) is not ABSENT
    ]
    if not field.required:
        origins.append(Origin(Source.DEFAULT, "", masked(field.default, field)))
    source, where, _ = origins[0]
    shown = masked(value, field)
    return Value(dotted(path), shown, source, where, tuple(origins[1:]), field.help)


def _given(value: Any, field: Field) -> Any:
    """What a layer says, as it says it; masked if a secret may be in it, at any depth."""
    secret = field.secret or holds_secrets(field.type)
    return MASK if secret else plain(literal(value))


def _unknown(path: KeyPath, layers: Sequence[Layer]) -> Value:
    """A value whose plugin is not loaded: it may be a secret, so only its place is given."""
    layer = next(layer for layer in layers if layer.get(path) is not ABSENT)
    return Value(dotted(path), MASK, layer.source, layer.where(path), (), UNKNOWN)


def provenance(configuration: Configuration) -> dict[str, Any]:
    """What was set, by whom, and the defaults, for the audit report; secrets are masked.

    `{"file": ..., "set": {key: {value, source, where}}, "defaults": {key: value}}`
    """
    known = values(configuration).values()
    return {
        "file": configuration.file.name,
        "set": {
            v.key: {"value": v.value, "source": v.source.value, "where": v.where}
            for v in known
            if v.source is not Source.DEFAULT
        },
        "defaults": {v.key: v.value for v in known if v.source is Source.DEFAULT},
    }


def secrets(configuration: Configuration) -> tuple[str, ...]:
    """The texts of all secret settings known so far, to be masked in output.

    Those of the file of `[secrets]` are among them.
    """
    known = configuration.known_settings.values()
    texts = [text for settings in known for text in _secret_texts(settings, secret=False)]
    texts += configuration.variables.values()
    return tuple(dict.fromkeys(texts))


def _secret_texts(value: Any, *, secret: bool) -> Iterator[str]:
    if attrs.has(type(value)):
        for field in settings_fields(type(value)).values():
            inner = getattr(value, field.name)
            yield from _secret_texts(inner, secret=secret or field.secret)
    elif isinstance(value, Mapping | list | tuple | set | frozenset):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _secret_texts(inner, secret=secret)
    elif secret and value is not None and not isinstance(value, bool):
        yield str(value)
