"""What a project's size costs: rows, events, runs and raw files, a few beside very many.

    uv run python benchmarks/scale/run.py [--rounds 5] [--write]

All projects are made anew below the system's temporary folder (about 1 GB, removed at the end).
`--write` puts the tables into docs/explanation/performance.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import projects
import venvs
from venvs import Environment

LAUNCH = Path(__file__).resolve().parents[1] / "data/launch.py"
FEW, MANY = "few", "many"
SIZES = {
    "rows": (1_000, 1_000_000),
    "events": (1_000, 1_000_000),
    "runs": (10, 35_000),
    "files": (10_000, 100_000),
}
COMMANDS = {
    "rows": ("run",),
    "events": ("run", "status", "events"),
    "runs": ("status", "history"),
    "files": ("plan", "run"),
}
TITLES = {
    "rows": "files that the ledger knows",
    "events": "events in the latest journal",
    "runs": "runs in the ledger",
    "files": "raw files, all consumed",
}


@dataclass(frozen=True)
class Case:
    """A command in a project: `of` names what there are few or many of."""

    of: str
    size: str
    command: str
    folder: Path
    argv: Sequence[str]
    kept: Path  # a copy of the state and the logs, to start from each time

    def ready(self) -> None:
        """Take back what an earlier start has added, so that all find the same."""
        if self.of == "events" and self.command == "run":
            for name in (".pipekit", "logs"):
                shutil.rmtree(self.folder / name)
            shutil.copytree(self.kept / ".pipekit", self.folder / ".pipekit")
            shutil.copytree(self.kept / "logs", self.folder / "logs", copy_function=os.link)


@dataclass(frozen=True)
class Taken:
    """Milliseconds, and megabytes of the largest process."""

    time: float
    memory: float


def main() -> None:
    options = common.parser(__doc__, "scale", 5).parse_args()
    print("building the environment", file=sys.stderr)
    wheels = [venvs.REPOSITORY, venvs.PLUGIN]
    wheels += [venvs.REPOSITORY / "plugins" / name for name in ("kernels", "translator")]
    pipekit = venvs.pipekit(options.cache / "pipekit", wheels)
    with tempfile.TemporaryDirectory(prefix="pipekit-scale-") as folder:
        found = Results(Path(folder), pipekit, options.rounds)
        version = f"pipekit {pipekit.versions['pipekit']}"
        text = f"{common.conditions([version])} {found.render()}"
    print(text)
    if options.write:
        common.put(common.PERFORMANCE, "scale", text)


class Results:
    """All figures, taken when it is made."""

    def __init__(self, folder: Path, pipekit: Environment, rounds: int) -> None:
        self._pipekit = pipekit
        self._rounds = rounds
        self._taken: dict[tuple[str, str, str], list[Taken]] = defaultdict(list)
        cases = list(self._cases(folder))
        for case in cases:
            case.ready()
            taken(case.argv, case.folder)  # warms the file cache
        for case in common.shuffled(cases, rounds):
            case.ready()
            self._taken[case.of, case.size, case.command].append(taken(case.argv, case.folder))

    def _cases(self, folder: Path) -> Iterator[Case]:
        make = {
            "rows": projects.with_rows,
            "events": projects.with_events,
            "runs": projects.with_runs,
        }
        for of, sizes in SIZES.items():
            for size, count in zip((FEW, MANY), sizes, strict=True):
                print(f"making {count:,} {of}", file=sys.stderr)
                place = folder / f"{of}-{size}"
                if of == "files":
                    self._first_run(place, size, count)
                else:
                    make[of](place, self._pipekit, count)
                kept = folder / f"{of}-{size}-kept"
                for name in (".pipekit", "logs"):
                    shutil.copytree(place / name, kept / name)
                for command in COMMANDS[of]:
                    argv = [self._pipekit.program("pipekit"), command]
                    yield Case(of, size, command, place, argv, kept)
        find = ["find", "data/raw", "-printf", "%s %T@ %p\\n"]
        files = folder / f"files-{MANY}"
        yield Case("files", MANY, "find", files, find, files)
        argv = [self._pipekit.program("pipekit"), "--version"]
        yield Case("files", MANY, "--version", files, argv, files)

    def _first_run(self, place: Path, size: str, count: int) -> None:
        """The first run, and sha256sum over the same files: three times each."""
        projects.with_files(place, count)
        sums = ["sh", "-c", "find data/raw -type f -print0 | xargs -0 sha256sum"]
        time.sleep(2.1)  # until the files count as complete
        argv = [self._pipekit.program("pipekit"), "run"]
        taken(argv, place)  # compiles the kernels, and fills the file cache
        for _ in range(3):
            for name in (".pipekit", "logs", "data/processed"):
                shutil.rmtree(place / name)
            self._taken["files", size, "sha256sum"].append(taken(sums, place))
            self._taken["files", size, "first run"].append(taken(argv, place))

    def render(self) -> str:
        """All tables, as Markdown."""
        how = f"Medians of {self._rounds} starts, in shuffled order; of the first run, of 3."
        commands = dict(COMMANDS, files=(*COMMANDS["files"], "first run", "sha256sum"))
        rows = [
            [
                TITLES[of],
                f"`{command}`" if command in COMMANDS[of] else command,
                *(
                    f"{self._ms(of, size, command):,.0f} ms, {self._mb(of, size, command):.0f} MB"
                    for size in (FEW, MANY)
                ),
            ]
            for of in SIZES
            for command in commands[of]
        ]
        head = ["what there is much of", "work", "few", "many"]
        sizes = "; ".join(
            f"{TITLES[of]}: {few:,} and {many:,}" for of, (few, many) in SIZES.items()
        )
        found = f"`find -printf` over the many files: {self._ms('files', MANY, 'find'):.0f} ms."
        return "\n\n".join(
            [how, f"{sizes}.", common.table(head, rows), found, common.bars(self._bars())]
        )

    def _bars(self) -> Iterator[tuple[str, str, bool]]:
        for of, commands, most, memory in (
            ("rows", ("run",), 3, 300),
            ("events", ("run", "status", "events"), 1.5, 60),
            ("runs", ("status", "history"), 1.5, None),
        ):
            for command in commands:
                ratio = self._ms(of, MANY, command) / self._ms(of, FEW, command)
                yield f"{of}: `{command}` ≤ {most} × few", f"{ratio:.2f} ×", ratio <= most
                used = self._mb(of, MANY, command)
                if memory is not None:
                    yield f"{of}: `{command}` ≤ {memory} MB", f"{used:.0f} MB", used <= memory
        start = self._ms("files", MANY, "--version")
        find = self._ms("files", MANY, "find") - self._start()
        for command in COMMANDS["files"]:
            ratio = (self._ms("files", MANY, command) - start) / find
            text = f"files: `{command}` ≤ 5 × find, process start apart"
            yield text, f"{ratio:.2f} ×", ratio <= 5
        first = self._ms("files", MANY, "first run")
        for name, other, most in (
            ("sha256sum", self._ms("files", MANY, "sha256sum"), 20),
            ("that of a tenth", self._ms("files", FEW, "first run"), 11),
        ):
            ratio = first / other
            yield f"files: first run ≤ {most} × {name}", f"{ratio:.1f} ×", ratio <= most
        used = self._mb("files", MANY, "first run")
        yield "files: first run ≤ 150 MB", f"{used:.0f} MB", used <= 150

    def _start(self) -> float:
        """Milliseconds to start a process that does nothing."""
        return median(taken(["true"], Path.cwd()).time for _ in range(5))

    def _ms(self, of: str, size: str, command: str) -> float:
        return median(each.time for each in self._taken[of, size, command])

    def _mb(self, of: str, size: str, command: str) -> float:
        return median(each.memory for each in self._taken[of, size, command])


def taken(argv: Sequence[str], folder: Path) -> Taken:
    """What a command takes (see data/launch.py). Raises SystemExit if it fails."""
    with tempfile.NamedTemporaryFile() as output:
        done = subprocess.run(
            [sys.executable, str(LAUNCH), output.name, str(os.cpu_count()), *argv],
            cwd=folder,
            env={**os.environ, "COMMAND": shutil.which("true") or "true"},
            stdout=subprocess.PIPE,
            check=True,
        )
        used = json.loads(done.stdout)
        if used["code"]:
            said = output.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(argv)} in {folder} ended with {used['code']}:\n{said}")
    return Taken(used["seconds"] * 1000, used["memory"])


if __name__ == "__main__":
    main()
