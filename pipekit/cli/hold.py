"""`pipekit hold`: no run begins until a certain time."""

from __future__ import annotations

import time

import click

from pipekit.cli.common import configuration
from pipekit.cli.help import Command
from pipekit.cli.output import print_line, print_text
from pipekit.process.shell import DURATION
from pipekit.read.runs import lock_holder, without_name
from pipekit.storage.hold import HoldFile
from pipekit.worker._files import make_folder

_LONGEST = 366 * 86400.0  # seconds


@click.command(
    "hold",
    cls=Command,
    example=('pipekit hold --for 2d --reason "disk is being replaced"', "until the day after next"),
)
@click.option(
    "--for",
    "duration",
    type=DURATION,
    required=True,
    help="How long, at most 366 days; then runs are allowed again.",
)
@click.option("--reason", required=True, help="Reason, for `pipekit status` and each held run.")
@click.pass_context
def command(ctx: click.Context, duration: float, reason: str) -> int:
    """Block new runs for a while.

    A run that is started meanwhile, by hand or by a scheduler, ends as `held` with exit code 0. The
    current run is not stopped. A second hold replaces the first.
    """
    if not 0 < duration <= _LONGEST:
        raise click.BadParameter("a hold lasts at most 366 days", param_hint="'--for'")
    paths = configuration(ctx, tables=("paths",)).folders  # or it would hold nothing
    now = time.time()
    make_folder(paths.state, paths.file_mode)
    file = HoldFile(paths.state, paths.file_mode)
    hold = file.begin(now, now + duration, " ".join(reason.split()))
    print_text(f"held: {hold}")
    holder = lock_holder(paths)
    if holder is not None:
        known = f"{holder} is going on; `pipekit stop` would stop it"
        print_line(known if holder.run_id else without_name(holder), err=True)
    return 0
