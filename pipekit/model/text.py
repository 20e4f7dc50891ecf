"""Text for people and for programs: nothing in it can control a terminal or hide."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any


def escaped(text: object) -> str:
    r"""The text with every character that cannot be seen written as Python writes it: `\x1b`.

    These are control characters, line ends, characters that turn the direction of writing, and
    bytes of file names that are not UTF-8. Everything that a person reads goes through here.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escaped_output(text: str) -> str:
    """A program's output, escaped, with its lines and tabs; a carriage return ends a line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(map(escaped, line.split("\t"))) for line in lines)


def json_text(value: Any, *, indent: int | None = None, default: Callable[[Any], Any] = str) -> str:
    r"""A value as strict JSON, with the same characters escaped: `\u001b`.

    `default`: makes a JSON value of one that is none. NaN and infinity become null.
    """
    try:
        text = json.dumps(
            value, indent=indent, default=default, ensure_ascii=False, allow_nan=False
        )
    except ValueError:  # NaN or infinity
        text = json.dumps(_finite(value), indent=indent, default=default, ensure_ascii=False)
    return "\n".join(map(_json_escaped, text.split("\n")))


def _json_escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
