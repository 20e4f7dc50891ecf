"""A tool that does a piece of work, and where its inputs are kept.

A case is started many times. Before each start what it made is removed, and its `ready` puts the
folder back to where the work is still to be done; that is not timed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import generate
from generate import MARKETS
from venvs import Environment

HERE = Path(__file__).parent
CORES = "{cores}"  # stands for their number in a case's words and environment
REPORTED = re.compile(r"^kernel ([0-9.e-]+) s$", re.MULTILINE)


class Sample(NamedTuple):
    """Seconds from start to end, the highest resident memory of one of its processes (MB), and the
    processor time of all of them (seconds).
    """

    seconds: float
    memory: float
    cpu: float


@dataclass(frozen=True)
class Case:
    """A tool's command in `folder`; `output` is the folder to compare, if there is one."""

    tool: str
    folder: Path
    argv: Sequence[str]
    output: Path | None = None
    removed: Sequence[Path] = ()
    ready: Callable[[], object] = lambda: None
    env: Mapping[str, str] = field(default_factory=dict)

    def once(self, cores: int) -> Sample:
        """One start on so many cores. Raises SystemExit where it fails, with what it said.

        A command that times a part of its work itself says so: `kernel 0.074 s`, in a line.
        """
        for path in self.removed:
            shutil.rmtree(path, ignore_errors=True)
        self.ready()
        output = self.folder / "output.txt"
        argv = [word.replace(CORES, str(cores)) for word in self.argv]
        env = {name: value.replace(CORES, str(cores)) for name, value in self.env.items()}
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(HERE / "launch.py"), str(output), str(cores), *argv],
            cwd=self.folder,
            env={**os.environ, **env},
            capture_output=True,
            check=True,
        )
        found = json.loads(done.stdout)
        said = output.read_text(errors="replace")
        if code := found.pop("code"):
            raise SystemExit(f"{' '.join(argv)} ended with {code}:\n{said[-4000:]}")
        if reported := REPORTED.search(said):
            found["seconds"] = float(reported[1])
        return Sample(**found)


@dataclass(frozen=True)
class Place:
    """A folder of inputs, each made once and kept, and the environments of the tools.

    `years` of minutes to translate, `history` years to analyse, `ticks` bytes of ticks, so many
    small `files` of bars, and so many `runs` of the analyzer to merge. `vectorbt` is None where it
    cannot be installed.
    """

    folder: Path
    years: float
    history: float
    ticks: int
    files: int
    runs: int
    peers: Environment
    pipekit: Environment
    vectorbt: Environment | None

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """A folder that is made once."""
        folder, begun = self.folder / name, self.folder / f"{name}.begun"
        if not folder.exists() or begun.exists():
            print(f"making {name}", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            begun.touch()
            make(folder)
            begun.unlink()
        return folder

    def peer(self, work: str, tool: str, source: Path, does: str, *words: str) -> Case:
        """A script of `peers`: it is given input, output, the number of cores, and these words."""
        environment = {"pipekit": self.pipekit, "vectorbt": self.vectorbt}.get(tool, self.peers)
        folder = self.folder / f"{work}-{tool}"
        folder.mkdir(parents=True, exist_ok=True)
        output, script = folder / "out", HERE / f"peers/{does}_{tool}.py"
        argv = [environment.program("python"), *map(str, (script, source, output)), CORES, *words]
        env = {"POLARS_MAX_THREADS": CORES, "OMP_NUM_THREADS": CORES}
        return Case(tool, folder, argv, output, [output], env=env)

    def beside(
        self, work: str, tools: Iterable[str], source: Path, does: str = "", *words: str
    ) -> list[Case]:
        """The peers that do a piece of work on this input."""
        there = [tool for tool in tools if tool != "vectorbt" or self.vectorbt]
        return [self.peer(work, tool, source, does or work, *words) for tool in there]

    def stage(self, name: str, project: Path, output: str, tool: str = "pipekit") -> Case:
        """`pipekit run --only STAGE`: planned, supervised, recorded, reported."""
        argv = [self.pipekit.program("pipekit"), "run", "--only", name]
        removed = [project / folder for folder in (".pipekit", "logs", output)]
        return Case(tool, project, argv, project / output, removed)

    def exports(self) -> Path:
        """Years of minutes of all markets, as exports."""
        return self.made("exports", lambda folder: generate.minutes(folder, self.history))

    def history_of_all(self) -> Path:
        """A project in which the exports have been run through all stages."""

        def make(folder: Path) -> None:
            project(folder, settings(), self.exports().iterdir())
            self.run(folder)

        return self.made("history", make)

    def with_bars(self, name: str, configuration: str, instruments: Iterable[str] = ()) -> Path:
        """A project with the history's bars, linked, and nothing done with them."""
        folder = project(self.folder / name, configuration)
        bars = folder / "data/processed"
        shutil.rmtree(bars, ignore_errors=True)
        for instrument in instruments or [market.name for market in MARKETS]:
            source = self.history_of_all() / "data/processed" / instrument
            shutil.copytree(source, bars / instrument, copy_function=os.link)
        return folder

    def run(self, folder: Path, *words: str) -> None:
        """`pipekit run` in this project."""
        argv = [self.pipekit.program("pipekit"), "run", *words]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pipekit run in {folder} failed:\n{done.stdout}{done.stderr}")


def project(folder: Path, settings: str, files: Iterable[Path] = ()) -> Path:
    """A pipekit project with these raw files, linked, and old enough to be settled."""
    raw = folder / "data/raw"
    raw.mkdir(parents=True, exist_ok=True)
    for file in files:
        link = raw / file.name
        link.unlink(missing_ok=True)
        os.link(file, link)
        os.utime(link, (1_700_000_000, 1_700_000_000))
    (folder / "pipekit.toml").write_text(settings)
    return folder


_STAGES = """\
[pipeline]
stages = ["translator", "analyzer", "merger"]

[stages.translator.settings]
instruments = [{instruments}]
"""
MINUTES = """
[[stages.translator.settings.sources]]
glob = "data/raw/*DataExport_*_UTC.csv"
dialect = "A"
timezone = "UTC"
"""
PACKED = MINUTES.replace(".csv", ".csv.gz")
DAILY = """
[[stages.translator.settings.sources]]
glob = "data/raw/*/1m/*/*/*_1m_*.csv"
dialect = "D"
"""
TICKS = """timezone = "UTC"

[[stages.translator.settings.sources]]
glob = "data/raw/*.Last.txt"
dialect = "N"
timezone = "UTC"
"""
_TARGET = """
[[stages.analyzer.settings.variants]]
name = "t{target}"
target = {target}
"""


def settings(source: str = MINUTES, variants: int = 0) -> str:
    """The configuration of a project with one kind of raw files.

    `variants`: so many targets at once, a tenth of the base target apart, from it upwards.
    """
    names = ", ".join(f'"{market.name}"' for market in MARKETS)
    targets = [_TARGET.format(target=f"{1 + number / 10:.1f}") for number in range(variants)]
    return "".join([_STAGES.format(instruments=names), source, *targets])
