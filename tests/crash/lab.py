"""Projects whose runs are killed and disturbed, and what must hold of them, seen from outside."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import count_plugin
from .tracer import Point, Rule

HERE = Path(__file__).parent
CONFIG = """
[pipeline]
stages = ["clean", "count", "top"]
quiet_seconds = 0
workers = 2
"""
ERRNOS = ("EAGAIN", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EIO", "EROFS", "EDQUOT")
PATIENCE = 60  # seconds for a run; on an idle machine it takes a quarter of one
ENDS = {"success", "partial", "failure", "cancelled", "idle"}
EXIT_CODES = {"success": {0}, "idle": {0}, "partial": {1}, "failure": {2, 3},
              "cancelled": {129, 130, 143}}  # fmt: skip
_ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_STAMP = r"[0-9]{8}_[0-9]{6}"
KNOWN_FILES = re.compile(
    rf"""
      pipekit\.toml
    | data/(raw|clean|count)/[^./][^/]*\.txt | data/top\.txt
    | \.pipekit/(state\.db(-wal|-shm)?|lock|lock\.json|refused\.json)
    | logs/pipeline_{_STAMP}_({_ID})\.log
    | logs/pipeline_report_{_STAMP}_({_ID})\.json
    | logs/events/pipeline_({_ID})\.jsonl
    | logs/runs/({_ID})/(clean|count|top)/[a-z]+[0-9]\.(out|err|report)
    """,
    re.VERBOSE,
)


class Run(NamedTuple):
    """A traced run: its exit code (negative for a signal), its points and what it printed."""

    code: int
    points: list[Point]
    out: str
    err: str


def traced(
    root: Path,
    folder: Path,
    env: Mapping[str, str],
    rules: Iterable[Rule],
    words: Sequence[str] = ("run",),
) -> Run:
    """`pipekit run` in a project, with what the rules say; returns when nothing is left of it.

    `words`: of another command.

    `folder`: for files of the tracer, outside of the project.
    """
    plan, log = folder / "plan.json", folder / "trace.json"
    asked = {
        "root": str(root),
        "log": str(log),
        "patience": PATIENCE,
        "rules": [rule._asdict() for rule in rules],
    }
    plan.write_text(json.dumps(asked))
    tracer = [sys.executable, "-S", str(HERE / "tracer.py"), str(plan)]
    done = subprocess.run(
        [*tracer, sys.executable, "-m", "pipekit", *words],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(log.read_text())
    assert not result["hung"], f"the run did not end in {PATIENCE} s: {done.stderr}"
    points = [Point(*point) for point in result["points"]]
    return Run(result["code"], points, done.stdout, done.stderr)


_MEASURE = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (1, 2)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, used = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)
"""
"""Prints the exit code and the peak of memory (KiB) of a command. A small process, since the peak
of a child includes its parent's memory, which it has until it executes the command."""


class Lab:
    """A project of the three stages of `count_plugin`, in a folder of its own."""

    def __init__(self, folder: Path, template: Lab | None = None) -> None:
        """Make the project, or copy another one, as it is."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.root = self.folder / "project"
        self.site = self.folder / "site"
        self.temporary = self.folder / "tmp"
        self.mark = uuid.uuid4().hex
        if template is None:
            self._make()
        else:
            shutil.copytree(template.root, self.root, symlinks=True)
            shutil.copytree(template.site, self.site)
        self.temporary.mkdir()

    def _make(self) -> None:
        self.root.mkdir()
        self.root.joinpath("pipekit.toml").write_text(CONFIG)
        info = self.site / "count-0.1.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: count\nVersion: 0.1\n")
        info.joinpath("entry_points.txt").write_text("[pipekit]\ncount = count_plugin\n")
        shutil.copy(HERE / "count_plugin.py", self.site)
        for name in ("raw", "clean", "count"):
            self.root.joinpath("data", name).mkdir(parents=True)

    # --- what is done to it ----------------------------------------------------------------------

    @property
    def env(self) -> dict[str, str]:
        """Without the settings of whoever runs the tests; children carry the mark."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("PIPEKIT_")}
        path = os.pathsep.join(filter(None, [str(self.site), os.environ.get("PYTHONPATH")]))
        return {**env, "PYTHONPATH": path, "TMPDIR": str(self.temporary), "CRASH_LAB": self.mark}

    def put(self, raw: Mapping[str, str | bytes | None]) -> None:
        """Write raw files by name; None removes one."""
        for name, content in raw.items():
            path = self.root / count_plugin.RAW / name
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    def pipekit(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command in the project, not traced."""
        return subprocess.run(
            [sys.executable, "-m", "pipekit", *words],
            cwd=self.root,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def measured(self) -> tuple[int, int, int]:
        """A run's exit code, its peak of memory in bytes, and its descriptors at its last plan."""
        note = self.folder / "descriptors"
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MEASURE, sys.executable, "-m", "pipekit", "run"],
            cwd=self.root,
            env={**self.env, "CRASH_DESCRIPTORS": str(note)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        code, peak = map(int, run.stdout.split())
        return code, peak * 1024, int(note.read_text())

    def traced(
        self,
        *rules: Rule,
        env: Mapping[str, str] | None = None,
        words: Sequence[str] = ("run",),
    ) -> Run:
        """`pipekit run`, with what the rules say; returns when nothing is left of its tree.

        `words`: of another command.
        """
        return traced(self.root, self.folder, {**self.env, **(env or {})}, rules, words)

    # --- what is seen of it ----------------------------------------------------------------------

    def raw(self) -> dict[str, bytes]:
        """The raw files by name."""
        return {path.name: path.read_bytes() for path in self._files(count_plugin.RAW)}

    def published(self) -> dict[str, bytes]:
        """All that was published, by path."""
        found = [*self._files(count_plugin.CLEAN), *self._files(count_plugin.COUNT)]
        top = self.root / count_plugin.TOP
        found += [top] if top.exists() else []
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}

    def _files(self, folder: str) -> list[Path]:
        return sorted((self.root / folder).glob("[!.]*"))

    def files(self) -> Iterator[str]:
        """Every file in the project, by path."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def rows(self) -> dict[str, tuple[int, str | None, int | None]]:
        """Number, status and exit code of each run in the ledger, by id, oldest first."""
        assert self.query("PRAGMA integrity_check") == [("ok",)]
        rows = self.query("SELECT run_id, number, status, exit_code FROM runs ORDER BY number")
        return {run_id: (number, status, code) for run_id, number, status, code in rows}

    def query(self, text: str) -> list[Any]:
        """What the ledger answers."""
        with contextlib.closing(sqlite3.connect(self.root / ".pipekit/state.db")) as connection:
            return connection.execute(text).fetchall()

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        """The records of a run's journal, each line of which must be whole."""
        path = self.root / f"logs/events/pipeline_{run_id}.jsonl"
        assert path.exists(), f"run {run_id} has no journal"
        data = path.read_bytes()
        assert data.endswith(b"\n"), f"the journal of {run_id} has a torn last line"
        return [json.loads(line) for line in data.splitlines()]

    def left_processes(self) -> list[str]:
        """The command lines of processes of this lab that still live."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if self.mark.encode() in Path(f"/proc/{name}/environ").read_bytes():
                    found.append(Path(f"/proc/{name}/cmdline").read_bytes().decode())
            except OSError:
                continue
        return found


def check_whole(lab: Lab, raw: Mapping[str, bytes]) -> None:
    """What holds at any time: inputs in place, published files whole."""
    assert lab.raw() == raw, "raw files were changed"
    for path, data in lab.published().items():
        try:
            count_plugin.opened(data)
        except ValueError as error:
            raise AssertionError(f"{path}: {error}") from error


def check_told(lab: Lab, codes: Mapping[str, int] | None = None, kept: int | None = None) -> None:
    """What holds after a run that nobody disturbed.

    Each run has one terminal event and one report, and all name one status and exit code; `codes`:
    those of the processes that have ended by themselves, by run id. Nothing is left behind.
    `kept`: so many of the latest runs must have their files; those of older ones may have been
    removed, but all together.
    """
    rows = lab.rows()
    most = len(rows) + 100  # refused runs count, too: at most twenty are kept
    history = lab.pipekit("history", "--all", "--json", "-n", str(most))
    assert history.returncode == 0, history.stderr
    listed = {
        each["run_id"]: (each["run"], each["status"], each["exit_code"])
        for each in json.loads(history.stdout)
        if each["status"] != "refused"  # a run that the ledger does not know
    }
    assert listed == rows, "`history` and the ledger disagree"
    for run_id, (number, status, code) in rows.items():
        name = f"run {number}"
        if kept is not None and number <= len(rows) - kept and not _files_of(lab, run_id):
            continue
        assert status in ENDS, f"{name} has no status"
        assert code in EXIT_CODES[status], f"{name}: {status} with exit code {code}"
        assert (codes or {}).get(run_id, code) == code, f"{name}: process and ledger disagree"
        records = lab.journal(run_id)
        ends = [r for r in records if r["stage"] == "pipeline" and r["event"] in ENDS]
        assert ends == [records[-1]], f"{name}: terminal events {[r['event'] for r in ends]}"
        told = (ends[0]["event"], ends[0]["data"]["exit_code"])
        assert told == (status, code), f"{name}: the journal says {told}, not {status} {code}"
        numbers = [record["seq"] for record in records]
        assert sorted(set(numbers)) == numbers, f"{name}: events are numbered {numbers}"
        reports = list(lab.root.glob(f"logs/pipeline_report_*_{run_id}.json"))
        assert len(reports) == 1, f"{name} has {len(reports)} reports"
        report = json.loads(reports[0].read_text("utf-8"))
        told = (report["run"], report["status"], report["exit_code"])
        assert told == rows[run_id], f"{name}: the report says {told}, not {rows[run_id]}"
    check_nothing_left(lab, rows)


def _files_of(lab: Lab, run_id: str) -> list[Path]:
    return list(lab.root.glob(f"logs/**/*{run_id}.*"))


def check_nothing_left(lab: Lab, rows: Mapping[str, Any]) -> None:
    """The lock is free; no process, no temporary file and no file of a run that nobody knows."""
    left = lab.left_processes()
    assert not left, f"processes are left: {left}"
    with open(lab.root / ".pipekit/lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not os.listdir(lab.temporary), "files are left in TMPDIR"
    for path in lab.files():
        match = KNOWN_FILES.fullmatch(path)
        assert match, f"{path} was left"
        ids = {value for value in match.groups() if value and re.fullmatch(_ID, value)}
        assert ids <= rows.keys(), f"{path} belongs to no run"


# --- disturbed runs ------------------------------------------------------------------------------

OLD = {f"old{n}.txt": "".join(f"{'abcde'[i % 5]} {n * i}\n" for i in range(20)) for n in range(3)}
NEW: dict[str, str | None] = {
    "new.txt": "a 1000\nb 2000\n",
    "old1.txt": f"{OLD['old1.txt']}e 7\n",  # it has grown
    "old2.txt": None,  # withdrawn
}


def prepared(folder: Path) -> Lab:
    """A project with one run behind it and work before it, to be copied."""
    lab = Lab(folder)
    lab.put(OLD)
    assert lab.pipekit("run").returncode == 0
    assert lab.published() == count_plugin.expected(lab.raw())
    lab.put(NEW)
    return lab


def check_disturbed(lab: Lab, rules: Iterable[Rule]) -> None:
    """One run for each rule, each disturbed by it; then one that nobody disturbs.

    Whatever happened, the disturbed ones tell no false word, and the last does all that is left:
    its results are those of a project in which nothing happened.
    """
    raw = lab.raw()
    truth = count_plugin.expected(raw)
    codes: dict[str, int] = {}
    for rule in rules:
        before = lab.rows()
        run = lab.traced(rule)
        check_whole(lab, raw)
        assert "Traceback" not in run.err + run.out, run.err
        assert run.code in (0, 1, 2) or "pipekit: " in run.err or run.code < 0, run
        assert run.code != 0 or lab.published() == truth, "exit code 0 without all results"
        assert not lab.left_processes()
        if run.code >= 0:
            codes.update(dict.fromkeys(lab.rows().keys() - before.keys(), run.code))
    # A worker that was killed in two runs backs off; nothing else does.
    after = lab.pipekit("run", "--retry")
    assert after.returncode == 0, f"the next run: exit {after.returncode}: {after.stderr}"
    assert "Traceback" not in after.stderr, after.stderr
    check_whole(lab, raw)
    assert lab.published() == truth, "the results are not those of an undisturbed project"
    check_told(lab, codes)
