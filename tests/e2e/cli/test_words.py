"""What people and programs read, whatever plugins, programs and files print or are called."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

EVIL = "\x1b]0;owned\x07\x9b31m\u202egnp[/].exe"
SHOWN = r"\x1b]0;owned\x07\x9b31m\u202egnp[/].exe"

NOISY = """
    import atexit
    import os
    import subprocess
    import sys

    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    print("import")
    atexit.register(print, "exit")

    def plan(ctx, settings):
        print("plan")
        os.write(1, b"below python\\n")
        subprocess.run(["echo", "child"])
        return StagePlan(reason="always", tasks=[Task(name="t", command=Command(argv=["true"]))])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("noisy", plan)
"""


@pytest.mark.parametrize("words", ["plan", "run", "lifecycle plan", "config show", "plugins list"])
def test_json_is_json_whatever_a_plugin_prints(project, words):
    """At import, in its plan, in a child of its own, below Python, and at the exit."""
    project.plugin("noisy", NOISY)
    project.config('[pipeline]\nstages = ["noisy"]\n')
    done = project.pipekit(*words.split(), "--json")
    assert done.code == 0
    json.loads(done.out)
    assert "import" in done.err
    assert "exit" in done.err


EVIL_STAGE = f"""
    import sys
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    EVIL = {EVIL!r}

    def plan(ctx, settings):
        command = Command.python(__name__, env={{"PYTHONPATH": PATH}})
        task = Task(name="t", units=[f"unit {{EVIL}}"], command=command)
        return StagePlan(reason=f"reason {{EVIL}}", tasks=[task], warnings=[f"warning {{EVIL}}"])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("evil", plan)

    if __name__ == "__main__":
        from pipekit.worker import report

        with report.unit(f"unit {{EVIL}}"):
            report.warning(f"told {{EVIL}}")
            report.rejected(f"data/{{EVIL}}", f"reason {{EVIL}}")
            print(f"out {{EVIL}}", flush=True)
            raise RuntimeError(EVIL)
"""


@pytest.fixture
def evil(project):
    """A project that has run a stage whose every word would act on a terminal."""
    project.plugin("evil", EVIL_STAGE.replace("PATH}", f"{str(project.site)!r}}}"))
    project.config('[pipeline]\nstages = ["evil"]\n')
    project.write(f"data/{EVIL}", "text")
    done = project.pipekit("run")
    assert done.code == 2, done
    return project, done


def test_nothing_that_a_person_reads_acts_on_the_terminal(evil):
    """Every command, and the log for people."""
    project, run = evil
    said = [run.out, run.err]
    for words in ("show -v", "status", "history", "events", "logs", "logs 1 evil --err", "plan -v"):
        done = project.pipekit(*words.split())
        said += [done.out, done.err]
        assert SHOWN in done.out or words == "history", words
    (log,) = (project.root / "logs").glob("pipeline_2*.log")
    said.append(log.read_text("utf-8"))
    assert SHOWN in said[-1]
    lines = [line for text in said for line in text.split("\n")]
    assert [line for line in lines if not line.isprintable()] == []


def test_programs_get_the_true_bytes(evil):
    """JSON has the value, `logs --raw` the bytes, and the spool is as it was written."""
    project, _ = evil
    (stage,) = json.loads(project.pipekit("show", "--json").out)["stages"]
    assert stage["reason"] == f"reason {EVIL}"
    raw = project.pipekit("logs", "--raw", "--out").out
    assert raw == f"out {EVIL}\n"


STUBBORN = """
    import sys
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    def plan(ctx, settings):
        command = Command.python(__name__, env={"PYTHONPATH": PATH})
        task = Task(name="t", units=["a", "b", "c"], command=command)
        return StagePlan(reason="always", tasks=[task])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("prog", plan)
        yield StageSpec("later", plan)

    if __name__ == "__main__":
        import time
        from pipekit.worker import report

        with report.unit("a"):
            pass
        with report.unit("b"):
            open("here", "w").close()
            time.sleep(60)
"""


def test_ctrl_c_counts_what_ran_and_what_never_began(project):
    project.plugin("prog", STUBBORN.replace("PATH}", f"{str(project.site)!r}}}"))
    project.config('[pipeline]\nstages = ["prog", "later"]\n')
    with subprocess.Popen(
        [sys.executable, "-m", "pipekit", "run"],
        cwd=project.root,
        env=project.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        while not (project.root / "here").exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout is not None
        first, _, second, last = process.stdout.read().splitlines()
    assert process.returncode == 130
    assert first.startswith("cancelled  prog: 1 of 3 units ran, 1 stopped, 1 never began, ")
    assert second == "cancelled  later: never began"
    assert last.startswith("cancelled  run 1: cancelled, 0 stages ran, 1 stopped, 1 never began, ")
