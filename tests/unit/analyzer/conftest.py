"""A project of processed bars: real plans, real files, the worker in this process."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipekit_analyzer.plan import plan
from pipekit_analyzer.settings import Settings
from pipekit_analyzer.worker import main

from pipekit import (
    ABSENT,
    Consumption,
    ContentState,
    FileStat,
    Input,
    Pending,
    Published,
    RunContext,
    StagePlan,
    Why,
)
from pipekit.model.run import Paths

CHICAGO = ZoneInfo("America/Chicago")
SHARED = Path(__file__).parents[4] / "shared" / "data"
SCHEMA = pa.schema(
    [
        ("timestamp", pa.timestamp("us", "UTC")),
        *[(name, pa.float64()) for name in ("open", "high", "low", "close")],
        ("volume", pa.int64()),
        ("instrument", pa.string()),
        ("interval", pa.string()),
    ]
)

Bar = tuple[datetime, float, float, float, float, int]


def _digest(value: object) -> str:
    text = json.dumps(value, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Project:
    """A project's folder, and a ledger that remembers what workers report, as the core's does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger: dict[str, Consumption] = {}
        self.signatures: dict[str, tuple[int, ...]] = {}
        self.removed: tuple[Published, ...] = ()
        self.merged: dict[tuple[str, ...], dict[str, Any]] = {}
        self.number = 0

    # bars

    def write(self, name: str, bars: Iterable[Bar], *, metadata: bool = True) -> list[str]:
        """Months of bars, each written whole; returns their paths."""
        months: dict[str, list[Bar]] = {}
        for bar in sorted(bars):
            months.setdefault(f"{bar[0].astimezone(CHICAGO):%Y-%m}", []).append(bar)
        return [self.write_month(name, month, rows, metadata) for month, rows in months.items()]

    def write_month(self, name: str, month: str, bars: list[Bar], metadata: bool = True) -> str:
        path = f"data/processed/{name}/1m/{month[:4]}/{name}_1m_{month}.parquet"
        days: dict[str, list[Bar]] = {}
        for bar in bars:
            days.setdefault(bar[0].astimezone(CHICAGO).date().isoformat(), []).append(bar)
        stated = {
            "pipekit.days": json.dumps(
                {day: {"rows": len(rows), "digest": _digest(rows)} for day, rows in days.items()}
            ),
            "pipekit.last": bars[-1][0].isoformat() if bars else "",
        }
        columns = [list(column) for column in zip(*bars, strict=True)] or [[]] * 6
        table = pa.table([*columns, [name] * len(bars), ["1m"] * len(bars)], schema=SCHEMA)
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata(stated if metadata else {}), file)
        return path

    # what a plan sees (StageView)

    def files(self, patterns: tuple[str, ...]) -> list[FileStat]:
        found = {file for pattern in patterns for file in self.root.glob(pattern)}
        stats = [(file.relative_to(self.root).as_posix(), file.stat()) for file in found]
        return sorted(
            FileStat(p, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
            for p, s in stats
            if (self.root / p).is_file()
        )

    def pending(
        self, files: Iterable[FileStat], settings: object | None, *, growing: bool, force: bool
    ) -> Pending:
        assert attrs.has(type(settings))
        digest = _digest(attrs.asdict(settings))  # type: ignore[arg-type]
        inputs, rejected = [], []
        for file in files:
            known = self.ledger.get(file.path)
            why = self._why(file, known, digest)
            bad = known is not None and known.state is ContentState.REJECTED
            if why is None and known is not None and bad:
                rejected.append(known)
            elif why or force:
                inputs.append(Input(file, why or Why.FORCED, digest, known))
        return Pending(inputs=tuple(inputs), rejected=tuple(rejected))

    def _why(self, file: FileStat, known: Consumption | None, digest: str) -> Why | None:
        if known is None:
            return Why.NEW
        if self.signatures.get(file.path) != file.signature:
            return Why.CHANGED
        return Why.SETTINGS if known.settings_digest != digest else None

    def consumed(self, noted: str = "") -> Mapping[str, Consumption]:
        return self.ledger

    def published(self, stage: str) -> tuple[Published, ...]:
        return self.removed if stage == "translator" else ()

    # runs

    def plan(self, settings: Settings | None = None, **more: Any) -> StagePlan:
        paths = Paths(
            root=self.root,
            data=self.root / "data",
            logs=self.root / "logs",
            state=self.root / ".pipekit",
        )
        run_id = f"run-{self.number}"
        ctx = RunContext(
            run_id=run_id, stage="analyzer", paths=paths, started=0.0, view=self, **more
        )
        return plan(ctx, settings or Settings())

    def run(self, settings: Settings | None = None, **more: Any) -> SimpleNamespace:
        """Plan, do the work, remember what is reported, merge the results."""
        self.number += 1
        made = self.plan(settings, **more)
        lines = [line for task in made.tasks for line in self.work(task.command)]
        failed = {
            line["unit"]: line["reason"]
            for line in lines
            if line["verb"] == "unit_end" and line["status"] != "success"
        }
        digests = {input.path: input.settings_digest for input in made.inputs}
        kept = [line for line in lines if line.get("unit") not in failed]
        for line in kept:
            if line["verb"] in ("consumed", "rejected"):
                self._remember(line, digests.get(line["path"], ""))
        wrote = [line for line in kept if line["verb"] == "wrote"]
        for line in wrote:
            self.merge(line["path"])
        return SimpleNamespace(
            plan=made,
            lines=kept,
            failed=failed,
            wrote={line["unit"]: line for line in wrote},
            consumed=[line["path"] for line in kept if line["verb"] == "consumed"],
            rejected={line["path"]: line["reason"] for line in kept if line["verb"] == "rejected"},
            warnings=[line for line in kept if line["verb"] == "warning"],
        )

    def work(self, command: Any) -> list[dict[str, Any]]:
        """Run the worker's main function: request on stdin, report to a file.

        Its clock is ahead, so that it need not wait for the files just written to be of some age.
        """
        report = self.root / f"report-{self.number}.jsonl"
        clock = time.time_ns
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            patch.setenv("PIPEKIT_REPORT", str(report))
            patch.setattr(sys, "stdin", io.StringIO((command.stdin or b"").decode()))
            patch.setattr(time, "time_ns", lambda: clock() + 5_000_000_000)
            words = command.argv[command.argv.index("pipekit_analyzer.worker") + 1 :]
            assert main(list(words)) == 0
        if not report.exists():
            return []
        return [json.loads(line) for line in report.read_text().splitlines()]

    def _remember(self, line: dict[str, Any], settings: str) -> None:
        path = line["path"]
        rejected = line["verb"] == "rejected"
        self.ledger[path] = Consumption(
            path=path,
            state=ContentState.REJECTED if rejected else ContentState.CONSUMED,
            fingerprint=line["fingerprint"],
            settings_digest=settings,
            version="1",
            run_number=self.number,
            detail=line.get("detail", {}),
            reason=line.get("reason", ""),
        )
        if line["fingerprint"] != ABSENT:
            self.signatures[path] = tuple(line["signature"])

    def merge(self, path: str) -> None:
        """Replace everything in the file's scope by its rows, as the merger does."""
        table = pq.read_table(self.root / path)
        scope = json.loads(pq.read_metadata(self.root / path).metadata[b"pipekit.scope"])
        rows = table.to_pylist()
        assert all(in_scope(scope, row) for row in rows)
        kept = {key: row for key, row in self.merged.items() if not in_scope(scope, row)}
        self.merged = kept | {row_key(row): row for row in rows}


def row_key(row: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("instrument", "variant", "date", "session", "slot")
    return tuple(str(row[name]) for name in names)


def in_scope(scope: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return row["instrument"] == scope["instrument"] and any(
        (part["variants"] == "*" or row["variant"] in part["variants"])
        and (part["slots"] == "*" or [row["session"], row["slot"]] in part["slots"])
        and any(first <= row["date"].isoformat() <= last for first, last in part["dates"])
        for part in scope["parts"]
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    return lambda: Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def real_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"needs real market data, which is not part of the repository, in {SHARED}")
    return SHARED


def _bar(stamp: datetime, values: Iterable[str]) -> Bar:
    *prices, volume = map(float, values)
    return (stamp.replace(tzinfo=UTC), *prices, int(volume))  # type: ignore[return-value]


@pytest.fixture
def es_2020(real_data: Path) -> list[Bar]:
    """ES, 2020-01-05 17:00 to 2020-01-06 18:00 exchange time."""
    path = real_data / "real/exporter/DataExport_ES_20200107_000500_UTC.csv"
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [_bar(datetime.fromisoformat(f"{row[0]}T{row[1]}"), row[2:7]) for row in rows]


@pytest.fixture
def es_2013(real_data: Path) -> list[Bar]:
    """ES, 2013-10-06 to 2013-10-11."""
    bars = []
    for path in sorted((real_data / "real/daily/ES/1m/2013/10").glob("*.csv")):
        with open(path, newline="") as file:
            rows = list(csv.reader(file))[1:]
        bars += [_bar(datetime.fromisoformat(row[0][:-1]), row[1:6]) for row in rows]
    return bars


@pytest.fixture
def gc_2013(real_data: Path) -> list[Bar]:
    """GC, 2013-10-07 to 2013-10-11; the export's stamps are the bars' closes."""
    with open(real_data / "real/ninjatrader/GC 12-13.Last.txt", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    return [
        _bar(datetime.strptime(row[0], "%Y%m%d %H%M%S") - timedelta(minutes=1), row[1:6])
        for row in rows
    ]


@pytest.fixture
def minutes() -> Callable[..., list[Bar]]:
    """Bars of a day's exchange time from `first` to `last`, every five minutes, made by a rule."""

    def make(day: date, first: str = "00:00", last: str = "23:59", base: float = 1000) -> list[Bar]:
        stamp = datetime.fromisoformat(f"{day} {first}").replace(tzinfo=CHICAGO).astimezone(UTC)
        end = datetime.fromisoformat(f"{day} {last}").replace(tzinfo=CHICAGO).astimezone(UTC)
        bars: list[Bar] = []
        while stamp <= end:
            step = (stamp.toordinal() * 7 + stamp.hour * 13 + stamp.minute * 3) % 40
            price = base + step * 0.25
            bars.append((stamp, price, price + 1.0, price - 1.0, price + 0.5, 10))
            stamp += timedelta(minutes=5)
        return bars

    return make
