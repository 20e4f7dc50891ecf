"""Waits for the nodes of a run that died: its successor must not work beside them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from pipekit.model.run import Paths
from pipekit.model.secrets import Mask
from pipekit.process.remote.folder import AttemptFolder, begin
from pipekit.process.remote.lease import Orders, write_lease
from pipekit.process.remote.spec import LeaseTerms
from pipekit.run.remote.engine import LEASE
from pipekit.run.report_file import ReportReader
from pipekit.storage.attempts import Attempt, Attempts
from pipekit.storage.runs import RunHistory

_NAP = 0.1


def await_nodes(ledger: RunHistory, paths: Paths, run_id: str, mask: Mask | None) -> str:
    """Make sure that nothing of a dead run goes on elsewhere; a clause if that took a while.

    Its nodes are told by the lease; those that do not hear of it stop when it ends. What has not
    begun never will. Needs the run lock.
    """
    attempts = Attempts(ledger)
    left = attempts.unsettled(run_id)
    if not left:
        return ""
    started = time.monotonic()
    for lease in (paths.runs / run_id).glob(f"*.{LEASE}"):
        with contextlib.suppress(OSError):
            write_lease(lease, time.time_ns(), Orders(over=True), paths.file_mode)
    begun = [attempt for attempt in left if _may_run(paths, attempt)]
    _wait(paths, begun, started)
    for attempt in left:
        _clean_up(_folder(paths, attempt), mask)
    attempts.settle(attempt.number for attempt in left)
    if not begun:
        return ""
    waited, tasks = time.monotonic() - started, f"{len(begun)} task{'s' * (len(begun) > 1)}"
    return f"; {tasks} of it on other machines ended, which took {waited:.1f} s to make sure of"


def _wait(paths: Paths, attempts: Sequence[Attempt], since: float) -> None:
    """Wait until each has an outcome, or its lease has certainly ended."""
    waiting = list(attempts)
    while waiting:
        now = time.monotonic() - since
        waiting = [
            attempt
            for attempt in waiting
            if now < LeaseTerms(seconds=attempt.lease).dead_after(attempt.grace)
            and not _folder(paths, attempt).outcome.exists()
        ]
        if waiting:
            time.sleep(_NAP)


def _may_run(paths: Paths, attempt: Attempt) -> bool:
    """Whether a node has begun it and may still be at it; if none has, none ever will."""
    folder = _folder(paths, attempt)
    try:
        return not begin(folder, "the next run") and not folder.outcome.exists()
    except FileNotFoundError:  # its folder was not even made
        return False
    except OSError:
        return True


def _clean_up(folder: AttemptFolder, mask: Mask | None) -> None:
    """Remove what may hold secrets, and hide those in the report."""
    with contextlib.suppress(OSError):
        folder.spec.unlink()
    with contextlib.closing(ReportReader(folder.report, mask=mask)) as reader:
        reader.poll()
        reader.conceal()


def _folder(paths: Paths, attempt: Attempt) -> AttemptFolder:
    above = paths.runs / attempt.run_id / attempt.stage / attempt.task
    return AttemptFolder(above / str(attempt.number))
