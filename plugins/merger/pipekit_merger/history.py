"""Orders the run files of a request by their runs, and adds what the ledger knows about them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from itertools import accumulate

from pipekit import ContentState, Input, Pending, Published, RunContext, Why
from pipekit_merger.layout import StreamMonth
from pipekit_merger.request import RunFileEntry, StatedScope

SortKey = tuple[int, str, str]  # run number; run id if the ledger does not know it; path


def run_order(published: Iterable[Published]) -> Callable[[str], SortKey]:
    """Sort keys of run files, by the ledger's counter of the runs that made them, not the clock.

    A file whose run the ledger does not know comes after the last known run with a smaller run id.
    Run ids sort by time, so such files are placed correctly among known and other unknown runs.
    """
    known = [file for file in published if file.run_id]
    runs = {file.path: file.run_number for file in known}
    ids = sorted((file.run_id, file.run_number) for file in known)
    latest = [0, *accumulate((run for _, run in ids), max)]

    def key(path: str) -> SortKey:
        if path in runs:
            return (runs[path], "", path)
        run_id = path.split("/")[-2].lower()
        return (latest[bisect_left(ids, (run_id,))], run_id, path)

    return key


def run_file_entries(
    ctx: RunContext,
    pending: Pending,
    others: Iterable[str],
    lost: Collection[StreamMonth],
    *,
    analyzer: str,
) -> tuple[RunFileEntry, ...]:
    """The pending run files, and the merged ones that limit what they may replace; in order.

    `analyzer`: the stage that made them. `others`: paths of run files that exist and are not
    pending. A merged run file matters if it is newer than a pending one of its instrument: what it
    replaced must stay. If months are rebuilt or lost, all merged ones matter.
    """
    if not pending:
        return ()
    published = ctx.published(analyzer)
    key = run_order(published)
    again = ctx.rebuild or ctx.force
    inputs = {file.path: file for file in pending.inputs}
    oldest: dict[str, SortKey] = {}
    for path in inputs:
        oldest[_name(path)] = min(oldest.get(_name(path), key(path)), key(path))

    def is_newer(path: str) -> bool:
        return _name(path) in oldest and key(path) > oldest[_name(path)]

    everything = bool(again or lost)
    not_pending = {*others, *(file.path for file in published)} - inputs.keys()
    merged: dict[str, StatedScope] = {}
    if everything or any(map(is_newer, not_pending)):
        merged = {
            path: file.detail["scope"]
            for path, file in ctx.consumed().items()
            if file.state is not ContentState.REJECTED
            # the digest is that of `merged`: only what was merged into this folder counts
            and file.settings_digest == pending.inputs[0].settings_digest
            and (everything or is_newer(path))
        }
    return tuple(
        _entry(inputs[path], number, again=again)
        if path in inputs
        else RunFileEntry(path=path, number=number, merged_scope=merged[path])
        for number, path in enumerate(sorted(inputs.keys() | merged.keys(), key=key), 1)
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _entry(file: Input, number: int, *, again: bool) -> RunFileEntry:
    """The entry of a pending run file. `again`: merge it into all months, even those it is in."""
    previous = file.previous
    if previous is None or previous.settings_digest != file.settings_digest:
        return RunFileEntry(path=file.path, number=number)
    partly = file.why is Why.PART and not again
    rejected = previous.state is ContentState.REJECTED
    return RunFileEntry(
        path=file.path,
        number=number,
        months=tuple(map(StreamMonth.parse, previous.detail["left"])) if partly else None,
        earlier_scope=None if rejected else previous.detail["scope"],
    )
