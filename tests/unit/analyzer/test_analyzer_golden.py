"""Real bars: an independent system's day, and two instruments' week."""

from __future__ import annotations

import csv
from datetime import date
from zoneinfo import ZoneInfo

from pipekit_analyzer.settings import Settings, StopRule


def test_a_day_of_es_equals_the_independent_results_to_the_minute_and_the_tick(
    project, es_2020, real_data
):
    project.write("ES", es_2020)
    project.run(Settings(stop_rule=StopRule.BOUNDARY))
    rows = [r for r in project.merged.values() if r["date"] == date(2020, 1, 6)]
    with open(real_data / "golden/ES_2020-01-06.csv", newline="") as file:
        golden = list(csv.DictReader(file))
    assert [_as_golden(row) for row in rows] == golden
    assert len(golden) == 7


def _as_golden(row):
    return {
        "date": str(row["date"]),
        "slot": row["slot"],
        "session": row["session"],
        "dir": row["direction"],
        "result": row["result"],
        "entry_time": f"{row['entry_time']:%Y-%m-%d %H:%M:%S}",
        "entry": str(row["entry_price"]),
        "exit_time": f"{row['exit_time']:%Y-%m-%d %H:%M:%S}",
        "exit": str(row["exit_price"]),
        "profit": str(row["profit"]),
        "low": str(row["range_low"]),
        "high": str(row["range_high"]),
        "size": str(row["range_size"]),
    }


def test_a_week_of_es_and_gc_has_seven_rows_a_day(project, es_2013, gc_2013):
    project.write("ES", es_2013)
    project.write("GC", gc_2013)
    done = project.run(workers=2)
    assert not done.failed
    for name in ("ES", "GC"):
        days = [key[2] for key in project.merged if key[0] == name]
        assert {day: days.count(day) for day in sorted(set(days))} == {
            f"2013-10-{day:02}": 7 for day in (7, 8, 9, 10, 11)
        }


def test_results_carry_exchange_time_money_and_streams(project, es_2020):
    project.write("ES", es_2020)
    project.run()
    row = project.merged["ES", "default", "2020-01-06", "S2", "09:30"]
    assert row["stream"] == "ES2"
    assert row["entry_time"].tzinfo == ZoneInfo("America/Chicago")
    assert (row["profit"], row["profit_usd"]) == (10.0, 500.0)
    assert (row["stop_distance"], row["target"], row["range_bars"]) == (18.0, 10.0, 90)


def test_day_by_day_equals_all_at_once(new_project, es_2013):
    """Results merged after every day are those of the whole history, with less computed."""
    whole, daily = new_project(), new_project()
    whole.write("ES", es_2013)
    whole.run()
    dates = sorted({bar[0].date() for bar in es_2013})
    scopes = []
    for last in dates:
        daily.write("ES", [bar for bar in es_2013 if bar[0].date() <= last])
        done = daily.run()
        scopes.append(done.wrote["ES"]["detail"]["scope"]["parts"])
    assert daily.merged == whole.merged
    assert len(whole.merged) == 35
    assert all(part["dates"][0][0] >= "2013-10-09" for part in scopes[-1])
