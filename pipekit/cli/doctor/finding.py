"""What `pipekit doctor` finds."""

from __future__ import annotations

from typing import NamedTuple

from pipekit.read.findings import Level


class Finding(NamedTuple):
    """A sentence about a subject, and what to do about it."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


def ok(subject: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str, remedy: str) -> Finding:
    """Runs work, but something will go wrong or is slower than it need be."""
    return Finding(Level.WARNING, subject, text, remedy)


def broken(subject: str, text: str, remedy: str) -> Finding:
    """Runs do not work, or not fully."""
    return Finding(Level.BROKEN, subject, text, remedy)
