"""The help of a command: what it does, its arguments, its exit codes and an example.

The text is the docstring of the command's function; lists of commands show its first line.
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

_ALL_EXITS = {  # of every command
    EXIT_SUCCESS: "done",
    EXIT_ERROR: "an invalid configuration, an unusable ledger, or an internal error",
    EXIT_USAGE: "wrong usage",
    EXIT_INTERRUPTED: "interrupted by Ctrl-C",
}

RUN_EXITS = {  # of the commands that make a run
    EXIT_LOCKED: "another run is going on; nothing was started",
    EXIT_HANGUP: "stopped because the terminal was closed",
    EXIT_INTERRUPTED: "stopped by Ctrl-C",
    EXIT_TERMINATED: "stopped by SIGTERM",
}

_WIDEST = 50  # columns for the command of an example; its meaning is shown beside it
RUN_MEANING = "A run's number, its id or the beginning of its id"


class Command(click.Command):
    """A click command whose help lists its arguments, its exit codes and an example.

    `example`: a line to type, and what it does. `arguments`: name → meaning. `exits`: exit code →
    when, in addition to those of every command.
    """

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
        self.exits = {**_ALL_EXITS, **(exits or {})}
        self.example = example
        self.short_help = self.short_help or (self.help or "").partition("\n")[0]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the help; see click."""
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


class Group(Command, click.Group):
    """A command with subcommands; the help of each lists its exit codes."""
