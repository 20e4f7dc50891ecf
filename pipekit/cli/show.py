"""`pipekit show RUN`: one run, from its report."""

from __future__ import annotations

import math
from pathlib import Path

import click

from pipekit.cli import complete
from pipekit.cli.common import folders, project_root
from pipekit.cli.disabled import why_disabled
from pipekit.cli.help import RUN_MEANING, Command
from pipekit.cli.options import json_option
from pipekit.cli.output import coloured, print_json, print_line, print_text
from pipekit.errors import PipekitError
from pipekit.model.quantity import local_time
from pipekit.model.run import PipelineState
from pipekit.plugins.entrypoints import entry_points
from pipekit.read.report import (
    FileNote,
    Proposal,
    StageReport,
    TaskReport,
    UnitReport,
    raw_report,
    read_report,
)
from pipekit.read.runs import find_run
from pipekit.worker import Verb

_VERBS = (Verb.CONSUMED, Verb.WROTE, Verb.UNCHANGED, Verb.REJECTED)
_FILES_SHOWN = 3  # per verb and task, without --verbose
_PROPOSALS_SHOWN = 10  # without --verbose


@click.command(
    "show",
    cls=Command,
    arguments={"RUN": f"{RUN_MEANING} (default: the latest)."},
    example=("pipekit show 12 --verbose", "every file and metric of run 12"),
)
@click.argument("run", required=False, shell_complete=complete.runs)
@click.option("-v", "--verbose", is_flag=True, help="Print every file and every metric.")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to a file as a page for a browser; needs pipekit-html.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, run: str | None, verbose: bool, html: Path | None, as_json: bool
) -> int:
    """Show one run: its stages, tasks and files.

    With --json, print the whole report of the run as it was written to the logs folder. A run that
    is going on, or that died, has no report yet: what is known of it is shown, with the reason.
    """
    paths = folders(ctx)
    state = find_run(paths, run)
    if as_json:
        print_json(raw_report(state, paths))
    elif html is not None:
        _write_page(html, ctx, state)
    if as_json or html is not None:
        return 0
    report = read_report(state, paths)
    started = f"started {local_time(report.started)} ({report.run_id})"
    print_text(f"{report.sentence}, {started}", hang=2)
    if report.incomplete:
        print_text(report.incomplete, hang=2)
    for warning in report.warnings:
        print_text(f"warning: {warning}", hang=2)
    for stage in report.stages:
        _print_stage(stage, report.run, verbose)
    _print_lifecycle(report.lifecycle, verbose)
    return 0


def _write_page(file: Path, ctx: click.Context, state: PipelineState) -> None:
    """Write the page of a run, which another distribution makes. Raises PipekitError."""
    from pipekit.reading import ProjectReader  # only with --html

    point = next((each for each in entry_points("pipekit.html") if each.name == "run"), None)
    if point is None:
        raise PipekitError("--html needs pipekit-html: `python -m pip install pipekit-html`")
    if off := why_disabled(ctx, point):
        raise PipekitError(f"--html needs {point}, which is disabled by {off}")
    try:
        text: str = point.load()(ProjectReader(project_root(ctx)), state)
    except ImportError as error:
        raise PipekitError(f"cannot load {point}: {error}") from error
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PipekitError(f"cannot write {file}: {error.strerror or error}") from error
    print_text(f"wrote {file}; open it in a browser", err=True)


def _print_lifecycle(proposals: tuple[Proposal, ...], verbose: bool) -> None:
    shown = proposals if verbose else proposals[:_PROPOSALS_SHOWN]
    if shown:
        print_line()
    for each in shown:
        done = "done: " * each.applied
        outcome = f"refused: {each.refused}" if each.refused else f"{done}{each.reason}"
        print_text(f"lifecycle: {each.action} {each.path}: {outcome}", hang=2)
    if len(proposals) > len(shown):
        print_line(f"lifecycle: {len(proposals) - len(shown)} more (--verbose lists them)")


def _print_stage(stage: StageReport, run: int, verbose: bool) -> None:
    sentence = (stage.sentence or f"{stage.stage}:").replace(f": {stage.status}, ", ": ", 1)
    print_line()
    print_text(sentence, f"{coloured(stage.status)} ", hang=2)
    if stage.reason not in sentence:
        print_text(f"reason: {stage.reason}", "  ", hang=4)
    said = {f"{task.task}: {task.reason}" for task in stage.tasks}  # they say it again below
    errors = [line for line in stage.error.splitlines() if line not in said]
    for number, line in enumerate(errors):
        print_text(line, "    " if number else "  error: ", hang=4)
    for line in stage.traceback.splitlines():
        print_line(f"    {line}")
    for known in stage.rejected_before:
        print_text(f"rejected before: {known.path}: {known.reason}", "  ", hang=4)
    for text in stage.backing_off:
        print_text(f"backing off: {text}", "  ", hang=4)
    for warning in stage.warnings:
        print_text(f"warning: {warning}", "  ", hang=4)
    for task in stage.tasks:
        _print_task(task, verbose)
    if any(task.last_lines for task in stage.tasks):
        print_line(f"  full output: pipekit logs {run} {stage.stage}")


def _print_task(task: TaskReport, verbose: bool) -> None:
    reason = f": {task.reason}" if task.reason else ""
    text = f"task {_named(task)}: {task.status}{reason}{_usage(task)}"
    print_text(text, "  ", hang=4)
    if task.placement:
        print_text(task.placement, "    ", hang=6)
    if task.last_lines:
        print_text(f"last line: {task.last_lines[-1].strip()}", "    ", hang=6)
    for seen in task.process.snapshot if task.process else ():
        where = f" in {seen.waits_in}" if seen.waits_in else ""
        print_line(f"    was {seen.state}{where}: {seen.command} ({seen.pid})")
    for unit in task.units:
        _print_unit(unit, verbose)
    for verb in _VERBS:
        _print_files(verb, [file for file in task.files if file.verb == verb], verbose)


def _named(task: TaskReport) -> str:
    """A task, with its attempt if it had several."""
    again = ", tried again" * task.retried
    named = again or task.attempt > 1
    return f"{task.task}, attempt {task.attempt}{again}" if named else task.task


def _usage(task: TaskReport) -> str:
    """Time, memory and CPU of its process: ` (3.21 s, 150 MB, 2.90 s of CPU)`."""
    process = task.process
    if process is None:
        return ""
    parts = [f"{process.duration:.2f} s"]
    if process.peak_rss:
        parts.append(f"{process.peak_rss / 1e6:.0f} MB")
    if process.cpu_seconds >= 0:
        parts.append(f"{process.cpu_seconds:.2f} s of CPU")
    return f" ({', '.join(parts)})"


def _print_unit(unit: UnitReport, verbose: bool) -> None:
    metrics = "  ".join(
        f"{name}={_number(value)}" for name, value in unit.metrics.items() if value or verbose
    )
    reason = f": {unit.reason}" if unit.reason else ""
    print_text(f"{unit.unit}{reason}  {metrics}".rstrip(), f"    {coloured(unit.status)} ", hang=6)


def _number(value: object) -> str:
    """A metric, rounded for reading: `1,107`, `0.8508`, `1,234.5`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def _print_files(verb: str, files: list[FileNote], verbose: bool) -> None:
    shown = files if verbose or verb == Verb.REJECTED else files[:_FILES_SHOWN]
    for file in shown:
        reason = f": {file.reason}" if file.reason else ""
        print_text(f"{verb} {file.path}{reason}", "    ", hang=6)
    if len(files) > len(shown):
        print_line(f"    {verb} {len(files) - len(shown)} more (--verbose lists them)")
