"""Files and rows that are out of all proportion: the problem of one of them, never of the run."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source
from pipekit_translator.work.read import files, rawfile, textrows

NAMES = "Date,Time,Open,High,Low,Close,Volume,Instrument\n"
GOOD = "data/raw/ES.csv"
MIB = 1 << 20


@pytest.fixture(params=["numpy", "kernel"])
def reader(request: Any, monkeypatch: Any) -> str:
    """How files are read, whatever their size."""
    monkeypatch.setattr(files, "LARGE", 0 if request.param == "kernel" else 1 << 40)
    return str(request.param)


def rows(count: int = 60, instrument: str = "ES", fraction: str = "") -> str:
    start = dt.datetime(2020, 1, 6, 15)
    lines = [
        f"{start + dt.timedelta(minutes=n):%Y-%m-%d,%H:%M:%S}{fraction},1,1,1,1,{n},{instrument}\n"
        for n in range(count)
    ]
    return "".join(lines)


def configured(*dialects: str, **more: Any) -> Settings:
    sources = [
        Source(glob=f"data/raw/{'*' if n == 0 else dialect}.csv", dialect=dialect, timezone="UTC")
        for n, dialect in enumerate(dialects)
    ]
    return Settings(sources=tuple(sources), instruments=("*",), final_after=0.0, **more)


def check_good(project: Any, run: Any) -> None:
    """The good file is published whole, whatever else there was."""
    assert not run.failed
    assert [row[-1] for row in project.rows("ES", "2020-01")] == [*range(60)]


# Files without rows


EMPTY = [NAMES, NAMES.strip(), NAMES + "\n\r\n \n", "\n" + NAMES, "\ufeff" + NAMES, "", "\n"]


@pytest.mark.parametrize("dialect", ["A", "B"])
def test_files_without_rows_are_empty(project: Any, reader: str, dialect: str) -> None:
    project.write(GOOD, NAMES + rows())
    for n, text in enumerate(EMPTY):
        project.write(f"data/raw/NQ{n}.csv", text)
        project.write(f"data/raw/GC{n}.csv", gzip.compress(text.encode()) if text else b"")
    run = project.run(configured(dialect))
    assert not run.all("rejected")
    assert run.metrics()["empty_files"] == 2 * len(EMPTY)
    check_good(project, run)
    assert not project.run(configured(dialect)).plan.tasks


# Long lines


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("NQ.csv", data)
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zip": zipped,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "CR": lambda data: data.replace(b"\n", b"\r"),
}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_an_endless_line_rejects_its_file(project: Any, packed: str, place: str) -> None:
    long = "x" * (6 * MIB)
    text = {
        "first": long + NAMES + rows(),
        "middle": NAMES + rows() + long + "\n" + rows(),
        "last": NAMES + rows() + long,
    }[place]
    project.write(GOOD, NAMES + rows())
    name = "NQ.zip.csv" if packed == "zip" else "NQ.csv"
    project.write(f"data/raw/{name}", PACKED[packed](text.encode()))
    run = project.run(configured("A"))
    (rejected,) = run.all("rejected")
    line = 1 if place == "first" else 62
    assert rejected["reason"].startswith(f"line {line}: no end of line within 1,048,576 bytes; ")
    check_good(project, run)
    again = project.run(configured("A")).plan
    assert (len(again.rejected), again.tasks) == (1, ())


class Counted(io.FileIO):
    """A file that counts how often the system is asked for bytes."""

    calls = 0

    def read(self, *given: Any) -> Any:
        Counted.calls += 1
        return super().read(*given)

    def readinto(self, *given: Any) -> Any:
        Counted.calls += 1
        return super().readinto(*given)


@pytest.mark.parametrize("text", ["x" * (20 * MIB), "\n" + rows(400) * 250])
def test_a_file_is_not_read_byte_by_byte(project: Any, monkeypatch: Any, text: str) -> None:
    """Neither to find the end of a line nor to hash what is rejected."""
    monkeypatch.setattr(rawfile, "open_raw", lambda path: Counted(path, "rb"))
    project.write("data/raw/NQ.csv", NAMES + text)
    Counted.calls = 0
    project.run(configured("A"))
    assert 0 < Counted.calls < 200


def test_invalid_rows_do_not_fill_the_memory(project: Any, monkeypatch: Any) -> None:
    """However few they are, and however many rows the file might have."""
    monkeypatch.setattr(textrows, "MOST_HELD", MIB)
    project.write(GOOD, NAMES + rows())
    project.write("data/raw/NQ.csv", NAMES + rows() + ("," * (MIB - 100) + "\n") * 3)
    run = project.run(configured("A"))
    (rejected,) = run.all("rejected")
    assert rejected["reason"].startswith("line 62: ")
    assert "its invalid rows have more than 1 MiB" in rejected["reason"]
    check_good(project, run)


# Years

YEARS = ["0000", "0001", "1600", "1677", "1969", "2030", "2262", "2263", "9999", "12020", "-2020"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("dialect", ["A", "T"])
def test_a_year_out_of_range_sets_its_row_aside(
    project: Any, reader: str, dialect: str, zone: str
) -> None:
    fraction = ".123" if dialect == "T" else ""
    odd = [f"{year}-12-31,23:59:59{fraction},1,1,1,1,1,NQ\n" for year in YEARS]
    source = Source(glob="data/raw/NQ.csv", dialect=dialect, timezone=zone)
    project.write("data/raw/NQ.csv", NAMES + rows(1200, "NQ", fraction) + "".join(odd))
    run = project.run(Settings(sources=(source,), final_after=0.0))
    assert not run.failed
    assert not run.all("rejected")
    assert [row["line"] for row in project.quarantine()] == [*range(1202, 1202 + len(YEARS))]


@pytest.mark.parametrize("stamp", ["9999-12-31,23:59:00", "0001-01-01,00:00:00"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_limits_beyond_all_time_are_no_trouble(project: Any, stamp: str, zone: str) -> None:
    """A row at the very end of time is set aside, however generous the settings are."""
    project.write("data/raw/NQ.csv", NAMES + rows(60, "NQ") + f"{stamp},1,1,1,1,1,NQ\n")
    source = Source(glob="data/raw/NQ.csv", dialect="A", timezone=zone)
    wide = {"earliest": "0001-01-01", "latest": "9999-12-31", "max_distance": 0.0}
    run = project.run(Settings(sources=(source,), final_after=0.0, **wide))
    assert not run.failed
    assert not run.all("rejected")
    assert len(project.rows("NQ", "2020-01")) == 60


EPOCHS = ["1e30", "9" * 20, "-" + "9" * 20, "9223372036854775807", "nan", "inf", "", "-1e300"]


@pytest.mark.parametrize("unit", ["epoch_s", "epoch_ms", "epoch_us", "epoch_ns"])
@pytest.mark.parametrize("columns", [("price",), ("open", "high", "low", "close")])
def test_an_epoch_out_of_range_sets_its_row_aside(
    project: Any, reader: str, unit: str, columns: tuple[str, ...]
) -> None:
    factor = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}[unit]
    values = ",".join("1" for _ in columns)
    lines = [f"{(1_578_322_800 + 60 * n) * factor},{values},{n}\n" for n in range(1000)]
    lines += [f"{stamp},{values},1\n" for stamp in EPOCHS]
    source = Source(
        glob="data/raw/NQ.csv", dialect="B", timestamp_format=unit, header=False,
        columns=("timestamp", *columns, "volume"),
    )  # fmt: skip
    project.write("data/raw/NQ.csv", "".join(lines))
    run = project.run(Settings(sources=(source,), final_after=0.0))
    assert not run.failed
    assert not run.all("rejected")
    assert [row["line"] for row in project.quarantine()] == [*range(1001, 1001 + len(EPOCHS))]
