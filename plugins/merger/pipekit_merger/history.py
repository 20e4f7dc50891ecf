"""Orders the run files of a request by their runs, and adds what the ledger knows about them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import attrs

from pipekit import ContentState, FileStat, Input, Pending, Published, RunContext, Why
from pipekit_merger.layout import StreamMonth
from pipekit_merger.request import RunFileEntry, StatedScope

Helpers = dict[str, tuple[Input, tuple[StreamMonth, ...]]]
"""Merged run files that are to be read again, by path, and the months for which they are."""


class Damage(NamedTuple):
    """What has become of published files.

    `lost`: months that are gone. `altered`: months that are not as they were published; `summary`:
    such files of the summary. `again`: months to make again, without those that the lifecycle has
    removed.
    """

    lost: tuple[StreamMonth, ...] = ()
    again: tuple[StreamMonth, ...] = ()
    altered: tuple[StreamMonth, ...] = ()
    summary: tuple[str, ...] = ()


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


def helping(ctx: RunContext, others: Sequence[FileStat], months: Sequence[StreamMonth]) -> Helpers:
    """The merged run files that these months are made of; `others`: those that are not pending."""
    if not months:
        return {}
    found: Helpers = {}
    for item in attrs.evolve(ctx, force=True).pending(others, growing=True):
        before = item.previous
        if (
            before is not None
            and before.state is ContentState.CONSUMED
            and before.settings_digest == item.settings_digest
            and (covered := _covered(before.detail["scope"], months))
        ):
            found[item.path] = item, covered
    return found


def _covered(scope: StatedScope, months: Sequence[StreamMonth]) -> tuple[StreamMonth, ...]:
    """Those of the months that have a day in a scope."""
    if not months:
        return ()
    spans = {(first[:7], last[:7]) for part in scope["parts"] for first, last in part["dates"]}
    return tuple(
        month
        for month in months
        if month.stream.startswith(scope["instrument"])
        and any(first <= month.text <= last for first, last in spans)
    )


def run_file_entries(
    ctx: RunContext, pending: Pending, helpers: Helpers, damage: Damage, *, analyzer: str
) -> tuple[RunFileEntry, ...]:
    """The pending run files, and the merged ones that limit what they may replace; in order.

    `analyzer`: the stage that made them. A merged run file matters if it is newer than a pending
    one of its instrument: what it replaced must stay. If months are rebuilt, lost or altered, all
    merged ones matter.
    """
    published = ctx.published(analyzer)
    key = run_order(published)
    again = ctx.rebuild or ctx.force
    inputs = {file.path: file for file in pending.inputs}
    oldest: dict[str, SortKey] = {}
    for path in inputs:
        oldest[_name(path)] = min(oldest.get(_name(path), key(path)), key(path))

    def is_newer(path: str) -> bool:
        return _name(path) in oldest and key(path) > oldest[_name(path)]

    everything = bool(again or damage.lost or damage.altered)
    merged: dict[str, StatedScope] = {}
    known = ctx.consumed()
    if everything or any(is_newer(path) for path in known if path not in inputs):
        digests = {item.settings_digest for item in pending.inputs}
        digests.update(item.settings_digest for item, _ in helpers.values())
        merged = {
            path: file.detail["scope"]
            for path, file in known.items()
            if path not in inputs
            and path not in helpers
            and file.state is not ContentState.REJECTED
            # the digest is that of `merged`: only what was merged into this folder counts
            and (not digests or file.settings_digest in digests)
            and (everything or is_newer(path))
        }
    entries = {path: _entry(item, damage.again, again=again) for path, item in inputs.items()}
    for path, (_, months) in helpers.items():
        entries[path] = RunFileEntry(path=path, number=0, months=months)
    for path, scope in merged.items():
        entries[path] = RunFileEntry(path=path, number=0, merged_scope=scope)
    return tuple(
        attrs.evolve(entries[path], number=number)
        for number, path in enumerate(sorted(entries, key=key), 1)
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _entry(file: Input, repaired: Sequence[StreamMonth], *, again: bool) -> RunFileEntry:
    """The entry of a pending run file, not numbered yet.

    `repaired`: months to make again. `again`: merge it into all months, even those it is in.
    """
    previous = file.previous
    if previous is None or previous.settings_digest != file.settings_digest:
        return RunFileEntry(path=file.path, number=0)
    months = None
    if file.why is Why.PART and not again:
        left = map(StreamMonth.parse, previous.detail["left"])
        months = tuple(sorted({*left, *_covered(previous.detail["scope"], repaired)}))
    rejected = previous.state is ContentState.REJECTED
    earlier = None if rejected else previous.detail["scope"]
    return RunFileEntry(path=file.path, number=0, months=months, earlier_scope=earlier)
