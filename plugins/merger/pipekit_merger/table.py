"""Rows of results as Parquet files and back; knows neither scopes nor folders.

pandas stays out: of pyarrow's many ways only those are used that do not import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
import pyarrow as pa  # noqa: TID253  # as above
import pyarrow.parquet as pq  # noqa: TID253  # as above

from pipekit_merger.rows import (
    COLUMNS,
    NULL,
    NULLABLE,
    TEXTS,
    TIMES,
    Ints,
    Rows,
    Words,
)

BATCH = 65_536  # rows that are read at once of a larger file
_CODED = pa.dictionary(pa.int32(), pa.string())
_OTHERS = {"date": pa.date32(), "range_bars": pa.int64()}
_PLAIN = {name: _OTHERS.get(name, pa.float64()) for name in COLUMNS}


class File:
    """An open Parquet file with the columns of results; its times are shown in `zone`.

    A small one has been read. Raises ValueError, with a clause in the file's terms, for anything
    else.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._file = pq.ParquetFile(
                pa.BufferReader(data), read_dictionary=list(TEXTS), pre_buffer=False
            )  # all of it is in memory: there is nothing to fetch ahead
            self.rows: int = self._file.metadata.num_rows
            small = self.rows <= BATCH
            self._whole = self._file.read(use_threads=False) if small else None
            schema = self._file.schema_arrow if self._whole is None else self._whole.schema
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(error) from error
        self.zone = _zone(schema)
        self.metadata: dict[bytes, bytes] = self._file.metadata.metadata or {}

    def tables(self) -> Iterator[Any]:
        """Its rows, as tables for `matrix` of at most BATCH rows. Raises ValueError."""
        for table in self._tables():
            bare = [
                name for name in COLUMNS if name not in NULLABLE and table.column(name).null_count
            ]
            if bare:
                raise ValueError(f"it has rows without {', '.join(bare)}")
            yield table

    def _tables(self) -> Iterator[Any]:
        if self._whole is not None:
            yield self._whole
            return
        try:
            for batch in self._file.iter_batches(BATCH, use_threads=False):
                yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> ValueError:
    return ValueError(f"it is no readable Parquet file ({_first_line(error)})")


def decode(data: bytes, words: Words) -> tuple[Ints, str]:
    """The rows of a Parquet file with the columns of results, as a matrix, and its zone.

    Raises ValueError, with a clause in the file's terms, for anything else.
    """
    file = File(data)
    return matrix(list(file.tables()), words), file.zone


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
        wanted = _CODED if name in TEXTS else _PLAIN[name]
        if name in TIMES:
            if not (pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz):
                raise ValueError(f"its column {name} is {kind}, not a timestamp[us] with a zone")
        elif kind != wanted:
            raise ValueError(f"its column {name} is {kind}, not {wanted}")
    zones = {found[name].tz for name in TIMES}
    if len(zones) != 1:
        raise ValueError(f"its times are in different zones: {', '.join(sorted(zones))}")
    return str(zones.pop())


@lru_cache
def _read_schema(zone: str) -> Any:
    texts, times = dict.fromkeys(TEXTS, _CODED), dict.fromkeys(TIMES, pa.timestamp("us", zone))
    return pa.schema(list((_PLAIN | texts | times).items()))


@lru_cache
def outer_schema(zone: str) -> Any:
    """The schema of a published month whose times are shown in this zone."""
    texts, times = dict.fromkeys(TEXTS, pa.string()), dict.fromkeys(TIMES, pa.timestamp("us", zone))
    return pa.schema(list((_PLAIN | texts | times).items()))


def matrix(tables: Sequence[Any], words: Words, names: Sequence[str] = COLUMNS) -> Ints:
    """The rows of a file's tables, or of several files', below each other; a line for each name.

    Tables of one schema are joined first and changed afterwards, at once.
    """
    values = np.empty((len(names), sum(table.num_rows for table in tables)), np.int64)
    end = 0
    for _, like in groupby(tables, lambda table: table.schema):
        table = pa.concat_tables(like).unify_dictionaries().combine_chunks()
        start, end = end, end + table.num_rows
        columns = dict(zip(table.column_names, table.columns, strict=True))
        for line, name in enumerate(names):
            array = one(columns[name])
            values[line, start:end] = (
                _numbers(name, array, words) if name in TEXTS else integers(array)
            )
    return values


def one(column: Any) -> Any:
    """A column as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _numbers(column: str, array: Any, words: Words) -> Ints:
    numbers = np.append(words.numbers(column, array.dictionary.to_pylist()), NULL)
    codes = integers(array.indices)
    codes[codes == NULL] = len(numbers) - 1
    result: Ints = numbers[codes]
    return result


def integers(array: Any) -> Ints:
    """The bits of a fixed-width array's values, sign kept, NULL for null."""
    validity, data = array.buffers()
    width = np.dtype(f"i{array.type.bit_width // 8}")
    start, count = array.offset, len(array)
    if data is None or not count:
        return np.full(count, NULL, np.int64)
    values = np.frombuffer(data, width, count, start * width.itemsize)
    values = values.astype(np.int64, copy=bool(array.null_count))
    if array.null_count:
        bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
        values[bits[start : start + count] == 0] = NULL
    return values


def outer(rows: Rows, zone: str) -> Any:
    """Rows as they are published: plain texts, times shown in this zone."""
    schema = outer_schema(zone)
    arrays = [array(rows, name, schema.field(name).type) for name in COLUMNS]
    return pa.Table.from_arrays(arrays, schema=schema)


def array(rows: Rows, name: str, kind: Any) -> Any:
    """A column of rows as an Arrow array."""
    values = np.ascontiguousarray(rows[name])
    null = values == NULL
    valid = pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None
    if name in TEXTS:
        words = [*rows.words[name], ""]
        return texts(words, np.where(null, len(words) - 1, values), valid)
    if name == "date":
        values = values.astype(np.int32)
    return pa.Array.from_buffers(kind, len(rows), [valid, pa.py_buffer(values)])


def texts(words: Sequence[str], which: Ints | None = None, valid: Any = None) -> Any:
    """An array of these words; of those at the places `which`, where they are given.

    Arrow has a function for this, whose module takes 50 ms to import.
    """
    encoded = np.array([word.encode() for word in words], object)
    lengths = np.array([len(word) for word in encoded], np.int32)
    if which is not None:
        encoded, lengths = encoded[which], lengths[which]
    ends = np.append(0, np.cumsum(lengths)).astype(np.int32)
    buffers = [valid, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded.tolist()))]
    return pa.Array.from_buffers(pa.string(), len(lengths), buffers)


def parquet(table: Any) -> Any:
    """A table of published rows as a Parquet file in a buffer: the same bytes for the same rows.

    Only dates have statistics: nobody looks for a month by its prices, and they cost a seventh.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="snappy",
        use_dictionary=list(TEXTS),
        write_statistics=["date"],
    ) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
