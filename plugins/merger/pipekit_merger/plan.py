"""The merger's plan: find the run files to merge, and whether the summary is up to date.

Looks at file names and the ledger only; opens no file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import attrs

from pipekit import Command, FileStat, Pending, Published, RunContext, StagePlan, Task
from pipekit_merger import WORKER
from pipekit_merger.history import Damage, Helpers, helping, run_file_entries
from pipekit_merger.layout import SUMMARY_TABLE, SUMMARY_TEXT, StreamMonth, digest
from pipekit_merger.request import Request
from pipekit_merger.settings import Settings


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """Merge the run files not merged yet; make again what is damaged, and an outdated summary."""
    merged = settings.merged
    months = [file.path for file in ctx.files(f"{merged}/*/*/*.parquet")]
    published = [file for file in ctx.published(ctx.stage) if file.path.startswith(f"{merged}/")]
    damage = _damage(ctx, merged)
    pending, others = _run_files(ctx, settings)
    helpers = helping(ctx, others, damage.again)
    warnings = _warnings(merged, damage, helpers)
    fingerprints = {file.path: file.fingerprint for file in published}
    known = digest((path.removeprefix(f"{merged}/"), fingerprints.get(path, "")) for path in months)
    outdated = bool(months) and not _has_summary(ctx, merged, known, published, damage.summary)
    merge = bool(pending or helpers or damage.altered)
    reason = pending.sentence(settings.runs)
    if not merge and not (settings.summary and outdated):
        return StagePlan.skip(reason, pending, holds=months, warnings=warnings)
    request = Request(
        merged=merged,
        workers=ctx.cores,
        rebuild=ctx.rebuild,
        run_files=(
            run_file_entries(ctx, pending, helpers, damage, analyzer=settings.analyzer)
            if merge
            else ()
        ),
        lost=damage.lost,
        altered=damage.altered,
        summary=settings.summary,
        ledger_digest=known,
    )
    return StagePlan(
        reason=_reason(pending, reason, merged, damage) if merge else "the summary is out of date",
        tasks=[_task(request)],
        inputs=[*pending.inputs, *(item for item, _ in helpers.values())],
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
    ctx: RunContext,
    merged: str,
    ledger_digest: str,
    published: Iterable[Published],
    altered: Collection[str],
) -> bool:
    """Whether the summary exists and, according to the ledger, matches the months.

    `altered`: those of its files that are not as they were published.

    The ledger entry holds the digests that the summary was made for: that of the months on disk and
    `ledger_digest`, so that it is not rebuilt on every run if the ledger lacks months on disk.
    """
    table, text = f"{merged}/{SUMMARY_TABLE}", f"{merged}/{SUMMARY_TEXT}"
    present = {file.path for file in ctx.files(f"{merged}/summary.*")}
    recorded = {file.path: file.detail.get("of", ()) for file in published}.get(text, ())
    return ledger_digest in recorded and {table, text} <= present.difference(altered)


def _run_files(ctx: RunContext, settings: Settings) -> tuple[Pending, list[FileStat]]:
    """The run files to merge, and the others."""
    files = [
        file
        for file in ctx.files(f"{settings.runs}/*/*.parquet")
        if not file.path.startswith(f"{settings.merged}/")
    ]
    forced = attrs.evolve(ctx, force=ctx.force or ctx.rebuild)
    # growing=True does not wait: run files are published by renaming, so they are complete.
    pending = forced.pending(files, growing=True)
    chosen = {file.path for file in pending}
    return pending, [file for file in files if file.path not in chosen]


def _damage(ctx: RunContext, merged: str) -> Damage:
    """What has become of the months and the summary since they were published."""
    seen = ctx.inspect(f"{merged}/*/*/*.parquet", f"{merged}/summary.*")
    summary = (f"{merged}/{SUMMARY_TABLE}", f"{merged}/{SUMMARY_TEXT}")
    missing, altered = _months(merged, seen.missing), _months(merged, seen.altered)
    return Damage(
        lost=tuple(sorted([*missing, *_months(merged, seen.removed)])),
        again=(*missing, *altered),
        altered=tuple(altered),
        summary=tuple(file.path for file in seen.altered if file.path in summary),
    )


def _months(merged: str, files: Iterable[Published]) -> list[StreamMonth]:
    """Those of the files that are months, in order."""
    found = (StreamMonth.of_path(file.path.removeprefix(f"{merged}/")) for file in files)
    return sorted(month for month in found if month is not None)


def _reason(pending: Pending, sentence: str, merged: str, damage: Damage) -> str:
    if pending:
        return sentence
    verb = "is" if len(damage.again) == 1 else "are"
    return f"{_named(merged, damage.again)} {verb} made again, as missing or changed"


def _warnings(merged: str, damage: Damage, helpers: Helpers) -> list[str]:
    """Months that are missing, and cannot be made again by this run."""
    made = {month for _, months in helpers.values() for month in months}
    lost = [month for month in damage.again if month not in made and month in damage.lost]
    if not lost:
        return []
    what = "1 merged month is" if len(lost) == 1 else f"{len(lost)} merged months are"
    its, it = ("its", "it") if len(lost) == 1 else ("their", "them")
    text = (
        f"{what} missing, and {its} run files are gone: {_named(merged, lost)}; restore a good "
        f"copy, or compute {it} again with `pipekit run --rebuild --from analyzer`"
    )
    return [text]


def _named(merged: str, months: Sequence[StreamMonth]) -> str:
    first = f"{merged}/{months[0].path}"
    return first if len(months) == 1 else f"{first} and {len(months) - 1} more"
