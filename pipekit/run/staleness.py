"""Tells of each expectation once that it is broken, and once that it is met again.

A change is noted in `expect.json` before its event is emitted, and as done when the event is in the
journal. If a run is killed in between, the next one looks whether the event is there, and emits it
if not: so none is lost, and none is told twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipekit.errors import StorageError
from pipekit.model.event import EventKind
from pipekit.model.run import Paths
from pipekit.run.current_run import CurrentRun
from pipekit.run.expectations import Freshness, Verdict, judge
from pipekit.storage.tail import last_records
from pipekit.storage.told import Told, ToldFile

_LOOK_BACK = 10_000  # events; those that tell of expectations are among the last of a run


def check_expectations(run: CurrentRun, now: float) -> None:
    """Judge what is expected, and emit an event for each change; a warning if that fails."""
    project = run.project
    file = ToldFile(project.paths)
    before = file.read()
    try:
        verdicts = judge(project.configuration, project.files, run.ledger, before, now)
    except (StorageError, ValueError) as error:  # what the stages did stands all the same
        run.warn(f"[[expect]] cannot be judged: {error}")
        return
    if not run.place.is_there():
        return  # the project was moved away meanwhile: what is missing there is not late
    for verdict in verdicts:
        if verdict.state is Freshness.UNKNOWN:
            run.warn(verdict.text)
    told = _with_newest(_recovered(before, project.paths), verdicts)
    try:
        told = _tell(run, file, told, {key: each for key, each in told.items() if not each.done})
        told = _tell(run, file, told, _changes(told, verdicts, now))
        if told != file.read():
            file.store(told)
    except OSError as error:
        run.warn(f"{file.path} cannot be written, so that [[expect]] tells nothing: {error}")


def _recovered(told: Mapping[str, Told], paths: Paths) -> dict[str, Told]:
    """What was told, with that done which a killed run has emitted."""
    return {
        key: each if each.done else each._replace(done=_is_in_journal(key, each, paths))
        for key, each in told.items()
    }


def _is_in_journal(key: str, told: Told, paths: Paths) -> bool:
    try:
        records = last_records(paths.journal(told.run_id), _LOOK_BACK)
    except OSError:
        return False
    kind = _kind(told)
    return any(
        (record.get("stage"), record.get("event")) == ("pipeline", kind)
        and isinstance(data := record.get("data"), dict)
        and data.get("expect") == key
        for record in records
    )


def _with_newest(told: Mapping[str, Told], verdicts: Sequence[Verdict]) -> dict[str, Told]:
    """What was told, with the time of the newest files; without what is over and not expected."""
    keys = {verdict.key for verdict in verdicts}
    kept = {k: each for k, each in told.items() if k in keys or each.stale or not each.done}
    for verdict in verdicts:
        if verdict.newest:
            kept[verdict.key] = kept.get(verdict.key, Told())._replace(newest=verdict.newest)
    return kept


def _changes(told: Mapping[str, Told], verdicts: Sequence[Verdict], now: float) -> dict[str, Told]:
    """Those whose state is another than was told."""
    changes = {}
    for verdict in verdicts:
        is_stale = verdict.state is Freshness.STALE
        before = told.get(verdict.key, Told())
        if is_stale != before.stale and (is_stale or verdict.state is Freshness.FRESH):
            changes[verdict.key] = before._replace(stale=is_stale, since=now, text=verdict.text)
    for key in told.keys() - {verdict.key for verdict in verdicts}:
        if told[key].stale:
            text = f"{key}: no longer expected"
            changes[key] = told[key]._replace(stale=False, since=now, text=text)
    return changes


def _tell(
    run: CurrentRun, file: ToldFile, told: dict[str, Told], changes: Mapping[str, Told]
) -> dict[str, Told]:
    """Emit the changes; returns what is told by then. Raises OSError, before anything is told."""
    if not changes:
        return told
    noted = {k: each._replace(done=False, run_id=run.run_id) for k, each in changes.items()}
    told = told | noted
    file.store(told)
    for key, each in noted.items():
        if each.stale:
            run.warnings.append(f"stale: {each.text}")
        run.events.emit("pipeline", _kind(each), each.text, expect=key)
    if not run.events.healthy:
        return told  # the next run looks which of them are in the journal
    told = told | {key: each._replace(done=True) for key, each in noted.items()}
    file.store(told)
    return told


def _kind(told: Told) -> EventKind:
    return EventKind.STALE if told.stale else EventKind.FRESH
