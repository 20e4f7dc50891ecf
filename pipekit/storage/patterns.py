"""Patterns of paths: `*`, `?`, `[...]` and `**`, in one regular expression each."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from itertools import groupby

from pipekit.errors import UsageError

_WILD = re.compile(r"[*?\[]")
_PIECES = re.compile(r"(\*+|\?|\[[^\]]+\])")
_LONGEST_PATTERN = 4_096  # characters, as of a path on Linux


def is_pattern(path: str) -> bool:
    """Whether this names files by `*`, `?` or `[...]`."""
    return _WILD.search(path) is not None


def matches(pattern: str, path: str, *, ignore_case: bool = False) -> bool:
    """Whether a pattern would find a file at this path; see FileManager.files.

    Raises UsageError for an invalid pattern.
    """
    if ignore_case:
        pattern, path = pattern.lower(), path.lower()
    folder, whole, _ = compiled(pattern)
    if whole is None:
        below = path.removeprefix(f"{folder}/") if folder else path
        return (below != path or not folder) and not re.search(r"(^|/)\.", below)
    return whole.fullmatch(path) is not None


@lru_cache(maxsize=256)
def compiled(pattern: str) -> tuple[str, re.Pattern[str] | None, bool]:
    """The folder to start in, a regular expression for whole paths, and whether to recurse.

    None instead of the expression if every path in the folder matches.
    """
    normal = os.path.normpath(pattern).replace(os.sep, "/") if pattern else ""
    if normal in ("", ".", "..") or normal.startswith("../"):
        raise UsageError(
            f"the pattern {pattern!r} leaves the project's folder; patterns are relative to it"
        )
    if len(pattern) > _LONGEST_PATTERN:
        raise UsageError(
            f"the pattern {pattern[:40]!r}... is longer than {_LONGEST_PATTERN:,} characters"
        )
    parts = normal.split("/")
    fixed = 0
    while fixed < len(parts) - 1 and not _WILD.search(parts[fixed]):
        fixed += 1
    if parts[fixed:] in (["**"], ["**", "*"]):
        return "/".join(parts[:fixed]), None, True
    try:
        matches = re.compile(_whole(parts), re.DOTALL)  # names may contain newlines
    except re.error as error:
        raise UsageError(f"the pattern {pattern!r} is not valid: {error}") from None
    return "/".join(parts[:fixed]), matches, len(parts) - fixed > 1 or parts[-1] == "**"


def _whole(parts: list[str]) -> str:
    """A regular expression for whole paths, of a pattern's components.

    A path takes time proportional to its length, however many `*` and `**` there are: what stands
    between two of them is taken where it fits first, and never tried elsewhere.
    """
    runs = [list(same) for deep, same in groupby(parts, key="**".__eq__) if not deep]
    if parts[0] == "**":
        runs.insert(0, [])
    if parts[-1] == "**":
        runs.append([])
    first, *others = ["".join(f"{_translate(part)}/" for part in run) for run in runs]
    if not others:
        return first.removesuffix("/")
    middle = "".join(f"(?>(?:[^/]+/)*?{run})" for run in others[:-1])
    last = f"(?:[^/]+/)*{others[-1].removesuffix('/')}" if others[-1] else ".*"
    return f"{first}{middle}{last}"


def _translate(part: str) -> str:
    """One component of a pattern as a regular expression: `*`, `?`, `[abc]`, `[!abc]`."""
    runs = [""]
    for piece in _PIECES.split(part):
        if piece.startswith("*"):
            runs.append("")
        else:
            runs[-1] += _piece(piece)
    first, *others = runs
    if not others:
        return first
    middle = "".join(f"(?>[^/]*?{run})" for run in others[:-1])
    return f"{first}{middle}[^/]*{others[-1]}"


def _piece(piece: str) -> str:
    if piece == "?":
        return "[^/]"
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
        negated = piece[1] == "!"
        inner = "".join(c if c == "-" else re.escape(c) for c in piece[1 + negated : -1])
        return f"(?!/)[{'^' if negated else ''}{inner}]"  # never matches the separator
    return re.escape(piece)
