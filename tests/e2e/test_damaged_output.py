"""Published files that are damaged are made again by the next run, stage after stage."""

from __future__ import annotations

import os
import shutil

import pytest

CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[[stages.translator.settings.sources]]
glob = "data/raw/*.csv"
dialect = "A"
timezone = "UTC"
"""
DAYS = ("2024-01-10", "2024-01-11", "2024-02-14")
JANUARY = "data/processed/ES/1m/2024/ES_1m_2024-01.parquet"
MERGED = "data/analyzer_runs/merged/ES1/2024/ES1_2024_01.parquet"
SUMMARY = "data/analyzer_runs/merged/summary.parquet"


def bars(day):
    """An export with a bar for each minute of a day."""
    lines = ["Date,Time,Open,High,Low,Close,Volume,Instrument"]
    for minute in range(1260):
        price = 4800 + (minute % 37) * 0.25
        time = f"{minute // 60:02}:{minute % 60:02}:00"
        lines.append(f"{day},{time},{price},{price + 1},{price - 1},{price},10,ES")
    return "\n".join(lines) + "\n"


def tree(project):
    """The published files, with their bytes."""
    folders = (project.root / "data/processed", project.root / "data/analyzer_runs/merged")
    found = (path for folder in folders for path in folder.rglob("*"))
    kept = (path for path in found if path.is_file() and path.suffix in (".parquet", ".json"))
    return {path.relative_to(project.root).as_posix(): path.read_bytes() for path in kept}


def run(project, code=0):
    done = project.pipekit("run", "--json")
    assert done.code == code, done
    return {stage["stage"]: stage["status"] for stage in done.json["stages"]}, done


@pytest.fixture
def done(project):
    project.config(CONFIG)
    for day in DAYS:
        name = f"DataExport_ES_{day.replace('-', '')}_235959_UTC.csv"
        project.write(f"data/raw/{name}", bars(day))
    statuses, _ = run(project)
    assert set(statuses.values()) == {"success"}
    return project


IDLE = {"translator": "skipped", "analyzer": "skipped", "merger": "skipped"}


def test_a_run_mends_what_was_damaged_in_all_stages(done):
    """Truncated, emptied and flipped; the bytes are then those of an undisturbed project."""
    before = tree(done)
    os.truncate(done.root / JANUARY, 100)
    (done.root / MERGED).write_bytes(b"")
    summary = bytearray((done.root / SUMMARY).read_bytes())
    summary[len(summary) // 2] ^= 0xFF
    (done.root / SUMMARY).write_bytes(summary)
    said = done.pipekit("plan").out
    assert f"{JANUARY} is not as it was published" in said
    assert (done.root / JANUARY).stat().st_size == 100  # a plan changes nothing
    statuses, finished = run(done)
    assert statuses["translator"] == statuses["merger"] == "success"
    assert tree(done) == before
    assert f"{JANUARY} was damaged" in finished.err + finished.out
    assert run(done)[0] == IDLE
    assert tree(done) == before


def test_a_moved_project_is_idle_and_reads_its_results_once(done, project_in, tmp_path):
    """Raw files, which anybody may change, are read again; what was published is known."""
    before = tree(done)
    (tmp_path / "elsewhere").mkdir()
    moved = project_in(tmp_path / "elsewhere")
    shutil.copytree(done.root, moved.root, dirs_exist_ok=True)
    statuses, finished = run(moved)
    assert statuses["analyzer"] == "skipped", finished
    assert tree(moved) == before
    assert "was damaged" not in finished.err
    assert "was changed" not in finished.err
    assert run(moved)[0] == IDLE


def test_a_damaged_month_is_not_lost_when_raw_files_are_gone(done):
    """The day that cannot be made again is named, and the damaged file is kept."""
    (done.root / "data/raw/DataExport_ES_20240110_235959_UTC.csv").unlink()
    data = bytearray((done.root / JANUARY).read_bytes())
    data[-40:] = bytes(40)
    (done.root / JANUARY).write_bytes(data)
    _, finished = run(done)
    said = finished.err + finished.out
    assert "not rebuilt: ES 2024-01-09, ES 2024-01-10" in said
    (kept,) = (done.root / "data/quarantine").rglob("ES_1m_2024-01.parquet")
    assert kept.read_bytes() == data
    assert run(done)[0] == IDLE
