"""Small and large projects: the same, but for how many rows, events, runs or files they have."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from venvs import Environment

INSTRUMENTS = ("ES", "NQ", "YM", "RTY", "CL", "NG", "GC")
_SETTLED = 1_700_000_000  # Unix time: long ago
_BARS = """\
[pipeline]
stages = ["translator"]

[stages.translator.settings]
instruments = [{instruments}]

[[stages.translator.settings.sources]]
glob = "data/raw/*/1m/*/*/*_1m_*.csv"
dialect = "D"
"""
_TRIVIAL = '[pipeline]\nstages = ["one"]\n'


def with_rows(folder: Path, pipekit: Environment, rows: int) -> Path:
    """A project whose ledger knows so many raw files, which are gone."""
    made = with_files(folder, 7)
    run(made, pipekit)
    shutil.rmtree(made / "data/raw")
    with closing(sqlite3.connect(made / ".pipekit/state.db")) as ledger, ledger:
        for table, path in (("content", "path"), ("lineage", "source")):
            _multiply(ledger, table, path, rows)
    return made


def _multiply(ledger: sqlite3.Connection, table: str, path: str, rows: int) -> None:
    """Copy the rows of a table, each time with other paths, until it has so many."""
    columns = [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")]
    chosen = ", ".join(f"{path} || '.' || n" if name == path else name for name in columns)
    there = ledger.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    ledger.execute(
        f"WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < ?) "
        f"INSERT INTO {table} SELECT {chosen} FROM {table}, count",
        (max(rows // there - 1, 1),),
    )


def with_events(folder: Path, pipekit: Environment, events: int) -> Path:
    """A project whose latest journal has so many events."""
    made = trivial(folder, pipekit)
    (journal,) = made.glob("logs/events/*.jsonl")
    *begin, end = journal.read_text().splitlines()
    last = json.loads(end)
    record = {**last, "stage": "one", "event": "warning", "msg": "something to know", "data": {}}
    with open(journal, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in begin)
        numbers = range(len(begin), events)
        file.writelines(json.dumps({**record, "seq": number}) + "\n" for number in numbers)
        file.write(json.dumps({**last, "seq": events}) + "\n")
    return made


def with_runs(folder: Path, pipekit: Environment, runs: int) -> Path:
    """A project with so many runs, one of which did something."""
    made = trivial(folder, pipekit)
    with closing(sqlite3.connect(made / ".pipekit/state.db")) as ledger, ledger:
        columns = [row[1] for row in ledger.execute("PRAGMA table_info(runs)")]
        new = {"number": "number + n", "run_id": "printf('%08x', n) || substr(run_id, 9)"}
        chosen = ", ".join(new.get(name, name) for name in columns)
        ledger.execute(
            "WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < ?) "
            f"INSERT INTO runs SELECT {chosen} FROM runs, count",
            (runs - 1,),
        )
    return made


def with_files(folder: Path, files: int) -> Path:
    """A project with so many raw files, of one day and one row each, and no run yet."""
    folder.mkdir(parents=True)
    names = ", ".join(f'"{name}"' for name in INSTRUMENTS)
    (folder / "pipekit.toml").write_text(_BARS.format(instruments=names))
    for number, date in enumerate(_dates(files)):
        name = INSTRUMENTS[number % len(INSTRUMENTS)]
        path = folder / f"data/raw/{name}/1m/{date[:4]}/{date[5:7]}/{name}_1m_{date}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        row = f"{date}T15:00:00Z,100.25,100.25,100.25,100.25,5"
        path.write_text(f"timestamp_utc,open,high,low,close,volume\n{row}\n")
        os.utime(path, (_SETTLED, _SETTLED))
    return folder


def _dates(files: int) -> Iterator[str]:
    first = dt.date(1980, 1, 1)
    for number in range(files):
        yield (first + dt.timedelta(days=number // len(INSTRUMENTS))).isoformat()


def trivial(folder: Path, pipekit: Environment) -> Path:
    """A project of one stage that runs `true`, run once."""
    folder.mkdir(parents=True)
    (folder / "pipekit.toml").write_text(_TRIVIAL)
    run(folder, pipekit)
    return folder


def run(folder: Path, pipekit: Environment) -> None:
    """`pipekit run`. Raises SystemExit if it fails."""
    done = subprocess.run(
        [pipekit.program("pipekit"), "run"],
        cwd=folder,
        env={**os.environ, "COMMAND": shutil.which("true") or "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"pipekit run in {folder} failed:\n{done.stdout}{done.stderr}")
