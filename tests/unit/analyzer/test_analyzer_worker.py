"""The worker: what it publishes, consumes, rejects, and leaves alone."""

from __future__ import annotations

import json
from datetime import date, time, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipekit_analyzer.settings import InstrumentTable, Session, Settings, Variant

from pipekit import ABSENT, Published
from pipekit.worker import fingerprint

# Monday to the Friday of the next week
WEEKDAYS = [date(2013, 10, 7) + timedelta(days=n) for n in range(12) if n not in (5, 6)]
ANY = "0001-01-01", "9999-12-31"


@pytest.fixture
def week(minutes):
    """Bars of the first `count` trading days."""
    return lambda count: [bar for day in WEEKDAYS[:count] for bar in minutes(day)]


def month(name="ES", of="2013-10"):
    return f"data/processed/{name}/1m/{of[:4]}/{name}_1m_{of}.parquet"


def scope_of(project, line):
    metadata = pq.read_metadata(project.root / line["path"]).metadata
    return json.loads(metadata[b"pipekit.scope"])


def test_a_first_run_computes_all_and_says_so(project, week):
    project.write("ES", week(3))
    done = project.run()
    wrote = done.wrote["ES"]
    assert wrote["path"] == "data/analyzer_runs/run-1/ES.parquet"
    assert wrote["fingerprint"] == fingerprint(project.root / wrote["path"])
    assert wrote["sources"] == [month()] == done.consumed
    assert (
        wrote["detail"]["scope"]
        == scope_of(project, wrote)
        == {
            "version": 1,
            "instrument": "ES",
            "parts": [{"variants": "*", "slots": "*", "dates": [list(ANY)]}],
        }
    )
    facts = {k: v for k, v in wrote["detail"].items() if k != "scope"}
    assert facts == {
        "instrument": "ES",
        "series": "ES",
        "rows": 21,
        "full": True,
        "first": "2013-10-07",
        "last": "2013-10-09",
    }


def test_a_result_file_is_sorted_typed_and_says_what_it_came_of(project, week):
    project.write("ES", week(2))
    variants = (Variant(name="b"), Variant(name="a", target=2.0))
    done = project.run(Settings(variants=variants))
    file = project.root / done.wrote["ES"]["path"]
    table = pq.read_table(file)
    keys = [(r["variant"], r["date"], r["session"], r["slot"]) for r in table.to_pylist()]
    assert keys == sorted(keys)
    assert len(set(keys)) == 28
    assert {r["target"] for r in table.to_pylist() if r["variant"] == "a"} == {20.0}
    types = {field.name: str(field.type) for field in table.schema}
    assert types["date"] == "date32[day]"
    assert types["entry_time"] == types["exit_time"] == "timestamp[us, tz=America/Chicago]"
    assert types["range_bars"] == "int64"
    assert table.schema.metadata is None  # where Arrow would write them twice
    metadata = {k.decode(): v for k, v in pq.read_metadata(file).metadata.items()}
    assert json.loads(metadata["pipekit.inputs"]) == {month(): fingerprint(project.root / month())}
    assert json.loads(metadata["pipekit.settings"])["instrument"]["tick"] == "0.25"
    assert set(metadata) == {
        *("pipekit.scope", "pipekit.settings", "pipekit.inputs"),
        "ARROW:schema",
    }
    assert b"run-1" not in file.read_bytes()


def test_no_temporary_file_is_left(project, week):
    project.write("ES", week(1))
    project.run()
    assert [f.name for f in (project.root / "data/analyzer_runs/run-1").iterdir()] == ["ES.parquet"]


def test_one_new_day_computes_its_windows_and_the_unexpired_ones(project, week):
    project.write("ES", week(3))
    project.run()
    project.write("ES", week(4))
    done = project.run()
    (part,) = done.wrote["ES"]["detail"]["scope"]["parts"]
    assert part["dates"] == [["2013-10-09", "2013-10-10"]]
    assert part["variants"] == ["default"]
    assert part["slots"][0] == ["S1", "07:30"]
    assert len(part["slots"]) == 7
    assert done.wrote["ES"]["detail"]["rows"] == 14


def test_of_a_long_history_one_new_day_reads_the_months_of_its_windows(project, minutes):
    days = [date(2013, 8, 5), date(2013, 9, 5), date(2013, 10, 10)]
    project.write("ES", [bar for day in days for bar in minutes(day)])
    project.run()
    new = [*days[2:], date(2013, 10, 11)]
    project.write("ES", [bar for day in new for bar in minutes(day)])
    done = project.run()
    metadata = pq.read_metadata(project.root / done.wrote["ES"]["path"]).metadata
    assert list(json.loads(metadata[b"pipekit.inputs"])) == [month()]
    assert done.consumed == [month()]


def test_a_friday_waits_for_the_first_bars_after_a_long_weekend(project, minutes):
    """Friday's trades end on Monday; where Monday is a holiday, Tuesday's bars close them."""
    friday, tuesday = WEEKDAYS[4], WEEKDAYS[6]
    quiet = [(bar[0], 1000.0, 1001.0, 999.0, 1000.0, 1) for bar in minutes(friday, last="10:55")]
    above = [(bar[0], 1001.5, 1002.0, 1001.0, 1001.5, 1) for bar in minutes(friday, first="11:00")]
    project.write("ES", quiet + above)
    project.run()
    assert {row["result"] for row in project.merged.values()} == {"Open"}
    assert {row["profit"] for row in project.merged.values()} == {0.25}
    project.write("ES", quiet + above + minutes(tuesday, last="01:00"))
    done = project.run()
    assert done.wrote["ES"]["detail"]["full"] is False
    assert {row["result"] for row in project.merged.values()} == {"Time"}
    assert {row["exit_time"].strftime("%a %H:%M") for row in project.merged.values()} == {
        "Fri 23:55"
    }


def test_a_rewritten_file_of_equal_days_is_consumed_without_results(project, week):
    project.write("ES", week(3))
    project.run()
    (project.root / month()).unlink()
    project.write("ES", week(3))
    done = project.run()
    assert done.consumed == [month()]
    assert not done.wrote
    assert not project.plan()


def test_bars_without_digests_are_digested_here(project, week):
    project.write("ES", week(2), metadata=False)
    project.run()
    assert sorted(project.ledger[month()].detail["days"]) == ["2013-10-07", "2013-10-08"]
    assert project.ledger[month()].detail["last"] == "2013-10-09T04:55:00+00:00"
    project.write("ES", week(3), metadata=False)
    (part,) = project.run().wrote["ES"]["detail"]["scope"]["parts"]
    assert part["dates"][0] == ["2013-10-08", "2013-10-09"]


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("type", [pa.int64(), pa.float64()])
def test_nothing_depends_on_the_volume(new_project, week, metadata, type):
    """Bars without it, and with fractions of it, give the rows of bars that have it."""
    found = []
    for volumes in ([7], [None], [None, 3]):
        project = new_project()
        bars = [(*bar[:5], volumes[at % len(volumes)]) for at, bar in enumerate(week(2))]
        (path,) = project.write("ES", bars, metadata=metadata)
        table = pq.read_table(project.root / path)
        at = table.schema.get_field_index("volume")
        pq.write_table(
            table.set_column(at, "volume", table["volume"].cast(type)), project.root / path
        )
        (written,) = project.run().wrote.values()
        found.append(pq.read_table(project.root / written["path"]).to_pylist())
    assert found[0]
    assert found[1] == found[2] == found[0]


def test_vanished_bars_take_their_rows_with_them(new_project, week, minutes):
    project, other = new_project(), new_project()
    later = minutes(date(2013, 11, 4))
    project.write("ES", [*week(5), *later])
    project.run()
    (project.root / month()).unlink()
    done = project.run()
    assert project.ledger[month()].fingerprint == ABSENT
    assert not project.plan()
    other.write("ES", later)
    other.run()
    assert project.merged == other.merged
    assert not done.failed


def test_when_all_bars_vanish_all_rows_do(project, week):
    project.write("ES", week(2))
    project.run()
    (project.root / month()).unlink()
    assert project.run().wrote["ES"]["detail"]["rows"] == 0
    assert not project.merged
    assert not project.plan()


def test_rows_of_months_that_the_lifecycle_took_stay(project, week, minutes):
    """Everything anew leaves out the dates that need bars which are archived."""
    project.write("ES", [*minutes(date(2013, 9, 26)), *minutes(date(2013, 9, 30)), *week(2)])
    project.run()
    before = dict(project.merged)
    taken = month(of="2013-09")
    (project.root / taken).unlink()
    gone = Published(path=taken, fingerprint="", run_number=1, run_id="r", present=False)
    project.removed = (gone,)
    done = project.run(force=True)
    (part,) = done.wrote["ES"]["detail"]["scope"]["parts"]
    # the window of Friday the 30th of August reaches into September
    assert part["dates"] == [["0001-01-01", "2013-08-29"], ["2013-10-01", "9999-12-31"]]
    assert project.merged == before


def test_changed_settings_leave_no_row_of_the_old_ones(project, week):
    project.write("ES", week(3))
    project.run()
    slots = (time(7, 30), time(8, 15))
    settings = Settings(
        sessions=(Session(name="S1", start=time(2), slots=slots),),
        variants=(Variant(name="tight", stop_rule="boundary"),),
    )
    project.run(settings)
    assert {(k[1], k[3], k[4]) for k in project.merged} == {
        ("tight", "S1", "07:30"),
        ("tight", "S1", "08:15"),
    }
    assert not project.plan(settings)


def test_a_run_restricted_to_dates_computes_these_and_consumes_nothing(project, week):
    project.write("ES", week(5))
    dates = (date(2013, 10, 8), date(2013, 10, 9))
    done = project.run(dates=dates)
    assert {key[2] for key in project.merged} == {"2013-10-08", "2013-10-09"}
    assert done.wrote["ES"]["detail"]["scope"]["parts"][0]["dates"] == [
        ["2013-10-08", "2013-10-09"]
    ]
    assert done.consumed == []
    assert project.run().consumed == [month()]
    assert len(project.merged) == 35


def test_an_instrument_without_parameters_fails_alone_and_is_not_tried_again(project, week):
    project.write("ES", week(1))
    project.write("ZB", week(1))
    done = project.run()
    assert "write tick, target, decimals and usd_per_point" in done.failed["ZB"]
    assert "[stages.analyzer.settings.instruments.ZB]" in done.failed["ZB"]
    assert set(done.rejected) == {month("ZB")}
    assert done.consumed == [month()]
    assert not project.plan()
    assert [known.path for known in project.plan().rejected] == [month("ZB")]
    settings = Settings(instruments={"ZB": InstrumentTable(parent="ES")})
    assert set(project.run(settings).wrote) == {"ZB"}
    assert not project.plan(settings)


def test_an_off_grid_price_is_flagged(project, week):
    bars = week(1)
    stamp, open_, high, low, _, volume = bars[7]
    bars[7] = (stamp, open_, high, low, low + 0.1, volume)
    project.write("ES", bars)
    done = project.run()
    assert not done.failed
    assert done.warnings[0]["data"]["off_grid"] == 1
    assert done.warnings[0]["msg"].endswith(", 1 bar off the tick grid")


def test_a_day_with_too_many_off_grid_prices_is_refused_by_name(project, week, minutes):
    good = week(4)
    spoilt = minutes(WEEKDAYS[2])
    bad = [(*bar[:4], bar[3] + 0.1, bar[5]) if bar in spoilt else bar for bar in good]
    project.write("ES", bad)
    project.write("NQ", week(1))
    done = project.run()
    assert set(done.failed) == {"ES"}
    assert "on 2013-10-09, 288 of 288 bars" in done.rejected[month()]
    assert "not multiples of the tick 0.25" in done.failed["ES"]
    assert not project.plan()
    project.write("ES", good)
    assert not project.run().failed
    assert not project.plan()


def test_while_a_month_is_refused_its_instrument_is_left_alone(project, week, minutes):
    project.write("ES", [*week(2), *minutes(date(2013, 11, 4))])
    (project.root / month()).write_bytes(b"no bars")
    done = project.run()
    assert list(done.rejected) == [month()]
    assert "not a Parquet file" in done.rejected[month()]
    plan = project.plan()
    assert not plan
    assert plan.warnings[0].startswith(f"ES is not analyzed while {month()} is rejected")
    assert set(plan.holds) == {month(), month(of="2013-11")}
    project.write("ES", week(2))
    assert set(project.run().consumed) == {month(), month(of="2013-11")}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda bars: bars[::-1], "not in ascending order"),
        (lambda bars: [(*bars[0][:2], float("nan"), *bars[0][3:])], "not finite numbers"),
    ],
)
def test_bars_that_cannot_be_bars_are_refused(project, week, spoil, words):
    project.write_month("ES", "2013-10", spoil(week(1)))
    assert words in project.run().rejected[month()]


def test_a_month_that_begins_before_the_one_before_it_ends_is_refused(project, week, minutes):
    project.write_month("ES", "2013-10", week(3))
    project.write_month("ES", "2013-11", [*week(3)[-10:], *minutes(date(2013, 11, 4))])
    done = project.run()
    assert done.rejected == {month(of="2013-11"): "it has bars of the months before it"}


def test_days_of_another_zone_are_refused_with_the_remedy(project, week):
    file = project.root / project.write("ES", week(2))[0]
    table = pq.read_table(file)
    metadata = {**table.schema.metadata, b"pipekit.timezone": b"America/New_York"}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    assert "to the same time zone" in project.run().failed["ES"]


def test_quality_is_reported_with_dates_to_look_at(project, minutes):
    flat = [(bar[0], 1000.0, 1000.0, 1000.0, 1000.0, 1) for bar in minutes(WEEKDAYS[2])]
    early = minutes(WEEKDAYS[1], last="12:00")
    bars = [*minutes(WEEKDAYS[0]), *early, *flat, *minutes(WEEKDAYS[3]), *minutes(WEEKDAYS[4])]
    project.write("ES", bars)
    (warning,) = project.run().warnings
    data = warning["data"]
    assert data["instrument"] == "ES"
    assert data["zero_range"] == 7
    assert data["early_close"] == 14  # of the day itself, and of the one before
    assert data["few_bars"] == 35  # a bar in five minutes
    assert data["examples"]["zero_range"][0] == "2013-10-09 S1 07:30"
    assert warning["msg"] == (
        "ES: 7 slots with a range of size 0, 35 with less than half of the range's bars, 14 on "
        "shortened days"
    )


def test_slots_without_a_bar_in_the_range_are_counted(project, minutes):
    project.write("ES", [*minutes(WEEKDAYS[0]), *minutes(WEEKDAYS[1], first="08:30")])
    (warning,) = project.run().warnings
    assert warning["data"]["no_range"] == 2  # 07:30 and 08:00
    assert warning["msg"].startswith("ES: 2 slots without bars (2013-10-08), 12 with")
    assert len(project.merged) == 12


def test_the_same_bytes_whatever_the_workers_and_the_run(new_project, week):
    files = []
    for workers in (1, 3):
        project = new_project()
        for name in ("ES", "NQ", "MES"):
            project.write(name, week(3))
        project.number = workers
        done = project.run(cores=workers)
        files.append({n: (project.root / w["path"]).read_bytes() for n, w in done.wrote.items()})
    assert files[0] == files[1]
    assert len(files[0]) == 3
