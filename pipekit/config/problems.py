"""What is wrong with a value, in words; knows neither files nor where a value came from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Where a value stands: keys, and positions in lists."""

_SECRET = "not shown: it is or may be secret"  # noqa: S105  # a text, not a password


def dotted(path: Path) -> str:
    """For people: `stages.translator.settings.sources[1].glob`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("_", "").replace("-", "").isalnum() and part.isascii()
            text += ("." if text else "") + (part if bare else f'"{part}"')
    return text


def shown(value: object) -> str:
    """A wrong value as a clause: `the text "abc"`, `a list`; never long."""
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return f'the text "{text.replace(chr(10), " ")}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    return kind(value)


def kind(value: object) -> str:
    """What sort of value it is, without the value: all that may be said of a secret."""
    kinds: dict[type, str] = {
        bool: "a truth value",
        str: "a text",
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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'timezone'?`, or nothing where no known word is near."""
    import difflib  # only on failure

    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return f"; did you mean '{folded[near[0]]}'?" if near else ""


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say of a key that nobody knows, with the nearest known one or all of them."""
    known = list(known)
    hint = did_you_mean(key, known)
    if not hint and known:
        hint = f"; known here: {', '.join(known)}"
    return f"unknown key{hint}"


class UnfitError(ValueError):
    """A value of the wrong sort: `expected` names the right one.

    `secret`: the value stands where a secret may stand and must not be shown.
    """

    secret = False

    def __init__(self, expected: str, value: object, hint: str = "") -> None:
        self.expected, self.value, self.hint = expected, value, hint
        super().__init__(f"expected {expected}, got {shown(value)}{hint}")

    def sentence(self, *, secret: bool = False) -> str:
        """What is wrong; of a secret not the value."""
        if secret or self.secret:
            return f"expected {self.expected}, got {kind(self.value)} ({_SECRET})"
        return str(self)


class Problem(NamedTuple):
    """One thing that is wrong, at `path`, which is relative until the caller puts it in place."""

    path: Path
    text: str

    def below(self, path: Path) -> Problem:
        """The same problem, seen from `path` outside."""
        return Problem((*path, *self.path), self.text)


class TableError(ValueError):
    """All that is wrong with a table."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{dotted(p.path)}: {p.text}" for p in self.problems))


def problems_of(error: Exception, path: Path = (), *, secret: bool = False) -> list[Problem]:
    """The problems in an error of structuring, at `path`; cattrs' groups are taken apart.

    With `secret`, no text is taken over that could hold the value.
    """
    if isinstance(error, TableError):
        kept = [Problem(p.path, f"wrong ({_SECRET})") if secret else p for p in error.problems]
        return [problem.below(path) for problem in kept]
    if isinstance(error, ExceptionGroup):
        return [
            problem
            for inner in error.exceptions
            for problem in problems_of(inner, (*path, *_index(inner)), secret=secret)
        ]
    if isinstance(error, UnfitError):
        return [Problem(path, error.sentence(secret=secret))]
    if secret:
        return [Problem(path, f"is not accepted ({_SECRET})")]
    return [Problem(path, _message(error))]


def _index(error: Exception) -> Path:
    """Where in a list or table cattrs met the error: it leaves a note with `index`."""
    notes = getattr(error, "__notes__", [])
    return tuple(note.index for note in notes if hasattr(note, "index"))[-1:]


def _message(error: Exception) -> str:
    """An error's own sentence; attrs' validators put more than that into `args`."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, str) and first else repr(error)
