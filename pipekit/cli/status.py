"""`pipekit status`: the current state, from the ledger and the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from attrs import field, frozen

from pipekit.cli.common import (
    completed,
    configuration,
    json_option,
    known_folders,
    lock_holder,
    no_runs,
    open_history,
    refusal_record,
    refusals,
    run_record,
)
from pipekit.cli.help import Command
from pipekit.cli.output import (
    DIED,
    REFUSED,
    RUNNING,
    coloured,
    local_time,
    plural,
    print_json,
    print_line,
    print_text,
)
from pipekit.errors import ConfigError
from pipekit.model.run import Paths, PipelineState, Rejection
from pipekit.model.status import StageStatus

if TYPE_CHECKING:
    from pathlib import Path

    from pipekit.cli.live import Doing
    from pipekit.storage.lock import Holder
    from pipekit.storage.refusals import Refusal
    from pipekit.storage.runs import RunHistory

_LOOKED_AT = 500  # runs in which each stage's last work is looked for

_NOT_RUN = (StageStatus.BLOCKED, StageStatus.CANCELLED)

StageEntry = dict[str, Any]  # what the ledger knows of a stage's part in a run, and its number


@frozen(kw_only=True)
class _State:
    """What there is to say. `now`: what a run that is going on is at. `refused`: since `last`."""

    holder: Holder | None = None
    now: Doing | None = None
    last: PipelineState | None = None
    stages: dict[str, StageEntry | None] = field(factory=dict)
    rejected: dict[str, list[Rejection]] = field(factory=dict)
    refused: Refusal | None = None


@click.command(
    "status",
    cls=Command,
    example=("pipekit status --json", "the same for a program"),
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Show the last run, failed stages and rejected files.

    Each stage is shown as of the last run in which it had work. The exit code is 0 even if a stage
    has failed.
    """
    paths, problem = known_folders(ctx)
    names: list[str] = []
    try:
        names = list(configuration(ctx, tables=("pipeline", "stages")).stages)
    except ConfigError as error:
        problem = problem or error
    state = _look(paths, names)
    if as_json:
        print_json(_record(state))
    else:
        _print(state, paths)
    if problem is not None:
        raise problem
    return 0


def _look(paths: Paths, names: list[str]) -> _State:
    refused = next(reversed(refusals(paths)), None)
    ledger = open_history(paths)
    if ledger is None:
        return _State(stages=dict.fromkeys(names), refused=refused)
    with ledger:
        holder = lock_holder(paths)
        recent = completed(ledger.runs(limit=_LOOKED_AT), paths)
        last = next(iter(recent), None)
        names = names or list(dict.fromkeys(name for run in recent for name in run.stages))
        rejected = _rejected(ledger, paths.root)
    if refused and last is not None and refused.last < last.started:
        refused = None
    return _State(
        holder=holder,
        now=_doing(paths, last),
        last=last,
        stages={name: _latest(recent, name) for name in names},
        rejected=rejected,
        refused=refused,
    )


def _doing(paths: Paths, last: PipelineState | None) -> Doing | None:
    if last is None or last.status is not None:
        return None
    from pipekit.cli.live import doing  # reads journals, which is rarely needed

    return doing(paths, last.run_id)


def _rejected(ledger: RunHistory, root: Path) -> dict[str, list[Rejection]]:
    """The files that each stage rejected and that still exist."""
    rejected = {
        stage: [known for known in ledger.rejections(stage) if (root / known.path).exists()]
        for stage in ledger.stages()
    }
    return {stage: files for stage, files in rejected.items() if files}


def _latest(runs: list[PipelineState], stage: str) -> StageEntry | None:
    """The stage in the last run in which it had work, else in the last that skipped it.

    `idle_since`: the number of the first run after that in which it had none. A stage that was
    blocked or cancelled has nothing to make up for once it is skipped. Skipped after it had run (it
    found nothing but empty files) is work, too.
    """
    idle_since = None
    skipped: StageEntry | None = None
    for run in runs:
        entry = run.stages.get(stage)
        if entry is None:
            continue
        if entry.get("status") == StageStatus.SKIPPED and not entry.get("tasks"):
            idle_since = run.number
            skipped = skipped or {**entry, "run": run.number}
        elif not (skipped and entry.get("status") in _NOT_RUN):
            return {**entry, "run": run.number, "idle_since": idle_since}
    return skipped


def _print(state: _State, paths: Paths) -> None:
    if state.holder:
        _print_holder(state.holder, state.now)
    if state.refused:
        _print_refused(state.refused)
    if state.last is None:
        if not state.refused:
            print_line(no_runs(paths))
        return
    going_on = state.holder is not None and state.holder.run_id == state.last.run_id
    status = state.last.status or (RUNNING if going_on else DIED)
    lead = f"last run {state.last.number}: {coloured(status)} "
    print_text(f"at {local_time(state.last.started)} ({state.last.run_id})", lead, hang=2)
    if state.last.status is None and not going_on:
        at = f" while {state.now.stage} was running" if state.now else ""
        print_text(f"pipekit died{at}; the next run records it as a failure", "  ", hang=4)
    for name, entry in state.stages.items():
        if entry is not None or not (state.now and state.now.stage == name):
            _print_stage(name, entry)
    for stage, files in state.rejected.items():
        _print_rejected(stage, files)


def _print_holder(holder: Holder, now: Doing | None) -> None:
    if not holder.run_id:
        print_text("a run is going on; it has not said which yet")
        return
    lead = "running" if holder.alive else "stopping what is left of"
    where = "" if holder.local else f" on {holder.host}"
    since = f" since {local_time(holder.since)}" if holder.since else ""
    run = holder.run or holder.run_id
    print_text(f"{lead} run {run}{since}, process {holder.pid}{where}", hang=2)
    if now is not None and holder.alive:
        print_text(f"  now {': '.join(filter(None, (now.stage, str(now))))}", hang=4)


def _print_refused(refused: Refusal) -> None:
    first = local_time(refused.first)
    times = f", {refused.times} times since {first}" if refused.times > 1 else ""
    text = f"at {local_time(refused.last)}{times}: no run was made"
    print_text(text, f"{coloured(REFUSED)} ", hang=2)
    for line in refused.error.splitlines():
        print_text(line, "  ", hang=4)


def _print_stage(name: str, entry: StageEntry | None) -> None:
    if entry is None:
        print_text(f"{name}: has not run yet", "  ")
        return
    sentence = entry.get("sentence") or f"{name}: {entry.get('status', 'unknown')}"
    idle = entry.get("idle_since")
    since = f"; nothing to do since run {idle}" if idle else ""
    print_text(f"{sentence} (run {entry['run']}){since}", "  ")
    for line in (entry.get("error") or "").splitlines():
        print_text(line, "    ")


def _print_rejected(stage: str, files: list[Rejection]) -> None:
    print_line(f"{plural(len(files), 'file')} rejected by {stage}:")
    for known in files:
        reason = known.reason.removeprefix(f"{known.path}: ")
        print_text(f"{known.path}: {reason} (run {known.run_number})", "  ", hang=4)


def _record(state: _State) -> dict[str, Any]:
    holder, last = state.holder, state.last
    return {
        "running": holder.run_id if holder else None,
        "now": state.now._asdict() if state.now else None,
        "last_run": None if last is None else run_record(last),
        "refused": refusal_record(state.refused) if state.refused else None,
        "stages": state.stages,
        "rejected": {
            stage: [{"path": r.path, "reason": r.reason, "run": r.run_number} for r in files]
            for stage, files in state.rejected.items()
        },
    }
