"""Virtual environments to measure in: pipekit's wheel, and each peer; knows no cases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PEERS = {"doit": "doit==0.37.0", "luigi": "luigi==3.8.1"}  # an index may offer much older ones

_PLUGIN_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "pipekit-trivial"
version = "1.0.0"
dependencies = ["pipekit>=1,<2"]

[project.entry-points.pipekit]
trivial = "pipekit_trivial"
"""

_PLUGIN = '''\
"""Three stages that run the command named by TRIVIAL, one after the other."""

import os

from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

PIPEKIT_API = "1"


def plan(ctx, settings):
    command = Command(argv=os.environ["TRIVIAL"].split())
    return StagePlan(reason="always", tasks=[Task(name="only", command=command)])


@hookimpl
def pipekit_stages():
    yield StageSpec("one", plan)
    yield StageSpec("two", plan, after={"one": "success"})
    yield StageSpec("three", plan, after={"two": "success"})
'''


@dataclass(frozen=True)
class Environment:
    """A virtual environment: where its programs are, and what is installed (name → version)."""

    programs: Path
    versions: dict[str, str]

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.programs / name)


def build_all(cache: Path, *, with_pipekit: bool) -> dict[str, Environment]:
    """An environment for each peer, from the cache where it is there, and a new one for pipekit."""
    environments = {name: _peer(cache, name) for name in PEERS}
    if with_pipekit:
        environments["pipekit"] = _pipekit(cache)
    return environments


def _peer(cache: Path, name: str) -> Environment:
    folder = cache / name
    if not (folder / "installed").exists():
        _make(folder)
        _install(folder, [PEERS[name]])
        (folder / "installed").touch()
    return _described(folder)


def _pipekit(cache: Path) -> Environment:
    """From wheels, compiled, as a user has it; the checkout itself is never imported."""
    folder, wheels, plugin = cache / "pipekit", cache / "wheels", cache / "plugin"
    for old in (wheels, plugin):
        shutil.rmtree(old, ignore_errors=True)
    plugin.mkdir(parents=True)
    (plugin / "pyproject.toml").write_text(_PLUGIN_PROJECT)
    (plugin / "pipekit_trivial.py").write_text(_PLUGIN)
    for source in (REPOSITORY, plugin):
        _uv("build", "--wheel", "--quiet", "--out-dir", str(wheels), str(source))
    _make(folder)
    _install(folder, [str(wheel) for wheel in sorted(wheels.glob("*.whl"))])
    return _described(folder)


def _make(folder: Path) -> None:
    """Of the interpreter this runs on, so that all environments share one."""
    _uv("venv", "--quiet", "--clear", "--python", sys._base_executable, str(folder))  # type: ignore[attr-defined]  # no public name for it


def _install(folder: Path, requirements: list[str]) -> None:
    words = ("--quiet", "--no-config", "--compile-bytecode", "--python", str(folder))
    _uv("pip", "install", *words, *requirements)  # no-config: this project's pins are not a peer's


def _described(folder: Path) -> Environment:
    listed = json.loads(_uv("pip", "list", "--format", "json", "--python", str(folder)))
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    return Environment(programs, {entry["name"]: entry["version"] for entry in listed})


def _uv(*words: str) -> str:
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise SystemExit(
            "uv is not found: start this with `uv run python benchmarks/startup/run.py`"
        )
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    done = subprocess.run(
        [uv, *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"uv {' '.join(words)} failed:\n{done.stderr}")
    return done.stdout
