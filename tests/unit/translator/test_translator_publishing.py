"""What is published and how: whole files, the schema, the metadata, and the worker by itself."""

from __future__ import annotations

import json
import shutil
import struct
from typing import Any

from pipekit_translator.settings import Settings, Source
from pyarrow.parquet import ParquetFile

from pipekit.worker import fingerprint, hasher

EARLY = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
LATER = "data/raw/DataExport_ES_20200108_000500_UTC.csv"
BAR = "2020-01-06 08:00,10.00,12.00,9.00,11.00,5.0"
OTHER = "2020-01-06 08:00,10.00,13.00,9.00,11.00,5.0"
NEXT = "2020-01-06 08:01,11.00,12.00,10.00,11.50,7.0"


def minutes(count: int, hour: int = 8) -> list[str]:
    return [f"2020-01-06 {hour + at // 60:02}:{at % 60:02},10,12,9,11,5" for at in range(count)]


def damaged_after_the_plan(project: Any, month: str) -> Any:
    """A run in which a month becomes unreadable where the plan cannot know of it."""
    plan, planned = project.plan, project.plan()
    project.month("ES", month).write_bytes(b"no parquet")
    project.plan = lambda *_, **__: planned
    run = project.run()
    project.plan = plan
    return run


def test_a_published_month_that_cannot_be_read_stops_its_instrument_alone(
    project: Any, export: Any
) -> None:
    """Nothing is written over it, the input stays pending, and the remedy is named."""
    project.write(EARLY, export(BAR))
    project.run()
    project.write(LATER, export(NEXT))
    project.write("data/raw/DataExport_NQ_20200108_000500_UTC.csv", export(NEXT, instrument="NQ"))
    run = damaged_after_the_plan(project, "2020-01")
    assert "move it away and run `pipekit run`" in run.failed["ES"]
    assert project.month("ES", "2020-01").read_bytes() == b"no parquet"
    assert project.times("NQ", "2020-01") == ["2020-01-06T08:01"]
    assert LATER in [item.path for item in project.plan().inputs]


def test_what_was_published_before_a_month_that_could_not_be_is_reported(
    project: Any, export: Any
) -> None:
    february = NEXT.replace("2020-01", "2020-02")
    project.write(EARLY, export(february))
    project.run()
    project.write(LATER, export(BAR, february.replace("08:01", "08:02")))
    run = damaged_after_the_plan(project, "2020-02")
    assert list(run.failed) == ["ES"]
    assert [line["path"][-15:-8] for line in run.all("wrote")] == ["2020-01"]


def test_nothing_half_written_is_left_and_no_lineage_is_in_the_files(
    project: Any, export: Any
) -> None:
    project.write(EARLY, export(BAR))
    project.run()
    assert [*project.tree()] == ["ES/1m/2020/ES_1m_2020-01.parquet"]
    data = project.month("ES", "2020-01").read_bytes()
    for word in (b"DataExport", b"run-1", b"ARROW:schema"):
        assert word not in data


def test_the_schema_is_the_documented_one(project: Any, export: Any) -> None:
    project.write(EARLY, export(BAR))
    project.run()
    schema = ParquetFile(project.month("ES", "2020-01")).schema_arrow
    assert {field.name: str(field.type) for field in schema} == {
        "timestamp": "timestamp[us, tz=UTC]",
        **dict.fromkeys(("open", "high", "low", "close"), "double"),
        "volume": "int64",
        "instrument": "string",
        "interval": "string",
    }


def test_the_days_digest_is_that_of_its_values(project: Any, export: Any) -> None:
    """Documented well enough that it can be made again with struct alone."""
    project.write(EARLY, export(BAR, NEXT))
    project.run()
    stamps = [1578297600_000000, 1578297660_000000]
    prices = [10.0, 11.0, 12.0, 12.0, 9.0, 10.0, 11.0, 11.5]
    expected = hasher(struct.pack("<2q8d2q", *stamps, *prices, 5, 7)).hexdigest()
    days = json.loads(project.metadata("ES", "2020-01")["pipekit.days"])
    assert days == {"2020-01-06": {"rows": 2, "digest": expected}}
    assert project.metadata("ES", "2020-01")["pipekit.timezone"] == "America/Chicago"


def test_a_file_nobody_may_read_is_a_failed_unit(project: Any, export: Any) -> None:
    file = project.write(EARLY, export(BAR))
    project.write(LATER, export(NEXT))
    planned = project.plan()
    file.unlink()
    file.mkdir()  # opening a folder fails for root as well
    project.plan = lambda *_, **__: planned
    run = project.run()
    assert "cannot be read" in run.failed[EARLY]
    assert run.paths("consumed") == [LATER]


def test_a_file_that_vanishes_after_the_plan_is_named(project: Any, export: Any) -> None:
    file = project.write(EARLY, export(BAR))
    planned = project.plan()
    file.unlink()
    project.plan = lambda *_, **__: planned
    run = project.run()
    assert f"{EARLY}: it has vanished" in run.warnings
    assert not run.all("consumed")


def test_progress_ends_at_the_size_of_the_input(project: Any, export: Any) -> None:
    size = project.write(EARLY, export(BAR)).stat().st_size
    run = project.run()
    task = [line for line in run.all("progress") if "unit" not in line]
    assert (task[-1]["done"], task[-1]["total"]) == (size, size)


def test_the_quality_report_lies_in_the_runs_folder(project: Any, export: Any) -> None:
    project.write(EARLY, export(BAR.replace("12.00", "12.10"), *minutes(60)[50:]))
    run = project.run()
    report = json.loads((project.root / "logs/runs/run-1/translator/quality.json").read_text())
    assert report["ES"]["bars"] == 11
    assert report["ES"]["off_grid"] == 1
    assert (report["ES"]["gaps"], report["ES"]["missing_minutes"]) == (1, 49)
    assert (
        "ES: prices off the tick grid (bars: 1); gaps inside sessions: 1 (49 minutes)"
        in run.warnings
    )


def test_the_pause_between_two_sessions_is_no_gap(project: Any, export: Any) -> None:
    """A bar before the break and one after it, in Chicago 15:59 and 17:00."""
    project.write(EARLY, export(f"2020-01-06 21:59{BAR[16:]}", f"2020-01-06 23:00{BAR[16:]}"))
    assert project.run().metrics("ES")["gaps"] == 0


def test_a_source_of_higher_priority_wins_within_a_run(project: Any, export: Any) -> None:
    sources = (
        Source(glob="data/raw/a/*.csv", dialect="A", timezone="UTC", priority=1),
        Source(glob="data/raw/b/*.csv", dialect="A", timezone="UTC"),
    )
    project.write(EARLY.replace("raw/", "raw/a/"), export(OTHER))
    project.write(LATER.replace("raw/", "raw/b/"), export(BAR))
    project.run(Settings(sources=sources))
    assert project.rows("ES", "2020-01")[0][2] == 13.0


def test_a_copy_of_the_raw_folder_gives_the_same_bytes_with_any_number_of_workers(
    project: Any, new_project: Any, export: Any
) -> None:
    for at, name in enumerate(("ES", "NQ", "CL", "GC")):
        rows = export(*minutes(90), instrument=name)
        project.write(f"data/raw/DataExport_{name}_2020010{at + 1}_000500_UTC.csv", rows)
    other = new_project()
    shutil.copytree(project.root / "data", other.root / "data")
    project.run(cores=1)
    other.run(cores=7)
    assert project.tree() == other.tree()
    assert len(project.tree()) == 4


def test_a_month_names_the_files_that_it_came_of(project: Any, export: Any) -> None:
    """Those with a row in it, by the exchange's date, and no others."""
    one, two, three = (f"data/raw/DataExport_ES_2020030{n}_000000_UTC.csv" for n in (1, 2, 3))
    project.write(one, export("2020-01-06 15:30,1,2,1,2,5", "2020-02-01 05:30,1,2,1,2,5"))
    project.write(two, export("2020-02-03 15:30,1,2,1,2,5"))
    project.write(three, export("2020-02-03 15:31,1,2,1,2,5", "2020-03-03 15:30,1,2,1,2,5"))
    found = {line["path"][-15:-8]: line["sources"] for line in project.run().all("wrote")}
    assert found == {"2020-01": [one], "2020-02": [two, three], "2020-03": [three]}


def test_each_of_many_files_is_in_its_place_when_it_is_reported(project: Any, export: Any) -> None:
    """More than wait for the disk at once."""
    months = [f"{year}-{month:02}" for year in (2018, 2019) for month in range(1, 13)]
    rows = [f"{month}-06 15:30,1,2,1,2,5" for month in months]
    project.write("data/raw/DataExport_ES_20200301_000000_UTC.csv", export(*rows))
    wrote = project.run().all("wrote")
    assert [line["path"][-15:-8] for line in wrote] == months
    for line in wrote:
        path = project.root / line["path"]
        assert line["fingerprint"] == fingerprint(path)
        assert line["signature"][2] == path.stat().st_size
    assert not list(project.root.rglob("*.tmp"))
