"""Works off a request: read all files, publish key by key, report.

A file is consumed when every key that it feeds is published; if one fails, it stays pending.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing

import attrs

from pipekit.worker import report, sync_folders
from pipekit_translator import layout
from pipekit_translator.request import FileJob, FileMemory, Request
from pipekit_translator.work.assemble.buffer import Chunk, RowBuffer
from pipekit_translator.work.assemble.file_rows import Assembly
from pipekit_translator.work.publish import quality
from pipekit_translator.work.publish.columns import use_system_memory
from pipekit_translator.work.publish.publisher import (
    DiskThreads,
    Outcome,
    Publisher,
    export_rank,
    of_days,
)
from pipekit_translator.work.publish.quarantine import Quarantine, lines_of
from pipekit_translator.work.read.files import read_all
from pipekit_translator.work.read.rawfile import RawFile
from pipekit_translator.work.zones import Zone

LATE = "late: the lifecycle has removed the processed {part}"
FIXED_MEMORY = 256_000_000  # bytes that reading and writing take on two cores, besides the buffer


class LateRowsError(Exception):
    """Rows of a part whose processed file the lifecycle has removed."""


@attrs.define
class _File:
    """A file that was read, and the keys that must be published before it is consumed."""

    raw: RawFile
    waits_for: set[str]
    failed: bool = False

    @property
    def job(self) -> FileJob:
        return self.raw.job

    @property
    def late(self) -> dict[str, list[int]]:
        """Lines by processed file that the lifecycle has removed."""
        return self.raw.rows.late

    @property
    def repeated(self) -> bool:
        """Whether this very content was consumed before, so that its bad rows are known."""
        return not self.raw.resumed and self.raw.fingerprint == self.job.known

    @property
    def is_empty(self) -> bool:
        return not self.raw.total and not self.raw.resumed

    def memory(self) -> FileMemory:
        """What the next plan needs to know of the file."""
        raw = self.raw
        before = self.job.before if raw.resumed else FileMemory()
        return FileMemory(
            reading=raw.format.digest(),
            source=self.job.source,
            prefix=raw.prefix,
            lines=raw.lines,
            days=layout.union([before.days, raw.rows.days]),
            quarantined=before.quarantined + len(raw.bad) + sum(map(len, self.late.values())),
            empty=self.is_empty,
            late=sorted({*before.late, *self.late}),
            folds={
                name: [fold.last, int(fold.second)]
                for name, fold in raw.folds.items()
                if fold.last is not None
            },
            last=raw.last,
            unread=0 if raw.complete else raw.signature[2] - raw.prefix,
        )


def translate(request: Request) -> None:
    """Work off a request, in the project's root."""
    use_system_memory()
    with (
        closing(RowBuffer(_buffer_size(request.memory), request.processed)) as buffer,
        closing(DiskThreads()) as disks,
    ):
        _Translation(request, buffer, disks).run()


class _Translation:
    def __init__(self, request: Request, buffer: RowBuffer, disks: DiskThreads) -> None:
        self._request = request
        self._assembly = Assembly(
            buffer=buffer,
            timezone=request.timezone,
            processed=request.processed,
            removed=frozenset(request.removed),
        )
        self._quarantine = Quarantine(request.quarantine)
        self._rebuild = request.rebuild
        self._left = request.left
        self._disks = disks
        self._files: list[_File] = []
        self._feeding: dict[str, dict[str, list[tuple[int, _File]]]] = {}  # by key and part
        self._quality: dict[str, dict[str, float]] = {}
        self._counts: Counter[str] = Counter(
            dict.fromkeys(("files", "empty_files", "rows", "bad_rows", "late_rows"), 0)
        )

    def run(self) -> None:
        self._read()
        for file in self._files:
            self._finish_when_done(file)
        workers = max(self._request.workers, 1)
        with ThreadPoolExecutor(workers + 1) as keys, ThreadPoolExecutor(workers) as parts:
            work = {keys.submit(self._publish, key, parts): key for key in self._keys()}
            for done in as_completed(work):
                self._note_published(work[done], ok=done.result())
        self._report_late()
        for name, value in self._counts.items():
            report.metric(name, value)
        self._write_quality()

    # Reading

    def _read(self) -> None:
        found = read_all(self._request, self._assembly)
        self._files = [_File(raw, set(raw.rows.chunks)) for raw in found.files]
        self._files.sort(key=_rank)
        for rank, file in enumerate(self._files):
            for key, parts in file.raw.rows.chunks.items():
                for part in parts:
                    self._feeding.setdefault(key, {}).setdefault(part, []).append((rank, file))
        self._leave_days(found.again, found.rejected)
        for file in self._files:
            for warning in file.raw.warnings:
                report.warning(warning, path=file.raw.path)

    def _leave_days(self, again: list[FileJob], rejected: list[FileJob]) -> None:
        """Do not rebuild days that an unreadable file fed."""
        waiting = layout.both(layout.union(job.before.days for job in again), self._rebuild)
        lost = layout.both(layout.union(job.before.days for job in rejected), self._rebuild)
        left = layout.union([waiting, lost])
        self._left = layout.union([self._left, left])
        self._rebuild = layout.without(self._rebuild, left)
        for file in self._files:
            if file.job.role == "stale":
                file.failed = bool(layout.both(file.job.before.days, waiting))
        if left:
            report.warning(
                f"not rebuilt: {layout.named(left)}, because a file that fed these days could not "
                "be read. Once it can, rebuild them with `pipekit run --rebuild`"
            )

    # Publishing

    def _keys(self) -> list[str]:
        return sorted({*self._feeding, *self._rebuild})

    def _publish(self, key: str, threads: ThreadPoolExecutor) -> bool:
        """Whether the unit succeeded."""
        with report.unit(key):
            self._publish_parts(key, threads)
            return True
        return False

    def _publish_parts(self, key: str, threads: ThreadPoolExecutor) -> None:
        rebuild = self._rebuild.get(key, {})
        publisher = Publisher(
            processed=self._request.processed,
            key=key,
            zone=self._zone(key),
            rules=self._request.quality,
            disks=self._disks,
        )
        names = {*self._feeding.get(key, ()), *layout.parts_of(key, rebuild)}
        parts = {part: self._chunks(key, part) for part in sorted(names)}

        def publish(part: str) -> Outcome | None:
            days = layout.both({key: rebuild}, {key: layout.days_of(part)})
            return publisher.publish(part, parts.pop(part), days.get(key, {}))

        outcomes: list[Outcome] = []
        count = len(parts)
        try:
            for index, outcome in enumerate(threads.map(publish, list(parts))):
                if outcome is not None:
                    if outcome.placed:
                        outcome.placed.result()
                    outcomes.append(outcome)
                report.progress(index + 1, count)
        finally:  # also if a later part cannot be published
            written = [outcome.publication for outcome in outcomes if outcome.publication.changed]
            sync_folders(publication.target for publication in written)
            for outcome in outcomes:
                self._report_part(key, outcome)
        self._report_rows(key, outcomes)

    def _zone(self, key: str) -> Zone:
        return self._assembly.zone(layout.of_key(key)[1])

    def _chunks(self, key: str, part: str) -> list[tuple[int, Chunk]]:
        """The chunks that feed a part, with the rank of their export, in ascending order."""
        found: list[tuple[int, Chunk]] = []
        for rank, file in self._feeding.get(key, {}).get(part, ()):
            chunks = file.raw.rows.chunks[key].pop(part)
            found += [(rank, chunk) for chunk in self._wanted(file, key, chunks)]
        return found

    def _wanted(self, file: _File, key: str, chunks: list[Chunk]) -> Iterator[Chunk]:
        """Of a helper only the days to rebuild; of a stale file all but the days to leave."""
        if file.job.role == "new" or not chunks:
            return iter(chunks)
        zone = self._zone(key)
        inside = file.job.role == "helper"
        days = (self._rebuild if inside else self._left).get(key, {})
        return (of_days(chunk, zone, days, inside=inside) for chunk in chunks)

    # Reporting

    def _report_part(self, key: str, outcome: Outcome) -> None:
        feeding = self._feeding.get(key, {}).get(outcome.part, ())
        publication = outcome.publication
        publication.sources = [file.raw.path for _, file in feeding]
        publication.detail = {
            "series": layout.series_name(key),
            "first": outcome.first,
            "last": outcome.last,
            "rows": outcome.rows,
        }
        publication.tell()

    def _report_rows(self, key: str, outcomes: list[Outcome]) -> None:
        series = layout.of_key(key)[1]
        written = [outcome for outcome in outcomes if outcome.publication.changed]
        report.metric(f"{series.part}s_written", len(written))
        report.metric(f"{series.part}s_unchanged", len(outcomes) - len(written))
        report.metric(f"{series.noun}_added", sum(outcome.added for outcome in written))
        report.metric(f"{series.noun}_changed", sum(outcome.changed for outcome in written))
        report.metric(f"{series.noun}_removed", sum(outcome.removed for outcome in written))
        within = [file.raw.rows.repeated.get(key, (0, 0)) for file in self._files]
        duplicates = sum(outcome.duplicates for outcome in outcomes) + sum(n for n, _ in within)
        conflicts = sum(outcome.conflicts for outcome in outcomes) + sum(n for _, n in within)
        self._examine(key, outcomes, {"duplicates": duplicates, "conflicts": conflicts})

    def _examine(self, key: str, outcomes: list[Outcome], counts: dict[str, float]) -> None:
        rules = self._request.quality
        zone = Zone(self._assembly.timezone)
        parts = (outcome.statistics for outcome in outcomes)
        numbers = quality.combined(key, zone, rules, parts).numbers() | counts
        self._quality[key] = numbers
        for name, value in numbers.items():
            report.metric(name, value)
        if findings := quality.findings(numbers, rules):
            instrument = layout.of_key(key)[0]
            report.warning(f"{key}: {'; '.join(findings)}", instrument=instrument, **numbers)

    def _note_published(self, key: str, *, ok: bool) -> None:
        for file in self._files:
            if key in file.waits_for:
                file.waits_for.discard(key)
                file.failed |= not ok
                self._finish_when_done(file)

    def _finish_when_done(self, file: _File) -> None:
        """Quarantine the rows that cannot be used, then report the file as consumed."""
        if file.waits_for or file.failed:
            return
        raw = file.raw
        self._set_aside(file)
        self._counts["files"] += 1
        self._counts["rows"] += raw.total
        self._counts["bad_rows"] += len(raw.bad)
        self._counts["empty_files"] += file.is_empty
        report.consumed(
            raw.path,
            raw.fingerprint,
            raw.signature,
            detail=file.memory().detail(),
            complete=raw.complete,
        )

    def _set_aside(self, file: _File) -> None:
        raw = file.raw
        rows = [] if file.repeated and file.job.role != "stale" else list(raw.bad)
        late = [] if file.repeated else [line for lines in file.late.values() for line in lines]
        if late:
            rows += lines_of(raw.path, late, LATE.format(part=raw.format.made.part))
            self._counts["late_rows"] += len(late)
        if path := self._quarantine.add(raw.path, rows):
            count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
            report.warning(
                f"{raw.path}: {count} set aside in {path}; the first is line {rows[0].line}: "
                f"{rows[0].reason}",
                path=raw.path,
            )

    def _report_late(self) -> None:
        """A failed unit for each part with late rows, so that the stage is partial."""
        late: Counter[str] = Counter()
        for file in self._files:
            if not file.repeated:
                late.update({path: len(lines) for path, lines in file.late.items()})
        for path, count in sorted(late.items()):
            key, part = layout.covered(path) or (path, "")
            series = layout.of_key(key)[1]
            with report.unit(f"{key} {part} late"):
                raise LateRowsError(
                    f"{count:,} {series.noun} belong to {path}, which the lifecycle has removed. "
                    f"They are in {self._request.quarantine}. Put the {series.part} back from your "
                    "archive; the next run then publishes them"
                )

    def _write_quality(self) -> None:
        path = self._request.quality_file
        if self._quality:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self._quality, file, indent=1, sort_keys=True)


def _rank(file: _File) -> tuple[int, float, int, str]:
    return export_rank(file.raw.path, file.job.priority, file.raw.signature[3])


def _buffer_size(memory: int) -> int:
    """How many bytes of rows may be buffered if the whole process may take `memory` bytes."""
    return int(memory / 50 + max(memory - FIXED_MEMORY, 0) / 2)
