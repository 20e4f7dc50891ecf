"""`pipekit status`: the current state, from the ledger and the lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pipekit.cli.attention import acknowledge as acknowledge_all
from pipekit.cli.attention import print_attention
from pipekit.cli.common import configuration, known_folders
from pipekit.cli.details import print_details
from pipekit.cli.health import print_disks, print_findings
from pipekit.cli.help import Command
from pipekit.cli.options import json_option
from pipekit.cli.output import coloured, print_json, print_line, print_text
from pipekit.errors import EXIT_ERROR, ConfigError, PipekitError, UsageError
from pipekit.model.quantity import duration_text, local_time, plural
from pipekit.model.run import Paths, Rejection
from pipekit.model.status import DIED, HELD, REFUSED, StageStatus
from pipekit.model.text import escaped
from pipekit.read.findings import Level, and_more, worst
from pipekit.read.runs import lock_holder, no_runs, refusal_record, run_record, without_name
from pipekit.read.schedule import JOB_TABLES, next_start
from pipekit.read.state import ProjectState, StageEntry, look

if TYPE_CHECKING:
    from pipekit.config import Configuration
    from pipekit.read.live import Doing
    from pipekit.storage.holder import Holder
    from pipekit.storage.refusals import Refusal

_TABLES = ("pipeline", "expect", *JOB_TABLES)
_LONG_SILENCE = 30  # seconds; a shorter one is not worth a line


@click.command(
    "status",
    cls=Command,
    exits={
        Level.WARNING: "with --check: something is not as it should be",
        Level.BROKEN: "with --check: stale or failed",
        EXIT_ERROR: "an invalid configuration, an unusable ledger, or an internal error; with "
        "--check also: unknown",
    },
    example=("pipekit status --check", "one line, and the exit code of a monitoring plugin"),
)
@click.option("--check", is_flag=True, help="Print one line, and exit with 0 only if all is well.")
@click.option(
    "-C",
    "--project",
    "projects",
    multiple=True,
    type=click.Path(file_okay=False, readable=False, path_type=Path),
    help="Project folder; repeatable, for the status of several projects.",
)
@click.option(
    "--acknowledge", is_flag=True, help="Note that rejected files and the like were looked at."
)
@click.option("--reason", default="", help="With --acknowledge: a note on what was done about it.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    check: bool,
    projects: Sequence[Path],
    acknowledge: bool,
    reason: str,
    as_json: bool,
) -> int:
    """Show the state of the project: the last run, failures, rejected files.

    The first line names the worst problem. Each stage is shown as of the last run in which it had
    work. The exit code is 0 even if a stage has failed, unless --check asks for it. Rejected files,
    rows set aside, files that became empty or shorter, and runs that were refused are shown until
    --acknowledge; what comes later is shown again.
    """
    if (acknowledge and (check or as_json or len(projects) > 1)) or (reason and not acknowledge):
        raise UsageError("--acknowledge is for one project and excludes --check and --json")
    if len(projects) > 1:
        return _several(ctx, projects, check=check, as_json=as_json)
    if projects:
        ctx.obj["project"] = projects[0]
    if check:
        return _check(ctx)
    if acknowledge:
        configuration(ctx, tables=("paths",))  # or another folder than the project's would be noted
    seen = _look(ctx)
    if acknowledge:
        acknowledge_all(seen.state.attention, seen.paths, reason)
    elif as_json:
        print_json(_record(seen))
    else:
        _print(seen)
    if seen.problem is not None:
        raise seen.problem
    return 0


class _Seen(NamedTuple):
    """A project. `settings`: None if they cannot be read; `problem`: why not."""

    state: ProjectState
    paths: Paths
    settings: Configuration | None
    problem: ConfigError | None


def _look(ctx: click.Context) -> _Seen:
    """The state of a project, as far as its configuration can be read."""
    problem = settings = None
    try:
        settings = configuration(ctx, tables=_TABLES)
        paths = settings.folders
    except ConfigError as error:
        problem = error
        paths, _ = known_folders(ctx)
    names = list(settings.stages) if settings else []
    return _Seen(look(paths, names, settings), paths, settings, problem)


def _check(ctx: click.Context, name: str = "") -> int:
    """Print the verdict in one line; returns its exit code."""
    try:
        seen = _look(ctx)
    except (PipekitError, OSError) as error:
        first, *_ = str(error).splitlines() or [""]
        print_line(f"{name}UNKNOWN: {first}")
        return Level.UNKNOWN
    found = seen.state.findings(seen.problem)
    print_line(f"{name}{found[0]}{and_more(found)}")
    return found[0].level


def _several(ctx: click.Context, projects: Sequence[Path], *, check: bool, as_json: bool) -> int:
    """The same for each of several projects; one that cannot be read does not hide the others."""
    codes: list[int] = []
    records: list[dict[str, Any]] = []
    for number, folder in enumerate(projects):
        ctx.obj["project"] = folder
        if check:
            codes.append(_check(ctx, f"{folder}: "))
            continue
        if number and not as_json:
            print_line()
        try:
            seen = _look(ctx)
        except (PipekitError, OSError) as error:
            print_text(f"{folder}: {error}", hang=2, err=True)
            records.append({"project": str(folder), "problem": str(error)})
            codes.append(getattr(error, "exit_code", EXIT_ERROR))
            continue
        if as_json:
            records.append({"project": str(seen.paths.root), **_record(seen)})
        else:
            print_text("", click.style(escaped(folder), bold=True))
            _print(seen)
        if seen.problem is not None:
            print_text(f"{folder}: {seen.problem}", hang=2, err=True)
            codes.append(seen.problem.exit_code)
    if as_json and not check:
        print_json(records)
    return worst(codes)


def _print(seen: _Seen) -> None:
    _print_state(seen.state, seen.paths)
    print_text(next_start(seen.settings, seen.state.hold).text, "next start: ", hang=2)


def _print_state(state: ProjectState, paths: Paths) -> None:
    if (state.hold, state.holder, state.refused, state.last) == (None, None, None, None):
        print_line(no_runs(paths))
        return
    _print_verdict(state)
    if holder := _holder_now(state.holder, paths):
        _print_holder(holder, state.now)
    if state.refused:
        _print_refused(state.refused)
    if state.last is None:
        return
    going_on = state.last.status is None and not state.is_dead
    going_on |= state.holder is not None and state.holder.run_id == state.last.run_id
    if not going_on:
        lead = f"last run {state.last.number}: {coloured(state.last.status or DIED)} "
        print_text(f"at {local_time(state.last.started)}", lead, hang=2)
    if state.worked is not None and state.worked.number != state.last.number:
        run = state.worked
        lead = f"last run with work {run.number}: {coloured(run.status or DIED)} "
        print_text(f"at {local_time(run.started)}", lead, hang=2)
    if state.last.status is None and not going_on:
        at = f" while {state.now.stage} was running" if state.now else ""
        print_text(f"pipekit died{at}; the next run records it as a failure", "  ", hang=4)
    _print_sinks(state)
    for name, entry in state.stages.items():
        if entry is not None or not (state.now and state.now.stage == name):
            later = state.backing_off.get(name, ())
            _print_stage(name, entry, later, listed=name in state.rejected)
            if entry is not None and name in state.details:
                print_details(name, entry["run"], state.details[name])
    for stage, files in state.attention.rejected.items():
        _print_rejected(stage, files)
    print_attention(state.attention, paths)
    if state.trash:
        text = f"of {plural(state.trash, 'run')}; `pipekit lifecycle restore` lists them"
        print_text(f"files {text}", "trash: ", hang=2)
    print_disks(paths)


def _print_sinks(state: ProjectState) -> None:
    said = state.findings()[0].text
    for trouble in state.sinks:
        if trouble.sentence != said:
            print_text(f"warning: {trouble.sentence}", "  ", hang=4)


def _print_verdict(state: ProjectState) -> None:
    """Print what is wrong, the worst first; a hold before it, and once."""
    if state.hold:
        print_text(str(state.hold), f"{coloured(HELD)}: ", hang=2)
    found = [each for each in state.findings() if each.text != str(state.hold)]
    if found:
        print_findings(found)


def _holder_now(holder: Holder | None, paths: Paths) -> Holder | None:
    """Who holds the lock, asked again if its process has ended since it was looked for."""
    has_ended = holder is not None and holder.run_id and not holder.alive
    return lock_holder(paths) if has_ended else holder


def _print_holder(holder: Holder, now: Doing | None) -> None:
    if not holder.run_id:
        print_text(without_name(holder), hang=2)
    else:
        _print_run(holder)
    if now is not None and holder.alive:
        print_text(f"  now {': '.join(filter(None, (now.stage, str(now))))}", hang=4)
        if now.silent >= _LONG_SILENCE:
            print_line(f"  silent for {duration_text(round(now.silent))}: no event, no output")


def _print_run(holder: Holder) -> None:
    lead = "" if holder.alive else "stopping what is left of "
    where = "" if holder.local else f" on {holder.host}"
    since = f" since {local_time(holder.since)}" if holder.since else ""
    run = holder.run or holder.run_id
    goes_on = " is going on" if holder.alive else ""
    print_text(f"{lead}run {run}{goes_on}{since}, process {holder.pid}{where}", hang=2)


def _print_refused(refused: Refusal) -> None:
    first = local_time(refused.first)
    times = f", {refused.times} times since {first}" if refused.times > 1 else ""
    text = f"at {local_time(refused.last)}{times}: no run was made"
    print_text(text, f"{coloured(REFUSED)} ", hang=2)
    for line in refused.error.splitlines():
        print_text(line, "  ", hang=4)


def _print_stage(
    name: str, entry: StageEntry | None, later: Iterable[str], *, listed: bool
) -> None:
    """Print how a stage ended. `later`: what backs off. `listed`: its rejected files are below."""
    if entry is None:
        print_text(f"{name}: has not run yet", "  ")
        return
    sentence = entry.get("sentence") or f"{name}: {entry.get('status', 'unknown')}"
    idle = entry.get("idle_since")
    since = f"; nothing to do since run {idle}" if idle else ""
    print_text(f"{sentence} (run {entry['run']}){since}", "  ")
    only_rejected = entry.get("status") == StageStatus.PARTIAL and not entry.get("kind")
    error = "" if listed and only_rejected else entry.get("error") or ""
    for line in (*error.splitlines(), *later):
        print_text(line, "    ")


def _print_rejected(stage: str, files: Sequence[Rejection]) -> None:
    print_line(f"{plural(len(files), 'file')} rejected by {stage}:")
    for known in files:
        reason = known.reason.removeprefix(f"{known.path}: ")
        print_text(f"{known.path}: {reason} (run {known.run_number})", "  ", hang=4)


def _running(state: ProjectState) -> str | None:
    """The id of the run that is going on, if it is known."""
    if state.holder is not None and state.holder.run_id:
        return state.holder.run_id
    is_on = state.last is not None and state.last.status is None and not state.is_dead
    return state.last.run_id if state.last is not None and is_on else None


def _record(seen: _Seen) -> dict[str, Any]:
    state = seen.state
    last = state.last
    found = state.findings()
    return {
        "verdict": {"code": found[0].level, "text": str(found[0])},
        "findings": [{"level": each.level.name.lower(), "text": each.text} for each in found],
        "expected": [each._asdict() for each in state.verdicts],
        "hold": state.hold._asdict() if state.hold else None,
        "next_start": next_start(seen.settings, state.hold).at,
        "running": _running(state),
        "now": state.now._asdict() if state.now else None,
        "last_run": None if last is None else run_record(last),
        "refused": refusal_record(state.refused) if state.refused else None,
        "sinks": [each._asdict() for each in state.sinks],
        "stages": state.stages,
        "backing_off": state.backing_off,
        "details": {name: each._asdict() for name, each in state.details.items()},
        "trash": state.trash,
        "attention": state.attention.record(),
        "rejected": {
            stage: [{"path": r.path, "reason": r.reason, "run": r.run_number} for r in files]
            for stage, files in state.rejected.items()
        },
    }
