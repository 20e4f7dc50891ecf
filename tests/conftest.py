"""Projects, plugins and commands for the tests: real files, real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Let nothing depend on where the tests are started, and how busy the machine is.

    Programs inherit the ignored signals of a shell's `&`, a terminal's width, and whether Python
    keeps what it compiles.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    # Else each of some thousand programs would compile all that it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # How long an example takes depends on what else the machine does.
    settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any")
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs POSIX on Windows; the marker says in a word what it is."""
    if sys.platform != "win32":
        return
    for item in items:
        if marker := item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason=f"POSIX: {marker.args[0]}"))


class Finished:
    """A command that has ended: exit code and what it printed."""

    def __init__(self, process: subprocess.CompletedProcess[str]) -> None:
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class ProjectFolder:
    """A folder with a pipekit.toml, plugins of its own beside it, and `pipekit` to run in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.site = folder / "site"
        self.root.mkdir()
        self.site.mkdir()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PIPEKIT_")}
        self.env["PYTHONPATH"] = str(self.site)
        self.env["PYTHONIOENCODING"] = "utf-8"  # not the code page of a Windows

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), "utf-8")
        return file

    def config(self, text: str) -> None:
        self.write("pipekit.toml", text)

    def plugin(
        self,
        name: str,
        code: str,
        *,
        dist: str | None = None,
        version: str = "0.1",
        group: str = "pipekit",
    ) -> None:
        """An installed distribution: a module and its dist-info, in a folder on the path."""
        module = f"{name}_plugin"
        (self.site / f"{module}.py").write_text(textwrap.dedent(code), "utf-8")
        info = self.site / f"{(dist or name).replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {dist or name}\nVersion: {version}\n"
        )
        info.joinpath("entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")

    def pipekit(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        lead: Sequence[str] = (),
        **more: Any,
    ) -> Finished:
        """Run a command; `lead`: what starts it, as `nice`; `more`: for `subprocess.run`."""
        return self._run([*lead, sys.executable, "-m", "pipekit", *words], env, **more)

    def run_python(self, code: str) -> Finished:
        """Run a script in the project's folder."""
        return self._run([sys.executable, "-c", code])

    def _run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, **more: Any
    ) -> Finished:
        more = {"timeout": 120, **more}
        env = {**self.env, **(env or {})}
        pipes: dict[str, Any] = {"capture_output": True, "encoding": "utf-8"}
        return Finished(subprocess.run(argv, cwd=self.root, env=env, check=False, **pipes, **more))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipekit", *words],
            cwd=self.root,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def events(self) -> list[dict[str, Any]]:
        """Those of the latest run."""
        journal = max((self.root / "logs/events").glob("*.jsonl"))
        return [json.loads(line) for line in journal.read_text("utf-8").splitlines()]

    def report(self) -> dict[str, Any]:
        """That of the latest run (run ids sort by time)."""
        files = (self.root / "logs").glob("pipeline_report_*.json")
        newest = max(files, key=lambda path: path.stem.rpartition("_")[2])
        return json.loads(newest.read_text("utf-8"))


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path)


@pytest.fixture(scope="session")
def project_in() -> type[ProjectFolder]:
    """Makes a further project, in a folder that is there."""
    return ProjectFolder


@pytest.fixture
def holding() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a script, which says `held` and waits for its input; it dies with the test."""
    with contextlib.ExitStack() as started:

        def start(code: str, *words: object) -> subprocess.Popen[str]:
            argv = [sys.executable, "-c", code, *map(str, words)]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = started.enter_context(subprocess.Popen(argv, text=True, **pipes))
            started.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            return process

        yield start


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the real market data (shared/data beside the project) is not here")
    return SHARED


@pytest.fixture(autouse=True)
def _nothing_leaks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that leaves an environment variable, a process or a working directory fails."""
    before = (dict(os.environ), os.getcwd(), _children())
    yield
    monkeypatch.undo()
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    expected = {k: v for k, v in before[0].items() if k != "PYTEST_CURRENT_TEST"}
    assert environment == expected, "the test changed the environment"
    assert os.getcwd() == before[1], "the test changed the working directory"
    deadline = time.monotonic() + 5  # one that is ending may take a moment
    while not _children() <= before[2]:
        assert time.monotonic() < deadline, "the test left a process behind"
        time.sleep(0.02)


def _children() -> set[str]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    if not tasks.is_dir():
        return set()
    return {pid for task in tasks.iterdir() for pid in _read(task / "children").split()}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Wait until something holds, with a deadline in seconds."""
    import time

    def wait(holds: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come to hold in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def on_a_terminal() -> Callable[..., list[str]]:
    """The lines that a terminal so many columns wide shows of a command that ends with 0."""
    if sys.platform == "win32":
        pytest.skip("it needs a pseudo-terminal")
    import termios

    def show(folder: Path, width: int, *words: str, env: Mapping[str, str]) -> list[str]:
        ours, theirs = os.openpty()
        try:
            termios.tcsetwinsize(theirs, (24, width))
            done = subprocess.Popen(
                [sys.executable, "-m", "pipekit", *words],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=subprocess.DEVNULL,
            )
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the end of a terminal nobody writes to any more
                while part := os.read(ours, 65536):
                    shown += part
            assert done.wait(30) == 0
        finally:
            os.close(ours)
        return [line.rstrip("\r") for line in shown.decode().splitlines()]

    return show
