"""Makes one run for the command line and prints what came of it; imports no click.

A scheduler starts most of all runs and nobody watches them: `plain_run` is their way in.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit.cli.exits import told
from pipekit.cli.output import coloured, line, say
from pipekit.errors import EXIT_HANGUP, EXIT_INTERRUPTED, EXIT_TERMINATED, UsageError

if TYPE_CHECKING:
    import datetime as dt

    from pipekit.config import Configuration
    from pipekit.model.run import PipelineReport
    from pipekit.run.orchestrator import PipelineOrchestrator
    from pipekit.run.planning import RunOptions
    from pipekit.run.project import Project


class Asked(NamedTuple):
    """The project as a command line names it; `sets` are the words of `--set`."""

    project: Path | None = None
    no_plugins: bool = False
    sets: Sequence[str] = ()


def plain_run(words: Sequence[str]) -> tuple[Asked, tuple[str, ...]] | None:
    """Project and stages of `pipekit [-C FOLDER] [--no-plugins] run [--only STAGE]...`, unwatched.

    None for any other words, which click is there for, and where a terminal is.
    """
    if any(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr)):
        return None
    project, no_plugins = None, False
    rest = list(words)
    while rest and rest[0] != "run":
        word = rest.pop(0)
        if word == "--no-plugins":
            no_plugins = True
        elif word in ("-C", "--project") and rest and os.path.isdir(rest[0]):
            project = Path(rest.pop(0))
        else:
            return None
    names = rest[2::2]
    if rest != ["run", *(word for name in names for word in ("--only", name))]:
        return None
    if any(name.startswith("-") for name in names):
        return None
    return Asked(project, no_plugins), tuple(names)


def run_plainly(asked: Asked, only: tuple[str, ...]) -> int:
    """Make that run and print what came of it; its exit code."""
    report = run_project(asked, only=only)
    with told():
        print_summary(report, asked.project)
    return report.exit_code


def run_project(asked: Asked, **selection: Any) -> PipelineReport:
    """Make one run, with Ctrl-C and SIGTERM turned into a polite stop."""
    from pipekit.process import Cancel

    configuration = _loaded(asked)
    from pipekit.run.orchestrator import PipelineOrchestrator

    options = run_options(**selection)
    with Cancel() as cancel:
        project = open_selected(asked, options, configuration)
        orchestrator = PipelineOrchestrator(project, options, cancel)
        with _signals(orchestrator):
            return orchestrator.run()


def open_selected(
    asked: Asked, options: RunOptions, configuration: Configuration | None = None
) -> Project:
    """The project. Raises UsageError where the options leave none of its stages."""
    from pipekit.run.project import open_project, selected

    project = open_project(configuration or _loaded(asked), no_plugins=asked.no_plugins)
    names = [stage.name for stage in project.stages]
    if not selected(project.stages, options.only, options.first, options.last):
        raise UsageError(
            f"--only, --from and --until leave no stage; they run in this order: {', '.join(names)}"
        )
    return project


def _loaded(asked: Asked) -> Configuration:
    from pipekit.config import load

    return load(root_of(asked.project), environ=os.environ, flags=asked.sets)


def root_of(given: Path | None) -> Path:
    """The folder of the project that was named, or upwards from here. Raises UsageError."""
    from pipekit.config import find_project

    start = (given or Path.cwd()).resolve()
    if not start.is_dir():
        raise UsageError(f"there is no folder {start}: `pipekit init FOLDER` makes one")
    root = find_project(start)
    if root is not None and (root == start or not given):
        return root
    if root is not None:
        raise UsageError(f"there is no pipekit.toml in {start}, but in {root}: name that folder")
    raise UsageError(
        f"there is no pipekit.toml in {start}{'' if given else ' or above'}: "
        "`pipekit init` writes one, `pipekit demo` a whole project to look at"
    )


def run_options(
    only: tuple[str, ...] = (),
    first: str | None = None,
    last: str | None = None,
    dates: str | None = None,
    *,
    force: bool = False,
    rebuild: bool = False,
) -> RunOptions:
    """The options of the command line as the orchestrator takes them. Raises UsageError."""
    from pipekit.run.planning import RunOptions

    return RunOptions(
        only=only,
        first=first,
        last=last,
        dates=None if dates is None else _dates(dates),
        force=force,
        rebuild=rebuild,
    )


def _dates(text: str) -> tuple[dt.date, dt.date]:
    import datetime as dt

    first, _, last = text.partition(":")
    try:
        begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError as error:
        raise UsageError(f"--dates {text!r}: write YYYY-MM-DD or YYYY-MM-DD:YYYY-MM-DD") from error
    if end < begin:
        raise UsageError(f"--dates {text!r}: the last day lies before the first")
    return begin, end


@contextmanager
def _signals(orchestrator: PipelineOrchestrator) -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or closing of the terminal asks politely, the second at once."""
    codes = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        codes[signal.SIGHUP] = EXIT_HANGUP  # ignored under nohup, and then left so

    def stop(number: int, _frame: FrameType | None) -> None:
        again = orchestrator.cancel.is_set()
        if not again:
            orchestrator.interrupted_exit = codes[signal.Signals(number)]
        orchestrator.cancel.set(now=again)

    before = {number: signal.signal(number, stop) for number in codes}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summary(report: PipelineReport) -> dict[str, Any]:
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
                "sentence": str(result),
            }
            for result in report.stages
        ],
    }


def print_summary(report: PipelineReport, project: Path | None = None) -> None:
    """A line a stage and a line for the run on stdout, then what went wrong and how to go on.

    `project`: its folder, where the command to go on with has to name it.
    """
    for result in report.stages:
        _, _, rest = str(result).partition(": ")
        rest = rest.removeprefix(f"{result.status}, ")  # it stands in front already
        say(f"{result.stage}: {rest}", f"{coloured(result.status, 10)} ")
        for reason in result.error.splitlines():
            say(reason, " " * 11)
    say(str(report), f"{coloured(report.status, 10)} ")
    for warning in report.warnings:
        say(f"warning: {warning}", hang=2, err=True)
    if report.path:
        line(f"report: {report.path}", err=True)
    failed = [r.stage for r in report.stages if r.status in ("failure", "cancelled", "blocked")]
    if failed:
        import shlex

        where = f" -C {shlex.quote(str(project))}" if project else ""
        line(f"to go on: pipekit{where} run --from {failed[0]}", err=True)
