"""The rule for processed bars: a month that is over may go, and late bars for it are set aside."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[[stages.translator.settings.sources]]
glob = "data/raw/*DataExport*.csv"
dialect = "A"
timezone = "UTC"

[[lifecycle.rules]]
files = "data/processed/**"
consumed_by = ["analyzer", "merger"]
min_age = "30d"
age = "data"

[[lifecycle.rules]]
files = "data/analyzer_runs/*/*.parquet"
consumed_by = ["merger"]
min_age = "0s"
"""
JANUARY = "data/processed/ES/1m/2024/ES_1m_2024-01.parquet"


def bars(day, first=0, last=1260):
    """An export with a bar for each of these minutes of a day."""
    lines = ["Date,Time,Open,High,Low,Close,Volume,Instrument"]
    for minute in range(first, last):
        price = 4800 + (minute % 37) * 0.25
        time = f"{minute // 60:02}:{minute % 60:02}:00"
        lines.append(f"{day},{time},{price},{price + 1},{price - 1},{price},10,ES")
    return "\n".join(lines) + "\n"


def export(project, day, *minutes):
    name = f"DataExport_ES_{day.replace('-', '')}_{'_'.join(map(str, minutes)) or 'all'}_UTC.csv"
    project.write(f"data/raw/{name}", bars(day, *minutes))


def run(project):
    done = project.pipekit("run", "--json")
    return {stage["stage"]: stage["status"] for stage in done.json["stages"]}, done


@pytest.fixture
def months(project):
    project.config(CONFIG)
    for day in ("2024-01-10", "2024-03-20", "2024-04-10"):
        export(project, day)
    statuses, done = run(project)
    assert set(statuses.values()) == {"success"}, done
    return project


def merged(project):
    """All results, by their file."""
    files = sorted((project.root / "data/analyzer_runs/merged").glob("*/*/*.parquet"))
    return {path.name: pq.ParquetFile(path).read().to_pylist() for path in files}


def rows_of(path):
    return pq.ParquetFile(path).metadata.num_rows


def test_only_closed_months_that_no_stage_holds_go_and_results_stay(months):
    results = merged(months)
    assert results
    done = months.pipekit("lifecycle", "apply")
    assert done.code == 0, done
    left = sorted(p.name for p in (months.root / "data/processed").rglob("*.parquet"))
    assert left == ["ES_1m_2024-03.parquet", "ES_1m_2024-04.parquet"]
    folders = [p.name for p in (months.root / "data/analyzer_runs").iterdir()]
    assert folders == ["merged"]  # the run's folder is merged, and empty
    statuses, _ = run(months)
    assert set(statuses.values()) == {"skipped"}
    assert merged(months) == results
    export(months, "2024-04-11")
    statuses, _ = run(months)
    assert set(statuses.values()) == {"success"}
    again = merged(months)
    assert {name: again[name] for name in results if "_04" not in name} == {
        name: rows for name, rows in results.items() if "_04" not in name
    }


def test_a_rebuild_keeps_the_results_of_removed_months(months):
    """Nothing is there any more that they could be computed from."""
    results = merged(months)
    assert months.pipekit("lifecycle", "apply").code == 0
    months.pipekit("run", "--rebuild")
    assert merged(months) == results
    assert not (months.root / JANUARY).exists()


def test_late_bars_of_a_removed_month_are_set_aside_until_it_is_restored(months):
    before = rows_of(months.root / JANUARY)
    assert months.pipekit("lifecycle", "apply").code == 0
    export(months, "2024-01-11", 0, 600)
    statuses, done = run(months)
    assert statuses["translator"] == "partial"
    assert "which the lifecycle has removed" in done.out
    assert not (months.root / JANUARY).exists()
    (manifest,) = (months.root / "data/quarantine").rglob("manifest.jsonl")
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert len(lines) == 600
    assert lines[0]["reason"] == "late: the lifecycle has removed the processed month"
    assert months.pipekit("lifecycle", "restore", "2").code == 0
    statuses, _ = run(months)
    assert statuses == {"translator": "success", "analyzer": "success", "merger": "success"}
    assert rows_of(months.root / JANUARY) == before + 600


def test_everything_can_be_computed_again_once_it_is_restored(months):
    results = merged(months)
    assert months.pipekit("lifecycle", "apply").code == 0
    assert months.pipekit("lifecycle", "restore", "2").code == 0
    statuses, _ = run(months)
    assert set(statuses.values()) == {"skipped"}
    done = months.pipekit("run", "--rebuild")
    assert done.code == 0, done
    assert merged(months) == results
