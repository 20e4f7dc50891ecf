"""The help of a command: what it does, its arguments, its exit codes and an example; runs nothing.

The text is the docstring of the command's function; its first line stands in lists of commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from pipekit.errors import (
    EXIT_ERROR,
    EXIT_HANGUP,
    EXIT_INTERRUPTED,
    EXIT_LOCKED,
    EXIT_SUCCESS,
    EXIT_TERMINATED,
    EXIT_USAGE,
)

_EVERYWHERE = {
    EXIT_SUCCESS: "it did what it was asked",
    EXIT_ERROR: "an error in the configuration, in the ledger or in pipekit itself",
    EXIT_USAGE: "the command was used in a way it cannot work",
    EXIT_INTERRUPTED: "stopped by Ctrl-C",
}
OF_RUNS = {
    EXIT_LOCKED: "another run holds the lock; nothing was run",
    EXIT_HANGUP: "stopped since the terminal was closed",
    EXIT_INTERRUPTED: "stopped by Ctrl-C",
    EXIT_TERMINATED: "stopped by SIGTERM",
}
"""What only a command can end with that makes a run."""

_WIDEST = 50  # the longest command of an example; its meaning stands beside it
A_RUN = "A run's number, its id or the beginning of its id"


class _Described(click.Command):
    """`arguments`: name → meaning; `exits`: code → when, beside those that every command has."""

    def __init__(
        self,
        *args: Any,
        arguments: Mapping[str, str] | None = None,
        exits: Mapping[int, str] | None = None,
        example: tuple[str, str],
        **attrs: Any,
    ) -> None:
        super().__init__(*args, **attrs)
        self.arguments = arguments or {}
        self.exits = {**_EVERYWHERE, **(exits or {})}
        self.example = example
        self.short_help = self.short_help or (self.help or "").partition("\n")[0]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self._section(formatter, "Arguments", self.arguments)
        self.format_options(ctx, formatter)
        if not isinstance(self, click.Group):
            codes = {str(code): when for code, when in sorted(self.exits.items())}
            self._section(formatter, "Exit codes", codes)
        self._section(formatter, "Example", dict([self.example]))

    @staticmethod
    def _section(formatter: click.HelpFormatter, title: str, rows: Mapping[str, str]) -> None:
        if rows:
            with formatter.section(title):
                formatter.write_dl(list(rows.items()), col_max=_WIDEST)


class Command(_Described):
    """One command."""


class Group(_Described, click.Group):
    """A command of commands; each of those tells its own exit codes."""
