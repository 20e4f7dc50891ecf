"""Work that fails in run after run, and in which run it is tried again.

Work is a pending file of a stage, or a task of a plan without such files. It is the same work while
its signature, the settings and the plugin stay the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from pipekit.model.quantity import listed
from pipekit.storage.runs import RunHistory

_FAILING = (
    "SELECT task, path, signature, settings, version, failures, run, due, what, reason "
    "FROM failing WHERE stage = ? ORDER BY path, task"
)
_MANY = 3  # names in a sentence

Key = tuple[str, str]  # a task, or else a path


class Failing(NamedTuple):
    """Work that failed `failures` times in a row, in `run` at last; `due`: the run to try it in.

    `signature`: of the file, or of all that the task is about. `settings`: a digest. `what`: the
    units or the task, for people.
    """

    task: str
    path: str
    signature: str
    settings: str
    version: str
    failures: int = 1
    run: int = 0
    due: int = 0
    what: str = ""
    reason: str = ""

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.task, self.path

    def is_same(self, other: Failing) -> bool:
        """Whether nothing has changed that it depends on."""
        return self[:5] == other[:5]

    def again(self, before: Failing | None, run: int, longest: int) -> Failing:
        """What to remember of a failure in this run, given what is remembered of the last one."""
        known = before.failures if before is not None and self.is_same(before) else 0
        wait = min(2 ** min(known, 30), max(longest, 1))
        return self._replace(failures=known + 1, run=run, due=run + wait)


class BackOff:
    """Which failing work of a stage a plan leaves out. `left_out` collects it.

    `number`: of the run that is planned. `longest`: the runs to leave it out for, at most.
    """

    def __init__(self, known: Mapping[Key, Failing], number: int, version: str, longest: int):
        self.left_out: dict[Key, Failing] = {}
        self._known = known
        self._number = number
        self._version = version
        self._longest = longest

    def __bool__(self) -> bool:
        return bool(self._known)

    def __contains__(self, key: Key) -> bool:
        return key in self._known

    def leaves_out(self, key: Key, signature: str, settings: str) -> bool:
        """Whether this work is left for a later run."""
        known = self._known.get(key)
        if known is None or min(known.due, known.run + self._longest) <= self._number:
            return False
        if not known.is_same(Failing(*key, signature, settings, self._version)):
            return False
        self.left_out[key] = known
        return True


class FailingWork(RunHistory):
    """The part of the ledger about failing work; one of an older pipekit knows of none."""

    def failing(self, stage: str) -> dict[Key, Failing]:
        """The failing work of a stage."""
        if not self._read("SELECT 1 FROM sqlite_master WHERE name = 'failing'", ()):
            return {}
        found = (Failing(*row) for row in self._read(_FAILING, (stage,)))
        return {each.key: each for each in found}

    def last_run(self) -> int:
        """The number of the latest run; 0 before the first."""
        rows = self._read("SELECT max(number) FROM runs", ())
        return int(rows[0][0] or 0)

    def note_failing(self, stage: str, failed: Iterable[Failing], done: Collection[Key]) -> None:
        """Remember what failed, and forget what has been done."""
        failed = list(failed)
        known = self.failing(stage)
        gone = [(stage, *key) for key in known if key in done]
        if not failed and not gone:
            return
        with self._writing() as connection:
            connection.executemany(
                "DELETE FROM failing WHERE stage = ? AND task = ? AND path = ?", gone
            )
            connection.executemany(
                "INSERT OR REPLACE INTO failing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(stage, *each) for each in failed],
            )


def sentences(failing: Iterable[Failing], latest: int) -> list[str]:
    """What to say of work that backs off; `latest`: the number of the latest run."""
    groups: dict[tuple[str, int, int], list[Failing]] = {}
    for each in failing:
        groups.setdefault((each.what, each.failures, each.due), []).append(each)
    by_file: dict[tuple[int, int], list[str]] = {}  # where only the file can be named
    found = []
    for (what, failures, due), items in groups.items():
        if what == items[0].path:
            by_file.setdefault((failures, due), []).append(what)
        else:
            found.append(_sentence(what, failures, due - latest, len(items)))
    for (failures, due), paths in by_file.items():
        names = listed(paths, _MANY)
        found.append(_sentence(names, failures, due - latest, len(paths)))
    return found


def _sentence(what: str, failures: int, runs: int, inputs: int) -> str:
    times = "once" if failures == 1 else f"{failures} times"
    when = "in the next run" if runs <= 1 else f"in {runs} runs"
    change = "its input changes" if inputs == 1 else "an input changes"
    return f"{what}: failed {times}, tried again {when} or when {change}"
