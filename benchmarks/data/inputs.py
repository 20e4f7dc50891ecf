"""The pieces of work: the input of each and the cases that do it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import generate
import numpy as np
import runfiles
from generate import MARKETS
from work import DAILY, PACKED, TICKS, Case, Place, project, settings

SETTLED = 2.1  # seconds after which a run takes a new file as whole, instead of waiting for it
TARGETS, VARIANTS = 10, 10
RUNS, MERGED = "data/analyzer_runs", "data/analyzer_runs/merged"


def translate(at: Place) -> list[Case]:
    """Exports of minutes to months of bars."""
    minutes = at.made("minutes", lambda folder: generate.minutes(folder, at.years))
    ours = project(at.folder / "project", settings(), minutes.iterdir())
    peers = at.beside("translate", ("polars", "duckdb", "pyarrow", "pandas"), minutes)
    return [at.stage("translator", ours, "data/processed"), *peers]


def translate_gz(at: Place) -> list[Case]:
    """The same, packed by gzip; beside them, and `zcat` alone: a pipe takes the longer of both."""
    minutes = at.made("minutes", lambda folder: generate.minutes(folder, at.years))
    packed = at.made("packed", partial(_pack, minutes))
    ours = project(at.folder / "packed-project", settings(PACKED), packed.iterdir())
    plain = project(at.folder / "project", settings(), minutes.iterdir())
    return [
        at.stage("translator", ours, "data/processed"),
        at.stage("translator", plain, "data/processed", "pipekit, unpacked"),
        Case("zcat", ours, ["sh", "-c", "zcat data/raw/*.gz >/dev/null"]),
    ]


def _pack(source: Path, folder: Path) -> None:
    for file in source.iterdir():
        shutil.copy(file, folder / file.name)
    subprocess.run(["gzip", *sorted(folder.iterdir())], check=True)


def ticks(at: Place) -> list[Case]:
    """One export of ticks to days of ticks."""
    (export,) = at.made("ticks", lambda folder: generate.ticks(folder, at.ticks)).iterdir()
    tape = project(at.folder / "tape", settings(TICKS), [export])
    peers = at.beside("ticks", ("polars", "duckdb", "pyarrow"), export)
    return [at.stage("translator", tape, "data/processed"), *peers]


def analyse(at: Place) -> list[Case]:
    """All slots of seven instruments; started cold."""
    folder = at.with_bars("analyse", settings())
    peers = at.beside("analyse", ("polars", "duckdb", "numpy"), folder / "data/processed")
    return [at.stage("analyzer", folder, RUNS), *peers]


def analyse_one(at: Place) -> list[Case]:
    """All slots of one instrument, beside a loop over days as well."""
    folder = at.with_bars("analyse-one", settings(), ["ES"])
    tools = ("polars", "duckdb", "numpy", "pandas", "vectorbt")
    peers = at.beside("analyse-one", tools, folder / "data/processed", "analyse")
    return [at.stage("analyzer", folder, RUNS), *peers]


def kernel(at: Place) -> list[Case]:
    """All breakouts of bars in memory; the scripts say how long these took, without the rest."""
    source = at.with_bars("kernel", settings()) / "data/processed"
    floor = at.peer("floor", "pipekit", source, "kernel", "kernel", "floor")
    tools = ("numpy", "polars", "duckdb", "vectorbt")
    return [
        at.peer("kernel", "pipekit", source, "kernel", "kernel"),
        replace(floor, tool="numpy, one max of the columns", output=None),
        *at.beside("kernel", tools, source, "analyse", "kernel"),
    ]


def targets(at: Place) -> list[Case]:
    """One target, and ten at once, of seven instruments: the results cannot be the same."""
    one = at.with_bars("target", settings(variants=1))
    ten = at.with_bars("targets", settings(variants=TARGETS))
    source = one / "data/processed"
    polars = at.peer("targets-1", "polars", source, "analyse")
    many = at.peer("targets-10", "polars", source, "analyse", str(TARGETS))
    cases = [
        at.stage("analyzer", one, RUNS, "pipekit, one"),
        at.stage("analyzer", ten, RUNS, "pipekit, ten"),
        replace(polars, tool="polars, one"),
        replace(many, tool="polars, ten"),
    ]
    return [replace(case, output=None) for case in cases]


def day(at: Place) -> list[Case]:
    """One new day of seven instruments on the history, through all stages; a further day a start.

    The history is not put back in between: copied files would be other files.
    """
    history, exports = at.history_of_all(), at.exports()
    export = "DataExport_{}_20260101_000000_UTC.csv"
    last = {market.name: _last_day(exports / export.format(market.name)) for market in MARKETS}

    def ready() -> None:
        raw = history / "data/raw"
        number = len(list(raw.glob("*_ES_*")))
        for name, (header, rows) in last.items():
            date = str(np.busday_offset(rows[0][:10].decode(), number, "backward"))
            path = raw / f"DataExport_{name}_{date.replace('-', '')}_000001_UTC.csv"
            path.write_bytes(b"".join([header, *(date.encode() + row[10:] for row in rows)]))
            os.utime(path, (1_700_000_000, 1_700_000_000))
        time.sleep(SETTLED)

    return [Case("pipekit", history, [at.pipekit.program("pipekit"), "run"], ready=ready)]


def _last_day(export: Path) -> tuple[bytes, list[bytes]]:
    """The header and the rows of the last date."""
    lines = export.read_bytes().splitlines(keepends=True)
    return lines[0], [line for line in lines[-1400:] if line[:10] == lines[-1][:10]]


def idle(at: Place, times: int = 1) -> list[Case]:
    """Nothing to do, with so many times the raw files in place."""
    files = times * at.files
    many = at.made(f"many-{files}", lambda folder: _many(at, folder, files))
    none = at.made("many-0", lambda folder: _many(at, folder, 0))
    program = at.pipekit.program("pipekit")
    return [
        Case("pipekit", many, [program, "run"]),
        Case("pipekit, no files", none, [program, "run"]),
        Case("find", many, ["find", "data/raw", "-printf", "%s %T@ %p\\n"]),
        Case("pipekit --version", many, [program, "--version"]),
    ]


def _many(at: Place, folder: Path, files: int) -> None:
    """Small files of a day each (dialect D), taken by a run."""
    project(folder, settings(DAILY))
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


def merge(at: Place) -> list[Case]:
    """All run files into months by stream, the later run's row for each key."""
    folder = _with_runs(at, "merge")
    peers = at.beside("merge", ("polars", "duckdb", "pyarrow", "pandas"), folder / RUNS)
    one = at.peer("merge-onefile", "polars", folder / RUNS, "merge", "onefile")
    return [*_merger(folder, at), *peers, replace(one, tool="polars_onefile")]


def merge_new(at: Place) -> list[Case]:
    """As many are merged already, and one in a hundred is new; the peers merge all anew."""
    folder = _with_runs(at, "merge-new")
    for run in sorted((folder / RUNS).glob("*-*"))[at.runs :]:
        shutil.rmtree(run)
    merged = _merged(at, folder)
    runfiles.cut(_analysis(at), folder / RUNS, max(at.runs // 100, 1), at.runs)
    cases = _merger(folder, at)

    ready = partial(shutil.copytree, merged, folder, dirs_exist_ok=True)
    return [
        *(replace(case, ready=ready) for case in cases),
        *(replace(case, tool=f"{case.tool}, all of them") for case in cases),
        *at.beside("merge-new", ("polars",), folder / RUNS, "merge"),
    ]


def _merger(folder: Path, at: Place) -> list[Case]:
    """The merge alone, which is what the peers do, and with the summary that pipekit writes."""
    whole = at.stage("merger", folder, MERGED, "pipekit with summary")
    alone = {"PIPEKIT_STAGES__MERGER__SETTINGS__SUMMARY": "false"}
    return [replace(whole, tool="pipekit", env=alone), whole]


def _merged(at: Place, folder: Path) -> Path:
    """A copy of what the merge of the first files leaves behind: the months and the ledger."""
    copy = at.folder / "merge-new-before"
    shutil.rmtree(copy, ignore_errors=True)
    for name in (".pipekit", "logs", MERGED):
        shutil.rmtree(folder / name, ignore_errors=True)
    at.run(folder, "--only", "merger")
    for name in (".pipekit", MERGED):
        shutil.copytree(folder / name, copy / name)
    return copy


def _with_runs(at: Place, name: str) -> Path:
    """A project with run files of the analyzer."""

    def make(folder: Path) -> None:
        project(folder, settings())
        runfiles.cut(_analysis(at), folder / RUNS, at.runs)

    return at.made(name, make)


def _analysis(at: Place) -> Path:
    """The folder of one real run: all variants over the whole history."""

    def make(folder: Path) -> None:
        at.with_bars("sweep", settings(variants=VARIANTS))
        at.run(folder, "--only", "analyzer")

    (found,) = (at.made("sweep", make) / RUNS).glob("*-*")
    return found


WORKS: dict[str, Callable[[Place], list[Case]]] = {
    "translate": translate,
    "translate-gz": translate_gz,
    "ticks": ticks,
    "analyse": analyse,
    "analyse-one": analyse_one,
    "kernel": kernel,
    "targets": targets,
    "day": day,
    "idle": idle,
    "idle-many": lambda at: idle(at, times=10),
    "merge": merge,
    "merge-new": merge_new,
}
