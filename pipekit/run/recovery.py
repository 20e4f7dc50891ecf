"""Recovery: closes the runs whose process died. Needs the run lock.

A run is over when its row in the ledger, the last event of its journal and its report say so. All
runs that lack one of them are closed here, and again by the next run if that fails (a full disk).
Journals are read from their end, however large they are.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from pipekit.errors import LockHeldError
from pipekit.model.event import EventKind
from pipekit.model.names import is_run_id, started_of
from pipekit.model.run import Paths, PipelineReport, PipelineState
from pipekit.model.secrets import Mask
from pipekit.model.stage import StageResult
from pipekit.model.status import FailureKind, PipelineStatus, StageStatus
from pipekit.run.events import open_logger
from pipekit.run.stage_verdict import ledger_entry
from pipekit.storage.claims import is_claimed
from pipekit.storage.ends import noted_code, outcome, stage_entries, status_of
from pipekit.storage.holder import Holder
from pipekit.storage.ledger import Ledger
from pipekit.storage.report import AuditReports
from pipekit.storage.tail import Tail, first_record, read_tail

_LOST = "pipekit died while this stage was running (killed, or a system crash)"
_DIED = "run {} died (killed, or a system crash) and is now recorded as a failure"
_UNRECORDED = "run {} could not record its end (exit code {}), which is now done"
_LARGEST_NUMBER = 10**9  # of a run: the next one is greater by 1
_Word = TypeVar("_Word", bound=StrEnum)


class Recovered(NamedTuple):
    """A sentence for each run that was closed; the numbers of runs that need no more of it."""

    sentences: list[str]
    recorded: list[int]


def close_dead_runs(
    ledger: Ledger, paths: Paths, last: Holder | None = None, mask: Mask | None = None
) -> Recovered:
    """Close all unfinished runs. Raises LockHeldError if one of them is going on after all.

    `last`: who had the lock before; its exit code counts for a run that could record its end
    nowhere else.

    A run without any end is a failure, and the stage that was running is `lost`. Its processes are
    killed: some can be left if their guardians were killed too (guardians hold the run lock, which
    we have). Its temporary files are removed, and secrets in its tasks' reports hidden by `mask`.
    Errors in writing the last event and the report are ignored: old logs must not keep a new run
    from starting.
    """
    _retry_removals(paths)
    restored = _restore_rows(ledger, paths)
    runs = ledger.unfinished()
    for run in runs:
        if run.status is None and is_claimed(paths.journal(run.run_id)):
            raise LockHeldError(
                f"another run is going on (run {run.number}, whose lock was deleted): nothing was "
                "started; wait for it"
            )
    sentences, recorded = [], []
    if restored:
        sentences.append(f"{restored} from the journals: the ledger did not know them")
    for run in runs:
        if run.status is None:
            ended, sentence = _close(ledger, paths, run, last, mask)
            sentences += sentence
        else:
            ended = run
        if _complete(paths, ended, died=run.status is None):
            recorded.append(run.number)
    return Recovered(sentences, recorded)


def _restore_rows(ledger: Ledger, paths: Paths) -> str:
    """Give each journal a row in the ledger, if that was lost; returns how many, in words."""
    try:
        names = os.listdir(paths.events)
    except OSError:
        return ""
    journals = [name[9:-6] for name in names if name[:9] == "pipeline_" and name[-6:] == ".jsonl"]
    unknown = sorted(filter(is_run_id, ledger.unknown(journals)))
    for run_id in unknown:
        first = first_record(paths.journal(run_id))
        data = first.get("data")
        number = data.get("run") if isinstance(data, dict) else None
        started = _moment(first.get("timestamp")) or started_of(run_id)
        ledger.restore_run(run_id, started, _whole(number, _LARGEST_NUMBER) or 0)
    if not unknown:
        return ""
    return f"{len(unknown)} run{'s were' if len(unknown) > 1 else ' was'} recorded again"


def _close(
    ledger: Ledger, paths: Paths, run: PipelineState, last: Holder | None, mask: Mask | None
) -> tuple[PipelineState, list[str]]:
    """Record the end of a run in the ledger; returns the run, and a sentence if it is news."""
    tail = read_tail(paths.journal(run.run_id))
    for stage, entry in stage_entries(tail).items():
        if stage not in run.stages:
            ledger.note_stage(run.run_id, stage, entry)
    sentences = []
    if tail.end is not None:
        status, code = outcome(tail.end)
    else:
        own = noted_code(run.run_id, last)
        code = PipelineStatus.FAILURE.exit_code if own is None else own
        status = status_of(code)
        text = _DIED.format(run.number) if own is None else _UNRECORDED.format(run.number, own)
        sentences.append(text + _clean_up(ledger, paths, run, mask))
        if tail.running and tail.running not in run.stages:
            lost = StageResult(
                stage=tail.running, status=StageStatus.FAILURE, kind=FailureKind.LOST, error=_LOST
            )
            ledger.note_stage(run.run_id, lost.stage, ledger_entry(lost))
    ended = max(_moment(tail.last_time), run.started)
    ledger.end_run(run.run_id, status, code, ended, durable=False)
    closed = ledger.run(run.run_id)
    assert closed is not None
    return closed, sentences


def _clean_up(ledger: Ledger, paths: Paths, run: PipelineState, mask: Mask | None) -> str:
    """End what is left of a dead run, and remove its temporary files; how that went, if news."""
    elsewhere = ""
    if any((paths.runs / run.run_id).glob("*.lease.json")):
        from pipekit.run.remote.recovery import await_nodes  # only for tasks elsewhere

        elsewhere = await_nodes(ledger, paths, run.run_id, mask)
    return _end_processes(paths, run, mask) + elsewhere


def _end_processes(paths: Paths, run: PipelineState, mask: Mask | None) -> str:
    """End what is left of a dead run on this machine; a clause if that is news."""
    from pipekit.process import kill_leftovers  # rarely needed, both
    from pipekit.run.temporaries import remove_temporaries_of_run

    found, left = kill_leftovers(run.run_id)
    reports, noted = paths.runs / run.run_id, paths.leftovers
    remove_temporaries_of_run(reports, run.run_id, paths.root, leftovers=noted, mask=mask)
    for leftover in paths.logs.glob(f".pipeline_report_*_{run.run_id}.json.*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()
    if left:
        return f"; {left} of its processes could not be killed and are still running"
    return f"; {found} of its processes were still running and were killed" if found else ""


def _retry_removals(paths: Paths) -> None:
    if paths.leftovers.exists():
        from pipekit.run.temporaries import retry_removals  # rarely needed

        retry_removals(paths.leftovers, paths.root)


def _complete(paths: Paths, run: PipelineState, *, died: bool) -> bool:
    """Write the last event and the report of a run, if they are missing; whether both are there."""
    journal, audit = paths.journal(run.run_id), AuditReports(paths)
    ended = read_tail(journal, 1).end is not None
    try:
        if not ended:
            tail = read_tail(journal)
            _end_journal(paths, _report(run), tail, {"kind": FailureKind.LOST} if died else {})
            ended = read_tail(journal, 1).end is not None
        if audit.find(run.run_id, run.started) is None:
            from pipekit.storage.report_writer import write_report  # rarely needed

            write_report(_report(run), paths, {"recovered": True})
    except OSError:
        return False
    return ended


def _end_journal(paths: Paths, report: PipelineReport, tail: Tail, more: dict[str, Any]) -> None:
    """Append the ends that a journal lacks. `more`: for the data of the last event."""
    logger = open_logger(paths, report.run_id, report.started, after=tail.last_seq)
    for stage in report.stages:
        if stage.stage == tail.running:
            kind = {"kind": stage.kind} if stage.kind else {}
            logger.emit(stage.stage, EventKind(stage.status), stage.error or str(stage), **kind)
    data: dict[str, Any] = {"exit_code": report.exit_code, "recovered": True, **more}
    logger.emit("pipeline", EventKind(report.status), str(report), **data)
    logger.close()


def _moment(text: object) -> float:
    """Unix time of an event's timestamp; 0 if it has none."""
    try:
        return dt.datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _report(run: PipelineState) -> PipelineReport:
    assert run.status is not None
    assert run.exit_code is not None
    return PipelineReport(
        run_id=run.run_id,
        number=run.number,
        status=run.status,
        exit_code=run.exit_code,
        stages=tuple(_stage(name, entry) for name, entry in run.stages.items()),
        started=run.started,
        duration=(run.ended or run.started) - run.started,
        warnings=("this report was written by a later run",),
    )


def _stage(name: str, entry: Mapping[str, Any]) -> StageResult:
    return StageResult(
        stage=name,
        status=_word(StageStatus, entry.get("status")) or StageStatus.FAILURE,
        kind=_word(FailureKind, entry.get("kind")),
        reason=str(entry.get("reason", "")),
        error=str(entry.get("error", "")),
        duration=_seconds(entry.get("duration")),
    )


def _whole(value: object, largest: int) -> int | None:
    """A whole number that was read, if it can be true."""
    return value if type(value) is int and 0 <= value <= largest else None


def _seconds(value: object) -> float:
    """A duration that was read; 0 if it cannot be true."""
    return value if isinstance(value, int | float) and 0 <= value < math.inf else 0.0


def _word(words: type[_Word], value: object) -> _Word | None:
    try:
        return words(str(value))
    except ValueError:  # of another version
        return None
