"""The pieces of work: the input of each and the cases that do it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import generate
import kernels
import merges
import numpy as np
from generate import MARKETS
from place import Place
from work import Case, command, project, settings, stage

SETTLED = 2.1  # seconds after which a run takes a new file as whole, instead of waiting for it
EXPORT = "DataExport_{}_20260101_000000_UTC.csv"


def translate(at: Place) -> list[Case]:
    """Exports of minutes to months of bars."""
    minutes = at.made("minutes", lambda folder: generate.minutes(folder, at.years))
    bars = project(at.folder / "project", settings(), minutes.iterdir())
    ours = stage("translate", "translator", bars, "data/processed", at.pipekit)
    return [ours, *at.beside("translate", ("polars", "duckdb", "pyarrow", "pandas"), minutes)]


def ticks(at: Place) -> list[Case]:
    """One export of ticks to days of ticks."""
    folder = at.made("ticks", lambda folder: generate.ticks(folder, at.ticks))
    (export,) = folder.iterdir()
    tape = project(at.folder / "tape", settings(ticks=True), [export])
    ours = stage("ticks", "translator", tape, "data/processed", at.pipekit)
    return [ours, *at.beside("ticks", ("polars", "duckdb", "pyarrow"), export)]


def analyse(at: Place) -> list[Case]:
    """All slots of seven instruments; started cold."""
    ours = _analysis("analyse", at)
    source = ours.folder / "data/processed"
    return [ours, *at.beside("analyse", ("polars", "duckdb", "numpy"), source)]


def analyse_one(at: Place) -> list[Case]:
    """All slots of one instrument, beside a loop over days as well."""
    ours = _analysis("analyse-one", at, ("ES",))
    source = ours.folder / "data/processed"
    tools = ("polars", "duckdb", "numpy", "pandas")
    peers = at.beside("analyse-one", tools, source, "analyse")
    return [ours, *peers, *at.with_vectorbt("analyse-one", source, "analyse")]


def _analysis(work: str, at: Place, names: tuple[str, ...] = ()) -> Case:
    folder = at.with_bars(work, settings(), names)
    return stage(work, "analyzer", folder, "data/analyzer_runs", at.pipekit)


def day(at: Place) -> list[Case]:
    """One new day of seven instruments on the history, through all stages; a further day a start.

    The history is not put back in between: copied files would be other files.
    """
    history, exports = at.history_of_all(), at.exports()
    last = {market.name: _last_day(exports / EXPORT.format(market.name)) for market in MARKETS}

    def ready() -> None:
        raw = history / "data/raw"
        number = len(list(raw.glob("*_ES_*")))
        for name, (header, rows) in last.items():
            date = str(np.busday_offset(rows[0][:10].decode(), number, "backward"))
            path = raw / f"DataExport_{name}_{date.replace('-', '')}_000001_UTC.csv"
            path.write_bytes(b"".join([header, *(date.encode() + row[10:] for row in rows)]))
            os.utime(path, (1_700_000_000, 1_700_000_000))
        time.sleep(SETTLED)

    return [command("day", "pipekit", history, [at.pipekit.program("pipekit"), "run"], ready)]


def _last_day(export: Path) -> tuple[bytes, list[bytes]]:
    """The header and the rows of the last date."""
    lines = export.read_bytes().splitlines(keepends=True)
    return lines[0], [line for line in lines[-1400:] if line[:10] == lines[-1][:10]]


def idle(at: Place) -> list[Case]:
    """Nothing to do, with so many raw files in place."""
    return _idle("idle", at, at.files)


def idle_many(at: Place) -> list[Case]:
    """Nothing to do, with ten times as many."""
    return _idle("idle-many", at, 10 * at.files)


def _idle(work: str, at: Place, files: int) -> list[Case]:
    many = at.made(f"many-{files}", lambda folder: _many(at, folder, files))
    none = at.made("many-0", lambda folder: _many(at, folder, 0))
    find = ["find", "data/raw", "-printf", "%s %T@ %p\\n"]
    return [
        command(work, "pipekit", many, [at.pipekit.program("pipekit"), "run"]),
        command(work, "pipekit, no files", none, [at.pipekit.program("pipekit"), "run"]),
        command(work, "find", many, find),
        command(work, "pipekit --version", many, [at.pipekit.program("pipekit"), "--version"]),
    ]


def _many(at: Place, folder: Path, files: int) -> None:
    """Small files of a day each (dialect D), taken by a run."""
    project(folder, settings(daily=True), [])
    for number in range(files):
        market = MARKETS[number % len(MARKETS)]
        date = str(np.datetime64("2019-01-07") + number // len(MARKETS))
        year, month, _ = date.split("-")
        path = folder / f"data/raw/{market.name}/1m/{year}/{month}/{market.name}_1m_{date}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        price = f"{market.price:.{market.decimals}f}"
        row = f"{date}T15:00:00Z,{price},{price},{price},{price},5\n"
        path.write_text(f"timestamp_utc,open,high,low,close,volume\n{row}")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    at.run(folder)


WORKS: dict[str, Callable[[Place], list[Case]]] = {
    "translate": translate,
    "ticks": ticks,
    "analyse": analyse,
    "analyse-one": analyse_one,
    "kernel": kernels.kernel,
    "targets": kernels.targets,
    "day": day,
    "idle": idle,
    "idle-many": idle_many,
    "merge": merges.merge,
    "merge-new": merges.merge_new,
}
