"""Processed files: what is read of them, what their metadata hold, atomic publishing.

`pipekit.days`: JSON, for each exchange-local date `{"rows": n, "digest": "..."}`, the digest being
that of the values of the day's columns (timestamp, prices, volume), each as little endian bytes; a
file of ticks is one day, whose digest its bytes are. `pipekit.last`: the time of the last row, ISO
8601. `pipekit.timezone`: whose dates. Nothing in a file depends on when, how often or from what it
was made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
import pyarrow as pa  # noqa: TID253  # as above
from pyarrow.parquet import ParquetFile  # noqa: TID253  # as above

from pipekit.worker import hasher
from pipekit_translator import layout, packing
from pipekit_translator.hold import Chunk
from pipekit_translator.packing import SCHEMAS
from pipekit_translator.pieces import by_day
from pipekit_translator.series import Series
from pipekit_translator.table import Table, joined, no_rows
from pipekit_translator.zones import Zone

DAYS_KEY, LAST_KEY, ZONE_KEY = "pipekit.days", "pipekit.last", "pipekit.timezone"
ROW_GROUP = 1 << 18  # rows: each thread that publishes holds two groups, 40 bytes a row


class Published(NamedTuple):
    """A published file: its rows and the fingerprint of its bytes."""

    chunks: list[Chunk]
    fingerprint: str


class UnusableError(Exception):
    """A published file that cannot be gone on with; the text says what to do."""


def read(path: str, series: Series, zone: Zone) -> Published | None:
    """What is published under a path; None for nothing. Raises OSError, UnusableError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    try:
        parquet = ParquetFile(pa.BufferReader(data))
        _check_schema(parquet.schema_arrow, series)
        chunks = [_chunk(parquet, group, series) for group in range(parquet.num_row_groups)]
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
    return Published([chunk for chunk in chunks if chunk], hasher(data).hexdigest())


def _check_schema(schema: Any, series: Series) -> None:
    count = len(series.columns)
    if schema.types[:count] != SCHEMAS[series.name].types[:count]:
        raise ValueError(f"its columns are {', '.join(map(str, schema.types))}")


def _chunk(parquet: Any, group: int, series: Series) -> Chunk | None:
    """A row group; the only one of a file is loaded at once."""

    def load() -> Table:
        return _table(parquet.read_row_group(group, columns=list(series.columns)), series)

    if parquet.num_row_groups == 1:
        table = load()
        return Chunk(int(table.time[0]), int(table.time[-1]), lambda: table) if table.size else None
    time = _array(parquet.read_row_group(group, columns=["timestamp"]).column(0), np.int64)
    return Chunk(int(time[0]), int(time[-1]), load)


def _table(table: Any, series: Series) -> Table:
    columns = dict(zip(table.column_names, table.combine_chunks().columns, strict=True))
    time, volume = (_array(columns[name], np.int64) for name in ("timestamp", "volume"))
    prices = (_array(columns[name], np.float64, name in series.optional) for name in series.prices)
    return Table(time, tuple(prices), volume)


def _array(column: Any, type: Any, optional: bool = False) -> Any:
    if not len(column):
        return np.zeros(0, type)
    (chunk,) = column.chunks
    if chunk.null_count and not optional:
        raise ValueError("it holds nulls")
    valid, buffer = chunk.buffers()
    values = np.frombuffer(buffer, type)[chunk.offset : chunk.offset + len(chunk)]
    if chunk.null_count:
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
        there = bits[chunk.offset : chunk.offset + len(chunk)].astype(np.bool_)
        values = np.where(there, values, np.nan)
    return values


class Writer:
    """A file in the making beside its final path; once closed, `publish` puts it there as a whole.

    Afterwards the path names all of the new file, or still the old one, and `sync_folders` makes
    that last. Methods raise OSError.
    """

    def __init__(self, path: str, key: str, zone: Zone) -> None:
        self._path = path
        self._instrument, self._series = layout.of_key(key)
        self._days = _Days(self._series, zone)
        self._waiting: list[Table] = []  # of the next row group
        self._rows = 0
        folder = os.path.dirname(path)
        _make_folders(folder)
        self._temporary = os.path.join(folder, f".{os.path.basename(path)}.tmp")
        self._file = _Hashed(self._temporary)
        self._sink = packing.buffered(self._file)
        self._parquet: Any = None

    def add(self, table: Table) -> None:
        """Further rows, in order."""
        self._days.add(table)
        while table.size:
            count = min(table.size, ROW_GROUP - self._rows)
            self._waiting.append(table.at(slice(0, count)))
            self._rows += count
            table = table.at(slice(count, None))
            if self._rows == ROW_GROUP:
                self._write()

    def _write(self) -> None:
        """A row group of what has come."""
        rows = joined(self._waiting) if self._waiting else no_rows(self._series)
        self._waiting, self._rows = [], 0
        if self._parquet is None:
            self._parquet = packing.writer(self._sink, self._series, rows)
        if rows.size:
            arrow = packing.arrow(rows, self._instrument, self._series)
            self._parquet.write_table(arrow, row_group_size=ROW_GROUP)

    def close(self) -> None:
        """All rows have come."""
        if self._rows or self._parquet is None:
            self._write()
        self._parquet.add_key_value_metadata(self._days.metadata())
        self._parquet.close()
        self._sink.flush()

    def publish(self) -> str:
        """Put the closed file in its place, and give back its fingerprint. This waits for disks."""
        self._file.finish()
        os.replace(self._temporary, self._path)
        return self._file.fingerprint()


class _Hashed:
    """A file to write to, whose bytes are hashed as they go by."""

    closed = False

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115  # closed by `finish`
        self._hash = hasher()

    def write(self, data: Any) -> int:
        self._hash.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """What writes to it has ended."""

    def finish(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def fingerprint(self) -> str:
        return str(self._hash.hexdigest())


class _Days:
    """What a file's metadata say of its days, as the rows come by."""

    def __init__(self, series: Series, zone: Zone) -> None:
        self._digested = not series.grouped
        self._zone = zone
        self._days: dict[str, dict[str, Any]] = {}
        self._day = ""
        self._rows: list[Table] = []
        self._last = ""

    def add(self, table: Table) -> None:
        if table.size:
            last = np.datetime64(int(table.time[-1]) // self._zone.unit, "s")
            self._last = f"{last}Z"
        for day, rows in by_day(table, self._zone):
            if day != self._day:
                self._end()
                self._day = day
            found = self._days.setdefault(day, {"rows": 0})
            found["rows"] += rows.stop - rows.start
            if self._digested:
                self._rows.append(table.at(rows))

    def _end(self) -> None:
        """All rows of a day have come."""
        if self._rows:
            self._days[self._day]["digest"] = _digest(joined(self._rows).columns())
        self._rows = []

    def metadata(self) -> dict[str, str]:
        self._end()
        text = json.dumps(self._days, separators=(",", ":"), sort_keys=True)
        return {DAYS_KEY: text, LAST_KEY: self._last, ZONE_KEY: self._zone.name}


def _digest(columns: Iterable[Any]) -> str:
    digest = hasher()
    for column in columns:
        little = column.astype(column.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little))
    return str(digest.hexdigest())


def sync_folders(paths: Iterable[str]) -> None:
    """Make the renames of files last, each folder once. Raises OSError."""
    for folder in sorted({os.path.dirname(path) for path in paths}):
        _sync_folder(folder)


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
