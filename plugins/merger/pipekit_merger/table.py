"""Rows of results as Arrow tables and as integers; knows neither scopes nor folders.

pandas stays out: of pyarrow's many ways only those are used that do not import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
import pyarrow as pa  # noqa: TID253  # as above
import pyarrow.parquet as pq  # noqa: TID253  # as above
from attrs import frozen
from numpy.typing import NDArray  # noqa: TID253  # as above

Ints = NDArray[np.int64]

TEXTS = ("variant", "session", "slot", "stream", "instrument", "direction", "result")
TIMES = ("entry_time", "exit_time")
COLUMNS = (
    *("variant", "date", "session", "slot", "stream", "instrument", "direction", "result"),
    *("entry_time", "exit_time", "entry_price", "exit_price", "stop_distance", "target", "peak"),
    *("range_high", "range_low", "range_size", "range_bars", "profit", "profit_usd"),
)
KEY = ("variant", "date", "session", "slot", "instrument")
NULLABLE = ("direction", *TIMES, "entry_price", "exit_price", "peak")
# What stands for null among integers: the bits of a NaN that no arithmetic makes.
NULL = 0x7FF0_0000_0000_0001

_CODED = pa.dictionary(pa.int32(), pa.string())
_OTHERS = {"date": pa.date32(), "range_bars": pa.int64()}
INNER = pa.schema(
    [
        (name, _CODED if name in TEXTS else pa.int64() if name in TIMES else kind)
        for name in COLUMNS
        for kind in [_OTHERS.get(name, pa.float64())]
    ]
)


@frozen(eq=False)
class Rows:
    """Rows as a matrix of integers (a line each of COLUMNS), so that equal cells are equal numbers.

    Texts are their rank among `words`, floats their bits, times microseconds of UTC, dates days
    since 1970-01-01; NULL is null.
    """

    values: Ints
    words: dict[str, list[str]]

    def __getitem__(self, column: str) -> Ints:
        values: Ints = self.values[COLUMNS.index(column)]
        return values


def outer_schema(zone: str) -> Any:
    """The schema of a published month whose times are shown in this zone."""
    kinds = {name: pa.string() for name in TEXTS} | {
        name: pa.timestamp("us", zone) for name in TIMES
    }
    return pa.schema(
        [(name, kinds.get(name) or _OTHERS.get(name, pa.float64())) for name in COLUMNS]
    )


def decode(data: bytes) -> tuple[Any, str, dict[bytes, bytes]]:
    """A Parquet file with the columns of results: (table for `joined`, zone, metadata).

    Raises ValueError, with a clause in the file's terms, for anything else.
    """
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data), read_dictionary=list(TEXTS), pre_buffer=False
        )  # all of it is in memory: there is nothing to fetch ahead
        table = file.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"it is no readable Parquet file ({_first_line(error)})") from error
    zone = _zone(table.schema)
    empty = [name for name in COLUMNS if name not in NULLABLE and table.column(name).null_count]
    if empty:
        raise ValueError(f"it has rows without {', '.join(empty)}")
    return table, zone, table.schema.metadata or {}


def _inner(table: Any) -> Any:
    """A decoded table, or several of one schema below each other, with the columns of INNER."""
    table = table.unify_dictionaries().combine_chunks()
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for name in TIMES:
        columns[name] = one(columns[name]).view(pa.int64())
    return pa.Table.from_arrays([columns[name] for name in COLUMNS], schema=INNER)


def one(column: Any) -> Any:
    """A column of a joined or decoded table as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _zone(schema: Any) -> str:
    """The zone of the times. Raises ValueError when the columns are not those of results."""
    zone = schema.field("entry_time").type.tz if schema.names == list(COLUMNS) else None
    if zone and schema.equals(_read_schema(zone)):
        return str(zone)
    found = dict(zip(schema.names, schema.types, strict=True))
    if set(found) != set(COLUMNS) or len(schema.names) != len(COLUMNS):
        missing = [name for name in COLUMNS if name not in found]
        more = [name for name in schema.names if name not in COLUMNS]
        raise ValueError(
            f"its columns are not those of results (missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(more) or 'none'})"
        )
    for name, kind in found.items():
        if name in TIMES:
            if not (pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz):
                raise ValueError(f"its column {name} is {kind}, not a timestamp[us] with a zone")
        elif kind != INNER.field(name).type:
            raise ValueError(f"its column {name} is {kind}, not {INNER.field(name).type}")
    zones = {found[name].tz for name in TIMES}
    if len(zones) != 1:
        raise ValueError(f"its times are in different zones: {', '.join(sorted(zones))}")
    return str(zones.pop())


@lru_cache
def _read_schema(zone: str) -> Any:
    times = {name: pa.timestamp("us", zone) for name in TIMES}
    return pa.schema([(name, times.get(name) or INNER.field(name).type) for name in COLUMNS])


def outer(table: Any, zone: str) -> Any:
    """An INNER table as the rows are published: plain texts, times shown in this zone."""
    schema = outer_schema(zone)
    arrays = []
    for name in COLUMNS:
        array = one(table.column(name))
        if name in TEXTS:
            array = array.dictionary_decode()
        elif name in TIMES:
            array = array.view(schema.field(name).type)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=schema)


def encode(table: Any, zone: str) -> Any:
    """A month's file as a buffer: the same bytes for the same rows and zone, always."""
    return parquet(outer(table, zone))


def parquet(table: Any) -> Any:
    """A table of published rows as a Parquet file in a buffer."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, table.schema, compression="snappy", use_dictionary=list(TEXTS)
    ) as writer:
        writer.write_table(table)
    return sink.getvalue()


def joined(tables: Sequence[Any]) -> Any:
    """INNER of decoded tables (and INNER ones) one below the other, with one dictionary a column.

    Tables of one schema are joined first and changed afterwards, at once.
    """
    parts = [_inner(pa.concat_tables(like)) for _, like in groupby(tables, lambda t: t.schema)]
    if len(parts) == 1:
        return parts[0]
    return pa.concat_tables(parts or [INNER.empty_table()]).unify_dictionaries().combine_chunks()


def rows_of(table: Any) -> Rows:
    """The rows of a joined table as integers."""
    values = np.empty((len(COLUMNS), table.num_rows), np.int64)
    words: dict[str, list[str]] = {}
    for line, name in enumerate(COLUMNS):
        array = one(table.column(name))
        if name in TEXTS:
            values[line], words[name] = _ranked(array)
        else:
            values[line] = integers(array)
    return Rows(values, words)


def _ranked(array: Any) -> tuple[Ints, list[str]]:
    found: list[str] = array.dictionary.to_pylist()
    words = sorted(found)
    place = {word: rank for rank, word in enumerate(words)}
    ranks = np.array([place[word] for word in found], np.int64)
    codes = integers(array.indices)
    null = codes == NULL
    codes[null] = 0
    result = ranks[codes] if len(ranks) else codes
    result[null] = NULL
    return result, words


def integers(array: Any) -> Ints:
    """The bits of a fixed-width array's values, sign kept, NULL for null."""
    validity, data = array.buffers()
    width = np.dtype(f"i{array.type.bit_width // 8}")
    start, count = array.offset, len(array)
    if data is None or not count:
        return np.full(count, NULL, np.int64)
    values = np.frombuffer(data, width, count, start * width.itemsize).astype(np.int64)
    if array.null_count:
        bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
        values[bits[start : start + count] == 0] = NULL
    return values


def take(table: Any, rows: NDArray[np.intp]) -> Any:
    """The rows of a table with these numbers, in this order."""
    wanted = np.ascontiguousarray(rows, np.int64)
    return table.take(pa.Array.from_buffers(pa.int64(), len(wanted), [None, pa.py_buffer(wanted)]))


def sort_key(rows: Rows) -> Ints:
    """A number for each row that orders rows by KEY and is equal for equal keys.

    Null parts count as greatest. Keys of the same Rows only can be compared.
    """
    result = np.zeros(rows.values.shape[1], np.int64)
    for name in KEY:
        ranks = _dense(rows[name])
        result = result * (int(ranks.max(initial=0)) + 1) + ranks
    return result


def _dense(values: Ints) -> Ints:
    """Values as small numbers from 0 on, in their order."""
    if not len(values):
        return values
    known = values[values != NULL]
    low = int(known.min(initial=NULL)) if len(known) else 0
    high = int(known.max(initial=low)) if len(known) else low
    return np.where(values == NULL, high - low + 1, values - low)


def months_of(days: Ints) -> Ints:
    """The month (counted from year 0) of each day since 1970-01-01."""
    months: Ints = days.astype("M8[D]").astype("M8[M]").astype(np.int64) + 1970 * 12
    return months


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
