"""Tick files as they come, and what of each counts (spec: data, 1.3)."""

from __future__ import annotations

from typing import Any

import pytest
from pipekit_translator.settings import Settings, Source

NINJA = Source(glob="data/raw/*.Last.txt", dialect="N", timezone="UTC")
EXPORT = Source(glob="data/raw/*.csv", dialect="T", timezone="UTC")
FILE, CSV, DATE = "data/raw/NG 03-20.Last.txt", "data/raw/ticks.csv", "2020-01-06"
HEADER = "Date,Time,Open,High,Low,Close,Volume,Instrument"


def tick(clock: str, price: str, volume: int = 1) -> str:
    """A line of dialect N with one price for all."""
    return f"20200106 {clock};{price};{price};{price};{volume}\n"


def prices(project: Any, instrument: str = "NG") -> list[float]:
    return [row[1] for row in project.ticks(instrument, DATE)]


def test_a_third_decimal_and_negative_prices_are_kept(project: Any) -> None:
    """Gas moves in thousandths; the double is the one nearest to the text."""
    texts = ["2.345", "2.346", "-0.001", "-37.63", "0.1", "1234567.891"]
    lines = [tick(f"15300{at} 0000000", text) for at, text in enumerate(texts)]
    project.write(FILE, "".join(lines))
    project.run(Settings(sources=(NINJA,)))
    assert prices(project) == [float(text) for text in texts]
    assert [row[2:4] for row in project.ticks("NG", DATE)] == [(float(t),) * 2 for t in texts]


def test_of_three_exports_the_last_ones_ticks_stand(project: Any) -> None:
    """By the stamp in the name; a time that only an earlier one has stays."""
    for at, age in enumerate((1000, 9000, 5000)):  # the files' own times would say something else
        shared = "".join(tick("153000 0000000", f"{at}.{n}") for n in range(3 - at))
        name = f"data/raw/NG 2020010{7 + at}_000000.Last.txt"
        project.write(name, shared + tick(f"15300{at + 1} 0000000", f"{at}.9"), age=age)
    run = project.run(Settings(sources=(NINJA,)))
    assert prices(project) == [2.0, 0.9, 1.9, 2.9]
    found = run.metrics("NG/tick")
    assert (found["duplicates"], found["conflicts"]) == (5, 2)
    detail = run.all("wrote")[0]["detail"]
    assert (detail["first"], detail["last"]) == ("2020-01-06T15:30:00Z", "2020-01-06T15:30:03Z")
    assert detail["rows"] == 4


def test_columns_in_another_order_are_found_by_their_names(project: Any) -> None:
    header = "Instrument,Volume,Close,Low,High,Open,Time,Date"
    row = "NG,4.0,2.345,2.345,2.345,2.345,15:30:00.001,2020-01-06"
    project.write(CSV, f"\ufeff{header}\r\n{row}\r\n")
    project.run(Settings(sources=(EXPORT,)))
    assert project.ticks("NG", DATE) == [("2020-01-06T15:30:00.001000000", 2.345, None, None, 4)]


UNUSABLE = {
    "another separator": (FILE, "20200106 153000 0000000,1,1,1,1\n", "separator = ','"),
    "an unknown instrument": (
        CSV, f"{HEADER}\n2020-01-06,15:30:00.001,1,1,1,1,1,XX\n", "unknown instrument 'XX'"
    ),
    "no header": (CSV, "2020-01-06,15:30:00.001,1,1,1,1,1,NG\n", "header = false"),
    "a header without a column": (CSV, "Date,Time,Price,Volume,Instrument\n", "no column"),
    "UTF-16": (FILE, tick("153000 0000000", "1").encode("utf-16-be"), "save it as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_tick_file_that_cannot_be_used_is_rejected_whole(project: Any, what: str) -> None:
    """It stays where it is, is not tried again, and the other files go on."""
    path, content, reason = UNUSABLE[what]
    project.write(path, content)
    project.write("data/raw/ES 03-20.Last.txt", tick("153000 0000000", "3"))
    settings = Settings(sources=(NINJA, EXPORT))
    run = project.run(settings)
    assert run.paths("rejected") == [path]
    assert reason in run.all("rejected")[0]["reason"]
    assert prices(project, "ES") == [3.0]
    assert (project.root / path).exists()
    assert not project.plan(settings)


def test_a_header_alone_is_empty_and_no_success(project: Any) -> None:
    project.write(CSV, f"{HEADER}\r\n")
    settings = Settings(sources=(EXPORT,))
    run = project.run(settings)
    assert run.paths("consumed") == [CSV]
    assert run.metrics()["empty_files"] == 1
    assert not run.all("unit_end")
    assert not project.plan(settings)


def test_gaps_inside_sessions_and_prices_off_the_grid_are_counted(project: Any) -> None:
    """Of minutes with ticks in them, from half an hour on; the pause of the day is no gap."""
    clocks = ["153000", "153059", "153100", "160000", "215959", "230000"]
    found = ["2.345", "2.345", "2.3455", "2.345", "2.345", "2.345"]
    lines = zip(clocks, found, strict=True)
    project.write(FILE, "".join(tick(f"{clock} 0000000", price) for clock, price in lines))
    said = project.run(Settings(sources=(NINJA,))).metrics("NG/tick")
    assert (said["gaps"], said["missing_minutes"], said["off_grid"]) == (1, 358, 1)


OUTCOMES = {
    ("append", True): ["wrote", "consumed"],
    ("append", False): ["warning"],
    ("replace", True): ["warning"],
    ("truncate", True): ["warning"],
}


_HOW = [
    pytest.param(
        *each, marks=[pytest.mark.posix("open files can be renamed")] * (each[0] == "replace")
    )
    for each in OUTCOMES
]


@pytest.mark.parametrize(("how", "growing"), _HOW)
def test_a_tick_file_that_is_written_to_while_it_is_read(
    project: Any, meddled: Any, how: str, growing: bool
) -> None:
    """An append is no change of a growing file; whatever else happens, nothing is taken."""
    source = Source(glob="data/raw/*.txt", dialect="N", timezone="UTC", growing=growing)
    settings = Settings(sources=(source,))
    project.write(FILE, tick("153000 0000000", "1") + tick("153001 0000000", "2"))
    line = tick("153002 0000000", "3")
    assert meddled(FILE, how, line, settings) == OUTCOMES[how, growing]
    assert project.day("NG", DATE).exists() == (how == "append" and growing)
    if project.day("NG", DATE).exists():
        assert prices(project) == [1.0, 2.0]


def test_days_of_a_changed_source_whose_file_is_gone_are_left_and_named(project: Any) -> None:
    project.write(FILE, tick("153000 0000000", "1"))
    project.run(Settings(sources=(NINJA,)))
    tree = project.tree()
    (project.root / FILE).unlink()
    chicago = Source(glob=NINJA.glob, dialect="N", timezone="America/Chicago")
    project.write("data/raw/ES 03-20.Last.txt", tick("153000 0000000", "3"))
    run = project.run(Settings(sources=(chicago,)))
    assert FILE in run.warnings
    assert project.tree()[f"NG/tick/2020/01/NG_tick_{DATE}.parquet"] == next(iter(tree.values()))


def test_a_growing_file_in_the_doubled_hour_goes_on_where_it_was(project: Any) -> None:
    """Also where it stopped within the second pass."""
    source = Source(glob="data/raw/*.txt", dialect="N", timezone="America/Chicago", growing=True)
    settings = Settings(sources=(source,))
    clocks = ["013000 0000000", "014500 0000000", "013000 0000000", "014500 0000000"]
    lines = [f"20201101 {clock};1;1;1;1\n" for clock in clocks]
    for count in (2, 3, 4):
        project.write(FILE, "".join(lines[:count]), age=0)
        assert project.run(settings).metrics()["rows"] == (2 if count == 2 else 1)
    times = [row[0][11:19] for row in project.ticks("NG", "2020-11-01")]
    assert times == ["06:30:00", "06:45:00", "07:30:00", "07:45:00"]


def test_a_growing_tick_file_whose_beginning_changed_is_read_anew(project: Any) -> None:
    """And one that became shorter; nothing is taken for read that was not."""
    settings = Settings(
        sources=(Source(glob="data/raw/*.txt", dialect="N", timezone="UTC", growing=True),)
    )
    first, second, third = (tick(f"15300{at} 0000000", str(at)) for at in range(3))
    project.write(FILE, first + second)
    project.run(settings)
    project.write(FILE, first.replace(";0;", ";7;") + second + third, age=0)
    assert project.run(settings).metrics()["rows"] == 3
    assert prices(project) == [7.0, 1.0, 2.0]
    project.write(FILE, first, age=0)
    assert project.run(settings).metrics()["rows"] == 1
    assert prices(project) == [0.0, 1.0, 2.0]
