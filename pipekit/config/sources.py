"""Where values come from: file, environment, flags; knows keys and texts, but no settings class."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from pipekit.config.problems import Path, did_you_mean, dotted
from pipekit.config.shell import ShellText
from pipekit.errors import ConfigError

FILE_NAME = "pipekit.toml"
PREFIX = "PIPEKIT_"
ABSENT: Any = object()


class Source(StrEnum):
    """Where a value comes from, the weakest first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


class Layer:
    """The values of one source: the whole file, or one variable, or one flag.

    `label` is what a person has to look at; `text` the file's, to find lines in.
    """

    def __init__(self, source: Source, label: str, tree: dict[str, Any], text: str = "") -> None:
        self.source, self.label, self.tree = source, label, tree
        self._text = text

    @cached_property
    def _lines(self) -> dict[Path, int]:
        from pipekit.config.positions import key_lines  # only to name a place

        return key_lines(self._text)

    def get(self, path: Path) -> Any:
        """The value at `path` as it was given, or ABSENT."""
        value: Any = self.tree
        for part in path:
            if not isinstance(value, dict | list):
                return ABSENT
            try:
                value = value[part]  # type: ignore[index]  # a key in a list is a TypeError
            except (KeyError, IndexError, TypeError):
                return ABSENT
        return value

    def depth(self, path: Path) -> int:
        """How many parts of `path` this layer sets."""
        return next((n for n in range(len(path), 0, -1) if self.get(path[:n]) is not ABSENT), 0)

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest table around it; 0 where there is none."""
        if self.source is not Source.FILE:
            return 0
        return next(
            (self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 0
        )

    def where(self, path: Path) -> str:
        """For people: `pipekit.toml:14`, `PIPEKIT_PIPELINE__WORKERS`, `--set pipeline.workers`."""
        line = self.line(path)
        return f"{self.label}:{line}" if line else self.label


def find_project(start: FilePath) -> FilePath | None:
    """The nearest folder at or above `start` in which a pipekit.toml lies."""
    start = FilePath(os.path.abspath(start))
    for folder in (start, *start.parents):
        if os.path.isfile(folder / FILE_NAME):
            return folder
    return None


def read_file(path: FilePath) -> Layer:
    """The layer of a pipekit.toml; raises ConfigError where it cannot be read as TOML."""
    import tomllib

    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        hint = "`pipekit init` makes one"
        raise ConfigError([f"{path.name}: there is none in {path.parent}; {hint}"]) from None
    except OSError as error:
        raise ConfigError([f"{path.name}: cannot be read: {error.strerror}"]) from error
    text = _decoded(raw, path.name)
    try:
        return Layer(Source.FILE, path.name, tomllib.loads(text), text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_error(str(error), text, path.name)]) from None


def _decoded(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError([f"{name}: is saved as UTF-16; save it as UTF-8"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        raise ConfigError(
            [f"{name}:{line}: is not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8"]
        ) from None


def _syntax_error(message: str, text: str, name: str) -> str:
    """The message of tomllib with the line in front, as every other problem has it."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    if not match:
        return f"{name}: not valid TOML: {message}"
    line = match[2] or str(text.count("\n") + 1)
    column = f", at column {match[3]}" if match[3] else ", at the end of the file"
    return f"{name}:{line}: not valid TOML: {match[1][:1].lower()}{match[1][1:]}{column}"


def environment(environ: Mapping[str, str], known: Iterable[str]) -> tuple[list[Layer], list[str]]:
    """A layer for each `PIPEKIT_TABLE__KEY`, and a problem for each that names no known table.

    Variables of pipekit's without a double underscore are not configuration.
    """
    known = list(known)
    layers, problems = [], []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if path[0] not in known or not all(path):
            hint = did_you_mean(path[0], known) or f"; tables are {', '.join(known)}"
            problems.append(f"{name}: names no table of the configuration{hint}")
        else:
            layers.append(Layer(Source.ENVIRONMENT, name, _nested(path, environ[name])))
    return layers, problems


def flags(words: Sequence[str]) -> tuple[list[Layer], list[str]]:
    """A layer for each `KEY=VALUE` of `--set`, and a problem for each word that is none."""
    layers, problems = [], []
    for word in words:
        key, equals, value = word.partition("=")
        path = tuple(part.strip() for part in key.split("."))
        if not equals or not all(path):
            problems.append(f"--set {key}: write it as KEY=VALUE, such as pipeline.workers=2")
        else:
            layers.append(Layer(Source.FLAG, f"--set {dotted(path)}", _nested(path, value)))
    return layers, problems


def _nested(path: tuple[str, ...], value: str) -> dict[str, Any]:
    tree: Any = ShellText(value)
    for part in reversed(path):
        tree = {part: tree}
    return tree  # type: ignore[no-any-return]  # a path has at least one part


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """One tree of all layers: tables are joined key by key, any other value replaces the weaker."""
    tree: dict[str, Any] = {}
    for layer in layers:
        tree = _joined(tree, layer.tree)
    return tree


def _joined(weak: dict[str, Any], strong: dict[str, Any]) -> dict[str, Any]:
    result = dict(weak)
    for key, value in strong.items():
        below = result.get(key)
        if isinstance(below, ShellText):
            below = below.literal()
        tables = isinstance(value, dict) and isinstance(below, dict)
        result[key] = _joined(below or {}, value) if tables else value
    return result
