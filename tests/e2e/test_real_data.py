"""The three stages on real bars: right to the minute and the tick, however they came in."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import shutil
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

CHICAGO = ZoneInfo("America/Chicago")
CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[[stages.translator.settings.sources]]
glob = "data/raw/**/DataExport_*_UTC.csv"
dialect = "A"
timezone = "UTC"

[[stages.translator.settings.sources]]
glob = "data/raw/**/*.Last.txt"
dialect = "C"
timezone = "UTC"

[[stages.translator.settings.sources]]
glob = "data/raw/**/*_1m_*.csv"
dialect = "D"
growing = false

[stages.analyzer.settings]
stop_rule = "boundary"
"""
pytestmark = pytest.mark.skipif(
    not (Path(__file__).resolve().parents[3] / "shared/data").is_dir(),
    reason="the real market data (shared/data beside the project) is not here",
)


def put(source: Path, project, where: str = "") -> Path:
    target = project.root / "data/raw" / where / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def raw_files(shared: Path) -> list[Path]:
    return sorted(path for path in (shared / "real").rglob("*") if path.is_file())


@pytest.fixture
def whole(project, shared_data):
    """A project that has run over all the real data at once."""
    project.config(CONFIG)
    for file in raw_files(shared_data):
        put(file, project)
    run = project.pipekit("run")
    assert run.code == 0, run
    return project


def digests(project, *patterns: str) -> dict[str, str]:
    return {
        str(path.relative_to(project.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in patterns
        for path in sorted(project.root.glob(pattern))
    }


PROCESSED = "data/processed/**/*.parquet"
MERGED = "data/analyzer_runs/merged/**/*.*"


def merged_rows(project) -> list[dict]:
    files = sorted(project.root.glob("data/analyzer_runs/merged/*/*/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_the_golden_day_is_right_in_all_seven_rows(whole, shared_data):
    rows = {r["slot"]: r for r in merged_rows(whole) if r["date"] == dt.date(2020, 1, 6)}
    with open(shared_data / "golden/ES_2020-01-06.csv", newline="") as file:
        golden = list(csv.DictReader(file))
    assert len(golden) == len(rows) == 7
    for expected in golden:
        row = rows[expected["slot"]]
        assert row["session"] == expected["session"]
        assert row["direction"] == expected["dir"]
        assert row["result"] == expected["result"]
        for ours, theirs in (("entry_time", "entry_time"), ("exit_time", "exit_time")):
            assert row[ours].astimezone(CHICAGO).strftime("%Y-%m-%d %H:%M:%S") == expected[theirs]
        for ours, theirs in (
            ("entry_price", "entry"),
            ("exit_price", "exit"),
            ("profit", "profit"),
            ("range_low", "low"),
            ("range_high", "high"),
            ("range_size", "size"),
        ):
            assert row[ours] == float(expected[theirs]), (expected["slot"], ours)


def test_the_days_of_october_2013_give_seven_rows_each(whole):
    counts = Counter((r["instrument"], r["date"]) for r in merged_rows(whole))
    october = [dt.date(2013, 10, day) for day in range(7, 12)]
    expected = {("ES", day): 7 for day in october} | {("GC", day): 7 for day in october}
    assert counts == expected | {("ES", dt.date(2020, 1, 6)): 7}


def raw_bars(shared: Path) -> Counter:
    """Every raw bar as (instrument, UTC open time, prices, volume), read by a plain reader."""
    bars: Counter = Counter()
    for path in raw_files(shared):
        for line in path.read_text("ascii").splitlines():
            bar = _bar(path, line)
            if bar:
                bars[bar] += 1
    return bars


def _bar(path: Path, line: str):
    utc = dt.UTC
    if path.name.endswith(".txt"):
        stamp, *numbers = line.split(";")
        closed = dt.datetime.strptime(stamp, "%Y%m%d %H%M%S").replace(tzinfo=utc)
        return ("GC", closed - dt.timedelta(minutes=1), *map(float, numbers))
    fields = line.split(",")
    if path.name.startswith("DataExport"):
        if fields[0] == "Date":
            return None
        opened = dt.datetime.fromisoformat(f"{fields[0]}T{fields[1]}").replace(tzinfo=utc)
        return ("ES", opened, *map(float, fields[2:7]))
    if fields[0] == "timestamp_utc":
        return None
    return ("ES", dt.datetime.fromisoformat(fields[0]), *map(float, fields[1:]))


def test_every_raw_bar_is_in_the_parquet_files_exactly_once(whole, shared_data):
    found: Counter = Counter()
    for file in whole.root.glob(PROCESSED):
        for r in pq.ParquetFile(file).read().to_pylist():
            key = (r["instrument"], r["timestamp"], r["open"], r["high"], r["low"], r["close"])
            found[(*key, float(r["volume"]))] += 1
    assert found == raw_bars(shared_data)
    assert set(found.values()) == {1}


def test_an_empty_file_alone_is_consumed_and_no_success(project, shared_data):
    project.config(CONFIG)
    file = project.write(
        "data/raw/ES_1m_2013-10-06.csv", "timestamp_utc,open,high,low,close,volume\n"
    )
    run = project.pipekit("run", "--json")
    assert (run.code, run.json["status"]) == (0, "idle")
    assert run.json["stages"][0]["reason"] == "1 file is empty: data/raw/ES_1m_2013-10-06.csv"
    assert file.exists()
    assert project.pipekit("run", "--json").json["stages"][0]["reason"] == "nothing new in data/raw"


def test_the_second_run_is_idle(whole):
    before = digests(whole, PROCESSED, MERGED)
    run = whole.pipekit("run", "--json")
    assert (run.code, run.json["status"]) == (0, "idle")
    assert digests(whole, PROCESSED, MERGED) == before


def test_files_given_one_day_at_a_time_end_in_the_same_bytes(whole, shared_data, tmp_path):
    """Daily files as they are; the weekly export and the two-day one cut by UTC day."""
    folder = tmp_path / "daily"
    folder.mkdir()
    project = type(whole)(folder)
    project.config(CONFIG)
    for day in _days(shared_data):
        for name, lines in day:
            target = project.root / "data/raw" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"".join(lines))
        run = project.pipekit("run")
        assert run.code == 0, run
    assert digests(project, PROCESSED) == digests(whole, PROCESSED)
    assert digests(project, MERGED) == digests(whole, MERGED)


def _days(shared: Path) -> list[list[tuple[str, list[bytes]]]]:
    days: dict[str, list[tuple[str, list[bytes]]]] = {}
    for path in raw_files(shared):
        lines = path.read_bytes().splitlines(keepends=True)
        head = [] if path.suffix == ".txt" else lines[:1]
        parts: dict[str, list[bytes]] = {}
        for line in lines[len(head) :]:
            parts.setdefault(line[:10].decode().replace("-", "")[:8], []).append(line)
        for day, part in parts.items():
            stem, _, suffix = path.name.partition(".")
            name = path.name if len(parts) == 1 else f"{day}/{stem}.{suffix}"
            days.setdefault(day, []).append((name, head + part))
    return [days[day] for day in sorted(days)]


@pytest.mark.parametrize("workers", ["1", "4"])
def test_the_bytes_are_the_same_with_any_worker_count_and_order_of_finding(
    whole, shared_data, tmp_path, workers
):
    folder = tmp_path / workers
    folder.mkdir()
    project = type(whole)(folder)
    project.config(CONFIG)
    for index, file in enumerate(reversed(raw_files(shared_data))):
        put(file, project, f"{index:02}")  # found in the opposite order
    run = project.pipekit("run", "--set", f"pipeline.workers={workers}")
    assert run.code == 0, run
    assert digests(project, PROCESSED, MERGED) == digests(whole, PROCESSED, MERGED)


def test_a_corrupt_file_and_an_unknown_instrument_make_the_run_partial(project, shared_data):
    project.config(CONFIG)
    for file in raw_files(shared_data):
        put(file, project)
    export = project.root / "data/raw/DataExport_ES_20200107_000500_UTC.csv"
    corrupt = export.with_name("DataExport_ES_20200108_000500_UTC.csv")
    corrupt.write_bytes(export.read_bytes().replace(b",", b"|"))
    unknown = export.with_name("DataExport_ZZ_20200107_000500_UTC.csv")
    unknown.write_bytes(export.read_bytes().replace(b",ES\r", b",ZZ\r"))
    raw = digests(project, "data/raw/**/*.*")
    run = project.pipekit("run", "--json")
    assert (run.code, run.json["status"]) == (1, "partial")
    assert len(merged_rows(project)) == 77
    rejected = {
        file["path"]: file["reason"]
        for task in project.report()["stages"][0]["tasks"]
        for file in task["files"]
        if file["verb"] == "rejected"
    }
    names = {f"data/raw/{corrupt.name}", f"data/raw/{unknown.name}"}
    assert set(rejected) == names
    assert "line 1" in rejected[f"data/raw/{corrupt.name}"]
    assert "'ZZ'" in rejected[f"data/raw/{unknown.name}"]
    assert digests(project, "data/raw/**/*.*") == raw
    assert project.pipekit("run", "--json").json["status"] == "idle"
    said = project.pipekit("status").out
    assert all(name in said for name in names)
