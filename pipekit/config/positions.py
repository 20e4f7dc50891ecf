"""The line of each key in a TOML text that tomllib accepts.

tomllib gives values without positions; this second, lexical pass gives positions without values.
"""

from __future__ import annotations

import re
import tomllib

from pipekit.config.problems import KeyPath

_TOKEN = re.compile(
    r"""
      (?P<skip>[ \t]+|\#[^\n]*)
    | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[\[\]{},=.\n])
    | (?P<bare>[^\s\[\]{},=.\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)


DEEPEST = 32  # tables, lists and parts of a dotted key, one inside another
TOO_DEEP = f"nested more than {DEEPEST} levels deep"


class ExcessiveError(ValueError):
    """A text that would take too much time or memory; says what is too much."""


def check_depth(text: str) -> None:
    """Raise ExcessiveError for lists or tables, or for a dotted key, that are nested too deeply."""
    depth = parts = 0
    for match in _TOKEN.finditer(text):
        mark = match[0] if match.lastgroup == "mark" else ""
        depth = max(depth + (mark in ("[", "{")) - (mark in ("]", "}")), 0) if mark else depth
        if match.lastgroup != "skip":
            parts = parts + (mark == ".") if mark in ("", ".") else 0
        if max(depth, parts) > DEEPEST:
            raise ExcessiveError(TOO_DEEP)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of each table, key, list item and key of an inline table."""
    return _Lines(text).lines


class _Lines:
    """Reads one text token by token and keeps track of the table that the next key belongs to."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._lists: dict[KeyPath, int] = {}  # arrays of tables: the index of the last one
        self._tokens: list[tuple[str, int]] = []
        line = 1
        for match in _TOKEN.finditer(text):
            if match.lastgroup != "skip":
                self._tokens.append((match[0], line))
            line += match[0].count("\n")
        self._tokens.append(("\n", line))
        self._at = 0
        self._read()

    def _read(self) -> None:
        here: KeyPath = ()
        while self._at < len(self._tokens):
            if self._next() == "\n":
                self._at += 1
            elif self._next() == "[":
                here = self._header()
            else:
                self._pair(here)

    def _next(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else "\n"

    def _header(self) -> KeyPath:
        self._at += 1
        many = self._next() == "["
        self._at += many
        line = self._tokens[self._at][1]
        here: KeyPath = ()
        keys = self._keys("]")
        for number, key in enumerate(keys, 1):
            here = (*here, key)
            self.lines.setdefault(here, line)
            if many and number == len(keys):
                self._lists[here] = self._lists.get(here, -1) + 1
            if here in self._lists:
                here = (*here, self._lists[here])
                self.lines.setdefault(here, line)
        self._at += many
        return here

    def _keys(self, end: str) -> list[str]:
        """The parts of a dotted key, up to and with the mark that ends it."""
        keys = []
        while self._next() != end and self._at < len(self._tokens):
            if self._next() != ".":
                keys.append(_unquoted(self._next()))
            self._at += 1
        self._at += 1
        return keys

    def _pair(self, here: KeyPath) -> None:
        line = self._tokens[self._at][1]
        for key in self._keys("="):
            here = (*here, key)
            self.lines.setdefault(here, line)
        self._value(here)

    def _value(self, here: KeyPath) -> None:
        opening = self._next()
        if opening not in "[{":
            while self._next() not in (",", "]", "}", "\n"):
                self._at += 1
            return
        self._at += 1
        index = 0
        while self._next() not in ("]", "}") and self._at < len(self._tokens):
            if self._next() in (",", "\n"):
                self._at += 1
            elif opening == "{":
                self._pair(here)
            else:
                self.lines[*here, index] = self._tokens[self._at][1]
                self._value((*here, index))
                index += 1
        self._at += 1


def _unquoted(token: str) -> str:
    return token if token[:1] not in "\"'" else next(iter(tomllib.loads(f"{token} = 0")))
