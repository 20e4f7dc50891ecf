"""Intervals of bars: what the source says is checked, and shorter bars make longer ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

START = dt.datetime(2020, 1, 6, 15, 30)
COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
FILE = "data/raw/ES.csv"
MONTH = "2020-01"
P, HALF = 10_000, 1800  # a price; seconds from the hour to the start


def configured(**more: Any) -> Settings:
    given: dict[str, Any] = {
        "glob": "data/raw/*.csv", "dialect": "C", "separator": ",", "timezone": "UTC",
        "bar_time": "open", "timestamp_format": "%Y-%m-%d %H:%M:%S",
    }  # fmt: skip
    return Settings(sources=(Source(**given | more),), instruments=("*",), final_after=0.0)


def bars(seconds: Iterable[int], first: int = 0) -> str:
    """A bar at each of these seconds after the start; the volume counts them."""
    lines = [
        f"{START + dt.timedelta(seconds=at)},{n + P},{n + P + 2},{n + P - 2},{n + P + 1},{n}\n"
        for n, at in enumerate(seconds, first)
    ]
    return "".join(lines)


def published(project: Any, interval: str) -> list[tuple[Any, ...]]:
    from pyarrow.parquet import ParquetFile

    file = project.root / f"data/processed/ES/{interval}/2020/ES_{interval}_{MONTH}.parquet"
    rows = ParquetFile(file).read().to_pylist()
    assert {row["interval"] for row in rows} == {interval}
    return [(f"{row['timestamp']:%H:%M:%S}", *list(row.values())[1:6]) for row in rows]


def refusal(project: Any, text: str, **more: Any) -> str:
    project.write(FILE, text)
    (rejected,) = project.run(configured(**more)).all("rejected")
    assert not (project.root / "data/processed/ES").exists()
    return str(rejected["reason"])


OTHERS = {
    "5s": range(0, 100, 5), "1s": range(90), "10s": range(0, 80, 10), "30s": range(0, 150, 30),
    "45s": range(0, 450, 45), "5m": range(0, 2700, 300), "3m": range(0, 2700, 180),
    "15m": range(0, 9000, 900), "2m": range(0, 2400, 120), "1h": range(0, 22_000, 3600),
    "4h": range(0, 144_000, 14_400), "1d": range(0, 864_000, 86_400),
}  # fmt: skip


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("seen", OTHERS)
def test_bars_of_another_interval_are_refused_by_its_name(
    project: Any, seen: str, order: int
) -> None:
    """In a file of either order, whatever the interval is."""
    said = refusal(project, bars([*OTHERS[seen]][::order]))
    assert f"line 1: its bars are {seen} apart, not 1m: " in said
    remedy = "take the file out" if seen == "1d" else f"set interval = '{seen}' for such files"
    assert remedy in said
    makes = seen in ("5s", "1s", "10s", "30s")
    assert ("and aggregate = '1m' to make bars of 1m of them" in said) is makes


@pytest.mark.parametrize("seen", [seen for seen in OTHERS if seen != "1d"])
def test_they_are_published_under_their_own_interval(project: Any, seen: str) -> None:
    project.write(FILE, bars(OTHERS[seen]))
    run = project.run(configured(interval=seen))
    assert not run.all("rejected")
    rows = published(project, seen)
    assert [row[-1] for row in rows] == [*range(len(OTHERS[seen]))]
    unit = "ES" if seen == "1m" else f"ES/{seen}"
    assert run.metrics(unit)["bars"] == len(rows)
    assert not (project.root / "data/processed/ES/1m").exists()


def test_a_shift_from_close_to_open_is_a_bar_of_that_interval(project: Any) -> None:
    project.write(FILE, bars(range(300, 3000, 300)))
    project.run(configured(interval="5m", bar_time="close"))
    assert published(project, "5m")[0][0] == "15:30:00"


@pytest.mark.parametrize(
    ("rows", "interval"),
    [
        ([0, 60, 120, 300, 360, 600, 660], "1m"),
        ([0, 300, 600, 900], "1m"),  # few rows of a quiet night
        ([0, 300, 600, 960, 1260, 1560, 1860, 2220, 2520], "1m"),
        ([0, 3600, 7200, 10_800, 12_600, 14_400, 18_000], "1h"),  # the last bar of a session
        ([0, 300, 600, 1500, 1800, 90_000, 90_300], "5m"),
    ],
)
def test_gaps_are_no_other_interval(project: Any, rows: list[int], interval: str) -> None:
    project.write(FILE, bars(rows))
    project.run(configured(interval=interval))
    assert len(published(project, interval)) == len(rows)


def test_a_longer_interval_is_seen_in_spite_of_odd_rows(project: Any) -> None:
    rows = sorted([*range(0, 30_000, 300), 420])
    assert "its bars are 5m apart, not 1m" in refusal(project, bars(rows))


def test_bars_stamped_with_their_last_second_are_refused_with_the_remedy(project: Any) -> None:
    """Which reads them."""
    text = bars(range(59, 1800, 60))
    said = refusal(project, text)
    assert "its bars of 1m are stamped at second 59 of the minute (30 of 30): write 59" in said
    project.run(configured(timestamp_format="%Y-%m-%d %H:%M:59"))
    assert [row[0] for row in published(project, "1m")][:2] == ["15:30:00", "15:31:00"]


def test_bars_between_minutes_are_refused(project: Any) -> None:
    said = refusal(project, bars([60 * n + n * 7 % 60 for n in range(20)]))
    assert "line 2: its bars are stamped between minutes (19 of 20)" in said


def test_one_bar_between_minutes_is_set_aside(project: Any) -> None:
    project.write(FILE, bars([*range(0, 1200, 60), 1217]))
    run = project.run(configured())
    assert len(published(project, "1m")) == 20
    (row,) = project.quarantine()
    assert row["line"] == 21
    assert row["reason"] == "its time is not that of a bar of 1m (interval)"
    assert "1 row set aside" in run.warnings


def test_small_files_are_checked_one_by_one(project: Any) -> None:
    """Also where many are read as one block."""
    for day in range(6):
        step = 300 if day == 3 else 60
        times = range(day * 86_400, day * 86_400 + 3000, step)
        project.write(f"data/raw/ES {day}.csv", bars(times))
    (rejected,) = project.run(configured()).all("rejected")
    assert rejected["path"] == "data/raw/ES 3.csv"
    assert len(published(project, "1m")) == 250


def test_few_rows_of_each_instrument_are_many_of_a_small_file(project: Any) -> None:
    """It used to be read as one of minutes if there were other small files."""
    header = "timestamp,open,high,low,close,volume,symbol\n"
    for day, step in enumerate([3600, 60]):
        rows = bars(range(day * 86_400, day * 86_400 + 4 * step, step)).splitlines()
        text = "".join(f"{row},{name}\n" for name in ("ES", "NQ") for row in rows)
        project.write(f"data/raw/{day}.csv", header + text)
    rule = InstrumentRule(column="symbol")
    run = project.run(configured(instrument=rule, header=True, columns=(*COLUMNS, "instrument")))
    (rejected,) = run.all("rejected")
    assert "its bars are 1h apart, not 1m" in rejected["reason"]


def test_a_file_of_another_interval_that_grows_bar_by_bar_is_refused(project: Any) -> None:
    """Each bar alone tells nothing."""
    lines = bars(range(0, 6000, 300)).splitlines(keepends=True)
    settings = configured(growing=True)
    for count in range(1, 12):
        project.write(FILE, "".join(lines[:count]))
        run = project.run(settings)
        if run.all("rejected"):
            break
    assert count == 9
    assert "its bars are 5m apart, not 1m" in run.all("rejected")[0]["reason"]


MIXED = {
    "of two intervals": ("1m", [*range(0, 12_000, 60), *range(12_000, 42_000, 300)],
                         "those of ES are 5m apart at line 201"),
    "of two, the longer one first": ("1m", [*range(0, 30_000, 300), *range(30_000, 42_000, 60)],
                                     "those of ES are 5m apart at line 1"),
    "with shorter ones": ("5m", [*range(0, 30_000, 300), *range(30_000, 31_800, 60)],
                          "29 of ES are closer together"),
}  # fmt: skip


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("how", MIXED)
def test_a_file_of_bars_of_several_intervals_is_a_warning(
    project: Any, how: str, alone: bool
) -> None:
    interval, times, said = MIXED[how]
    project.write(FILE, bars(times))
    if not alone:
        project.write("data/raw/ES 2.csv", bars(range(86_400, 89_400, 300)[: 300 // 60]))
    run = project.run(configured(interval=interval))
    (warning,) = [line["msg"] for line in run.all("warning") if "apart" in line["msg"]]
    assert warning == f"{FILE}: not all bars are {interval} apart: {said}; check interval"


@pytest.mark.parametrize("count", [5, 2])
def test_an_instrument_of_another_interval_in_a_column_is_named(project: Any, count: int) -> None:
    """The file stays; a warning names some of them."""
    lines = ["timestamp,open,high,low,close,volume,symbol"]
    for name, step in (("ES", 60), *((f"Q{n}", 300) for n in range(count))):
        lines += [f"{row},{name}" for row in bars(range(0, 30_000, step)).splitlines()]
    project.write(FILE, "\n".join(lines) + "\n")
    rule = InstrumentRule(column="symbol")
    run = project.run(configured(instrument=rule, header=True, columns=(*COLUMNS, "instrument")))
    named = [f"those of Q{n} are 5m apart" for n in range(min(count, 3))]
    more = " and 2 more" if count > 3 else ""
    assert f"not all bars are 1m apart: {', '.join(named)}{more}; check interval" in run.warnings


# Aggregation


def expected(seconds: Iterable[int], step: int) -> list[tuple[Any, ...]]:
    """Bars of `step` seconds of those that `bars` writes."""
    groups: dict[int, list[int]] = {}
    for n, at in enumerate(seconds):
        groups.setdefault((at + HALF) // step * step - HALF, []).append(n)
    return [
        (f"{START + dt.timedelta(seconds=at):%H:%M:%S}",
         of[0] + P, max(of) + P + 2, min(of) + P - 2, of[-1] + P + 1, sum(of))
        for at, of in groups.items()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "step", "aggregate", "seconds"),
    [("5s", 5, "1m", 60), ("1s", 1, "1m", 60), ("30s", 30, "5m", 300), ("1m", 60, "1h", 3600)],
)
def test_shorter_bars_make_longer_ones(
    project: Any, interval: str, step: int, aggregate: str, seconds: int
) -> None:
    times = [at for at in range(-1800, 5400, step) if at % 7]
    project.write(FILE, bars(times))
    project.run(configured(interval=interval, aggregate=aggregate))
    found = published(project, aggregate)
    assert [row[1:] for row in found] == [row[1:] for row in expected(times, seconds)]
    assert [row[0] for row in found] == [row[0] for row in expected(times, seconds)]


def test_a_repeated_shorter_bar_counts_once(project: Any) -> None:
    """Of several with one time the last one counts; the order of the file does not matter."""
    text = bars(range(0, 60, 5)) + bars(range(0, 60, 5), first=100)
    project.write(FILE, text)
    project.run(configured(interval="5s", aggregate="1m"))
    whole = sum(range(100, 112))
    assert published(project, "1m") == [("15:30:00", P + 100, P + 113, P + 98, P + 112, whole)]


def test_blocks_of_shorter_bars_must_follow_each_other(project: Any, monkeypatch: Any) -> None:
    """Otherwise a bar could be counted twice; here in any order of two blocks that do not."""
    from pipekit_translator.work.assemble import file_rows
    from pipekit_translator.work.read import rawfile

    monkeypatch.setattr(file_rows, "HELD", 20)
    monkeypatch.setattr(rawfile, "BLOCK", 1 << 10)
    text = bars(range(0, 600, 5))
    project.write(FILE, text + text)
    (rejected,) = project.run(configured(interval="5s", aggregate="1m")).all("rejected")
    assert (
        "its bars are not in order of time, so they cannot be made into bars of 1m"
        in (rejected["reason"])
    )
    project.write(FILE, "".join(text.splitlines(keepends=True)[::-1]))
    assert not project.run(configured(interval="5s", aggregate="1m")).all("rejected")
    assert sum(row[-1] for row in published(project, "1m")) == sum(range(120))


def test_a_growing_file_of_shorter_bars_continues_its_minute(project: Any) -> None:
    growing = configured(interval="5s", aggregate="1m", growing=True)
    file = project.write(FILE, bars(range(0, 90, 5)))
    project.run(growing)
    with Path(file).open("a") as more:
        more.write(bars(range(90, 150, 5), first=18))
    project.run(growing)
    assert [row[1:] for row in published(project, "1m")] == [
        row[1:] for row in expected(range(0, 150, 5), 60)
    ]


def test_ticks_make_bars_of_any_interval(project: Any) -> None:
    lines = [f"{START + dt.timedelta(seconds=at)},{at},1\n" for at in range(0, 900, 50)]
    project.write(FILE, "".join(lines))
    project.run(configured(columns=("timestamp", "price", "volume"), aggregate="5m"))
    assert [(row[0], row[-1]) for row in published(project, "5m")] == [
        ("15:30:00", 6), ("15:35:00", 6), ("15:40:00", 6),
    ]  # fmt: skip


REFUSED = {
    "interval: invalid interval '5': write '5s', '1m', '5m', '1h' or the like": {"interval": "5"},
    "interval: '60m' is written '1h'": {"interval": "60m"},
    "interval: '24h' is too long": {"interval": "24h"},
    "aggregate: '300s' is written '5m'": {"aggregate": "300s"},
    "aggregate = '5m' cannot be made of bars of '2m'": {"interval": "2m", "aggregate": "5m"},
    "interval is how far bars are apart, but these columns are ticks": {
        "interval": "5m", "columns": ("timestamp", "price", "volume"),
    },
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_intervals_that_make_no_sense_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="source") as caught:
        configured(**REFUSED[words])
    assert words in str(caught.value)


def test_a_quiet_contract_beside_a_busy_one_tells_no_interval(project: Any) -> None:
    """The rows of a file are judged together."""
    lines = ["timestamp,open,high,low,close,volume,symbol"]
    for name, step in (("ES", 60), ("NQ", 180)):
        rows = bars(range(0, 3600, step)).splitlines()
        lines += [f"{row},{name}" for row in rows]
    project.write(FILE, "\n".join(lines) + "\n")
    rule = InstrumentRule(column="symbol")
    run = project.run(configured(instrument=rule, header=True, columns=(*COLUMNS, "instrument")))
    assert not run.all("rejected")
    assert len(project.rows("NQ", MONTH)) == 20
