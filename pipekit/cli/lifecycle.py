"""`pipekit lifecycle`: which files may go, the trash, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from pipekit.cli import complete
from pipekit.cli.common import known_folders, open_project
from pipekit.cli.exits import output_may_fail
from pipekit.cli.help import RUN_EXITS, RUN_MEANING, Command, Group
from pipekit.cli.options import json_option
from pipekit.cli.output import print_json, print_line, print_text
from pipekit.cli.selection import without_console
from pipekit.cli.stopping import signals_stop
from pipekit.errors import EXIT_PARTIAL, EXIT_SUCCESS, StorageError
from pipekit.model.quantity import rough_size
from pipekit.model.run import Paths, PipelineReport
from pipekit.model.status import PipelineStatus
from pipekit.process import Cancel
from pipekit.run.current_run import CurrentRun
from pipekit.run.lifecycle.removal import Moved, Removal, find_manifest
from pipekit.run.lifecycle.review import Proposal, Review, review
from pipekit.run.lifecycle.steps import review_files
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.run.project import Project
from pipekit.storage.database import ledger_exists
from pipekit.storage.ledger import Ledger
from pipekit.storage.trash.manifest import Manifest, Manifests

Work = tuple[Moved, Iterable[Proposal]]
_EXITS = {**RUN_EXITS, EXIT_PARTIAL: "some files could not be moved; each is named"}
_NO_POLICY = "no policy is configured; add [[lifecycle.rules]] to pipekit.toml"
_RUN = {"RUN": f"{RUN_MEANING}, as the trash has it."}


@click.group(
    "lifecycle",
    cls=Group,
    example=("pipekit lifecycle plan", "what may be removed now"),
)
def command() -> None:
    """Show which files may be removed; remove or restore them.

    Files are moved to the trash (`.pipekit-trash`), and deleted after `lifecycle.retention_days`.
    """


@command.command(
    "plan",
    cls=Command,
    example=("pipekit lifecycle plan --json", "the same for a program"),
)
@json_option
@click.pass_context
def plan(ctx: click.Context, as_json: bool) -> int:
    """List what the policies propose now.

    Each proposal is shown with its reason, or with the reason why the file has to stay. A run makes
    the same list at its end. Nothing is moved or deleted.
    """
    project = open_project(ctx)
    found = _reviewed(project)
    for problem in found.broken:
        print_line(f"warning: {problem}", err=True)
    if as_json:
        print_json([proposal.record() for proposal in found.proposals])
        return EXIT_SUCCESS
    for proposal in found.proposals:
        _print(proposal)
    if not any(proposal.is_change and not proposal.refused for proposal in found.proposals):
        print_line(_nothing(project, found))
    return EXIT_SUCCESS


@command.command(
    "apply",
    cls=Command,
    exits=_EXITS,
    example=("pipekit lifecycle apply", "move to the trash what `plan` lists"),
)
@json_option
@click.pass_context
def apply(ctx: click.Context, as_json: bool) -> int:
    """Move removable files to the trash, or to their archive.

    Whatever `lifecycle.mode` says. The content of each file is checked again after the move, and a
    file that has changed is put back. This is a run of its own in `pipekit history`.
    """
    project = open_project(ctx)
    shown: list[Proposal] = []
    lines: list[str] = []

    def work(run: CurrentRun, runner: PipelineOrchestrator) -> Work:
        plans = {decision.stage: decision.plan for decision in runner.foresee(run.ledger)}
        found = review_files(run, plans, runner.cancel) or Review()
        told, moved = Removal(run).apply(found.proposals, runner.cancel.is_set)
        shown.extend(told)
        if moved.done:
            lines.append(f"{moved} moved; to put them back: pipekit lifecycle restore {run.number}")
        elif not moved.refused:
            lines.append(_nothing(project, found))
        return moved, told

    report = _maintained(project, "lifecycle apply", work)
    with output_may_fail():
        if as_json:
            print_json([proposal.record() for proposal in shown])
        else:
            for proposal in shown:
                _print(proposal)
            _print_end(report, lines)
    return report.exit_code


@command.command(
    "restore",
    cls=Command,
    arguments=_RUN,
    exits=_EXITS,
    example=("pipekit lifecycle restore 14", "put back what run 14 has moved"),
)
@click.argument("run", required=False, shell_complete=complete.runs)
@click.pass_context
def restore(ctx: click.Context, run: str | None) -> int:
    """Put the files back that a run has moved to the trash or archived.

    No file is replaced: one whose path is taken by now stays in the trash. Restored files stay,
    whatever policies propose, until they are changed or touched. Without RUN, list the trash.
    """
    if run is None:
        return _list_trash(known_folders(ctx)[0])
    return _move(ctx, run, "restore", "put back", Removal.restore)


@command.command(
    "purge",
    cls=Command,
    arguments=_RUN,
    exits=_EXITS,
    example=("pipekit lifecycle purge 14", "delete what run 14 has moved, now and for good"),
)
@click.argument("run", required=False, shell_complete=complete.runs)
@click.pass_context
def purge(ctx: click.Context, run: str | None) -> int:
    """Delete files in the trash for good.

    Without RUN, those that have been there for `lifecycle.retention_days`, as each run does at its
    end. With RUN, all that this run has moved, at once. A file that was changed in the trash stays.
    """

    def all_of(removal: Removal, run_id: str) -> Moved:
        return removal.purge([run_id] if run_id else removal.expired())

    return _move(ctx, run, "purge", "deleted", all_of)


def _move(
    ctx: click.Context,
    run: str | None,
    verb: str,
    done: str,
    act: Callable[[Removal, str], Moved],
) -> int:
    """Restore or purge the files of a run, and say what became of them."""
    project = open_project(ctx)
    moved = Moved([], {})

    def work(current: CurrentRun, _runner: PipelineOrchestrator) -> Work:
        nonlocal moved
        moved = act(Removal(current), run_id)
        return moved, ()

    run_id = find_manifest(_manifests(project.paths), run) if run else ""
    report = _maintained(project, f"lifecycle {verb}", work)
    with output_may_fail():
        for path, reason in moved.refused.items():
            print_text(f"{path}: {reason}", "refused  ")
        count = f"{moved} {done}" if moved.done else f"nothing {done}"
        _print_end(report, [count])
    return report.exit_code


def _maintained(
    project: Project, title: str, work: Callable[[CurrentRun, PipelineOrchestrator], Work]
) -> PipelineReport:
    """Do work on files in a run of its own, which Ctrl-C and SIGTERM stop between two files."""
    running: list[PipelineOrchestrator] = []
    with Cancel() as cancel, signals_stop(running):
        runner = PipelineOrchestrator(without_console(project), cancel=cancel)
        running.append(runner)

        def step(run: CurrentRun) -> tuple[PipelineStatus, Iterable[Proposal]]:
            moved, proposals = work(run, runner)
            if moved.refused:
                return PipelineStatus.PARTIAL, proposals
            return PipelineStatus.SUCCESS if moved.done else PipelineStatus.IDLE, proposals

        return runner.maintain(title, step)


def _reviewed(project: Project) -> Review:
    database = project.paths.ledger
    if not ledger_exists(database):
        return Review()
    plans = {decision.stage: decision.plan for decision in PipelineOrchestrator(project).plan()}
    with Ledger(database, read_only=True) as ledger:
        return review(project, ledger, plans)


def _nothing(project: Project, found: Review) -> str:
    """Why no file may go, in one line."""
    if not project.policies:
        return _NO_POLICY
    if not ledger_exists(project.paths.ledger):
        return "nothing may go: no runs yet"
    return f"nothing may go: {found.why_nothing()}"


def _print(proposal: Proposal) -> None:
    action = proposal.action
    outcome = f"refused: {proposal.refused}" if proposal.refused else action.reason
    print_text(f"{action.path}: {outcome}", f"{action.kind:<8} ")


def _print_end(report: PipelineReport, lines: Iterable[str]) -> None:
    for line in lines:
        print_line(line)
    for warning in report.warnings:
        print_text(f"warning: {warning}", hang=2, err=True)


def _manifests(paths: Paths) -> Manifests:
    return Manifests(paths.root, paths.file_mode)


def _list_trash(paths: Paths) -> int:
    """A line for each run whose files are in the trash."""
    manifests = _manifests(paths)
    found = manifests.find()
    if not found:
        print_line("the trash is empty")
    for run_id, work in found.items():
        try:
            manifest = manifests.read(run_id, work)
        except StorageError as error:
            print_text(str(error), hang=2)
            continue
        rest = f", {work} was broken off: the next run finishes it" if work else ""
        print_text(f"{_size(manifest)}{rest} ({run_id})", f"run {manifest.run}: ", hang=2)
    return EXIT_SUCCESS


def _size(manifest: Manifest) -> str:
    count = len(manifest.files)
    return f"{count:,} file{'' if count == 1 else 's'}, {rough_size(manifest.size)}"
