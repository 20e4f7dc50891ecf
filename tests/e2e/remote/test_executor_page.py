"""The executors of the documentation keep the contract: the hook's example, and the how-to page."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest

from pipekit import hookspecs
from pipekit.testing import ExecutorContract

from ...pages import docs

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


def executor_of(code: str):
    """The executor that a block of a page defines."""
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(textwrap.dedent(code), "page", "exec"), names)
    (executor,) = names["pipekit_executors"]()
    return executor


class TestTheHooksExample(ExecutorContract):
    doc = textwrap.dedent(hookspecs.pipekit_executors.__doc__.partition("\n")[2])
    executor = executor_of(doc.partition("```python\n")[2].partition("```")[0])


@pytest.mark.posix("a batch system of shell scripts")
class TestTheHowTo(ExecutorContract):
    """On a batch system of two small programs."""

    executor = executor_of(docs("how-to/write-an-executor.md").blocks("python")[0].text)

    @pytest.fixture(autouse=True)
    def _tiny_queue(self, tmp_path, monkeypatch):
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
