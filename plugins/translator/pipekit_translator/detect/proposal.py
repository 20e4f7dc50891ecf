"""What is proposed for raw files: a source as TOML, the reasons, and what cannot be known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs

from pipekit_translator.dialects import DateRule, InstrumentRule
from pipekit_translator.parts import Parts

TABLE = "[[stages.translator.settings.sources]]"


@attrs.frozen(kw_only=True)
class Proposal:
    """A source for some files, and why.

    `dialect`: a preset, or empty. `parts`: what the source says beside it. `unknown`: by part, what
    a person must find out. `alternatives`: presets that read the files as well, and how they
    differ. `check`: what to compare with the program that wrote the files.
    """

    files: tuple[str, ...]
    glob: str
    dialect: str = ""
    parts: Parts
    reasons: tuple[str, ...] = ()
    unknown: dict[str, str] = attrs.field(factory=dict)
    alternatives: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()

    @property
    def source(self) -> dict[str, Any]:
        """The source as TOML and JSON have it; without what is unknown."""
        given = {name: _plain(value) for name, value in self.parts.given().items()}
        return {"glob": self.glob, **({"dialect": self.dialect} if self.dialect else {}), **given}

    def toml(self) -> str:
        """The source to paste into pipekit.toml; what is unknown stands in comments."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from (f"# {reason}" for reason in self.reasons)
        yield from (f"# check: {text}" for text in self.check)
        yield from (f"# or: {text}" for text in self.alternatives)
        yield TABLE
        yield from (f"{name} = {_toml(value)}" for name, value in self.source.items())
        for name, why in self.unknown.items():
            yield f"# {name} = ...  # needed: {why}"

    def record(self) -> dict[str, Any]:
        """The proposal for JSON."""
        return {
            "files": list(self.files),
            "source": self.source,
            "toml": self.toml(),
            "reasons": list(self.reasons),
            "unknown": dict(self.unknown),
            "alternatives": list(self.alternatives),
            "check": list(self.check),
            "instruments": list(self.instruments),
        }


@attrs.frozen(kw_only=True)
class Unread:
    """A file for which nothing can be proposed, and why."""

    file: str
    reason: str


def _plain(value: object) -> object:
    if isinstance(value, InstrumentRule | DateRule):
        return {name: _plain(v) for name, v in attrs.asdict(value, recurse=False).items() if v}
    return list(value) if isinstance(value, tuple) else value


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        literal = "\\" in value and "'" not in value
        return f"'{value}'" if literal else json.dumps(value, ensure_ascii=False)
    return repr(value)


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else json.dumps(name)
