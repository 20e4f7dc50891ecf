"""Closes the runs whose process vanished; called with the run lock held, so they are truly dead."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from pipekit.model.run import Paths, PipelineReport, PipelineState
from pipekit.model.stage import StageResult
from pipekit.model.status import FailureKind, PipelineStatus, StageStatus
from pipekit.run.events import EventLogger
from pipekit.storage.journal import Journal, read_journal
from pipekit.storage.ledger import Ledger
from pipekit.storage.report import AuditReporter, stamp
from pipekit.storage.runlog import RunLog

_LOST = "pipekit's own process vanished (killed, or the machine went down)"
_SENTENCE = "run {} had vanished without an end; it was closed as a failure"
_ENDS = frozenset({"success", "partial", "failure", "cancelled", "idle"})


def close_dead_runs(ledger: Ledger, paths: Paths) -> list[str]:
    """Give every run without an end its end; returns a sentence for each.

    First all processes are ended that are left of it: there are some only where their guardians
    were killed as well, since guardians hold the run lock, which we have.

    A run whose row has a status was over already: its report and last event are derived from the
    row. One without is a failure, and the stage that was running is `lost`. What cannot be written
    of it is left: an old run's log never keeps a new run from starting.
    """
    dead = ledger.runs(limit=1000, unfinished=True)
    sentences = []
    for run in dead:
        sentences.append(_SENTENCE.format(run.run_id) + _swept(run.run_id))
        _close(ledger, paths, run)
    for run in ledger.runs(limit=1):
        if run.run_id not in {state.run_id for state in dead}:
            _complete(paths, run, _events(paths, run.run_id))
    return sentences


def _swept(run_id: str) -> str:
    from pipekit.process import sweep  # what supervises processes, only where some may be left

    found, left = sweep(run_id)
    if left:
        return f"; {left} of its processes could not be ended and still run"
    return f"; {found} processes that it left were ended" if found else ""


def _close(ledger: Ledger, paths: Paths, run: PipelineState) -> None:
    events = _events(paths, run.run_id)
    for stage in _unfinished_stages(events):
        facts = {"status": StageStatus.FAILURE, "kind": FailureKind.LOST, "error": _LOST}
        ledger.note_stage(run.run_id, stage, facts)
    status = PipelineStatus.FAILURE
    ledger.end_run(run.run_id, status, status.exit_code, time.time())
    closed = ledger.run(run.run_id)
    assert closed is not None
    _complete(paths, closed, events, lost=True)


def _complete(
    paths: Paths, run: PipelineState, events: list[dict[str, Any]], *, lost: bool = False
) -> None:
    with contextlib.suppress(OSError):
        _write_missing(paths, run, events, lost=lost)


def _write_missing(
    paths: Paths, run: PipelineState, events: list[dict[str, Any]], *, lost: bool
) -> None:
    """Write what is missing of a finished run's last event and report."""
    assert run.status is not None
    ended = any(e.get("stage") == "pipeline" and e.get("event") in _ENDS for e in events[-1:])
    audit = AuditReporter(paths)
    if ended and audit.find(run.run_id):
        return
    if not events and not run.exit_code:
        return  # nothing was wrong, and its journal was taken away
    report = _report(run)
    if not ended:
        _end_journal(paths, run, report, events, lost=lost)
    if audit.find(run.run_id) is None:
        audit.write(report, {"recovered": True})


def _end_journal(
    paths: Paths,
    run: PipelineState,
    report: PipelineReport,
    events: list[dict[str, Any]],
    *,
    lost: bool,
) -> None:
    journal = Journal(paths.events / f"pipeline_{run.run_id}.jsonl")
    log = RunLog(paths.logs / f"pipeline_{stamp(run.started)}_{run.run_id}.log")
    last = max((e["seq"] for e in events if isinstance(e.get("seq"), int)), default=0)
    logger = EventLogger(run.run_id, journal, log, first=last + 1)
    unfinished = _unfinished_stages(events)
    for stage in report.stages:
        if stage.stage in unfinished:
            logger.emit(stage.stage, "failure", stage.error, kind=stage.kind)
    assert run.status is not None
    facts: dict[str, Any] = {"exit_code": run.exit_code, "recovered": True}
    if lost:
        facts["kind"] = FailureKind.LOST
    logger.emit("pipeline", run.status, str(report), **facts)
    logger.close()


def _events(paths: Paths, run_id: str) -> list[dict[str, Any]]:
    try:
        return list(read_journal(paths.events / f"pipeline_{run_id}.jsonl"))
    except OSError:
        return []


def _unfinished_stages(events: list[dict[str, Any]]) -> list[str]:
    said = [(str(e.get("stage")), e.get("event")) for e in events]
    over = {stage for stage, event in said if event in {*_ENDS, "skipped", "blocked"}}
    return [s for s, event in said if event == "start" and s != "pipeline" and s not in over]


def _report(run: PipelineState) -> PipelineReport:
    stages = tuple(
        StageResult(
            stage=name,
            status=StageStatus(facts.get("status", StageStatus.FAILURE)),
            kind=FailureKind(facts["kind"]) if facts.get("kind") else None,
            reason=facts.get("reason", ""),
            error=facts.get("error", ""),
            duration=facts.get("duration", 0.0),
        )
        for name, facts in run.stages.items()
    )
    assert run.status is not None
    assert run.exit_code is not None
    return PipelineReport(
        run_id=run.run_id,
        number=run.number,
        status=run.status,
        exit_code=run.exit_code,
        stages=stages,
        started=run.started,
        duration=(run.ended or run.started) - run.started,
        warnings=("written by a later run, since this one could not",),
    )
