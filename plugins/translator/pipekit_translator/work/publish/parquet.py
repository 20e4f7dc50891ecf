"""Processed files: reading them, and writing them with their metadata.

`pipekit.days`: JSON, for each exchange-local date `{"rows": n, "digest": "..."}`; the digest is of
the day's columns (timestamp, prices, volume) as little-endian bytes, absent volumes as -1 (int64)
or NaN (float64). A file of ticks is one day and has no digest. `pipekit.last`: time of the last
row, ISO 8601. `pipekit.timezone`: the zone of these dates. `pipekit.roll`, `pipekit.contracts`:
see `rolled`. The analyzer reads these keys
(docs/reference/data.md). Nothing in a file depends on when, how often or from what it was made:
encodings are chosen by the values alone, so that the same rows make the same bytes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from pipekit.worker import hasher
from pipekit_translator import layout
from pipekit_translator.contracts import shown
from pipekit_translator.dialects import VolumeType
from pipekit_translator.layout import BARS, TICKS, Series
from pipekit_translator.work.assemble.buffer import Chunk
from pipekit_translator.work.assemble.file_rows import by_day
from pipekit_translator.work.publish.encodings import encodings_of
from pipekit_translator.work.publish.unusable import DamagedError, UnusableError
from pipekit_translator.work.table import NULL, Table, joined, known_volume, no_rows
from pipekit_translator.work.zones import Zone

DAYS_KEY, LAST_KEY, ZONE_KEY = "pipekit.days", "pipekit.last", "pipekit.timezone"
ROLL_KEY, CONTRACTS_KEY = "pipekit.roll", "pipekit.contracts"
ROW_GROUP = 1 << 18  # rows; each publishing thread holds two groups, 40 bytes a row
_CODEC = {False: "snappy", True: "zstd"}  # of ticks; it costs too much for a month of bars


def _schema(series: Series, unit: str, *constant: str) -> Any:
    return pa.schema(
        [
            pa.field("timestamp", pa.timestamp(unit, "UTC"), nullable=False),
            *(
                pa.field(name, pa.float64(), nullable=name in series.optional)
                for name in series.prices
            ),
            pa.field("volume", pa.int64()),
            *(pa.field(name, pa.string(), nullable=False) for name in constant),
        ]
    )


def _fractional(schema: Any) -> Any:
    """The schema of a stream whose volume may be a fraction."""
    return pa.schema([f.with_type(pa.float64()) if f.name == "volume" else f for f in schema])


SCHEMAS = {
    BARS.name: _schema(BARS, "us", "instrument", "interval"),
    TICKS.name: _schema(TICKS, "ns", "instrument"),
}


def schema_of(series: Series) -> Any:
    """The columns of a processed file, with whole volumes."""
    return SCHEMAS[TICKS.name if series.grouped else BARS.name]


class Published(NamedTuple):
    """A published file: its rows, the type of their volume, and the fingerprint of its bytes.

    `stated`: what it says of contracts, by key of the metadata.
    """

    chunks: list[Chunk]
    volume: VolumeType
    fingerprint: str
    stated: dict[str, str] = {}  # noqa: RUF012  # nobody changes it


def read(path: str, series: Series, zone: Zone, *, altered: bool = False) -> Published | None:
    """The published file of a path; None if there is none. Raises OSError, UnusableError.

    `altered`: it may lack the name of its zone, as it does if another program wrote it.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        if os.path.isdir(path):
            raise DamagedError(path, "it is a folder") from error
        raise
    try:
        parquet = ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        volume = _volume_type(parquet.schema_arrow, series)
        chunks = [_chunk(parquet, group, series) for group in range(parquet.num_row_groups)]
        texts = {k.decode(): v.decode() for k, v in (parquet.metadata.metadata or {}).items()}
        made_for = texts.get(ZONE_KEY, "")
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DamagedError(path, error) from error
    if made_for != zone.name and not (altered and not made_for):
        raise UnusableError(
            f"{path} has dates of {made_for or 'an unknown time zone'}, not of {zone.name}. Set "
            "timezone back, or move the processed folder away and run `pipekit run --rebuild`"
        )
    found = [chunk for chunk in chunks if chunk]
    stated = {name: texts[name] for name in (ROLL_KEY, CONTRACTS_KEY) if name in texts}
    return Published(found, volume, hasher(data).hexdigest(), stated)


def _volume_type(schema: Any, series: Series) -> VolumeType:
    """Whether a file's volume is whole. Raises ValueError if its columns are others."""
    count = len(series.columns)
    whole = schema_of(series)
    for name, expected in (("int", whole), ("float", _fractional(whole))):
        if schema.types[:count] == expected.types[:count]:
            return cast("VolumeType", name)
    raise ValueError(f"its columns are {', '.join(map(str, schema.types))}")


def volume_type(path: str, series: Series) -> VolumeType | None:
    """Whether the volume of a published file is whole; None without rows, or if it is damaged."""
    try:
        parquet = ParquetFile(path)
        rows = parquet.metadata.num_rows
        return _volume_type(parquet.schema_arrow, series) if rows else None
    except (pa.ArrowException, OSError, ValueError):
        return None


def _chunk(parquet: Any, group: int, series: Series) -> Chunk | None:
    """The rows of a row group; loaded at once if it is the only one."""

    def load() -> Table:
        return _table(parquet.read_row_group(group, columns=list(series.columns)), series)

    if parquet.num_row_groups == 1:
        table = load()
        return Chunk(int(table.time[0]), int(table.time[-1]), lambda: table) if table.size else None
    time = _array(parquet.read_row_group(group, columns=["timestamp"]).column(0), np.int64)
    return Chunk(int(time[0]), int(time[-1]), load)


def _table(table: Any, series: Series) -> Table:
    columns = dict(zip(table.column_names, table.combine_chunks().columns, strict=True))
    time = _array(columns["timestamp"], np.int64)
    real = columns["volume"].type == pa.float64()
    volume = _array(columns["volume"], np.float64 if real else np.int64, True)
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
        values = np.where(there, values, np.nan if type is np.float64 else NULL)
    return values


class Writer:
    """Writes a processed file, in a `with` block. `stated`: further metadata. Raises OSError."""

    def __init__(
        self, path: os.PathLike[str], key: str, zone: Zone, stated: Mapping[str, str] | None = None
    ) -> None:
        name, self._series = layout.of_key(key)
        self._instrument = shown(name)
        self._stated = stated or {}
        self._days = _Days(self._series, zone)
        self._waiting: list[Table] = []  # of the next row group
        self._rows = 0
        self._sink = pa.OSFile(os.fspath(path), "wb")
        self._parquet: Any = None  # pyarrow has no types

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        with self._sink:
            if kind is None:
                self._finish()

    def add(self, table: Table) -> None:
        """Add rows, in order."""
        self._days.add(table)
        while table.size:
            count = min(table.size, ROW_GROUP - self._rows)
            self._waiting.append(table.at(slice(0, count)))
            self._rows += count
            table = table.at(slice(count, None))
            if self._rows == ROW_GROUP:
                self._write()

    def _write(self) -> None:
        """Write a row group."""
        rows = joined(self._waiting) if self._waiting else no_rows(self._series)
        self._waiting, self._rows = [], 0
        if self._parquet is None:
            self._parquet = _writer(self._sink, self._series, rows)
        if rows.size:
            arrow = _arrow(rows, self._instrument, self._series)
            self._parquet.write_table(arrow, row_group_size=ROW_GROUP)

    def _finish(self) -> None:
        if self._rows or self._parquet is None:
            self._write()
        self._parquet.add_key_value_metadata({**self._days.metadata(), **self._stated})
        self._parquet.close()


class _Days:
    """The metadata of a file, collected while rows are added."""

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
        """Add the digest of a day that is complete."""
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
        little = column if sys.byteorder == "little" else column.byteswap()
        digest.update(np.ascontiguousarray(little))
    return str(digest.hexdigest())


def _writer(sink: Any, series: Series, first: Table) -> Any:
    """A writer of row groups; the `first` one decides how all are encoded."""
    schema = _encoded(_schema_of(first, series))
    encodings = encodings_of(series, first)
    codec = _CODEC[series.grouped]
    return ParquetWriter(
        sink,
        schema,
        version="2.6",
        use_dictionary=[name for name in schema.names if name not in encodings],
        column_encoding=encodings,
        compression={n: codec if _pays(n, series) else "none" for n in schema.names},
        write_statistics=["timestamp"],  # the one column a reader could skip row groups by
        store_schema=False,
        write_page_checksum=True,  # so that damage is found when the file is read
    )


def _pays(name: str, series: Series) -> bool:
    """Whether compression makes a column small enough to be worth its time."""
    return name in (*series.prices, "volume" if series.grouped else "timestamp")


def _encoded(schema: Any) -> Any:
    """The schema with strings as dictionaries, which are written faster."""
    texts = pa.dictionary(pa.int8(), pa.string())
    return pa.schema([f.with_type(texts) if f.type == pa.string() else f for f in schema])


def _schema_of(table: Table, series: Series) -> Any:
    schema = schema_of(series)
    return _fractional(schema) if table.volume.dtype == np.float64 else schema


def _arrow(table: Table, instrument: str, series: Series) -> Any:
    """The rows as an Arrow table over the same memory."""
    schema = _schema_of(table, series)
    values = zip(series.columns, table.columns(), strict=True)
    columns = [_values(schema.field(name), column) for name, column in values]
    constant = {"instrument": instrument, "interval": series.name}
    columns += [_repeated(constant[name], table.size) for name in schema.names[len(columns) :]]
    return pa.Table.from_arrays(columns, schema=_encoded(schema))


def _values(field: Any, column: Any) -> Any:
    """An Arrow array over the same memory; `pa.array` would import pandas."""
    valid, absent = None, 0
    if field.nullable:
        there = known_volume(column) if field.name == "volume" else ~np.isnan(column)
        absent = len(column) - int(np.count_nonzero(there))
        valid = pa.py_buffer(np.packbits(there, bitorder="little")) if absent else None
    buffers = [valid, pa.py_buffer(np.ascontiguousarray(column))]
    return pa.Array.from_buffers(field.type, len(column), buffers, absent)


def _repeated(text: str, count: int) -> Any:
    """A column of one string; `pa.repeat` would import pandas."""
    data = text.encode()
    offsets = pa.py_buffer(np.array([0, len(data)], np.int32))
    once = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(data))
    places = [None, pa.py_buffer(np.zeros(count, np.int8))]
    return pa.DictionaryArray.from_arrays(pa.Array.from_buffers(pa.int8(), count, places), once)
