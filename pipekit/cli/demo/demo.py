"""`pipekit demo [FOLDER]`: create a project with sample data, run it, show the results."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import click

from pipekit.cli.demo.sample import Sample, write_sample
from pipekit.cli.help import RUN_EXITS, Command
from pipekit.cli.init import write_config
from pipekit.cli.output import print_line, print_table, print_text
from pipekit.cli.run import print_report, run_project
from pipekit.config.sources import FILE_NAME
from pipekit.errors import EXIT_FAILURE, EXIT_SUCCESS, EXIT_USAGE, UsageError
from pipekit.model.names import LOCAL, did_you_mean
from pipekit.model.run import PipelineReport
from pipekit.model.status import PipelineStatus
from pipekit.model.system import quoted
from pipekit.plugins import loader as plugins
from pipekit.worker import Verb

TEMPLATE = Path(__file__).with_name("demo.toml")
_STAGES = ("translator", "analyzer", "merger")
_SUMMARY = "data/analyzer_runs/merged/summary.json"
_ROWS = 4  # of the results; `pipekit results` shows all of them
_COLUMNS = {  # head: the key in the summary, and how it is formatted
    "stream": ("stream", ""),
    "slot": ("slot", ""),
    "trades": ("trades", ""),
    "win rate": ("win_rate", ".0%"),
    "profit": ("profit", ",.2f"),
    "average": ("average", ",.3f"),
    "drawdown": ("max_drawdown", ",.2f"),
    "USD": ("profit_usd", ",.0f"),
}


@click.command(
    "demo",
    cls=Command,
    arguments={"FOLDER": "The folder to create (default: pipekit-demo)."},
    exits={
        **RUN_EXITS,
        EXIT_SUCCESS: "the run went as predicted",
        EXIT_FAILURE: "something did not go as predicted; it is printed",
        EXIT_USAGE: "the folder contains something else",
    },
    example=("pipekit demo", "needs no data and takes a few seconds"),
)
@click.argument(
    "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("pipekit-demo")
)
@click.option(
    "--executor",
    default=LOCAL,
    metavar="NAME",
    help="The executor that runs the tasks: `dask` starts a cluster of two processes (default: "
    "local).",
)
@click.pass_context
def command(ctx: click.Context, folder: Path, executor: str) -> int:
    """Create a project with sample data, run it, show the results.

    The data is made up, the work is real. One row is bad and one instrument is unknown, so the run
    is expected to be partial. Called again, the demo makes a second run, which has nothing to do.
    """
    sample = None
    if not _is_demo(folder):
        found = plugins.load(builtins_only=ctx.obj["no_plugins"])
        found.require_stages({name: name for name in _STAGES})
        if executor not in found.executors:
            raise UsageError(
                f"no installed plugin offers the executor {executor!r}"
                f"{did_you_mean(executor, found.executors) or '; install its plugin'}"
            )
        sample = _create(folder)
    ctx.obj["project"] = folder
    sets = [f"pipeline.executor={executor}"] if executor != LOCAL else []
    if sample is not None:  # whose files are complete, however young
        sets.append("pipeline.quiet_seconds=0")
    report, shown = run_project(ctx, sets)
    print_report(report, folder, shown=shown)
    if report.status is PipelineStatus.CANCELLED:
        return report.exit_code
    _print_results(folder)
    _print_places(folder)
    problems = _surprises(folder, report, sample)
    for problem in problems:
        print_line(f"not as predicted: {problem}", err=True)
    return EXIT_FAILURE if problems else 0


def _is_demo(folder: Path) -> bool:
    """Whether the folder holds an earlier demo. Raises UsageError for any other project."""
    file = folder / FILE_NAME
    if not file.exists():
        return False
    title = TEMPLATE.read_text("utf-8").partition("\n")[0]
    if not file.read_text("utf-8", "replace").startswith(title):
        raise UsageError(f"{folder} contains a project other than the demo; choose another folder")
    return True


def _create(folder: Path) -> Sample:
    """Write the project, whole or not at all."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; choose a folder that does not exist yet")
    existed = folder.exists()
    try:
        write_config(folder, TEMPLATE)
        sample = write_sample(folder)
    except BaseException:
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)  # which did not exist a moment ago
        raise
    print_text(
        f"made up {sum(sample.bars.values()):,} bars in {len(sample.files)} files in "
        f"{folder / 'data'}, with one bad row and one unknown instrument",
        err=True,
    )
    return sample


def _print_results(folder: Path) -> None:
    """Print the trades of some streams and slots."""
    try:
        rows = json.loads((folder / _SUMMARY).read_text("utf-8"))["rows"]
    except (OSError, ValueError, KeyError):
        return
    print_line()
    cells = [
        ["-" if row[key] is None else format(row[key], how) for key, how in _COLUMNS.values()]
        for row in rows[:_ROWS]
    ]
    print_table(list(_COLUMNS), cells, left=2)


def _print_places(folder: Path) -> None:
    """What to look at, and how to go on."""
    pipekit, project = _command(), f"-C {quoted(str(folder))}"
    print_line()
    print_line(f"data        {folder / 'data'}   (raw, processed, analyzer_runs/merged)")
    print_line(f"look        {pipekit} {project} results --html results.html   (or: status)")
    print_line(f"again       {pipekit} {project} run   (idle: nothing to do)")
    print_line(f"your own    {pipekit} init FOLDER   (see docs/tutorial/quickstart.md)")


def _command() -> str:
    """How to call pipekit from the user's shell: `uv run` puts it on our PATH alone."""
    if "UV_RUN_RECURSION_DEPTH" not in os.environ:
        return "pipekit"
    path = os.path.join(os.path.dirname(sys.executable), "pipekit")
    near = os.path.relpath(path)
    return quoted(path if near.startswith(os.pardir) else near)


def _surprises(folder: Path, report: PipelineReport, sample: Sample | None) -> list[str]:
    """The differences from the expected result."""
    expected = PipelineStatus.IDLE if sample is None else PipelineStatus.PARTIAL
    rejected = [r.path for s in report.stages for r in s.files if r.verb == Verb.REJECTED]
    unknown, files = ([sample.unknown], sample.files) if sample else ([], ())
    gone = [path for path in files if not (folder / path).exists()]
    surprises = {
        f"the run was {report.status}, not {expected}": report.status is not expected,
        f"rejected files: {rejected}, not {unknown}": rejected != unknown,
        f"raw files are missing: {gone}": bool(gone),
    }
    return [text for text, surprising in surprises.items() if surprising]
