"""`pipekit release`: runs begin again."""

from __future__ import annotations

import time

import click

from pipekit.cli.common import configuration
from pipekit.cli.help import Command
from pipekit.cli.output import print_line, print_text
from pipekit.model.quantity import local_time, plural
from pipekit.storage.hold import HoldFile


@click.command(
    "release", cls=Command, example=("pipekit release", "runs begin again when they are started")
)
@click.pass_context
def command(ctx: click.Context) -> int:
    """Allow runs again after `pipekit hold`."""
    paths = configuration(ctx, tables=("paths",)).folders
    hold = HoldFile(paths.state, paths.file_mode).end(time.time())
    if hold is None:
        print_line("nothing is held")
    else:
        starts = plural(hold.starts, "start")
        print_text(
            f"released: {starts} had been held since {local_time(hold.since)} ({hold.reason})"
        )
    return 0
