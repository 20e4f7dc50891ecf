"""Checks of the project: plugins, stages, and what became of the last runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

from pipekit import hookspecs
from pipekit.cli.doctor.finding import Finding, broken, ok, warning
from pipekit.cli.output import last_line
from pipekit.errors import PipekitError, StorageError
from pipekit.model.command import Command, ProcessResult
from pipekit.model.quantity import local_time, plural
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import PipelineStatus
from pipekit.plugins.entrypoints import BUILTINS, EntryPoint, entry_points
from pipekit.plugins.isolation import call_each
from pipekit.plugins.loader import Plugins
from pipekit.process import ProcessSupervisor
from pipekit.read.runs import (
    as_of_now,
    completed,
    current_hold,
    lock_holder,
    open_history,
    without_name,
)
from pipekit.run.project import Stage
from pipekit.storage.refusals import Refusal

_SLOW = 1.0  # seconds of CPU for the import of a plugin, which every run pays
_LINES = 5  # that a self-check may say
_WARNING = "warning: "  # before what a self-check is not content with
_LATEST = 20  # runs with work, of which those that went wrong are counted
_PATIENCE = 60.0  # seconds for an import or a self-check
UNREADABLE = "look at the rights and the disk of the file that it names"  # what to do
_TIMED = (
    "import sys, time; begun = time.process_time(); __import__(sys.argv[1]); "
    "print(time.process_time() - begun)"
)


def plugins(found: Plugins, supervisor: ProcessSupervisor) -> Iterator[Finding]:
    """Whether each plugin can be loaded, and how long its import takes in a process of its own.

    The plugins of the core are left out. Disabled ones are named, and not imported.
    """
    for each in found.broken:
        yield broken("plugins", str(each), f"mend or uninstall {each.origin.distribution}")
    passed_over = {BUILTINS, *(each.origin.distribution for each in found.broken)}
    for point in entry_points(hookspecs.GROUP):
        if point in found.disabled:
            yield disabled(point)
        elif point.distribution not in passed_over:
            yield imported(point, supervisor)


def disabled(point: EntryPoint) -> Finding:
    """That a plugin is installed, and not used."""
    return ok("plugins", f"{point} is disabled by [plugins], a variable or --no-plugins")


def imported(point: EntryPoint, supervisor: ProcessSupervisor) -> Finding:
    """Whether a plugin can be imported, and how long that takes."""
    name = f"{point.distribution} {point.version} ({point.name})"
    try:
        took = import_seconds(point.value.partition(":")[0], supervisor)
    except PipekitError as error:
        text = f"{name} cannot be imported: {error}"
        return broken("plugins", text, f"reinstall {point.distribution}, or uninstall it")
    text = f"{name}, imported in {1000 * took:.0f} ms"
    if took > _SLOW:
        remedy = "its module should import what is slow only in its workers"
        return warning("plugins", text, remedy)
    return ok("plugins", text)


def import_seconds(module: str, supervisor: ProcessSupervisor) -> float:
    """How much CPU time the import of a module takes in a new process, in seconds.

    Raises PipekitError with the reason if it fails.
    """
    argv = [sys.executable, "-P", "-c", _TIMED, module]
    result = supervisor.execute(Command(argv=argv, timeout=_PATIENCE), name="import")
    if not result:
        raise PipekitError(_why(result))
    return float(last_line(result.stdout.tail) or "0")


def self_check(stage: Stage, supervisor: ProcessSupervisor) -> Iterator[Finding]:
    """Whether the worker of a stage can start: the plugin's own check, in its own process.

    And what that check says of itself; see the field `check` of StageSpec.
    """
    subject = f"stage {stage.name}"
    if stage.spec is None:
        yield broken(subject, stage.problem, f"mend or reinstall the plugin of {stage.name}")
        return
    if stage.spec.check is None:
        yield ok(subject, "its plugin has no self-check")
        return
    [made] = call_each([(partial(stage.spec.check, stage.settings), _PATIENCE)])
    if not isinstance(made.value, Command):
        text = f"its self-check cannot be made: {made.fault or 'it is not a Command'}"
        yield broken(subject, text, f"report it to the author of {stage.name}")
        return
    result = supervisor.execute(made.value, name=f"check-{stage.name}")
    if not result:
        text = f"its worker does not start: {_why(result)}"
        yield broken(subject, text, "reinstall its plugin")
        return
    yield ok(subject, f"its worker starts ({result.duration:.1f} s)")
    for line in result.stdout.tail.splitlines()[-_LINES:]:
        warned = line.removeprefix(_WARNING)
        if warned != line:
            yield warning(subject, warned, f"see what the plugin of {stage.name} says of this")
        elif line.strip():
            yield ok(subject, line)


def _why(result: ProcessResult) -> str:
    last = last_line(result.stderr.tail, result.stdout.tail)
    return f"{result.reason}{f'; last line: {last}' if last else ''}"


def last_run(paths: Paths) -> tuple[PipelineState | None, list[PipelineState], str]:
    """The last run, the latest with work, or why they cannot be read."""
    try:
        ledger = open_history(paths)
        if ledger is None:
            return None, [], ""
        with ledger:
            worked = completed(ledger.runs(limit=_LATEST, worked=True), paths)
            return next(iter(completed(ledger.runs(limit=1), paths)), None), worked, ""
    except PipekitError as problem:
        return None, [], str(problem)


def outcome(
    run: PipelineState | None,
    worked: list[PipelineState],
    refused: Refusal | None,
    paths: Paths,
) -> Finding:
    """How the last runs ended, or why none began since: `refused`."""
    if refused:
        text = f"refused at {local_time(refused.last)}: {refused.error.splitlines()[0]}"
        return broken("runs", text, "see `pipekit status`")
    if run is None:
        return ok("runs", "none yet")
    (((run, is_on), *_), _) = as_of_now([run], paths)
    status = run.status or ("is going on" if is_on else "died; the next run closes it")
    text = f"run {run.number}, at {local_time(run.started)}: {status}"
    failed = sum(each.status is not None and not each for each in worked)
    if failed:
        text += f"; {failed} of the last {plural(len(worked), 'run')} with work went wrong"
    if is_on or run.status in (PipelineStatus.SUCCESS, PipelineStatus.IDLE):
        return ok("runs", text)
    return warning("runs", text, f"see `pipekit show {run.number}`")


def lock(paths: Paths) -> Finding:
    """Whether a run is going on, or runs are held."""
    try:
        hold, holder = current_hold(paths), lock_holder(paths)
    except StorageError as error:
        return broken("lock", str(error), UNREADABLE)
    if hold is not None:
        text = f"no run begins until {local_time(hold.until)} ({hold.reason})"
        return warning("hold", text, "`pipekit release` allows runs again")
    if holder is None:
        return ok("lock", "no run is going on")
    if not holder.run_id:
        return ok("lock", without_name(holder))
    since = f" since {local_time(holder.since)}" if holder.since else ""
    return ok("lock", f"run {holder.run or holder.run_id} is going on{since}")
