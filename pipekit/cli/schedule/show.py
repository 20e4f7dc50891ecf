"""`pipekit schedule show`: when runs start, when they did, and which starts were missed."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import click

from pipekit.cli.common import (
    current_hold,
    json_option,
    lock_holder,
    open_history,
    refusals,
    run_record,
)
from pipekit.cli.help import Command
from pipekit.cli.output import (
    local_time,
    plural,
    print_json,
    print_line,
    print_table,
    print_text,
)
from pipekit.cli.schedule.job import job_of, schedule_settings
from pipekit.cli.schedule.next import start_after
from pipekit.model.run import Paths, PipelineState
from pipekit.model.timetable import Timetable
from pipekit.schedule import choice
from pipekit.schedule.job import Job
from pipekit.schedule.missed import Starts, look_for
from pipekit.schedule.scheduler import Installed, Scheduler
from pipekit.storage.hold import Hold, HoldFile

_DAY = 86_400.0
_SHOWN = 5  # starts, and missed ones


@click.command(
    "show",
    cls=Command,
    example=("pipekit schedule show --json", "the same for a program"),
)
@json_option
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> int:
    """Show when runs start, when they did, and which starts were missed.

    A start of the last 24 hours is missed if there was no run, no held start and no refusal then.
    """
    settings = schedule_settings(ctx)
    job, paths, now = job_of(settings), settings.folders, time.time()
    found = [(each, there) for each in choice.of_this_machine() if (there := each.installed(job))]
    state = _look(job.timetable, paths, [there for _, there in found], now)
    if as_json:
        print_json(_record(job, found, state))
    else:
        _print(job, found, state)
    return 0


class _State(NamedTuple):
    """`next`: Unix time, None if it is not known. `runs`: newest first. `starts`: of a day."""

    next: float | None
    runs: list[PipelineState]
    starts: Starts | None
    hold: Hold | None


def _look(timetable: Timetable, paths: Paths, there: list[Installed], now: float) -> _State:
    ledger, hold = open_history(paths), current_hold(paths)
    runs = [] if ledger is None else ledger.runs(limit=int(_DAY / 60) + _SHOWN)
    following = start_after(timetable, there, hold, now)
    if following is None:
        return _State(None, runs, None, hold)
    known = [*_known(runs, paths, now), *((each.first, each.last) for each in refusals(paths))]
    latest = HoldFile(paths.state).latest()
    known += latest.held if latest else ()
    begin = max(now - _DAY, min(each.since for each in there) + 1)
    return _State(following, runs, look_for(timetable, begin, now, known), hold)


def _known(runs: list[PipelineState], paths: Paths, now: float) -> list[tuple[float, float]]:
    """From when until when runs went on. One that died is not known to have lasted."""
    holder = lock_holder(paths)
    going_on = holder.run_id if holder else ""
    ends = [now if run.run_id == going_on else run.ended or run.started for run in runs]
    return [(run.started, end) for run, end in zip(runs, ends, strict=True)]


def _print(job: Job, found: list[tuple[Scheduler, Installed]], state: _State) -> None:
    for scheduler, there in found:
        what = job.timetable if there.current else "with other settings than now"
        print_text(f"{scheduler.title}: {job.name}, {what}", hang=2)
        print_line(f"installed: {local_time(there.since)}")
        print_text(f"what runs print: {scheduler.log_hint.replace('NAME', job.name)}", hang=2)
    if not found:
        print_line("nothing is installed; `pipekit schedule install` has runs started")
    elif state.next is None:
        print_text(
            "the settings, or the place of Python, have changed since: `pipekit schedule install`"
        )
    else:
        print_line(f"next start: {local_time(state.next)}")
    if state.hold:
        print_text(str(state.hold), "held: ", hang=2)
    if state.starts is not None:
        _print_missed(state.starts)
    if state.runs:
        rows = [
            (run.number, local_time(run.started), run.status or "not ended")
            for run in state.runs[:_SHOWN]
        ]
        print_table(("run", "last starts", "status"), rows)


def _print_missed(starts: Starts) -> None:
    missed = starts.missed
    expected = f"of {plural(starts.expected, 'start')} since {local_time(starts.begin)[:16]}"
    if not missed:
        print_line(f"missed: none {expected}")
        return
    times = ", ".join(local_time(start)[:16] for start in missed[-_SHOWN:])
    more = f" and {len(missed) - _SHOWN} before" if len(missed) > _SHOWN else ""
    print_text(f"missed: {len(missed)} {expected}: {times}{more}", hang=2)


def _record(job: Job, found: list[tuple[Scheduler, Installed]], state: _State) -> dict[str, Any]:
    return {
        "name": job.name,
        "timetable": {**job.timetable._asdict()},
        "command": list(job.argv),
        "installed": [
            {"scheduler": each.title, "since": there.since, "current": there.current}
            for each, there in found
        ],
        "next_start": state.next,
        "last_starts": [run_record(run) for run in state.runs[:_SHOWN]],
        "expected_starts": state.starts.expected if state.starts else None,
        "missed_starts": state.starts.missed if state.starts else None,
    }
