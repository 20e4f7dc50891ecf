"""Days made anew: changed settings, lost files, `--rebuild`, and months that were taken away."""

from __future__ import annotations

import datetime as dt
from typing import Any

import attrs
from pipekit_translator.settings import Settings, Source

from pipekit import ContentState, Why

ONE = "data/raw/a/DataExport_ES_20200107_000500_UTC.csv"
TWO = "data/raw/b/DataExport_ES_20200108_000500_UTC.csv"
MONTH = "data/processed/ES/1m/2020/ES_1m_2020-01.parquet"
VALUES = "10,12,9,11,5"
FIRST = f"2020-01-06 18:00,{VALUES}"
SECOND = f"2020-01-06 19:00,{VALUES}"
THIRD = f"2020-01-07 19:00,{VALUES}"


def sources(one: str = "UTC", two: str = "UTC") -> Settings:
    return Settings(
        sources=(
            Source(glob="data/raw/a/*.csv", dialect="A", timezone=one),
            Source(glob="data/raw/b/*.csv", dialect="A", timezone=two),
        )
    )


def test_a_corrected_zone_leaves_no_bar_where_it_was_wrongly_put(
    project: Any, new_project: Any, export: Any
) -> None:
    """The days the source fed are rebuilt, with the help of the other source's file."""
    project.write(ONE, export(FIRST, THIRD))
    project.write(TWO, export(SECOND))
    project.run(sources(one="America/New_York"))
    assert project.times("ES", "2020-01")[1] == "2020-01-06T23:00"
    planned = project.plan(sources())
    assert planned.reason == "1 file in data/raw again because a setting changed"
    assert [(item.path, item.why) for item in planned.inputs] == [
        (ONE, Why.SETTINGS),
        (TWO, Why.FORCED),
    ]
    run = project.run(sources())
    assert project.times("ES", "2020-01") == [
        "2020-01-06T18:00",
        "2020-01-06T19:00",
        "2020-01-07T19:00",
    ]
    assert run.metrics("ES")["bars_removed"] == 2
    assert run.metrics("ES")["conflicts"] == 0
    at_once = new_project()
    at_once.write(ONE, export(FIRST, THIRD))
    at_once.write(TWO, export(SECOND))
    at_once.run(sources())
    assert at_once.tree() == project.tree()
    assert not project.plan(sources())


def test_the_files_of_other_sources_stay_known(project: Any, export: Any) -> None:
    project.write(ONE, export(FIRST))
    project.write(TWO, export(THIRD))
    project.run(sources())
    planned = project.plan(sources(one="Europe/London"))
    assert [item.path for item in planned.inputs] == [ONE]


def test_a_helper_gives_its_bars_to_the_rebuilt_days_alone(project: Any, export: Any) -> None:
    """An older export that is read again for one day does not win back another."""
    older = f"2020-01-07 19:00,{VALUES.replace('12', '13')}"
    project.write(ONE, export(SECOND, older))
    project.run(sources())
    project.write(TWO, export(THIRD))
    project.run(sources())
    third = "data/raw/c/DataExport_ES_20200109_000500_UTC.csv"
    project.write(third, export(FIRST))
    more = sources()
    chicago = Source(glob="data/raw/c/*.csv", dialect="A", timezone="America/Chicago")
    project.run(attrs.evolve(more, sources=(*more.sources, chicago)))
    utc = attrs.evolve(chicago, timezone="UTC")
    project.run(attrs.evolve(more, sources=(*more.sources, utc)))
    found = {row[0]: row[2] for row in project.rows("ES", "2020-01")}
    assert found["2020-01-07T19:00"] == 12.0
    assert sorted(found) == ["2020-01-06T18:00", "2020-01-06T19:00", "2020-01-07T19:00"]


def test_days_whose_other_file_is_gone_are_left_and_named(project: Any, export: Any) -> None:
    project.write(ONE, export(FIRST, THIRD))
    project.write(TWO, export(SECOND))
    project.run(sources(one="America/New_York"))
    before = project.rows("ES", "2020-01")
    (project.root / TWO).unlink()
    run = project.run(sources())
    assert "not rebuilt: ES 2020-01-06" in run.warnings
    assert TWO in run.warnings
    assert (
        "put the raw files back from the trash (`pipekit lifecycle restore` lists it)"
        in run.warnings
    )
    after = project.rows("ES", "2020-01")
    assert after[:2] == before[:2]
    assert [row[0] for row in after[2:]] == ["2020-01-07T19:00"]


def test_a_changed_source_whose_file_is_gone_is_named(project: Any, export: Any) -> None:
    project.write(ONE, export(FIRST))
    project.run(sources())
    (project.root / ONE).unlink()
    planned = project.plan(sources(one="America/New_York"))
    assert not planned
    assert ONE in planned.warnings[0]
    assert "days from there are not rebuilt" in planned.warnings[0]
    assert not project.plan(sources()).warnings


def test_a_rebuild_leaves_the_days_of_a_file_that_is_now_rejected(
    project: Any, export: Any
) -> None:
    """Settings under which a file cannot be read must not empty the days it fed."""
    project.write(ONE, export(FIRST))
    project.run(sources())
    before = project.tree()
    broken = Source(glob="data/raw/a/*.csv", dialect="A", timezone="UTC", separator=";")
    run = project.run(Settings(sources=(broken,)))
    assert run.paths("rejected") == [ONE]
    assert "not rebuilt: ES 2020-01-06" in run.warnings
    assert project.tree() == before


def test_a_day_that_two_sources_fed_is_left_whole_when_one_is_rejected(
    project: Any, export: Any
) -> None:
    """No new reading of the one file is mixed with the old reading of the other."""
    project.write(ONE, export(FIRST, THIRD))
    project.write(TWO, export(SECOND))
    project.run(sources(one="America/New_York"))
    before = project.rows("ES", "2020-01")
    right = sources()
    broken = attrs.evolve(right.sources[1], separator=";")
    run = project.run(attrs.evolve(right, sources=(right.sources[0], broken)))
    assert run.paths("rejected") == [TWO]
    after = project.rows("ES", "2020-01")
    assert after[:2] == before[:2]
    assert [row[0] for row in after[2:]] == ["2020-01-07T19:00"]


def test_months_made_for_another_exchange_zone_are_not_mixed_with_this_one(
    project: Any, export: Any
) -> None:
    project.write(ONE, export(FIRST))
    project.run()
    before = project.tree()
    run = project.run(Settings(timezone="Europe/London"))
    assert "has dates of America/Chicago" in run.failed["ES"]
    assert "pipekit run --rebuild" in run.failed["ES"]
    assert project.tree() == before


def test_a_lost_processed_file_is_made_anew(project: Any, export: Any) -> None:
    project.write(ONE, export(FIRST))
    project.write(TWO, export(THIRD))
    project.run()
    before = project.tree()
    (project.root / MONTH).unlink()
    planned = project.plan()
    assert planned.reason == f"{MONTH} is missing and will be rebuilt"
    assert sorted(item.path for item in planned.inputs) == [ONE, TWO]
    project.run()
    assert project.tree() == before
    assert not project.plan()


def test_rebuild_makes_everything_anew(project: Any, export: Any) -> None:
    """Also a bar that no raw file holds is then gone; the same input gives the same bytes."""
    project.write(ONE, export(FIRST, SECOND))
    project.run()
    project.write(ONE, export(SECOND))
    project.run()
    assert len(project.times("ES", "2020-01")) == 2
    run = project.run(rebuild=True)
    assert project.times("ES", "2020-01") == ["2020-01-06T19:00"]
    assert run.metrics("ES")["bars_removed"] == 1


def test_force_reads_everything_again_and_rewrites_nothing(project: Any, export: Any) -> None:
    project.write(ONE, export(FIRST, "2020-01-06 18:01,10,9,9,9,1"))
    project.run()
    before = project.month("ES", "2020-01").stat().st_mtime_ns
    run = project.run(force=True)
    assert run.paths("consumed") == [ONE]
    assert run.paths("unchanged") == [MONTH]
    assert project.month("ES", "2020-01").stat().st_mtime_ns == before
    assert not project.quarantine()  # its bad row was set aside by the first run
    assert project.known[ONE].detail["quarantined"] == 1


def test_force_can_be_narrowed_down_to_dates(project: Any, export: Any) -> None:
    project.write(ONE, export(FIRST))
    project.write(TWO, export(THIRD))
    project.run()
    day = dt.date(2020, 1, 7)
    assert [item.path for item in project.plan(force=True, dates=(day, day)).inputs] == [TWO]


def taken_away(project: Any) -> bytes:
    """The lifecycle takes the processed month; gives back its bytes."""
    file = project.month("ES", "2020-01")
    data = file.read_bytes()
    file.unlink()
    project.outputs[MONTH] = project.outputs[MONTH]._replace(present=False)
    return bytes(data)


def test_bars_for_a_month_that_was_taken_away_are_late(project: Any, export: Any) -> None:
    """They are set aside, the remedy is named, and no partial month is published."""
    project.write(ONE, export(FIRST))
    project.run()
    taken_away(project)
    assert not project.plan()
    february = f"2020-02-03 18:00,{VALUES}"
    project.write(TWO, export(SECOND, february, THIRD))
    run = project.run()
    assert not project.month("ES", "2020-01").exists()
    assert project.times("ES", "2020-02") == ["2020-02-03T18:00"]
    assert "2 bars belong to" in run.failed["ES 2020-01 late"]
    assert (
        "Put the month back from the trash (`pipekit lifecycle restore` lists it)"
        in run.failed["ES 2020-01 late"]
    )
    kept = project.quarantine()
    assert [(row["line"], row["reason"].split(":")[0]) for row in kept] == [
        (2, "late"),
        (4, "late"),
    ]
    assert kept[1]["text"] == export(THIRD).splitlines()[1]
    assert project.known[TWO].state is ContentState.CONSUMED
    assert project.known[TWO].detail["quarantined"] == 2
    assert not project.plan()


def test_late_bars_are_taken_once_the_month_is_restored(project: Any, export: Any) -> None:
    project.write(ONE, export(FIRST))
    project.run()
    data = taken_away(project)
    project.write(TWO, export(SECOND))
    project.run()
    project.month("ES", "2020-01").write_bytes(data)
    project.outputs[MONTH] = project.outputs[MONTH]._replace(present=True)
    assert project.plan().reason == f"late rows of {TWO} can be published now"
    run = project.run()
    assert not run.failed
    assert project.times("ES", "2020-01") == ["2020-01-06T18:00", "2020-01-06T19:00"]
    assert not project.plan()


def test_bars_that_were_published_before_their_month_was_taken_are_not_late(
    project: Any, export: Any
) -> None:
    """Reading a known file again brings nothing new."""
    project.write(ONE, export(FIRST))
    project.run()
    taken_away(project)
    run = project.run(force=True)
    assert not run.failed
    assert not project.quarantine()
    assert not project.month("ES", "2020-01").exists()


def test_a_file_whose_neighbour_is_still_being_written_waits_for_it(
    project: Any, export: Any
) -> None:
    """Rebuilding a day without a file that fed it would lose that file's bars."""
    project.write(ONE, export(FIRST))
    project.write(TWO, export(SECOND))
    project.run(sources(one="America/New_York"))
    project.manager.quiet_seconds = 1e-6  # which ONE has been left alone for
    project.write(TWO, export(SECOND, THIRD), age=-3600)  # by another clock: seen once, not settled
    planned = project.plan(sources())
    assert not planned
    assert planned.waiting == (TWO,)
    reason = "because a file that fed the same days is still being written"
    assert planned.warnings == (f"left for the next run: {ONE}, {reason}",)
    assert sorted(planned.holds) == [ONE, TWO]
