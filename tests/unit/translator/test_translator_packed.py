"""Raw files that are compressed, in another encoding, or with other line ends."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from typing import Any

import pyarrow as pa
import pytest
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source
from pipekit_translator.work.read import rawfile

from pipekit.worker import hasher

HEAD = "timestamp,open,high,low,close,volume"
ROW = "2020-01-06T15:30:00Z,1,2,1,2,5"
NEXT = "2020-01-06T15:31:00Z,1,2,1,2,6"
TEXT = f"{HEAD}\n{ROW}\n{NEXT}\n".encode()
FILE = "data/raw/ES_1m"
MONTH = "2020-01"


def settings(pattern: str = "^([A-Z]+)_", **more: Any) -> Settings:
    given = {"instrument": InstrumentRule(pattern=pattern), "growing": False, **more}
    source = Source(glob="data/raw/**/*", dialect="D", columns=tuple(HEAD.split(",")), **given)
    return Settings(sources=(source,), instruments=("ES", "NQ"), final_after=0.0)


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def zipped(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__csv", ".csv").replace("__txt", ".txt"), data)
    return sink.getvalue()


PACK = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "zip": lambda data: zipped(ES_2020__csv=data),
}
ENCODE = {
    "utf-16 with a mark": lambda data: data.decode().encode("utf-16"),
    "utf-16, the other way round": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "utf-32": lambda data: data.decode().encode("utf-32"),
    "utf-8 with a mark": lambda data: b"\xef\xbb\xbf" + data,
    "cr": lambda data: data.replace(b"\n", b"\r"),
    "cr in utf-16": lambda data: data.decode().replace("\n", "\r").encode("utf-16"),
    "cr in gzip": lambda data: gzip.compress(data.replace(b"\n", b"\r")),
    "utf-16 in gzip": lambda data: gzip.compress(data.decode().encode("utf-16")),
    "two streams": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
    "two streams of bzip2": lambda data: bz2.compress(data[:50]) + bz2.compress(data[50:]),
    "two streams of xz": lambda data: lzma.compress(data[:50]) + lzma.compress(data[50:]),
    "two frames of zstd": lambda data: zstd(data[:50]) + zstd(data[50:]),
    "a frame that zstd skips first": lambda data: b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd(data),
    "padded": lambda data: gzip.compress(data) + bytes(512),
    "an empty stream first": lambda data: gzip.compress(b"") + gzip.compress(data),
    "cr and lf": lambda data: data.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("how", [*PACK, *ENCODE])
def test_content_decides_how_a_file_is_read(project: Any, how: str) -> None:
    """Not its name; and its content is what the ledger remembers."""
    data = {**PACK, **ENCODE}[how](TEXT)
    project.write(FILE, data)
    run = project.run(settings())
    assert not run.all("rejected"), run.all("rejected")
    assert [row[0] for row in project.rows("ES", MONTH)] == [
        "2020-01-06T15:30", "2020-01-06T15:31",
    ]  # fmt: skip
    (consumed,) = run.all("consumed")
    assert consumed["fingerprint"] == hasher(data).hexdigest()
    assert not project.quarantine()
    assert not project.plan(settings())


@pytest.mark.parametrize("how", [*PACK, "cr", "utf-16 with a mark"])
@pytest.mark.parametrize("block", [1, 100, 1 << 22])
def test_blocks_of_any_size_give_the_same(
    project: Any, how: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        f"2020-01-{6 + at // 900:02}T{at % 900 // 60:02}:{at % 60:02}:00Z,1,2,1,2,{at}"
        for at in range(2000)
    ]
    data = "\n".join([HEAD, *lines]).encode()
    monkeypatch.setattr(rawfile, "BLOCK", block)
    monkeypatch.setattr(rawfile, "_LARGE", 0)
    monkeypatch.setattr("pipekit_translator.work.read.decode.CHUNK", 1000)
    project.write(FILE, {**PACK, **ENCODE}[how](data))
    run = project.run(settings())
    assert not run.all("rejected"), run.all("rejected")
    assert [row[-1] for row in project.rows("ES", MONTH)] == [*range(2000)]


@pytest.mark.parametrize("how", sorted(PACK))
@pytest.mark.parametrize("end", [1, 20, -1, -9])
def test_what_is_cut_off_is_rejected_by_name(project: Any, how: str, end: int) -> None:
    """With no row published, however much could be read."""
    data = "\n".join([HEAD, *[ROW] * 50_000, ""]).encode()
    project.write(FILE, PACK[how](data)[:end])
    run = project.run(settings())
    (rejected,) = run.all("rejected")
    if end > 1:
        assert f"its {how} data" in rejected["reason"]
        assert "get the file again" in rejected["reason"]
    assert not project.tree()


@pytest.mark.parametrize("how", sorted(PACK))
def test_a_flipped_bit_is_noticed(project: Any, how: str) -> None:
    data = bytearray(PACK[how]("\n".join([HEAD, *[ROW] * 5000, ""]).encode()))
    data[len(data) // 2] ^= 0x10
    project.write(FILE, bytes(data))
    run = project.run(settings())
    assert run.all("rejected") or run.all("consumed")  # zstd may lack a checksum
    if how != "zstd":
        assert run.all("rejected")


# Archives


def test_each_member_is_a_file_of_its_own_name(project: Any) -> None:
    """With its own header; hidden files and folders are none."""
    other = f"{HEAD.replace('volume', 'x,volume')}\n{ROW.replace(',5', ',0,7')}\n".encode()
    members = {"ES_1.csv": TEXT, "a/NQ_1.csv": other, "__MACOSX/._ES_1.csv": b"x", "a/": b""}
    data = zipped(**members, **{".git/ES_1.csv": b"x"})
    project.write("data/raw/all.zip", data)
    run = project.run(settings())
    assert not run.all("rejected"), run.all("rejected")
    assert [row[-1] for row in project.rows("ES", MONTH)] == [5, 6]
    assert [row[-1] for row in project.rows("NQ", MONTH)] == [7]


def test_a_member_of_another_name_is_named_and_left(project: Any) -> None:
    project.write("data/raw/all.zip", zipped(ES_1__csv=TEXT, readme__txt=b"hello"))
    run = project.run(settings())
    assert "data/raw/all.zip: members that do not match" in run.warnings
    assert "were not read: readme.txt" in run.warnings
    assert len(project.rows("ES", MONTH)) == 2


def test_a_bad_row_of_a_member_is_named_by_its_own_line(project: Any) -> None:
    broken = TEXT + b"x,1,2,1,2,5"
    data = zipped(ES_1__csv=TEXT + b"\n", ES_2__csv=broken, ES_3__csv=broken)
    project.write("data/raw/all.zip", data)
    project.run(settings())
    found = [(row["line"], row["reason"][:20]) for row in project.quarantine()]
    assert found == [(8, "line 4 of ES_2.csv: "), (12, "line 4 of ES_3.csv: ")]


def test_late_rows_of_members_are_set_aside_as_they_are(project: Any) -> None:
    """The month of the second member was removed by the lifecycle."""
    old = TEXT.replace(b"2020-01", b"2019-01")
    project.write("data/raw/old.zip", zipped(ES_1__csv=old))
    project.run(settings())
    (path,) = project.outputs
    (project.root / path).unlink()
    project.outputs[path] = project.outputs[path]._replace(present=False)
    project.write("data/raw/new.zip", zipped(ES_1__csv=TEXT, ES_2__csv=old.replace(b"31:", b"32:")))
    run = project.run(settings())
    assert run.failed
    assert [(row["line"], row["text"][:16]) for row in project.quarantine()] == [
        (5, "2019-01-06T15:30"), (6, "2019-01-06T15:32"),
    ]  # fmt: skip


REJECTED = {
    "matches the source's instrument pattern": zipped(readme__txt=b"hello"),
    "its member ES_1.csv is compressed again": zipped(ES_1__csv=gzip.compress(TEXT)),
    "unknown instrument 'CL'": zipped(CL_1__csv=TEXT),
    "it is an Excel workbook": zipped(**{"[Content_Types].xml": b"", "xl/x.xml": b""}),
    "it holds gzip data that are compressed again": bz2.compress(gzip.compress(TEXT)),
    "it is a tar archive": gzip.compress(bytes(257) + b"ustar" + bytes(500)),
    "it is a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(50),
    "it is lz4 data": b"\x04\x22\x4d\x18" + bytes(50),
    "it is lzma data": lzma.compress(TEXT, lzma.FORMAT_ALONE),
    "it is binary data; ": zlib.compress(b"".join(str(n).encode() for n in range(2000)))[2:],
    "it is a Parquet file": b"PAR1" + bytes(50),
    "it is a web page": b"<!doctype html><html>",
    "it is UTF-16 without a mark": TEXT.decode().encode("utf-16-le"),
    "it is binary data": bytes(range(256)) * 4 + bytes(500),
    "line 1: no separator ','": b"hello\n",
}


@pytest.mark.parametrize("reason", REJECTED)
def test_what_cannot_be_read_says_what_it_is(project: Any, reason: str) -> None:
    project.write("data/raw/ES_1.zip", REJECTED[reason])
    (rejected,) = project.run(settings()).all("rejected")
    assert reason in rejected["reason"]
    assert "set separator" not in rejected["reason"]


def test_a_zip_of_another_name_may_not_hold_other_instruments(project: Any) -> None:
    project.write("data/raw/ES_1.csv", zipped(ZB_1__csv=TEXT))
    (rejected,) = project.run(settings()).all("rejected")
    assert "ZB" in rejected["reason"]


@pytest.mark.parametrize("how", ["gzip", "zip", "utf-16 with a mark", "cr"])
def test_such_a_file_cannot_grow(project: Any, how: str) -> None:
    project.write(FILE, {**PACK, **ENCODE}[how](TEXT))
    (rejected,) = project.run(settings(growing=True)).all("rejected")
    assert "cannot be read while it grows: set growing = false" in rejected["reason"]


@pytest.mark.parametrize("how", ["utf-16 with a mark", "cr"])
def test_a_last_line_without_an_end_waits(project: Any, how: str) -> None:
    import attrs

    project.write(FILE, ENCODE[how](TEXT[:-1]), age=0.0)
    waiting = attrs.evolve(settings(), final_after=3600.0)
    run = project.run(waiting)
    assert "its last line has no end, and may not be complete; it was not read" in run.warnings
    assert not run.all("consumed")
    assert project.run(settings()).all("consumed")
