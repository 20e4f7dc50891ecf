"""Analysis through whole runs: a sweep from settings to results, and day by day against at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

CHICAGO = ZoneInfo("America/Chicago")
CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[[stages.translator.settings.sources]]
glob = "data/raw/*_1m_*.csv"
dialect = "D"
growing = false
"""
SWEEP = """
[[stages.analyzer.settings.variants]]
name = "x{target}"
targets = [0.5, 1, 1.5]
"""
# Thursday to Tuesday: over the clock change of spring, then over that of autumn and a month's end
DAYS = {
    "spring": [dt.date(2013, 3, day) for day in (7, 8, 10, 11, 12)],
    "autumn": [dt.date(2013, month, day) for month, day in ((10, 31), (11, 1), (11, 4), (11, 5))],
}


def bars(day: dt.date, name: str) -> str:
    """A UTC day's file: a walk in quarter points, rather upwards, that halts now and then."""
    rng = random.Random(f"{day} {name}")
    opens = dt.datetime.combine(day, dt.time(), dt.UTC)
    level = 4000 + 90 * (day - dt.date(2013, 3, 1)).days
    lines = ["timestamp_utc,open,high,low,close,volume"]
    for minute in sorted({*range(0, 1440, 3), *range(1, 1440, 12)}):  # not of one interval
        stamp = opens + dt.timedelta(minutes=minute)
        if stamp.astimezone(CHICAGO).hour == 16 or rng.random() < 0.05:
            continue
        level += rng.randint(-3, 3) + (minute % 4 == 0)
        close = level + rng.randint(-2, 2)
        high, low = max(level, close) + rng.randint(0, 2), min(level, close) - rng.randint(0, 2)
        prices = ",".join(f"{ticks / 4:.2f}" for ticks in (level, high, low, close))
        lines.append(f"{stamp:%Y-%m-%dT%H:%M:%SZ},{prices},7")
    return "\n".join(lines) + "\n"


def add(project, *days: dt.date, names=("ES",)) -> None:
    for day in days:
        for name in names:
            project.write(f"data/raw/{name}_1m_{day}.csv", bars(day, name))


def run(project) -> None:
    done = project.pipekit("run")
    assert done.code == 0, done


def merged(project) -> dict[str, str]:
    root = project.root / "data/analyzer_runs/merged"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.*"))
    }


def rows(project) -> list[dict]:
    files = sorted((project.root / "data/analyzer_runs/merged").glob("*/*/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


@pytest.fixture
def other(project, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    return type(project)(folder)


@pytest.mark.parametrize("days", DAYS.values(), ids=DAYS)
def test_day_by_day_ends_in_the_bytes_of_all_at_once(project, other, days):
    """Peaks go on after the exit, into days that come later: they too are those of the whole."""
    for each in (project, other):
        each.config(CONFIG + SWEEP)
    add(other, *days)
    run(other)
    peaks: dict[tuple, set] = {}
    for day in days:
        add(project, day)
        run(project)
        for row in rows(project):
            key = row["variant"], row["date"], row["slot"], row["result"], row["exit_time"]
            if row["exit_time"]:
                peaks.setdefault(key, set()).add(row["peak"])
    assert any(len(seen) > 1 for seen in peaks.values())
    assert merged(project) == merged(other)
    assert len(rows(other)) >= 3 * 7 * 3


def variants(project, *words: str) -> list[str]:
    """As `pipekit results` tells them."""
    done = project.pipekit("results", "--json", *words)
    assert done.code == 0, done
    return sorted({line["variant"] for line in done.json["rows"]})


def test_a_sweep_goes_from_the_settings_to_the_results(project, other):
    """Run, merged, shown by variant; then one of three is gone, and another one new."""
    add(project, *DAYS["autumn"], names=("ES", "NQ"))
    project.config(CONFIG + SWEEP)
    run(project)
    assert variants(project) == ["x0.5", "x1", "x1.5"]
    assert variants(project, "--variant", "x1.5") == ["x1.5"]
    assert {(r["variant"], r["target"]) for r in rows(project) if r["instrument"] == "NQ"} == {
        ("x0.5", 25.0),
        ("x1", 50.0),
        ("x1.5", 75.0),
    }
    for each in (project, other):
        each.config(CONFIG + SWEEP.replace("1.5]", "2]"))
    run(project)
    assert variants(project) == ["x0.5", "x1", "x2"]
    assert _computed(project) == {"ES.parquet": 28, "NQ.parquet": 28}
    add(other, *DAYS["autumn"], names=("ES", "NQ"))
    run(other)
    assert merged(project) == merged(other)


def _computed(project) -> dict[str, int]:
    """Rows that the latest run's analysis wrote, by file."""
    return {
        file["path"].rpartition("/")[2]: pq.read_metadata(project.root / file["path"]).num_rows
        for task in project.report()["stages"][1]["tasks"]
        for file in task["files"]
        if file["verb"] == "wrote"
    }
