"""What a person types on this operating system: quoted words, and where to look for limits."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

_NEEDS_QUOTES = re.compile(r"[^\w\\/:.@%+-]")  # in cmd.exe or PowerShell
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)


def quoted(word: str) -> str:
    """The word as it is typed in a shell: on Windows in cmd.exe and PowerShell alike."""
    if sys.platform != "win32":
        import shlex  # only here: few commands need it

        return shlex.quote(word)
    if word and not _NEEDS_QUOTES.search(word):
        return word
    return '"' + word.replace('"', '\\"') + '"'


def command_line(words: Iterable[str]) -> str:
    """The words of a command as they are typed in a shell."""
    return " ".join(map(quoted, words))


def limits_hint(*options: str) -> str:
    """Where to look when the system has run out of something; `options`: of ulimit."""
    if sys.platform == "win32":
        return "see Task Manager"
    return "see " + " and ".join(f"ulimit {option}" for option in options)


def is_device(name: str) -> bool:
    """Whether Windows takes this file name for a device's, with whatever suffix."""
    return name.partition(".")[0].rstrip(" ").lower() in _DEVICES


def file_key(name: str) -> str:
    """The same text for all names of one file: Windows and macOS take a name in any case."""
    return name.casefold() if sys.platform in ("win32", "darwin") else name
