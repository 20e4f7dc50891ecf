"""Merges the run files of one instrument: read them, merge each stream, report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Executor

from pipekit.worker import report
from pipekit_merger.layout import StreamMonth
from pipekit_merger.request import Request, RunFileEntry
from pipekit_merger.work.merge import Change, StreamMerge
from pipekit_merger.work.published import PublishedMonths
from pipekit_merger.work.reading import RunFiles, instrument_of, read_run_files
from pipekit_merger.work.summary import SummedMonths


class UnreadableRunError(Exception):
    """A run file cannot be opened, so all run files of its instrument wait."""


def merge_instrument(
    entries: Sequence[RunFileEntry],
    request: Request,
    existing: Collection[StreamMonth],
    disks: Executor,
    summed: SummedMonths,
) -> tuple[set[StreamMonth], list[str]]:
    """Merge the run files of an instrument, and report. Thread-safe.

    `existing`: the months that have a file. `disks`: threads that place finished files. `summed`:
    the merged months are added to it, if there is to be a summary. Returns the months concerned,
    and the instruments and streams that failed.
    """
    try:
        files = read_run_files(entries)
    except OSError as error:  # the temporary file cannot be written
        names = sorted({instrument_of(entry.path) for entry in entries})
        return set(), [_report_failure(name, error) for name in names]
    for rejected in files.rejected:
        report.rejected(*rejected)
    failed = [
        _report_failure(name, UnreadableRunError(reason)) for name, reason in files.waiting.items()
    ]
    merges = _merges(files, request, existing, disks, summed)
    for merge in merges:
        _run(merge)
        for warning in merge.warnings:
            report.warning(warning, stream=merge.stream)
        for publication in merge.publications:
            publication.tell()  # outside its unit, so that it counts even if a month failed
        if request.rebuild and merge.kept:
            _warn_of_kept_rows(merge)
    failed += [merge.stream for merge in merges if merge.months - merge.done]
    _report_consumed(files, merges)
    files.buffer.close()
    return {merge.stream_month(month) for merge in merges for month in merge.months}, failed


def _report_failure(name: str, error: Exception) -> str:
    """Report a unit that failed; returns its name."""
    with report.unit(name):
        raise error  # the unit records it and suppresses it
    return name


def _merges(
    files: RunFiles,
    request: Request,
    existing: Collection[StreamMonth],
    disks: Executor,
    summed: SummedMonths,
) -> list[StreamMerge]:
    """A merge for each stream that a run file has rows of, or may remove rows from."""
    instruments = tuple(run_file.scope.instrument for run_file in files.ordered)
    there = {month.stream for month in (*existing, *request.lost)}
    there = {stream for stream in there if stream.startswith(instruments)}
    merges = []
    for stream in sorted(files.buffer.streams() | there):
        published = PublishedMonths(
            request=request,
            existing=existing,
            run_files=[r for r in files.ordered if stream.startswith(r.scope.instrument)],
            vocabulary=files.buffer.vocabulary,
        )
        merges.append(
            StreamMerge(
                stream=stream, buffer=files.buffer, published=published, disks=disks, summed=summed
            )
        )
    return [merge for merge in merges if merge.months]


def by_instrument(request: Request) -> list[list[RunFileEntry]]:
    """The request's run files by instrument, in order.

    Instruments stay together if the name of one begins with the other's: a stream ESX1 may be of
    ESX or of ES.
    """
    found: dict[str, list[RunFileEntry]] = {}
    for run_file in request.run_files:
        found.setdefault(instrument_of(run_file.path), []).append(run_file)
    parts: list[list[RunFileEntry]] = []
    first = None
    for name in sorted(found):
        if first is not None and name.startswith(first):
            parts[-1] = sorted([*parts[-1], *found[name]], key=lambda run_file: run_file.number)
        else:
            first = name
            parts.append(found[name])
    return parts


def _run(merge: StreamMerge) -> None:
    with report.unit(merge.stream):
        try:
            merge.run()
        finally:
            for change in (Change.NEW, Change.UPDATED, Change.REMOVED, Change.UNCHANGED):
                report.metric(f"rows_{change.name.lower()}", int(merge.counts[change]))


def _warn_of_kept_rows(merge: StreamMerge) -> None:
    what = "1 row that is" if merge.kept == 1 else f"{merge.kept:,} rows that are"
    report.warning(
        f"{merge.stream}: kept {what} no longer in any run file; "
        "`pipekit run --rebuild --from analyzer` computes everything again",
        stream=merge.stream,
        rows=merge.kept,
    )


def _report_consumed(run_files: RunFiles, merges: Iterable[StreamMerge]) -> None:
    """Report the run files as consumed, each with the months it is still to go into.

    In order, so that if this process is killed between two reports, only the newest files are
    pending: the next run merges them again, which changes nothing.
    """
    failed = [merge.stream_month(month) for merge in merges for month in merge.months - merge.done]
    for file in run_files.accepted:
        scope = file.run_file.scope
        pending = sorted(
            str(month)
            for month in failed
            if month.stream.startswith(scope.instrument)
            and file.run_file.is_pending(month)
            and scope.months((month.month,))
        )
        report.consumed(
            file.run_file.path,
            file.fingerprint,
            file.signature,
            detail={"scope": file.stated, "left": pending},
            complete=not pending,
        )
