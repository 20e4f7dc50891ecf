"""The runs of a project: in the ledger, refused, held, or going on now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipekit import config
from pipekit.errors import UsageError
from pipekit.model.run import Paths
from pipekit.model.status import DIED, REFUSED, RUNNING

if TYPE_CHECKING:
    from pipekit.model.run import PipelineState
    from pipekit.storage.hold import Hold
    from pipekit.storage.holder import Holder
    from pipekit.storage.refusals import Refusal
    from pipekit.storage.troubles import Troubles


def default_folders(root: Path) -> Paths:
    """The folders of a project whose configuration says nothing of them."""
    usual = config.PathsConfig()
    return Paths(root, root / usual.data, root / usual.logs, root / usual.state)


def refusals(paths: Paths) -> list[Refusal]:
    """The runs that were refused, oldest first; some while the configuration could not be read."""
    from pipekit.storage.refusals import Refusals  # rarely needed

    states = {paths.state, default_folders(paths.root).state}
    found = [refusal for state in states for refusal in Refusals(state).read()]
    return sorted(found, key=lambda refusal: refusal.last)


def refusing(refused: Sequence[Refusal], latest: PipelineState | None) -> Refusal | None:
    """The latest refusal since which no run has begun. `latest`: the latest run, or None.

    By the numbers of runs, since a clock may have been wrong. Where the number is not known, or no
    run has it yet (it is of another ledger), the time decides, unless it is still to come.
    """
    now = time.time()

    def is_since(refusal: Refusal) -> bool:
        if latest is None:
            return True
        if refusal.after is not None and refusal.after <= latest.number:
            return refusal.after == latest.number
        return latest.started <= refusal.last <= now

    return next(filter(is_since, reversed(refused)), None)


def refusal_record(refusal: Refusal) -> dict[str, object]:
    """A refused run as `--json` has it: the keys of a run, and why it was refused, how often."""
    return {
        "run": None,
        "run_id": None,
        "started": refusal.last,
        "ended": refusal.last,
        "status": REFUSED,
        "exit_code": refusal.exit_code,
        "error": refusal.error,
        "count": refusal.times,
        "first": refusal.first,
    }


def open_history(paths: Paths) -> Troubles | None:
    """The ledger's runs for reading, or None before the first run."""
    from pipekit.storage.database import ledger_exists  # loads sqlite3
    from pipekit.storage.troubles import Troubles

    path = paths.ledger
    there = ledger_exists(path)
    return Troubles(path, read_only=True, any_version=True) if there else None


def completed(runs: Iterable[PipelineState], paths: Paths) -> list[PipelineState]:
    """The runs, with the ends that the ledger could not take."""
    from pipekit.storage.ends import with_end  # few runs lack an end

    return [with_end(run, paths) if run.status is None else run for run in runs]


class RunNow(NamedTuple):
    """A run as it is now. One that has no end and is not going on has died."""

    run: PipelineState
    is_on: bool = False

    @property
    def is_dead(self) -> bool:
        """Whether it died, and no run has closed it yet."""
        return self.run.status is None and not self.is_on

    @property
    def status(self) -> str:
        """How it ended, or `running` or `died`."""
        return self.run.status or (RUNNING if self.is_on else DIED)


def as_of_now(runs: Iterable[PipelineState], paths: Paths) -> tuple[list[RunNow], Holder | None]:
    """These runs, which were just read from the ledger, as they are now; and who holds the lock.

    A run holds the lock from before it is in the ledger until after its end is. So one has died if
    it has no end in the ledger, then does not hold the lock, and then still has no end.
    """
    known, holder = completed(runs, paths), lock_holder(paths)
    return [_as_of_now(run, paths, holder) for run in known], holder


def _as_of_now(run: PipelineState, paths: Paths, holder: Holder | None) -> RunNow:
    if run.status is not None:
        return RunNow(run)
    if holder is not None and (not holder.run_id or _is(holder, run.run_id)):
        return RunNow(run, is_on=True)  # a holder that is not known may be this run
    from pipekit.storage.claims import is_claimed

    again = _in_ledger(run.run_id, paths) or run
    is_on = again.status is None and is_claimed(paths.journal(run.run_id))
    return RunNow(again, is_on)  # it is on without its lock if all of that was deleted


def is_going_on(paths: Paths, run_id: str) -> bool:
    """Whether this run is going on now."""
    holder = lock_holder(paths)
    if holder is not None and holder.run_id:
        return _is(holder, run_id)
    found = _in_ledger(run_id, paths)
    return found is not None and as_of_now([found], paths)[0][0].is_on


def _is(holder: Holder, run_id: str) -> bool:
    return holder.run_id == run_id and holder.alive


def _in_ledger(run_id: str, paths: Paths) -> PipelineState | None:
    ledger = open_history(paths)
    if ledger is None:
        return None
    with ledger:
        found = ledger.run(run_id)
    return None if found is None else completed([found], paths)[0]


def without_name(holder: Holder) -> str:
    """What to say of a holder of the lock if it is not known which run it is."""
    if holder.exit_code is not None:
        return "a run is just beginning or ending"
    return "a run is going on; its record (lock.json in the state folder) is gone or damaged"


def no_runs(paths: Paths) -> str:
    """What to say when the ledger knows no run."""
    if next(paths.events.glob("pipeline_*.jsonl"), None) is None:
        return "no runs yet; start one with `pipekit run`"
    return f"the ledger is new or gone, but there are journals of earlier runs in {paths.events}"


def find_run(paths: Paths, run: str | None) -> PipelineState:
    """The run with this id, start of an id or number; the latest one by default.

    The argument is looked up in the ledger and never used as a path. Raises UsageError.
    """
    history = open_history(paths)
    if history is None:
        raise UsageError(no_runs(paths))
    with history:
        latest = history.runs(limit=1)
        if not latest:
            raise UsageError(no_runs(paths))
        state = latest[0] if run is None else history.run(run)
        if state is not None:
            return completed([state], paths)[0]
        several = any(known.run_id.startswith(str(run)) for known in history.runs(limit=1000))
    problem = f"several ids begin with {run!r}" if several else f"there is no run {run!r}"
    raise UsageError(
        f"{problem}; the latest is run {latest[0].number}, and `pipekit history --all` lists "
        "them all"
    )


def lock_holder(paths: Paths) -> Holder | None:
    """The run that is going on, even if its lock file was deleted."""
    from pipekit.storage.lock import running  # few commands ask

    return running(paths.state)


def current_hold(paths: Paths) -> Hold | None:
    """What keeps runs from beginning: see `pipekit hold`."""
    from pipekit.storage.hold import HoldFile  # few commands ask

    return HoldFile(paths.state).read(time.time())


def run_record(run: PipelineState) -> dict[str, object]:
    """A run as `--json` has it."""
    return {
        "run": run.number,
        "run_id": run.run_id,
        "started": run.started,
        "ended": run.ended,
        "status": run.status,
        "exit_code": run.exit_code,
    }
