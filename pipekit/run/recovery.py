"""Recovery: closes runs whose process died. Needs the run lock, so none can be alive."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from pipekit.model.event import RUN_ENDS, EventKind
from pipekit.model.run import Paths, PipelineReport, PipelineState
from pipekit.model.stage import StageResult
from pipekit.model.status import FailureKind, PipelineStatus, StageStatus
from pipekit.run.events import open_logger
from pipekit.run.verdict import ledger_entry
from pipekit.storage.journal import read_journal
from pipekit.storage.ledger import Ledger
from pipekit.storage.report import AuditReporter

_LOST = "pipekit died while this stage was running (killed, or a system crash)"
_SENTENCE = "run {} died (killed, or a system crash) and is now recorded as a failure"
_STAGE_ENDS = frozenset(map(EventKind, StageStatus))


def close_dead_runs(ledger: Ledger, paths: Paths) -> list[str]:
    """Close all unfinished runs; returns a sentence for each.

    A run without a status is a failure, and the stage that was running is `lost`. Its processes are
    killed: some can be left if their guardians were killed too (guardians hold the run lock, which
    we have). Its temporary files are removed.

    If the latest run has a status, but its last event or its report is missing, they are written
    from its row in the ledger. Errors in writing them are ignored: old logs must not keep a new run
    from starting.
    """
    dead = ledger.runs(limit=1000, unfinished=True)
    sentences = []
    for run in dead:
        sentences.append(_SENTENCE.format(run.number) + _kill_processes(run.run_id))
        _remove_temporaries(paths, run.run_id)
        _close(ledger, paths, run)
    for run in ledger.runs(limit=1):
        if run.run_id not in {state.run_id for state in dead}:
            _complete(paths, run)
    return sentences


def _kill_processes(run_id: str) -> str:
    from pipekit.process import kill_leftovers  # rarely needed

    found, left = kill_leftovers(run_id)
    if left:
        return f"; {left} of its processes could not be killed and are still running"
    return f"; {found} of its processes were still running and were killed" if found else ""


def _remove_temporaries(paths: Paths, run_id: str) -> None:
    from pipekit.run.temporaries import remove_temporaries_of_run  # rarely needed

    remove_temporaries_of_run(paths.runs / run_id, run_id, paths.root, state=paths.state)
    for leftover in paths.logs.glob(f".pipeline_report_*_{run_id}.json.*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _close(ledger: Ledger, paths: Paths, run: PipelineState) -> None:
    for stage in _unfinished_stages(_events(paths, run.run_id)):
        lost = StageResult(
            stage=stage, status=StageStatus.FAILURE, kind=FailureKind.LOST, error=_LOST
        )
        ledger.note_stage(run.run_id, stage, ledger_entry(lost))
    status = PipelineStatus.FAILURE
    ledger.end_run(run.run_id, status, status.exit_code, time.time())
    closed = ledger.run(run.run_id)
    assert closed is not None
    _complete(paths, closed, kind=FailureKind.LOST)


def _complete(paths: Paths, run: PipelineState, **more: Any) -> None:
    """Write the last event and the report of a finished run, if they are missing.

    `more`: for the data of the event.
    """
    events = _events(paths, run.run_id)
    ended = any(e.get("stage") == "pipeline" and e.get("event") in RUN_ENDS for e in events[-1:])
    audit = AuditReporter(paths)
    if (ended and audit.find(run.run_id)) or not (events or run.exit_code):
        return  # both are there; or it was fine, and retention has removed its journal
    report = _report(run)
    with contextlib.suppress(OSError):
        if not ended:
            _end_journal(paths, report, events, more)
        if audit.find(run.run_id) is None:
            audit.write(report, {"recovered": True})


def _end_journal(
    paths: Paths, report: PipelineReport, events: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    last = max((e["seq"] for e in events if isinstance(e.get("seq"), int)), default=0)
    logger = open_logger(paths, report.run_id, report.started, after=last)
    unfinished = _unfinished_stages(events)
    for stage in report.stages:
        if stage.stage in unfinished:
            logger.emit(stage.stage, EventKind.FAILURE, stage.error, kind=stage.kind)
    data = {"exit_code": report.exit_code, "recovered": True, **more}
    logger.emit("pipeline", EventKind(report.status), str(report), **data)
    logger.close()


def _events(paths: Paths, run_id: str) -> list[dict[str, Any]]:
    try:
        return list(read_journal(paths.events / f"pipeline_{run_id}.jsonl"))
    except OSError:
        return []


def _unfinished_stages(events: list[dict[str, Any]]) -> list[str]:
    kinds = [(str(e.get("stage")), e.get("event")) for e in events]
    over = {stage for stage, kind in kinds if kind in _STAGE_ENDS}
    started = [stage for stage, kind in kinds if kind == EventKind.START]
    return [stage for stage in started if stage != "pipeline" and stage not in over]


def _report(run: PipelineState) -> PipelineReport:
    stages = tuple(
        StageResult(
            stage=name,
            status=StageStatus(entry.get("status", StageStatus.FAILURE)),
            kind=FailureKind(entry["kind"]) if entry.get("kind") else None,
            reason=entry.get("reason", ""),
            error=entry.get("error", ""),
            duration=entry.get("duration", 0.0),
        )
        for name, entry in run.stages.items()
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
        warnings=("this report was written by a later run",),
    )
