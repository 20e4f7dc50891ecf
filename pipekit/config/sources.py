"""Where values come from: the file, environment variables and flags."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from pipekit.config.positions import DEEPEST, TOO_DEEP, ExcessiveError, check_depth, key_lines
from pipekit.config.problems import KeyPath, dotted
from pipekit.errors import ConfigError
from pipekit.model.names import did_you_mean
from pipekit.model.quantity import byte_count, seconds

FILE_NAME = "pipekit.toml"
PREFIX = "PIPEKIT_"
ABSENT: Any = object()
_LARGEST = 1 << 20  # bytes of a pipekit.toml
_SMALL = 8_192  # characters that tomllib reads quickly, whatever they are
_LONGEST_LINE = 200  # characters, to look for a value without quotes
_INTEGER_BITS = 64
_MOST_VALUES = 20_000  # tables, lists and their items, all together
TOO_LARGE = f"a whole number has more than {_INTEGER_BITS} bits"
_LITERALS = {"true": True, "false": False}
_UNQUOTED = r"""\s*([\w.-]+)\s*=\s*([^\s"'\[\]{}#,][^"'\[\]{}#,]*?)\s*(?:#.*)?"""


class ShellText(str):
    """The text of a variable or flag; its type is decided by the field that it is for."""

    __slots__ = ()

    def literal(self) -> Any:
        """The TOML or JSON value that it means: `5`, `true`, `['a', 'b']`, `{a = 1}`; else itself.

        Python's `True` is understood as well, since people write it.
        """
        if self.lower() in _LITERALS:
            return _LITERALS[self.lower()]
        try:
            table = parsed(f"value = {self}")
        except ValueError:
            return self._json()
        return table["value"] if len(table) == 1 else str(self)

    def text(self) -> str:
        """The text itself, without the quotes if it is a quoted TOML string."""
        value = self.literal() if self[:1] in ('"', "'") else self
        return str(value) if isinstance(value, str) else str(self)

    def _json(self) -> Any:
        try:
            return json.loads(self) if self[:1] in "{[" else str(self)
        except (ValueError, RecursionError):
            return str(self)


def parsed(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises TOMLDecodeError, or ExcessiveError."""
    if len(text) > _SMALL:
        check_depth(text)  # before tomllib, which needs time squared for a long dotted key
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise ExcessiveError(TOO_DEEP) from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # Python's limit for the conversion of text
        raise ExcessiveError(TOO_LARGE) from error
    count, below = 0, list[Any]([tree])
    for _ in range(DEEPEST):
        below = [inner for each in below for inner in _inner(each)]
        count += len(below)
        if any(isinstance(each, int) and each.bit_length() > _INTEGER_BITS for each in below):
            raise ExcessiveError(TOO_LARGE)
    if below:
        raise ExcessiveError(TOO_DEEP)
    if count > _MOST_VALUES:
        raise ExcessiveError(f"more than {_MOST_VALUES:,} values")
    return tree


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class Source(StrEnum):
    """Where a value comes from, the weakest first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


class Layer:
    """The values of one source: the whole file, or one variable, or one flag.

    `label` says where to look: the file's name, the variable, or the flag. `text` is the file's,
    to find line numbers in.
    """

    def __init__(self, source: Source, label: str, tree: dict[str, Any], text: str = "") -> None:
        self.source, self.label, self.tree = source, label, tree
        self._text = text

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        return key_lines(self._text)

    def get(self, path: KeyPath) -> Any:
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

    def depth(self, path: KeyPath) -> int:
        """How many parts of `path` this layer sets."""
        return next((n for n in range(len(path), 0, -1) if self.get(path[:n]) is not ABSENT), 0)

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of the nearest table around it; 0 if there is none."""
        if self.source is not Source.FILE:
            return 0
        return next(
            (self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 0
        )

    def where(self, path: KeyPath) -> str:
        """`pipekit.toml:14`, `PIPEKIT_PIPELINE__WORKERS` or `--set pipeline.workers`."""
        line = self.line(path)
        return f"{self.label}:{line}" if line else self.label


def find_project(start: Path) -> Path | None:
    """The nearest folder at or above `start` in which a pipekit.toml lies."""
    start = Path(os.path.abspath(start))
    for folder in (start, *start.parents):
        if os.path.isfile(folder / FILE_NAME):
            return folder
    return None


def read_file(path: Path) -> Layer:
    """The layer of a pipekit.toml. Raises ConfigError if it cannot be read as TOML."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        hint = "create one with `pipekit init`"
        raise ConfigError([f"there is no {path.name} in {path.parent}; {hint}"]) from None
    except OSError as error:
        raise ConfigError([f"{path.name}: cannot read it: {error.strerror}"]) from error
    if len(raw) > _LARGEST:
        raise ConfigError([f"{path.name}: larger than {_LARGEST >> 20} MiB; make it simpler"])
    text = _decoded(raw, path.name)
    try:
        return Layer(Source.FILE, path.name, parsed(text), text)
    except ExcessiveError as error:
        raise ConfigError([f"{path.name}: {error}; make it simpler"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_error(str(error), text, path.name)]) from None


def _decoded(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError([f"{name}: saved as UTF-16; save it as UTF-8"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        raise ConfigError(
            [f"{name}:{line}: not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8"]
        ) from None


def _syntax_error(message: str, text: str, name: str) -> str:
    """The parser's message with its line in front, or the remedy if that is clear."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    if not match:
        return f"{name}: not valid TOML: {message}"
    lines = text.split("\n")
    number = int(match[2] or len(lines))
    line = lines[number - 1]
    remedy = _quoted(line) if len(line) <= _LONGEST_LINE else ""
    if remedy:
        return f"{name}:{number}: put the value in quotes: {remedy}"
    column = f", at column {match[3]}" if match[3] else ", at the end of the file"
    return f"{name}:{number}: not valid TOML: {match[1][:1].lower()}{match[1][1:]}{column}"


def _quoted(line: str) -> str:
    """`timeout = "1h"` for a line `timeout = 1h`; empty for a line with another fault.

    Only a duration or size is repeated: anything else may be a secret.
    """
    match = re.fullmatch(_UNQUOTED, line)
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        plain = match and (seconds(match[2]) or byte_count(match[2]))
        return f'{match[1]} = "{match[2] if plain else "..."}"' if match else ""
    return ""


def environment(environ: Mapping[str, str], known: Iterable[str]) -> tuple[list[Layer], list[str]]:
    """A layer for each `PIPEKIT_TABLE__KEY`, and a problem for each with an unknown table.

    pipekit's other variables have no double underscore and are not configuration.
    """
    known = list(known)
    layers, problems = [], []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if len(path) > DEEPEST:
            problems.append(f"{name[:40]}...: {TOO_DEEP}")
        elif path[0] not in known or not all(path):
            hint = did_you_mean(path[0], known) or f"; tables are {', '.join(known)}"
            problems.append(f"{name}: unknown table '{path[0]}'{hint}")
        else:
            layers.append(Layer(Source.ENVIRONMENT, name, _nested(path, environ[name])))
    return layers, problems


def flags(words: Sequence[str]) -> tuple[list[Layer], list[str]]:
    """A layer for each `KEY=VALUE` of `--set`, and a problem for each word of another form."""
    layers, problems = [], []
    for word in words:
        key, equals, value = word.partition("=")
        path = tuple(part.strip() for part in key.split("."))
        if len(path) > DEEPEST:
            problems.append(f"--set {key[:40]}...: {TOO_DEEP}")
        elif not equals or not all(path):
            problems.append(f"--set {key}: write it as KEY=VALUE, such as pipeline.workers=2")
        else:
            layers.append(Layer(Source.FLAG, f"--set {dotted(path)}", _nested(path, value)))
    return layers, problems


def _nested(path: tuple[str, ...], value: str) -> dict[str, Any]:
    tree: Any = ShellText(value)
    for part in reversed(path):
        tree = {part: tree}
    return dict(tree)


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """One tree of all layers: tables are merged key by key, any other value replaces the weaker."""
    return reduce(_merged, (layer.tree for layer in layers), {})


def _merged(weak: dict[str, Any], strong: dict[str, Any]) -> dict[str, Any]:
    result = dict(weak)
    for key, value in strong.items():
        below = result.get(key)
        if isinstance(below, ShellText):
            below = below.literal()
        tables = isinstance(value, dict) and isinstance(below, dict)
        result[key] = _merged(below or {}, value) if tables else value
    return result
