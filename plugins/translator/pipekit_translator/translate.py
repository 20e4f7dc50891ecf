"""The translator's work: read the files of a request, publish instrument by instrument, report.

Knows the order of things and what counts when. A file is consumed when every instrument that it
feeds is published; a file that feeds one that failed stays pending.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import attrs
import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit.worker import report
from pipekit_translator import layout, quality
from pipekit_translator.bars import Bars, Flags, Ints, joined, merge
from pipekit_translator.dialects import Reading
from pipekit_translator.intake import read_all
from pipekit_translator.layout import Days
from pipekit_translator.publish import (
    Outcome,
    Part,
    Publisher,
    by_month,
    days_fed,
    exported,
    in_days,
    local_days,
)
from pipekit_translator.quarantine import Quarantine, lines_of
from pipekit_translator.rawfile import Job, Raw
from pipekit_translator.zones import Zone

LATE = "late: the processed month was taken away by the lifecycle"


class LateBarsError(Exception):
    """Bars of a month whose processed file the lifecycle has taken away."""


@attrs.define
class _File:
    """A file that was read, and what is still to happen before it is consumed.

    `late`: lines of the file by processed month that is no longer there.
    """

    raw: Raw
    reading: Reading
    waits_for: set[str]
    failed: bool = False
    fed: Days = attrs.field(factory=dict)
    late: dict[str, list[int]] = attrs.field(factory=dict)

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
        self._request = request
        self._readings = [Reading.from_record(record) for record in request["readings"]]
        self._zone = Zone(request["timezone"])
        self._quarantine = Quarantine(request["quarantine"])
        self._removed = frozenset(request["removed"])
        self._rebuild: Days = request["rebuild"]
        self._left: Days = request["left"]
        self._files: list[_File] = []
        self._quality: dict[str, dict[str, float]] = {}
        self._counts = dict.fromkeys(("files", "empty_files", "rows", "bad_rows", "late_rows"), 0)

    def run(self) -> None:
        """Read everything, publish every instrument, report."""
        self._read()
        for file in self._files:
            self._finish_when_done(file)
        with ThreadPoolExecutor(max(self._request["workers"], 1)) as threads:
            work = {threads.submit(self._publish, name): name for name in self._instruments()}
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
        found = read_all(jobs, self._readings, *numbers, request["cache"])
        self._files = [
            _File(raw, self._readings[raw.job.reading], set(raw.parts)) for raw in found.raws
        ]
        self._files.sort(key=_rank)
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

    def _instruments(self) -> list[str]:
        return sorted({name for file in self._files for name in file.waits_for} | {*self._rebuild})

    def _publish(self, instrument: str) -> bool:
        """Whether the unit ended well."""
        with report.unit(instrument):
            self._publish_months(instrument)
            return True
        return False

    def _publish_months(self, instrument: str) -> None:
        parts = self._parts(instrument)
        merged = merge(joined([part.bars for part in parts]))
        publisher = Publisher(self._request["processed"], instrument, self._zone)
        rebuild = self._rebuild.get(instrument, {})
        months = by_month(merged.bars, self._zone)
        sources = [(part.path, days_fed(local_days(part.bars, self._zone))) for part in parts]
        outcomes = []
        todo = sorted({*months, *rebuild})
        for index, month in enumerate(todo):
            new = months.get(month, merged.bars.at(slice(0, 0)))
            outcome = publisher.publish(month, new, rebuild.get(month, 0))
            if outcome is not None:
                outcomes.append(outcome)
                fed_by = [path for path, fed in sources if month in fed]
                _report_month(instrument, outcome, fed_by)
            report.progress(index + 1, len(todo))
        conflicts = merged.conflicts + sum(outcome.conflicts for outcome in outcomes)
        _report_bars(outcomes, merged.duplicates, conflicts)
        self._examine(instrument, merged.bars, merged.duplicates, conflicts)

    def _parts(self, instrument: str) -> list[Part]:
        """The bars of each file that count, the winning export last; late ones are set aside."""
        parts = []
        for file in self._files:
            if instrument not in file.waits_for:
                continue
            bars, lines = file.raw.take(instrument)
            days = local_days(bars, self._zone)
            kept = self._wanted(file, instrument, days) & ~self._late(file, instrument, days, lines)
            parts.append(Part(file.raw.path, bars.at(kept)))
        return [part for part in parts if part.bars.size]

    def _wanted(self, file: _File, instrument: str, days: Ints) -> Flags:
        """Of a file read again for others' days only those; none where a day is left as it is."""
        role = file.raw.job.role
        if role == "helper":
            return in_days(days, self._rebuild.get(instrument, {}))
        if role == "stale":
            return ~in_days(days, self._left.get(instrument, {}))
        return np.ones(len(days), np.bool_)

    def _late(self, file: _File, instrument: str, days: Ints, lines: Ints) -> Flags:
        """Which bars belong to a month that was taken away; the file remembers what it fed."""
        late = np.zeros(len(days), np.bool_)
        fed = days_fed(days)
        for month in list(fed):
            path = layout.month_path(self._request["processed"], instrument, month)
            if path in self._removed:
                here = in_days(days, {month: fed.pop(month)})
                file.late[path] = lines[here].tolist()
                late |= here
        if fed:
            file.fed[instrument] = fed
        return late

    def _examine(self, instrument: str, bars: Bars, duplicates: int, conflicts: int) -> None:
        rules = self._request["quality"]
        found = quality.examine(instrument, bars, self._zone, rules)
        found |= {"duplicates": duplicates, "conflicts": conflicts}
        self._quality[instrument] = found
        for name, value in found.items():
            report.metric(name, value)
        if said := quality.complaints(found, rules):
            report.warning(f"{instrument}: {'; '.join(said)}", instrument=instrument, **found)

    def _note_published(self, instrument: str, *, ok: bool) -> None:
        for file in self._files:
            if instrument in file.waits_for:
                file.waits_for.discard(instrument)
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
                rows += lines_of(raw.path, late, LATE) if late else []
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
            name, month = layout.covered(path) or (path, "")
            with report.unit(f"{name} {month} late"):
                raise LateBarsError(
                    f"{count} bars came for {path}, which the lifecycle has taken away; they are "
                    f"in {self._request['quarantine']}. Bring the month back with `pipekit "
                    "lifecycle restore RUN`: the next run then takes them"
                )

    def _write_quality(self) -> None:
        path = self._request.get("quality_file")
        if path and self._quality:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self._quality, file, indent=1, sort_keys=True)


def _rank(file: _File) -> tuple[int, float, int, str]:
    return exported(file.raw.path, file.raw.job.priority, file.raw.signature[3])


def _report_month(instrument: str, outcome: Outcome, sources: list[str]) -> None:
    said = report.wrote if outcome.written else report.unchanged
    detail = {
        "series": layout.series(instrument),
        "first": outcome.first,
        "last": outcome.last,
        "rows": outcome.bars,
    }
    said(outcome.path, outcome.fingerprint, sources=sources, detail=detail)


def _report_bars(outcomes: list[Outcome], duplicates: int, conflicts: int) -> None:
    report.metric("months_written", sum(outcome.written for outcome in outcomes))
    report.metric("months_unchanged", sum(not outcome.written for outcome in outcomes))
    report.metric("bars_added", sum(outcome.added for outcome in outcomes))
    report.metric("bars_changed", sum(outcome.changed for outcome in outcomes))
    report.metric("bars_removed", sum(outcome.removed for outcome in outcomes))
    report.metric("duplicates", duplicates)
    report.metric("conflicts", conflicts)
