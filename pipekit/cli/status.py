"""`pipekit status`: how things stand, from the ledger and the lock; imports no plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from pipekit.cli.common import NO_RUN, configuration, json_option, open_history
from pipekit.cli.help import Command
from pipekit.cli.output import coloured, print_json, say, when
from pipekit.model.run import PipelineState, Rejection


@click.command(
    "status",
    cls=Command,
    example=("pipekit status --json", "the same for a program"),
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Say how things stand: the last run, what failed, what was rejected.

    For each stage: what came of it when it last had work. A stage that failed does not change the
    exit code.
    """
    from pipekit.storage.lock import RunLock

    config = configuration(ctx, tables=("pipeline", "paths", "stages"))
    paths, stages = config.folders, tuple(config.stages)
    lock = RunLock(paths.state, "")
    ledger = open_history(paths)
    if ledger is None:
        click.echo(NO_RUN, err=as_json)
        if as_json:
            print_json(_record(None, [], dict.fromkeys(stages), {}))
        return 0
    with ledger:
        holder = lock.holder() if lock.held() else None
        runs = ledger.runs(limit=1)
        rejected = {
            stage: [r for r in found if (paths.root / r.path).exists()]
            for stage in ledger.stages()
            if (found := ledger.rejections(stage))
        }
        latest = {name: _latest(ledger.runs(limit=500), name) for name in stages}
    if as_json:
        print_json(_record(holder, runs, latest, rejected))
        return 0
    if holder:
        word = "running" if holder.alive else "ending what is left of"
        click.echo(f"{word} run {holder.run_id} (process {holder.pid} on {holder.host})")
    for run in runs:
        status = coloured(run.status or ("running" if holder else "vanished"))
        lead = f"last run {run.number}: {status} "
        say(f"at {when(run.started)} ({run.run_id})", lead, hang=2)
    for name, facts in latest.items():
        if facts is None:
            click.echo(f"  {name}: it has not run")
            continue
        say(f"{facts['sentence']} (run {facts['run']})", "  ")
        for line in facts.get("error", "").splitlines():
            say(line, "    ")
    for stage, files in rejected.items():
        click.echo(f"{len(files)} file{'s' if len(files) != 1 else ''} rejected by {stage}:")
        for known in files:
            reason = known.reason.removeprefix(f"{known.path}: ")
            say(f"{known.path}: {reason} (run {known.run})", "  ", hang=4)
    return 0


def _latest(runs: list[PipelineState], stage: str) -> dict[str, Any] | None:
    """What came of a stage when it last had anything to do; else when it was last skipped."""
    parts = [{**run.stages[stage], "run": run.number} for run in runs if stage in run.stages]
    return next((p for p in parts if p["status"] != "skipped"), parts[0] if parts else None)


def _record(
    holder: Any,
    runs: list[PipelineState],
    latest: Mapping[str, dict[str, Any] | None],
    rejected: dict[str, list[Rejection]],
) -> dict[str, Any]:
    return {
        "running": holder.run_id if holder else None,
        "last_run": None
        if not runs
        else {
            "run_id": runs[0].run_id,
            "run": runs[0].number,
            "started": runs[0].started,
            "ended": runs[0].ended,
            "status": runs[0].status,
            "exit_code": runs[0].exit_code,
        },
        "stages": latest,
        "rejected": {
            stage: [{"path": c.path, "reason": c.reason, "run": c.run} for c in files]
            for stage, files in rejected.items()
        },
    }
