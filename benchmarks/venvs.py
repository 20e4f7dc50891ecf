"""Virtual environments for the benchmarks, a tool each, made with uv."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PLUGIN = REPOSITORY / "benchmarks/plugin"  # stages that run a command


@dataclass(frozen=True)
class Environment:
    """A virtual environment: where its programs are, and what is installed (name → version)."""

    programs: Path
    versions: dict[str, str]

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.programs / name)


def cache(benchmark: str) -> Path:
    """Where a benchmark's environments are kept, for this interpreter."""
    folder = Path(tempfile.gettempdir()) / f"pipekit-{benchmark}-benchmark"
    return folder / f"python-{platform.python_version()}"


def peer(folder: Path, requirements: Iterable[str]) -> Environment:
    """An environment with exactly these requirements; one that is there already is taken."""
    wanted = "\n".join(requirements)
    installed = folder / "installed"
    if not installed.exists() or installed.read_text() != wanted:
        _make(folder, wanted.split("\n"))
        installed.write_text(wanted)
    return _described(folder)


def pipekit(folder: Path, sources: Iterable[Path]) -> Environment:
    """A new one, of wheels built from these projects, as a user has it: no checkout is imported."""
    wheels = folder.parent / f"{folder.name}-wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    for source in sources:
        _uv("build", "--wheel", "--quiet", "--out-dir", str(wheels), str(source))
    _make(folder, map(str, wheels.glob("*.whl")))
    return _described(folder)


def _make(folder: Path, requirements: Iterable[str]) -> None:
    """Of the interpreter this runs on, so that all environments share one."""
    _uv("venv", "--quiet", "--clear", "--python", sys._base_executable, str(folder))  # type: ignore[attr-defined]  # no public name for it
    words = ("--quiet", "--no-config", "--compile-bytecode", "--python", str(folder))
    _uv("pip", "install", *words, *requirements)  # no-config: this project's pins are not a peer's


def _described(folder: Path) -> Environment:
    listed = json.loads(_uv("pip", "list", "--format", "json", "--python", str(folder)))
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    return Environment(programs, {entry["name"]: entry["version"] for entry in listed})


def _uv(*words: str) -> str:
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise SystemExit("uv is not found: start this with `uv run python benchmarks/...`")
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    done = subprocess.run(
        [uv, *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"uv {' '.join(words)} failed:\n{done.stderr}")
    return done.stdout
