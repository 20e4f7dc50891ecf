"""Where inputs are kept, how large they are, and the environments of the tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import generate
from generate import MARKETS
from venvs import Environment
from work import Case, peer, project, settings


@dataclass(frozen=True)
class Place:
    """A folder of inputs, each made once and kept.

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
    vectorbt: Environment | None = None

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

    def beside(
        self, work: str, tools: tuple[str, ...], source: Path, script: str = ""
    ) -> list[Case]:
        """The peers that do a piece of work on this input."""
        return [
            peer(work, tool, source, self.folder / f"{work}-{tool}", self.peers, script or work)
            for tool in tools
        ]

    def with_vectorbt(self, work: str, source: Path, script: str = "") -> list[Case]:
        """As `beside`, for the peer that has an environment of its own."""
        if self.vectorbt is None:
            return []
        folder = self.folder / f"{work}-vectorbt"
        return [peer(work, "vectorbt", source, folder, self.vectorbt, script or work)]

    def exports(self) -> Path:
        """Years of minutes of all markets, as exports."""
        return self.made("exports", lambda folder: generate.minutes(folder, self.history))

    def history_of_all(self) -> Path:
        """A project in which the exports have been run through all stages."""

        def make(folder: Path) -> None:
            project(folder, settings(), self.exports().iterdir())
            self.run(folder)

        return self.made("history", make)

    def with_bars(self, name: str, configuration: str, instruments: tuple[str, ...] = ()) -> Path:
        """A project with the history's bars, linked, and nothing done with them."""
        folder = project(self.folder / name, configuration, [])
        shutil.rmtree(folder / "data/processed", ignore_errors=True)
        for instrument in instruments or tuple(market.name for market in MARKETS):
            source = self.history_of_all() / "data/processed" / instrument
            copy = folder / "data/processed" / instrument
            shutil.copytree(source, copy, copy_function=linked)
        return folder

    def run(self, folder: Path, *words: str) -> None:
        """`pipekit run` in this project."""
        argv = [self.pipekit.program("pipekit"), "run", *words]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pipekit run in {folder} failed:\n{done.stdout}{done.stderr}")


def linked(source: str, copy: str) -> None:
    """The same file under a further name."""
    Path(copy).hardlink_to(source)
