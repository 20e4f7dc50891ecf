"""A project with a ledger, in which the merger's plan is made and its worker runs, in process."""

import datetime as dt
import io
import json
import os
import sys
import time
from pathlib import Path

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipekit_merger import worker
from pipekit_merger.plugin import pipekit_stages
from pipekit_merger.settings import Settings

from pipekit.model.records import FileRecord
from pipekit.model.run import Paths, RunContext
from pipekit.run.report_file import ReportReader, TaskReport
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Ledger, signature_text
from pipekit.storage.stage_view import LedgerStageView
from pipekit.worker import fingerprint, look

ZONE = "America/Chicago"
RUNS = "data/analyzer_runs"
MERGED = f"{RUNS}/merged"
(SPEC,) = pipekit_stages()


def schema(zone: str = ZONE) -> pa.Schema:
    text, number, time = pa.string(), pa.float64(), pa.timestamp("us", zone)
    return pa.schema(
        [
            *[("variant", text), ("date", pa.date32()), ("session", text), ("slot", text)],
            *[("stream", text), ("instrument", text), ("direction", text), ("result", text)],
            *[("entry_time", time), ("exit_time", time), ("entry_price", number)],
            *[("exit_price", number), ("stop_distance", number), ("target", number)],
            *[("peak", number), ("range_high", number), ("range_low", number)],
            *[("range_size", number), ("range_bars", pa.int64()), ("profit", number)],
            ("profit_usd", number),
        ]
    )


def row(date: str, slot: str = "07:30", profit: float = 10.0, **more: object) -> dict:
    """A row as the analyzer writes it; `result` NoTrade and Open have the nulls they have."""
    session = more.get("session", "S1")
    instrument = more.get("instrument", "ES")
    result = more.get("result", "Win")
    traded = result != "NoTrade"
    entered = dt.datetime.fromisoformat(f"{date}T15:00:00+00:00")
    left = entered + dt.timedelta(hours=2)
    closed = traded and result != "Open"
    values = {
        "variant": "default",
        "date": dt.date.fromisoformat(date),
        "session": session,
        "slot": slot,
        "stream": f"{instrument}{session[1:]}",
        "instrument": instrument,
        "direction": "Long" if traded else None,
        "result": result,
        "entry_time": entered if traded else None,
        "exit_time": left if closed else None,
        "entry_price": 3225.75 if traded else None,
        "exit_price": 3225.75 + profit if closed else None,
        "stop_distance": 16.75,
        "target": 10.0,
        "peak": 12.5 if traded else None,
        "range_high": 3225.5,
        "range_low": 3208.75,
        "range_size": 16.75,
        "range_bars": 330,
        "profit": profit if traded else 0.0,
        "profit_usd": profit * 50 if traded else 0.0,
    }
    return {**values, **more}


def write(path: Path, rows: list[dict], zone: str = ZONE, metadata: dict | None = None) -> None:
    """A Parquet file of results."""
    table = pa.Table.from_pylist(rows, schema(zone)).replace_schema_metadata(metadata)
    pq.write_table(table, path)


def scope(*dates: str | list[str], instrument="ES", variants="*", slots="*") -> dict:
    """A scope of one part; a date alone is a range of one day."""
    ranges = [[d, d] if isinstance(d, str) else list(d) for d in dates]
    part = {"variants": variants, "slots": slots, "dates": ranges}
    return {"version": 1, "instrument": instrument, "parts": [part]}


ALWAYS = ["0001-01-01", "9999-12-31"]


class Outcome:
    """What came of one run of the merger: its plan, and the facts of the worker's report."""

    def __init__(self, plan):
        self.plan = plan
        self.facts = TaskReport()

    def paths(self, verb):
        return [record.path for record in self.facts.files if record.verb == verb]

    def failures(self):
        return {name: unit.reason for name, unit in self.facts.units.items() if not unit}

    def rows(self, stream):
        metrics = self.facts.unit_metrics[stream]
        return {name.removeprefix("rows_"): int(value) for name, value in metrics.items()}


class Project:
    """A folder with run files and a ledger; `run` does what a run of the merger does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger = Ledger(root / "state.db")
        self.runs = 0
        self.reports = 0

    def run_file(self, rows, stated, *, run_id=None, known=True, zone=ZONE, metadata=None) -> str:
        """Write a run file and, when `known`, remember it as published by the analyzer."""
        number = self.begin(run_id) if known else None
        self.runs += not known
        run_id = run_id or self.run_id()
        path = f"{RUNS}/{run_id}/{stated['instrument']}.parquet"
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        stored = {"pipekit.scope": json.dumps(stated)} if metadata is None else metadata
        write(target, rows, zone, stored)
        if known:
            self.commit("analyzer", number, [self.record("wrote", path)])
        return path

    def run_id(self) -> str:
        return f"01900000-0000-7000-8000-{self.runs:012}"

    def begin(self, run_id=None) -> int:
        self.runs += 1
        return self.ledger.begin_run(run_id or self.run_id(), 0.0)

    def record(self, verb: str, path: str) -> FileRecord:
        here = self.root / path
        signature = signature_text(look(here))
        return FileRecord(verb=verb, path=path, fingerprint=fingerprint(here), signature=signature)

    def commit(self, stage, number, records) -> None:
        self.ledger.commit(stage, "1.0.0", number, records, {}, "digest")

    def plan(self, settings=None, **flags):
        view = LedgerStageView(
            FileManager(self.root),
            self.ledger,
            "merger",
            version="1.0.0",
            settings=None,
            digest_of=lambda _settings: "digest",
        )
        root = self.root
        paths = Paths(root=root, data=root / "data", logs=root / "logs", state=root / ".pipekit")
        fields = {"run_id": "now", "started": 0.0, "cores": 2, **flags}
        context = RunContext(stage="merger", paths=paths, view=view, **fields)
        return SPEC.plan(context, settings or Settings())

    def run(self, *tasks: str, commit=True, **flags) -> Outcome:
        """Plan, run the tasks with these names (the merge alone), remember the reports.

        The merge makes the summary when both are named.
        """
        plan = self.plan(Settings(summary="summary" in tasks), **flags)
        outcome = Outcome(plan)
        for task in plan.tasks:
            if task.name not in (tasks or ("merge",)):
                continue
            self.reports += 1
            report = self.root / f"report-{self.reports}.jsonl"
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(self.root)
                patch.setenv("PIPEKIT_REPORT", str(report))
                patch.setattr(sys, "stdin", io.StringIO(task.command.stdin.decode()))
                assert worker.main([]) == 0
            reader = ReportReader(report)
            for record in reader.poll():
                outcome.facts.add(record)
            reader.close()
        if commit:
            self.commit("merger", self.begin(), outcome.facts.files)
        return outcome

    def months(self) -> dict[str, bytes]:
        """The merged months: path below the folder of results → bytes."""
        folder = self.root / MERGED
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.glob("*/*/*.parquet"))
        }

    def rows(self, month: str) -> list[dict]:
        return pq.ParquetFile(self.root / MERGED / month).read().to_pylist()

    def keys(self, month: str) -> list[tuple]:
        """(variant, date, session, slot, profit) of a month's rows, in order."""
        names = ("variant", "date", "session", "slot", "profit")
        return [tuple(str(r[n]) if n == "date" else r[n] for n in names) for r in self.rows(month)]


@attrs.frozen
class Kit:
    """The helpers, for tests that are given them as one fixture."""

    row: object = staticmethod(row)
    scope: object = staticmethod(scope)
    schema: object = staticmethod(schema)
    write: object = staticmethod(write)
    project: object = Project
    always: object = ALWAYS
    merged: str = MERGED
    runs: str = RUNS


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    yield made
    made.ledger.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def _settled(monkeypatch):
    """A clock that is a second ahead: files that were just written are old enough to be looked at.

    Otherwise each look would wait for 20 ms.
    """
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 1_000_000_000)


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch):
    """Nothing waits for the disk; tests of what is synced, and when, look at the calls."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
