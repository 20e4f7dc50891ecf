"""What happens to the files, processes and folder of a run while it works is said."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ONE = """
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    def plan(ctx, settings):
        command = Command(argv=["sh", "-c", {script!r}], linger=0.2)
        return StagePlan(reason="always", tasks=[Task(name="task", command=command)])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("one", plan)
"""


@pytest.fixture
def one(project) -> Callable[[str], None]:
    """Gives the project a stage of one shell command."""

    def make(script: str) -> None:
        project.config('[pipeline]\nstages = ["one"]\n[sinks.console]\n')
        project.plugin("one", ONE.format(script=script))

    return make


@pytest.fixture
def meanwhile(project, one, tmp_path):
    """Run a command that writes before and after something else has happened."""

    def run(happens: Callable[[], None]) -> tuple[int, str, str]:
        ready, go = tmp_path / "ready", tmp_path / "go"
        wait = f"touch {ready}; while ! test -e {go}; do sleep 0.01; done"
        one(f"echo before; {wait}; echo after")
        with project.start("run") as process:
            while not ready.exists():
                time.sleep(0.01)
            time.sleep(0.1)
            happens()
            go.touch()
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in out + err
        return process.returncode, out, err

    return run


def everywhere(project, sentence: str) -> list[bool]:
    """Whether the last run says it to whoever looks: journal, log and `pipekit status`."""
    (log,) = project.root.glob("logs/pipeline_2*.log")
    status = project.pipekit("status").out
    events = project.events()
    return [
        any(e["stage"] == "one" and sentence in e["msg"] for e in events),
        sentence in log.read_text(),
        sentence in status,
    ]


def test_process_that_outlived_its_command_and_was_killed_is_said(project, one):
    one("setsid sleep 60 >/dev/null 2>&1 & echo started")
    done = project.pipekit("run")
    assert (done.code, "one: 1 warning, 1 leftover process killed" in done.out) == (0, True)
    assert "1 process outlived the command and had to be killed" in done.err
    assert everywhere(project, "1 leftover process killed") == [True] * 3
    (event,) = [e for e in project.events() if e["event"] == "warning"]
    assert event["data"] == {"task": "task", "survivors": 1}


def test_output_that_could_not_be_kept_is_said(project, one):
    spool = "logs/runs/*/one/task.out"
    one(f"echo lost; while ! test -s {spool}; do sleep 0.01; done; rm {spool}; echo kept")
    done = project.pipekit("run")
    assert done.code == 0
    assert everywhere(project, "one: 1 warning, 5 bytes of output not kept") == [True] * 3
    event = next(e for e in project.events() if e["event"] == "warning")
    assert event["data"] == {"task": "task", "dropped": {"stdout": 5}}


@pytest.mark.parametrize("how", ["deleted", "moved away"])
def test_logs_that_are_lost_are_written_again_and_it_is_said(project, meanwhile, tmp_path, how):
    logs = project.root / "logs"

    def lose() -> None:
        if how == "deleted":
            subprocess.run(["rm", "-r", logs], check=True)
        else:
            logs.rename(tmp_path / "old")

    code, out, err = meanwhile(lose)
    assert code == 0
    assert "one: 2 warnings, 7 bytes of output not kept" in out
    assert f"stdout: its file {logs}/runs" in err
    for name in ("journal", "log"):
        assert err.count(f"the {name} was {how} during the run, and written again") == 1
    assert [e["seq"] for e in project.events()] == [*range(1, len(project.events()) + 1)]
    assert project.events()[-1]["event"] == "success"
    assert project.report()["status"] == "success"
    (log,) = logs.glob("pipeline_2*.log")
    assert "one          start" in log.read_text()
    assert "after\n" in project.pipekit("logs", "1", "one").out


def test_logs_that_are_lost_after_the_last_event_are_noticed_at_the_end(project, tmp_path):
    from pipekit.storage.journal import Journal

    path = tmp_path / "events/journal.jsonl"
    journal = Journal(path)
    journal.append({"seq": 1})
    path.unlink()
    journal.look()
    assert path.read_text() == '{"seq": 1}\n'
    os.truncate(path, 0)
    journal.append({"seq": 2})
    journal.close()
    assert journal.notices == [
        "was deleted during the run, and written again",
        "was truncated: 11 bytes are lost",
    ]
    assert journal.problem == "journal.jsonl was truncated: 11 bytes are lost"


@pytest.mark.parametrize("how", ["renamed", "deleted", "replaced"])
def test_project_that_is_gone_is_no_success_and_is_not_made_again(
    project, meanwhile, tmp_path, how
):
    root, elsewhere = project.root, tmp_path / "elsewhere"

    def lose() -> None:
        if how == "deleted":
            subprocess.run(["rm", "-r", root], check=True)
            return
        root.rename(elsewhere)
        if how == "replaced":
            root.mkdir()

    code, _, err = meanwhile(lose)
    assert code == 3
    assert f"pipekit: the project folder {root} was renamed, deleted or replaced during" in err
    assert root.exists() is (how == "replaced")
    if how == "deleted":
        return
    if root.exists():
        assert list(root.iterdir()) == []
        root.rmdir()
    elsewhere.rename(root)
    assert project.events()[-1]["event"] == "failure"
    assert "failure" in project.pipekit("status").out
    assert project.pipekit("run").code == 0


NO_THREADS = """
import sys, threading
threading.stack_size(2**45)  # of address space: what `ulimit -u` and `ulimit -v` do as well
from pipekit.__main__ import main
sys.exit(main())
"""


def test_threads_that_cannot_start_at_all_are_a_sentence(project, one):
    one("echo hi")
    argv = [sys.executable, "-c", NO_THREADS, "run"]
    done = subprocess.run(
        argv, cwd=project.root, env=project.env, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said) == (2, False), said
    assert "no thread could be started for it (can't start new thread): see ulimit -u" in said


def test_output_that_no_thread_can_pass_on_is_not_lost_in_silence(tmp_path: Path):
    argv = [sys.executable, "-c", NO_THREADS, "exec", "-q", "--", "echo", "hi"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    sentence = "pipekit: not all of the output was passed on: no thread could be started\n"
    assert (done.returncode, done.stdout, done.stderr) == (125, "", sentence)


NO_MORE_THREADS = """
import threading
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    threading.stack_size(2**45)
    return StagePlan(reason="always", tasks=[Task(name="task", command=Command(argv=["true"]))])

@hookimpl
def pipekit_stages():
    yield StageSpec("one", plan)
"""


def test_a_task_whose_thread_cannot_start_fails_with_a_sentence(project):
    project.config('[pipeline]\nstages = ["one"]\n[sinks.console]\n')
    project.plugin("one", NO_MORE_THREADS)
    done = project.pipekit("run")
    assert (done.code, "Traceback" in done.err) == (2, False)
    sentence = "task: no thread could be started to supervise it (can't start new thread)"
    assert sentence in done.out
    assert project.events()[-1]["event"] == project.report()["status"] == "failure"


@pytest.mark.skipif(os.name == "nt", reason="limits as on POSIX")
@pytest.mark.parametrize("words", ["status", "history", "show", "logs", "plan", "events"])
def test_what_happened_can_be_read_though_nothing_can_be_written(project, one, words):
    """A full disk, simulated by the limit on file sizes: SQLite wants to make a file to read."""
    one("echo said")
    assert project.pipekit("run").code == 0
    command = f"ulimit -f 0; exec {sys.executable} -m pipekit {words} | cat"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "pipekit: " in done.stderr) == (0, False), done
    assert done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep a working directory")
def test_a_working_directory_that_was_deleted_is_said(project):
    gone = project.write("gone/x", "").parent
    command = f'rm -r "{gone}"; exec {sys.executable} -m pipekit status'
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=gone,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "the working directory was deleted" in done.stderr) == (64, True), done
