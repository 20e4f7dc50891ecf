"""`pipekit demo [FOLDER]`: a project with sample data, run for real, and what came of it."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipekit.cli.help import OF_RUNS, Command
from pipekit.cli.init import FILE_NAME, write_config
from pipekit.cli.output import print_table, say
from pipekit.cli.running import Asked, print_summary, run_project
from pipekit.errors import EXIT_FAILURE, EXIT_SUCCESS, EXIT_USAGE, UsageError

if TYPE_CHECKING:
    from pipekit.cli.demo.sample import Sample
    from pipekit.model.run import PipelineReport

_SUMMARY = "data/analyzer_runs/merged/summary.json"


@click.command(
    "demo",
    cls=Command,
    arguments={"FOLDER": "Where to write it; by default pipekit-demo."},
    exits={
        **OF_RUNS,
        EXIT_SUCCESS: "all went as predicted",
        EXIT_FAILURE: "something did not go as predicted; it is named",
        EXIT_USAGE: "the folder holds something else",
    },
    example=("pipekit demo", "needs no data and takes a few seconds"),
)
@click.argument(
    "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("pipekit-demo")
)
@click.pass_context
def command(ctx: click.Context, folder: Path) -> int:
    """Write a project with sample data, run it, show the results.

    The data are made up, the work is real. What will come of the run is predicted while they are
    written: one row is bad and one instrument unknown, so that the run is partial. Called again it
    runs the same project once more, and that run has nothing to do.
    """
    fresh = not _is_demo(folder)
    sample = _write(folder) if fresh else None
    report = run_project(Asked(folder.resolve(), ctx.obj["no_plugins"]))
    print_summary(report, folder)
    if report.status == "cancelled":
        return report.exit_code
    _print_results(folder)
    _print_places(folder, report)
    problems = _surprises(folder, report, sample)
    for problem in problems:
        click.echo(f"not as predicted: {problem}", err=True)
    return EXIT_FAILURE if problems else 0


def _is_demo(folder: Path) -> bool:
    """Whether an earlier demo stands there. Raises UsageError for any other project."""
    from pipekit.cli.template import DEMO_TOML

    file = folder / FILE_NAME
    if not file.exists():
        return False
    title = DEMO_TOML.partition("\n")[0]
    if not file.read_text("utf-8", "replace").startswith(title):
        raise UsageError(f"{folder} holds a project that is not the demo: name another folder")
    return True


def _write(folder: Path) -> Sample:
    """The project, whole or not at all."""
    from pipekit.cli.demo.sample import write_sample
    from pipekit.cli.template import DEMO_TOML

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: name a folder that does not exist yet")
    existed = folder.exists()
    try:
        write_config(folder, DEMO_TOML)
        sample = write_sample(folder)
    except BaseException:
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)  # only what was made here a moment ago
        raise
    bars, days = sum(sample.bars.values()), f"{sample.first_day} to {sample.last_day}"
    say(
        f"made up {bars:,} one-minute bars of {', '.join(sample.bars)} ({days}) in "
        f"{len(sample.files)} files: {folder}/data/raw",
        err=True,
    )
    say(
        "one row of them is bad and one instrument is unknown, so this run will be partial",
        err=True,
    )
    return sample


def _print_results(folder: Path) -> None:
    """The summary table of trades, a line for each stream."""
    try:
        rows = json.loads((folder / _SUMMARY).read_text("utf-8"))["rows"]
    except (OSError, ValueError, KeyError):
        return
    click.echo()
    head = ("stream", "slot", "trades", "win rate", "profit", "average", "drawdown", "USD")
    print_table(head, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    rate = row["win_rate"]
    return (
        row["stream"],
        row["slot"],
        row["trades"],
        "-" if rate is None else f"{rate:.0%}",
        f"{row['profit']:,.2f}",
        "-" if row["average"] is None else f"{row['average']:,.3f}",
        f"{row['max_drawdown']:,.2f}",
        f"{row['profit_usd']:,.0f}",
    )


def _print_places(folder: Path, report: PipelineReport) -> None:
    click.echo()
    click.echo(f"results   {folder / 'data/analyzer_runs/merged'}")
    click.echo(f"bars      {folder / 'data/processed'}")
    name = report.path.name if report.path else "could not be written"
    click.echo(f"report    {folder / 'logs' / name}")
    click.echo(f"events    {folder / 'logs/events'}")
    click.echo(f"next      cd {shlex.quote(str(folder))} && pipekit run   (nothing to do: idle)")


def _surprises(folder: Path, report: PipelineReport, sample: Sample | None) -> list[str]:
    """Everything in which the run differs from what was predicted."""
    if sample is None:
        return [] if report.status == "idle" else [f"a second run was {report.status}, not idle"]
    surprises = []
    if report.status != sample.status or report.exit_code != sample.exit_code:
        surprises.append(f"the run was {report.status}, not {sample.status}")
    rejected = {r.path for s in report.stages for r in s.files if r.verb == "rejected"}
    if rejected != set(sample.unknown):
        surprises.append(f"rejected were {sorted(rejected)}, not {list(sample.unknown)}")
    gone = [file.path for file in sample.files if not (folder / file.path).exists()]
    if gone:
        surprises.append(f"raw files are gone: {gone}")
    return surprises
