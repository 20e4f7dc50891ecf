"""kill -9 within the real stages: what is published is old or new, and ends as if nobody had."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import shutil
import sys

import pyarrow.parquet as pq
import pytest

from .lab import traced
from .tracer import Rule, available

if sys.platform == "win32":
    pytest.skip("it needs SIGKILL and a limit for files", allow_module_level=True)

CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[[stages.translator.settings.sources]]
glob = "data/raw/*_1m_*.csv"
dialect = "D"
growing = false
"""
NAMES = ("ES", "NQ", "CL")
OLD = [dt.date(2013, 10, 24) + dt.timedelta(n) for n in range(7)]
NEW = [dt.date(2013, 10, 31) + dt.timedelta(n) for n in range(6)]  # into another month

# Python runs it in each process that finds it on its path; it waits for its instant in a worker.
AT_START = """
import os, signal, sys

left = {number}

def count(event, *_):
    global left
    if event == "{at}":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

if "{worker}" in " ".join(sys.orig_argv):
    if "{at}" == "os.rename":
        sys.addaudithook(count)
    elif "{at}" == "fsync":
        fsync = os.fsync
        os.fsync = lambda descriptor: (count("fsync"), fsync(descriptor))[1]
    else:  # a file that grows beyond so many bytes
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (left, left))
"""


OF_STAGE = {"translator": "processed", "analyzer": "processed", "merger": "analyzer_runs/merged"}


def bars(day: dt.date, name: str) -> str:
    """A UTC day's file: a walk in whole points."""
    rng = random.Random(f"{day} {name}")
    lines = ["timestamp_utc,open,high,low,close,volume"]
    level = 4000
    for minute in sorted({*range(0, 1440, 5), *range(1, 1440, 20)}):  # not of one interval
        level += rng.randint(-3, 3)
        close = level + rng.randint(-2, 2)
        high, low = max(level, close) + 1, min(level, close) - 1
        stamp = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(minutes=minute)
        lines.append(f"{stamp:%Y-%m-%dT%H:%M:%SZ},{level},{high},{low},{close},7")
    return "\n".join(lines) + "\n"


def add(project, days) -> None:
    for day in days:
        for name in NAMES:
            project.write(f"data/raw/{name}_1m_{day}.csv", bars(day, name))


def published(project) -> dict[str, bytes]:
    """What others would find: the names of temporary files begin with a dot."""
    return {
        str(path.relative_to(project.root)): path.read_bytes()
        for folder in ("processed", "analyzer_runs/merged")
        for path in (project.root / "data" / folder).rglob("[!.]*.*")
    }


def run(project) -> str:
    done = project.pipekit("run", "--json")
    assert done.code == 0, done
    return done.json["status"]


@pytest.fixture(scope="module")
def undisturbed(project_in, tmp_path_factory):
    """A project in which nobody was killed: its folder with the old days, and all results."""
    project = project_in(tmp_path_factory.mktemp("undisturbed"))
    project.config(CONFIG)
    add(project, OLD)
    run(project)
    old = tmp_path_factory.mktemp("old")
    shutil.copytree(project.root, old, dirs_exist_ok=True)
    add(project, NEW)
    run(project)
    return old, published(project)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "number"), [("os.rename", 0), ("os.rename", 2), ("fsync", 1), ("bytes", 1000)]
)
@pytest.mark.parametrize("stage", ["translator", "analyzer", "merger"])
def test_a_worker_killed_while_it_publishes(project, undisturbed, stage, at, number):
    """Each file is the old one or the new one, and the next run ends as if nothing had been."""
    folder, after = undisturbed
    shutil.copytree(folder, project.root, dirs_exist_ok=True)
    before = published(project)
    add(project, NEW)
    code = project.site / "sitecustomize.py"
    code.write_text(AT_START.format(worker=f"pipekit_{stage}", at=at, number=number))
    done = project.pipekit("run", "--json")
    assert done.code in (1, 2), done
    told = {each["stage"]: each["status"] for each in project.report()["stages"]}
    assert told[stage] in ("partial", "failure")
    for path, data in published(project).items():
        if path.endswith(".parquet"):
            assert pq.read_table(project.root / path).num_rows  # of a part that is there
        if path.startswith(f"data/{OF_STAGE[stage]}"):
            assert data in (before.get(path), after.get(path)), path
    code.unlink()
    run(project)
    assert published(project) == after
    assert not list((project.root / "data").rglob(".*"))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(bool(available()), reason=available())
@pytest.mark.parametrize("action", ["kill", "all"])
def test_a_kill_at_points_of_the_real_stages(
    project_in, undisturbed, tmp_path, record_property, action
):
    """At each 30th system call that changes a file, in whichever process."""
    folder, after = undisturbed
    for number in itertools.count(step=30):
        place = tmp_path / str(number)
        place.mkdir()
        project = project_in(place)
        shutil.copytree(folder, project.root, dirs_exist_ok=True)
        add(project, NEW)
        run = traced(project.root, place, project.env, [Rule(number=number, action=action)])
        for path in published(project):
            if path.endswith(".parquet"):
                assert pq.read_table(project.root / path).num_rows
        done = project.pipekit("run", "--json")
        assert done.code == 0, done
        assert published(project) == after, (number, run.points[-1])
        assert not list((project.root / "data").rglob(".*"))
        shutil.rmtree(place)
        if len(run.points) <= number:  # it had ended by then
            break
    record_property("trials", number // 30)
