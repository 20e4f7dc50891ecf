"""What is known of a run before its report is written: from its row, its journal and the lock."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from pipekit.model.event import EventKind
from pipekit.model.names import RESERVED_NAMES
from pipekit.model.quantity import iso, listed, plural
from pipekit.model.run import Paths, PipelineState
from pipekit.model.status import DIED, RUNNING, StageStatus
from pipekit.read.runs import RunNow
from pipekit.storage.tail import last_records

_ENDS = frozenset(StageStatus)
_LOOK_BACK = 1000  # events
_NODES = 5  # named at most


class Doing(NamedTuple):
    """The stage that a run is at, according to the end of its journal.

    `since`: ISO 8601, empty if the stage began too many events ago. `unit` and `done` are of the
    last progress. `silent`: seconds since its last event or output. `waits`: for which attempt.
    `places`: where tasks are on other machines.
    """

    stage: str
    since: str = ""
    unit: str = ""
    done: str = ""
    silent: float = 0.0
    waits: str = ""
    places: str = ""

    def __str__(self) -> str:
        """For example `began at 19:21:31, ES: 3 of 10`."""
        began = f"began at {_clock(self.since)}" if self.since else ""
        if self.waits:
            return ", ".join(filter(None, (began, f"waits, {self.waits}")))
        progress = ": ".join(filter(None, (self.unit, self.done)))
        return ", ".join(filter(None, (began, progress, self.places)))


def doing(paths: Paths, run_id: str) -> Doing | None:
    """What the run is at, or was when it died; None between stages, or without a journal."""
    try:
        records = last_records(paths.journal(run_id), _LOOK_BACK)
    except OSError:
        return None
    of_stages = [r for r in records if r.get("stage") not in RESERVED_NAMES]
    stage = of_stages[-1].get("stage") if of_stages else None
    if not isinstance(stage, str) or str(of_stages[-1].get("event")) in _ENDS:
        return None
    own = [r for r in of_stages if r.get("stage") == stage]
    starts = [r for r in own if r.get("event") == EventKind.START]
    since = str(starts[-1].get("timestamp", "")) if starts else ""
    if own[-1].get("event") == EventKind.RETRY:
        return Doing(stage, since, waits=str(own[-1].get("msg") or ""))
    progress = [r for r in own if r.get("event") == EventKind.PROGRESS]
    data = progress[-1].get("data") if progress else None
    silent, places = _silence(paths, run_id, stage), _places(own)
    if not isinstance(data, dict):
        return Doing(stage, since, silent=silent, places=places)
    total = data.get("total")
    done = f"{data.get('done')}{f' of {total}' if total is not None else ''}"
    return Doing(stage, since, str(data.get("unit") or ""), done, silent, places=places)


def _places(records: Iterable[dict[str, Any]]) -> str:
    """Where tasks are on other machines: `2 tasks on n1, n2, 5 queued`; empty for none."""
    at: dict[object, str | None] = {}  # by the number of the attempt; None: queued
    for record in records:
        data, event = record.get("data"), record.get("event")
        order = data.get("order") if isinstance(data, dict) else None
        if not isinstance(data, dict) or order is None:
            continue
        if event == EventKind.TASK_QUEUED:
            at[order] = None
        elif event == EventKind.TASK_START:
            at[order] = str(data.get("node"))
        elif event == EventKind.TASK_END:
            at.pop(order, None)
    nodes = [node for node in at.values() if node is not None]
    names, queued = sorted(set(nodes)), len(at) - len(nodes)
    on = f"{plural(len(nodes), 'task')} on {listed(names, _NODES)}" if nodes else ""
    return ", ".join(filter(None, (on, f"{queued} queued" if queued else "")))


def _silence(paths: Paths, run_id: str, stage: str) -> float:
    """Seconds since the run has written an event, or the stage's programs have printed anything."""
    folder = paths.runs / run_id / stage
    elsewhere = [*folder.glob("*/*/report"), *folder.glob("*/*/command.*")]
    files = [paths.journal(run_id), *folder.glob("*"), *elsewhere]
    times = []
    for file in files:
        with contextlib.suppress(OSError):
            times.append(file.lstat().st_mtime)
    return max(time.time() - max(times), 0.0) if times else 0.0


def _clock(timestamp: str) -> str:
    try:
        return f"{dt.datetime.fromisoformat(timestamp):%H:%M:%S}"
    except ValueError:
        return timestamp


def without_report(known: RunNow, paths: Paths) -> dict[str, Any]:
    """What a report would say by now: its keys, with an empty list where nothing is known.

    `status` may also be `running` or `died`; `incomplete` says why there is no report.
    """
    state, status, now = known.run, str(known.status), None
    entries = {name: dict(entry) for name, entry in state.stages.items()}
    if state.status is None:
        now = doing(paths, state.run_id)
    if now is not None and now.stage not in entries:
        sentence = ", ".join(filter(None, (f"{now.stage}: {status}", str(now))))
        entries[now.stage] = {"status": status, "sentence": sentence}
    ended = time.time() if status == RUNNING else state.ended
    return {
        "run_id": state.run_id,
        "run": state.number,
        "status": status,
        "exit_code": state.exit_code,
        "sentence": f"run {state.number}: {status}, {plural(len(entries), 'stage')} so far",
        "started": iso(state.started),
        "duration": None if ended is None else round(ended - state.started, 3),
        "warnings": [],
        "stages": [{"stage": name, **entry} for name, entry in entries.items()],
        "incomplete": _why(status, state, paths),
    }


def _why(status: str, state: PipelineState, paths: Paths) -> str:
    if status == RUNNING:
        return f"run {state.number} is still going on: follow it with `pipekit events --follow`"
    if (paths.journal(state.run_id)).exists() or status == DIED:
        verb = "died before it could" if status == DIED else "could not"
        return f"run {state.number} {verb} write its report; the next run writes it"
    return "its report is gone ([retention] or somebody removed it); this is from the ledger"
