"""Problems with values, and their wording."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipekit.model.names import did_you_mean

KeyPath = tuple[str | int, ...]  # the path of a value: keys, and positions in lists

_HIDDEN = "not shown: it is or may be secret"


def dotted(path: KeyPath) -> str:
    """A path as people write it: `stages.translator.settings.sources[1].glob`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("_", "").replace("-", "").isalnum() and part.isascii()
            text += ("." if text else "") + (part if bare else f'"{part}"')
    return text


def shown(value: object) -> str:
    """A wrong value in a sentence: `the string "abc"`, `5`, `a list`; never long."""
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return f'the string "{text.replace(chr(10), " ")}"'
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else kind(value)


def kind(value: object) -> str:
    """The sort of a value without the value itself, which may be a secret."""
    kinds: dict[type, str] = {
        bool: "true or false",
        str: "a string",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
        dt.datetime: "a date with time",
        dt.date: "a date",
        dt.time: "a time",
    }
    found = next((name for base, name in kinds.items() if isinstance(value, base)), None)
    return found or f"a value of type {type(value).__name__}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence for an unknown key, with the closest known one, or with all of them."""
    known = list(known)
    hint = did_you_mean(key, known)
    if not hint and known:
        hint = f"; known here: {', '.join(known)}"
    return f"unknown key{hint}"


class UnfitError(ValueError):
    """A value of the wrong type: `expected` names the right one.

    `secret`: the value may be a secret and must not be shown.
    """

    def __init__(
        self, expected: str, value: object, hint: str = "", *, secret: bool = False
    ) -> None:
        self.expected, self.value, self.secret = expected, value, secret
        super().__init__(f"expected {expected}, got {shown(value)}{hint}")

    def sentence(self, *, secret: bool = False) -> str:
        """What is wrong, without the value if that is or may be secret."""
        if secret or self.secret:
            return f"expected {self.expected}, got {kind(self.value)} ({_HIDDEN})"
        return str(self)


class Problem(NamedTuple):
    """One thing that is wrong at `path`, which is relative until the caller puts it in place."""

    path: KeyPath
    text: str


class TableError(ValueError):
    """All that is wrong with a table."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{dotted(p.path)}: {p.text}" for p in self.problems))


def problems_of(error: Exception, path: KeyPath = (), *, secret: bool = False) -> Iterator[Problem]:
    """The problems in an error of structuring, each below `path`.

    With `secret`, no text is repeated that could hold the value.
    """
    if isinstance(error, TableError):
        for problem in error.problems:
            text = f"wrong ({_HIDDEN})" if secret else problem.text
            yield Problem((*path, *problem.path), text)
    elif isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from problems_of(inner, (*path, *_position(inner)), secret=secret)
    elif isinstance(error, UnfitError):
        yield Problem(path, error.sentence(secret=secret))
    else:
        yield Problem(path, f"not accepted ({_HIDDEN})" if secret else str(error) or repr(error))


def _position(error: Exception) -> KeyPath:
    """Where in a list or table an error happened; cattrs leaves a note that says so."""
    notes = getattr(error, "__notes__", ())
    return tuple(note.index for note in notes if hasattr(note, "index"))[-1:]
