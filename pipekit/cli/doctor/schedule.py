"""Checks of the schedule: whether runs are started, as the configuration says, and were."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from pipekit.cli.doctor.finding import Finding, ok, warning
from pipekit.cli.schedule.show import Schedule, examine, missed_text
from pipekit.errors import PipekitError
from pipekit.model.quantity import local_time
from pipekit.schedule.systemd import Systemd, lingers

_INSTALL = "`pipekit schedule install`"


def schedule(ctx: click.Context) -> Iterator[Finding]:
    """Whether a scheduler starts runs as `[schedule]` says, and which starts were missed."""
    try:
        found = examine(ctx)
    except PipekitError:  # the configuration's findings say why
        return
    if not found.installed:
        yield ok("schedule", f"nothing is installed: no run starts by itself; {_INSTALL}")
        return
    titles = " and ".join(scheduler.title for scheduler, _ in found.installed)
    if len(found.installed) > 1:
        yield warning("schedule", f"installed in {titles}, so runs start twice", _INSTALL)
    if found.next is None:
        text = f"{titles}: installed with other settings than those of pipekit.toml now"
        yield warning("schedule", text, _INSTALL)
        return
    yield from _starts(found, f"{titles}, {found.job.timetable}")
    yield from _lingering(found)


def _starts(found: Schedule, lead: str) -> Iterator[Finding]:
    following = f"next start {local_time(found.next)}"
    if found.starts is not None and found.starts.missed:
        remedy = "was the machine off, or the scheduler? See `pipekit schedule show`"
        yield warning("schedule", f"{lead}; missed: {missed_text(found.starts)}", remedy)
    else:
        yield ok("schedule", f"{lead}; {following}; no start was missed")


def _lingering(found: Schedule) -> Iterator[Finding]:
    """Whether units of a user run while that user is not logged in."""
    if sys.platform != "linux" or not any(
        isinstance(scheduler, Systemd) and not scheduler.is_system
        for scheduler, _ in found.installed
    ):
        return
    import getpass  # only with units of a user

    user = getpass.getuser()
    if not lingers(user):
        text = f"runs start only while {user} is logged in"
        yield warning("schedule", text, f"`loginctl enable-linger {user}`")
