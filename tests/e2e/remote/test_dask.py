"""The executor `dask`, on a real cluster: a scheduler, two nannies, two workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("distributed")
from pipekit_dask.plugin import pipekit_executors
from pipekit_dask.settings import Settings

from pipekit.testing import ExecutorContract

from .clusters import cluster

pytestmark = pytest.mark.posix("signals, and process groups")

CONFIG = """
[pipeline]
stages = ["work"]
quiet_seconds = 0
executor = "dask"
lease = "1s"
[stages.work]
grace = "0.5s"
retries = {retries}
retry_delay = "0s"
retry_on = ["lost"]
[executors.dask]
address = "{address}"
"""


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """One cluster for this file; its workers import the stage of the project that is tested."""
    folder = tmp_path_factory.mktemp("dask")
    site = folder / "site"
    site.mkdir()
    with cluster(folder, PYTHONPATH=str(site)) as made:
        made.site = site
        yield made


@pytest.fixture(scope="module", autouse=True)
def _address(dask):
    TestDask.settings = Settings(address=dask.address)


class TestDask(ExecutorContract):
    (executor,) = pipekit_executors()
    settings = Settings()


def prepare(remote, dask, *, retries: int = 0, **raw: str) -> None:
    """Files of the project's stage, which its nodes have installed as well."""
    for item in remote.project.site.iterdir():
        link = dask.site / item.name
        if link.is_symlink():
            link.unlink()
        link.symlink_to(item)
    remote.project.config(CONFIG.format(address=dask.address, retries=retries))
    for name, text in raw.items():
        remote.project.write(f"data/raw/{name}", text)


def test_a_worker_that_is_killed_costs_an_attempt_and_no_more(remote, dask, until):
    """Its tree ends with it, its work is done again elsewhere, and nothing is published twice."""
    prepare(remote, dask, retries=2, a="first=60", b="x")
    run = remote.project.start("run")
    until(lambda: len(remote.notes()) == 2)
    pid = int(next(pid for task, pid, _ in remote.notes() if task == "a"))
    worker = next(w for w in dask.workers() if pid in _below(w))
    os.kill(worker, signal.SIGKILL)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert remote.out() == {"a": "FIRST=60", "b": "X"}
    assert remote.survivors() == []
    assert [t["kind"] for t in remote.tasks() if t["task"] == "a"] == ["lost", None]
    dask.start()


def test_stop_ends_what_runs_on_workers(remote, dask, until):
    prepare(remote, dask, a="sleep=60", b="sleep=60")
    run = remote.project.start("run")
    until(lambda: len(remote.notes()) == 2)
    assert remote.project.pipekit("stop").code == 0
    run.communicate(timeout=60)
    assert run.returncode == 143
    assert remote.survivors() == []


def test_a_scheduler_that_is_not_there_is_said(remote, dask):
    prepare(remote, dask, a="x")
    text = CONFIG.format(address="tcp://127.0.0.1:1", retries=0)
    remote.project.config(f'{text}connect_timeout = "1s"\n')
    done = remote.run(2)
    (task,) = remote.tasks()
    assert task["kind"] == "spawn"
    assert "the executor 'dask' cannot be used" in task["reason"], done
    assert remote.out() == {}


def _below(pid: int) -> set[int]:
    """The processes below this one, by their parents."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    found, size = {pid}, 0
    while size != len(found):
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found
