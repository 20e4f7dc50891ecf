"""`pipekit show RUN`: one run as its audit report tells it; imports no plugin."""

from __future__ import annotations

from typing import Any

import click

from pipekit.cli.common import find_run, folders, json_option, open_history
from pipekit.cli.help import A_RUN, Command
from pipekit.cli.output import coloured, print_json, say

_FILES_SHOWN = 3  # of each kind and task, unless all are asked for


@click.command(
    "show",
    cls=Command,
    arguments={"RUN": f"{A_RUN}; by default the latest."},
    example=("pipekit show 12 --verbose", "every file and metric of run 12"),
)
@click.argument("run", required=False)
@click.option("-v", "--verbose", is_flag=True, help="Every file and every metric.")
@json_option
@click.pass_context
def command(ctx: click.Context, run: str | None, verbose: bool, as_json: bool) -> int:
    """Show one run: its stages, tasks and files.

    With --json: the whole audit report of the run, as it lies in the folder of the logs.
    """
    from pipekit.storage.report import AuditReporter

    paths = folders(ctx)
    report = AuditReporter(paths).read(find_run(open_history(paths), run).run_id)
    if as_json:
        print_json(report)
        return 0
    say(f"{report['sentence']}, started {report['started']}", hang=2)
    for warning in report["warnings"]:
        say(f"warning: {warning}", hang=2)
    for stage in report["stages"]:
        sentence = stage["sentence"].replace(f": {stage['status']}, ", ": ", 1)
        click.echo()
        say(sentence, f"{coloured(stage['status'])} ", hang=2)
        say(f"why: {stage['reason'] or '-'}", "  ", hang=4)
        for number, line in enumerate((stage["error"] or "").splitlines()):
            say(line, "    " if number else "  error: ", hang=4)
        for known in stage.get("rejected_before", ()):
            say(f"rejected before: {known['path']}: {known['reason']}", "  ", hang=4)
        for warning in stage["warnings"]:
            say(f"warning: {warning}", "  ", hang=4)
        for task in stage["tasks"]:
            _print_task(task, verbose)
    for decision in report.get("lifecycle", ()):
        said = f"refused: {decision['refused']}" if decision.get("refused") else decision["reason"]
        click.echo()
        say(f"lifecycle: {decision['action']} {decision['path']}: {said}", hang=2)
    return 0


def _print_task(task: dict[str, Any], verbose: bool) -> None:
    process = task["process"] or {}
    facts = [f"{process['duration']:.2f} s"] if process else []
    if process.get("peak_rss"):
        facts.append(f"{process['peak_rss'] / 1e6:.0f} MB")
    if process.get("cpu_seconds") is not None:
        facts.append(f"{process['cpu_seconds']:.2f} s of CPU")
    reason = f": {task['reason']}" if task["reason"] else ""
    say(f"task {task['task']}: {task['status']}{reason} ({', '.join(facts)})", "  ", hang=4)
    for seen in process.get("snapshot") or ():
        where = f" in {seen['waits_in']}" if seen["waits_in"] else ""
        click.echo(f"    was {seen['state']}{where}: {seen['command']} ({seen['pid']})")
    for unit in task["units"]:
        metrics = "  ".join(
            f"{name}={value:,.10g}" for name, value in unit["metrics"].items() if value or verbose
        )
        reason = f": {unit['reason']}" if unit["reason"] else ""
        lead = f"    {coloured(unit['status'])} "
        say(f"{unit['unit']}{reason}  {metrics}".rstrip(), lead, hang=6)
    for verb in ("consumed", "wrote", "unchanged", "rejected"):
        files = [file for file in task["files"] if file["verb"] == verb]
        shown = files if verbose or verb == "rejected" else files[:_FILES_SHOWN]
        for file in shown:
            reason = file.get("reason", "").removeprefix(f"{file['path']}: ")
            say(f"{verb} {file['path']}{f': {reason}' if reason else ''}", "    ", hang=6)
        if len(files) > len(shown):
            click.echo(f"    {verb} {len(files) - len(shown)} more (--verbose lists them)")
