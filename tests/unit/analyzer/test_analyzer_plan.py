"""The plan: which instruments have work, why, how much of it, and which files are held."""

from __future__ import annotations

import json
from datetime import date, time

import pytest
from pipekit_analyzer.plugin import pipekit_stages
from pipekit_analyzer.settings import InstrumentTable, Session, Settings

from pipekit import ConfigError, Published, Why

MONTHS = [date(2013, 8, 28), date(2013, 9, 27), date(2013, 10, 7), date(2013, 10, 8)]


@pytest.fixture
def history(project, minutes):
    """Two instruments over three months, analysed."""
    for name in ("ES", "NQ"):
        project.write(name, [bar for day in MONTHS for bar in minutes(day)])
    project.run()
    return project


def jobs(plan):
    found = [json.loads(task.command.stdin) for task in plan.tasks]
    return {job["name"]: job for request in found for job in request["instruments"]}


def path(name, month):
    return f"data/processed/{name}/1m/{month[:4]}/{name}_1m_{month}.parquet"


def test_the_stage_comes_after_the_translator_and_can_check_itself(project):
    (spec,) = pipekit_stages()
    assert (spec.name, spec.after) == ("analyzer", {"translator": "partial"})
    assert project.work(spec.check(Settings())) == []


def test_without_processed_bars_there_is_nothing_to_do(project):
    plan = project.plan()
    assert not plan
    assert plan.reason == "nothing new in data/processed"


def test_other_files_in_the_folder_are_no_bars(project, minutes):
    made = project.root / project.write("ES", minutes(MONTHS[0]))[0]
    (made.parent / "notes.parquet").write_text("x")
    made.rename(made.with_name("NQ_1m_2013-08.parquet"))
    assert not project.plan()


def test_ticks_beside_the_bars_are_not_looked_at(history):
    """Neither of instruments with bars nor of others, whatever the files' names."""
    processed = history.root / "data/processed"
    bars = (history.root / path("ES", "2013-08")).read_bytes()
    for name in ("ES", "CL"):
        folder = processed / name / "tick/2013"
        folder.mkdir(parents=True)
        (folder / f"{name}_tick_2013-08-28.parquet").write_bytes(bars)
        (folder / f"{name}_1m_2013-08.parquet").write_bytes(bars)
    plan = history.plan()
    assert (plan.reason, plan.inputs) == ("nothing new in data/processed", ())
    again = history.plan(force=True)
    assert sorted(jobs(again)) == ["ES", "NQ"]
    assert not any("/tick/" in used for used in [*again.holds, *again.tasks[0].inputs])


def test_new_files_make_one_unit_an_instrument(project, minutes):
    project.write("ES", minutes(MONTHS[0]))
    project.write("NQ", minutes(MONTHS[0]))
    plan = project.plan(cores=2)
    (task,) = plan.tasks
    assert plan.reason == "2 new files in data/processed"
    assert (task.units, task.cores) == (("ES", "NQ"), 2)
    assert [i.why for i in plan.inputs] == [Why.NEW] * 2
    assert all(job["full"] for job in jobs(plan).values())


def test_processes_split_the_instruments(history):
    plan = history.plan(Settings(processes=2), force=True, cores=2)
    assert [(t.name, t.units, t.cores) for t in plan.tasks] == [
        ("analyze-1", ("ES",), 1),
        ("analyze-2", ("NQ",), 1),
    ]


def test_a_run_after_a_run_is_idle(history):
    plan = history.plan()
    assert not plan
    assert plan.holds == (path("ES", "2013-10"), path("NQ", "2013-10"))


def test_a_changed_month_is_compared_with_the_days_known_of_it(history, minutes):
    days = [*MONTHS[2:], date(2013, 10, 9)]
    history.write("ES", [bar for day in days for bar in minutes(day)])
    plan = history.plan()
    assert plan.reason == "1 changed file in data/processed"
    (job,) = jobs(plan).values()
    assert not job["full"]
    assert job["last_bar"] == "2013-10-09T04:55:00+00:00"
    known = {file["month"]: sorted(file["consumed"].get("digests", {})) for file in job["files"]}
    assert known == {"2013-08": [], "2013-09": [], "2013-10": ["2013-10-07", "2013-10-08"]}
    assert path("ES", "2013-09") in plan.holds
    assert path("ES", "2013-08") not in plan.holds


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (Settings(sessions=(Session(name="S1", start=time(2), slots=(time(8),)),)), {"ES", "NQ"}),
        (Settings(days=("Mon",)), {"ES", "NQ"}),
        (Settings(instruments={"ES": InstrumentTable(target=8.0)}), {"ES"}),
        (Settings(instruments={"CL": InstrumentTable(target=8.0)}), set()),
        (Settings(processes=2), set()),
        (Settings(runs="data/elsewhere"), set()),
        (Settings(kernels="off"), set()),
    ],
)
def test_settings_that_change_results_mean_everything_anew(history, settings, names):
    found = jobs(history.plan(settings))
    assert set(found) == names
    assert all(job["full"] for job in found.values())


def test_a_file_of_instruments_counts_as_settings(history):
    (history.root / "mine.toml").write_text("[NQ]\ntarget = 60\n")
    settings = Settings(instruments_file="mine.toml")
    assert set(jobs(history.plan(settings))) == {"NQ"}
    (history.root / "mine.toml").write_text("[NQ\n")
    with pytest.raises(ConfigError, match=r"mine\.toml is not valid TOML"):
        history.plan(settings)


@pytest.mark.parametrize("how", ["force", "rebuild"])
def test_asked_to_begin_anew_everything_is_computed(history, how):
    plan = history.plan(**{how: True})
    assert len(plan.inputs) == 6
    assert all(job["full"] for job in jobs(plan).values())


def test_a_missing_month_is_work(history):
    (history.root / path("ES", "2013-08")).unlink()
    plan = history.plan()
    assert plan.reason == "1 missing file in data/processed"
    (job,) = jobs(plan).values()
    assert [sorted(v["digests"]) for v in job["lost"].values()] == [["2013-08-28"]]


def test_a_month_that_the_lifecycle_took_is_no_work(history):
    taken = path("ES", "2013-08")
    (history.root / taken).unlink()
    there = Published(path=taken, fingerprint="", run_number=1, run_id="r")
    gone = Published(path=taken, fingerprint="", run_number=1, run_id="r", present=False)
    history.removed = (there, gone)
    assert not history.plan()
    assert jobs(history.plan(force=True))["ES"]["archived"] == ["2013-08"]


def test_what_was_known_without_its_days_means_everything_anew(history, minutes):
    """A ledger whose details cannot be used costs time, never results."""
    lost = path("ES", "2013-10")
    history.ledger[lost] = history.ledger[lost]._replace(detail={})
    history.write("ES", minutes(MONTHS[2]))
    assert jobs(history.plan())["ES"]["full"]


def test_the_dates_asked_for_are_handed_on(history):
    plan = history.plan(force=True, dates=(date(2013, 10, 7), date(2013, 10, 8)))
    assert json.loads(plan.tasks[0].command.stdin)["dates"] == ["2013-10-07", "2013-10-08"]


def test_the_worker_is_told_whether_it_may_compile(history):
    for kernels, compile in (("auto", True), ("off", False)):
        plan = history.plan(Settings(kernels=kernels), force=True)
        assert json.loads(plan.tasks[0].command.stdin)["compile"] is compile


def test_what_has_no_minutes_is_named(history):
    """In each plan; with a warning in the run in which it came. What is gone is not."""

    def came(name, series, run_id, **more):
        file = f"data/processed/{name}/{series}/2013/{name}_{series}_2013-08.parquet"
        return Published(path=file, fingerprint="", run_number=1, run_id=run_id, **more)

    this = f"run-{history.number}"
    history.removed = (
        came("ES", "5m", this),
        came("CL", "5m", this),
        came("CL", "1h", "older"),
        came("GC", "tick", "older"),
        came("NG", "5m", this, present=False),
    )
    plan = history.plan()
    assert plan.reason == (
        "nothing new in data/processed; without 1m bars: CL (1h bars and 5m bars), GC (ticks)"
    )
    (warning,) = plan.warnings
    assert warning.startswith("CL is not analyzed: data/processed has 1h bars and 5m bars of it")
