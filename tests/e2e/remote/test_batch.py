"""The executor `batch`, on a system of two small programs, and on a real Slurm of two nodes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("pipekit_batch")
from pipekit_batch.plugin import pipekit_executors
from pipekit_batch.settings import Settings

from pipekit.testing import ExecutorContract

from .slurm import NoSlurmError, slurm

pytestmark = pytest.mark.posix("batch systems of shell scripts")

TINY = Settings(
    preset="none",
    submit=["submit", "--cores", "{cores}", "--memory={memory_mb}", "--name", "{key}"],
    status=["jobs"],
    cancel=["jobs", "--remove", "{id}"],
    states={"running": "running"},
    poll=0.1,
)
CONFIG = """
[pipeline]
stages = ["work"]
quiet_seconds = 0
executor = "batch"
lease = "2s"
[stages.work]
grace = "1s"
retries = {retries}
retry_delay = "0s"
retry_on = ["signal", "lost", "spawn"]
[executors.batch]
preset = "slurm"
poll = "0.5s"
"""


class TestTiny(ExecutorContract):
    (executor,) = pipekit_executors()
    settings = TINY

    @pytest.fixture(autouse=True)
    def _tiny_queue(self, tiny_queue):
        """The programs are on the PATH."""


def test_what_the_system_says_is_the_reason(remote):
    remote.project.config(CONFIG.format(retries=0).replace("slurm", "none"))
    done = remote.project.pipekit("run")
    assert done.code == 3
    assert 'submit: is needed with preset = "none"' in done.err
    remote.project.config(
        CONFIG.format(retries=0).replace(
            'preset = "slurm"', 'submit = ["false"]\nstatus = ["true"]\ncancel = ["true"]'
        )
    )
    remote.project.write("data/raw/a", "x")
    remote.run(2)
    (task,) = remote.tasks()
    assert task["kind"] == "spawn"
    assert "false exited with 1" in task["reason"]


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    try:
        with slurm(tmp_path_factory.mktemp("slurm")) as made:
            yield made
    except NoSlurmError as error:
        pytest.skip(f"no Slurm: {error}")


@pytest.fixture
def cluster(remote, system):
    """A project on Slurm."""
    system.start()
    remote.project.env |= {**system.env, "PYTHONPATH": remote.project.env["PYTHONPATH"]}
    remote.slurm = system

    def prepare(retries: int = 0, **raw: str) -> None:
        remote.project.config(CONFIG.format(retries=retries))
        for name, text in raw.items():
            remote.project.write(f"data/raw/{name}", text)

    remote.prepare = prepare
    return remote


@pytest.mark.long
class TestSlurm(ExecutorContract):
    (executor,) = pipekit_executors()
    settings = Settings(preset="slurm", poll=0.5)

    @pytest.fixture(autouse=True)
    def _slurm(self, system, monkeypatch):
        """Its commands are on the PATH."""
        for name in ("PATH", "LD_LIBRARY_PATH", "SLURM_CONF"):
            monkeypatch.setenv(name, system.env[name])


@pytest.mark.long
def test_tasks_are_jobs_on_both_nodes(cluster):
    cluster.prepare(**dict.fromkeys("abcd", "sleep=1"))
    cluster.run()
    assert cluster.out() == dict.fromkeys("abcd", "SLEEP=1")
    places = [task["placement"] for task in cluster.tasks()]
    assert {place["node"] for place in places} == {"n1", "n2"}
    assert all(place["engine_id"].isdigit() for place in places)


@pytest.mark.long
def test_a_node_that_loses_its_power_costs_an_attempt(cluster, until):
    """Its daemon, the daemon of the job and our supervisor die at once; guardians end the rest."""
    cluster.prepare(retries=2, a="first=60", b="first=60")
    run = cluster.project.start("run")
    until(lambda: len(cluster.notes()) == 2)
    victim = next(
        folder
        for folder in (cluster.root / "logs/runs").glob("*/work/*/*")
        if (folder / "started").read_text().startswith("n1 ")
    )
    cluster.slurm.kill("n1")
    os.kill(int((victim / "started").read_text().split()[-1]), signal.SIGKILL)
    for folder in (cluster.root / "logs/runs").glob("*/work/*/*"):
        if folder != victim:  # the other one may end well, if it is asked to
            os.kill(int((folder / "started").read_text().split()[-1]), signal.SIGTERM)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert cluster.out() == {"a": "FIRST=60", "b": "FIRST=60"}
    assert cluster.survivors() == []


@pytest.mark.long
@pytest.mark.parametrize("daemon", ["ctld", "n1"])
def test_a_daemon_that_dies_changes_nothing(cluster, until, daemon):
    """What counts is in the folders; the jobs go on without their daemons."""
    cluster.prepare(**dict.fromkeys("ab", "sleep=3"))
    run = cluster.project.start("run")
    until(lambda: len(cluster.notes()) == 2)
    cluster.slurm.kill(daemon)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert sorted(task for task, *_ in cluster.notes()) == ["a", "b"]
    assert cluster.out() == {"a": "SLEEP=3", "b": "SLEEP=3"}


@pytest.mark.long
def test_a_job_that_slurm_starts_again_does_not_begin_again(cluster, until):
    """An administrator requeues it: the second start ends at once, our own retry does the work."""
    cluster.prepare(retries=1, a="first=60")
    run = cluster.project.start("run")
    until(cluster.notes)
    (queued,) = [e for e in cluster.project.events() if e["event"] == "task_queued"]
    job = queued["data"]["engine_id"]
    cluster.slurm.call("scontrol", "update", f"jobid={job}", "requeue=1")
    cluster.slurm.call("scontrol", "requeue", job)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert cluster.out() == {"a": "FIRST=60"}
    assert len(cluster.notes()) == 2


@pytest.mark.long
def test_stop_ends_the_jobs(cluster, until):
    cluster.prepare(a="sleep=60", b="sleep=60", c="sleep=60", d="sleep=60", e="sleep=60")
    run = cluster.project.start("run")
    until(lambda: len(cluster.notes()) == 4)  # as many as there are cores; the fifth is queued
    assert cluster.project.pipekit("stop").code == 0
    run.communicate(timeout=60)
    assert run.returncode == 143
    assert cluster.survivors() == []
    jobs = {task["placement"]["engine_id"] for task in cluster.tasks()}

    def left() -> set[str]:  # one that was requeued by another test waits for two minutes
        return jobs & set(cluster.slurm.call("squeue", "-h", "--me", "-o", "%i").split())

    cluster.slurm.until(lambda: not left())
    statuses = {task["status"] for task in cluster.tasks()}
    assert statuses == {"cancelled"}
    outcome = json.loads(Path(cluster.attempt(1), "outcome.json").read_text())
    assert outcome["process"]["outcome"] == "cancelled"
