"""What the translator would do now: which raw files it would read, for which days, and why.

Pure: it looks at the files and the ledger through the context and changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs

import pipekit  # Command and Task are loaded where there is work
from pipekit import ContentState, Input, Pending, RunContext, StagePlan, Why
from pipekit_translator.rebuild import Rebuild, rebuild_for
from pipekit_translator.settings import Quality, Settings, megabytes, span
from pipekit_translator.survey import Group, pending_of, survey

WORKER = "pipekit_translator.worker"


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """The files to read and why. Raises ConfigError for a file that two sources match."""
    groups, warnings = survey(ctx, settings)
    known = ctx.consumed()
    pendings = [pending_of(ctx, settings, group, known) for group in groups]
    rebuild = rebuild_for(ctx, settings, groups, pendings, known)
    pendings = [_without(pending, rebuild.postponed) for pending in pendings]
    pending = sum(pendings, Pending())
    more: dict[str, Any] = {
        "holds": pending.waiting,
        "warnings": (*warnings, *rebuild.warnings),
    }
    said = _sentence(settings, pending)
    if not pending and not rebuild.more:
        return StagePlan.skip(said, pending, **more)
    inputs = [
        *((at, item) for at, each in enumerate(pendings) for item in each.inputs),
        *rebuild.more,
    ]
    return StagePlan(
        reason=said if pending else rebuild.reason(),
        tasks=[_task(ctx, settings, groups, inputs, rebuild)],
        inputs=[item for _, item in inputs],
        waiting=pending.waiting,
        rejected=pending.rejected,
        **more,
    )


def _sentence(settings: Settings, pending: Pending) -> str:
    said = pending.sentence(settings.raw)
    rejected, waiting = len(pending.rejected), len(pending.waiting)
    notes = []
    if rejected:
        notes.append(f"{rejected} rejected before")
    if waiting:
        notes.append(f"{waiting} not settled yet")
    return f"{said} ({', '.join(notes)})" if notes else said


def _without(pending: Pending, postponed: set[str]) -> Pending:
    if not postponed:
        return pending
    inputs = tuple(item for item in pending.inputs if item.path not in postponed)
    waiting = [item.path for item in pending.inputs if item.path in postponed]
    return attrs.evolve(pending, inputs=inputs, waiting=(*pending.waiting, *waiting))


def _task(
    ctx: RunContext,
    settings: Settings,
    groups: list[Group],
    inputs: list[tuple[int, Input]],
    rebuild: Rebuild,
) -> pipekit.Task:
    helpers = {item.path for _, item in rebuild.helpers}
    files = [_job(at, groups[at], item, _role(item.path, rebuild, helpers)) for at, item in inputs]
    request = {
        "processed": settings.processed.rstrip("/"),
        "quarantine": _relative(ctx, ctx.paths.quarantine / ctx.run_id),
        "quality_file": _relative(ctx, ctx.run_dir / ctx.stage / "quality.json"),
        "workers": ctx.workers,
        "memory": megabytes(settings.memory),
        "timezone": settings.timezone,
        "final_after": settings.final_after,
        "readings": [group.reading.record() for group in groups],
        "files": files,
        "cache": _relative(ctx, ctx.paths.state / "cache" / "translator"),
        "bytes": sum(item.file.size for _, item in inputs),
        "rebuild": rebuild.days,
        "left": rebuild.left,
        "removed": rebuild.removed,
        "quality": _rules(settings.quality),
    }
    return pipekit.Task(
        name="translate",
        command=pipekit.Command.python(WORKER, request=request),
        inputs=[item.path for _, item in inputs],
        cores=ctx.workers,
    )


def _role(path: str, rebuild: Rebuild, helpers: set[str]) -> str:
    if path in rebuild.stale:
        return "stale"
    return "helper" if path in helpers else "new"


def _job(reading: int, group: Group, item: Input, role: str) -> dict[str, Any]:
    """A file as the worker's request states it: see `rawfile.Job`."""
    job = {
        "path": item.path,
        "reading": reading,
        "source": group.source.glob,
        "growing": group.growing,
        "priority": group.source.priority,
        "role": role,
    }
    if item.previous is None or item.previous.state is ContentState.REJECTED:
        return job
    detail = item.previous.detail
    kept = ("fed", "days"), ("quarantined", "quarantined"), ("late", "late")
    job |= {name: detail[key] for name, key in kept if detail.get(key)}
    job["known"] = item.previous.fingerprint
    goes_on = item.why is Why.PART or (item.why is Why.CHANGED and group.growing)
    if goes_on and detail.get("reading") == group.digest:
        kept_on = ("prefix", "lines", "folds", "last")
        job |= {name: detail[name] for name in kept_on if detail.get(name)}
    return job


def _relative(ctx: RunContext, path: Path) -> str:
    try:
        return path.relative_to(ctx.root).as_posix()
    except ValueError:  # kept outside the project
        return os.fspath(path)


def _rules(quality: Quality) -> dict[str, Any]:
    """The settings as `quality.examine` takes them: spans in minutes of the day."""
    spans = {"pause": span(quality.pause), "core": span(quality.core)}
    return attrs.asdict(quality) | spans
