"""kill -9 and failing system calls at every point where a run of three stages changes a file.

The sample is part of each test run; the full set is for `pytest tests/crash -m long`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import lab as labs
from .lab import ERRNOS, Lab, Rule, prepared
from .tracer import Point, available

if reason := available():
    pytest.skip(reason, allow_module_level=True)

SEED = 12
TARGETS = {
    "journal": r"logs/events/.*",
    "log": r"logs/pipeline_[0-9]+_.*",
    "spool": r"logs/runs/.*\.(out|err)",
    "report file": r"logs/runs/.*\.report",
    "ledger": r"\.pipekit/state\.db.*",
    "audit report": r"logs/\.?pipeline_report_.*",
    "output": r"data/.*",
    "lock": r"\.pipekit/lock.*",
    "folder": r"logs(/events|/runs.*)?|\.pipekit|data",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Lab:
    return prepared(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def points(template, tmp_path_factory) -> list[Point]:
    """Those of a run that nobody disturbs."""
    lab = Lab(tmp_path_factory.mktemp("undisturbed"), template)
    run = lab.traced()
    assert run.code == 0, run
    labs.check_disturbed(lab, [])
    return run.points


class Trial:
    """Disturbs a copy of the template, and says what does not hold afterwards."""

    def __init__(self, template: Lab, folder: Path) -> None:
        self._template = template
        self._folder = folder

    def __call__(self, case: tuple[Rule, ...]) -> str:
        name = " then ".join(" ".join(map(str, rule)) for rule in case)
        folder = self._folder / f"{abs(hash(case)):x}"
        lab = Lab(folder, self._template)
        try:
            labs.check_disturbed(lab, case)
        except (AssertionError, OSError) as error:
            return f"{name}: {error} ({folder})"
        shutil.rmtree(folder)
        return ""


@pytest.fixture
def trials(template, tmp_path, record_property) -> Callable[[Sequence[tuple[Rule, ...]]], None]:
    """Run many trials, two at a time; fails with all that did not hold."""

    def run(cases: Sequence[tuple[Rule, ...]]) -> None:
        record_property("trials", len(cases))
        with ThreadPoolExecutor(2) as pool:
            found = [text for text in pool.map(Trial(template, tmp_path), cases) if text]
        if found:
            record_property("failed", len(found))
            pytest.fail(f"{len(found)} trials failed:\n" + "\n".join(found), pytrace=False)

    return run


every = [pytest.mark.long, pytest.mark.timeout(3600)]


def in_parts(sample: int, count: int):
    """Parameters `part` and `parts`: of the sample, and of the full set, to be run bit by bit."""
    full = [pytest.param(n, count, marks=every, id=f"every-{n}") for n in range(count)]
    return pytest.mark.parametrize(("part", "parts"), [pytest.param(0, sample, id="sample"), *full])


def sampled(points: list[Point]) -> list[int]:
    """The numbers of some points: those of a publication, of the end of the run, and each 250th."""
    renames = [n for n, point in enumerate(points) if point.call == "rename"]
    first, last = renames[0], renames[-1]  # the first published file, and the audit report
    return sorted({*range(first - 3, first + 2), *range(last - 5, last + 2), *range(0, last, 250)})


@pytest.mark.parametrize("action", ["kill", "all"])
@in_parts(0, 3)
def test_a_kill_at_a_point(points, trials, action, part, parts):
    """`kill`: of the process that makes the call; `all`: of the whole tree, as by a crash."""
    numbers = range(part, len(points), parts) if parts else sampled(points)
    if not parts and action == "all":
        numbers = numbers[::3]
    trials([(Rule(number=number, action=action),) for number in numbers])


@in_parts(60, 3)
def test_a_recovery_killed_at_a_point_is_left_to_the_next_run(points, trials, part, parts):
    """Two runs in a row are killed; in the second, at each point of its recovery and beyond."""
    dead = [number for number, point in enumerate(points) if point.role == "run"]
    chance = random.Random(SEED)
    numbers = range(part, len(points), parts)
    trials([(Rule(number=chance.choice(dead)), Rule(number=number)) for number in numbers])


def faults(points: list[Point], target: str, name: str, lasting: bool) -> list[tuple[Rule, ...]]:
    """The errno at each call on the target; `lasting`: and at all that follow."""
    rule = Rule(path=TARGETS[target], action=name, lasting=lasting)
    count = sum(rule.matches(point) for point in points)
    return [(rule._replace(number=number),) for number in range(count)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "errors", ["sample", *(pytest.param([name], marks=every, id=name) for name in ERRNOS)]
)
def test_a_call_that_fails(points, trials, target, errors):
    """The run ends by itself and says so; its status is true and the same everywhere."""
    names = ERRNOS if errors == "sample" else errors
    once = [case for name in names for case in faults(points, target, name, lasting=False)]
    lasting = [case for name in names for case in faults(points, target, name, lasting=True)]
    if errors == "sample":
        chance = random.Random(f"{SEED} {target}")
        trials([*chance.sample(once, 1), *chance.sample(lasting, 1)])
    else:
        trials([*once, *lasting[:: len(lasting) // 8 or 1]])


@pytest.mark.parametrize("target", ["journal", "ledger", "report file", "audit report", "output"])
@in_parts(20, 2)
def test_a_write_that_is_cut_in_two(points, trials, target, part, parts):
    """By a full disk, or by a kill in the middle of it."""
    rule = Rule(call="write|pwrite64", path=TARGETS[target])
    count = sum(rule.matches(point) for point in points)
    cut = [(rule._replace(number=n, action=a),) for n in range(count) for a in ("short", "torn")]
    trials(cut[part::parts])


def test_a_log_folder_that_is_full_for_two_runs(trials):
    """All runs are closed in the end, not only the latest."""
    full = Rule(call="write|openat|mkdir", path="logs/.*", action="ENOSPC", lasting=True)
    late = full._replace(path="logs/events/.*|logs/.?pipeline_report.*", number=2)
    trials([(full, full), (late, late)])


def test_a_worker_killed_in_two_runs_backs_off_and_its_work_is_done_in_the_end(trials):
    """Both times while it works on the same file, which is then left out until it is asked for."""
    killed = Rule(role="worker", path=r"data/clean/.*", action="kill")
    trials([(killed, killed)])
