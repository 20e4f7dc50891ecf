"""The translator's work: read the files of a request, publish key by key, report.

Knows the order of things and what counts when. A file is consumed when every key that it feeds is
published; a file that feeds one that failed stays pending.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

import attrs

from pipekit.worker import report
from pipekit_translator import layout, quality, store
from pipekit_translator.dialects import Reading
from pipekit_translator.hold import Chunk, Hold
from pipekit_translator.intake import read_all
from pipekit_translator.layout import Days
from pipekit_translator.packing import spare_memory
from pipekit_translator.pieces import Shelf
from pipekit_translator.publish import Disks, Outcome, Publisher, exported, of_days
from pipekit_translator.quarantine import Quarantine, lines_of
from pipekit_translator.rawfile import Job, Raw
from pipekit_translator.zones import Zone

LATE = "late: the processed {part} was taken away by the lifecycle"
FIXED = 256  # MB that reading and writing may take on two cores, besides rows that wait


class LateBarsError(Exception):
    """Rows of a part whose processed file the lifecycle has taken away."""


@attrs.define
class _File:
    """A file that was read, and what is still to happen before it is consumed."""

    raw: Raw
    reading: Reading
    waits_for: set[str]
    failed: bool = False

    @property
    def fed(self) -> Days:
        """The days that the file feeds."""
        return self.raw.pieces.days

    @property
    def late(self) -> dict[str, list[int]]:
        """Lines of the file by processed file that is no longer there."""
        return self.raw.pieces.late

    @property
    def repeated(self) -> bool:
        """Whether this very content has been consumed before, so that nothing in it is news."""
        return not self.raw.resumed and self.raw.fingerprint == self.raw.job.known

    def detail(self) -> dict[str, Any]:
        """What the next plan wants to know of the file."""
        raw, job = self.raw, self.raw.job
        kept = len(raw.bad) + sum(map(len, self.late.values()))
        known = {
            "reading": self.reading.digest(),
            "source": job.source,
            "prefix": raw.prefix,
            "lines": raw.lines,
            "days": layout.union([job.fed, self.fed] if raw.resumed else [self.fed]),
            "quarantined": kept + (job.quarantined if raw.resumed else 0),
            "empty": not raw.total and not raw.resumed,
            "late": sorted({*self.late, *(job.late if raw.resumed else ())}),
            "folds": {
                name: [fold.last, int(fold.second)]
                for name, fold in raw.folds.items()
                if fold.last is not None
            },
            "last": raw.last,
        }
        if not raw.complete:
            known["unread"] = raw.signature[2] - raw.prefix
        return {
            name: value
            for name, value in known.items()
            if value not in ({}, []) and value is not False
        }


class Translation:
    """One request (see `plan`) being worked off."""

    def __init__(self, request: dict[str, Any]) -> None:
        spare_memory()
        self._request = request
        self._readings = [Reading.from_record(record) for record in request["readings"]]
        hold = Hold(_room(request.get("memory")), request["processed"])
        self._shelf = Shelf(
            hold, request["timezone"], request["processed"], frozenset(request["removed"])
        )
        self._quarantine = Quarantine(request["quarantine"])
        self._rebuild: Days = request["rebuild"]
        self._left: Days = request["left"]
        self._disks = Disks()
        self._files: list[_File] = []
        self._feeding: dict[str, dict[str, list[tuple[int, _File]]]] = {}  # by key and part
        self._quality: dict[str, dict[str, float]] = {}
        self._counts = dict.fromkeys(("files", "empty_files", "rows", "bad_rows", "late_rows"), 0)

    def run(self) -> None:
        """Read everything, publish every instrument, report."""
        self._read()
        for file in self._files:
            self._finish_when_done(file)
        workers = max(self._request["workers"], 1)
        with ThreadPoolExecutor(workers + 1) as keys, ThreadPoolExecutor(workers) as parts:
            work = {keys.submit(self._publish, key, parts): key for key in self._keys()}
            for done in as_completed(work):
                self._note_published(work[done], ok=done.result())
        self._report_late()
        for name, value in self._counts.items():
            report.metric(name, value)
        self._write_quality()

    def _read(self) -> None:
        request = self._request
        jobs = [Job(**record) for record in request["files"]]
        numbers = request["final_after"], request["workers"], request["bytes"]
        found = read_all(jobs, self._readings, self._shelf, *numbers, request["cache"])
        self._files = [
            _File(raw, self._readings[raw.job.reading], set(raw.pieces.chunks))
            for raw in found.raws
        ]
        self._files.sort(key=_rank)
        for rank, file in enumerate(self._files):
            for key, parts in file.raw.pieces.chunks.items():
                for part in parts:
                    self._feeding.setdefault(key, {}).setdefault(part, []).append((rank, file))
        self._leave_days(found.again, found.rejected)
        for file in self._files:
            for warning in file.raw.warnings:
                report.warning(warning, path=file.raw.path)

    def _leave_days(self, again: list[Job], rejected: list[Job]) -> None:
        """Days to rebuild keep their bars where a file that fed them could not be read."""
        waiting = layout.both(layout.union(job.fed for job in again), self._rebuild)
        lost = layout.both(layout.union(job.fed for job in rejected), self._rebuild)
        left = layout.union([waiting, lost])
        self._left = layout.union([self._left, left])
        self._rebuild = layout.without(self._rebuild, left)
        for file in self._files:
            file.failed = bool(
                file.raw.job.role == "stale" and layout.both(file.raw.job.fed, waiting)
            )
        if left:
            report.warning(
                f"left as they are: {layout.named(left)}; a file that fed them could not be "
                "read. When it can, `pipekit run --rebuild` makes these days anew"
            )

    def _keys(self) -> list[str]:
        return sorted({*self._feeding, *self._rebuild})

    def _publish(self, key: str, threads: ThreadPoolExecutor) -> bool:
        """Whether the unit ended well."""
        with report.unit(key):
            self._publish_parts(key, threads)
            return True
        return False

    def _publish_parts(self, key: str, threads: ThreadPoolExecutor) -> None:
        rebuild = self._rebuild.get(key, {})
        rules = self._request["quality"]
        zone = self._shelf.zone(layout.of_key(key)[1])
        publisher = Publisher(self._request["processed"], key, zone, rules)
        parts = {part: self._chunks(key, part) for part in self._parts(key, rebuild)}

        def publish(part: str) -> tuple[Outcome | None, Future[str] | None]:
            bits = layout.both({key: rebuild}, {key: layout.days_of(part)}).get(key, {})
            outcome, writer = publisher.prepare(part, parts.pop(part), bits)
            return outcome, None if writer is None else self._disks.publish(writer)

        outcomes = []
        todo = sorted(parts)
        try:
            for index, (outcome, placed) in enumerate(threads.map(publish, todo)):
                if outcome is not None:
                    outcome.fingerprint = placed.result() if placed else outcome.fingerprint
                    outcomes.append(outcome)
                report.progress(index + 1, len(todo))
        finally:  # also where a later part cannot be published
            store.sync_folders(outcome.path for outcome in outcomes if outcome.written)
            for outcome in outcomes:
                self._report_part(key, outcome)
        self._report_rows(key, outcomes)

    def _parts(self, key: str, rebuild: layout.Months) -> set[str]:
        return {*self._feeding.get(key, ()), *layout.parts_of(key, rebuild)}

    def _chunks(self, key: str, part: str) -> list[tuple[int, Chunk]]:
        """The chunks of each file that count, with the export's rank, the winning one last."""
        found: list[tuple[int, Chunk]] = []
        for rank, file in self._feeding.get(key, {}).get(part, ()):
            chunks = file.raw.pieces.chunks[key].pop(part)
            found += [(rank, chunk) for chunk in self._wanted(file, key, chunks)]
        return found

    def _wanted(self, file: _File, key: str, chunks: list[Chunk]) -> Iterator[Chunk]:
        """Of a file read again for others' days only those; none where a day is left as it is."""
        role = file.raw.job.role
        zone = self._shelf.zone(layout.of_key(key)[1])
        if role == "new" or not chunks:
            return iter(chunks)
        inside = role == "helper"
        days = (self._rebuild if inside else self._left).get(key, {})
        return (of_days(chunk, zone, days, inside=inside) for chunk in chunks)

    def _report_part(self, key: str, outcome: Outcome) -> None:
        feeding = self._feeding.get(key, {}).get(outcome.part, ())
        sources = [file.raw.path for _, file in feeding]
        detail = {
            "series": layout.known_as(key),
            "first": outcome.first,
            "last": outcome.last,
            "rows": outcome.rows,
        }
        said = report.wrote if outcome.written else report.unchanged
        said(outcome.path, outcome.fingerprint, sources=sources, detail=detail)

    def _report_rows(self, key: str, outcomes: list[Outcome]) -> None:
        series = layout.of_key(key)[1]
        written = sum(outcome.written for outcome in outcomes)
        report.metric(f"{series.part}s_written", written)
        report.metric(f"{series.part}s_unchanged", len(outcomes) - written)
        for what in ("added", "changed", "removed"):
            count = sum(getattr(outcome, what) for outcome in outcomes if outcome.written)
            report.metric(f"{series.noun}_{what}", count)
        nearby = [file.raw.pieces.repeated.get(key, (0, 0)) for file in self._files]
        duplicates = sum(outcome.duplicates for outcome in outcomes) + sum(n for n, _ in nearby)
        conflicts = sum(outcome.conflicts for outcome in outcomes) + sum(n for _, n in nearby)
        self._examine(key, outcomes, {"duplicates": duplicates, "conflicts": conflicts})

    def _examine(self, key: str, outcomes: list[Outcome], counts: dict[str, int]) -> None:
        rules = self._request["quality"]
        zone = Zone(self._shelf.timezone)
        found = quality.whole(key, zone, rules, (outcome.seen for outcome in outcomes)).numbers()
        found |= counts
        self._quality[key] = found
        for name, value in found.items():
            report.metric(name, value)
        if said := quality.complaints(found, rules):
            report.warning(f"{key}: {'; '.join(said)}", instrument=layout.of_key(key)[0], **found)

    def _note_published(self, key: str, *, ok: bool) -> None:
        for file in self._files:
            if key in file.waits_for:
                file.waits_for.discard(key)
                file.failed |= not ok
                self._finish_when_done(file)

    def _finish_when_done(self, file: _File) -> None:
        """Set the rows aside that could not be used, then say that the file is consumed."""
        if file.waits_for or file.failed:
            return
        raw = file.raw
        if not file.repeated or raw.job.role == "stale":
            rows = list(raw.bad)
            if not file.repeated:
                late = [line for lines in file.late.values() for line in lines]
                reason = LATE.format(part=file.reading.made.part)
                rows += lines_of(raw.path, late, reason) if late else []
                self._counts["late_rows"] += len(late)
            if kept := self._quarantine.add(raw.path, rows):
                report.warning(
                    f"{raw.path}: rows set aside in {kept}: {len(rows)}, the first from line "
                    f"{rows[0].line}: {rows[0].reason}",
                    path=raw.path,
                )
        self._counts["files"] += 1
        self._counts["rows"] += raw.total
        self._counts["bad_rows"] += len(raw.bad)
        self._counts["empty_files"] += file.detail().get("empty", False)
        report.consumed(
            raw.path, raw.fingerprint, raw.signature, detail=file.detail(), complete=raw.complete
        )

    def _report_late(self) -> None:
        """A failed unit for each month whose bars came late, so that the stage is partial."""
        late: dict[str, int] = {}
        for file in self._files:
            for path, lines in file.late.items():
                if not file.repeated:
                    late[path] = late.get(path, 0) + len(lines)
        for path, count in sorted(late.items()):
            key, part = layout.covered(path) or (path, "")
            series = layout.of_key(key)[1]
            with report.unit(f"{key} {part} late"):
                raise LateBarsError(
                    f"{count} {series.noun} came for {path}, which the lifecycle has taken away; "
                    f"they are in {self._request['quarantine']}. Bring the {series.part} back with "
                    "`pipekit lifecycle restore RUN`: the next run then takes them"
                )

    def _write_quality(self) -> None:
        path = self._request.get("quality_file")
        if path and self._quality:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self._quality, file, indent=1, sort_keys=True)


def _rank(file: _File) -> tuple[int, float, int, str]:
    return exported(file.raw.path, file.raw.job.priority, file.raw.signature[3])


def _room(memory: float | None) -> int:
    """Bytes of rows that may be held, of so many megabytes for the whole process."""
    given = FIXED if memory is None else memory
    return int(1_000_000 * (given / 50 + max(given - FIXED, 0) / 2))
