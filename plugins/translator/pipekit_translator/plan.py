"""The translator's plan: finds which raw files to read, for which days, and why."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from pipekit import Command, ContentState, Input, Pending, RunContext, StagePlan, Task
from pipekit_translator import WORKER
from pipekit_translator.rebuild import Rebuild, is_extended, rebuild_for
from pipekit_translator.request import NOTHING, FileGroup, FileJob, FileMemory, Request, Role
from pipekit_translator.settings import Settings
from pipekit_translator.so_far import contracts_so_far
from pipekit_translator.survey import Group, pending_of, survey

ENVIRONMENT = {
    # otherwise glibc gives the memory of each block back to the system and requests it again for
    # the next one, which can cost a quarter of the CPU time
    "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
}


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """The files to read and why. Raises ConfigError for a file that two sources match."""
    groups, warnings = survey(ctx, settings)
    known = ctx.consumed()
    pendings = [_without_past(ctx, pending_of(ctx, settings, each, known)) for each in groups]
    rebuild = rebuild_for(ctx, settings, groups, pendings, known)
    pendings = [_without(pending, rebuild.postponed) for pending in pendings]
    pending = sum(pendings, Pending())
    warnings += rebuild.warnings
    reason = _reason(settings, pending)
    holds = (*pending.waiting, *sorted(rebuild.postponed))
    if not pending and not rebuild:
        return StagePlan.skip(reason, pending, holds=holds, warnings=warnings)
    inputs = [
        *((at, item) for at, each in enumerate(pendings) for item in each.inputs),
        *rebuild.more,
    ]
    return StagePlan(
        reason="; ".join(_reasons(reason if pending else "", rebuild)),
        tasks=[_task(ctx, settings, groups, inputs, rebuild)],
        inputs=[item for _, item in inputs],
        waiting=pending.waiting,
        rejected=pending.rejected,
        holds=holds,
        warnings=warnings,
    )


def _without_past(ctx: RunContext, pending: Pending) -> Pending:
    """Files in the place of those to forget are new ones."""
    if not ctx.forget:
        return pending
    inputs = (
        item._replace(previous=None) if item.path in ctx.forget else item for item in pending.inputs
    )
    return attrs.evolve(pending, inputs=tuple(inputs))


def _reasons(pending: str, rebuild: Rebuild) -> list[str]:
    """Why there is work; if files are pending, what else there is to do is said only of some."""
    if not pending:
        return [rebuild.reason()]
    return [pending, rebuild.reason()] if rebuild.forgotten else [pending]


def _reason(settings: Settings, pending: Pending) -> str:
    text = pending.sentence(settings.raw if settings.reads_raw else "the folders of its sources")
    rejected, waiting = len(pending.rejected), len(pending.waiting)
    notes = []
    if rejected:
        notes.append(f"{rejected} rejected before")
    if waiting:
        notes.append(f"{waiting} not settled yet")
    return f"{text} ({', '.join(notes)})" if notes else text


def _without(pending: Pending, postponed: set[str]) -> Pending:
    inputs = tuple(item for item in pending.inputs if item.path not in postponed)
    return attrs.evolve(pending, inputs=inputs)


def _task(
    ctx: RunContext,
    settings: Settings,
    groups: list[Group],
    inputs: list[tuple[int, Input]],
    rebuild: Rebuild,
) -> Task:
    new, known = _new_and_known(groups, inputs, rebuild)
    request = Request(
        processed=settings.processed.rstrip("/"),
        quarantine=_relative(ctx, ctx.paths.quarantine / ctx.run_id),
        quality_file=_relative(ctx, ctx.run_dir / ctx.stage / "quality.json"),
        cache=_relative(ctx, ctx.paths.state / "cache" / "translator"),
        workers=ctx.cores,
        memory=settings.memory,
        kernels=settings.kernels,
        timezone=settings.timezone,
        final_after=settings.final_after,
        partial_at=settings.partial_at,
        groups=[_shared(*both) for both in zip(groups, new, strict=True)],
        files=known,
        size=sum(item.file.size for _, item in inputs),
        rebuild=rebuild.days,
        left=rebuild.left,
        removed=rebuild.removed,
        lost=rebuild.lost,
        altered=rebuild.altered,
        unknown=rebuild.unknown,
        forgotten={
            path: days
            for path, days in rebuild.forgotten.items()
            if all(path != item.path for _, item in inputs)
        },
        quality=settings.quality,
        contracts_folder=settings.contracts.rstrip("/"),
        contracts=contracts_so_far(ctx, settings, [item for _, item in inputs]),
        compose=rebuild.compose,
    )
    return Task(
        name="translate",
        command=Command.python(WORKER, request=request, env=ENVIRONMENT),
        inputs=[item.path for _, item in inputs],
        cores=ctx.cores,
    )


def _new_and_known(
    groups: list[Group], inputs: list[tuple[int, Input]], rebuild: Rebuild
) -> tuple[list[list[str]], list[FileJob]]:
    """The paths of new files by group, and the jobs of those that more is known of."""
    helpers = {item.path for _, item in rebuild.helpers}
    new: list[list[str]] = [[] for _ in groups]
    known = []
    for at, item in inputs:
        job = _job(at, groups[at], item, _role(item, rebuild, helpers))
        if job.role == "new" and job.before is NOTHING:
            new[at].append(job.path)
        else:
            known.append(job)
    return new, known


def _shared(group: Group, new: list[str]) -> FileGroup:
    source = group.source
    return FileGroup(
        format=group.format,
        source=source.glob,
        growing=group.growing,
        priority=source.priority,
        new=new,
    )


def _role(item: Input, rebuild: Rebuild, helpers: set[str]) -> Role:
    if item.path in rebuild.stale:
        return "stale"
    return "helper" if item.path in helpers else "new"


def _job(at: int, group: Group, item: Input, role: Role) -> FileJob:
    job = FileJob(path=item.path, group=at, role=role)
    if item.previous is None or item.previous.state is ContentState.REJECTED:
        return job
    before = FileMemory.of(item.previous.detail)
    resume = role == "new" and is_extended(group, item) and before.reading == group.digest
    return attrs.evolve(job, known=item.previous.fingerprint, before=before, resume=resume)


def _relative(ctx: RunContext, path: Path) -> str:
    try:
        return path.relative_to(ctx.root).as_posix()
    except ValueError:  # outside the project
        return os.fspath(path)
