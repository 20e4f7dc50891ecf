"""What is measured: each piece of work as the commands of pipekit and its peers; measures nothing.

A case is started many times. Before each start its `ready` puts the folder back to where the work
is still to be done; that is not timed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from generate import MARKETS
from venvs import Environment

PEERS = Path(__file__).parent / "peers"
OUTPUT = "out"  # of a peer, in its folder


@dataclass(frozen=True)
class Case:
    """A tool doing a piece of work. `argv` takes the number of cores; `output` is what it makes."""

    work: str
    tool: str
    folder: Path
    argv: Callable[[int], list[str]]
    output: Path | None
    ready: Callable[[], None]
    env: Callable[[int], dict[str, str]] = field(default=lambda cores: {})


def peer(work: str, tool: str, source: Path, folder: Path, python: Environment, does: str) -> Case:
    """A script of `peers`, which is given its input, its output and the number of cores."""
    folder.mkdir(parents=True, exist_ok=True)
    script = str(PEERS / f"{does}_{tool}.py")
    output = folder / OUTPUT

    def ready() -> None:
        shutil.rmtree(output, ignore_errors=True)

    return Case(
        work,
        tool,
        folder,
        lambda cores: [python.program("python"), script, str(source), str(output), str(cores)],
        output,
        ready,
        lambda cores: {"POLARS_MAX_THREADS": str(cores), "OMP_NUM_THREADS": str(cores)},
    )


def stage(work: str, name: str, project: Path, output: str, pipekit: Environment) -> Case:
    """`pipekit run --only STAGE`: planned, supervised, recorded, reported."""

    def ready() -> None:
        for folder in (".pipekit", "logs", output):
            shutil.rmtree(project / folder, ignore_errors=True)

    argv = [pipekit.program("pipekit"), "run", "--only", name]
    return Case(work, "pipekit", project, lambda cores: argv, project / output, ready)


def command(
    work: str, tool: str, folder: Path, argv: list[str], ready: Callable[[], None] = lambda: None
) -> Case:
    """A command without output to compare."""
    return Case(work, tool, folder, lambda cores: argv, None, ready)


def project(folder: Path, settings: str, files: Iterable[Path]) -> Path:
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
_SOURCE = """
[[stages.translator.settings.sources]]
glob = "data/raw/*DataExport_*_UTC.csv"
dialect = "A"
timezone = "UTC"
"""
_DAILY = """
[[stages.translator.settings.sources]]
glob = "data/raw/*/1m/*/*/*_1m_*.csv"
dialect = "D"
"""
_TICKS = """timezone = "UTC"

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


def settings(*, ticks: bool = False, daily: bool = False, variants: int = 0) -> str:
    """The configuration of a project of minutes, of ticks, or of files of a day.

    `variants`: so many targets at once, a tenth of the base target apart, from it upwards.
    """
    names = ", ".join(f'"{market.name}"' for market in MARKETS)
    source = _TICKS if ticks else _DAILY if daily else _SOURCE
    targets = [f"{1 + number / 10:.1f}" for number in range(variants)]
    return "".join(
        [_STAGES.format(instruments=names), source, *(_TARGET.format(target=t) for t in targets)]
    )
