"""Processed files: the one Arrow schema, what a month's metadata hold, atomic publishing.

`pipekit.days`: JSON, for each exchange-local date `{"rows": n, "digest": "..."}`, the digest being
that of the values of the day's columns (timestamp, open, high, low, close, volume), each as little
endian bytes. `pipekit.last`: the time of the last bar, ISO 8601. `pipekit.timezone`: whose dates.
Nothing in a file depends on when, how often or from what it was made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
import pyarrow as pa  # noqa: TID253  # as above
from pyarrow.parquet import ParquetFile, ParquetWriter  # noqa: TID253  # as above

from pipekit.worker import hasher
from pipekit_translator.bars import Bars, Ints, no_bars
from pipekit_translator.layout import INTERVAL
from pipekit_translator.zones import Zone

SCHEMA = pa.schema(
    [
        pa.field("timestamp", pa.timestamp("us", "UTC"), nullable=False),
        *(
            pa.field(name, pa.float64(), nullable=False)
            for name in ("open", "high", "low", "close")
        ),
        pa.field("volume", pa.int64(), nullable=False),
        pa.field("instrument", pa.string(), nullable=False),
        pa.field("interval", pa.string(), nullable=False),
    ]
)
DAYS_KEY, LAST_KEY, ZONE_KEY = "pipekit.days", "pipekit.last", "pipekit.timezone"
ROW_GROUP = 1 << 19
_ENCODINGS = {
    "timestamp": "DELTA_BINARY_PACKED",
    **dict.fromkeys(("open", "high", "low", "close"), "BYTE_STREAM_SPLIT"),
    "volume": "PLAIN",  # behind zstd smaller than DELTA_BINARY_PACKED, and every reader knows it
}


class Month(NamedTuple):
    """A published month: its bars and the fingerprint of its file."""

    bars: Bars
    fingerprint: str


class UnusableError(Exception):
    """A published file that cannot be gone on with; the text says what to do."""


def read_month(path: str, zone: Zone) -> Month | None:
    """A published month; None where there is none. Raises OSError, UnusableError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    try:
        parquet = ParquetFile(pa.BufferReader(data))
        bars = _bars(parquet.read(columns=SCHEMA.names[:6]))
        made_for = (parquet.metadata.metadata or {}).get(ZONE_KEY.encode(), b"").decode()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise UnusableError(
            f"{path} cannot be read ({error}); nothing was changed. Move it away and run "
            "`pipekit run --rebuild` to make it anew from the raw files"
        ) from error
    if made_for != zone.name:
        raise UnusableError(
            f"{path} holds the dates of {made_for or 'an unknown zone'}, not of {zone.name}; move "
            "the processed folder away and run `pipekit run --rebuild`, or set timezone back"
        )
    return Month(bars, hasher(data).hexdigest())


def _bars(table: Any) -> Bars:
    if table.schema.types != SCHEMA.types[:6]:
        raise ValueError(f"its columns are {', '.join(map(str, table.schema.types))}")
    if not table.num_rows:
        return no_bars()
    types = (np.int64, np.float64, np.float64, np.float64, np.float64, np.int64)
    columns = table.combine_chunks().columns
    return Bars._make(_array(column, type) for column, type in zip(columns, types, strict=True))


def _array(column: Any, type: Any) -> Any:
    (chunk,) = column.chunks
    if chunk.null_count:
        raise ValueError("it holds nulls")
    buffer = chunk.buffers()[1]
    return np.frombuffer(buffer, type)[chunk.offset : chunk.offset + len(chunk)]


def write_month(path: str, instrument: str, bars: Bars, zone: Zone) -> str:
    """Publish a month: afterwards the path names all of the new file, or still the old one.

    Gives back the fingerprint. Raises OSError.
    """
    data = encode(instrument, bars, zone).to_pybytes()
    folder = os.path.dirname(path)
    _make_folders(folder)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(folder)
    return str(hasher(data).hexdigest())


def encode(instrument: str, bars: Bars, zone: Zone) -> Any:
    """The bytes of a month's file, as an Arrow buffer; the same for the same bars."""
    table = pa.Table.from_arrays(
        [
            *(
                pa.Array.from_buffers(field.type, bars.size, [None, pa.py_buffer(column)])
                for field, column in zip(
                    list(SCHEMA)[:6], map(np.ascontiguousarray, bars), strict=True
                )
            ),
            _repeated(instrument, bars.size),
            _repeated(INTERVAL, bars.size),
        ],
        schema=SCHEMA,
    )
    sink = pa.BufferOutputStream()
    with ParquetWriter(
        sink,
        SCHEMA,
        version="2.6",
        use_dictionary=["instrument", "interval"],
        column_encoding=_ENCODINGS,
        compression="zstd",
        compression_level=1,
        write_statistics=["timestamp"],  # the one column a reader could skip row groups by
        store_schema=False,
    ) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP)
        writer.add_key_value_metadata(_metadata(bars, zone))
    return sink.getvalue()


def _repeated(text: str, count: int) -> Any:
    """A column of one text; `pa.repeat` would import pandas."""
    data = text.encode()
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(len(data))
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data * count))


def _metadata(bars: Bars, zone: Zone) -> dict[str, str]:
    days = {
        day: {"rows": rows.stop - rows.start, "digest": _digest(bars.at(rows))}
        for day, rows in by_day(zone.days(bars.time // 1_000_000))
    }
    last = f"{np.datetime64(int(bars.time[-1]), 'us').astype('M8[s]')}Z" if bars.size else ""
    text = json.dumps(days, separators=(",", ":"), sort_keys=True)
    return {DAYS_KEY: text, LAST_KEY: last, ZONE_KEY: zone.name}


def by_day(days: Ints) -> Iterator[tuple[str, slice]]:
    """ISO date and rows of each day of sorted local days."""
    begins = np.flatnonzero(np.diff(days, prepend=-(1 << 40)))
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(days)], strict=True):
        yield str(np.datetime64(int(days[begin]), "D")), slice(begin, end)


def _digest(bars: Bars) -> str:
    digest = hasher()
    for column in bars:
        little = column.astype(column.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little))
    return str(digest.hexdigest())


def _make_folders(folder: str) -> None:
    """Make a folder and those above it so that they outlast a power failure."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder) or "."
    _make_folders(parent)
    os.makedirs(folder, exist_ok=True)
    _sync_folder(parent)


def _sync_folder(folder: str) -> None:
    if os.name != "posix":  # Windows has no such call and needs none
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
