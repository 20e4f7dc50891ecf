"""Files that are written to while they are read, and lines that may be half lines."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.read import rawfile

from pipekit.worker import fingerprint, hasher

DAY = "data/raw/ES/1m/2020/01/ES_1m_2020-01-06.csv"
EXPORT = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
ONE = "2020-01-06 08:00,10,12,9,11,5"
TWO = "2020-01-06 08:01,10,12,9,11,6"
THREE = "2020-01-06 08:02,10,12,9,11,7"
TIMES = ["2020-01-06T08:00", "2020-01-06T08:01", "2020-01-06T08:02"]


def append(project: Any, path: str, text: str, age: float = 0.0) -> None:
    file = project.root / path
    with file.open("a") as stream:
        stream.write(text)
    os.utime(file, (time.time() - age,) * 2)


def test_only_the_rest_of_a_growing_file_is_read(project: Any, daily: Any) -> None:
    """The next run parses what is behind the prefix that it knows by length and digest."""
    project.write(DAY, daily(ONE, TWO))
    first = project.run().all("consumed")[0]
    append(project, DAY, daily(THREE).splitlines(keepends=True)[1])
    run = project.run()
    assert project.times("ES", "2020-01") == TIMES
    assert run.metrics()["rows"] == 1
    assert first["detail"]["prefix"] == len(daily(ONE, TWO))
    (consumed,) = run.all("consumed")
    assert consumed["fingerprint"] == fingerprint(project.root / DAY)
    assert consumed["detail"]["days"] == {"ES": {"2020-01": 1 << 6}}
    assert not project.plan()


FAR = {
    "a spike": ("2020-01-06 20:40,9000,9001,8999,9000,7", "far off those around"),
    "a low of 0": ("2020-01-06 20:40,1000,1001,0,1000,7", "far off those around"),
    "another year": ("2021-01-06 20:40,1000,1001,999,1000,7", "more than 180 days"),
}


@pytest.mark.parametrize("count", [20, 2000])
@pytest.mark.parametrize("how", FAR)
def test_rows_that_are_added_are_judged_by_those_before(
    project: Any, daily: Any, how: str, count: int
) -> None:
    """One at a time, they used to have nothing around them from which they could be far."""
    row, reason = FAR[how]
    times = [f"2020-01-0{5 + n // 1440} {n // 60 % 24:02}:{n % 60:02}" for n in range(count)]
    project.write(DAY, daily(*(f"{time},1000,1001,999,1000,5" for time in times)))
    project.run()
    append(project, DAY, daily(row).splitlines(keepends=True)[1])
    run = project.run()
    assert [(each["line"], reason in each["reason"]) for each in project.quarantine()] == [
        (count + 2, True)
    ]
    assert run.metrics()["rows"] == 1
    append(
        project, DAY, daily("2020-01-06 23:59,1000,1001,999,1000,6").splitlines(keepends=True)[1]
    )
    run = project.run()
    assert run.metrics()["rows"] == 1
    assert not run.metrics().get("rows_set_aside")
    assert len(project.times("ES", "2020-01")) == count + 1
    assert not (project.root / "data/processed/ES/1m/2021").exists()


def test_line_numbers_go_on_where_the_prefix_ends(project: Any, daily: Any) -> None:
    project.write(DAY, daily(ONE, TWO))
    project.run()
    append(project, DAY, "2020-01-06T08:02:00Z,10,9,9,11,7\n")
    project.run()
    assert [(row["line"], row["source"]) for row in project.quarantine()] == [(4, DAY)]
    assert project.known[DAY].detail["quarantined"] == 1


def test_half_a_line_waits_for_its_other_half(project: Any, daily: Any) -> None:
    """It is no row until its newline is there, however often the stage is planned meanwhile."""
    whole = daily(ONE, TWO, THREE)
    project.write(DAY, whole[:-5], age=0)
    run = project.run()
    assert project.times("ES", "2020-01") == TIMES[:2]
    (consumed,) = run.all("consumed")
    assert consumed["complete"] is False
    end = whole[:-5].rindex("\n") + 1
    assert consumed["detail"]["prefix"] == end
    assert consumed["detail"]["unread"] == len(whole) - 5 - end
    assert consumed["fingerprint"] == hasher(whole[:end].encode()).hexdigest()
    waiting = project.plan()
    assert not waiting
    assert waiting.waiting == (DAY,)
    append(project, DAY, whole[-5:])
    project.run()
    assert project.times("ES", "2020-01") == TIMES
    assert project.rows("ES", "2020-01")[2][5] == 7


def test_a_last_line_without_newline_is_taken_when_nobody_goes_on_with_it(
    project: Any, export: Any
) -> None:
    """After `final_after` without a change, with a warning; before, the lines above it count."""
    project.write(EXPORT, export(ONE, TWO)[:-2], age=10)
    assert project.run().all("consumed")[0]["complete"] is False
    assert project.times("ES", "2020-01") == TIMES[:1]
    assert not project.plan()
    later = time.time() + 2 * 3600
    planned = project.plan(started=later)
    assert [item.path for item in planned.inputs] == [EXPORT]
    run = project.run(Settings(final_after=0.0))
    assert "the last line has no newline; it was read" in run.warnings
    assert project.times("ES", "2020-01") == TIMES[:2]
    assert not project.plan()


def test_a_changed_prefix_discards_what_is_known_of_it(project: Any, daily: Any) -> None:
    """The whole file is read again, and nothing is taken for read that was not."""
    project.write(DAY, daily(ONE, TWO))
    project.run()
    project.write(DAY, daily(ONE.replace("12", "13"), TWO, THREE), age=0)
    run = project.run()
    assert run.metrics()["rows"] == 3
    assert project.rows("ES", "2020-01")[0][2] == 13.0


def test_a_shorter_file_is_read_anew(project: Any, daily: Any) -> None:
    project.write(DAY, daily(ONE, TWO))
    project.run()
    project.write(DAY, daily(THREE), age=0)
    assert project.run().metrics()["rows"] == 1
    assert project.times("ES", "2020-01") == TIMES


def test_only_a_header_so_far_is_no_trouble(project: Any, daily: Any) -> None:
    header = daily()
    project.write(DAY, header[:9], age=0)
    assert project.run().all("consumed")[0]["complete"] is False
    append(project, DAY, header[9:])
    assert project.run().metrics()["empty_files"] == 1
    append(project, DAY, daily(ONE)[len(header) :])
    project.run()
    assert project.times("ES", "2020-01") == TIMES[:1]


MORE = "2020-01-06T08:02:00Z,10,12,9,11,7\n"


def test_an_append_while_reading_is_no_change_of_a_growing_file(
    project: Any, daily: Any, meddled: Any
) -> None:
    project.write(DAY, daily(ONE, TWO))
    assert meddled(DAY, "append", MORE) == ["wrote", "consumed"]
    assert project.times("ES", "2020-01") == TIMES[:2]


@pytest.mark.parametrize(
    "how",
    [pytest.param("replace", marks=pytest.mark.posix("open files can be renamed")), "truncate"],
)
def test_a_growing_file_that_is_replaced_or_cut_while_reading_does_not_count(
    project: Any, daily: Any, meddled: Any, how: str
) -> None:
    project.write(DAY, daily(ONE, TWO))
    assert meddled(DAY, how, "") == ["warning"]
    assert not project.month("ES", "2020-01").exists()


def test_a_settled_file_that_changes_while_it_is_read_does_not_count(
    project: Any, daily: Any, meddled: Any
) -> None:
    settings = Settings(sources=(Source(glob="data/raw/**/*.csv", dialect="D", growing=False),))
    project.write(DAY, daily(ONE, TWO))
    assert meddled(DAY, "append", MORE, settings) == ["warning"]
    assert not project.month("ES", "2020-01").exists()


def test_files_larger_than_a_block_are_read_block_by_block(
    project: Any, daily: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines across two blocks come out whole, and bad rows are held against the whole file."""
    rows = [
        f"2020-01-{6 + at // 1440:02} {at // 60 % 24:02}:{at % 60:02},10,12,9,11,{at}"
        for at in range(4000)
    ]
    bad = [row.replace(",12,", ",8,") for row in rows[:10]]
    project.write(DAY, daily(*bad, *rows))
    monkeypatch.setattr(rawfile, "BLOCK", 777)
    project.run()
    found = project.rows("ES", "2020-01")
    assert [row[5] for row in found] == list(range(4000))
    assert [row["line"] for row in project.quarantine()] == list(range(2, 12))


def test_the_shortest_rows_count_in_full_before_a_file_is_rejected(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 % of bad rows at the start of a file of 17-byte rows: as many as are allowed."""
    rows = [f"2020010608{at % 60:02},{'x' if at < 10 else 1},1\n" for at in range(1000)]
    project.write(DAY, "".join(rows))
    monkeypatch.setattr(rawfile, "BLOCK", 777)
    source = Source(
        glob="data/raw/**/*.csv",
        dialect="N",
        separator=",",
        columns=("timestamp", "price", "volume"),
        timestamp_format="%Y%m%d%H%M",
        timezone="UTC",
    )
    run = project.run(Settings(sources=(source,)))
    assert not run.all("rejected")
    assert len(project.quarantine()) == 10
