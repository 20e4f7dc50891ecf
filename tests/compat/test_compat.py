"""What was written for pipekit 1.0 works with this one, and what is new stands in the changelog."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from .surface import MODULES, surface

HERE = Path(__file__).parent / "1.0"
ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
UNRELEASED = CHANGELOG.split("\n## ")[1]

CONFIG = """
[pipeline]
stages = ["lines"]
quiet_seconds = 0
[sinks.alarm]
[sinks.sqlite]
[lifecycle.keep_latest]
files = "data/in/**"
keep = 0
"""


def frozen() -> list[str]:
    return (HERE / "api.txt").read_text("utf-8").split("\n")[:-1]


def split(line: str) -> tuple[str, list[str]]:
    """The name and the parameters of a line."""
    name, _, rest = line.partition("(")
    return name, rest.rstrip(")").split(", ") if rest.rstrip(")") else []


def problem(old: list[str], new: list[str]) -> str:
    """Why a call for the old parameters may not fit the new ones; empty if it always does."""
    names = {each.rstrip("=") for each in new}
    for each in old:
        if each.rstrip("=") not in names:
            return f"{each.rstrip('=')} is gone"
        if each.endswith("=") and each not in new:
            return f"{each.rstrip('=')} may no longer be left out"
    required = [each for each in new if each not in old and not each.endswith("=")]
    required = [each for each in required if not each.startswith("*") and f"{each}=" not in old]
    if required:
        return f"{required[0]} is new and has no default"
    before = [each.rstrip("=") for each in old[: old.index("*") if "*" in old else None]]
    after = [each.rstrip("=") for each in new]
    in_order = before == [each for each in after if each in before]
    return "" if in_order else "the order of its parameters has changed"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("a, b=", "a, b=, c=", ""),
        ("a", "a=", ""),
        ("a, b=", "a", "b is gone"),
        ("a, b=", "a, b", "b may no longer be left out"),
        ("a", "a, b", "b is new and has no default"),
        ("a, b", "b, a", "the order of its parameters has changed"),
        ("*, a, b", "*, b, a", ""),
    ],
)
def test_the_comparison_sees_what_breaks_a_call(old, new, said):
    assert problem(split(f"x({old})")[1], split(f"x({new})")[1]) == said


def test_every_public_name_of_1_0_is_there_and_takes_what_it_took():
    now = dict(map(split, surface()))
    lost = []
    for name, old in map(split, frozen()):
        if name not in now:
            lost.append(f"{name} is gone")
        elif wrong := problem(old, now[name]):
            lost.append(f"{name}: {wrong}")
    assert not lost, "keep it, or raise API_VERSION and say so on the page of the API promise"


def test_every_new_public_name_has_an_entry_in_the_changelog():
    known, told = dict(map(split, frozen())), []
    new_modules = [m for m in MODULES if not any(name.startswith(f"{m}.") for name in known)]
    told += [module for module in new_modules if f"`{module}`" not in UNRELEASED]
    for name, parameters in map(split, surface()):
        if name.startswith(tuple(f"{module}." for module in new_modules)):
            continue  # its module has the entry
        owner, _, last = name.rpartition(".")
        if owner not in known and owner in dict(map(split, surface())):
            continue  # of a new class, which has its entry
        new = [last.split(" = ")[0]] if name not in known else []
        new += [each.strip("=*") for each in parameters if each not in known.get(name, parameters)]
        told += [f"{name}: {each}" for each in new if not re.search(rf"(?i)\b{each}\b", UNRELEASED)]
    assert not told, "name these in the section Unreleased of CHANGELOG.md"


@pytest.fixture
def old_project(project):
    """A project with the plugins of 1.0, as they are."""
    for name in ("lines", "alarm", "sqlite_sink", "keep_latest"):
        (project.site / f"pipekit_{name}.py").write_text((HERE / f"pipekit_{name}.py").read_text())
        project.plugin(name, f"from pipekit_{name} import *", version="1.0")
        (project.site / f"{name}_plugin.py").unlink()
        info = project.site / f"{name}-1.0.dist-info/entry_points.txt"
        info.write_text(f"[pipekit]\n{name} = pipekit_{name}\n")
    (project.site / "pipekit_total.py").write_text((HERE / "pipekit_total.py").read_text())
    info = project.site / "total-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[pipekit.commands]\ntotal = pipekit_total:command\n")
    project.config(CONFIG)
    return project


def test_plugins_of_1_0_run_as_they_are(old_project):
    project = old_project
    project.write("data/in/a.txt", "one\ntwo\n")
    run = project.pipekit("run")
    assert run.code == 0, run
    assert (project.root / "data/out/a.txt.lines").read_text() == "2\n"
    assert "idle" in project.pipekit("run").out
    with sqlite3.connect(project.root / "logs/events.db") as events:
        assert events.execute("SELECT count(*) FROM events").fetchone()[0] > 4
    events.close()
    assert "total" in project.pipekit("total").out
    listed = json.loads(project.pipekit("plugins", "list", "--json").out)
    assert listed["broken"] == []
    assert {"keep_latest", "alarm", "sqlite", "lines"} <= {p["name"] for p in listed["plugins"]}
    assert project.pipekit("lifecycle", "plan").code == 0
