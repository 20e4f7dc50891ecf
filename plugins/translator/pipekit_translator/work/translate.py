"""Carries out a request: read all files, publish key by key, report.

A file is consumed when every key that it feeds is published; if one fails, it stays pending.
"""

from __future__ import annotations

import json
import os
from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pyarrow as pa

from pipekit.worker import ABSENT, report, staged, sync_folders
from pipekit_translator import layout
from pipekit_translator.dialects import VolumeType
from pipekit_translator.request import FileJob, Request
from pipekit_translator.work.assemble.buffer import Chunk, RowBuffer
from pipekit_translator.work.assemble.file_rows import Assembly
from pipekit_translator.work.publish import quality
from pipekit_translator.work.publish.existing import Existing
from pipekit_translator.work.publish.publisher import PartResult, Publisher, of_days
from pipekit_translator.work.publish.quarantine import Quarantine, lines_of
from pipekit_translator.work.publish.unusable import UnusableError
from pipekit_translator.work.publish.volume import volume_of
from pipekit_translator.work.read.files import read_all
from pipekit_translator.work.read.outcome import Files, Outcome
from pipekit_translator.work.read.record import RawFile
from pipekit_translator.work.read.texts import lines_in
from pipekit_translator.work.table import Ints
from pipekit_translator.work.zones import Zone

Parts = list[Future[PartResult | None]]  # of a key, in order

LATE = "late: the lifecycle has removed the processed {part}"
_DISK_THREADS = 4  # each finished file waits some milliseconds for the disk
_PARTS_AHEAD = 256  # that threads work on or have ready; a key is submitted as a whole
FIXED_MEMORY = 256_000_000  # bytes used to read and write on two cores, besides the buffer


class LateRowsError(Exception):
    """Rows of a part whose processed file the lifecycle has removed."""


def translate(request: Request) -> None:
    """Carry out a request. The working directory must be the project's root."""
    pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's others keep tens of megabytes
    with closing(RowBuffer(_buffer_size(request.memory), request.processed)) as buffer:
        _Translation(request, buffer).run()


class SetAsideError(Exception):
    """So many rows of a file were set aside that the run is no success."""


class Feeding:
    """The chunks of a part, each with its file; in order of rank once they are sorted."""

    def __init__(self) -> None:
        self._files, self._chunks = array("i"), array("i")

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._files, self._chunks, strict=True)

    def add(self, file: int, chunk: int) -> None:
        """Add a chunk."""
        self._files.append(file)
        self._chunks.append(chunk)

    def sort(self, ranks: Ints) -> None:
        """Sort by rank, then as added; the ranks are the new numbers of the files."""
        files = ranks[np.array(self._files)]
        order = np.argsort(files, kind="stable")
        self._files = array("i", files[order].astype(np.int32).tobytes())
        self._chunks = array("i", np.array(self._chunks)[order].tobytes())


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
        self._files = Files(request.groups)
        self._feeding: dict[str, dict[str, Feeding]] = {}
        self._waits: list[int] = []  # by file: keys to publish before it is consumed
        self._unpublished: set[str] = set()  # keys
        self._spoiled: dict[str, str] = {}  # why, by file
        self._failed: set[int] = set()  # files of which a key could not be published
        self._warnings: dict[int, list[str]] = {}  # by file
        self._late: Counter[str] = Counter()  # by processed file
        self._within: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)  # by key
        self._quality: dict[str, dict[str, float]] = {}
        self._counts: Counter[str] = Counter(
            dict.fromkeys(("files", "empty_files", "rows", "bad_rows", "late_rows"), 0)
        )

    def run(self) -> None:
        self._read()
        with report.gathered():
            for file in range(len(self._files)):
                self._finish_when_done(file)
        workers = max(self._request.workers, 1)
        with ThreadPoolExecutor(_DISK_THREADS) as disks, ThreadPoolExecutor(workers) as threads:
            self._existing = Existing.of(self._request, self._quarantine, self._left)
            for key, parts in self._submitted(threads, disks):
                self._note_published(key, ok=self._publish(key, parts))
        self._report_forgotten()
        self._report_late()
        self._report_spoiled()
        for name, value in self._counts.items():
            report.metric(name, value)
        self._write_quality()

    # Reading

    def _read(self) -> None:
        rejected, again = read_all(self._request, self._assembly, self._take)
        ranks = self._files.sort()
        for parts in self._feeding.values():
            for feeding in parts.values():
                feeding.sort(ranks)
        waits = np.empty(len(ranks), np.int64)
        waits[ranks] = self._waits
        self._waits = waits.tolist()
        self._leave_days(again, rejected)
        warnings = sorted((int(ranks[file]), texts) for file, texts in self._warnings.items())
        for file, texts in warnings:
            for text in texts:
                report.warning(text, path=self._files.paths[file])

    def _take(self, raw: RawFile) -> None:
        """Keep what is needed of a file until it is consumed."""
        file, chunks = self._files.add(raw), raw.rows.chunks
        self._waits.append(len({key for key, _, _ in chunks}))
        for key, part, chunk in chunks:
            self._feeding.setdefault(key, {}).setdefault(part, Feeding()).add(file, chunk)
        if raw.warnings:
            self._warnings[file] = raw.warnings
        if not raw.repeated:
            self._late.update({path: len(lines) for path, lines in raw.rows.late.items()})
        for key, counts in raw.rows.repeated.items():
            self._within[key].append(counts)

    def _leave_days(self, again: list[FileJob], rejected: list[FileJob]) -> None:
        """Exclude days that an unreadable file fed from the rebuild."""
        waiting = layout.both(layout.union(job.before.days for job in again), self._rebuild)
        lost = layout.both(layout.union(job.before.days for job in rejected), self._rebuild)
        left = layout.union([waiting, lost])
        self._left = layout.union([self._left, left])
        self._rebuild = layout.without(self._rebuild, left)
        for file, job in self._files.known.items():
            if job.role == "stale" and layout.both(job.before.days, waiting):
                self._failed.add(file)
        if left:
            report.warning(
                f"not rebuilt: {layout.named(left)}, because a file that fed these days could not "
                "be read. Once it can, rebuild them with `pipekit run --rebuild`"
            )

    # Publishing

    def _submitted(
        self, threads: ThreadPoolExecutor, disks: ThreadPoolExecutor
    ) -> Iterator[tuple[str, Parts]]:
        """The keys in order, and their parts in the hands of threads; some keys ahead."""
        keys = iter(sorted({*self._feeding, *self._rebuild, *self._existing.parts}))
        ahead: deque[tuple[str, Parts]] = deque()
        while True:
            while sum(len(parts) for _, parts in ahead) < _PARTS_AHEAD:
                if (key := next(keys, None)) is None:
                    break
                ahead.append((key, self._submit(key, threads, disks)))
            if not ahead:
                return
            first = ahead.popleft()
            if not ahead and (key := next(keys, None)) is not None:
                ahead.append((key, self._submit(key, threads, disks)))
            yield first

    def _submit(self, key: str, threads: ThreadPoolExecutor, disks: ThreadPoolExecutor) -> Parts:
        """Publish the parts of a key in these threads."""
        rebuild = self._rebuild.get(key, {})
        try:
            volume = volume_of(self._request.processed, key, self._volume_types(key))
        except UnusableError as error:
            refused: Future[PartResult | None] = Future()
            refused.set_exception(error)
            return [refused]
        publisher = Publisher(
            processed=self._request.processed,
            key=key,
            zone=self._zone(key),
            rules=self._request.quality,
            disks=disks,
            existing=self._existing,
            volume=volume,
        )

        def publish(part: str) -> PartResult | None:
            days = layout.both({key: rebuild}, {key: layout.days_of(part)})
            return publisher.publish(part, self._chunks(key, part), days.get(key, {}))

        names = {*self._feeding.get(key, ()), *layout.parts_of(key, rebuild)}
        names.update(self._existing.parts.get(key, ()))
        return [threads.submit(publish, part) for part in sorted(names)]

    def _volume_types(self, key: str) -> dict[VolumeType, str]:
        """The types of the volume in files that feed a key, each with one of the files."""
        files = self._files
        fed = self._feeding_files(key)
        return {files.group(file).format.volume_type: files.paths[file] for file in fed}

    def _feeding_files(self, key: str) -> list[int]:
        """The files with rows of a key, in order."""
        parts = self._feeding.get(key, {}).values()
        return sorted({file for feeding in parts for file, _ in feeding})

    def _publish(self, key: str, parts: Parts) -> bool:
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
        for file, number in self._fed_by(key, part):
            chunk, role = self._assembly.buffer.chunk(number), self._files.role(file)
            if role != "new":
                inside = role == "helper"
                days = (self._rebuild if inside else self._left).get(key, {})
                chunk = of_days(chunk, zone, days, inside=inside)
            found.append((file, chunk))
        return found

    def _fed_by(self, key: str, part: str) -> Iterator[tuple[int, int]]:
        feeding = self._feeding.get(key, {}).get(part)
        return iter(feeding or ())

    # Reporting

    def _report_part(self, key: str, result: PartResult) -> None:
        publication = result.publication
        paths = (self._files.paths[file] for file, _ in self._fed_by(key, result.part))
        publication.sources = list(dict.fromkeys(paths))
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
        fed, within = self._feeding_files(key), self._within[key]
        duplicates = sum(result.duplicates for result in results) + sum(n for n, _ in within)
        conflicts = sum(result.conflicts for result in results)
        counts: dict[str, float] = {"duplicates": duplicates}
        in_one_file = sum(n for _, n in within) + (conflicts if len(fed) == 1 else 0)
        between = sum(result.restated for result in results) + (conflicts if len(fed) > 1 else 0)
        counts["conflicts"] = in_one_file + between
        if in_one_file:
            counts["conflicts_in_one_file"] = in_one_file
        self._examine(key, results, counts)

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
        files = self._feeding_files(key)
        if not ok:
            self._unpublished.add(key)
        with report.gathered():
            for file in files:
                self._waits[file] -= 1
                if not ok:
                    self._failed.add(file)
                self._finish_when_done(file)

    def _finish_when_done(self, file: int) -> None:
        """Quarantine the rows that cannot be used, then report the file as consumed."""
        if self._waits[file] or file in self._failed:
            return
        path, found = self._files.paths[file], self._files[file]
        self._set_aside(file, found)
        aside = 0 if found.repeated else len(found.bad) + sum(map(len, found.aside.values()))
        if aside and aside >= self._request.partial_at * found.rows:
            self._spoiled[path] = f"{aside:,} of its {found.rows:,} rows were set aside"
        self._counts["files"] += 1
        self._counts["rows"] += found.rows
        self._counts["bad_rows"] += len(found.bad)
        self._counts["empty_files"] += found.empty
        if found.footer:
            self._counts["footer_lines"] += found.footer
        report.consumed(
            path,
            found.fingerprint,
            found.signature,
            detail=self._files.detail(file, self._left),
            complete=found.complete,
        )

    def _set_aside(self, file: int, found: Outcome) -> None:
        source, stale = self._files.paths[file], self._files.role(file) == "stale"
        rows = [] if found.repeated and not stale else found.bad
        late = [] if found.repeated else [n for lines in found.late.values() for n in lines]
        if late:
            format = self._files.group(file).format
            reason = LATE.format(part=format.series_written.part)
            rows = rows + lines_of(lines_in(source, format), late, reason)
            self._counts["late_rows"] += len(late)
        if not found.repeated:
            for reason, lines in found.aside.items():
                format = self._files.group(file).format
                rows = rows + lines_of(lines_in(source, format), lines, reason)
        if path := self._quarantine.add(source, rows):
            self._counts["rows_set_aside"] += len(rows)
            report.metric("rows_set_aside", self._counts["rows_set_aside"])
            count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
            report.warning(
                f"{source}: {count} set aside in {path}; the first is line {rows[0].line}: "
                f"{rows[0].reason}",
                path=source,
            )

    def _report_forgotten(self) -> None:
        """Report files to forget as absent, if all days that they fed were rebuilt."""
        for path, days in self._request.forgotten.items():
            if not (days.keys() & self._unpublished or layout.both(days, self._left)):
                report.consumed(path, ABSENT)

    def _report_late(self) -> None:
        """A failed unit for each part with late rows, so that the stage is partial."""
        for path, count in sorted(self._late.items()):
            key, part = layout.covered(path) or (path, "")
            series = layout.of_key(key)[1]
            with report.unit(f"{key} {part} late"):
                raise LateRowsError(
                    f"{count:,} {series.noun} belong to {path}, which the lifecycle has removed. "
                    f"They are in {self._request.quarantine}. Put the {series.part} back from the "
                    "trash (`pipekit lifecycle restore` lists it) or your archive; the next run "
                    "then publishes them"
                )

    def _report_spoiled(self) -> None:
        """A failed unit for each file of which too many rows were set aside."""
        for path, reason in self._spoiled.items():
            with report.unit(path):
                raise SetAsideError(
                    f"{reason}; they are in {self._request.quarantine}. Setting partial_at: "
                    f"{self._request.partial_at:g}"
                )

    def _write_quality(self) -> None:
        path = self._request.quality_file
        if self._quality:
            there = staged(path)
            os.makedirs(os.path.dirname(there), exist_ok=True)
            with open(there, "w", encoding="utf-8", newline="\n") as file:
                json.dump(self._quality, file, indent=1, sort_keys=True)


def _buffer_size(memory: int) -> int:
    """How many bytes of rows to buffer if the whole process may use `memory` bytes."""
    return int(memory / 50 + max(memory - FIXED_MEMORY, 0) / 2)
