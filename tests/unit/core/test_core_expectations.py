"""What is expected is judged by files, by the ledger and by the clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from pipekit.config import load
from pipekit.model.names import new_run_id
from pipekit.model.status import PipelineStatus
from pipekit.run.expectations import Verdict, judge
from pipekit.storage.told import Told

HOUR, DAY = 3_600.0, 86_400.0
FRIDAY = 1_795_780_800.0  # 2026-11-27, noon in UTC
MONDAY = FRIDAY + 3 * DAY
FEED = '[[expect]]\nfiles = "data/raw/**"\nnewest_within = "{}"\n'
WORKDAYS = 'weekdays = ["mon", "tue", "wed", "thu", "fri"]\n'
Judge = Callable[..., Verdict]


@pytest.fixture
def verdict(ledger, files) -> Judge:
    """The only verdict that a configuration leads to; `now`: default, now."""

    def make(text: str, now: float | None = None, newest: float = 0.0) -> Verdict:
        head = '[pipeline]\nstages = ["merger"]\ntimezone = "UTC"\n'
        (files.root / "pipekit.toml").write_text(head + text)
        told = {"data/raw/**": Told(newest=newest)} if newest else {}
        configuration = load(files.root, environ={})
        (found,) = judge(configuration, files, ledger, told, now or time.time())
        return found

    return make


@pytest.fixture
def ran(ledger) -> Callable[..., None]:
    """A run in which `merger` had work, or nothing to do."""

    def make(started: float, status: str = "success", **entry: object) -> None:
        run_id = new_run_id()
        ledger.begin_run(run_id, started)
        ledger.note_stage(run_id, "merger", {"status": status, "duration": 2.0, **entry})
        idle = status == "skipped"
        ended = PipelineStatus.IDLE if idle else PipelineStatus.SUCCESS
        ledger.end_run(run_id, ended, 0, started + 2.0)

    return make


def said(found: Verdict) -> tuple[str, str]:
    return str(found.state), found.text


def test_a_feed_is_stale_when_its_newest_file_is_too_old(verdict, put):
    put("data/raw/ES/one.csv")
    assert verdict(FEED.format("26h")).state == "fresh"
    assert verdict(FEED.format("26h"), time.time() + 25 * HOUR).state == "fresh"
    late = verdict(FEED.format("26h"), time.time() + 27 * HOUR)
    assert late.state == "stale"
    assert late.text.startswith("nothing new in data/raw/** since 20")
    assert late.text.endswith(": 1d3h, expected within 1d2h")


def test_a_file_with_an_old_modification_time_has_come_today(verdict, put):
    put("data/raw/one.csv", age=30 * DAY)
    assert verdict(FEED.format("26h")).state == "fresh"


@pytest.mark.parametrize(("text", "what"), [(None, "no file matches"), ("", "only empty files")])
def test_no_file_and_empty_files_are_stale(verdict, put, text, what):
    if text is not None:
        put("data/raw/one.csv", text)
    found = verdict(FEED.format("26h"))
    assert found.state == "stale"
    assert found.text.startswith(what)


def test_files_that_came_and_were_removed_count(verdict):
    assert verdict(FEED.format("26h"), FRIDAY, newest=FRIDAY - HOUR).state == "fresh"
    assert verdict(FEED.format("26h"), FRIDAY, newest=FRIDAY - 2 * DAY).state == "stale"


@pytest.mark.parametrize(
    ("hours", "more", "state"),
    [
        (25, WORKDAYS, "fresh"),  # Friday 12 h, Monday 13 h
        (27, WORKDAYS, "stale"),
        (27, WORKDAYS + 'holidays = ["2026-11-30"]\n', "fresh"),
        (27, WORKDAYS + "holidays = [2026-11-30]\n", "fresh"),
    ],
)
def test_time_passes_on_days_that_count_alone(verdict, hours, more, state):
    """Noon of a Friday, and hours that count later."""
    now = FRIDAY + hours * HOUR + 2 * DAY
    found = verdict(FEED.format("26h") + more, now, newest=FRIDAY)
    assert found.state == state, found.text


@pytest.mark.parametrize(
    ("within", "now", "state"),
    [
        ("1 session", MONDAY + 11 * HOUR, "fresh"),
        ("1 session", MONDAY + 13 * HOUR, "stale"),  # Tuesday: Monday has passed without a file
        ("2 sessions", MONDAY + 13 * HOUR, "fresh"),
        ("2 sessions", MONDAY + 37 * HOUR, "stale"),
    ],
)
def test_a_session_is_a_whole_day_that_counts(verdict, within, now, state):
    found = verdict(FEED.format(within) + WORKDAYS, now, newest=FRIDAY)
    assert found.state == state, found.text


def test_a_stage_must_have_succeeded(verdict, ran):
    text = '[[expect]]\nstage = "merger"\nsuccess_within = "2d"\n'
    ran(FRIDAY - 3 * DAY)
    ran(FRIDAY - DAY, "failure")
    ran(FRIDAY - HOUR, "partial")
    ran(FRIDAY, "skipped")
    assert verdict(text, FRIDAY - 1.5 * DAY).state == "fresh"
    found = verdict(text, FRIDAY)
    assert found.state == "stale"
    assert "merger has not succeeded since 2026-11-24 12:00 (run 1): 3d" in found.text


def test_a_new_project_has_the_whole_time(verdict, ran):
    text = '[[expect]]\nstage = "merger"\nsuccess_within = "2d"\n'
    assert verdict(text, FRIDAY).state == "early"
    ran(FRIDAY - DAY, "skipped")
    assert verdict(text, FRIDAY).state == "early"
    assert verdict(text, FRIDAY + 2 * DAY).state == "stale"


@pytest.mark.parametrize(
    ("rows", "state"), [(1000, "fresh"), (801, "fresh"), (799, "stale"), (1201, "stale")]
)
def test_rows_are_compared_with_the_median(verdict, ran, rows, state):
    text = '[[expect]]\nstage = "merger"\nrows_within = "20%"\n'
    for n, usual in enumerate([1000, 990, 1010, 5, 1000]):
        ran(FRIDAY + n, metrics={"rows": usual})
        assert verdict(text, FRIDAY + n).state == "early"
    ran(FRIDAY + 9, metrics={"rows": rows})
    ran(FRIDAY + 10, "skipped")
    assert verdict(text, FRIDAY + 11).state == state


def test_a_metric_that_is_not_reported_is_said(verdict, ran):
    ran(FRIDAY, metrics={"lines": 3})
    found = verdict('[[expect]]\nstage = "merger"\nrows_within = "20%"\n', FRIDAY)
    assert said(found) == (
        "unknown",
        "merger reported no metric rows in run 1, or no finite number",
    )


@pytest.mark.parametrize(
    "damage",
    [None, "many", True, [], float("inf"), pytest.param(10**400, id="huge")],
)
def test_rows_that_are_no_finite_number_are_not_counted(verdict, ran, damage):
    """An older pipekit noted null for a sum that was too large; every run failed over it."""
    text = '[[expect]]\nstage = "merger"\nrows_within = "20%"\n'
    for n in range(6):
        ran(FRIDAY + n, metrics={"rows": 1000})
    ran(FRIDAY + 6, metrics={"rows": damage})
    assert verdict(text, FRIDAY + 7).state == "unknown"
    ran(FRIDAY + 7, metrics={"rows": 1001})
    assert verdict(text, FRIDAY + 8).state == "fresh"


def test_rows_whose_mean_is_too_large_for_a_number_are_judged(verdict, ran):
    text = '[[expect]]\nstage = "merger"\nrows_within = "20%"\n'
    for n in range(6):
        ran(FRIDAY + n, metrics={"rows": 1.7e308})
    ran(FRIDAY + 6, metrics={"rows": 1})
    assert verdict(text, FRIDAY + 7).state == "stale"


@pytest.mark.parametrize("damage", ["long", pytest.param(10**400, id="huge")])
def test_a_damaged_duration_is_unknown_and_stops_nothing(verdict, ran, damage):
    for n in range(6):
        ran(FRIDAY + n)
    ran(FRIDAY + 6, duration=damage)
    text = '[[expect]]\nstage = "merger"\nduration_within = "3x"\n'
    found = verdict(text, FRIDAY + 7)
    assert said(found) == ("unknown", "merger: the duration in run 7 is no number")
    ran(FRIDAY + 7)
    assert verdict(text, FRIDAY + 8).state == "fresh"


def test_what_cannot_be_judged_is_unknown_and_stops_nothing(verdict, ran):
    """Here `metrics` of a damaged entry is a list."""
    ran(FRIDAY, metrics=[["rows", 1]])
    found = verdict('[[expect]]\nstage = "merger"\nrows_within = "20%"\n', FRIDAY)
    assert found.state == "unknown"
    assert found.text.startswith("merger rows cannot be judged: ")


@pytest.mark.parametrize(("seconds", "state"), [(5.9, "fresh"), (6.1, "stale")])
def test_a_duration_is_compared_with_the_median(verdict, ran, seconds, state):
    for n in range(5):
        ran(FRIDAY + n)
    ran(FRIDAY + 9, duration=seconds)
    found = verdict('[[expect]]\nstage = "merger"\nduration_within = "3x"\n', FRIDAY + 10)
    assert found.state == state


@pytest.mark.parametrize("days", [-800, 800])
def test_a_clock_that_was_set_is_no_staleness(verdict, ran, put, days):
    """800 days ahead or behind, nothing is stale; five runs later the clock is believed."""
    put("data/raw/one.csv")
    now = time.time()
    for n in range(6, 0, -1):
        ran(now - n * 900, "skipped")
    found = verdict(FEED.format("26h"), now + days * DAY)
    assert found.state == "unknown"
    assert ("800 days without a run between run 6 and now" in found.text) == (days > 0), found.text
    if days > 0:
        for n in range(5):
            ran(now + days * DAY + n * 900, "skipped")
        assert verdict(FEED.format("26h"), now + days * DAY + 4500).state == "stale"


def test_a_file_of_the_future_is_not_the_newest(verdict, files, put):
    """A file dated in 2100 would keep a feed fresh for 74 years."""
    path = files.root / put("data/raw/one.csv")
    os.utime(path, (4e9, 4e9))
    assert verdict(FEED.format("26h")).state == "unknown"
    put("data/raw/two.csv")
    assert verdict(FEED.format("26h"), time.time() + 2 * DAY).state == "stale"


@pytest.mark.posix("modes")
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_unknown(verdict, files):
    folder = files.root / "data/raw"
    folder.mkdir(parents=True)
    folder.chmod(0)
    assert verdict(FEED.format("26h")).state == "unknown"
    folder.chmod(0o700)
