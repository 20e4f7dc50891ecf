"""What the same bytes mean does not depend on how they are read.

Hostile files of all kinds (duplicate headers, blanks, quotes, empty fields, CR, NUL, long fields,
separators anywhere, repeated headers) are read in blocks of any size, by the kernel and by numpy,
plain and compressed: everything that comes of them is the same, or the same rejection.
"""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.request import FileGroup, FileJob
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source
from pipekit_translator.work.assemble.buffer import RowBuffer
from pipekit_translator.work.assemble.file_rows import Assembly
from pipekit_translator.work.parse import kernel, scan
from pipekit_translator.work.read import rawfile
from pipekit_translator.work.read.record import RawFile, ReadContext
from pipekit_translator.work.read.together import read_together

from pipekit.worker import Signature


def _interpreted(data: Any, *rest: Any) -> Any:
    with np.errstate(over="ignore"):
        return scan.scan(data.tobytes(), *rest)


KERNEL = kernel.Kernel(_interpreted)
BARS = ("timestamp", "open", "high", "low", "close", "volume")
COMMON: dict[str, Any] = {
    "glob": "*",
    "separator": ",",
    "header": True,
    "columns": BARS,
    "timestamp_format": "%Y-%m-%d %H:%M",
    "timezone": "America/New_York",
    "instrument": InstrumentRule(constant="ES"),
}
SOURCES = {
    "plain": Source(**COMMON),
    "by column": Source(**{**COMMON, "instrument": InstrumentRule(column="symbol")}),
    "ignored": Source(
        **{
            **COMMON,
            "instrument": InstrumentRule(column="symbol", pattern="^(E.)", ignore=("^N", "x")),
        }
    ),
    "no header": Source(**{**COMMON, "header": False, "columns": (*BARS, "-", "-")}),
    "quotes": Source(
        **{**COMMON, "columns": ("timestamp", "bid", "ask", "price", "volume"), "carry": True},
        missing_volume="null",
    ),
    "numbers": Source(
        **COMMON, thousands=",", price_scale=0.01, volume_type="float", missing_volume="zero"
    ),
    "layout": Source(**COMMON, skip_lines=1, skip_footer=True),
    "sum": Source(**{**COMMON, "columns": (*BARS[:5], "volume=volume+symbol")}),
}
STAMPS = st.one_of(
    # not 01:00 to 01:59, which occurs twice: rows after the end of a block do not help to tell
    # which time it is (docs/reference/data.md)
    st.integers(120, 600).map(lambda at: f"2020-11-01 {at // 60:02}:{at % 60:02}"),
    st.sampled_from(
        [
            "2020-3-8 2:30",
            "2020-01-06 09:30",
            '"2020-01-06 09:30"',
            " 2020-01-06 9:30",
            "2020-01-06",
        ]
    ),
)
PRICES = st.sampled_from(
    [
        "1",
        "1",
        "2.5",
        "1.25",
        "-3",
        "",
        " 1",
        "1 ",
        '"1"',
        '"1,250.5"',
        "1e3",
        "nan",
        "+2",
        "1\r",
        "\x00",
    ]
)
EXTRA = st.sampled_from(
    ["ES", "ES", "NQ", "", '"ES"', '"a,b"', '"a', 'a"', '"a""b"', "x" * 300, "a\rb", " ", "5", '""']
)
NAMES = ["timestamp", "open", "high", "low", "close", "volume", "symbol", "other"]
TICKS = ["timestamp", "bid", "ask", "price", "volume", "symbol", "other"]


@st.composite
def rows(draw: Any, names: list[str]) -> str:
    if draw(st.integers(0, 12)) == 0:
        return draw(
            st.sampled_from(["", " ", ",", "\x00", '"', ",".join(NAMES), "total,,,,,,", "x" * 500])
        )
    fields = {name: draw(PRICES) if draw(st.integers(0, 4)) == 0 else "1" for name in names}
    fields["timestamp"] = draw(STAMPS)
    fields["volume"] = draw(st.sampled_from(["5", "5", "7.0", "0.5", "", "-1", '"1,000"']))
    fields["symbol"] = draw(EXTRA)
    fields["other"] = draw(EXTRA)
    cut = draw(st.integers(0, 8)) == 0
    line = ",".join(fields[name] for name in names[: len(names) - cut])
    return line + draw(st.sampled_from(["", "", "", "", ",", ",,", ', "x"']))


@st.composite
def files(draw: Any) -> tuple[str, bytes]:
    kind = draw(st.sampled_from(sorted(SOURCES)))
    names = [*(TICKS if kind == "quotes" else NAMES)]
    header = [*names]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        header[draw(st.integers(0, len(header) - 1))] = draw(
            st.sampled_from(["Volume", "open", "", '"low"', " close "])
        )
    lines = draw(st.lists(rows(names), min_size=1, max_size=12))
    above = [",".join(header) + draw(st.sampled_from(["", "", ","]))]
    above = draw(st.sampled_from([[], [], ["sep=,"], ["note"]])) + above
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    text = end.join([*(above if kind != "no header" else []), *lines])
    data = bytearray(text.encode() + draw(st.sampled_from([b"", end.encode()])))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2])) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return kind, bytes(data)


def _look(descriptor: int) -> Signature:
    stat = os.fstat(descriptor)
    return Signature(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def read(
    root: Path,
    kind: str,
    data: bytes,
    block: int,
    way: kernel.Kernel | None,
    together: bool = False,
) -> Any:
    """All that comes of a file: rows with their values, invalid rows, and how it is rejected.

    `together`: it is read with a copy of it, as small files are; the last of both counts.
    """
    jobs = [FileJob(path=str(root / name), group=0) for name in ("ES.csv", "ES2.csv")]
    for job in jobs:
        Path(job.path).write_bytes(data)
    format = Settings(instruments=("*",)).format(SOURCES[kind], accepted=False)
    buffer = RowBuffer(1 << 24, str(root))
    assembly = Assembly(buffer=buffer, timezone="UTC", processed="processed", removed=frozenset())
    context = ReadContext(
        assembly=assembly, final_after=0.0, progress=lambda count: None, kernel=way
    )
    group = FileGroup(format=format)

    def alone(job: FileJob) -> RawFile:
        return rawfile.read(job, group, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rawfile, "BLOCK", block)
        patch.setattr(rawfile, "look", _look)  # without waiting for the clock
        if together:
            *_, raw = read_together(jobs, [group], context, alone)
            assert isinstance(raw, RawFile)
        else:
            raw = alone(jobs[1])
    if raw.rejected:
        return re.sub(r"[\d,]+ of [\d,]+ rows", "rows", raw.rejected)
    found: dict[str, list[Any]] = {}
    for key, part, number in raw.rows.chunks:
        table = buffer.chunk(number).load()
        of_key = found.setdefault(f"{key} {part}", [])
        of_key += zip(*(map(repr, column.tolist()) for column in table.columns()), strict=True)
    for key, of in found.items():  # the last bar of a time is the one that counts
        found[key] = (
            of if format.series_read.grouped else list({row[0]: row for row in of}.values())
        )
        found[key].sort(key=lambda row: int(row[0]))
    return found, raw.bad, raw.total, raw.footer, raw.rows.days, raw.last


HEAD = ",".join(NAMES)
ROW = "2020-11-01 09:30,1,1,1,1,5"
SPOILT = f"{HEAD}\n{chr(10).join([' '] * 12)}\n{ROW},a,b\n".encode()


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(file=files(), block=st.sampled_from([1, 60, 300]))
@example(file=("plain", f'{HEAD}\n{ROW},"a,b"\n'.encode()), block=1)
@example(file=("by column", f'{HEAD}\n{ROW},"a,b"\n'.encode()), block=1)
@example(file=("plain", f'{HEAD}\n{ROW},"a,b",c\n'.encode()), block=1)
@example(file=("plain", f'{HEAD}\n{ROW},a"b,c"d\n'.encode()), block=1)
@example(file=("plain", SPOILT), block=1)
def test_neither_size_nor_way_nor_packing_changes_what_bytes_mean(
    tmp_path: Path, file: tuple[str, bytes], block: int
) -> None:
    kind, data = file
    whole = read(tmp_path, kind, data, 1 << 22, None)
    assert read(tmp_path, kind, data, 1 << 22, KERNEL) == whole
    in_blocks = read(tmp_path, kind, data, block, None)
    assert read(tmp_path, kind, data, block, KERNEL) == in_blocks
    assert in_blocks == whole
    assert read(tmp_path, kind, data, 1 << 22, None, together=True) == whole
    assert read(tmp_path, kind, data, 1 << 22, KERNEL, together=True) == whole
    if data:
        assert read(tmp_path, kind, gzip.compress(data), block, KERNEL) == whole
