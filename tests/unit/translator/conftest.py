"""A project folder with a small ledger in memory; the translator's work is done in process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from pipekit_translator.plan import plan
from pipekit_translator.request import Request
from pipekit_translator.settings import Settings
from pipekit_translator.work.read import rawfile
from pipekit_translator.work.translate import translate

from pipekit import (
    Consumption,
    ContentState,
    FileStat,
    Input,
    Inspection,
    Pending,
    Published,
    RunContext,
    StagePlan,
    Why,
)
from pipekit.config.digest import output_digest
from pipekit.model.run import Paths
from pipekit.storage.files import FileManager
from pipekit.worker import ABSENT, fingerprint, report, request

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "real"
HEADER = "Date,Time,Open,High,Low,Close,Volume,Instrument"
DAILY = "timestamp_utc,open,high,low,close,volume"


@attrs.define
class Run:
    """What one run of the stage said: its plan, and the report's lines."""

    plan: StagePlan
    lines: list[dict[str, Any]] = attrs.field(factory=list)
    stderr: str = ""

    def all(self, verb: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["verb"] == verb]

    def paths(self, verb: str) -> list[str]:
        return sorted(line["path"] for line in self.all(verb))

    def metrics(self, unit: str | None = None) -> dict[str, float]:
        return {m["name"]: m["value"] for m in self.all("metric") if m.get("unit") == unit}

    @property
    def failed(self) -> dict[str, str]:
        return {e["unit"]: e["reason"] for e in self.all("unit_end") if e["status"] != "success"}

    @property
    def warnings(self) -> str:
        return "\n".join([*(w["msg"] for w in self.all("warning")), *self.plan.warnings])


class Project:
    """A root folder, and what a ledger would remember of the runs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0
        self.known: dict[str, Consumption] = {}
        self.signatures: dict[str, list[int]] = {}
        self.outputs: dict[str, Published] = {}
        self.manager = FileManager(root, quiet_seconds=0.0)

    # What a StageView gives.
    def files(self, patterns: tuple[str, ...]) -> list[FileStat]:
        return self.manager.files(patterns)

    def pending(
        self, files: Iterable[FileStat], settings: object | None, *, growing: bool, force: bool
    ) -> Pending:
        digest, inputs, waiting, rejected = output_digest(settings), [], [], []
        for file in files:
            row = self.known.get(file.path)
            why = self._why(file, row, digest)
            if why is None and row and row.state is ContentState.REJECTED:
                rejected.append(row)
            elif why is None and not force:
                continue
            elif not growing and not self.manager.settled(file):
                waiting.append(file.path)
            else:
                inputs.append(Input(file, why or Why.FORCED, digest, row))
        return Pending(inputs=tuple(inputs), waiting=tuple(waiting), rejected=tuple(rejected))

    def _why(self, file: FileStat, row: Consumption | None, digest: str) -> Why | None:
        if row is None:
            return Why.NEW
        if self.signatures[file.path] != list(file.signature):
            return Why.CHANGED
        if row.settings_digest != digest:
            return Why.SETTINGS
        return Why.PART if row.state is ContentState.PART else None

    def consumed(
        self, noted: str = "", *, details: Mapping[str, str] | None = None
    ) -> Mapping[str, Consumption]:
        wanted = details or {}
        return {
            path: row
            for path, row in self.known.items()
            if (not noted or noted in row.detail)
            and all(row.detail.get(key) == value for key, value in wanted.items())
        }

    def details(self, keys: tuple[str, ...]) -> list[tuple[str, ...]]:
        return sorted({tuple(row.detail.get(k, "") for k in keys) for row in self.known.values()})

    def published(self, stage: str) -> tuple[Published, ...]:
        return tuple(self.outputs.values()) if stage == "translator" else ()

    def inspect(self, patterns: tuple[str, ...]) -> Inspection:
        here = {file.path: file for file in self.files(patterns)}
        gone = [each for path, each in self.outputs.items() if path not in here]
        return Inspection(
            missing=tuple(each for each in gone if each.present),
            removed=tuple(each for each in gone if not each.present),
            altered=tuple(
                each
                for path, each in self.outputs.items()
                if path in here and fingerprint(self.root / path) != each.fingerprint
            ),
            unknown=tuple(file for path, file in here.items() if path not in self.outputs),
        )

    # What tests do.
    def write(self, path: str, text: str | bytes, age: float = 7200.0) -> Path:
        """A file that was last changed `age` seconds ago."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(file, (time.time() - age,) * 2)
        return file

    def plan(self, settings: Settings | None = None, **more: Any) -> StagePlan:
        root = self.root
        given: dict[str, Any] = {"started": time.time(), "cores": 2, **more}
        context = RunContext(
            run_id=f"run-{self.number + 1}",
            stage="translator",
            paths=Paths(root=root, data=root / "data", logs=root / "logs", state=root / ".pipekit"),
            view=self,
            **given,
        )
        return plan(context, settings or Settings())

    def run(self, settings: Settings | None = None, **more: Any) -> Run:
        """Plan, work in this process, and remember what was reported."""
        planned = self.plan(settings, **more)
        run = Run(planned)
        self.number += 1
        for task in planned.tasks:
            lines = self.root / f"report-{self.number}.jsonl"
            with self._worker(lines, task.command.stdin) as stderr:
                translate(request(Request))
            run.stderr += stderr.getvalue()
            run.lines += [json.loads(line) for line in lines.read_text().splitlines()]
        self._remember(run)
        return run

    @contextlib.contextmanager
    def _worker(self, lines: Path, stdin: bytes) -> Iterator[io.StringIO]:
        """What a worker's process has: a working directory, standard streams, a report."""
        self._let_the_clock_tick()
        errors = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(errors):
            patch.chdir(self.root)
            patch.setattr("sys.stdin", io.StringIO(stdin.decode()))
            patch.setenv("PIPEKIT_REPORT", str(lines))
            try:
                yield errors
            finally:
                if report._descriptor is not None:
                    os.close(report._descriptor)
                    report._descriptor = report._path = None

    def _let_the_clock_tick(self) -> None:
        """Until no raw file is so young that a worker waits for the file system's clock."""
        raw = (self.root / "data").rglob("*")
        youngest = max((path.lstat().st_ctime for path in raw), default=0.0)
        while time.time() - youngest < 0.03:
            pass

    def _remember(self, run: Run) -> None:
        digests = {item.path: item.settings_digest for item in run.plan.inputs}
        for line in run.lines:
            if line.get("unit") in run.failed:
                continue
            if line["verb"] in ("consumed", "rejected"):
                self._remember_file(line, digests.get(line["path"], ""))
            elif line["verb"] in ("wrote", "unchanged"):
                path = line["path"]
                self.outputs[path] = Published(
                    path=path,
                    fingerprint=line["fingerprint"],
                    run_number=self.number,
                    run_id="x",
                    detail=line.get("detail") or {},
                )

    def _remember_file(self, line: dict[str, Any], settings: str) -> None:
        if line["fingerprint"] == ABSENT:
            del self.known[line["path"]]
            return
        state = ContentState.CONSUMED if line.get("complete", True) else ContentState.PART
        if line["verb"] == "rejected":
            state = ContentState.REJECTED
        self.signatures[line["path"]] = line["signature"]
        self.known[line["path"]] = Consumption(
            path=line["path"],
            state=state,
            fingerprint=line["fingerprint"],
            settings_digest=settings,
            version="1",
            run_number=self.number,
            detail=line.get("detail") or {},
            reason=line.get("reason", ""),
        )

    def month(self, instrument: str, month: str) -> Path:
        folder = self.root / "data/processed" / instrument / "1m" / month[:4]
        return folder / f"{instrument}_1m_{month}.parquet"

    def rows(self, instrument: str, month: str) -> list[tuple[Any, ...]]:
        """Of a published month: (time as ISO text, open, high, low, close, volume)."""
        from pyarrow.parquet import ParquetFile

        found = ParquetFile(self.month(instrument, month)).read().to_pylist()
        return [(f"{row['timestamp']:%Y-%m-%dT%H:%M}", *list(row.values())[1:6]) for row in found]

    def times(self, instrument: str, month: str) -> list[str]:
        return [row[0] for row in self.rows(instrument, month)]

    def day(self, instrument: str, date: str) -> Path:
        folder = self.root / "data/processed" / instrument / "tick" / date[:4] / date[5:7]
        return folder / f"{instrument}_tick_{date}.parquet"

    def ticks(self, instrument: str, date: str) -> list[tuple[Any, ...]]:
        """Of a published day: (time as ISO text, price, bid, ask, volume)."""
        import numpy as np
        from pyarrow.parquet import ParquetFile

        found = ParquetFile(self.day(instrument, date)).read()
        times = found["timestamp"].cast("int64").to_pylist()
        columns = (found[name].to_pylist() for name in ("price", "bid", "ask", "volume"))
        return [
            (str(np.datetime64(time, "ns")), *rest)
            for time, *rest in zip(times, *columns, strict=True)
        ]

    def metadata(self, instrument: str, part: str) -> dict[str, str]:
        """Of a month of bars or a day of ticks."""
        from pyarrow.parquet import ParquetFile

        path = (self.month if len(part) == 7 else self.day)(instrument, part)
        found = ParquetFile(path).metadata.metadata
        return {key.decode(): value.decode() for key, value in found.items()}

    def tree(self) -> dict[str, bytes]:
        """Every published file with its bytes."""
        folder = self.root / "data/processed"
        return {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    def quarantine(self) -> list[dict[str, Any]]:
        """The manifest of the last run."""
        manifest = self.root / "data/quarantine" / f"run-{self.number}" / "manifest.jsonl"
        if not manifest.exists():
            return []
        return [json.loads(line) for line in manifest.read_text().splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def meddled(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """A run in which a file changes at the end of its reading; the verbs that were reported."""
    check = rawfile.check_unchanged

    def run(path: str, how: str, line: str, settings: Settings | None = None) -> list[str]:
        file = project.root / path

        def meddle(*given: Any) -> None:
            if how == "append":
                file.write_text(file.read_text() + line)
            elif how == "replace":
                file.rename(old := file.with_suffix(".old"))
                file.write_text(old.read_text())
            else:
                os.truncate(file, 10)
            check(*given)

        monkeypatch.setattr(rawfile, "check_unchanged", meddle)
        lines = project.run(settings).lines
        return [line["verb"] for line in lines if line["verb"] in ("consumed", "wrote", "warning")]

    return run


@pytest.fixture
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a further project."""
    return lambda: Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def real() -> Path:
    """The real market data, read where they lie."""
    if not REAL.is_dir():
        pytest.skip(f"the real market data are not at {REAL}")
    return REAL


@pytest.fixture
def export() -> Any:
    """Rows as an export in dialect A: `export("2020-01-06 08:00,1,2,0.5,1.5,10", ...)`."""

    def make(*rows: str, instrument: str = "ES", header: str = HEADER) -> str:
        lines = [header]
        for row in rows:
            stamp, _, values = row.partition(",")
            date, _, clock = stamp.partition(" ")
            lines.append(f"{date},{clock}:00,{values},{instrument}")
        return "".join(f"{line}\r\n" for line in lines)

    return make


@pytest.fixture
def daily() -> Any:
    """Rows as a file of dialect D: `daily("2020-01-06 08:00,1,2,0.5,1.5,10", ...)`."""

    def make(*rows: str) -> str:
        lines = [DAILY]
        for row in rows:
            stamp, _, values = row.partition(",")
            lines.append(f"{stamp.replace(' ', 'T')}:00Z,{values}")
        return "".join(f"{line}\n" for line in lines)

    return make
