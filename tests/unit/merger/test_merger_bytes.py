"""Months have the same bytes however the work is cut, and memory does not grow with history."""

import datetime as dt
import json
import os
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipekit_merger import merge, pile, runs, table

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
            outcome = made.run(here=True, **flags)
            assert (outcome.failures(), outcome.paths("rejected")) == ({}, [])
            return made.months()
        finally:
            made.ledger.__exit__(None, None, None)

    (tmp_path / "x").mkdir()
    for name in ("1", "2", "3", "4", "5"):
        (tmp_path / name).mkdir()
    return months


def test_workers_order_and_split_of_the_input_do_not_show(months_of):
    """One file or thirty, one thread or five: the same months to the byte."""
    expected = months_of("x", whole, workers=1)
    assert len(expected) == 12
    assert months_of("1", whole, workers=2) == expected
    assert months_of("2", whole, workers=5) == expected
    assert months_of("3", in_pieces, workers=1) == expected
    assert months_of("4", in_pieces, workers=5) == expected


@pytest.fixture
def little(monkeypatch):
    """Everything that is done in parts is done in the smallest: rows go through the file."""
    monkeypatch.setattr(pile, "IN_MEMORY", 4)
    monkeypatch.setattr(pile.Pile.__init__, "__defaults__", (4,))
    for module in (table, runs):
        monkeypatch.setattr(module, "BATCH", 5)
    monkeypatch.setattr(runs, "TOGETHER", 2)
    monkeypatch.setattr(merge, "WINDOW", 1)
    monkeypatch.setattr(merge, "TOGETHER", 1)


@pytest.mark.parametrize("write", [whole, in_pieces])
def test_many_rows_are_merged_in_parts_to_the_same_bytes(months_of, write, request):
    """Read in batches, put aside in a file, merged a month at a time: as all at once."""
    expected = months_of("x", write)
    request.getfixturevalue("little")
    assert months_of("1", write, workers=1) == expected
    assert months_of("2", write, workers=3) == expected


def test_parts_of_a_later_run_replace_those_of_an_earlier(project, kit, little):
    """What is published is read month by month, and counts of all months are added up."""
    project.run_file(rows(kit), kit.scope(kit.always))
    project.run(here=True)
    project.run_file(rows(kit, days=DAYS[1:], slots=SLOTS[:2]), kit.scope([DAYS[1], DAYS[-1]]))
    outcome = project.run(here=True)
    assert outcome.rows("ES1") == {"new": 0, "updated": 8, "removed": 4, "unchanged": 3}
    assert not [p.name for p in (project.root / kit.merged).iterdir() if p.is_file()]


def test_files_are_reported_older_ones_first_whatever_their_size(project, kit, little):
    """Were the process killed between two reports, the newer one would be taken again."""
    made = [[kit.row("2020-01-06")], rows(kit), [kit.row("2020-01-07")], rows(kit)]
    paths = [project.run_file(some, kit.scope([DAYS[0], DAYS[-1]])) for some in made]
    assert project.run(here=True).paths("consumed") == paths


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which file a descriptor is")
def test_a_month_is_on_the_disk_before_it_has_its_name_and_its_folders_after(
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
        project.run(here=True, commit=False)
    folders = [("sync", name) for name in ("2020", "ES1", "merged")]
    assert calls[:2] == [("sync", ".ES1_2020_01.parquet.tmp"), ("name", "ES1_2020_01.parquet")]
    assert sorted(calls[2:]) == sorted(folders)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "several rows of one variant, date, session and slot"),
        ({"date": dt.date(2021, 1, 4)}, "outside of the scope"),
        ({"stream": "NQ1", "slot": "10:00"}, "cannot be one of ES"),
        ({"slot": None}, "rows without slot"),
    ],
)
def test_a_large_file_with_a_wrong_row_far_behind_leaves_no_trace(
    project, kit, little, more, reason
):
    """It is refused whole, also where its first rows had been put aside for months."""
    good = rows(kit)
    wrong = {**good[0], **more}
    project.run_file([*good, wrong], kit.scope([DAYS[0], DAYS[-1]]))
    fine = project.run_file([kit.row("2020-02-04")], kit.scope("2020-02-04"))
    outcome = project.run(here=True)
    (refused,) = [record for record in outcome.facts.files if record.verb == "rejected"]
    assert reason in refused.reason
    assert outcome.paths("consumed") == [fine]
    assert list(project.months()) == ["ES1/2020/ES1_2020_02.parquet"]
    assert [key[1] for key in project.keys("ES1/2020/ES1_2020_02.parquet")] == ["2020-02-04"]


def test_a_large_file_that_is_damaged_far_behind_leaves_no_trace(project, kit, little):
    """It opens well; that its last rows cannot be read is found when the first were put aside."""
    path = project.run_file(rows(kit), kit.scope(kit.always))
    target = project.root / path
    whole = pq.ParquetFile(target).read()
    pq.write_table(whole, target, row_group_size=10, compression="snappy")
    groups = pq.ParquetFile(target).metadata
    at = groups.row_group(groups.num_row_groups - 1).column(0).dictionary_page_offset
    content = bytearray(target.read_bytes())
    content[at : at + 60] = b"\xff" * 60
    target.write_bytes(content)
    assert project.run(here=True).paths("rejected") == [path]
    assert project.months() == {}


def test_a_disk_without_room_for_waiting_rows_fails_their_instrument(project, kit, little):
    """Nothing of it is merged in part; it waits, and is merged when there is room."""
    project.run_file(rows(kit), kit.scope(kit.always))
    (project.root / kit.merged).parent.mkdir(parents=True, exist_ok=True)
    (project.root / kit.merged).write_text("in the way")
    outcome = project.run(here=True)
    assert list(outcome.failures()) == ["ES"]
    assert outcome.paths("consumed") == []
    (project.root / kit.merged).unlink()
    assert project.run(here=True).rows("ES1")["new"] == 15


def history(path, variants, days):
    """A run file of many rows, a row for each variant and day."""
    count = variants * days
    day = np.tile(np.arange(days, dtype=np.int32) + 14_610, variants)
    names = pa.array([f"v{number:03}" for number in range(variants)])
    number = pa.array(np.arange(count) % 97 / 4)

    def column(name, kind):
        if name == "variant":
            return names.take(pa.array(np.repeat(np.arange(variants), days)))
        if name == "date":
            return pa.array(day).cast(kind)
        if pa.types.is_timestamp(kind):
            return pa.array(day.astype("M8[D]").astype("M8[us]")).cast(kind)
        if pa.types.is_string(kind):
            word = {"stream": "ES1", "instrument": "ES", "session": "S1"}.get(name, "07:30")
            return pa.repeat(word, count)
        return number.cast(kind, safe=False)

    schema = pq.ParquetFile(path).schema_arrow
    columns = [column(field.name, field.type) for field in schema]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory as Linux does")
def test_memory_does_not_grow_with_the_length_of_history(tmp_path, kit):
    """Four times the years take the memory of one: months are merged a few at a time."""
    peaks = []
    for name, days in (("short", 1000), ("long", 4000)):
        project = kit.project(tmp_path / name)
        path = project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
        history(project.root / path, 300, days)
        (task,) = [task for task in project.plan().tasks if task.name == "merge"]
        code = (
            "from pipekit_merger import worker; worker.main()\n"
            "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps({**json.loads(task.command.stdin), "workers": 1}).encode(),
            env={**os.environ, "PIPEKIT_REPORT": ""},
            cwd=project.root,
            capture_output=True,
            check=True,
        )
        peaks.append(int(done.stdout) / 1024)
        assert sum(len(pq.ParquetFile(m).read(["date"])) for m in
                   (project.root / kit.merged).glob("*/*/*.parquet")) == 300 * days  # fmt: skip
        project.ledger.__exit__(None, None, None)
    short, long = peaks
    assert long < short + 60, peaks
