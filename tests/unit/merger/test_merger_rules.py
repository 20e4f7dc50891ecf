"""What a merge does to months: replacement by scope, order, inputs in part or rejected."""

import json
import os

import pyarrow.parquet as pq
import pytest

JANUARY = "ES1/2020/ES1_2020_01.parquet"
FEBRUARY = "ES1/2020/ES1_2020_02.parquet"


def test_rows_go_to_the_month_and_stream_they_belong_to(project, kit):
    """A run file's rows are published in one file for each stream and month."""
    rows = [kit.row("2020-01-31"), kit.row("2020-02-03"), kit.row("2020-02-03", session="S2")]
    project.run_file(rows, kit.scope(kit.always))
    project.run()
    assert list(project.months()) == [JANUARY, FEBRUARY, "ES2/2020/ES2_2020_02.parquet"]
    assert project.keys(FEBRUARY) == [("default", "2020-02-03", "S1", "07:30", 10.0)]


def test_a_month_has_the_schema_of_results_and_no_trace_of_the_run(project, kit):
    """Columns, types and zone are those of run files; scope and run ids are left out."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run()
    file = pq.ParquetFile(project.root / kit.merged / JANUARY)
    assert file.schema_arrow.remove_metadata() == kit.schema()
    assert set(file.metadata.metadata) == {b"ARROW:schema"}
    assert project.run_id().encode() not in project.months()[JANUARY]
    written = pq.ParquetFile(
        project.root / kit.runs / "01900000-0000-7000-8000-000000000001/ES.parquet"
    )
    assert file.read().to_pylist() == written.read().to_pylist()


def test_rows_are_sorted_by_variant_date_session_slot(project, kit):
    """The order of rows in run files does not matter."""
    rows = [
        kit.row("2020-01-07"),
        kit.row("2020-01-06", "09:00"),
        kit.row("2020-01-06", "07:30"),
        kit.row("2020-01-06", variant="boundary"),
    ]
    project.run_file(rows, kit.scope(kit.always))
    project.run()
    assert [key[:4] for key in project.keys(JANUARY)] == [
        ("boundary", "2020-01-06", "S1", "07:30"),
        ("default", "2020-01-06", "S1", "07:30"),
        ("default", "2020-01-06", "S1", "09:00"),
        ("default", "2020-01-07", "S1", "07:30"),
    ]


def test_a_run_file_replaces_everything_in_its_scope(project, kit):
    """Rows in scope that the newer file does not have are removed; rows outside it stay."""
    first = [kit.row("2020-01-06"), kit.row("2020-01-06", "08:00"), kit.row("2020-01-07")]
    project.run_file(first, kit.scope(kit.always))
    project.run()
    project.run_file([kit.row("2020-01-06", profit=-4.0)], kit.scope("2020-01-06"))
    outcome = project.run()
    assert [(key[1], key[3], key[4]) for key in project.keys(JANUARY)] == [
        ("2020-01-06", "07:30", -4.0),
        ("2020-01-07", "07:30", 10.0),
    ]
    assert outcome.rows("ES1") == {"new": 0, "updated": 1, "removed": 1, "unchanged": 1}


@pytest.mark.parametrize(
    ("narrow", "gone"),
    [
        ({"slots": [["S1", "08:00"]]}, "08:00"),
        ({"slots": [["S2", "07:30"]]}, None),
        ({"variants": ["other"]}, None),
        ({"variants": ["default"], "slots": [["S1", "07:30"], ["S1", "08:00"]]}, "both"),
    ],
)
def test_a_scope_is_variants_times_slots_times_dates(project, kit, narrow, gone):
    """A row is removed when each part of its key is in the scope, and not otherwise."""
    project.run_file([kit.row("2020-01-06"), kit.row("2020-01-06", "08:00")], kit.scope(kit.always))
    project.run_file([], kit.scope("2020-01-06", **narrow))
    project.run()
    left = {key[3] for key in project.keys(JANUARY)}
    assert left == {"07:30", "08:00"} - ({"07:30", "08:00"} if gone == "both" else {gone})


def test_a_scope_without_rows_removes_rows_of_streams_that_no_session_has_any_more(project, kit):
    """A full re-analysis after a session was removed leaves no stale stream."""
    rows = [kit.row("2020-01-06"), kit.row("2020-01-06", session="S9")]
    project.run_file(rows, kit.scope(kit.always))
    project.run()
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    outcome = project.run()
    assert project.rows("ES9/2020/ES9_2020_01.parquet") == []
    assert outcome.rows("ES9") == {"new": 0, "updated": 0, "removed": 1, "unchanged": 0}


def test_a_scope_of_one_instrument_leaves_the_others_alone(project, kit):
    """`*` means every slot and variant of the file's own instrument, whatever streams look like."""
    rows = [kit.row("2020-01-06", instrument="EST", stream="EST1")]
    project.run_file(rows, kit.scope(kit.always, instrument="EST"))
    project.run()
    before = project.months()
    project.run_file([], kit.scope(kit.always, instrument="ES"))
    project.run()
    assert project.months() == before


def test_run_files_are_taken_in_the_order_of_the_run_counter_not_of_the_clock(project, kit):
    """A run whose id says that it is older than the one before (a clock set back) still wins."""
    late, early = "01990000-0000-7000-8000-000000000000", "01980000-0000-7000-8000-000000000000"
    project.run_file([kit.row("2020-01-06", profit=1.0)], kit.scope(kit.always), run_id=late)
    project.run_file([kit.row("2020-01-06", profit=2.0)], kit.scope(kit.always), run_id=early)
    project.run()
    assert [key[4] for key in project.keys(JANUARY)] == [2.0]


def test_a_late_older_file_never_wins_over_a_newer_one(project, kit):
    """A file that arrives late replaces only what the newer one does not cover."""
    project.run_file([kit.row("2020-01-07", profit=2.0)], kit.scope("2020-01-07"))
    project.run()
    older = [kit.row("2020-01-06", profit=1.0), kit.row("2020-01-07", profit=1.0)]
    run_id = "00000000-0000-7000-8000-000000000000"
    project.run_file(older, kit.scope(kit.always), run_id=run_id, known=False)
    project.run()
    assert [key[4] for key in project.keys(JANUARY)] == [1.0, 2.0]


def test_merging_the_same_input_twice_changes_nothing_to_the_byte(project, kit):
    """With --force all is merged again, in order, and no month is rewritten."""
    project.run_file([kit.row("2020-01-06", profit=1.0)], kit.scope(kit.always))
    project.run_file([kit.row("2020-01-06", profit=2.0)], kit.scope("2020-01-06"))
    project.run()
    before = project.months()
    stats = os.stat(project.root / kit.merged / JANUARY)
    outcome = project.run(force=True)
    assert len(outcome.plan.inputs) == 2
    assert project.months() == before
    assert os.stat(project.root / kit.merged / JANUARY) == stats
    assert outcome.paths("wrote") == []
    assert outcome.rows("ES1") == {"new": 0, "updated": 0, "removed": 0, "unchanged": 1}


def test_a_month_whose_values_do_not_change_is_not_rewritten(project, kit):
    """A newer run file with the same rows leaves the month as it is, and it is reported so."""
    project.run_file([kit.row("2020-01-06"), kit.row("2020-02-03")], kit.scope(kit.always))
    project.run()
    inode = os.stat(project.root / kit.merged / JANUARY).st_ino
    rows = [kit.row("2020-01-06"), kit.row("2020-02-03", profit=1.0)]
    project.run_file(rows, kit.scope(kit.always))
    outcome = project.run()
    assert outcome.paths("unchanged") == [f"{kit.merged}/{JANUARY}"]
    assert outcome.paths("wrote") == [f"{kit.merged}/{FEBRUARY}"]
    assert os.stat(project.root / kit.merged / JANUARY).st_ino == inode


def test_a_null_that_becomes_a_value_is_an_update(project, kit):
    """An Open trade that closes is a changed row."""
    project.run_file([kit.row("2020-01-06", result="Open")], kit.scope(kit.always))
    project.run()
    project.run_file([kit.row("2020-01-06", result="Time")], kit.scope("2020-01-06"))
    outcome = project.run()
    assert outcome.rows("ES1") == {"new": 0, "updated": 1, "removed": 0, "unchanged": 0}
    assert project.rows(JANUARY)[0]["exit_price"] == 3235.75


def test_a_month_that_loses_all_rows_stays_as_an_empty_file(project, kit):
    """An emptied month is published with no rows; a month that never had rows is not made."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run()
    project.run_file([], kit.scope(["2020-01-01", "2020-03-31"]))
    project.run()
    assert list(project.months()) == [JANUARY]
    assert project.rows(JANUARY) == []
    assert not project.plan().inputs


def merged_and_gone(project, kit):
    """Two months, whose run file was deleted: they cannot be made again."""
    rows = [kit.row("2020-01-06"), kit.row("2020-02-03")]
    path = project.run_file(rows, kit.scope(kit.always))
    project.run()
    (project.root / path).unlink()


def test_an_unreadable_month_is_kept_and_its_run_files_wait(project, kit):
    """The month waits, the others go on, and the file is merged into it once it is repaired."""
    merged_and_gone(project, kit)
    good = project.months()[JANUARY]
    (project.root / kit.merged / JANUARY).write_bytes(good[:-9])
    days = kit.scope("2020-01-07", "2020-02-04")
    path = project.run_file([kit.row("2020-01-07"), kit.row("2020-02-04")], days)
    outcome = project.run()
    assert project.months()[JANUARY] == good[:-9]
    assert len(project.rows(FEBRUARY)) == 2
    assert f"{kit.merged}/{JANUARY}" in outcome.failures()["ES1"]
    assert "pipekit run --rebuild" in outcome.failures()["ES1"]
    consumed = project.ledger.consumption("merger", path)
    assert (consumed.state, consumed.detail["left"]) == ("part", ["ES1/2020-01"])

    later = kit.scope("2020-02-04")
    project.run_file([kit.row("2020-02-04", profit=7.0)], later)
    project.run()
    assert [key[4] for key in project.keys(FEBRUARY)] == [10.0, 7.0]
    (project.root / kit.merged / JANUARY).write_bytes(good)
    project.run()
    assert [key[1] for key in project.keys(JANUARY)] == ["2020-01-06", "2020-01-07"]
    assert [key[4] for key in project.keys(FEBRUARY)] == [10.0, 7.0]
    assert project.ledger.consumption("merger", path).state == "consumed"
    assert not project.plan().inputs


def test_a_month_that_is_not_a_file_does_not_stop_the_others(project, kit):
    """Here a dangling link; a month that vanishes after the folder was listed is the same case."""
    merged_and_gone(project, kit)
    (project.root / kit.merged / JANUARY).unlink()
    (project.root / kit.merged / JANUARY).symlink_to("nothing")
    days = kit.scope("2020-01-07", "2020-02-04")
    project.run_file([kit.row("2020-01-07"), kit.row("2020-02-04")], days)
    outcome = project.run()
    assert len(project.rows(FEBRUARY)) == 2
    assert f"{kit.merged}/{JANUARY}" in outcome.failures()["ES1"]


def test_a_month_with_rows_of_another_stream_is_refused(project, kit):
    """Also where it has rows of its own stream beside them."""
    merged_and_gone(project, kit)
    wrong = [kit.row("2020-01-06"), kit.row("2020-01-06", session="S2")]
    kit.write(project.root / kit.merged / JANUARY, wrong)
    project.run_file([kit.row("2020-01-07")], kit.scope("2020-01-07"))
    assert "not of its stream and month" in project.run().failures()["ES1"]


def test_a_month_under_the_name_of_another_is_refused(project, kit):
    """It is treated like one that cannot be read."""
    merged_and_gone(project, kit)
    (project.root / kit.merged / JANUARY).write_bytes(project.months()[FEBRUARY])
    project.run_file([kit.row("2020-01-07")], kit.scope("2020-01-07"))
    outcome = project.run()
    assert "not of its stream and month" in outcome.failures()["ES1"]


REFUSED = {
    "no parquet": (b"PAR1 what is this", "not a readable Parquet file"),
    "no scope": ({}, "states no scope"),
    "other version": ({"version": 2}, "not of version 1"),
    "other instrument": ({"instrument": "NQ"}, "another instrument, NQ"),
    "broken scope": ({"parts": [{"variants": "*"}]}, "scope cannot be read"),
    "outside": ({"parts": [{"variants": "*", "slots": "*", "dates": []}]}, "outside the scope"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_run_file_that_cannot_be_used_is_rejected_and_named(project, kit, case):
    """It is remembered with its reason, not tried again, and the other files are merged."""
    broken, reason = REFUSED[case]
    path = project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    if isinstance(broken, bytes):
        (project.root / path).write_bytes(broken)
    else:
        stated = {**kit.scope(kit.always), **broken} if broken else None
        metadata = {"pipekit.scope": json.dumps(stated)} if stated else {}
        table = pq.ParquetFile(project.root / path).read().replace_schema_metadata(metadata)
        pq.write_table(table, project.root / path)
    project.run_file([kit.row("2020-01-07")], kit.scope("2020-01-07"))
    outcome = project.run()
    (rejected,) = [record for record in outcome.facts.files if record.verb == "rejected"]
    assert rejected.path == path
    assert reason in rejected.reason
    assert [key[1] for key in project.keys(JANUARY)] == ["2020-01-07"]
    again = project.plan()
    assert not again.inputs
    assert [one.path for one in again.rejected] == [path]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{}, {"profit": 1.0}], "several rows of one variant, date, session and slot"),
        ([{"instrument": "NQ", "stream": "ES1"}], "outside the scope"),
        ([{"stream": "../ES1"}], "cannot be ES's"),
        ([{"stream": "NQ1"}], "cannot be ES's"),
        ([{"slot": None}], "rows without slot"),
    ],
)
def test_a_run_file_whose_rows_contradict_it_is_rejected(project, kit, rows, reason):
    """Nothing is guessed: the whole file is rejected."""
    made = [kit.row("2020-01-06", **{"slot": "07:30", **more}) for more in rows]
    project.run_file(made, kit.scope(kit.always))
    outcome = project.run()
    (rejected,) = [record for record in outcome.facts.files if record.verb == "rejected"]
    assert reason in rejected.reason
    assert project.months() == {}


def test_run_files_beside_one_without_values_are_merged(project, kit):
    """Small files are converted together; only the one that lacks a value is rejected."""
    days = ["2020-01-06", "2020-01-07", "2020-01-08"]
    slots = ["07:30", None, "07:30"]
    paths = [
        project.run_file([kit.row(day, slot=slot)], kit.scope(day))
        for day, slot in zip(days, slots, strict=True)
    ]
    outcome = project.run()
    assert outcome.paths("rejected") == [paths[1]]
    assert [key[1] for key in project.keys(JANUARY)] == [days[0], days[2]]


def test_columns_are_those_of_results_or_the_file_is_rejected(project, kit):
    """A missing column, an unknown one and another type are each named."""
    paths = [project.run_file([kit.row("2020-01-06")], kit.scope(kit.always)) for _ in range(3)]
    tables = [pq.ParquetFile(project.root / path).read() for path in paths]
    tables[0] = tables[0].drop_columns(["peak"])
    tables[1] = tables[1].append_column("colour", tables[1]["slot"])
    tables[2] = tables[2].set_column(1, "date", tables[2]["slot"])
    for path, table in zip(paths, tables, strict=True):
        pq.write_table(table, project.root / path)
    outcome = project.run()
    reasons = [record.reason for record in outcome.facts.files if record.verb == "rejected"]
    expected = ["missing: peak", "unknown: colour", "column date is"]
    assert all(part in reason for part, reason in zip(expected, reasons, strict=True))


def test_a_repaired_run_file_is_merged_in_its_own_place(project, kit):
    """The older file, rejected at first, does not replace what was merged in between."""
    path = project.run_file(
        [kit.row("2020-01-06", profit=1.0), kit.row("2020-01-07", profit=1.0)],
        kit.scope(kit.always),
    )
    good = (project.root / path).read_bytes()
    (project.root / path).write_bytes(b"")
    project.run_file([kit.row("2020-01-07", profit=2.0)], kit.scope("2020-01-07"))
    project.run()
    (project.root / path).write_bytes(good)
    project.run()
    assert [key[4] for key in project.keys(JANUARY)] == [1.0, 2.0]


def test_a_run_file_that_vanishes_stops_its_instrument_only(project, kit):
    """What cannot be opened is not rejected; the instrument waits, the others are merged."""
    path = project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run_file([kit.row("2020-01-07")], kit.scope("2020-01-07"))
    rows = [kit.row("2020-01-06", instrument="NQ")]
    project.run_file(rows, kit.scope(kit.always, instrument="NQ"))
    plan_of_before = project.plan()
    (project.root / path).rename(project.root / "elsewhere")
    (project.root / path).mkdir()
    project.plan = lambda *_settings, **_flags: plan_of_before
    outcome = project.run()
    assert path in outcome.failures()["ES"]
    assert outcome.paths("rejected") == []
    assert [taken.rpartition("/")[2] for taken in outcome.paths("consumed")] == ["NQ.parquet"]
    assert list(project.months()) == ["NQ1/2020/NQ1_2020_01.parquet"]


def test_times_are_shown_in_the_zone_of_the_last_run_file(project, kit):
    """A new zone of the exchange rewrites the months it touches; the instants stay the same."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run()
    before = project.rows(JANUARY)
    project.run_file([kit.row("2020-01-07")], kit.scope("2020-01-07"), zone="America/New_York")
    project.run()
    kind = pq.ParquetFile(project.root / kit.merged / JANUARY).schema_arrow.field("entry_time").type
    assert kind.tz == "America/New_York"
    assert project.rows(JANUARY)[0]["entry_time"] == before[0]["entry_time"]


def test_a_late_older_file_does_not_bring_back_its_zone(project, kit):
    """The zone is that of the newest run file, also when an older one is merged after it."""
    project.run_file([kit.row("2020-01-07")], kit.scope("2020-01-07"))
    project.run()
    project.run_file(
        [kit.row("2020-01-06")],
        kit.scope(kit.always),
        run_id="00000000-0000-7000-8000-000000000000",
        known=False,
        zone="America/New_York",
    )
    project.run()
    kind = pq.ParquetFile(project.root / kit.merged / JANUARY).schema_arrow.field("entry_time").type
    assert (kind.tz, len(project.rows(JANUARY))) == ("America/Chicago", 2)


def test_the_same_values_in_another_encoding_are_left_alone(project, kit):
    """Months are compared by value: one that another version wrote is not rewritten."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run()
    kit.write(project.root / kit.merged / JANUARY, [kit.row("2020-01-06")])
    project.commit("merger", project.begin(), [project.record("wrote", f"{kit.merged}/{JANUARY}")])
    before = project.months()
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    assert project.run().paths("unchanged") == [f"{kit.merged}/{JANUARY}"]
    assert project.months() == before


def test_the_pending_months_of_a_file_only_ever_become_fewer(project, kit):
    """A month that fails later is not pending for a file that was merged into it before."""
    merged_and_gone(project, kit)
    (project.root / kit.merged / JANUARY).write_bytes(b"damaged")
    days = [kit.row("2020-01-07"), kit.row("2020-02-04")]
    first = project.run_file(days, kit.scope("2020-01-07", "2020-02-04"))
    project.run()
    (project.root / kit.merged / FEBRUARY).write_bytes(b"damaged")  # where no plan can see it
    project.commit("merger", project.begin(), [project.record("wrote", f"{kit.merged}/{FEBRUARY}")])
    second = project.run_file(days, kit.scope("2020-01-07", "2020-02-04"))
    project.run()
    assert project.ledger.consumption("merger", first).detail["left"] == ["ES1/2020-01"]
    both = ["ES1/2020-01", "ES1/2020-02"]
    assert project.ledger.consumption("merger", second).detail["left"] == both


@pytest.mark.parametrize(("column", "value"), [("peak", 0.0), ("direction", "Long")])
def test_a_null_differs_from_every_value(project, kit, column, value):
    """Also from the one that the null has in memory."""
    other = kit.row("2020-01-07")
    project.run_file([kit.row("2020-01-06", **{column: None}), other], kit.scope(kit.always))
    project.run()
    project.run_file([kit.row("2020-01-06", **{column: value})], kit.scope("2020-01-06"))
    assert project.run().rows("ES1")["updated"] == 1
    assert project.rows(JANUARY)[0][column] == value


@pytest.mark.posix("open files can be replaced")
def test_a_month_is_either_the_old_file_or_the_new_one(project, kit):
    """A reader of the old file goes on reading it whole, and no temporary file is left."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    project.run()
    before = project.months()[JANUARY]
    target = project.root / kit.merged / JANUARY
    with open(target, "rb") as reader:
        project.run_file([kit.row("2020-01-06", profit=1.0)], kit.scope("2020-01-06"))
        project.run()
        assert reader.read() == before
    assert target.read_bytes() != before
    assert [path.name for path in target.parent.iterdir()] == [target.name]
