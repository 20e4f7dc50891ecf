"""`pipekit run`: one run of the pipeline, by hand or by the operating system's scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipekit.cli.common import known_folders, note_refusal
from pipekit.cli.exits import output_may_fail
from pipekit.cli.help import RUN_EXITS, Command
from pipekit.cli.options import json_option, set_option
from pipekit.cli.output import (
    coloured,
    mask_output,
    print_failure,
    print_json,
    print_line,
    print_text,
)
from pipekit.cli.selection import open_orchestrator, selection_options
from pipekit.cli.stopping import signals_stop
from pipekit.errors import (
    EXIT_ERROR,
    EXIT_FAILURE,
    EXIT_PARTIAL,
    EXIT_SUCCESS,
    RunHeldError,
)
from pipekit.model.run import PipelineReport
from pipekit.model.stage import StageResult
from pipekit.model.status import HELD, PipelineStatus, StageStatus, first_to_resume
from pipekit.model.system import quoted
from pipekit.process import Cancel
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.run.stage_verdict import final_lines
from pipekit.schedule.log import shorten_log

_INDENT = " " * 11  # below a stage's name


@click.command(
    "run",
    cls=Command,
    exits={
        **RUN_EXITS,
        EXIT_SUCCESS: "success; idle: there was nothing to do; or held (see `pipekit hold`)",
        EXIT_PARTIAL: "partial: some of it failed or was rejected",
        EXIT_FAILURE: "failure: nothing succeeded",
        EXIT_ERROR: "an invalid configuration, a stage that is not installed, an unusable ledger, "
        "or an internal error",
    },
    example=("pipekit run --from analyzer", "the analyzer and the stages after it"),
)
@selection_options
@click.option(
    "--quiet-idle",
    is_flag=True,
    help="Print nothing if all is well (nothing to do, success without a warning, or runs are "
    "held), and otherwise only the result: for a scheduler that mails what is printed.",
)
@set_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    sets: tuple[str, ...],
    as_json: bool,
    quiet_idle: bool,
    **selection: Any,
) -> int:
    """Run the stages that have work to do.

    Stages run in order, each planned just before its turn and skipped when it has no work. Results
    go to stdout, progress and warnings to stderr. Ctrl-C or SIGTERM stops the running programs
    gracefully; a second one kills them. Safe to run from a scheduler.
    """
    if quiet_idle:
        shorten_log(known_folders(ctx)[0].logs)
    try:
        report, shown = run_project(ctx, sets, console=not quiet_idle, **selection)
    except RunHeldError as error:
        if quiet_idle:
            return error.exit_code
        if as_json:
            print_json({"status": HELD, "exit_code": error.exit_code, "reason": str(error)})
        else:
            print_text(str(error), f"{coloured(HELD, 10)} ")
        return error.exit_code
    if quiet_idle and _is_well(report):
        return report.exit_code
    with output_may_fail():
        if as_json:
            print_json(_record(report))
        else:
            print_report(report, ctx.obj["project"], shown=shown)
            if quiet_idle:  # nothing has shown them yet
                _print_warnings(report)
    return report.exit_code


def _is_well(report: PipelineReport) -> bool:
    """Whether nobody needs to look at the run."""
    warnings = any(stage.warnings for stage in report.stages)
    idle = report.status is PipelineStatus.IDLE
    return idle or (bool(report) and not warnings and not report.warnings)


def run_project(
    ctx: click.Context, sets: Sequence[str] = (), **selection: Any
) -> tuple[PipelineReport, bool]:
    """Make one run that Ctrl-C and SIGTERM stop gracefully; note it if it is refused.

    Returns its report, and whether its warnings were shown on stderr while it was going on.
    """
    running: list[PipelineOrchestrator] = []
    try:
        with Cancel() as cancel, signals_stop(running):
            orchestrator = open_orchestrator(ctx, sets, cancel=cancel, **selection)
            running.append(orchestrator)
            report = orchestrator.run()
    except Exception as error:  # raised again; only a refusal is noted
        if not any(each.began for each in running):  # else the ledger has it
            note_refusal(ctx, error)
        raise
    mask_output(orchestrator.mask.forms)  # by now with those that commands named
    return report, _shown_by_console(orchestrator, report)


def _shown_by_console(orchestrator: PipelineOrchestrator, report: PipelineReport) -> bool:
    """Whether the sink `console` has shown the warnings of the run on stderr."""
    configured = any(sink.name == "console" for sink, _ in orchestrator.project.sinks)
    dropped = any(text.startswith("sink 'console' was dropped") for text in report.warnings)
    return configured and not dropped


def print_report(
    report: PipelineReport, project: Path | None = None, *, shown: bool = False
) -> None:
    """Print a line for each stage and one for the run, then what failed and how to resume.

    `shown`: warnings and rejected files were shown while it was going on, and are not repeated.
    `project`: the folder that `-C` named; the command to resume with names it again.
    """
    program = f"pipekit -C {quoted(str(project))}" if project else "pipekit"
    for result in report.stages:
        _print_stage(result, f"{program} logs {report.number} {result.stage}", shown)
    print_text(str(report), f"{coloured(report.status, 10)} ")
    for warning in report.unseen_warnings if shown else report.warnings:
        print_text(f"warning: {warning}", hang=2, err=True)
    if report.path:
        print_line(f"report: {report.path}", err=True)
    first = first_to_resume({each.stage: each.status for each in report.stages})
    if first:
        print_line(f"to resume: {program} run --from {first}", err=True)


def _print_warnings(report: PipelineReport) -> None:
    for result in report.stages:
        for warning in result.warnings:
            print_text(f"{result.stage}: warning: {warning}", hang=2, err=True)


def _print_stage(result: StageResult, logs: str, shown: bool) -> None:
    _, _, rest = str(result).partition(": ")
    rest = rest.removeprefix(f"{result.status}, ")  # already printed in front
    print_text(f"{result.stage}: {rest}", f"{coloured(result.status, 10)} ")
    error = _without_rejections(result) if shown else result.error
    print_failure(error, final_lines(result), logs, _INDENT)
    for text in result.backing_off:
        print_text(text, _INDENT)


def _without_rejections(result: StageResult) -> str:
    """What went wrong, but for rejected files: a task that is partial for them has no kind."""
    told = {
        task.name
        for task in result.tasks
        if task.status is StageStatus.PARTIAL and task.kind is None
    }
    lines = result.error.splitlines()
    return "\n".join(line for line in lines if line.partition(": ")[0] not in told)


def _record(report: PipelineReport) -> dict[str, Any]:
    """The run in short, for `--json`."""
    return {
        "run_id": report.run_id,
        "run": report.number,
        "status": report.status,
        "exit_code": report.exit_code,
        "duration": round(report.duration, 3),
        "report": str(report.path) if report.path else None,
        "warnings": list(report.warnings),
        "stages": [
            {
                "stage": result.stage,
                "status": result.status,
                "kind": result.kind,
                "reason": result.reason,
                "error": result.error,
                "duration": round(result.duration, 3),
                "backing_off": list(result.backing_off),
                "sentence": str(result),
            }
            for result in report.stages
        ],
    }
