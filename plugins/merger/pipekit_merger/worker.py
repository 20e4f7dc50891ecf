"""The merger's process: read the run files of a request, merge them stream by stream, report.

A unit is a stream. Knows the order of things; what a merge is stands in `merge`, what a run file is
in `runs`. Request (JSON on standard input):

    merged      folder of the merged results, from the project's root
    workers     how many threads
    rebuild     whether months are made anew: encoded again, damaged ones replaced
    files       run files in the order of their runs, each {"path": ...} to be merged into all its
                months; with "left": [group, ...] into these only; with "scope": {...} it is merged
                already and only says what it holds; "known": the scope it had when it was merged
                before, for the case that it can no longer be read
    lost        groups that were published and have no file any more
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import numpy as np  # noqa: TID253  # a worker: no plan imports it

from pipekit.worker import report, request
from pipekit_merger import months as folder_of_months
from pipekit_merger.merge import Fate, StreamMerge
from pipekit_merger.runs import Reading, read
from pipekit_merger.scope import Group
from pipekit_merger.table import integers, one, take


class UnreadableRunError(Exception):
    """A run file that cannot be opened keeps its instrument's later ones waiting."""


def main() -> None:
    """Do what standard input asks for; what came of it is in the report."""
    wanted = request()
    with ThreadPoolExecutor(wanted["workers"]) as pool:
        reading = read(wanted["files"], pool)
        for path, reason, fingerprint, signature in reading.rejected:
            report.rejected(path, reason, fingerprint, signature)
        for instrument, reason in reading.failed.items():
            with report.unit(instrument):
                raise UnreadableRunError(reason)
        present = list(folder_of_months.present(wanted["merged"]))
        merges = stream_merges(wanted, reading, present)
        merge_all(merges, pool)
    if wanted["rebuild"]:
        warn_of_kept(merges, present)
    report_consumed(reading, merges)


def stream_merges(
    wanted: Mapping[str, Any], reading: Reading, present: list[Group]
) -> list[StreamMerge]:
    """A merge for each stream that a run file has rows of, or may remove rows from."""
    existing: dict[str, set[int]] = defaultdict(set)
    lost: dict[str, set[int]] = defaultdict(set)
    for group in present:
        existing[group.stream].add(group.month)
    for group in map(Group.parse, wanted["lost"]):
        lost[group.stream].add(group.month)
    column = one(reading.table.column("stream"))
    streams = {stream: code for code, stream in enumerate(column.dictionary.to_pylist())}
    codes = integers(column.indices)
    merges = []
    for stream in sorted({*streams, *existing, *lost}):
        rows = np.flatnonzero(codes == streams.get(stream, -1))
        layers = [layer for layer in reading.layers if stream.startswith(layer.scope.instrument)]
        merge = StreamMerge(
            stream,
            layers,
            take(reading.table, rows),
            reading.numbers[rows],
            frozenset(existing[stream]),
            frozenset(lost[stream]),
            wanted["merged"],
            wanted["rebuild"],
        )
        if merge.months:
            merges.append(merge)
    return merges


def merge_all(merges: list[StreamMerge], pool: Executor) -> None:
    """Run the merges, each as a unit, and report what they published.

    Files are reported outside of the units: months that stand count, also in a stream of which
    another month failed.
    """
    for merge in pool.map(_merge, merges):
        for warning in merge.warnings:
            report.warning(warning, stream=merge.stream)
        for month in merge.published:
            say = report.wrote if month.written else report.unchanged
            say(month.path, month.fingerprint, sources=month.sources, detail=month.detail)


def _merge(merge: StreamMerge) -> StreamMerge:
    with report.unit(merge.stream):
        try:
            merge.run()
        finally:
            for fate in (Fate.NEW, Fate.UPDATED, Fate.REMOVED, Fate.UNCHANGED):
                report.metric(f"rows_{fate.name.lower()}", int(merge.counts[fate]))
    return merge


def warn_of_kept(merges: list[StreamMerge], present: list[Group]) -> None:
    """Say what a rebuild found in no run file and therefore left as it was."""
    for merge in merges:
        if merge.kept:
            report.warning(
                f"{merge.stream}: {merge.kept} rows are in no run file that is still there; they "
                "were kept as they are (`pipekit run --rebuild --from analyzer` makes them anew)",
                stream=merge.stream,
                rows=merge.kept,
            )
    touched = {merge.group(month) for merge in merges for month in merge.months}
    left = sorted(map(str, set(present) - touched))
    if left:
        report.warning(
            f"{len(left)} merged months are in no run file that is still there; they were kept as "
            f"they are: {left[0]} ... {left[-1]}",
            months=left,
        )


def report_consumed(reading: Reading, merges: list[StreamMerge]) -> None:
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
