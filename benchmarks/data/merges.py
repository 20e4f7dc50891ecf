"""The merge of a thousand run files, all of them at once and one in a hundred of them anew."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import runfiles
from place import Place
from work import Case, project, settings, stage

VARIANTS = 10
RUNS, MERGED = "data/analyzer_runs", "data/analyzer_runs/merged"
PEERS = ("polars", "duckdb", "pyarrow", "pandas")


def merge(at: Place) -> list[Case]:
    """All run files into months by stream, the later run's row for each key."""
    folder = _project(at, "merge", at.runs)
    ours = _merger("merge", folder, at)
    return [*ours, *at.beside("merge", (*PEERS, "polars_onefile"), folder / RUNS)]


def merge_new(at: Place) -> list[Case]:
    """As many are merged already, and one in a hundred is new; the peers merge all anew."""
    few = max(at.runs // 100, 1)
    folder = _project(at, "merge-new", at.runs)
    for run in sorted((folder / RUNS).glob("*-*"))[at.runs :]:
        shutil.rmtree(run)
    merged = _merged(at, folder)
    runfiles.cut(_analysis(at), folder / RUNS, few, at.runs)
    cases = _merger("merge-new", folder, at)

    def ready() -> None:
        cases[0].ready()
        shutil.copytree(merged, folder, dirs_exist_ok=True)

    return [
        *(replace(case, ready=ready) for case in cases),
        *(replace(case, tool=f"{case.tool}, all of them") for case in cases),
        *at.beside("merge-new", ("polars",), folder / RUNS, "merge"),
    ]


def _merger(work: str, folder: Path, at: Place) -> list[Case]:
    """The merge alone, which is what the peers do, and with the summary that pipekit writes."""
    whole = stage(work, "merger", folder, MERGED, at.pipekit)
    alone = {"PIPEKIT_STAGES__MERGER__SETTINGS__SUMMARY": "false"}
    return [
        replace(whole, env=lambda cores: alone),
        replace(whole, tool="pipekit with summary"),
    ]


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


def _project(at: Place, name: str, runs: int) -> Path:
    def make(folder: Path) -> None:
        project(folder, settings(), [])
        print(runfiles.cut(_analysis(at), folder / RUNS, runs), "rows in run files")

    return at.made(name, make)


def _analysis(at: Place) -> Path:
    """The folder of one real run: all variants over the whole history."""

    def make(folder: Path) -> None:
        at.with_bars("sweep", settings(variants=VARIANTS))
        at.run(folder, "--only", "analyzer")

    (found,) = (at.made("sweep", make) / RUNS).glob("*-*")
    return found
