"""Nothing of a stage survives its run, however the run ends; and no run overlaps what it left."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("looks at processes through /proc", allow_module_level=True)

GRACE = 0.5  # seconds, of the stage
SLACK = 0.5  # seconds: what the supervisor promises to need beyond deadline and grace
NOISE = 2.0  # seconds: what a busy machine may add

STAGE = '''
    import sys
    from pathlib import Path
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    NEST = """
    import os, signal, sys, time

    def daemon(environment):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                null = os.open(os.devnull, os.O_RDWR)
                for descriptor in (0, 1, 2):
                    os.dup2(null, descriptor)
                code = (
                    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
                    "open('pids', 'a').write(str(__import__('os').getpid()) + chr(10));"
                    "time.sleep(600)"
                )
                os.execve(sys.executable, [sys.executable, "-S", "-c", code], environment)
            os._exit(0)
        os.wait()

    daemon(dict(os.environ))
    if not os.path.exists("known"):
        daemon({})  # nothing is left that it could be known by
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open("pids", "a").write(f"{os.getpid()}\\\\n")
    time.sleep(600)
    """

    def plan(ctx, settings):
        if Path("quiet").exists():
            for stat in [Path("/proc", pid, "stat") for pid in Path("pids").read_text().split()]:
                if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
                    raise RuntimeError(f"this run overlaps {stat}")
            return StagePlan.skip("told to be quiet")
        import textwrap
        command = Command(argv=[sys.executable, "-S", "-c", textwrap.dedent(NEST)])
        return StagePlan(reason="always", tasks=[Task(name="nest", command=command)])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("nest", plan)
'''


@pytest.fixture
def nest(project):
    project.plugin("nest", STAGE)
    project.config(f"""
        [pipeline]
        stages = ["nest"]
        [stages.nest]
        grace = "{GRACE}s"
    """)
    return project


@pytest.fixture(autouse=True)
def _swept(nest):
    """Whatever a failing test leaves is ended all the same."""
    yield
    for pid in pids(nest):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def pids(project) -> list[int]:
    try:
        return [int(line) for line in (project.root / "pids").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def living(project) -> list[int]:
    return [pid for pid in pids(project) if alive(pid)]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def started(project, eventually, count=3):
    """A run whose stage has its processes up: itself, and daemons that ignore SIGTERM."""
    run = project.start("run")
    eventually(lambda: len(living(project)) == count)
    return run


def test_a_stage_that_takes_too_long_is_ended_with_its_daemons(nest):
    began = time.monotonic()
    done = nest.pipekit("run", "--set", "stages.nest.timeout=1.5s")
    assert done.code == 2, done
    assert len(pids(nest)) == 3
    assert not living(nest)
    assert time.monotonic() - began < 1.5 + GRACE + SLACK + NOISE
    (task,) = nest.report()["stages"][0]["tasks"]
    assert task["kind"] == "timeout"
    assert any("sleep" in seen["state"] for seen in task["process"]["snapshot"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_no_daemon(nest, eventually, number, code):
    run = started(nest, eventually)
    asked = time.monotonic()
    run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode == code
    assert time.monotonic() - asked < GRACE + SLACK + NOISE
    assert not living(nest)


def test_a_killed_run_leaves_no_daemon_and_the_next_one_waits_for_that(nest, eventually):
    """kill -9 of pipekit: until its processes are gone the lock is held, and the holder named."""
    grace = 2.0  # a second run has to start within it, on a busy machine, too
    settings = (nest.root / "pipekit.toml").read_text()
    nest.config(settings.replace(f'"{GRACE}s"', f'"{grace}s"') + "timeout = '1h'\n")
    run = started(nest, eventually)
    (nest.root / "quiet").touch()
    run_id = nest.events()[0]["run_id"]
    killed = time.monotonic()
    run.kill()
    refused = nest.pipekit("run")
    if living(nest):
        assert refused.code == 75
    while (after := nest.pipekit("run")).code == 75:
        assert f"ending what run {run_id} left" in after.err
        assert time.monotonic() - killed < grace + SLACK + NOISE
    assert not living(nest)
    run.communicate(timeout=30)
    assert refused.code == 75
    assert f"ending what run {run_id} left" in refused.err
    assert after.code == 0, after
    (closed,) = [
        state for state in nest.pipekit("history", "--json").json if state["run_id"] == run_id
    ]
    assert closed["status"] == "failure"
    assert closed["stages"]["nest"]["kind"] == "lost"


def test_what_outlived_even_its_guardian_is_ended_before_the_next_run_starts(nest, eventually):
    """pipekit, its spawner and the guardian killed at once: found by their environment."""
    (nest.root / "known").touch()
    run = started(nest, eventually, count=2)
    (nest.root / "quiet").touch()
    guardian = parent(pids(nest)[-1])
    spawner = parent(guardian)
    assert parent(spawner) == run.pid
    for pid in (spawner, run.pid, guardian):
        os.kill(pid, signal.SIGKILL)
    run.communicate(timeout=30)
    left = len(living(nest))
    assert left
    after = nest.pipekit("run")
    assert after.code == 0, after
    assert not living(nest)
    assert any(
        f"{left} processes that it left were ended" in warning
        for warning in nest.report()["warnings"]
    )
