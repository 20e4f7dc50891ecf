"""Processed files that are damaged, or that somebody changed, are made again by the next run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.publish.quarantine import MANIFEST, Quarantine

from pipekit.storage.files import FileManager

ONE = "data/raw/DataExport_ES_20200107_000500_UTC.csv"
TWO = "data/raw/DataExport_ES_20200108_000500_UTC.csv"
MONTH = "data/processed/ES/1m/2020/ES_1m_2020-01.parquet"
VALUES = "10,12,9,11,5"
MONDAY = [f"2020-01-06 18:0{minute},{VALUES}" for minute in range(3)]
TUESDAY = [f"2020-01-07 18:0{minute},{VALUES}" for minute in range(3)]


def two_days(project: Any, export: Any) -> bytes:
    """A month made of two raw files, a day each; returns its bytes."""
    project.write(ONE, export(*MONDAY))
    project.write(TWO, export(*TUESDAY))
    project.run()
    return bytes((project.root / MONTH).read_bytes())


def truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    columns = pq.ParquetFile(file).metadata.row_group(0)
    end = columns.column(1).data_page_offset + columns.column(1).total_compressed_size
    data[end - 1] ^= 0x10  # in a page of prices
    file.write_bytes(data)


def replaced_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "note.txt").write_text("mine")


def replaced_by_a_link_to_nothing(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere.parquet")


def replaced_by_a_link_to_another_file(file: Path) -> None:
    other = file.parent / "other.bin"
    other.write_text("something else")
    file.unlink()
    file.symlink_to(other)


HOW = [
    truncated,
    emptied,
    flipped,
    replaced_by_a_folder,
    replaced_by_a_link_to_nothing,
    replaced_by_a_link_to_another_file,
]


@pytest.mark.parametrize("copy", [False, True])
def test_a_node_of_a_cluster_moves_nothing_of_the_project(tmp_path, monkeypatch, copy):
    """What it sets aside is in the folder of its attempt, until the attempt counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPEKIT_PUBLISH_DIR", str(tmp_path / "attempt"))
    Path("month.parquet").write_bytes(b"damaged")
    quarantine = Quarantine("data/quarantine/run")
    aside = quarantine.take("month.parquet", "damaged: x", copy=copy)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attempt", "month.parquet"]
    assert Path("attempt", aside).read_bytes() == Path("month.parquet").read_bytes() == b"damaged"
    again = quarantine.take("month.parquet", "damaged: y", copy=copy)
    assert again != aside
    assert Path("attempt", again).is_file()
    noted = Path("attempt/data/quarantine/run", MANIFEST).read_text().splitlines()
    assert [json.loads(line)["reason"] for line in noted] == ["damaged: x", "damaged: y"]


@pytest.mark.parametrize("damage", HOW)
def test_a_damaged_month_is_made_again_to_the_same_bytes(
    project: Any, export: Any, damage: Callable[[Path], None]
) -> None:
    good = two_days(project, export)
    assert not project.plan()
    damage(project.root / MONTH)
    run = project.run()
    assert run.failed == {}
    assert (project.root / MONTH).read_bytes() == good
    assert not (project.root / MONTH).is_symlink()
    assert MONTH in run.plan.reason
    assert not project.plan()
    assert not project.plan().warnings


@pytest.mark.parametrize("damage", HOW[:4])
def test_what_was_damaged_is_kept_in_the_quarantine_and_named(
    project: Any, export: Any, damage: Callable[[Path], None]
) -> None:
    two_days(project, export)
    file = project.root / MONTH
    damage(file)
    before = sorted(file.iterdir()) if file.is_dir() else file.read_bytes()
    run = project.run()
    kept = project.root / f"data/quarantine/run-2/{file.name}"
    assert kept.exists()
    if kept.is_dir():
        assert [path.name for path in before] == ["note.txt"]
        assert (kept / "note.txt").read_text() == "mine"
    else:
        assert kept.read_bytes() == before
    assert f"{MONTH} was damaged" in run.warnings
    assert f"is now data/quarantine/run-2/{file.name}" in run.warnings
    assert [(row["source"], row["line"]) for row in project.quarantine()] == [(MONTH, 0)]


@pytest.mark.slow
def test_any_flipped_byte_of_a_month_is_mended(project: Any, export: Any) -> None:
    """Wherever it is, in a page, its header, the metadata or the footer."""
    good = two_days(project, export)
    file = project.root / MONTH
    for at in range(0, len(good), len(good) // 40):
        data = bytearray(good)
        data[at] ^= 0x11
        file.write_bytes(data)
        run = project.run()
        assert run.failed == {}, at
        assert file.read_bytes() == good, at
        assert not project.plan(), at


def test_days_whose_raw_file_is_gone_are_named_when_a_damaged_month_is_made_again(
    project: Any, export: Any
) -> None:
    two_days(project, export)
    (project.root / ONE).unlink()
    emptied(project.root / MONTH)
    run = project.run()
    assert run.failed == {}
    assert {stamp[:10] for stamp in project.times("ES", "2020-01")} == {"2020-01-07"}
    assert f"not rebuilt: ES 2020-01-06, because {ONE} is gone" in run.warnings
    assert "made again from the raw files, but without ES 2020-01-06" in run.warnings


def test_a_damaged_month_is_left_where_nothing_of_it_can_be_made_again(
    project: Any, export: Any
) -> None:
    """The stage fails in every run until a good copy or the raw files are put back."""
    good = two_days(project, export)
    for path in (ONE, TWO):
        (project.root / path).unlink()
    truncated(project.root / MONTH)
    for _ in range(2):
        run = project.run()
        assert "Put back a good copy of it, or the raw files" in run.failed["ES"]
        assert (project.root / MONTH).read_bytes() == good[: len(good) // 2]
    (project.root / MONTH).write_bytes(good)
    assert not project.plan()


def edited(file: Path, change: Callable[[pa.Table], pa.Table], metadata: bool) -> None:
    """A month as another program writes it."""
    table = change(pq.ParquetFile(file).read())
    pq.write_table(table if metadata else table.replace_schema_metadata(None), file)


def lower(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("low")
    lows = pa.array([1.0] * len(table), pa.float64())
    return table.set_column(at, table.schema.field(at), lows)


@pytest.mark.parametrize("metadata", [True, False])
def test_a_month_that_somebody_changed_is_changed_back_and_kept(
    project: Any, export: Any, metadata: bool
) -> None:
    good = two_days(project, export)
    file = project.root / MONTH
    edited(file, lower, metadata)
    theirs = file.read_bytes()
    run = project.run()
    assert file.read_bytes() == good
    assert f"{MONTH} was changed after it was published" in run.warnings
    assert "6 bars changed back" in run.warnings
    assert (project.root / f"data/quarantine/run-2/{file.name}").read_bytes() == theirs
    assert not project.plan()


@pytest.mark.parametrize("metadata", [True, False])
def test_a_changed_month_keeps_the_rows_of_days_that_cannot_be_rebuilt(
    project: Any, export: Any, metadata: bool
) -> None:
    two_days(project, export)
    (project.root / ONE).unlink()
    edited(project.root / MONTH, lower, metadata)
    run = project.run()
    assert [row[3] for row in project.rows("ES", "2020-01")] == [1.0, 1.0, 1.0, 9.0, 9.0, 9.0]
    assert "What it has of ES 2020-01-06" in run.warnings
    assert not project.plan()


def test_a_changed_month_is_taken_as_it_is_when_no_raw_file_is_left(
    project: Any, export: Any
) -> None:
    two_days(project, export)
    for path in (ONE, TWO):
        (project.root / path).unlink()
    edited(project.root / MONTH, lower, metadata=True)
    run = project.run()
    assert run.failed == {}
    assert {row[3] for row in project.rows("ES", "2020-01")} == {1.0}
    assert "not rebuilt: ES 2020-01-06, ES 2020-01-07" in run.warnings
    assert not project.plan()
    assert not project.plan().warnings


def test_rows_that_somebody_took_out_come_back(project: Any, export: Any) -> None:
    good = two_days(project, export)
    edited(project.root / MONTH, lambda table: table.slice(0, 2), metadata=True)
    run = project.run()
    assert (project.root / MONTH).read_bytes() == good
    assert "It was made again: 4 bars added" in run.warnings
    assert not (project.root / "data/quarantine").exists()


def test_a_damaged_month_is_made_again_without_a_ledger(project: Any, export: Any) -> None:
    good = two_days(project, export)
    flipped(project.root / MONTH)
    project.known, project.outputs, project.signatures = {}, {}, {}
    run = project.run()
    assert run.failed == {}
    assert (project.root / MONTH).read_bytes() == good
    assert "rows of other raw files, if it had any, are only there" in run.warnings


@pytest.mark.parametrize("spoil", [emptied, Path.unlink])
def test_a_raw_file_that_grew_meanwhile_is_read_from_its_start(
    project: Any, daily: Any, spoil: Callable[[Path], None]
) -> None:
    """It fed days of the damaged month, of which it is not to give its new rows alone."""
    path = "data/raw/ES/1m/2020/01/ES_1m_2020-01-06.csv"
    project.write(path, daily(*MONDAY))
    project.run()
    spoil(project.root / MONTH)
    project.write(path, daily(*MONDAY, *TUESDAY))
    run = project.run()
    assert run.failed == {}
    assert [row[0][:13] for row in project.rows("ES", "2020-01")] == [
        *["2020-01-06T18"] * 3,
        *["2020-01-07T18"] * 3,
    ]


def test_a_raw_file_that_grew_before_a_rebuild_is_read_from_its_start(
    project: Any, daily: Any
) -> None:
    path = "data/raw/ES/1m/2020/01/ES_1m_2020-01-06.csv"
    project.write(path, daily(*MONDAY))
    project.run()
    project.write(path, daily(*MONDAY, *TUESDAY))
    project.run(rebuild=True)
    assert len(project.rows("ES", "2020-01")) == 6


def test_a_damaged_day_of_ticks_is_made_again(project: Any) -> None:
    stamps = "".join(
        f"20200106 1800{second:02} 0000000;10;9;11;{second + 1}\n" for second in range(9)
    )
    settings = Settings(sources=(Source(glob="data/raw/*.txt", dialect="N", timezone="UTC"),))
    project.write("data/raw/ES 03-20.Last.txt", stamps)
    project.run(settings)
    good = project.tree()
    assert [path for path in good if "tick" in path]
    file = project.day("ES", "2020-01-06")
    for damage in (truncated, emptied, flipped):
        damage(file)
        assert project.run(settings).failed == {}
        assert project.tree() == good


def test_pages_have_checksums(project: Any, export: Any) -> None:
    """So a flipped bit in the values is found wherever the file is read."""
    good = two_days(project, export)
    found = 0
    for at in range(4, len(good) // 2, 5):
        data = bytearray(good)
        data[at] ^= 0x01
        try:
            pq.ParquetFile(pa.BufferReader(bytes(data)), page_checksum_verification=True).read()
        except (OSError, pa.ArrowException):
            found += 1
    assert found > 20
    assert FileManager(project.root).stat(MONTH)
