"""`pipekit exec`: supervise a command and stop its whole process tree with it."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.help import Command
from pipekit.errors import DefinitionError
from pipekit.process.shell import EXAMPLE, EXITS, FAILED, print_message, supervise


class _Exec(Command):
    """Every error of ours is 125, as in timeout(1): other codes could be the command's own."""

    def __init__(self) -> None:
        super().__init__(
            "exec",
            params=supervise.params,
            callback=supervise.callback,
            help=supervise.help,
            context_settings=supervise.context_settings,
            arguments={"COMMAND": "The program and its arguments; write -- in front of it."},
            example=EXAMPLE,
        )
        self.exits = EXITS

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """See click."""
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            error.show()
            raise click.exceptions.Exit(FAILED) from error

    def invoke(self, ctx: click.Context) -> Any:
        """See click."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.show()
        except (DefinitionError, OSError, ImportError, MemoryError) as error:
            print_message(str(error) or "out of memory")
        return FAILED


command = _Exec()
