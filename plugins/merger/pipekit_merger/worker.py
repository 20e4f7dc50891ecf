"""The merger's process: read the run files of a request, merge them stream by stream, report.

A unit is a stream. One instrument's run files are read, merged and let go of before the next one's,
and a few months at a time: memory grows neither with instruments nor with the years of history.
Knows the order of things; what a merge is stands in `merge`, what a run file is in `runs`. Request
(JSON on standard input):

    merged      folder of the merged results, from the project's root
    workers     how many threads
    rebuild     whether months are made anew: encoded again, damaged ones replaced
    files       run files in the order of their runs, each {"path": ...} to be merged into all its
                months; with "left": [group, ...] into these only; with "scope": {...} it is merged
                already and only says what it holds; "known": the scope it had when it was merged
                before, for the case that it can no longer be read
    lost        groups that were published and have no file any more
    summary     the request of `summary`, which is made when all went well; null: none is wanted
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from pipekit.worker import leave, loading, report, request
from pipekit_merger.scope import Group

with loading():
    from attrs import field, frozen

    from pipekit_merger import helped, summary
    from pipekit_merger import months as folder_of_months
    from pipekit_merger.merge import Fate, StreamMerge
    from pipekit_merger.runs import Entry, Reading, instrument_of, read
    from pipekit_merger.tallies import Tallies

# Threads that wait for the disk: several files that are synced at once share its work. Four took a
# third of one's time, sixteen no less.
DISK = 4


class UnreadableRunError(Exception):
    """A run file that cannot be opened keeps its instrument's later ones waiting."""


class Done(NamedTuple):
    """What is remembered of a stream when its rows are let go of."""

    stream: str
    touched: list[Group]
    kept: int


@frozen
class Merger:
    """What the merges of all instruments share. `each` is a `map` that other threads help with.

    `failed`: the instruments and streams that failed, so far.
    """

    wanted: Mapping[str, Any]
    present: Sequence[Group]
    disk: Executor
    each: Callable[..., Iterable[Any]]
    tallies: Tallies | None
    failed: list[str] = field(factory=list)

    def merge(self, entries: Sequence[Entry]) -> list[Done]:
        """Read, merge and publish one instrument's run files, and report what came of them."""
        try:
            reading = read(entries, self.wanted["merged"], self.each)
        except OSError:  # of the file of waiting rows
            for name in sorted({instrument_of(entry.file["path"]) for entry in entries}):
                self.failed.append(name)
                with report.unit(name):
                    raise
            return []
        for path, reason, fingerprint, signature in reading.rejected:
            report.rejected(path, reason, fingerprint, signature)
        for instrument, reason in reading.failed.items():
            self.failed.append(instrument)
            with report.unit(instrument):
                raise UnreadableRunError(reason)
        merges = self._streams(reading)
        for merge in self.each(_merge, merges):
            _report(merge)
        self.failed.extend(merge.stream for merge in merges if merge.months - merge.done)
        report_consumed(reading, merges)
        reading.pile.close()
        return [Done(m.stream, [m.group(month) for month in m.months], m.kept) for m in merges]

    def _streams(self, reading: Reading) -> list[StreamMerge]:
        """A merge for each stream that a run file has rows of, or may remove rows from."""
        existing = _by_stream(self.present)
        lost = _by_stream(map(Group.parse, self.wanted["lost"]))
        numbers = reading.pile.streams()
        merges = []
        for stream in sorted({*numbers, *existing, *lost}):
            layers = [x for x in reading.layers if stream.startswith(x.scope.instrument)]
            if not layers:
                continue
            merge = StreamMerge(
                stream,
                layers,
                reading.pile,
                numbers.get(stream),
                frozenset(existing[stream]),
                frozenset(lost[stream]),
                self.wanted["merged"],
                self.wanted["rebuild"],
                self.disk,
                self.tallies,
            )
            if merge.months:
                merges.append(merge)
        return merges


def main() -> None:
    """Do what standard input asks for; what came of it is in the report."""
    wanted = request()
    present = list(folder_of_months.present(wanted["merged"]))
    parts = instruments(wanted["files"])
    asked, threads = wanted["summary"], wanted["workers"]
    tallies = Tallies(asked["tallies"]) if asked else None
    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(DISK) as disk:
        each = partial(helped.each, pool=pool, ahead=threads)
        merger = Merger(wanted, present, disk, each, tallies)
        done = [one for part in pool.map(merger.merge, parts) for one in part]
    if wanted["rebuild"]:
        warn_of_kept(done, present)
    if tallies is not None and not merger.failed:
        summary.update(asked["merged"], asked["known"], tallies)


def instruments(files: Iterable[Mapping[str, Any]]) -> list[list[Entry]]:
    """The request's files by instrument, numbered in its order.

    Two instruments of which one's name begins the other's stay together: a stream may be of either.
    """
    found: dict[str, list[Entry]] = {}
    for number, file in enumerate(files, 1):
        found.setdefault(instrument_of(file["path"]), []).append(Entry(number, file))
    parts: list[list[Entry]] = []
    first = None
    for name in sorted(found):
        if first is not None and name.startswith(first):
            parts[-1] = sorted([*parts[-1], *found[name]], key=lambda entry: entry.number)
        else:
            first = name
            parts.append(found[name])
    return parts


def _by_stream(groups: Iterable[Group]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for group in groups:
        found[group.stream].add(group.month)
    return found


def _merge(merge: StreamMerge) -> StreamMerge:
    with report.unit(merge.stream):
        try:
            merge.run()
        finally:
            for fate in (Fate.NEW, Fate.UPDATED, Fate.REMOVED, Fate.UNCHANGED):
                report.metric(f"rows_{fate.name.lower()}", int(merge.counts[fate]))
    return merge


def _report(merge: StreamMerge) -> None:
    """Report a stream's files, outside of its unit: they count, also where a month failed."""
    for warning in merge.warnings:
        report.warning(warning, stream=merge.stream)
    for month in merge.published:
        say = report.wrote if month.written else report.unchanged
        say(month.path, month.fingerprint, sources=month.sources, detail=month.detail)


def warn_of_kept(done: Iterable[Done], present: Iterable[Group]) -> None:
    """Say what a rebuild found in no run file and therefore left as it was."""
    touched = set()
    for merge in done:
        touched.update(merge.touched)
        if merge.kept:
            report.warning(
                f"{merge.stream}: {merge.kept} rows are in no run file that is still there; they "
                "were kept as they are (`pipekit run --rebuild --from analyzer` makes them anew)",
                stream=merge.stream,
                rows=merge.kept,
            )
    left = sorted(map(str, set(present) - touched))
    if left:
        report.warning(
            f"{len(left)} merged months are in no run file that is still there; they were kept as "
            f"they are: {left[0]} ... {left[-1]}",
            months=left,
        )


def report_consumed(reading: Reading, merges: Iterable[StreamMerge]) -> None:
    """Report the run files as taken, older ones first, with the groups that are left of them.

    The order counts: were the process killed between two reports, the newer file is taken again,
    which changes nothing; an older one alone would be merged over it.
    """
    undone = [merge.group(month) for merge in merges for month in merge.months - merge.done]
    for file in reading.files:
        left = sorted(
            str(group)
            for group in undone
            if group.stream.startswith(file.layer.scope.instrument)
            and file.layer.takes(group)
            and file.layer.scope.months((group.month,))
        )
        report.consumed(
            file.layer.path,
            file.fingerprint,
            file.signature,
            detail={"scope": file.stated, "left": left},
            complete=not left,
        )


if __name__ == "__main__":
    main()
    leave()
