"""The command `pipekit doctor`: all checks, in order, and the exit code of the worst."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from pipekit.cli.common import configuration, known_folders
from pipekit.cli.config import examined
from pipekit.cli.doctor import machine, project
from pipekit.cli.doctor.finding import Finding, broken, ok, warning
from pipekit.cli.doctor.schedule import schedule
from pipekit.cli.help import Command
from pipekit.cli.options import json_option
from pipekit.cli.output import print_json, print_text
from pipekit.config.tables import PipelineConfig
from pipekit.errors import ConfigError, PipekitError
from pipekit.model.quantity import plural
from pipekit.model.run import Paths
from pipekit.process import ProcessSupervisor
from pipekit.read.findings import Level, worst
from pipekit.read.runs import refusals, refusing
from pipekit.run.project import open_project


@click.command(
    "doctor",
    cls=Command,
    exits={Level.OK: "all is well", Level.WARNING: "warnings", Level.BROKEN: "errors"},
    example=("pipekit doctor", "after an upgrade, or when runs misbehave"),
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Check that this machine and project are ready for runs.

    It looks at the configuration, the folders, disks, lock, clock and time zones, at each plugin
    and the worker of each stage, each in a process of its own, at the schedule and the last runs.
    Each finding says what to do. Nothing in the project is changed.
    """
    return report_findings(_findings(ctx), as_json=as_json)


def report_findings(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Print what was found, as it is found; returns the exit code of the worst."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([each._asdict() | {"level": each.level.name.lower()} for each in found])
    else:
        errors = sum(each.level is Level.BROKEN for each in found)
        warnings = sum(each.level is Level.WARNING for each in found)
        print_text(f"{plural(errors, 'error')}, {plural(warnings, 'warning')}")
    return worst(each.level for each in found)


def _findings(ctx: click.Context) -> Iterator[Finding]:
    yield from machine.system()
    yield from _configuration(ctx)
    paths, problem = known_folders(ctx)
    if problem is None:
        yield from _project(ctx, paths)
    else:  # another state folder may be set in it: of these nothing is known
        yield from machine.clock(None)
        yield from machine.zones("")
        yield from machine.start_files()


def _project(ctx: click.Context, paths: Paths) -> Iterator[Finding]:
    try:
        settings = configuration(ctx, tables=("pipeline",)).pipeline
    except ConfigError:  # its findings say why
        settings = PipelineConfig()
    yield from machine.folders(paths)
    yield from machine.disks(paths, settings.min_free)
    yield from machine.file_system(paths)
    yield project.lock(paths)
    run, worked, unreadable = project.last_run(paths)
    yield from machine.clock(run.started if run else None)
    yield from machine.zones(settings.timezone)
    yield from machine.start_files()
    yield from _stages(ctx, ProcessSupervisor())
    yield from schedule(ctx)
    if unreadable:
        yield broken("runs", unreadable, project.UNREADABLE)
    else:
        yield project.outcome(run, worked, refusing(refusals(paths), run), paths)


def _configuration(ctx: click.Context) -> Iterator[Finding]:
    """What `pipekit config check` finds."""
    try:
        settings, errors, warnings = examined(ctx)
    except ConfigError as problem:
        errors, warnings = problem.problems, []
    except PipekitError as problem:  # of the ledger, which planning reads
        yield broken("configuration", f"not fully checked: {problem}", project.UNREADABLE)
        return
    remedy = "see `pipekit config check`"
    yield from (broken("configuration", text, remedy) for text in errors)
    yield from (warning("configuration", text, remedy) for text in warnings)
    if not errors and not warnings:
        yield ok("configuration", f"{settings.file} is valid")


def _stages(ctx: click.Context, supervisor: ProcessSupervisor) -> Iterator[Finding]:
    try:
        opened = open_project(configuration(ctx), ctx.obj["no_plugins"])
    except PipekitError:  # the configuration's findings say why
        return
    yield from project.plugins(opened.plugins, supervisor)
    for stage in opened.stages:
        yield from project.self_check(stage, supervisor)


def _print(finding: Finding) -> None:
    lead = click.style(finding.level.name.lower().ljust(8), fg=finding.level.colour)
    print_text(f"{finding.subject}: {finding.text}", lead)
    if finding.remedy:
        print_text(f"→ {finding.remedy}", " " * 8)
