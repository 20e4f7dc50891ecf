"""`pipekit show RUN`: one run, from its report."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import click

from pipekit.cli.common import find_run, folders, json_option
from pipekit.cli.help import RUN_MEANING, Command
from pipekit.cli.live import without_report
from pipekit.cli.output import coloured, last_line, print_json, print_line, print_text
from pipekit.errors import StorageError
from pipekit.model.executor import Placement
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import FailureKind, StageStatus
from pipekit.storage.report import AuditReports
from pipekit.worker import Verb

_VERBS = (Verb.CONSUMED, Verb.WROTE, Verb.UNCHANGED, Verb.REJECTED)
_FILES_SHOWN = 3  # per verb and task, without --verbose

_KINDS: dict[type, Any] = {float: int | float}

# What another version's report, or the ledger, may lack or have in another form.
_REPORT: dict[str, Any] = {"warnings": [], "lifecycle": []}
_STAGE: dict[str, Any] = {"stage": "?", "status": "unknown", "sentence": "", "reason": ""}
_STAGE |= {"error": "", "traceback": "", "rejected_before": [], "warnings": [], "tasks": []}
_STAGE |= {"backing_off": []}
_REJECTED: dict[str, Any] = {"path": "?", "reason": ""}
_TASK: dict[str, Any] = {"task": "?", "status": "unknown", "reason": "", "kind": ""}
_TASK |= {"placement": {}, "process": {}, "units": [], "files": [], "attempt": 1, "retried": False}
_PROCESS: dict[str, Any] = {"duration": 0.0, "peak_rss": 0, "cpu_seconds": -1.0, "snapshot": []}
_PROCESS |= {"stdout": {}, "stderr": {}}
_STREAM: dict[str, Any] = {"tail": ""}
_SNAPSHOT: dict[str, Any] = {"state": "?", "waits_in": "", "command": "?", "pid": 0}
_UNIT: dict[str, Any] = {"unit": "?", "status": "unknown", "reason": "", "metrics": {}}
_FILE: dict[str, Any] = {"verb": "", "path": "?", "reason": ""}
_PROPOSAL: dict[str, Any] = {"action": "?", "path": "?", "refused": "", "reason": ""}
_PROPOSAL["applied"] = False
_PROPOSALS_SHOWN = 10  # without --verbose


@click.command(
    "show",
    cls=Command,
    arguments={"RUN": f"{RUN_MEANING} (default: the latest)."},
    example=("pipekit show 12 --verbose", "every file and metric of run 12"),
)
@click.argument("run", required=False)
@click.option("-v", "--verbose", is_flag=True, help="Print every file and every metric.")
@json_option
@click.pass_context
def command(ctx: click.Context, run: str | None, verbose: bool, as_json: bool) -> int:
    """Show one run: its stages, tasks and files.

    With --json, print the whole report of the run as it was written to the logs folder. A run that
    is going on, or that died, has no report yet: what is known of it is shown, with the reason.
    """
    paths = folders(ctx)
    known, report = _report(find_run(paths, run), paths)
    if as_json:
        print_json(known | report)
        return 0
    report = _filled({**_REPORT, **known}, report)
    started = f"started {_moment(report['started'])} ({report['run_id']})"
    print_text(f"{report['sentence']}, {started}", hang=2)
    if "incomplete" in report:
        print_text(report["incomplete"], hang=2)
    for warning in report["warnings"]:
        print_text(f"warning: {warning}", hang=2)
    for stage in report["stages"]:
        _print_stage(_filled(_STAGE, stage), report["run"], verbose)
    _print_lifecycle([_filled(_PROPOSAL, item) for item in report["lifecycle"]], verbose)
    return 0


def _print_lifecycle(proposals: list[dict[str, Any]], verbose: bool) -> None:
    shown = proposals if verbose else proposals[:_PROPOSALS_SHOWN]
    if shown:
        print_line()
    for proposal in shown:
        refused, done = proposal["refused"], "done: " * proposal["applied"]
        outcome = f"refused: {refused}" if refused else f"{done}{proposal['reason']}"
        print_text(f"lifecycle: {proposal['action']} {proposal['path']}: {outcome}", hang=2)
    if len(proposals) > len(shown):
        print_line(f"lifecycle: {len(proposals) - len(shown)} more (--verbose lists them)")


def _report(state: PipelineState, paths: Paths) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is known of a run from elsewhere, and its report: empty if it cannot be read."""
    reporter = AuditReports(paths)
    known = without_report(state, paths)
    if reporter.find(state.run_id) is None:
        return known, {}
    try:
        report = reporter.read(state.run_id)
    except StorageError as error:
        return {**known, "incomplete": f"{error}; this is from the ledger"}, {}
    del known["incomplete"]
    return known, report


def _moment(text: object) -> str:
    """A time of a report as other commands show it: `2026-11-29 14:04:34`."""
    try:
        return f"{dt.datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return str(text)


def _filled(usual: dict[str, Any], found: object) -> dict[str, Any]:
    """What was found, with the usual value for what is missing or of another type."""
    if not isinstance(found, dict):
        return usual
    return usual | {
        key: value
        for key, value in found.items()
        if key not in usual or isinstance(value, _KINDS.get(type(usual[key]), type(usual[key])))
    }


def _print_stage(stage: dict[str, Any], run: int, verbose: bool) -> None:
    name, status = stage["stage"], str(stage["status"])
    sentence = (stage["sentence"] or f"{name}:").replace(f": {status}, ", ": ", 1)
    print_line()
    print_text(sentence, f"{coloured(status)} ", hang=2)
    if stage["reason"] not in sentence:
        print_text(f"reason: {stage['reason']}", "  ", hang=4)
    tasks = [_task(task) for task in stage["tasks"]]
    said = {f"{task['task']}: {task['reason']}" for task in tasks}  # the tasks say it again below
    errors = [line for line in stage["error"].splitlines() if line not in said]
    for number, line in enumerate(errors):
        print_text(line, "    " if number else "  error: ", hang=4)
    for line in stage["traceback"].splitlines():
        print_line(f"    {line}")
    for known in (_filled(_REJECTED, item) for item in stage["rejected_before"]):
        print_text(f"rejected before: {known['path']}: {known['reason']}", "  ", hang=4)
    for text in stage["backing_off"]:
        print_text(f"backing off: {text}", "  ", hang=4)
    for warning in stage["warnings"]:
        print_text(f"warning: {warning}", "  ", hang=4)
    for task in tasks:
        _print_task(task, verbose)
    if any(map(_last_line, tasks)):
        print_line(f"  full output: pipekit logs {run} {name}")


def _task(found: object) -> dict[str, Any]:
    task = _filled(_TASK, found)
    return {**task, "process": task["process"] and _filled(_PROCESS, task["process"])}


def _print_task(task: dict[str, Any], verbose: bool) -> None:
    reason = f": {task['reason']}" if task["reason"] else ""
    usage = _usage(task["process"])
    print_text(f"task {_named(task)}: {task['status']}{reason}{usage}", "  ", hang=4)
    if where := _where(task["placement"]):
        print_text(where, "    ", hang=6)
    last = _last_line(task)
    if last:
        print_text(f"last line: {last}", "    ", hang=6)
    for seen in (_filled(_SNAPSHOT, item) for item in task["process"].get("snapshot", ())):
        where = f" in {seen['waits_in']}" if seen["waits_in"] else ""
        print_line(f"    was {seen['state']}{where}: {seen['command']} ({seen['pid']})")
    for unit in task["units"]:
        _print_unit(_filled(_UNIT, unit), verbose)
    files = [_filled(_FILE, file) for file in task["files"]]
    for verb in _VERBS:
        _print_files(verb, [file for file in files if file["verb"] == verb], verbose)


def _named(task: dict[str, Any]) -> str:
    """A task, with its attempt if it had several."""
    name, again = str(task["task"]), ", tried again" * task["retried"]
    return f"{name}, attempt {task['attempt']}{again}" if again or task["attempt"] > 1 else name


def _where(placement: dict[str, Any]) -> str:
    """Where another machine did it: `on n1 (slurm 4711, attempt 12), queued for 3.2 s`."""
    known = {name: placement[name] for name in Placement._fields if name in placement}
    try:
        return str(Placement(**known)) if known else ""
    except (TypeError, ValueError):  # of another version
        return ""


def _usage(process: dict[str, Any]) -> str:
    """Time, memory and CPU of a process: ` (3.21 s, 150 MB, 2.90 s of CPU)`."""
    if not process:
        return ""
    parts = [f"{process['duration']:.2f} s"]
    if process["peak_rss"]:
        parts.append(f"{process['peak_rss'] / 1e6:.0f} MB")
    if process["cpu_seconds"] >= 0:
        parts.append(f"{process['cpu_seconds']:.2f} s of CPU")
    return f" ({', '.join(parts)})"


def _last_line(task: dict[str, Any]) -> str:
    """The last line that a failed task printed; of stdout if stderr is empty."""
    failed = task["status"] == StageStatus.FAILURE and task["kind"] != FailureKind.PLUGIN
    streams = [_filled(_STREAM, task["process"].get(name)) for name in ("stderr", "stdout")]
    return last_line(*(stream["tail"] for stream in streams)) if failed else ""


def _print_unit(unit: dict[str, Any], verbose: bool) -> None:
    metrics = "  ".join(
        f"{name}={_number(value)}" for name, value in unit["metrics"].items() if value or verbose
    )
    reason = f": {unit['reason']}" if unit["reason"] else ""
    lead = f"    {coloured(unit['status'])} "
    print_text(f"{unit['unit']}{reason}  {metrics}".rstrip(), lead, hang=6)


def _number(value: object) -> str:
    """A metric, rounded for reading: `1,107`, `0.8508`, `1,234.5`."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def _print_files(verb: str, files: list[dict[str, Any]], verbose: bool) -> None:
    shown = files if verbose or verb == Verb.REJECTED else files[:_FILES_SHOWN]
    for file in shown:
        reason = file.get("reason", "").removeprefix(f"{file['path']}: ")
        print_text(f"{verb} {file['path']}{f': {reason}' if reason else ''}", "    ", hang=6)
    if len(files) > len(shown):
        print_line(f"    {verb} {len(files) - len(shown)} more (--verbose lists them)")
