"""Months have the same bytes however the work is divided."""

import datetime as dt
import errno
import os
import random
import sys
import tempfile

import pyarrow.parquet as pq
import pytest
from pipekit_merger.work import buffer, merge, reading, summary, table

DAYS = ["2020-01-06", "2020-01-31", "2020-02-03", "2020-02-28", "2020-03-02"]
SLOTS = ["07:30", "08:00", "09:00"]


def rows(kit, instrument="ES", days=DAYS, slots=SLOTS):
    return [
        kit.row(day, slot, float(10 * n + m), instrument=instrument, session=session)
        for n, day in enumerate(days)
        for m, slot in enumerate(slots)
        for session in ("S1", "S2")
    ]


def whole(project, kit):
    """A run of two instruments."""
    for instrument in ("ES", "NQ"):
        stated = kit.scope([DAYS[0], DAYS[-1]], instrument=instrument)
        project.run_file(rows(kit, instrument), stated)


def in_pieces(project, kit):
    """The same rows in a file for each day and slot, written in any order, found in any order."""
    pieces = [(i, day, slot) for i in ("ES", "NQ") for day in DAYS for slot in SLOTS]
    random.Random(7).shuffle(pieces)
    for instrument, day, slot in pieces:
        made = [r for r in rows(kit, instrument) if (str(r["date"]), r["slot"]) == (day, slot)]
        scope = kit.scope(day, instrument=instrument, slots=[["S1", slot], ["S2", slot]])
        project.run_file(made, scope)


@pytest.fixture
def months_of(tmp_path, kit):
    """The months that a way of cutting the input comes to."""

    def months(name, write, **flags):
        made = kit.project(tmp_path / name)
        try:
            write(made, kit)
            outcome = made.run(**flags)
            assert (outcome.failures(), outcome.paths("rejected")) == ({}, [])
            return made.months()
        finally:
            made.ledger.__exit__(None, None, None)

    (tmp_path / "x").mkdir()
    for name in ("1", "2", "3", "4", "5"):
        (tmp_path / name).mkdir()
    return months


def test_workers_order_and_division_of_the_input_do_not_matter(months_of):
    """One file or thirty, one thread or five: the same months to the byte."""
    expected = months_of("x", whole, cores=1)
    assert len(expected) == 12
    assert months_of("1", whole, cores=2) == expected
    assert months_of("2", whole, cores=5) == expected
    assert months_of("3", in_pieces, cores=1) == expected
    assert months_of("4", in_pieces, cores=5) == expected


@pytest.fixture
def little(monkeypatch):
    """All that is done in batches is done in the smallest: rows go through the temporary file."""
    monkeypatch.setattr(buffer, "IN_MEMORY", 4)
    for module in (table, reading):
        monkeypatch.setattr(module, "BATCH", 5)
    monkeypatch.setattr(summary, "MONTHS_TOGETHER", 2)
    monkeypatch.setattr(merge, "ROWS_TOGETHER", 1)


@pytest.mark.parametrize("write", [whole, in_pieces])
def test_many_rows_are_merged_in_parts_to_the_same_bytes(months_of, write, request):
    """Read in batches and merged month by month: as all at once."""
    expected = months_of("x", write)
    request.getfixturevalue("little")
    assert months_of("1", write, cores=1) == expected
    assert months_of("2", write, cores=3) == expected


def test_parts_of_a_later_run_replace_those_of_an_earlier(project, kit, little):
    """Months are read one by one, and their counts are added up."""
    project.run_file(rows(kit), kit.scope(kit.always))
    project.run()
    project.run_file(rows(kit, days=DAYS[1:], slots=SLOTS[:2]), kit.scope([DAYS[1], DAYS[-1]]))
    outcome = project.run()
    assert outcome.rows("ES1") == {"new": 0, "updated": 8, "removed": 4, "unchanged": 3}
    assert not [p.name for p in (project.root / kit.merged).iterdir() if p.is_file()]


def test_files_are_reported_older_ones_first_whatever_their_size(project, kit, little):
    """If the process is killed between two reports, the newer file is merged again."""
    made = [[kit.row("2020-01-06")], rows(kit), [kit.row("2020-01-07")], rows(kit)]
    paths = [project.run_file(some, kit.scope([DAYS[0], DAYS[-1]])) for some in made]
    assert project.run().paths("consumed") == paths


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which file a descriptor is")
def test_a_month_is_on_the_disk_before_it_has_its_name_and_its_folder_after(
    project, kit, monkeypatch
):
    """So that after a loss of power a month is either the old file or the new."""
    calls = []
    sync, replace = os.fsync, os.replace

    def noted_sync(descriptor):
        calls.append(("sync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))))
        sync(descriptor)

    def noted_replace(source, target):
        calls.append(("name", os.path.basename(target)))
        replace(source, target)

    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", noted_sync)
        patch.setattr(os, "replace", noted_replace)
        project.run(commit=False)
    new_folders = [("sync", name) for name in ("analyzer_runs", "merged", "ES1")]
    assert calls[:3] == new_folders
    (sync, temporary), *rest = calls[3:]
    assert (sync, temporary[:21]) == ("sync", ".ES1_2020_01.parquet.")
    assert rest == [("name", "ES1_2020_01.parquet"), ("sync", "2020")]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "several rows of one variant, date, session and slot"),
        ({"date": dt.date(2021, 1, 4)}, "outside the scope"),
        ({"stream": "NQ1", "slot": "10:00"}, "cannot be ES's"),
        ({"slot": None}, "rows without slot"),
    ],
)
def test_a_large_file_whose_last_row_is_wrong_leaves_no_trace(project, kit, little, more, reason):
    """It is rejected whole, although its first rows were buffered by then."""
    good = rows(kit)
    wrong = {**good[0], **more}
    project.run_file([*good, wrong], kit.scope([DAYS[0], DAYS[-1]]))
    fine = project.run_file([kit.row("2020-02-04")], kit.scope("2020-02-04"))
    outcome = project.run()
    (refused,) = [record for record in outcome.facts.files if record.verb == "rejected"]
    assert reason in refused.reason
    assert outcome.paths("consumed") == [fine]
    assert list(project.months()) == ["ES1/2020/ES1_2020_02.parquet"]
    assert [key[1] for key in project.keys("ES1/2020/ES1_2020_02.parquet")] == ["2020-02-04"]


def test_a_large_file_that_is_damaged_near_its_end_leaves_no_trace(project, kit, little):
    """It can be opened; its first rows are buffered before the damage is found."""
    path = project.run_file(rows(kit), kit.scope(kit.always))
    target = project.root / path
    whole = pq.ParquetFile(target).read()
    pq.write_table(whole, target, row_group_size=10, compression="snappy")
    groups = pq.ParquetFile(target).metadata
    at = groups.row_group(groups.num_row_groups - 1).column(0).dictionary_page_offset
    content = bytearray(target.read_bytes())
    content[at : at + 60] = b"\xff" * 60
    target.write_bytes(content)
    assert project.run().paths("rejected") == [path]
    assert project.months() == {}


def test_an_instrument_whose_rows_cannot_be_buffered_fails(project, kit, little, monkeypatch):
    """Nothing of it is merged; it waits, and is merged when the disk has room."""

    def full(**_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    project.run_file(rows(kit), kit.scope(kit.always))
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", full)
        outcome = project.run()
    assert list(outcome.failures()) == ["ES"]
    assert outcome.paths("consumed") == []
    assert project.months() == {}
    assert project.run().rows("ES1")["new"] == 15
