"""The tools of the comparison: what each is installed from, and how each is given a command.

Each gets the best that its documentation offers for ending what it started; see README.md.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import venvs
from venvs import Environment

HERE = Path(__file__).parent
DRIVERS = HERE / "drivers"
DEADLINE = 900.0  # seconds for one start of any figure
PYTHON = sys._base_executable  # type: ignore[attr-defined]  # no public name for it
REQUIREMENTS = {  # exact: an index may offer much older ones
    "psutil": ["psutil==7.2.2"],
    "supervisord": ["supervisor==4.3.0"],
    "circus": ["circus==0.19.0"],
    "luigi": ["luigi==3.8.1", "psutil==7.2.2"],  # with psutil it ends a task's children, too
    "snakemake": ["snakemake==9.27.1"],
    "doit": ["doit==0.37.0"],
    "prefect": ["prefect==3.8.8", "fastapi==0.150.0"],  # with a later one its server does not load
}

_SUPERVISORD = """\
[supervisord]
nodaemon = true
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {folder}

[program:tree]
command = {tree}
autorestart = false
startsecs = 0
startretries = 0
stopasgroup = true
killasgroup = true
stopwaitsecs = {seconds}
stdout_logfile = {folder}/captured.txt
stdout_logfile_maxbytes = 0
redirect_stderr = true
"""

_CIRCUS = """\
[circus]
endpoint = ipc://{folder}/endpoint
pubsub_endpoint = ipc://{folder}/pubsub
check_delay = 1

[watcher:tree]
cmd = {tree}
graceful_timeout = {grace}
stop_children = true
respawn = false
copy_env = true
stdout_stream.class = FileStream
stdout_stream.filename = {folder}/captured.txt
"""

PACKAGES = {"supervisord": "supervisor"}  # where it is not called like the program
PREFECT = {
    "PREFECT_HOME": "{folder}/home",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
_PIPEKIT = '[pipeline]\nstages = ["one"]\n\n[stages.one]\ngrace = {grace}\n\n[sinks.console]\n'


@dataclass(frozen=True)
class Job:
    """One command for a tool: its words, after how long it is to be stopped (0: never), in what."""

    command: tuple[str, ...]
    timeout: float
    grace: float
    folder: Path

    @property
    def text(self) -> str:
        """The words as a shell would want them."""
        return shlex.join(self.command)


Prepare = Callable[[Job], list[str]]


@dataclass(frozen=True)
class Tool:
    """A contestant: `prepare` writes what it needs into the job's folder and gives the words.

    `settings` are environment variables that it wants, with {folder} for the job's.
    """

    name: str
    version: str
    prepare: Prepare
    times_out: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    def environment(self, job: Job) -> dict[str, str]:
        """What the drivers read, and what the tool itself wants to be told."""
        told = {"COMMAND": job.text, "TIMEOUT": f"{job.timeout:g}", "GRACE": f"{job.grace:g}"}
        return {**told, **{k: v.format(folder=job.folder) for k, v in self.settings.items()}}


def environments(cache: Path) -> dict[str, Environment]:
    """An environment for each peer, from the cache where it is there, and a new one for pipekit."""
    found = {name: venvs.peer(cache / name, wanted) for name, wanted in REQUIREMENTS.items()}
    found["pipekit"] = venvs.pipekit(cache / "pipekit", [venvs.REPOSITORY, venvs.PLUGIN])
    return found


def tools(found: Mapping[str, Environment]) -> list[Tool]:
    """All contestants, in the order of the tables."""
    version = {name: each.versions[PACKAGES.get(name, name)] for name, each in found.items()}
    version |= dict.fromkeys(("subprocess.run", "asyncio"), sys.version.split()[0])
    said = subprocess.check_output(["timeout", "--version"], text=True)
    version["GNU timeout"] = said.split("\n")[0].rpartition(" ")[2]

    def program(environment: str, name: str = "python") -> str:
        return found[environment].program(name)

    def driver(environment: str, name: str) -> Prepare:
        """A program of this benchmark that uses a library."""
        python = program(environment) if environment else PYTHON
        return lambda _: [python, str(DRIVERS / name)]

    def tool(name: str, prepare: Prepare, of: str = "", **more: object) -> Tool:
        return Tool(name, version[of or name], prepare, **more)

    supervisord = _configured(program("supervisord", "supervisord"), "-c", _SUPERVISORD)
    circus = _configured(program("circus", "circusd"), "", _CIRCUS)
    run = _pipekit(program("pipekit", "pipekit"))
    return [
        tool("subprocess.run", driver("", "subprocess_run.py")),
        tool("asyncio", driver("", "asyncio_exec.py")),
        tool("psutil's recipe", driver("psutil", "psutil_recipe.py"), "psutil"),
        tool("GNU timeout", _timeout),
        tool("supervisord", supervisord, times_out=False),
        tool("circus", circus, times_out=False),
        tool("luigi", driver("luigi", "luigi_task.py")),
        tool("snakemake", _snakemake(program("snakemake", "snakemake")), times_out=False),
        tool("doit", _doit(program("doit", "doit")), times_out=False),
        tool("prefect", _prefect(program("prefect")), settings=PREFECT),
        tool("pipekit, `execute`", driver("pipekit", "pipekit_execute.py"), "pipekit"),
        tool("pipekit, `run`", run, "pipekit"),
    ]


def _timeout(job: Job) -> list[str]:
    return ["timeout", "-k", f"{job.grace:g}", f"{job.timeout:g}", *job.command]


def _configured(program: str, option: str, text: str) -> Prepare:
    """A program with a configuration file."""

    def prepare(job: Job) -> list[str]:
        path, grace = job.folder / "tool.ini", job.grace
        words = {"folder": job.folder, "tree": job.text, "grace": grace}
        path.write_text(text.format(**words, seconds=max(1, round(grace))))
        return [word for word in (program, option, str(path)) if word]

    return prepare


def _snakemake(program: str) -> Prepare:
    words = ["--cores", "1", "--quiet", "--snakefile", str(DRIVERS / "Snakefile")]
    return lambda job: [program, *words, "--directory", str(job.folder)]


def _doit(program: str) -> Prepare:
    words = [program, "--file", str(DRIVERS / "dodo.py")]
    return lambda job: [*words, "--dir", str(job.folder), "--db-file", str(job.folder / "db")]


def _prefect(python: str) -> Prepare:
    """Each job gets a home of its own, with a database that is there already: making it is slow."""
    words = [python, str(DRIVERS / "prefect_flow.py")]
    template = Path(python).parents[1] / "home"
    if not template.exists():
        job = Job(("true",), 0, 0, template.with_name("new"))
        env = {**os.environ, **Tool("", "", lambda _: words, settings=PREFECT).environment(job)}
        job.folder.mkdir(exist_ok=True)
        subprocess.run(words, env=env, stdout=subprocess.DEVNULL, check=True, timeout=120)
        (job.folder / "home").rename(template)

    def prepare(job: Job) -> list[str]:
        shutil.copytree(template, job.folder / "home")
        return words

    return prepare


def _pipekit(program: str) -> Prepare:
    def prepare(job: Job) -> list[str]:
        (job.folder / "pipekit.toml").write_text(_PIPEKIT.format(grace=job.grace))
        return [program, "run"]

    return prepare
