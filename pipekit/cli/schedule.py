"""`pipekit schedule`: have the operating system's scheduler start runs, and see that it does."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import click

from pipekit.cli.common import (
    configuration,
    current_hold,
    json_option,
    open_history,
    open_project,
    project_root,
    refusals,
    run_record,
)
from pipekit.cli.help import Command, Group
from pipekit.cli.output import (
    local_time,
    plural,
    print_json,
    print_line,
    print_output,
    print_table,
    print_text,
)
from pipekit.config import Configuration
from pipekit.config.sources import PREFIX
from pipekit.errors import UsageError
from pipekit.model.run import Paths, PipelineState
from pipekit.model.timetable import Timetable
from pipekit.run.inputs import input_folders
from pipekit.schedule import choice
from pipekit.schedule.job import Job, command_line, is_job_name, job_name, stop_time
from pipekit.schedule.log import LOG_NAME
from pipekit.schedule.missed import Starts, look_for
from pipekit.schedule.scheduler import Installed, Scheduler
from pipekit.schedule.systemd import lingers
from pipekit.storage.hold import HoldFile

_DAY = 86_400.0
_SHOWN = 5  # starts, and missed ones
_MOST_WATCHED = 100  # folders


def _checked_job(_ctx: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    if name is not None and not is_job_name(name):
        raise click.BadParameter(f"{name!r}: a job is named like pipekit-bars-1b8f0c52")
    return name


@click.group(
    "schedule",
    cls=Group,
    example=("pipekit schedule install", "a run every quarter of an hour"),
)
def command() -> None:
    """Have the operating system's scheduler start runs.

    When they start is said in pipekit.toml, by the table `[schedule]`: every quarter of an hour by
    default.
    """


@command.command(
    "install",
    cls=Command,
    example=("pipekit schedule install --print", "what it would write"),
)
@click.option(
    "--with",
    "chosen",
    type=click.Choice(choice.NAMES),
    help="The scheduler (default: what this machine has; on Linux systemd, else cron).",
)
@click.option("--system", is_flag=True, help="As system units of systemd, which needs root.")
@click.option(
    "--on-arrival",
    is_flag=True,
    help="Also start a run when a file arrives in a folder that the first stages read; "
    "systemd and launchd can do that.",
)
@click.option(
    "--partial-is-success",
    is_flag=True,
    help="Let systemd count exit code 1 (partial) as success.",
)
@click.option("--print", "only_print", is_flag=True, help="Print what would be written, no more.")
@click.pass_context
def install(
    ctx: click.Context,
    chosen: str | None,
    system: bool,
    on_arrival: bool,
    partial_is_success: bool,
    only_print: bool,
) -> int:
    """Have runs of this project started from now on.

    Replaces what was installed for it before, with whatever scheduler. The runs need nothing from
    the environment, print nothing if all is well, and belong to the user who calls this; with
    --system, to the owner of the project's folder.
    """
    name = chosen or choice.default_name(system=system)
    scheduler = choice.scheduler(name, system=system)
    if on_arrival and name not in choice.WATCHING:
        able = " and ".join(choice.WATCHING)
        raise UsageError(f"{name} cannot start runs when files arrive; {able} can")
    settings = configuration(ctx)
    job = _job(settings)._replace(
        partial_is_success=partial_is_success,
        watched=_watched(ctx) if on_arrival else (),
        user=_owner(settings.root) if system else "",
    )
    if only_print:
        _print_files(scheduler, job)
        return 0
    if system:
        _check_root()
    _remove_from_others(scheduler, job)
    scheduler.install(job)
    print_text(f"installed in {scheduler.title}: {job.name}, {job.timetable}", hang=2)
    print_line(f"next start: {local_time(job.timetable.next_start(time.time()))}")
    print_text(f"what runs print: {scheduler.log_hint.replace('NAME', job.name)}", hang=2)
    _print_cautions(settings, name, system)
    return 0


@command.command(
    "remove",
    cls=Command,
    example=("pipekit schedule remove", "runs start by hand alone"),
)
@click.option(
    "--job",
    "name",
    callback=_checked_job,
    help="The job of a project that has moved or is gone, by its name.",
)
@click.pass_context
def remove(ctx: click.Context, name: str | None) -> int:
    """Have no more runs of this project started.

    Leaves nothing of what was installed. A run that is going on is not stopped.
    """
    root = Path.cwd() if name else project_root(ctx)
    job = _bare_job(root)
    job = job._replace(name=name or job.name)
    found = [each for each in choice.of_this_machine() if each.installed(job)]
    for scheduler in found:
        scheduler.remove(job.name)
        print_line(f"removed from {scheduler.title}: {job.name}")
    if not found:
        print_line(f"nothing was installed for {name or root}")
    return 0


@command.command(
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
    settings = configuration(ctx)
    job, paths, now = _job(settings), settings.folders, time.time()
    found = [(each, there) for each in choice.of_this_machine() if (there := each.installed(job))]
    state = _look(job.timetable, paths, [there for _, there in found], now)
    if as_json:
        print_json(_record(job, found, state))
    else:
        _print(ctx, job, found, state)
    return 0


class _State(NamedTuple):
    """`next`: Unix time, None if it is not known. `runs`: newest first. `starts`: of a day."""

    next: float | None
    runs: list[PipelineState]
    starts: Starts | None


def _job(settings: Configuration) -> Job:
    graces = [stage.grace for stage in settings.stages.values() if stage.grace is not None]
    return _bare_job(settings.root)._replace(
        timetable=settings.schedule.timetable,
        log=settings.folders.logs / LOG_NAME,
        stop_time=stop_time(graces),
    )


def _bare_job(root: Path) -> Job:
    """What is known of the job even if the configuration is broken."""
    timetable = Timetable(900)
    return Job(job_name(root), root, command_line(root), timetable, log=root / "logs" / LOG_NAME)


def _watched(ctx: click.Context) -> tuple[Path, ...]:
    """The folders that the first stages read. Raises UsageError if there are none, or too many."""
    folders = input_folders(open_project(ctx))
    if not folders:
        raise UsageError("--on-arrival: the first stages look for files in no folder")
    if len(folders) > _MOST_WATCHED:
        raise UsageError(
            f"--on-arrival: the first stages read {len(folders):,} folders, and at most "
            f"{_MOST_WATCHED} can be watched; use a shorter [schedule] every instead"
        )
    for folder in folders:
        print_line(f"watched: {folder}", err=True)
    print_text(
        "folders that are created below them later are not watched until `install` is "
        "called again; the timer finds their files",
        err=True,
        hang=2,
    )
    return tuple(folders)


def _print_files(scheduler: Scheduler, job: Job) -> None:
    for file in scheduler.files(job):
        print_line(f"# {file.place}")
        print_line()
        print_output(file.text)


def _check_root() -> None:
    if sys.platform != "win32" and os.geteuid() != 0:
        raise UsageError("system units need root: call this with sudo, or leave out --system")


def _remove_from_others(scheduler: Scheduler, job: Job) -> None:
    """One scheduler is enough: two would start runs twice."""
    for other in choice.of_this_machine():
        if other.title != scheduler.title and other.installed(job):
            other.remove(job.name)
            print_line(f"removed from {other.title}: {job.name}", err=True)


def _owner(folder: Path) -> str:
    """Who runs system units: whoever can change the project, and so what they start."""
    if sys.platform == "win32":
        return ""
    try:
        return folder.owner()
    except KeyError:  # the user has no name
        return str(folder.stat().st_uid)


def _print_cautions(settings: Configuration, name: str, system: bool) -> None:
    """What could keep the runs from being what the user expects."""
    only_here = os.environ.keys() - settings.variables.keys()
    here = [each for each in sorted(only_here) if each.startswith(PREFIX) and "__" in each]
    if here:
        print_text(
            f"caution: scheduled runs do not have {', '.join(here)}, which is set here; write it "
            "into pipekit.toml, or into the file of [secrets]",
            err=True,
            hang=2,
        )
    if name == "systemd" and not system and sys.platform == "linux":
        import getpass

        user = getpass.getuser()
        if not lingers(user):
            print_text(
                "caution: units of a user run only while that user is logged in; "
                f"`loginctl enable-linger {user}` changes that",
                err=True,
                hang=2,
            )


def _look(timetable: Timetable, paths: Paths, there: list[Installed], now: float) -> _State:
    ledger = open_history(paths)
    runs = [] if ledger is None else ledger.runs(limit=int(_DAY / 60) + _SHOWN)
    if not there or not all(each.current for each in there):
        return _State(None, runs, None)
    known = [*_known(runs, now), *((each.first, each.last) for each in refusals(paths))]
    hold = HoldFile(paths.state).latest()
    known += hold.held if hold else ()
    begin = max(now - _DAY, min(each.since for each in there) + 1)
    hold = current_hold(paths)
    following = timetable.next_start(max(now, hold.until if hold else now))
    return _State(following, runs, look_for(timetable, begin, now, known))


def _known(runs: list[PipelineState], now: float) -> list[tuple[float, float]]:
    """From when until when runs went on; the latest one may still do so."""
    ends = [now if run.ended is None and run is runs[0] else run.ended for run in runs]
    return [(run.started, end or run.started) for run, end in zip(runs, ends, strict=True)]


def _print(
    ctx: click.Context, job: Job, found: list[tuple[Scheduler, Installed]], state: _State
) -> None:
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
    hold = current_hold(configuration(ctx, tables=("paths",)).folders)
    if hold:
        print_text(str(hold), "held: ", hang=2)
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
    expected = f"of {plural(starts.expected, 'start')} in the last 24 hours"
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
