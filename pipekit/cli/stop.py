"""`pipekit stop`: stop the run that is going on, from another terminal."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import click

from pipekit.cli.common import known_folders
from pipekit.cli.help import Command
from pipekit.cli.output import print_line
from pipekit.errors import PipekitError
from pipekit.model.system import quoted
from pipekit.read.runs import lock_holder, open_history, without_name

if sys.platform == "win32":
    from pipekit.process.stop_event import send_sigterm

if TYPE_CHECKING:
    from pipekit.model.run import Paths
    from pipekit.storage.holder import Holder

_LOOK_EVERY = 0.05  # seconds
_ASK_EVERY = 0.5  # seconds, for a run that is to end at once
_PATIENCE = 5.0  # seconds, for a run that is just beginning to say which it is


@click.command(
    "stop", cls=Command, example=("pipekit stop --now", "without waiting for what is running")
)
@click.option("--now", is_flag=True, help="Kill its programs at once, without a grace period.")
@click.pass_context
def command(ctx: click.Context, now: bool) -> int:
    """Stop the current run.

    Its programs get SIGTERM (on Windows Ctrl-Break, if there is a console) and their grace period
    to end; then the run ends as `cancelled`, with exit code 143. This command waits for that.
    Without a current run it does nothing.
    """
    paths, problem = known_folders(ctx)
    holder = _holder(paths)
    if holder is None and problem is not None:
        raise problem  # it may be going on in a state folder that is set there
    if holder is None:
        print_line("no run is going on")
        return 0
    begun = time.monotonic()
    _stop(paths, holder, now)
    took = time.monotonic() - begun
    ledger = open_history(paths)
    state = ledger.run(holder.run_id) if ledger is not None else None
    status = f": {state.status}" if state is not None and state.status else ""
    print_line(f"stopped {holder}, in {took:.1f} s{status}")
    return 0


def _holder(paths: Paths) -> Holder | None:
    """The run that is going on. Raises PipekitError if it does not say for a while which it is."""
    until = time.monotonic() + _PATIENCE
    while (holder := lock_holder(paths)) and not holder.run_id:
        if time.monotonic() > until:
            raise PipekitError(f"{without_name(holder)}: {_how_to_stop(paths, holder)}")
        time.sleep(_LOOK_EVERY)
    return holder


def _how_to_stop(paths: Paths, holder: Holder) -> str:
    if holder.exit_code is not None:
        return "nothing was stopped; try again in a moment"
    if sys.platform == "win32":
        return "nothing was stopped; end `pipekit run` where it was started, or in Task Manager"
    which = f"`lsof {quoted(str(paths.state / 'lock'))}` lists the processes that have its lock"
    return f"nothing was stopped; send SIGTERM to `pipekit run` yourself ({which})"


def _stop(paths: Paths, holder: Holder, now: bool) -> None:
    """Ask the run to stop, and wait until it, and all that it has started, has ended."""
    if not holder.local:
        raise PipekitError(f"{holder}: it can be stopped only there, with `pipekit stop`")
    print_line(f"stopping {holder}", err=True)
    asked = 0.0
    while (going_on := lock_holder(paths)) and going_on.run_id in ("", holder.run_id):
        if not asked or (now and time.monotonic() - asked > _ASK_EVERY):
            asked = time.monotonic()
            try:
                _terminate(holder)
            except ProcessLookupError:
                _check_that_it_ends(paths, holder)
        time.sleep(_LOOK_EVERY)


def _terminate(holder: Holder) -> None:
    """SIGTERM for this very process: the second one makes a run end at once.

    Raises ProcessLookupError if it does not exist any more.
    """
    try:
        if sys.platform == "win32":
            send_sigterm(holder.pid, holder.start)
            return
        if not holder.alive:
            raise ProcessLookupError
        if sys.platform != "linux":
            os.kill(holder.pid, signal.SIGTERM)
            return
        process = os.pidfd_open(holder.pid)
        try:
            if holder.alive:  # else its id has been given to another process meanwhile
                signal.pidfd_send_signal(process, signal.SIGTERM)
        finally:
            os.close(process)
    except PermissionError as error:
        powerful = "an administrator" if sys.platform == "win32" else "root"
        raise PipekitError(
            f"{holder} belongs to another user, who alone (or {powerful}) can stop it"
        ) from error


def _check_that_it_ends(paths: Paths, holder: Holder) -> None:
    """Nobody heard it: on Linux the guardian ends what is left, on Windows nothing can be left."""
    going_on = lock_holder(paths)
    if sys.platform == "win32" and going_on and going_on.run_id == holder.run_id:
        raise PipekitError(f"{holder} hears no request to stop: end it in Task Manager")
