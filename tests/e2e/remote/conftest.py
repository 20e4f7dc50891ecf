"""A stage whose work can be counted, and an engine that misbehaves as real ones do."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STAGE = """
import json, os, sys, time
from pathlib import Path
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

PIPEKIT_API = "1"

def plan(ctx, settings):
    new = ctx.pending(ctx.files("data/raw/*"))
    if not new:
        return StagePlan.skip(new.sentence("data/raw"), new)
    tasks = [
        Task(name=Path(item.path).name, units=[item.path],
             command=Command.python(__name__, request=item.path))
        for item in new
    ]
    return StagePlan(reason=new.sentence("data/raw"), inputs=new.inputs, tasks=tasks)

@hookimpl
def pipekit_stages():
    yield StageSpec("work", plan)

def note(word):
    with open("notes.txt", "a") as file:
        file.write(f"{word} {os.environ['PIPEKIT_TASK']} {os.getpid()} {time.time()}\\n")

if __name__ == "__main__":
    from pipekit.worker import hasher, look, publish, report, request
    path = request()
    note("begin")
    with report.unit(path):
        signature = look(path)
        data = Path(path).read_bytes()
        for word in data.decode().split():
            name, _, seconds = word.partition("=")
            if name == "print":
                print("printed", flush=True)
            if name == "sleep":
                report.progress(1, 2)
                time.sleep(float(seconds))
            if name == "first":  # only the first attempt is slow
                first = os.environ["PIPEKIT_ATTEMPT"] == "1"
                time.sleep(float(seconds) if first else 0)
            if name == "exit":
                note("exit")
                os._exit(int(seconds))
        publish("data/out/" + Path(path).name, data.upper())
        report.consumed(path, hasher(data).hexdigest(), signature)
    note("end")
"""

ENGINE = """
import os, signal, sqlite3, subprocess, sys, time
from contextlib import contextmanager
from pathlib import Path
import attrs
from pipekit import Executor, OrderState, OrderStatus, hookimpl, setting

PIPEKIT_API = "1"

@attrs.frozen(kw_only=True)
class Settings:
    how: str = setting("How it misbehaves.", default="")

class Engine:
    def __init__(self, ctx, how):
        self.ctx, self.how, self.jobs = ctx, how.split(), {}

    def submit(self, order):
        if "unopened" in self.how:
            raise RuntimeError("no room at all")
        if "ledger" in self.how:
            self.check_ledger(order)
        if "moved" in self.how:
            (self.ctx.root / ".pipekit-root").write_text("another folder")
        digest = "0" * 64 if "digest" in self.how else order.digest
        words = [sys.executable, "-m", "pipekit", "exec-task", order.spec, "--digest", digest]
        nothing = subprocess.DEVNULL
        away = {"start_new_session": True, "stdout": nothing, "stderr": nothing}
        started = [] if "never" in self.how else [subprocess.Popen(words, **away)]
        if "twice" in self.how:
            started.append(subprocess.Popen(words, **away))
        self.jobs[order.key] = started
        folder = Path(order.spec).parent
        if "tamper" in self.how:
            started[0].wait()
            (staged,) = [f for f in (folder / "files").rglob("*") if f.is_file()]
            staged.write_bytes(b"changed")
        if "torn" in self.how:
            started[0].wait()
            outcome = folder / "outcome.json"
            outcome.write_text(outcome.read_text()[:-20])
        if "/1/" in order.spec and {"kill", "stop", "early"} & set(self.how):
            while not (folder / "pulse").exists():
                time.sleep(0.01)
            while not Path("notes.txt").exists():
                time.sleep(0.01)
            if "kill" in self.how:
                started[0].kill()
            if "stop" in self.how:
                started[0].send_signal(signal.SIGSTOP)
        return order.key

    def check_ledger(self, order):
        ledger = sqlite3.connect(f"file:{self.ctx.state}/state.db?mode=ro", uri=True)
        row = ledger.execute("SELECT run_id, stage, task, settled FROM attempts WHERE attempt = ?",
                             (order.attempt,)).fetchone()
        ledger.close()
        assert row == (order.run_id, order.stage, order.task, 0), row
        run = self.ctx.logs / "runs" / order.run_id
        assert Path(order.spec).parent == run / order.stage / order.task / str(order.attempt)

    def poll(self, ids):
        if "deaf" in self.how:
            raise RuntimeError("the scheduler is gone")
        found = {}
        for id in ids:
            over = all(job.poll() is not None for job in self.jobs[id])
            first = id.endswith("-1")
            if "early" in self.how and first or "never" in self.how:
                over = True
            if "stop" in self.how and first:
                over = "silent" not in self.how
            found[id] = OrderStatus(OrderState.ENDED if over else OrderState.RUNNING)
        return found

    def cancel(self, id):
        pass

    def close(self):
        for jobs in self.jobs.values():
            for job in jobs:
                if "stop" in self.how:
                    job.send_signal(signal.SIGCONT)
                job.wait()

@contextmanager
def open_engine(ctx, settings):
    if settings.how == "closed":
        raise RuntimeError("nobody is there")
    engine = Engine(ctx, settings.how)
    yield engine
    engine.close()

@hookimpl
def pipekit_executors():
    yield Executor("odd", open_engine, settings=Settings)
"""

SUBMIT = """
    import os, subprocess, sys
    folder = os.environ["TINY_QUEUE"]
    name = sys.argv[sys.argv.index("--name") + 1]
    script = os.path.join(folder, name + ".sh")
    open(script, "w").write(sys.stdin.read())
    job = subprocess.Popen(["sh", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, start_new_session=True)
    open(os.path.join(folder, f"{job.pid}.job"), "w").close()
    print(job.pid)
"""
JOBS = """
    import os
    for name in os.listdir(os.environ["TINY_QUEUE"]):
        pid, dot, kind = name.partition(".")
        if kind == "job":
            try:
                state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z":
                print(pid, "running", "here")
"""


CONFIG = """
[pipeline]
stages = ["work"]
quiet_seconds = 0
executor = "odd"
lease = "{lease}"
[stages.work]
grace = "0.5s"
retries = {retries}
retry_delay = "0s"
retry_on = ["exit", "lost", "spawn"]
[executors.odd]
how = "{how}"
"""


class Remote:
    """A project whose stage is carried by the odd engine."""

    def __init__(self, project: Any) -> None:
        self.project = project
        self.root: Path = project.root
        project.plugin("work", STAGE)
        project.plugin("odd", ENGINE)

    def prepare(self, how: str = "", *, lease: str = "1s", retries: int = 0, **raw: str) -> None:
        self.project.config(CONFIG.format(how=how, lease=lease, retries=retries))
        for name, text in raw.items():
            self.project.write(f"data/raw/{name}", text)

    def run(self, code: int = 0) -> Any:
        done = self.project.pipekit("run")
        assert done.code == code, done
        return done

    def out(self) -> dict[str, str]:
        folder = self.root / "data/out"
        return {file.name: file.read_text() for file in sorted(folder.glob("*"))}

    def tasks(self) -> list[dict[str, Any]]:
        (stage,) = self.project.report()["stages"]
        return stage["tasks"]

    def notes(self, word: str = "begin") -> list[list[str]]:
        file = self.root / "notes.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split()[1:] for line in lines if line.split()[0] == word]

    def attempt(self, number: int) -> Path:
        (folder,) = (self.root / "logs/runs").glob(f"*/work/*/{number}")
        return folder

    def survivors(self) -> list[str]:
        """The processes of the project's workers that are still there."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                here = os.readlink(f"/proc/{pid}/cwd") == str(self.root)
            except OSError:
                continue
            if here and b"work_plugin" in words:
                found.append(pid)
        return found


@pytest.fixture
def remote(project) -> Remote:
    return Remote(project)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Waits until something is so."""

    def wait(is_so: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait


@pytest.fixture
def tiny_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A batch system of two programs, `submit` and `jobs`; the folder of its queue."""
    programs, queue = tmp_path / "bin", tmp_path / "queue"
    programs.mkdir()
    queue.mkdir()
    for name, code in (("submit", SUBMIT), ("jobs", JOBS)):
        program = programs / name
        program.write_text(f"#!{sys.executable}\n{textwrap.dedent(code)}")
        program.chmod(0o755)
    python = os.path.dirname(sys.executable)
    monkeypatch.setenv("PATH", f"{programs}:{python}:{os.environ['PATH']}")
    monkeypatch.setenv("TINY_QUEUE", str(queue))
    return queue
