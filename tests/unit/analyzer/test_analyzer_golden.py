"""Known results: a generated history with every kind of result, and real bars of ES and GC.

The expected rows of the generated history come from the reference in
tests/property/test_analyzer_reference.py, which shares no code with the analyzer.
"""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from pipekit_analyzer.settings import InstrumentTable, Session, Settings, Variant

GOLDEN = Path(__file__).parents[2] / "golden/breakouts"
GENERATED = Settings(
    sessions=(
        Session(name="S1", start=time(2), slots=(time(7, 30), time(9)), stream="{I}1"),
        Session(name="S2", start=time(8), slots=(time(9, 30), time(11)), stream="{I}2"),
    ),
    instruments={"XX": InstrumentTable(tick=0.05, target=0.6, decimals=2, usd_per_point=10.0)},
    variants=(
        Variant(name="range"),
        Variant(
            name="wide",
            base_targets={"XX": 0.85},
            max_stop=2.0,
            stop_rule="boundary",
            same_bar_tie="target",
        ),
    ),
)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def golden_bars():
    return [
        (
            datetime.fromisoformat(row["timestamp_utc"]).astimezone(UTC),
            *(float(row[name]) for name in ("open", "high", "low", "close")),
            int(row["volume"]),
        )
        for row in table(GOLDEN / "bars.csv")
    ]


def as_in_the_table(row, expected):
    """A row's cells, written as the golden table writes them."""

    def cell(value, text):
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M}"
        if isinstance(value, float):
            return text if text and float(text) == value else str(value)
        return "" if value is None else str(value)

    return {name: cell(row[name], text) for name, text in expected.items()}


def test_a_generated_history_has_the_rows_of_the_reference(project):
    project.write("XX", golden_bars())
    project.run(GENERATED)
    rows = [project.merged[key] for key in sorted(project.merged)]
    golden = table(GOLDEN / "rows.csv")
    assert [as_in_the_table(row, text) for row, text in zip(rows, golden, strict=True)] == golden
    for row in rows:
        assert row["stream"] == f"XX{row['session'][1]}"
        assert row["profit_usd"] == round(row["profit"] * 10, 9)
        assert row["entry_time"] is None or row["entry_time"].tzinfo == ZoneInfo("America/Chicago")


def test_a_generated_history_given_day_by_day_ends_in_the_same_rows(new_project):
    whole, daily = new_project(), new_project()
    bars = golden_bars()
    whole.write("XX", bars)
    whole.run(GENERATED)
    for last in sorted({bar[0].date() for bar in bars}):
        daily.write("XX", [bar for bar in bars if bar[0].date() <= last])
        daily.run(GENERATED)
    assert daily.merged == whole.merged


def test_a_real_day_of_es_equals_independent_results_to_the_minute_and_the_tick(
    project, es_2020, real_data
):
    project.write("ES", es_2020)
    project.run(Settings(stop_rule="boundary"))
    rows = [r for r in project.merged.values() if r["date"] == date(2020, 1, 6)]
    golden = table(real_data / "golden/ES_2020-01-06.csv")
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


def test_a_real_week_of_es_and_gc_has_seven_rows_a_day(project, es_2013, gc_2013):
    project.write("ES", es_2013)
    project.write("GC", gc_2013)
    done = project.run(cores=2)
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


def test_real_bars_given_day_by_day_end_in_the_rows_of_all_at_once(new_project, es_2013):
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
