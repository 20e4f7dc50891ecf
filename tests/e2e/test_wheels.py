"""The product as its users get it: built as wheels, installed into a fresh environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from pipekit.cli.new.new import KINDS, files, write

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    ".",
    "plugins/kernels",
    "plugins/translator",
    "plugins/analyzer",
    "plugins/merger",
    "plugins/ping",
    "plugins/notify",
    "plugins/otel",
    "plugins/html",
    "plugins/dashboard",
    "plugins/dask",
    "plugins/batch",
    "examples/pipekit-ohlc",
    "examples/pipekit-sqlite-sink",
)
NEW = {kind: f"my_{kind.replace('-', '_')}" for kind in KINDS}
CONFIG = """
[pipeline]
stages = ["translator", "daily"]
quiet_seconds = 0
[sinks.sqlite]
"""


def pins() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return settings["tool"]["uv"]["constraint-dependencies"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def uv(*words: str) -> None:
    program = os.environ.get("UV") or shutil.which("uv")
    if program is None:
        pytest.skip("uv is not here: run the tests with `python3 -m uv run pytest`")
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment that holds wheels alone."""
    folder = tmp_path_factory.mktemp("wheels")
    build = folder / "build-constraints.txt"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    build.write_text("\n".join(settings["tool"]["uv"]["build-constraint-dependencies"]))
    for source in SOURCES:
        copy = folder / "source" / Path(source).name  # a build leaves nothing in the checkout
        _copy(ROOT / source, copy)
    for kind, name in NEW.items():
        write(folder / "new" / name, files(kind, name))
    copies = [folder / "source" / Path(source).name for source in SOURCES]
    for copy in (*copies, *(folder / "new").iterdir()):
        uv("build", "-q", "--wheel", "--build-constraint", str(build), "-o", str(folder), str(copy))
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pins()))
    wheels = sorted(map(str, folder.glob("*.whl")))
    assert len(wheels) == len(SOURCES) + len(NEW)
    uv("venv", "-q", str(folder / "env"))
    python = str(folder / "env/bin/python")
    uv(
        "pip",
        "install",
        "-q",
        "--python",
        python,
        "--constraint",
        str(constraints),
        *wheels,
        "pytest",
    )
    return folder / "env/bin"


def _copy(source: Path, target: Path) -> None:
    ignored = shutil.ignore_patterns(".*", "__pycache__", "tests", "benchmarks", "examples", "docs")
    shutil.copytree(source, target, ignore=ignored)


def run(fresh: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(fresh / "pipekit"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )


@pytest.mark.timeout(600)
def test_a_strangers_stage_and_sink_are_found_listed_and_used(fresh, tmp_path):
    listed = json.loads(run(fresh, tmp_path, "plugins", "list", "--json").stdout)["plugins"]
    offered = {(row["kind"], row["name"], row["distribution"]) for row in listed}
    assert ("stage", "daily", "pipekit-ohlc") in offered
    assert ("sink", "sqlite", "pipekit-sqlite-sink") in offered
    (tmp_path / "pipekit.toml").write_text(CONFIG)
    day = tmp_path / "data/raw/ES/1m/2024/01/ES_1m_2024-01-22.csv"
    day.parent.mkdir(parents=True)
    day.write_text(
        "timestamp_utc,open,high,low,close,volume\n"
        "2024-01-22T15:00:00Z,4850.0,4852.0,4849.5,4851.25,100\n"
        "2024-01-22T15:01:00Z,4851.25,4853.0,4850.0,4850.5,50\n"
    )
    done = run(fresh, tmp_path, "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/daily/ES.parquet").exists()
    with sqlite3.connect(tmp_path / "logs/events.db") as events:
        (count,) = events.execute("SELECT count(*) FROM events").fetchone()
    events.close()
    journal = next((tmp_path / "logs/events").glob("*.jsonl"))
    assert count == len(journal.read_text().splitlines())
    assert json.loads(run(fresh, tmp_path, "run", "--json").stdout)["status"] == "idle"


def test_the_demo_ends_as_predicted_and_the_next_run_is_idle(fresh, tmp_path):
    demo = run(fresh, tmp_path, "demo", "project")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "win rate" in demo.stdout
    assert "pipekit init FOLDER" in demo.stdout.splitlines()[-1]
    assert len((demo.stdout + demo.stderr).splitlines()) <= 32  # some twice, in two pipes
    again = run(fresh, tmp_path / "project", "run", "--json")
    assert (again.returncode, json.loads(again.stdout)["status"]) == (0, "idle")


def test_what_new_writes_keeps_its_contract_once_it_is_installed(fresh):
    tests = sorted((fresh.parents[1] / "new").glob("*/tests/test_*.py"))
    assert len(tests) == len(KINDS)
    done = subprocess.run(
        [str(fresh / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)],
        cwd=fresh.parent,
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_new_writes_runs_in_a_project(fresh, tmp_path):
    (tmp_path / "pipekit.toml").write_text(
        '[pipeline]\nstages = ["my_stage", "my_script_stage"]\nquiet_seconds = 0\n'
        "[sinks.my_sink]\n[lifecycle.my_policy]\nfiles = 'data/in/*'\nstage = 'my_stage'\n"
    )
    (tmp_path / "data/in").mkdir(parents=True)
    (tmp_path / "data/in/a.txt").write_text("one\n")
    done = run(fresh, tmp_path, "run")
    assert done.returncode == 0, done.stderr
    for stage in ("my_stage", "my_script_stage"):
        assert (tmp_path / "data" / stage / "a.txt").read_text() == "ONE\n"
    assert "pipeline" in (tmp_path / "logs/my_sink.txt").read_text()
    assert "data/in/a.txt" in run(fresh, tmp_path, "lifecycle", "plan").stdout
    shown = run(fresh, tmp_path, "my_command")
    assert (shown.returncode, "my_stage" in shown.stdout) == (0, True), shown
    assert json.loads(run(fresh, tmp_path, "run", "--json").stdout)["status"] == "idle"


def test_a_new_executor_carries_out_the_tasks_of_a_run(fresh, tmp_path):
    (tmp_path / "pipekit.toml").write_text(
        '[pipeline]\nstages = ["my_stage"]\nquiet_seconds = 0\nexecutor = "my_executor"\n'
        "[executors.my_executor]\nworkers = 1\n"
    )
    (tmp_path / "data/in").mkdir(parents=True)
    (tmp_path / "data/in/a.txt").write_text("one\n")
    done = run(fresh, tmp_path, "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/my_stage/a.txt").read_text() == "ONE\n"
    assert "(my_executor " in run(fresh, tmp_path, "show").stdout
    assert list((tmp_path / "logs/runs").rglob("outcome.json"))


def test_every_installed_distribution_is_pinned():
    pinned = {normal(pin.partition("==")[0]): pin.partition("==")[2] for pin in pins()}
    ours = {
        "pipekit",
        *(f"pipekit-{folder.name}" for folder in (ROOT / "plugins").iterdir()),
    }
    installed = {normal(d.metadata["Name"]): d.version for d in metadata.distributions()}
    loose = {name: v for name, v in installed.items() if name not in ours and pinned.get(name) != v}
    assert not loose


def test_no_file_names_a_package_registry():
    words = ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    for name in listed.stdout.splitlines():
        text = (ROOT / name).read_text("utf-8", errors="ignore") if (ROOT / name).is_file() else ""
        assert not any(word in text for word in words), name
