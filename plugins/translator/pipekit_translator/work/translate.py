"""Carries out a request: read all files, publish key by key, report.

A file is consumed when every key that it feeds is published; if one fails, it stays pending.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress

import pyarrow as pa

from pipekit.worker import report, sync_folders
from pipekit_translator import layout
from pipekit_translator.request import FileJob, Request
from pipekit_translator.work.assemble.buffer import Chunk, RowBuffer
from pipekit_translator.work.assemble.file_rows import Assembly
from pipekit_translator.work.publish import quality
from pipekit_translator.work.publish.publisher import PartResult, Publisher, of_days
from pipekit_translator.work.publish.quarantine import Quarantine, lines_of
from pipekit_translator.work.read.files import read_all
from pipekit_translator.work.read.rawfile import RawFile
from pipekit_translator.work.zones import Zone

LATE = "late: the lifecycle has removed the processed {part}"
_STAMP = re.compile(r"(?<!\d)(\d{8}_\d{6})(?!\d)")  # of an export
_DISK_THREADS = 4  # each finished file waits some milliseconds for the disk
FIXED_MEMORY = 256_000_000  # bytes used to read and write on two cores, besides the buffer


class LateRowsError(Exception):
    """Rows of a part whose processed file the lifecycle has removed."""


def translate(request: Request) -> None:
    """Carry out a request. The working directory must be the project's root."""
    pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's others keep tens of megabytes
    with closing(RowBuffer(_buffer_size(request.memory), request.processed)) as buffer:
        _Translation(request, buffer).run()


class _Translation:
    def __init__(self, request: Request, buffer: RowBuffer) -> None:
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
        self._files: list[RawFile] = []
        # by key and part: files with the numbers of their chunks, in order of rank
        self._feeding: dict[str, dict[str, list[tuple[RawFile, int]]]] = {}
        self._quality: dict[str, dict[str, float]] = {}
        self._counts: Counter[str] = Counter(
            dict.fromkeys(("files", "empty_files", "rows", "bad_rows", "late_rows"), 0)
        )

    def run(self) -> None:
        self._read()
        for file in self._files:
            self._finish_when_done(file)
        workers = max(self._request.workers, 1)
        with ThreadPoolExecutor(_DISK_THREADS) as disks, ThreadPoolExecutor(workers) as threads:
            keys = sorted({*self._feeding, *self._rebuild})
            parts = {key: self._submit(key, threads, disks) for key in keys}
            for key in keys:
                published = self._publish(key, parts.pop(key))
                self._note_published(key, ok=published)
        self._report_late()
        for name, value in self._counts.items():
            report.metric(name, value)
        self._write_quality()

    # Reading

    def _read(self) -> None:
        files, again = read_all(self._request, self._assembly)
        self._files = sorted((file for file in files if not file.rejected), key=_rank)
        for rank, file in enumerate(self._files):
            file.rank, file.waits = rank, len({key for key, _, _ in file.rows.chunks})
            for key, part, chunk in file.rows.chunks:
                self._feeding.setdefault(key, {}).setdefault(part, []).append((file, chunk))
            file.rows.chunks.clear()
        self._leave_days(again, [file.job for file in files if file.rejected])
        for file in self._files:
            for warning in file.warnings:
                report.warning(warning, path=file.path)

    def _leave_days(self, again: list[FileJob], rejected: list[FileJob]) -> None:
        """Exclude days that an unreadable file fed from the rebuild."""
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

    def _submit(
        self, key: str, threads: ThreadPoolExecutor, disks: ThreadPoolExecutor
    ) -> list[Future[PartResult | None]]:
        """Publish the parts of a key in these threads."""
        rebuild = self._rebuild.get(key, {})
        publisher = Publisher(
            processed=self._request.processed,
            key=key,
            zone=self._zone(key),
            rules=self._request.quality,
            disks=disks,
        )

        def publish(part: str) -> PartResult | None:
            days = layout.both({key: rebuild}, {key: layout.days_of(part)})
            return publisher.publish(part, self._chunks(key, part), days.get(key, {}))

        names = {*self._feeding.get(key, ()), *layout.parts_of(key, rebuild)}
        return [threads.submit(publish, part) for part in sorted(names)]

    def _publish(self, key: str, parts: list[Future[PartResult | None]]) -> bool:
        """Whether the unit succeeded; published parts are reported in any case."""
        with report.unit(key):
            for index, part in enumerate(parts):
                part.exception()  # waits
                report.progress(index + 1, len(parts))
            results = [o for part in parts if not part.exception() and (o := part.result())]
            placed = [o for o in results if not (o.placed and o.placed.exception())]
            sync_folders(o.publication.target for o in placed if o.publication.changed)
            for result in placed:
                self._report_part(key, result)
            for part in parts:
                part.result()
            for result in results:
                if result.placed:
                    result.placed.result()
            self._report_rows(key, results)
            return True
        return False  # `report.unit` has suppressed an exception

    def _zone(self, key: str) -> Zone:
        return self._assembly.zone(layout.of_key(key)[1])

    def _chunks(self, key: str, part: str) -> list[tuple[int, Chunk]]:
        """The chunks that feed a part, with the rank of their export, in ascending order.

        From a helper, only the days to rebuild; from a stale file, all but the days to leave alone.
        """
        zone, found = self._zone(key), []
        for file, number in self._feeding.get(key, {}).get(part, ()):
            chunk = self._assembly.buffer.chunk(number)
            if file.job.role != "new":
                inside = file.job.role == "helper"
                days = (self._rebuild if inside else self._left).get(key, {})
                chunk = of_days(chunk, zone, days, inside=inside)
            found.append((file.rank, chunk))
        return found

    # Reporting

    def _report_part(self, key: str, result: PartResult) -> None:
        feeding = self._feeding.get(key, {}).get(result.part, ())
        publication = result.publication
        publication.sources = list(dict.fromkeys(file.path for file, _ in feeding))
        publication.detail = {
            "series": layout.series_name(key),
            "first": result.first,
            "last": result.last,
            "rows": result.rows,
        }
        publication.tell()

    def _report_rows(self, key: str, results: list[PartResult]) -> None:
        series = layout.of_key(key)[1]
        written = [result for result in results if result.publication.changed]
        report.metric(f"{series.part}s_written", len(written))
        report.metric(f"{series.part}s_unchanged", len(results) - len(written))
        report.metric(f"{series.noun}_added", sum(result.added for result in written))
        report.metric(f"{series.noun}_changed", sum(result.changed for result in written))
        report.metric(f"{series.noun}_removed", sum(result.removed for result in written))
        within = [file.rows.repeated.get(key, (0, 0)) for file in self._fed(key)]
        duplicates = sum(result.duplicates for result in results) + sum(n for n, _ in within)
        conflicts = sum(result.conflicts for result in results) + sum(n for _, n in within)
        self._examine(key, results, {"duplicates": duplicates, "conflicts": conflicts})

    def _examine(self, key: str, results: list[PartResult], counts: dict[str, float]) -> None:
        rules = self._request.quality
        whole = quality.Statistics(key, Zone(self._assembly.timezone), rules)
        for result in results:
            whole.append(result.statistics)
        numbers = self._quality[key] = whole.numbers() | counts
        for name, value in numbers.items():
            report.metric(name, value)
        if findings := quality.findings(numbers, rules):
            instrument = layout.of_key(key)[0]
            report.warning(f"{key}: {'; '.join(findings)}", instrument=instrument, **numbers)

    def _note_published(self, key: str, *, ok: bool) -> None:
        for file in self._fed(key):
            file.waits -= 1
            file.failed |= not ok
            self._finish_when_done(file)

    def _fed(self, key: str) -> list[RawFile]:
        """The files with rows of a key, in order of rank."""
        parts = self._feeding.get(key, {}).values()
        files = {file.rank: file for chunks in parts for file, _ in chunks}
        return [files[rank] for rank in sorted(files)]

    def _finish_when_done(self, file: RawFile) -> None:
        """Quarantine the rows that cannot be used, then report the file as consumed."""
        if file.waits or file.failed:
            return
        self._set_aside(file)
        self._counts["files"] += 1
        self._counts["rows"] += file.total
        self._counts["bad_rows"] += len(file.bad)
        self._counts["empty_files"] += file.is_empty
        report.consumed(
            file.path,
            file.fingerprint,
            file.signature,
            detail=file.memory().detail(),
            complete=file.complete,
        )

    def _set_aside(self, file: RawFile) -> None:
        rows = [] if file.repeated and file.job.role != "stale" else list(file.bad)
        late = [] if file.repeated else [n for lines in file.rows.late.values() for n in lines]
        if late:
            rows += lines_of(file.path, late, LATE.format(part=file.format.series_written.part))
            self._counts["late_rows"] += len(late)
        if path := self._quarantine.add(file.path, rows):
            self._counts["rows_set_aside"] += len(rows)
            report.metric("rows_set_aside", self._counts["rows_set_aside"])
            count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
            report.warning(
                f"{file.path}: {count} set aside in {path}; the first is line {rows[0].line}: "
                f"{rows[0].reason}",
                path=file.path,
            )

    def _report_late(self) -> None:
        """A failed unit for each part with late rows, so that the stage is partial."""
        late: Counter[str] = Counter()
        for file in self._files:
            if not file.repeated:
                late.update({path: len(lines) for path, lines in file.rows.late.items()})
        for path, count in sorted(late.items()):
            key, part = layout.covered(path) or (path, "")
            series = layout.of_key(key)[1]
            with report.unit(f"{key} {part} late"):
                raise LateRowsError(
                    f"{count:,} {series.noun} belong to {path}, which the lifecycle has removed. "
                    f"They are in {self._request.quarantine}. Put the {series.part} back from the "
                    "trash (`pipekit lifecycle restore` lists it) or your archive; the next run "
                    "then publishes them"
                )

    def _write_quality(self) -> None:
        path = self._request.quality_file
        if self._quality:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                json.dump(self._quality, file, indent=1, sort_keys=True)


def _rank(file: RawFile) -> tuple[int, float, int, str]:
    """Sorts files: of rows with the same time, those of the file with the highest rank are kept.

    By priority, then the time stamp in the file's name, else its modification time, then its name.
    """
    changed_ns = file.signature.mtime_ns
    exported = changed_ns / 1e9
    if found := _STAMP.search(os.path.basename(file.path)):
        with suppress(ValueError):
            stamp = dt.datetime.strptime(found[1], "%Y%m%d_%H%M%S").replace(tzinfo=dt.UTC)
            exported = stamp.timestamp()
    return (file.group.priority, exported, changed_ns, file.path)


def _buffer_size(memory: int) -> int:
    """How many bytes of rows to buffer if the whole process may use `memory` bytes."""
    return int(memory / 50 + max(memory - FIXED_MEMORY, 0) / 2)
