"""The merger's plan: find the run files to merge, and whether the summary is up to date.

Looks at file names and the ledger only; opens no file.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pipekit import Command, Pending, Published, RunContext, StagePlan, Task
from pipekit_merger.history import run_file_entries
from pipekit_merger.layout import SUMMARY_TABLE, SUMMARY_TEXT, StreamMonth, digest
from pipekit_merger.request import Request
from pipekit_merger.settings import Settings

WORKER = "pipekit_merger.worker"


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """Merge the run files not merged yet; make the summary if it is out of date."""
    merged = settings.merged
    months = [file.path for file in ctx.files(f"{merged}/*/*/*.parquet")]
    published = [file for file in ctx.published(ctx.stage) if file.path.startswith(f"{merged}/")]
    lost = _lost_months(merged, months, published)
    warnings = _warnings(merged, lost)
    pending, others = _run_files(ctx, settings)
    fingerprints = {file.path: file.fingerprint for file in published}
    known = digest((path.removeprefix(f"{merged}/"), fingerprints.get(path, "")) for path in months)
    outdated = bool(months) and not _has_summary(ctx, merged, known, published)
    if not pending and not (settings.summary and outdated):
        reason = pending.sentence(settings.runs)
        return StagePlan.skip(reason, pending, holds=months, warnings=warnings)
    request = Request(
        merged=merged,
        workers=ctx.cores,
        rebuild=ctx.rebuild,
        run_files=run_file_entries(ctx, pending, others, lost, analyzer=settings.analyzer),
        lost=tuple(lost),
        summary=settings.summary,
        ledger_digest=known,
    )
    return StagePlan(
        reason=pending.sentence(settings.runs) if pending else "the summary is out of date",
        tasks=[_task(request)],
        inputs=pending.inputs,
        rejected=pending.rejected,
        waiting=pending.waiting,
        holds=months,
        warnings=warnings,
    )


def _task(request: Request) -> Task:
    command = Command.python(WORKER, request=request)
    if request.run_files:
        return Task(name="merge", command=command, cores=request.workers)
    return Task(name="summary", command=command, cores=request.workers, units=["summary"])


def _has_summary(
    ctx: RunContext, merged: str, ledger_digest: str, published: Iterable[Published]
) -> bool:
    """Whether the summary exists and, according to the ledger, matches the months.

    The ledger entry holds the digests that the summary was made for: that of the months on disk and
    `ledger_digest`, so that it is not rebuilt on every run if the ledger lacks months on disk.
    """
    table, text = f"{merged}/{SUMMARY_TABLE}", f"{merged}/{SUMMARY_TEXT}"
    present = {file.path for file in ctx.files(f"{merged}/summary.*")}
    recorded = {file.path: file.detail.get("of", ()) for file in published}.get(text, ())
    return ledger_digest in recorded and {table, text} <= present


def _run_files(ctx: RunContext, settings: Settings) -> tuple[Pending, list[str]]:
    """The run files to merge, and the paths of the others."""
    files = [
        file
        for file in ctx.files(f"{settings.runs}/*/*.parquet")
        if not file.path.startswith(f"{settings.merged}/")
    ]
    forced = attrs.evolve(ctx, force=ctx.force or ctx.rebuild)
    # growing=True does not wait: run files are published by renaming, so they are complete.
    pending = forced.pending(files, growing=True)
    chosen = {file.path for file in pending}
    return pending, [file.path for file in files if file.path not in chosen]


def _lost_months(merged: str, months: list[str], published: list[Published]) -> list[StreamMonth]:
    """The months that were published but no longer have a file."""
    existing = set(months)
    lost = (file.path for file in published if file.path not in existing)
    found = (StreamMonth.of_path(path.removeprefix(f"{merged}/")) for path in lost)
    return sorted(month for month in found if month is not None)


def _warnings(merged: str, lost: list[StreamMonth]) -> list[str]:
    if not lost:
        return []
    what = "1 merged month is" if len(lost) == 1 else f"{len(lost)} merged months are"
    first = f"{merged}/{lost[0].path}"
    named = first if len(lost) == 1 else f"{first} and {len(lost) - 1} more"
    it = "it" if len(lost) == 1 else "them"
    return [
        f"{what} missing: {named}; rebuild {it} from the run files with `pipekit run --rebuild`"
    ]
