"""Results as Parquet files, and back.

Only functions of pyarrow that do not import pandas are used: that import takes longer than a merge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipekit_merger.work.rows import (
    COLUMNS,
    LINES,
    NULL,
    NULLABLE,
    TEXTS,
    TIMES,
    Ints,
    Rows,
    Vocabulary,
)

BATCH = 65_536  # larger files are read in batches of this many rows
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError)  # KeyError: a column's name is damaged
_CODED = pa.dictionary(pa.int32(), pa.string())
_OTHERS = {"date": pa.date32(), "range_bars": pa.int64()}
_PLAIN = {name: _OTHERS.get(name, pa.float64()) for name in COLUMNS}


class ResultsFile:
    """An open Parquet file with the columns of results; `zone`: that of its times.

    Raises ValueError, with a clause about the file ("it ..." or "its ..."), for anything else.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._file = pq.ParquetFile(
                pa.BufferReader(data),
                read_dictionary=list(TEXTS),
                pre_buffer=False,
                page_checksum_verification=True,
            )  # it is in memory already: nothing to fetch ahead
        except _DAMAGE as error:
            raise _unreadable(error) from error
        self.zone = _zone(self._file.schema_arrow)
        self.metadata: dict[bytes, bytes] = self._file.metadata.metadata or {}

    def tables(self) -> Iterator[Any]:
        """Its rows, as tables of at most BATCH rows. Raises ValueError."""
        try:
            for batch in self._file.iter_batches(BATCH, use_threads=False):
                yield pa.Table.from_batches([batch])
        except _DAMAGE as error:
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> ValueError:
    return ValueError(f"it is not a readable Parquet file ({_first_line(error)})")


def decode(data: bytes, vocabulary: Vocabulary) -> tuple[Ints, str]:
    """The rows of a results file as a matrix, and the zone of its times.

    Raises ValueError like ResultsFile.
    """
    file = ResultsFile(data)
    values = to_matrix(list(file.tables()), vocabulary)
    if problem := incomplete(values):
        raise ValueError(problem)
    return values, file.zone


def incomplete(values: Ints) -> str:
    """A clause if rows of a matrix lack a value that each row must have; empty if they do not."""
    required = (name for name in COLUMNS if name not in NULLABLE)
    missing = [name for name in required if (values[LINES[name]] == NULL).any()]
    return f"it has rows without {', '.join(missing)}" if missing else ""


def _zone(schema: Any) -> str:
    """The zone of the times. Raises ValueError if the columns are not those of results."""
    at = schema.get_field_index(TIMES[0])
    zone = getattr(schema.field(at).type, "tz", None) if at >= 0 else None
    if zone and schema.equals(_results_schema(zone, _CODED)):
        return str(zone)
    found = dict(zip(schema.names, schema.types, strict=True))
    if set(found) != set(COLUMNS) or len(schema.names) != len(COLUMNS):
        missing = [name for name in COLUMNS if name not in found]
        unknown = [name for name in schema.names if name not in COLUMNS]
        raise ValueError(
            f"its columns are not those of results (missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(unknown) or 'none'})"
        )
    for name, kind in found.items():
        expected = _CODED if name in TEXTS else _PLAIN[name]
        if name in TIMES:
            if not (pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz):
                raise ValueError(f"its column {name} is {kind}, not a timestamp[us] with a zone")
        elif kind != expected:
            raise ValueError(f"its column {name} is {kind}, not {expected}")
    zones = {found[name].tz for name in TIMES}
    if len(zones) != 1:
        raise ValueError(f"its times are in different zones: {', '.join(sorted(zones))}")
    return str(zones.pop())


def month_schema(zone: str) -> Any:
    """The schema of a published month whose times are in this zone."""
    return _results_schema(zone, pa.string())


@lru_cache
def _results_schema(zone: str, text: Any) -> Any:
    texts, times = dict.fromkeys(TEXTS, text), dict.fromkeys(TIMES, pa.timestamp("us", zone))
    return pa.schema(list((_PLAIN | texts | times).items()))


def to_matrix(
    tables: Sequence[Any], vocabulary: Vocabulary, names: Sequence[str] = COLUMNS
) -> Ints:
    """The rows of Arrow tables as one matrix with a line for each name.

    Tables of one schema are concatenated first and converted together.
    """
    values = np.empty((len(names), sum(table.num_rows for table in tables)), np.int64)
    end = 0
    for _, like in groupby(tables, lambda table: table.schema):
        table = pa.concat_tables(like).unify_dictionaries().combine_chunks()
        start, end = end, end + table.num_rows
        for line, name in enumerate(names if table.num_rows else ()):
            array = table.column(name).chunk(0)
            values[line, start:end] = (
                _codes(name, array, vocabulary) if name in TEXTS else to_integers(array)
            )
    return values


def _codes(column: str, array: Any, vocabulary: Vocabulary) -> Ints:
    """The codes of a column of texts, which has a dictionary of its own."""
    codes = np.append(vocabulary.codes(column, array.dictionary.to_pylist()), NULL)
    indices = to_integers(array.indices)
    indices[indices == NULL] = len(codes) - 1
    result: Ints = codes[indices]
    return result


def to_integers(array: Any) -> Ints:
    """The bits of a fixed-width array's values, with their sign; NULL for null."""
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


def to_table(rows: Rows, zone: str) -> Any:
    """Rows as an Arrow table, in their published form: plain texts, times in this zone."""
    schema = month_schema(zone)
    arrays = [to_array(rows, name, schema.field(name).type) for name in COLUMNS]
    return pa.Table.from_arrays(arrays, schema=schema)


def to_array(rows: Rows, name: str, kind: Any) -> Any:
    """A column of rows as an Arrow array."""
    values = np.ascontiguousarray(rows[name])
    null = values == NULL
    valid = pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None
    if name in TEXTS:
        words = [*rows.words[name], ""]
        return text_array(words, np.where(null, len(words) - 1, values), valid)
    if name == "date":
        values = values.astype(np.int32)
    return pa.Array.from_buffers(kind, len(rows), [valid, pa.py_buffer(values)])


def text_array(words: Sequence[str], which: Ints | None = None, valid: Any = None) -> Any:
    """An array of these words, or of those at the places `which`.

    `pyarrow.compute.take` would do the same, and takes 50 ms to import.
    """
    encoded = [word.encode() for word in words]
    lengths = np.array([len(word) for word in encoded], np.int64)
    begins = np.cumsum(lengths) - lengths
    if which is not None:
        begins, lengths = begins[which], lengths[which]
    ends = np.append(0, np.cumsum(lengths))
    places = np.arange(ends[-1]) + np.repeat(begins - ends[:-1], lengths)  # of each byte
    text = np.frombuffer(b"".join(encoded), np.uint8)[places]
    buffers = [valid, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(lengths), buffers)


def parquet(table: Any) -> Any:
    """A table as a Parquet file in a buffer; the same rows give the same bytes.

    Only dates have statistics: nobody searches by prices, and theirs would take 14 % more time.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="snappy",
        use_dictionary=list(TEXTS),
        write_statistics=["date"],
        write_page_checksum=True,  # so that damage is found when the file is read
    ) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
