"""The order of run files, and what the worker must know of those merged before.

Knows the ledger's answers only: no file is opened, no data library imported.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from pipekit import Consumption, ContentState, Input, Pending, Published, RunContext, Why
from pipekit_merger.scope import Group

Key = tuple[int, str, str]


class Order:
    """Run files in the order of the runs that made them: the ledger's counter, not the clock.

    A file whose run the ledger does not know comes after the last run with a smaller run id (run
    ids are ordered by time), so it is in its place among the known ones and among its like.
    """

    def __init__(self, published: Iterable[Published]) -> None:
        known = [file for file in published if file.run_id]
        self._runs = {file.path: file.run for file in known}
        self._ids = sorted((file.run_id, file.run) for file in known)
        self._latest = list(accumulate((run for _, run in self._ids), max))

    def key(self, path: str) -> Key:
        """What to sort run files by."""
        if path in self._runs:
            return (self._runs[path], "", path)
        run_id = path.split("/")[-2].lower()
        before = bisect_left(self._ids, (run_id,))
        return (self._latest[before - 1] if before else 0, run_id, path)


def merge_request(
    ctx: RunContext, merged: str, pending: Pending, known: Iterable[str], lost: Iterable[Group]
) -> dict[str, Any]:
    """The request to the worker (see there). `known`: run files present that are not pending."""
    published = ctx.published("analyzer")
    order = Order(published)
    gone = [str(group) for group in sorted(lost)]
    again = ctx.rebuild or ctx.force
    entries = {file.path: _entry(file, again) for file in pending.inputs}
    others = {*known, *(file.path for file in published)} - entries.keys()
    oldest: dict[str, Key] = {}
    for path in entries:
        name = _name(path)
        oldest[name] = min(oldest.get(name, order.key(path)), order.key(path))

    def concerns(path: str) -> bool:
        return _name(path) in oldest and order.key(path) > oldest[_name(path)]

    everything = bool(again or gone)
    if everything or any(map(concerns, others)):
        for path, scope in _merged(ctx.consumed(), pending.inputs[0].settings).items():
            if path not in entries and (everything or concerns(path)):
                entries[path] = {"path": path, "scope": scope}
    return {
        "merged": merged,
        "workers": ctx.workers,
        "rebuild": ctx.rebuild,
        "files": [entries[path] for path in sorted(entries, key=order.key)],
        "lost": gone,
    }


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _entry(file: Input, again: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": file.path}
    previous = file.previous
    if previous is None or previous.settings != file.settings:
        return entry
    if file.why is Why.PART and not again:
        entry["left"] = previous.detail["left"]
    if previous.state is not ContentState.REJECTED:
        entry["known"] = previous.detail["scope"]
    return entry


def _merged(consumed: Mapping[str, Consumption], settings: str) -> dict[str, Any]:
    """The scopes of what was merged into this folder of results, by path."""
    return {
        path: file.detail["scope"]
        for path, file in consumed.items()
        if file.state is not ContentState.REJECTED and file.settings == settings
    }
