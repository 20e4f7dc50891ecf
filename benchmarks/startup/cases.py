"""What is measured: projects of three trivial tasks and the commands upon them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from venvs import Environment

TASKS = 3
LIBRARIES = "import click, cattrs"  # below what reads a configuration
TRUE = shutil.which("true") or "/bin/true"
SLEEP = shutil.which("sleep") or "/bin/sleep"

_PIPEKIT = '[pipeline]\nstages = ["one", "two", "three"]\n\n[sinks.console]\n'

_DOIT = """\
import os

ACTION = os.environ["COMMAND"].split()


def task_one():
    return {"actions": [ACTION]}


def task_two():
    return {"actions": [ACTION], "task_dep": ["one"]}


def task_three():
    return {"actions": [ACTION], "task_dep": ["two"]}
"""

_LUIGI = """\
import os
import subprocess

import luigi

COMMAND = os.environ["COMMAND"].split()


class Trivial(luigi.Task):
    number = luigi.IntParameter()
    done = False

    def requires(self):
        return [Trivial(self.number - 1)] if self.number > 1 else []

    def run(self):
        subprocess.run(COMMAND, check=True)
        self.done = True

    def complete(self):
        return self.done


if __name__ == "__main__":
    result = luigi.build([Trivial(3)], local_scheduler=True, log_level="WARNING")
    raise SystemExit(not result)
"""


FILES = {
    "pipekit": ("pipekit.toml", _PIPEKIT),
    "doit": ("dodo.py", _DOIT),
    "luigi": ("tasks.py", _LUIGI),
}


@dataclass(frozen=True)
class Case:
    """A command of `tool` that does `work`, started in `folder`, whose tasks run `command`."""

    tool: str
    work: str
    argv: tuple[str, ...]
    folder: Path
    command: str = TRUE

    def start(self, output: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """The process; its output goes nowhere unless told otherwise."""
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        return subprocess.Popen(
            self.argv,
            cwd=self.folder,
            env={**kept, "COMMAND": self.command},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output if output == subprocess.DEVNULL else subprocess.STDOUT,
        )

    def output(self) -> tuple[int, str]:
        """Its exit code and what it says."""
        process = self.start(subprocess.PIPE)
        output = process.communicate()[0].decode(errors="replace")
        return process.returncode, output


def prepare(folder: Path, environments: dict[str, Environment]) -> list[Case]:
    """Write a project for each tool below `folder`; the cases to measure on them."""
    python = environments["pipekit"].program("python")
    cases = [
        Case("python", "pass", (python, "-c", "pass"), folder),
        Case("python", "import click", (python, "-c", "import click"), folder),
        Case("python", LIBRARIES, (python, "-c", LIBRARIES), folder),
    ]
    for tool, environment in environments.items():
        name, text = FILES[tool]
        (folder / tool).mkdir()
        (folder / tool / name).write_text(text)
        commands = _commands(tool, environment).items()
        cases += [Case(tool, work, argv, folder / tool) for work, argv in commands]
    return cases


def _commands(tool: str, environment: Environment) -> dict[str, tuple[str, ...]]:
    """Each tool's shortest way to run, to say its version, to help, to show its state."""
    program = environment.program(tool)
    if tool == "luigi":
        return {"run": (environment.program("python"), "tasks.py"), "--help": (program, "--help")}
    other = {"--help": "help", "status": "list"} if tool == "doit" else {}
    works = ("run", "--version", "--help", "status")
    return {work: (program, other.get(work, work)) for work in works}


def check(case: Case) -> None:
    """Run once with a command that leaves a trace: three tasks, each once, and what was promised.

    Raises SystemExit with the output of a tool that did something else.
    """
    (case.folder / "trace.sh").write_text("echo ran >> trace.txt\n")
    code, output = replace(case, command="/bin/sh trace.sh").output()
    traces = case.folder / "trace.txt"
    count = len(traces.read_text().splitlines()) if traces.exists() else 0
    if code or count != TASKS:
        raise SystemExit(f"{case.tool} ran {count} tasks, exit {code}:\n{output}")
    if case.tool == "pipekit":
        _check_records(case.folder / "logs")


def _check_records(logs: Path) -> None:
    """A journal that ends with the run's success, and a report."""
    journals = list(logs.glob("events/pipeline_*.jsonl"))
    reports = list(logs.glob("pipeline_report_*.json"))
    if (len(journals), len(reports)) != (1, 1):
        raise SystemExit(f"pipekit left {len(journals)} journals and {len(reports)} reports")
    last = journals[0].read_text().splitlines()[-1]
    if '"success"' not in last or '"pipeline"' not in last:
        raise SystemExit(f"pipekit's journal does not end with success: {last}")
