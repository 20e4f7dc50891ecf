"""Merge the run files of one instrument: read them, merge each stream, report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from attrs import field, frozen

from pipekit.worker import report
from pipekit_merger.layout import StreamMonth
from pipekit_merger.request import Request, RunFileEntry
from pipekit_merger.work.changes import Change
from pipekit_merger.work.merge import StreamMerge
from pipekit_merger.work.published import PublishedMonths
from pipekit_merger.work.reading import RunFiles, instrument_of, read_run_files


class UnreadableRunError(Exception):
    """A run file cannot be opened, so the later ones of its instrument wait."""


@frozen(kw_only=True)
class InstrumentMerger:
    """Merges one instrument after another; several threads may.

    `existing`: the months that have a file. `failed`: the instruments and streams that failed so
    far.
    """

    request: Request
    existing: Sequence[StreamMonth]
    failed: list[str] = field(factory=list)

    def merge(self, entries: Sequence[RunFileEntry]) -> list[StreamMonth]:
        """Merge the run files of an instrument, and report; returns the months concerned."""
        try:
            run_files = read_run_files(entries)
        except OSError as error:  # the temporary file cannot be written
            for name in sorted({instrument_of(entry.path) for entry in entries}):
                self._fail(name, error)
            return []
        for rejected in run_files.rejected:
            report.rejected(*rejected)
        for instrument, reason in run_files.waiting.items():
            self._fail(instrument, UnreadableRunError(reason))
        merges = self._streams(run_files)
        for merge in merges:
            _run(merge)
            _report_months(merge)
            if self.request.rebuild and merge.kept:
                _warn_of_kept_rows(merge)
        self.failed.extend(merge.stream for merge in merges if merge.months - merge.done)
        report_consumed(run_files, merges)
        run_files.buffer.close()
        return [merge.stream_month(month) for merge in merges for month in merge.months]

    def _fail(self, instrument: str, error: Exception) -> None:
        self.failed.append(instrument)
        with report.unit(instrument):
            raise error

    def _streams(self, run_files: RunFiles) -> list[StreamMerge]:
        """A merge for each stream that a run file has rows of, or may remove rows from."""
        existing, lost = _by_stream(self.existing), _by_stream(self.request.lost)
        streams = sorted({*run_files.buffer.streams(), *existing, *lost})
        merges = (self._stream(stream, run_files, existing, lost) for stream in streams)
        return [merge for merge in merges if merge.months]

    def _stream(
        self,
        stream: str,
        run_files: RunFiles,
        existing: dict[str, set[int]],
        lost: dict[str, set[int]],
    ) -> StreamMerge:
        of_stream = [r for r in run_files.ordered if stream.startswith(r.scope.instrument)]
        published = PublishedMonths(
            stream=stream,
            folder=self.request.merged,
            existing=frozenset(existing[stream]),
            lost=frozenset(lost[stream]),
            run_files=of_stream,
            rebuild=self.request.rebuild,
            vocabulary=run_files.buffer.vocabulary,
        )
        return StreamMerge(
            stream=stream,
            run_files=of_stream,
            buffer=run_files.buffer,
            published=published,
        )


def by_instrument(request: Request) -> list[list[RunFileEntry]]:
    """The request's run files by instrument, in order.

    Instruments stay together where the name of one begins with the other's: a stream ESX1 may be of
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


def _by_stream(months: Iterable[StreamMonth]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for month in months:
        found[month.stream].add(month.month)
    return found


def _run(merge: StreamMerge) -> None:
    with report.unit(merge.stream):
        try:
            merge.run()
        finally:
            for change in (Change.NEW, Change.UPDATED, Change.REMOVED, Change.UNCHANGED):
                report.metric(f"rows_{change.name.lower()}", int(merge.counts[change]))


def _report_months(merge: StreamMerge) -> None:
    """Report the files of a stream outside of its unit: they count also where a month failed."""
    for warning in merge.warnings:
        report.warning(warning, stream=merge.stream)
    for publication in merge.publications:
        publication.tell()


def _warn_of_kept_rows(merge: StreamMerge) -> None:
    what = "1 row that is" if merge.kept == 1 else f"{merge.kept:,} rows that are"
    report.warning(
        f"{merge.stream}: kept {what} in no run file any more; "
        "`pipekit run --rebuild --from analyzer` computes everything again",
        stream=merge.stream,
        rows=merge.kept,
    )


def report_consumed(run_files: RunFiles, merges: Iterable[StreamMerge]) -> None:
    """Report the run files as consumed in order, each with the months it is still to go into.

    The order counts. Killed between two reports, the next run takes the newer file again, which
    changes nothing; an older one alone would be merged over it.
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
