"""`pipekit status`: the current state, from the ledger and the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from pipekit.cli.common import (
    NO_RUN,
    configuration,
    json_option,
    lock_holder,
    open_history,
    run_record,
)
from pipekit.cli.help import Command
from pipekit.cli.output import (
    RUNNING,
    VANISHED,
    coloured,
    local_time,
    plural,
    print_json,
    print_text,
)
from pipekit.model.run import PipelineState, Rejection
from pipekit.model.status import StageStatus

if TYPE_CHECKING:
    from pathlib import Path

    from pipekit.storage.lock import Holder
    from pipekit.storage.runs import RunHistory

_LOOKED_AT = 500  # runs in which each stage's last work is looked for

StageEntry = dict[str, Any]  # what the ledger knows of a stage's part in a run, and its number


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
    settings = configuration(ctx, tables=("pipeline", "paths", "stages"))
    paths, holder, last = settings.folders, None, None
    latest: dict[str, StageEntry | None] = dict.fromkeys(settings.stages)
    rejected: dict[str, list[Rejection]] = {}
    ledger = open_history(paths)
    if ledger is None:
        click.echo(NO_RUN, err=as_json)
    else:
        with ledger:
            holder = lock_holder(paths)
            recent = ledger.runs(limit=_LOOKED_AT)
            last = next(iter(recent), None)
            latest = {name: _latest(recent, name) for name in latest}
            rejected = _rejected(ledger, paths.root)
    if as_json:
        print_json(_record(holder, last, latest, rejected))
    elif ledger is not None:
        _print_runs(holder, last)
        for name, entry in latest.items():
            _print_stage(name, entry)
        for stage, files in rejected.items():
            _print_rejected(stage, files)
    return 0


def _rejected(ledger: RunHistory, root: Path) -> dict[str, list[Rejection]]:
    """The files that each stage rejected and that are still there."""
    rejected = {
        stage: [known for known in ledger.rejections(stage) if (root / known.path).exists()]
        for stage in ledger.stages()
    }
    return {stage: files for stage, files in rejected.items() if files}


def _latest(runs: list[PipelineState], stage: str) -> StageEntry | None:
    """The stage in the last run in which it had work, else in the last that skipped it."""
    entries = [{**run.stages[stage], "run": run.number} for run in runs if stage in run.stages]
    worked = (entry for entry in entries if entry["status"] != StageStatus.SKIPPED)
    return next(worked, entries[0] if entries else None)


def _print_runs(holder: Holder | None, last: PipelineState | None) -> None:
    if holder:
        doing = "running" if holder.alive else "stopping what is left of"
        click.echo(f"{doing} run {holder.run_id} (process {holder.pid} on {holder.host})")
    if last is not None:
        status = coloured(last.status or (RUNNING if holder else VANISHED))
        lead = f"last run {last.number}: {status} "
        print_text(f"at {local_time(last.started)} ({last.run_id})", lead, hang=2)


def _print_stage(name: str, entry: StageEntry | None) -> None:
    if entry is None:
        click.echo(f"  {name}: has not run yet")
        return
    sentence = entry.get("sentence", f"{name}: {entry['status']}")  # of a killed run: none
    print_text(f"{sentence} (run {entry['run']})", "  ")
    for line in entry.get("error", "").splitlines():
        print_text(line, "    ")


def _print_rejected(stage: str, files: list[Rejection]) -> None:
    click.echo(f"{plural(len(files), 'file')} rejected by {stage}:")
    for known in files:
        reason = known.reason.removeprefix(f"{known.path}: ")
        print_text(f"{known.path}: {reason} (run {known.run})", "  ", hang=4)


def _record(
    holder: Holder | None,
    last: PipelineState | None,
    latest: Mapping[str, StageEntry | None],
    rejected: dict[str, list[Rejection]],
) -> dict[str, Any]:
    return {
        "running": holder.run_id if holder else None,
        "last_run": None if last is None else run_record(last),
        "stages": latest,
        "rejected": {stage: [r._asdict() for r in files] for stage, files in rejected.items()},
    }
