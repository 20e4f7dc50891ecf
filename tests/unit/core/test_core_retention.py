"""Old runs' files go by count and age; idle runs by their own; nothing else is ever touched."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from attrs import evolve

from pipekit.config.tables import RetentionConfig
from pipekit.model.run import Paths
from pipekit.model.status import PipelineStatus
from pipekit.storage.retention import apply_retention

NOW = 1_800_000_000.0
DAY = 86_400.0
STRANGER = "019d0000-0000-7000-8000-00000000ffff"  # named like a run, unknown to the ledger


def run_id(number, days_ago=0.0):
    stamp = int((NOW - days_ago * DAY) * 1000) - 1000 + number
    text = f"{stamp:012x}7{number:03x}8{0:015x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@pytest.fixture
def paths(tmp_path):
    return Paths(
        root=tmp_path, data=tmp_path / "data", logs=tmp_path / "logs", state=tmp_path / "state"
    )


@pytest.fixture
def past(ledger, paths):
    """A run of the past with all it leaves; returns its id."""

    def made(number, status: str | None = "success", days_ago=0.0):
        name = run_id(number, days_ago)
        ledger.begin_run(name, NOW - days_ago * DAY)
        if status:
            ledger.end_run(name, PipelineStatus(status), 0, NOW)
        leave(paths, name)
        return name

    return made


def leave(paths, name):
    for file in (
        paths.events / f"pipeline_{name}.jsonl",
        paths.logs / f"pipeline_20260101_000000_{name}.log",
        paths.logs / f"pipeline_report_20260101_000000_{name}.json",
        paths.runs / name / "stage/task.out",
        paths.quarantine / name / "rows.csv",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")


_ENDINGS = (".jsonl", ".log", ".json")


def left(folder: Path):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def parts(paths, name):
    """What is left of a run: (logs, spools, quarantine)."""
    logs = [p for p in paths.logs.glob(f"**/pipeline_*{name}.*") if p.suffix in _ENDINGS]
    assert len(logs) in (0, 3), "journal, log and report go together"
    return bool(logs), (paths.runs / name).exists(), (paths.quarantine / name).exists()


def test_with_the_defaults_young_runs_keep_everything(past, paths, ledger):
    names = [past(n) for n in range(20)]
    assert apply_retention(paths, RetentionConfig(), ledger) == []
    assert all(parts(paths, name) == (True, True, True) for name in names)


def test_runs_beyond_the_count_go_oldest_first(past, paths, ledger):
    names = [past(n) for n in range(6)]
    keep = evolve(RetentionConfig(), runs=4, spools=2, quarantine=3)
    assert apply_retention(paths, keep, ledger) == []
    assert [parts(paths, name) for name in names] == [
        (False, False, False),
        (False, False, False),
        (True, False, False),
        (True, False, True),
        (True, True, True),
        (True, True, True),
    ]


def test_idle_runs_have_a_count_of_their_own_and_never_push_real_ones_out(past, paths, ledger):
    real = [past(n) for n in range(3)]
    idle = [past(n, "idle") for n in range(3, 13)]
    apply_retention(paths, evolve(RetentionConfig(), runs=3, idle_runs=4), ledger)
    assert [parts(paths, name)[0] for name in real] == [True] * 3
    assert [parts(paths, name)[0] for name in idle] == [False] * 6 + [True] * 4


def test_runs_beyond_an_age_go_once_five_runs_in_a_row_have_reached_it(past, paths, ledger):
    old, young = past(1, days_ago=50), past(2, days_ago=5)
    keep = evolve(RetentionConfig(), run_age=40 * DAY, spool_age=3 * DAY, quarantine_age=10 * DAY)
    names = [past(number) for number in range(3, 6)]
    apply_retention(paths, keep, ledger)
    assert parts(paths, old) == (True, True, True)
    names.append(past(6))
    apply_retention(paths, keep, ledger)
    assert parts(paths, old) == (False, False, False)
    assert parts(paths, young) == (True, True, True)
    names.append(past(7))
    apply_retention(paths, keep, ledger)
    assert parts(paths, young) == (True, False, True)
    assert all(parts(paths, name) == (True, True, True) for name in names)


@pytest.mark.parametrize("days", [800, -400])
def test_a_clock_that_jumps_for_one_run_or_several_times_makes_nothing_old(
    past, paths, ledger, days
):
    """Neither earlier runs at the end of the jump, nor its own journal later."""
    before = [past(number, days_ago=3) for number in range(6)]
    jumped = []
    for number in range(6, 26, 4):
        jumped.append(past(number, days_ago=-days))
        apply_retention(paths, RetentionConfig(), ledger)
        before += [past(number + n, days_ago=2) for n in (1, 2, 3)]
        apply_retention(paths, RetentionConfig(), ledger)
    assert all(parts(paths, name) == (True, True, True) for name in before + jumped)


def test_after_a_jump_age_counts_as_before(past, paths, ledger):
    old = past(1, days_ago=410)
    jumped = past(2, days_ago=-800)
    for number in range(3, 9):
        latest = past(number)
    apply_retention(paths, RetentionConfig(), ledger)
    assert parts(paths, old) == (False, False, False)
    assert parts(paths, jumped) == parts(paths, latest) == (True, True, True)


def test_a_run_whose_clock_was_behind_counts_as_one_of_the_latest(past, paths, ledger):
    """Runs are counted in the ledger's order; the ids, which are times, would put it first."""
    names = [past(1), past(2, days_ago=400), past(3)]
    apply_retention(paths, evolve(RetentionConfig(), runs=2, spools=2, quarantine=2), ledger)
    assert [parts(paths, name)[0] for name in names] == [False, True, True]


def test_logs_that_have_the_time_of_another_zone_go_as_well(past, paths, ledger):
    """`leave` names them after a time that is not the run's start."""
    names = [past(number) for number in range(3)]
    for ending in (".log", ".json"):
        for path in paths.logs.glob(f"*{names[0]}{ending}"):
            start = time.strftime("%Y%m%d_%H%M%S", time.localtime(NOW))
            path.rename(path.with_name(path.name.replace("20260101_000000", start)))
    apply_retention(paths, evolve(RetentionConfig(), runs=1), ledger)
    assert [parts(paths, name)[0] for name in names] == [False, False, True]


def test_of_the_latest_run_everything_stays_whatever_the_bounds(past, paths, ledger):
    before, latest = past(1, "idle", days_ago=900), past(2, "idle", days_ago=800)
    keep = evolve(RetentionConfig(), idle_runs=0, spools=0, quarantine=0)
    apply_retention(paths, keep, ledger)
    assert parts(paths, before) == (False, False, False)
    assert parts(paths, latest) == (True, True, True)


def test_a_run_that_has_not_ended_keeps_all_it_has(past, paths, ledger):
    going = past(1, None, days_ago=900)
    past(2)
    apply_retention(paths, evolve(RetentionConfig(), runs=1, spools=0, quarantine=0), ledger)
    assert parts(paths, going) == (True, True, True)


def test_only_what_is_named_after_a_run_that_the_ledger_knows_is_touched(past, paths, ledger):
    past(1)
    known = past(2)
    leave(paths, STRANGER)
    others = [
        paths.logs / "notes.log",
        paths.logs / f"copy_of_pipeline_20260101_000000_{known}.log",
        paths.logs / f"pipeline_20260101_000000_{known}.log.bak",
        paths.events / f"pipeline_{known}.jsonl.gz",
        paths.events / "pipeline_.jsonl",
        paths.runs / "keep me/file",
        paths.runs / f"{known}-old/file",
        paths.quarantine / "README.txt",
        paths.data / f"raw/{known}/bars.csv",
    ]
    for file in others:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    past(3)
    keep = evolve(RetentionConfig(), runs=1, idle_runs=0, spools=0, quarantine=0)
    assert apply_retention(paths, keep, ledger) == []
    assert all(file.exists() for file in others)
    assert parts(paths, STRANGER) == (True, True, True)
    assert parts(paths, known) == (False, False, False)


def test_a_link_in_the_place_of_a_folder_is_not_followed_and_is_said(past, paths, ledger, tmp_path):
    name = past(1)
    past(2)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    (paths.runs / name / "stage/task.out").unlink()
    (paths.runs / name / "stage").rmdir()
    (paths.runs / name).rmdir()
    (paths.runs / name).symlink_to(precious)
    (problem,) = apply_retention(paths, evolve(RetentionConfig(), spools=0), ledger)
    assert name in problem
    assert "[retention]" in problem
    assert left(precious) == ["file"]


def test_a_project_without_any_logs_is_no_trouble(paths, ledger):
    assert apply_retention(paths, evolve(RetentionConfig(), runs=1, idle_runs=0), ledger) == []


@pytest.mark.slow
def test_all_that_is_beyond_a_bound_goes_at_once_after_it_was_lowered(past, paths, ledger):
    names = [past(n, "idle") for n in range(230)]
    apply_retention(paths, evolve(RetentionConfig(), idle_runs=10), ledger)
    assert [parts(paths, n)[0] for n in names] == [False] * 220 + [True] * 10
